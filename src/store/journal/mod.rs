//! The journal: facts in the order in which they were acknowledged, one group after another.
//!
//! Owns: the hash chain across its files, when a group is durable. Must never know: what a fact says.
//!
//! A file (a *segment*) begins with a header (`segment.rs`). Entries follow (`entry.rs`), and after them preallocated
//! bytes (`preallocation.rs`). A group of entries is one write and one sync. A new segment is made durable, including
//! its name, before anything else is written into it. `reading.rs` reads a whole journal, `written.rs` what has been
//! written so far.

pub(crate) mod entry;
pub(crate) mod preallocation;
pub(crate) mod reading;
pub(crate) mod segment;
pub(crate) mod written;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::disk::{Disk, DiskFile};

use entry::Entry;
use segment::{Header, Position, SEGMENT_HEADER_BYTES, is_preallocated, segment_name, segments};
use written::Written;

/// Where entries are written before they are written to the files, which are then a copy of it.
pub(crate) trait Original: std::fmt::Debug + Send + Sync {
    /// Adds entries after `end`. True: they are durable there. False: it has other entries after `end`, and nothing was
    /// added. After an error, the entries may be there or not.
    fn append(&self, end: Position, entries: &[Entry]) -> io::Result<bool>;
}

/// A journal open for writing.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_bytes: u64,
    file: Box<dyn DiskFile>,
    end: Position,
    /// Where the preallocated bytes end; none if the file has none.
    preallocated_end: Option<u64>,
    /// Bytes in the segments before this one.
    bytes_before: u64,
    /// None: the files are the original.
    original: Option<Arc<dyn Original>>,
    has_failed: bool,
}

impl Journal {
    /// Continues writing at `end`, which reading has found to be the journal's end. Nothing after it was acknowledged.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        folder: &Path,
        segment_bytes: u64,
        end: Position,
        is_after_gap: bool,
    ) -> io::Result<Journal> {
        let preallocated_bytes = preallocation::in_segment(segment_bytes);
        let present = segments(&*disk, folder)?;
        let (file, preallocated_end) = match present.contains(&end.segment) {
            true => go_on_in(&*disk, folder, end, preallocated_bytes)?,
            false => start_segment(&*disk, folder, end, is_after_gap, preallocated_bytes)?,
        };
        let mut bytes_before = 0;
        for first in segments(&*disk, folder)?.into_iter().filter(|first| *first != end.segment) {
            bytes_before += disk.length(&folder.join(segment_name(first)))?;
        }
        let folder = folder.to_owned();
        Ok(Journal {
            disk,
            folder,
            segment_bytes,
            file,
            end,
            preallocated_end,
            bytes_before,
            original: None,
            has_failed: false,
        })
    }

    /// Where the next entry goes.
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Whether the next entry is the first of its file.
    pub(crate) fn begins_segment(&self) -> bool {
        self.end.offset == SEGMENT_HEADER_BYTES as u64 || self.end.offset >= self.segment_bytes
    }

    /// What has been written so far, for reading it while more is written.
    pub(crate) fn written<'a>(&self, disk: &'a dyn Disk) -> Written<'a> {
        Written { disk, end: self.end, is_preallocated: self.preallocated_end.is_some() }
    }

    /// Bytes in all segments, without the preallocated bytes after the last entry.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes_before + self.end.offset
    }

    /// From now on, entries go to an original first.
    pub(crate) fn follow(&mut self, original: Arc<dyn Original>) {
        self.original = Some(original);
    }

    /// Appends payloads as one group; when it returns, they survive a power cut. None: the original has entries that are
    /// not copied yet, and nothing was appended. After an error nothing more can be appended: the next opening finds out
    /// what reached the disk.
    pub(crate) fn append(&mut self, payloads: Vec<Vec<u8>>) -> io::Result<Option<Position>> {
        let (group, mut hash) = (self.end.sequence + 1, self.end.hash);
        let mut entries = Vec::with_capacity(payloads.len());
        for (sequence, payload) in (group..).zip(payloads) {
            hash = entry::chain(&hash, sequence, group, &payload);
            entries.push(Entry { sequence, group, hash, payload });
        }
        let original = self.original.clone();
        self.write(&entries, |end| original.map_or(Ok(true), |original| original.append(end, &entries)))
    }

    /// Appends entries that an original has already, with the same promise as [`Journal::append`]. They must be linked
    /// to the end and to each other.
    pub(crate) fn copy(&mut self, entries: &[Entry]) -> io::Result<Option<Position>> {
        self.write(entries, |_| Ok(true))
    }

    /// Writes entries to the files if `before` allows it.
    fn write(
        &mut self,
        entries: &[Entry],
        before: impl FnOnce(Position) -> io::Result<bool>,
    ) -> io::Result<Option<Position>> {
        let Some(last) = entries.last() else { return Ok(Some(self.end)) };
        if self.has_failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.has_failed = true;
        if !before(self.end)? {
            self.has_failed = false;
            return Ok(None);
        }
        if self.end.offset >= self.segment_bytes && self.end.offset > SEGMENT_HEADER_BYTES as u64 {
            self.next_segment()?;
        }
        let mut bytes = Vec::with_capacity(entries.iter().map(Entry::length).sum());
        entries.iter().for_each(|entry| entry::encode(entry, &mut bytes));
        let offset = self.end.offset + bytes.len() as u64;
        let end = Position { sequence: last.sequence, hash: last.hash, offset, ..self.end };
        let mut preallocated_end = self.preallocated_end;
        if preallocated_end.is_some_and(|preallocated_end| end.offset >= preallocated_end) {
            let more = preallocation::behind_group(bytes.len(), end.offset, self.segment_bytes);
            preallocated_end = Some(end.offset + more as u64);
            bytes.resize(bytes.len() + more, preallocation::FILLER);
        }
        self.file.write_at(self.end.offset, &bytes)?;
        self.file.sync()?;
        (self.end, self.preallocated_end) = (end, preallocated_end);
        self.has_failed = false;
        Ok(Some(end))
    }

    fn next_segment(&mut self) -> io::Result<()> {
        let next = Position::new_segment(self.end);
        let preallocated_bytes = preallocation::in_segment(self.segment_bytes);
        let left = self.disk.length(&self.folder.join(segment_name(self.end.segment)))?;
        (self.file, self.preallocated_end) =
            start_segment(&*self.disk, &self.folder, next, false, preallocated_bytes)?;
        self.bytes_before += left;
        self.end = next;
        Ok(())
    }
}

/// A file to write to, and where its preallocated bytes end.
type Opened = (Box<dyn DiskFile>, Option<u64>);

/// Creates the file whose beginning is `start`.
fn start_segment(
    disk: &dyn Disk,
    folder: &Path,
    start: Position,
    is_after_gap: bool,
    preallocated_bytes: usize,
) -> io::Result<Opened> {
    let header = Header { first: start.segment, hash: start.hash, is_after_gap, is_preallocated: true };
    let mut file = disk.open_to_write(&folder.join(segment_name(start.segment)))?;
    let mut bytes = header.encode();
    bytes.resize(bytes.len() + preallocated_bytes, preallocation::FILLER);
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.sync_folder(folder)?;
    Ok((file, Some(bytes.len() as u64)))
}

/// Opens a file that has entries. If it is preallocated, only preallocated bytes follow its end afterwards.
fn go_on_in(disk: &dyn Disk, folder: &Path, end: Position, preallocated_bytes: usize) -> io::Result<Opened> {
    let path = folder.join(segment_name(end.segment));
    let is_preallocated = is_preallocated(disk, &path)?;
    let behind = disk.read(&path, end.offset, usize::MAX)?;
    if !preallocation::is_all(&behind) {
        disk.truncate(&path, end.offset)?;
    }
    let mut file = disk.open_to_write(&path)?;
    if !is_preallocated {
        return Ok((file, None));
    }
    if !behind.is_empty() && preallocation::is_all(&behind) {
        return Ok((file, Some(end.offset + behind.len() as u64)));
    }
    file.write_at(end.offset, &vec![preallocation::FILLER; preallocated_bytes])?;
    file.sync()?;
    Ok((file, Some(end.offset + preallocated_bytes as u64)))
}
