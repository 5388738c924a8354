//! A billing agreement: what recurring orders are made on (docs/src/reference/amazon-pay-mws.md, section 4.5). It
//! moves no money itself; the orders made on it do.

use super::{find, outcome_by_reason};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use crate::payments::money::Amounts;

/// The lifecycle of a billing agreement.
pub struct BillingAgreement;

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
            "The agreement has not been confirmed yet. Amazon cancels it when nobody confirms it within 3 \
             hours.",
            &["Open", "Canceled"],
        ),
        State::Open => (
            Phase::Resting,
            Outcome::Open,
            "The agreement is confirmed, and orders can be made on it.",
            &["Suspended", "Canceled", "Closed"],
        ),
        State::Suspended => (
            Phase::Resting,
            Outcome::Undecided,
            "No orders can be made on the agreement until the buyer corrects the payment method and it is \
             confirmed again.",
            &["Open", "Canceled", "Closed"],
        ),
        State::Canceled => {
            (Phase::Final, Outcome::Canceled, "The agreement was canceled: no orders can be made on it.", &[])
        }
        State::Closed => (
            Phase::Final,
            Outcome::Closed,
            "The agreement has ended: no new orders can be made on it. Open authorizations can still be \
             captured.",
            &[],
        ),
    };
    let moves = Moves::Nothing;
    StateFacts { name: name(state), phase, outcome, moves, meaning, next, patience: None, guarantee: None }
}

const SUSPENSIONS: &[ReasonFacts] = &[ReasonFacts {
    name: "InvalidPaymentMethod",
    meaning: "A payment under the agreement failed because of the buyer's payment method.",
    advice: "Ask the buyer to choose another payment method for the agreement, then confirm it again. Until \
             then nothing can be charged.",
    tone: Tone::Notable,
}];

const CANCELLATIONS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "Stale",
        meaning: "Nobody confirmed the agreement within 3 hours.",
        advice: "If the shop treated the subscription as placed, ask the buyer to sign up again; otherwise it is \
                 an abandoned checkout, and there is nothing to do.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "AmazonCanceled",
        meaning: "Amazon canceled the agreement.",
        advice: "Stop the subscription in the shop and ask the buyer to sign up again with another payment \
                 method.",
        tone: Tone::Notable,
    },
];

// Only SellerClosed is confirmed. The two others are taken from the successor's list (section 4.5). The code of a
// closing by the buyer is not known, so it stays an unknown reason, kept verbatim.
const CLOSINGS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "SellerClosed",
        meaning: "The shop closed the agreement.",
        advice: "Nothing to do if the shop meant to.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "AmazonClosed",
        meaning: "Amazon closed the agreement.",
        advice: "Stop the subscription in the shop, look for notices in Seller Central, and ask the buyer to \
                 sign up again if the subscription should continue.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "Expired",
        meaning: "The agreement has expired.",
        advice: "Ask the buyer to sign up again if the subscription should continue.",
        tone: Tone::Notable,
    },
];

/// What a closing reason says. The agreement itself never shows whether money moved.
fn outcome_of_closing(reason: &str) -> Option<Outcome> {
    let facts = CLOSINGS.iter().find(|facts| facts.name.eq_ignore_ascii_case(reason))?;
    Some(if facts.tone == Tone::Expected { Outcome::Closed } else { Outcome::Canceled })
}

impl Lifecycle for BillingAgreement {
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
            Some(State::Suspended) => "Ask the buyer to choose another payment method for the agreement.",
            Some(State::Canceled | State::Closed) => {
                "Stop the subscription in the shop, and ask the buyer to sign up again with another payment \
                 method if it should continue."
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
        "the billing agreement"
    }
}
