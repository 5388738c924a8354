//! The Bot API of Telegram: `sendMessage`.
//!
//! Owns: its parameters, the length after parsing, who is alerted, Telegram's error bodies. Must never know: what
//! becomes of a message.
//!
//! Unknown parameters are ignored, as Telegram does. The length is counted in UTF-16 code units, as its entities are.
//! Any `@name` of five letters or more may be a user, so each outside code counts as a mention. The wait after a 429
//! stands in the body alone.

use serde_json::{Map, Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::telegram_markup as markup;
use super::twin::{Taken, Twin, Wait, has_content_type, id_of, json_body, parameters, parts, units};

const MOST_UNITS: usize = 4096;

pub(super) const TWIN: Twin = Twin {
    name: "telegram",
    claims: |incoming| matches!(parts(incoming).as_slice(), [bot, _] if bot.starts_with("bot")),
    read,
    refused,
    throttled,
    error_in_200: Some(|| failure(200, 400, "Bad Request: chat not found")),
};

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    let parts = parts(incoming);
    let (bot, secret) = parts[0].trim_start_matches("bot").split_once(':').unwrap_or_default();
    let is_token = !bot.is_empty()
        && bot.bytes().all(|digit| digit.is_ascii_digit())
        && !secret.is_empty()
        && secret.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-_".contains(&letter));
    if !is_token || !parts[1].eq_ignore_ascii_case("sendMessage") {
        return Err(failure(404, 404, "Not Found"));
    }
    let message = message(incoming).ok_or_else(|| bad("can't parse the request"))?;
    let shown = check(&message)?;
    let number = kept.iter().filter(|message| message.target == TWIN.name).count() + 1;
    let answer = json!({"ok": true, "result": {
        "message_id": number, "date": incoming.at.as_second(), "text": shown.text,
        "chat": {"id": message["chat_id"], "type": "supergroup", "title": "room"},
        "from": {"id": bot.parse::<u64>().unwrap_or_else(|_| id_of(&[bot])), "is_bot": true, "first_name": "bot"},
    }});
    Ok(Taken::new(shown, message, Outgoing::new(200, "application/json", answer.to_string())))
}

/// JSON, a form, or parameters in the query; a GET has only its query.
fn message(incoming: &Incoming) -> Option<Value> {
    let mut message = Map::new();
    for (name, value) in parameters(&incoming.query) {
        message.insert(name, value.into());
    }
    if incoming.method == "GET" {
        return Some(Value::Object(message));
    }
    if has_content_type(incoming, "application/x-www-form-urlencoded") {
        for (name, value) in parameters(std::str::from_utf8(&incoming.body).ok()?) {
            message.insert(name, value.into());
        }
    } else if !incoming.body.is_empty() {
        message.extend(json_body(incoming)?.as_object()?.clone());
    }
    (incoming.method == "POST").then_some(Value::Object(message))
}

fn check(message: &Value) -> Result<super::shown::Shown, Outgoing> {
    let chat = &message["chat_id"];
    let name = chat.as_str().unwrap_or_default();
    let is_chat = chat.is_i64() || name.parse::<i64>().is_ok() || name.len() > 1 && name.starts_with('@');
    if chat.is_null() || name.is_empty() && chat.is_string() {
        return Err(bad("chat_id is empty"));
    }
    if !is_chat {
        return Err(bad("chat not found"));
    }
    let text = match &message["text"] {
        Value::Null => "",
        text => text.as_str().ok_or_else(|| bad("text must be of type String"))?,
    };
    let flags =
        ["disable_notification", "protect_content", "disable_web_page_preview"].map(|key| &message[key]);
    if flags.into_iter().any(|flag| !(flag.is_null() || flag.is_boolean() || flag.is_string())) {
        return Err(bad("can't parse Boolean"));
    }
    let shown = match message["parse_mode"].as_str().map(str::to_lowercase).as_deref() {
        None if !message["parse_mode"].is_null() => return Err(bad("unsupported parse_mode")),
        None | Some("") => Ok(markup::plain(text)),
        Some("html") => markup::html(text),
        Some("markdownv2") => markup::markdown(text),
        // The old Markdown cannot escape everything, so nobody should send it.
        Some(_) => return Err(bad("unsupported parse_mode")),
    };
    let parsed = shown.map_err(|problem| bad(&format!("can't parse entities: {problem}")))?;
    if parsed.plain.trim().is_empty() {
        return Err(bad("message text is empty"));
    }
    if units(&parsed.plain) > MOST_UNITS {
        return Err(bad("message is too long"));
    }
    Ok(parsed.shown)
}

fn bad(problem: &str) -> Outgoing {
    failure(400, 400, &format!("Bad Request: {problem}"))
}

fn failure(status: u16, code: u16, description: &str) -> Outgoing {
    let body = json!({"ok": false, "error_code": code, "description": description});
    Outgoing::new(status, "application/json", body.to_string())
}

fn refused(status: u16) -> Outgoing {
    let description = match status {
        400 => "Bad Request: chat not found",
        401 => "Unauthorized",
        403 => "Forbidden: bot was kicked from the supergroup chat",
        404 => "Not Found",
        502 => "Bad Gateway",
        _ => "Internal Server Error",
    };
    failure(status, status, description)
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let Some(wait) = wait else { return failure(429, 429, "Too Many Requests") };
    let seconds = wait.seconds();
    let body = json!({
        "ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
        "parameters": {"retry_after": seconds},
    });
    Outgoing::new(429, "application/json", body.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::tests_support::{check_answers, form, json_of, post, read_one, take};
    use super::*;

    const URL: &str = "/bot123:AAH-x_y/sendMessage";

    fn html(text: &str) -> Value {
        json!({"chat_id": -100, "text": text, "parse_mode": "HTML"})
    }

    #[test]
    fn parameters_tokens_and_lengths() {
        check_answers(
            &TWIN,
            &[
                (URL, html("<b>Declined</b> &lt;x&gt;"), 200),
                (URL, json!({"chat_id": "@room", "text": "x", "unknown": 1}), 200),
                (URL, json!({"chat_id": "-100123", "text": "x"}), 200),
                (URL, json!({"chat_id": "room", "text": "x"}), 400),
                (URL, json!({"chat_id": "", "text": "x"}), 400),
                (URL, json!({"text": "x"}), 400),
                (URL, json!({"chat_id": 1}), 400),
                (URL, json!({"chat_id": 1, "text": " "}), 400),
                (URL, json!({"chat_id": 1, "text": 5}), 400),
                (URL, json!({"chat_id": 1, "text": "x", "parse_mode": "BBCode"}), 400),
                (URL, json!({"chat_id": 1, "text": "x", "disable_notification": 3}), 400),
                (URL, html(&"x".repeat(4096)), 200),
                (URL, html(&"x".repeat(4097)), 400),
                (URL, html(&"&amp;".repeat(4096)), 200),
                (URL, html(&"😀".repeat(2049)), 400),
                ("/bot123/sendMessage", html("x"), 404),
                ("/bot123:/sendMessage", html("x"), 404),
                ("/botx:y/sendMessage", html("x"), 404),
                ("/bot123:y/sendPigeon", html("x"), 404),
            ],
        );
        let taken = take(&TWIN, &form(URL, "chat_id=1&text=a%20b"), &[]);
        assert_eq!(json_of(&taken.answer)["result"]["text"], "a b");
        assert!((TWIN.claims)(&post("/bot1:x/anything", "{}")));
    }

    #[test]
    fn bad_markup_is_refused_with_its_place() {
        for (mode, text, problem) in [
            ("HTML", "a <c", "Unclosed start tag at byte offset 2"),
            ("HTML", "<script>x</script>", "Unsupported start tag \"script\" at byte offset 0"),
            ("HTML", "<b>x", "Can't find end tag corresponding to start tag \"b\""),
            (
                "HTML",
                "<b><i>x</b></i>",
                "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"",
            ),
            ("HTML", "x</b>", "Unexpected end tag at byte offset 1"),
            ("MarkdownV2", "a.b", "Character '.' is reserved and must be escaped with the preceding '\\'"),
            ("MarkdownV2", "*a", "Can't find end of Bold entity at byte offset 0"),
            ("MarkdownV2", "`a", "Can't find end of Code entity at byte offset 0"),
        ] {
            let message = json!({"chat_id": 1, "text": text, "parse_mode": mode});
            let refusal = (TWIN.read)(&post(URL, &message.to_string()), &[]).expect_err("it is bad");
            let expected = format!("Bad Request: can't parse entities: {problem}");
            assert_eq!(
                (refusal.status, &json_of(&refusal)["description"]),
                (400, &Value::from(expected)),
                "{text}"
            );
        }
    }

    #[test]
    fn mentions_and_links_are_marked() {
        let split = read_one(&TWIN, URL, &html("&#64;every<b>one</b>")).shown;
        assert_eq!(split.mentions, ["everyone"]);
        let text = "@everyone <code>@everyone</code> @abc a@everyone <a href=\"tg://user?id=5\">A</a> \
                    <a href=\"https://x\">y</a> &lt;b&gt;";
        let shown = read_one(&TWIN, URL, &html(text)).shown;
        assert_eq!(shown.text, "⟦@everyone⟧ @everyone @abc a@everyone ⟦@5⟧ ⟦y → https://x⟧ <b>");
        let message = json!({"chat_id": 1, "text": "\\@everyone `@everyone` [y](https://x) *b* \\.", "parse_mode": "MarkdownV2"});
        let shown = read_one(&TWIN, URL, &message).shown;
        assert_eq!(shown.text, "⟦@everyone⟧ @everyone ⟦y → https://x⟧ b .");
    }

    #[test]
    fn the_wait_stands_in_the_body() {
        let wait = Wait { time: Duration::from_millis(4100), now: Timestamp::UNIX_EPOCH };
        let answer = (TWIN.throttled)(Some(wait));
        assert_eq!(json_of(&answer)["parameters"]["retry_after"], 5);
        assert_eq!((answer.status, answer.header("retry-after")), (429, None));
        assert_eq!(json_of(&(TWIN.refused)(403))["error_code"], 403);
    }
}
