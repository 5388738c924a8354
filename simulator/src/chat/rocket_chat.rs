//! A Rocket.Chat incoming webhook.
//!
//! Owns: the limits of a message, who `@names` alert, Rocket.Chat's error bodies. Must never know: what becomes of a
//! message.
//!
//! Nothing disarms a mention, not even a code span: its parser is older than its Markdown. Any `@name` may be a user,
//! so each counts. Too many requests say when to return as milliseconds since 1970.

use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::mattermost::{body, show};
use super::shown::{Markup, Shown};
use super::twin::{Taken, Twin, Wait, parts, units};

/// `Message_MaxAllowedSize`, as the server counts: UTF-16 code units.
const MOST_UNITS: usize = 5000;

const MARKDOWN: Markup = Markup { has_links: true, mentions: |_| true, ..Markup::NONE };

pub(super) const TWIN: Twin = Twin {
    name: "rocket-chat",
    claims: |incoming| matches!(parts(incoming).as_slice(), ["hooks", id, _] if *id != "json"),
    read,
    refused,
    throttled,
    error_in_200: Some(|| {
        Outgoing::new(
            200,
            "application/json",
            json!({"success": false, "error": "error-invalid-channel"}).to_string(),
        )
    }),
};

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(error(405, "Method Not Allowed"));
    }
    if parts(incoming)[1..].iter().any(|part| part.is_empty()) {
        return Err(refused(404));
    }
    let message = body(incoming).filter(Value::is_object).ok_or_else(|| error(400, "Invalid JSON"))?;
    let shown = check(&message).map_err(|problem| error(400, problem))?;
    Ok(Taken::new(
        shown,
        message,
        Outgoing::new(200, "application/json", json!({"success": true}).to_string()),
    ))
}

fn check(message: &Value) -> Result<Shown, &'static str> {
    for key in ["text", "alias", "emoji", "avatar", "channel", "roomId"] {
        if !message[key].is_null() && !message[key].is_string() {
            return Err("error-invalid-params");
        }
    }
    let text = message["text"].as_str().unwrap_or_default();
    if units(text) > MOST_UNITS {
        return Err("error-message-size-exceeded");
    }
    let attachments = match &message["attachments"] {
        Value::Null => &Vec::new(),
        attachments => attachments.as_array().ok_or("Invalid \"attachments\": array expected")?,
    };
    if text.trim().is_empty() && attachments.is_empty() {
        return Err("error-invalid-params");
    }
    let mut shown = Shown::default();
    if !text.is_empty() {
        shown.line(text, &MARKDOWN);
    }
    for attachment in attachments {
        if !attachment.is_object() {
            return Err("Invalid \"attachments\"");
        }
        // The size of an attachment is not limited by the setting, but its text is by the same sense.
        if units(attachment["text"].as_str().unwrap_or_default()) > MOST_UNITS {
            return Err("error-message-size-exceeded");
        }
        show(attachment, &MARKDOWN, &mut shown).map_err(|()| "Invalid \"attachments\"")?;
    }
    Ok(shown)
}

fn error(status: u16, text: &str) -> Outgoing {
    Outgoing::new(status, "application/json", json!({"success": false, "error": text}).to_string())
}

fn refused(status: u16) -> Outgoing {
    let text = match status {
        400 => "error-invalid-params",
        401 => "You must be logged in to do this.",
        403 => "User does not have the permissions required for this action [error-unauthorized]",
        404 => "Invalid integration id or token provided.",
        _ => "Internal server error",
    };
    error(status, text)
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let Some(wait) = wait else {
        return error(429, "Error, too many requests. Please slow down. [error-too-many-requests]");
    };
    let text = format!(
        "Error, too many requests. Please slow down. You must wait {} seconds before trying this endpoint again. \
         [error-too-many-requests]",
        wait.seconds()
    );
    error(429, &text)
        .with_header("x-ratelimit-limit", "10")
        .with_header("x-ratelimit-remaining", "0")
        .with_header("x-ratelimit-reset", wait.end().as_millisecond().to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::tests_support::{body_of, check_answers, post, read_one};
    use super::*;

    const URL: &str = "/hooks/abc123/token";

    #[test]
    fn a_message_needs_text_or_attachments_within_the_limit() {
        let field = json!({"short": true, "title": "Amount", "value": "14.00 EUR"});
        let attachment = json!({"color": "#d00000", "title": "t", "fields": [field]});
        check_answers(
            &TWIN,
            &[
                (URL, json!({"text": "hello", "alias": "a", "emoji": ":warning:"}), 200),
                (URL, json!({"attachments": [attachment]}), 200),
                (URL, json!({"text": "x".repeat(5000)}), 200),
                (URL, json!({"text": "x".repeat(5001)}), 400),
                (URL, json!({"text": "😀".repeat(2501)}), 400),
                (URL, json!({"text": " "}), 400),
                (URL, json!({"text": 1}), 400),
                (URL, json!({"text": "x", "attachments": {}}), 400),
                (URL, json!({"attachments": [{"text": "x".repeat(5001)}]}), 400),
                (URL, json!({"attachments": ["x"]}), 400),
                ("/hooks/abc123/", json!({"text": "x"}), 404),
            ],
        );
        assert!(!(TWIN.claims)(&post("/hooks/json/a", "{}")));
    }

    #[test]
    fn every_name_is_a_mention() {
        let shown =
            read_one(&TWIN, URL, &json!({"text": "@all `@here` a@b.example @\u{200b}all \\@x"})).shown;
        assert_eq!(shown.mentions, ["all", "here", "x"]);
    }

    #[test]
    fn the_wait_ends_at_a_millisecond() {
        let wait = Wait { time: Duration::from_millis(1500), now: Timestamp::UNIX_EPOCH };
        let answer = (TWIN.throttled)(Some(wait));
        assert_eq!((answer.header("x-ratelimit-reset"), answer.header("retry-after")), (Some("1500"), None));
        assert!(body_of(&answer).contains("wait 2 seconds"));
        assert!(body_of(&(TWIN.refused)(404)).contains("Invalid integration id"));
    }
}
