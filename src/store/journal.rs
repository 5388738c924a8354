//! The journal: facts in the order in which they were acknowledged, each group behind the one before.
//!
//! Owns: segments, the chain over them, when a group is durable. Must never know: what a fact says.
//!
//! A segment is named after its first sequence and begins with a header of 64 bytes: magic (16), format
//! (4), first sequence (8), hash of the chain before it (32), CRC32C of all that (4). Entries follow
//! (`entry.rs`), and room behind them (`room.rs`). A group of entries is one write and one sync; a new
//! segment is made durable, its name included, before anything is written into it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::{Disk, DiskFile};
use super::entry::{self, ChainHash, number_32, number_64};
use super::room;
use super::written::Written;

/// Bytes before the first entry of a segment.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 16] = b"reconciled facts";
const FORMAT: u32 = 1;
/// The same, and the entries between the file before and this one are known to be lost: what followed from
/// them comes at its beginning (`rescue.rs`).
const FORMAT_AFTER_GAP: u32 = 2;
/// Like [`FORMAT`] and [`FORMAT_AFTER_GAP`], with room behind the entries. Files without are read and ended, not
/// begun.
const FORMAT_WITH_ROOM: u32 = 3;
const FORMAT_AFTER_GAP_WITH_ROOM: u32 = 4;

/// A place just after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The entry before it; 0 at the very beginning.
    pub(super) sequence: u64,
    /// The chain up to it.
    pub(super) hash: ChainHash,
    /// The segment's first sequence.
    pub(super) segment: u64,
    /// Bytes into the segment.
    pub(super) offset: u64,
}

impl Position {
    /// Before the first entry of a new journal.
    pub(super) fn start() -> Position {
        Position { sequence: 0, hash: ChainHash::default(), segment: 1, offset: SEGMENT_HEADER_BYTES as u64 }
    }
}

impl Position {
    /// The beginning of a new segment behind a position.
    pub(super) fn new_segment(behind: Position) -> Position {
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
    /// The last one that cannot be read, when entries follow that can.
    pub last_sequence: Option<u64>,
    /// What is wrong.
    pub detail: String,
    /// Whole files are missing here; no byte is wrong.
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
pub(super) fn segment_name(first_sequence: u64) -> String {
    format!("{first_sequence:020}.journal")
}

/// First sequences of all segments, in order.
pub(super) fn segments(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = match disk.list(folder) {
        // A folder that is gone holds no file: that these are missing is found by what is known of them.
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

/// Whether there is always room behind the last entry of a file.
pub(super) fn has_room(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    Ok(Header::decode(&disk.read(path, 0, SEGMENT_HEADER_BYTES)?).is_ok_and(|header| header.has_room))
}

/// What a segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its first sequence.
    pub(super) first: u64,
    /// The chain before it.
    pub(super) hash: ChainHash,
    /// Entries before it are known to be lost.
    pub(super) is_after_gap: bool,
    /// There is always room behind its last entry.
    pub(super) has_room: bool,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let format = match (self.is_after_gap, self.has_room) {
            (false, false) => FORMAT,
            (true, false) => FORMAT_AFTER_GAP,
            (false, true) => FORMAT_WITH_ROOM,
            (true, true) => FORMAT_AFTER_GAP_WITH_ROOM,
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

    /// The inverse of `encode`; an error in words when the bytes are no header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Header, &'static str> {
        let Some(header) = bytes.get(..SEGMENT_HEADER_BYTES) else { return Err("its header is cut off") };
        if crc32c::crc32c(&header[..60]) != number_32(&header[60..64]) {
            return Err("its header has a wrong checksum");
        }
        let (is_after_gap, has_room) = match number_32(&header[16..20]) {
            FORMAT => (false, false),
            FORMAT_AFTER_GAP => (true, false),
            FORMAT_WITH_ROOM => (false, true),
            FORMAT_AFTER_GAP_WITH_ROOM => (true, true),
            _ => return Err("its header is of a newer or another kind of file"),
        };
        if &header[..16] != MAGIC {
            return Err("its header is of another kind of file");
        }
        let mut hash = ChainHash::default();
        hash.copy_from_slice(&header[28..60]);
        Ok(Header { first: number_64(&header[20..28]), hash, is_after_gap, has_room })
    }
}

/// A journal open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_bytes: u64,
    file: Box<dyn DiskFile>,
    end: Position,
    /// Where the room behind the end ends; none in a file that is without.
    room_end: Option<u64>,
    /// Bytes of the segments before this one.
    bytes_before: u64,
    has_failed: bool,
}

impl Journal {
    /// Goes on writing at `end`, which reading has found to be the journal's end. What lies behind it is
    /// nothing that was acknowledged.
    pub(super) fn resume(
        disk: Arc<dyn Disk>,
        folder: &Path,
        segment_bytes: u64,
        end: Position,
        is_after_gap: bool,
    ) -> io::Result<Journal> {
        let room_bytes = room::in_segment(segment_bytes);
        let present = segments(&*disk, folder)?;
        let (file, room_end) = match present.contains(&end.segment) {
            true => go_on_in(&*disk, folder, end, room_bytes)?,
            false => start_segment(&*disk, folder, end, is_after_gap, room_bytes)?,
        };
        let mut bytes_before = 0;
        for first in segments(&*disk, folder)?.into_iter().filter(|first| *first != end.segment) {
            bytes_before += disk.length(&folder.join(segment_name(first)))?;
        }
        let folder = folder.to_owned();
        Ok(Journal { disk, folder, segment_bytes, file, end, room_end, bytes_before, has_failed: false })
    }

    /// Where the next entry goes.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    /// Whether the next entry is the first of its file.
    pub(super) fn begins_segment(&self) -> bool {
        self.end.offset == SEGMENT_HEADER_BYTES as u64 || self.end.offset >= self.segment_bytes
    }

    /// What is written so far, for reading it while more comes.
    pub(super) fn written<'a>(&self, disk: &'a dyn Disk) -> Written<'a> {
        Written { disk, end: self.end, has_room: self.room_end.is_some() }
    }

    /// Bytes in all segments, but for the room behind the last entry.
    pub(super) fn total_bytes(&self) -> u64 {
        self.bytes_before + self.end.offset
    }

    /// Adds payloads as one group; when it returns they survive a power cut. After an error nothing more
    /// can be added: what reached the disk is found out at the next opening.
    pub(super) fn append(&mut self, payloads: &[Vec<u8>]) -> io::Result<Position> {
        if payloads.is_empty() {
            return Ok(self.end);
        }
        if self.has_failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.has_failed = true;
        if self.end.offset >= self.segment_bytes && self.end.offset > SEGMENT_HEADER_BYTES as u64 {
            self.next_segment()?;
        }
        let group = self.end.sequence + 1;
        let mut end = self.end;
        let mut bytes =
            Vec::with_capacity(payloads.iter().map(|each| each.len() + entry::HEADER_BYTES).sum());
        for payload in payloads {
            end.sequence += 1;
            end.hash = entry::encode(&end.hash, end.sequence, group, payload, &mut bytes);
        }
        end.offset += bytes.len() as u64;
        let mut room_end = self.room_end;
        if room_end.is_some_and(|room_end| end.offset >= room_end) {
            let more = room::behind_group(bytes.len(), end.offset, self.segment_bytes);
            room_end = Some(end.offset + more as u64);
            bytes.resize(bytes.len() + more, room::FILLER);
        }
        self.file.write_at(self.end.offset, &bytes)?;
        self.file.sync()?;
        (self.end, self.room_end) = (end, room_end);
        self.has_failed = false;
        Ok(end)
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let next = Position::new_segment(self.end);
        let room_bytes = room::in_segment(self.segment_bytes);
        let left = self.disk.length(&self.folder.join(segment_name(self.end.segment)))?;
        (self.file, self.room_end) = start_segment(&*self.disk, &self.folder, next, false, room_bytes)?;
        self.bytes_before += left;
        self.end = next;
        Ok(())
    }
}

/// A file to write to, and where its room ends.
type Opened = (Box<dyn DiskFile>, Option<u64>);

/// Makes the file that `start` lies at the beginning of.
fn start_segment(
    disk: &dyn Disk,
    folder: &Path,
    start: Position,
    is_after_gap: bool,
    room_bytes: usize,
) -> io::Result<Opened> {
    let header = Header { first: start.segment, hash: start.hash, is_after_gap, has_room: true };
    let mut file = disk.open_to_write(&folder.join(segment_name(start.segment)))?;
    let mut bytes = header.encode();
    bytes.resize(bytes.len() + room_bytes, room::FILLER);
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.sync_folder(folder)?;
    Ok((file, Some(bytes.len() as u64)))
}

/// Opens a file that has entries. Behind its end it has room and nothing else afterwards, if it is one with room.
fn go_on_in(disk: &dyn Disk, folder: &Path, end: Position, room_bytes: usize) -> io::Result<Opened> {
    let path = folder.join(segment_name(end.segment));
    let has_room = has_room(disk, &path)?;
    let behind = disk.read(&path, end.offset, usize::MAX)?;
    if !room::is_nothing_else(&behind) {
        disk.truncate(&path, end.offset)?;
    }
    let mut file = disk.open_to_write(&path)?;
    if !has_room {
        return Ok((file, None));
    }
    if !behind.is_empty() && room::is_nothing_else(&behind) {
        return Ok((file, Some(end.offset + behind.len() as u64)));
    }
    file.write_at(end.offset, &vec![room::FILLER; room_bytes])?;
    file.sync()?;
    Ok((file, Some(end.offset + room_bytes as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn headers_are_read_back(first: u64, hash: [u8; 32], is_after_gap: bool, has_room: bool, bit in 0usize..SEGMENT_HEADER_BYTES * 8, rubbish: Vec<u8>) {
            let header = Header { first, hash, is_after_gap, has_room };
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
