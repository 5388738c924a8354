//! Microsoft Teams: a Workflow that posts an Adaptive Card.
//!
//! Owns: the card, its limits and answers, and why an address of a retired connector is refused
//! (docs/src/reference/operations.md, sections 1.1, 1.2 and 1.4). Must never know: the outbox.
//!
//! `TextBlock` and `FactSet` interpret Markdown, so every text stands in a `TextRun`, which does not. Nothing can
//! mention anybody, because a mention needs an entity in the card, and the card has none.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::fit::{self, Unit};
use crate::alerts::message::Message;
use crate::alerts::setting::Setting;
use crate::alerts::target::{AtAddress, Attempt, Composed, Registration, Target, post_json};
use crate::http::{Response, address};
use crate::payments::alert::Severity;
use crate::secret::Secret;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::at_address::<Teams>("teams");

/// All texts together, in bytes of JSON. A message may have 28 KB; the rest is the card around them.
const TEXTS_LIMIT: usize = 18_000;
/// The hosts of the retired Office 365 connectors.
const RETIRED: &[&str] = &["webhook.office.com", "outlook.office.com", "outlook.office365.com"];

impl AtAddress for Teams {
    fn at(url: Secret<String>, setting: &mut Setting<'_>) -> Option<Teams> {
        if is_retired(url.expose()) {
            setting.problem(
                "url",
                "it is an address of an Office 365 connector, which Microsoft has retired: nothing would arrive",
                "create a workflow \"Post to a channel when a webhook request is received\" in Teams and store its address",
            );
            return None;
        }
        Some(Teams { url })
    }
}

fn is_retired(url: &str) -> bool {
    let url = address::checked(url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    RETIRED.iter().any(|retired| host == *retired || host.ends_with(&format!(".{retired}")))
}

/// One workflow.
#[derive(Debug)]
struct Teams {
    url: Secret<String>,
}

impl Target for Teams {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        post_json(self.url.expose().clone(), Vec::new(), &card(message), attempt)
    }

    /// A workflow answers 202. One with a response step of its own answers an empty 200; the old connectors answered
    /// 200 with `1`, or 200 with the text of an error.
    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        let body = answer.body.trim_ascii();
        let is_sure = answer.status == 202 || (answer.status == 200 && (body.is_empty() || body == b"1"));
        let verdict = by_status(answer, now)
            .only_if(is_sure, &format!("HTTP {} without a workflow's sign of success", answer.status));
        match answer.status {
            401 | 403 => verdict.quoting(Some("(the workflow's trigger must allow \"Anyone\")")),
            404 => verdict.quoting(Some("(the workflow was deleted or turned off)")),
            _ => verdict,
        }
    }
}

fn card(message: &Message) -> Value {
    let rows = message.rows();
    let mut texts = vec![message.title.as_str()];
    texts.extend(rows.iter().map(|(_, value)| *value));
    texts.extend(message.lines.iter().map(String::as_str));
    let mut texts = fit::cut_together(&texts, TEXTS_LIMIT, Unit::Json, fit::verbatim).into_iter();
    let color = match message.severity {
        Severity::Critical => "Attention",
        Severity::Warning => "Warning",
        Severity::Info => "Default",
    };
    let title = json!({
        "type": "TextRun", "text": texts.next(), "weight": "Bolder", "size": "Medium", "color": color,
    });
    let mut body = vec![json!({"type": "RichTextBlock", "inlines": [title]})];
    for ((label, _), value) in rows.iter().zip(texts.by_ref()) {
        let label = json!({"type": "TextRun", "text": format!("{label}: "), "weight": "Bolder"});
        body.push(json!({"type": "RichTextBlock", "inlines": [label, {"type": "TextRun", "text": value}]}));
    }
    body.extend(texts.map(|entry| {
        let entry = json!({"type": "TextRun", "text": format!("• {entry}")});
        json!({"type": "RichTextBlock", "inlines": [entry]})
    }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "msteams": {"width": "Full"},
                "body": body,
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, refused, sent_json};

    fn teams() -> Box<dyn Target> {
        let file = (
            "hook",
            "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x",
        );
        built("kind = \"teams\"\nurl = \"credential:hook\"", &[file])
    }

    #[test]
    fn a_decline_is_an_adaptive_card_without_markdown() {
        let payload = sent_json(&*teams(), &decline());
        let card = &payload["attachments"][0]["content"];
        assert_eq!(card["body"][0]["inlines"][0]["text"], "[DECLINED] A charge was declined");
        assert_eq!(card["body"][0]["inlines"][0]["color"], "Attention");
        assert_eq!(card["body"][1]["inlines"][0]["text"], "Amount: ");
        assert_eq!(card["body"][1]["inlines"][1], json!({"type": "TextRun", "text": "14.00 EUR"}));
        assert!(!payload.to_string().contains("TextBlock\",\"text"));
    }

    #[test]
    fn only_a_workflow_s_own_success_counts() {
        let no_sign = "retry HTTP 200 without a workflow's sign of success";
        for (status, body, expected) in [
            (202, "", "delivered"),
            (200, "", "delivered"),
            (200, "1", "delivered"),
            (
                200,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
                no_sign,
            ),
            (200, "<html>log in</html>", no_sign),
            (400, "", "refused HTTP 400"),
            (401, "", "denied HTTP 401 (the workflow's trigger must allow \"Anyone\")"),
            (404, "", "denied HTTP 404 (the workflow was deleted or turned off)"),
            (413, "", "refused HTTP 413"),
            (429, "", "retry HTTP 429"),
            (502, "", "retry HTTP 502"),
        ] {
            assert_eq!(judged(&*teams(), status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn addresses_of_retired_connectors_are_refused_with_the_reason() {
        for url in
            ["https://shop.webhook.office.com/webhookb2/canary", "https://outlook.office.com/webhook/canary"]
        {
            let problems = refused("kind = \"teams\"\nurl = \"credential:hook\"", &[("hook", url)]);
            assert!(
                problems[0].what.contains("retired") && problems[0].remedy.contains("workflow"),
                "{problems:?}"
            );
            assert!(!format!("{problems:?}").contains("canary"));
        }
    }
}
