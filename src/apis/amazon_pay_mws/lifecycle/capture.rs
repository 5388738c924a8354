//! A capture: money captured from an authorization (docs/src/reference/amazon-pay-mws.md, section 4.2).

use super::{HOUR, STOP_SHIPMENT, find};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone};

/// The lifecycle of a capture.
pub struct Capture;

#[derive(Debug, Clone, Copy)]
enum State {
    Pending,
    Completed,
    Declined,
    Closed,
}

const STATES: [State; 4] = [State::Pending, State::Completed, State::Declined, State::Closed];

fn name(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::Completed => "Completed",
        State::Declined => "Declined",
        State::Closed => "Closed",
    }
}

fn facts(state: State) -> StateFacts {
    let (phase, outcome, meaning, next): (_, _, _, &'static [&'static str]) = match state {
        State::Pending => (
            Phase::Moving,
            Outcome::Undecided,
            "Amazon is still processing the capture; that happens if it was requested more than 7 days \
             after the authorization.",
            &["Completed", "Declined"],
        ),
        State::Completed => (
            Phase::Final,
            Outcome::Succeeded,
            "The money was captured. It can still be refunded.",
            // Final for polling, although it still closes once nothing more of it can be refunded.
            &["Closed"],
        ),
        State::Declined => (
            Phase::Final,
            Outcome::Declined,
            "The capture was declined: the money was not taken, though it had been reserved.",
            &[],
        ),
        State::Closed => (
            Phase::Final,
            Outcome::Succeeded,
            "The money was captured, and no more of it can be refunded.",
            &[],
        ),
    };
    let patience = match state {
        State::Pending => Some(48 * HOUR),
        State::Completed | State::Declined | State::Closed => None,
    };
    let moves = match state {
        State::Pending | State::Declined => Moves::Nothing,
        State::Completed | State::Closed => Moves::Captures,
    };
    StateFacts { name: name(state), phase, outcome, moves, meaning, next, patience, guarantee: None }
}

const HINTS: &[ReasonFacts] = &[STOP_SHIPMENT];

const DECLINES: &[ReasonFacts] = &[
    ReasonFacts {
        name: "AmazonRejected",
        meaning: "Amazon refused to take the money.",
        advice: "If the goods have not left, do not ship. If the authorization is still Open, capture once \
                 more with a new reference; otherwise cancel the order and ask the buyer to check out again \
                 with another payment method.",
        tone: Tone::Alarming,
    },
    ReasonFacts {
        name: "ProcessingFailure",
        meaning: "Amazon could not process the capture because of a fault on its side.",
        advice: "If the authorization is still Open, capture again with a new reference after a few \
                 minutes. If it is not, cancel the order and ask the buyer to check out again with another \
                 payment method.",
        tone: Tone::Alarming,
    },
];

const CLOSINGS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "MaxAmountRefunded",
        meaning: "The capture has been refunded up to the maximum amount.",
        advice: "Nothing to do. Any further refund must reach the buyer another way.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "MaxRefundsProcessed",
        meaning: "The maximum number of refunds of a capture (10) has been made.",
        advice: "Nothing to do. Any further refund must reach the buyer another way.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "AmazonClosed",
        meaning: "Amazon closed the capture because of a problem with the seller's account: it can no \
                  longer be refunded through Amazon Pay.",
        advice: "Look for notices about the account in Seller Central or ask Amazon Pay merchant support, \
                 and check that the money arrives with the next settlement.",
        tone: Tone::Notable,
    },
];

impl Lifecycle for Capture {
    fn states(&self) -> &'static [&'static str] {
        &["Pending", "Completed", "Declined", "Closed"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        find(&STATES, name, word).map(facts)
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        match find(&STATES, name, state) {
            Some(State::Pending | State::Completed) => HINTS,
            Some(State::Declined) => DECLINES,
            Some(State::Closed) => CLOSINGS,
            None => &[],
        }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        match find(&STATES, name, state) {
            Some(State::Declined) => {
                "If the goods have not left, do not ship. If the authorization is still Open, capture again; \
                 otherwise cancel the order and ask the buyer to check out again with another payment method."
            }
            Some(State::Closed) => {
                "Check in Seller Central why the capture was closed and whether the money arrives with the next \
                 settlement. Any further refund must reach the buyer another way."
            }
            Some(State::Pending | State::Completed) | None => "",
        }
    }
}
