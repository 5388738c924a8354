//! Values of the index: JSON after a header with version, length, checksum and journal sequence.
//!
//! Owns: the header. Must never know: what a value is about.
//!
//! | Bytes | What (integers little-endian) |
//! |---|---|
//! | 0 | version of the value's format |
//! | 1..5 | length of the JSON |
//! | 5..9 | CRC32C of everything after this field |
//! | 9..17 | sequence of the last journal entry that changed the value |
//! | 17.. | JSON |
//!
//! The engine checks its pages; this header guards against wrong bytes from any engine
//! (docs/src/reference/storage-engine.md, section 2, rule 3).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::journal::entry::{number_32, number_64};
use crate::store::types::StoreError;

const HEADER_BYTES: usize = 17;
/// The newest format that this program reads, and the one that it writes.
const VERSION: u8 = 1;

/// A value and the sequence of the journal entry that last changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<T> {
    /// What is stored.
    pub(crate) value: T,
    /// The last journal entry that changed it.
    pub(crate) sequence: u64,
}

/// The bytes to store.
pub(crate) fn encode<T: Serialize>(value: &T, sequence: u64) -> Vec<u8> {
    sealed(&serde_json::to_vec(value).expect("our own types can be written as JSON"), sequence)
}

/// JSON with its header in front.
pub(crate) fn sealed(json: &[u8], sequence: u64) -> Vec<u8> {
    let length = u32::try_from(json.len()).expect("a value is far smaller than 4 GB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + json.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(json);
    let checksum = crc32c::crc32c(&bytes[9..]);
    bytes[5..9].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The inverse of [`encode`]. Errors: [`StoreError::Damaged`], naming the row.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<Stored<T>, StoreError> {
    let damaged = |why: &str| StoreError::Damaged(format!("row {} {why}", show_key(key)));
    let Some((header, json)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(damaged("is too short"));
    };
    if header[0] != VERSION {
        return Err(damaged(&format!("has version {} (this program knows {VERSION})", header[0])));
    }
    if number_32(&header[1..5]) as usize != json.len() {
        return Err(damaged("does not have the length that it states"));
    }
    if crc32c::crc32c(&bytes[9..]) != number_32(&header[5..9]) {
        return Err(damaged("has a wrong checksum"));
    }
    let value = serde_json::from_slice(json).map_err(|error| damaged(&unreadable(&error)))?;
    Ok(Stored { value, sequence: number_64(&header[9..17]) })
}

/// The sequence in a value's header, unchecked; 0 if the bytes are too short.
pub(crate) fn sequence_of(bytes: &[u8]) -> u64 {
    bytes.get(9..HEADER_BYTES).map(number_64).unwrap_or_default()
}

/// The position of a JSON error, without the text around it, which could contain anything.
pub(crate) fn unreadable(error: &serde_json::Error) -> String {
    format!(
        "cannot be read ({:?} error at line {} column {})",
        error.classify(),
        error.line(),
        error.column()
    )
}

/// A count as it is stored. Counts of 0 have no row.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// The inverse of [`encode_number`].
pub(crate) fn decode_number(key: &[u8], bytes: &[u8]) -> Result<u64, StoreError> {
    match bytes.len() {
        8 => Ok(number_64(bytes)),
        _ => Err(StoreError::Damaged(format!("count {} has {} bytes", show_key(key), bytes.len()))),
    }
}

/// A key for people to read: its printable characters, with dots for the rest.
pub(crate) fn show_key(key: &[u8]) -> String {
    key.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn values_are_read_back(text: String, sequence: u64) {
            let stored = decode::<String>(b"k", &encode(&text, sequence)).unwrap();
            prop_assert_eq!(stored, Stored { value: text, sequence });
        }

        #[test]
        fn random_bytes_are_damage(bytes: Vec<u8>) {
            prop_assert!(decode::<String>(b"k", &bytes).is_err());
        }

        #[test]
        fn a_flipped_bit_is_damage(text in ".{1,20}", bit: prop::sample::Index) {
            let mut bytes = encode(&text, 3);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(matches!(decode::<String>(b"k", &bytes), Err(StoreError::Damaged(_))));
        }
    }

    #[test]
    fn a_wrong_value_is_named_without_its_text() {
        let error = decode::<u64>(b"rA1\0shop\0charge\0", &encode(&"a buyer's name", 1)).unwrap_err();
        assert!(error.to_string().contains("rA1.shop.charge."), "{error}");
        assert!(!error.to_string().contains("buyer"), "{error}");
    }
}
