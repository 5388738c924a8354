//! An ntfy server: publishing as JSON at the root, or by headers and query at a topic.
//!
//! Owns: topics, priorities, the size above which a message becomes a file, ntfy's error bodies. Must never know: what
//! becomes of a message.
//!
//! A message above 4096 bytes is taken, and people see only that a file arrived. Unknown JSON fields are ignored, as
//! ntfy does. A 429 names no wait.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::{Markup, Shown};
use super::twin::{Taken, Twin, Wait, has_content_type, id_of, parameter, parts};

/// A message, bytes; a JSON body may have twice as many.
const MOST_BYTES: usize = 4096;

const MARKDOWN: Markup = Markup { has_escapes: true, has_code: true, has_links: true, ..Markup::NONE };

const PRIORITIES: [&[&str]; 5] =
    [&["1", "min"], &["2", "low"], &["3", "default"], &["4", "high"], &["5", "max", "urgent"]];

pub(super) const TWIN: Twin = Twin {
    name: "ntfy",
    claims: |incoming| {
        let is_publishing = matches!(incoming.method.as_str(), "POST" | "PUT");
        is_publishing
            && (is_json(incoming) || matches!(parts(incoming).as_slice(), [topic] if is_topic(topic)))
    },
    read,
    refused,
    throttled: |_: Option<Wait>| error(429, 42901, "limit reached: too many requests, please be nice"),
    error_in_200: None,
};

/// JSON goes to the root, where no topic is.
fn is_json(incoming: &Incoming) -> bool {
    matches!(incoming.path.as_str(), "" | "/") && incoming.body.trim_ascii_start().first() == Some(&b'{')
}

fn is_topic(topic: &str) -> bool {
    let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    (1..=64).contains(&topic.len()) && topic.bytes().all(is_allowed)
}

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if let Some(authorization) = incoming.header("authorization")
        && !is_authorization(authorization)
    {
        return Err(refused(401));
    }
    let message = if is_json(incoming) { from_json(incoming)? } else { from_headers(incoming)? };
    let message = checked(message)?;
    let text = message["message"].as_str().unwrap_or_default();
    let is_file = text.len() > MOST_BYTES;
    let text = if is_file { "You received a file: attachment.txt" } else { text };
    let mut shown = Shown::default();
    if let Some(title) = message["title"].as_str().filter(|title| !title.is_empty()) {
        shown.plain_line(title);
    }
    let markup = if message["markdown"] == true { MARKDOWN } else { Markup::NONE };
    shown.line(text, &markup);
    if let Some(click) = message["click"].as_str().filter(|click| !click.is_empty()) {
        shown.start_line();
        shown.link("click", click);
    }
    let mut answer = json!({
        "id": format!("{:012x}", id_of(&["ntfy", &kept.len().to_string()]) & 0xffff_ffff_ffff),
        "time": incoming.at.as_second(), "expires": incoming.at.as_second() + 43_200, "event": "message",
        "topic": message["topic"], "message": text,
    });
    for key in ["title", "priority", "tags", "click"] {
        if !message[key].is_null() {
            answer[key] = message[key].clone();
        }
    }
    if is_file {
        answer["attachment"] = json!({"name": "attachment.txt", "type": "text/plain; charset=utf-8"});
    }
    Ok(Taken::new(shown, message, Outgoing::new(200, "application/json", format!("{answer}\n"))))
}

fn is_authorization(value: &str) -> bool {
    if let Some(token) = value.strip_prefix("Bearer ") {
        return token.starts_with("tk_") && token.len() > 3;
    }
    let pair = value.strip_prefix("Basic ").and_then(|pair| STANDARD.decode(pair).ok());
    pair.is_some_and(|pair| pair.contains(&b':'))
}

fn from_json(incoming: &Incoming) -> Result<Value, Outgoing> {
    if incoming.body.len() > 2 * MOST_BYTES {
        return Err(error(413, 41303, "JSON body too large"));
    }
    let invalid = || error(400, 40024, "invalid request: request body must be valid JSON");
    let written: Value = serde_json::from_slice(&incoming.body).map_err(|_| invalid())?;
    let is_absent_or =
        |key: &str, is_good: fn(&Value) -> bool| written[key].is_null() || is_good(&written[key]);
    let texts = ["topic", "title", "message", "click", "icon", "attach", "filename", "delay", "email"];
    let is_good = texts.into_iter().all(|key| is_absent_or(key, Value::is_string))
        && is_absent_or("priority", Value::is_i64)
        && is_absent_or("markdown", Value::is_boolean)
        && is_absent_or("tags", |tags| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string)))
        && is_absent_or("actions", Value::is_array);
    is_good.then_some(written).ok_or_else(invalid)
}

fn from_headers(incoming: &Incoming) -> Result<Value, Outgoing> {
    let given = |names: &[&str]| {
        let header = names.iter().find_map(|name| incoming.header(name).map(|value| value.trim().to_owned()));
        header.or_else(|| names.iter().find_map(|name| parameter(&incoming.query, name)))
    };
    let body = String::from_utf8(incoming.body.clone())
        .map_err(|_| error(400, 40011, "invalid message: message must be UTF-8 encoded"))?;
    let mut message = json!({"topic": parts(incoming)[0]});
    let text = given(&["x-message", "message", "m"]).map(|text| text.replace("\\n", "\n"));
    message["message"] = text.unwrap_or_else(|| body.trim().to_owned()).into();
    if let Some(title) = given(&["x-title", "title", "ti", "t"]) {
        message["title"] = header_word(&title).into();
    }
    if let Some(click) = given(&["x-click", "click"]) {
        message["click"] = click.into();
    }
    if let Some(tags) = given(&["x-tags", "tags", "tag", "ta"]) {
        message["tags"] = tags.split(',').map(|tag| Value::from(tag.trim())).collect();
    }
    if let Some(priority) = given(&["x-priority", "priority", "prio", "p"]) {
        let level = PRIORITIES.iter().position(|words| words.contains(&priority.to_lowercase().as_str()));
        message["priority"] = level.map_or(99, |level| level + 1).into();
    }
    let is_yes = |value: String| matches!(value.to_lowercase().as_str(), "1" | "yes" | "true");
    let is_markdown = given(&["x-markdown", "markdown", "md"]).is_some_and(is_yes);
    if is_markdown || has_content_type(incoming, "text/markdown") {
        message["markdown"] = true.into();
    }
    Ok(message)
}

/// A header with other letters than ASCII may be an encoded word (RFC 2047) of base64.
fn header_word(value: &str) -> String {
    let encoded = value.strip_prefix("=?UTF-8?B?").or_else(|| value.strip_prefix("=?utf-8?b?"));
    let bytes = encoded.and_then(|rest| STANDARD.decode(rest.strip_suffix("?=")?).ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| value.to_owned())
}

fn checked(mut message: Value) -> Result<Value, Outgoing> {
    if !is_topic(message["topic"].as_str().unwrap_or_default()) {
        return Err(error(400, 40009, "invalid request: topic invalid"));
    }
    // In JSON a priority of 0 is none.
    let priority = message["priority"].as_i64().unwrap_or(0);
    if !(0..=5).contains(&priority) {
        return Err(error(400, 40007, "invalid priority parameter"));
    }
    let actions = message["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_action = |action: &Value| {
        let has_label = action["label"].as_str().is_some_and(|label| !label.is_empty());
        let is_kind = ["view", "http", "broadcast", "copy"].iter().any(|kind| action["action"] == *kind);
        has_label && is_kind && (action["action"] == "broadcast" || action["url"].is_string())
    };
    if actions.len() > 3 || !actions.iter().all(is_action) {
        return Err(error(400, 40018, "invalid request: actions invalid"));
    }
    if message["message"].as_str().unwrap_or_default().is_empty() {
        message["message"] = "triggered".into();
    }
    Ok(message)
}

fn error(status: u16, code: u32, message: &str) -> Outgoing {
    let body = json!({"code": code, "http": status, "error": message});
    Outgoing::new(status, "application/json", format!("{body}\n"))
}

fn refused(status: u16) -> Outgoing {
    let (code, message) = match status {
        400 => (40024, "invalid request: request body must be valid JSON"),
        401 => (40101, "unauthorized"),
        403 => (40301, "forbidden"),
        404 => (40401, "page not found"),
        413 => (41301, "attachment too large, or bandwidth limit reached"),
        429 => (42908, "limit reached: too many messages"),
        _ => (50001, "internal server error"),
    };
    error(status, code, message)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{json_of, post, read_one, take, with_header};
    use super::*;

    #[test]
    fn json_goes_to_the_root() {
        for (body, status, code) in [
            (
                json!({"topic": "declines", "title": "t", "message": "m", "priority": 4, "tags": ["warning"]}),
                200,
                0,
            ),
            (json!({"topic": "declines"}), 200, 0),
            (json!({"topic": "declines", "priority": 0, "unknown": 1}), 200, 0),
            (json!({"topic": "declines", "priority": 6}), 400, 40007),
            (json!({"topic": "declines", "priority": "high"}), 400, 40024),
            (json!({"topic": "decl ines"}), 400, 40009),
            (json!({"message": "m"}), 400, 40009),
            (json!({"topic": "a", "tags": "x"}), 400, 40024),
            (json!({"topic": "a", "actions": [{"action": "fly", "label": "x"}]}), 400, 40018),
            (json!({"topic": "a", "message": "x".repeat(8192)}), 413, 41303),
        ] {
            let incoming = post("/", &body.to_string());
            assert!((TWIN.claims)(&incoming));
            let answer = (TWIN.read)(&incoming, &[]).map_or_else(|refusal| refusal, |taken| taken.answer);
            assert_eq!(answer.status, status, "{body}");
            assert_eq!(json_of(&answer)["code"].as_u64().unwrap_or(0), code, "{body}");
        }
        assert!(!(TWIN.claims)(&post("/", "Action=GetFeed")));
        assert!(!(TWIN.claims)(&post("/a/b", "x")));
    }

    #[test]
    fn a_long_message_becomes_a_file() {
        let long = |length: usize| json!({"topic": "a", "title": "t", "message": "x".repeat(length)});
        assert_eq!(read_one(&TWIN, "/", &long(4096)).shown.text.len(), 4098);
        let taken = read_one(&TWIN, "/", &long(4097));
        assert_eq!(taken.shown.text, "t\nYou received a file: attachment.txt");
        assert_eq!(json_of(&taken.answer)["attachment"]["name"], "attachment.txt");
    }

    #[test]
    fn headers_and_query_publish_too() {
        let mut incoming = post("/declines?priority=high", "[a](http://b)");
        incoming.headers = vec![
            ("x-title".into(), "=?UTF-8?B?w6Q=?=".into()),
            ("tags".into(), "a, b".into()),
            ("md".into(), "yes".into()),
        ];
        let taken = take(&TWIN, &incoming, &[]);
        assert_eq!(taken.shown.text, "ä\n⟦a → http://b⟧");
        let body = json_of(&taken.answer);
        assert_eq!((&body["priority"], &body["tags"][1]), (&json!(4), &json!("b")));
        let wrong = with_header(post("/declines", "x"), "prio", "soon");
        assert_eq!(json_of(&(TWIN.read)(&wrong, &[]).expect_err("no such priority"))["code"], 40007);
    }

    #[test]
    fn tokens_and_passwords_have_their_forms() {
        for (value, is_accepted) in [
            ("Bearer tk_x", true),
            ("Bearer x", false),
            ("Basic YTpi", true),
            ("Basic YWI=", false),
            ("tk_x", false),
        ] {
            let incoming = with_header(post("/a", "x"), "authorization", value);
            assert_eq!((TWIN.read)(&incoming, &[]).is_ok(), is_accepted, "{value}");
        }
        assert_eq!(json_of(&(TWIN.throttled)(None))["code"], 42901);
        assert_eq!(json_of(&(TWIN.refused)(429))["code"], 42908);
    }
}
