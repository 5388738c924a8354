//! Single pieces of the store's bytes, decoded and encoded again, for the fuzz targets.
//!
//! Owns: which pieces a store consists of. Must never know: files, the engine. A decoder must accept or refuse any
//! bytes, and must lose nothing of what it accepts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::index::facts;
use super::index::keys::CountKey;
use super::index::outbox::StoredAlert;
use super::index::value;
use super::journal::entry;
use super::journal::segment::Header;
use crate::payments::record::{Record, Transition};

/// A piece of what a store's folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The header of a journal segment.
    Segment,
    /// One entry of the journal, with its checksum.
    Entry,
    /// The payload of an entry.
    Fact,
    /// A row of the index: a watched object.
    Record,
    /// A row of the index: a change of state.
    Transition,
    /// A row of the index: an alert with its deliveries.
    Alert,
    /// A row of the index: a remembered value.
    Remembered,
    /// A key of the index: a count.
    CountKey,
}

impl Piece {
    /// All of them.
    pub const ALL: [Piece; 8] = [
        Piece::Segment,
        Piece::Entry,
        Piece::Fact,
        Piece::Record,
        Piece::Transition,
        Piece::Alert,
        Piece::Remembered,
        Piece::CountKey,
    ];
}

/// Decodes bytes as this piece and encodes the result. Bytes after the end of an entry are ignored.
///
/// # Errors
/// Why the bytes are no such piece, in words that do not quote them.
pub fn rewritten(piece: Piece, bytes: &[u8]) -> Result<Vec<u8>, String> {
    match piece {
        Piece::Segment => Header::decode(bytes).map(|header| header.encode()).map_err(str::to_owned),
        Piece::Entry => {
            let read = entry::decode(bytes).map_err(|why| format!("{why:?}"))?;
            // The hash of the previous entry is not part of the entry, so it cannot be encoded again: copy it.
            bytes.get(..read.length()).map(<[u8]>::to_vec).ok_or_else(|| "runs past its bytes".to_owned())
        }
        Piece::Fact => facts::decode(bytes).map(|fact| facts::encode(&fact)),
        Piece::Record => row::<Record>(bytes),
        Piece::Transition => row::<Transition>(bytes),
        Piece::Alert => row::<StoredAlert>(bytes),
        Piece::Remembered => row::<String>(bytes),
        Piece::CountKey => {
            CountKey::read(bytes).map(|key| key.bytes()).ok_or_else(|| "is not the key of a count".to_owned())
        }
    }
}

fn row<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let read = value::decode::<T>(b"row", bytes).map_err(|error| error.to_string())?;
    Ok(value::encode(&read.value, read.sequence))
}

/// JSON with the header of an index row in front: checksum and length are right, whatever the JSON says.
pub fn sealed(json: &[u8]) -> Vec<u8> {
    value::sealed(json, 0)
}

/// The offset of the first journal entry in these bytes whose sequence is above `least`.
pub fn find_entry(bytes: &[u8], least: u64) -> Option<usize> {
    entry::find(bytes, least).map(|(offset, _)| offset)
}
