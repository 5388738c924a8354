use super::*;
use crate::payments::record::Record;
use proptest::prelude::*;

fn check(json: &str, expected: Result<&str, &str>) {
    match (from_json(json.as_bytes(), 7), expected) {
        (Ok(wanted), Ok(shown)) => assert_eq!(wanted.to_json(), shown, "{json}"),
        (Err(reason), Err(part)) => assert!(reason.contains(part), "{json}: {reason}"),
        (other, _) => panic!("{json}: {other:?}"),
    }
}

#[test]
fn lines_are_read_in_every_spelling_or_refused_with_the_reason() {
    check(r#"{"id":"S01-1-1-C1"}"#, Ok(r#"{"line":7,"id":"S01-1-1-C1"}"#));
    check(
        r#"{"chargeId":"S01-1-1-C1","charge_amount":"14","currencyCode":"eur","MerchantReferenceId":" A 1 "}"#,
        Ok(
            r#"{"line":7,"kind":"charge","id":"S01-1-1-C1","amount":"14.00","currency":"EUR","reference":"A 1"}"#,
        ),
    );
    check(
        r#"{"line":3,"AmazonCaptureId":"P01-1-1-C1","account":"shop","amount":500,"currency":"JPY"}"#,
        Ok(
            r#"{"line":3,"account":"shop","kind":"capture","id":"P01-1-1-C1","amount":"500","currency":"JPY"}"#,
        ),
    );
    check(
        r#"{"kind":"CHARGE_PERMISSION","id":"a","created_at":"20190714T155300Z","parent":null,"amount":""}"#,
        Ok(r#"{"line":7,"kind":"charge-permission","id":"a","created_at":"2019-07-14T15:53:00Z"}"#),
    );
    check("[]", Err("not a JSON object"));
    check("{", Err("not JSON"));
    check("{}", Err("no id"));
    check(r#"{"id":"a b"}"#, Err("not allowed"));
    check(r#"{"id":"a","amount":"1"}"#, Err("without currency"));
    check(r#"{"id":"a","amount":14.5,"currency":"EUR"}"#, Err("fractional number"));
    check(r#"{"id":"a","amount":"1,50","currency":"EUR"}"#, Err("plain decimal"));
    check(r#"{"id":"a","amout":"1"}"#, Err("unknown key \"amout\"; did you mean amount?; known keys are"));
    check(r#"{"id":"a","colour":"1"}"#, Err("unknown key \"colour\"; known keys are"));
    check(r#"{"id":"a","amount":"0.00","currency":"EUR"}"#, Err("amount 0.00 EUR is not above zero"));
    check(r#"{"id":"a","amount":"-14","currency":"EUR"}"#, Err("amount -14.00 EUR is not above zero"));
    check(r#"{"id":"NULL","amount":"1","currency":"EUR"}"#, Err("no id: \"NULL\" means none"));
    check(
        r#"{"id":"\u00a0a\u200b","kind":"ChargePermission"}"#,
        Ok(r#"{"line":7,"kind":"charge-permission","id":"a"}"#),
    );
    check(r#"{"id":"a","reference":"A\u202e1"}"#, Err("control character"));
    check(r#"{"id":"a","objectId":"b"}"#, Err("given twice"));
    check(r#"{"id":"a","reference":"x\u0007"}"#, Err("control character"));
    check(r#"{"id":"a","created_at":"yesterday"}"#, Err("not a time"));
    check(r#"{"id":"a","created_at":"2026-01-31 14:30"}"#, Err("not a time"));
    check(r#"{"id":"a","parent":["b"]}"#, Err("not a string"));
    check(r#"{"id":"a","line":"x"}"#, Err("whole number"));
}

#[test]
fn a_line_of_the_list_says_what_it_was_enrolled_with() {
    let enrolled = r#"{"account":"shop","kind":"charge","id":"S01","amount":"14.00","currency":"EUR","reference":"A-1"}"#;
    let wanted = from_json(enrolled.as_bytes(), 7).unwrap();
    let object = "shop/charge/S01".parse().unwrap();
    let enrolment = crate::payments::record::Enrolment { object, details: wanted.details.clone() };
    let record = Record::enrolled(enrolment, "2026-01-15T09:30:00Z".parse().unwrap());
    let line = serde_json::to_string(&WatchedObject::of(record, None, None)).unwrap();
    assert_eq!(from_json(line.as_bytes(), 7), Ok(wanted));
    let other = line.replace("\"format\":1", "\"format\":2");
    assert!(
        from_json(other.as_bytes(), 7).unwrap_err().contains("has format 2; this version reads format 1")
    );
    let odd = line.replace("A-1", "A\\u001b1");
    assert!(from_json(odd.as_bytes(), 7).unwrap_err().contains("reference has a control character"));
    assert!(
        from_json(line.replace("14.00", "-14.00").as_bytes(), 7).unwrap_err().contains("is not above zero")
    );
    check(r#"{"format":1,"account":"shop","kind":"charge","id":"S01"}"#, Err("not an object as"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_line_survives_its_own_text(
        id in "[A-Za-z0-9._~-]{1,64}", minor in 0i64..1_000_000, reference in "[ -~]{0,40}",
        line in 1u64..9_000_000_000, second in 0i64..4_000_000_000
    ) {
        let money = Money::parse(&format!("{}.{:02}", minor / 100, minor % 100), "EUR").unwrap();
        let reference = reference.trim();
        let wanted = EnrolmentRequest {
            line,
            account: None,
            kind: Some(Kind::new("charge").unwrap()),
            id: ObjectId::new(id).unwrap(),
            details: Details {
                amount: Some(money),
                merchant_reference: (!reference.is_empty()).then(|| reference.to_owned()),
                created_at: Some(Timestamp::from_second(second).unwrap()),
                parent: None,
            },
        };
        prop_assert_eq!(from_json(wanted.to_json().as_bytes(), 1).unwrap(), wanted);
    }

    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_json(&bytes, 1);
    }
}
