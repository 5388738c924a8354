//! Mattermost incoming webhooks.
//!
//! Owns: the attachment, its limits, escaping and answers (docs/src/reference/operations.md, sections 1.1, 1.2 and
//! 1.4). Must never know: the outbox.
//!
//! Markdown is escaped by a backslash. Mentions are found before Markdown is interpreted, so an `@` gets an invisible
//! space behind it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::slack::is_ok;
use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{AtAddress, Attempt, Composed, Registration, Target, post_json};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::Secret;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<Mattermost>("mattermost");

/// A longer text than 16,383 characters would become several posts. Title and body share it.
const STYLE: Style =
    Style { limit: 14_000, unit: Unit::Utf16, escape: fit::markdown, bold: ("**", "**"), has_title: false };
const TITLE_LIMIT: usize = 2_000;

impl AtAddress for Mattermost {
    fn at(url: Secret<String>, _: &mut Setting<'_>) -> Option<Mattermost> {
        Some(Mattermost { url })
    }
}

/// One channel.
#[derive(Debug)]
struct Mattermost {
    url: Secret<String>,
}

impl Target for Mattermost {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let title = fit::cut(&message.title, TITLE_LIMIT, Unit::Utf16, fit::markdown);
        let attachment = json!({
            "fallback": title,
            "color": color(message.severity),
            "text": STYLE.write(message),
        });
        let body: Value = json!({"text": title, "attachments": [attachment]});
        post_json(self.url.expose().clone(), Vec::new(), &body, attempt)
    }

    /// `X-RateLimit-Reset` is the number of seconds until the limit is lifted.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
        by_status(answer, now)
            .only_if(is_ok(&answer.body), &format!("HTTP {} without the chat's `ok`", answer.status))
            .waiting(reset.map(Duration::from_secs).filter(|_| answer.status == 429))
    }
}

/// The bar beside an attachment.
pub(super) fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "#d00000",
        Severity::Warning => "#e8a000",
        Severity::Info => "#2080d0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, sent_json};

    fn chat() -> Box<dyn Target> {
        built("kind = \"mattermost\"\nurl = \"credential:hook\"", &[("hook", "https://chat.example/hooks/k")])
    }

    #[test]
    fn a_decline_is_a_title_and_an_attachment() {
        let body = sent_json(&*chat(), &decline());
        assert_eq!(body["text"], "\\[DECLINED\\] A charge was declined");
        assert_eq!(body["attachments"][0]["color"], "#d00000");
        let text = body["attachments"][0]["text"].as_str().unwrap();
        assert!(
            text.starts_with("**Amount:** 14.00 EUR\n**Order:** ORDER-1001\n**Why:** The buyer"),
            "{text}"
        );
    }

    #[test]
    fn answers_are_judged() {
        for (status, headers, body, expected) in [
            (200, &[][..], "ok", "delivered"),
            (200, &[], "<html>", "retry HTTP 200 without the chat's `ok`"),
            (400, &[], r#"{"id":"web.incoming_webhook.parse.app_error"}"#, "refused HTTP 400"),
            (403, &[], "", "denied HTTP 403"),
            (404, &[], "", "denied HTTP 404"),
            (429, &[("x-ratelimit-reset", "12")], "limit exceeded", "retry in 12s HTTP 429"),
            (500, &[], "", "retry HTTP 500"),
        ] {
            assert_eq!(judged(&*chat(), status, headers, body), expected, "{status} {body}");
        }
    }
}
