//! Decodes a provider's bytes to text.
//!
//! Owns: which encoding the bytes have. Must never know: what the text means.
//!
//! Bytes that cannot be decoded become U+FFFD: they spoil only the field that contains them.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Replaces bytes that cannot be decoded.
pub const NO_LETTER: char = char::REPLACEMENT_CHARACTER;

/// Decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// The name of the encoding.
    pub encoding: &'static str,
    /// Whether every byte could be decoded.
    pub is_whole: bool,
}

/// Decodes by the byte order mark. Without one, decodes as UTF-16 where zero bytes show it, otherwise in the encoding
/// that the label names, otherwise as UTF-8.
pub fn decode<'a>(bytes: &'a [u8], label: Option<&str>) -> Decoded<'a> {
    let named = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    // Text without zero bytes is not UTF-16, even if its label says so.
    let named = named.filter(|encoding| *encoding != UTF_16LE && *encoding != UTF_16BE);
    let encoding = utf_16_without_mark(bytes).or(named).unwrap_or(UTF_8);
    let (text, encoding, is_spoilt) = encoding.decode(bytes);
    Decoded { text, encoding: encoding.name(), is_whole: !is_spoilt }
}

/// Every file and answer starts with an ASCII character, which has a zero byte beside it in UTF-16.
fn utf_16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, letter, ..] if *letter != 0 => Some(UTF_16BE),
        [letter, 0, ..] if *letter != 0 => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], label: Option<&str>, text: &str, encoding: &'static str, is_whole: bool) {
        let expected = Decoded { text: Cow::Borrowed(text), encoding, is_whole };
        assert_eq!(decode(bytes, label), expected, "{bytes:?} {label:?}");
    }

    #[test]
    fn the_mark_decides_then_zero_bytes_then_the_label() {
        check("ü".as_bytes(), None, "ü", "UTF-8", true);
        check(b"\xef\xbb\xbfx", Some("windows-1252"), "x", "UTF-8", true);
        check(b"\xff\xfex\0", Some("windows-1252"), "x", "UTF-16LE", true);
        check(b"\xfe\xff\0x", None, "x", "UTF-16BE", true);
        check(b"x\0y\0", None, "xy", "UTF-16LE", true);
        check(b"\0x\0y", Some("utf-8"), "xy", "UTF-16BE", true);
        check(b"\xfc", Some("ISO-8859-1"), "ü", "windows-1252", true);
        check(b"plain", Some("utf-16"), "plain", "UTF-8", true);
        check(b"plain", Some("no-such"), "plain", "UTF-8", true);
        check(b"", None, "", "UTF-8", true);
    }

    #[test]
    fn a_byte_that_is_no_letter_swallows_no_other() {
        check(b"a\xfcb\xe2\x82,c", None, "a\u{fffd}b\u{fffd},c", "UTF-8", false);
        check(b"\xff\xfex\0\0", None, "x\u{fffd}", "UTF-16LE", false);
    }
}
