//! Answers, result documents and report files of Amazon Pay through MWS; rows of its batches.

use std::collections::BTreeMap;

use reconciled::apis::amazon_pay_mws::feeds::answer::{self as feed_answer, File};
use reconciled::apis::amazon_pay_mws::feeds::document::{Caps, build, read_back};
use reconciled::apis::amazon_pay_mws::feeds::input::{Format, read as read_input};
use reconciled::apis::amazon_pay_mws::feeds::request::BatchOperation;
use reconciled::apis::amazon_pay_mws::feeds::result::{self, Said};
use reconciled::apis::amazon_pay_mws::kind::ObjectKind;
use reconciled::apis::amazon_pay_mws::reports::{ReportType, answer as report_answer, rows};
use reconciled::apis::amazon_pay_mws::service_status;
use reconciled::apis::amazon_pay_mws::wire::{failure, read};
use reconciled::apis::decoding::decode;
use reconciled::http::Response;
use reconciled::payments::object::ObjectId;
use reconciled::payments::observation::{Failure, Observation};

use super::promises::{amounts_stand_in, choice, is_failure, is_shown, is_sight, lines, numbers, survives};

/// Words of the documents.
pub const WORDS: &[&str] = &[
    "<Amount>",
    "</Amount>",
    "<CurrencyCode>",
    "<State>",
    "<IdList>",
    "<member>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "&#49;",
    "&lt;",
    "&amp;",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<?xml version=\"1.0\"?>",
    "xmlns:p=\"",
    "/>",
    "</",
    "ErrorResponse",
    "<SellerRequestId>",
    "99999999999999999999",
    "-1",
    "0.001",
    "None",
    "true",
    "<HasNext>",
    "<NextToken>",
    "_DONE_",
    "ProcessingReport",
    "RequestThrottled",
];

/// Words of files.
pub const INPUT_WORDS: &[&str] = &[
    ",",
    "\"",
    "\"\"",
    "\r\n",
    "\n",
    "\u{feff}",
    "Amount",
    "CurrencyCode",
    "USD",
    "JPY",
    "1.00",
    "-0",
    "1e5",
    "1,000",
    "AmazonRefundId",
    "TransactionPostedDate",
    "2019-06-30T00:19:53 -0700",
    "{",
    "}",
    "\":\"",
    "\\u0000",
    "\0",
];

fn asked(kind: ObjectKind) -> ObjectId {
    let text = match kind {
        ObjectKind::Authorization => "S01-1234567-1234567-A012345",
        ObjectKind::Capture => "S01-1234567-1234567-C012345",
        ObjectKind::Refund => "S01-1234567-1234567-R012345",
        ObjectKind::OrderReference => "S01-1234567-1234567",
        ObjectKind::BillingAgreement => "C01-1234567-1234567",
    };
    ObjectId::new(text).expect("an id")
}

/// Whether texts may be composed of pieces, so that a number need not be contiguous.
fn is_plain(body: &[u8]) -> bool {
    let begins_at = if body.starts_with(b"<?xml") { 5 } else { 0 };
    !body.contains(&b'&') && !body[begins_at..].windows(2).any(|pair| pair == b"<!" || pair == b"<?")
}

/// No amount is read that is not in the document, whatever its encoding.
fn stands_in(seen: &Observation, body: &[u8]) {
    let text = decode(body, None).text;
    if is_plain(text.as_bytes()) {
        amounts_stand_in(seen, &numbers(text.as_bytes()), false);
    }
}

/// The answer about one object; the same bytes as an error with five statuses, and as the service status.
pub fn answer(data: &[u8]) {
    let Some((which, body)) = choice(data, 7) else { return };
    match which {
        5 => match service_status::read(body) {
            Ok(status) => {
                survives(&status);
                let _ = (status.health(), status.message("de_DE"));
            }
            Err(failure) => is_failure(&failure),
        },
        6 => {
            for status in [400, 401, 404, 500, 503] {
                let failure = failure(status, body, None, None);
                is_failure(&failure);
                let is_refusal = matches!(failure, Failure::Refused { .. } | Failure::Gone { .. });
                assert!(status < 500 || !is_refusal, "an outage says something about money: {failure}");
            }
        }
        _ => {
            let kind = ObjectKind::ALL[which];
            match read(kind, &asked(kind), body, Some("0a-1")) {
                Ok(seen) => {
                    assert_eq!(seen.id, asked(kind).as_str(), "the answer is about another object");
                    is_sight(&seen);
                    stands_in(&seen, body);
                }
                Err(failure) => is_failure(&failure),
            }
        }
    }
}

/// Lists of feeds and reports, the fate of a submission, and files.
pub fn list(data: &[u8]) {
    let Some((which, body)) = choice(data, 10) else { return };
    let status = if which < 5 { 200 } else { [400, 404, 500, 503][body.len() % 4] };
    let header: String = body.iter().take(40).map(|byte| char::from(*byte)).collect();
    let headers =
        vec![("retry-after".to_owned(), header.clone()), ("x-mws-quota-remaining".to_owned(), header)];
    let reply = Ok(Response { status, headers, body: body.to_vec() });
    let now = "2026-01-15T12:00:00Z".parse().expect("a moment");
    let failed = |failure: Failure| is_failure(&failure);
    match which % 5 {
        0 => {
            let said = feed_answer::submission(&reply, now);
            let is_taken = matches!(said, feed_answer::Submission::Accepted { .. });
            assert!(!is_taken || status == 200, "status {status} is an acceptance");
        }
        1 => match feed_answer::list("GetFeedSubmissionList", &reply, now) {
            Ok(list) => list.rows.iter().for_each(survives),
            Err(failure) => failed(failure),
        },
        2 => match report_answer::requests("GetReportRequestList", &reply, now) {
            Ok(page) => page.rows.iter().for_each(survives),
            Err(failure) => failed(failure),
        },
        3 => match report_answer::reports("GetReportList", &reply, now) {
            Ok(page) => page.rows.iter().for_each(survives),
            Err(failure) => failed(failure),
        },
        _ => match feed_answer::file(reply, now) {
            File::Whole { bytes, .. } => assert_eq!((bytes.as_slice(), status), (body, 200)),
            File::Failed(failure) => failed(failure),
            File::Never { code } => is_shown(&code),
            File::NotReady | File::Spoilt => {}
        },
    }
}

/// The result of a feed, in any layout.
pub fn feed_result(data: &[u8]) {
    match result::read(data) {
        Err(problem) => is_shown(&problem.to_string()),
        Ok(document) => {
            assert!(!document.is_rejection() || document.answers.is_empty(), "answers and a rejection");
            for answered in &document.answers {
                match &answered.said {
                    Said::Object(seen) => {
                        is_sight(seen);
                        stands_in(seen, data);
                    }
                    Said::Error { code: Some(code), .. } => is_shown(code),
                    Said::Error { code: None, .. } | Said::Done | Said::Unreadable => {}
                }
            }
        }
    }
}

/// An operator's rows: every problem has a line; accepted rows are written into documents and read back.
pub fn feed_input(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 14) else { return };
    let operation = BatchOperation::ALL[which % 7];
    let format = if which < 7 { Format::Csv } else { Format::JsonLines };
    match read_input(operation, format, bytes, true) {
        Err(problems) => {
            assert!(problems.count > 0, "refused without a problem");
            for problem in &problems.told {
                assert!((1..=lines(bytes)).contains(&problem.line), "{problem} of {} lines", lines(bytes));
                is_shown(&problem.to_string());
            }
        }
        Ok(rows) => {
            let known = numbers(bytes);
            for amount in rows.iter().filter_map(|row| row.request.amount) {
                assert!(
                    bytes.contains(&b'\\') || known.contains(&amount.amount),
                    "{amount} is not in the input"
                );
            }
            let caps = Caps { requests: 3, bytes: Caps::ADVISED.bytes };
            let feeds = build(operation, "A1", rows.iter().map(|row| &row.request), 7, caps);
            let mut read = BTreeMap::new();
            for feed in &feeds {
                let (of, requests) = read_back(&feed.bytes).expect("what was written can be read back");
                assert_eq!(of, operation);
                read.extend(requests);
            }
            let expected: BTreeMap<u64, _> = (7..).zip(rows.into_iter().map(|row| row.request)).collect();
            assert_eq!(read, expected, "reading back gives what was written");
        }
    }
}

/// Report files: every row that can be read is exact, and every other row has its line.
pub fn report_file(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 7) else { return };
    let content_type = [None, Some("text/plain; charset=ISO-8859-1"), Some("text/plain; charset=utf-16le")];
    let content_type = content_type[bytes.len() % 3];
    let kind = ReportType::ALL[which];
    let quarantined = if kind.is_settlement() {
        match rows::settlement(bytes, content_type) {
            Ok(read) => {
                survives(&read);
                let _ = read.rows.iter().filter(|row| row.adds_up()).count();
                read.quarantined
            }
            Err(problem) => return is_shown(&problem.to_string()),
        }
    } else {
        match rows::transactions(kind, bytes, content_type) {
            Ok(read) => {
                survives(&read);
                read.quarantined
            }
            Err(problem) => return is_shown(&problem.to_string()),
        }
    };
    for row in &quarantined {
        assert!(row.line > 0, "a row without a line");
        is_shown(&row.why);
    }
}
