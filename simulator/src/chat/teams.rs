//! A Microsoft Teams workflow that waits for a webhook and posts an Adaptive Card.
//!
//! Owns: the address of a flow, the limits of a card, what the flow's trigger answers. Must never know: what becomes of
//! a message.
//!
//! The trigger answers 202 with no body before the card is posted, so 202 is no proof that anybody sees it. The manual
//! says nothing about unknown elements and properties: here they are refused.

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::adaptive_card;
use super::twin::{Taken, Twin, Wait, json_body, parameter};

/// The whole message, bytes.
pub(super) const MOST_BYTES: usize = 28 * 1024;

pub(super) const TWIN: Twin = Twin {
    name: "teams",
    claims: |incoming| {
        let path = &incoming.path;
        path.contains("/workflows/") && path.ends_with("/triggers/manual/paths/invoke")
    },
    read,
    refused,
    throttled,
    error_in_200: None,
};

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(error(405, "MethodNotAllowed", "The requested method is not allowed."));
    }
    for name in ["api-version", "sp", "sv", "sig"] {
        if parameter(&incoming.query, name).is_none() {
            return Err(if name == "sig" { refused(401) } else { refused(400) });
        }
    }
    if incoming.body.len() > MOST_BYTES {
        return Err(refused(413));
    }
    let message = json_body(incoming).ok_or_else(|| refused(400))?;
    let shown = adaptive_card::message(&message)
        .map_err(|problem| error(400, "TriggerInputSchemaMismatch", &problem))?;
    Ok(Taken::new(shown, message, Outgoing::new(202, "text/plain", "")))
}

fn error(status: u16, code: &str, message: &str) -> Outgoing {
    let body = serde_json::json!({"error": {"code": code, "message": message}});
    Outgoing::new(status, "application/json; charset=utf-8", body.to_string())
}

fn refused(status: u16) -> Outgoing {
    let (code, message) = match status {
        400 => ("InvalidRequestContent", "The request content is not valid and could not be deserialized."),
        401 => (
            "DirectApiAuthorizationRequired",
            "The request must be authenticated only by Shared Access scheme.",
        ),
        403 => ("AuthorizationFailed", "The authentication credentials are not valid."),
        404 => ("WorkflowNotFound", "The workflow could not be found."),
        410 => ("WorkflowTriggerIsNotEnabled", "The trigger of the workflow is gone."),
        413 => ("RequestEntityTooLarge", "The request entity is too large."),
        _ => ("InternalServerError", "The server did not answer in time."),
    };
    error(status, code, message)
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let answer =
        error(429, "WorkflowTriggerRequestsThrottled", "The number of requests has exceeded the limit.");
    match wait {
        Some(wait) => answer.with_header("retry-after", wait.seconds().to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests_support::{check_answers, post, read_one};
    use super::*;

    const URL: &str = "/workflows/0f/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers&sv=1.0&sig=s";

    fn card(element: Value) -> Value {
        json!({"type": "message", "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
                "version": "1.2", "msteams": {"width": "Full"}, "body": [element],
            },
        }]})
    }

    fn text(text: &str) -> Value {
        json!({"type": "TextBlock", "text": text, "weight": "Bolder", "size": "Medium", "wrap": true,
               "color": "Attention"})
    }

    #[test]
    fn a_flow_takes_cards_alone() {
        let facts = json!({"type": "FactSet", "facts": [{"title": "Amount", "value": "14.00 EUR"}]});
        let runs = json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "[x](y)"}, "z"]});
        check_answers(
            &TWIN,
            &[
                (URL, card(text("hello")), 202),
                (URL, card(facts), 202),
                (URL, card(runs), 202),
                (URL, card(text("")), 400),
                (URL, card(json!({"type": "TextBlock", "text": "x", "color": "red"})), 400),
                (URL, card(json!({"type": "TextBlock", "text": "x", "colour": "Good"})), 400),
                (URL, card(json!({"type": "FactSet", "facts": []})), 400),
                (URL, card(json!({"type": "FactSet", "facts": [{"title": "a", "value": 1}]})), 400),
                (URL, card(json!({"type": "Carousel"})), 400),
                (URL, card(json!({"type": "ActionSet", "actions": [{"type": "Action.Submit"}]})), 400),
                (URL, json!({"@type": "MessageCard", "text": "x"}), 400),
                (URL, json!({"type": "message", "attachments": []}), 400),
                (URL, json!({"type": "message"}), 400),
                (URL, card(text(&"x".repeat(27_000))), 202),
                (URL, card(text(&"ä".repeat(15_000))), 413),
                (&URL.replace("&sig=s", ""), card(text("x")), 401),
                (&URL.replace("sv=1.0&", ""), card(text("x")), 400),
            ],
        );
        assert!(!(TWIN.claims)(&post("/workflows/0f", "{}")));
    }

    #[test]
    fn mentions_need_an_entity_and_links_are_marked() {
        let mut message = card(text("<at>Ann</at> [a](http://b) \\[a](c) @everyone"));
        let taken = read_one(&TWIN, URL, &message);
        assert_eq!(taken.shown.text, "<at>Ann</at> ⟦a → http://b⟧ [a](c) @everyone");
        assert!(taken.shown.mentions.is_empty());
        message["attachments"][0]["content"]["msteams"]["entities"] =
            json!([{"type": "mention", "text": "<at>Ann</at>", "mentioned": {"id": "29:1", "name": "Ann"}}]);
        assert_eq!(read_one(&TWIN, URL, &message).shown.mentions, ["Ann"]);
        assert!(taken.answer.body.is_empty());
    }
}
