//! A refund: money refunded from a capture (docs/src/reference/amazon-pay-mws.md, section 4.3).

use super::{HOUR, find};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone};

/// The lifecycle of a refund.
pub struct Refund;

#[derive(Debug, Clone, Copy)]
enum State {
    Pending,
    Completed,
    Declined,
}

const STATES: [State; 3] = [State::Pending, State::Completed, State::Declined];

fn name(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::Completed => "Completed",
        State::Declined => "Declined",
    }
}

fn facts(state: State) -> StateFacts {
    let (phase, outcome, meaning, next): (_, _, _, &'static [&'static str]) = match state {
        State::Pending => (
            Phase::Moving,
            Outcome::Undecided,
            "Amazon is processing the refund. Every refund starts in this state, which can last hours.",
            &["Completed", "Declined"],
        ),
        State::Completed => {
            (Phase::Final, Outcome::Succeeded, "The money is on its way back to the buyer.", &[])
        }
        State::Declined => (
            Phase::Final,
            Outcome::Declined,
            "The refund was declined: the buyer has not received the money.",
            &[],
        ),
    };
    let patience = match state {
        State::Pending => Some(48 * HOUR),
        State::Completed | State::Declined => None,
    };
    let moves = match state {
        State::Pending | State::Declined => Moves::Nothing,
        State::Completed => Moves::Refunds,
    };
    StateFacts { name: name(state), phase, outcome, moves, meaning, next, patience, guarantee: None }
}

const DECLINES: &[ReasonFacts] = &[
    ReasonFacts {
        name: "AmazonRejected",
        meaning: "Amazon refused the refund, for example because the balance of the seller's account is \
                  negative.",
        advice: "Refund the buyer another way, such as a gift card or store credit. Check the balance of \
                 the account in Seller Central before refunding through Amazon Pay again.",
        tone: Tone::Alarming,
    },
    ReasonFacts {
        name: "ProcessingFailure",
        meaning: "Amazon could not process the refund: a fault on its side, or the buyer has already been \
                  paid through a claim or a chargeback.",
        advice: "Check in Seller Central whether a claim or a chargeback has already paid the buyer. If not, \
                 refund the buyer another way, such as a gift card or store credit.",
        tone: Tone::Alarming,
    },
];

impl Lifecycle for Refund {
    fn states(&self) -> &'static [&'static str] {
        &["Pending", "Completed", "Declined"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        find(&STATES, name, word).map(facts)
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        match find(&STATES, name, state) {
            Some(State::Declined) => DECLINES,
            Some(State::Pending | State::Completed) | None => &[],
        }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        match find(&STATES, name, state) {
            Some(State::Declined) => "Refund the buyer another way, such as a gift card or store credit.",
            Some(State::Pending | State::Completed) | None => "",
        }
    }

    fn advice_when_overdue(&self) -> &'static str {
        "Tell the buyer that the refund is still on its way. Do not refund a second time; if it stays this way, ask \
         the provider's support and give the id."
    }
}
