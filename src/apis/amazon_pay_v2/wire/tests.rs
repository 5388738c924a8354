use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::payments::money::Money;

/// Recorded in the sandbox (docs/src/reference/amazon-pay-v2.md, section 4.1).
const CHARGE: &str = r#"{"chargeId":"S03-5890444-1926095-C064126","chargeAmount":{"amount":"500","currencyCode":"JPY"},"chargePermissionId":"C03-1442027-5744374","captureAmount":null,"refundedAmount":null,"softDescriptor":null,"providerMetadata":{"providerReferenceId":null},"convertedAmount":null,"conversionRate":null,"channel":null,"chargeInitiator":"CITU","statusDetails":{"state":"Authorized","reasonCode":null,"reasonDescription":null,"lastUpdatedTimestamp":"20231026T062827Z"},"creationTimestamp":"20231026T062827Z","expirationTimestamp":"20231125T062827Z","releaseEnvironment":"Sandbox","merchantMetadata":{"merchantReferenceId":null,"merchantStoreName":null,"noteToBuyer":null,"customInformation":null},"platformId":"ADZQ303FTXBLZ","webCheckoutDetails":null}"#;
const CHARGE_ID: &str = "S03-5890444-1926095-C064126";

/// From the .NET SDK's tests (docs/src/reference/amazon-pay-v2.md, section 5).
const REFUND: &str = r#"{"refundId":"S01-5105180-3221187-R022311","chargeId":"S01-5105180-3221187-C056351","refundAmount":{"amount":"14.00","currencyCode":"USD"},"softDescriptor":"Descriptor","creationTimestamp":"20190714T155300Z","statusDetails":{"state":"RefundInitiated","reasonCode":null,"reasonDescription":null,"lastUpdatedTimestamp":"20190714T155300Z"},"releaseEnvironment":"Sandbox"}"#;
const REFUND_ID: &str = "S01-5105180-3221187-R022311";

/// Has all fields of section 6.1 of that page, and a canary in every field that describes the buyer.
const PERMISSION: &str = r#"{"chargePermissionId":"P01-1234567-1234567","chargePermissionReferenceId":"R-7","chargePermissionType":"Recurring","buyer":{"buyerId":"CANARY","name":"CANARY","email":"CANARY"},"shippingAddress":{"name":"CANARY","addressLine1":"CANARY"},"billingAddress":{"name":"CANARY"},"paymentPreferences":[{"paymentDescriptor":"CANARY ****1111"}],"softDescriptor":"CANARY","amazonPayToken":"CANARY","merchantMetadata":{"merchantReferenceId":"order-7","merchantStoreName":"Shop","noteToBuyer":"CANARY","customInformation":"CANARY"},"webCheckoutDetails":{"checkoutResultReturnUrl":"https://CANARY"},"limits":{"amountLimit":{"amount":"100.00","currencyCode":"EUR"},"amountBalance":{"amount":"86.00","currencyCode":"EUR"}},"statusDetails":{"state":"NonChargeable","reasons":[{"reasonCode":"PaymentMethodInvalid","reasonDescription":"The payment method is invalid"},{"reasonCode":"NewCode","reasonDescription":null}],"lastUpdatedTimestamp":"20190714T155300Z"},"creationTimestamp":"2019-07-14T15:53:00.125Z","expirationTimestamp":null,"releaseEnvironment":"Live","somethingNew":{"buyer":"CANARY"}}"#;
const PERMISSION_ID: &str = "P01-1234567-1234567";

fn response(status: u16, body: &str) -> Response {
    let headers = vec![("x-amz-pay-request-id".to_owned(), "1c5c7c92-7b42".to_owned())];
    Response { status, headers, body: body.as_bytes().to_vec() }
}

fn now() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn ask(object_kind: ObjectKind, id: &str, status: u16, body: &str) -> Result<Observation, Failure> {
    read(object_kind, id, &response(status, body), now())
}

fn charge(body: &str) -> Result<Observation, Failure> {
    ask(ObjectKind::Charge, CHARGE_ID, 200, body)
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn money(amount: &str, currency: &str) -> Money {
    Money::parse(amount, currency).unwrap()
}

#[test]
fn a_recorded_charge_is_read() {
    let seen = charge(CHARGE).unwrap();
    assert_eq!((seen.id.as_str(), seen.state.as_str()), (CHARGE_ID, "Authorized"));
    assert_eq!(seen.amount, Some(money("500", "JPY")));
    assert!(seen.other_amounts.is_empty() && seen.reasons.is_empty() && seen.children.is_empty());
    assert_eq!(seen.updated_at, time("2023-10-26T06:28:27Z"));
    assert_eq!(seen.created_at, time("2023-10-26T06:28:27Z"));
    assert_eq!(seen.expires_at, time("2023-11-25T06:28:27Z"));
    assert_eq!(seen.parent.as_deref(), Some("C03-1442027-5744374"));
    assert_eq!(seen.environment.as_deref(), Some("Sandbox"));
    assert_eq!(seen.merchant_reference, None);
    assert_eq!(seen.request_id.as_deref(), Some("1c5c7c92-7b42"));
    let evidence: Vec<_> = seen.evidence.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(evidence, [("chargeInitiator", "CITU"), ("platformId", "ADZQ303FTXBLZ")]);
    assert!(!seen.is_soft_decline);
}

#[test]
fn a_captured_charge_tells_its_other_amounts_and_a_declined_one_its_reason() {
    let captured = CHARGE
        .replace("\"Authorized\"", "\"Captured\"")
        .replace("\"captureAmount\":null", r#""captureAmount":{"amount":"500","currencyCode":"JPY"}"#)
        .replace("\"refundedAmount\":null", r#""refundedAmount":{"amount":"0","currencyCode":"JPY"}"#);
    let seen = charge(&captured).unwrap();
    assert_eq!(seen.other_amounts["captureAmount"], money("500", "JPY"));
    assert_eq!(seen.other_amounts["refundedAmount"], money("0", "JPY"));
    let declined = CHARGE
        .replace("\"Authorized\"", "\"Declined\"")
        .replace("\"reasonCode\":null", "\"reasonCode\":\"SoftDeclined\"")
        .replace("\"reasonDescription\":null", "\"reasonDescription\":\"Try again\"");
    let seen = charge(&declined).unwrap();
    assert_eq!(seen.reasons, ["SoftDeclined"]);
    assert!(seen.is_soft_decline);
    assert_eq!(seen.evidence["reasonDescription"], "Try again");
}

#[test]
fn a_refund_is_read() {
    let seen = ask(ObjectKind::Refund, REFUND_ID, 200, REFUND).unwrap();
    assert_eq!((seen.id.as_str(), seen.state.as_str()), (REFUND_ID, "RefundInitiated"));
    assert_eq!(seen.amount, Some(money("14.00", "USD")));
    assert_eq!(seen.parent.as_deref(), Some("S01-5105180-3221187-C056351"));
    assert!(seen.evidence.is_empty(), "a descriptor is not kept");
}

#[test]
fn a_charge_permission_is_read_and_nothing_about_the_buyer() {
    let seen = ask(ObjectKind::ChargePermission, PERMISSION_ID, 200, PERMISSION).unwrap();
    assert_eq!(seen.state, "NonChargeable");
    assert_eq!(seen.reasons, ["PaymentMethodInvalid", "NewCode"]);
    assert_eq!((seen.amount, seen.parent.as_deref(), seen.expires_at), (None, None, None));
    assert_eq!(seen.other_amounts["amountLimit"], money("100", "EUR"));
    assert_eq!(seen.other_amounts["amountBalance"], money("86", "EUR"));
    assert_eq!(seen.created_at, time("2019-07-14T15:53:00.125Z"));
    assert_eq!(seen.merchant_reference.as_deref(), Some("order-7"));
    assert_eq!(seen.evidence["chargePermissionType"], "Recurring");
    assert!(PERMISSION.contains("CANARY"));
    assert!(!format!("{seen:?}").contains("CANARY"), "{seen:?}");
}

#[test]
fn amounts_keep_every_digit_however_they_are_written() {
    let amount = |written: &str| {
        let body = CHARGE.replace(r#"{"amount":"500","currencyCode":"JPY"}"#, written);
        charge(&body).map(|seen| seen.amount.map(|amount| amount.to_string()))
    };
    for (written, expected) in [
        (r#"{"amount":"0.1","currencyCode":"EUR"}"#, "0.10 EUR"),
        (r#"{"amount":0.1,"currencyCode":"EUR"}"#, "0.10 EUR"),
        (r#"{"currencyCode":"EUR","amount":14.00}"#, "14.00 EUR"),
        (r#"{"amount": 12345678901234567890.12 ,"currencyCode":"USD"}"#, "12345678901234567890.12 USD"),
        (r#"{"amount":1.5E+2,"currencyCode":"JPY"}"#, "150 JPY"),
        (r#"{"amount":15e-1,"currencyCode":"USD"}"#, "1.50 USD"),
        (r#"{"amount":"500.00","currencyCode":"JPY","more":1}"#, "500 JPY"),
    ] {
        assert_eq!(amount(written).unwrap().as_deref(), Some(expected), "{written}");
    }
    for none in ["null", "{}", r#"{"amount":null,"currencyCode":null}"#, r#"{"amount":"","currencyCode":""}"#]
    {
        assert_eq!(amount(none).unwrap(), None, "{none}");
    }
    for unreadable in [
        r#"{"amount":"500.5","currencyCode":"JPY"}"#,
        r#"{"amount":"5","currencyCode":"yen"}"#,
        r#"{"amount":"5"}"#,
        r#"{"amount":1e400,"currencyCode":"EUR"}"#,
        r#"{"amount":1e-400,"currencyCode":"EUR"}"#,
        r#"{"amount":"5,00","currencyCode":"EUR"}"#,
        r#"["5","EUR"]"#,
        "\"5\"",
        "5",
        "true",
    ] {
        let body = CHARGE.replace(r#"{"amount":"500","currencyCode":"JPY"}"#, unreadable);
        let seen = charge(&body).unwrap();
        assert_eq!((seen.amount, seen.amounts.authorized), (None, None), "{unreadable}");
        assert_eq!(seen.evidence["chargeAmount"], unreadable);
        check_marks(&seen, &[("unreadable-field", "In the answer, chargeAmount cannot be read.")]);
    }
}

fn check_marks(seen: &Observation, expected: &[(&str, &str)]) {
    let marks: Vec<_> =
        seen.marks.iter().map(|mark| (mark.cause.as_str(), mark.explanation.as_str())).collect();
    assert_eq!(marks, expected);
}

/// A charge with a permanent decline.
fn declined() -> String {
    CHARGE
        .replace("\"Authorized\"", "\"Declined\"")
        .replace("\"reasonCode\":null", "\"reasonCode\":\"HardDeclined\"")
}

/// Changes the declined charge and checks that it is still declined, for the same reason, with one mark.
fn check_declined(from: &str, to: &str, cause: &str, explanation: &str) -> Observation {
    let body = declined().replace(from, to);
    assert_ne!(body, declined(), "{from}");
    let seen = charge(&body).unwrap_or_else(|failure| panic!("{failure}: {body}"));
    assert_eq!((seen.state.as_str(), seen.reasons.concat().as_str()), ("Declined", "HardDeclined"), "{body}");
    check_marks(&seen, &[(cause, explanation)]);
    seen
}

#[test]
fn an_optional_field_of_odd_form_is_a_mark_beside_the_decline() {
    let check = |from: &str, to: &str, name: &str| {
        check_declined(from, to, "unreadable-field", &format!("In the answer, {name} cannot be read."))
    };
    let captured = |written: &str| format!("\"captureAmount\":{written}");
    for written in
        [r#"{"amount":"500"}"#, r#"{"currencyCode":"JPY"}"#, "true", r#"[{"amount":"5"}]"#, "\"5 JPY\""]
    {
        let seen = check("\"captureAmount\":null", &captured(written), "captureAmount");
        assert_eq!((seen.amounts.captured, seen.evidence["captureAmount"].as_str()), (None, written));
    }
    check(
        "\"refundedAmount\":null",
        r#""refundedAmount":{"amount":"0.5","currencyCode":"JPY"}"#,
        "refundedAmount",
    );
    check("\"releaseEnvironment\":\"Sandbox\"", "\"releaseEnvironment\":{\"is\":1}", "releaseEnvironment");
    check("\"20231125T062827Z\"", "\"soon\"", "expirationTimestamp");
    check(
        "\"chargePermissionId\":\"",
        &format!("\"chargePermissionId\":\"{}", "x".repeat(200)),
        "chargePermissionId",
    );
    check("\"merchantReferenceId\":null", "\"merchantReferenceId\":[7]", "merchantReferenceId");
    check("\"merchantMetadata\":{", "\"merchantMetadata\":7,\"x\":{", "merchantMetadata");
    let listed = |written: &str| format!("\"reasonCode\":null,\"reasons\":{written}");
    let reasons = "statusDetails.reasons";
    let single = "\"reasonCode\":\"HardDeclined\"";
    check(single, &listed(r#"["HardDeclined"]"#), reasons);
    check(single, &listed("\"HardDeclined\""), reasons);
    check(single, &listed(r#"[{"reasonCode":"HardDeclined"},{"code":"x"},null]"#), reasons);
    check(single, &format!("{single},\"reasons\":{{\"a\":1}}"), reasons);
    let many = format!("[{}]", ["{\"reasonCode\":\"HardDeclined\"}"; 17].join(","));
    check_declined(
        single,
        &listed(&many),
        "unreadable-field",
        "In the answer, statusDetails.reasons has more than 16 entries.",
    );
    for odd in ["{\"code\":\"HardDeclined\"}", &format!("\"{}\"", "x".repeat(200))] {
        let seen = charge(&declined().replace("\"HardDeclined\"", odd)).unwrap();
        assert_eq!((seen.state.as_str(), seen.reasons.len()), ("Declined", 0));
        check_marks(&seen, &[("unreadable-field", "In the answer, reasonCode cannot be read.")]);
    }
    for nothing in ["{}", "[]", "\"\"", "[ ]", "null"] {
        let body = declined()
            .replace("\"captureAmount\":null", &captured(nothing))
            .replace(r#"{"providerReferenceId":null}"#, nothing);
        check_marks(&charge(&body).unwrap(), &[]);
    }
    let limits = PERMISSION.replace("\"limits\":{", "\"limits\":[1],\"x\":{");
    let seen = ask(ObjectKind::ChargePermission, PERMISSION_ID, 200, &limits).unwrap();
    assert_eq!((seen.state.as_str(), seen.other_amounts.len()), ("NonChargeable", 0));
    check_marks(&seen, &[("unreadable-field", "In the answer, limits cannot be read.")]);
}

#[test]
fn a_name_that_stands_twice_is_marked_and_of_two_values_none_is_believed() {
    let twice = |name: &str| format!("In the answer, {name} stands more than once.");
    let again = |field: &str, more: &str| format!("{field},{more}");
    let same = r#""chargeAmount":{"amount":"500","currencyCode":"JPY"}"#;
    let seen = check_declined(same, &again(same, same), "duplicate-field", &twice("chargeAmount"));
    assert_eq!(seen.amount, Some(money("500", "JPY")));
    let other = same.replace("500", "5");
    let seen = check_declined(same, &again(same, &other), "duplicate-field", &twice("chargeAmount"));
    assert_eq!(seen.amount, None);
    let inside = same.replace("\"500\"", "\"500\",\"amount\":\"5\"");
    let seen = check_declined(same, &inside, "duplicate-field", &twice("amount"));
    assert_eq!(seen.amount, None);
    let state = "\"state\":\"Declined\"";
    check_declined(state, &again(state, state), "duplicate-field", &twice("state"));
    let failure = charge(&declined().replace(state, &again(state, "\"state\":\"Captured\""))).unwrap_err();
    assert!(failure.to_string().contains("state stands more than once, with two values"), "{failure}");
    let escaped = again(state, "\"st\\u0061te\":\"Captured\"");
    assert_eq!(charge(&declined().replace(state, &escaped)).unwrap_err().class(), "garbled");
    let unread = "\"softDescriptor\":null";
    check_marks(&charge(&declined().replace(unread, &again(unread, unread))).unwrap(), &[]);
}

#[test]
fn amounts_that_no_payment_has_are_marked() {
    let zero = "The answer is about 0 JPY, which is no payment.";
    check_declined("\"amount\":\"500\"", "\"amount\":\"0\"", "zero-amount", zero);
    let captured = r#""captureAmount":{"amount":"-500","currencyCode":"JPY"}"#;
    let negative = "The captured amount of the answer is -500 JPY, which is less than nothing.";
    check_declined("\"captureAmount\":null", captured, "negative-amount", negative);
    let refunded = r#""refundedAmount":{"amount":"0","currencyCode":"JPY"}"#;
    check_marks(&charge(&declined().replace("\"refundedAmount\":null", refunded)).unwrap(), &[]);
}

#[test]
fn a_byte_order_mark_or_bytes_that_are_no_letter_hide_no_decline() {
    let of = |body: Vec<u8>, status: u16| {
        let response = Response { body, ..response(status, "") };
        read(ObjectKind::Charge, CHARGE_ID, &response, now())
    };
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    let wide =
        |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for body in [marked(&declined()), wide(&declined())] {
        assert!(of(body, 200).unwrap().says_the_same(&charge(&declined()).unwrap()));
    }
    for error in
        [marked("{\"reasonCode\":\"RequestThrottled\"}"), wide("{\"reasonCode\":\"RequestThrottled\"}")]
    {
        let failure = of(error, 503).unwrap_err();
        assert_eq!((failure.class(), failure.to_string().contains("RequestThrottled")), ("throttled", true));
    }
    let with = |field: &str, value: &[u8]| {
        let body = declined().replace(&format!("\"{field}\":null"), &format!("\"{field}\":\"VALUE\""));
        let (before, after) = body.split_once("VALUE").unwrap();
        of([before.as_bytes(), value, after.as_bytes()].concat(), 200).unwrap()
    };
    for spoilt in [&b"J\xfcrgen"[..], b"cut \xe2\x82", b"\\ud800"] {
        check_marks(&with("noteToBuyer", spoilt), &[]);
        let seen = with("merchantReferenceId", spoilt);
        assert_eq!((seen.state.as_str(), seen.merchant_reference.as_deref()), ("Declined", None));
        check_marks(&seen, &[("unreadable-field", "In the answer, merchantReferenceId cannot be read.")]);
    }
}

#[test]
fn a_converted_amount_is_told_in_both_forms_and_never_an_error() {
    let told = |written: &str| {
        let body = CHARGE.replace("\"convertedAmount\":null", &format!("\"convertedAmount\":{written}"));
        charge(&body).unwrap().evidence.get("convertedAmount").cloned()
    };
    assert_eq!(told("\"14.5\"").as_deref(), Some("14.5"));
    assert_eq!(told("14.50").as_deref(), Some("14.50"));
    assert_eq!(told(r#"{"amount":"14.5","currencyCode":"EUR"}"#).as_deref(), Some("14.50 EUR"));
    assert_eq!(told(r#"{"amount":"what"}"#), None);
    assert_eq!(told("[1]"), None);
}

#[test]
fn unknown_words_and_unreadable_times_are_kept_word_for_word() {
    let body = CHARGE
        .replace("\"Authorized\"", "\"Brand New\"")
        .replace("\"creationTimestamp\":\"20231026T062827Z\"", "\"creationTimestamp\":\"yesterday\"")
        .replace("\"reasonCode\":null", "\"reasonCode\":\"Because\"");
    let seen = charge(&body).unwrap();
    assert_eq!((seen.state.as_str(), seen.reasons.as_slice()), ("Brand New", &["Because".to_owned()][..]));
    assert_eq!(seen.created_at, None);
    assert_eq!(seen.evidence["creationTimestamp"], "yesterday");
}

fn check_garbled(body: &str) {
    let failure = charge(body).unwrap_err();
    assert_eq!(failure.class(), "garbled", "{failure}");
    assert!(!failure.to_string().contains("CANARY"), "{failure}");
}

#[test]
fn an_answer_that_is_not_the_object_asked_for_is_garbled_and_not_repeated() {
    check_garbled("");
    check_garbled("<html>CANARY</html>");
    check_garbled("CANARY");
    check_garbled("{}");
    check_garbled("null");
    check_garbled("[\"CANARY\"]");
    check_garbled(&CHARGE[..CHARGE.len() - 1]);
    check_garbled(&CHARGE.replace(CHARGE_ID, "S03-CANARY"));
    check_garbled(&CHARGE.replace("\"state\":\"Authorized\"", "\"state\":\"\""));
    check_garbled(&CHARGE.replace("\"state\":\"Authorized\"", "\"state\":7"));
    check_garbled(&CHARGE.replace("\"state\":\"Authorized\",", ""));
    check_garbled(&CHARGE.replace("\"statusDetails\":{", "\"statusDetails\":\"CANARY\",\"x\":{"));
    check_garbled(&CHARGE.replace("\"Authorized\"", &format!("\"{}\"", "CANARY".repeat(50))));
    check_garbled(&format!("{CHARGE}CANARY"));
    check_garbled(&"[".repeat(100_000));
    check_garbled(&format!("{{\"buyer\":{}", "{\"a\":".repeat(100_000)));
    check_garbled(REFUND);
    let failure = ask(ObjectKind::Refund, REFUND_ID, 200, CHARGE).unwrap_err();
    assert_eq!(failure.class(), "garbled");
}

#[test]
fn refusals_fall_into_the_classes_of_the_table() {
    let check = |status: u16, code: &str, class: &str| {
        let body = format!(r#"{{"reasonCode":"{code}","message":"CANARY [chargeId]"}}"#);
        let failure = ask(ObjectKind::Charge, CHARGE_ID, status, &body).unwrap_err();
        assert_eq!(failure.class(), class, "{status} {code}");
        let text = failure.to_string();
        assert!(text.contains(code) && text.contains(&status.to_string()), "{text}");
        assert!(text.contains("(request 1c5c7c92-7b42)") && !text.contains("CANARY"), "{text}");
        failure
    };
    let is_whole = |failure| matches!(failure, Failure::Refused { is_whole_account: true, .. });
    for code in ["InvalidParameterValue", "InvalidHeaderValue", "InvalidSandboxSimulationSpecified"] {
        assert!(!is_whole(check(400, code, "refused")));
    }
    assert!(is_whole(check(401, "UnauthorizedAccess", "refused")));
    for code in ["InvalidAccountStatus", "InvalidRequestSignature", "InvalidAuthentication"] {
        assert!(is_whole(check(403, code, "refused")));
    }
    check(404, "ResourceNotFound", "gone");
    assert!(!is_whole(check(405, "UnsupportedOperation", "refused")));
    assert!(!is_whole(check(422, "InvalidChargeStatus", "refused")));
    assert!(is_whole(check(426, "TLSVersionNotSupported", "refused")));
    check(408, "RequestTimeout", "transient");
    check(425, "TooEarly", "transient");
    check(429, "TooManyRequests", "throttled");
    check(429, "RequestThrottled", "throttled");
    check(503, "RequestThrottled", "throttled");
    check(500, "InternalServerError", "transient");
    check(500, "ProcessingFailure", "transient");
    check(502, "BadGateway", "transient");
    check(503, "ServiceUnavailable", "transient");
    check(504, "GatewayTimeout", "transient");
    check(302, "Found", "garbled");
}

#[test]
fn a_refusal_needs_no_readable_body_and_repeats_none() {
    for body in
        ["", "<html>CANARY</html>", "{\"reasonCode\":7", "[]", r#"{"reasonCode":"CANARY is a sentence"}"#]
    {
        for status in [400, 404, 429, 500] {
            let failure = ask(ObjectKind::Charge, CHARGE_ID, status, body).unwrap_err();
            assert!(!failure.to_string().contains("CANARY"), "{failure}");
        }
    }
    let mut throttled = response(429, "");
    throttled.headers.push(("retry-after".to_owned(), "17".to_owned()));
    let failure = read(ObjectKind::Charge, CHARGE_ID, &throttled, now()).unwrap_err();
    assert!(
        matches!(failure, Failure::Throttled { retry_after: Some(wait), .. } if wait == Duration::from_secs(17))
    );
    let strange =
        Response { headers: vec![("x-amz-pay-request-id".to_owned(), "a b\u{7}".to_owned())], ..throttled };
    assert!(!read(ObjectKind::Charge, CHARGE_ID, &strange, now()).unwrap_err().to_string().contains('\u{7}'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_or_refused(
        status in 100u16..600, body in proptest::collection::vec(any::<u8>(), 0..300), which in 0usize..3,
    ) {
        let object_kind = [ObjectKind::Charge, ObjectKind::Refund, ObjectKind::ChargePermission][which];
        let response = Response { status, headers: Vec::new(), body };
        prop_assert!(read(object_kind, CHARGE_ID, &response, now()).is_err());
    }

    #[test]
    fn one_wrong_byte_never_panics_and_never_changes_the_object(at in 0usize..600, byte: u8) {
        let mut body = CHARGE.as_bytes().to_vec();
        let at = at % body.len();
        body[at] = byte;
        let response = Response { status: 200, headers: Vec::new(), body };
        if let Ok(seen) = read(ObjectKind::Charge, CHARGE_ID, &response, now()) {
            prop_assert_eq!(seen.id, CHARGE_ID);
            prop_assert!(!seen.state.is_empty());
        }
    }

    #[test]
    fn the_order_of_fields_does_not_matter(order in Just((0..18usize).collect::<Vec<_>>()).prop_shuffle()) {
        let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(CHARGE).unwrap();
        let mut fields: Vec<_> = parsed.into_iter().enumerate().collect();
        fields.sort_by_key(|(place, _)| order.get(*place).copied());
        let shuffled: serde_json::Map<_, _> = fields.into_iter().map(|(_, field)| field).collect();
        let body = serde_json::to_string(&shuffled).unwrap();
        prop_assert!(charge(&body).unwrap().says_the_same(&charge(CHARGE).unwrap()));
    }
}
