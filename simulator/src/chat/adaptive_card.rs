//! Adaptive Cards, as far as an alert needs them.
//!
//! Owns: which elements and properties there are, and how a card is shown. Must never know: who carries a card.
//!
//! Markdown works in `TextBlock` and in the titles and values of a `FactSet`; a `TextRun` shows its text as it is.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::shown::{Angle, Markup, Shown};

const MARKDOWN: Markup = Markup {
    has_escapes: true,
    has_code: false,
    has_links: true,
    has_entities: false,
    mentions: |_| false,
    angle: |_| Angle::Text,
};

const WEIGHTS: &[&str] = &["Lighter", "Default", "Bolder"];
const SIZES: &[&str] = &["Small", "Default", "Medium", "Large", "ExtraLarge"];
const COLORS: &[&str] = &["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"];
const STYLES: &[&str] = &["default", "emphasis", "good", "attention", "warning", "accent"];
const SPACINGS: &[&str] = &["None", "Small", "Default", "Medium", "Large", "ExtraLarge", "Padding"];

/// What a property may hold.
enum Kind {
    Text,
    Flag,
    Number,
    Url,
    OneOf(&'static [&'static str]),
    /// Read by the element's own rules.
    Other,
}

type Properties = &'static [(&'static str, Kind)];

const COMMON: Properties = &[
    ("type", Kind::Text),
    ("id", Kind::Text),
    ("spacing", Kind::OneOf(SPACINGS)),
    ("separator", Kind::Flag),
    ("isVisible", Kind::Flag),
    ("height", Kind::OneOf(&["auto", "stretch"])),
];

const TEXT: Properties = &[
    ("text", Kind::Text),
    ("weight", Kind::OneOf(WEIGHTS)),
    ("size", Kind::OneOf(SIZES)),
    ("color", Kind::OneOf(COLORS)),
    ("fontType", Kind::OneOf(&["Default", "Monospace"])),
    ("isSubtle", Kind::Flag),
    ("wrap", Kind::Flag),
    ("maxLines", Kind::Number),
    ("horizontalAlignment", Kind::OneOf(&["Left", "Center", "Right"])),
    ("style", Kind::OneOf(&["default", "heading"])),
];

const RUN: Properties = &[
    ("type", Kind::Text),
    ("text", Kind::Text),
    ("weight", Kind::OneOf(WEIGHTS)),
    ("size", Kind::OneOf(SIZES)),
    ("color", Kind::OneOf(COLORS)),
    ("fontType", Kind::OneOf(&["Default", "Monospace"])),
    ("isSubtle", Kind::Flag),
    ("italic", Kind::Flag),
    ("strikethrough", Kind::Flag),
    ("underline", Kind::Flag),
    ("highlight", Kind::Flag),
];

const IMAGE: Properties = &[
    ("url", Kind::Url),
    ("altText", Kind::Text),
    ("size", Kind::OneOf(&["Auto", "Stretch", "Small", "Medium", "Large"])),
    ("style", Kind::OneOf(&["default", "person"])),
    ("width", Kind::Text),
];

const BOX: Properties = &[
    ("items", Kind::Other),
    ("style", Kind::OneOf(STYLES)),
    ("bleed", Kind::Flag),
    ("width", Kind::Other),
    ("verticalContentAlignment", Kind::OneOf(&["Top", "Center", "Bottom"])),
];

const ACTION: Properties = &[
    ("type", Kind::Text),
    ("id", Kind::Text),
    ("title", Kind::Text),
    ("url", Kind::Url),
    ("card", Kind::Other),
    ("targetElements", Kind::Other),
    ("style", Kind::OneOf(&["default", "positive", "destructive"])),
];

const CARD: Properties = &[
    ("$schema", Kind::Url),
    ("type", Kind::Text),
    ("version", Kind::OneOf(&["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"])),
    ("msteams", Kind::Other),
    ("body", Kind::Other),
    ("actions", Kind::Other),
    ("fallbackText", Kind::Text),
    ("speak", Kind::Text),
    ("lang", Kind::Text),
];

type Checked = Result<(), String>;

/// A whole message: attachments that are Adaptive Cards.
pub(super) fn message(message: &Value) -> Result<Shown, String> {
    demand(message["type"] == "message", "type is not `message`")?;
    let attachments = list(&message["attachments"], "attachments")?;
    let mut shown = Shown::default();
    for attachment in attachments {
        known(
            attachment,
            &[&[("contentType", Kind::Text), ("contentUrl", Kind::Other), ("content", Kind::Other)]],
        )?;
        demand(
            attachment["contentType"] == "application/vnd.microsoft.card.adaptive",
            "contentType is no Adaptive Card",
        )?;
        demand(attachment["contentUrl"].is_null(), "contentUrl is not null")?;
        card(&attachment["content"], &mut shown)?;
    }
    Ok(shown)
}

fn card(card: &Value, shown: &mut Shown) -> Checked {
    known(card, &[CARD])?;
    demand(card["type"] == "AdaptiveCard", "type is not `AdaptiveCard`")?;
    demand(card["version"].is_string(), "version is missing")?;
    let names = mentioned(&card["msteams"])?;
    let mut body = Shown::default();
    list(&card["body"], "body")?.iter().try_for_each(|part| element(part, &mut body))?;
    actions(&card["actions"], &mut body)?;
    for name in names {
        let tag = format!("<at>{name}</at>");
        if body.text.contains(&tag) {
            body.text = body.text.replace(&tag, &format!("⟦@{name}⟧"));
            body.mentions.push(name);
        }
    }
    shown.plain_line(&body.text);
    shown.mentions.extend(body.mentions);
    shown.links.extend(body.links);
    Ok(())
}

fn mentioned(msteams: &Value) -> Result<Vec<String>, String> {
    if msteams.is_null() {
        return Ok(Vec::new());
    }
    known(msteams, &[&[("width", Kind::OneOf(&["Full"])), ("entities", Kind::Other)]])?;
    let mut names = Vec::new();
    for entity in msteams["entities"].as_array().into_iter().flatten() {
        let name = entity["mentioned"]["name"].as_str().unwrap_or_default();
        let is_whole = entity["type"] == "mention" && entity["mentioned"]["id"].is_string();
        demand(is_whole && entity["text"] == format!("<at>{name}</at>"), "an entity is no mention")?;
        names.push(name.to_owned());
    }
    Ok(names)
}

fn element(element: &Value, shown: &mut Shown) -> Checked {
    match element["type"].as_str().unwrap_or_default() {
        "TextBlock" => {
            known(element, &[COMMON, TEXT])?;
            shown.line(text(&element["text"], "text")?, &MARKDOWN);
            Ok(())
        }
        "RichTextBlock" => {
            known(element, &[COMMON, &[("inlines", Kind::Other), ("horizontalAlignment", Kind::Text)]])?;
            shown.start_line();
            for inline in list(&element["inlines"], "inlines")? {
                if inline.is_object() {
                    known(inline, &[RUN])?;
                    demand(inline["type"] == "TextRun", "an inline is no TextRun")?;
                }
                let run = if inline.is_object() { &inline["text"] } else { inline };
                shown.text.push_str(text(run, "inlines")?);
            }
            Ok(())
        }
        "FactSet" => {
            known(element, &[COMMON, &[("facts", Kind::Other)]])?;
            for fact in list(&element["facts"], "facts")? {
                known(fact, &[&[("title", Kind::Text), ("value", Kind::Text)]])?;
                shown.field(text(&fact["title"], "title")?, text(&fact["value"], "value")?, &MARKDOWN);
            }
            Ok(())
        }
        "Image" => {
            known(element, &[COMMON, IMAGE])?;
            demand(element["url"].is_string(), "url is missing")?;
            shown.plain_line(element["altText"].as_str().unwrap_or_default());
            Ok(())
        }
        "Container" | "Column" => {
            known(element, &[COMMON, BOX])?;
            list(&element["items"], "items")?.iter().try_for_each(|part| self::element(part, shown))
        }
        "ColumnSet" => {
            known(element, &[COMMON, &[("columns", Kind::Other), ("style", Kind::OneOf(STYLES))]])?;
            for column in list(&element["columns"], "columns")? {
                demand(column["type"] == "Column", "a column is no Column")?;
                self::element(column, shown)?;
            }
            Ok(())
        }
        "ActionSet" => {
            known(element, &[COMMON, &[("actions", Kind::Other)]])?;
            demand(element["actions"].is_array(), "actions are missing")?;
            actions(&element["actions"], shown)
        }
        other => Err(format!("there is no element `{other}`")),
    }
}

/// An incoming webhook may open addresses, show a card and toggle, but not submit.
fn actions(actions: &Value, shown: &mut Shown) -> Checked {
    if actions.is_null() {
        return Ok(());
    }
    for action in list(actions, "actions")? {
        known(action, &[ACTION])?;
        let title = text(&action["title"], "title")?;
        match action["type"].as_str().unwrap_or_default() {
            "Action.OpenUrl" => {
                shown.start_line();
                shown.link(title, text(&action["url"], "url")?);
            }
            "Action.ShowCard" => {
                shown.plain_line(title);
                card(&action["card"], shown)?;
            }
            "Action.ToggleVisibility" => {
                list(&action["targetElements"], "targetElements")?;
                shown.plain_line(title);
            }
            other => return Err(format!("there is no action `{other}` for a webhook")),
        }
    }
    Ok(())
}

/// Every property is known and has its type.
fn known(object: &Value, sets: &[Properties]) -> Checked {
    let object: &Map<String, Value> = object.as_object().ok_or("an object is missing")?;
    for (name, value) in object {
        let mut known = sets.iter().flat_map(|set| set.iter());
        let (_, kind) =
            known.find(|(known, _)| known == name).ok_or_else(|| format!("there is no property `{name}`"))?;
        let holds = match kind {
            Kind::Text => value.is_string(),
            Kind::Flag => value.is_boolean(),
            Kind::Number => value.is_u64(),
            Kind::Url => {
                value.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
            }
            Kind::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Kind::Other => true,
        };
        demand(holds, format!("`{name}` has no fitting value"))?;
    }
    Ok(())
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>, String> {
    value.as_array().filter(|list| !list.is_empty()).ok_or_else(|| format!("{name} is no list with entries"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| format!("{name} is no text, or empty"))
}

fn demand(holds: bool, problem: impl Display) -> Checked {
    if holds { Ok(()) } else { Err(problem.to_string()) }
}
