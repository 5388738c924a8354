use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::answer::{reports, requests};
use super::file::{BadFile, table};
use super::rows::{settlement, transactions};
use super::*;
use crate::apis::amazon_pay_mws::sign::{SigningKey, Target, signature, string_to_sign};
use crate::apis::reporting::windows::{BadRange, Outcome, Phase, Pull, Step, about_to, next_step, took};
use crate::apis::reporting::{Fetched, Reading};
use crate::apis::reporting::{RequestRow, RequestStatus};
use crate::apis::transport::Response;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The skeleton of section 11.2, byte order mark and trailing commas included.
const SETTLEMENT: &str = "\u{feff}\"Amazon Payments Advanced\",\n\"Settlement Report\",\n\"SellerId\",\"A1EXAMPLESELLER\"\n\"SettlementStartDate\",\"2019-06-30T00:00:44 -0700\"\n\"SettlementEndDate\",\"2019-07-01T00:00:03 -0700\"\n\"TransactionPostedDate\",\"SettlementId\",\"AmazonTransactionId\",\"SellerReferenceId\",\"TransactionType\",\"AmazonOrderReferenceId\",\"SellerOrderId\",\"StoreName\",\"CurrencyCode\",\"TransactionDescription\",\"TransactionAmount\",\"TransactionPercentageFee\",\"TransactionFixedFee\",\"TotalTransactionFee\",\"NetTransactionAmount\",\n\"2019-06-30T00:19:53 -0700\",\"7000000001\",\"\",\"\",\"Reserve\",\"\",\"\",\"\",\"USD\",\"Previous Reserve Balance\",\"24.00\",\"0\",\"0\",\"0\",\"24.00\"\n\"2019-06-30T07:06:47 -0700\",\"7000000001\",\"\",\"\",\"Transfer\",\"\",\"\",\"\",\"USD\",\"payout text\",\"-25.54\",\"0\",\"0\",\"0\",\"-25.54\"\n\"2019-06-30T11:10:34 -0700\",\"7000000001\",\"P01-1234567-1234567-C000001\",\"cap-1\",\"Capture\",\"P01-1234567-1234567\",\"order-1\",\"\",\"USD\",\"\",\"10.00\",\"-0.29\",\"-0.30\",\"-0.59\",\"9.41\"\n";

const REFUNDS: &str = "\"AmazonRefundId\",\"RefundReferenceId\",\"AmazonCaptureId\",\"AmazonOrderReferenceId\",\"RefundAmount\",\"CurrencyCode\",\"SellerRefundNote\",\"RefundType\",\"RefundStatus\",\"LastUpdateTimestamp\",\"ReasonCode\",\"CreationTimestamp\"\r\n\"P01-1-R1\",\"ref-1\",\"P01-1-C1\",\"P01-1\",\"5.00\",\"USD\",\"a \"\"note\"\", long\",\"SellerInitiated\",\"Completed\",\"2018-09-18T00:00:03 -0700\",\"\",\"2018-09-17T23:00:03-0700\"\r\n\"P01-1-R1\",\"ref-1\",\"P01-1-C1\",\"P01-1\",\"5.00\",\"USD\",\"\",\"SellerInitiated\",\"Pending\",\"2018-09-18T06:00:03Z\",\"\",\"2018-09-17T23:00:03 -0700\"\r\n";

#[test]
fn the_settlement_of_the_sheet_is_read_to_the_cent() {
    for text in [SETTLEMENT.to_owned(), SETTLEMENT.replace('\n', "\r\n")] {
        let read = settlement(text.as_bytes(), None).unwrap();
        assert_eq!(read.seller_id.as_deref(), Some("A1EXAMPLESELLER"));
        assert_eq!(read.from, Some(at("2019-06-30T07:00:44Z")));
        assert!(read.quarantined.is_empty() && read.rows.iter().all(rows::SettlementRow::adds_up));
        let capture = &read.rows[2];
        assert_eq!((capture.line, capture.posted_at), (9, at("2019-06-30T18:10:34Z")));
        assert_eq!((capture.percentage_fee, capture.net), (Decimal::new(-29, 2), Decimal::new(941, 2)));
        assert_eq!(
            (read.rows[0].transaction_id.as_deref(), read.rows[0].transaction_type.as_str()),
            (None, "Reserve")
        );
    }
}

#[test]
fn a_bad_row_is_put_aside_with_its_line_and_the_others_go_on() {
    let text = SETTLEMENT
        .replace("\"-25.54\",\"0\"", "\"-25,54\",\"0\"")
        .replace("\"9.41\"\n", "\"9.41\"\n\"short\"\n");
    let read = settlement(text.as_bytes(), None).unwrap();
    assert_eq!(read.rows.len(), 2);
    let aside: Vec<(u64, &str)> =
        read.quarantined.iter().map(|row| (row.line, row.column.as_str())).collect();
    assert_eq!(aside, [(8, "TransactionAmount"), (10, "TransactionPostedDate")]);
    assert!(read.quarantined.iter().all(|row| !row.why.contains("25,54")));
    let unknown = SETTLEMENT.replace("\"Capture\"", "\"A to Z Guarantee Claim\"");
    assert_eq!(
        settlement(unknown.as_bytes(), None).unwrap().rows[2].transaction_type,
        "A to Z Guarantee Claim"
    );
    let lying = SETTLEMENT.replace("\"9.41\"", "\"9.42\"");
    assert!(!settlement(lying.as_bytes(), None).unwrap().rows[2].adds_up());
}

#[test]
fn columns_are_found_by_name_and_a_missing_one_is_an_error() {
    assert_eq!(
        settlement(SETTLEMENT.replace("SettlementId", "Settlement").as_bytes(), None),
        Err(BadFile::NoColumn("SettlementId"))
    );
    assert_eq!(settlement(REFUNDS.as_bytes(), None), Err(BadFile::NoHeader("TransactionPostedDate")));
    assert!(matches!(settlement(b"", None), Err(BadFile::NoHeader(_))));
    assert!(transactions(ReportType::Capture, REFUNDS.as_bytes(), None).is_err());
    assert!(transactions(ReportType::Settlement, SETTLEMENT.as_bytes(), None).is_err());
}

#[test]
fn refunds_come_with_every_state_and_every_spelling_of_a_date() {
    let read = transactions(ReportType::Refund, REFUNDS.as_bytes(), Some("text/plain")).unwrap();
    assert!(read.quarantined.is_empty(), "{:?}", read.quarantined);
    let states: Vec<(&str, Timestamp)> =
        read.rows.iter().map(|row| (row.state.as_str(), row.updated_at)).collect();
    assert_eq!(states, [("Completed", at("2018-09-18T07:00:03Z")), ("Pending", at("2018-09-18T06:00:03Z"))]);
    let first = &read.rows[0];
    assert_eq!(first.created_at, Some(at("2018-09-18T06:00:03Z")));
    assert_eq!((first.amount, first.reference_id.as_deref()), (Some(Decimal::new(500, 2)), Some("ref-1")));
    assert_eq!(first.related["amazoncaptureid"], "P01-1-C1");
    assert_eq!(first.refund_type.as_deref(), Some("SellerInitiated"));
    assert!(!format!("{read:?}").contains("note"), "the seller's free text is not read from the file");
}

#[test]
fn bytes_are_decoded_by_mark_then_by_charset_and_never_mended() {
    let first = |bytes: &[u8], content_type| {
        let found = table(&[b"AmazonX\n", bytes].concat(), content_type, &["AmazonX"]).unwrap();
        found.records[0].cells[0].clone()
    };
    let japanese = encoding_rs::SHIFT_JIS.encode("日本").0.into_owned();
    assert_eq!(first(&japanese, Some("text/plain; charset=\"windows-31j\"")), "日本");
    assert_eq!(first(b"Gr\xf6\xdfe", Some("text/plain;charset=windows-1252")), "Größe");
    assert_eq!(first(b"Gr\xf6\xdfe", None), "Gr\u{fffd}\u{fffd}e", "not guessed");
    let marked =
        table(b"\xef\xbb\xbfAmazonX\nx", Some("text/plain;charset=windows-1252"), &["AmazonX"]).unwrap();
    assert_eq!(marked.records[0].cells, ["x"]);
    assert_eq!(table(b"Gr\xf6\xdfe", None, &["AmazonX"]), Err(BadFile::Encoding("UTF-8")));
    let quoted = table(b"AmazonX,b\n\"a\nb\",\"c\"\"d\"\nq", None, &["AmazonX"]).unwrap();
    assert_eq!(quoted.records[0].cells, ["a\nb", "c\"d"]);
    assert_eq!((quoted.records[1].line, quoted.cell(&quoted.records[1], "b")), (4, None));
}

fn read_settlement(bytes: &[u8]) -> Result<Reading, String> {
    let file = Fetched { bytes: bytes.to_vec(), content_type: None };
    claims::read(ReportType::Settlement, "A1EXAMPLESELLER", &file)
}

/// The settlement of section 11.2, as other tools and code pages write it, says the same about its capture.
#[test]
fn a_file_is_read_wherever_the_needed_columns_are_plain() {
    let expected = read_settlement(SETTLEMENT.as_bytes()).unwrap();
    assert_eq!((expected.claims.len(), expected.used()), (1, 3));
    let with = |part: &str, bytes: &[u8]| {
        let (before, after) = SETTLEMENT.split_once(part).unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let plain = SETTLEMENT.trim_start_matches('\u{feff}');
    let wide = |mark: &[u8]| {
        mark.iter().copied().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>()
    };
    let japanese = encoding_rs::SHIFT_JIS.encode("テスト表ソ").0.into_owned();
    for (sort, bytes) in [
        ("a payout text in windows-1252", with("payout text", b"Caf\xe9 \x80")),
        ("a payout text in Shift_JIS", with("payout text", &japanese)),
        ("a text that is cut", with("payout text", b"\xe6\x97")),
        ("tabs", plain.replace("\",\"", "\"\t\"").replace("\",\n", "\"\t\n").into_bytes()),
        (
            "tabs without quotes",
            plain.replace("\",\"", "\t").replace('"', "").replace(",\n", "\n").into_bytes(),
        ),
        ("semicolons", plain.replace("\",\"", "\";\"").replace("\",\n", "\";\n").into_bytes()),
        ("carriage returns alone", plain.replace('\n', "\r").into_bytes()),
        ("UTF-16 with a mark", wide(b"\xff\xfe")),
        ("UTF-16 without a mark", wide(b"")),
    ] {
        assert_eq!(read_settlement(&bytes).as_ref().map(|read| &read.claims), Ok(&expected.claims), "{sort}");
        assert_eq!(read_settlement(&bytes).unwrap().rejected, [], "{sort}");
    }
    let (preamble, table) = plain.split_once("\"TransactionPostedDate\"").unwrap();
    let (header, rows) = table.split_once('\n').unwrap();
    let lower = format!(
        "{}\"transactionposteddate\"{}\n{rows}",
        preamble.to_lowercase().replace("a1examplese", "A1EXAMPLESE"),
        header.to_lowercase()
    );
    assert_eq!(
        read_settlement(lower.replace("ller\"\n", "LLER\"\n").as_bytes()).unwrap().claims,
        expected.claims
    );
    let capture =
        read_settlement(&with("P01-1234567-1234567-C000001", b"P01-1234567-1234567-C00000\xe9")).unwrap();
    assert_eq!(
        (capture.claims.len(), capture.rejected[0].line, capture.rejected[0].column.as_str()),
        (0, 9, "AmazonTransactionId")
    );
    let unnamed = read_settlement(&with("cap-1", b"caf\xe9")).unwrap();
    assert_eq!((unnamed.claims.len(), unnamed.claims[0].reference.as_deref()), (1, None));
    let refunds = REFUNDS
        .replace("\",\"", "\"\t\"")
        .replace("AmazonRefundId", "amazonrefundid")
        .replace("AmazonCaptureId", "AMAZONCAPTUREID");
    let file = Fetched { bytes: refunds.into_bytes(), content_type: None };
    let read = claims::read(ReportType::Refund, "A1EXAMPLESELLER", &file).unwrap();
    assert_eq!((read.claims.len(), read.claims[0].parent.as_deref()), (2, Some("P01-1-C1")));
}

#[test]
fn what_is_no_report_of_payments_says_what_it_is() {
    let refused = |text: &str| read_settlement(text.as_bytes()).unwrap_err();
    assert!(refused("<!DOCTYPE html><html>Sign in</html>").contains("web page"));
    assert!(refused("\n<HTML>").contains("web page"));
    let marketplace = "settlement-id\tsettlement-start-date\tcurrency\r\n19482314502\t14.03.2023\tEUR\r\n";
    assert!(refused(marketplace).contains("marketplace"));
    assert!(refused("a,b\nc,d\n").contains("no line that begins with the column TransactionPostedDate"));
}

#[test]
fn postings_are_known_in_every_spelling_and_others_are_counted() {
    let of = |word: &str| {
        read_settlement(SETTLEMENT.replace("\"Capture\"", &format!("\"{word}\"")).as_bytes()).unwrap()
    };
    for word in ["A to Z Guarantee Claim", "A-to-z Guarantee", "transfer", "Chargeback"] {
        assert_eq!((of(word).used(), of(word).unmatched, of(word).remarks.len()), (3, 0, 0), "{word}");
    }
    assert_eq!(of("capture").claims.len(), 1);
    let strange = of("Refund Retrocharge");
    assert_eq!((strange.used(), strange.unmatched, strange.remarks.len()), (2, 1, 1));
}

/// Vector E of section 14.
#[test]
fn the_published_signature_of_a_request_comes_out() {
    let ask = request(ReportType::Refund, at("2019-06-30T00:00:00Z"), at("2019-07-01T00:00:00Z"), None);
    let mut parameters = ask.parameters.clone();
    for (name, value) in [
        ("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"),
        ("Action", ask.action),
        ("SellerId", "A1EXAMPLESELLER"),
        ("SignatureMethod", "HmacSHA256"),
        ("SignatureVersion", "2"),
        ("Timestamp", "2019-07-01T12:00:00Z"),
        ("Version", ask.section.version()),
    ] {
        parameters.insert(name.to_owned(), value.to_owned());
    }
    let path = "/Reports/2009-01-01".to_owned();
    let target = Target { method: "POST", host: "mws.amazonservices.com".to_owned(), path };
    let key = SigningKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    assert_eq!(
        signature(&key, &string_to_sign(&target, &parameters)),
        "186HMQdAa8Rh9ZSt8EJ2F6Syi1Xbt7NI3R/kgw1oCGE="
    );
}

#[test]
fn types_know_where_they_exist_and_whether_they_can_be_asked_for() {
    for kind in ReportType::ALL {
        assert_eq!((ReportType::of(kind.name()), ReportType::of(kind.word())), (Some(kind), Some(kind)));
        assert_eq!(kind.exists_in(true), kind == ReportType::SandboxSettlement);
    }
    assert!(!ReportType::Settlement.can_be_requested());
}

#[test]
fn ranges_are_cut_into_days_of_at_most_thirty() {
    let now = at("2019-08-01T00:00:00Z");
    let pull = |from: &str, until: &str| Pull::of_days(ReportType::Capture.name(), at(from), at(until), now);
    let days = pull("2019-07-01T00:00:00Z", "2019-07-03T12:00:00Z").unwrap().windows;
    let bounds: Vec<(Timestamp, Timestamp)> = days.iter().map(|day| (day.from, day.until)).collect();
    assert_eq!(
        bounds,
        [
            (at("2019-07-01T00:00:00Z"), at("2019-07-02T00:00:00Z")),
            (at("2019-07-02T00:00:00Z"), at("2019-07-03T00:00:00Z")),
            (at("2019-07-03T00:00:00Z"), at("2019-07-03T12:00:00Z"))
        ]
    );
    assert_eq!(pull("2019-06-01T00:00:00Z", "2019-07-01T00:00:00Z").unwrap().windows.len(), 30);
    assert_eq!(pull("2019-06-01T00:00:00Z", "2019-07-01T00:00:01Z"), Err(BadRange::TooLong));
    assert_eq!(pull("2019-07-01T00:00:00Z", "2019-07-01T00:00:00Z"), Err(BadRange::Empty));
    assert_eq!(pull("2019-07-31T00:00:00Z", "2019-08-02T00:00:00Z"), Err(BadRange::NotOver));
    assert_eq!(pull("2019-05-01T00:00:00Z", "2019-05-02T00:00:00Z"), Err(BadRange::TooOld));
    let found = Pull::of_list(ReportType::Settlement.name(), at("2019-07-02T00:00:00Z"), now, now).unwrap();
    let list = Step::List { from: at("2019-07-02T00:00:00Z"), until: now };
    assert_eq!((found.windows.len(), next_step(&found, now)), (0, list));
}

fn row(id: &str, pull: &Pull, window: usize, status: RequestStatus) -> RequestRow {
    RequestRow {
        id: id.to_owned(),
        report_type: Some(pull.report_type.clone()),
        from: Some(pull.windows[window].from),
        until: Some(pull.windows[window].until),
        status,
        report_id: None,
    }
}

#[test]
fn a_cancelled_day_is_asked_for_once_more_and_an_empty_one_never_fetched() {
    let now = at("2019-08-01T00:00:00Z");
    let mut pull = Pull::of_days(
        ReportType::Capture.name(),
        at("2019-07-01T00:00:00Z"),
        at("2019-07-02T00:00:00Z"),
        now,
    )
    .unwrap();
    let mut at = now;
    for (id, expected) in [
        ("1", Phase::Owed),
        ("2", Phase::Failed { why: "cancelled by the provider twice".into(), report_id: None }),
    ] {
        assert_eq!(next_step(&pull, at), Step::Request { window: 0 });
        pull = about_to(pull, &Step::Request { window: 0 }, at);
        let requested = row(id, &pull, 0, RequestStatus::Submitted);
        pull = took(pull, Outcome::Requested { window: 0, row: requested }, at);
        at = at.checked_add(SignedDuration::from_secs(61)).unwrap();
        assert_eq!(next_step(&pull, at), Step::Look { request_ids: vec![id.to_owned()] });
        let cancelled = row(id, &pull, 0, RequestStatus::Cancelled);
        pull = took(pull, Outcome::Seen(vec![cancelled]), at);
        assert_eq!(pull.windows[0].phase, expected);
    }
    assert_eq!(next_step(&pull, at), Step::Nothing);
    pull.windows[0].phase = Phase::Requested { request_id: "3".to_owned(), next_at: at };
    let empty = row("3", &pull, 0, RequestStatus::DoneWithoutData);
    pull = took(pull, Outcome::Seen(vec![empty]), at);
    assert_eq!((pull.windows[0].phase.clone(), next_step(&pull, at)), (Phase::Empty, Step::Nothing));
}

#[test]
fn a_lost_request_is_searched_before_it_is_made_again() {
    let now = at("2019-08-01T00:00:00Z");
    let pull = Pull::of_days(
        ReportType::Capture.name(),
        at("2019-07-01T00:00:00Z"),
        at("2019-07-02T00:00:00Z"),
        now,
    )
    .unwrap();
    let lost = about_to(pull, &Step::Request { window: 0 }, now);
    let later = now.checked_add(SignedDuration::from_secs(60)).unwrap();
    assert_eq!(next_step(&lost, now), Step::WaitUntil(later));
    assert_eq!(next_step(&lost, later), Step::Search { from: at("2019-07-31T23:44:00Z") });
    let found = row("9", &lost, 0, RequestStatus::InProgress);
    let adopted = took(lost.clone(), Outcome::Searched(vec![found]), later);
    assert!(matches!(&adopted.windows[0].phase, Phase::Requested { request_id, .. } if request_id == "9"));
    let never_arrived = took(lost, Outcome::Searched(Vec::new()), later);
    assert_eq!(next_step(&never_arrived, later), Step::Request { window: 0 });
}

#[test]
fn lists_of_requests_and_reports_are_read() {
    let reply = |body: String| Ok(Response { status: 200, headers: Vec::new(), body: body.into_bytes() });
    let action = "GetReportRequestList";
    let body = format!(
        "<{action}Response xmlns=\"http://mws.amazonaws.com/doc/2009-01-01/\"><{action}Result><NextToken>t=</NextToken>\
         <HasNext>true</HasNext><ReportRequestInfo><ReportRequestId>5</ReportRequestId><ReportType>{}</ReportType>\
         <StartDate>2019-06-30T00:00:00+00:00</StartDate><EndDate>2019-07-01T00:00:00+00:00</EndDate>\
         <ReportProcessingStatus>_DONE_</ReportProcessingStatus><GeneratedReportId>77</GeneratedReportId>\
         </ReportRequestInfo></{action}Result></{action}Response>",
        ReportType::BillingAgreement.name()
    );
    let page = requests(action, &reply(body), at("2019-07-01T00:00:00Z")).unwrap();
    assert_eq!((page.next_token.as_deref(), page.rows[0].report_id.as_deref()), (Some("t="), Some("77")));
    assert_eq!(page.rows[0].report_type.as_deref(), Some(ReportType::BillingAgreement.name()));
    assert_eq!(page.rows[0].from, Some(at("2019-06-30T00:00:00Z")));
    let body = "<GetReportListResponse><GetReportListResult><HasNext>false</HasNext><ReportInfo><ReportId>7</ReportId>\
                <AvailableDate>2019-07-01T00:00:00+00:00</AvailableDate></ReportInfo></GetReportListResult>\
                </GetReportListResponse>";
    let page = reports("GetReportList", &reply(body.to_owned()), at("2019-07-01T00:00:00Z")).unwrap();
    assert_eq!((page.rows[0].id.as_str(), page.next_token), ("7", None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(settlement(&bytes, None).is_err());
        for kind in ReportType::ALL {
            let _ = transactions(kind, &bytes, Some("text/plain;charset=windows-31j"));
        }
        let reply = Ok(Response { status: 200, headers: Vec::new(), body: bytes });
        let now = at("2019-07-01T00:00:00Z");
        prop_assert!(requests("GetReportRequestList", &reply, now).is_err());
        prop_assert!(reports("GetReportList", &reply, now).is_err());
    }

    #[test]
    fn any_cut_of_a_file_is_read_or_refused(cut in 0..SETTLEMENT.len(), spoil in any::<u8>()) {
        let mut bytes = SETTLEMENT.as_bytes().to_vec();
        bytes[cut] = spoil;
        if let Ok(read) = settlement(&bytes, None) {
            prop_assert!(read.rows.len() + read.quarantined.len() <= 4);
        }
        let _ = settlement(&bytes[..cut], None);
    }
}
