//! An authorization: money reserved on an order (docs/src/reference/amazon-pay-mws.md, section 4.1).

use super::{DAY, STOP_SHIPMENT, find, outcome_by_reason};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use crate::payments::money::Amounts;

/// The lifecycle of an authorization.
pub struct Authorization;

#[derive(Debug, Clone, Copy)]
enum State {
    Pending,
    Open,
    Declined,
    Closed,
}

const STATES: [State; 4] = [State::Pending, State::Open, State::Declined, State::Closed];

fn name(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::Open => "Open",
        State::Declined => "Declined",
        State::Closed => "Closed",
    }
}

fn facts(state: State) -> StateFacts {
    let (phase, outcome, meaning, next): (_, _, _, &'static [&'static str]) = match state {
        State::Pending => (
            Phase::Moving,
            Outcome::Undecided,
            "Amazon is still deciding on the authorization; this can take up to 24 hours.",
            &["Open", "Declined", "Closed"],
        ),
        State::Open => (
            Phase::Resting,
            Outcome::Open,
            "The money is reserved and has not been captured yet. A capture within 7 days is processed at \
             once; an unused authorization expires after 30 days.",
            &["Closed"],
        ),
        State::Declined => (
            Phase::Final,
            Outcome::Declined,
            "The authorization was declined: no money is reserved, and none can be captured.",
            &[],
        ),
        State::Closed => (
            Phase::Final,
            Outcome::Undecided,
            "The authorization is closed: nothing more can be captured from it. The reason shows whether it \
             was captured.",
            &[],
        ),
    };
    let patience = match state {
        // TransactionTimeout is 24 h by default (section 4.1, modes).
        State::Pending => Some(DAY),
        State::Open | State::Declined | State::Closed => None,
    };
    let guarantee = match state {
        State::Open => Some(7 * DAY),
        State::Pending | State::Declined | State::Closed => None,
    };
    let moves = match state {
        State::Pending | State::Declined => Moves::Nothing,
        State::Open => Moves::Authorizes,
        State::Closed => Moves::Captures,
    };
    StateFacts { name: name(state), phase, outcome, moves, meaning, next, patience, guarantee }
}

const HINTS: &[ReasonFacts] = &[STOP_SHIPMENT];

const DECLINES: &[ReasonFacts] = &[
    ReasonFacts {
        name: "InvalidPaymentMethod",
        meaning: "There is a problem with the buyer's payment method. The order is suspended until the \
                  buyer chooses another.",
        advice: "Do not ship. Ask the buyer to choose another payment method for this order, then authorize \
                 again with a new reference; if Amazon marked the decline as soft, a new attempt may work. \
                 If the buyer does not, cancel the order.",
        tone: Tone::Alarming,
    },
    ReasonFacts {
        name: "AmazonRejected",
        meaning: "Amazon refused the payment and closed the order. It will not accept another attempt on \
                  this order.",
        advice: "Do not ship. Cancel the order and ask the buyer to check out again with another payment \
                 method.",
        tone: Tone::Alarming,
    },
    ReasonFacts {
        name: "ProcessingFailure",
        meaning: "Amazon could not process the authorization because of a fault on its side. The order \
                  stays open.",
        advice: "If the order reference is still Open, authorize again with a new reference after a few \
                 minutes. If that fails too, cancel the order and ask the buyer to check out again with \
                 another payment method.",
        tone: Tone::Alarming,
    },
    ReasonFacts {
        name: "TransactionTimedOut",
        meaning: "The authorization was not processed in the time allowed for it (8 seconds for an \
                  immediate one, otherwise 24 hours unless the shop set another limit). The order stays open.",
        advice: "If the authorization was immediate, authorize again with a new reference and give Amazon \
                 more time; otherwise cancel the order and ask the buyer to check out again with another \
                 payment method.",
        tone: Tone::Alarming,
    },
];

const CLOSINGS: &[ReasonFacts] = &[
    ReasonFacts {
        name: "MaxCapturesProcessed",
        meaning: "The authorization was captured: the normal, successful end.",
        advice: "Nothing to do. The capture itself is watched from now on.",
        tone: Tone::Expected,
    },
    // The report guide and the answers spell the same end differently (docs/src/reference/amazon-pay-batch.md, section
    // 11.5, and docs/src/reference/amazon-pay-v2.md, section 11.4).
    ReasonFacts {
        name: "MaxAmountCaptured",
        meaning: "The whole amount of the authorization was captured: the normal, successful end.",
        advice: "Nothing to do. The capture itself is watched from now on.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "MaxAmountProcessed",
        meaning: "The whole amount of the authorization was captured: the normal, successful end.",
        advice: "Nothing to do. The capture itself is watched from now on.",
        tone: Tone::Expected,
    },
    ReasonFacts {
        name: "ExpiredUnused",
        meaning: "The authorization expired without being captured (after 30 days; 2 in the sandbox). \
                  The money is no longer reserved.",
        advice: "If the goods were shipped or will be, authorize again on the same order reference while it \
                 is Open and capture at once; otherwise cancel the order.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "AmazonClosed",
        meaning: "Amazon closed the authorization because of a problem with the seller's account.",
        advice: "Do not ship unless it was captured. Look for notices about the account in Seller Central \
                 or ask Amazon Pay merchant support.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "OrderReferenceCanceled",
        meaning: "The order was canceled, and the authorization with it. The money is no longer reserved.",
        advice: "Check that the shop meant to cancel the order, and do not ship it.",
        tone: Tone::Notable,
    },
    ReasonFacts {
        name: "SellerClosed",
        meaning: "The shop closed the authorization. The money is no longer reserved.",
        advice: "Nothing to do if the shop meant to.",
        tone: Tone::Expected,
    },
];

/// What a closing reason says about the money.
fn outcome_of_closing(reason: &str) -> Option<Outcome> {
    let facts = CLOSINGS.iter().find(|facts| facts.name.eq_ignore_ascii_case(reason))?;
    Some(if facts.name.starts_with("Max") { Outcome::Succeeded } else { Outcome::Canceled })
}

impl Lifecycle for Authorization {
    fn states(&self) -> &'static [&'static str] {
        &["Pending", "Open", "Declined", "Closed"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        find(&STATES, name, word).map(facts)
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        match find(&STATES, name, state) {
            Some(State::Pending | State::Open) => HINTS,
            Some(State::Declined) => DECLINES,
            Some(State::Closed) => CLOSINGS,
            None => &[],
        }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        match find(&STATES, name, state) {
            Some(State::Declined) => {
                "Do not ship. Cancel the order and ask the buyer to check out again with another payment method."
            }
            Some(State::Closed) => {
                "Do not ship unless it was captured. If it was not, cancel the order and ask the buyer to check \
                 out again with another payment method."
            }
            Some(State::Pending | State::Open) | None => "",
        }
    }

    fn outcome(&self, state: &str, reasons: &[String], amounts: &Amounts) -> Option<Outcome> {
        let facts = self.state(state)?;
        let by_reason = match find(&STATES, name, state)? {
            // The amount is the surest evidence. Without it and without a known reason, nobody can say whether the
            // money was captured or released.
            State::Closed => match amounts.captured {
                Some(captured) if captured.is_positive() => Some(Outcome::Succeeded),
                Some(_) => Some(Outcome::Canceled),
                None => outcome_by_reason(reasons, outcome_of_closing),
            },
            State::Pending | State::Open | State::Declined => None,
        };
        by_reason.or(Some(facts.outcome))
    }
}
