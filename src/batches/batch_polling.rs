//! Polling by batch: objects that single requests cannot poll in time are polled by a read-only batch. Its
//! observations are handled like those of any poll. Objects that it does not show stay with single polling.
//!
//! Owns: when such a batch is made, and for which objects. Must never know: what a state means, how it is sent.
//!
//! Each kind and part reuses one stored batch: the previous content is not needed once its observations are handed on.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{RESULT, ROWS, file_name};
use super::{Account, BatchError, Batches, batches_of};
use crate::apis::batch::Plan;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Record;
use crate::payments::tail::Tail;
use crate::time::later;

/// A kind that is polled by batch where single requests are not enough.
#[derive(Debug, Clone)]
pub struct BatchPollingRule {
    /// The kind.
    pub kind: Kind,
    /// The operation whose quota a single request uses.
    pub operation: &'static str,
    /// The interval in which each moving object must be polled.
    pub interval: Duration,
    /// How many objects one batch may name.
    pub most: usize,
}

/// The kinds of an account that are polled by batch where single requests are not enough.
pub fn tails(account: &Account) -> Vec<BatchPollingRule> {
    let Some(limits) = account.api.batches().and_then(|api| api.poll_limits()) else { return Vec::new() };
    let by_batch = account
        .policies
        .iter()
        .filter(|(kind, policy)| policy.is_by_batch && limits.kinds.contains(&kind.as_str()));
    by_batch
        .filter_map(|(kind, _)| {
            let operation = account.api.operation(kind)?;
            Some(BatchPollingRule {
                kind: kind.clone(),
                operation,
                interval: account.policy(kind).interval,
                most: limits.most,
            })
        })
        .collect()
}

impl Batches {
    /// Makes the polling batches that are worthwhile now.
    ///
    /// # Errors
    /// When the store or the folder fails.
    pub async fn visit_tails(&self, account: &Account) -> Result<(), BatchError> {
        for rule in tails(account) {
            self.visit_tail(account, &rule).await?;
        }
        Ok(())
    }

    async fn visit_tail(&self, account: &Account, rule: &BatchPollingRule) -> Result<(), BatchError> {
        let now = self.clock.now();
        let label = format!("poll-{}-{}", account.name, rule.kind);
        let entries = self.stored.list(Some(&account.name)).await?;
        let mut earlier = entries.iter().filter(|entry| entry.reference().starts_with(&label));
        // A submission time in the future was written by a clock that was ahead.
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
        // Where a batch costs more requests than it saves, single requests are slow but cheaper.
        if tail.by_batch == 0 || tail.saved == 0 {
            return Ok(());
        }
        let by = later(now, rule.interval);
        let singly = usize::try_from(tail.singly).unwrap_or(usize::MAX);
        let by_batch = usize::try_from(tail.by_batch).unwrap_or(usize::MAX);
        let wanted = singly.saturating_add(by_batch);
        let due = store.due(&account.name, &rule.kind, by, wanted).await?;
        // Single requests reach the first ones before the interval is over.
        let is_meant = |record: &Record| record.phase() == Phase::Moving && record.quarantine.is_none();
        let ids: Vec<ObjectId> =
            due.into_iter().skip(singly).filter(is_meant).map(|record| record.object.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let plans = batches_of(account)?.plan_polls(&rule.kind, ids, &label);
        let number = plans.iter().map(|plan| plan.count).sum::<u64>();
        tracing::info!(account = %account.name, kind = %rule.kind, objects = number, "polling by batch");
        self.record_again(account, plans).await
    }

    /// Records batches, replacing ended ones with the same reference.
    async fn record_again(&self, account: &Account, plans: Vec<Plan>) -> Result<(), BatchError> {
        let turns = self.turn_of(&batches_of(account)?.queue());
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

/// When the next batch of a kind may be made: half an interval after the last one was submitted.
fn again_at(entry: &Entry, rule: &BatchPollingRule) -> Timestamp {
    later(entry.submitted_at, rule.interval / 2)
}
