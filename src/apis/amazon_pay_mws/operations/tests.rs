use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::payments::object::ObjectId;
use crate::payments::observation::{Child, Failure};

const ORDER_ID: &str = "S01-1234567-1234567";
const AUTHORIZATION_ID: &str = "S01-1234567-1234567-A012345";
const CAPTURE_ID: &str = "S01-1234567-1234567-C012345";
const REFUND_ID: &str = "S01-1234567-1234567-R012345";
const AGREEMENT_ID: &str = "C01-1234567-1234567";

type Given = BTreeMap<String, String>;

/// A valid value of every type.
fn good(value: Value) -> &'static str {
    match value {
        Value::Text(_) | Value::UnboundedText | Value::BuyerToken => "words & <ö>",
        Value::Reference => "order_1-a",
        Value::Id(ObjectKind::OrderReference) => ORDER_ID,
        Value::Id(ObjectKind::Authorization) => AUTHORIZATION_ID,
        Value::Id(ObjectKind::Capture) => CAPTURE_ID,
        Value::Id(ObjectKind::Refund) => REFUND_ID,
        Value::Id(ObjectKind::BillingAgreement) => AGREEMENT_ID,
        Value::OtherId(_) => "S01-1234567-1234567-P012345",
        Value::Time => "2026-01-31T00:00:00Z",
        Value::Count => "10",
        Value::Amount => "94.50",
        Value::Currency => "EUR",
        Value::Flag => "true",
        Value::Timeout => "1440",
        Value::OneOf(words) => words[0],
        Value::Url => "https://shop.example/paid",
    }
}

/// A value of every type that must be refused.
fn bad(value: Value) -> String {
    match value {
        Value::Text(longest) => "x".repeat(longest + 1),
        Value::UnboundedText | Value::BuyerToken => "a\u{1}".to_owned(),
        Value::Reference => "not allowed".to_owned(),
        Value::Id(_) => "S01/1234567".to_owned(),
        Value::OtherId(_) => "P/1".to_owned(),
        Value::Time => "2026-01-31".to_owned(),
        Value::Count => "0".to_owned(),
        Value::Amount => "1,00".to_owned(),
        Value::Currency => "XXX".to_owned(),
        Value::Flag => "True".to_owned(),
        Value::Timeout => "7".to_owned(),
        Value::OneOf(_) => "Other".to_owned(),
        Value::Url => "http://shop.example".to_owned(),
    }
}

/// Every parameter that an operation takes: lists with one entry, and only the newer of the two tokens.
fn whole(operation: &Operation) -> Given {
    let parameters = operation.parameters.iter().filter(|parameter| parameter.name != "AddressConsentToken");
    parameters
        .map(|parameter| (parameter.name.replace(".N", ".1"), good(parameter.value).to_owned()))
        .collect()
}

fn given(pairs: &[(&str, &str)]) -> Given {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn capture() -> Given {
    given(&[
        ("AmazonAuthorizationId", AUTHORIZATION_ID),
        ("CaptureReferenceId", "c-1"),
        ("CaptureAmount.Amount", "9.50"),
        ("CaptureAmount.CurrencyCode", "EUR"),
    ])
}

/// The keys of all problems of a call.
fn keys(operation: &str, given: &Given) -> Vec<String> {
    Call::build(operation, given).err().unwrap_or_default().into_iter().map(|problem| problem.key).collect()
}

#[test]
fn the_reference_has_twenty_seven_operations_each_with_its_quota() {
    let mut names: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 27);
    let quota = |name: &str, is_sandbox| {
        let quota = find(name).unwrap().quota(is_sandbox);
        (quota.burst, quota.per.as_millis())
    };
    assert_eq!((quota("GetRefundDetails", false), quota("GetRefundDetails", true)), ((20, 500), (5, 1000)));
    assert_eq!((quota("Refund", false), quota("Refund", true)), ((10, 1000), (2, 2000)));
    assert_eq!(quota("GetServiceStatus", true), (2, 300_000));
    let reads: Vec<&str> = OPERATIONS.iter().filter(|op| !op.is_write()).map(|op| op.name).collect();
    assert_eq!(reads.len(), 12, "eleven reads and ValidateBillingAgreement: {reads:?}");
    assert!(find("ReverseProviderCredit").unwrap().is_write());
    assert_eq!(quota("ListOrderReference", true), (2, 2000), "the lower one where none is published");
}

#[test]
fn every_operation_takes_all_that_it_knows_and_refuses_each_bad_value() {
    for operation in OPERATIONS {
        let all = whole(operation);
        let call = Call::build(operation.name, &all).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(call.parameters(), &all, "{}", operation.name);
        for parameter in operation.parameters.iter().filter(|one| one.name != "AddressConsentToken") {
            let name = parameter.name.replace(".N", ".1");
            let mut spoilt = all.clone();
            spoilt.insert(name.clone(), bad(parameter.value));
            assert_eq!(keys(operation.name, &spoilt), std::slice::from_ref(&name), "{}", operation.name);
            spoilt.remove(&name);
            let is_half = [".Amount", ".CurrencyCode", ".StartTime", ".EndTime"]
                .iter()
                .any(|ending| name.ends_with(ending));
            let is_refused = !keys(operation.name, &spoilt).is_empty();
            assert_eq!(is_refused, parameter.is_required || is_half, "{} without {name}", operation.name);
        }
    }
}

#[test]
fn all_problems_come_at_once_with_remedies_and_without_values() {
    let mut wrong = capture();
    wrong.remove("CaptureReferenceId");
    wrong.insert("captureReferenceId".to_owned(), "c-1".to_owned());
    wrong.insert("CaptureAmount.Amount".to_owned(), "150000.01".to_owned());
    wrong.insert("SoftDescriptor".to_owned(), "secret words of seventeen".to_owned());
    let problems = Call::build("Capture", &wrong).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["CaptureReferenceId", "SoftDescriptor", "captureReferenceId", "CaptureAmount.Amount"]);
    for problem in &problems {
        assert!(!problem.remedy.is_empty() && !problem.to_string().contains("secret words"), "{problem}");
    }
    assert!(problems[2].remedy.contains("names are case-sensitive"));
    assert_eq!(keys_of_unknown(), ["Pay"]);
}

fn keys_of_unknown() -> Vec<String> {
    keys("Pay", &Given::new())
}

#[test]
fn rules_between_parameters_hold() {
    let tokens =
        given(&[("AmazonOrderReferenceId", ORDER_ID), ("AccessToken", "a"), ("AddressConsentToken", "b")]);
    assert_eq!(keys("GetOrderReferenceDetails", &tokens), ["AddressConsentToken"]);
    let confirm = given(&[("Id", AGREEMENT_ID), ("IdType", "BillingAgreement"), ("ConfirmNow", "true")]);
    assert_eq!(keys("CreateOrderReferenceForId", &confirm), ["OrderReferenceAttributes.OrderTotal.Amount"]);
    let nothing = given(&[("AmazonBillingAgreementId", AGREEMENT_ID)]);
    assert_eq!(keys("SetBillingAgreementDetails", &nothing), ["SetBillingAgreementDetails"]);
    let mut list = given(&[
        ("QueryId", "ORDER-1"),
        ("QueryIdType", "SellerOrderId"),
        ("PaymentDomain", "EU_EUR"),
        ("CreatedTimeRange.StartTime", "2026-01-01T00:00:00Z"),
        ("CreatedTimeRange.EndTime", "2026-02-01T00:00:00Z"),
    ]);
    assert!(keys("ListOrderReference", &list).is_empty());
    for bad in ["2026-02-01T00:00:01Z", "2025-12-31T23:59:59Z"] {
        list.insert("CreatedTimeRange.EndTime".to_owned(), bad.to_owned());
        assert_eq!(keys("ListOrderReference", &list), ["CreatedTimeRange.EndTime"], "{bad}");
    }
    let category = "OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory";
    let mut gap = given(&[("AmazonOrderReferenceId", ORDER_ID)]);
    for number in [1, 3] {
        gap.insert(format!("{category}.{number}"), "Toys".to_owned());
    }
    assert_eq!(keys("SetOrderAttributes", &gap), [format!("{category}.N")]);
    gap.insert(format!("{category}.2"), "Books".to_owned());
    assert!(keys("SetOrderAttributes", &gap).is_empty());
    for (amount, currency, is_good) in
        [("500", "JPY", true), ("500.5", "JPY", false), ("0", "EUR", false), ("-1", "EUR", false)]
    {
        let mut capture = capture();
        capture.insert("CaptureAmount.Amount".to_owned(), amount.to_owned());
        capture.insert("CaptureAmount.CurrencyCode".to_owned(), currency.to_owned());
        assert_eq!(keys("Capture", &capture).is_empty(), is_good, "{amount} {currency}");
    }
}

#[test]
fn what_a_lost_answer_means_is_known_for_every_operation() {
    for operation in OPERATIONS {
        let call = Call::build(operation.name, &whole(operation)).unwrap();
        let expected = match operation.name {
            name if !operation.is_write() => {
                assert!(!call.is_write(), "{name}");
                LostAnswer::AskAgain
            }
            "Authorize" | "AuthorizeOnBillingAgreement" | "Capture" | "Refund" => {
                LostAnswer::SendTheSame { reference_id: "order_1-a".to_owned() }
            }
            "CreateOrderReferenceForId" | "ReverseProviderCredit" => LostAnswer::AskAPerson,
            _ => {
                let (kind, id) = call.subject().unwrap();
                LostAnswer::LookAt { kind, id }
            }
        };
        assert_eq!(call.when_lost(), expected, "{}", operation.name);
    }
}

#[test]
fn an_id_of_the_other_environment_is_told_before_the_call() {
    let call = Call::build("Capture", &capture()).unwrap();
    assert!(call.accepts(true).is_ok());
    assert_eq!(call.accepts(false).unwrap_err()[0].key, "AmazonAuthorizationId");
    assert!(!format!("{call:?}").contains("c-1"), "no values in debug output");
}

const SPACE: &str = "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01";

fn envelope(name: &str, inside: &str) -> String {
    format!(
        "<{name}Response xmlns=\"{SPACE}\">{inside}<ResponseMetadata><RequestId>00-1</RequestId>\
         </ResponseMetadata></{name}Response>"
    )
}

fn child(kind: ObjectKind, id: &str) -> Child {
    Child { kind: kind.kind(), id: ObjectId::new(id).unwrap() }
}

#[test]
fn what_a_call_made_is_told_with_its_children() {
    let capture_call = Call::build("Capture", &capture()).unwrap();
    let details = |reference: &str| {
        format!(
            "<CaptureResult><CaptureDetails><AmazonCaptureId>{CAPTURE_ID}</AmazonCaptureId><CaptureReferenceId>\
             {reference}</CaptureReferenceId><CaptureStatus><State>Pending</State></CaptureStatus>\
             </CaptureDetails></CaptureResult>"
        )
    };
    let answer = Answer::read(&capture_call, envelope("Capture", &details("c-1")).as_bytes(), None).unwrap();
    assert_eq!(answer.created_by(&capture_call), [child(ObjectKind::Capture, CAPTURE_ID)]);
    let other = Answer::read(&capture_call, envelope("Capture", &details("c-2")).as_bytes(), None);
    assert!(matches!(other, Err(Failure::Garbled { .. })), "another reference id, not the one sent");

    let operation = find("AuthorizeOnBillingAgreement").unwrap();
    let call = Call::build(operation.name, &whole(operation)).unwrap();
    let result = format!(
        "<AuthorizeOnBillingAgreementResult><AuthorizationDetails><AmazonAuthorizationId>{AUTHORIZATION_ID}\
         </AmazonAuthorizationId><IdList><member>{CAPTURE_ID}</member></IdList><AuthorizationStatus><State>Closed\
         </State></AuthorizationStatus></AuthorizationDetails><AmazonOrderReferenceId>{ORDER_ID}\
         </AmazonOrderReferenceId></AuthorizeOnBillingAgreementResult>"
    );
    let answer = Answer::read(&call, envelope(operation.name, &result).as_bytes(), None).unwrap();
    assert_eq!(
        answer.created_by(&call),
        [
            child(ObjectKind::OrderReference, ORDER_ID),
            child(ObjectKind::Authorization, AUTHORIZATION_ID),
            child(ObjectKind::Capture, CAPTURE_ID)
        ]
    );
}

#[test]
fn empty_answers_are_whole_with_and_without_a_result() {
    let call = Call::build("CloseOrderReference", &given(&[("AmazonOrderReferenceId", ORDER_ID)])).unwrap();
    for inside in ["", "<CloseOrderReferenceResult/>"] {
        let answer = Answer::read(&call, envelope("CloseOrderReference", inside).as_bytes(), None).unwrap();
        assert_eq!(answer, Answer::Accepted { request_id: Some("00-1".to_owned()) });
        assert!(answer.created_by(&call).is_empty());
    }
    let other = Answer::read(&call, envelope("CancelOrderReference", "").as_bytes(), None);
    assert!(matches!(other, Err(Failure::Garbled { .. })));
}

#[test]
fn a_validation_says_whether_and_why_not() {
    let given = given(&[("AmazonBillingAgreementId", AGREEMENT_ID)]);
    let call = Call::build("ValidateBillingAgreement", &given).unwrap();
    let inside = "<ValidateBillingAgreementResult><ValidationResult>Failure</ValidationResult><FailureReasonCode>\
                  InvalidPaymentMethod</FailureReasonCode><BillingAgreementStatus><State>Suspended</State>\
                  </BillingAgreementStatus></ValidateBillingAgreementResult>";
    let read = Answer::read(&call, envelope("ValidateBillingAgreement", inside).as_bytes(), None).unwrap();
    let Answer::Validation(validation) = read else { panic!("{read:?}") };
    assert!(!validation.is_success());
    assert_eq!(validation.failure_reason.as_deref(), Some("InvalidPaymentMethod"));
    assert_eq!(validation.state.as_deref(), Some("Suspended"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_parameters_and_answers_never_panic(
        place in 0..OPERATIONS.len(),
        pairs in proptest::collection::btree_map("[A-Za-z.0-9]{0,12}|CaptureAmount\\.Amount", "\\PC{0,12}", 0..5),
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let operation = &OPERATIONS[place];
        if let Err(problems) = Call::build(operation.name, &pairs) {
            prop_assert!(!problems.is_empty());
        }
        let call = Call::build(operation.name, &whole(operation)).unwrap();
        prop_assert!(Answer::read(&call, &bytes, None).is_err());
    }
}
