//! Opsgenie's alert API.
//!
//! Owns: the limits of an alert, what an alias joins, Opsgenie's error bodies. Must never know: what becomes of an
//! alert.
//!
//! Requests are only queued: 202 with a request id. The manual is silent about unknown fields: here they are refused.
//! A throttled request names no wait.

use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::Shown;
use super::twin::{Effect, Taken, Twin, Wait, is_open, json_body, parameter, parts, units, uuid_of};

pub(super) const TWIN: Twin = Twin {
    name: "opsgenie",
    claims: |incoming| incoming.path.starts_with("/v2/alerts"),
    read,
    refused,
    throttled: |_: Option<Wait>| refused(429),
    error_in_200: None,
};

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    let key = incoming.header("authorization").and_then(|value| value.strip_prefix("GenieKey "));
    if key.is_none_or(|key| key.trim().is_empty()) {
        return Err(refused(401));
    }
    if incoming.method != "POST" {
        return Err(error(405, "Method not allowed", &Value::Null));
    }
    let body = match (json_body(incoming), incoming.body.is_empty()) {
        (Some(body), _) if body.is_object() => body,
        (None, true) => json!({}),
        _ => return Err(error(400, "Request body is not a valid JSON", &Value::Null)),
    };
    let answer = json!({
        "result": "Request will be processed", "took": 0.012,
        "requestId": uuid_of(&["opsgenie", &kept.len().to_string()]),
    });
    let answer = Outgoing::new(202, "application/json", answer.to_string());
    match parts(incoming).as_slice() {
        ["v2", "alerts"] => create(body, kept, answer),
        ["v2", "alerts", alias, action @ ("close" | "acknowledge")] => {
            let kind = parameter(&incoming.query, "identifierType");
            // Without the type the identifier is Opsgenie's own id, which the sender of an alert does not know.
            if kind.as_deref() != Some("alias") || alias.is_empty() {
                return Err(refused(404));
            }
            let alias = parameter(&format!("alias={}", alias.replace('+', "%2B")), "alias")
                .ok_or_else(|| refused(404))?;
            follow_up(body, &alias, action, kept, answer)
        }
        _ => Err(refused(404)),
    }
}

fn create(alert: Value, kept: &[ChatMessage], answer: Outgoing) -> Result<Taken, Outgoing> {
    check(&alert).map_err(|(field, problem)| unprocessable(field, &problem))?;
    let mut shown = Shown::default();
    for key in ["message", "description", "priority", "source", "entity"] {
        if let Some(text) = alert[key].as_str() {
            shown.plain_line(text);
        }
    }
    for (name, value) in alert["details"].as_object().into_iter().flatten() {
        shown.plain_line(&format!("{name}: {}", value.as_str().unwrap_or_default()));
    }
    let alias = alert["alias"].as_str().filter(|alias| !alias.is_empty()).map(str::to_owned);
    let is_joined = alias.as_ref().is_some_and(|alias| is_open(kept, TWIN.name, alias));
    let effect = if is_joined { Effect::Joined } else { Effect::New };
    Ok(Taken { key: alias, effect, ..Taken::new(shown, alert, answer) })
}

fn follow_up(
    body: Value,
    alias: &str,
    action: &str,
    kept: &[ChatMessage],
    answer: Outgoing,
) -> Result<Taken, Outgoing> {
    only(&body, &["user", "source", "note"]).map_err(|(field, problem)| unprocessable(field, &problem))?;
    let effect = match (action, is_open(kept, TWIN.name, alias)) {
        (_, false) => return Err(refused(404)),
        ("close", true) => Effect::Resolved,
        (_, true) => Effect::Acknowledged,
    };
    let mut shown = Shown::default();
    shown.plain_line(&format!("[{action}] {}", body["note"].as_str().unwrap_or_default()));
    Ok(Taken { key: Some(alias.to_owned()), effect, ..Taken::new(shown, body, answer) })
}

type Problem = (&'static str, String);

fn check(alert: &Value) -> Result<(), Problem> {
    only(
        alert,
        &[
            "message",
            "alias",
            "description",
            "responders",
            "visibleTo",
            "actions",
            "tags",
            "details",
            "entity",
            "source",
            "priority",
            "user",
            "note",
        ],
    )?;
    for (key, most) in [
        ("message", 130),
        ("alias", 512),
        ("description", 15_000),
        ("entity", 512),
        ("source", 100),
        ("user", 100),
        ("note", 25_000),
    ] {
        let value = &alert[key];
        if !value.is_null() && !value.is_string() {
            return Err((key, "must be a string".to_owned()));
        }
        if units(value.as_str().unwrap_or_default()) > most {
            return Err((key, format!("can not be longer than {most} characters")));
        }
    }
    if alert["message"].as_str().unwrap_or_default().trim().is_empty() {
        return Err(("message", "Message can not be empty.".to_owned()));
    }
    let priority = &alert["priority"];
    if !priority.is_null() && !["P1", "P2", "P3", "P4", "P5"].iter().any(|known| priority == known) {
        return Err(("priority", "should be one of P1, P2, P3, P4, P5".to_owned()));
    }
    check_tags(&alert["tags"])?;
    let details = &alert["details"];
    let pairs = details.as_object();
    if !details.is_null() && !pairs.is_some_and(|pairs| pairs.values().all(Value::is_string)) {
        return Err(("details", "must be a map of strings".to_owned()));
    }
    let length = |(name, value): (&String, &Value)| units(name) + units(value.as_str().unwrap_or_default());
    if pairs.is_some_and(|pairs| pairs.iter().map(length).sum::<usize>() > 8000) {
        return Err(("details", "can not be longer than 8000 characters".to_owned()));
    }
    Ok(())
}

fn check_tags(tags: &Value) -> Result<(), Problem> {
    if tags.is_null() {
        return Ok(());
    }
    let tags = tags.as_array().ok_or(("tags", "must be a list".to_owned()))?;
    let is_good = |tag: &Value| tag.as_str().is_some_and(|tag| !tag.is_empty() && units(tag) <= 50);
    if tags.len() > 20 || !tags.iter().all(is_good) {
        return Err(("tags", "can be at most 20, each of 50 characters".to_owned()));
    }
    Ok(())
}

fn only(object: &Value, fields: &[&str]) -> Result<(), Problem> {
    let unknown =
        object.as_object().and_then(|object| object.keys().find(|key| !fields.contains(&key.as_str())));
    unknown.map_or(Ok(()), |key| Err(("body", format!("unknown field {key}"))))
}

fn unprocessable(field: &str, problem: &str) -> Outgoing {
    error(422, "Request body is not processable. Please check the errors.", &json!({field: problem}))
}

fn error(status: u16, message: &str, errors: &Value) -> Outgoing {
    let mut body = json!({"message": message, "took": 0.001, "requestId": uuid_of(&["refused", message])});
    if !errors.is_null() {
        body["errors"] = errors.clone();
    }
    Outgoing::new(status, "application/json", body.to_string())
}

fn refused(status: u16) -> Outgoing {
    let message = match status {
        400 => "Request body is not a valid JSON",
        401 => "Authorization header is invalid",
        402 => "Your plan does not include this feature",
        403 => "You are not authorized to access this resource",
        404 => "Alert does not exist",
        422 => "Request body is not processable. Please check the errors.",
        429 => "You are making too many requests!",
        _ => "Internal server error",
    };
    error(status, message, &Value::Null)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{json_of, kept, post, take, with_header};
    use super::*;

    const URL: &str = "/v2/alerts";

    fn authorized(url: &str, body: &Value) -> Incoming {
        with_header(post(url, &body.to_string()), "authorization", "GenieKey k")
    }

    #[test]
    fn every_limit_holds_at_its_edge() {
        let text = |key: &str, length: usize| {
            let mut alert = json!({"message": "m"});
            alert[key] = "x".repeat(length).into();
            alert
        };
        let with = |key: &str, value: Value| json!({"message": "m", key: value});
        for (alert, status) in [
            (
                json!({"message": "Declined", "alias": "a", "priority": "P1", "tags": ["t"], "details": {"a": "b"}}),
                202,
            ),
            (text("message", 130), 202),
            (text("message", 131), 422),
            (text("message", 0), 422),
            (text("alias", 512), 202),
            (text("alias", 513), 422),
            (text("description", 15_000), 202),
            (text("description", 15_001), 422),
            (with("priority", "P6".into()), 422),
            (with("tags", json!(["x".repeat(51)])), 422),
            (with("tags", json!(vec!["x"; 21])), 422),
            (with("details", json!({"a": 1})), 422),
            (with("details", json!({"a": "x".repeat(8000)})), 422),
            (with("color", "red".into()), 422),
            (json!([]), 400),
        ] {
            let answer = (TWIN.read)(&authorized(URL, &alert), &[])
                .map_or_else(|refusal| refusal, |taken| taken.answer);
            assert_eq!(answer.status, status, "{}", alert.to_string().chars().take(200).collect::<String>());
            assert!(json_of(&answer)["requestId"].is_string());
        }
        let alert = json!({"message": "m"});
        let status =
            |incoming: &Incoming| (TWIN.read)(incoming, &[]).map(|_| ()).expect_err("it is refused").status;
        assert_eq!(status(&post(URL, &alert.to_string())), 401);
        assert_eq!(status(&with_header(post(URL, &alert.to_string()), "authorization", "Bearer k")), 401);
        assert_eq!(status(&authorized(&format!("{URL}/a/close?identifierType=alias"), &json!({}))), 404);
        let mut get = authorized(URL, &alert);
        get.method = "GET".into();
        assert_eq!(status(&get), 405);
    }

    #[test]
    fn one_alias_is_one_open_alert() {
        let mut past = Vec::new();
        let alert = json!({"message": "m", "alias": "a b"});
        let close = format!("{URL}/a%20b/close?identifierType=alias");
        for (url, body, effect) in [
            (URL, alert.clone(), Effect::New),
            (URL, alert.clone(), Effect::Joined),
            (&close, json!({"note": "paid"}), Effect::Resolved),
            (URL, alert, Effect::New),
            (URL, json!({"message": "m"}), Effect::New),
        ] {
            let incoming = authorized(url, &body);
            let taken = take(&TWIN, &incoming, &past);
            assert_eq!(taken.effect, effect);
            past.push(kept(&TWIN, &incoming, taken));
        }
        assert_eq!(json_of(&(TWIN.throttled)(None))["message"], "You are making too many requests!");
    }
}
