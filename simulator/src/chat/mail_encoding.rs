//! The encodings of mail: quoted-printable, base64, encoded words; and the links of an HTML part.
//!
//! Owns: decoding. Must never know: headers by name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The bytes of a part; `encoding` in lower case.
pub(super) fn transfer_decoded(encoding: &str, body: &str) -> Result<Vec<u8>, String> {
    match encoding {
        "" | "7bit" if body.is_ascii() => Ok(body.as_bytes().to_vec()),
        // An undeclared body with other letters is judged by its charset.
        "" | "8bit" => Ok(body.as_bytes().to_vec()),
        "quoted-printable" => quoted_printable(body),
        "base64" => {
            if body.split("\r\n").any(|line| line.len() > 76) {
                return Err("a line of base64 is longer than 76 octets".to_owned());
            }
            let joined: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(joined).map_err(|_| "a part is no base64".to_owned())
        }
        other => Err(format!("there is no transfer encoding `{other}` here")),
    }
}

fn quoted_printable(body: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(body.len());
    for line in body.split_inclusive("\r\n") {
        if line.trim_end_matches("\r\n").len() > 76 || !line.is_ascii() {
            return Err("a line of quoted-printable is too long or not ASCII".to_owned());
        }
        let mut rest = line.as_bytes();
        while let [byte, more @ ..] = rest {
            rest = more;
            match (byte, more) {
                (b'=', [b'\r', b'\n']) => rest = &[],
                (b'=', [high, low, more @ ..]) => {
                    decoded.push(hexadecimal(*high, *low).ok_or("a part is no quoted-printable")?);
                    rest = more;
                }
                (b'=', []) => {}
                (b'=', _) => return Err("a part is no quoted-printable".to_owned()),
                (plain, _) => decoded.push(*plain),
            }
        }
    }
    Ok(decoded)
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digits = [high, low];
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}

/// A header with its encoded words (RFC 2047) decoded; white space between two of them is dropped.
pub(super) fn encoded_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value;
    let mut is_after_word = false;
    while let Some(start) = rest.find("=?") {
        let before = &rest[..start];
        let Some((word, length)) = encoded_word(&rest[start..]) else {
            decoded.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            is_after_word = false;
            continue;
        };
        if !(is_after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        decoded.push_str(&word);
        rest = &rest[start + length..];
        is_after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

/// The word at the beginning and the length of its encoded form.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut parts = text.strip_prefix("=?")?.splitn(4, '?');
    let (charset, kind, words) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?.strip_prefix('=')?;
    let bytes = match kind {
        "B" | "b" => STANDARD.decode(words).ok()?,
        "Q" | "q" => quoted_printable(&words.replace('_', " ")).ok()?,
        _ => return None,
    };
    charset.eq_ignore_ascii_case("utf-8").then_some(())?;
    Some((String::from_utf8(bytes).ok()?, charset.len() + kind.len() + words.len() + 6))
}

/// The addresses of the links of an HTML text.
pub(super) fn html_links(html: &str) -> Vec<String> {
    let lower = html.to_ascii_lowercase();
    let mut links = Vec::new();
    let mut from = 0;
    while let Some(found) = lower[from..].find("href=") {
        from += found + 5;
        let quote = html[from..].chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let (start, ends): (usize, &[char]) = match quote {
            Some('"') => (from + 1, &['"']),
            Some(_) => (from + 1, &['\'']),
            None => (from, &[' ', '>']),
        };
        let address = html[start..].split(ends).next().unwrap_or_default();
        links.push(address.replace("&amp;", "&"));
        from = start + address.len();
    }
    links
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_and_links_are_decoded() {
        for (value, expected) in [
            ("plain", "plain"),
            ("=?utf-8?Q?a_=C3=A4?= =?UTF-8?B?w6Q=?= x", "a ää x"),
            ("=?utf-8?X?a?= =?latin?Q?a?=", "=?utf-8?X?a?= =?latin?Q?a?="),
            ("=? x", "=? x"),
        ] {
            assert_eq!(encoded_words(value), expected);
        }
        let html = "<a href=\"https://a?b&amp;c\">x</a><A HREF='d'>y</A><a href=e>";
        assert_eq!(html_links(html), ["https://a?b&c", "d", "e"]);
    }

    #[test]
    fn transfer_encodings_are_strict() {
        for (encoding, body, expected) in [
            ("", "a", Some("a")),
            ("8bit", "ä", Some("ä")),
            ("7bit", "ä", None),
            ("quoted-printable", "a=\r\nb=3D", Some("ab=")),
            ("quoted-printable", "a=zz", None),
            ("base64", "w6Q=\r\n", Some("ä")),
            ("base64", "w6", None),
            ("binary", "x", None),
        ] {
            let decoded = transfer_decoded(encoding, body)
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            assert_eq!(decoded.as_deref(), expected, "{encoding} {body}");
        }
        assert!(transfer_decoded("base64", &"YWFh".repeat(20)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in r"[=?QButf8\-_A-Fa-f0-9 ä<>href'\r\n]{0,60}") {
            let _ = (encoded_words(&text), html_links(&text), quoted_printable(&text));
        }
    }
}
