//! A Discord webhook.
//!
//! Owns: the limits of content and embeds, who `allowed_mentions` lets through, Discord's error and rate-limit bodies.
//! Must never know: what becomes of a message.
//!
//! Without `?wait=true` a message that is not saved reports no error. Unknown fields are ignored, as Discord does.
//! Discord says "characters": here they are UTF-16 code units, the strictest reading.

use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::shown::{Angle, Markup, Shown};
use super::twin::{Effect, Taken, Twin, Wait, id_of, json_body, parameter, parts, units};
use super::{ChatMessage, discord_embed as embed};

pub(super) const TWIN: Twin = Twin {
    name: "discord",
    claims: |incoming| hook(incoming).is_some(),
    read,
    refused,
    throttled,
    error_in_200: None,
};

/// Id, token, and the id of the message that is edited, of `/api/webhooks/…` or `/api/v10/webhooks/…`.
fn hook(incoming: &Incoming) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = parts(incoming);
    if parts.get(1).is_some_and(|part| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u8>().is_ok()))
    {
        parts.remove(1);
    }
    match parts.as_slice() {
        ["api", "webhooks", id, token] => Some((id, token, None)),
        ["api", "webhooks", id, token, "messages", message] => Some((id, token, Some(message))),
        _ => None,
    }
}

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    let (id, token, edited) = hook(incoming).ok_or_else(|| refused(404))?;
    if incoming.method != if edited.is_some() { "PATCH" } else { "POST" } {
        return Err(error(405, "405: Method Not Allowed", 0));
    }
    if id.is_empty() || !id.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid("webhook_id", "NUMBER_TYPE_COERCE", "Value is not snowflake."));
    }
    if token.is_empty() {
        return Err(refused(404));
    }
    let message =
        json_body(incoming).ok_or_else(|| error(400, "The request body contains invalid JSON.", 50109))?;
    let shown = check(&message)?;
    if let Some(edited) = edited {
        let is_known =
            |message: &ChatMessage| message.target == TWIN.name && message.key.as_deref() == Some(edited);
        if !kept.iter().any(is_known) {
            return Err(error(404, "Unknown Message", 10008));
        }
        let answer = saved(incoming, &message, edited, id);
        return Ok(Taken {
            key: Some(edited.to_owned()),
            effect: Effect::Edited,
            ..Taken::new(shown, message, answer)
        });
    }
    let number = id_of(&["discord", &kept.len().to_string()]) >> 4;
    let message_id = (1_000_000_000_000_000_000 + number % 100_000_000_000_000_000).to_string();
    let is_waiting = parameter(&incoming.query, "wait").is_some_and(|wait| wait.eq_ignore_ascii_case("true"));
    let answer = match is_waiting {
        true => saved(incoming, &message, &message_id, id),
        false => with_limits(Outgoing { headers: Vec::new(), ..Outgoing::new(204, "", "") }),
    };
    Ok(Taken {
        key: Some(message_id),
        answer_when_lost: is_waiting.then(|| refused(500)),
        ..Taken::new(shown, message, answer)
    })
}

fn saved(incoming: &Incoming, message: &Value, message_id: &str, webhook_id: &str) -> Outgoing {
    let body = json!({
        "id": message_id, "type": 0, "content": message["content"].as_str().unwrap_or_default(),
        "channel_id": "1100000000000000000", "webhook_id": webhook_id, "timestamp": incoming.at.to_string(),
        "embeds": message["embeds"].as_array().cloned().unwrap_or_default(), "attachments": [],
        "mentions": [], "mention_roles": [], "mention_everyone": false, "pinned": false, "tts": false,
        "edited_timestamp": null, "flags": 0,
        "author": {"id": webhook_id, "username": "webhook", "avatar": null, "bot": true},
    });
    with_limits(Outgoing::new(200, "application/json", body.to_string()))
}

fn check(message: &Value) -> Result<Shown, Outgoing> {
    let object =
        message.as_object().ok_or_else(|| invalid("_", "MODEL_TYPE_CONVERT", "Must be an object."))?;
    let content = match object.get("content") {
        None | Some(Value::Null) => "",
        Some(content) => {
            content.as_str().ok_or_else(|| invalid("content", "STRING_TYPE_CONVERT", "Must be a string."))?
        }
    };
    embed::length(units(content), 2000, "content")?;
    if let Some(name) = object.get("username").filter(|name| !name.is_null()) {
        let length = name.as_str().map_or(0, units);
        if !(1..=80).contains(&length) {
            return Err(invalid("username", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length."));
        }
    }
    let allowed = allowed(object.get("allowed_mentions"))?;
    let mut shown = Shown::default();
    if !content.trim().is_empty() {
        shown.line(content, &Markup { angle: allowed.angle(), ..Markup::NONE });
    }
    // These two fire wherever they stand, also within a word.
    for name in ["everyone", "here"].into_iter().filter(|_| allowed.everyone) {
        let written = format!("@{name}");
        if shown.text.contains(&written) {
            shown.text = shown.text.replace(&written, &format!("⟦@{name}⟧"));
            shown.mentions.push(name.to_owned());
        }
    }
    let embeds = match object.get("embeds") {
        None | Some(Value::Null) => &Vec::new(),
        Some(embeds) => {
            embeds.as_array().ok_or_else(|| invalid("embeds", "LIST_TYPE_CONVERT", "Must be a list."))?
        }
    };
    embed::check_all(embeds, &mut shown)?;
    if shown.text.is_empty() {
        return Err(error(400, "Cannot send an empty message", 50006));
    }
    Ok(shown)
}

/// Who a message may alert.
struct Allowed {
    users: bool,
    roles: bool,
    everyone: bool,
}

impl Allowed {
    fn angle(&self) -> fn(&str) -> Angle {
        match (self.users, self.roles) {
            (false, false) => |_| Angle::Text,
            (true, false) => |inside| user(inside).map_or(Angle::Text, Angle::Mention),
            (false, true) => |inside| role(inside).map_or(Angle::Text, Angle::Mention),
            (true, true) => {
                |inside| user(inside).or_else(|| role(inside)).map_or(Angle::Text, Angle::Mention)
            }
        }
    }
}

fn user(inside: &str) -> Option<String> {
    let id = inside.strip_prefix("@!").or_else(|| inside.strip_prefix('@'))?;
    is_snowflake(id).then(|| id.to_owned())
}

fn role(inside: &str) -> Option<String> {
    let id = inside.strip_prefix("@&")?;
    is_snowflake(id).then(|| format!("&{id}"))
}

fn is_snowflake(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit())
}

/// Left out, a webhook's default is `{"parse":["users"]}`. A list of single users or roles counts as all of them here.
fn allowed(written: Option<&Value>) -> Result<Allowed, Outgoing> {
    let Some(written) = written.filter(|written| !written.is_null()) else {
        return Ok(Allowed { users: true, roles: false, everyone: false });
    };
    let bad = |problem: &str| invalid("allowed_mentions", "BASE_TYPE_CHOICES", problem);
    let written = written.as_object().ok_or_else(|| bad("Must be an object."))?;
    let list = |key: &str| match written.get(key) {
        None => Ok(Vec::new()),
        Some(list) => list.as_array().cloned().ok_or_else(|| bad("Must be a list.")),
    };
    let (parse, users, roles) = (list("parse")?, list("users")?, list("roles")?);
    if !parse.iter().all(|kind| ["users", "roles", "everyone"].iter().any(|known| kind == known)) {
        return Err(bad("Value must be one of ('users', 'roles', 'everyone')."));
    }
    let has = |kind: &str| parse.iter().any(|known| known == kind);
    let is_double = has("users") && !users.is_empty() || has("roles") && !roles.is_empty();
    if is_double || users.len() > 100 || roles.len() > 100 {
        return Err(bad("parse and a list are mutually exclusive; a list holds at most 100."));
    }
    Ok(Allowed {
        users: has("users") || !users.is_empty(),
        roles: has("roles") || !roles.is_empty(),
        everyone: has("everyone"),
    })
}

pub(super) fn invalid(field: &str, code: &str, message: &str) -> Outgoing {
    let body = json!({
        "message": "Invalid Form Body", "code": 50035,
        "errors": {field: {"_errors": [{"code": code, "message": message}]}},
    });
    with_limits(Outgoing::new(400, "application/json", body.to_string()))
}

fn error(status: u16, message: &str, code: u32) -> Outgoing {
    Outgoing::new(status, "application/json", json!({"message": message, "code": code}).to_string())
}

fn refused(status: u16) -> Outgoing {
    match status {
        400 => invalid("content", "BASE_TYPE_REQUIRED", "This field is required"),
        401 => error(401, "Invalid Webhook Token", 50027),
        403 => error(403, "Missing Access", 50001),
        404 => error(404, "Unknown Webhook", 10015),
        502..=504 => Outgoing::new(status, "text/html", format!("<html><h1>{status}</h1>cloudflare</html>")),
        _ => error(status, &format!("{status}: Internal Server Error"), 0),
    }
}

fn with_limits(answer: Outgoing) -> Outgoing {
    answer
        .with_header("x-ratelimit-limit", "5")
        .with_header("x-ratelimit-remaining", "4")
        .with_header("x-ratelimit-reset-after", "2.000")
        .with_header("x-ratelimit-bucket", "simulated")
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let mut body = json!({"message": "You are being rate limited.", "global": false});
    if let Some(wait) = wait {
        body["retry_after"] = wait.time.as_secs_f64().into();
    }
    let answer =
        Outgoing::new(429, "application/json", body.to_string()).with_header("x-ratelimit-scope", "user");
    match wait {
        Some(wait) => answer
            .with_header("retry-after", wait.seconds().to_string())
            .with_header("x-ratelimit-limit", "5")
            .with_header("x-ratelimit-remaining", "0")
            .with_header("x-ratelimit-reset", format!("{:.3}", epoch_seconds(wait)))
            .with_header("x-ratelimit-reset-after", format!("{:.3}", wait.time.as_secs_f64()))
            .with_header("x-ratelimit-bucket", "simulated"),
        None => answer,
    }
}

fn epoch_seconds(wait: Wait) -> f64 {
    wait.end().as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::super::tests_support::{body_of, check_answers, json_of, kept, post, read_one, take};
    use super::*;

    const URL: &str = "/api/webhooks/123/token";

    fn with(embed: Value) -> Value {
        json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
    }

    fn fields(count: usize, name: usize, value: usize) -> Value {
        json!({"fields": vec![json!({"name": "n".repeat(name), "value": "v".repeat(value)}); count]})
    }

    #[test]
    fn every_limit_holds_at_its_edge() {
        let content = |text: &str| json!({"content": text});
        let embed = |key: &str, length: usize| with(json!({key: "x".repeat(length)}));
        let nested = |key: &str, inner: &str, length: usize| {
            with(json!({key: {inner: "x".repeat(length)}, "title": "t"}))
        };
        check_answers(
            &TWIN,
            &[
                (URL, content("hello"), 204),
                ("/api/v10/webhooks/123/token?wait=true", content("hello"), 200),
                (URL, content(&"x".repeat(2000)), 204),
                (URL, content(&"x".repeat(2001)), 400),
                (URL, content(&"😀".repeat(1001)), 400),
                (URL, content(""), 400),
                (URL, content(" \n"), 400),
                (URL, json!({"content": 5}), 400),
                (URL, json!({"content": "x", "unknown": 1}), 204),
                (URL, embed("title", 256), 204),
                (URL, embed("title", 257), 400),
                (URL, embed("description", 4096), 204),
                (URL, embed("description", 4097), 400),
                (URL, nested("footer", "text", 2048), 204),
                (URL, nested("footer", "text", 2049), 400),
                (URL, nested("author", "name", 256), 204),
                (URL, nested("author", "name", 257), 400),
                (URL, with(fields(25, 1, 1)), 204),
                (URL, with(fields(26, 1, 1)), 400),
                (URL, with(fields(1, 256, 1024)), 204),
                (URL, with(fields(1, 257, 1)), 400),
                (URL, with(fields(1, 1, 1025)), 400),
                (URL, with(fields(1, 0, 1)), 400),
                (URL, with(fields(6, 100, 900)), 204),
                (URL, with(fields(6, 101, 900)), 400),
                (
                    URL,
                    with(json!({"title": "x", "color": 15_158_332, "timestamp": "2026-01-15T09:30:00Z"})),
                    204,
                ),
                (URL, with(json!({"title": "x", "color": 0x100_0000})), 400),
                (URL, with(json!({"title": "x", "timestamp": "yesterday"})), 400),
                (URL, with(json!({"title": "x", "url": "javascript:x"})), 400),
                (URL, with(json!({})), 400),
                (URL, json!({"embeds": vec![json!({"title": "x"}); 10]}), 204),
                (URL, json!({"embeds": vec![json!({"title": "x"}); 11]}), 400),
                (URL, json!({"content": "x", "allowed_mentions": {"parse": ["all"]}}), 400),
                (URL, json!({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}), 400),
                ("/api/webhooks/x/token", content("x"), 400),
                ("/api/webhooks/123/", content("x"), 404),
            ],
        );
    }

    #[test]
    fn allowed_mentions_decide_who_is_alerted() {
        let text = "x@everyone.y @here <@1> <@!2> <@&3> <@x>";
        for (allowed, expected) in [
            (json!({"parse": []}), &[][..]),
            (json!(null), &["1", "2"]),
            (json!({"parse": ["everyone"]}), &["everyone", "here"]),
            (json!({"parse": ["roles"]}), &["&3"]),
            (json!({"users": ["1"]}), &["1", "2"]),
        ] {
            let message = json!({"content": text, "allowed_mentions": allowed});
            assert_eq!(read_one(&TWIN, URL, &message).shown.mentions, expected, "{allowed}");
        }
        let shown = read_one(&TWIN, URL, &with(json!({"description": "@everyone [a](http://b)"}))).shown;
        assert_eq!((shown.text.as_str(), shown.mentions.len()), ("@everyone ⟦a → http://b⟧", 0));
    }

    #[test]
    fn waiting_yields_an_id_that_can_be_edited_and_a_lost_message_shows() {
        let message = json!({"content": "x"});
        let waiting = post(&format!("{URL}?wait=true"), &message.to_string());
        let taken = take(&TWIN, &waiting, &[]);
        let id = json_of(&taken.answer)["id"].as_str().expect("there is an id").to_owned();
        assert_eq!(taken.answer_when_lost.as_ref().map(|answer| answer.status), Some(500));
        assert!(read_one(&TWIN, URL, &message).answer_when_lost.is_none());
        let mut edit = post(&format!("{URL}/messages/{id}"), "{\"content\":\"y\"}");
        edit.method = "PATCH".into();
        assert_eq!((TWIN.read)(&edit, &[]).map(|_| ()).expect_err("it is unknown").status, 404);
        let known = [kept(&TWIN, &waiting, taken)];
        assert_eq!(take(&TWIN, &edit, &known).effect, Effect::Edited);
    }

    #[test]
    fn errors_and_limits_are_in_discords_words() {
        let wait = Wait { time: Duration::from_millis(64_570), now: Timestamp::UNIX_EPOCH };
        let answer = (TWIN.throttled)(Some(wait));
        assert_eq!(json_of(&answer)["retry_after"], 64.57);
        assert_eq!(
            (answer.header("retry-after"), answer.header("x-ratelimit-scope")),
            (Some("65"), Some("user"))
        );
        assert_eq!(answer.header("x-ratelimit-reset-after"), Some("64.570"));
        assert_eq!(json_of(&(TWIN.refused)(404))["code"], 10015);
        assert_eq!(json_of(&(TWIN.refused)(401))["code"], 50027);
        assert!(body_of(&(TWIN.refused)(502)).contains("cloudflare"));
        assert_eq!(json_of(&(TWIN.refused)(400))["code"], 50035);
    }
}
