//! What is read of each kind of object.

use super::*;

fn shown(amounts: &BTreeMap<String, Money>) -> Vec<String> {
    amounts.iter().map(|(name, money)| format!("{name} {money}")).collect()
}

fn kept(observation: &Observation) -> Vec<String> {
    observation.evidence.iter().map(|(name, text)| format!("{name}={text}")).collect()
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[test]
fn a_declined_authorization_is_a_sight_and_no_failure() {
    let seen = usual(ObjectKind::Authorization);
    assert_eq!(seen.id, "S01-1234567-1234567-A012345");
    assert_eq!(seen.state, "Declined");
    assert_eq!(seen.reasons, ["InvalidPaymentMethod"]);
    assert!(seen.is_soft_decline);
    assert_eq!(seen.amount.unwrap().to_string(), "1.00 USD");
    assert_eq!(shown(&seen.other_amounts), ["AuthorizationFee 0.00 USD", "CapturedAmount 0.00 USD"]);
    assert_eq!(seen.merchant_reference.as_deref(), Some("auth_ref-1"));
    assert_eq!(seen.created_at, time("2015-10-30T21:02:38.508Z"));
    assert_eq!(seen.updated_at, time("2015-10-30T21:02:39.508Z"));
    assert_eq!(seen.expires_at, time("2015-11-29T21:02:38Z"));
    assert_eq!(
        seen.children,
        [Child { kind: ObjectKind::Capture.kind(), id: id("S01-1234567-1234567-C012345") }]
    );
    assert_eq!(kept(&seen), ["CaptureNow=false", "SoftDecline=true"]);
    assert_eq!(seen.request_id.as_deref(), Some(REQUEST));
    assert_eq!(seen.answer_sha256.map(|hash| hash.len()), Some(64));
    assert_eq!((seen.parent, seen.environment), (None, None));
}

#[test]
fn a_capture_lists_each_refund_once_and_keeps_a_fee_that_is_too_fine() {
    let seen = usual(ObjectKind::Capture);
    assert_eq!((seen.state.as_str(), seen.is_soft_decline), ("Completed", false));
    assert_eq!(seen.reasons, ["StopShipmentAtypicalAuth"]);
    assert_eq!(seen.amount.unwrap().to_string(), "5.00 EUR");
    assert_eq!(shown(&seen.other_amounts), ["ConvertedAmount 5.65 USD", "RefundedAmount 2.50 EUR"]);
    assert_eq!(kept(&seen), ["CaptureFee=0.005 EUR", "ConversionRate=1.1297854087"]);
    let refunds: Vec<&str> = seen.children.iter().map(|child| child.id.as_str()).collect();
    assert_eq!(refunds, ["S01-1234567-1234567-R012345", "S01-1234567-1234567-R012346"]);
    assert!(seen.children.iter().all(|child| child.kind.as_str() == "refund"));
}

#[test]
fn a_refund_has_its_amount_under_either_name() {
    let seen = usual(ObjectKind::Refund);
    assert_eq!((seen.state.as_str(), seen.reasons.len(), seen.children.len()), ("Pending", 0, 0));
    assert_eq!(seen.amount.unwrap().to_string(), "500 JPY");
    assert_eq!(kept(&seen), ["RefundType=SellerInitiated"]);
    let other = usual_children(ObjectKind::Refund).concat().replace("RefundAmount", "RefundedAmount");
    let other = read_details(ObjectKind::Refund, &other).unwrap();
    assert_eq!(other.amount, seen.amount);
}

#[test]
fn an_order_reference_is_read_without_its_buyer() {
    let seen = usual(ObjectKind::OrderReference);
    assert_eq!(seen.state, "Suspended");
    assert_eq!(seen.amount.unwrap().to_string(), "23.50 USD");
    assert_eq!(seen.merchant_reference.as_deref(), Some("Order 77 & more"));
    assert_eq!(seen.environment.as_deref(), Some("Sandbox"));
    assert_eq!(seen.parent.as_deref(), Some("C01-1234567-1234567"));
    assert_eq!(seen.updated_at, time("2015-10-30T21:02:39Z"));
    assert_eq!(seen.children[0].kind.as_str(), "authorization");
    assert_eq!(
        kept(&seen),
        [
            "Constraints=AmountNotSet PaymentPlanNotSet",
            "ParentDetails.Type=BillingAgreement",
            "PaymentAuthenticationStatus.State=REQUIRED"
        ]
    );
}

#[test]
fn a_billing_agreement_has_limits_and_a_time_spelt_its_own_way() {
    let seen = usual(ObjectKind::BillingAgreement);
    assert_eq!((seen.state.as_str(), seen.amount), ("Open", None));
    assert_eq!(seen.updated_at, time("2015-10-30T21:02:39Z"));
    assert_eq!(seen.merchant_reference.as_deref(), Some("sub-9"));
    assert_eq!(
        shown(&seen.other_amounts),
        [
            "AmountLimitPerTimePeriod 500.00 USD",
            "CurrentRemainingBalance 450.50 USD",
            "SubscriptionAmount 9.99 USD"
        ]
    );
    assert_eq!(
        kept(&seen),
        [
            "BillingAgreementConsent=true",
            "BillingAgreementLimits.TimePeriodEndDate=2015-11-01T00:00:00Z",
            "BillingAgreementLimits.TimePeriodStartDate=2015-10-01T00:00:00Z"
        ]
    );
}

#[test]
fn nothing_about_the_buyer_is_ever_read() {
    for kind in ObjectKind::ALL {
        let seen = format!("{:?}", usual(kind));
        assert!(!seen.to_lowercase().contains("john"), "{seen}");
    }
}

#[test]
fn missing_and_empty_elements_are_none() {
    let bare = "<AmazonAuthorizationId>S01-1234567-1234567-A012345</AmazonAuthorizationId>\
                <AuthorizationStatus><State>Pending</State></AuthorizationStatus>";
    let empty = format!(
        "{bare}<AuthorizationReferenceId/><AuthorizationAmount/><CapturedAmount><Amount/><CurrencyCode/>\
         </CapturedAmount><IdList/><CreationTimestamp></CreationTimestamp><SoftDecline/><CaptureNow/>\
         <OrderItemCategories/>"
    );
    let seen = read_details(ObjectKind::Authorization, bare).unwrap();
    let seen_empty = read_details(ObjectKind::Authorization, &empty).unwrap();
    assert!(seen.says_the_same(&seen_empty), "{seen_empty:?}");
    assert_eq!((seen.amount, seen.merchant_reference, seen.created_at), (None, None, None));
    assert_eq!((seen.reasons.len(), seen.children.len(), seen.evidence.len()), (0, 0, 0));
}

#[test]
fn amounts_are_compared_as_numbers() {
    let amount = |text| read_changed("<Amount>1.00<", &format!("<Amount>{text}<")).unwrap().amount;
    assert_eq!(amount("1"), amount("1.0"));
    assert_eq!(amount("1.0"), amount("1.00"));
    assert_ne!(amount("1.01"), amount("1.00"));
    // 0.1 + 0.2 is the classic case that binary fractions get wrong.
    let sum = amount("0.1").unwrap().amount + amount("0.2").unwrap().amount;
    assert_eq!(Some(sum), amount("0.3").map(|money| money.amount));
}

#[test]
fn unknown_words_are_kept_letter_for_letter() {
    let seen = read_changed("<State>Declined<", "<State>halfOpen<").unwrap();
    assert_eq!(seen.state, "halfOpen");
    let seen = read_changed(">InvalidPaymentMethod<", ">InvalidPayment Method<").unwrap();
    assert_eq!(seen.reasons, ["InvalidPayment Method"]);
    for none in ["None", "none", ""] {
        assert!(read_changed(">InvalidPaymentMethod<", &format!(">{none}<")).unwrap().reasons.is_empty());
    }
    let seen = read_changed("2015-10-30T21:02:38.508Z", "yesterday").unwrap();
    assert_eq!(seen.created_at, None);
    assert_eq!(seen.evidence.get("CreationTimestamp").map(String::as_str), Some("yesterday"));
}

#[test]
fn the_header_names_the_exchange_only_when_the_body_does_not() {
    let body = changed("<CaptureNow>false</CaptureNow>", "");
    let asked = id(usual_id(ObjectKind::Authorization));
    let with = |body: &str| {
        read(ObjectKind::Authorization, &asked, body.as_bytes(), Some("from-header")).unwrap().request_id
    };
    assert_eq!(with(&body).as_deref(), Some(REQUEST));
    assert_eq!(with(&body.replace("RequestId", "RequestID")).as_deref(), Some(REQUEST));
    assert_eq!(with(&body.replace(REQUEST, "")).as_deref(), Some("from-header"));
}
