//! The cost of a batch of 60,000 captures: building its document, reading it back, reading its result and
//! matching it with the requests; in seconds and in memory, beside a bare XML writer and reader on the same
//! bytes.
//!
//! `cargo bench -p reconciled-benches --bench feeds`. Every figure comes from its own process, the best of three.

#![allow(missing_docs, reason = "a benchmark has no callers")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use quick_xml::events::{BytesCData, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use reconciled::apis::amazon_pay_mws::feeds::document::{self, Caps, Feed};
use reconciled::apis::amazon_pay_mws::feeds::fold::fold;
use reconciled::apis::amazon_pay_mws::feeds::request::{BatchOperation, BatchRequest};
use reconciled::apis::amazon_pay_mws::feeds::result;
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectId;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROWS: usize = 60_000;
const SELLER: &str = "A3EXAMPLESELLER";
const FIRST: u64 = 1_800_000_000;

fn requests() -> Vec<BatchRequest> {
    let request = |number: usize| BatchRequest {
        id: ObjectId::new(format!("P02-{:07}-{:07}-A{number:06}", number / 7, number)).expect("it is an id"),
        reference_id: Some(format!("capture-{number}")),
        amount: Some(Money::parse("149.95", "EUR").expect("it is money")),
        text: Some(format!("Order {number}, thank you & good bye")),
        soft_descriptor: None,
    };
    (0..ROWS).map(request).collect()
}

fn feed(requests: &[BatchRequest]) -> Feed {
    document::build(BatchOperation::Capture, SELLER, requests, FIRST, Caps::MOST).remove(0)
}

/// A result in one of the possible layouts, with its rows in another order.
fn result_text() -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><BatchResponse><Responses>");
    for place in 0..ROWS {
        let number = (place * 7_919) % ROWS;
        let id = FIRST + u64::try_from(number).unwrap_or_default();
        let _ = write!(
            text,
            "<Response><SellerRequestId>{id}</SellerRequestId><ResponseData><![CDATA[<CaptureResponse \
             xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\"><CaptureResult>\
             <CaptureDetails><AmazonCaptureId>P02-{:07}-{number:07}-C{number:06}</AmazonCaptureId>\
             <CaptureReferenceId>capture-{number}</CaptureReferenceId><CaptureAmount><CurrencyCode>EUR\
             </CurrencyCode><Amount>149.95</Amount></CaptureAmount><CaptureStatus><State>Completed</State>\
             <LastUpdateTimestamp>2026-07-01T12:05:00Z</LastUpdateTimestamp></CaptureStatus>\
             <CreationTimestamp>2026-07-01T12:05:00Z</CreationTimestamp></CaptureDetails></CaptureResult>\
             <ResponseMetadata><RequestId>00000000-0000-4000-8000-{number:012}</RequestId></ResponseMetadata>\
             </CaptureResponse>]]></ResponseData></Response>",
            number / 7
        );
    }
    text.push_str("</Responses></BatchResponse>");
    text
}

fn in_memory<T, E: std::fmt::Debug>(written: Result<T, E>) -> T {
    written.expect("writing to memory does not fail")
}

/// The same bytes by a bare writer: payloads first, then the envelope around them.
fn bare_write(requests: &[BatchRequest]) -> Vec<u8> {
    let leaf = |writer: &mut Writer<Vec<u8>>, name: &str, text: &str| {
        in_memory(writer.write_event(Event::Start(BytesStart::new(name))));
        in_memory(writer.write_event(Event::Text(BytesText::new(text))));
        in_memory(writer.write_event(Event::End(BytesEnd::new(name))));
    };
    let start = |writer: &mut Writer<Vec<u8>>, name| {
        in_memory(writer.write_event(Event::Start(BytesStart::new(name))))
    };
    let end =
        |writer: &mut Writer<Vec<u8>>, name| in_memory(writer.write_event(Event::End(BytesEnd::new(name))));
    let mut writer = Writer::new(Vec::new());
    for name in ["Batch", "Requests"] {
        start(&mut writer, name);
    }
    for (number, request) in requests.iter().enumerate() {
        let mut inner = Writer::new(Vec::with_capacity(400));
        start(&mut inner, "CaptureRequest");
        leaf(&mut inner, "SellerId", SELLER);
        leaf(&mut inner, "AmazonAuthorizationId", request.id.as_str());
        leaf(&mut inner, "CaptureReferenceId", request.reference_id.as_deref().unwrap_or_default());
        start(&mut inner, "CaptureAmount");
        leaf(&mut inner, "Amount", "149.95");
        leaf(&mut inner, "CurrencyCode", "EUR");
        end(&mut inner, "CaptureAmount");
        leaf(&mut inner, "SellerCaptureNote", request.text.as_deref().unwrap_or_default());
        end(&mut inner, "CaptureRequest");
        let payload = inner.into_inner();
        start(&mut writer, "Request");
        leaf(&mut writer, "SellerRequestId", &(FIRST + number as u64).to_string());
        start(&mut writer, "RequestData");
        let payload = std::str::from_utf8(&payload).expect("it was text");
        in_memory(writer.write_event(Event::CData(BytesCData::new(payload))));
        end(&mut writer, "RequestData");
        end(&mut writer, "Request");
    }
    for name in ["Requests", "Batch"] {
        end(&mut writer, name);
    }
    writer.into_inner()
}

/// Counts the events of a document and of the documents inside it.
fn bare_read(text: &str) -> usize {
    let mut reader = Reader::from_str(text);
    let mut events = 0;
    loop {
        match reader.read_event().expect("it is well-formed") {
            Event::Eof => return events,
            Event::CData(data) => events += bare_read(&data),
            other => {
                black_box(&other);
                events += 1;
            }
        }
    }
}

/// The peak memory of this process, KiB; `None` where the kernel does not report it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Resets the peak, so that memory used for preparation does not count.
fn forget_peak() -> u64 {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak_kib().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, u64, T) {
    let before = forget_peak();
    let began = Instant::now();
    let made = black_box(work());
    let took = began.elapsed();
    (took, peak_kib().unwrap_or_default().saturating_sub(before), made)
}

/// One measurement in this process.
fn measure(name: &str) -> (Duration, u64, usize) {
    let requests = requests();
    match name {
        "build" => {
            let (took, peak, made) = timed(|| feed(&requests));
            (took, peak, made.bytes.len())
        }
        "bare write" => {
            let (took, peak, made) = timed(|| bare_write(&requests));
            (took, peak, made.len())
        }
        "read back" | "bare read of the document" => {
            let bytes = feed(&requests).bytes;
            drop(requests);
            let text = std::str::from_utf8(&bytes).expect("it is text");
            let (took, peak, _) = match name {
                "read back" => timed(|| document::read_back(&bytes).expect("it is ours").1.len()),
                _ => timed(|| bare_read(text)),
            };
            (took, peak, bytes.len())
        }
        "read and fold" | "bare read of the result" => {
            let text = result_text();
            let numbered: Vec<(u64, BatchRequest)> = (FIRST..).zip(requests).collect();
            let (took, peak, count) = match name {
                "read and fold" => timed(|| {
                    let read = result::read(text.as_bytes()).expect("it is a result");
                    let folded = fold(BatchOperation::Capture, &numbered, read.answers);
                    assert_eq!((folded.ends.len(), folded.unknown(), folded.strangers), (ROWS, 0, 0));
                    folded.ends.len()
                }),
                _ => timed(|| bare_read(&text)),
            };
            black_box(count);
            (took, peak, text.len())
        }
        other => panic!("there is no measurement {other}"),
    }
}

/// The best of three processes.
fn best(name: &str) -> (f64, f64, f64) {
    let own = std::env::current_exe().expect("the benchmark knows its own path");
    let mut best = (f64::MAX, f64::MAX, 0.0);
    for _ in 0..3 {
        let out = Command::new(&own).env("FEEDS_MEASURE", name).output().expect("it can be started again");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [seconds, peak_mib, mb] = numbers.as_slice() else { panic!("{name}: {text}") };
        best = (best.0.min(*seconds), best.1.min(*peak_mib), *mb);
    }
    best
}

fn main() {
    if let Ok(name) = std::env::var("FEEDS_MEASURE") {
        let (took, peak_kib, bytes) = measure(&name);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (peak_mib, mb) = (peak_kib as f64 / 1024.0, bytes as f64 / 1e6);
        println!("{} {peak_mib} {mb}", took.as_secs_f64());
        return;
    }
    println!("a batch of {ROWS} captures; best of three processes; memory is the growth of the peak\n");
    println!(
        "{:<16}{:>9}{:>10}{:>11}{:>26}{:>10}{:>11}{:>8}{:>8}",
        "work", "MB", "s", "MiB", "baseline", "s", "MiB", "time x", "mem x"
    );
    let pairs = [
        ("build", "bare write"),
        ("read back", "bare read of the document"),
        ("read and fold", "bare read of the result"),
    ];
    let mut sums = BTreeMap::from([("own", 0.0), ("bare", 0.0)]);
    for (own, bare) in pairs {
        let (seconds, mib, mb) = best(own);
        let (bare_seconds, bare_mib, _) = best(bare);
        *sums.entry("own").or_default() += seconds;
        *sums.entry("bare").or_default() += bare_seconds;
        println!(
            "{own:<16}{mb:>9.1}{seconds:>10.3}{mib:>11.1}{bare:>26}{bare_seconds:>10.3}{bare_mib:>11.1}{:>8.2}{:>8.2}",
            seconds / bare_seconds,
            mib / bare_mib.max(0.1)
        );
    }
    let (own, bare) = (sums["own"], sums["bare"]);
    println!("\nbuilding, reading back and folding: {own:.3} s; bare: {bare:.3} s; ratio {:.2}", own / bare);
}
