//! Reading the journal: at opening, for the self-check, for rebuilding the index.
//!
//! Owns: what counts as an unfinished end and what as damage. Must never know: what a fact says.
//!
//! An end is *unfinished* if nothing readable follows it, except entries of the very group that it cuts. A group is
//! acknowledged as a whole after its sync, so such a group may never have been acknowledged. Preallocated bytes after
//! the last entry (`preallocation.rs`) mark the *end*; if a file should have them and does not, something was cut off.
//! Everything else that cannot be read is *damage*.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::disk::Disk;
use crate::store::journal::entry::{self, Entry, HEADER_BYTES, NoEntry};
use crate::store::journal::preallocation;
use crate::store::journal::segment::{
    Damage, Header, Position, SEGMENT_HEADER_BYTES, segment_name, segments,
};
use crate::store::types::StoreError;

const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// The result of reading.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The journal's end: the next entry goes there.
    pub(crate) end: Position,
    /// An unfinished end after it.
    pub(crate) tail: Option<Damage>,
    /// Damage that was skipped.
    pub(crate) skipped: Vec<Damage>,
}

/// Why reading stopped early.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The disk failed.
    Io(PathBuf, io::Error),
    /// There is damage.
    Damaged(Damage),
    /// The caller's closure returned an error.
    Taker(StoreError),
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    /// At the very first entry.
    Start,
    /// Just after a position.
    Behind(Position),
    /// At the beginning of the segment of a position.
    SegmentOf(Position),
}

/// Called with each entry and the position after it.
pub(crate) type Taker<'a> = dyn FnMut(&Entry, Position) -> Result<(), StoreError> + 'a;

/// Reads all entries, starting at `from`.
pub(crate) fn read(
    disk: &dyn Disk,
    folder: &Path,
    from: From,
    skip_damage: bool,
    take: &mut Taker<'_>,
) -> Result<Reading, Stopped> {
    let present = segments(disk, folder).map_err(|error| Stopped::Io(folder.to_owned(), error))?;
    let mut reader = Reader {
        disk,
        folder,
        skip_damage,
        place: Position::start(),
        is_chain_known: true,
        is_preallocated: false,
        skipped: Vec::new(),
        tail: None,
    };
    let (first, is_inside) = reader.begin(&present, from)?;
    for (index, segment) in present.iter().enumerate().skip(first) {
        let is_last = index + 1 == present.len();
        let is_entered = is_inside && index == first;
        if is_entered || reader.enter(*segment, is_last)? {
            reader.read_segment(is_last, take)?;
        }
    }
    Ok(Reading { end: reader.place, tail: reader.tail, skipped: reader.skipped })
}

struct Reader<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    skip_damage: bool,
    place: Position,
    /// False after damage: the next entry is accepted without checking its link.
    is_chain_known: bool,
    /// The segment has preallocated bytes after its last entry.
    is_preallocated: bool,
    skipped: Vec<Damage>,
    tail: Option<Damage>,
}

impl Reader<'_> {
    /// The first segment to read, and whether to continue inside it.
    fn begin(&mut self, present: &[u64], from: From) -> Result<(usize, bool), Stopped> {
        let position = match from {
            From::Start => return Ok((0, false)),
            From::Behind(position) | From::SegmentOf(position) => position,
        };
        let Some(mut index) = present.iter().rposition(|segment| *segment <= position.segment) else {
            return Ok((0, false));
        };
        if let From::Behind(_) = from
            && present[index] == position.segment
            && self.length(position.segment)? >= position.offset
        {
            self.place = position;
            let header = Header::decode(&self.bytes(position.segment, 0, SEGMENT_HEADER_BYTES)?);
            self.is_preallocated = header.is_ok_and(|header| header.is_preallocated);
            return Ok((index, true));
        }
        while index > 0 {
            if let Ok(header) = Header::decode(&self.bytes(present[index], 0, SEGMENT_HEADER_BYTES)?) {
                self.place.sequence = header.first.saturating_sub(1);
                self.place.hash = header.hash;
                break;
            }
            index -= 1;
        }
        Ok((index, false))
    }

    /// Checks a segment's header. False if the segment is only what a crash left of a new file.
    fn enter(&mut self, segment: u64, is_last: bool) -> Result<bool, Stopped> {
        let header = Header::decode(&self.bytes(segment, 0, SEGMENT_HEADER_BYTES)?);
        let before = self.place;
        self.place.segment = segment;
        self.place.offset = 0;
        self.is_preallocated = header.is_ok_and(|header| header.is_preallocated);
        match header {
            Ok(header) if header.first == segment => {
                self.meet(header)?;
                self.place.offset = SEGMENT_HEADER_BYTES as u64;
                Ok(true)
            }
            wrong => {
                let detail = wrong.err().unwrap_or("its header and its name have different numbers");
                self.cannot_read(detail, is_last)?;
                if self.tail.is_some() {
                    // The next entry either starts this file again or continues the previous file.
                    self.place = match before.sequence + 1 == segment {
                        true => Position { segment, offset: SEGMENT_HEADER_BYTES as u64, ..before },
                        false => before,
                    };
                }
                Ok(self.tail.is_none())
            }
        }
    }

    /// Compares what a segment's header says about the entries before it with what was read.
    fn meet(&mut self, header: Header) -> Result<(), Stopped> {
        let Header { first, hash, is_after_gap, .. } = header;
        let expected = self.place.sequence + 1;
        let is_known_gap = is_after_gap && first > expected;
        if let Some(known) = self.skipped.last_mut().filter(|damage| damage.last_sequence.is_none()) {
            known.last_sequence = Some(first.saturating_sub(1));
        } else if is_known_gap {
            // This file begins with what was rescued of the lost entries.
        } else if first != expected || (self.is_chain_known && hash != self.place.hash) {
            let is_gap = first > expected;
            let detail = match is_gap {
                true => "the entries before this file are missing",
                false => "it does not continue the file before it",
            };
            let last = Some(first.saturating_sub(1));
            self.pass_over(Damage { is_gap, ..self.describe(detail, last) })?;
        }
        self.place.sequence = first.saturating_sub(1);
        self.place.hash = hash;
        self.is_chain_known = true;
        Ok(())
    }

    fn read_segment(&mut self, is_last: bool, take: &mut Taker<'_>) -> Result<(), Stopped> {
        let length = self.length(self.place.segment)?;
        let mut window = Vec::new();
        let mut used = 0;
        while self.place.offset < length {
            let decoded = match entry::decode(&window[used..]) {
                Err(NoEntry::Short(wanted)) if window.len() - used < self.left(length, wanted) => {
                    let most = wanted.max(WINDOW_BYTES);
                    window = self.bytes(self.place.segment, self.place.offset, most)?;
                    used = 0;
                    if window.is_empty() {
                        break;
                    }
                    continue;
                }
                other => other,
            };
            match decoded.map_err(why).and_then(|entry| self.check(entry)) {
                Ok(entry) => {
                    used += entry.length();
                    self.place.offset += entry.length() as u64;
                    self.place.sequence = entry.sequence;
                    self.place.hash = entry.hash;
                    self.is_chain_known = true;
                    take(&entry, self.place).map_err(Stopped::Taker)?;
                }
                Err(detail) => {
                    if self.is_room()? || !self.cannot_read(detail, is_last)? {
                        return Ok(());
                    }
                    window = Vec::new();
                    used = 0;
                }
            }
        }
        if self.is_preallocated && is_last {
            self.tail = Some(self.describe("the file is cut off here, or after this point", None));
        }
        Ok(())
    }

    /// Whether the segment's entries end here, because preallocated bytes begin. Parts of a group that was never
    /// acknowledged may follow their beginning, but no readable entry.
    fn is_room(&self) -> Result<bool, Stopped> {
        if !self.is_preallocated
            || !preallocation::begins(&self.bytes(self.place.segment, self.place.offset, 1)?)
        {
            return Ok(false);
        }
        let rest = self.bytes(self.place.segment, self.place.offset, usize::MAX)?;
        Ok(preallocation::begins(&rest)
            && (preallocation::is_all(&rest) || entry::find(&rest, self.place.sequence).is_none()))
    }

    fn check(&self, entry: Entry) -> Result<Entry, &'static str> {
        if entry.sequence != self.place.sequence + 1 || entry.group > entry.sequence {
            return Err("its number is not the next one");
        }
        if self.is_chain_known && !entry.is_chained_to(&self.place.hash) {
            return Err("it is not linked to the entry before it");
        }
        Ok(entry)
    }

    /// Decides between an unfinished end and damage. True if there is more to read in this segment.
    fn cannot_read(&mut self, detail: &'static str, is_last: bool) -> Result<bool, Stopped> {
        let expected = self.place.sequence + 1;
        let rest = self.bytes(self.place.segment, self.place.offset, usize::MAX)?;
        let next = entry::find(&rest, expected - 1);
        // A header is synced before anything is written after it.
        let is_followed = match self.place.offset {
            0 => next.is_some(),
            _ => is_followed(&rest, expected),
        };
        if is_last && !is_followed {
            self.tail = Some(self.describe(detail, None));
            return Ok(false);
        }
        self.damage(detail, next.as_ref().map(|(_, entry)| entry.sequence - 1))?;
        self.is_chain_known = false;
        match next {
            Some((offset, entry)) => {
                self.place.offset += offset as u64;
                self.place.sequence = entry.sequence - 1;
                Ok(true)
            }
            None => {
                self.place.offset += rest.len() as u64;
                Ok(false)
            }
        }
    }

    fn damage(&mut self, detail: &str, last_sequence: Option<u64>) -> Result<(), Stopped> {
        self.pass_over(self.describe(detail, last_sequence))
    }

    fn pass_over(&mut self, damage: Damage) -> Result<(), Stopped> {
        if !self.skip_damage {
            return Err(Stopped::Damaged(damage));
        }
        self.skipped.push(damage);
        Ok(())
    }

    fn describe(&self, detail: &str, last_sequence: Option<u64>) -> Damage {
        Damage {
            segment: segment_name(self.place.segment),
            offset: self.place.offset,
            first_sequence: self.place.sequence + 1,
            last_sequence,
            detail: detail.to_owned(),
            is_gap: false,
        }
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.folder.join(segment_name(segment))
    }

    fn length(&self, segment: u64) -> Result<u64, Stopped> {
        self.disk.length(&self.path(segment)).map_err(|error| Stopped::Io(self.path(segment), error))
    }

    fn bytes(&self, segment: u64, offset: u64, most: usize) -> Result<Vec<u8>, Stopped> {
        let path = self.path(segment);
        self.disk.read(&path, offset, most).map_err(|error| Stopped::Io(path, error))
    }

    /// How many of `wanted` bytes the segment still has from here on.
    fn left(&self, length: u64, wanted: usize) -> usize {
        usize::try_from(length - self.place.offset).map_or(wanted, |left| left.min(wanted))
    }
}

fn why(problem: NoEntry) -> &'static str {
    match problem {
        NoEntry::Short(wanted) if wanted <= HEADER_BYTES => "it is cut off in its header",
        NoEntry::Short(_) => "it is cut off",
        NoEntry::Wrong(detail) => detail,
    }
}

/// Whether an entry of a later group than that of entry `expected` can be read further on.
fn is_followed(rest: &[u8], expected: u64) -> bool {
    let mut from = 0;
    while let Some((offset, entry)) = entry::find(&rest[from..], expected) {
        if entry.group > expected {
            return true;
        }
        from += offset + entry.length();
    }
    false
}
