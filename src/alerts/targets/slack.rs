//! Slack incoming webhooks, and chats that accept the same message.
//!
//! Owns: Slack's limits, escaping and answers (docs/src/reference/operations.md, sections 1.1 to 1.3). Must never
//! know: the outbox, why an alert was raised.
//!
//! Everything from outside is in `plain_text`, where `*`, `_` and the backtick mean nothing. `&`, `<` and `>` are
//! escaped everywhere, which also disarms mentions and links.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status, machine_word};
use crate::alerts::fit::{self, Unit};
use crate::alerts::message::{Fact, Message};
use crate::alerts::setting::Setting;
use crate::alerts::target::{AtAddress, Attempt, Composed, Registration, Target, post_json};
use crate::http::Response;
use crate::secret::Secret;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<Slack>("slack");

impl AtAddress for Slack {
    fn at(url: Secret<String>, _: &mut Setting<'_>) -> Option<Slack> {
        Some(Slack::new(url))
    }
}

/// The longest `plain_text` of a header block.
const HEADER_LIMIT: usize = 150;
/// The longest text of a section block.
const SECTION_LIMIT: usize = 3000;
/// The longest text of one field of a section.
const FIELD_LIMIT: usize = 2000;
/// The maximum number of fields in one section. Two make a row: label and value.
const FIELDS_LIMIT: usize = 10;
/// The maximum number of blocks in a message.
const BLOCKS_LIMIT: usize = 50;
/// The longest top-level text that a notification needs. Slack itself would cut at 40,000.
const TEXT_LIMIT: usize = 500;

/// Answers that mean that this webhook or message will never work, even with a 2xx (section 1.2).
const NEVER: &[&str] = &[
    "invalid_payload",
    "user_not_found",
    "no_text",
    "too_many_attachments",
    "action_prohibited",
    "posting_to_general_channel_denied",
    "channel_not_found",
    "channel_is_archived",
    "no_service",
    "no_service_id",
    "no_active_hooks",
    "invalid_token",
    "no_team",
    "team_disabled",
];

/// One Slack channel.
#[derive(Debug)]
pub struct Slack {
    url: Secret<String>,
}

impl Slack {
    /// A channel with this webhook.
    pub fn new(url: Secret<String>) -> Slack {
        Slack { url }
    }
}

impl Target for Slack {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        post_json(self.url.expose().clone(), Vec::new(), &payload(message), attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let word = machine_word(&answer.body);
        match by_status(answer, now) {
            Verdict::Delivered if is_ok(&answer.body) => Verdict::Delivered,
            Verdict::Delivered if word.is_some_and(|word| NEVER.contains(&word)) => {
                Verdict::Refused { why: format!("HTTP {}", answer.status) }.quoting(word)
            }
            Verdict::Delivered => {
                let word = word.unwrap_or("without the chat's `ok`");
                Verdict::Retry { after: None, why: format!("HTTP {} {word}", answer.status) }
            }
            verdict => verdict.quoting(word),
        }
    }
}

/// Slack and Mattermost answer `ok`; chats that imitate them answer `{"ok":true}` or `{"success":true}`.
pub(super) fn is_ok(body: &[u8]) -> bool {
    if body.trim_ascii() == b"ok" {
        return true;
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else { return false };
    ["ok", "success"].iter().any(|name| fields.get(*name) == Some(&Value::Bool(true)))
}

fn payload(message: &Message) -> Value {
    let mut blocks = vec![json!({"type": "header", "text": plain(&message.title, HEADER_LIMIT)})];
    blocks.extend(rows(&message.facts));
    for (title, text) in [("Why", &message.why), ("What to do", &message.next)] {
        if !text.is_empty() {
            blocks.push(json!({"type": "section", "text": label(title, SECTION_LIMIT)}));
            blocks.push(json!({"type": "section", "text": plain(text, SECTION_LIMIT)}));
        }
    }
    for entry in &message.lines {
        blocks.push(json!({"type": "section", "text": plain(&format!("• {entry}"), SECTION_LIMIT)}));
    }
    blocks.extend(rows(&message.details));
    if !message.where_to_look.is_empty() {
        let where_to_look = plain(&format!("Where to look: {}", message.where_to_look), FIELD_LIMIT);
        blocks.push(json!({"type": "context", "elements": [where_to_look]}));
    }
    blocks.truncate(BLOCKS_LIMIT);
    json!({
        "text": escaped(&message.title, TEXT_LIMIT),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// Labels and values, side by side.
fn rows(facts: &[Fact]) -> impl Iterator<Item = Value> {
    facts.chunks(FIELDS_LIMIT / 2).map(|rows| {
        let cells =
            rows.iter().flat_map(|row| [label(row.label, FIELD_LIMIT), plain(&row.value, FIELD_LIMIT)]);
        json!({"type": "section", "fields": cells.collect::<Vec<_>>()})
    })
}

fn plain(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "text": escaped(text, limit), "emoji": false})
}

fn label(text: &str, limit: usize) -> Value {
    json!({"type": "mrkdwn", "text": escaped(&format!("*{text}*"), limit)})
}

fn escaped(text: &str, limit: usize) -> String {
    fit::cut(text, limit, Unit::Utf16, fit::angles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::{LONGEST_DIGEST, digest, single, trial};
    use crate::alerts::targets::tests::{judged, sent_json};
    use crate::alerts::tests::alert;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn slack() -> Slack {
        Slack::new(Secret::new("https://hooks.example/T/B/x".to_owned()))
    }

    fn sent(message: &Message) -> Value {
        sent_json(&slack(), message)
    }

    /// The violations of Slack's limits in a message (section 1.3), implemented independently of the code that builds
    /// it.
    fn problems(payload: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let mut text = |place: String, value: &Value, limit: usize| {
            let content = value.as_str().unwrap_or_default();
            let length = content.encode_utf16().count();
            if length == 0 || length > limit {
                found.push(format!("{place} has {length} units"));
            }
            let unescaped = content.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            if unescaped.contains(['<', '>', '&']) {
                found.push(format!("{place} is not escaped: {content}"));
            }
        };
        text("text".to_owned(), &payload["text"], 40_000);
        let blocks = payload["blocks"].as_array().unwrap();
        for (number, block) in blocks.iter().enumerate() {
            let place = |part: &str| format!("block {number} {part}");
            match block["type"].as_str().unwrap() {
                "header" => text(place("header"), &block["text"]["text"], 150),
                "section" if block["fields"].is_array() => {
                    let fields = block["fields"].as_array().unwrap();
                    assert!((1..=10).contains(&fields.len()));
                    fields.iter().for_each(|field| text(place("field"), &field["text"], 2000));
                }
                "section" => text(place("section"), &block["text"]["text"], 3000),
                "context" => {
                    let elements = block["elements"].as_array().unwrap();
                    assert!((1..=10).contains(&elements.len()));
                    elements.iter().for_each(|element| text(place("context"), &element["text"], 2000));
                }
                other => panic!("unexpected block {other}"),
            }
        }
        if blocks.is_empty() || blocks.len() > 50 {
            found.push(format!("{} blocks", blocks.len()));
        }
        found
    }

    #[test]
    fn a_decline_is_shown_with_header_rows_reason_and_advice() {
        let payload = sent(&single(&alert("a/1"), true, &TimeZone::UTC));
        assert_eq!(payload["text"], "[DECLINED] [SANDBOX] A charge was declined");
        assert_eq!(payload["unfurl_links"], false);
        assert_eq!(payload["blocks"][0]["text"]["type"], "plain_text");
        let rows = payload["blocks"][1]["fields"].as_array().unwrap();
        assert_eq!(rows[0], json!({"type": "mrkdwn", "text": "*Amount*"}));
        assert_eq!(rows[1], json!({"type": "plain_text", "text": "14.00 EUR", "emoji": false}));
        assert_eq!(rows[3]["text"], "ORDER-1001");
        assert!(payload.to_string().contains("Cancel the order."));
        assert_eq!(problems(&payload), Vec::<String>::new());
    }

    #[test]
    fn what_came_from_outside_is_never_markup() {
        let mut hostile = alert("a/1");
        hostile.merchant_reference = Some("<!channel> *bold* <https://evil.example|click>".to_owned());
        hostile.reason = Some("<@U123>".to_owned());
        let payload = sent(&single(&hostile, false, &TimeZone::UTC));
        assert_eq!(problems(&payload), Vec::<String>::new());
        for row in payload["blocks"][1]["fields"].as_array().unwrap() {
            let is_ours = row["type"] == "mrkdwn" && !row["text"].as_str().unwrap().contains("bold");
            assert!(is_ours || row["type"] == "plain_text", "{row}");
        }
    }

    #[test]
    fn a_digest_of_full_length_keeps_the_limits_and_names_all() {
        let alerts: Vec<_> =
            (0..LONGEST_DIGEST).map(|number| (alert(&format!("a/{number}")), false)).collect();
        let payload = sent(&digest(&alerts, "d".to_owned()));
        assert_eq!(problems(&payload), Vec::<String>::new());
        let text = payload.to_string();
        for number in 0..LONGEST_DIGEST {
            assert!(text.contains(&format!("C{number:06}")), "{number}");
        }
    }

    #[test]
    fn answers_are_judged_by_the_chats_own_words() {
        for (status, body, expected) in [
            (200, "ok", "delivered"),
            (200, "ok\n", "delivered"),
            (200, r#"{"success":true}"#, "delivered"),
            (200, "invalid_token", "refused HTTP 200 invalid_token"),
            (200, "<html>log in</html>", "retry HTTP 200 without the chat's `ok`"),
            (200, r#"{"ok":false}"#, "retry HTTP 200 without the chat's `ok`"),
            (400, "invalid_payload", "refused HTTP 400 invalid_payload"),
            (403, "action_prohibited", "denied HTTP 403 action_prohibited"),
            (404, "channel_not_found", "denied HTTP 404 channel_not_found"),
            (410, "channel_is_archived", "refused HTTP 410 channel_is_archived"),
            (429, "", "retry HTTP 429"),
            (500, "rollup_error", "retry HTTP 500 rollup_error"),
            (503, "<html>", "retry HTTP 503"),
        ] {
            assert_eq!(judged(&slack(), status, &[], body), expected, "{status} {body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_text_makes_a_message_within_the_limits(
            reference in "\\PC{0,40}|(<|&|>|\\*|😀){0,900}", headline in "(.|\n){0,200}",
            explanation in "(&|<|a|é|😀){0,3500}", reason in ".{0,60}",
        ) {
            let mut any_alert = alert("a/1");
            any_alert.merchant_reference = Some(reference);
            any_alert.headline = headline;
            any_alert.explanation = explanation;
            any_alert.reason = Some(reason);
            prop_assert_eq!(problems(&sent(&single(&any_alert, false, &TimeZone::UTC))), Vec::<String>::new());
            let many = vec![(any_alert, true); LONGEST_DIGEST];
            prop_assert_eq!(problems(&sent(&digest(&many, "d".to_owned()))), Vec::<String>::new());
        }
    }

    #[test]
    fn a_trial_is_a_good_message() {
        assert_eq!(
            problems(&sent(&trial("ops", Timestamp::UNIX_EPOCH, &TimeZone::UTC))),
            Vec::<String>::new()
        );
    }
}
