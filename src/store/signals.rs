//! Wakes those who sleep until something is due or owed.
//!
//! Owns: one pulse an account, so that an enrolment wakes one loop and not ten thousand. Must never know:
//! what is due.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::payments::object::AccountName;

/// The pulses of all accounts that somebody listens for, and the outbox's.
#[derive(Debug, Default)]
pub(super) struct Signals {
    due: Mutex<HashMap<AccountName, Arc<Notify>>>,
    owed: Arc<Notify>,
}

impl Signals {
    /// The pulse of an account.
    pub(super) fn of(&self, account: &AccountName) -> Arc<Notify> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(due.entry(account.clone()).or_default())
    }

    /// The outbox's pulse.
    pub(super) fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.owed)
    }

    /// Wakes the accounts' listeners, and the outbox's if `is_owed`.
    pub(super) fn pulse(&self, accounts: &BTreeSet<AccountName>, is_owed: bool) {
        if !accounts.is_empty() {
            let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            for account in accounts {
                if let Some(signal) = due.get(account) {
                    signal.notify_one();
                }
            }
        }
        if is_owed {
            self.owed.notify_one();
        }
    }
}
