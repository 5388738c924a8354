//! What becomes of payments: the states of section 4 and the effects of 4.6, through signed calls.

use std::time::Duration;

use super::desk::{Desk, environment_path, is, plan};
use super::{MwsHabits, MwsServiceStatus};
use crate::fate::{Fate, FateStep, Fates};
use crate::provider::Provider as _;

#[test]
fn a_purchase_from_draft_to_refund() {
    let mut desk = Desk::new(true);
    let order = desk.plant("order-reference", &[(0, "Draft", None)]);
    let id = ("AmazonOrderReferenceId", order.as_str());
    let set = desk.done(
        "SetOrderReferenceDetails",
        &[
            id,
            ("OrderReferenceAttributes.OrderTotal.Amount", "94.50"),
            ("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"),
            ("OrderReferenceAttributes.SellerNote", "Größe <5> & mehr"),
            ("OrderReferenceAttributes.SellerOrderAttributes.SellerOrderId", "shop-77"),
        ],
    );
    assert_eq!(set.get("SellerNote"), "Größe &lt;5&gt; &amp; mehr");
    assert_eq!((set.get("SellerOrderId"), set.get("ReleaseEnvironment")), ("shop-77", "Sandbox"));
    assert_eq!(set.state("OrderReferenceStatus"), is("Draft", ""));
    assert!(set.find("Email").is_none(), "no buyer before confirmation");

    let confirmed = desk.done("ConfirmOrderReference", &[id]);
    assert!(!confirmed.text.contains("ConfirmOrderReferenceResult"), "as recorded: no Result");
    assert_eq!(desk.refused("SetOrderReferenceDetails", &[id]), "InvalidParameterValue");
    assert!(desk.done("GetOrderReferenceDetails", &[id]).text.contains("erika.mustermann@example.com"));

    let authorized = desk.authorize(&order, "auth-1", &[]);
    assert_eq!(authorized.state("AuthorizationStatus"), is("Pending", ""));
    let authorization = authorized.get("AmazonAuthorizationId").to_owned();
    assert!(authorization.starts_with(&format!("{order}-A")));
    desk.wait_minutes(1);
    assert_eq!(desk.authorization_state(&authorization), is("Open", ""));
    let order_now = desk.done("GetOrderReferenceDetails", &[id]);
    assert_eq!(order_now.ids(), std::slice::from_ref(&authorization));

    let captured = desk.capture(&authorization, "capture-1", &[]);
    assert_eq!(captured.state("CaptureStatus"), is("Completed", ""));
    let capture = captured.get("AmazonCaptureId").to_owned();
    assert_eq!(desk.authorization_state(&authorization), is("Closed", "MaxCapturesProcessed"));
    let seen = desk.done("GetAuthorizationDetails", &[("AmazonAuthorizationId", &authorization)]);
    assert_eq!(seen.ids(), std::slice::from_ref(&capture));
    assert!(seen.get("CapturedAmount").contains("<Amount>94.50</Amount>"));

    let refund = desk.refund(&capture, "refund-1", "10.00").get("AmazonRefundId").to_owned();
    assert_eq!(desk.refund_state(&refund), is("Pending", ""));
    desk.wait_minutes(60);
    assert_eq!(desk.refund_state(&refund), is("Completed", ""));
    let seen = desk.done("GetCaptureDetails", &[("AmazonCaptureId", &capture)]);
    assert_eq!(seen.ids(), [refund]);
    assert!(seen.get("RefundedAmount").contains("<Amount>10.00</Amount>"));
}

#[test]
fn synchronous_with_capture_now_is_closed_at_once() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let more = [("TransactionTimeout", "0"), ("CaptureNow", "true"), ("SoftDescriptor", "shop")];
    let answer = desk.authorize(&order, "auth-1", &more);
    assert_eq!(answer.state("AuthorizationStatus"), is("Closed", "MaxCapturesProcessed"));
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    assert_eq!(answer.ids(), [authorization.replacen("-A", "-C", 1)], "the same digits");
    assert_eq!(answer.get("SoftDescriptor"), "AMZ*shop");
    assert_eq!(desk.capture_state(&answer.ids()[0]), is("Completed", ""));
}

#[test]
fn an_asynchronous_capture_now_captures_later() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let answer = desk.authorize(&order, "auth-1", &[("CaptureNow", "true")]);
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    assert_eq!((answer.state("AuthorizationStatus"), answer.ids().len()), (is("Pending", ""), 0));
    let early = authorization.replacen("-A", "-C", 1);
    assert_eq!(desk.refused("GetCaptureDetails", &[("AmazonCaptureId", &early)]), "InvalidTransactionId");
    desk.wait_minutes(1);
    assert_eq!(desk.authorization_state(&authorization), is("Closed", "MaxCapturesProcessed"));
    assert_eq!(desk.capture_state(&early), is("Completed", ""));
}

#[test]
fn closing_in_time_prevents_what_was_to_come() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let answer = desk.authorize(&order, "auth-1", &[("CaptureNow", "true")]);
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    desk.done("CloseAuthorization", &[("AmazonAuthorizationId", &authorization)]);
    desk.wait_minutes(5);
    assert_eq!(desk.authorization_state(&authorization), is("Closed", "SellerClosed"));
    assert!(desk.provider.truths(desk.now).iter().all(|truth| truth.kind != "capture"));
    desk.done("CloseAuthorization", &[("AmazonAuthorizationId", &authorization)]);
}

/// One simulation: the state after 10 minutes, that of the order then, that of the order later.
fn check_simulation(more: &str, is_synchronous: bool, wanted: [(&str, &str); 3]) {
    let mut desk = Desk::new(true);
    let order = desk.open_order();
    let note = format!(r#"{{"SandboxSimulation":{{{more}}}}}"#);
    let timeout = if is_synchronous { "0" } else { "1440" };
    let answer =
        desk.authorize(&order, "a", &[("SellerAuthorizationNote", &note), ("TransactionTimeout", timeout)]);
    let id = answer.get("AmazonAuthorizationId").to_owned();
    let first = answer.state("AuthorizationStatus").0;
    assert_eq!(first == "Pending", !is_synchronous, "{more}");
    desk.wait_minutes(2);
    assert_eq!(desk.authorization_state(&id), is(wanted[0].0, wanted[0].1), "{more}");
    assert_eq!(desk.order_state(&order), is(wanted[1].0, wanted[1].1), "{more}");
    desk.wait_minutes(10);
    assert_eq!(desk.order_state(&order), is(wanted[2].0, wanted[2].1), "{more}");
}

#[test]
fn simulated_declines_touch_the_order_as_documented() {
    let invalid =
        r#""State":"Declined","ReasonCode":"InvalidPaymentMethod","PaymentMethodUpdateTimeInMins":5"#;
    let suspended = ("Suspended", "InvalidPaymentMethod");
    let open = ("Open", "");
    check_simulation(invalid, false, [("Declined", "InvalidPaymentMethod"), suspended, open]);
    check_simulation(invalid, true, [("Declined", "InvalidPaymentMethod"), suspended, suspended]);
    let rejected = r#""State":"Declined","ReasonCode":"AmazonRejected""#;
    let closed = ("Closed", "AmazonClosed");
    check_simulation(rejected, false, [("Declined", "AmazonRejected"), closed, closed]);
    let timed_out = r#""State":"Declined","ReasonCode":"TransactionTimedOut""#;
    check_simulation(timed_out, true, [("Declined", "TransactionTimedOut"), open, open]);
    let expired = r#""State":"Closed","ReasonCode":"ExpiredUnused","ExpirationTimeInMins":1"#;
    check_simulation(expired, false, [("Closed", "ExpiredUnused"), open, open]);
    let amazon = r#""State":"Closed","ReasonCode":"AmazonClosed""#;
    check_simulation(amazon, false, [("Closed", "AmazonClosed"), open, open]);
}

#[test]
fn simulations_of_captures_refunds_and_orders() {
    let mut desk = Desk::new(true);
    let table = [
        (r#"{"SandboxSimulation":{"State":"Pending"}}"#, is("Pending", ""), is("Completed", "")),
        (
            r#"{"SandboxSimulation":{"State":"Declined","ReasonCode":"AmazonRejected"}}"#,
            is("Declined", "AmazonRejected"),
            is("Declined", "AmazonRejected"),
        ),
        (
            r#"{"SandboxSimulation":{"State":"Closed","ReasonCode":"AmazonClosed"}}"#,
            is("Closed", "AmazonClosed"),
            is("Closed", "AmazonClosed"),
        ),
    ];
    for (number, (note, first, last)) in table.into_iter().enumerate() {
        let order = desk.open_order();
        let reference = format!("r-{number}");
        let answer = desk.authorize(&order, &reference, &[("TransactionTimeout", "0")]);
        let authorization = answer.get("AmazonAuthorizationId").to_owned();
        let captured = desk.capture(&authorization, &reference, &[("SellerCaptureNote", note)]);
        assert_eq!(captured.state("CaptureStatus"), first, "{note}");
        let id = captured.get("AmazonCaptureId").to_owned();
        desk.wait_minutes(61);
        assert_eq!(desk.capture_state(&id), last, "{note}");
        let is_still_open = desk.authorization_state(&authorization).0 == "Open";
        assert_eq!(is_still_open, first.0 == "Declined", "a declined capture may be tried again: {note}");
    }
    let note = r#"{"SandboxSimulation":{"State":"Closed","ReasonCode":"AmazonClosed"}}"#;
    let order = desk.open_order();
    desk.done("CloseOrderReference", &[("AmazonOrderReferenceId", &order), ("ClosureReason", note)]);
    assert_eq!(desk.order_state(&order), is("Closed", "AmazonClosed"));
}

#[test]
fn a_simulated_constraint_goes_with_its_note() {
    let mut desk = Desk::new(true);
    let order = desk.plant("order-reference", &[(0, "Draft", None)]);
    let set = |note: &'static str| {
        [
            ("OrderReferenceAttributes.OrderTotal.Amount", "1"),
            ("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"),
            ("OrderReferenceAttributes.SellerNote", note),
        ]
    };
    let id = ("AmazonOrderReferenceId", order.as_str());
    let mut parameters = set(r#"{"SandboxSimulation":{"Constraint":"PaymentMethodNotAllowed"}}"#).to_vec();
    parameters.push(id);
    let answer = desk.done("SetOrderReferenceDetails", &parameters);
    assert_eq!(answer.get("ConstraintID"), "PaymentMethodNotAllowed");
    assert_eq!(desk.refused("ConfirmOrderReference", &[id]), "ConstraintsExist");
    let mut parameters = set("Thank you").to_vec();
    parameters.push(id);
    desk.done("SetOrderReferenceDetails", &parameters);
    desk.done("ConfirmOrderReference", &[id]);
}

#[test]
fn a_simulation_in_production_is_only_a_note() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let note = r#"{"SandboxSimulation":{"State":"Declined","ReasonCode":"AmazonRejected"}}"#;
    let more = [("TransactionTimeout", "0"), ("SellerAuthorizationNote", note)];
    let answer = desk.authorize(&order, "a", &more);
    assert_eq!(answer.state("AuthorizationStatus"), is("Open", ""));
}

#[test]
fn time_alone_ends_objects() {
    for (is_sandbox, days) in [(true, 2), (false, 30)] {
        let mut desk = Desk::new(is_sandbox);
        let draft = desk.plant("order-reference", &[(0, "Draft", None)]);
        let order = desk.open_order();
        let answer = desk.authorize(&order, "a", &[("TransactionTimeout", "0")]);
        let authorization = answer.get("AmazonAuthorizationId").to_owned();
        desk.wait_minutes(180);
        assert_eq!(desk.order_state(&draft), is("Canceled", "Stale"));
        desk.wait(Duration::from_secs(days * 86_400 - 3 * 3600 - 1));
        assert_eq!(desk.authorization_state(&authorization), is("Open", ""));
        desk.wait(Duration::from_secs(1));
        assert_eq!(desk.authorization_state(&authorization), is("Closed", "ExpiredUnused"));
        desk.wait_days(180);
        assert_eq!(desk.order_state(&order), is("Closed", "Expired"));
    }
}

#[test]
fn a_late_capture_is_pending_first_and_a_hesitant_authorization_times_out() {
    let mut desk = Desk::new(false);
    let order = desk.open_order();
    let answer = desk.authorize(&order, "a", &[("TransactionTimeout", "0")]);
    let authorization = answer.get("AmazonAuthorizationId").to_owned();
    desk.wait_days(8);
    let captured = desk.capture(&authorization, "c", &[]);
    assert_eq!(captured.state("CaptureStatus"), is("Pending", ""));
    desk.wait_minutes(60);
    assert_eq!(desk.capture_state(captured.get("AmazonCaptureId")), is("Completed", ""));

    desk.provider
        .set_habits(MwsHabits { authorization_delay: Duration::from_secs(86_400), ..MwsHabits::default() });
    let order = desk.open_order();
    let answer = desk.authorize(&order, "b", &[("TransactionTimeout", "5")]);
    desk.wait_minutes(5);
    let id = answer.get("AmazonAuthorizationId");
    assert_eq!(desk.authorization_state(id), is("Declined", "TransactionTimedOut"));
}

#[test]
fn planted_objects_have_their_families() {
    let mut desk = Desk::new(false);
    let steps = [(60, "Open", None), (60, "Closed", Some("MaxCapturesProcessed"))];
    let authorization = desk.plant("authorization", &steps);
    desk.wait_minutes(2);
    let seen = desk.done("GetAuthorizationDetails", &[("AmazonAuthorizationId", &authorization)]);
    assert_eq!(seen.get("AuthorizationReferenceId"), "order-1");
    assert_eq!(desk.capture_state(&seen.ids()[0]), is("Completed", ""));

    let capture = desk.plant("capture", &[(0, "Completed", None), (60, "Closed", Some("MaxAmountRefunded"))]);
    desk.wait_minutes(1);
    assert_eq!(desk.capture_state(&capture), is("Closed", "MaxAmountRefunded"));
    let seen = desk.done("GetCaptureDetails", &[("AmazonCaptureId", &capture)]);
    assert_eq!(desk.refund_state(&seen.ids()[0]), is("Completed", ""));
    assert!(seen.get("RefundedAmount").contains("100.00"));

    let capture =
        desk.plant("capture", &[(0, "Completed", None), (60, "Closed", Some("MaxRefundsProcessed"))]);
    desk.wait_minutes(1);
    let seen = desk.done("GetCaptureDetails", &[("AmazonCaptureId", &capture)]);
    assert_eq!(seen.ids().len(), 10);
    assert!(seen.get("RefundedAmount").contains("100.00"), "{}", seen.text);

    let refund = desk.plant("refund", &[(3600, "Declined", Some("AmazonRejected"))]);
    desk.wait_minutes(60);
    assert_eq!(desk.refund_state(&refund), is("Declined", "AmazonRejected"));
    let truth = desk.truth(&refund);
    assert!(truth.is_final && truth.is_declined);
    assert_eq!((truth.amount.as_str(), truth.merchant_reference.as_str()), ("100.00", "order-1"));

    let mut late = plan("capture", &[(0, "Completed", None)]);
    late.invisible_for = Duration::from_secs(60);
    let late = desk.provider.plant(desk.seller, &late, desk.now, &mut desk.random).expect("a plan");
    assert_eq!(desk.refused("GetCaptureDetails", &[("AmazonCaptureId", &late)]), "InvalidTransactionId");
    desk.wait_minutes(1);
    assert_eq!(desk.capture_state(&late), is("Completed", ""));
}

#[test]
fn fates_decide_what_calls_bring_to_life() {
    let mut desk = Desk::new(false);
    let step = FateStep {
        after_min: Duration::from_secs(20 * 3600),
        after_max: Duration::from_secs(20 * 3600),
        state: "Declined".into(),
        reason: Some("InvalidPaymentMethod".into()),
    };
    let fates = Fates::new(vec![Fate { share: 1.0, steps: vec![step] }]);
    desk.provider.set_fates(desk.seller, "authorization", fates).expect("documented words");
    let order = desk.open_order();
    let slow = desk.authorize(&order, "slow", &[]).get("AmazonAuthorizationId").to_owned();
    desk.wait_minutes(20 * 60 - 1);
    assert_eq!(desk.authorization_state(&slow), is("Pending", ""));
    desk.wait_minutes(1);
    assert_eq!(desk.authorization_state(&slow), is("Declined", "InvalidPaymentMethod"));
    assert_eq!(desk.order_state(&order), is("Suspended", "InvalidPaymentMethod"));
    let order = desk.open_order();
    let prompt = desk.authorize(&order, "prompt", &[("TransactionTimeout", "0")]);
    assert_eq!(prompt.state("AuthorizationStatus"), is("Declined", "InvalidPaymentMethod"));
}

#[test]
fn a_billing_agreement_from_draft_to_closed() {
    let mut desk = Desk::new(true);
    let id = desk.plant("billing-agreement", &[(0, "Draft", None)]);
    let agreement = ("AmazonBillingAgreementId", id.as_str());
    assert!(id.starts_with("C01-"));
    assert_eq!(desk.refused("SetBillingAgreementDetails", &[agreement]), "InvalidParameterValue");
    let note = ("BillingAgreementAttributes.SellerNote", "monthly");
    desk.done("SetBillingAgreementDetails", &[agreement, note]);
    assert_eq!(desk.refused("ValidateBillingAgreement", &[agreement]), "InvalidBillingAgreementStatus");
    desk.done("ConfirmBillingAgreement", &[agreement]);
    let refused = desk.refused("SetBillingAgreementDetails", &[agreement, note]);
    assert_eq!(refused, "BillingAgreementNotModifiable");
    let valid = desk.done("ValidateBillingAgreement", &[agreement]);
    assert_eq!(valid.get("ValidationResult"), "Success");

    let charge = |reference: &'static str, amount: &'static str| {
        vec![
            ("AuthorizationReferenceId", reference),
            ("AuthorizationAmount.Amount", amount),
            ("AuthorizationAmount.CurrencyCode", "USD"),
            ("TransactionTimeout", "0"),
            ("CaptureNow", "true"),
        ]
    };
    let mut first = charge("month-1", "300.00");
    first.push(agreement);
    let charged = desk.done("AuthorizeOnBillingAgreement", &first);
    assert_eq!(charged.state("AuthorizationStatus"), is("Closed", "MaxCapturesProcessed"));
    assert_eq!(desk.order_state(charged.get("AmazonOrderReferenceId")), is("Closed", "SellerClosed"));
    let again = desk.done("AuthorizeOnBillingAgreement", &first);
    assert_eq!(again.get("AmazonAuthorizationId"), charged.get("AmazonAuthorizationId"));
    let seen = desk.done("GetBillingAgreementDetails", &[agreement]);
    assert!(seen.get("CurrentRemainingBalance").contains("<Amount>200.00</Amount>"), "{}", seen.text);
    assert!(seen.find("LastUpdatedTimestamp").is_some(), "the time's name in agreements");

    let mut second = charge("month-1b", "200.01");
    second.push(agreement);
    assert_eq!(desk.refused("AuthorizeOnBillingAgreement", &second), "PeriodicAmountExceeded");
    desk.wait_days(31);
    desk.done("AuthorizeOnBillingAgreement", &second);

    let decline = r#"{"SandboxSimulation":{"State":"Declined","ReasonCode":"InvalidPaymentMethod"}}"#;
    let mut third = charge("month-2", "1.00");
    third.extend([agreement, ("SellerAuthorizationNote", decline)]);
    desk.done("AuthorizeOnBillingAgreement", &third);
    assert_eq!(desk.agreement_state(&id), is("Suspended", "InvalidPaymentMethod"));
    let invalid = desk.done("ValidateBillingAgreement", &[agreement]);
    assert_eq!(invalid.get("FailureReasonCode"), "InvalidPaymentMethod");
    desk.done("ConfirmBillingAgreement", &[agreement]);
    assert_eq!(desk.agreement_state(&id), is("Open", ""));
    desk.done("CloseBillingAgreement", &[agreement]);
    assert_eq!(desk.agreement_state(&id), is("Closed", "SellerClosed"));
}

#[test]
fn orders_for_an_agreement() {
    let mut desk = Desk::new(false);
    let id = desk.plant("billing-agreement", &[(0, "Draft", None)]);
    let base = [("Id", id.as_str()), ("IdType", "BillingAgreement")];
    let first = desk.done("CreateOrderReferenceForId", &base);
    assert_eq!(first.state("OrderReferenceStatus"), is("Draft", ""));
    assert_eq!(first.get("ConstraintID"), "AmountNotSet");
    assert_eq!(desk.refused("CreateOrderReferenceForId", &base), "OrderReferenceCountExceeded");
    desk.done("ConfirmBillingAgreement", &[("AmazonBillingAgreementId", &id)]);
    let mut now = base.to_vec();
    now.push(("ConfirmNow", "true"));
    assert_eq!(desk.refused("CreateOrderReferenceForId", &now), "InvalidParameterValue");
    now.push(("OrderReferenceAttributes.OrderTotal.Amount", "5"));
    now.push(("OrderReferenceAttributes.OrderTotal.CurrencyCode", "USD"));
    let answer = desk.done("CreateOrderReferenceForId", &now);
    assert_eq!(answer.state("OrderReferenceStatus"), is("Open", ""));
    assert!(answer.get("ParentDetails").contains(&id));
}

#[test]
fn the_service_status_is_what_was_set() {
    let mut desk = Desk::new(false);
    assert_eq!(desk.done("GetServiceStatus", &[]).text.len(), 392, "as recorded");
    desk.provider.set_service_status(MwsServiceStatus::GreenWithInformation);
    let answer = desk.done("GetServiceStatus", &[]);
    assert_eq!(answer.get("Status"), "GREEN_I");
    assert_eq!(answer.get("Locale"), "en_US");
}

#[test]
fn both_environments_keep_their_objects_apart() {
    let mut desk = Desk::new(true);
    let id = desk.plant("capture", &[(0, "Completed", None)]);
    desk.path = environment_path(false);
    assert_eq!(desk.refused("GetCaptureDetails", &[("AmazonCaptureId", &id)]), "InternalServerError");
    desk.path = environment_path(true);
    desk.seller = "A2OTHER";
    assert_eq!(desk.refused("GetCaptureDetails", &[("AmazonCaptureId", &id)]), "InvalidTransactionId");
}
