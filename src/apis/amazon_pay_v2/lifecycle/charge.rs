//! The states of a charge (docs/src/reference/amazon-pay-v2.md, section 4).
//!
//! Owns: its states, what each means, what can follow it, how long it may last. Must never know: JSON, HTTP, the time,
//! what is alerted.

use std::time::Duration;

use super::{HOUR, SETTLING_PATIENCE, facts, reasons};
use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts};
use crate::payments::money::Amounts;

/// A pending authorization is decided within 24 hours (section 7).
const AUTHORIZATION_PATIENCE: Duration = HOUR.saturating_mul(24);
/// A capture within 7 days of the authorization is processed at once (section 4.4).
const CAPTURE_GUARANTEE: Duration = HOUR.saturating_mul(7 * 24);

/// The states of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChargeState {
    /// The authorization is being decided.
    AuthorizationInitiated,
    /// The amount is reserved.
    Authorized,
    /// The capture is being processed.
    CaptureInitiated,
    /// The money was taken.
    Captured,
    /// It ended without a capture.
    Canceled,
    /// The authorization or the capture was refused.
    Declined,
}

impl ChargeState {
    fn outcome(self, _reasons: &[String]) -> Outcome {
        self.facts().outcome
    }

    pub(super) const ALL: [ChargeState; 6] = [
        ChargeState::AuthorizationInitiated,
        ChargeState::Authorized,
        ChargeState::CaptureInitiated,
        ChargeState::Captured,
        ChargeState::Canceled,
        ChargeState::Declined,
    ];

    pub(super) fn facts(self) -> StateFacts {
        match self {
            // With captureNow, a pending authorization can go directly to its capture.
            ChargeState::AuthorizationInitiated => StateFacts {
                patience: Some(AUTHORIZATION_PATIENCE),
                ..facts(
                    "AuthorizationInitiated",
                    Phase::Moving,
                    Outcome::Undecided,
                    "Amazon is still deciding on the authorization.",
                    &["Authorized", "CaptureInitiated", "Captured", "Declined", "Canceled"],
                )
            },
            ChargeState::Authorized => StateFacts {
                guarantee: Some(CAPTURE_GUARANTEE),
                moves: Moves::Authorizes,
                ..facts(
                    "Authorized",
                    Phase::Resting,
                    Outcome::Open,
                    "The amount is reserved and waits for its capture.",
                    &["Captured", "CaptureInitiated", "Declined", "Canceled"],
                )
            },
            ChargeState::CaptureInitiated => StateFacts {
                patience: Some(SETTLING_PATIENCE),
                moves: Moves::Authorizes,
                ..facts(
                    "CaptureInitiated",
                    Phase::Moving,
                    Outcome::Undecided,
                    "Amazon is still processing the capture.",
                    &["Captured", "Declined"],
                )
            },
            ChargeState::Captured => StateFacts {
                moves: Moves::Captures,
                ..facts("Captured", Phase::Final, Outcome::Succeeded, "The money was captured.", &[])
            },
            ChargeState::Canceled => facts(
                "Canceled",
                Phase::Final,
                Outcome::Canceled,
                "The charge ended without a capture: no money moved.",
                &[],
            ),
            ChargeState::Declined => facts(
                "Declined",
                Phase::Final,
                Outcome::Declined,
                "Amazon refused the authorization or the capture: no money moved.",
                &[],
            ),
        }
    }

    fn reasons(self) -> &'static [ReasonFacts] {
        match self {
            ChargeState::AuthorizationInitiated
            | ChargeState::Authorized
            | ChargeState::CaptureInitiated
            | ChargeState::Captured => &[],
            ChargeState::Canceled => reasons::CHARGE_CANCELED,
            ChargeState::Declined => reasons::CHARGE_DECLINED,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            ChargeState::AuthorizationInitiated
            | ChargeState::Authorized
            | ChargeState::CaptureInitiated
            | ChargeState::Captured => "",
            ChargeState::Canceled => {
                "Do not ship. Cancel the order and ask the buyer to check out again with another payment method."
            }
            ChargeState::Declined => reasons::CHARGE_DECLINED_ADVICE,
        }
    }
}

lifecycle!(
    /// The lifecycle of a charge.
    Charge, ChargeState,
    ["AuthorizationInitiated", "Authorized", "CaptureInitiated", "Captured", "Canceled", "Declined"],
    "Do not ship yet. If this does not change, contact the provider's support with the id.", "the authorization"
);
