//! The states of one object over time, future ones included.
//!
//! Owns: what the state is at a time, given what was planned and what was done. Must never know: which
//! kind of object it is.
//!
//! Nothing ever runs in the background: a state is looked up by time, so a month passes at no cost.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

use crate::plan::Step;

/// A change at a time, possibly in the future.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    at: Timestamp,
    state: String,
    reason: Option<String>,
    /// Takes place only from one of these states; empty: from any.
    only_from: &'static [&'static str],
    /// Why it is expected; [`Timeline::withdraw`] takes back what is expected for a reason.
    cause: Option<String>,
}

/// A change that takes place only from some states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'text> {
    pub(super) at: Timestamp,
    pub(super) state: &'text str,
    pub(super) reason: Option<&'text str>,
    pub(super) only_from: &'static [&'static str],
}

/// The state at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing<'timeline> {
    pub(super) state: &'timeline str,
    pub(super) reason: Option<&'timeline str>,
    pub(super) since: Timestamp,
}

/// The life of an object: its first state and every change, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timeline {
    created: Timestamp,
    first: String,
    changes: Vec<Change>,
}

impl Timeline {
    /// A life that begins in this state.
    pub(super) fn starting(created: Timestamp, first: &str) -> Timeline {
        Timeline { created, first: first.to_owned(), changes: Vec::new() }
    }

    /// A life with its fate decided: each step comes as it is written, legal or not, so that a scenario can
    /// also show what a provider never should. Returns the life and the time of each step.
    pub(super) fn planned(created: Timestamp, first: &str, steps: &[Step]) -> (Timeline, Vec<Timestamp>) {
        let mut timeline = Timeline::starting(created, first);
        let mut at = created;
        let mut times = Vec::with_capacity(steps.len());
        for step in steps {
            at = later(at, step.after);
            times.push(at);
            timeline.insert(at, &step.state, step.reason.as_deref(), &[], None);
        }
        (timeline, times)
    }

    /// A call or an event changes the state now; what was planned goes on afterwards.
    pub(super) fn change(&mut self, at: Timestamp, state: &str, reason: Option<&str>) {
        self.insert(at, state, reason, &[], None);
    }

    /// A call ends this life now: nothing that was planned happens any more.
    pub(super) fn end(&mut self, at: Timestamp, state: &str, reason: Option<&str>) {
        self.changes.retain(|change| change.at <= at);
        self.insert(at, state, reason, &[], None);
    }

    /// At that time the state changes, if it is then one of `only_from`.
    pub(super) fn expect(
        &mut self,
        at: Timestamp,
        state: &str,
        reason: Option<&str>,
        only_from: &'static [&'static str],
    ) {
        self.insert(at, state, reason, only_from, None);
    }

    /// As [`Timeline::expect`], for as long as its cause stands.
    pub(super) fn expect_because(&mut self, cause: &str, expected: Expected<'_>) {
        let Expected { at, state, reason, only_from } = expected;
        self.insert(at, state, reason, only_from, Some(cause.to_owned()));
    }

    /// The cause has gone: what is expected after `at` because of it does not happen.
    pub(super) fn withdraw(&mut self, at: Timestamp, cause: &str) {
        self.changes.retain(|change| change.at <= at || change.cause.as_deref() != Some(cause));
    }

    fn insert(
        &mut self,
        at: Timestamp,
        state: &str,
        reason: Option<&str>,
        only_from: &'static [&'static str],
        cause: Option<String>,
    ) {
        let place = self.changes.partition_point(|change| change.at <= at);
        let (state, reason) = (state.to_owned(), reason.map(str::to_owned));
        self.changes.insert(place, Change { at, state, reason, only_from, cause });
    }

    /// When something changes or may change, in the past and to come.
    pub(super) fn moments(&self) -> impl Iterator<Item = Timestamp> {
        std::iter::once(self.created).chain(self.changes.iter().map(|change| change.at))
    }

    /// The first state.
    pub(super) fn first(&self) -> &str {
        &self.first
    }

    /// Every state until this time, the first included, oldest first.
    pub(super) fn reached(&self, until: Timestamp) -> Vec<Standing<'_>> {
        let mut reached = vec![Standing { state: &self.first, reason: None, since: self.created }];
        for change in self.changes.iter().take_while(|change| change.at <= until) {
            let state = reached.last().map_or("", |standing| standing.state);
            if change.only_from.is_empty() || change.only_from.contains(&state) {
                let reason = change.reason.as_deref();
                reached.push(Standing { state: &change.state, reason, since: change.at });
            }
        }
        reached.retain(|standing| standing.since <= until);
        reached
    }

    /// The state at this time; before its creation, as at its creation.
    pub(super) fn at(&self, at: Timestamp) -> Standing<'_> {
        let at = at.max(self.created);
        let mut standing = Standing { state: &self.first, reason: None, since: self.created };
        for change in self.changes.iter().take_while(|change| change.at <= at) {
            if change.only_from.is_empty() || change.only_from.contains(&standing.state) {
                standing =
                    Standing { state: &change.state, reason: change.reason.as_deref(), since: change.at };
            }
        }
        standing
    }
}

/// `at` plus `by`, at most the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// `at` plus so many minutes.
pub(super) fn minutes_later(at: Timestamp, minutes: u64) -> Timestamp {
    later(at, Duration::from_secs(minutes.saturating_mul(60)))
}

/// `at` plus so many days of 24 hours.
pub(super) fn days_later(at: Timestamp, days: u64) -> Timestamp {
    minutes_later(at, days.saturating_mul(24 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, Duration::from_secs(number))
    }

    fn step(after_s: u64, state: &str) -> Step {
        Step { after: Duration::from_secs(after_s), state: state.into(), reason: None }
    }

    #[test]
    fn a_plan_is_followed_to_the_second() {
        let (timeline, times) =
            Timeline::planned(second(0), "Pending", &[step(10, "Open"), step(5, "Closed")]);
        assert_eq!(times, [second(10), second(15)]);
        for (at, state) in [(0, "Pending"), (9, "Pending"), (10, "Open"), (14, "Open"), (15, "Closed")] {
            assert_eq!(timeline.at(second(at)).state, state, "second {at}");
        }
        assert_eq!(timeline.at(second(99)).since, second(15));
    }

    #[test]
    fn an_end_cuts_the_plan_and_a_change_does_not() {
        let (mut timeline, _) =
            Timeline::planned(second(0), "Draft", &[step(10, "Open"), step(10, "Suspended")]);
        timeline.change(second(5), "Open", None);
        assert_eq!(timeline.at(second(6)).state, "Open");
        assert_eq!(timeline.at(second(25)).state, "Suspended");
        timeline.end(second(12), "Closed", Some("SellerClosed"));
        assert_eq!(timeline.at(second(25)).state, "Closed");
        assert_eq!(timeline.at(second(25)).reason, Some("SellerClosed"));
    }

    #[test]
    fn what_is_expected_happens_only_from_its_states() {
        let mut timeline = Timeline::starting(second(0), "Draft");
        timeline.expect(second(100), "Canceled", Some("Stale"), &["Draft"]);
        assert_eq!(timeline.at(second(100)).state, "Canceled");
        timeline.change(second(50), "Open", None);
        assert_eq!(timeline.at(second(100)).state, "Open");
        let expected = Expected { at: second(200), state: "Closed", reason: None, only_from: &["Open"] };
        timeline.expect_because("unused", expected);
        assert_eq!(timeline.at(second(200)).state, "Closed");
        timeline.withdraw(second(150), "another cause");
        assert_eq!(timeline.at(second(200)).state, "Closed");
        timeline.withdraw(second(150), "unused");
        assert_eq!(timeline.at(second(200)).state, "Open");
    }
}
