//! One account's price of a request: the one at which it spends what it may.
//!
//! Owns: the price, the ledger against a fixed interval, when plans are made again. Must never know: how a plan is found,
//! requests, storage.
//!
//! All kinds of an account share one price, so that requests go to the kind that gains most by them. The ledger counts
//! what the interval would have asked until now, which is known exactly, and what was asked; the difference is made up
//! within some hundred ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hazard::{Learner, Piece};
use super::plan::{Plan, Plans, Terrain};
use super::pressure::{PRESSURE_LEAST, PRESSURE_MAX, Waits};
use super::price::{polls_until, price_of};
use super::spend::{Budget, Spend};
use crate::payments::object::Kind;
use crate::time::between;

/// The ledger is balanced within this many ends,
const BALANCED_WITHIN: f64 = 300.0;
/// by at most this share more or less requests.
const CORRECTION: f64 = 0.1;
/// Plans are made again after this share of all ends,
const REPLAN_SHARE: f64 = 0.2;
/// at the latest after this many ends,
const REPLAN_ENDS: f64 = 50.0;
/// or after this time, if there was an end
const REPLAN_AFTER: Duration = Duration::from_secs(3600);
/// or this many polls.
const POLLS_AS_AN_END: f64 = 200.0;
/// The longest wait is this many times as long while the quota is exhausted.
const LONGEST_YIELDS: u32 = 3;
/// An end of a kind, and a request in the ledger's totals, counts half after this many ends of all kinds.
const SHARE_HALF_LIFE: f64 = 700.0;
/// How one kind may be polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The interval whose requests are the measure.
    pub interval: Duration,
    /// No wait is longer, while the quota allows.
    pub longest: Duration,
    /// No wait is shorter.
    pub shortest: Duration,
    /// The operation that polls it. Kinds with the same one share a quota.
    pub operation: &'static str,
}

/// How an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At this age, as the provider says.
    At(Duration),
    /// Since the poll before; the provider does not say when.
    Undated,
}

/// A poll that was answered. Ages count from the beginning of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredPoll {
    /// The age at which it became known.
    pub known: Duration,
    /// The age at the last answered poll, if there was one in this state.
    pub from: Option<Duration>,
    /// The age now.
    pub to: Duration,
    /// How it ended, if it has.
    pub ended: Option<End>,
    /// How long it was due when it was polled.
    pub late: Duration,
}

/// What is learnt about one kind in one moving state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Learnt {
    learner: Learner,
    /// Its recent share of all ends.
    weight: f64,
    /// How much longer everything waits because the quota is exhausted; 1 when it is not.
    #[serde(default = "one")]
    pressure: f64,
    /// Known for certain, in a replay of a past.
    #[serde(skip)]
    known: Option<Vec<Piece>>,
    /// The waits since the pressure was reconsidered.
    #[serde(skip)]
    waits: Waits,
}

fn one() -> f64 {
    1.0
}

/// What an account has learnt, and its plans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Adaptive {
    /// By kind and state.
    learnt: BTreeMap<Kind, BTreeMap<String, Learnt>>,
    /// Requests that the interval would have sent until now, less those that were sent.
    balance: f64,
    /// What a request costs, in seconds of not knowing.
    price_s: f64,
    /// Requests sent, those that the interval would have sent, and ends seen; recent ones count more.
    sent: f64,
    fixed: f64,
    ends: f64,
    #[serde(default)]
    spend: Spend,
    #[serde(skip)]
    plans: BTreeMap<Kind, Arc<Plans>>,
    #[serde(skip)]
    planned_at: Option<Timestamp>,
    #[serde(skip)]
    /// Ends since the plans were made; a poll counts a little.
    news: f64,
}

impl Adaptive {
    /// Knows nothing yet. `states` are the moving states of every kind, each with how long the provider needs at most.
    pub fn new(states: impl IntoIterator<Item = (Kind, String, Duration)>) -> Adaptive {
        let mut adaptive = Adaptive {
            learnt: BTreeMap::new(),
            balance: 0.0,
            price_s: 600.0,
            sent: 0.0,
            fixed: 0.0,
            ends: 0.0,
            spend: Spend::default(),
            plans: BTreeMap::new(),
            planned_at: None,
            news: 0.0,
        };
        adaptive.add(states);
        adaptive
    }

    /// Adds states that it does not know.
    pub fn add(&mut self, states: impl IntoIterator<Item = (Kind, String, Duration)>) {
        for (kind, state, patience) in states {
            self.learnt.entry(kind).or_default().entry(state).or_insert_with(|| Learnt {
                learner: Learner::new(patience),
                weight: 1.0,
                pressure: 1.0,
                known: None,
                waits: Waits::default(),
            });
        }
        self.planned_at = None;
    }

    /// Forgets what was sent and what the interval would have sent.
    pub fn reset_balance(&mut self) {
        (self.balance, self.sent, self.fixed, self.ends) = (0.0, 0.0, 0.0, 0.0);
    }

    /// Uses a known hazard for a kind instead of the learnt one: for replays of a past, as the best that can be learnt.
    pub fn know(&mut self, kind: &Kind, curve: Vec<Piece>) {
        for learnt in self.learnt.get_mut(kind).into_iter().flat_map(BTreeMap::values_mut) {
            learnt.known = Some(curve.clone());
        }
        self.planned_at = None;
    }

    /// Whether it can have been written by [`Adaptive`]; anything else must not be used.
    pub fn is_sound(&self) -> bool {
        let numbers = [self.balance, self.price_s, self.sent, self.fixed, self.ends];
        numbers.iter().all(|number| number.is_finite())
            && self.spend.is_sound()
            && self.price_s > 0.0
            && self.learnt.values().flat_map(BTreeMap::values).all(|learnt| {
                learnt.learner.is_sound()
                    && learnt.weight.is_finite()
                    && learnt.weight >= 0.0
                    && (1.0..=PRESSURE_MAX).contains(&learnt.pressure)
            })
    }

    /// Learns from a poll of an object of this kind in this state.
    pub fn polled(&mut self, kind: &Kind, state: &str, poll: &AnsweredPoll, terms: &Terms) {
        let states = self.learnt.get_mut(kind);
        let learnt = states.and_then(|states| {
            states.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(state)).map(|(_, learnt)| learnt)
        });
        let Some(learnt) = learnt else { return };
        let plan = self.plans.get(kind).and_then(|plans| plans.of(state));
        if let Some((from, plan)) = poll.from.zip(plan) {
            learnt.waits.add(poll.to.saturating_sub(from), plan.unstretched(from), poll.late);
        }
        let from = poll.from.unwrap_or_default();
        // What the interval would have asked since the last poll, counted from when the object became known.
        let asked = |age: Duration| polls_until(age.saturating_sub(poll.known), terms.interval);
        let before = poll.from.map_or(0.0, |from| 1.0 + asked(from));
        let fixed = match poll.ended {
            None => 1.0 + asked(poll.to),
            Some(end) => {
                let at = match end {
                    End::At(at) => at.min(poll.to),
                    End::Undated => from + (poll.to.saturating_sub(from)) / 2,
                };
                match end {
                    End::At(_) => learnt.learner.ended(from.min(at), at),
                    End::Undated => learnt.learner.ended_between(from, poll.to),
                }
                // An end that was there before the object was known is seen by the first poll.
                if at > poll.known { 2.0 + asked(at) } else { 1.0 }
            }
        };
        if poll.ended.is_none() {
            learnt.learner.lived(from, poll.to);
        }
        let fixed = fixed - before;
        self.sent += 1.0;
        self.news += 1.0 / POLLS_AS_AN_END;
        self.fixed += fixed;
        self.balance += self.spend.earned(fixed) - 1.0;
        if poll.ended.is_some() {
            self.ends += 1.0;
            self.news += 1.0;
            self.weigh(kind, state);
        }
    }

    fn weigh(&mut self, kind: &Kind, state: &str) {
        let keep = (-1.0 / SHARE_HALF_LIFE).exp2();
        for total in [&mut self.sent, &mut self.fixed, &mut self.ends] {
            *total *= keep;
        }
        for (known, states) in &mut self.learnt {
            for (name, learnt) in states {
                learnt.weight *= keep;
                if known == kind && name.eq_ignore_ascii_case(state) {
                    learnt.weight += 1.0;
                }
            }
        }
    }

    /// Whether the plans are too old to be used.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        let Some(planned_at) = self.planned_at else { return true };
        let is_old = between(planned_at, now) >= REPLAN_AFTER && self.news >= 1.0;
        is_old || self.news >= (self.ends * REPLAN_SHARE).clamp(1.0, REPLAN_ENDS) || planned_at > now
    }

    /// Makes all plans again, within a budget. The first poll of an object is planned like any other if `plans_first`,
    /// otherwise it is sent at once.
    pub fn replan(
        &mut self,
        terms: impl Fn(&Kind) -> Terms,
        budget: Budget,
        plans_first: bool,
        now: Timestamp,
    ) {
        self.planned_at = Some(now);
        self.news = 0.0;
        let spend = self.spend.factor(budget, now);
        self.reconsider_pressure(&terms);
        let mut sites = Vec::new();
        for (kind, states) in &self.learnt {
            let terms = terms(kind);
            for (state, learnt) in states {
                let terrain = Terrain::new(&learnt.curve(), terms.longest);
                sites.push(Site { kind, state, terrain, terms, learnt });
            }
        }
        let all: f64 = sites.iter().map(|site| site.learnt.weight).sum();
        if sites.is_empty() || all <= 0.0 {
            return;
        }
        let fixed: f64 = sites
            .iter()
            .map(|site| site.learnt.weight / all * site.terrain.polls_every(site.terms.interval))
            .sum();
        let correction = (self.balance / (BALANCED_WITHIN * fixed)).clamp(-CORRECTION, CORRECTION);
        self.balance = self.balance.clamp(-BALANCED_WITHIN * fixed, BALANCED_WITHIN * fixed);
        let budget = fixed * spend * (1.0 + correction) - if plans_first { 0.0 } else { 1.0 };
        let polls = |price_s: f64| {
            sites.iter().map(|site| site.learnt.weight / all * site.polls(price_s)).sum::<f64>()
        };
        self.price_s = price_of(budget, self.price_s, polls);
        let mut plans: BTreeMap<Kind, Plans> = BTreeMap::new();
        for site in &sites {
            plans.entry(site.kind.clone()).or_default().0.push((site.state.clone(), site.plan(self.price_s)));
        }
        self.plans = plans.into_iter().map(|(kind, plans)| (kind, Arc::new(plans))).collect();
    }

    /// Kinds with the same operation share its quota, so they share the pressure.
    fn reconsider_pressure(&mut self, terms: &impl Fn(&Kind) -> Terms) {
        let mut all: BTreeMap<&'static str, Waits> = BTreeMap::new();
        for (kind, states) in &self.learnt {
            let sum = all.entry(terms(kind).operation).or_default();
            states.values().for_each(|learnt| sum.merge(&learnt.waits));
        }
        for (kind, states) in &mut self.learnt {
            let waits = all[terms(kind).operation];
            for learnt in states.values_mut().filter(|_| waits.is_enough()) {
                learnt.pressure = waits.pressure(learnt.pressure);
                learnt.waits = Waits::default();
            }
        }
    }

    /// Of objects of this kind and age: how many ends are known, and how many of a hundred that got as old end within a
    /// time.
    pub fn outlook(&self, kind: &Kind, state: &str, age: Duration, within: Duration) -> Option<(f64, f64)> {
        let states = self.learnt.get(kind)?;
        let (_, learnt) = states.iter().find(|(name, _)| name.eq_ignore_ascii_case(state))?;
        let (from_s, to_s) = (age.as_secs_f64(), (age + within).as_secs_f64());
        let ends: f64 = learnt
            .curve()
            .iter()
            .map(|piece| (piece.to_s.min(to_s) - piece.from_s.max(from_s)).max(0.0) * piece.per_s)
            .sum();
        Some((learnt.learner.ends(), -(-ends).exp_m1() * 100.0))
    }

    /// The plans of a kind.
    pub fn plans(&self, kind: &Kind) -> Option<&Arc<Plans>> {
        self.plans.get(kind)
    }

    /// What a request costs, in seconds of not knowing.
    pub fn price(&self) -> Duration {
        Duration::try_from_secs_f64(self.price_s).unwrap_or_default()
    }
}

/// One kind in one state, while a price is found.
struct Site<'a> {
    kind: &'a Kind,
    state: &'a String,
    terrain: Terrain,
    terms: Terms,
    learnt: &'a Learnt,
}

impl Site<'_> {
    /// The requests for each object at a price, while the quota is not exhausted.
    fn polls(&self, price_s: f64) -> f64 {
        self.terrain.plan(price_s, self.terms.shortest, self.terms.longest).1.polls
    }

    /// Its plan at a price. When the quota is exhausted, all waits grow alike, and the longest wait yields: otherwise it
    /// would decide most of them.
    fn plan(&self, price_s: f64) -> Plan {
        let Terms { shortest, longest, .. } = self.terms;
        if self.learnt.pressure < PRESSURE_LEAST {
            return self.terrain.plan(price_s, shortest, longest).0;
        }
        let longest = longest * LONGEST_YIELDS;
        let (plan, _) = Terrain::new(&self.learnt.curve(), longest).plan(price_s, shortest, longest);
        plan.stretched(self.learnt.pressure)
    }
}

impl Learnt {
    fn curve(&self) -> Vec<Piece> {
        self.known.clone().unwrap_or_else(|| self.learner.curve())
    }
}

mod overview;
#[cfg(test)]
mod tests;

pub use overview::{AgeRange, Curve, Ledger, Overview};
