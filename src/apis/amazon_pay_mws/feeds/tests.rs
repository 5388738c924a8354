use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::answer::{File, Submission, file, list, submission};
use super::document::{Caps, build, read_back};
use super::input::{Format, read};
use super::request::{BatchOperation, BatchRequest, Field};
use super::*;
use crate::apis::amazon_pay_mws::sign::{SigningKey, Target, signature, string_to_sign};
use crate::apis::transport::{Response, TransportError};
use crate::payments::money::Money;
use crate::payments::object::ObjectId;

/// The published body of section 14, 530 bytes.
const PUBLISHED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Batch><Product>Amazon Payments</Product><Connection><Version>2013-01-01</Version></Connection><Requests><Request><SellerRequestId>1</SellerRequestId><RequestData><![CDATA[<CaptureRequest><SellerId>A1EXAMPLESELLER</SellerId><AmazonAuthorizationId>S01-1234567-1234567-A000001</AmazonAuthorizationId><CaptureReferenceId>cap-1</CaptureReferenceId><CaptureAmount><Amount>10.00</Amount><CurrencyCode>USD</CurrencyCode></CaptureAmount></CaptureRequest>]]></RequestData></Request></Requests></Batch>";

fn now() -> Timestamp {
    "2019-07-01T12:00:00Z".parse().unwrap()
}

pub(super) fn published_request() -> BatchRequest {
    BatchRequest {
        id: ObjectId::new("S01-1234567-1234567-A000001").unwrap(),
        reference_id: Some("cap-1".to_owned()),
        amount: Some(Money::parse("10.00", "USD").unwrap()),
        text: None,
        soft_descriptor: None,
    }
}

#[test]
fn the_published_document_and_its_sum_come_out() {
    let requests = [published_request()];
    let feeds = build(BatchOperation::Capture, "A1EXAMPLESELLER", &requests, 1, Caps::ADVISED);
    assert_eq!(std::str::from_utf8(&feeds[0].bytes).unwrap(), PUBLISHED);
    assert_eq!((feeds[0].bytes.len(), feeds[0].md5.as_str()), (530, "0U+pGrA0E/xf0GQKvKLd5g=="));
    assert_eq!(
        read_back(&feeds[0].bytes).unwrap(),
        (BatchOperation::Capture, vec![(1, published_request())])
    );
}

/// The vectors A, D and F of section 14.
#[test]
fn the_published_signatures_come_out() {
    let submitted = submit(PUBLISHED.as_bytes().to_vec().into(), "A3BXB0YN3XH17H");
    let look = list_by_ids(&["1234567890"]).unwrap();
    for (ask, leave_out, expected) in [
        (&submitted, "", "f0kFahn69apeaJ3cQ+jYMtnPeSQ+R1I4Fs1ogOURVqw="),
        // The vector has no MaxCount.
        (&look, "MaxCount", "GWEPRU9DpDn5ZI8XLyXq5Md1pEmSKoodcJaHvpCz7MM="),
        (&cancel("1234567890"), "", "cLSVtHPLckE4+rEH5Asif0eVZZUkc+MwR57p3wGYtcw="),
    ] {
        let mut parameters = ask.parameters.clone();
        parameters.remove(leave_out);
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
        let path = "/Feeds/2009-01-01".to_owned();
        let target = Target { method: "POST", host: "mws.amazonservices.com".to_owned(), path };
        let key = SigningKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert_eq!(signature(&key, &string_to_sign(&target, &parameters)), expected, "{}", ask.action);
    }
    assert!(super::list_by_ids(&[]).is_none(), "without an id everything would be matched");
}

fn problems(operation: BatchOperation, format: Format, text: &str) -> Vec<(u64, String)> {
    let problems = read(operation, format, text.as_bytes(), true).unwrap_err();
    assert_eq!(problems.count, problems.told.len() as u64);
    problems.told.into_iter().map(|problem| (problem.line, problem.field)).collect()
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let csv = "\u{feff}CaptureReferenceId,AmazonAuthorizationId,Amount,CurrencyCode,SellerCaptureNote\r\n\
               cap-1,S01-1234567-1234567-A000001,10.00,USD,\r\n\
               cap-2,S01-1234567-1234567-A000002,7,USD,\"two, \"\"lines\"\"\nlong\"\r\n";
    let json = "{\"CaptureReferenceId\":\"cap-1\",\"AmazonAuthorizationId\":\"S01-1234567-1234567-A000001\",\
                \"Amount\":\"10.00\",\"CurrencyCode\":\"USD\"}\n\n{\"CaptureReferenceId\":\"cap-2\",\
                \"AmazonAuthorizationId\":\"S01-1234567-1234567-A000002\",\"CaptureAmount.Amount\":\"7\",\
                \"CaptureAmount.CurrencyCode\":\"USD\",\"SellerCaptureNote\":\"two, \\\"lines\\\"\\nlong\"}";
    let from_csv = read(BatchOperation::Capture, Format::Csv, csv.as_bytes(), true).unwrap();
    let from_json = read(BatchOperation::Capture, Format::JsonLines, json.as_bytes(), true).unwrap();
    let requests = |rows: &[input::Row]| rows.iter().map(|row| row.request.clone()).collect::<Vec<_>>();
    assert_eq!(requests(&from_csv), requests(&from_json));
    assert_eq!(from_csv[0].request, published_request());
    assert_eq!((from_csv[1].line, from_json[1].line), (3, 3));
    assert_eq!(from_csv[1].request.text.as_deref(), Some("two, \"lines\"\nlong"));
}

#[test]
fn what_spreadsheets_write_is_the_same_batch() {
    let rows = |text: &str| read(BatchOperation::Capture, Format::Csv, text.as_bytes(), true).unwrap();
    let header = "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode,SellerCaptureNote";
    let row = "S01-1234567-1234567-A000001,cap-1,10.00,USD";
    let plain = rows(&format!("{header}\n{row},\n"));
    for other in [
        format!("{header}\r{row},\r"),
        format!("{header}\r\n{row}\r\n,,,,\r\n"),
        format!("{header}\n{row},,,\n"),
        format!("sep=;\r\n{header}\r\n{row};\r\n").replace(',', ";"),
        format!("{header}\n{}\n", row.to_ascii_lowercase().replace("usd", "USD")),
    ] {
        assert_eq!(rows(&other)[0].request, plain[0].request, "{other:?}");
        assert_eq!(rows(&other).len(), 1);
    }
    let json = "{\"AmazonRefundId\":\"S01-1234567-1234567-R000001\"}\r{\"AmazonRefundId\":\"S01-1234567-1234567-R000002\"}\r";
    assert_eq!(
        read(BatchOperation::GetRefundDetails, Format::JsonLines, json.as_bytes(), true).unwrap().len(),
        2
    );
}

#[test]
fn every_problem_is_told_with_its_line() {
    let csv = "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode\n\
               S01-1234567-1234567-A000001,cap-1,10.00,USD\n\
               P01-1234567-1234567-A000002,cap 2,10,00\n\
               S01-1234567-1234567-C000003,cap-1,0,USD\n\
               S01-1234567-1234567-A000001,cap-4,1.005,USD,extra\n\
               ,cap-5,150000.01,USD\n\
               S01-1234567-1234567-A000001,cap-6,5,XXX\n";
    let told = problems(BatchOperation::Capture, Format::Csv, csv);
    let expected = [
        (3, "AmazonAuthorizationId"),
        (3, "CaptureReferenceId"),
        (3, "CurrencyCode"),
        (4, "AmazonAuthorizationId"),
        (4, "CaptureReferenceId"),
        (4, "Amount"),
        (5, ""),
        (6, "AmazonAuthorizationId"),
        (6, "Amount"),
        (7, "AmazonAuthorizationId"),
        (7, "CurrencyCode"),
    ];
    let expected: Vec<(u64, String)> =
        expected.iter().map(|(line, field)| (*line, (*field).to_owned())).collect();
    assert_eq!(told, expected);

    let json = "{\"AmazonRefundId\":\"S01-1234567-1234567-R000001\"}\n{\"AmazonRefundId\":5}\nnonsense\n\
                {\"Other\":\"x\"}\n{\"AmazonRefundId\":\"S01-1234567-1234567-R000001\"}\n";
    let told = problems(BatchOperation::GetRefundDetails, Format::JsonLines, json);
    let lines: Vec<u64> = told.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 4, 4, 5], "{told:?}");
    assert_eq!(problems(BatchOperation::Capture, Format::Csv, ""), [(1, String::new())]);
    assert_eq!(problems(BatchOperation::Capture, Format::Csv, "Amount,Amount,Sum\n1,1,1\n").len(), 2);
    let slip = "AmazonRefundID,\n".to_owned() + "S01-1234567-1234567-R000001\n";
    let told = read(BatchOperation::GetRefundDetails, Format::Csv, slip.as_bytes(), true).unwrap_err();
    assert!(told.told[0].what.starts_with("is not a column"), "{told:?}");
    let slip = "AmazonRefundIs\nS01-1234567-1234567-R000001\n";
    let told = read(BatchOperation::GetRefundDetails, Format::Csv, slip.as_bytes(), true).unwrap_err();
    assert!(told.told[0].what.contains("; is it AmazonRefundId?"), "{told:?}");
    assert_eq!(problems(BatchOperation::GetRefundDetails, Format::Csv, "AmazonRefundId\n..\n").len(), 1);
    let utf16: Vec<u8> = "AmazonRefundId\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = read(BatchOperation::GetRefundDetails, Format::Csv, &utf16[..], true).unwrap_err();
    assert!(told.told[0].what.contains("iconv -f UTF-16LE"), "{told:?}");
    let latin = b"AmazonRefundId\n\xe4\n";
    let told = read(BatchOperation::GetRefundDetails, Format::Csv, &latin[..], true).unwrap_err();
    assert!(told.told[0].what.contains("UTF-8") && told.told[0].line == 2, "{told:?}");
}

#[test]
fn large_inputs_are_split_at_both_caps_without_losing_a_number() {
    let requests: Vec<BatchRequest> = (0..25)
        .map(|number| BatchRequest { reference_id: Some(format!("cap-{number}")), ..published_request() })
        .collect();
    for caps in [Caps { requests: 10, bytes: 1_000_000 }, Caps { requests: 1000, bytes: 3_500 }] {
        let feeds = build(BatchOperation::Capture, "A1", &requests, 90, caps);
        let mut next = 90;
        let mut all = Vec::new();
        for feed in &feeds {
            assert!(feed.bytes.len() <= caps.bytes && feed.count <= caps.requests);
            assert_eq!(feed.first_request_id, next);
            next = feed.next_request_id();
            all.extend(read_back(&feed.bytes).unwrap().1);
        }
        assert!(feeds.len() >= 3 && next == 115);
        assert!(all.iter().map(|(_, request)| request).eq(&requests));
    }
}

fn response(status: u16, body: &str) -> answer::Reply {
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

pub(super) fn error(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"http://mws.amazonaws.com/doc/2009-01-01/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error><RequestID>1</RequestID></ErrorResponse>"
    )
}

#[test]
fn only_a_plain_refusal_counts_as_not_taken() {
    let accepted = "<?xml version=\"1.0\"?>\n<SubmitFeedResponse xmlns=\"http://mws.amazonaws.com/doc/2009-01-01/\"><SubmitFeedResult><FeedSubmissionInfo><FeedSubmissionId>1234567890</FeedSubmissionId><FeedType>_POST_TRANSACTION_PAYMENTS_BATCH_DATA_</FeedType><SubmittedDate>2019-07-01T12:00:01+00:00</SubmittedDate><FeedProcessingStatus>_SUBMITTED_</FeedProcessingStatus></FeedSubmissionInfo></SubmitFeedResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></SubmitFeedResponse>";
    let check = |reply: answer::Reply, expected: &str| {
        let word = match submission(&reply, now()) {
            Submission::Accepted { feed_id } => format!("accepted {feed_id}"),
            Submission::NotNow { .. } => "not now".to_owned(),
            Submission::AccountRefused { .. } => "account refused".to_owned(),
            Submission::Refused { .. } => "refused".to_owned(),
            Submission::Lost { .. } => "lost".to_owned(),
        };
        assert_eq!(word, expected, "{reply:?}");
    };
    check(response(200, accepted), "accepted 1234567890");
    check(response(200, &accepted[..200]), "lost");
    check(response(200, ""), "lost");
    check(response(503, &error("RequestThrottled")), "not now");
    check(response(503, &error("QuotaExceeded")), "not now");
    check(response(400, &error("ContentMD5DoesNotMatch")), "not now");
    check(response(400, &error("InvalidFeedType")), "refused");
    // The next submission is accepted once the credentials are fixed.
    check(response(403, &error("SignatureDoesNotMatch")), "account refused");
    check(response(401, &error("AccessDenied")), "account refused");
    check(response(403, &error("InvalidAccessKeyId")), "account refused");
    // A page from a proxy or gateway says nothing about what reached the provider.
    for status in [400, 401, 403, 404, 407, 413] {
        check(response(status, "<html>blocked</html>"), "lost");
    }
    check(response(500, &error("InternalError")), "lost");
    check(response(503, "busy"), "lost");
    check(response(504, ""), "lost");
    check(Err(TransportError::Timeout), "lost");
    check(Err(TransportError::Broken("x".into())), "lost");
    check(Err(TransportError::Connect("x".into())), "not now");
}

#[test]
fn lists_are_read_in_both_namespaces_with_the_token_on_either_side() {
    let row = |id: u32, status: &str| {
        format!(
            "<FeedSubmissionInfo><FeedProcessingStatus>{status}</FeedProcessingStatus><FeedType>{FEED_TYPE}</FeedType>\
             <FeedSubmissionId>{id}</FeedSubmissionId></FeedSubmissionInfo>"
        )
    };
    let action = "GetFeedSubmissionList";
    for space in ["http://mws.amazonaws.com/doc/2009-01-01/", "http://mws.amazonservices.com/doc/2009-01-01/"]
    {
        let page = |inside: &str| {
            let body = format!(
                "<{action}Response xmlns=\"{space}\"><{action}Result>{inside}</{action}Result></{action}Response>"
            );
            list(action, &response(200, &body), now())
        };
        let token = "<NextToken>a+/=</NextToken><HasNext>true</HasNext>";
        let (first, last) =
            (page(&format!("{token}{}", row(1, "_DONE_"))), page(&format!("{}{token}", row(2, "_NEW_"))));
        let (first, last) = (first.unwrap(), last.unwrap());
        assert_eq!(first.next_token.as_deref(), Some("a+/="));
        assert_eq!(first.rows[0].status, answer::FeedStatus::Done);
        assert_eq!(last.rows[0].status, answer::FeedStatus::Unknown("_NEW_".to_owned()));
        let empty = page("<HasNext>false</HasNext>").unwrap();
        assert_eq!(empty, answer::FeedList::default());
        assert!(page("<HasNext>true</HasNext>").is_err(), "rows would be missed");
    }
}

#[test]
fn files_are_whole_not_ready_spoilt_or_never() {
    let with_sum = |sum: &str| {
        let headers = vec![("content-md5".to_owned(), sum.to_owned())];
        Ok(Response { status: 200, headers, body: Vec::new() })
    };
    assert!(matches!(file(with_sum("1B2M2Y8AsgTpgAmY7PhCfg=="), now()), File::Whole { .. }));
    assert_eq!(file(with_sum("0U+pGrA0E/xf0GQKvKLd5g=="), now()), File::Spoilt);
    assert!(
        matches!(file(response(200, "x"), now()), File::Whole { .. }),
        "without a checksum it is accepted"
    );
    assert_eq!(file(response(404, &error("FeedProcessingResultNotReady")), now()), File::NotReady);
    let never = File::Never { code: "FeedCanceled".to_owned() };
    assert_eq!(file(response(400, &error("FeedCanceled")), now()), never);
    assert!(matches!(file(response(500, ""), now()), File::Failed(_)));
}

fn note() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[ -~äß日\n\r\t]{1,40}|\\]\\]>|&amp;|<!\\[CDATA\\[x")
}

fn request_of(operation: BatchOperation) -> impl Strategy<Value = BatchRequest> {
    let has = |wanted: fn(&Field) -> bool| operation.fields().iter().any(wanted);
    let has_text = has(|field| matches!(field, Field::Text(..)));
    let has_descriptor = has(|field| matches!(field, Field::Descriptor(..)));
    let has_reference = operation.has_reference();
    ("[A-Za-z0-9._~-]{1,64}", "[A-Za-z0-9_-]{1,32}", 1..15_000_000_i64, any::<bool>(), note(), note())
        .prop_map(move |(id, reference, minor, is_yen, text, descriptor)| {
            let (amount, currency) = if is_yen {
                (minor.to_string(), "JPY")
            } else {
                (format!("{}.{:02}", minor / 100, minor % 100), "EUR")
            };
            BatchRequest {
                id: ObjectId::new(id).unwrap(),
                reference_id: has_reference.then_some(reference),
                amount: has_reference.then(|| Money::parse(&amount, currency).unwrap()),
                text: text.filter(|_| has_text),
                soft_descriptor: descriptor.filter(|text| has_descriptor && text.chars().count() <= 16),
            }
        })
}

fn table() -> impl Strategy<Value = (BatchOperation, Vec<BatchRequest>)> {
    proptest::sample::select(BatchOperation::ALL.to_vec())
        .prop_flat_map(|operation| (Just(operation), proptest::collection::vec(request_of(operation), 1..12)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_table_survives_the_feed_round_trip((operation, requests) in table(), most in 1..5_usize, first in 0..u64::MAX / 2) {
        let caps = Caps { requests: most, bytes: 4_000 };
        let mut back = Vec::new();
        for feed in build(operation, "A1EXAMPLESELLER", &requests, first, caps) {
            let (of, read) = read_back(&feed.bytes).unwrap();
            prop_assert_eq!(of, operation);
            prop_assert_eq!(read.len(), feed.count);
            back.extend(read);
        }
        prop_assert!(back.iter().map(|(_, request)| request).eq(&requests));
        prop_assert!(back.iter().zip(first..).all(|((id, _), expected)| *id == expected));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_back(&bytes);
        let _ = result::read(&bytes);
        let _ = read(BatchOperation::Capture, Format::Csv, bytes.as_slice(), true);
        let _ = read(BatchOperation::Refund, Format::JsonLines, bytes.as_slice(), true);
        let reply = Ok(Response { status: 200, headers: Vec::new(), body: bytes.clone() });
        prop_assert!(list("GetFeedSubmissionList", &reply, now()).is_err());
        let is_lost = matches!(submission(&reply, now()), Submission::Lost { .. });
        prop_assert!(is_lost);
    }

    #[test]
    fn no_sequence_of_outcomes_breaks_the_steps(choices in proptest::collection::vec((0..18_u8, 0..4_000_i64), 0..60)) {
        use super::steps::{Ending, Outcome, Phase, State, Step, about_to, next_step, took};
        let mut may_have_arrived = false;
        let mut at = now();
        let mut state = State::new(at);
        let row = |status| answer::FeedRow { id: "1".into(), feed_type: None, status, submitted_at: None };
        for (choice, wait_s) in choices {
            at = at.checked_add(SignedDuration::from_secs(wait_s)).unwrap();
            let step = next_step(&state, at);
            let sendings = state.sendings;
            state = about_to(state, &step, at);
            prop_assert_eq!(state.sendings, sendings + u32::from(step == Step::Submit));
            let outcome = match choice {
                0 => Outcome::Submitted(Submission::Accepted { feed_id: "1".into() }),
                1 => Outcome::Submitted(Submission::NotNow { retry_after: None, detail: "x".into() }),
                2 => Outcome::Submitted(Submission::Lost { detail: "x".into() }),
                3 => Outcome::Listed(vec![]),
                4 => Outcome::Listed(vec![row(answer::FeedStatus::Submitted)]),
                5 => Outcome::Seen(vec![row(answer::FeedStatus::Done)]),
                6 => Outcome::Seen(vec![row(answer::FeedStatus::Cancelled)]),
                7 => Outcome::CancelAnswered(vec![row(answer::FeedStatus::InProgress)]),
                8 => Outcome::NotReady,
                9 => Outcome::Spoilt,
                10 => Outcome::Failed { retry_after_s: Some(5) },
                11 => Outcome::CancelWanted,
                12 => Outcome::Collected { answers: 0, is_rejection: false },
                13 => Outcome::Submitted(Submission::Refused { detail: "x".into() }),
                14 => Outcome::Submitted(Submission::AccountRefused { detail: "x".into() }),
                15 => Outcome::AccountRefused { detail: "x".into() },
                16 => Outcome::MayBeSentAgain,
                _ => Outcome::Collected { answers: 1, is_rejection: false },
            };
            let is_surely_not_taken = matches!(
                outcome,
                Outcome::Submitted(
                    Submission::NotNow { .. } | Submission::Refused { .. } | Submission::AccountRefused { .. }
                )
            );
            let was_sending = matches!(state.phase, Phase::Sending { .. });
            state = took(state, outcome, at);
            // Whatever was sent and not plainly refused may have arrived.
            let is_sending = matches!(state.phase, Phase::Sending { .. });
            may_have_arrived |= was_sending && !is_sending && !is_surely_not_taken;
            let stored: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            prop_assert_eq!(&stored, &state);
            if let Phase::Finished { ending: Ending::NeverSent | Ending::NotTaken { .. }, .. } = &state.phase {
                prop_assert!(!may_have_arrived, "it says that nothing was carried out");
            }
            if let Step::WaitUntil(until) = next_step(&state, at) {
                prop_assert!(until > at);
            }
        }
    }
}
