//! Fields that cannot be read as they should: marked, and the rest is believed.

use super::*;

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
