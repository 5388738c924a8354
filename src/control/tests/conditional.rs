//! Requests that expect a state: the tags of answers, and what happens when the state is another.

use super::TestDaemon;
use crate::control::test_service::Fixture;

const OBJECT: &str = "/v1/tracked/shop/charge/S01-1-1-C1";

/// One request with a header; returns the head of the answer.
async fn head(daemon: &TestDaemon, line: &str, header: &str) -> String {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let request =
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}content-length: 0\r\n\r\n");
    daemon.raw(&request).await.split("\r\n\r\n").next().unwrap().to_owned()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn tag(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("etag: "));
    line.unwrap_or_else(|| panic!("no tag: {head}")).to_owned()
}

#[tokio::test]
async fn an_answer_that_the_caller_has_is_not_sent_again() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    assert_eq!(status(&head(&daemon, &format!("PUT {OBJECT}"), "").await), 201);
    for path in [OBJECT, "/v1/tracked", "/v1/silences"] {
        let line = format!("GET {path}");
        let first = head(&daemon, &line, "").await;
        let known = format!("if-none-match: {}", tag(&first));
        let second = head(&daemon, &line, &known).await;
        assert_eq!((status(&first), status(&second)), (200, 304), "{path}");
        assert_eq!(tag(&first), tag(&second));
    }
    let before = tag(&head(&daemon, "GET /v1/tracked", "").await);
    assert_eq!(status(&head(&daemon, "PUT /v1/tracked/shop/charge/S01-1-1-C2", "").await), 201);
    let known = format!("if-none-match: {before}");
    assert_eq!(status(&head(&daemon, "GET /v1/tracked", &known).await), 200, "the list is another");
}

#[tokio::test]
async fn a_change_is_refused_when_the_object_is_not_as_it_was_read() {
    let daemon = TestDaemon::open(Fixture::default(), |_| {}).await;
    let (get, put, delete) = (format!("GET {OBJECT}"), format!("PUT {OBJECT}"), format!("DELETE {OBJECT}"));
    assert_eq!(status(&head(&daemon, &put, "if-match: *").await), 412, "it is not there yet");
    assert_eq!(status(&head(&daemon, &put, "if-none-match: *").await), 201);
    assert_eq!(status(&head(&daemon, &put, "if-none-match: *").await), 412, "it is there");
    let read = tag(&head(&daemon, &get, "").await);
    let (code, _) = daemon.ask(&put, r#"{"amount":"14.00","currency":"EUR"}"#).await;
    assert_eq!(code, 200, "details were added");
    let expected = format!("if-match: {read}");
    for line in [&put, &delete, &"POST /v1/accept/shop/charge/S01-1-1-C1".to_owned()] {
        assert_eq!(status(&head(&daemon, line, &expected).await), 412, "{line}");
    }
    assert_eq!(status(&head(&daemon, "POST /v1/reload", &expected).await), 412, "it has no tag");
    let read = tag(&head(&daemon, &get, "").await);
    assert_eq!(status(&head(&daemon, &delete, &format!("if-match: {read}")).await), 200);
    assert_eq!(status(&head(&daemon, &get, "").await), 404);
}
