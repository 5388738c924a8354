//! What the clients of providers have learnt, kept across restarts and reloads.
//!
//! Owns: the name under which it is stored. Must never know: what it means.

use std::sync::PoisonError;

use super::{Account, Reconcile};
use crate::payments::object::AccountName;
use crate::store::StoreError;

fn name(account: &AccountName) -> String {
    format!("api-learnt/{account}")
}

impl Reconcile {
    /// Passes to an account's client what it learnt earlier. The store is read once per account.
    pub(super) async fn remind(&self, account: &Account) -> Result<(), StoreError> {
        let known = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(&account.name).cloned();
        let known = match known {
            Some(known) => known,
            None => {
                let read = self.store.recall(&name(&account.name)).await?.unwrap_or_default();
                let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
                learnt.entry(account.name.clone()).or_insert(read).clone()
            }
        };
        if !known.is_empty() {
            account.api.remind(&known);
        }
        Ok(())
    }

    /// Forgets what was learnt about an account, because another host may have learnt more since. It is read again at
    /// the next start of the account's loop.
    pub fn forget_learnt(&self, account: &AccountName) {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
        self.learning().remove(account);
    }

    /// Stores what an account's client has learnt since.
    pub(super) async fn keep_learnt(&self, account: &Account) -> Result<(), StoreError> {
        let Some(word) = account.api.learnt() else { return Ok(()) };
        let is_new = {
            let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
            learnt.insert(account.name.clone(), word.to_owned()).as_deref() != Some(word)
        };
        if is_new { self.store.remember(&name(&account.name), word).await } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::*;
    use crate::apis::pace::{Pace, Permit};
    use crate::apis::{Api, Fetching};
    use crate::clock::{HandClock, SharedClock};
    use crate::payments::lifecycle::Lifecycle;
    use crate::payments::object::{Kind, ObjectId};
    use crate::store::{Options, Store};

    const NOW: Timestamp = Timestamp::constant(1_770_000_000, 0);

    /// Learns one thing, and records what it is reminded of.
    #[derive(Default)]
    struct Pupil {
        has_learnt: AtomicBool,
        reminded: Mutex<Vec<String>>,
    }

    impl Api for Pupil {
        fn kinds(&self) -> &'static [&'static str] {
            &[]
        }
        fn lifecycle(&self, _kind: &Kind) -> Option<&'static dyn Lifecycle> {
            None
        }
        fn operation(&self, _kind: &Kind) -> Option<&'static str> {
            None
        }
        fn accepts(&self, _kind: &Kind, _id: &ObjectId) -> Result<(), String> {
            Ok(())
        }
        fn kind_of(&self, _id: &ObjectId) -> Option<Kind> {
            None
        }
        fn fetch<'a>(&'a self, _kind: &'a Kind, _id: &'a ObjectId, _permit: Permit) -> Fetching<'a> {
            Box::pin(std::future::pending())
        }
        fn learnt(&self) -> Option<&'static str> {
            self.has_learnt.load(Ordering::Relaxed).then_some("signed")
        }
        fn remind(&self, learnt: &str) {
            self.reminded.lock().unwrap().push(learnt.to_owned());
        }
        fn where_to_look(&self) -> &'static str {
            ""
        }
    }

    fn account() -> (Account, Arc<Pupil>) {
        let pupil = Arc::new(Pupil::default());
        let account = Account::new(AccountName::new("shop").unwrap(), Arc::clone(&pupil) as Arc<dyn Api>);
        (account, pupil)
    }

    fn process(store: &Store) -> Arc<Reconcile> {
        let clock: SharedClock = HandClock::starting_at(NOW);
        let pace = Arc::new(Pace::new(Arc::clone(&clock)));
        Reconcile::new(store.clone(), clock, pace, Arc::new(|_, _| Vec::new()), 1)
    }

    #[tokio::test]
    async fn what_was_learnt_is_known_after_a_reload_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().join("store"), ..Options::default() };
        let (store, _) = Store::open(options, NOW).await.unwrap();
        let first = process(&store);
        let (shop, pupil) = account();
        first.remind(&shop).await.unwrap();
        first.keep_learnt(&shop).await.unwrap();
        assert_eq!(*pupil.reminded.lock().unwrap(), [""; 0], "nothing is known yet");
        pupil.has_learnt.store(true, Ordering::Relaxed);
        first.keep_learnt(&shop).await.unwrap();
        for process in [first, process(&store)] {
            let (shop, pupil) = account();
            process.remind(&shop).await.unwrap();
            assert_eq!(*pupil.reminded.lock().unwrap(), ["signed"]);
        }
    }
}
