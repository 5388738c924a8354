//! Opening: lock, format, index, journal, and what a crash may have left of them.
//!
//! Owns: the order of these. Must never know: what a fact says.
//!
//! The folder holds `lock`, `format`, `journal/`, `index/`, `queue` (`queue/snapshot.rs`), and marks: `clean` (the last
//! stop was clean), `running` (on which boot of the host the store was opened), `suspect` (the index was found
//! damaged), `copy` (the store is in a database, `postgres/`), `unchecked` (a check of the whole store is pending, as after a crash of the host), `rescue` (rows that
//! only the index has must be written to the journal again), `swapping` (`compaction.rs`). An index that cannot be used
//! is retired: renamed to `index.aside-N` and kept for a day.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::store::deliveries::DeliveryStatus;
use crate::store::engine::Engine;
use crate::store::index::Index;
use crate::store::index::outbox;
use crate::store::index::pulse::OpenRecords;
use crate::store::index::value;
use crate::store::journal::Journal;
use crate::store::journal::reading::{self, Reading, Stopped};
use crate::store::journal::segment::{Position, SEGMENT_HEADER_BYTES};
use crate::store::maintenance::backup::journal_bytes;
use crate::store::maintenance::compaction;
use crate::store::operations;
use crate::store::queue::polls::Polls;
use crate::store::queue::{Change, Queue};
use crate::store::recovery::continuity::{Known, applied};
use crate::store::recovery::lock;
use crate::store::recovery::place::{CLEAN, COPY, Place, QUEUE, RESCUE, SUSPECT};
use crate::store::recovery::replay::{Replay, put_applied};
use crate::store::recovery::retired;
use crate::store::recovery::salvage;
use crate::store::types::{OpenError, Opening, Options, StoreError};

use crate::store::index::keys;
use crate::store::index::view::View;

const RUNNING: &str = "running";
/// The mark of a store whose check is pending, as after a crash of the host.
pub(crate) const UNCHECKED: &str = "unchecked";

/// Opens the store. Blocks.
pub(crate) fn open(options: &Options, now: Timestamp) -> Result<(Engine, Opening), OpenError> {
    let place = Place::of(options);
    let lock = place.take_lock(now)?;
    place.check_space()?;
    if options.shared.is_none() && place.read_mark(COPY)?.is_some() {
        let why = "it is a copy of a store in a database. To go on with files alone, stop the daemons on all hosts, then remove the file \"copy\"";
        return Err(OpenError::NotAStore { folder: options.folder.clone(), why: why.to_owned() });
    }
    let mut opening = Opening { is_new: place.check_format()?, ..Opening::default() };
    let opened = place.open_both(&mut opening);
    options.meter.end();
    let (index, journal, polls, deliveries) = opened.inspect_err(|error| {
        if let OpenError::Index(why) = error
            && opening.rebuilt_index.is_none()
        {
            // The mark makes the next opening rebuild the index; without it, opening would only fail again.
            let _ = place.write_mark(SUSPECT, why);
        }
    })?;
    place.start_marks()?;
    place.io("remove an old index from", place.folder(), retired::prune(place.disk, place.folder(), now))?;
    let engine = Engine::new(options, journal, index, polls, lock);
    engine.owes_check.store(opening.owes_check, Ordering::Relaxed);
    engine.outbox_pending.store(deliveries.pending, Ordering::Relaxed);
    engine.outbox_dead.store(deliveries.dead, Ordering::Relaxed);
    Ok((engine, opening))
}

enum Halt {
    /// The index does not match the journal, or cannot be used.
    Index(String),
    /// The index and the journal do not belong to the same store.
    OtherJournal(String),
    Open(OpenError),
}

impl Halt {
    fn into_open_error(self) -> OpenError {
        match self {
            Halt::Index(why) | Halt::OtherJournal(why) => OpenError::Index(why),
            Halt::Open(error) => error,
        }
    }
}

impl Place<'_> {
    /// Opens the index and the journal, and makes them agree.
    fn open_both(&self, opening: &mut Opening) -> Result<(Index, Journal, Polls, Deliveries), OpenError> {
        let journal_folder = self.path("journal");
        self.io("create the folder", &journal_folder, self.disk.create_folder(&journal_folder))?;
        let clean = self.read_mark(CLEAN)?;
        opening.was_clean_stop = clean.is_some();
        let mut known = Known::of_marks(clean.as_deref(), self.read_mark(RUNNING)?.is_some());
        let settled = compaction::settle(self.disk, self.folder());
        self.io("finish swapping the index in", self.folder(), settled)?;
        self.options.meter.begin("opening the index", 0);
        let (mut index, applied) = self.open_index(&mut known, opening)?;
        let missing = known.missing_files(self.disk, &journal_folder);
        self.accept(self.io("read", &journal_folder, missing)?, opening)?;
        let must_read_file = !opening.was_clean_stop || !known.has_list;
        let mut read = self.replay(&index, applied, must_read_file, opening);
        if let Err(Halt::OtherJournal(why)) = read {
            self.accept(vec![why.clone()], opening)?;
            read = Err(Halt::Index(why));
        }
        if let Err(Halt::Index(why)) = read {
            index = self.set_aside(Some(index), &known, &why, opening)?;
            opening.replayed_entries = 0;
            read = self.replay(&index, Position::start(), true, opening);
        }
        let mut reading = read.map_err(Halt::into_open_error)?;
        self.accept(known.missing_end(reading.end.sequence).into_iter().collect(), opening)?;
        // Not earlier: if entries are missing, only the old index still has them.
        let is_to_be_rebuilt = self.options.rebuild_index && opening.rebuilt_index.is_none();
        let mut queue = match is_to_be_rebuilt {
            true => Err("as requested".to_owned()),
            false => self.find_queue(&index, opening),
        };
        if let Err(why) = &queue
            && (is_to_be_rebuilt || opening.rebuilt_index.is_none())
        {
            index = self.set_aside(Some(index), &known, why, opening)?;
            opening.replayed_entries = 0;
            let read = self.replay(&index, Position::start(), true, opening);
            reading = read.map_err(Halt::into_open_error)?;
            queue = self.fill_queue(&index);
        }
        let queue = queue.map_err(OpenError::Index)?;
        opening.skipped.clone_from(&reading.skipped);
        let end = self.mend_end(&reading, opening)?;
        let journal = self.resume(&index, end, opening)?;
        self.teach(&index)?;
        self.mark_unchecked(&known, opening)?;
        let index_error = |error: StoreError| OpenError::Index(error.to_string());
        let deliveries = count_deliveries(&index).map_err(index_error)?;
        let dated_from = operations::dated_from_index(&index).map_err(index_error)?;
        Ok((index, journal, Polls::new(queue, dated_from), deliveries))
    }

    /// The due queues: as a clean stop left them, if nothing has changed since; otherwise from all open records.
    fn find_queue(&self, index: &Index, opening: &Opening) -> Result<Queue, String> {
        let is_unchanged =
            opening.was_clean_stop && opening.rebuilt_index.is_none() && opening.replayed_entries == 0;
        let left = if is_unchanged { self.read_queue(index) } else { None };
        left.map_or_else(|| self.fill_queue(index), Ok)
    }

    /// Fills the due queues from all open records. The error is in words.
    fn fill_queue(&self, index: &Index) -> Result<Queue, String> {
        self.options.meter.begin("reading the open records", 0);
        let mut queue = Queue::default();
        for record in OpenRecords::of(index) {
            let record = record.map_err(|error| error.to_string())?;
            if let Some(change) = Change::between(None, Some(&record)) {
                queue.apply(&change);
            }
            self.options.meter.advance(1);
        }
        Ok(queue)
    }

    /// Opens the index, and learns what it knows about the journal, even if the index cannot be used.
    fn open_index(&self, known: &mut Known, opening: &mut Opening) -> Result<(Index, Position), OpenError> {
        let folder = self.path("index");
        let suspicion = self.read_mark(SUSPECT)?;
        if !opening.is_new && !folder.is_dir() {
            return self.set_aside(None, known, "there was none", opening).map(fresh);
        }
        let (index, mut why) = match Index::open(&folder, self.options.cache_bytes) {
            Err(why) => (None, Some(format!("it cannot be opened: {why}"))),
            Ok(index) => (Some(index), None),
        };
        if let Some(Err(error)) = index.as_ref().map(|index| known.learn(index)) {
            why = Some(error.to_string());
        }
        if let Some(suspicion) = suspicion {
            why = Some(format!("it was found damaged: {}", suspicion.trim()));
        }
        match (index, why) {
            (Some(index), None) => {
                let applied = applied(&index).map_err(|error| OpenError::Index(error.to_string()))?;
                Ok((index, applied))
            }
            (index, why) => self.set_aside(index, known, &why.unwrap_or_default(), opening).map(fresh),
        }
    }

    /// Continues without what is missing, if the options accept that.
    fn accept(&self, missing: Vec<String>, opening: &mut Opening) -> Result<(), OpenError> {
        if !missing.is_empty() && !self.options.accept_loss {
            return Err(OpenError::Lost { missing });
        }
        opening.lost.extend(missing);
        Ok(())
    }

    /// Stores in the index what the journal is like now.
    fn teach(&self, index: &Index) -> Result<(), OpenError> {
        let folder = self.path("journal");
        let known = self.io("read", &folder, Known::of_files(self.disk, &folder))?;
        known.teach(index).map_err(|error| OpenError::Index(error.to_string()))
    }

    /// Retires the index, and starts a new one that inherits what is known about the journal.
    fn set_aside(
        &self,
        index: Option<Index>,
        known: &Known,
        why: &str,
        opening: &mut Opening,
    ) -> Result<Index, OpenError> {
        drop(index);
        let folder = self.path("index");
        let mut text = why.to_owned();
        if folder.is_dir() {
            let aside = retired::new_place(&self.options.folder);
            self.io("rename", &folder, self.disk.rename(&folder, &aside))?;
            text = format!("{why} (the old one is kept in {})", aside.display());
        }
        self.remove_mark(SUSPECT)?;
        opening.rebuilt_index = Some(match opening.rebuilt_index.take() {
            Some(before) => format!("{before}; then {text}"),
            None => text,
        });
        let index = Index::open(&folder, self.options.cache_bytes).map_err(OpenError::Index)?;
        known.teach(&index).map_err(|error| OpenError::Index(error.to_string()))?;
        Ok(index)
    }

    /// When the host crashes, whatever the engine had not synced is lost, in any order. Then the index must be checked
    /// for consistency. The check runs in the background, because it takes minutes for a large index. The mark stays
    /// until the check is done, however often the process starts. The same holds for a journal whose files were never
    /// listed.
    fn mark_unchecked(&self, known: &Known, opening: &mut Opening) -> Result<(), OpenError> {
        let boot = self.read_mark(RUNNING)?.unwrap_or_default();
        let has_host_stopped = !opening.was_clean_stop && boot.trim() != lock::boot();
        let was_owed = self.read_mark(UNCHECKED)?.is_some();
        opening.owes_check = !opening.is_new
            && opening.rebuilt_index.is_none()
            && (was_owed || has_host_stopped || !known.has_list);
        match opening.owes_check {
            true if was_owed => Ok(()),
            true => self.write_mark(UNCHECKED, "since the host stopped\n"),
            false if was_owed => self.remove_mark(UNCHECKED),
            false => Ok(()),
        }
    }

    fn replay(
        &self,
        index: &Index,
        applied: Position,
        must_read_file: bool,
        opening: &mut Opening,
    ) -> Result<Reading, Halt> {
        let from = match applied.sequence {
            0 => reading::From::Start,
            _ if must_read_file => reading::From::SegmentOf(applied),
            _ => reading::From::Behind(applied),
        };
        let mut replay = Replay::new(index, applied);
        let folder = self.path("journal");
        let meter = &self.options.meter;
        meter.begin("applying the journal", journal_bytes(self.disk, &folder));
        let read =
            reading::read(self.disk, &folder, from, self.options.skip_damage, &mut |entry, position| {
                meter.advance(entry.length() as u64);
                replay.take(entry, position)
            });
        if replay.is_of_another_journal {
            let why = format!("its entry {} is not the one the index was built from", applied.sequence);
            return Err(Halt::OtherJournal(why));
        }
        let finished = read.and_then(|reading| match replay.finish() {
            Ok(entries) => {
                opening.replayed_entries += entries;
                Ok(reading)
            }
            Err(error) => Err(Stopped::Taker(error)),
        });
        finished.map_err(|stopped| match stopped {
            Stopped::Io(path, source) => Halt::Open(OpenError::Io { doing: "read", path, source }),
            Stopped::Damaged(damage) if damage.is_gap => {
                Halt::Open(OpenError::Lost { missing: vec![damage.to_string()] })
            }
            Stopped::Damaged(damage) => Halt::Open(OpenError::Damaged(damage)),
            Stopped::Taker(error) => Halt::Index(error.to_string()),
        })
    }

    /// Cuts off an unfinished end.
    fn mend_end(&self, reading: &Reading, opening: &mut Opening) -> Result<Position, OpenError> {
        let Some(tail) = &reading.tail else { return Ok(reading.end) };
        let path = self.path("journal").join(&tail.segment);
        if tail.offset < SEGMENT_HEADER_BYTES as u64 {
            self.io("remove", &path, self.disk.remove(&path))?;
            let folder = self.path("journal");
            self.io("sync", &folder, self.disk.sync_folder(&folder))?;
        } else {
            self.io("truncate", &path, self.disk.truncate(&path, tail.offset))?;
        }
        opening.cut_tail = Some(tail.clone());
        Ok(reading.end)
    }

    /// Opens the journal for writing, and writes to it again what only the index still has.
    fn resume(&self, index: &Index, end: Position, opening: &mut Opening) -> Result<Journal, OpenError> {
        let index_error = |error: StoreError| OpenError::Index(error.to_string());
        let known = applied(index).map_err(index_error)?;
        let mut lost = self.marked_as_lost()?;
        lost.extend(opening.skipped.iter().filter(|damage| damage.first_sequence <= known.sequence));
        let is_gap = known.sequence > end.sequence;
        if is_gap {
            lost.add(end.sequence + 1, known.sequence);
        }
        if !lost.is_empty() {
            self.mark_as_lost(&lost)?;
        }
        // After damage a new file begins, so that the damaged one need not be read at every start.
        let end = match is_gap || !opening.skipped.is_empty() {
            true => Position::new_segment(if is_gap { known } else { end }),
            false => end,
        };
        let folder = self.path("journal");
        let (disk, segment_bytes) = (self.options.disk.clone(), self.options.journal_segment_bytes);
        let journal = Journal::resume(disk, &folder, segment_bytes, end, is_gap);
        let mut journal = self.io("write to", &folder, journal)?;
        if end != known {
            put_position(index, end).map_err(index_error)?;
        }
        if !lost.is_empty() {
            opening.rescued_rows = salvage::run(index, &mut journal, &lost).map_err(index_error)?;
            self.remove_mark(RESCUE)?;
        }
        Ok(journal)
    }

    fn start_marks(&self) -> Result<(), OpenError> {
        self.remove_mark(QUEUE)?;
        self.write_mark(RUNNING, &lock::boot())?;
        self.remove_mark(CLEAN)
    }
}

fn fresh(index: Index) -> (Index, Position) {
    (index, Position::start())
}

fn put_position(index: &Index, position: Position) -> Result<(), StoreError> {
    let mut view = View::new(index);
    put_applied(&mut view, position);
    view.write()
}

/// The numbers of pending and dead deliveries in the outbox.
#[derive(Debug, Default)]
struct Deliveries {
    pending: i64,
    dead: i64,
}

fn count_deliveries(index: &Index) -> Result<Deliveries, StoreError> {
    let mut counted = Deliveries::default();
    for row in index.prefix(&[keys::DELIVERIES]) {
        let (key, bytes) = row?;
        let number: i64 = value::decode_number(&key, &bytes)?.try_into().unwrap_or(i64::MAX);
        let status = key.last().copied().unwrap_or_default();
        if status == outbox::status_byte(DeliveryStatus::Pending) {
            counted.pending = counted.pending.saturating_add(number);
        } else if status == outbox::status_byte(DeliveryStatus::Dead) {
            counted.dead = counted.dead.saturating_add(number);
        }
    }
    Ok(counted)
}
