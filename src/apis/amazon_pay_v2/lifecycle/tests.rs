use super::charge::ChargeState;
use super::charge_permission::ChargePermissionState;
use super::refund::RefundState;
use super::{Charge, ChargePermission, Refund};
use crate::payments::lifecycle::{Lifecycle, Tone, problems};

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
