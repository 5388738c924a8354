//! Which accounts this process may send requests for: all of them, unless several hosts share the work.
//!
//! Owns: this set, and whether work on an account still continues. Must never know: which other hosts there are, how
//! accounts are shared out.

use std::collections::HashMap;
use std::sync::Arc;

use crate::payments::object::AccountName;

/// Keeps an account from being given up while work on it continues.
#[derive(Debug, Clone)]
pub struct AtWork {
    _of: Arc<()>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// None: all accounts.
    accounts: Option<HashMap<AccountName, Arc<()>>>,
    /// Accounts that are being given up.
    leaving: HashMap<AccountName, Arc<()>>,
    /// No work may begin any more.
    is_over: bool,
}

impl Held {
    pub(super) fn nothing() -> Held {
        Held { accounts: Some(HashMap::new()), ..Held::default() }
    }

    pub(super) fn has(&self, account: &AccountName) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains_key(account))
    }

    pub(super) fn work_on(&self, account: &AccountName) -> Option<AtWork> {
        match &self.accounts {
            None => Some(AtWork { _of: Arc::default() }),
            Some(accounts) => Some(AtWork { _of: Arc::clone(accounts.get(account)?) }),
        }
    }

    pub(super) fn begin(&mut self, account: &AccountName) {
        if let Some(accounts) = self.accounts.as_mut().filter(|_| !self.is_over) {
            accounts.entry(account.clone()).or_default();
        }
    }

    /// From now on, no work begins on this account.
    pub(super) fn leave(&mut self, account: &AccountName) {
        let held = self.accounts.as_mut().and_then(|accounts| accounts.remove(account));
        self.leaving.extend(held.map(|held| (account.clone(), held)));
    }

    /// From now on, no work begins on any account.
    pub(super) fn leave_all(&mut self) {
        self.leaving.extend(self.accounts.take().unwrap_or_default());
        self.accounts = Some(HashMap::new());
        self.is_over = true;
    }

    /// Whether all work on all accounts that are being given up has ended.
    pub(super) fn have_all_left(&self) -> bool {
        self.leaving.values().all(|held| Arc::strong_count(held) == 1)
    }

    /// Whether all work on an account that is being given up has ended.
    pub(super) fn has_left(&mut self, account: &AccountName) -> bool {
        let is_busy = self.leaving.get(account).is_some_and(|held| Arc::strong_count(held) > 1);
        if !is_busy {
            self.leaving.remove(account);
        }
        !is_busy
    }
}
