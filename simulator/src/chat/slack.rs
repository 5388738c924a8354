//! The rules of a Slack incoming webhook (docs/src/reference/operations.md 1.2 and 1.3).
//!
//! Owns: the Block Kit limits and Slack's error words. Must never know: what becomes of a message.

use serde_json::Value;

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::{Angle, Markup, Shown, without_entities};
use super::twin::{Taken, Twin, Wait, json_body};

pub(super) const TWIN: Twin = Twin {
    name: "slack",
    claims: |incoming| incoming.path.starts_with("/services/"),
    read,
    refused,
    throttled,
    error_in_200: Some(|| {
        Outgoing::new(200, "application/json", "{\"ok\":false,\"error\":\"channel_not_found\"}")
    }),
};

const MRKDWN: Markup = Markup {
    has_escapes: false,
    has_code: false,
    has_links: false,
    has_entities: true,
    mentions: |_| false,
    angle,
};

/// A refusal: the status and Slack's word for it.
type Refusal = (u16, &'static str);

const INVALID: Refusal = (400, "invalid_payload");

fn read(incoming: &Incoming, _: &[ChatMessage]) -> Result<Taken, Outgoing> {
    let refused = |(status, word)| Outgoing::new(status, "text/html", word);
    if incoming.method != "POST" {
        return Err(refused((405, "method_not_allowed")));
    }
    let message = json_body(incoming).ok_or_else(|| refused(INVALID))?;
    check_path(&incoming.path).and_then(|()| check_message(&message)).map_err(refused)?;
    Ok(Taken::new(show(&message), message, Outgoing::new(200, "text/html", "ok")))
}

fn refused(status: u16) -> Outgoing {
    let word = match status {
        400 => "invalid_payload",
        403 => "action_prohibited",
        404 => "channel_not_found",
        410 => "channel_is_archived",
        500 => "rollup_error",
        _ => "error",
    };
    Outgoing::new(status, "text/html", word)
}

fn throttled(wait: Option<Wait>) -> Outgoing {
    let answer = Outgoing::new(429, "text/html", "rate_limited");
    match wait {
        Some(wait) => answer.with_header("retry-after", wait.seconds().to_string()),
        None => answer,
    }
}

/// `<!channel>`, `<@U1>` and `<!subteam^S1>` alert; `<#C1|name>` and dates do not; the rest is a link.
fn angle(inside: &str) -> Angle {
    let (address, text) =
        inside.split_once('|').map_or((inside, None), |(address, text)| (address, Some(text)));
    if let Some(name) = address.strip_prefix('@').or_else(|| address.strip_prefix("!subteam^")) {
        return Angle::Mention(name.to_owned());
    }
    match address.strip_prefix('!') {
        Some(name @ ("channel" | "here" | "everyone")) => Angle::Mention(name.to_owned()),
        Some(_) => Angle::Reference(text.unwrap_or_default().to_owned()),
        None if address.starts_with('#') => Angle::Reference(text.unwrap_or(address).to_owned()),
        None => Angle::Link(text.unwrap_or(address).to_owned(), address.to_owned()),
    }
}

/// The text, which is what a notification shows, then the blocks.
fn show(message: &Value) -> Shown {
    let mut shown = Shown::default();
    // With `link_names` or `parse: full`, bare names alert too.
    let has_names = message["link_names"] == true || message["link_names"] == 1 || message["parse"] == "full";
    let mentions: fn(&str) -> bool = if has_names { |_| true } else { MRKDWN.mentions };
    let markup = Markup { mentions, ..MRKDWN };
    if message["mrkdwn"] == false {
        shown.plain_line(&without_entities(message["text"].as_str().unwrap_or_default()));
    } else {
        shown.line(message["text"].as_str().unwrap_or_default(), &markup);
    }
    for block in message["blocks"].as_array().into_iter().flatten() {
        show_object(&block["text"], &markup, &mut shown);
        for part in ["fields", "elements"].into_iter().filter_map(|key| block[key].as_array()).flatten() {
            show_object(part, &markup, &mut shown);
            show_button(part, &mut shown);
        }
        show_button(&block["accessory"], &mut shown);
    }
    shown
}

fn show_object(object: &Value, markup: &Markup, shown: &mut Shown) {
    match (object["type"].as_str(), object["text"].as_str()) {
        (Some("mrkdwn"), Some(text)) => shown.line(text, markup),
        (Some("plain_text"), Some(text)) => shown.plain_line(&without_entities(text)),
        _ => {}
    }
}

fn show_button(element: &Value, shown: &mut Shown) {
    if let (Some(text), Some(url)) = (element["text"]["text"].as_str(), element["url"].as_str()) {
        shown.start_line();
        shown.link(text, url);
    }
}

/// `/services/T…/B…/…`, all three parts.
pub(super) fn check_path(path: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = path.trim_start_matches("/services/").split('/').collect();
    match parts.as_slice() {
        [team, hook, token] if team.starts_with('T') && hook.starts_with('B') && !token.is_empty() => Ok(()),
        _ => Err((404, "no_service")),
    }
}

/// A whole message: top-level `text`, and at most 50 blocks within their limits.
pub(super) fn check_message(message: &Value) -> Result<(), Refusal> {
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err((400, "no_text"));
    }
    demand(text.chars().count() <= 40_000)?;
    let Some(blocks) = message.get("blocks") else { return Ok(()) };
    let blocks = blocks.as_array().ok_or(INVALID)?;
    demand(blocks.len() <= 50)?;
    blocks.iter().try_for_each(check_block)
}

fn check_block(block: &Value) -> Result<(), Refusal> {
    optional_text_of(block, "block_id", 255)?;
    match block.get("type").and_then(Value::as_str).ok_or(INVALID)? {
        "header" => text_object(block.get("text"), &["plain_text"], 150),
        "section" => check_section(block),
        "context" => check_context(block),
        "actions" => elements(block, 25)?.iter().try_for_each(check_button),
        "divider" => Ok(()),
        "image" => {
            text_of(block, "image_url", 3000)?;
            text_of(block, "alt_text", 2000)
        }
        _ => Err(INVALID),
    }
}

fn check_section(block: &Value) -> Result<(), Refusal> {
    let (text, fields) = (block.get("text"), block.get("fields"));
    demand(text.is_some() || fields.is_some())?;
    if text.is_some() {
        text_object(text, &["plain_text", "mrkdwn"], 3000)?;
    }
    if let Some(fields) = fields {
        let fields = fields.as_array().ok_or(INVALID)?;
        demand((1..=10).contains(&fields.len()))?;
        fields.iter().try_for_each(|field| text_object(Some(field), &["plain_text", "mrkdwn"], 2000))?;
    }
    block.get("accessory").map_or(Ok(()), check_button)
}

fn check_context(block: &Value) -> Result<(), Refusal> {
    elements(block, 10)?.iter().try_for_each(|element| {
        if element.get("type").and_then(Value::as_str) == Some("image") {
            text_of(element, "image_url", 3000)?;
            return text_of(element, "alt_text", 2000);
        }
        text_object(Some(element), &["plain_text", "mrkdwn"], 3000)
    })
}

fn check_button(button: &Value) -> Result<(), Refusal> {
    demand(button.get("type").and_then(Value::as_str) == Some("button"))?;
    text_object(button.get("text"), &["plain_text"], 75)?;
    optional_text_of(button, "action_id", 255)?;
    optional_text_of(button, "url", 3000)?;
    optional_text_of(button, "value", 2000)
}

fn elements(block: &Value, most: usize) -> Result<&Vec<Value>, Refusal> {
    let elements = block.get("elements").and_then(Value::as_array).ok_or(INVALID)?;
    demand((1..=most).contains(&elements.len()))?;
    Ok(elements)
}

fn text_object(object: Option<&Value>, kinds: &[&str], longest: usize) -> Result<(), Refusal> {
    let object = object.ok_or(INVALID)?;
    let kind = object.get("type").and_then(Value::as_str).ok_or(INVALID)?;
    demand(kinds.contains(&kind))?;
    text_of(object, "text", longest)
}

fn text_of(object: &Value, key: &str, longest: usize) -> Result<(), Refusal> {
    let text = object.get(key).and_then(Value::as_str).ok_or(INVALID)?;
    demand((1..=longest).contains(&text.chars().count()))
}

fn optional_text_of(object: &Value, key: &str, longest: usize) -> Result<(), Refusal> {
    if object.get(key).is_some() { text_of(object, key, longest) } else { Ok(()) }
}

fn demand(holds: bool) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(INVALID) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(block: &Value, is_accepted: bool) {
        let message = json!({"text": "fallback", "blocks": [block]});
        assert_eq!(check_message(&message).is_ok(), is_accepted, "{block}");
    }

    fn plain(length: usize) -> Value {
        json!({"type": "plain_text", "text": "ä".repeat(length)})
    }

    fn marked(length: usize) -> Value {
        json!({"type": "mrkdwn", "text": "x".repeat(length)})
    }

    #[test]
    fn every_limit_holds_at_its_edge() {
        for (length, is_accepted) in [(0, false), (1, true), (150, true), (151, false)] {
            check(&json!({"type": "header", "text": plain(length)}), is_accepted);
        }
        check(&json!({"type": "header", "text": marked(5)}), false);
        for (length, is_accepted) in [(3000, true), (3001, false)] {
            check(&json!({"type": "section", "text": marked(length)}), is_accepted);
        }
        for (count, length, is_accepted) in
            [(0, 1, false), (10, 2000, true), (11, 1, false), (1, 2001, false)]
        {
            check(&json!({"type": "section", "fields": vec![marked(length); count]}), is_accepted);
        }
        for (count, is_accepted) in [(0, false), (10, true), (11, false)] {
            check(&json!({"type": "context", "elements": vec![marked(3); count]}), is_accepted);
        }
        for (text, url, value, is_accepted) in
            [(75, 3000, 2000, true), (76, 1, 1, false), (1, 3001, 1, false), (1, 1, 2001, false)]
        {
            let button = json!({
                "type": "button", "text": plain(text), "url": "u".repeat(url), "value": "v".repeat(value),
                "action_id": "a".repeat(255),
            });
            check(&json!({"type": "actions", "elements": [button]}), is_accepted);
        }
        check(&json!({"type": "divider", "block_id": "b".repeat(256)}), false);
        check(&json!({"type": "carousel"}), false);
        check(&json!({"type": "section"}), false);
    }

    #[test]
    fn fifty_blocks_are_the_most_and_text_is_owed() {
        let message = |count| json!({"text": "x", "blocks": vec![json!({"type": "divider"}); count]});
        assert_eq!(check_message(&message(50)), Ok(()));
        assert_eq!(check_message(&message(51)), Err(INVALID));
        assert_eq!(check_message(&json!({"blocks": []})), Err((400, "no_text")));
        assert_eq!(check_message(&json!({"text": "x".repeat(40_001)})), Err(INVALID));
    }

    #[test]
    fn a_path_has_three_parts() {
        assert_eq!(check_path("/services/T1/B1/x"), Ok(()));
        for path in ["/services/T1/B1", "/services/T1/B1/", "/services/X1/B1/x", "/services/T1/B1/x/y"] {
            assert_eq!(check_path(path), Err((404, "no_service")), "{path}");
        }
    }

    #[test]
    fn what_a_person_sees_marks_mentions_and_links() {
        let field = json!({"type": "mrkdwn", "text": "a &lt;!here&gt; <!here> @here <#C1|room>"});
        let plain = json!({"type": "plain_text", "text": "<!channel> &amp;"});
        let button = json!({"type": "button", "text": plain, "url": "https://x"});
        let message = json!({
            "text": "<!channel> <@U1> <https://a|b> <https://c>",
            "blocks": [{"type": "header", "text": plain}, {"type": "section", "fields": [field]},
                       {"type": "actions", "elements": [button]}],
        });
        let shown = show(&message);
        assert_eq!(
            shown.text,
            "⟦@channel⟧ ⟦@U1⟧ ⟦b → https://a⟧ https://c\n<!channel> &\na <!here> ⟦@here⟧ @here room\n\
             ⟦<!channel> &amp; → https://x⟧"
        );
        assert_eq!(shown.mentions, ["channel", "U1", "here"]);
        assert_eq!(show(&json!({"text": "@here", "link_names": true})).mentions, ["here"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_json_is_answered(kind in "[a-z]{0,8}", text in ".{0,30}", number in any::<i64>()) {
            for block in [json!({"type": kind, "text": text}), json!({"type": number}), json!(text)] {
                let _ = check_message(&json!({"text": "x", "blocks": [block]}));
            }
        }
    }
}
