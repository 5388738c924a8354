use super::*;
use crate::control::enrolment_request::LINE_BYTES_MAX;
use proptest::prelude::*;

const LENIENT: Reading = Reading { ignore_columns: true, ..STRICT };
const STRICT: Reading = Reading {
    decimal: None,
    ignore_columns: false,
    remedies: Remedies { ignore_columns: "--leave-out", decimal: "--sign" },
};

/// Reads everything: good lines as their JSON, bad lines as `number: reason`.
fn read(bytes: &[u8], format: Option<Format>) -> Result<Vec<String>, String> {
    let mut intake = Intake::start(bytes, format, LENIENT).map_err(|bad| bad.to_string())?;
    let mut shown = Vec::new();
    while let Some(item) = intake.next_item().map_err(|bad| bad.to_string())? {
        shown.push(match item {
            Ok(enrolment_request) => enrolment_request.to_json(),
            Err(bad) => format!("{}: {}", bad.line, bad.reason),
        });
    }
    Ok(shown)
}

fn check(text: &str, expected: &[&str]) {
    let shown = read(text.as_bytes(), None).unwrap();
    assert_eq!(shown.len(), expected.len(), "{text:?}: {shown:?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.contains(expected), "{text:?}: {shown} lacks {expected}");
    }
}

fn refused(bytes: &[u8], part: &str) {
    let reason = read(bytes, None).unwrap_err();
    assert!(reason.contains(part), "{reason} lacks {part}");
}

#[test]
fn csv_is_read_with_any_delimiter_line_end_quotes_and_byte_order_mark() {
    let plain = r#"{"line":2,"id":"S01","amount":"14.00","currency":"EUR"}"#;
    check("id,amount,currency\nS01,14.00,EUR\n", &[plain]);
    check("\u{feff}id,amount,currency\r\nS01,14.00,EUR\r\n", &[plain]);
    check("id;amount;currency\nS01;14;eur", &[plain]);
    check("ID\tAmount\tCurrency Code\nS01\t14.0\tEUR\n", &[plain]);
    check("\"id\",\"amount\",\"currency\"\n\"S01\",\"14.00\",\"EUR\"\n", &[plain]);
    check("id\nS01\n\n\nS02\n", &["\"line\":2", "\"line\":5,\"id\":\"S02\""]);
    check(
        "charge_id,order\nS01,\"a, \"\"b\"\"\"\n",
        &[r#""kind":"charge","id":"S01","reference":"a, \"b\"""#],
    );
    check("AmazonCaptureId,kind\nS01,\nS02,refund\n", &["\"kind\":\"capture\"", "\"kind\":\"refund\""]);
    check("", &[]);
    check("\n\n", &[]);
    check("id\n", &[]);
}

#[test]
fn a_quoted_cell_may_hold_line_breaks_and_an_open_quote_spoils_one_line_only() {
    check(
        "id,note\nS01,\"two\nlines\"\nS02,x\n",
        &["\"line\":2,\"id\":\"S01\"", "\"line\":4,\"id\":\"S02\""],
    );
    check("id,note\nS01,\"open\nS02,x\nS03,y\n", &["2: a quote is opened", "S02", "S03"]);
    check("id,note\nS01,\"a\"b\nS02,x\n", &["2: text after a closing quote", "S02"]);
}

#[test]
fn bad_lines_are_told_with_number_and_reason_and_good_ones_are_taken() {
    check(
        "id,amount,currency,created_at,x\nS01,1.234,EUR,,\nS 2,,,,\nS03,,EUR,,\nS04,1,,,\nS05,1,EUR,gestern,\nS06\nS07,,,,,,\n,1,EUR,,\n",
        &[
            "2: amount 1.234 has more decimals",
            "3: object id \"S 2\" has a character",
            "\"line\":4,\"id\":\"S03\"}",
            "5: amount without currency",
            "6: created_at \"gestern\" is not a time",
            "\"line\":7,\"id\":\"S06\"}",
            "\"line\":8,\"id\":\"S07\"}",
            "9: no id",
        ],
    );
}

/// A file with the usual header.
fn check_rows(delimiter: &str, rows: &str, expected: &[&str]) {
    let header = "account,kind,id,amount,currency,reference".replace(',', delimiter);
    check(&format!("{header}\r\n{rows}"), expected);
}

#[test]
fn files_as_spreadsheets_write_them_are_read() {
    let one = r#""account":"shop","kind":"charge","id":"P02-1","amount":"14.00","currency":"EUR","reference":"A-1"}"#;
    let two = one.replace("P02-1", "P02-2").replace("A-1", "A-2");
    let cr_only = "account,kind,id,amount,currency,reference\rshop,charge,P02-1,14.00,EUR,A-1\rshop,charge,P02-2,14.00,EUR,A-2\r";
    check(cr_only, &[one, &two]);
    check(
        "sep=;\r\naccount;kind;id;amount;currency;reference\r\nshop;charge;P02-1;14.00;EUR;A-1\r\n",
        &[one],
    );
    check_rows(";", "shop;charge;P02-1;14.00;EUR;A-1\r\n;;;;;\r\n;;;;;\r\n", &[one]);
    check_rows(",", "shop,charge,P02-1,14.00,EUR\r\n", &["\"currency\":\"EUR\"}"]);
    check_rows(",", "shop,charge,P02-1,14.00,EUR,A-1,,\r\n", &[one]);
    check_rows(
        ",",
        "shop,charge,P02-1,14,00,EUR,A-1\r\n",
        &["2: 7 cells where the header has 6; a comma in a cell"],
    );
    check_rows(",", "shop,charge,\u{a0}P02-1\u{200b},14.00,EUR,A-1\u{a0}\r\n", &[one]);
    check_rows(",", "shop,charge,P02-1,14.00,EUR,'=A-1\r\n", &["\"reference\":\"=A-1\""]);
    check_rows(
        ",",
        "shop,charge,P02-1,14.00,EUR,NULL\r\nshop,charge,null,1,EUR,\r\n",
        &["\"EUR\"}", "3: no id"],
    );
    check_rows(
        ";",
        "shop;charge;P02-1;14,00;EUR;A-1\r\nshop;charge;P02-1;1.234,56;EUR;A\r\nshop;charge;P02-1;1,234;EUR;A\r\n\
         shop;charge;P02-1;1.234;EUR;A\r\nshop;charge;P02-1;0,00;EUR;A\r\nshop;charge;P02-1;-14,00;EUR;A\r\n",
        &[
            one,
            "\"amount\":\"1234.56\"",
            "4: amount \"1,234\" may be 1234 or 1.234; write it with a decimal point and no other separator, or \
             say which sign it is with --sign",
            "5: amount 1.234 has more decimals than EUR",
            "6: amount 0.00 EUR is not above zero",
            "7: amount \"-14,00\" is not a plain decimal",
        ],
    );
}

#[test]
fn tables_of_shops_and_our_own_lists_are_read() {
    check(
        "order_id,amazon_charge_permission_id,amazon_charge_id,order_total,order_currency\n1001,P02-1,P02-1-C1,15.00,EUR\n",
        &[r#""kind":"charge","id":"P02-1-C1","reference":"1001","parent":"P02-1"}"#],
    );
    check(
        "chargeId,chargePermissionId,chargeAmount.amount,chargeAmount.currencyCode,merchantReferenceId\nP02-1-C1,P02-1,14.00,EUR,A-1\n",
        &[
            r#""kind":"charge","id":"P02-1-C1","amount":"14.00","currency":"EUR","reference":"A-1","parent":"P02-1"}"#,
        ],
    );
    check(
        "AmazonAuthorizationId,AmazonOrderReferenceId\nP02-1-A1,P02-1\n",
        &[r#""kind":"authorization","id":"P02-1-A1","parent":"P02-1"}"#],
    );
    check(
        "amazon_capture_id,amazon_reference_id\nP02-1-C1,P02-1\n",
        &[r#""kind":"capture","id":"P02-1-C1"}"#],
    );
    check("amazon_charge_permission_id\nP02-1\n", &[r#""kind":"charge-permission","id":"P02-1"}"#]);
    check("pending_id,increment_id\nP02-1-C1,1001\n", &[r#""id":"P02-1-C1","reference":"1001"}"#]);
    check(
        "business_date,time_zone,as_of_utc,as_of_local,environment,account,transaction_type,amazon_transaction_id,\
         merchant_reference_id,state,phase,reason_code,amount,currency,amount_minor,currency_exponent,\
         watched_since_utc,watched_since_local,age_s,state_since_utc,state_age_s,is_quarantined\r\n\
         2026-11-29,Europe/Berlin,2026-11-29T23:00:00Z,2026-11-30T00:00:00+01:00,live,shop,charge,P02-1,CLK-4,\
         AuthorizationInitiated,moving,,20.00,EUR,2000,2,2026-11-29T20:32:02Z,2026-11-29T21:32:02+01:00,8877,\
         2026-11-29T10:00:00Z,46800,false\r\n",
        &[
            r#""account":"shop","kind":"charge","id":"P02-1","amount":"20.00","currency":"EUR","reference":"CLK-4"}"#,
        ],
    );
    check(
        "account,kind,id,state,phase,finished,quarantine,amount,currency,reference,made_at,enrolled_at,polled_at,\
         due_at,deadline,failures\r\nshop,charge,P02-1,,moving,false,,14.00,EUR,A-1,2026-01-15T09:00:00Z,\
         2026-01-15T09:30:00Z,,,,0\r\n",
        &[r#""currency":"EUR","reference":"A-1","created_at":"2026-01-15T09:00:00Z"}"#],
    );
}

#[test]
fn a_misspelt_column_that_matters_is_refused_with_the_nearest_name() {
    refused(
        b"account,kind,id,amuont,currency,reference\nshop,charge,P02-1,14.00,EUR,A-1\n",
        "line 1: column amuont is not known; did you mean amount? rename or remove it",
    );
    refused(b"chrage_id,amount,currency\n", "did you mean chargeid?");
    check("id,note,updated_at,created_by\nS01,x,y,z\n", &["\"id\":\"S01\"}"]);
}

#[test]
fn json_lines_are_recognised_and_counted_by_the_file() {
    check(
        "\u{feff}{\"id\":\"S01\",\"line\":99}\r\n\n[1]\n{\"chargeId\":\"S02\"}",
        &["\"line\":1,\"id\":\"S01\"", "3: not a JSON object", "\"line\":4,\"kind\":\"charge\""],
    );
    let shown = read(b"id\nS01\n", Some(Format::Jsonl)).unwrap();
    assert!(shown[0].starts_with("1: not JSON"), "{shown:?}");
}

#[test]
fn files_that_make_no_sense_are_refused_with_the_reason() {
    refused(b"amount,currency\n1,EUR\n", "no column names the objects");
    refused(b"charge_id,refund_id\na,b\n", "charge_id and refund_id");
    refused(b"id,reference,order_id\n", "reference and order_id");
    refused(b"\xFF\xFEi\0d\0", "UTF-16");
    refused(b"\"id\n", "a quote is opened");
    refused(b"id,\xFF\n", "not UTF-8");
    refused(b"i\0d\0,\0", "UTF-16");
    refused(b"id,a\x1bb\n", "control character");
    check("id,charge_permission_id\nS01,P01\n", &["\"id\":\"S01\"}"]);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_in_bounded_memory() {
    let long = "x".repeat(LINE_BYTES_MAX + 10);
    check(&format!("id,note\nS01,{long}\nS02,y\n"), &["2: the line is longer", "S02"]);
    check(&format!("{{\"id\":\"{long}\"}}\n{{\"id\":\"S02\"}}\n"), &["1: the line is longer", "S02"]);
    let many = "y\n".repeat(LINE_BYTES_MAX);
    let shown = read(format!("id,note\nS01,\"{many}").as_bytes(), None).unwrap();
    assert!(shown[0].starts_with("2: a quote is opened"), "{}", shown[0]);
    assert_eq!(shown.len(), LINE_BYTES_MAX);
}

#[test]
fn what_was_rejected_is_kept_as_it_stood() {
    let mut intake = Intake::start(&b"id\nS 1\r\n"[..], None, Reading::default()).unwrap();
    let bad = intake.next_item().unwrap().unwrap().unwrap_err();
    assert_eq!((bad.line, bad.text.as_str()), (2, "S 1"));
}

#[test]
fn the_rows_of_a_table_are_handed_on_with_bad_ones_in_their_place_until_nobody_wants_more() {
    let rows = |mut bytes: &'static [u8], reading, most: usize| {
        let mut rows = Vec::new();
        let read = table(&mut bytes, reading, &mut |row| {
            rows.push(row.map(|row| row.id.to_string()).map_err(|bad| (bad.line, bad.reason.unwrap())));
            rows.len() < most
        });
        read.map(|()| rows)
    };
    let plain = TableReading::default();
    let text = b"id,amount,currency\nS01,14.00,EUR\n,1,EUR\nS02,,\n";
    let all = rows(text, plain, 9).unwrap();
    assert_eq!((&all[0], all[1].as_ref().unwrap_err().0, &all[2]), (&Ok("S01".into()), 3, &Ok("S02".into())));
    assert_eq!(rows(text, plain, 2).unwrap(), all[..2]);
    assert!(rows(b"colour\nred\n", plain, 9).is_err());
    let odd = b"id,colour,amount,currency\nS01,red,\"1,234\",EUR\n";
    assert!(rows(odd, plain, 9).unwrap_err().contains("leave out with ignore_columns=true"));
    let lenient = TableReading { ignore_columns: true, ..plain };
    assert!(rows(odd, lenient, 9).unwrap()[0].as_ref().unwrap_err().1.contains("decimal=,"));
    let point = TableReading { decimal: Some(Decimal::Point), ..lenient };
    assert_eq!(rows(odd, point, 9).unwrap(), [Ok("S01".to_owned())]);
}

#[test]
fn unknown_columns_are_named_and_refused_unless_they_are_to_be_left_out() {
    let start = |header: &'static str, reading| {
        Intake::start(header.as_bytes(), None, reading)
            .map(|intake| intake.ignored_columns().to_vec())
            .map_err(|bad| bad.to_string())
    };
    let refused = start("id,Colour,amount,Size\n", STRICT).unwrap_err();
    assert!(refused.contains("columns Colour, Size are not known"), "{refused}");
    let refused = start("id,Colour\n", STRICT).unwrap_err();
    assert!(
        refused.contains("column Colour is not known; remove or rename, or leave out with --leave-out"),
        "{refused}"
    );
    assert_eq!(start("id,Colour,amount\n", LENIENT), Ok(vec!["Colour".to_owned()]));
    // Our own files have more columns than an enrolment needs, and so have exports with the ids of parents.
    for header in ["account,kind,id,state,Environment,due_at\n", "charge_id,charge_permission_id,,\n"] {
        assert_eq!(start(header, STRICT), Ok(Vec::new()), "{header}");
    }
    let misspelled = start("id,amuont\n", LENIENT).unwrap_err();
    assert!(misspelled.contains("did you mean amount"), "{misspelled}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, None);
        let _ = read(&bytes, Some(Format::Jsonl));
        let _ = read(&[b"id,amount,currency\n".as_slice(), &bytes].concat(), Some(Format::Csv));
    }

    #[test]
    fn cells_written_by_another_program_are_read_back(
        notes in proptest::collection::vec("[ -~\n\"]{0,12}", 1..8), which in 0usize..3
    ) {
        let delimiter = b",;\t"[which];
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        writer.write_record(["id", "note", "kind"]).unwrap();
        for (number, note) in notes.iter().enumerate() {
            writer.write_record([format!("S{number}").as_str(), note, "charge"]).unwrap();
        }
        let shown = read(&writer.into_inner().unwrap(), Some(Format::Csv)).unwrap();
        prop_assert_eq!(shown.len(), notes.len());
        for (number, shown) in shown.iter().enumerate() {
            let expected = format!("\"kind\":\"charge\",\"id\":\"S{number}\"}}");
            prop_assert!(shown.ends_with(&expected), "{}", shown);
        }
    }
}
