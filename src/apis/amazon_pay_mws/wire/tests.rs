use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const SPACE: &str = "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01";
const REQUEST: &str = "00000000-0000-0000-0000-000000000001";

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn answer(kind: ObjectKind, space: &str, details: &str) -> String {
    let shape = shape(kind);
    format!(
        "<{0}Response xmlns=\"{space}\"><{0}Result><{1}>{details}</{1}></{0}Result><ResponseMetadata>\
         <RequestId>{REQUEST}</RequestId></ResponseMetadata></{0}Response>",
        kind.operation(),
        shape.details
    )
}

/// Reads details with the usual id of the kind, in the usual namespace.
fn read_details(kind: ObjectKind, details: &str) -> Result<Observation, Failure> {
    read(kind, &id(usual_id(kind)), answer(kind, SPACE, details).as_bytes(), None)
}

fn usual_id(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Authorization => "S01-1234567-1234567-A012345",
        ObjectKind::Capture => "S01-1234567-1234567-C012345",
        ObjectKind::Refund => "S01-1234567-1234567-R012345",
        ObjectKind::OrderReference => "S01-1234567-1234567",
        ObjectKind::BillingAgreement => "C01-1234567-1234567",
    }
}

fn usual_children(kind: ObjectKind) -> Vec<String> {
    let own = match kind {
        ObjectKind::Authorization => AUTHORIZATION,
        ObjectKind::Capture => CAPTURE,
        ObjectKind::Refund => REFUND,
        ObjectKind::OrderReference => ORDER_REFERENCE,
        ObjectKind::BillingAgreement => BILLING_AGREEMENT,
    };
    own.iter().map(|child| (*child).to_owned()).collect()
}

const AUTHORIZATION: &[&str] = &[
    "<AmazonAuthorizationId>S01-1234567-1234567-A012345</AmazonAuthorizationId>",
    "<AuthorizationReferenceId>auth_ref-1</AuthorizationReferenceId>",
    "<SellerAuthorizationNote>for John Doe</SellerAuthorizationNote>",
    "<AuthorizationBillingAddress><Name>John Doe</Name></AuthorizationBillingAddress>",
    "<AuthorizationAmount><CurrencyCode>USD</CurrencyCode><Amount>1.00</Amount></AuthorizationAmount>",
    "<CapturedAmount><CurrencyCode>USD</CurrencyCode><Amount>0</Amount></CapturedAmount>",
    "<AuthorizationFee><CurrencyCode>USD</CurrencyCode><Amount>0.00</Amount></AuthorizationFee>",
    "<IdList><member>S01-1234567-1234567-C012345</member></IdList>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<ExpirationTimestamp>2015-11-29T21:02:38Z</ExpirationTimestamp>",
    "<AuthorizationStatus><LastUpdateTimestamp>2015-10-30T21:02:39.508Z</LastUpdateTimestamp>\
     <State>Declined</State><ReasonCode>InvalidPaymentMethod</ReasonCode>\
     <ReasonDescription>John Doe asked</ReasonDescription></AuthorizationStatus>",
    "<SoftDecline>true</SoftDecline>",
    "<CaptureNow>false</CaptureNow>",
    "<SoftDescriptor>AMZ*John Doe</SoftDescriptor>",
];

const CAPTURE: &[&str] = &[
    "<AmazonCaptureId>S01-1234567-1234567-C012345</AmazonCaptureId>",
    "<CaptureReferenceId>capture_ref-1</CaptureReferenceId>",
    "<SellerCaptureNote/>",
    "<CaptureAmount><Amount>5.0</Amount><CurrencyCode>EUR</CurrencyCode></CaptureAmount>",
    "<RefundedAmount><Amount>2.5</Amount><CurrencyCode>EUR</CurrencyCode></RefundedAmount>",
    "<CaptureFee><Amount>0.005</Amount><CurrencyCode>EUR</CurrencyCode></CaptureFee>",
    "<ConvertedAmount><Amount>5.65</Amount><CurrencyCode>USD</CurrencyCode></ConvertedAmount>",
    "<ConversionRate>1.1297854087</ConversionRate>",
    "<IdList><member>S01-1234567-1234567-R012345</member><member>S01-1234567-1234567-R012346</member>\
     <member>S01-1234567-1234567-R012345</member></IdList>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<CaptureStatus><State>Completed</State><ReasonCode>StopShipmentAtypicalAuth</ReasonCode></CaptureStatus>",
];

const REFUND: &[&str] = &[
    "<AmazonRefundId>S01-1234567-1234567-R012345</AmazonRefundId>",
    "<RefundReferenceId>refund_ref-1</RefundReferenceId>",
    "<SellerRefundNote>for John Doe</SellerRefundNote>",
    "<RefundType>SellerInitiated</RefundType>",
    "<RefundAmount><CurrencyCode>JPY</CurrencyCode><Amount>500</Amount></RefundAmount>",
    "<FeeRefunded><CurrencyCode>JPY</CurrencyCode><Amount>0.00</Amount></FeeRefunded>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<RefundStatus><State>Pending</State></RefundStatus>",
];

const ORDER_REFERENCE: &[&str] = &[
    "<AmazonOrderReferenceId>S01-1234567-1234567</AmazonOrderReferenceId>",
    "<Buyer><Name>John Doe</Name><Email>john@doe</Email><Phone>1</Phone></Buyer>",
    "<Destination><PhysicalDestination><Name>John Doe</Name></PhysicalDestination></Destination>",
    "<BillingAddress><PhysicalAddress><City>Johnstown</City></PhysicalAddress></BillingAddress>",
    "<PaymentDescriptor><Name>John's card</Name></PaymentDescriptor>",
    "<OrderTotal><CurrencyCode>USD</CurrencyCode><Amount>23.50</Amount></OrderTotal>",
    "<SellerNote>for John Doe</SellerNote>",
    "<PaymentAuthenticationStatus><State>REQUIRED</State></PaymentAuthenticationStatus>",
    "<ReleaseEnvironment>Sandbox</ReleaseEnvironment>",
    "<SellerOrderAttributes><SellerOrderId>Order 77 &amp; more</SellerOrderId>\
     <CustomInformation>John</CustomInformation></SellerOrderAttributes>",
    "<OrderReferenceStatus><State>Suspended</State><ReasonCode>InvalidPaymentMethod</ReasonCode>\
     <LastUpdateTimestamp>2015-10-30T21:02:39Z</LastUpdateTimestamp></OrderReferenceStatus>",
    "<Constraints><Constraint><ConstraintID>AmountNotSet</ConstraintID><Description>John</Description>\
     </Constraint><Constraint><ConstraintID>PaymentPlanNotSet</ConstraintID></Constraint></Constraints>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<ExpirationTimestamp>2016-04-27T21:02:38.508Z</ExpirationTimestamp>",
    "<ParentDetails><Type>BillingAgreement</Type><Id>C01-1234567-1234567</Id></ParentDetails>",
    "<IdList><member>S01-1234567-1234567-A012345</member></IdList>",
];

const BILLING_AGREEMENT: &[&str] = &[
    "<AmazonBillingAgreementId>C01-1234567-1234567</AmazonBillingAgreementId>",
    "<BillingAgreementLimits><AmountLimitPerTimePeriod><CurrencyCode>USD</CurrencyCode>\
     <Amount>500.00</Amount></AmountLimitPerTimePeriod><TimePeriodStartDate>2015-10-01T00:00:00Z\
     </TimePeriodStartDate><TimePeriodEndDate>2015-11-01T00:00:00Z</TimePeriodEndDate>\
     <CurrentRemainingBalance><CurrencyCode>USD</CurrencyCode><Amount>450.5</Amount>\
     </CurrentRemainingBalance></BillingAgreementLimits>",
    "<Buyer><Name>John Doe</Name></Buyer>",
    "<ReleaseEnvironment>Sandbox</ReleaseEnvironment>",
    "<SellerBillingAgreementAttributes><SellerBillingAgreementId>sub-9</SellerBillingAgreementId>\
     </SellerBillingAgreementAttributes>",
    "<BillingAgreementStatus><LastUpdatedTimestamp>2015-10-30T21:02:39Z</LastUpdatedTimestamp>\
     <State>Open</State></BillingAgreementStatus>",
    "<CreationTimestamp>2015-10-30T21:02:38.508Z</CreationTimestamp>",
    "<BillingAgreementConsent>true</BillingAgreementConsent>",
    "<SubscriptionAmount><CurrencyCode>USD</CurrencyCode><Amount>9.99</Amount></SubscriptionAmount>",
];

fn usual(kind: ObjectKind) -> Observation {
    read_details(kind, &usual_children(kind).concat()).unwrap()
}

fn shown(amounts: &BTreeMap<String, Money>) -> Vec<String> {
    amounts.iter().map(|(name, money)| format!("{name} {money}")).collect()
}

fn kept(observation: &Observation) -> Vec<String> {
    observation.evidence.iter().map(|(name, text)| format!("{name}={text}")).collect()
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Reads a broken answer and checks why it is refused.
fn check_garbled(body: &str, why: &str) {
    let asked = id(usual_id(ObjectKind::Authorization));
    let failure = read(ObjectKind::Authorization, &asked, body.as_bytes(), None).unwrap_err();
    assert!(matches!(failure, Failure::Garbled { .. }), "{failure:?}");
    assert!(failure.to_string().contains(why), "{failure} lacks {why:?}");
}

/// The usual authorization with one text replaced by another.
fn changed(from: &str, to: &str) -> String {
    let details = usual_children(ObjectKind::Authorization).concat();
    assert!(details.contains(from), "{from}");
    answer(ObjectKind::Authorization, SPACE, &details.replace(from, to))
}

fn read_changed(from: &str, to: &str) -> Result<Observation, Failure> {
    let asked = id(usual_id(ObjectKind::Authorization));
    read(ObjectKind::Authorization, &asked, changed(from, to).as_bytes(), None)
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
    assert_eq!(seen, read_details(ObjectKind::Authorization, &empty).unwrap());
    assert_eq!((seen.amount, seen.merchant_reference, seen.created_at), (None, None, None));
    assert_eq!((seen.reasons.len(), seen.children.len(), seen.evidence.len()), (0, 0, 0));
}

#[test]
fn every_form_of_namespace_and_declaration_is_taken() {
    let details = usual_children(ObjectKind::Authorization).concat();
    let asked = id(usual_id(ObjectKind::Authorization));
    let expected = usual(ObjectKind::Authorization);
    for space in [
        "",
        "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01",
        "https://mws.amazonservices.com/schema/OffAmazonPayments_Sandbox/2013-01-01",
        "https://mws-eu.amazonservices.com/OffAmazonPayments_Sandbox/2013-01-01/",
        "https://mws.amazonservices.jp/ipn/OffAmazonPayments/2013-01-01",
    ] {
        let body = answer(ObjectKind::Authorization, space, &details);
        for body in [body.clone(), format!("\u{feff}<?xml version=\"1.0\"?>\n{body}\n<!-- end -->\n")] {
            let seen = read(ObjectKind::Authorization, &asked, body.as_bytes(), None);
            assert_eq!(seen.as_ref(), Ok(&expected), "{space}");
        }
    }
    for space in [
        "urn:other",
        "http://mws.amazonservices.com/schema/Orders/2013-09-01",
        "http://evil/schema/OffAmazonPayments/2013-01-01",
    ] {
        check_garbled(&answer(ObjectKind::Authorization, space, &details), "not in the namespace");
    }
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

/// The declined authorization with a change: still declined, for its reason, with these marks.
fn check_marked(body: &[u8], expected: &[(&str, &str)]) -> Observation {
    let seen = read(ObjectKind::Authorization, &id(usual_id(ObjectKind::Authorization)), body, None);
    let seen = seen.unwrap_or_else(|failure| panic!("{failure}: {}", body.escape_ascii()));
    assert_eq!((seen.state.as_str(), seen.reasons.concat().as_str()), ("Declined", "InvalidPaymentMethod"));
    let marks: Vec<_> =
        seen.marks.iter().map(|mark| (mark.cause.as_str(), mark.explanation.as_str())).collect();
    assert_eq!(marks, expected, "{}", body.escape_ascii());
    seen
}

#[test]
fn an_amount_that_is_half_there_or_not_exact_is_none_and_hides_no_decline() {
    let odd = [("unreadable-field", "In the answer, element AuthorizationAmount cannot be read.")];
    for (from, to, kept) in [
        ("<Amount>1.00</Amount>", "", "USD"),
        ("<Amount>1.00</Amount>", "<Amount>1e2</Amount>", "1e2 USD"),
        ("<Amount>1.00</Amount>", "<Amount>1.005</Amount>", "1.005 USD"),
        ("<Amount>1.00</Amount>", "<Amount>1,00</Amount>", "1,00 USD"),
        ("<CurrencyCode>USD</CurrencyCode><Amount>1.00</Amount>", "<Amount>1.00</Amount>", "1.00"),
        (
            "<CurrencyCode>USD</CurrencyCode><Amount>1.00",
            "<CurrencyCode>dollar</CurrencyCode><Amount>1.00",
            "1.00 dollar",
        ),
    ] {
        let seen = check_marked(changed(from, to).as_bytes(), &odd);
        assert_eq!((seen.amount, seen.amounts.authorized), (None, None));
        assert_eq!(seen.evidence["AuthorizationAmount"], kept);
    }
    let twice = "<Amount>1.00</Amount><Amount>100.00</Amount>";
    let seen = check_marked(
        changed("<Amount>1.00</Amount>", twice).as_bytes(),
        &[("duplicate-field", "In the answer, element Amount stands more than once.")],
    );
    assert_eq!(seen.amount, None);
    let foreign = "<x:Amount xmlns:x='urn:x'>1.00</x:Amount>";
    check_marked(
        changed("<Amount>1.00</Amount>", foreign).as_bytes(),
        &[(
            "unreadable-field",
            "In the answer, element Amount is not in the namespace of the payment service.",
        )],
    );
    let captured = check_marked(
        changed("<Amount>0</Amount></CapturedAmount>", "<Amount>some</Amount></CapturedAmount>").as_bytes(),
        &[("unreadable-field", "In the answer, element CapturedAmount cannot be read.")],
    );
    assert_eq!((captured.amounts.captured, captured.evidence["CapturedAmount"].as_str()), (None, "some USD"));
    // No decision depends on a fee.
    check_marked(
        changed("<Amount>0.00</Amount></AuthorizationFee>", "<Amount>0.005</Amount></AuthorizationFee>")
            .as_bytes(),
        &[],
    );
}

#[test]
fn amounts_that_no_payment_has_are_marked() {
    let mark = |from: &str, to: &str, cause: &str, explanation: &str| {
        check_marked(changed(from, to).as_bytes(), &[(cause, explanation)]);
    };
    let zero = "The answer is about 0.00 USD, which is no payment.";
    mark("<Amount>1.00<", "<Amount>0.00<", "zero-amount", zero);
    let negative = "The captured amount of the answer is -2.00 USD, which is less than nothing.";
    mark("<Amount>0</Amount></Captured", "<Amount>-2</Amount></Captured", "negative-amount", negative);
    let body = changed("<Amount>1.00<", "<Amount>-1.00<");
    let seen =
        read(ObjectKind::Authorization, &id(usual_id(ObjectKind::Authorization)), body.as_bytes(), None);
    assert!(seen.unwrap().marks.iter().all(|mark| mark.cause == "negative-amount"));
}

#[test]
fn an_optional_field_of_odd_form_is_a_mark_beside_the_decline() {
    let long = "x".repeat(65);
    let check = |from: &str, to: &str, name: &str| {
        let explanation = format!("In the answer, element {name} cannot be read.");
        check_marked(changed(from, to).as_bytes(), &[("unreadable-field", &explanation)])
    };
    let seen = check("-C012345</member>", "-C01/2345</member><member>S01-1-1-C2</member>", "IdList");
    assert_eq!(seen.children.len(), 1, "the others are found");
    check(">2015-10-30T21:02:38.508Z<", ">yesterday<", "CreationTimestamp");
    check(">2015-11-29T21:02:38Z<", ">soon<", "ExpirationTimestamp");
    check(">2015-10-30T21:02:39.508Z<", ">now<", "LastUpdateTimestamp");
    check("<SoftDecline>true<", "<SoftDecline>maybe<", "SoftDecline");
    check(
        "<CaptureNow>false<",
        &format!("<ReleaseEnvironment>{long}</ReleaseEnvironment><CaptureNow>false<"),
        "ReleaseEnvironment",
    );
    let seen = check(">auth_ref-1<", ">M&uuml;ller<", "AuthorizationReferenceId");
    assert_eq!(seen.merchant_reference, None);
    let twice = "<CaptureNow>true</CaptureNow><CaptureNow>false<";
    check_marked(
        changed("<CaptureNow>false<", twice).as_bytes(),
        &[("duplicate-field", "In the answer, element CaptureNow stands more than once.")],
    );
    let reason = format!("<ReasonCode>{long}</ReasonCode>");
    let seen = read_changed("<ReasonCode>InvalidPaymentMethod</ReasonCode>", &reason).unwrap();
    assert_eq!((seen.state.as_str(), seen.reasons.len(), seen.marks.len()), ("Declined", 0, 1));
}

#[test]
fn a_buyer_in_another_code_page_hides_no_decline() {
    let with = |prolog: &str, name: &[u8]| {
        let body =
            changed("<AuthorizationBillingAddress><Name>John Doe", "<AuthorizationBillingAddress><Name>NAME");
        let (before, after) = body.split_once("NAME").unwrap();
        [prolog.as_bytes(), before.as_bytes(), name, after.as_bytes()].concat()
    };
    check_marked(&with("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", b"J\xfcrgen"), &[]);
    check_marked(&with("<?xml version=\"1.0\"?>", b"50 \x80 \x93x\x94"), &[]);
    check_marked(&with("", b"A&nbsp;B"), &[]);
    check_marked(&with("", b"Tom & Jerry"), &[]);
    let text = String::from_utf8(with("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", b"J")).unwrap();
    let wide = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes));
    check_marked(&wide.collect::<Vec<u8>>(), &[]);
    let read = |body: &[u8]| {
        read(ObjectKind::Authorization, &id(usual_id(ObjectKind::Authorization)), body, None)
            .unwrap_err()
            .to_string()
    };
    assert!(read(&with("", b"a < b")).contains("not well-formed XML near byte"));
    let mut cut = with("", b"\xfc");
    cut.truncate(cut.len() - 5);
    assert!(read(&cut).contains("not text in UTF-8"));
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
fn an_answer_about_something_else_is_garbled() {
    check_garbled(&changed("S01-1234567-1234567-A012345", "S01-1234567-1234567-A099999"), "another");
    check_garbled(
        &changed("<AmazonAuthorizationId>", "<AmazonAuthorizationId/><Other>")
            .replace("</AmazonAuthorizationId>", "</Other>"),
        "missing",
    );
    check_garbled(&changed("<State>Declined</State>", "<State/>"), "element State is missing");
    let long = format!("<State>{}</State>", "x".repeat(65));
    check_garbled(&changed("<State>Declined</State>", &long), "element State cannot be read");
    let capture = answer(ObjectKind::Capture, SPACE, &usual_children(ObjectKind::Capture).concat());
    check_garbled(&capture, "the root element is not GetAuthorizationDetailsResponse");
    check_garbled("<html><body>Sorry</body></html>", "the root element is not");
    check_garbled("", "empty");
    check_garbled("Service is busy", "outside the root");
    check_garbled(
        &format!("<ErrorResponse xmlns='{SPACE}'><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
        "but the body is an error: AccessDenied",
    );
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

#[test]
fn every_cut_of_every_answer_is_an_error_and_not_half_a_sight() {
    for kind in ObjectKind::ALL {
        let body = answer(kind, SPACE, &usual_children(kind).concat());
        for length in 0..body.len() {
            let failure = read(kind, &id(usual_id(kind)), &body.as_bytes()[..length], None).unwrap_err();
            assert_eq!(failure.class(), "garbled");
        }
        assert!(read(kind, &id(usual_id(kind)), format!("{body}x").as_bytes(), None).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_children_does_not_matter(
        kind in proptest::sample::select(ObjectKind::ALL.to_vec()),
        moves in proptest::collection::vec(any::<(Index, Index)>(), 0..20),
    ) {
        let mut children = usual_children(kind);
        for (from, to) in moves {
            let (from, to) = (from.index(children.len()), to.index(children.len()));
            children.swap(from, to);
        }
        prop_assert_eq!(read_details(kind, &children.concat()).unwrap(), usual(kind));
    }

    #[test]
    fn answers_with_random_bytes_in_them_never_panic(
        kind in proptest::sample::select(ObjectKind::ALL.to_vec()),
        place in any::<Index>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..12),
    ) {
        let mut body = answer(kind, SPACE, &usual_children(kind).concat()).into_bytes();
        let at = place.index(body.len());
        body.splice(at..(at + bytes.len()).min(body.len()), bytes);
        if let Ok(seen) = read(kind, &id(usual_id(kind)), &body, None) {
            prop_assert_eq!(seen.id, usual_id(kind));
        }
    }

    #[test]
    fn random_bytes_are_never_a_sight(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(ObjectKind::Refund, &id(usual_id(ObjectKind::Refund)), &bytes, None).is_err());
    }
}
