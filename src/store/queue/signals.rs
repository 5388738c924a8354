//! Wakes those who sleep until something is due or owed.
//!
//! Owns: one pulse an account, so that an enrolment wakes one loop and not ten thousand. Must never know:
//! what is due.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::payments::object::AccountName;
use crate::store::mutex::locked;

/// The pulses of all accounts that somebody listens for, and the outbox's.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    due: Mutex<HashMap<AccountName, Arc<Notify>>>,
    owed: Arc<Notify>,
}

impl Signals {
    /// The pulse of an account.
    pub(crate) fn of(&self, account: &AccountName) -> Arc<Notify> {
        let mut due = locked(&self.due);
        Arc::clone(due.entry(account.clone()).or_default())
    }

    /// The outbox's pulse.
    pub(crate) fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.owed)
    }

    /// Wakes the accounts' listeners, and the outbox's if `is_owed`.
    pub(crate) fn pulse(&self, accounts: &BTreeSet<&AccountName>, is_owed: bool) {
        if !accounts.is_empty() {
            let due = locked(&self.due);
            for account in accounts {
                if let Some(signal) = due.get(*account) {
                    signal.notify_one();
                }
            }
        }
        if is_owed {
            self.owed.notify_one();
        }
    }
}
