//! The files of the journal: their names, their headers, positions in them, and damage to them.
//!
//! Owns: the header of a segment. Must never know: what an entry is, how a group is written.
//!
//! A segment is named after its first sequence and begins with a header of 64 bytes: magic (16), format (4), first
//! sequence (8), chain hash of the entry before (32), CRC32C of all these (4).

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::disk::Disk;
use crate::store::journal::entry::{ChainHash, number_32, number_64};

/// Bytes before the first entry of a segment.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 16] = b"reconciled facts";
const FORMAT: u32 = 1;
/// The same, but the entries between the previous file and this one are known to be lost. This file begins with what
/// could be rescued of them (`salvage.rs`).
const FORMAT_AFTER_GAP: u32 = 2;
/// Like [`FORMAT`] and [`FORMAT_AFTER_GAP`], with preallocated bytes after the entries. All new files have them; older
/// files without them are still read and continued.
const FORMAT_PREALLOCATED: u32 = 3;
const FORMAT_AFTER_GAP_PREALLOCATED: u32 = 4;

/// The position just after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The entry before it; 0 at the very beginning.
    pub(crate) sequence: u64,
    /// The chain hash up to it.
    pub(crate) hash: ChainHash,
    /// The segment's first sequence.
    pub(crate) segment: u64,
    /// Bytes into the segment.
    pub(crate) offset: u64,
}

impl Position {
    /// Before the first entry of a new journal.
    pub(crate) fn start() -> Position {
        Position { sequence: 0, hash: ChainHash::default(), segment: 1, offset: SEGMENT_HEADER_BYTES as u64 }
    }
}

impl Position {
    /// The beginning of a new segment after a position.
    pub(crate) fn new_segment(behind: Position) -> Position {
        Position { segment: behind.sequence + 1, offset: SEGMENT_HEADER_BYTES as u64, ..behind }
    }
}

/// A damaged place of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub segment: String,
    /// Bytes into the file.
    pub offset: u64,
    /// The first entry that cannot be read.
    pub first_sequence: u64,
    /// The last entry that cannot be read, if readable entries follow.
    pub last_sequence: Option<u64>,
    /// What is wrong.
    pub detail: String,
    /// Whole files are missing here; the bytes themselves are fine.
    pub is_gap: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "file {} at byte {}, entry {}", self.segment, self.offset, self.first_sequence)?;
        match self.last_sequence {
            Some(last) if last > self.first_sequence => write!(formatter, " to {last}")?,
            _ => {}
        }
        write!(formatter, ": {}", self.detail)
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}.journal")
}

/// First sequences of all segments, in order.
pub(crate) fn segments(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = match disk.list(folder) {
        // A folder that is gone has no files. What is known about the journal shows that they are missing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut found: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".journal").filter(|digits| digits.len() == 20)?.parse().ok())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Whether a file has preallocated bytes after its last entry.
pub(crate) fn is_preallocated(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    Ok(Header::decode(&disk.read(path, 0, SEGMENT_HEADER_BYTES)?).is_ok_and(|header| header.is_preallocated))
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its first sequence.
    pub(crate) first: u64,
    /// The chain hash before it.
    pub(crate) hash: ChainHash,
    /// Entries before it are known to be lost.
    pub(crate) is_after_gap: bool,
    /// There are always preallocated bytes after its last entry.
    pub(crate) is_preallocated: bool,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let format = match (self.is_after_gap, self.is_preallocated) {
            (false, false) => FORMAT,
            (true, false) => FORMAT_AFTER_GAP,
            (false, true) => FORMAT_PREALLOCATED,
            (true, true) => FORMAT_AFTER_GAP_PREALLOCATED,
        };
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&format.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.hash);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The inverse of `encode`. If the bytes are no header, the error says why.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, &'static str> {
        let Some(header) = bytes.get(..SEGMENT_HEADER_BYTES) else { return Err("its header is cut off") };
        if crc32c::crc32c(&header[..60]) != number_32(&header[60..64]) {
            return Err("its header has a wrong checksum");
        }
        let (is_after_gap, is_preallocated) = match number_32(&header[16..20]) {
            FORMAT => (false, false),
            FORMAT_AFTER_GAP => (true, false),
            FORMAT_PREALLOCATED => (false, true),
            FORMAT_AFTER_GAP_PREALLOCATED => (true, true),
            _ => return Err("its header belongs to a newer or another kind of file"),
        };
        if &header[..16] != MAGIC {
            return Err("its header belongs to another kind of file");
        }
        let mut hash = ChainHash::default();
        hash.copy_from_slice(&header[28..60]);
        Ok(Header { first: number_64(&header[20..28]), hash, is_after_gap, is_preallocated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn headers_are_read_back(first: u64, hash: [u8; 32], is_after_gap: bool, is_preallocated: bool, bit in 0usize..SEGMENT_HEADER_BYTES * 8, rubbish: Vec<u8>) {
            let header = Header { first, hash, is_after_gap, is_preallocated };
            let mut bytes = header.encode();
            prop_assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
            prop_assert_eq!(Header::decode(&bytes), Ok(header));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::decode(&bytes).is_err());
            prop_assert!(Header::decode(&rubbish).is_err());
        }
    }

    #[test]
    fn segments_sort_by_number_and_ignore_others() {
        let folder = tempfile::tempdir().unwrap();
        for first in [900, 1, 17] {
            std::fs::write(folder.path().join(segment_name(first)), b"").unwrap();
        }
        std::fs::write(folder.path().join("notes.journal"), b"").unwrap();
        assert_eq!(segments(&crate::store::disk::MachineDisk, folder.path()).unwrap(), [1, 17, 900]);
    }
}
