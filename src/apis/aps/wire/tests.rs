use proptest::prelude::*;

use super::*;
use crate::apis::aps::tests::settings;

/// The answer whose signature was computed by hand (docs/src/reference/aps.md, sections 4.3 and 5.2).
pub(in crate::apis::aps) const FIXTURE: [(&str, &str); 15] = [
    ("merchant_reference", "XYZ9239-yu898"),
    ("fort_id", "149295435400084008"),
    ("response_code", "12000"),
    ("response_message", "Success"),
    ("status", "12"),
    ("transaction_status", "14"),
    ("transaction_code", "14000"),
    ("transaction_message", "Success"),
    ("authorized_amount", "10000"),
    ("captured_amount", "10000"),
    ("refunded_amount", "0"),
    ("query_command", "CHECK_STATUS"),
    ("language", "en"),
    ("access_code", "zx0IPmPy5jp1vAz8Kpg7"),
    ("merchant_identifier", "CycHZxVj"),
];

fn asked() -> ObjectId {
    ObjectId::new("XYZ9239-yu898").unwrap()
}

/// The fixture with some fields changed (an empty text removes a field), signed again.
pub(in crate::apis::aps) fn body(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut fields: Parameters =
        FIXTURE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in changes {
        if value.is_empty() {
            fields.remove(*name);
        } else {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    json_body(&settings().response_signer.signed(fields))
}

fn seen(changes: &[(&str, &str)]) -> Result<Observation, Failure> {
    read(&settings(), &asked(), &body(changes), false)
}

#[test]
fn the_question_is_the_golden_one() {
    let body = String::from_utf8(json_body(&question(&settings(), &asked()))).unwrap();
    assert_eq!(
        body,
        "{\"access_code\":\"zx0IPmPy5jp1vAz8Kpg7\",\"language\":\"en\",\"merchant_identifier\":\"CycHZxVj\",\
         \"merchant_reference\":\"XYZ9239-yu898\",\"query_command\":\"CHECK_STATUS\",\"signature\":\
         \"8e3322d2e4b50cf92ddabe8d4a89513e80323212d57910fa894a2560685ffafa\"}"
    );
}

#[test]
fn the_golden_answer_is_seen_whole() {
    let signed = body(&[]);
    let text = String::from_utf8(signed.clone()).unwrap();
    assert!(text.contains("e25c12ef07f86ba961d2e5738179d43099f7602307cff484c262678286be95d1"), "{text}");
    let seen = read(&settings(), &asked(), &signed, true).unwrap();
    assert_eq!((seen.id.as_str(), seen.state.as_str()), ("XYZ9239-yu898", "14"));
    assert!(seen.reasons.is_empty());
    assert_eq!(seen.amount, Money::parse("100.00", "AED").ok());
    assert_eq!(seen.other_amounts["refunded_amount"], Money::parse("0", "AED").unwrap());
    assert_eq!(seen.evidence["fort_id"], "149295435400084008");
    assert_eq!(seen.evidence["signature"], "verified");
}

#[test]
fn amounts_follow_the_currency_and_are_left_alone_without_one() {
    let amount = |changes: &[(&str, &str)]| seen(changes).unwrap().amount.map(|money| money.to_string());
    assert_eq!(amount(&[("currency", "JOD")]).as_deref(), Some("10.000 JOD"));
    assert_eq!(amount(&[("currency", "JPY")]).as_deref(), Some("10000 JPY"));
    assert_eq!(amount(&[("currency", "XOF")]), None);
    assert_eq!(amount(&[("authorized_amount", "")]).as_deref(), Some("100.00 AED"));
    assert_eq!(amount(&[("authorized_amount", "0"), ("captured_amount", "0")]), None);
    let bare = Settings { currency: None, ..settings() };
    let seen_bare = read(&bare, &asked(), &body(&[]), true).unwrap();
    assert!(seen_bare.amount.is_none() && seen_bare.other_amounts.is_empty());
    assert_eq!(seen_bare.evidence["captured_amount"], "10000");
}

#[test]
fn numbers_may_be_numbers_and_the_signature_may_be_missing() {
    let text = r#"{"merchant_reference":"XYZ9239-yu898","response_code":12000,"transaction_code":"02000",
        "authorized_amount":10000}"#;
    let seen = read(&settings(), &asked(), text.as_bytes(), false).unwrap();
    assert_eq!((seen.state.as_str(), seen.evidence["signature"].as_str()), ("02", "absent"));
    assert_eq!(seen.amount, Money::parse("100.00", "AED").ok());
}

#[test]
fn the_operation_is_told_apart_from_the_query() {
    let state = |status: &str, code: &str| {
        let seen = seen(&[("transaction_status", status), ("transaction_code", code)]).unwrap();
        (seen.state, seen.reasons)
    };
    assert_eq!(state("13", "13666"), ("13".to_owned(), vec!["666".to_owned()]));
    assert_eq!(state("13", "13006"), ("13006".to_owned(), Vec::new()));
    assert_eq!(state("15", "15777"), ("15".to_owned(), Vec::new()));
    assert_eq!(state("", "04000"), ("04".to_owned(), Vec::new()));
}

#[test]
fn a_failed_query_never_judges_a_payment() {
    let class = |code: &str| seen(&[("response_code", code), ("status", "")]).unwrap_err();
    assert!(matches!(class("11036"), Failure::Gone { .. }));
    for code in ["00008", "00009", "00010", "11015", "00073"] {
        assert!(matches!(class(code), Failure::Refused { is_whole_account: true, .. }), "{code}");
    }
    for code in ["00002", "00110", "11999"] {
        assert!(matches!(class(code), Failure::Refused { is_whole_account: false, .. }), "{code}");
    }
    for code in ["11006", "00006", "11051", "11119"] {
        assert!(matches!(class(code), Failure::Transient { .. }), "{code}");
    }
}

#[test]
fn answers_that_cannot_be_right_are_garbled() {
    let signed = String::from_utf8(body(&[])).unwrap();
    let forged = signed.replace("\"14000\"", "\"04000\"");
    let hostile: [&[u8]; 6] = [b"", b"[]", b"{}", b"<html>", forged.as_bytes(), b"\xff"];
    for body in hostile {
        let outcome = read(&settings(), &asked(), body, false);
        assert!(matches!(outcome, Err(Failure::Garbled { .. })), "{outcome:?}");
    }
    for change in [
        ("merchant_reference", "other"),
        ("merchant_reference", ""),
        ("merchant_identifier", "Other"),
        ("transaction_status", "04"),
        ("transaction_code", ""),
        ("transaction_code", "14"),
        ("response_code", ""),
    ] {
        assert!(matches!(seen(&[change]), Err(Failure::Garbled { .. })), "{change:?}");
    }
}

fn causes(seen: &Observation) -> Vec<&str> {
    seen.marks.iter().map(|mark| mark.cause.as_str()).collect()
}

/// A declined purchase with something changed: it is still declined, for the same reason.
fn declined(changes: &[(&str, &str)]) -> Observation {
    let declined = [("transaction_status", "13"), ("transaction_code", "13666")];
    let seen = seen(&[&declined[..], changes].concat()).unwrap();
    assert_eq!((seen.state.as_str(), seen.reasons.concat().as_str()), ("13", "666"), "{changes:?}");
    seen
}

#[test]
fn a_total_of_odd_form_is_a_mark_beside_the_decline() {
    assert_eq!(causes(&declined(&[])), [""; 0]);
    for odd in ["100.00", "1e3", "-", "--1", "many", "9999999999999999999"] {
        let seen = declined(&[("captured_amount", odd)]);
        assert_eq!(causes(&seen), ["unreadable-field"], "{odd}");
        assert_eq!((seen.amounts.captured, seen.evidence["captured_amount"].as_str()), (None, odd));
        assert_eq!(seen.amount, Money::parse("100.00", "AED").ok(), "the others are read");
    }
    let seen = declined(&[("refunded_amount", "-5")]);
    assert_eq!((causes(&seen), seen.amounts.refunded), (vec!["negative-amount"], None));
    let seen = declined(&[("currency", "dirham")]);
    assert_eq!((causes(&seen), seen.amount), (vec!["unreadable-field"], None));
}

#[test]
fn an_operation_that_went_well_with_nothing_moved_is_marked() {
    let check = |code: &str, total: &str, expected: &[&str]| {
        let totals = ["authorized_amount", "captured_amount", "refunded_amount"];
        let all = totals.map(|name| (name, if name == total { "0" } else { "10000" }));
        let status = &code[..2];
        let changes = [&[("transaction_status", status), ("transaction_code", code)][..], &all].concat();
        assert_eq!(causes(&seen(&changes).unwrap()), expected, "{code} {total}");
    };
    for (code, total) in [
        ("02000", "authorized_amount"),
        ("04000", "captured_amount"),
        ("14000", "captured_amount"),
        ("06000", "refunded_amount"),
    ] {
        check(code, total, &["zero-amount"]);
        check(code, "", &[]);
    }
    check("13666", "captured_amount", &[]);
    check("08000", "captured_amount", &[]);
}

#[test]
fn an_answer_without_a_signature_is_marked_or_refused() {
    let bare =
        br#"{"merchant_reference":"XYZ9239-yu898","response_code":"12000","transaction_code":"13666"}"#;
    let marked = read(&settings(), &asked(), bare, false).unwrap();
    assert_eq!((marked.state.as_str(), causes(&marked)), ("13", vec!["unsigned"]));
    let refused = read(&settings(), &asked(), bare, true).unwrap_err();
    assert!(matches!(&refused, Failure::Garbled { detail } if detail.contains("no signature")), "{refused}");
}

#[test]
fn a_name_that_stands_twice_is_marked_and_of_two_values_none_is_believed() {
    let with = |more: &str| {
        // The signature covers the last of the two values, so it does not help here.
        let text = String::from_utf8(body(&[])).unwrap();
        read(&settings(), &asked(), text.replacen('{', &format!("{{{more},"), 1).as_bytes(), true)
    };
    let same = with(r#""captured_amount":"10000""#).unwrap();
    assert_eq!(
        (causes(&same), same.amounts.captured),
        (vec!["duplicate-field"], Money::parse("100", "AED").ok())
    );
    let other = with(r#""captured_amount":"1""#).unwrap();
    assert_eq!((causes(&other), other.amounts.captured), (vec!["duplicate-field"], None));
    assert!(!other.evidence.contains_key("captured_amount"));
    for needed in
        [r#""transaction_code":"04000""#, r#""tr\u0061nsaction_code":"04000""#, r#""signature":"0""#]
    {
        let failure = with(needed).unwrap_err();
        assert!(
            matches!(&failure, Failure::Garbled { detail } if detail.contains("more than once")),
            "{failure}"
        );
    }
    assert_eq!(causes(&with(r#""response_message":"Oh""#).unwrap()), [""; 0], "nobody reads it");
}

#[test]
fn the_customers_data_is_never_kept() {
    let seen = seen(&[
        ("customer_email", "canary@domain.com"),
        ("customer_name", "Canary Bird"),
        ("card_number", "400555******0001"),
        ("token_name", "CanaryToken"),
        ("transaction_message", "Suc\u{7}cess"),
    ])
    .unwrap();
    let kept = format!("{seen:?}");
    assert!(!kept.to_lowercase().contains("canary") && !kept.contains("0001"), "{kept}");
    assert_eq!(
        seen.evidence["transaction_message"], "Suc\u{7}cess",
        "kept unchanged; every output makes it safe"
    );
}

#[test]
fn statuses_say_nothing_about_an_order() {
    for status in [404, 401, 405] {
        let failure = refusal_of_status(status, None);
        assert!(matches!(failure, Failure::Refused { is_whole_account: true, .. }), "{status}");
    }
    assert!(matches!(refusal_of_status(429, None), Failure::Throttled { .. }));
    assert!(matches!(refusal_of_status(503, None), Failure::Transient { .. }));
    assert!(matches!(refusal_of_status(302, None), Failure::Garbled { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&settings(), &asked(), &bytes, false).is_err());
    }

    #[test]
    fn any_fields_are_read_or_refused(
        name in "(transaction_code|response_code|currency|captured_amount|transaction_status)",
        value in "\\PC{0,12}",
    ) {
        let _ = seen(&[(&name, &value)]);
    }
}
