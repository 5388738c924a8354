//! The states of an order at Amazon Payment Services: the outcome of its last operation (docs/src/reference/aps.md,
//! sections 5.3 to 5.5).
//!
//! Owns: states, what can follow, what a person should do. Must never know: the network, JSON, records.
//!
//! A state word is the provider's two-digit `transaction_status`, or its five-digit `transaction_code` where
//! only the message determines the state (see [`super::code::Code::state_and_reason`]). A reason is the message
//! part of the code, three digits. Words that the classification does not name have no facts: they are kept
//! exactly as they are and raise an alert.

mod reasons;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::code::{Code, UNDECIDED};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts};

/// How long an order may stay undecided before an alert. The provider names no time (section 2.5, "polling interval":
/// unknown); a day is this project's choice.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// The same for a payment that a person at the provider or the bank is reviewing.
const REVIEW_PATIENCE: Duration = Duration::from_secs(72 * 3600);

/// The lifecycle of `aps-order`.
pub struct Order;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stored,
    Incomplete,
    Uncertain,
    Pending,
    OnHold,
    InReview,
    /// A five-digit code whose message leaves the operation undecided.
    Held(&'static str),
    InvalidRequest,
    GivenUp,
    Authorized,
    AuthorizationFailed,
    Captured,
    CaptureFailed,
    Refunded,
    RefundFailed,
    Voided,
    VoidFailed,
    PurchaseFailed,
    Purchased,
}

/// The states with their own word, the initial one first.
const NAMED: [State; 18] = [
    State::Stored,
    State::Incomplete,
    State::Uncertain,
    State::Pending,
    State::OnHold,
    State::InReview,
    State::InvalidRequest,
    State::GivenUp,
    State::Authorized,
    State::AuthorizationFailed,
    State::Captured,
    State::CaptureFailed,
    State::Refunded,
    State::RefundFailed,
    State::Voided,
    State::VoidFailed,
    State::PurchaseFailed,
    State::Purchased,
];

/// All words: the named ones, then every status combined with every undecided message.
macro_rules! words {
    ([$($named:literal)*] [$($held:literal)*]) => {
        &[$($named,)* $(
            concat!($held, "006"), concat!($held, "777"), concat!($held, "778"), concat!($held, "779"),
            concat!($held, "780"), concat!($held, "781"), concat!($held, "064"), concat!($held, "065"),
            concat!($held, "090"), concat!($held, "784"), concat!($held, "662"),
        )*]
    };
}

const WORDS: &[&str] = words!(
    ["01" "10" "15" "19" "20" "40" "00" "00072" "02" "03" "04" "05" "06" "07" "08" "09" "13" "14"]
    ["00" "02" "03" "04" "05" "06" "07" "08" "09" "13" "14" "17"]
);

/// After an authorization: a capture, refund or void, successful or failed.
const AFTER_AUTHORIZATION: &[&str] = &["04", "05", "06", "07", "08", "09"];
/// After money was taken or returned: more of either.
const AFTER_CAPTURE: &[&str] = &["04", "06", "07"];

fn state_of(word: &str) -> Option<State> {
    if let Some(named) = NAMED.into_iter().find(|state| name(*state) == word) {
        return Some(named);
    }
    let listed = WORDS.iter().copied().find(|known| *known == word)?;
    let code = Code::new(listed).ok()?;
    UNDECIDED.contains(&code.message()).then_some(State::Held(listed))
}

fn name(state: State) -> &'static str {
    match state {
        State::Stored => "01",
        State::Incomplete => "10",
        State::Uncertain => "15",
        State::Pending => "19",
        State::OnHold => "20",
        State::InReview => "40",
        State::Held(word) => word,
        State::InvalidRequest => "00",
        State::GivenUp => "00072",
        State::Authorized => "02",
        State::AuthorizationFailed => "03",
        State::Captured => "04",
        State::CaptureFailed => "05",
        State::Refunded => "06",
        State::RefundFailed => "07",
        State::Voided => "08",
        State::VoidFailed => "09",
        State::PurchaseFailed => "13",
        State::Purchased => "14",
    }
}

fn phase(state: State) -> Phase {
    match state {
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_) => Phase::Moving,
        // Nothing changes automatically, but the authorization can still be captured or voided.
        State::InvalidRequest | State::Authorized | State::CaptureFailed | State::VoidFailed => {
            Phase::Resting
        }
        State::GivenUp
        | State::AuthorizationFailed
        | State::Captured
        | State::Refunded
        | State::RefundFailed
        | State::Voided
        | State::PurchaseFailed
        | State::Purchased => Phase::Final,
    }
}

fn outcome(state: State) -> Outcome {
    match state {
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_)
        | State::InvalidRequest => Outcome::Undecided,
        State::Authorized => Outcome::Open,
        State::Captured | State::Refunded | State::Purchased => Outcome::Succeeded,
        State::GivenUp | State::Voided => Outcome::Canceled,
        State::AuthorizationFailed
        | State::CaptureFailed
        | State::RefundFailed
        | State::VoidFailed
        | State::PurchaseFailed => Outcome::Declined,
    }
}

fn moves(state: State) -> Moves {
    match state {
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_)
        | State::InvalidRequest
        | State::GivenUp
        | State::AuthorizationFailed
        | State::PurchaseFailed
        | State::Voided => Moves::Nothing,
        State::Authorized | State::CaptureFailed | State::VoidFailed => Moves::Authorizes,
        State::Captured | State::Purchased | State::RefundFailed => Moves::Captures,
        State::Refunded => Moves::Refunds,
    }
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Stored => "The order is stored; no money has moved yet.",
        State::Incomplete => "The payment was started but not completed.",
        State::Uncertain => "The provider does not know yet whether the payment went through.",
        State::Pending => "The provider is still working on it.",
        State::OnHold => "The payment is on hold, usually until the customer has proved who they are.",
        State::InReview => "The payment is being reviewed for fraud.",
        State::Held(_) => {
            "The provider had technical problems or lost a confirmation: the last operation is undecided."
        }
        State::InvalidRequest => {
            "The last request about this order was not acceptable. That says nothing about its money."
        }
        State::GivenUp => "The customer gave up the payment.",
        State::Authorized => "The money is reserved and can be captured.",
        State::AuthorizationFailed => "The authorization failed: no money is reserved.",
        State::Captured => "The money was captured.",
        State::CaptureFailed => "The capture failed: the reserved money was not taken.",
        State::Refunded => "The refund is done.",
        State::RefundFailed => "The refund failed: the customer has not got the money back.",
        State::Voided => "The authorization was voided: the reserved money is free again.",
        State::VoidFailed => "The authorization could not be voided: the money is still reserved.",
        State::PurchaseFailed => "The payment failed: no money was taken.",
        State::Purchased => "The payment went through.",
    }
}

fn next(state: State) -> &'static [&'static str] {
    match state {
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_)
        | State::InvalidRequest => WORDS,
        State::Authorized | State::CaptureFailed | State::VoidFailed => AFTER_AUTHORIZATION,
        State::Captured | State::Refunded | State::RefundFailed => AFTER_CAPTURE,
        State::Purchased => &["06", "07"],
        State::GivenUp | State::AuthorizationFailed | State::Voided | State::PurchaseFailed => &[],
    }
}

fn patience(state: State) -> Option<Duration> {
    match state {
        State::InReview => Some(REVIEW_PATIENCE),
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::Held(_) => Some(PATIENCE),
        State::InvalidRequest
        | State::GivenUp
        | State::Authorized
        | State::AuthorizationFailed
        | State::Captured
        | State::CaptureFailed
        | State::Refunded
        | State::RefundFailed
        | State::Voided
        | State::VoidFailed
        | State::PurchaseFailed
        | State::Purchased => None,
    }
}

fn facts(state: State) -> StateFacts {
    StateFacts {
        name: name(state),
        phase: phase(state),
        outcome: outcome(state),
        moves: moves(state),
        meaning: meaning(state),
        next: next(state),
        patience: patience(state),
        guarantee: None,
    }
}

fn advice(state: State) -> &'static str {
    match state {
        State::AuthorizationFailed | State::PurchaseFailed => {
            "Do not ship. Ask the customer to pay again with another card, under a new order number."
        }
        State::CaptureFailed => {
            "Do not ship. The authorization may still be valid: check the order in the back office and capture \
             again, or ask the customer to pay again."
        }
        State::RefundFailed => {
            "Check the order in the back office and refund again under a new reference, or pay the customer \
             back in another way."
        }
        State::VoidFailed => {
            "Check the order in the back office: void again, or let the authorization expire. If it was \
             captured meanwhile, refund it."
        }
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_)
        | State::InvalidRequest
        | State::GivenUp
        | State::Authorized
        | State::Captured
        | State::Refunded
        | State::Voided
        | State::Purchased => "",
    }
}

impl Lifecycle for Order {
    fn states(&self) -> &'static [&'static str] {
        WORDS
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        state_of(word).map(facts)
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        let Some(state) = state_of(state) else { return &[] };
        match outcome(state) {
            Outcome::Declined => &reasons::OF_DECLINES,
            Outcome::Undecided if state == State::InvalidRequest => &reasons::OF_REQUESTS,
            Outcome::Undecided | Outcome::Open | Outcome::Succeeded | Outcome::Closed | Outcome::Canceled => {
                &[]
            }
        }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        state_of(state).map_or("", advice)
    }

    /// The provider adds messages without notice (section 5.4, "accept any three digits"). A message that its
    /// published tables do not name keeps its number, and the explanation says so.
    fn reason(&self, state: &str, code: &str) -> Option<ReasonFacts> {
        let listed = self.reasons(state);
        let known = listed.iter().copied().find(|reason| reason.name == code);
        let is_message = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        known.or_else(|| {
            let tone = listed.first()?.tone;
            is_message.then_some(ReasonFacts { tone, ..reasons::UNLISTED })
        })
    }

    /// A later request of the merchant reopens a finished order: a refund in progress, or a request that was refused.
    /// Nothing follows a payment that failed or was voided.
    fn is_reachable(&self, from: &str, to: &str) -> bool {
        let (Some(before), Some(after)) = (state_of(from), state_of(to)) else { return false };
        let is_undecided = phase(after) == Phase::Moving || after == State::InvalidRequest;
        before == after || reaches(before, after) || (is_undecided && is_reopened(before))
    }
}

/// According to the tables above: directly, or through one state that was not observed.
fn reaches(before: State, after: State) -> bool {
    next(before).contains(&name(after))
        || next(before)
            .iter()
            .filter_map(|word| state_of(word))
            .any(|between| between != before && next(between).contains(&name(after)))
}

fn is_reopened(state: State) -> bool {
    match state {
        State::Authorized
        | State::CaptureFailed
        | State::VoidFailed
        | State::Captured
        | State::Refunded
        | State::RefundFailed
        | State::Purchased => true,
        State::Stored
        | State::Incomplete
        | State::Uncertain
        | State::Pending
        | State::OnHold
        | State::InReview
        | State::Held(_)
        | State::InvalidRequest => true,
        State::GivenUp | State::AuthorizationFailed | State::Voided | State::PurchaseFailed => false,
    }
}
