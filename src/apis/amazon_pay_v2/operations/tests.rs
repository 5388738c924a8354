use std::collections::BTreeMap;

use super::*;
use crate::apis::calls::{Lookup, Repeat};

const PERMISSION: &str = "P02-1234567-1234567";
const CHARGE: &str = "P02-1234567-1234567-C123456";

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The parameters of a valid call of each operation.
fn good(operation: &str) -> BTreeMap<String, String> {
    given(match operation {
        GET_CHARGE_PERMISSION => &[("chargePermissionId", PERMISSION)],
        "CreateCharge" => &[
            ("chargePermissionId", PERMISSION),
            ("chargeAmount.amount", "14.00"),
            ("chargeAmount.currencyCode", "EUR"),
        ],
        GET_CHARGE => &[("chargeId", CHARGE)],
        "CaptureCharge" => {
            &[("chargeId", CHARGE), ("captureAmount.amount", "14.00"), ("captureAmount.currencyCode", "EUR")]
        }
        "CancelCharge" => &[("chargeId", CHARGE), ("cancellationReason", "not needed")],
        "CreateRefund" => {
            &[("chargeId", CHARGE), ("refundAmount.amount", "14.00"), ("refundAmount.currencyCode", "EUR")]
        }
        GET_REFUND => &[("refundId", "P02-1234567-1234567-R123456")],
        "UpdateChargePermission" => {
            &[("chargePermissionId", PERMISSION), ("merchantMetadata.merchantReferenceId", "ORDER-2")]
        }
        "UpdateCharge" => &[("chargeId", CHARGE), ("providerMetadata.providerReferenceId", "psp-1")],
        _ => &[("chargePermissionId", PERMISSION), ("closureReason", "all done")],
    })
}

fn with(operation: &str, name: &str, value: &str) -> BTreeMap<String, String> {
    let mut pairs = good(operation);
    pairs.insert(name.to_owned(), value.to_owned());
    pairs
}

#[track_caller]
fn bad(operation: &str, pairs: &BTreeMap<String, String>, key: &str, what: &str) {
    let problems = Call::build(operation, pairs).expect_err("it is refused");
    let found = problems.iter().find(|problem| problem.key == key);
    let found = found.unwrap_or_else(|| panic!("{key} is not in {problems:?}"));
    assert!(found.what.contains(what), "{found}");
    assert!(!found.remedy.is_empty());
}

#[test]
fn every_operation_is_sent_as_the_sheet_says() {
    let check = |operation: &str, line: &str, body: &str| {
        let call = Call::build(operation, &good(operation)).unwrap();
        assert_eq!(format!("{} {}", call.operation().method.as_str(), call.path()), line);
        assert_eq!(String::from_utf8(call.body()).unwrap(), body, "{operation}");
        let is_creating = call.operation().method == Method::Post;
        assert_eq!(call.key().is_some(), is_creating, "{operation}: only a POST has a key");
    };
    check("GetChargePermission", "GET chargePermissions/P02-1234567-1234567", "");
    check(
        "CreateCharge",
        "POST charges",
        r#"{"chargePermissionId":"P02-1234567-1234567","chargeAmount":{"amount":"14.00","currencyCode":"EUR"}}"#,
    );
    check("GetCharge", "GET charges/P02-1234567-1234567-C123456", "");
    check(
        "CaptureCharge",
        "POST charges/P02-1234567-1234567-C123456/capture",
        r#"{"captureAmount":{"amount":"14.00","currencyCode":"EUR"}}"#,
    );
    check(
        "CancelCharge",
        "DELETE charges/P02-1234567-1234567-C123456/cancel",
        r#"{"cancellationReason":"not needed"}"#,
    );
    check(
        "CreateRefund",
        "POST refunds",
        r#"{"chargeId":"P02-1234567-1234567-C123456","refundAmount":{"amount":"14.00","currencyCode":"EUR"}}"#,
    );
    check("GetRefund", "GET refunds/P02-1234567-1234567-R123456", "");
    check(
        "CloseChargePermission",
        "DELETE chargePermissions/P02-1234567-1234567/close",
        r#"{"closureReason":"all done"}"#,
    );
    check(
        "UpdateChargePermission",
        "PATCH chargePermissions/P02-1234567-1234567",
        r#"{"merchantMetadata":{"merchantReferenceId":"ORDER-2"}}"#,
    );
    check(
        "UpdateCharge",
        "PATCH charges/P02-1234567-1234567-C123456",
        r#"{"providerMetadata":{"providerReferenceId":"psp-1"}}"#,
    );
    assert_eq!(OPERATIONS.len(), 10);
}

#[test]
fn flags_are_flags_and_dots_lead_into_objects() {
    let mut pairs = with("CreateCharge", "captureNow", "true");
    pairs.extend(given(&[
        ("softDescriptor", "Shop"),
        ("canHandlePendingAuthorization", "false"),
        ("merchantMetadata.merchantReferenceId", "ORDER-1"),
        ("merchantMetadata.merchantStoreName", "A \"shop\""),
        ("idempotencyKey", "key-1"),
    ]));
    let call = Call::build("CreateCharge", &pairs).unwrap();
    assert_eq!(
        String::from_utf8(call.body()).unwrap(),
        r#"{"chargePermissionId":"P02-1234567-1234567","chargeAmount":{"amount":"14.00","currencyCode":"EUR"},"captureNow":true,"softDescriptor":"Shop","canHandlePendingAuthorization":false,"merchantMetadata":{"merchantReferenceId":"ORDER-1","merchantStoreName":"A \"shop\""}}"#
    );
    assert_eq!(call.key(), Some("key-1"));
    assert!(!format!("{call:?}").contains("ORDER-1"));
}

#[test]
fn an_update_sets_something_and_dots_lead_as_deep_as_they_go() {
    let id = [("chargePermissionId", PERMISSION)];
    bad("UpdateChargePermission", &given(&id), "UpdateChargePermission", "sets nothing");
    let mut pairs = given(&id);
    pairs.extend(given(&[
        ("recurringMetadata.frequency.unit", "Month"),
        ("recurringMetadata.frequency.value", "1"),
        ("recurringMetadata.amount.amount", "9.99"),
    ]));
    let currency = "recurringMetadata.amount.currencyCode";
    bad("UpdateChargePermission", &pairs, currency, "is missing beside the amount");
    pairs.insert(currency.to_owned(), "EUR".to_owned());
    let call = Call::build("UpdateChargePermission", &pairs).unwrap();
    assert_eq!(
        String::from_utf8(call.body()).unwrap(),
        r#"{"recurringMetadata":{"frequency":{"unit":"Month","value":"1"},"amount":{"amount":"9.99","currencyCode":"EUR"}}}"#
    );
    assert!(call.operation().is_write() && call.key().is_none());
    assert_eq!(call.when_lost(), crate::apis::calls::WhenLost { lookup: None, repeat: Repeat::Safe });
}

#[test]
fn the_same_words_have_the_same_key_and_others_another() {
    let key = |pairs: &BTreeMap<String, String>| {
        Call::build("CreateRefund", pairs).unwrap().key().unwrap().to_owned()
    };
    let one = key(&good("CreateRefund"));
    assert_eq!(one, key(&good("CreateRefund")));
    assert_eq!((one.len(), one.bytes().all(|byte| byte.is_ascii_hexdigit())), (32, true));
    assert_ne!(one, key(&with("CreateRefund", "refundAmount.amount", "14.01")));
    assert_ne!(one, key(&with("CreateRefund", "softDescriptor", "Shop")));
}

#[test]
fn what_is_needed_is_asked_for_by_name() {
    for operation in OPERATIONS {
        assert!(Call::build(operation.name, &good(operation.name)).is_ok(), "{}", operation.name);
        for parameter in operation.parameters.iter().filter(|parameter| parameter.is_required) {
            let mut pairs = good(operation.name);
            pairs.remove(parameter.name);
            bad(operation.name, &pairs, parameter.name, "is missing");
            bad(operation.name, &with(operation.name, parameter.name, ""), parameter.name, "is empty");
        }
        bad(operation.name, &with(operation.name, "surprise", "x"), "surprise", "is not a parameter of");
    }
    assert!(Call::build("getCharge", &good("GetCharge")).unwrap_err()[0].remedy.contains("GetCharge"));
}

#[test]
fn values_are_checked_before_the_call() {
    let long = |length: usize| "x".repeat(length);
    for (operation, name, value, what) in [
        ("CaptureCharge", "captureAmount.amount", "0", "is not above zero"),
        ("CaptureCharge", "captureAmount.amount", "-1", "is not above zero"),
        ("CaptureCharge", "captureAmount.amount", "1,00", "is not a plain decimal"),
        ("CaptureCharge", "captureAmount.amount", "1.001", "more decimals"),
        ("CaptureCharge", "captureAmount.amount", "150000.01", "is above 150000 EUR"),
        ("CaptureCharge", "captureAmount.currencyCode", "Euro", "has an invalid value"),
        ("CaptureCharge", "softDescriptor", &long(17), "has 17 characters, 16 are allowed"),
        ("CaptureCharge", "idempotencyKey", &long(33), "has an invalid value"),
        ("CaptureCharge", "idempotencyKey", "a b", "has an invalid value"),
        ("CaptureCharge", "chargeId", "a/../b", "has an invalid value"),
        ("CreateCharge", "captureNow", "yes", "has an invalid value"),
        ("CreateCharge", "chargeInitiator", "ME", "has an invalid value"),
        ("CreateCharge", "channel", "web", "has an invalid value"),
        ("CreateCharge", "softDescriptor", "Shop", "is allowed only with captureNow=true"),
        ("CreateCharge", "webCheckoutDetails.checkoutResultReturnUrl", "http://shop", "has an invalid value"),
        ("CreateCharge", "merchantMetadata.noteToBuyer", &long(4097), "has an invalid value"),
        ("CloseChargePermission", "closureReason", &long(256), "has 256 characters, 255 are allowed"),
        ("CloseChargePermission", "cancelPendingCharges", "1", "has an invalid value"),
        ("CancelCharge", "idempotencyKey", "key", "is not a parameter of CancelCharge"),
        ("GetCharge", "ChargeId", "x", "is not a parameter of GetCharge"),
    ] {
        bad(operation, &with(operation, name, value), name, what);
    }
    let mut yen = good("CreateRefund");
    yen.insert("refundAmount.currencyCode".to_owned(), "JPY".to_owned());
    yen.insert("refundAmount.amount".to_owned(), "500.50".to_owned());
    bad("CreateRefund", &yen, "refundAmount.amount", "more decimals");
    yen.insert("refundAmount.amount".to_owned(), "10000001".to_owned());
    bad("CreateRefund", &yen, "refundAmount.amount", "is above 10000000 JPY");
    yen.insert("refundAmount.amount".to_owned(), "500".to_owned());
    assert!(Call::build("CreateRefund", &yen).is_ok());
    // A value is never repeated, because it may be the buyer's.
    let problems =
        Call::build("CloseChargePermission", &with("CloseChargePermission", "closureReason", &long(300)));
    assert!(!format!("{problems:?}").contains("xxx"));
}

#[test]
fn ids_of_the_other_environment_or_another_kind_are_refused() {
    let accepts =
        |operation: &str, environment| Call::build(operation, &good(operation)).unwrap().accepts(environment);
    for operation in OPERATIONS {
        assert!(accepts(operation.name, Environment::Live).is_ok());
        assert!(accepts(operation.name, Environment::Sandbox).is_err(), "{}", operation.name);
    }
    let call = Call::build("CaptureCharge", &with("CaptureCharge", "chargeId", PERMISSION)).unwrap();
    assert!(call.accepts(Environment::Live).unwrap_err()[0].what.contains("charge permission"));
}

#[test]
fn a_lost_answer_is_found_out_by_the_key_or_by_the_state() {
    let when_lost = |operation: &str| Call::build(operation, &good(operation)).unwrap().when_lost();
    for (operation, repeat, states) in [
        ("CreateCharge", Repeat::Kept, None),
        ("CaptureCharge", Repeat::Kept, Some("Captured")),
        ("CreateRefund", Repeat::Kept, None),
        ("CancelCharge", Repeat::Safe, Some("Canceled")),
        ("CloseChargePermission", Repeat::Safe, Some("Closed")),
        ("GetCharge", Repeat::Safe, None),
    ] {
        let lost = when_lost(operation);
        assert_eq!(lost.repeat, repeat, "{operation}");
        match (lost.lookup, states) {
            (None, None) => {}
            (Some(Lookup::State { states: found, .. }), Some(state)) => assert_eq!(found[0], state),
            other => panic!("{operation}: {other:?}"),
        }
    }
}

#[test]
fn each_operation_has_the_lower_of_the_published_budgets() {
    for (operation, live, sandbox) in [
        ("GetCharge", (20, 500), (5, 1_000)),
        ("GetRefund", (20, 500), (5, 1_000)),
        ("GetChargePermission", (20, 500), (5, 1_000)),
        ("CreateCharge", (10, 1_000), (2, 1_000)),
        ("CaptureCharge", (20, 1_000), (2, 1_000)),
        ("CancelCharge", (10, 1_000), (2, 1_000)),
        ("CreateRefund", (10, 1_000), (2, 1_000)),
        ("CloseChargePermission", (10, 1_000), (2, 1_000)),
    ] {
        let quota = |(burst, per_ms)| Quota { burst, per: Duration::from_millis(per_ms) };
        assert_eq!(documented_quota(Environment::Live, operation), quota(live), "{operation}");
        assert_eq!(documented_quota(Environment::Sandbox, operation), quota(sandbox), "{operation}");
    }
}
