//! The counters through signed requests: what is let in, taken, cancelled, handed out.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::super::desk::{Answer, Desk, SELLER};
use super::super::form::{Parameters, encode};
use super::super::timeline::later;
use super::super::{MwsBatchHabits, MwsHabits, front_door};
use crate::exchange::Incoming;
use crate::plan::{Content, Window};
use crate::provider::{Provider as _, Quota};

const BATCHES: &str = "_POST_TRANSACTION_PAYMENTS_BATCH_DATA_";
const US_LIVE: &str = "AGWSWK15IEJJ7";

/// A signed request to a counter; a document goes as the whole body.
fn request(desk: &Desk, path: &str, pairs: &[(&str, &str)], document: Option<&str>) -> Incoming {
    let timestamp = desk.now.round(jiff::Unit::Second).expect("a rounded time").to_string();
    let mut parameters: Parameters =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in [
        ("AWSAccessKeyId", "AKIAEXAMPLEKEY000001"),
        ("SellerId", SELLER),
        ("SignatureMethod", "HmacSHA256"),
        ("SignatureVersion", "2"),
        ("Timestamp", timestamp.as_str()),
        ("Version", "2009-01-01"),
    ] {
        parameters.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let content_type = if document.is_some() { "text/xml" } else { "application/x-www-form-urlencoded" };
    let mut incoming = Incoming {
        method: "POST".into(),
        host: "127.0.0.1:8443".into(),
        path: path.into(),
        query: String::new(),
        headers: vec![
            ("content-type".into(), content_type.into()),
            ("user-agent".into(), "shop/1.0 (Language=Rust)".into()),
        ],
        body: Vec::new(),
        at: desk.now,
    };
    let key =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"exampleSecretKey/With+Chars=0123456789AB");
    let lines = front_door::string_to_sign(&incoming, &parameters);
    let signature = STANDARD.encode(aws_lc_rs::hmac::sign(&key, lines.as_bytes()));
    let mut pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.push(format!("Signature={}", encode(&signature)));
    match document {
        Some(document) => {
            incoming.query = pairs.join("&");
            incoming.body = document.as_bytes().to_vec();
        }
        None => incoming.body = pairs.join("&").into_bytes(),
    }
    incoming
}

fn ask(desk: &mut Desk, action: &str, pairs: &[(&str, &str)]) -> Answer {
    let path = if action.contains("Report") { "/Reports/2009-01-01" } else { "/Feeds/2009-01-01" };
    let mut all = vec![("Action", action)];
    all.extend_from_slice(pairs);
    let incoming = request(desk, path, &all, None);
    desk.send(&incoming)
}

fn document(requests: &[(u32, &str)]) -> String {
    let requests: Vec<String> = requests
        .iter()
        .map(|(id, payload)| {
            format!(
                "<Request><SellerRequestId>{id}</SellerRequestId><RequestData><![CDATA[{payload}]]></RequestData>\
                 </Request>"
            )
        })
        .collect();
    format!(
        "<Batch><Product>Amazon Payments</Product><Connection><Version>2013-01-01</Version></Connection><Requests>{}\
         </Requests></Batch>",
        requests.join("")
    )
}

fn refund_of(capture_id: &str, reference: &str) -> String {
    format!(
        "<RefundRequest><SellerId>{SELLER}</SellerId><AmazonCaptureId>{capture_id}</AmazonCaptureId>\
         <RefundReferenceId>{reference}</RefundReferenceId><RefundAmount><Amount>1.00</Amount><CurrencyCode>USD\
         </CurrencyCode></RefundAmount></RefundRequest>"
    )
}

fn submit_with(desk: &mut Desk, document: &str, changed: &[(&str, &str)]) -> Answer {
    let sum = STANDARD.encode(Md5::digest(document));
    let mut pairs = vec![
        ("Action", "SubmitFeed"),
        ("FeedType", BATCHES),
        ("MarketplaceIdList.Id.1", US_LIVE),
        ("ContentMD5Value", sum.as_str()),
    ];
    pairs.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    pairs.extend(changed.iter().filter(|(_, value)| !value.is_empty()));
    let incoming = request(desk, "/Feeds/2009-01-01", &pairs, Some(document));
    desk.send(&incoming)
}

fn submit(desk: &mut Desk, document: &str) -> String {
    let answer = submit_with(desk, document, &[]);
    assert_eq!(answer.status(), 200, "{}", answer.text);
    answer.get("FeedSubmissionId").to_owned()
}

#[test]
fn a_batch_is_done_before_it_is_carried_out() {
    let mut desk = Desk::new(false);
    let capture = desk.plant("capture", &[(0, "Completed", None)]);
    let good = refund_of(&capture, "r-1");
    let unknown = refund_of("P01-0000000-0000000-C000000", "r-2");
    let id = submit(&mut desk, &document(&[(8, &good), (9, &unknown)]));
    let status = |desk: &mut Desk| {
        let answer = ask(desk, "GetFeedSubmissionList", &[("FeedSubmissionIdList.Id.1", &id)]);
        assert_eq!(answer.outgoing.header("x-mws-quota-max"), Some("80.0"));
        answer.get("FeedProcessingStatus").to_owned()
    };
    let result = |desk: &mut Desk| ask(desk, "GetFeedSubmissionResult", &[("FeedSubmissionId", &id)]);
    assert_eq!(status(&mut desk), "_SUBMITTED_");
    desk.wait_minutes(1);
    assert_eq!(status(&mut desk), "_IN_PROGRESS_");
    desk.wait_minutes(2);
    assert_eq!(status(&mut desk), "_DONE_");
    let not_ready = result(&mut desk);
    assert_eq!((not_ready.status(), not_ready.get("Code")), (404, "FeedProcessingResultNotReady"));
    let refunds =
        |desk: &Desk| desk.provider.truths(desk.now).iter().filter(|truth| truth.kind == "refund").count();
    assert_eq!(refunds(&desk), 0, "taken in is not carried out");
    desk.wait_minutes(10);
    let ready = result(&mut desk);
    assert_eq!(ready.status(), 200);
    assert_eq!(
        ready.outgoing.header("content-md5"),
        Some(STANDARD.encode(Md5::digest(&ready.text)).as_str())
    );
    assert!(ready.text.contains("<RefundReferenceId>r-1</RefundReferenceId>"), "{}", ready.text);
    assert!(ready.text.contains("<Code>InvalidTransactionId</Code>"), "{}", ready.text);
    assert_eq!(refunds(&desk), 1);
    assert_eq!(result(&mut desk).text, ready.text, "whenever it is fetched");
}

#[test]
fn a_completed_batch_is_announced_with_the_id_of_its_report() {
    let mut desk = Desk::new(false);
    let capture = desk.plant("capture", &[(0, "Completed", None)]);
    let submitted = desk.now;
    let id = submit(&mut desk, &document(&[(8, &refund_of(&capture, "r-1"))]));
    let cancelled = submit(&mut desk, &document(&[(9, &refund_of(&capture, "r-2"))]));
    let cancel = ask(&mut desk, "CancelFeedSubmissions", &[("FeedSubmissionIdList.Id.1", &cancelled)]);
    assert_eq!(cancel.status(), 200);
    let announced = |desk: &Desk, until| {
        let window = Window { after: submitted, until };
        let all = desk.provider.announcements(SELLER, window).into_iter();
        all.filter(|one| one.state == "Completed").map(|one| (one.at, one.id)).collect::<Vec<_>>()
    };
    let due = later(submitted, Duration::from_secs(13 * 60));
    let before = later(submitted, Duration::from_secs(13 * 60 - 1));
    assert_eq!(announced(&desk, before), []);
    let report_id = format!("9{id}");
    assert_eq!(announced(&desk, due), [(due, report_id.clone())], "the cancelled one is not announced");
    desk.wait_minutes(13);
    desk.provider.advance(desk.now);
    assert_eq!(announced(&desk, desk.now), [(due, report_id.clone())]);
    let report = ask(&mut desk, "GetReport", &[("ReportId", &report_id)]);
    let result = ask(&mut desk, "GetFeedSubmissionResult", &[("FeedSubmissionId", &id)]);
    assert_eq!((report.status(), &report.text), (200, &result.text));
    let window = Window { after: submitted, until: desk.now };
    let all = desk.provider.announcements(SELLER, window);
    let Content::Message(message) = &all.iter().find(|one| one.id == report_id).unwrap().content else {
        panic!("it is a message")
    };
    assert!(message.contains("BatchCompleteNotification"), "{message}");
    assert!(message.contains(&format!("<ReportId>{report_id}</ReportId>")), "{message}");
}

#[test]
fn sums_types_marketplaces_and_names_are_strict() {
    let mut desk = Desk::new(false);
    let body = document(&[(1, &refund_of("P01-1234567-1234567-C123456", "r-1"))]);
    for (changed, code) in [
        (("ContentMD5Value", ""), "ContentMD5Missing"),
        (("ContentMD5Value", "1B2M2Y8AsgTpgAmY7PhCfg=="), "ContentMD5DoesNotMatch"),
        (("FeedType", "_POST_PRODUCT_DATA_"), "InvalidFeedType"),
        (("MarketplaceIdList.Id.1", "ATVPDKIKX0DER"), "InvalidParameterValue"),
        (("MarketplaceIdList.Id.1", ""), "InvalidParameterValue"),
        (("PurgeAndReplace", "true"), "InvalidParameterValue"),
        (("Merchantx", "A1"), "InvalidParameterValue"),
        (("Version", "2013-01-01"), "InvalidParameterValue"),
        (("AWSAccessKeyId", "AKIAUNKNOWN"), "InvalidAccessKeyId"),
    ] {
        let answer = submit_with(&mut desk, &body, &[changed]);
        assert_eq!((answer.status() / 100, answer.get("Code")), (4, code), "{changed:?}");
    }
    let mut forged = request(&desk, "/Feeds/2009-01-01", &[("Action", "GetFeedSubmissionList")], None);
    forged.body.extend_from_slice(b"&MaxCount=5");
    assert_eq!(desk.send(&forged).get("Code"), "SignatureDoesNotMatch");
    let mut nameless = request(&desk, "/Feeds/2009-01-01", &[("Action", "GetFeedSubmissionList")], None);
    nameless.headers.pop();
    assert_eq!(desk.send(&nameless).get("Code"), "UserAgentHeaderMissing");
    let list = ask(&mut desk, "GetFeedSubmissionList", &[]);
    assert_eq!((list.get("HasNext"), list.find("FeedSubmissionInfo")), ("false", None), "nothing was taken");
}

#[test]
fn both_counters_are_also_at_the_bare_host() {
    let mut desk = Desk::new(false);
    let sum = STANDARD.encode(Md5::digest("<a/>"));
    let feed = [
        ("Action", "SubmitFeed"),
        ("FeedType", BATCHES),
        ("MarketplaceIdList.Id.1", US_LIVE),
        ("ContentMD5Value", &sum),
    ];
    for pairs in [&[("Action", "GetFeedSubmissionList")][..], &[("Action", "GetReportRequestList")], &feed] {
        let document = (pairs.len() > 1).then_some("<a/>");
        let incoming = request(&desk, "/", pairs, document);
        assert!(desk.provider.claims(&incoming) && desk.provider.operation(&incoming).is_some());
        let answer = desk.send(&incoming);
        assert_eq!(answer.status(), 200, "{}", answer.text);
        assert!(answer.text.contains(&format!("<{}Response ", pairs[0].1)), "{}", answer.text);
    }
    let payment = request(&desk, "/", &[("Action", "GetRefundDetails")], None);
    assert!(!desk.provider.claims(&payment), "the payment section has a path of its own");
}

#[test]
fn a_malformed_document_is_taken_and_then_refused_as_a_whole() {
    let mut desk = Desk::new(false);
    let id = submit(&mut desk, "<Batch><Product>");
    desk.wait_minutes(3);
    let list = ask(&mut desk, "GetFeedSubmissionList", &[("FeedSubmissionIdList.Id.1", &id)]);
    assert_eq!(list.get("FeedProcessingStatus"), "_CANCELLED_");
    let result = ask(&mut desk, "GetFeedSubmissionResult", &[("FeedSubmissionId", &id)]);
    assert_eq!((result.status(), result.get("MessagesWithError")), (200, "1"));
}

#[test]
fn cancelling_by_a_misnamed_id_hits_every_feed_that_waits() {
    let mut desk = Desk::new(false);
    let body = document(&[(1, &refund_of("P01-1234567-1234567-C123456", "r-1"))]);
    let first = submit(&mut desk, &body);
    desk.wait_minutes(2);
    let (second, third) = (submit(&mut desk, &body), submit(&mut desk, &body));
    let one = ask(&mut desk, "CancelFeedSubmissions", &[("FeedSubmissionIdList.Id.1", &second)]);
    assert_eq!((one.get("Count"), one.get("FeedProcessingStatus")), ("1", "_CANCELLED_"));
    let all = ask(&mut desk, "CancelFeedSubmissions", &[("FeedSubmissionId", &first)]);
    assert_eq!(all.get("Count"), "3");
    let status = |desk: &mut Desk, id: &str| {
        ask(desk, "GetFeedSubmissionList", &[("FeedSubmissionIdList.Id.1", id)])
            .get("FeedProcessingStatus")
            .to_owned()
    };
    assert_eq!(status(&mut desk, &first), "_IN_PROGRESS_", "too late for the one that was meant");
    assert_eq!(status(&mut desk, &third), "_CANCELLED_", "and another was hit");
    desk.wait_minutes(60);
    let gone = ask(&mut desk, "GetFeedSubmissionResult", &[("FeedSubmissionId", &third)]);
    assert_eq!(gone.get("Code"), "FeedCanceled");
}

#[test]
fn lists_have_pages_lags_and_hourly_quotas() {
    let mut desk = Desk::new(false);
    let batch = MwsBatchHabits { list_lag: Duration::from_secs(300), ..MwsBatchHabits::default() };
    desk.provider.set_habits_of(SELLER, MwsHabits { batch, ..MwsHabits::default() });
    let body = document(&[(1, &refund_of("P01-1234567-1234567-C123456", "r-1"))]);
    for _ in 0..12 {
        submit(&mut desk, &body);
    }
    let lagging = ask(&mut desk, "GetFeedSubmissionList", &[]);
    assert_eq!(lagging.find("FeedSubmissionInfo"), None);
    desk.wait_minutes(5);
    let first = ask(&mut desk, "GetFeedSubmissionList", &[("FeedTypeList.Type.1", BATCHES)]);
    assert_eq!((first.text.matches("<FeedSubmissionInfo>").count(), first.get("HasNext")), (10, "true"));
    let token = first.get("NextToken").to_owned();
    let rest = ask(&mut desk, "GetFeedSubmissionListByNextToken", &[("NextToken", &token)]);
    assert_eq!((rest.text.matches("<FeedSubmissionInfo>").count(), rest.get("HasNext")), (2, "false"));
    let bad = ask(&mut desk, "GetFeedSubmissionListByNextToken", &[("NextToken", "x")]);
    assert_eq!((bad.status(), bad.get("Code")), (400, "ValidationError"));
    desk.now = "2026-03-01T13:00:00Z".parse().expect("a time");
    for _ in 0..30 {
        submit(&mut desk, &body);
    }
    let spent = submit_with(&mut desk, &body, &[]);
    assert_eq!((spent.status(), spent.get("Code")), (503, "QuotaExceeded"));
    assert_eq!(spent.outgoing.header("x-mws-quota-remaining"), Some("0.0"));
    let incoming = request(&desk, "/Feeds/2009-01-01", &[("Action", "CancelFeedSubmissions")], None);
    let operation = desk.provider.operation(&incoming).expect("recognisable");
    assert_eq!(desk.provider.documented_quota(&operation), Quota::new(10, 1, 45));
    assert!(desk.provider.claims(&incoming));
    assert_eq!(desk.provider.throttled(&incoming).status, 503);
}

#[test]
fn reports_show_every_state_of_their_days_and_settlements_come_by_themselves() {
    let mut desk = Desk::new(false);
    let capture = desk.plant("capture", &[(60, "Completed", None)]);
    desk.wait_days(2);
    let refused = |desk: &mut Desk, pairs: &[(&str, &str)]| {
        let answer = ask(desk, "RequestReport", pairs);
        (answer.status(), answer.get("Code").to_owned())
    };
    let captures = ("ReportType", "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_CAPTURE_DATA_");
    let settlement = ("ReportType", "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_");
    let sandbox = ("MarketplaceIdList.Id.1", "A3BXB0YN3XH17H");
    let long = [captures, ("StartDate", "2026-01-01T00:00:00Z"), ("EndDate", "2026-02-01T00:00:00Z")];
    for pairs in [&[settlement][..], &[captures, sandbox], &long] {
        assert_eq!(refused(&mut desk, pairs), (400, "InvalidParameterValue".to_owned()), "{pairs:?}");
    }
    assert_eq!(refused(&mut desk, &[("ReportType", "_X_")]), (400, "InvalidReportType".to_owned()));
    let day = [captures, ("StartDate", "2026-03-01T00:00:00Z"), ("EndDate", "2026-03-02T00:00:00Z")];
    let id = ask(&mut desk, "RequestReport", &day).get("ReportRequestId").to_owned();
    desk.wait_minutes(2);
    let row = ask(&mut desk, "GetReportRequestList", &[("ReportRequestIdList.Id.1", &id)]);
    assert_eq!(row.get("ReportProcessingStatus"), "_DONE_");
    let report_id = row.get("GeneratedReportId").to_owned();
    let file = ask(&mut desk, "GetReport", &[("ReportId", &report_id)]);
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines.len(), 3, "Pending and Completed: {}", file.text);
    assert!(
        lines[1].contains(&capture) && lines[1].contains("\"Completed\"") && lines[2].contains("\"Pending\"")
    );
    let empty = [captures, ("StartDate", "2026-03-02T00:00:00Z"), ("EndDate", "2026-03-03T00:00:00Z")];
    let id = ask(&mut desk, "RequestReport", &empty).get("ReportRequestId").to_owned();
    desk.wait_minutes(2);
    let row = ask(&mut desk, "GetReportRequestList", &[("ReportRequestIdList.Id.1", &id)]);
    assert_eq!((row.get("ReportProcessingStatus"), row.find("GeneratedReportId")), ("_DONE_NO_DATA_", None));
    let list = ask(&mut desk, "GetReportList", &[("ReportTypeList.Type.1", settlement.1)]);
    let file = ask(&mut desk, "GetReport", &[("ReportId", list.get("ReportId"))]);
    assert!(file.text.starts_with("\u{feff}\"Amazon Payments Advanced\",\n"), "{}", file.text);
    assert!(file.text.contains("\"100.00\",\"-2.90\",\"-0.30\",\"-3.20\",\"96.80\""), "{}", file.text);
    let unknown = ask(&mut desk, "GetReport", &[("ReportId", "1")]);
    assert_eq!(unknown.get("Code"), "InvalidReportId");
}
