//! What states and reasons mean, for codes that are only digits.
//!
//! Owns: when a word needs its meaning. Must never know: which APIs there are, rows.

use std::fmt;
use std::sync::Arc;

use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind};

/// Finds the lifecycle of an account's kind.
type Find = dyn Fn(&AccountName, &Kind) -> Option<&'static dyn Lifecycle> + Send + Sync;

/// What states and reasons mean, to write it beside codes that are only digits.
#[derive(Clone, Default)]
pub struct Meanings(Option<Arc<Find>>);

impl Meanings {
    /// Looks lifecycles up by account and kind.
    pub fn new(
        find: impl Fn(&AccountName, &Kind) -> Option<&'static dyn Lifecycle> + Send + Sync + 'static,
    ) -> Meanings {
        Meanings(Some(Arc::new(find)))
    }

    fn lifecycle(&self, account: &AccountName, kind: &Kind) -> Option<&'static dyn Lifecycle> {
        self.0.as_ref().and_then(|find| find(account, kind))
    }

    /// A state in words, if its name says nothing.
    pub(super) fn state(&self, account: &AccountName, kind: &Kind, state: &str) -> &'static str {
        let lifecycle = self.lifecycle(account, kind).filter(|_| is_code(state));
        lifecycle.and_then(|lifecycle| lifecycle.state(state)).map_or("", |facts| facts.meaning)
    }

    /// Reasons of a state in words, as far as their names say nothing.
    pub(super) fn reasons(&self, account: &AccountName, kind: &Kind, state: &str, codes: &str) -> String {
        let Some(lifecycle) = self.lifecycle(account, kind) else { return String::new() };
        let codes = codes.split(' ').filter(|code| is_code(code));
        let meanings = codes.filter_map(|code| lifecycle.reason(state, code)).map(|reason| reason.meaning);
        meanings.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for Meanings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Meanings")
    }
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}
