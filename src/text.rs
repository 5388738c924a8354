//! Text from outside, made safe to show: on a terminal, in a log, in a CSV or HTML file, in a chat.
//!
//! Owns: which characters must never be shown as they are, and how they are escaped. Must never know: any
//! room. A provider, a shop, a file or a chat server can put control characters, direction marks and
//! invisible characters into every text. Each is escaped (`\u{1b}`, `\n`), so that a person sees that it was
//! there. The store keeps texts word for word.
//!
//! Each output escapes everything that passes through it: `telemetry`, `cli::screen`, `reports`, `alerts`.

use std::borrow::Cow;

use aws_lc_rs::digest;

/// Whether a character could control a terminal, start a new line, change the writing direction, or be
/// invisible.
pub fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian vowel separator.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Zero width; direction; line and paragraph separators; embeddings, overrides, isolates;
            // invisible operators.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Byte order mark, annotations, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether the text needs no escaping: the usual case, decided byte by byte.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn escaped(text: &str, is_kept: fn(char) -> bool, write: fn(&mut String, char)) -> Cow<'_, str> {
    let is_escaped = |letter: char| is_harmful(letter) && !is_kept(letter);
    if is_plain(text) || !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_escaped(letter) { write(&mut safe, letter) } else { safe.push(letter) }
    }
    Cow::Owned(safe)
}

/// One safe line.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |safe, letter| safe.extend(letter.escape_default()))
}

/// Safe text that keeps its line ends: for text whose lines are ours.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter == '\n', |safe, letter| safe.extend(letter.escape_default()))
}

/// Safe text of at most `most` bytes, on one line; `…` marks what is left out.
pub fn short(text: &str, most: usize) -> String {
    let mut safe = String::new();
    for letter in text.chars() {
        if safe.len() >= most {
            safe.push('…');
            break;
        }
        if is_harmful(letter) { safe.extend(letter.escape_default()) } else { safe.push(letter) }
    }
    safe
}

/// `1 object`, `2 objects`, `3 batches`, `0 deliveries`.
pub fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    if number == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{number} {stem}ies"),
        None if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => format!("{number} {noun}es"),
        None => format!("{number} {noun}s"),
    }
}

/// A number of seconds in at most two units: `45 s`, `3 h 20 min`, `6 d 4 h`.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, 0, _) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Why a file cannot be read, without its path.
pub fn why_unread(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => kind.to_string(),
    }
}

/// Replaces harmful characters by JSON's own escapes. The meaning stays the same; line ends between parts
/// stay.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |letter| letter == '\n',
        |safe, letter| {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        },
    )
}

/// A cell of a CSV file: one safe line, with a `'` before anything that a spreadsheet would read as a formula
/// (OWASP ASVS 1.2.10, CWE-1236), full-width signs included.
pub fn cell(text: &str) -> Cow<'_, str> {
    let safe = line(text);
    if is_formula(&safe) { Cow::Owned(format!("'{safe}")) } else { safe }
}

/// Whether a spreadsheet would read a CSV cell as a formula.
pub fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// Bytes in small hexadecimal letters.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0x0f)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// The SHA-256 of bytes, in small hexadecimal letters.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of every kind: escape, NUL, both line ends, C1, DEL, direction, isolate, zero width, line
    /// separator, byte order mark, tag.
    const HOSTILE: &str =
        "a\u{1b}[2J\0\r\n<2>x\u{9b}\u{7f}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}b";

    #[test]
    fn every_kind_of_harmful_character_is_escaped() {
        assert_eq!(
            line(HOSTILE),
            "a\\u{1b}[2J\\u{0}\\r\\n<2>x\\u{9b}\\u{7f}\\u{202e}\\u{2066}\\u{200b}\\u{2028}\\u{feff}\\u{e0041}b"
        );
        for kept in ["", "plain", "äöü 注文 Ωмега ع 😀", "C:\\new", "two  spaces", "'\"<&>"] {
            assert!(matches!(line(kept), Cow::Borrowed(same) if same == kept), "{kept}");
        }
        assert_eq!(lines("a\nb\tc\r\n"), "a\nb\\tc\\r\n");
    }

    #[test]
    fn escaped_json_has_the_same_meaning() {
        let text = serde_json::to_string_pretty(&[HOSTILE]).unwrap();
        let safe = json(&text);
        assert!(!safe.chars().any(|letter| is_harmful(letter) && letter != '\n'), "{safe:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&safe).unwrap(), [HOSTILE]);
    }

    #[test]
    fn formulas_are_escaped() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠x"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "ORDER-1", "1=1", " =1", "a@b", "'=1"] {
            assert_eq!(cell(text), text);
        }
        assert_eq!(cell("\t=1"), "\\t=1");
        assert_eq!(cell("\u{200b}=1"), "\\u{200b}=1");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(short("abcdef", 3), "abc…");
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("a\nb", 30), "a\\nb");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_output_contains_a_harmful_character(text in "(.|\n|\r|\t|\u{1b}|\u{9b}|\u{202e}|\u{200d}|\u{2029}){0,40}") {
            for safe in [line(&text), cell(&text), Cow::Owned(short(&text, 12))] {
                prop_assert!(!safe.chars().any(is_harmful), "{safe:?}");
            }
            prop_assert!(!lines(&text).chars().any(|letter| is_harmful(letter) && letter != '\n'));
            let safe = line(&text);
            prop_assert_eq!(line(&safe), safe.as_ref());
        }
    }
}
