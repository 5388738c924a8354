//! What the tests of all targets need.

use jiff::Timestamp;
use serde_json::Value;

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::twin::{Taken, Twin};

/// A POST of JSON to a path, with its query behind a question mark.
pub(super) fn post(url: &str, body: &str) -> Incoming {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Incoming {
        method: "POST".into(),
        host: "localhost".into(),
        path: path.into(),
        query: query.into(),
        headers: vec![("content-type".into(), "application/json; charset=UTF-8".into())],
        body: body.into(),
        at: Timestamp::UNIX_EPOCH,
    }
}

/// The same with one header more.
pub(super) fn with_header(mut incoming: Incoming, name: &str, value: &str) -> Incoming {
    incoming.headers.push((name.into(), value.into()));
    incoming
}

/// The same as a form.
pub(super) fn form(url: &str, body: &str) -> Incoming {
    let mut incoming = post(url, body);
    incoming.headers = vec![("content-type".into(), "application/x-www-form-urlencoded".into())];
    incoming
}

/// Each body, posted to its address, is answered with its status; and anything but a POST of JSON is refused.
pub(super) fn check_answers(twin: &Twin, rows: &[(&str, Value, u16)]) {
    for (url, body, status) in rows {
        let incoming = post(url, &body.to_string());
        assert!((twin.claims)(&incoming), "{url}");
        let answer = (twin.read)(&incoming, &[]).map_or_else(|refusal| refusal, |taken| taken.answer);
        let shown: String = body.to_string().chars().take(300).collect();
        assert_eq!(answer.status, *status, "{url} {shown} {}", body_of(&answer));
    }
    let (url, good, _) = &rows[0];
    for broken in ["", "{", "\"text\"", "[1]", "null"] {
        assert!((twin.read)(&post(url, broken), &[]).is_err(), "{broken}");
    }
    let mut get = post(url, &good.to_string());
    get.method = "GET".into();
    assert!((twin.read)(&get, &[]).is_err(), "a GET is no message");
}

/// A good message.
pub(super) fn read_one(twin: &Twin, url: &str, body: &Value) -> Taken {
    take(twin, &post(url, &body.to_string()), &[])
}

/// A good message after others.
pub(super) fn take(twin: &Twin, incoming: &Incoming, kept: &[ChatMessage]) -> Taken {
    (twin.read)(incoming, kept).unwrap_or_else(|refusal| panic!("{} {}", refusal.status, body_of(&refusal)))
}

/// The message as the chat keeps it.
pub(super) fn kept(twin: &Twin, incoming: &Incoming, taken: Taken) -> ChatMessage {
    super::message(twin, incoming, taken)
}

/// The body of an answer as text.
pub(super) fn body_of(answer: &Outgoing) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The body of an answer as JSON.
pub(super) fn json_of(answer: &Outgoing) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", body_of(answer)))
}
