//! What an account has learnt and plans, in numbers for people.
//!
//! Owns: the ranges of ages that are shown. Must never know: how numbers are written or drawn.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Adaptive, Learnt, Terms};
use crate::payments::adaptive::plan::Plan;
use crate::payments::object::Kind;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Where the ranges begin and end, in seconds.
const BOUNDS_S: [u64; 21] = [
    0,
    15,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
    16 * HOUR,
    20 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
];
/// Ages that fewer objects reach, of a hundred, are not shown.
const RARE_PERCENT: f64 = 0.1;
/// The most polls that are listed.
const POLLS_MAX: usize = 200;

/// What was sent and what the interval would have sent, over about the last thousand ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ledger {
    /// Ends that polls have found.
    pub ends: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that polls at the interval would have sent.
    pub at_interval: u64,
    /// Requests that may still be sent, of those that the account may spend until now; negative if too many were sent.
    pub balance: i64,
}

impl Ledger {
    /// What was spent, in words; none before the first end.
    pub fn words(&self) -> Option<String> {
        let for_each = |requests: u64| requests as f64 / self.ends.max(1) as f64;
        (self.ends > 0).then(|| {
            format!(
                "{:.1} requests an end, {:.1} at the interval, balance {:+}",
                for_each(self.requests),
                for_each(self.at_interval),
                self.balance
            )
        })
    }
}

/// One range of ages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgeRange {
    /// Its first age, in seconds.
    pub from_s: u64,
    /// The age at which the next one begins, in seconds.
    pub to_s: u64,
    /// How many objects of a hundred end in it.
    pub ends_percent: f64,
    /// The hazard: ends an hour, for each object that is open.
    pub hazard_per_h: f64,
    /// The polls that are planned in it, of an object that is open throughout.
    pub polls: u64,
}

/// What is learnt about one kind in one state, and what is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Curve {
    /// The kind.
    pub kind: Kind,
    /// The state in the provider's spelling.
    pub state: String,
    /// The ends that it was learnt from. Older ones count less, so this is at most some seven hundred.
    pub ends: u64,
    /// The interval whose requests are the measure, in seconds.
    pub interval_s: u64,
    /// The ranges of ages, up to those that one object in a thousand reaches.
    pub ages: Vec<AgeRange>,
    /// The ages of the planned polls in seconds, at most 200.
    pub polls_at_s: Vec<u64>,
}

/// What an account has learnt and plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Overview {
    /// Its requests.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// What a request is worth, in seconds of not knowing that an object has ended.
    pub price_s: u64,
    /// By kind and state.
    pub curves: Vec<Curve>,
}

impl Adaptive {
    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        let balance = if self.balance < 0.0 { -signed(-self.balance) } else { signed(self.balance) };
        Ledger { ends: whole(self.ends), requests: whole(self.sent), at_interval: whole(self.fixed), balance }
    }

    /// Everything that it has learnt and plans.
    pub fn overview(&self, terms: impl Fn(&Kind) -> Terms) -> Overview {
        let states = self
            .learnt
            .iter()
            .flat_map(|(kind, states)| states.iter().map(move |(state, learnt)| (kind, state, learnt)));
        let curve = |(kind, state, learnt): (&Kind, &String, &Learnt)| {
            let plan = self.plans.get(kind).and_then(|plans| plans.of(state));
            let ages = ages(learnt);
            let until_s = ages.last().map_or(0, |range| range.to_s);
            let polls_at_s = plan.map(|plan| polls(plan, until_s)).unwrap_or_default();
            let ages = ages.into_iter().map(|range| {
                let polls = polls_at_s.iter().filter(|at_s| (range.from_s..range.to_s).contains(*at_s));
                AgeRange { polls: polls.count() as u64, ..range }
            });
            Curve {
                kind: kind.clone(),
                state: state.clone(),
                ends: whole(learnt.learner.ends()),
                interval_s: terms(kind).interval.as_secs(),
                ages: ages.collect(),
                polls_at_s,
            }
        };
        Overview {
            ledger: self.ledger(),
            price_s: self.price().as_secs(),
            curves: states.map(curve).collect(),
        }
    }
}

/// The ranges that objects reach, without polls.
fn ages(learnt: &Learnt) -> Vec<AgeRange> {
    let curve = learnt.curve();
    let mut open_percent = 100.0;
    let mut ranges = Vec::new();
    for (from_s, to_s) in BOUNDS_S.into_iter().zip(BOUNDS_S.into_iter().skip(1)) {
        if open_percent < RARE_PERCENT {
            break;
        }
        let ends: f64 = curve
            .iter()
            .map(|piece| {
                (piece.to_s.min(to_s as f64) - piece.from_s.max(from_s as f64)).max(0.0) * piece.per_s
            })
            .sum();
        let ends_percent = open_percent * -(-ends).exp_m1();
        open_percent -= ends_percent;
        let hazard_per_h = ends * 3600.0 / (to_s - from_s) as f64;
        ranges.push(AgeRange { from_s, to_s, ends_percent, hazard_per_h, polls: 0 });
    }
    ranges
}

/// The ages of the polls of an object that is known from its making on.
fn polls(plan: &Plan, until_s: u64) -> Vec<u64> {
    let next = |age: &Duration| Some(*age + plan.wait(*age));
    let polls = std::iter::successors(Some(plan.wait(Duration::ZERO)), next);
    polls.map(|age| age.as_secs()).take_while(|at_s| *at_s < until_s).take(POLLS_MAX).collect()
}

fn signed(number: f64) -> i64 {
    i64::try_from(whole(number)).unwrap_or(i64::MAX)
}

/// A number that is not negative, rounded.
fn whole(number: f64) -> u64 {
    Duration::try_from_secs_f64(number.round()).map_or(0, |number| number.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::adaptive::{AnsweredPoll, Budget, End};
    use jiff::Timestamp;

    #[test]
    fn ranges_show_where_objects_end_and_where_polls_are_planned() {
        let kind = Kind::new("charge").unwrap();
        let hour = Duration::from_secs(HOUR);
        let (longest, shortest) = (hour * 21 / 20, Duration::from_secs(30));
        let terms = Terms { interval: hour, longest, shortest, operation: "" };
        let mut adaptive = Adaptive::new([(kind.clone(), "Pending".to_owned(), hour * 24)]);
        for number in 0..400 {
            let poll = AnsweredPoll {
                known: Duration::ZERO,
                from: None,
                to: hour,
                ended: Some(End::At(Duration::from_secs(300 + number % 290))),
                late: Duration::ZERO,
            };
            adaptive.polled(&kind, "Pending", &poll, &terms);
        }
        adaptive.replan(|_| terms, Budget::Factor(1.0), true, Timestamp::UNIX_EPOCH);
        let overview = adaptive.overview(|_| terms);
        let [curve] = overview.curves.as_slice() else { panic!("{overview:?}") };
        assert_eq!((overview.ledger.ends, overview.ledger.requests), (330, 330), "older ones count less");
        let busy = curve.ages.iter().find(|range| range.from_s == 300).unwrap();
        assert!(busy.ends_percent > 80.0 && busy.hazard_per_h > 10.0, "{busy:?}");
        assert!(busy.polls >= 1 && curve.polls_at_s.iter().is_sorted(), "{curve:?}");
        let all: f64 = curve.ages.iter().map(|range| range.ends_percent).sum();
        assert!((99.0..=100.0).contains(&all), "{all}");
        assert_eq!(curve.interval_s, HOUR);
    }

    #[test]
    fn a_ledger_rounds_to_both_sides() {
        let adaptive = Adaptive { balance: -2.6, sent: 10.4, ..Adaptive::new([]) };
        let ledger = adaptive.ledger();
        assert_eq!((ledger.balance, ledger.requests, ledger.words()), (-3, 10, None));
        let ledger = Ledger { ends: 2, requests: 9, at_interval: 12, balance: -3 };
        assert_eq!(ledger.words().unwrap(), "4.5 requests an end, 6.0 at the interval, balance -3");
    }
}
