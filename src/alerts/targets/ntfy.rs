//! ntfy: push messages to phones, from ntfy.sh or a server of your own.
//!
//! Owns: the message, its limits and answers (docs/src/reference/operations.md, sections 1.1, 1.2 and 1.4). Must never
//! know: the outbox.
//!
//! The JSON form is used: in the other one, title and tags are headers. Markdown is off unless asked for, so nothing
//! is markup.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post_json};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("ntfy");

/// A longer message than 4096 bytes becomes an attachment that nobody reads.
const STYLE: Style =
    Style { limit: 4_096, unit: Unit::Bytes, escape: fit::verbatim, bold: ("", ""), has_title: false };
const TITLE_LIMIT: usize = 250;
/// The messages of the day are used up.
const DAILY_QUOTA: u64 = 42_908;
/// Too many wrong passwords.
const TOO_MANY_FAILURES: u64 = 42_909;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// The server.
    #[serde(default = "public")]
    base_url: String,
    /// Where the topic is. On a public server, a person who knows it can read everything.
    topic: SecretReference,
    /// Where the access token is (`tk_...`), or a user and password as `user:password`.
    #[serde(default)]
    token: Option<SecretReference>,
}

fn public() -> String {
    "https://ntfy.sh".to_owned()
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let base = setting.base("base_url", &self.base_url);
        let topic = setting.token("topic", &self.topic);
        let token = match &self.token {
            Some(reference) => Some(setting.token("token", reference)?),
            None => None,
        };
        let topic = topic?;
        let is_topic = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        if topic.expose().len() > 64 || !topic.expose().bytes().all(is_topic) {
            setting.problem("topic", "it is not a topic", "use 1 to 64 letters, digits, `-` and `_`");
            return None;
        }
        Some(Box::new(Ntfy { url: format!("{}/", base?), topic, token }))
    }
}

/// One topic.
#[derive(Debug)]
struct Ntfy {
    url: String,
    topic: Secret<String>,
    token: Option<Secret<String>>,
}

impl Target for Ntfy {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let (priority, tag) = match message.severity {
            Severity::Critical => (5, "rotating_light"),
            Severity::Warning => (4, "warning"),
            Severity::Info => (3, "information_source"),
        };
        let body = json!({
            "topic": self.topic.expose(),
            "title": fit::cut(&message.title, TITLE_LIMIT, Unit::Bytes, fit::verbatim),
            "message": STYLE.write(message),
            "priority": priority,
            "tags": [tag],
        });
        let authorization = self.token.as_ref().map(|token| match token.expose() {
            pair if pair.contains(':') => format!("Basic {}", STANDARD.encode(pair)),
            token => format!("Bearer {token}"),
        });
        let headers = authorization.map(|value| ("authorization", value)).into_iter().collect();
        post_json(self.url.clone(), headers, &body, attempt)
    }

    /// ntfy sends no `Retry-After`; its own codes say which limit was met.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = body["code"].as_u64();
        let (wait, words) = match code {
            Some(DAILY_QUOTA) if answer.status == 429 => (3_600, Some("(the daily quota is used up)")),
            Some(TOO_MANY_FAILURES) if answer.status == 429 => (3_600, Some("(too many failed logins)")),
            _ if answer.status == 429 => (60, None),
            _ => (0, None),
        };
        by_status(answer, now)
            .only_if(body["id"].is_string(), &format!("HTTP {} without a message id", answer.status))
            .waiting((wait > 0).then(|| Duration::from_secs(wait)))
            .quoting(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, refused, request, sent_json};

    fn ntfy(token: &str) -> Box<dyn Target> {
        let keys = "kind = \"ntfy\"\ntopic = \"credential:topic\"\ntoken = \"credential:token\"";
        built(keys, &[("topic", "declines-x1"), ("token", token)])
    }

    #[test]
    fn a_decline_is_json_at_the_root_of_the_server() {
        let sent = request(&*ntfy("tk_x"), &decline(), "2026-01-15T09:30:05Z");
        assert_eq!(sent.url, "https://ntfy.sh/");
        assert!(sent.headers.contains(&("authorization", "Bearer tk_x".to_owned())));
        let basic = request(&*ntfy("user:pass"), &decline(), "2026-01-15T09:30:05Z");
        assert!(basic.headers.contains(&("authorization", "Basic dXNlcjpwYXNz".to_owned())));
        let body = sent_json(&*ntfy("tk_x"), &decline());
        assert_eq!((&body["topic"], &body["priority"]), (&json!("declines-x1"), &json!(5)));
        assert_eq!(body["title"], "[DECLINED] A charge was declined");
        assert!(body["message"].as_str().unwrap().starts_with("Amount: 14.00 EUR\nOrder: ORDER-1001\n"));
    }

    #[test]
    fn answers_are_judged_by_the_codes() {
        for (status, body, expected) in [
            (200, r#"{"id":"x","event":"message"}"#, "delivered"),
            (200, "<html>", "retry HTTP 200 without a message id"),
            (401, r#"{"code":40101}"#, "denied HTTP 401"),
            (403, r#"{"code":40301}"#, "denied HTTP 403"),
            (413, r#"{"code":41301}"#, "refused HTTP 413"),
            (429, r#"{"code":42901}"#, "retry in 60s HTTP 429"),
            (429, r#"{"code":42908}"#, "retry in 3600s HTTP 429 (the daily quota is used up)"),
            (500, "", "retry HTTP 500"),
        ] {
            assert_eq!(judged(&*ntfy("tk_x"), status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_topic_is_one_word() {
        let keys = "kind = \"ntfy\"\ntopic = \"credential:topic\"";
        assert_eq!(refused(keys, &[("topic", "a/canary")])[0].key, "alert.0.topic");
    }
}
