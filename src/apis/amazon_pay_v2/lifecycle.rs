//! The states of charges, refunds and charge permissions (docs/src/reference/amazon-pay-v2.md, sections 4.3 to
//! 6.1).
//!
//! Owns: the states, what each means, what can follow it, how long it may last.
//! Must never know: JSON, HTTP, the time, what is alerted.

use std::time::Duration;

use crate::payments::lifecycle::{Lifecycle, Moves, Outcome, Phase, ReasonFacts, StateFacts};
use crate::payments::money::Amounts;

use super::reasons;

const HOUR: Duration = Duration::from_secs(3600);
/// A pending authorization is decided within 24 hours (section 7).
const AUTHORIZATION_PATIENCE: Duration = HOUR.saturating_mul(24);
/// No limit is documented for captures and refunds; an alert after 48 hours is our own choice.
const SETTLING_PATIENCE: Duration = HOUR.saturating_mul(48);
/// A capture within 7 days of the authorization is processed at once (section 4.4).
const CAPTURE_GUARANTEE: Duration = HOUR.saturating_mul(7 * 24);

/// The states of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeState {
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

    const ALL: [ChargeState; 6] = [
        ChargeState::AuthorizationInitiated,
        ChargeState::Authorized,
        ChargeState::CaptureInitiated,
        ChargeState::Captured,
        ChargeState::Canceled,
        ChargeState::Declined,
    ];

    fn facts(self) -> StateFacts {
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

/// The states of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
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

    const ALL: [RefundState; 3] =
        [RefundState::RefundInitiated, RefundState::Refunded, RefundState::Declined];

    fn facts(self) -> StateFacts {
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

/// The states of a charge permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargePermissionState {
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

    const ALL: [ChargePermissionState; 3] = [
        ChargePermissionState::Chargeable,
        ChargePermissionState::NonChargeable,
        ChargePermissionState::Closed,
    ];

    fn facts(self) -> StateFacts {
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

/// The facts that every state has. Patience and guarantee are added where a state has them.
fn facts(
    name: &'static str,
    phase: Phase,
    outcome: Outcome,
    meaning: &'static str,
    next: &'static [&'static str],
) -> StateFacts {
    StateFacts { name, phase, outcome, moves: Moves::Nothing, meaning, next, patience: None, guarantee: None }
}

macro_rules! lifecycle {
    ($(#[$doc:meta])* $name:ident, $state:ident, [$($word:literal),+], $overdue:expr, $expires:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl $name {
            fn find(word: &str) -> Option<$state> {
                $state::ALL.into_iter().find(|state| state.facts().name.eq_ignore_ascii_case(word))
            }
        }

        impl Lifecycle for $name {
            fn states(&self) -> &'static [&'static str] {
                &[$($word),+]
            }

            fn state(&self, word: &str) -> Option<StateFacts> {
                $name::find(word).map($state::facts)
            }

            fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
                $name::find(state).map_or(&[], $state::reasons)
            }

            fn advice_without_reason(&self, state: &str) -> &'static str {
                $name::find(state).map_or("", $state::advice)
            }

            fn advice_when_overdue(&self) -> &'static str {
                $overdue
            }

            fn expires(&self) -> &'static str {
                $expires
            }

            fn outcome(&self, state: &str, reasons: &[String], _amounts: &Amounts) -> Option<Outcome> {
                $name::find(state).map(|state| state.outcome(reasons))
            }
        }
    };
}

lifecycle!(
    /// The lifecycle of a charge.
    Charge, ChargeState,
    ["AuthorizationInitiated", "Authorized", "CaptureInitiated", "Captured", "Canceled", "Declined"],
    "Do not ship yet. If this does not change, contact the provider's support with the id.", "the authorization"
);
lifecycle!(
    /// The lifecycle of a refund.
    Refund, RefundState, ["RefundInitiated", "Refunded", "Declined"],
    "Tell the buyer that the refund is still on its way. Do not refund a second time. If this does not change, \
     contact the provider's support with the id.", "the refund"
);
lifecycle!(
    /// The lifecycle of a charge permission.
    ChargePermission, ChargePermissionState, ["Chargeable", "NonChargeable", "Closed"],
    "If this does not change, contact the provider's support with the id.", "the charge permission"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::lifecycle::{Tone, problems};

    #[test]
    fn the_tables_have_no_problems_and_list_every_state() {
        for lifecycle in [&Charge as &dyn Lifecycle, &Refund, &ChargePermission] {
            assert_eq!(problems(lifecycle), Vec::<String>::new());
        }
        assert_eq!(Charge.states(), ChargeState::ALL.map(|state| state.facts().name));
        assert_eq!(Refund.states(), RefundState::ALL.map(|state| state.facts().name));
        assert_eq!(ChargePermission.states(), ChargePermissionState::ALL.map(|state| state.facts().name));
    }

    fn check(lifecycle: &dyn Lifecycle, from: &str, reachable: &[&str]) {
        for to in lifecycle.states() {
            let expected = reachable.contains(to) || *to == from;
            assert_eq!(lifecycle.is_reachable(from, to), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn what_can_follow_is_what_the_manual_says() {
        let ends = ["Captured", "Declined"];
        check(&Charge, "AuthorizationInitiated", Charge.states());
        check(&Charge, "Authorized", &["CaptureInitiated", "Captured", "Declined", "Canceled"]);
        check(&Charge, "CaptureInitiated", &ends);
        for last in ["Captured", "Declined", "Canceled"] {
            check(&Charge, last, &[]);
        }
        check(&Refund, "RefundInitiated", &["Refunded", "Declined"]);
        check(&Refund, "Refunded", &[]);
        check(&Refund, "Declined", &[]);
        check(&ChargePermission, "Chargeable", &["NonChargeable", "Closed"]);
        check(&ChargePermission, "NonChargeable", &["Chargeable", "Closed"]);
        check(&ChargePermission, "Closed", &[]);
    }

    #[test]
    fn every_documented_reason_is_known_with_its_tone() {
        let tone = |lifecycle: &dyn Lifecycle, state, reason| {
            lifecycle.reason(state, reason).unwrap_or_else(|| panic!("{state}/{reason}")).tone
        };
        for reason in
            ["SoftDeclined", "HardDeclined", "AmazonRejected", "ProcessingFailure", "TransactionTimedOut"]
        {
            assert_eq!(tone(&Charge, "Declined", reason), Tone::Alarming, "{reason}");
        }
        for reason in ["MerchantCanceled", "ChargePermissionCanceled"] {
            assert_eq!(tone(&Charge, "Canceled", reason), Tone::Expected, "{reason}");
        }
        for reason in ["ExpiredUnused", "AmazonCanceled", "BuyerCanceled"] {
            assert_eq!(tone(&Charge, "Canceled", reason), Tone::Notable, "{reason}");
        }
        for reason in ["AmazonRejected", "ProcessingFailure"] {
            assert_eq!(tone(&Refund, "Declined", reason), Tone::Alarming, "{reason}");
        }
        for reason in [
            "PaymentMethodInvalid",
            "PaymentMethodDeleted",
            "PaymentMethodExpired",
            "PaymentMethodNotAllowed",
            "PaymentMethodNotSet",
            "BillingAddressDeleted",
            "MFAFailed",
            "AmountNotSet",
            "TransactionAmountExceeded",
        ] {
            assert_eq!(tone(&ChargePermission, "NonChargeable", reason), Tone::Notable, "{reason}");
        }
        assert_eq!(tone(&ChargePermission, "NonChargeable", "ChargeInProgress"), Tone::Expected);
        for reason in ["MerchantCanceled", "MerchantClosed", "AmazonClosed"] {
            assert_eq!(tone(&ChargePermission, "Closed", reason), Tone::Expected, "{reason}");
        }
        for reason in ["BuyerCanceled", "BuyerClosed", "AmazonCanceled", "Expired"] {
            assert_eq!(tone(&ChargePermission, "Closed", reason), Tone::Notable, "{reason}");
        }
        assert!(Charge.reason("Declined", "ExpiredUnused").is_none(), "a reason belongs to its state");
        assert!(Charge.state("Completed").is_none(), "a word of the guide's prose, not a state");
    }

    #[test]
    fn patience_and_guarantee_are_those_of_the_manual() {
        let hours = |lifecycle: &dyn Lifecycle, state: &str| {
            lifecycle.state(state).and_then(|facts| facts.patience).map(|patience| patience.as_secs() / 3600)
        };
        assert_eq!(hours(&Charge, "AuthorizationInitiated"), Some(24));
        assert_eq!(hours(&Charge, "CaptureInitiated"), Some(48));
        assert_eq!(hours(&Refund, "RefundInitiated"), Some(48));
        assert_eq!(hours(&Charge, "Authorized"), None);
        let guarantee = Charge.state("Authorized").unwrap().guarantee.unwrap();
        assert_eq!(guarantee.as_secs(), 7 * 24 * 3600);
    }

    #[test]
    fn declines_say_what_to_do_next() {
        let capture = Charge.advice_without_reason("Declined");
        assert!(capture.contains("check out again with another payment method"), "{capture}");
        let refund = Refund.advice_without_reason("Declined");
        assert!(refund.contains("gift card or store credit"), "{refund}");
        for reason in Refund.reasons("Declined") {
            assert!(reason.advice.contains("another way"), "{}", reason.name);
        }
    }
}
