//! Adaptive polling, in a replay.
//!
//! Owns: what a replay tells [`Adaptive`] and takes from it. Must never know: how plans are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::bound::true_hazards;
use super::rhythm::{Spending, Watch};
use super::scene::{PastObject, Scene};
use super::workload::Workload;
use crate::payments::adaptive::{Adaptive, AnsweredPoll, Budget, End, Terms};
use crate::payments::object::Kind;
use crate::payments::record::Record;
use crate::payments::schedule::Policy;
use crate::time::{between, later};

/// How long the provider needs at most, if it does not say.
const PATIENCE: Duration = Duration::from_secs(48 * 3600);
/// An object that became known this long after it was made is polled at once.
const SOON_KNOWN: Duration = Duration::from_secs(60);

pub(super) struct Learning {
    adaptive: Adaptive,
    spending: Spending,
    budget: Budget,
    /// The policies of all kinds with the present plans.
    policies: BTreeMap<Kind, Policy>,
    /// The operations that poll them.
    operations: BTreeMap<Kind, &'static str>,
}

impl Learning {
    pub(super) fn new(scene: &Scene<'_>, watch: &Watch, spending: Spending) -> Learning {
        let states: BTreeMap<(Kind, String), Duration> = scene
            .objects
            .iter()
            .map(|object| {
                let first = object.course.first;
                let patience = object.course.lifecycle.state(first).and_then(|facts| facts.patience);
                let of_kind = watch.of(&object.past.object.kind).patience;
                let key = (object.past.object.kind.clone(), first.to_owned());
                (key, of_kind.or(patience).unwrap_or(PATIENCE).mul_f64(spending.prior))
            })
            .collect();
        let states = states.into_iter().map(|((kind, state), patience)| (kind, state, patience));
        let policies = scene.objects.iter().map(|object| object.past.object.kind.clone());
        let policies = policies.map(|kind| (kind.clone(), watch.of(&kind).clone())).collect();
        let kinds =
            scene.objects.iter().map(|object| (object.past.object.kind.clone(), object.course.operation));
        let operations: BTreeMap<Kind, &'static str> = kinds.collect();
        let used: BTreeSet<&str> = operations.values().copied().collect();
        let quotas = scene.operations.iter().filter(|(name, _)| used.contains(name));
        let quota_per_s = quotas.map(|(_, quota)| 1.0 / quota.per.as_secs_f64()).sum();
        let budget = spending.share.map_or(Budget::Factor(spending.spend), |share| share.budget(quota_per_s));
        let adaptive = Adaptive::new(states);
        let mut learning = Learning { adaptive, spending, budget, policies, operations };
        learning.replan(scene.beginning);
        learning
    }

    /// Knows the true hazards instead of learning them.
    pub(super) fn knowing(mut self, workload: &Workload) -> Learning {
        for (kind, curve) in true_hazards(workload) {
            self.adaptive.know(&kind, curve);
        }
        self.replan(workload.beginning());
        self
    }

    fn replan(&mut self, at: Timestamp) {
        let Learning { spending, budget, policies, operations, .. } = self;
        let terms = |kind: &Kind| terms(spending, policies, operations, kind);
        self.adaptive.replan(terms, *budget, spending.plans_first, at);
        for (kind, policy) in self.policies.iter_mut().filter(|(_, policy)| policy.learning.is_some()) {
            policy.plans = self.adaptive.plans(kind).map(Arc::clone);
        }
    }

    pub(super) fn policy(&self, kind: &Kind) -> Option<&Policy> {
        self.policies.get(kind)
    }

    /// When an object is polled first.
    pub(super) fn first_poll(&self, object: &PastObject<'_>, now: Timestamp) -> Timestamp {
        let known_after = between(object.past.created_at, now);
        if !self.spending.plans_first || known_after > SOON_KNOWN {
            return now;
        }
        let policy = self.policies.get(&object.past.object.kind);
        let plan = policy.and_then(|policy| policy.plans.as_ref()?.of(object.course.first));
        plan.map_or(now, |plan| later(object.past.created_at, plan.wait(Duration::ZERO)).max(now))
    }

    /// Learns from an answer about an object. `before` is its record before the answer.
    pub(super) fn heard(
        &mut self,
        object: &PastObject<'_>,
        before: &Record,
        sent_at: Timestamp,
        has_ended: bool,
        now: Timestamp,
    ) {
        let made = object.past.created_at;
        let kind = &object.past.object.kind;
        let poll = AnsweredPoll {
            known: between(made, before.enrolled_at),
            from: before.observed.as_ref().map(|observed| between(made, observed.seen_at)),
            to: between(made, now),
            ended: object.past.final_at.filter(|_| has_ended).map(|at| End::At(between(made, at))),
            late: before.due_at.map_or(Duration::ZERO, |due_at| between(due_at, sent_at)),
        };
        let terms = terms(&self.spending, &self.policies, &self.operations, kind);
        self.adaptive.polled(kind, object.course.first, &poll, &terms);
        if self.adaptive.is_stale(now) {
            self.replan(now);
        }
    }
}

fn terms(
    spending: &Spending,
    policies: &BTreeMap<Kind, Policy>,
    operations: &BTreeMap<Kind, &'static str>,
    kind: &Kind,
) -> Terms {
    let terms = spending.terms(policies.get(kind).map_or(HOUR, |policy| policy.interval));
    Terms { operation: operations.get(kind).copied().unwrap_or_default(), ..terms }
}

const HOUR: Duration = Duration::from_secs(3600);

impl Spending {
    /// How a kind with this interval is polled, by an operation of its own.
    pub(super) fn terms(&self, interval: Duration) -> Terms {
        let longest = self.longest.unwrap_or(interval * 21 / 20);
        Terms { interval, longest, shortest: self.shortest, operation: "" }
    }
}
