//! Cursors of long lists.
//!
//! Owns: what a cursor looks like, and how many rows a page scans. Must never know: what is listed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::types::{Cursor, StoreError};

/// A filtered page ends after this many scanned rows, whether or not they match.
pub(crate) const LOOKED_AT_LIMIT: usize = 20_000;

/// A key as a cursor.
pub(crate) fn cursor(key: &[u8]) -> Cursor {
    URL_SAFE_NO_PAD.encode(key)
}

/// The inverse of [`cursor`]. The key must begin with the list's first byte, `sort`.
pub(crate) fn read_cursor(sort: u8, cursor: &str) -> Result<Vec<u8>, StoreError> {
    match URL_SAFE_NO_PAD.decode(cursor) {
        Ok(key) if key.first() == Some(&sort) => Ok(key),
        _ => Err(StoreError::BadCursor(cursor.chars().take(80).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let place = cursor(b"rA1");
        assert_eq!(read_cursor(b'r', &place), Ok(b"rA1".to_vec()));
        for (sort, text) in [(b't', place.as_str()), (b'r', ""), (b'r', "%%%"), (b'r', "ä")] {
            assert!(matches!(read_cursor(sort, text), Err(StoreError::BadCursor(_))), "{text}");
        }
    }
}
