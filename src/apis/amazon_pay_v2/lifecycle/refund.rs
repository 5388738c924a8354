//! The states of a refund (docs/src/reference/amazon-pay-v2.md, section 5).
//!
//! Owns: its states, what each means, what can follow it, how long it may last. Must never know: JSON, HTTP, the time,
//! what is alerted.

use super::{SETTLING_PATIENCE, facts, reasons};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts};
use crate::payments::money::Amounts;

/// The states of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundState {
    /// Being processed.
    RefundInitiated,
    /// The buyer receives the money.
    Refunded,
    /// Refused.
    Declined,
}

impl RefundState {
    fn outcome(self, _reasons: &[String]) -> Outcome {
        self.facts().outcome
    }

    pub(super) const ALL: [RefundState; 3] =
        [RefundState::RefundInitiated, RefundState::Refunded, RefundState::Declined];

    pub(super) fn facts(self) -> StateFacts {
        match self {
            RefundState::RefundInitiated => StateFacts {
                patience: Some(SETTLING_PATIENCE),
                ..facts(
                    "RefundInitiated",
                    Phase::Moving,
                    Outcome::Undecided,
                    "Amazon is still processing the refund.",
                    &["Refunded", "Declined"],
                )
            },
            RefundState::Refunded => StateFacts {
                moves: Moves::Refunds,
                ..facts(
                    "Refunded",
                    Phase::Final,
                    Outcome::Succeeded,
                    "The money is on its way back to the buyer.",
                    &[],
                )
            },
            RefundState::Declined => facts(
                "Declined",
                Phase::Final,
                Outcome::Declined,
                "Amazon refused the refund: the buyer has not got the money back.",
                &[],
            ),
        }
    }

    fn reasons(self) -> &'static [ReasonFacts] {
        match self {
            RefundState::RefundInitiated | RefundState::Refunded => &[],
            RefundState::Declined => reasons::REFUND_DECLINED,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            RefundState::RefundInitiated | RefundState::Refunded => "",
            RefundState::Declined => reasons::REFUND_DECLINED_ADVICE,
        }
    }
}

lifecycle!(
    /// The lifecycle of a refund.
    Refund, RefundState, ["RefundInitiated", "Refunded", "Declined"],
    "Tell the buyer that the refund is still on its way. Do not refund a second time. If this does not change, \
     contact the provider's support with the id.", "the refund"
);
