//! Files that are not UTF-8: what they are, and the command that converts them.
//!
//! Owns: recognising them. Nothing is decoded by guess: a name decoded wrongly would stay wrong.

use super::names::is_invisible;

/// What a file is, judged by the bytes of its first line, when it is not UTF-8 text; with the remedy.
pub(super) fn foreign(first: &[u8]) -> Option<&'static str> {
    let nul_at = |odd: usize| {
        first.len() > 1 && first.chunks_exact(2).all(|pair| pair[odd] == 0 && pair[1 - odd] != 0)
    };
    if first.starts_with(b"PK\x03\x04") {
        Some("this is a spreadsheet (.xlsx) or a ZIP file, not text; save it as \"CSV UTF-8\"")
    } else if first.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        Some("this is a spreadsheet (.xls), not text; save it as \"CSV UTF-8\"")
    } else if first.starts_with(&[0x1F, 0x8B]) {
        Some("this is a gzip file, not text; unpack it: gunzip -c FILE")
    } else if first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]) {
        Some("this is UTF-16; save it as UTF-8, or run: iconv -f UTF-16 -t UTF-8 FILE")
    } else if nul_at(1) {
        Some(
            "this is UTF-16 (little-endian, without a byte order mark); save it as UTF-8, or run: \
             iconv -f UTF-16LE -t UTF-8 FILE",
        )
    } else if nul_at(0) {
        Some(
            "this is UTF-16 (big-endian, without a byte order mark); save it as UTF-8, or run: \
             iconv -f UTF-16BE -t UTF-8 FILE",
        )
    } else if first.contains(&0) {
        Some("this contains zero bytes, which text never does; save it as UTF-8")
    } else {
        None
    }
}

/// A whole file as text.
///
/// # Errors
/// Why it is not text, with the line and the remedy.
pub fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let first = bytes.split(is_end).find(|line| !line.is_empty()).unwrap_or_default();
    if let Some(reason) = foreign(first) {
        return Err(reason.to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let (good, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let number = bytes[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = bytes[..good].iter().rposition(is_end).map_or(0, |end| end + 1);
        let line = bytes[start..].split(is_end).next().unwrap_or_default();
        format!("line {number}: {}", not_utf8(line))
    })
}

/// What bytes that are not UTF-8 may be, with the remedy.
pub(super) fn not_utf8(bytes: &[u8]) -> &'static str {
    let (text, _, has_errors) = encoding_rs::WINDOWS_1252.decode(bytes);
    // Windows-1252 leaves five bytes undefined; they become control characters.
    if has_errors || text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()) {
        "not UTF-8; save the file as \"CSV UTF-8\", or name its encoding: iconv -f CP932 -t UTF-8 FILE (Japan)"
    } else {
        "not UTF-8, probably windows-1252 (Excel's plain \"CSV\"); save the file as \"CSV UTF-8\", or run: \
         iconv -f WINDOWS-1252 -t UTF-8 FILE"
    }
}

/// Whether a text has nothing visible.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}
