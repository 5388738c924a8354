//! PagerDuty's Events API v2.
//!
//! Owns: the limits of an event, what a `dedup_key` joins, PagerDuty's error bodies. Must never know: what becomes of
//! an event.
//!
//! The manual is silent about unknown fields of the payload: here they are refused, because PagerDuty would lose them.
//! It names no wait after a 429, only "a few minutes".

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::Shown;
use super::twin::{Effect, Taken, Twin, Wait, is_open, json_body, units, uuid_of};

/// The whole event, bytes.
const MOST_BYTES: usize = 512 * 1024;

pub(super) const TWIN: Twin = Twin {
    name: "pagerduty",
    claims: |incoming| incoming.path == "/v2/enqueue",
    read,
    refused,
    throttled: |_: Option<Wait>| {
        let message = "Requests for this service are arriving too quickly.  Please retry later.";
        answer(429, &json!({"status": "throttle exceeded", "message": message, "errors": []}))
    },
    error_in_200: None,
};

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(refused(404));
    }
    if incoming.body.len() > MOST_BYTES {
        return Err(invalid(&["The event exceeds the maximum size of 512 KB"]));
    }
    let event = json_body(incoming).filter(Value::is_object).ok_or_else(|| {
        answer(400, &json!({"status": "invalid event", "message": "Event object is invalid"}))
    })?;
    let problems = problems(&event);
    if !problems.is_empty() {
        return Err(invalid(&problems.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let [routing_key, action, dedup_key] =
        ["routing_key", "event_action", "dedup_key"].map(|key| event[key].as_str().unwrap_or_default());
    let dedup_key = match dedup_key {
        "" => uuid_of(&["pagerduty", &kept.len().to_string()]).replace('-', ""),
        key => key.to_owned(),
    };
    // Another routing key is another service: nothing joins across them.
    let key = format!("{routing_key} {dedup_key}");
    let effect = match (action, is_open(kept, TWIN.name, &key)) {
        ("trigger", true) => Effect::Joined,
        ("trigger", false) => Effect::New,
        ("acknowledge", true) => Effect::Acknowledged,
        ("resolve", true) => Effect::Resolved,
        _ => Effect::Dropped,
    };
    let body = json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key});
    Ok(Taken { key: Some(key), effect, ..Taken::new(show(&event), event, answer(202, &body)) })
}

fn problems(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_owned());
        }
    };
    let is_known = |object: &Value, fields: &[&str]| {
        object.as_object().is_none_or(|object| object.keys().all(|key| fields.contains(&key.as_str())))
    };
    let routing_key = event["routing_key"].as_str().unwrap_or_default();
    demand(!routing_key.is_empty(), "'routing_key' is missing or blank");
    demand(
        routing_key.is_empty() || routing_key.len() == 32,
        "Length of 'routing_key' is incorrect (should be 32 characters)",
    );
    let action = event["event_action"].as_str().unwrap_or_default();
    demand(
        matches!(action, "trigger" | "acknowledge" | "resolve"),
        "'event_action' is missing or not one of trigger, acknowledge, resolve",
    );
    let dedup_key = &event["dedup_key"];
    demand(dedup_key.is_null() || dedup_key.is_string(), "'dedup_key' is no string");
    let length = units(dedup_key.as_str().unwrap_or_default());
    demand(length <= 255, "'dedup_key' is too long (maximum 255 characters)");
    demand(action == "trigger" || length > 0, "'dedup_key' is missing or blank");
    let envelope =
        ["routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"];
    demand(is_known(event, &envelope), "The event has an unknown field");
    for (list, field) in [("links", "href"), ("images", "src")] {
        let entries = &event[list];
        let is_good = |entry: &Value| entry[field].as_str().is_some_and(|url| url.starts_with("https://"));
        let is_link = |entry: &Value| entry[field].as_str().is_some_and(|url| url.starts_with("http"));
        let holds = entries.as_array().is_some_and(|entries| match list {
            "images" => entries.iter().all(is_good),
            _ => entries.iter().all(is_link),
        });
        demand(entries.is_null() || holds, &format!("'{list}' is invalid"));
    }
    let payload = &event["payload"];
    if action != "trigger" && payload.is_null() {
        return problems;
    }
    demand(payload.is_object(), "'payload' is missing or blank");
    for key in ["summary", "source", "severity"] {
        let text = payload[key].as_str().unwrap_or_default();
        demand(!text.trim().is_empty(), &format!("'payload.{key}' is missing or blank"));
    }
    let summary = units(payload["summary"].as_str().unwrap_or_default());
    demand(summary <= 1024, "'payload.summary' is too long (maximum 1024 characters)");
    demand(
        matches!(payload["severity"].as_str(), None | Some("" | "critical" | "error" | "warning" | "info")),
        "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')",
    );
    let timestamp = &payload["timestamp"];
    let is_time = timestamp.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok());
    demand(timestamp.is_null() || is_time, "'payload.timestamp' is invalid (must be in ISO 8601 format)");
    for key in ["component", "group", "class"] {
        demand(payload[key].is_null() || payload[key].is_string(), &format!("'payload.{key}' is no string"));
    }
    let details = &payload["custom_details"];
    demand(details.is_null() || details.is_object(), "'payload.custom_details' is no object");
    let fields =
        ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];
    demand(is_known(payload, &fields), "'payload' has an unknown field");
    problems
}

fn show(event: &Value) -> Shown {
    let payload = &event["payload"];
    let mut shown = Shown::default();
    let action = event["event_action"].as_str().unwrap_or_default();
    match payload["summary"].as_str() {
        Some(summary) => shown.plain_line(&format!("[{action}] {summary}")),
        None => shown.plain_line(&format!("[{action}]")),
    }
    for key in ["severity", "source", "component", "group", "class"] {
        if let Some(value) = payload[key].as_str() {
            shown.plain_line(&format!("{key}: {value}"));
        }
    }
    for (name, value) in payload["custom_details"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        shown.plain_line(&format!("{name}: {value}"));
    }
    for link in event["links"].as_array().into_iter().flatten() {
        let href = link["href"].as_str().unwrap_or_default();
        shown.start_line();
        shown.link(link["text"].as_str().unwrap_or(href), href);
    }
    shown
}

fn answer(status: u16, body: &Value) -> Outgoing {
    Outgoing::new(status, "application/json", body.to_string())
}

fn invalid(problems: &[&str]) -> Outgoing {
    answer(400, &json!({"status": "invalid event", "message": "Event object is invalid", "errors": problems}))
}

fn refused(status: u16) -> Outgoing {
    match status {
        400 => invalid(&["'routing_key' is invalid"]),
        404 => answer(404, &json!({"status": "not found", "message": "Not Found"})),
        _ => answer(status, &json!({"status": "error", "message": "Internal Server Error"})),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{check_answers, json_of, kept, post, take};
    use super::*;

    const URL: &str = "/v2/enqueue";

    fn event(change: impl FnOnce(&mut Value)) -> Value {
        let mut event = json!({
            "routing_key": "r".repeat(32), "event_action": "trigger", "dedup_key": "k",
            "payload": {"summary": "Declined", "source": "host", "severity": "error",
                        "timestamp": "2026-01-15T09:30:00Z", "class": "charge.declined",
                        "custom_details": {"amount": "14.00 EUR"}},
        });
        change(&mut event);
        event
    }

    #[test]
    fn every_limit_holds_at_its_edge() {
        let summary = |length: usize| event(|event| event["payload"]["summary"] = "x".repeat(length).into());
        let key = |length: usize| event(|event| event["dedup_key"] = "k".repeat(length).into());
        let details = |length: usize| {
            event(|event| event["payload"]["custom_details"] = json!({"a": "x".repeat(length)}))
        };
        check_answers(
            &TWIN,
            &[
                (URL, event(|_| {}), 202),
                (URL, summary(1024), 202),
                (URL, summary(1025), 400),
                (URL, summary(0), 400),
                (URL, key(255), 202),
                (URL, key(256), 400),
                (URL, key(0), 202),
                (URL, details(500_000), 202),
                (URL, details(530_000), 400),
                (URL, event(|event| event["routing_key"] = "short".into()), 400),
                (URL, event(|event| event["event_action"] = "open".into()), 400),
                (URL, event(|event| event["payload"]["severity"] = "fatal".into()), 400),
                (URL, event(|event| event["payload"]["timestamp"] = "yesterday".into()), 400),
                (URL, event(|event| event["payload"]["amount"] = "1".into()), 400),
                (URL, event(|event| event["payload"]["custom_details"] = "x".into()), 400),
                (URL, event(|event| event["color"] = "red".into()), 400),
                (URL, event(|event| event["links"] = json!([{"href": "https://x", "text": "y"}])), 202),
                (URL, event(|event| event["links"] = json!([{"text": "y"}])), 400),
                (
                    URL,
                    json!({"routing_key": "r".repeat(32), "event_action": "resolve", "dedup_key": "k"}),
                    202,
                ),
                (URL, json!({"routing_key": "r".repeat(32), "event_action": "resolve"}), 400),
            ],
        );
        let refusal =
            (TWIN.read)(&post(URL, &event(|event| event["routing_key"] = "x".into()).to_string()), &[]);
        let body = json_of(&refusal.expect_err("the key is short"));
        assert_eq!(body["errors"][0], "Length of 'routing_key' is incorrect (should be 32 characters)");
    }

    #[test]
    fn one_key_is_one_open_alert() {
        let mut past = Vec::new();
        let mut send = |action: &str, key: &str, routing: &str| {
            let event = event(|event| {
                event["event_action"] = action.into();
                event["dedup_key"] = key.into();
                event["routing_key"] = routing.repeat(32).into();
            });
            let incoming = post(URL, &event.to_string());
            let taken = take(&TWIN, &incoming, &past);
            assert_eq!(json_of(&taken.answer)["status"], "success");
            let effect = taken.effect;
            past.push(kept(&TWIN, &incoming, taken));
            effect
        };
        for (action, key, routing, effect) in [
            ("resolve", "a", "r", Effect::Dropped),
            ("trigger", "a", "r", Effect::New),
            ("trigger", "a", "r", Effect::Joined),
            ("trigger", "b", "r", Effect::New),
            ("resolve", "a", "s", Effect::Dropped),
            ("acknowledge", "a", "r", Effect::Acknowledged),
            ("resolve", "a", "r", Effect::Resolved),
            ("resolve", "a", "r", Effect::Dropped),
            ("trigger", "a", "r", Effect::New),
            ("trigger", "", "r", Effect::New),
            ("trigger", "", "r", Effect::New),
        ] {
            assert_eq!(send(action, key, routing), effect, "{action} {key}");
        }
    }
}
