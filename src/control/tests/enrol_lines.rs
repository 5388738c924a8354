//! Enrolments that are answered as they arrive: what a client gets, and what is stored when a request ends early.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{EnrolmentRequest, TestDaemon, enrolment_request};
use crate::control::messages::*;
use crate::control::test_service::Fixture;

const HEAD: &str = "POST /v1/tracked:batch HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

/// A client that sends its lines piece by piece.
struct Sender {
    stream: UnixStream,
    text: String,
}

impl Sender {
    async fn begin(daemon: &TestDaemon) -> Sender {
        let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
        stream.write_all(format!("{HEAD}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        Sender { stream, text: String::new() }
    }

    async fn send(&mut self, piece: &str) {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        self.stream.write_all(chunk.as_bytes()).await.unwrap();
    }

    async fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// Reads until a text has arrived.
    async fn until(&mut self, part: &str) {
        while !self.text.contains(part) {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{part:?} never came: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Reads all that arrives until the other end closes. Returns the last line.
    async fn rest(&mut self) -> serde_json::Value {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        self.text.push_str(&String::from_utf8_lossy(&rest));
        let last = self.text.lines().rfind(|line| line.starts_with('{'));
        serde_json::from_str(last.unwrap()).unwrap()
    }
}

async fn is_stored(daemon: &TestDaemon, id: &str) -> bool {
    !daemon.store.find(&id.parse().unwrap()).await.unwrap().is_empty()
}

/// The newest entry of the audit log about enrolments, once it has an outcome.
async fn audited(daemon: &TestDaemon) -> AuditEntry {
    let client = daemon.client().await;
    let asking = async {
        loop {
            let entries = client.ask(AuditRequest::default()).await.unwrap().items;
            let entry = entries.into_iter().find(|entry| entry.verb == "enrol");
            if let Some(entry) = entry.filter(|entry| entry.outcome != AuditOutcome::Begun) {
                return entry;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("it has an outcome")
}

#[tokio::test]
async fn each_line_is_answered_before_the_next_one_is_sent() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut sender = Sender::begin(&daemon).await;
    for id in ["S01", "S02"] {
        sender.send(&format!("{{\"id\":\"{id}\"}}\n")).await;
        sender.until(&format!("\"id\":\"{id}\"")).await;
        assert!(is_stored(&daemon, id).await, "it is stored when it is answered");
    }
    assert!(sender.text.starts_with("HTTP/1.1 200"), "{}", sender.text);
    assert!(sender.text.contains("content-type: application/x-ndjson"), "{}", sender.text);
    // The last line needs no line break.
    sender.send("{\"line\":40,\"id\":\"S03\"}").await;
    sender.end().await;
    assert_eq!(sender.rest().await["line"], 40);
    assert_eq!(sender.text.matches("\"outcome\":\"new\"").count(), 3, "{}", sender.text);
}

#[tokio::test]
async fn bad_lines_are_answered_in_their_place_and_stop_nothing() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let long = "x".repeat(70_000);
    let body = [
        b"{\"id\":\"S01\"}\n\n{\"id\":\"S\xff\"}\n".as_slice(),
        format!("{{\"id\":\"{long}\"}}\nnonsense\n{{\"id\":\"S02\"}}\n").as_bytes(),
    ]
    .concat();
    let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
    let head = format!("{HEAD}content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, lines) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: "), "a small answer comes in one piece: {head}");
    let results: Vec<EnrolResult> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = results.iter().map(|result| (result.line, result.outcome)).collect();
    use EnrolOutcome::{Bad, New};
    assert_eq!(shown, [(1, New), (3, Bad), (4, Bad), (5, Bad), (6, New)]);
    for (result, part) in [(1, "not JSON"), (2, "the line is longer than 65536 bytes"), (3, "not JSON")] {
        assert!(results[result].reason.as_ref().unwrap().contains(part), "{:?}", results[result]);
    }
}

#[tokio::test]
async fn many_lines_fit_into_one_request_and_have_one_entry_with_their_totals() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    // Small requests share an entry, which the large one does not join.
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"S0001"}"#)])).await.unwrap();
    let line = |number: usize| enrolment_request(&format!("{{\"line\":{number},\"id\":\"S{number:04}\"}}"));
    let mut lines: Vec<EnrolmentRequest> = (1..=2_500).map(line).collect();
    lines.push(enrolment_request(r#"{"line":2501,"id":"X01"}"#));
    let results = client.ask(Enrol::from(lines)).await.unwrap();
    let numbers: Vec<u64> = results.iter().map(|result| result.line).collect();
    assert_eq!(numbers, (1..=2_501).collect::<Vec<u64>>());
    let entry = audited(&daemon).await;
    assert_eq!((entry.number, entry.times, entry.outcome), (2_501, 1, AuditOutcome::Failed));
    assert_eq!(entry.how, "2499 new, 0 enriched, 1 same, 0 conflict, 1 bad");
    assert_eq!((entry.objects[0].as_str(), entry.cause.as_deref()), ("S0001", Some("bad lines")));
}

#[tokio::test]
async fn a_client_that_sends_nothing_more_is_cut_with_a_last_line() {
    let idle = Duration::from_millis(1_500);
    let daemon = TestDaemon::open(Fixture::default(), |options| options.body_timeout = idle).await;
    let mut sender = Sender::begin(&daemon).await;
    sender.send("{\"id\":\"S01\"}\n{\"id\":\"S02\"}").await;
    let last = sender.rest().await;
    assert_eq!((&last["status"], &last["detail"]), (&408.into(), &"nothing arrived for 1 s".into()));
    assert!(is_stored(&daemon, "S01").await && sender.text.contains("\"id\":\"S01\""));
    assert!(!is_stored(&daemon, "S02").await, "its line may not be complete");
    assert_eq!(audited(&daemon).await.cause.as_deref(), Some("too-slow"));
    // If a client sends no line at all, the HTTP status is that of the problem.
    let answer = daemon.raw(&format!("{HEAD}content-length: 9\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn what_was_answered_stays_when_the_client_disconnects_and_nothing_is_enrolled_by_half() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut sender = Sender::begin(&daemon).await;
    sender.send("{\"id\":\"S01\"}\n{\"id\":\"S02\"}\n{\"id\":\"S03\"}").await;
    sender.until("\"id\":\"S02\"").await;
    drop(sender);
    let entry = audited(&daemon).await;
    assert_eq!((entry.outcome, entry.cause.as_deref()), (AuditOutcome::Failed, Some("disconnected")));
    assert_eq!(entry.number, 2);
    assert!(is_stored(&daemon, "S01").await && is_stored(&daemon, "S02").await);
    assert!(!is_stored(&daemon, "S03").await);
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_cut_and_finds_the_reason_later() {
    let idle = Duration::from_millis(1_500);
    let daemon = TestDaemon::open(Fixture::default(), |options| options.body_timeout = idle).await;
    let mut sender = Sender::begin(&daemon).await;
    // Short lines with long answers, for which nothing is stored.
    sender.send(&"{\"x\":1}\n".repeat(30_000)).await;
    sender.end().await;
    // This returns only after the other request has been given up.
    assert_eq!(audited(&daemon).await.cause.as_deref(), Some("too-slow"));
    let last = sender.rest().await;
    assert_eq!(last["detail"], "no answer was read for 1 s");
    let answered = sender.text.matches("\"outcome\":\"bad\"").count();
    assert!((1_000..30_000).contains(&answered), "{answered}");
}

#[tokio::test]
async fn a_store_that_fails_ends_the_answer_with_the_reason() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut sender = Sender::begin(&daemon).await;
    sender.send("{\"id\":\"S01\"}\n").await;
    sender.until("\"id\":\"S01\"").await;
    daemon.store.clone().close().await.unwrap();
    sender.send("{\"id\":\"S02\"}\n").await;
    sender.until("urn:reconciled:problem:unavailable").await;
    // The client still sends, but gets no more answers.
    sender.send("{\"id\":\"S03\"}\n").await;
    sender.end().await;
    assert_eq!(sender.rest().await["status"], 503);
    assert!(!sender.text.contains("S02") && !sender.text.contains("S03"), "{}", sender.text);
}

#[tokio::test]
async fn a_stop_ends_the_answer_with_the_reason() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut sender = Sender::begin(&daemon).await;
    sender.send("{\"id\":\"S01\"}\n").await;
    sender.until("\"id\":\"S01\"").await;
    daemon.stop.cancel();
    assert_eq!(sender.rest().await["detail"], "the daemon is stopping");
    daemon.serving.await.unwrap();
}

#[tokio::test]
async fn a_request_in_the_middle_of_its_lines_does_not_give_way_to_others() {
    let daemon = TestDaemon::open(Fixture::default(), |options| {
        options.connections_max = 1;
        options.connections_reserved = 0;
    })
    .await;
    let mut sender = Sender::begin(&daemon).await;
    sender.send("{\"id\":\"S01\"}\n").await;
    sender.until("\"id\":\"S01\"").await;
    let mut other = tokio::spawn({
        let path = daemon.path.clone();
        async move {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream
                .write_all(b"GET /-/healthy HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    });
    // Longer than a connection that was asked to give way may take.
    assert!(tokio::time::timeout(Duration::from_millis(1_500), &mut other).await.is_err());
    sender.send("{\"id\":\"S02\"}\n").await;
    sender.end().await;
    sender.rest().await;
    assert_eq!(sender.text.matches("\"outcome\":\"new\"").count(), 2, "{}", sender.text);
    assert!(other.await.unwrap().starts_with("HTTP/1.1 200"));
}
