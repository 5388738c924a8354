//! Rocket.Chat incoming webhooks.
//!
//! Owns: the attachment, its limits, escaping and answers (docs/src/reference/operations.md, sections 1.1, 1.2 and
//! 1.4). Must never know: the outbox.
//!
//! Rocket.Chat has no escapes. An invisible space behind `@`, `<`, `#` and `]` keeps mentions, links and channels from
//! being recognised; `*`, `_`, `~` and the backtick change only how a word looks.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::mattermost::color;
use super::slack::is_ok;
use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{AtAddress, Attempt, Composed, Registration, Target, post_json};
use crate::http::Response;
use crate::secret::Secret;
use crate::time::between;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<RocketChat>("rocket-chat");

/// A server takes 5000 characters unless its administrator says otherwise. Title and body share them.
const STYLE: Style = Style { limit: 4_000, unit: Unit::Utf16, escape, bold: ("*", "*"), has_title: false };
const TITLE_LIMIT: usize = 900;

impl AtAddress for RocketChat {
    fn at(url: Secret<String>, _: &mut Setting<'_>) -> Option<RocketChat> {
        Some(RocketChat { url })
    }
}

/// One channel.
#[derive(Debug)]
struct RocketChat {
    url: Secret<String>,
}

impl Target for RocketChat {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let body = json!({
            "text": fit::cut(&message.title, TITLE_LIMIT, Unit::Utf16, escape),
            "attachments": [{"color": color(message.severity), "text": STYLE.write(message)}],
        });
        post_json(self.url.expose().clone(), Vec::new(), &body, attempt)
    }

    /// `x-ratelimit-reset` is a time in milliseconds since 1970.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
        let reset = reset.and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
        let wait: Option<Duration> = reset.map(|at| between(answer.date().unwrap_or(now), at));
        by_status(answer, now)
            .only_if(is_ok(&answer.body), &format!("HTTP {} without success:true", answer.status))
            .waiting(wait.filter(|_| answer.status == 429))
    }
}

fn escape(letter: char) -> Option<&'static str> {
    Some(match letter {
        '@' => "@\u{200b}",
        '<' => "<\u{200b}",
        '#' => "#\u{200b}",
        ']' => "]\u{200b}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, sent_json};

    fn chat() -> Box<dyn Target> {
        built(
            "kind = \"rocket-chat\"\nurl = \"credential:hook\"",
            &[("hook", "https://chat.example/hooks/i/t")],
        )
    }

    #[test]
    fn a_decline_is_a_title_and_an_attachment() {
        let body = sent_json(&*chat(), &decline());
        assert_eq!(body["text"], "[DECLINED]\u{200b} A charge was declined");
        assert!(
            body["attachments"][0]["text"]
                .as_str()
                .unwrap()
                .starts_with("*Amount:* 14.00 EUR\n*Order:* ORDER")
        );
    }

    #[test]
    fn answers_are_judged() {
        for (status, headers, body, expected) in [
            (200, &[][..], r#"{"success":true}"#, "delivered"),
            (200, &[], r#"{"success":false,"error":"error-script"}"#, "retry HTTP 200 without success:true"),
            (400, &[], r#"{"success":false}"#, "refused HTTP 400"),
            (401, &[], "", "denied HTTP 401"),
            (429, &[("x-ratelimit-reset", "30000")], "", "retry in 30s HTTP 429"),
            (429, &[("x-ratelimit-reset", "soon")], "", "retry HTTP 429"),
        ] {
            assert_eq!(judged(&*chat(), status, headers, body), expected, "{status} {body}");
        }
    }
}
