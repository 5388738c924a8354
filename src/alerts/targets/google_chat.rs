//! Google Chat: an incoming webhook of a space.
//!
//! Owns: the text, its limit, and the parameters by which a repetition is recognised
//! (docs/src/reference/operations.md, sections 1.1, 1.2, 1.4 and 1.5). Must never know: the outbox.
//!
//! `<` and `>` begin and end mentions and links and cannot be escaped, so they become `‹` and `›`. `*`, `_`, `~` and
//! the backtick cannot be escaped either; they change only how a word looks.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{Style, Unit};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{AtAddress, Attempt, Composed, Registration, Target, post_json, with_query};
use crate::http::Response;
use crate::secret::Secret;
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<GoogleChat>("google-chat");

/// The whole message may have 32,000 bytes.
const STYLE: Style = Style { limit: 30_000, unit: Unit::Json, escape, bold: ("*", "*"), has_title: true };

impl AtAddress for GoogleChat {
    fn at(url: Secret<String>, _: &mut Setting<'_>) -> Option<GoogleChat> {
        Some(GoogleChat { url })
    }
}

/// One space.
#[derive(Debug)]
struct GoogleChat {
    url: Secret<String>,
}

impl Target for GoogleChat {
    /// The request id makes a repetition return the message that is already there. Alerts about one object share a
    /// thread.
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let mut url = with_query(self.url.expose(), &format!("requestId={}", event_id(&message.key)));
        let mut body = json!({"text": STYLE.write(message)});
        if let Subject::Single(alert) = &message.subject
            && let Some(object) = &alert.object
        {
            url = with_query(&url, "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
            body["thread"] = json!({"threadKey": event_id(&object.to_string())});
        }
        post_json(url, Vec::new(), &body, attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        by_status(answer, now).only_if(body["name"].is_string(), "Google Chat did not confirm the message")
    }
}

fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '<' => Some("‹"),
        '>' => Some("›"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, request, sent_json};

    fn chat() -> Box<dyn Target> {
        let url = "https://chat.googleapis.com/v1/spaces/S/messages?key=k&token=t";
        built("kind = \"google-chat\"\nurl = \"credential:hook\"", &[("hook", url)])
    }

    #[test]
    fn a_decline_is_a_text_in_the_thread_of_its_object_under_a_stable_request_id() {
        let body = sent_json(&*chat(), &decline());
        assert!(
            body["text"]
                .as_str()
                .unwrap()
                .starts_with("*[DECLINED] A charge was declined*\n*Amount:* 14.00 EUR\n")
        );
        assert_eq!(body["thread"]["threadKey"].as_str().unwrap().len(), 30);
        let first = request(&*chat(), &decline(), "2026-01-15T09:30:05Z").url;
        assert_eq!(first, request(&*chat(), &decline(), "2026-01-15T10:30:05Z").url);
        assert!(
            first.contains("?key=k&token=t&requestId=evt_") && first.contains("&messageReplyOption=REPLY"),
            "{first}"
        );
    }

    #[test]
    fn answers_are_judged() {
        for (status, body, expected) in [
            (200, r#"{"name":"spaces/S/messages/1"}"#, "delivered"),
            (200, "<html>", "retry Google Chat did not confirm the message"),
            (400, "", "refused HTTP 400"),
            (403, "", "denied HTTP 403"),
            (429, "", "retry HTTP 429"),
            (503, "", "retry HTTP 503"),
        ] {
            assert_eq!(judged(&*chat(), status, &[], body), expected);
        }
    }
}
