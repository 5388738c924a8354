//! The store's bytes by themselves: one piece read, and written again.
//!
//! Owns: which pieces a store consists of. Must never know: files, the engine. For the fuzz targets: a reader
//! must accept or refuse any bytes, and lose nothing of what it accepts.

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
    /// The head of a segment of the journal.
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

/// Reads bytes as this piece and writes what was read. Bytes behind the end of an entry are left alone.
///
/// # Errors
/// Why they are no such piece, in words without their text.
pub fn rewritten(piece: Piece, bytes: &[u8]) -> Result<Vec<u8>, String> {
    match piece {
        Piece::Segment => Header::decode(bytes).map(|header| header.encode()).map_err(str::to_owned),
        Piece::Entry => {
            let read = entry::decode(bytes).map_err(|why| format!("{why:?}"))?;
            // What links it to the entry before is not in it, so it is written as it stands.
            bytes.get(..read.length()).map(<[u8]>::to_vec).ok_or_else(|| "is longer than it is".to_owned())
        }
        Piece::Fact => facts::decode(bytes).map(|fact| facts::encode(&fact)),
        Piece::Record => row::<Record>(bytes),
        Piece::Transition => row::<Transition>(bytes),
        Piece::Alert => row::<StoredAlert>(bytes),
        Piece::Remembered => row::<String>(bytes),
        Piece::CountKey => {
            CountKey::read(bytes).map(|key| key.bytes()).ok_or_else(|| "is no such key".to_owned())
        }
    }
}

fn row<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let read = value::decode::<T>(b"row", bytes).map_err(|error| error.to_string())?;
    Ok(value::encode(&read.value, read.sequence))
}

/// A row's JSON behind the header that a row has: checksum and length are right, whatever the JSON says.
pub fn sealed(json: &[u8]) -> Vec<u8> {
    value::sealed(json, 0)
}

/// Where in these bytes the first entry of a journal begins whose sequence lies above `least`.
pub fn find_entry(bytes: &[u8], least: u64) -> Option<usize> {
    entry::find(bytes, least).map(|(offset, _)| offset)
}
