use proptest::prelude::*;

use super::*;
use crate::apis::aps::tests::settings;

/// The answer whose signature the sheet gives (sections 4.3 and 5.2).
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

/// The fixture with some fields changed (an empty text takes one away), signed anew.
fn body(changes: &[(&str, &str)]) -> Vec<u8> {
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
    read(&settings(), &asked(), &body(changes))
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
    let seen = read(&settings(), &asked(), &signed).unwrap();
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
    let seen_bare = read(&bare, &asked(), &body(&[])).unwrap();
    assert!(seen_bare.amount.is_none() && seen_bare.other_amounts.is_empty());
    assert_eq!(seen_bare.evidence["captured_amount"], "10000");
    assert!(matches!(seen(&[("captured_amount", "100.00")]), Err(Failure::Garbled { .. })));
}

#[test]
fn numbers_may_be_numbers_and_the_signature_may_be_missing() {
    let text = r#"{"merchant_reference":"XYZ9239-yu898","response_code":12000,"transaction_code":"02000",
        "authorized_amount":10000}"#;
    let seen = read(&settings(), &asked(), text.as_bytes()).unwrap();
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
        let outcome = read(&settings(), &asked(), body);
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
        ("currency", "dirham"),
    ] {
        assert!(matches!(seen(&[change]), Err(Failure::Garbled { .. })), "{change:?}");
    }
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
    assert_eq!(seen.evidence["transaction_message"], "Success");
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
        prop_assert!(read(&settings(), &asked(), &bytes).is_err());
    }

    #[test]
    fn any_fields_are_read_or_refused(
        name in "(transaction_code|response_code|currency|captured_amount|transaction_status)",
        value in "\\PC{0,12}",
    ) {
        let _ = seen(&[(&name, &value)]);
    }
}
