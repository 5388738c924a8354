//! The second lane: hints whose sender could not be verified. They are kept, and polled from a small budget.
//!
//! Owns: how many are kept, and the budget. Must never know: the store, why a hint could not be verified.
//!
//! A poll only reads, so even a forged hint does no harm except that it uses quota. The budget bounds that.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::ObjectRef;
use crate::time::{between, later};

/// The most hints that wait.
pub(super) const MOST_WAITING: usize = 64;

/// The hints that wait, and the budget as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Lane {
    waiting: VecDeque<ObjectRef>,
    /// When the budget will be full again; none when it is full.
    full_at: Option<Timestamp>,
}

/// Whether a hint was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It waits from now on.
    New,
    /// Its object waits already.
    Known,
    /// There is no room.
    Full,
}

impl Lane {
    /// Keeps a hint.
    pub(super) fn keep(&mut self, object: &ObjectRef) -> Kept {
        if self.waiting.contains(object) {
            return Kept::Known;
        }
        if self.waiting.len() >= MOST_WAITING {
            return Kept::Full;
        }
        self.waiting.push_back(object.clone());
        Kept::New
    }

    /// Its poll is not needed any more.
    pub(super) fn remove(&mut self, object: &ObjectRef) {
        self.waiting.retain(|waiting| waiting != object);
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next hint to poll, if the budget of `per_hour` polls allows one. It stays until it is removed.
    pub(super) fn next(&self, per_hour: u32, now: Timestamp) -> Option<ObjectRef> {
        if self.wait(per_hour, now)? > Duration::ZERO {
            return None;
        }
        self.waiting.front().cloned()
    }

    /// A hint is polled.
    pub(super) fn spend(&mut self, per_hour: u32, now: Timestamp) {
        if let Some(refill) = refill(per_hour) {
            self.full_at = Some(later(self.full_at.unwrap_or(now).max(now), refill));
        }
    }

    /// How long until the budget allows the next poll; none when it never does.
    pub(super) fn wait(&self, per_hour: u32, now: Timestamp) -> Option<Duration> {
        let refill = refill(per_hour)?;
        // The hour's budget may be spent at once. A later time was written by a clock that was ahead.
        let spent = self.full_at.map_or(Duration::ZERO, |full_at| between(now, full_at));
        let hour = Duration::from_secs(3600);
        Some(if spent > hour { Duration::ZERO } else { (spent + refill).saturating_sub(hour) })
    }
}

fn refill(per_hour: u32) -> Option<Duration> {
    Duration::from_secs(3600).checked_div(per_hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
    }

    fn object(number: usize) -> ObjectRef {
        format!("shop/charge/S01-{number}").parse().unwrap()
    }

    fn taken(lane: &mut Lane, per_hour: u32, now: Timestamp) -> Option<ObjectRef> {
        let object = lane.next(per_hour, now)?;
        assert_eq!(lane.keep(&object), Kept::Known, "it waits until it is removed");
        lane.remove(&object);
        Some(object)
    }

    fn polled(lane: &mut Lane, per_hour: u32, now: Timestamp) -> usize {
        let spend = |lane: &mut Lane| taken(lane, per_hour, now).map(|_| lane.spend(per_hour, now));
        std::iter::from_fn(|| spend(lane)).count()
    }

    #[test]
    fn an_hour_has_its_budget_and_no_more_and_each_object_waits_once() {
        let mut lane = Lane::default();
        assert!((0..50).all(|number| lane.keep(&object(number)) == Kept::New));
        assert_eq!(lane.keep(&object(3)), Kept::Known);
        assert_eq!(lane.len(), 50);
        assert_eq!(polled(&mut lane, 12, at(0)), 12);
        assert_eq!(polled(&mut lane, 12, at(0)), 0);
        assert_eq!(lane.wait(12, at(0)), Some(Duration::from_secs(300)));
        assert_eq!(polled(&mut lane, 12, at(30)), 6);
        assert_eq!(polled(&mut lane, 12, at(60)), 6);
        assert_eq!(lane.wait(12, at(-1_000_000)), Some(Duration::ZERO), "the clock was ahead");
        assert_eq!(lane.len(), 26);
    }

    #[test]
    fn a_full_lane_keeps_nothing_more_and_a_budget_of_zero_polls_nothing() {
        let mut lane = Lane::default();
        let kept = (0..100).filter(|number| lane.keep(&object(*number)) == Kept::New).count();
        assert_eq!((kept, lane.keep(&object(99))), (MOST_WAITING, Kept::Full));
        assert_eq!((polled(&mut lane, 0, at(0)), lane.wait(0, at(0))), (0, None));
    }

    #[test]
    fn a_hint_that_needs_no_poll_costs_nothing() {
        let mut lane = Lane::default();
        for number in 0..50 {
            lane.keep(&object(number));
        }
        assert_eq!((0..40).filter_map(|_| taken(&mut lane, 1, at(0))).count(), 40);
        lane.remove(&object(40));
        assert_eq!((taken(&mut lane, 1, at(0)), lane.len()), (Some(object(41)), 8));
        lane.spend(1, at(0));
        assert_eq!(lane.next(1, at(0)), None);
    }
}
