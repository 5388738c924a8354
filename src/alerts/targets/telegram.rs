//! Telegram: a bot that writes into a chat.
//!
//! Owns: the HTML of a message, Telegram's limits and answers (docs/src/reference/operations.md, sections 1.1, 1.2
//! and 1.4). Must never know: the outbox.

use std::sync::Mutex;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post_json, seconds};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("telegram");

/// Telegram counts after parsing, so this is stricter: markup counts as well.
const STYLE: Style = Style { limit: 4096, unit: Unit::Utf16, escape, bold: ("<b>", "</b>"), has_title: true };

/// Escapes HTML. An `@` gets an invisible space behind it: Telegram calls whomever a text names.
fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '@' => Some("@\u{200b}"),
        _ => fit::angles(letter),
    }
}

/// What Telegram says about a refusal, and what we repeat of it: its texts may quote the message.
const KNOWN: &[&str] = &[
    "chat not found",
    "bot was blocked by the user",
    "bot was kicked",
    "not enough rights",
    "can't parse entities",
    "message is too long",
    "message thread not found",
    "Unauthorized",
];

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Where the bot's token is.
    token: SecretReference,
    /// The chat: a number, or `@channel`.
    chat_id: ChatId,
    /// The topic within a group that has topics.
    #[serde(default)]
    thread_id: Option<i64>,
    /// Another address of the API, for a proxy or a server of your own.
    #[serde(default = "official")]
    base_url: String,
}

/// A chat as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ChatId {
    Number(i64),
    Name(String),
}

fn official() -> String {
    "https://api.telegram.org".to_owned()
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let base = setting.base("base_url", &self.base_url);
        let token = setting.token("token", &self.token);
        let is_token = |text: &str| {
            let (bot, key) = text.split_once(':').unwrap_or_default();
            let is_key = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
            !key.is_empty()
                && !bot.is_empty()
                && bot.bytes().all(|letter| letter.is_ascii_digit())
                && key.bytes().all(is_key)
        };
        if !setting.is_blind() && token.as_ref().is_some_and(|token| !is_token(token.expose())) {
            setting.problem(
                "token",
                "it is not a bot's token",
                "store it as @BotFather shows it: 123456:ABC...",
            );
            return None;
        }
        let chat_id = match &self.chat_id {
            ChatId::Number(number) => json!(number),
            ChatId::Name(name) => match name.parse::<i64>() {
                Ok(number) => json!(number),
                Err(_) if name.starts_with('@') => json!(name),
                Err(_) => {
                    setting.problem(
                        "chat_id",
                        "it is neither a number nor a name with @",
                        "write -1001234567890 or \"@channel\"",
                    );
                    return None;
                }
            },
        };
        let url = Secret::new(format!("{}/bot{}/sendMessage", base?, token?.expose()));
        Some(Box::new(Telegram { url, chat_id, thread_id: self.thread_id, moved_to: Mutex::new(None) }))
    }
}

/// One chat.
#[derive(Debug)]
struct Telegram {
    url: Secret<String>,
    chat_id: Value,
    thread_id: Option<i64>,
    /// The number that a group got when it became a supergroup, until the configuration has it.
    moved_to: Mutex<Option<i64>>,
}

impl Target for Telegram {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let moved_to = *self.moved_to.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut body = json!({
            "chat_id": moved_to.map_or(self.chat_id.clone(), |number| json!(number)),
            "text": STYLE.write(message),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
            "disable_notification": message.severity == Severity::Info,
        });
        if let Some(thread) = self.thread_id {
            body["message_thread_id"] = json!(thread);
        }
        post_json(self.url.expose().clone(), Vec::new(), &body, attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let parameters = &body["parameters"];
        if let (400, Some(number)) = (answer.status, parameters["migrate_to_chat_id"].as_i64()) {
            *self.moved_to.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(number);
            let why = format!(
                "HTTP 400, the group has a new number: write chat_id = {number} into the configuration"
            );
            return Verdict::Retry { after: None, why };
        }
        let description = body["description"].as_str().unwrap_or_default();
        let known = KNOWN.iter().find(|known| description.contains(**known)).copied();
        let is_sure = body["ok"] == true;
        by_status(answer, now)
            .only_if(is_sure, &format!("HTTP {} without ok:true", answer.status))
            .waiting(seconds(parameters["retry_after"].as_f64()))
            .quoting(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, refused, request, sent_json};

    const KEYS: &str = "kind = \"telegram\"\ntoken = \"credential:token\"\nchat_id = -100123\nthread_id = 7";

    fn telegram() -> Box<dyn Target> {
        built(KEYS, &[("token", "123:abc-DEF_1")])
    }

    #[test]
    fn a_decline_is_one_html_text() {
        let sent = request(&*telegram(), &decline(), "2026-01-15T09:30:05Z");
        assert_eq!(sent.url, "https://api.telegram.org/bot123:abc-DEF_1/sendMessage");
        let body = sent_json(&*telegram(), &decline());
        assert_eq!((&body["chat_id"], &body["message_thread_id"]), (&json!(-100_123), &json!(7)));
        let text = body["text"].as_str().unwrap();
        assert!(
            text.starts_with("<b>[DECLINED] A charge was declined</b>\n<b>Amount:</b> 14.00 EUR\n"),
            "{text}"
        );
        assert_eq!(body["parse_mode"], "HTML");
    }

    #[test]
    fn answers_are_judged_by_what_the_body_says() {
        for (status, body, expected) in [
            (200, r#"{"ok":true,"result":{}}"#, "delivered"),
            (200, r#"{"ok":false}"#, "retry HTTP 200 without ok:true"),
            (200, "<html>", "retry HTTP 200 without ok:true"),
            (
                400,
                r#"{"ok":false,"description":"Bad Request: chat not found"}"#,
                "refused HTTP 400 chat not found",
            ),
            (401, r#"{"ok":false,"description":"Unauthorized"}"#, "denied HTTP 401 Unauthorized"),
            (403, r#"{"ok":false,"description":"Forbidden: Jane"}"#, "denied HTTP 403"),
            (429, r#"{"ok":false,"parameters":{"retry_after":35}}"#, "retry in 35s HTTP 429"),
            (502, "", "retry HTTP 502"),
        ] {
            assert_eq!(judged(&*telegram(), status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_group_that_moved_is_followed() {
        let target = telegram();
        let moved = r#"{"ok":false,"parameters":{"migrate_to_chat_id":-100999}}"#;
        assert!(judged(&*target, 400, &[], moved).starts_with("retry HTTP 400, the group has a new number"));
        assert_eq!(sent_json(&*target, &decline())["chat_id"], json!(-100_999));
    }

    #[test]
    fn another_base_is_for_a_proxy_and_bad_keys_are_named() {
        let keys = format!("{KEYS}\nbase_url = \"https://proxy.example/telegram/\"");
        let target = built(&keys, &[("token", "1:x")]);
        let sent = request(&*target, &decline(), "2026-01-15T09:30:05Z");
        assert_eq!(sent.url, "https://proxy.example/telegram/bot1:x/sendMessage");
        let keys = KEYS.replace("-100123", "\"shop\"") + "\nbase_url = \"http://proxy.example\"";
        let problems = refused(&keys, &[("token", "canary/../x")]);
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["alert.0.base_url", "alert.0.token"]);
        assert!(!format!("{problems:?}").contains("canary"));
    }
}
