//! Whether the journal still has everything that was acknowledged.
//!
//! Owns: what is known about the journal outside of it, and comparing the two. Must never know: what an entry says.
//!
//! The journal's hash chain shows damage inside the journal. It does not show that the end or the whole journal is
//! missing, nor that a file belongs to another store. These places show it:
//!
//! - the index: how far the journal is applied ([`keys::APPLIED`]), and which files there are, each with the hash
//!   of its first entry ([`keys::JOURNAL`]). An index that replaces another one inherits that row;
//! - the mark of a clean stop: the last entry;
//! - the mark of a start: that there is a journal.
//!
//! A store from before this row existed gets it when it is first opened.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::disk::Disk;
use crate::store::index::keys;
use crate::store::index::value;
use crate::store::index::{Index, Writes};
use crate::store::journal::entry::{self, ChainHash, HEADER_BYTES, NoEntry};
use crate::store::journal::segment::{Header, Position, SEGMENT_HEADER_BYTES, segment_name, segments};
use crate::store::types::StoreError;

/// A journal file that has an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    /// Its first sequence.
    first: u64,
    /// The chain hash of its first entry.
    hash: ChainHash,
}

/// What is known about the journal outside of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The last entry known to be acknowledged; 0: none is known.
    last: u64,
    segments: Vec<Segment>,
    /// A process has used the store.
    #[serde(skip)]
    was_used: bool,
    /// Whether the index had a list of the files.
    #[serde(skip)]
    pub(crate) has_list: bool,
}

/// How far the index has applied the journal.
pub(crate) fn applied(index: &Index) -> Result<Position, StoreError> {
    match index.get(keys::APPLIED)? {
        Some(bytes) => Ok(value::decode::<Position>(keys::APPLIED, &bytes)?.value),
        None => Ok(Position::start()),
    }
}

const LAST_ENTRY: &str = "last journal entry ";

/// What the mark of a clean stop says.
pub(crate) fn clean_mark(last: u64) -> String {
    format!("stopped properly\n{LAST_ENTRY}{last}\n")
}

impl Known {
    /// What the marks of a clean stop and of a start tell.
    pub(crate) fn of_marks(clean: Option<&str>, was_used: bool) -> Known {
        let mut lines = clean.unwrap_or_default().lines();
        let last = lines.find_map(|line| line.strip_prefix(LAST_ENTRY)?.trim().parse().ok());
        Known { last: last.unwrap_or_default(), was_used, ..Known::default() }
    }

    /// Which files the journal has. How far it goes is not set here: the index says that by what it has applied.
    pub(crate) fn of_files(disk: &dyn Disk, folder: &Path) -> io::Result<Known> {
        let mut known = Known::default();
        for first in segments(disk, folder)? {
            let hash = first_entry(disk, &folder.join(segment_name(first)))?;
            known.segments.extend(hash.map(|hash| Segment { first, hash }));
        }
        Ok(known)
    }

    /// Adds what the index knows.
    pub(crate) fn learn(&mut self, index: &Index) -> Result<(), StoreError> {
        self.last = self.last.max(applied(index)?.sequence);
        if let Some(bytes) = index.get(keys::JOURNAL)? {
            let known: Known = value::decode(keys::JOURNAL, &bytes)?.value;
            self.last = self.last.max(known.last);
            self.segments = known.segments;
            self.has_list = true;
        }
        Ok(())
    }

    /// As a row of the index.
    pub(crate) fn row(&self) -> Vec<u8> {
        value::encode(self, self.last)
    }

    /// Stores it in the index.
    pub(crate) fn teach(&self, index: &Index) -> Result<(), StoreError> {
        let row = Some(self.row());
        match index.get(keys::JOURNAL)? == row {
            true => Ok(()),
            false => index.apply(&Writes::from([(keys::JOURNAL.to_vec(), row)])),
        }
    }

    /// The files that are missing or belong to another journal, in words. A file whose beginning cannot be read is
    /// damaged; the reader of the journal reports that.
    pub(crate) fn missing_files(&self, disk: &dyn Disk, folder: &Path) -> io::Result<Vec<String>> {
        let present = segments(disk, folder)?;
        let mut missing = Vec::new();
        for known in &self.segments {
            let name = segment_name(known.first);
            if !present.contains(&known.first) {
                missing.push(format!("its file {name} is missing"));
            } else if first_entry(disk, &folder.join(&name))?.is_some_and(|hash| hash != known.hash) {
                missing.push(format!("its file {name} belongs to another journal"));
            }
        }
        if present.is_empty() && self.segments.is_empty() && (self.was_used || self.last > 0) {
            missing.push("it has no files".to_owned());
        }
        if let Some(first) = present.first().filter(|first| **first != 1 && self.segments.is_empty())
            && let Ok(header) =
                Header::decode(&disk.read(&folder.join(segment_name(*first)), 0, SEGMENT_HEADER_BYTES)?)
            && !header.is_after_gap
        {
            missing.push(format!("the files before {} are missing", segment_name(*first)));
        }
        Ok(missing)
    }

    /// What is missing after the journal's last entry, in words.
    pub(crate) fn missing_end(&self, end: u64) -> Option<String> {
        (self.last > end).then(|| match end {
            0 => format!("it is empty, but entry {} was acknowledged", self.last),
            _ => format!("it ends with entry {end}, but entry {} was acknowledged", self.last),
        })
    }
}

/// The chain hash of a file's first entry; none if no entry can be read there.
fn first_entry(disk: &dyn Disk, path: &Path) -> io::Result<Option<ChainHash>> {
    let mut bytes = disk.read(path, SEGMENT_HEADER_BYTES as u64, HEADER_BYTES)?;
    if let Err(NoEntry::Short(wanted)) = entry::decode(&bytes) {
        bytes = disk.read(path, SEGMENT_HEADER_BYTES as u64, wanted)?;
    }
    Ok(entry::decode(&bytes).ok().map(|entry| entry.hash))
}
