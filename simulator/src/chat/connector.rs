//! The retired Office 365 connector of Microsoft Teams.
//!
//! Owns: what a MessageCard must have, and the connector's habit of answering 200 to a failure. Must never know: what
//! becomes of a message.
//!
//! Only 200 with the body `1` is a success. Everything that Teams itself refuses, a rate above its limits included, is
//! answered with 200 and a sentence.

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::{Angle, Markup, Shown};
use super::teams::MOST_BYTES;
use super::twin::{Taken, Twin, Wait, json_body};

pub(super) const TWIN: Twin = Twin {
    name: "connector",
    claims: |incoming| incoming.path.starts_with("/webhookb2/"),
    read,
    refused,
    throttled: |_: Option<Wait>| failed_inside(429),
    error_in_200: Some(|| failed_inside(400)),
};

const MARKDOWN: Markup = Markup {
    has_escapes: true,
    has_code: true,
    has_links: true,
    has_entities: false,
    mentions: |_| false,
    angle: |_| Angle::Text,
};

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    let bad = |message: &str| Outgoing::new(400, "text/plain; charset=utf-8", message);
    if incoming.method != "POST" {
        return Err(refused(405));
    }
    if incoming.body.len() > MOST_BYTES {
        return Err(failed_inside(413));
    }
    let card = json_body(incoming)
        .filter(serde_json::Value::is_object)
        .ok_or_else(|| bad("Bad payload received by generic incoming webhook."))?;
    let texts = ["title", "summary", "text"].map(|key| card[key].as_str().unwrap_or_default());
    let [title, summary, text] = texts;
    if summary.is_empty() && text.is_empty() {
        return Err(bad("Summary or Text is required."));
    }
    let context = card["@context"].as_str().unwrap_or_default();
    if card["@type"] != "MessageCard" || !context.ends_with("://schema.org/extensions") {
        return Err(bad("Bad payload received by generic incoming webhook."));
    }
    let mut shown = Shown::default();
    for text in [title, text].into_iter().filter(|text| !text.is_empty()) {
        shown.line(text, &MARKDOWN);
    }
    for section in card["sections"].as_array().into_iter().flatten() {
        for key in ["activityTitle", "activitySubtitle", "text"] {
            if let Some(text) = section[key].as_str() {
                shown.line(text, &MARKDOWN);
            }
        }
        for fact in section["facts"].as_array().into_iter().flatten() {
            let [name, value] = ["name", "value"].map(|key| fact[key].as_str().unwrap_or_default());
            shown.field(name, value, &MARKDOWN);
        }
    }
    Ok(Taken::new(shown, card, Outgoing::new(200, "text/plain; charset=utf-8", "1")))
}

fn failed_inside(status: u16) -> Outgoing {
    let text = format!(
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with \
         ContextId tcid=0,server=msgapi-simulated,cv=0.."
    );
    Outgoing::new(200, "text/plain; charset=utf-8", text)
}

fn refused(status: u16) -> Outgoing {
    let text = match status {
        400 => "Bad payload received by generic incoming webhook.",
        403 => "Connector configuration not found",
        404 => "Invalid webhook URL",
        410 => "Connector configuration has been removed",
        _ => "Webhook message delivery failed",
    };
    Outgoing::new(status, "text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests_support::{body_of, check_answers, post, read_one};
    use super::*;

    const URL: &str = "/webhookb2/a@b/IncomingWebhook/c/d";

    #[test]
    fn failures_hide_in_a_200() {
        let card = |text: &str| json!({"@type": "MessageCard", "@context": "http://schema.org/extensions", "summary": "s", "text": text});
        check_answers(
            &TWIN,
            &[
                (URL, card("hello"), 200),
                (URL, json!({"text": "x"}), 400),
                (URL, json!({"@type": "MessageCard", "@context": "http://schema.org/extensions"}), 400),
                (URL, json!([]), 400),
            ],
        );
        assert_eq!(body_of(&read_one(&TWIN, URL, &card("x")).answer), "1");
        let large = (TWIN.read)(&post(URL, &card(&"x".repeat(MOST_BYTES)).to_string()), &[]);
        let large = large.expect_err("it is too large");
        assert_eq!(large.status, 200);
        assert!(body_of(&large).contains("Microsoft Teams endpoint returned HTTP error 413"));
        let throttled = (TWIN.throttled)(None);
        assert_eq!(throttled.status, 200);
        assert!(body_of(&throttled).contains("Microsoft Teams endpoint returned HTTP error 429"));
        let missing =
            json!({"@type": "MessageCard", "@context": "http://schema.org/extensions", "title": "t"});
        let refusal = (TWIN.read)(&post(URL, &missing.to_string()), &[]).expect_err("it says nothing");
        assert_eq!(body_of(&refusal), "Summary or Text is required.");
    }
}
