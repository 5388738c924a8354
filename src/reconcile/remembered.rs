//! The part of an account's standing that survives a restart, so that nothing is reported twice.
//!
//! Owns: its name in the store and its stored form. Must never know: what follows from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

use super::circuit_breaker::RefusedSince;

/// Since when the account or a kind is refused, and since when no request has succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembered {
    pub(super) refused: RefusedSince,
    pub(super) no_success_since: Option<Timestamp>,
}

impl Remembered {
    /// Reads the last stored value. A value that cannot be read counts as all well.
    pub(super) async fn read(store: &Store, account: &AccountName) -> Result<Remembered, StoreError> {
        Ok(store.recall(&name(account)).await?.map(|text| Remembered::of(&text)).unwrap_or_default())
    }

    pub(super) async fn write(&self, store: &Store, account: &AccountName) -> Result<(), StoreError> {
        let text = match *self == Remembered::default() {
            true => String::new(),
            false => serde_json::to_string(self).unwrap_or_default(),
        };
        store.remember(&name(account), &text).await
    }

    fn of(text: &str) -> Remembered {
        // An earlier version stored a bare time, or nothing.
        let account = text.parse().ok();
        serde_json::from_str(text).unwrap_or_else(|_| Remembered {
            refused: RefusedSince { account, ..RefusedSince::default() },
            ..Remembered::default()
        })
    }
}

fn name(account: &AccountName) -> String {
    format!("account-refused/{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_wrote_is_understood() {
        let since: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
        assert_eq!(Remembered::of("2027-01-15T06:00:00Z").refused.account, Some(since));
        for nothing in ["", "{}", "soon"] {
            assert_eq!(Remembered::of(nothing), Remembered::default(), "{nothing:?}");
        }
        let remembered = Remembered { no_success_since: Some(since), ..Remembered::default() };
        assert_eq!(Remembered::of(&serde_json::to_string(&remembered).unwrap()), remembered);
    }
}
