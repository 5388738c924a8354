//! A Slack message as text, as the chat shows it.
//!
//! Owns: its look. Must never know: what a message is about.

use serde_json::Value;

use crate::cli::wrap::{COLUMNS, wrap};
use crate::text;

/// The left edge of every line.
const EDGE: &str = "  | ";

/// The message in lines of at most 80 columns.
pub(super) fn as_text(message: &Value) -> String {
    let mut lines = Vec::new();
    for block in message["blocks"].as_array().into_iter().flatten() {
        let pairs = block["fields"].as_array().map_or(&[][..], Vec::as_slice).chunks(2);
        for pair in pairs {
            let value = pair.get(1).map(shown).unwrap_or_default();
            lines.extend(wrap(&format!("{:<14} ", shown(&pair[0])), &value, COLUMNS - EDGE.len()));
        }
        let elements = block["elements"].as_array().into_iter().flatten();
        for text in block.get("text").into_iter().chain(elements) {
            // Names of facts and headings stand alone, what they say is indented.
            let is_heading =
                block["type"] == "header" || text["type"] == "mrkdwn" || block["type"] == "context";
            lines.extend(wrap(if is_heading { "" } else { "  " }, &shown(text), COLUMNS - EDGE.len()));
        }
    }
    lines.iter().map(|line| format!("{EDGE}{line}\n")).collect()
}

/// The words of a text object, without Slack's escapes and stars.
fn shown(part: &Value) -> String {
    let text = part["text"].as_str().unwrap_or_default();
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let text = if part["type"] == "mrkdwn" { text.trim_matches('*') } else { &text };
    text::line(text).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn a_message_looks_as_in_the_chat() {
        let plain = |text: &str| json!({ "type": "plain_text", "text": text });
        let label = |text: &str| json!({ "type": "mrkdwn", "text": text });
        let message = json!({ "blocks": [
            { "type": "header", "text": plain("[DECLINED] Charge &lt;S01&gt;") },
            { "type": "section", "fields": [label("*State*"), plain("Declined"), label("*Order*"), plain("A &amp; B")] },
            { "type": "section", "text": label("*Why*") },
            { "type": "section", "text": plain(&"The bank refused. ".repeat(9)) },
            { "type": "context", "elements": [plain("Where to look: there")] },
        ]});
        let text = as_text(&message);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["  | [DECLINED] Charge <S01>", "  | State          Declined"]);
        assert_eq!(lines[2..4], ["  | Order          A & B", "  | Why"]);
        assert!(lines[4].starts_with("  |   The bank refused."), "{text}");
        assert_eq!(lines.last(), Some(&"  | Where to look: there"));
        assert!(lines.iter().all(|line| line.width() <= COLUMNS), "{text}");
    }
}
