use super::*;
use crate::payments::lifecycle::{Phase, problems};
use crate::payments::money::{Amounts, Money};

fn reasons(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn check_outcome(kind: ObjectKind, state: &str, codes: &[&str], expected: Option<Outcome>) {
    assert_eq!(
        of(kind).outcome(state, &reasons(codes), &Amounts::default()),
        expected,
        "{} {state} {codes:?}",
        kind.name()
    );
}

fn check_tone(kind: ObjectKind, state: &str, code: &str, expected: Tone) {
    let facts = of(kind).reason(state, code);
    assert_eq!(facts.map(|facts| facts.tone), Some(expected), "{} {state} {code}", kind.name());
}

#[test]
fn no_table_has_a_hole() {
    for kind in ObjectKind::ALL {
        assert_eq!(problems(of(kind)), Vec::<String>::new(), "{}", kind.name());
    }
}

#[test]
fn words_are_compared_without_case_and_unknown_ones_are_not_guessed() {
    for kind in ObjectKind::ALL {
        for state in of(kind).states() {
            assert_eq!(of(kind).state(&state.to_uppercase()).unwrap().name, *state);
            for reason in of(kind).reasons(state) {
                let found = of(kind).reason(&state.to_lowercase(), &reason.name.to_uppercase());
                assert_eq!(found, Some(*reason));
            }
        }
        for unknown in ["", "Completing", "Open ", "None"] {
            assert_eq!(of(kind).state(unknown), None);
            assert_eq!(of(kind).outcome(unknown, &[], &Amounts::default()), None);
            assert_eq!(of(kind).reasons(unknown), &[]);
        }
    }
}

#[test]
fn phases_patience_and_guarantee_are_those_of_the_sheet() {
    use Phase::{Final, Moving, Resting};
    let rows: &[(ObjectKind, &str, Phase, Option<u64>)] = &[
        (ObjectKind::Authorization, "Pending", Moving, Some(24)),
        (ObjectKind::Authorization, "Open", Resting, None),
        (ObjectKind::Authorization, "Declined", Final, None),
        (ObjectKind::Authorization, "Closed", Final, None),
        (ObjectKind::Capture, "Pending", Moving, Some(48)),
        (ObjectKind::Capture, "Completed", Final, None),
        (ObjectKind::Capture, "Declined", Final, None),
        (ObjectKind::Capture, "Closed", Final, None),
        (ObjectKind::Refund, "Pending", Moving, Some(48)),
        (ObjectKind::Refund, "Completed", Final, None),
        (ObjectKind::Refund, "Declined", Final, None),
        (ObjectKind::OrderReference, "Draft", Resting, None),
        (ObjectKind::OrderReference, "Open", Resting, None),
        (ObjectKind::OrderReference, "Suspended", Resting, None),
        (ObjectKind::OrderReference, "Canceled", Final, None),
        (ObjectKind::OrderReference, "Closed", Final, None),
        (ObjectKind::BillingAgreement, "Draft", Resting, None),
        (ObjectKind::BillingAgreement, "Open", Resting, None),
        (ObjectKind::BillingAgreement, "Suspended", Resting, None),
        (ObjectKind::BillingAgreement, "Canceled", Final, None),
        (ObjectKind::BillingAgreement, "Closed", Final, None),
    ];
    for (kind, state, phase, patience_h) in rows {
        let facts = of(*kind).state(state).unwrap();
        assert_eq!(facts.phase, *phase, "{} {state}", kind.name());
        assert_eq!(facts.patience, patience_h.map(|hours| HOUR * u32::try_from(hours).unwrap()));
    }
    assert_eq!(rows.len(), ObjectKind::ALL.iter().map(|kind| of(*kind).states().len()).sum::<usize>());
    assert_eq!(of(ObjectKind::Authorization).state("Open").unwrap().guarantee, Some(7 * DAY));
}

#[test]
fn moves_are_those_of_the_sheet_even_when_steps_between_were_not_seen() {
    let check = |kind: ObjectKind, from: &str, to: &str, expected: bool| {
        assert_eq!(of(kind).is_reachable(from, to), expected, "{} {from} -> {to}", kind.name());
    };
    check(ObjectKind::Capture, "Completed", "Closed", true);
    check(ObjectKind::Capture, "Pending", "Closed", true);
    check(ObjectKind::Capture, "Declined", "Completed", false);
    check(ObjectKind::Capture, "Closed", "Completed", false);
    check(ObjectKind::Authorization, "Pending", "Closed", true);
    check(ObjectKind::Authorization, "Declined", "Open", false);
    check(ObjectKind::Authorization, "Open", "Declined", false);
    check(ObjectKind::Authorization, "Open", "Pending", false);
    check(ObjectKind::Refund, "Completed", "Declined", false);
    check(ObjectKind::OrderReference, "Suspended", "Open", true);
    check(ObjectKind::OrderReference, "Draft", "Closed", true);
    check(ObjectKind::OrderReference, "Closed", "Canceled", false);
    check(ObjectKind::BillingAgreement, "Suspended", "Open", true);
}

#[test]
fn a_closed_authorization_was_good_only_when_it_was_captured() {
    let closed = |codes: &[&str], outcome| {
        check_outcome(ObjectKind::Authorization, "CLOSED", codes, Some(outcome));
    };
    closed(&["MaxCapturesProcessed"], Outcome::Succeeded);
    closed(&["maxcapturesprocessed"], Outcome::Succeeded);
    for whole in ["MaxAmountCaptured", "MaxAmountProcessed"] {
        closed(&[whole], Outcome::Succeeded);
        check_tone(ObjectKind::Authorization, "Closed", whole, Tone::Expected);
    }
    closed(&["ExpiredUnused"], Outcome::Canceled);
    closed(&["AmazonClosed"], Outcome::Canceled);
    closed(&["OrderReferenceCanceled"], Outcome::Canceled);
    closed(&["SellerClosed"], Outcome::Canceled);
    closed(&[], Outcome::Undecided);
    closed(&["SomethingNew"], Outcome::Undecided);
    // Where the provider says how much was captured, that decides, whatever the reason.
    let captured =
        |amount: &str| Amounts { captured: Money::parse(amount, "EUR").ok(), ..Amounts::default() };
    let of_authorization = |codes: &[&str], amount| {
        of(ObjectKind::Authorization).outcome("Closed", &reasons(codes), &captured(amount))
    };
    assert_eq!(of_authorization(&[], "0.00"), Some(Outcome::Canceled));
    assert_eq!(of_authorization(&[], "5.00"), Some(Outcome::Succeeded));
    assert_eq!(of_authorization(&["SellerClosed"], "5.00"), Some(Outcome::Succeeded));
    assert_eq!(of_authorization(&["MaxCapturesProcessed"], "0"), Some(Outcome::Canceled));
}

#[test]
fn other_outcomes_follow_state_and_reason() {
    check_outcome(ObjectKind::Authorization, "Declined", &["AmazonRejected"], Some(Outcome::Declined));
    check_outcome(ObjectKind::Capture, "Closed", &["MaxAmountRefunded"], Some(Outcome::Succeeded));
    check_outcome(ObjectKind::Capture, "Declined", &[], Some(Outcome::Declined));
    check_outcome(ObjectKind::Refund, "Completed", &[], Some(Outcome::Succeeded));
    check_outcome(ObjectKind::OrderReference, "Closed", &["Expired"], Some(Outcome::Canceled));
    check_outcome(ObjectKind::OrderReference, "Closed", &["SellerClosed"], Some(Outcome::Closed));
    check_outcome(ObjectKind::OrderReference, "Closed", &[], Some(Outcome::Closed));
    check_outcome(ObjectKind::BillingAgreement, "Canceled", &["Stale"], Some(Outcome::Canceled));
    check_outcome(ObjectKind::BillingAgreement, "Closed", &["SellerClosed"], Some(Outcome::Closed));
}

#[test]
fn a_risk_hint_is_notable_without_being_a_decline() {
    for (kind, state) in [
        (ObjectKind::Authorization, "Pending"),
        (ObjectKind::Authorization, "Open"),
        (ObjectKind::Capture, "Pending"),
        (ObjectKind::Capture, "Completed"),
    ] {
        check_tone(kind, state, "StopShipmentAtypicalAuth", Tone::Notable);
        let outcome =
            of(kind).outcome(state, &reasons(&["StopShipmentAtypicalAuth"]), &Amounts::default()).unwrap();
        assert_ne!(outcome, Outcome::Declined);
        assert_eq!(Some(outcome), of(kind).outcome(state, &[], &Amounts::default()));
    }
}

#[test]
fn every_reason_of_a_decline_is_alarming_and_tells_what_to_do() {
    for kind in [ObjectKind::Authorization, ObjectKind::Capture, ObjectKind::Refund] {
        for reason in of(kind).reasons("Declined") {
            assert_eq!(reason.tone, Tone::Alarming, "{} {}", kind.name(), reason.name);
        }
    }
    let rejected = of(ObjectKind::Authorization).reason("Declined", "AmazonRejected").unwrap();
    assert!(rejected.advice.contains("Cancel the order and ask the buyer to check out again"));
    for reason in of(ObjectKind::Refund).reasons("Declined") {
        assert!(reason.advice.contains("gift card or store credit"));
    }
    check_tone(ObjectKind::Authorization, "Closed", "ExpiredUnused", Tone::Notable);
    check_tone(ObjectKind::Authorization, "Closed", "AmazonClosed", Tone::Notable);
    check_tone(ObjectKind::Authorization, "Closed", "OrderReferenceCanceled", Tone::Notable);
    check_tone(ObjectKind::Authorization, "Closed", "SellerClosed", Tone::Expected);
    check_tone(ObjectKind::Authorization, "Closed", "MaxCapturesProcessed", Tone::Expected);
}
