//! Discord webhooks.
//!
//! Owns: the embed, Discord's limits, escaping and answers (docs/src/reference/operations.md, sections 1.1, 1.2 and
//! 1.4). Must never know: the outbox.
//!
//! `allowed_mentions` forbids every mention. Markdown is escaped by a backslash.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{
    AtAddress, Attempt, Composed, Registration, Target, post_json, seconds, with_query,
};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::Secret;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<Discord>("discord");

const CONTENT_LIMIT: usize = 2000;
const VALUE_LIMIT: usize = 1024;
/// All texts of an embed may have 6000. The labels are ours and short.
const VALUES_LIMIT: usize = 5500;
/// The description, in which the lines of a digest are, may have 4096.
const LINES_LIMIT: usize = 4000;
/// Codes that mean that the webhook is gone or its token is wrong: it must not be used again.
const GONE: &[u64] = &[10015, 50027];

impl AtAddress for Discord {
    /// Without `wait`, Discord reports no error of a message that it does not keep.
    fn at(url: Secret<String>, _: &mut Setting<'_>) -> Option<Discord> {
        Some(Discord { url: Secret::new(with_query(url.expose(), "wait=true")) })
    }
}

/// One channel.
#[derive(Debug)]
struct Discord {
    url: Secret<String>,
}

impl Target for Discord {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        post_json(self.url.expose().clone(), Vec::new(), &payload(message), attempt)
    }

    /// With `wait=true`, success is the message itself. 204 is the success without it.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(code) = body["code"].as_u64().filter(|code| GONE.contains(code) && answer.status >= 400) {
            let why =
                format!("HTTP {}, code {code}: the webhook was deleted or its token is wrong", answer.status);
            return Verdict::Refused { why };
        }
        let header = answer.header("x-ratelimit-reset-after").and_then(|text| text.trim().parse().ok());
        let wait: Option<Duration> = seconds(body["retry_after"].as_f64().or(header));
        by_status(answer, now)
            .only_if(answer.status == 204 || body["id"].is_string(), "Discord did not confirm the message")
            .waiting(wait.filter(|_| answer.status == 429))
    }
}

fn payload(message: &Message) -> Value {
    let rows = message.rows();
    let values: Vec<&str> = rows.iter().map(|(_, value)| *value).collect();
    let lines: Vec<&str> = message.lines.iter().map(String::as_str).collect();
    let values_limit = if lines.is_empty() { VALUES_LIMIT } else { VALUES_LIMIT - LINES_LIMIT };
    let values = fit::cut_together(&values, values_limit, Unit::Utf16, fit::markdown);
    let fields = rows.iter().zip(values).map(|((label, whole), value)| {
        let is_long = value.encode_utf16().count() > VALUE_LIMIT;
        let value = if is_long { fit::cut(whole, VALUE_LIMIT, Unit::Utf16, fit::markdown) } else { value };
        json!({"name": label, "value": value, "inline": matches!(*label, "Amount" | "Order")})
    });
    let fields: Vec<Value> = fields.collect();
    let lines = fit::cut_together(&lines, LINES_LIMIT, Unit::Utf16, fit::markdown);
    let lines: Vec<String> = lines.iter().map(|entry| format!("• {entry}")).collect();
    let mut embed = json!({
        "color": match message.severity {
            Severity::Critical => 15_158_332,
            Severity::Warning => 15_844_367,
            Severity::Info => 3_447_003,
        },
        "timestamp": message.occurred_at.to_string(),
        "fields": fields,
    });
    if !lines.is_empty() {
        embed["description"] = json!(lines.join("\n"));
    }
    json!({
        "content": fit::cut(&message.title, CONTENT_LIMIT, Unit::Utf16, fit::markdown),
        "embeds": [embed],
        "allowed_mentions": {"parse": []},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, request, sent_json};

    fn discord() -> Box<dyn Target> {
        built(
            "kind = \"discord\"\nurl = \"credential:hook\"",
            &[("hook", "https://discord.com/api/webhooks/1/x")],
        )
    }

    #[test]
    fn a_decline_is_an_embed_that_mentions_nobody() {
        let payload = sent_json(&*discord(), &decline());
        assert_eq!(payload["content"], "\\[DECLINED\\] A charge was declined");
        assert_eq!(payload["allowed_mentions"], json!({"parse": []}));
        let fields = payload["embeds"][0]["fields"].as_array().unwrap();
        assert_eq!(fields[0], json!({"name": "Amount", "value": "14.00 EUR", "inline": true}));
        assert_eq!(fields[2]["name"], "Why");
        assert!(payload["embeds"][0]["description"].is_null());
        assert!(
            request(&*discord(), &decline(), "2026-01-15T09:30:05Z").url.ends_with("/webhooks/1/x?wait=true")
        );
    }

    #[test]
    fn answers_are_judged_by_the_codes() {
        let unknown = r#"{"message": "Unknown Webhook", "code": 10015}"#;
        for (status, headers, body, expected) in [
            (200, &[][..], r#"{"id": "1"}"#, "delivered"),
            (204, &[], "", "delivered"),
            (200, &[], "<html>", "retry Discord did not confirm the message"),
            (400, &[], r#"{"code": 50035}"#, "refused HTTP 400"),
            (401, &[], r#"{"code": 0}"#, "denied HTTP 401"),
            (
                404,
                &[],
                unknown,
                "refused HTTP 404, code 10015: the webhook was deleted or its token is wrong",
            ),
            (429, &[], r#"{"retry_after": 1.5}"#, "retry in 1.5s HTTP 429"),
            (429, &[("retry-after", "7")], r#"{"retry_after": 1.5}"#, "retry in 7s HTTP 429"),
            (429, &[("x-ratelimit-reset-after", "2.5")], "", "retry in 2.5s HTTP 429"),
            (429, &[], r#"{"retry_after": -1e300}"#, "retry HTTP 429"),
            (500, &[], "", "retry HTTP 500"),
        ] {
            assert_eq!(judged(&*discord(), status, headers, body), expected, "{status} {body}");
        }
    }
}
