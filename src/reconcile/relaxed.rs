//! Polling less often while the provider's notifications announce what happens.
//!
//! Owns: that it ends at once. Must never know: how it is judged that notifications work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Account, Reconcile};
use crate::payments::lifecycle::Phase;
use crate::payments::object::Kind;
use crate::payments::observation::EndedPoll;
use crate::payments::record::Trouble;
use crate::store::{Filter, StoreError};
use crate::time::later;

/// How many records are read at once.
const PAGE: usize = 500;

/// Is informed of every poll. It must be quick.
pub type Watcher = Arc<dyn Fn(&EndedPoll<'_>) + Send + Sync>;

impl Reconcile {
    /// Informs a function of every poll from now on. Only the first one counts.
    pub fn inform(&self, watcher: Watcher) {
        let _ = self.watcher.set(watcher);
    }

    /// Says which kinds of an account notifications announce. The objects of a kind that they announce no longer are due
    /// as if its polling had never been relaxed.
    ///
    /// # Errors
    /// The store's.
    pub async fn relax(&self, account: &Account, kinds: BTreeSet<Kind>) -> Result<(), StoreError> {
        let before = account.relaxed.set(Some(kinds.clone()));
        for (kind, policy) in &account.policies {
            // After a start it is not known how the last process polled.
            let was_relaxed = before.as_ref().is_none_or(|before| before.contains(kind));
            if policy.relaxed_interval.is_none() || !was_relaxed || kinds.contains(kind) {
                continue;
            }
            let pulled_in = self.pull_in(account, kind, policy.interval).await;
            if pulled_in.is_err() {
                account.relaxed.set(before);
                return pulled_in;
            }
        }
        Ok(())
    }

    /// Makes moving objects that wait longer than the interval due after it. Those in quarantine or after a failure have
    /// waits of their own.
    async fn pull_in(&self, account: &Account, kind: &Kind, interval: Duration) -> Result<(), StoreError> {
        let now = self.clock.now();
        let filter = Filter {
            account: Some(account.name.clone()),
            kind: Some(kind.clone()),
            phase: Some(Phase::Moving),
            finished: Some(false),
            ..Filter::default()
        };
        let mut after = None;
        loop {
            let page = self.store.list(&filter, after, PAGE).await?;
            for record in page.items {
                let is_apart = record.quarantine.is_some() || record.trouble != Trouble::default();
                let Some(polled_at) = record.polled_at.filter(|_| !is_apart) else { continue };
                let due_at = later(polled_at, interval).max(now);
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
