//! Texts that would harm a chat, sent to every target: no mention fires, limits hold, what is sent can be parsed.
//!
//! Owns: limits and rules of each target, written down a second time. Must never know: how a target keeps them.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::tests::{attempt, built, mail_parts};
use crate::alerts::message::{LONGEST_DIGEST, Message, digest, single, trial};
use crate::alerts::target::Composed;
use crate::alerts::tests::alert;
use crate::payments::alert::Alert;
use crate::text;

fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "<!channel> <!here> <@U123> <https://evil.example|click>",
        "@everyone @here @channel @all <@123> <@&1> <#1>",
        "<users/all> <at>Jane</at>",
        "[click](https://evil.example) ![x](https://evil.example/x.png)",
        "</b><a href='https://evil.example'>x</a><script>alert(1)</script>",
        "*bold* _it_ ~s~ `c` ||s|| # h > q \\",
        "A\u{202e}B\u{2066}C\u{200f}D\u{200b}",
        "]]> --> {{ 7*7 }} {% raw %} ${x} $(id) `id`",
        "A\r\nBcc: x@evil.example\r\n\r\n.\r\nQUIT",
        "\", \"text\": \"@everyone",
        "\u{1b}[2J\0\u{7f}\u{2028}",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend(["A", "😀", "<", "\"", "\\", "@", "\r\n", "\u{202e}"].map(|text| text.repeat(10_000)));
    texts
}

fn messages(text: &str) -> Vec<Message> {
    let hostile = Alert {
        merchant_reference: Some(text.to_owned()),
        state: Some(text.to_owned()),
        reason: Some(text.to_owned()),
        headline: text.to_owned(),
        explanation: text.to_owned(),
        advice: text.to_owned(),
        where_to_look: text.to_owned(),
        ..alert("a/1")
    };
    let many: Vec<(Alert, bool)> = (0..LONGEST_DIGEST)
        .map(|number| (Alert { key: format!("a/{number}"), ..hostile.clone() }, number % 2 == 0))
        .collect();
    vec![
        single(&hostile, true, &TimeZone::UTC),
        digest(&many, "digest/1".to_owned()),
        trial("ops", hostile.occurred_at, &TimeZone::UTC),
    ]
}

/// The keys of a section of each kind; the secret `hook` is an address, `token` is a token.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("slack", "url = \"credential:hook\""),
    ("teams", "url = \"credential:hook\""),
    ("discord", "url = \"credential:hook\""),
    ("google-chat", "url = \"credential:hook\""),
    ("mattermost", "url = \"credential:hook\""),
    ("rocket-chat", "url = \"credential:hook\""),
    ("telegram", "token = \"credential:bot\"\nchat_id = 1"),
    ("ntfy", "topic = \"credential:token\""),
    ("pagerduty", "routing_key = \"credential:token\""),
    ("opsgenie", "api_key = \"credential:token\""),
    ("alertmanager", "base_url = \"https://alerts.example\""),
    ("email", "server = \"mail.example\"\nfrom = \"a@shop.example\"\nto = [\"b@shop.example\"]"),
    ("exec", "command = [\"/bin/sh\"]\ndigests = true"),
    ("webhook", "url = \"credential:hook\""),
    (
        "template",
        "url = \"credential:hook\"\ndigests = true\n\
         template = '{\"text\": {{ text }}, \"lines\": {{ lines }}, \"data\": {{ data }}}'",
    ),
];

pub(super) const SECRETS: &[(&str, &str)] =
    &[("hook", "https://hooks.example/x"), ("bot", "1:x"), ("token", "0123456789abcdef0123456789abcdef")];

fn units(value: &Value) -> usize {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).encode_utf16().count()
}

/// All texts within a JSON value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

/// Whether `sign` stands somewhere without `follower` behind it.
fn is_bare(text: &str, sign: char, follower: char) -> bool {
    let mut letters = text.chars().peekable();
    std::iter::from_fn(|| letters.next().map(|letter| (letter, letters.peek().copied())))
        .any(|(letter, next)| letter == sign && next != Some(follower))
}

/// Whether a character of Markdown stands somewhere without its backslash.
fn is_markdown(text: &str) -> bool {
    let mut is_escaped = false;
    for letter in text.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | '#' => return true,
            _ => {}
        }
    }
    is_escaped
}

/// Whether a text has other markup than `<b>`, `</b>` and the entities of HTML.
fn is_html(text: &str) -> bool {
    let opened = text.matches("<b>").count();
    let plain = text.replace("<b>", "").replace("</b>", "");
    let plain = ["&amp;", "&lt;", "&gt;"].iter().fold(plain, |plain, entity| plain.replace(entity, ""));
    opened != text.matches("</b>").count() || plain.contains(['<', '>', '&'])
}

/// What is wrong with a body.
fn problems(kind: &str, body: &Value, bytes: usize) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut all = Vec::new();
    texts(body, &mut all);
    let mut must = |is_good: bool, rule: &'static str| {
        if !is_good {
            found.push(rule);
        }
    };
    must(all.iter().all(|text| kind == "telegram" || !text.is_empty()), "no text is empty");
    match kind {
        "slack" => {
            must(!all.iter().any(|text| text.contains(['<', '>'])), "angles are escaped");
            must(body["blocks"].as_array().unwrap().len() <= 50, "50 blocks");
        }
        "teams" => {
            must(bytes <= 28 * 1024, "28 KB");
            let text = body.to_string();
            let is_markup =
                ["\"TextBlock\"", "\"FactSet\"", "\"entities\""].iter().any(|word| text.contains(word));
            must(!is_markup, "nothing interprets Markdown");
        }
        "discord" => {
            must(body["allowed_mentions"] == serde_json::json!({"parse": []}), "mentions are off");
            must(
                units(&body["content"]) <= 2000 && !is_markdown(body["content"].as_str().unwrap()),
                "content",
            );
            let embed = &body["embeds"][0];
            let fields = embed["fields"].as_array().unwrap();
            let description = embed["description"].as_str().unwrap_or_default();
            let description_units = description.encode_utf16().count();
            must(fields.len() <= 25 && description_units <= 4096, "25 fields, 4096 of description");
            let sizes = fields.iter().map(|field| (units(&field["name"]), units(&field["value"])));
            must(sizes.clone().all(|(name, value)| name <= 256 && value <= 1024), "256 and 1024");
            must(
                sizes.map(|(name, value)| name + value).sum::<usize>() + description_units <= 6000,
                "6000 in all",
            );
            must(
                fields.iter().all(|field| !is_markdown(field["value"].as_str().unwrap())),
                "values are no Markdown",
            );
            must(!is_markdown(description), "lines are no Markdown");
            must(!all.iter().any(|text| is_bare(text, '@', '\u{200b}')), "nothing looks like a mention");
        }
        "google-chat" => {
            must(bytes <= 32_000, "32,000 bytes");
            must(!all.iter().any(|text| text.contains(['<', '>'])), "no mention, no link");
        }
        "mattermost" => {
            let attachment = &body["attachments"][0];
            must(units(&body["text"]) + units(&attachment["text"]) <= 16_383, "16,383 characters");
            must(!all.iter().any(|text| is_bare(text, '@', '\u{200b}')), "no mention");
            must(!is_markdown(body["text"].as_str().unwrap()), "the title is no Markdown");
            must(
                !is_markdown(&attachment["text"].as_str().unwrap().replace("**", "")),
                "values are no Markdown",
            );
        }
        "rocket-chat" => {
            must(units(&body["text"]) + units(&body["attachments"][0]["text"]) <= 5_000, "5000 characters");
            let bare = |sign| all.iter().any(|text| is_bare(text, sign, '\u{200b}'));
            must(!bare('@') && !bare('<') && !bare(']'), "no mention, no link");
        }
        "telegram" => {
            must(units(&body["text"]) <= 4096, "4096 characters");
            must(!is_html(body["text"].as_str().unwrap()), "only our own HTML");
            must(!all.iter().any(|text| is_bare(text, '@', '\u{200b}')), "no mention");
        }
        "ntfy" => {
            must(body["message"].as_str().unwrap().len() <= 4096, "4096 bytes");
            must(body["markdown"].is_null(), "Markdown is off");
        }
        "pagerduty" => {
            must(bytes <= 512 * 1024 && units(&body["payload"]["summary"]) <= 1024, "512 KB, 1024");
            must(body["dedup_key"].as_str().unwrap().len() <= 255, "255");
        }
        "opsgenie" => {
            must(units(&body["message"]) <= 130 && units(&body["description"]) <= 15_000, "130 and 15,000");
            must(!is_html(body["description"].as_str().unwrap()), "no HTML");
            must(body["details"].to_string().len() <= 8_000, "8000 of details");
            must(body["details"].as_object().unwrap().values().all(Value::is_string), "details are texts");
        }
        "alertmanager" => must(body[0]["labels"]["alertname"].is_string(), "a name"),
        _ => {}
    }
    found
}

#[test]
fn no_text_mentions_anybody_breaks_a_limit_or_the_form_of_any_target() {
    let sections: BTreeMap<&str, &str> = SECTIONS.iter().copied().collect();
    let targets = super::ALL.iter().map(|registration| {
        let kind = registration.kind;
        let keys = sections.get(kind).unwrap_or_else(|| panic!("{kind} is not tested"));
        (kind, built(&format!("kind = \"{kind}\"\n{keys}"), SECRETS))
    });
    let targets: Vec<_> = targets.collect();
    for text in hostile_texts() {
        let shown: String = text.chars().take(20).collect();
        for message in messages(&text) {
            for (kind, target) in &targets {
                let composed = target.compose(&message, &attempt("2026-01-15T09:30:05Z"));
                check(kind, composed, &format!("{kind} {shown:?}"));
            }
        }
    }
}

fn check(kind: &str, composed: Composed, shown: &str) {
    let body = match composed {
        Composed::Http(request) => {
            let is_visible = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            assert!(request.headers.iter().all(|(_, value)| is_visible(value)), "{shown}");
            assert!(is_visible(&request.url), "{shown}");
            request.body
        }
        Composed::Command(invocation) => invocation.input,
        Composed::Mail(mail) => return check_mail(&String::from_utf8(mail.message.formatted()).unwrap()),
        Composed::Impossible(why) => panic!("{shown}: {why}"),
    };
    let whole = String::from_utf8(body).unwrap();
    let is_ours = |letter: char| letter == '\u{200b}' || letter == '\n';
    let harmful = whole.chars().find(|letter| text::is_harmful(*letter) && !is_ours(*letter));
    assert_eq!(harmful, None, "{shown}");
    let body: Value = serde_json::from_str(&whole).unwrap();
    if !["webhook", "exec", "template"].contains(&kind) {
        assert_eq!(problems(kind, &body, whole.len()), Vec::<&str>::new(), "{shown} {body}");
    }
}

fn check_mail(mail: &str) {
    assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{mail}");
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    for line in head.split("\r\n") {
        let name = line.split(':').next().unwrap();
        let known = [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "References",
            "Auto-Submitted",
            "Importance",
            "MIME-Version",
            "Content-Type",
        ];
        assert!(line.starts_with(' ') || known.contains(&name), "{head}");
    }
    let parts = mail_parts(mail);
    assert_eq!(parts.len(), 2);
    for tag in ["<a ", "<script", "<!channel", "<at>", "<users"] {
        assert!(!parts[1].contains(tag), "{tag}: {}", parts[1]);
    }
    assert!(!parts.concat().chars().any(|letter| text::is_harmful(letter) && letter != '\n'));
}
