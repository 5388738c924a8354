//! Whether each account's quota suffices to poll every moving object within its interval.
//!
//! Owns: that comparison. Must never know: who shows it, how any request is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::apis::Account;
use crate::control::messages::{Backlog, Count, TailRow};
use crate::control::service::Service;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::store::StoreError;

/// The moving objects that are polled one by one, by account and kind.
type Moving<'a> = BTreeMap<(&'a AccountName, &'a Kind), u64>;

/// The moving objects of one kind, and the interval in which each should be polled.
struct Load {
    kind: Kind,
    moving: u64,
    interval: Duration,
}

impl Service {
    /// The operations whose quota does not suffice for the objects that are moving now.
    pub(super) fn backlogs(&self, counts: &[Count], tails: &[TailRow]) -> Vec<Backlog> {
        let moving = moving(counts, tails);
        self.rooms().accounts.iter().flat_map(|account| self.backlogs_of(account, &moving)).collect()
    }

    /// The same, of what is moving at this moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn overloads(&self) -> Result<Vec<Backlog>, StoreError> {
        let counts = self.store.counts().await?;
        Ok(self.backlogs(&counts, &self.tails(&counts)))
    }

    fn backlogs_of(&self, account: &Account, moving: &Moving<'_>) -> Vec<Backlog> {
        let mut loads: BTreeMap<&'static str, Vec<Load>> = BTreeMap::new();
        for kind in account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok()) {
            let Some(operation) = account.api.operation(&kind) else { continue };
            let moving = moving.get(&(&account.name, &kind)).copied().unwrap_or(0);
            let interval = account.policy(&kind).interval;
            loads.entry(operation).or_default().push(Load { kind, moving, interval });
        }
        let batched = account.api.batches().and_then(|api| api.poll_limits());
        let backlog = |(operation, loads): (&str, Vec<Load>)| {
            let refill = self.pace.quota(&account.name, operation)?.per;
            let kinds: Vec<Kind> = busy(&loads).map(|load| load.kind.clone()).collect();
            let would_help = |kind: &Kind| {
                let limits = batched.as_ref().filter(|limits| limits.kinds.contains(&kind.as_str()));
                limits.is_some() && !account.policy(kind).is_by_batch
            };
            Some(Backlog {
                account: account.name.clone(),
                operation: operation.to_owned(),
                moving: busy(&loads).map(|load| load.moving).sum(),
                interval_s: busy(&loads).map(|load| load.interval.as_secs()).min()?,
                round_s: round(&loads, refill)?.as_secs(),
                batch_would_help: kinds.iter().any(would_help),
                kinds,
            })
        };
        loads.into_iter().filter_map(backlog).collect()
    }
}

fn moving<'a>(counts: &'a [Count], tails: &'a [TailRow]) -> Moving<'a> {
    let mut moving = Moving::new();
    for count in counts.iter().filter(|count| count.phase == Phase::Moving && !count.quarantined) {
        *moving.entry((&count.account, &count.kind)).or_default() += count.number;
    }
    for row in tails {
        if let Some(number) = moving.get_mut(&(&row.account, &row.kind)) {
            *number = number.saturating_sub(row.tail.by_batch);
        }
    }
    moving
}

fn busy(loads: &[Load]) -> impl Iterator<Item = &Load> {
    loads.iter().filter(|load| load.moving > 0)
}

/// How long the quota needs to poll every object once, if that is too long for the intervals.
fn round(loads: &[Load], refill: Duration) -> Option<Duration> {
    let needed = |load: &Load| refill.saturating_mul(u32::try_from(load.moving).unwrap_or(u32::MAX));
    // The part of the quota that each kind uses; together they may use all of it.
    let used: f64 = busy(loads)
        .map(|load| needed(load).as_secs_f64() / load.interval.max(Duration::from_secs(1)).as_secs_f64())
        .sum();
    (used > 1.0).then(|| busy(loads).map(needed).fold(Duration::ZERO, Duration::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_takes_longer_than_the_interval_is_a_backlog() {
        let load = |kind: &str, moving, minutes: u64| Load {
            kind: kind.parse().unwrap(),
            moving,
            interval: Duration::from_secs(60 * minutes),
        };
        let check = |loads: &[Load], refill_s, seconds: Option<u64>| {
            assert_eq!(round(loads, Duration::from_secs(refill_s)).map(|round| round.as_secs()), seconds);
        };
        check(&[], 1, None);
        check(&[load("charge", 3_600, 60)], 1, None);
        check(&[load("charge", 3_601, 60)], 1, Some(3_601));
        check(&[load("charge", 50_000, 60)], 2, Some(100_000));
        check(&[load("capture", 1_800, 60), load("refund", 3_600, 120)], 1, None);
        check(&[load("capture", 1_800, 60), load("refund", 3_601, 120)], 1, Some(5_401));
        check(&[load("capture", 1_800, 60), load("refund", 0, 1)], 1, None);
    }
}
