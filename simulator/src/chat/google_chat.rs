//! A Google Chat webhook.
//!
//! Owns: the limits of a message, its cards, threads and request ids, Google's error bodies. Must never know: what
//! becomes of a message.
//!
//! Google refuses unknown fields. It says nothing about how long to wait after a 429. The thread key counts only with
//! a `messageReplyOption`; the default option starts a new thread.

use serde_json::{Value, json};

use super::super::exchange::{Incoming, Outgoing};
use super::ChatMessage;
use super::shown::{Angle, Markup, Shown};
use super::twin::{Effect, Taken, Twin, Wait, id_of, json_body, parameter, parts, units};

/// The whole message, bytes.
const MOST_BYTES: usize = 32_000;

const REPLY_OPTIONS: [&str; 3] =
    ["MESSAGE_REPLY_OPTION_UNSPECIFIED", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", "REPLY_MESSAGE_OR_FAIL"];

const MARKUP: Markup = Markup { has_code: true, angle, ..Markup::NONE };

pub(super) const TWIN: Twin = Twin {
    name: "google-chat",
    claims: |incoming| matches!(parts(incoming).as_slice(), ["v1", "spaces", _, "messages"]),
    read,
    refused,
    throttled: |_: Option<Wait>| refused(429),
    error_in_200: None,
};

fn angle(inside: &str) -> Angle {
    let (address, text) = inside.split_once('|').unwrap_or((inside, inside));
    if let Some(user) = address.strip_prefix("users/") {
        return Angle::Mention(user.to_owned());
    }
    let is_link = ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
    if is_link { Angle::Link(text.to_owned(), address.to_owned()) } else { Angle::Text }
}

fn read(incoming: &Incoming, kept: &[ChatMessage]) -> Result<Taken, Outgoing> {
    if incoming.method != "POST" {
        return Err(refused(404));
    }
    let query = |name: &str| parameter(&incoming.query, name);
    if query("key").is_none() {
        return Err(refused(403));
    }
    if query("token").is_none() {
        return Err(refused(401));
    }
    let option = query("messageReplyOption");
    if option.as_ref().is_some_and(|option| !REPLY_OPTIONS.contains(&option.as_str())) {
        return Err(invalid("Invalid value at 'message_reply_option'"));
    }
    let message = json_body(incoming).ok_or_else(|| invalid("Invalid JSON payload received."))?;
    let shown = check(&message).map_err(|problem| invalid(&problem))?;
    if incoming.body.len() > MOST_BYTES {
        return Err(invalid("The message exceeds the maximum size of 32000 bytes."));
    }
    let space = parts(incoming)[2].to_owned();
    let request = query("requestId");
    let earlier = request.as_ref().and_then(|request| {
        let known =
            |message: &&ChatMessage| message.target == TWIN.name && message.key.as_ref() == Some(request);
        kept.iter().position(|message| known(&message))
    });
    let number = earlier.unwrap_or(kept.len());
    let name = format!("spaces/{space}/messages/{:x}", id_of(&[&space, &number.to_string()]));
    let key = message["thread"]["threadKey"].as_str().filter(|_| option.is_some());
    let thread = key.map_or_else(|| name.clone(), |key| format!("{:x}", id_of(&[&space, key])));
    let answer = json!({
        "name": name, "createTime": incoming.at.to_string(), "text": message["text"].as_str().unwrap_or_default(),
        "sender": {"name": "users/1", "displayName": "webhook", "type": "BOT"},
        "thread": {"name": format!("spaces/{space}/threads/{thread}")}, "space": {"name": format!("spaces/{space}")},
    });
    Ok(Taken {
        key: request,
        effect: if earlier.is_some() { Effect::Joined } else { Effect::New },
        ..Taken::new(
            shown,
            message,
            Outgoing::new(200, "application/json; charset=UTF-8", answer.to_string()),
        )
    })
}

fn check(message: &Value) -> Result<Shown, String> {
    known(message, &["text", "thread", "cardsV2", "fallbackText", "accessoryWidgets"])?;
    let mut shown = Shown::default();
    if let Some(text) = text(message, "text")?.filter(|text| !text.trim().is_empty()) {
        shown.line(text, &MARKUP);
    }
    if !message["thread"].is_null() {
        known(&message["thread"], &["threadKey", "name"])?;
        let key = text(&message["thread"], "threadKey")?.unwrap_or_default();
        demand(units(key) <= 4000, "Invalid value at 'message.thread.thread_key'")?;
    }
    let cards = list(message, "cardsV2")?;
    for card in cards {
        known(card, &["cardId", "card"])?;
        demand(cards.len() == 1 || card["cardId"].is_string(), "Every card of several needs a cardId")?;
        show_card(&card["card"], &mut shown)?;
    }
    demand(!shown.text.is_empty(), "Message cannot be empty.")?;
    Ok(shown)
}

/// A card holds simple HTML, in which no mention fires; it is shown as written.
fn show_card(card: &Value, shown: &mut Shown) -> Result<(), String> {
    known(card, &["header", "sections", "name"])?;
    if !card["header"].is_null() {
        let header = &card["header"];
        known(header, &["title", "subtitle", "imageUrl", "imageType", "imageAltText"])?;
        demand(text(header, "title")?.is_some(), "A card header needs a title")?;
        show(header, &["title", "subtitle"], shown)?;
    }
    for section in list(card, "sections")? {
        known(section, &["header", "widgets", "collapsible", "uncollapsibleWidgetsCount"])?;
        show(section, &["header"], shown)?;
        for widget in list(section, "widgets")? {
            show_widget(widget, shown)?;
        }
    }
    Ok(())
}

fn show_widget(widget: &Value, shown: &mut Shown) -> Result<(), String> {
    known(widget, &["textParagraph", "decoratedText", "buttonList", "divider"])?;
    demand(widget.as_object().is_some_and(|widget| widget.len() == 1), "A widget holds exactly one thing")?;
    if let Some(paragraph) = widget.get("textParagraph") {
        known(paragraph, &["text", "maxLines"])?;
        demand(text(paragraph, "text")?.is_some(), "A paragraph needs a text")?;
        show(paragraph, &["text"], shown)?;
    }
    if let Some(decorated) = widget.get("decoratedText") {
        known(decorated, &["topLabel", "text", "bottomLabel", "wrapText", "startIcon", "button", "onClick"])?;
        demand(text(decorated, "text")?.is_some(), "A decorated text needs a text")?;
        show(decorated, &["topLabel", "text", "bottomLabel"], shown)?;
    }
    if let Some(buttons) = widget.get("buttonList") {
        known(buttons, &["buttons"])?;
        for button in list(buttons, "buttons")? {
            known(button, &["text", "icon", "color", "onClick", "disabled", "altText"])?;
            let url = text(&button["onClick"]["openLink"], "url")?.ok_or("A button needs an onClick")?;
            shown.start_line();
            shown.link(text(button, "text")?.unwrap_or_default(), url);
        }
    }
    Ok(())
}

fn show(object: &Value, keys: &[&str], shown: &mut Shown) -> Result<(), String> {
    for key in keys {
        if let Some(text) = text(object, key)? {
            shown.plain_line(text);
        }
    }
    Ok(())
}

fn known(object: &Value, fields: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or("Invalid JSON payload received.")?;
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(key) => {
            Err(format!("Invalid JSON payload received. Unknown name \"{key}\": Cannot find field."))
        }
        None => Ok(()),
    }
}

fn text<'a>(object: &'a Value, key: &str) -> Result<Option<&'a str>, String> {
    match &object[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(format!("Invalid value at '{key}' (TYPE_STRING)")),
    }
}

fn list<'a>(object: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match &object[key] {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        _ => Err(format!("Invalid value at '{key}'")),
    }
}

fn demand(holds: bool, problem: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

fn invalid(message: &str) -> Outgoing {
    error(400, message, "INVALID_ARGUMENT")
}

fn error(status: u16, message: &str, word: &str) -> Outgoing {
    let body = json!({"error": {"code": status, "message": message, "status": word}});
    Outgoing::new(status, "application/json; charset=UTF-8", body.to_string())
}

fn refused(status: u16) -> Outgoing {
    let (message, word) = match status {
        400 => ("Request contains an invalid argument.", "INVALID_ARGUMENT"),
        401 => ("Request had invalid authentication credentials.", "UNAUTHENTICATED"),
        403 => ("The caller does not have permission", "PERMISSION_DENIED"),
        404 => ("Requested entity was not found.", "NOT_FOUND"),
        429 => ("Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"),
        503 => ("The service is currently unavailable.", "UNAVAILABLE"),
        _ => ("Internal error encountered.", "INTERNAL"),
    };
    error(status, message, word)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{check_answers, json_of, kept, post, read_one, take};
    use super::*;

    const URL: &str = "/v1/spaces/AAAA/messages?key=k&token=t";

    #[test]
    fn unknown_fields_and_large_messages_are_refused() {
        let card = |widget: Value| json!({"cardsV2": [{"card": {"sections": [{"widgets": [widget]}]}}]});
        check_answers(
            &TWIN,
            &[
                (URL, json!({"text": "hello"}), 200),
                (URL, json!({"text": "hello", "thread": {"threadKey": "decline-1"}}), 200),
                (URL, json!({"text": "x", "thread": {"threadKey": "k".repeat(4001)}}), 400),
                (URL, json!({"text": "x".repeat(31_900)}), 200),
                (URL, json!({"text": "x".repeat(32_000)}), 400),
                (URL, json!({"text": "ä".repeat(16_000)}), 400),
                (URL, json!({"text": ""}), 400),
                (URL, json!({"text": 1}), 400),
                (URL, json!({"text": "x", "attachments": []}), 400),
                (URL, card(json!({"textParagraph": {"text": "x"}})), 200),
                (URL, card(json!({"decoratedText": {"topLabel": "Amount", "text": "14.00 EUR"}})), 200),
                (URL, card(json!({"textParagraph": {"text": "x"}, "divider": {}})), 400),
                (URL, card(json!({"textBlock": {"text": "x"}})), 400),
                ("/v1/spaces/AAAA/messages?key=k", json!({"text": "x"}), 401),
                ("/v1/spaces/AAAA/messages?token=t", json!({"text": "x"}), 403),
                (&format!("{URL}&messageReplyOption=MAYBE"), json!({"text": "x"}), 400),
            ],
        );
    }

    #[test]
    fn mentions_links_threads_and_repetitions() {
        let shown =
            read_one(&TWIN, URL, &json!({"text": "<users/all> <users/1> <https://a|b> `<users/all>` <x"}))
                .shown;
        assert_eq!(shown.text, "⟦@all⟧ ⟦@1⟧ ⟦b → https://a⟧ <users/all> <x");
        let threaded = json!({"text": "x", "thread": {"threadKey": "k"}});
        let thread = |url: &str, before: &[ChatMessage]| {
            let taken = take(&TWIN, &post(url, &threaded.to_string()), before);
            json_of(&taken.answer)["thread"]["name"].as_str().expect("it has a thread").to_owned()
        };
        let replying = format!("{URL}&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&requestId=r1");
        let incoming = post(&replying, &threaded.to_string());
        let first = take(&TWIN, &incoming, &[]);
        let first_name = json_of(&first.answer)["name"].clone();
        let before = [kept(&TWIN, &incoming, first)];
        assert_eq!(thread(&replying, &[]), thread(&replying.replace("r1", "r2"), &before));
        assert_ne!(thread(URL, &[]), thread(URL, &before));
        let again = take(&TWIN, &incoming, &before);
        assert_eq!((again.effect, json_of(&again.answer)["name"].clone()), (Effect::Joined, first_name));
        assert_eq!(json_of(&(TWIN.throttled)(None))["error"]["status"], "RESOURCE_EXHAUSTED");
    }
}
