//! Polling by batch: what single questions cannot visit in time is asked about in a batch that only looks. What it
//! shows takes the path that every poll takes; what it does not show stays with single polling.
//!
//! Owns: when such a batch is made, and of which objects. Must never know: what a state means, how it is sent.
//!
//! One stored batch a kind and part is used again and again: nothing of the one before is needed once its sights
//! are handed on.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{RESULT, ROWS, file_name};
use super::{Account, BatchError, Batches};
use crate::apis::batch::Plan;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Record;
use crate::payments::tail::Tail;
use crate::time::later;

/// A kind that is visited by batch where single questions do not suffice.
#[derive(Debug, Clone)]
pub struct TailRule {
    /// What.
    pub kind: Kind,
    /// The operation whose quota a single question uses.
    pub operation: &'static str,
    /// Within which each moving object is to be looked at.
    pub interval: Duration,
    /// How many objects one batch may name.
    pub most: usize,
}

impl Batches {
    /// Makes the batches that are worth it now.
    ///
    /// # Errors
    /// When store or folder fail.
    pub async fn visit_tails(&self, account: &Account) -> Result<(), BatchError> {
        for rule in &account.tails {
            self.visit_tail(account, rule).await?;
        }
        Ok(())
    }

    async fn visit_tail(&self, account: &Account, rule: &TailRule) -> Result<(), BatchError> {
        let now = self.clock.now();
        let label = format!("poll-{}-{}", account.name, rule.kind);
        let entries = self.stored.list(Some(&account.name)).await?;
        let mut earlier = entries.iter().filter(|entry| entry.reference().starts_with(&label));
        // One that was submitted in the future was dated by a clock that was ahead.
        let waits = |entry: &Entry| entry.submitted_at <= now && now < again_at(entry, rule);
        if earlier.any(|entry| !entry.is_folded || waits(entry)) {
            return Ok(());
        }
        let store = self.stored.store();
        let is_counted = |phase, quarantined: bool| phase == Phase::Moving && !quarantined;
        let counts = store.counts().await?.into_iter();
        let moving = counts
            .filter(|count| count.account == account.name && count.kind == rule.kind)
            .filter(|count| is_counted(count.phase, count.quarantined))
            .map(|count| count.number)
            .sum();
        let Some(quota) = self.pace.quota(&account.name, rule.operation) else { return Ok(()) };
        let most = u64::try_from(rule.most).unwrap_or(u64::MAX);
        let tail = Tail::plan(moving, rule.interval, quota.per, most);
        // Where a batch costs more requests than it saves, single questions are slow but cheaper.
        if tail.by_batch == 0 || tail.saved == 0 {
            return Ok(());
        }
        let by = later(now, rule.interval);
        let singly = usize::try_from(tail.singly).unwrap_or(usize::MAX);
        let by_batch = usize::try_from(tail.by_batch).unwrap_or(usize::MAX);
        let wanted = singly.saturating_add(by_batch);
        let due = store.due(&account.name, &rule.kind, by, wanted).await?;
        // The first are reached by single questions before the interval is over.
        let is_meant = |record: &Record| record.phase() == Phase::Moving && record.quarantine.is_none();
        let ids: Vec<ObjectId> =
            due.into_iter().skip(singly).filter(is_meant).map(|record| record.object.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let plans = account.client.plan_looks(&rule.kind, ids, &label);
        let number = plans.iter().map(|plan| plan.count).sum::<u64>();
        tracing::info!(account = %account.name, kind = %rule.kind, objects = number, "visiting by batch");
        self.record_again(account, plans).await
    }

    /// Records batches in the place of ended ones of the same reference.
    async fn record_again(&self, account: &Account, plans: Vec<Plan>) -> Result<(), BatchError> {
        let turns = self.turn_of(&account.client.queue());
        let _turn = turns.lock().await;
        let known = self.stored.list(Some(&account.name)).await?;
        let mut number = known.iter().map(|entry| entry.number).max().unwrap_or_default();
        let now = self.clock.now();
        for plan in plans {
            let earlier = known.iter().find(|entry| entry.reference() == plan.reference);
            if earlier.is_none_or(|earlier| earlier.is_folded) {
                number += 1;
                for kind in [ROWS, RESULT] {
                    self.archive.remove(&account.name, &file_name(&plan.reference, kind)).await?;
                }
                self.record(account, number, plan, now).await?;
            }
        }
        Ok(())
    }
}

/// When the next batch of a kind may be made: not before what the last one showed grows old.
fn again_at(entry: &Entry, rule: &TailRule) -> Timestamp {
    later(entry.submitted_at, rule.interval / 2)
}
