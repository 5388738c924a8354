//! Prometheus Alertmanager's API v2 for alerts.
//!
//! Owns: the form of alerts, what their labels join, Alertmanager's error bodies. Must never know: what becomes of an
//! alert.
//!
//! Labels are the identity. An alert whose end has passed is resolved. The API is silent about unknown fields: here
//! they are refused.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::Shown;
use super::twin::{Effect, Taken, Twin, Wait, has_content_type, is_open};

pub(super) const TWIN: Twin = Twin {
    name: "alertmanager",
    claims: |incoming| incoming.path.ends_with("/api/v2/alerts"),
    read,
    refused,
    throttled,
    error_in_200: None,
};

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(error(405, 405, "method not allowed"));
    }
    if !has_content_type(incoming, "application/json") {
        return Err(error(415, 415, "unsupported media type, only [application/json] are allowed"));
    }
    let unreadable = || error(400, 400, "parsing alerts body from \"\" failed");
    let alerts: Vec<Value> = serde_json::from_slice(&incoming.body).map_err(|_| unreadable())?;
    let (mut keys, mut shown, mut open) = (Vec::new(), Shown::default(), 0);
    for alert in &alerts {
        let (key, is_over) = check(alert, incoming.at)?;
        show(alert, &mut shown);
        keys.push(key);
        open += usize::from(!is_over);
    }
    let key = keys.join(" ");
    let effect = match (open > 0, is_open(kept, TWIN.name, &key)) {
        (true, true) => Effect::Joined,
        (true, false) => Effect::New,
        (false, true) => Effect::Resolved,
        (false, false) => Effect::Dropped,
    };
    let answer = Outgoing::new(200, "application/json", "");
    Ok(Taken { key: Some(key), effect, ..Taken::new(shown, alerts.into(), answer) })
}

/// The alert's identity, and whether its end has passed.
fn check(alert: &Value, now: Timestamp) -> Result<(String, bool), Outgoing> {
    let known = ["labels", "annotations", "startsAt", "endsAt", "generatorURL"];
    let object = alert.as_object().ok_or_else(|| error(400, 400, "parsing alerts body from \"\" failed"))?;
    if let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(error(422, 606, &format!("{unknown} in body is a forbidden property")));
    }
    let labels = alert["labels"].as_object().ok_or_else(|| error(422, 602, "labels in body is required"))?;
    let annotations = alert["annotations"].as_object();
    let mut texts = labels.iter().chain(annotations.into_iter().flatten());
    if !alert["annotations"].is_null() && annotations.is_none() || texts.any(|(_, value)| !value.is_string())
    {
        return Err(error(400, 400, "parsing alerts body from \"\" failed"));
    }
    // A label without a value is none.
    let filled: Vec<_> = labels.iter().filter(|(_, value)| value.as_str() != Some("")).collect();
    if filled.is_empty() {
        return Err(bad("at least one label pair required"));
    }
    let mut names = labels.keys().chain(annotations.into_iter().flat_map(|annotations| annotations.keys()));
    if let Some(name) = names.find(|name| !is_label(name)) {
        return Err(bad(&format!("invalid label set: invalid name \"{name}\"")));
    }
    let starts = time(&alert["startsAt"])?.unwrap_or(now);
    let ends = time(&alert["endsAt"])?;
    if ends.is_some_and(|ends| ends < starts) {
        return Err(bad("start time must be before end time"));
    }
    let url = &alert["generatorURL"];
    if !url.is_null() && !url.as_str().is_some_and(|url| url.is_empty() || url.contains("://")) {
        return Err(error(422, 601, "generatorURL in body must be of type uri"));
    }
    let mut pairs: Vec<String> = filled.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    Ok((format!("{{{}}}", pairs.join(",")), ends.is_some_and(|ends| ends <= now)))
}

fn is_label(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

fn time(value: &Value) -> Result<Option<Timestamp>, Outgoing> {
    if value.is_null() {
        return Ok(None);
    }
    let time = value.as_str().and_then(|time| time.parse().ok());
    time.map(Some).ok_or_else(|| error(422, 601, "a time in body must be of type date-time"))
}

fn show(alert: &Value, shown: &mut Shown) {
    for key in ["labels", "annotations"] {
        for (name, value) in alert[key].as_object().into_iter().flatten() {
            shown.plain_line(&format!("{name}: {}", value.as_str().unwrap_or_default()));
        }
    }
}

/// The handler's own refusals are a JSON text.
fn bad(problem: &str) -> Outgoing {
    Outgoing::new(400, "application/json", Value::from(problem).to_string())
}

fn error(status: u16, code: u16, message: &str) -> Outgoing {
    Outgoing::new(status, "application/json", json!({"code": code, "message": message}).to_string())
}

fn refused(status: u16) -> Outgoing {
    match status {
        400 => bad("at least one label pair required"),
        500 => Outgoing::new(500, "application/json", Value::from("internal server error").to_string()),
        _ => Outgoing::new(status, "text/plain; charset=utf-8", "Service Unavailable\n"),
    }
}

/// Alertmanager throttles nobody; a proxy before it may.
fn throttled(wait: Option<Wait>) -> Outgoing {
    let answer = Outgoing::new(429, "text/plain; charset=utf-8", "Too Many Requests\n");
    match wait {
        Some(wait) => answer.with_header("retry-after", wait.seconds().to_string()),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{check_answers, kept, post, take};
    use super::*;

    const URL: &str = "/api/v2/alerts";

    #[test]
    fn labels_times_and_forms_are_checked() {
        let alert = |more: Value| {
            let mut alert = json!({"labels": {"alertname": "Backlog"}});
            alert.as_object_mut().expect("it is an object").extend(more.as_object().expect("it too").clone());
            json!([alert])
        };
        check_answers(
            &TWIN,
            &[
                (URL, alert(json!({"annotations": {"summary": "grows"}, "generatorURL": "https://x"})), 200),
                (
                    URL,
                    alert(json!({"startsAt": "2026-01-15T09:30:00Z", "endsAt": "2026-01-15T09:31:00Z"})),
                    200,
                ),
                (
                    URL,
                    alert(json!({"startsAt": "2026-01-15T09:30:00Z", "endsAt": "2026-01-15T09:29:00Z"})),
                    400,
                ),
                (URL, alert(json!({"startsAt": "today"})), 422),
                (URL, alert(json!({"labels": {}})), 400),
                (URL, alert(json!({"labels": {"a": ""}})), 400),
                (URL, alert(json!({"labels": {"a-b": "c"}})), 400),
                (URL, alert(json!({"labels": {"a": 1}})), 400),
                (URL, alert(json!({"annotations": {"9": "c"}})), 400),
                (URL, alert(json!({"severity": "page"})), 422),
                (URL, json!([{}]), 422),
                (URL, json!({"labels": {"a": "b"}}), 400),
            ],
        );
    }

    #[test]
    fn labels_join_and_an_end_resolves() {
        let mut past = Vec::new();
        let labels = json!({"alertname": "Backlog", "account": "shop"});
        for (alert, effect) in [
            (
                json!([{"labels": labels, "startsAt": "1969-12-31T00:00:00Z", "endsAt": "1969-12-31T01:00:00Z"}]),
                Effect::Dropped,
            ),
            (json!([{"labels": labels}]), Effect::New),
            (json!([{"labels": labels, "annotations": {"a": "b"}}]), Effect::Joined),
            (
                json!([{"labels": labels, "startsAt": "1969-12-31T00:00:00Z", "endsAt": "1970-01-01T00:00:00Z"}]),
                Effect::Resolved,
            ),
            (json!([{"labels": labels}]), Effect::New),
        ] {
            let incoming = post(URL, &alert.to_string());
            let taken = take(&TWIN, &incoming, &past);
            assert_eq!(taken.effect, effect, "{alert}");
            past.push(kept(&TWIN, &incoming, taken));
        }
    }
}
