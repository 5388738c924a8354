//! The embeds of a Discord message.
//!
//! Owns: their limits, and how they are shown. Must never know: webhooks. A mention in an embed alerts nobody.

use jiff::Timestamp;
use serde_json::Value;

use super::super::exchange::Outgoing;
use super::discord::invalid;
use super::shown::{Markup, Shown};
use super::twin::units;

const MARKDOWN: Markup = Markup { has_escapes: true, has_code: true, has_links: true, ..Markup::NONE };

/// The most characters of all embeds of a message together.
const MOST_TOGETHER: usize = 6000;

pub(super) fn check_all(embeds: &[Value], shown: &mut Shown) -> Result<(), Outgoing> {
    if embeds.len() > 10 {
        return Err(invalid("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length."));
    }
    let mut together = 0;
    for embed in embeds {
        together += check(embed, shown)?;
    }
    if together > MOST_TOGETHER {
        let message = "Embed size exceeds maximum size of 6000";
        return Err(invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", message));
    }
    Ok(())
}

/// Checks and shows one embed; returns its characters.
fn check(embed: &Value, shown: &mut Shown) -> Result<usize, Outgoing> {
    if !embed.is_object() {
        return Err(invalid("embeds", "MODEL_TYPE_CONVERT", "Must be an object."));
    }
    let before = shown.text.len();
    let author = text(&embed["author"], "name", 256)?;
    let title = text(embed, "title", 256)?;
    let description = text(embed, "description", 4096)?;
    let footer = text(&embed["footer"], "text", 2048)?;
    for url in [&embed["url"], &embed["author"]["url"], &embed["image"]["url"], &embed["thumbnail"]["url"]] {
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if !url.is_null() && !url.as_str().is_some_and(is_web) {
            return Err(invalid(
                "url",
                "URL_TYPE_INVALID_SCHEME",
                "Scheme must be one of ('http', 'https').",
            ));
        }
    }
    if !embed["color"].is_null() && embed["color"].as_u64().is_none_or(|color| color > 0xff_ffff) {
        return Err(invalid(
            "color",
            "NUMBER_TYPE_MAX",
            "int value should be less than or equal to 16777215.",
        ));
    }
    if !embed["timestamp"].is_null()
        && embed["timestamp"].as_str().is_none_or(|time| time.parse::<Timestamp>().is_err())
    {
        return Err(invalid("timestamp", "DATE_TIME_TYPE_PARSE", "Could not parse timestamp."));
    }
    let mut characters = units(author) + units(title) + units(description) + units(footer);
    for line in [author, title] {
        if !line.is_empty() {
            shown.plain_line(line);
        }
    }
    if let Some(url) = embed["url"].as_str().filter(|_| !title.is_empty()) {
        shown.text.truncate(shown.text.len() - title.len());
        shown.link(title, url);
    }
    if !description.is_empty() {
        shown.line(description, &MARKDOWN);
    }
    characters += fields(&embed["fields"], shown)?;
    if !footer.is_empty() {
        shown.plain_line(footer);
    }
    if shown.text.len() == before {
        return Err(invalid("embeds", "BASE_TYPE_REQUIRED", "This field is required"));
    }
    Ok(characters)
}

fn fields(fields: &Value, shown: &mut Shown) -> Result<usize, Outgoing> {
    if fields.is_null() {
        return Ok(0);
    }
    let fields =
        fields.as_array().ok_or_else(|| invalid("fields", "LIST_TYPE_CONVERT", "Must be a list."))?;
    length(fields.len(), 25, "fields")?;
    let mut characters = 0;
    for field in fields {
        let (name, value) = (text(field, "name", 256)?, text(field, "value", 1024)?);
        if name.trim().is_empty() || value.trim().is_empty() {
            return Err(invalid("fields", "BASE_TYPE_REQUIRED", "This field is required"));
        }
        if !field["inline"].is_null() && !field["inline"].is_boolean() {
            return Err(invalid("inline", "BOOLEAN_TYPE_CONVERT", "Must be either true or false."));
        }
        characters += units(name) + units(value);
        shown.field(name, value, &MARKDOWN);
    }
    Ok(characters)
}

fn text<'a>(object: &'a Value, key: &str, most: usize) -> Result<&'a str, Outgoing> {
    let value = &object[key];
    if value.is_null() {
        return Ok("");
    }
    let text = value.as_str().ok_or_else(|| invalid(key, "STRING_TYPE_CONVERT", "Must be a string."))?;
    length(units(text), most, key)?;
    Ok(text)
}

/// At most this long.
pub(super) fn length(length: usize, most: usize, key: &str) -> Result<(), Outgoing> {
    if length <= most {
        return Ok(());
    }
    Err(invalid(key, "BASE_TYPE_MAX_LENGTH", &format!("Must be {most} or fewer in length.")))
}
