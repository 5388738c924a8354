//! The states of a charge permission (docs/src/reference/amazon-pay-v2.md, section 6.1).
//!
//! Owns: its states, what each means, what can follow it, how long it may last. Must never know: JSON, HTTP, the time,
//! what is alerted.

use super::{facts, reasons};
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts};
use crate::payments::money::Amounts;

/// The states of a charge permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChargePermissionState {
    /// Charges can be made.
    Chargeable,
    /// No charge can be made until a problem is fixed.
    NonChargeable,
    /// Ended.
    Closed,
}

impl ChargePermissionState {
    /// Only one reason for a closed permission says that money was captured.
    fn outcome(self, reasons: &[String]) -> Outcome {
        let is_used_up = reasons.iter().any(|reason| reason.eq_ignore_ascii_case("AmazonClosed"));
        if self == ChargePermissionState::Closed && is_used_up {
            Outcome::Succeeded
        } else {
            self.facts().outcome
        }
    }

    pub(super) const ALL: [ChargePermissionState; 3] = [
        ChargePermissionState::Chargeable,
        ChargePermissionState::NonChargeable,
        ChargePermissionState::Closed,
    ];

    pub(super) fn facts(self) -> StateFacts {
        match self {
            ChargePermissionState::Chargeable => facts(
                "Chargeable",
                Phase::Resting,
                Outcome::Open,
                "Charges can be made with it.",
                &["NonChargeable", "Closed"],
            ),
            ChargePermissionState::NonChargeable => facts(
                "NonChargeable",
                Phase::Resting,
                Outcome::Undecided,
                "No charge can be made with it until the cause is fixed.",
                &["Chargeable", "Closed"],
            ),
            ChargePermissionState::Closed => facts(
                "Closed",
                Phase::Final,
                Outcome::Closed,
                "It has ended: no further charge can be made with it. Its charges show what was captured.",
                &[],
            ),
        }
    }

    fn reasons(self) -> &'static [ReasonFacts] {
        match self {
            ChargePermissionState::Chargeable => &[],
            ChargePermissionState::NonChargeable => reasons::PERMISSION_NON_CHARGEABLE,
            ChargePermissionState::Closed => reasons::PERMISSION_CLOSED,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            ChargePermissionState::Chargeable => "",
            ChargePermissionState::NonChargeable => {
                "Ask the buyer to check the payment method in their Amazon account."
            }
            ChargePermissionState::Closed => "Ask the buyer to check out again for any further charge.",
        }
    }
}

lifecycle!(
    /// The lifecycle of a charge permission.
    ChargePermission, ChargePermissionState, ["Chargeable", "NonChargeable", "Closed"],
    "If this does not change, contact the provider's support with the id.", "the charge permission"
);
