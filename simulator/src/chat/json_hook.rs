//! A receiver that takes any JSON: the back office.
//!
//! Owns: what it demands of a request. Must never know: what an event means.

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::Shown;
use super::twin::{Taken, Twin, Wait, has_content_type, json_body};

pub(super) const TWIN: Twin = Twin {
    name: "json",
    claims: |incoming| incoming.path == "/hooks/json" || incoming.path.starts_with("/hooks/json/"),
    read,
    refused: |status| Outgoing::new(status, "application/json", format!("{{\"error\":{status}}}")),
    throttled,
    error_in_200: None,
};

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(Outgoing::new(405, "text/html", "method_not_allowed"));
    }
    let is_cloud_event = has_content_type(incoming, "application/cloudevents+json");
    let cloud_event = is_cloud_event.then(|| serde_json::from_slice(&incoming.body).ok()).flatten();
    let body = json_body(incoming)
        .or(cloud_event)
        .ok_or_else(|| Outgoing::new(400, "text/html", "invalid_payload"))?;
    let mut shown = Shown::default();
    shown.plain_line(&body.to_string());
    Ok(Taken::new(shown, body, Outgoing::new(200, "application/json", "{\"ok\":true}")))
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let answer = Outgoing::new(429, "application/json", "{\"error\":\"rate_limited\"}");
    match wait {
        Some(wait) => answer.with_header("retry-after", wait.seconds().to_string()),
        None => answer,
    }
}
