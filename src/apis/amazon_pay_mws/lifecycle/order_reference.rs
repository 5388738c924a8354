//! An order reference: what authorizations are made on (docs/src/reference/amazon-pay-mws.md, section 4.4). It
//! moves no money itself; its authorizations and captures do.

use super::{find, outcome_by_reason};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use crate::payments::money::Amounts;

/// The lifecycle of an order reference.
pub struct OrderReference;

#[derive(Debug, Clone, Copy)]
enum State {
    Draft,
    Open,
    Suspended,
    Canceled,
    Closed,
}

const STATES: [State; 5] = [State::Draft, State::Open, State::Suspended, State::Canceled, State::Closed];

fn name(state: State) -> &'static str {
    match state {
        State::Draft => "Draft",
        State::Open => "Open",
        State::Suspended => "Suspended",
        State::Canceled => "Canceled",
        State::Closed => "Closed",
    }
}

fn facts(state: State) -> StateFacts {
    let (phase, outcome, meaning, next): (_, _, _, &'static [&'static str]) = match state {
        State::Draft => (
            Phase::Resting,
            Outcome::Undecided,
            "The order has not been confirmed yet. Amazon cancels it when nobody confirms it within 3 hours.",
            &["Open", "Canceled"],
        ),
        State::Open => (
            Phase::Resting,
            Outcome::Open,
            "The order is confirmed and can be authorized, until 180 days after it was created.",
            &["Suspended", "Canceled", "Closed"],
        ),
        State::Suspended => (
            Phase::Resting,
            Outcome::Undecided,
            "The order cannot be authorized until the buyer chooses another payment method. Authorizations \
             that are open can still be captured.",
            &["Open", "Canceled", "Closed"],
        ),
        State::Canceled => (
            Phase::Final,
            Outcome::Canceled,
            "The order was canceled, and its authorizations were closed with it.",
            &[],
        ),
        State::Closed => (
            Phase::Final,
            Outcome::Closed,
            "The order takes no more authorizations. Those that are open can still be captured, and \
             captures refunded.",
            &[],
        ),
    };
    let moves = Moves::Nothing;
    StateFacts { name: name(state), phase, outcome, moves, meaning, next, patience: None, guarantee: None }
}

const SUSPENSIONS: &[ReasonFacts] = &[ReasonFacts {
    name: "InvalidPaymentMethod",
    meaning: "An authorization failed because of the buyer's payment method.",
    advice: "Ask the buyer to choose another payment method for this order, then authorize again with a new \
             reference. If the buyer does not, cancel the order.",
    tone: Tone::Notable,
}];

const CANCELLATIONS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "SellerCanceled",
        meaning: "The shop canceled the order.",
        advice: "Nothing to do if the shop meant to.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "Stale",
        meaning: "Nobody confirmed the order within 3 hours.",
        advice: "If the shop treated the order as placed, ask the buyer to check out again; otherwise it is an \
                 abandoned checkout, and there is nothing to do.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "AmazonCanceled",
        meaning: "Amazon canceled the order.",
        advice: "Do not ship. Cancel the order in the shop and ask the buyer to check out again with another \
                 payment method.",
        tone: Tone::Notable,
    },
];

const CLOSINGS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "Expired",
        meaning: "180 days have passed since the order was created.",
        advice: "If something is still to be paid, ask the buyer to place a new order.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "MaxAmountCharged",
        meaning: "The maximum amount of the order has been captured.",
        advice: "Nothing to do.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "MaxAuthorizationsCaptured",
        meaning: "The maximum number of authorizations of the order has been captured.",
        advice: "Nothing to do, unless something is still to be paid: that needs a new order.",
        tone: Tone::Expected,
    },
    // Lists derived from the documentation have the name above; a captured notification has this one (section 10).
    ReasonFacts {
        name: "MaxAuthorizationsProcessed",
        meaning: "The maximum number of authorizations of the order has been processed.",
        advice: "Nothing to do, unless something is still to be paid: that needs a new order.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "AmazonClosed",
        meaning: "Amazon closed the order: after refusing a payment on it, or because of a problem with the \
                  seller's account.",
        advice: "Do not ship what has not been captured. Look for notices in Seller Central; ask the buyer to \
                 check out again with another payment method if something is still to be paid.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "SellerClosed",
        meaning: "The shop closed the order.",
        advice: "Nothing to do if the shop meant to.",
        tone: Tone::Expected,
    },
];

/// What a closing reason says. If the order was used up, money was captured; if the shop closed it, nothing is known
/// about money.
fn outcome_of_closing(reason: &str) -> Option<Outcome> {
    let facts = CLOSINGS.iter().find(|facts| facts.name.eq_ignore_ascii_case(reason))?;
    Some(match (facts.name, facts.tone) {
        ("SellerClosed", _) => Outcome::Closed,
        (_, Tone::Expected) => Outcome::Succeeded,
        (_, Tone::Notable | Tone::Alarming) => Outcome::Canceled,
    })
}

impl Lifecycle for OrderReference {
    fn states(&self) -> &'static [&'static str] {
        &["Draft", "Open", "Suspended", "Canceled", "Closed"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        find(&STATES, name, word).map(facts)
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        match find(&STATES, name, state) {
            Some(State::Suspended) => SUSPENSIONS,
            Some(State::Canceled) => CANCELLATIONS,
            Some(State::Closed) => CLOSINGS,
            Some(State::Draft | State::Open) | None => &[],
        }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        match find(&STATES, name, state) {
            Some(State::Suspended) => "Ask the buyer to choose another payment method for this order.",
            Some(State::Canceled) => {
                "Do not ship. Cancel the order in the shop and ask the buyer to check out again with another \
                 payment method."
            }
            Some(State::Closed) => {
                "Do not ship what has not been captured. Ask the buyer to check out again with another payment \
                 method if something is still to be paid."
            }
            Some(State::Draft | State::Open) | None => "",
        }
    }

    fn outcome(&self, state: &str, reasons: &[String], _amounts: &Amounts) -> Option<Outcome> {
        let facts = self.state(state)?;
        let by_reason = match find(&STATES, name, state)? {
            State::Closed => outcome_by_reason(reasons, outcome_of_closing),
            State::Draft | State::Open | State::Suspended | State::Canceled => None,
        };
        by_reason.or(Some(facts.outcome))
    }

    fn expires(&self) -> &'static str {
        "the order reference"
    }
}
