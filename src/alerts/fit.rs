//! Cuts texts to a target's limits.
//!
//! Owns: how lengths are counted, where a text is cut, and which text gives way when all together are too long. Must
//! never know: any one target, what a text says.

use super::message::Message;

/// How a target counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// UTF-16 units: the strictest reading of "characters".
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
    /// Bytes of UTF-8 within a JSON string.
    Json,
}

impl Unit {
    fn width(self, text: &str) -> usize {
        match self {
            Unit::Utf16 => text.encode_utf16().count(),
            Unit::Bytes => text.len(),
            Unit::Json => {
                text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n')).count()
            }
        }
    }
}

/// What a target's markup needs in the place of a character; none if it stays.
pub type Escape = fn(char) -> Option<&'static str>;

/// For a target without markup.
pub fn verbatim(_: char) -> Option<&'static str> {
    None
}

/// Escapes `&`, `<` and `>`, as HTML and Slack want it.
pub fn angles(letter: char) -> Option<&'static str> {
    match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Escapes Markdown by a backslash. An `@` gets an invisible space behind it: mentions are found before Markdown is.
pub fn markdown(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\\' => "\\\\",
        '*' => "\\*",
        '_' => "\\_",
        '~' => "\\~",
        '`' => "\\`",
        '|' => "\\|",
        '<' => "\\<",
        '>' => "\\>",
        '[' => "\\[",
        ']' => "\\]",
        '#' => "\\#",
        '@' => "@\u{200b}",
        _ => return None,
    })
}

/// Escapes a text and cuts it to `limit`, on a character boundary and never inside an escape. `…` marks the cut. Many
/// targets reject an empty text, so that becomes a dash.
pub fn cut(text: &str, limit: usize, unit: Unit, escape: Escape) -> String {
    let mut whole = String::new();
    let (mut width, mut cut_at) = (0, 0);
    for letter in text.trim().chars() {
        let mut buffer = [0; 4];
        let piece: &str = match escape(letter) {
            Some(escaped) => escaped,
            None => letter.encode_utf8(&mut buffer),
        };
        width += unit.width(piece);
        if width > limit {
            whole.truncate(cut_at);
            whole.push('…');
            return whole;
        }
        whole.push_str(piece);
        if width + unit.width("…") <= limit {
            cut_at = whole.len();
        }
    }
    if whole.is_empty() { "–".to_owned() } else { whole }
}

/// Cuts the longest of several texts, so that all together have at most `budget`. The others stay whole.
pub fn cut_together(texts: &[&str], budget: usize, unit: Unit, escape: Escape) -> Vec<String> {
    let whole: Vec<String> = texts.iter().map(|text| cut(text, budget, unit, escape)).collect();
    let level = level(whole.iter().map(|text| unit.width(text)).collect(), budget);
    texts.iter().map(|text| cut(text, level, unit, escape)).collect()
}

/// The greatest length for each text with which all together fit into `budget`.
fn level(mut lengths: Vec<usize>, budget: usize) -> usize {
    lengths.sort_unstable();
    let mut left = budget;
    for (place, length) in lengths.iter().enumerate() {
        let share = left / (lengths.len() - place);
        if *length > share {
            return share;
        }
        left -= length;
    }
    budget
}

/// How a target writes a whole message as one text.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The longest text, markup included.
    pub limit: usize,
    /// How the target counts.
    pub unit: Unit,
    /// Its escaping.
    pub escape: Escape,
    /// What begins and ends bold text.
    pub bold: (&'static str, &'static str),
    /// Whether the text begins with the title.
    pub has_title: bool,
}

impl Style {
    /// The message in one text within the limit.
    pub fn write(&self, message: &Message) -> String {
        let (open, close) = self.bold;
        let mut parts: Vec<(String, &str, &str)> = Vec::new();
        if self.has_title {
            parts.push((open.to_owned(), &message.title, close));
        }
        let rows = message.rows().into_iter();
        parts.extend(rows.map(|(label, value)| (format!("\n{open}{label}:{close} "), value, "")));
        parts.extend(message.lines.iter().map(|entry| ("\n• ".to_owned(), entry.as_str(), "")));
        let markup: usize =
            parts.iter().map(|(before, _, after)| self.unit.width(before) + self.unit.width(after)).sum();
        let values: Vec<&str> = parts.iter().map(|(_, value, _)| *value).collect();
        let values = cut_together(&values, self.limit.saturating_sub(markup), self.unit, self.escape);
        let whole: String = parts
            .into_iter()
            .zip(values)
            .map(|((before, _, after), value)| format!("{before}{value}{after}"))
            .collect();
        whole.trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cutting_spares_characters_and_escapes() {
        for (text, limit, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcde…"),
            ("ab<cd", 6, "ab…"),
            ("ab<c", 7, "ab&lt;c"),
            ("abc<", 6, "abc…"),
            ("😀😀😀😀", 7, "😀😀😀…"),
            ("😀😀😀😀", 8, "😀😀😀😀"),
            ("", 5, "–"),
            ("  ", 5, "–"),
        ] {
            assert_eq!(cut(text, limit, Unit::Utf16, angles), expected, "{text} {limit}");
        }
        assert_eq!(cut("äöüäöü", 8, Unit::Bytes, verbatim), "äö…");
        assert_eq!(cut("a\"b\"c", 6, Unit::Json, verbatim), "a\"…");
    }

    #[test]
    fn only_the_longest_text_gives_way() {
        let long = "x".repeat(100);
        let cut = cut_together(&["short", &long, "14.00 EUR"], 40, Unit::Utf16, verbatim);
        assert_eq!((cut[0].as_str(), cut[2].as_str()), ("short", "14.00 EUR"));
        assert_eq!(cut[1].chars().count(), 26);
    }

    proptest! {
        #[test]
        fn all_together_keep_the_budget(
            texts in proptest::collection::vec("(a|é|😀|<|\"|\\\\){0,80}", 1..20), budget in 60usize..900,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for unit in [Unit::Utf16, Unit::Bytes, Unit::Json] {
                let cut = cut_together(&texts, budget, unit, angles);
                prop_assert!(cut.iter().map(|text| unit.width(text)).sum::<usize>() <= budget.max(texts.len() * 3));
            }
        }
    }
}
