//! Wakes tasks that sleep until an object or a delivery is due.
//!
//! Owns: one signal per account, so that an enrolment wakes one loop and not ten thousand. Must never know: what is
//! due.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use crate::payments::object::AccountName;
use crate::store::mutex::locked;

/// The signals of all accounts that have a listener, the outbox's and the journal's.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    due: Mutex<HashMap<AccountName, Arc<Notify>>>,
    owed: Arc<Notify>,
    targets: Mutex<HashMap<String, Arc<Notify>>>,
    journal: watch::Sender<u64>,
}

impl Signals {
    /// The signal of an account.
    pub(crate) fn of(&self, account: &AccountName) -> Arc<Notify> {
        let mut due = locked(&self.due);
        Arc::clone(due.entry(account.clone()).or_default())
    }

    /// The outbox's signal.
    pub(crate) fn outbox(&self) -> Arc<Notify> {
        Arc::clone(&self.owed)
    }

    /// The signal of a target that has a loop of its own.
    pub(crate) fn of_target(&self, target: &str) -> Arc<Notify> {
        let mut targets = locked(&self.targets);
        Arc::clone(targets.entry(target.to_owned()).or_default())
    }

    /// The last journal entry, and a signal whenever there is another.
    pub(crate) fn journal(&self) -> watch::Receiver<u64> {
        self.journal.subscribe()
    }

    /// Wakes those who follow the journal.
    pub(crate) fn written(&self, sequence: u64) {
        self.journal.send_replace(sequence);
    }

    /// Wakes the listeners of these accounts, and the listeners of the outbox if `is_owed`.
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
            locked(&self.targets).values().for_each(|target| target.notify_one());
        }
    }
}
