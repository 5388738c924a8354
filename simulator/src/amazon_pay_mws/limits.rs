//! What is refused, repeated, throttled: the rules of sections 3.2, 4.6, 5 and 6 through signed calls.

use proptest::prelude::*;

use super::desk::{Desk, SELLER, is, plan, seconds_after};
use super::form::Parameters;
use super::{MwsHabits, front_door};
use crate::exchange::Incoming;
use crate::provider::{Operation, Provider as _, Random};

#[test]
fn a_repeated_call_makes_nothing_new() {
    let mut desk = Desk::new(false);
    let (order, other) = (desk.open_order(), desk.open_order());
    let more = [("TransactionTimeout", "0")];
    let first = desk.authorize(&order, "auth-1", &more);
    let id = first.get("AmazonAuthorizationId").to_owned();
    assert_eq!(desk.authorize(&order, "auth-1", &more).get("AmazonAuthorizationId"), id);
    let changed = desk.authorize(&order, "auth-1", &[]);
    assert_eq!((changed.status(), changed.get("Code")), (400, "DuplicateRequest"));
    let elsewhere = desk.authorize(&other, "auth-1", &more);
    assert_eq!((elsewhere.status(), elsewhere.get("Code")), (400, "DuplicateReferenceId"));

    let capture = desk.capture(&id, "capture-1", &[]).get("AmazonCaptureId").to_owned();
    assert_eq!(desk.capture(&id, "capture-1", &[]).get("AmazonCaptureId"), capture);
    assert_eq!(desk.capture(&id, "capture-2", &[]).get("Code"), "InvalidAuthorizationStatus");
    let refund = desk.refund(&capture, "refund-1", "1.00").get("AmazonRefundId").to_owned();
    assert_eq!(desk.refund(&capture, "refund-1", "1.00").get("AmazonRefundId"), refund);
    assert_eq!(desk.refund(&capture, "refund-1", "2.00").get("Code"), "DuplicateRequest");
    assert_eq!(
        desk.authorize(&order, "auth-1", &more).state("AuthorizationStatus"),
        is("Closed", "MaxCapturesProcessed")
    );
}

#[test]
fn a_clock_that_is_ahead_judges_and_dates_requests_and_moves_no_object() {
    let mut desk = Desk::new(false);
    let id = desk.plant("authorization", &[(600, "Open", None)]);
    let now = desk.now;
    desk.wait_minutes(60);
    let signed_by_its_clock = desk.request("GetAuthorizationDetails", &[("AmazonAuthorizationId", &id)]);
    desk.now = now;
    desk.provider.set_clock_ahead(jiff::SignedDuration::from_hours(1));
    let answer = desk.send(&Incoming { at: now, ..signed_by_its_clock });
    assert_eq!(answer.state("AuthorizationStatus").0, "Pending", "{}", answer.text);
    assert_eq!(answer.outgoing.header("x-mws-timestamp"), Some("2026-03-01T13:00:00.000Z"));
    assert_eq!(
        desk.refused("GetAuthorizationDetails", &[("AmazonAuthorizationId", &id)]),
        "InvalidParameterValue"
    );
}

#[test]
fn a_planted_reference_cannot_be_used_again() {
    let mut desk = Desk::new(false);
    desk.plant("authorization", &[(60, "Open", None)]);
    let order = desk.open_order();
    assert_eq!(desk.authorize(&order, "order-1", &[]).get("Code"), "DuplicateReferenceId");
}

#[test]
fn amounts_have_their_ceilings() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let table = [
        ("115.01", "USD", "TransactionAmountExceeded"),
        ("150000.01", "USD", "TransactionAmountExceeded"),
        ("10.00", "EUR", "CurrencyMismatch"),
        ("0", "USD", "InvalidParameterValue"),
        ("1.005", "USD", "InvalidParameterValue"),
    ];
    for (amount, currency, code) in table {
        let parameters = [
            ("AmazonOrderReferenceId", order.as_str()),
            ("AuthorizationReferenceId", "a"),
            ("AuthorizationAmount.Amount", amount),
            ("AuthorizationAmount.CurrencyCode", currency),
        ];
        assert_eq!(desk.refused("Authorize", &parameters), code, "{amount} {currency}");
    }
    let answer = desk.authorize(&order, "a", &[("TransactionTimeout", "0")]);
    assert_eq!(answer.status(), 200);
    let second = desk.authorize(&order, "b", &[("TransactionTimeout", "0")]);
    assert_eq!(second.get("Code"), "TransactionAmountExceeded", "94.50 twice is above 115");

    let capture = desk.plant("capture", &[(0, "Completed", None)]);
    assert_eq!(desk.refund(&capture, "r-1", "115.01").get("Code"), "TransactionAmountExceeded");
    assert_eq!(desk.refund(&capture, "r-2", "115.00").status(), 200);
    assert_eq!(desk.refund(&capture, "r-3", "0.01").get("Code"), "TransactionAmountExceeded");
    desk.wait_minutes(60);
    assert_eq!(desk.capture_state(&capture), is("Closed", "MaxAmountRefunded"));
    assert_eq!(desk.refund(&capture, "r-4", "0.01").get("Code"), "CaptureNotRefundable");
}

#[test]
fn counts_have_their_ceilings() {
    let mut desk = Desk::new(false);
    let capture = desk.plant("capture", &[(0, "Completed", None)]);
    for number in 0..10 {
        assert_eq!(desk.refund(&capture, &format!("r-{number}"), "1.00").status(), 200);
    }
    assert_eq!(desk.refund(&capture, "r-10", "1.00").get("Code"), "TransactionCountExceeded");
    desk.wait_minutes(60);
    assert_eq!(desk.capture_state(&capture), is("Closed", "MaxRefundsProcessed"));

    let order = desk.open_order();
    for number in 0..10 {
        let answer = desk.authorize(&order, &format!("a-{number}"), &[("TransactionTimeout", "0")]);
        let id = answer.get("AmazonAuthorizationId").to_owned();
        desk.done("CloseAuthorization", &[("AmazonAuthorizationId", &id)]);
    }
    assert_eq!(desk.authorize(&order, "a-10", &[]).get("Code"), "TransactionCountExceeded");
}

#[test]
fn enough_captures_close_the_order() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    for (reference, amount) in [("a-1", "100.00"), ("a-2", "15.00")] {
        assert_eq!(desk.order_state(&order), is("Open", ""));
        desk.done(
            "Authorize",
            &[
                ("AmazonOrderReferenceId", &order),
                ("AuthorizationReferenceId", reference),
                ("AuthorizationAmount.Amount", amount),
                ("AuthorizationAmount.CurrencyCode", "USD"),
                ("TransactionTimeout", "0"),
                ("CaptureNow", "true"),
            ],
        );
    }
    assert_eq!(desk.order_state(&order), is("Closed", "MaxAmountCharged"));
}

#[test]
fn states_refuse_what_they_must() {
    let mut desk = Desk::new(false);
    let draft = desk.plant("order-reference", &[(0, "Draft", None)]);
    let order = ("AmazonOrderReferenceId", draft.as_str());
    assert_eq!(desk.authorize(&draft, "a", &[]).get("Code"), "InvalidOrderReferenceStatus");
    assert_eq!(desk.refused("CloseOrderReference", &[order]), "InvalidCloseAttempt");
    desk.done("CancelOrderReference", &[order]);
    desk.done("CancelOrderReference", &[order]);
    assert_eq!(desk.refused("ConfirmOrderReference", &[order]), "InvalidOrderReferenceStatus");
    let attribute = ("OrderAttributes.SellerNote", "x");
    assert_eq!(desk.refused("SetOrderAttributes", &[order, attribute]), "InvalidOrderReferenceStatus");

    let open = desk.open_order();
    let order = ("AmazonOrderReferenceId", open.as_str());
    let answer = desk.authorize(&open, "a", &[]);
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    assert_eq!(desk.capture(&authorization, "c", &[]).get("Code"), "InvalidAuthorizationStatus");
    desk.done("CancelOrderReference", &[order]);
    assert_eq!(desk.authorization_state(&authorization), is("Closed", "OrderReferenceCanceled"));

    let open = desk.open_order();
    let order = ("AmazonOrderReferenceId", open.as_str());
    desk.authorize(&open, "b", &[("TransactionTimeout", "0"), ("CaptureNow", "true")]);
    assert_eq!(desk.refused("CancelOrderReference", &[order]), "InvalidCancelAttempt");
    desk.done("CloseOrderReference", &[order]);
    desk.done("CloseOrderReference", &[order]);
    assert_eq!(desk.order_state(&open), is("Closed", "SellerClosed"));
    assert_eq!(desk.authorize(&open, "c", &[]).get("Code"), "InvalidOrderReferenceStatus");
}

#[test]
fn attributes_are_added_once_after_confirmation() {
    let mut desk = Desk::new(false);
    let open = desk.open_order();
    let order = ("AmazonOrderReferenceId", open.as_str());
    let note = |text: &'static str| ("OrderAttributes.SellerNote", text);
    let category = ("OrderAttributes.SellerOrderAttributes.OrderItemCategories.OrderItemCategory.1", "Toys");
    let answer = desk.done("SetOrderAttributes", &[order, note("first"), category]);
    assert_eq!((answer.get("SellerNote"), answer.get("OrderItemCategory")), ("first", "Toys"));
    desk.done("SetOrderAttributes", &[order, note("first")]);
    assert_eq!(desk.refused("SetOrderAttributes", &[order, note("second")]), "OrderReferenceNotModifiable");
    let total =
        [("OrderAttributes.OrderTotal.Amount", "5"), ("OrderAttributes.OrderTotal.CurrencyCode", "USD")];
    assert_eq!(
        desk.refused("SetOrderAttributes", &[order, total[0], total[1]]),
        "OrderReferenceNotModifiable"
    );
}

#[test]
fn an_order_that_expects_an_authorization_closes_without_one() {
    let mut desk = Desk::new(false);
    for is_authorized in [false, true] {
        let id = desk.plant("order-reference", &[(0, "Draft", None)]);
        let order = ("AmazonOrderReferenceId", id.as_str());
        desk.done("ConfirmOrderReference", &[order, ("ExpectImmediateAuthorization", "true")]);
        if is_authorized {
            assert_eq!(desk.authorize(&id, "a", &[]).status(), 200);
        }
        desk.wait_minutes(60);
        let state = if is_authorized { "Open" } else { "Closed" };
        assert_eq!(desk.order_state(&id).0, state);
    }
}

#[test]
fn tokens_of_the_buyer() {
    let mut desk = Desk::new(false);
    let draft = desk.plant("order-reference", &[(0, "Draft", None)]);
    let order = ("AmazonOrderReferenceId", draft.as_str());
    let (access, consent) = (("AccessToken", "Atza|token"), ("AddressConsentToken", "Atza|token"));
    assert_eq!(desk.refused("GetOrderReferenceDetails", &[order, access, consent]), "AmbiguousToken");
    let bad = ("AccessToken", "nonsense");
    assert_eq!(desk.refused("GetOrderReferenceDetails", &[order, bad]), "InvalidAddressConsentToken");
    assert!(desk.done("GetOrderReferenceDetails", &[order]).find("AddressLine1").is_none());
    assert!(desk.done("GetOrderReferenceDetails", &[order, access]).find("AddressLine1").is_some());
}

#[test]
fn unknown_ids_and_actions() {
    let mut desk = Desk::new(false);
    let table = [
        ("GetOrderReferenceDetails", "AmazonOrderReferenceId", "InvalidOrderReferenceId"),
        ("GetBillingAgreementDetails", "AmazonBillingAgreementId", "InvalidBillingAgreementId"),
        ("GetAuthorizationDetails", "AmazonAuthorizationId", "InvalidTransactionId"),
        ("GetCaptureDetails", "AmazonCaptureId", "InvalidTransactionId"),
        ("GetRefundDetails", "AmazonRefundId", "InvalidTransactionId"),
        ("GetEverything", "AmazonRefundId", "InvalidAddress"),
    ];
    for (action, name, code) in table {
        assert_eq!(desk.refused(action, &[(name, "P01-0000000-0000000")]), code, "{action}");
    }
}

#[test]
fn get_and_post_slash_and_milliseconds_and_sha1() {
    let mut desk = Desk::new(false);
    for (method, slash, timestamp, algorithm) in [
        ("GET", "", "2026-03-01T12:00:00Z", "HmacSHA256"),
        ("POST", "/", "2026-03-01T12:00:00.000Z", "HmacSHA256"),
        ("GET", "/", "2026-03-01T12:00:00Z", "HmacSHA1"),
    ] {
        desk.path =
            if slash.is_empty() { "/OffAmazonPayments/2013-01-01" } else { "/OffAmazonPayments/2013-01-01/" };
        let parameters: Parameters = [
            ("AWSAccessKeyId", "AKIAEXAMPLEKEY000001"),
            ("Action", "GetServiceStatus"),
            ("SellerId", SELLER),
            ("SignatureMethod", algorithm),
            ("SignatureVersion", "2"),
            ("Timestamp", timestamp),
            ("Version", "2013-01-01"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let incoming = desk.signed(method, &parameters);
        let answer = desk.send(&incoming);
        assert_eq!(answer.status(), 200, "{}", answer.text);
        assert!(answer.outgoing.header("x-mws-timestamp").is_some());
        let id = answer.outgoing.header("x-mws-request-id").expect("always there");
        assert_eq!(answer.get("RequestId"), id);
    }
}

#[test]
fn the_bucket_is_read_without_a_signature() {
    let mut desk = Desk::new(true);
    let mut incoming = desk.request("GetCaptureDetails", &[("AmazonCaptureId", "S01")]);
    let wanted = Operation { merchant: SELLER.into(), name: "GetCaptureDetails".into(), is_sandbox: true };
    assert_eq!(desk.provider.operation(&incoming), Some(wanted));
    assert!(desk.provider.claims(&incoming));
    let throttled = desk.provider.throttled(&incoming);
    let text = String::from_utf8(throttled.body.clone()).expect("XML is UTF-8");
    assert_eq!(throttled.status, 503);
    assert!(text.contains("<Type></Type>\n    <Code>RequestThrottled</Code>"), "{text}");
    let id = throttled.header("x-mws-request-id").expect("always there");
    assert!(text.contains(&format!("<RequestID>{id}</RequestID>")), "{text}");
    incoming.body = b"Action=Nothing".to_vec();
    assert_eq!(desk.provider.operation(&incoming), None);
    assert_eq!(desk.send(&incoming).get("Code"), "MissingAuthenticationToken");
}

#[test]
fn a_clock_set_back_loses_no_object() {
    let mut desk = Desk::new(false);
    let capture = desk.plant("capture", &[(0, "Completed", None)]);
    let order = desk.open_order();
    let answer = desk.authorize(&order, "a", &[("TransactionTimeout", "0"), ("CaptureNow", "true")]);
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    desk.now = seconds_after(desk.now, -3600);
    assert_eq!(desk.capture_state(&capture), is("Completed", ""));
    assert_eq!(desk.authorization_state(&authorization), is("Closed", "MaxCapturesProcessed"));
    assert_eq!(desk.capture_state(&answer.ids()[0]), is("Completed", ""));
}

#[test]
fn an_hourly_quota_is_told_and_kept() {
    let mut desk = Desk::new(false);
    desk.provider.set_habits(MwsHabits { hourly_quota: Some(2), ..MwsHabits::default() });
    let left = |desk: &mut Desk| {
        let answer = desk.call("GetServiceStatus", &[]);
        (answer.status(), answer.outgoing.header("x-mws-quota-remaining").map(str::to_owned))
    };
    assert_eq!(left(&mut desk), (200, Some("1.0".into())));
    assert_eq!(left(&mut desk), (200, Some("0.0".into())));
    assert_eq!(left(&mut desk).0, 503);
    desk.now = seconds_after(desk.now, 3600);
    assert_eq!(left(&mut desk), (200, Some("1.0".into())));
}

#[test]
fn a_plan_that_this_section_cannot_do_is_told() {
    let mut desk = Desk::new(false);
    let (now, mut random) = (desk.now, Random::new(1));
    let unknown = desk.provider.plant(SELLER, &plan("charge", &[]), now, &mut random);
    assert!(unknown.expect_err("no charge here").contains("has no charge"));
    let mut broken = plan("refund", &[]);
    broken.amount = "ten".into();
    assert!(desk.provider.plant(SELLER, &broken, now, &mut random).is_err());
    assert!(desk.provider.plant("NOBODY", &plan("refund", &[]), now, &mut random).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_requests_are_answered_with_an_error(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        query in "\\PC{0,60}",
        path in "(/OffAmazonPayments(_Sandbox)?/2013-01-01/?|/\\PC{0,20})",
        method in "(GET|POST|PUT)",
    ) {
        let mut desk = Desk::new(true);
        let incoming = Incoming {
            method, path, query, body,
            host: "localhost".into(),
            headers: vec![
                ("content-type".into(), "application/x-www-form-urlencoded".into()),
                ("user-agent".into(), "shop/1.0 (Language=Rust)".into()),
            ],
            at: desk.now,
        };
        prop_assert!(desk.provider.operation(&incoming).is_none());
        prop_assert!(front_door::environment(&incoming.path).is_some() || !incoming.path.starts_with("/OffA")
            || desk.provider.claims(&incoming));
        let answer = desk.send(&incoming);
        prop_assert!((400..=403).contains(&answer.status()), "{}", answer.text);
    }

    #[test]
    fn random_values_of_a_signed_call_are_answered(
        reference in "\\PC{0,40}",
        amount in "(\\PC{0,10}|[0-9]{1,6}(\\.[0-9]{1,3})?)",
        note in "\\PC{0,30}",
        timeout in "[0-9]{0,5}",
    ) {
        let mut desk = Desk::new(true);
        let order = desk.open_order();
        let answer = desk.call("Authorize", &[
            ("AmazonOrderReferenceId", &order),
            ("AuthorizationReferenceId", &reference),
            ("AuthorizationAmount.Amount", &amount),
            ("AuthorizationAmount.CurrencyCode", "USD"),
            ("SellerAuthorizationNote", &note),
            ("TransactionTimeout", &timeout),
        ]);
        prop_assert!([200, 400].contains(&answer.status()), "{}", answer.text);
        let mut reader = quick_xml::Reader::from_str(&answer.text);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{error} in {}", answer.text),
            }
        }
    }
}
