//! A Mattermost incoming webhook.
//!
//! Owns: what a post must have, who `@names` alert, how a long text is split, Mattermost's error bodies. Must never
//! know: what becomes of a message.
//!
//! A backslash or a code span disarms a mention; `<!channel>` of Slack works too. Any `@name` may be a user, so each
//! counts as a mention. Too many requests say `X-RateLimit-Reset` in seconds and no `Retry-After`.

use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::{Angle, Markup, Shown};
use super::twin::{Taken, Twin, Wait, has_content_type, json_body, parameter, parts};

/// A text above this is split in several posts. Mattermost counts characters.
const MOST_CHARACTERS: usize = 16_383;

const MARKDOWN: Markup = Markup {
    has_escapes: true,
    has_code: true,
    has_links: true,
    has_entities: false,
    mentions: |_| true,
    angle,
};

pub(super) const TWIN: Twin = Twin {
    name: "mattermost",
    claims: |incoming| matches!(parts(incoming).as_slice(), ["hooks", key] if *key != "json"),
    read,
    refused,
    throttled,
    error_in_200: None,
};

fn angle(inside: &str) -> Angle {
    let (address, text) = inside.split_once('|').unwrap_or((inside, inside));
    match address {
        "!channel" | "!here" | "!all" | "!everyone" => Angle::Mention(address[1..].to_owned()),
        _ if address.starts_with('@') => Angle::Mention(address[1..].to_owned()),
        _ if address.starts_with("http://") || address.starts_with("https://") => {
            Angle::Link(text.to_owned(), address.to_owned())
        }
        _ => Angle::Text,
    }
}

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(error(405, "api.context.405.app_error", "Method not allowed."));
    }
    let key = parts(incoming)[1];
    if key.is_empty() || !key.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err(error(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook."));
    }
    let message = body(incoming).filter(Value::is_object).ok_or_else(|| {
        error(400, "web.incoming_webhook.parse.app_error", "Unable to parse incoming data.")
    })?;
    let shown = check(&message)?;
    Ok(Taken::new(shown, message, Outgoing::new(200, "text/plain", "ok")))
}

/// JSON, or a form whose `payload` is JSON.
pub(super) fn body(incoming: &Incoming) -> Option<Value> {
    if has_content_type(incoming, "application/x-www-form-urlencoded") {
        let payload = parameter(std::str::from_utf8(&incoming.body).ok()?, "payload")?;
        return serde_json::from_str(&payload).ok();
    }
    json_body(incoming)
}

fn check(message: &Value) -> Result<Shown, Outgoing> {
    let bad = || error(400, "web.incoming_webhook.parse.app_error", "Unable to parse incoming data.");
    let text = message["text"].as_str().unwrap_or_default();
    let is_text = |key: &str| message[key].is_null() || message[key].is_string();
    let attachments = message["attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_types =
        ["text", "channel", "username", "icon_url", "icon_emoji", "type"].into_iter().all(is_text)
            && (message["attachments"].is_null() || message["attachments"].is_array())
            && (message["silent"].is_null() || message["silent"].is_boolean());
    if !has_types || !attachments.iter().all(Value::is_object) {
        return Err(bad());
    }
    if text.is_empty() && attachments.is_empty() {
        return Err(error(400, "web.incoming_webhook.text.app_error", "No text specified."));
    }
    let priority = &message["priority"]["priority"];
    if !priority.is_null() && !["", "urgent", "important", "standard"].iter().any(|known| priority == known) {
        return Err(error(400, "model.post.is_valid.priority.app_error", "Invalid priority."));
    }
    let mut shown = Shown::default();
    let letters: Vec<char> = text.chars().collect();
    for (position, piece) in letters.chunks(MOST_CHARACTERS).enumerate() {
        if position > 0 {
            shown.plain_line("⟦next post⟧");
        }
        shown.line(&piece.iter().collect::<String>(), &MARKDOWN);
    }
    attachments
        .iter()
        .try_for_each(|attachment| show(attachment, &MARKDOWN, &mut shown))
        .map_err(|()| bad())?;
    Ok(shown)
}

/// An attachment in Slack's old form, which Rocket.Chat takes too. `title_link` and `fallback` have no markup.
pub(super) fn show(attachment: &Value, markup: &Markup, shown: &mut Shown) -> Result<(), ()> {
    let text = |object: &'_ Value, key: &str| match &object[key] {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(()),
    };
    for key in ["fallback", "color", "title_link", "author_link", "image_url", "thumb_url", "author_icon"] {
        text(attachment, key)?;
    }
    for key in ["pretext", "author_name", "title", "text"] {
        let line = text(attachment, key)?;
        let link = text(attachment, "title_link")?;
        if key == "title" && !line.is_empty() && !link.is_empty() {
            shown.start_line();
            shown.link(&line, &link);
        } else if !line.is_empty() {
            shown.line(&line, markup);
        }
    }
    let fields = &attachment["fields"];
    if !fields.is_null() && !fields.is_array() {
        return Err(());
    }
    for field in fields.as_array().into_iter().flatten() {
        if !field["short"].is_null() && !field["short"].is_boolean() {
            return Err(());
        }
        let value = match &field["value"] {
            Value::Number(number) => number.to_string(),
            _ => text(field, "value")?,
        };
        shown.field(&text(field, "title")?, &value, markup);
    }
    let footer = text(attachment, "footer")?;
    if !footer.is_empty() {
        shown.plain_line(&footer);
    }
    Ok(())
}

fn error(status: u16, id: &str, message: &str) -> Outgoing {
    let body = json!({"id": id, "message": message, "detailed_error": "", "status_code": status});
    Outgoing::new(status, "application/json", body.to_string())
}

fn refused(status: u16) -> Outgoing {
    match status {
        400 => error(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook."),
        403 => error(403, "web.incoming_webhook.permissions.app_error", "Inappropriate channel permissions."),
        404 => error(404, "web.incoming_webhook.channel.app_error", "Couldn't find the channel."),
        501 => error(501, "web.incoming_webhook.disabled.app_error", "Incoming webhooks are disabled."),
        _ => error(status, "api.context.unknown.app_error", "An unknown error occurred."),
    }
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let answer = Outgoing::new(429, "text/plain; charset=utf-8", "limit exceeded\n");
    match wait {
        Some(wait) => answer
            .with_header("x-ratelimit-limit", "10")
            .with_header("x-ratelimit-remaining", "0")
            .with_header("x-ratelimit-reset", wait.seconds().to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::tests_support::{body_of, check_answers, form, post, read_one, take};
    use super::*;

    const URL: &str = "/hooks/9xuqwrwgstrb3mzrxb83nb357a";

    #[test]
    fn a_post_needs_text_or_attachments() {
        let with = |attachment: Value| json!({"attachments": [attachment]});
        check_answers(
            &TWIN,
            &[
                (URL, json!({"text": "hello"}), 200),
                (URL, json!({"text": "x", "priority": {"priority": "urgent"}, "silent": true}), 200),
                (URL, json!({"text": "x", "priority": {"priority": "high"}}), 400),
                (
                    URL,
                    with(json!({"fallback": "f", "color": "#d00000", "fields": [
                    {"short": true, "title": "Amount", "value": "14.00 EUR"}]})),
                    200,
                ),
                (URL, with(json!({"fields": [{"short": "yes", "title": "a", "value": "b"}]})), 400),
                (URL, with(json!("x")), 400),
                (URL, json!({"text": ""}), 400),
                (URL, json!({"text": 1}), 400),
                (URL, json!({"attachments": []}), 400),
                (URL, json!({"text": "x".repeat(40_000)}), 200),
                ("/hooks/", json!({"text": "x"}), 400),
            ],
        );
        assert!(!(TWIN.claims)(&post("/hooks/json", "{}")) && !(TWIN.claims)(&post("/hooks/a/b", "{}")));
        let payload = form(URL, "payload=%7B%22text%22%3A%22%40here%22%7D");
        assert_eq!(take(&TWIN, &payload, &[]).shown.mentions, ["here"]);
    }

    #[test]
    fn mentions_fire_unless_they_are_escaped_and_long_texts_are_split() {
        let text = "@channel \\@all `@here` <!here> a@b.example [x](http://y)";
        let shown = read_one(&TWIN, URL, &json!({"text": text})).shown;
        assert_eq!(shown.text, "⟦@channel⟧ @all @here ⟦@here⟧ a@b.example ⟦x → http://y⟧");
        let field = json!({"attachments": [{"title": "t", "fields": [{"title": "a", "value": "@all"}]}]});
        assert_eq!(read_one(&TWIN, URL, &field).shown.mentions, ["all"]);
        let long = read_one(&TWIN, URL, &json!({"text": "ä".repeat(16_384)})).shown.text;
        assert_eq!(long.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [16_383, 11, 1]);
    }

    #[test]
    fn the_wait_is_a_header_of_its_own() {
        let wait = Wait { time: Duration::from_millis(1500), now: Timestamp::UNIX_EPOCH };
        let answer = (TWIN.throttled)(Some(wait));
        assert_eq!((answer.header("x-ratelimit-reset"), answer.header("retry-after")), (Some("2"), None));
        assert_eq!(body_of(&answer), "limit exceeded\n");
        assert!(body_of(&(TWIN.refused)(404)).contains("web.incoming_webhook.channel.app_error"));
    }
}
