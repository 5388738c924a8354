//! Live events: what a program that follows them gets, and when its stream ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{TestDaemon, enrolment_request, named};
use crate::control::live::STREAMS_MAX;
use crate::control::messages::*;
use crate::control::test_service::Fixture;

/// A program that follows the events.
struct Program {
    stream: UnixStream,
    text: String,
}

impl Program {
    async fn follow(daemon: &TestDaemon, header: &str) -> Program {
        let mut stream = UnixStream::connect(&daemon.path).await.unwrap();
        let request = format!("GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Program { stream, text: String::new() }
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

    /// The last id that arrived.
    fn last_id(&self) -> u64 {
        let id = self.text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back();
        id.unwrap().trim().parse().unwrap()
    }
}

#[tokio::test]
async fn a_program_gets_every_change_and_continues_where_it_was() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let client = daemon.client().await;
    let mut program = Program::follow(&daemon, "").await;
    program.until("retry: ").await;
    assert!(program.text.contains("content-type: text/event-stream"), "{}", program.text);
    client.ask(Enrol::from(vec![enrolment_request(r#"{"id":"S01-1-1-C1"}"#)])).await.unwrap();
    program.until("\"id\":\"S01-1-1-C1\"").await;
    assert!(program.text.contains("event: change\ndata: {\"what\":\"enrolled\""), "{}", program.text);
    let last = program.last_id();
    drop(program);
    client.ask(Forget(named("S01-1-1-C1"))).await.unwrap();
    let two = [r#"{"id":"S01-1-1-C2"}"#, r#"{"id":"S01-1-1-C3"}"#].map(enrolment_request);
    client.ask(Enrol::from(two.to_vec())).await.unwrap();
    let mut program = Program::follow(&daemon, &format!("last-event-id: {last}\r\n")).await;
    program.until("S01-1-1-C3").await;
    for part in ["\"what\":\"forgotten\"", "S01-1-1-C2"] {
        assert!(program.text.contains(part), "{part}: {}", program.text);
    }
    assert!(!program.text.contains(
        "\"what\":\"enrolled\",\"object\":{\"account\":\"shop\",\"kind\":\"charge\",\"id\":\"S01-1-1-C1\""
    ));
    let of_one_entry = program.text.split("\n\n").find(|event| event.contains("S01-1-1-C2")).unwrap();
    assert!(
        !of_one_entry.contains("id: "),
        "only the last change of an entry has its number: {of_one_entry}"
    );
    daemon.stop.cancel();
    daemon.serving.await.unwrap();
}

#[tokio::test]
async fn one_that_was_away_for_too_long_is_told_so_and_goes_on_at_the_end() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut program = Program::follow(&daemon, "last-event-id: 99999\r\n").await;
    program.until("event: lagged").await;
    assert_eq!(program.last_id(), daemon.store.stats().journal_sequence);
    let mut rest = Vec::new();
    program.stream.read_to_end(&mut rest).await.unwrap();
    let (status, _) = daemon.ask("GET /v1/status", "").await;
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_shows_signs_of_life_and_ends_with_the_server() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut program = Program::follow(&daemon, "").await;
    program.until(": still here").await;
    daemon.stop.cancel();
    let mut rest = String::new();
    program.stream.read_to_string(&mut rest).await.unwrap();
    daemon.serving.await.unwrap();
}

#[tokio::test]
async fn streams_are_limited_and_give_way_to_requests() {
    let daemon = TestDaemon::open(Fixture::default(), |options| {
        options.connections_max = 2;
        options.connections_reserved = 0;
    })
    .await;
    let mut programs = Vec::new();
    for _ in 0..2 {
        let mut program = Program::follow(&daemon, "").await;
        program.until("retry: ").await;
        programs.push(program);
    }
    let (status, _) = daemon.ask("GET /v1/status", "").await;
    assert_eq!(status, 200, "a stream does not hold its place against a request");
    drop(programs);
    daemon.stop.cancel();
    daemon.serving.await.unwrap();

    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let mut programs = Vec::new();
    for _ in 0..STREAMS_MAX {
        let mut program = Program::follow(&daemon, "").await;
        program.until("retry: ").await;
        programs.push(program);
    }
    assert_eq!(daemon.ask("GET /v1/stream", "").await.0, 429);
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(60), daemon.ask("GET /v1/status", "")).await.unwrap().0,
        200
    );
}
