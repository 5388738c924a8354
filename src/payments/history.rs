//! The history row that a decision writes: the amount it concerns, and the totals from then on.
//!
//! Owns: what moved between two answers. Must never know: whether an answer is believed. Pure.

use jiff::Timestamp;

use super::decision::Setting;
use super::lifecycle::{Lifecycle, Moves, Outcome, Phase, StateFacts};
use super::money::{Amounts, Money};
use super::observation::Observation;
use super::record::{Cause, Record, Source, Transition};

/// The inputs of a history row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) setting: &'a Setting<'a>,
    /// The object before the decision.
    pub(super) before: &'a Record,
    pub(super) seen: &'a Observation,
    pub(super) now: Timestamp,
}

impl Row<'_> {
    /// The row. Without facts, the state is not believed.
    pub(super) fn written(&self, facts: Option<&StateFacts>, note: String, cause: Cause) -> Transition {
        let Row { before, seen, now, .. } = *self;
        let moves = facts.map_or(Moves::Nothing, |facts| facts.moves);
        let reference = before.details.merchant_reference.as_ref().or(seen.merchant_reference.as_ref());
        Transition {
            object: before.object.clone(),
            from: before.state().map(str::to_owned),
            to: seen.state.clone(),
            reasons: seen.reasons.clone(),
            phase: facts.map_or(Phase::Resting, |facts| facts.phase),
            outcome: facts.map_or(Outcome::Undecided, |facts| facts.outcome),
            amount: self.moved(facts),
            moves,
            amounts: facts_among(seen.amounts, moves),
            merchant_reference: reference
                .map(String::as_str)
                .or(before.merchant_reference())
                .map(str::to_owned),
            happened_at: seen.updated_at.unwrap_or(now),
            seen_at: now,
            note,
            stored_cause: Some(cause),
            source: Source::of(seen),
        }
    }

    /// The amount captured or refunded since the last observation. If no money moved, the object's own amount.
    fn moved(&self, facts: Option<&StateFacts>) -> Option<Money> {
        let about = self.seen.amount.or(self.before.details.amount);
        let has_moved = |facts: &&StateFacts| !matches!(facts.outcome, Outcome::Declined | Outcome::Canceled);
        let Some(facts) = facts.filter(has_moved) else {
            return about;
        };
        let known = self.before.observed.as_ref().map_or_else(Amounts::default, |observed| {
            let state = self.setting.lifecycle.state(&observed.observation.state);
            facts_among(observed.observation.amounts, state.map_or(Moves::Nothing, |facts| facts.moves))
        });
        match facts.moves {
            Moves::Nothing => about,
            Moves::Authorizes => self.seen.amounts.authorized.or(about),
            Moves::Captures => since(self.seen.amounts.captured, known.captured),
            Moves::Refunds => since(self.seen.amounts.refunded, known.refunded),
        }
    }
}

/// How much a total has grown.
fn since(total: Option<Money>, known: Option<Money>) -> Option<Money> {
    let total = total?;
    let known = known.filter(|known| known.currency == total.currency);
    let amount = total.amount - known.map_or_else(Default::default, |known| known.amount);
    Some(Money { amount, ..total })
}

/// The amounts that are facts in such a state.
fn facts_among(amounts: Amounts, moves: Moves) -> Amounts {
    match moves {
        Moves::Nothing => Amounts::default(),
        Moves::Authorizes => Amounts { authorized: amounts.authorized, ..Amounts::default() },
        Moves::Captures | Moves::Refunds => amounts,
    }
}

/// What a state means for the money, given its reasons and amounts. A good state in which no money moved is not a
/// success.
pub fn outcome(lifecycle: &dyn Lifecycle, facts: &StateFacts, seen: &Observation) -> Outcome {
    let said = lifecycle.outcome(facts.name, &seen.reasons, &seen.amounts).unwrap_or(facts.outcome);
    let moved = match facts.moves {
        Moves::Captures => seen.amounts.captured,
        Moves::Refunds => seen.amounts.refunded,
        Moves::Authorizes | Moves::Nothing => None,
    };
    let is_nothing = moved.is_some_and(|moved| !moved.is_positive());
    if said == Outcome::Succeeded && is_nothing { Outcome::Undecided } else { said }
}
