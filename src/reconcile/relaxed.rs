//! Polling less often while the provider's notifications announce what happens.
//!
//! Owns: how an interval is relaxed, and that it ends at once. Must never know: how it is judged that notifications work.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::{Account, Reconcile};
use crate::payments::lifecycle::Phase;
use crate::payments::object::{Kind, ObjectRef};
use crate::payments::schedule::Policy;
use crate::store::{Filter, StoreError};
use crate::time::later;

/// How many records are read at once.
const PAGE: usize = 500;

/// A poll that ended.
#[derive(Debug, Clone)]
pub struct Polled<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// When the poll before this one was.
    pub polled_before_at: Option<Timestamp>,
    /// When this one was sent.
    pub sent_at: Timestamp,
    /// It was observed before, and is final since this poll.
    pub became_final: bool,
}

/// Is informed of every poll. It must be quick.
pub type Watcher = Arc<dyn Fn(&Polled<'_>) + Send + Sync>;

impl Reconcile {
    /// Informs a function of every poll from now on. Only the first one counts.
    pub fn inform(&self, watcher: Watcher) {
        let _ = self.watcher.set(watcher);
    }

    /// The account's policy, with a longer interval while it is relaxed.
    pub(super) fn relaxed_policy(&self, account: &Account, kind: &Kind) -> Policy {
        let policy = account.policy(kind);
        let Some(relaxed) = policy.relaxed_interval.filter(|_| self.is_relaxed(account, kind)) else {
            return policy;
        };
        Policy { interval: policy.interval.max(relaxed), ..policy }
    }

    fn is_relaxed(&self, account: &Account, kind: &Kind) -> bool {
        let relaxed = self.relaxed.lock().unwrap_or_else(PoisonError::into_inner);
        let announced = account.api.notifications().map(|notifier| notifier.announced_kinds());
        relaxed.get(&account.name) == Some(&true)
            && announced.is_some_and(|kinds| kinds.contains(&kind.as_str()))
    }

    /// Says whether notifications announce what happens to the objects of an account. If they do no longer, every object
    /// is due as if its polling had never been relaxed.
    ///
    /// # Errors
    /// The store's.
    pub async fn relax(&self, account: &Account, is_relaxed: bool) -> Result<(), StoreError> {
        let before = {
            let mut relaxed = self.relaxed.lock().unwrap_or_else(PoisonError::into_inner);
            relaxed.insert(account.name.clone(), is_relaxed)
        };
        // After a start it is not known how the last process polled.
        let was_relaxed = before.unwrap_or(true);
        let is_configured = account.policies.values().any(|policy| policy.relaxed_interval.is_some());
        if is_relaxed || !was_relaxed || !is_configured {
            return Ok(());
        }
        let now = self.clock.now();
        let filter = Filter {
            account: Some(account.name.clone()),
            phase: Some(Phase::Moving),
            finished: Some(false),
            ..Filter::default()
        };
        let mut after = None;
        loop {
            let page = self.store.list(&filter, after, PAGE).await?;
            for record in page.items {
                let Some(polled_at) = record.polled_at else { continue };
                let due_at = later(polled_at, account.policy(&record.object.kind).interval).max(now);
                if record.due_at.is_some_and(|known| known > due_at) {
                    self.store.hint(&record.object, due_at).await?;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
