//! Whether a channel of notifications works, judged from what polling finds. Pure.
//!
//! Owns: the expected against the received announcements, the sequential test, delays. Must never know: the store,
//! providers, how polling reacts.
//!
//! Polling finds every final state. While the channel works, a verified hint announced most of them. Each final state is
//! one observation: announced or not. Wald's sequential probability ratio test decides between two channels: one that
//! announces at least [`HEALTHY`] of the final states, and one that announces at most [`BROKEN`]. A working channel is
//! called silent with a probability of at most [`FALSE_ALARM`] per test, and a broken one is called healthy with at most
//! [`MISSED`]. After each decision the next test begins. So a channel that falls silent is noticed after 12 final
//! states without a hint when a test has just begun, and after 18 at most, however long they take.
//!
//! Each kind of objects has a test of its own: a provider, or a subscription, may announce one kind and not another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::Kind;
use crate::time::between;

/// The least share of final states that a healthy channel announces.
pub(super) const HEALTHY: f64 = 0.6;
/// The largest share that a broken channel announces.
pub(super) const BROKEN: f64 = 0.1;
/// The largest probability that one test calls a healthy channel silent.
pub(super) const FALSE_ALARM: f64 = 1e-4;
/// The largest probability that one test calls a broken channel healthy.
pub(super) const MISSED: f64 = 1e-2;

/// A kind that falls silent again is reported after this time at the earliest. Between the two shares, verdicts alternate.
const BETWEEN_REPORTS: Duration = Duration::from_secs(86_400);

/// The bounds of the delays that are counted, in seconds; the last count has no bound.
const DELAY_BOUNDS_S: [u64; 9] = [5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 86_400];

/// What is known about a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No test has ended yet.
    #[default]
    Unknown,
    /// It announces what polling finds.
    Healthy,
    /// It announces too little of it.
    Silent,
}

/// The announcements of one kind of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct KindCount {
    /// Final states that polling found.
    pub finals: u64,
    /// Those that a hint announced.
    pub announced: u64,
    /// When the last verified hint came.
    pub last_hint_at: Option<Timestamp>,
    /// Whether they are announced.
    pub health: Verdict,
    /// Since when.
    pub health_since: Option<Timestamp>,
}

/// What people need not see of a kind's test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Test {
    /// The logarithm of the likelihood ratio of the test in progress: broken against healthy.
    evidence: f64,
    /// When people were informed that the kind is silent.
    reported_at: Option<Timestamp>,
    /// They do not know yet that it works again.
    is_reported: bool,
}

/// Everything that is known about the channel of one account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Fusion {
    kinds: BTreeMap<Kind, KindCount>,
    tests: BTreeMap<Kind, Test>,
    /// How often the delay from hint to final state was below each bound.
    delays: [u64; DELAY_BOUNDS_S.len() + 1],
}

impl Fusion {
    /// A verified hint came.
    pub(super) fn hinted(&mut self, kind: &Kind, now: Timestamp) {
        self.kinds.entry(kind.clone()).or_default().last_hint_at = Some(now);
    }

    /// Polling found a final state, this long after its hint if it had one. The new verdict on its kind, if it changes.
    pub(super) fn found(
        &mut self,
        kind: &Kind,
        delay: Option<Duration>,
        found_at: Timestamp,
    ) -> Option<Verdict> {
        let count = self.kinds.entry(kind.clone()).or_default();
        count.finals += 1;
        count.announced += u64::from(delay.is_some());
        if let Some(delay) = delay {
            let place = DELAY_BOUNDS_S.iter().position(|bound| delay.as_secs() < *bound);
            self.delays[place.unwrap_or(DELAY_BOUNDS_S.len())] += 1;
        }
        let test = self.tests.entry(kind.clone()).or_default();
        test.evidence += step(delay.is_some());
        let verdict = decision(test.evidence)?;
        test.evidence = 0.0;
        if verdict == count.health {
            return None;
        }
        (count.health, count.health_since) = (verdict, Some(found_at));
        Some(verdict)
    }

    /// The account in one word, and since when: silent if one kind is, healthy if one kind is and none is silent.
    pub(super) fn verdict(&self) -> (Verdict, Option<Timestamp>) {
        let since = |verdict| {
            let counts = self.kinds.values().filter(|count| count.health == verdict);
            counts.filter_map(|count| count.health_since).min()
        };
        match (since(Verdict::Silent), since(Verdict::Healthy)) {
            (Some(since), _) => (Verdict::Silent, Some(since)),
            (None, Some(since)) => (Verdict::Healthy, Some(since)),
            (None, None) => (Verdict::Unknown, None),
        }
    }

    /// The kinds with this verdict.
    pub(super) fn kinds_that_are(&self, verdict: Verdict) -> BTreeSet<Kind> {
        let found = self.kinds.iter().filter(|(_, count)| count.health == verdict);
        found.map(|(kind, _)| kind.clone()).collect()
    }

    /// The verdicts that people should know now, and since when they hold. [`Fusion::reported`] follows for each.
    pub(super) fn to_report(&self, now: Timestamp) -> Vec<(Kind, Verdict, Timestamp)> {
        let is_news = |kind: &Kind, verdict| {
            let test = self.tests.get(kind).cloned().unwrap_or_default();
            // A date in the future was written by a clock that was ahead.
            let is_recent =
                test.reported_at.is_some_and(|at| at <= now && between(at, now) < BETWEEN_REPORTS);
            match verdict {
                Verdict::Silent => !test.is_reported && !is_recent,
                Verdict::Healthy => test.is_reported,
                Verdict::Unknown => false,
            }
        };
        let news = self.kinds.iter().filter(|(kind, count)| is_news(kind, count.health));
        news.filter_map(|(kind, count)| Some((kind.clone(), count.health, count.health_since?))).collect()
    }

    /// People were informed of this verdict.
    pub(super) fn reported(&mut self, kind: &Kind, verdict: Verdict, now: Timestamp) {
        let test = self.tests.entry(kind.clone()).or_default();
        test.is_reported = verdict == Verdict::Silent;
        if test.is_reported {
            test.reported_at = Some(now);
        }
    }

    /// The counts by kind.
    pub(super) fn kinds(&self) -> &BTreeMap<Kind, KindCount> {
        &self.kinds
    }

    /// When the last verified hint of any kind came.
    pub(super) fn last_hint_at(&self) -> Option<Timestamp> {
        self.kinds.values().filter_map(|count| count.last_hint_at).max()
    }

    /// The delay from hint to final state that this share (in percent) of them stayed below; none without any. The
    /// bounds are coarse, so it is a bound and not the delay itself.
    pub(super) fn delay_below(&self, percent: u64) -> Option<Duration> {
        let all: u64 = self.delays.iter().sum();
        let mut sum = 0;
        let place = self.delays.iter().position(|number| {
            sum += number;
            all > 0 && sum * 100 >= all * percent
        })?;
        Some(Duration::from_secs(DELAY_BOUNDS_S.get(place).copied().unwrap_or(u64::MAX)))
    }
}

/// What one observation adds to the evidence.
fn step(is_announced: bool) -> f64 {
    match is_announced {
        true => (BROKEN / HEALTHY).ln(),
        false => ((1.0 - BROKEN) / (1.0 - HEALTHY)).ln(),
    }
}

/// The decision that the evidence allows, by Wald's bounds.
fn decision(evidence: f64) -> Option<Verdict> {
    if evidence >= ((1.0 - MISSED) / FALSE_ALARM).ln() {
        Some(Verdict::Silent)
    } else if evidence <= (MISSED / (1.0 - FALSE_ALARM)).ln() {
        Some(Verdict::Healthy)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "fusion_tests.rs"]
mod tests;
