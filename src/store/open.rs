//! Opening: lock, format, index, journal, and what a crash may have left of them.
//!
//! Owns: the order of these. Must never know: what a fact says.
//!
//! The folder holds `lock`, `format`, `journal/`, `index/`, and marks: `clean` (stopped properly),
//! `running` (on which boot of the host), `suspect` (the index was found damaged), `rescue` (rows that only
//! the index has are to be written to the journal again), `swapping` (`compact.rs`). An index that is of no use
//! is renamed to `index.aside-N` and kept for a day.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::aside;
use super::backup::journal_bytes;
use super::check::{CheckReport, check_index};
use super::compact;
use super::disk::{Disk, read_text, write_whole};
use super::index::Index;
use super::journal::{Journal, Position, SEGMENT_HEADER_BYTES};
use super::lock::{self, LockFile, NoLock};
use super::outbox;
use super::reading::{self, Reading, Stopped};
use super::replay::Replay;
use super::rescue::{self, Lost};
use super::types::{DeliveryStatus, OpenError, Opening, Options, StoreError};
use super::value;
use super::writer::Engine;
use super::writer::put_applied;
use super::{keys, view::View};

/// The newest format that this program reads and the one that it writes.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_WORDS: &str = "reconciled store";
const CLEAN: &str = "clean";
const RUNNING: &str = "running";
/// The mark of an index that was found damaged while in use.
pub(super) const SUSPECT: &str = "suspect";
const RESCUE: &str = "rescue";

/// Opens the store. Blocks.
pub(super) fn open(options: &Options, now: Timestamp) -> Result<(Engine, Opening), OpenError> {
    let place = Place::of(options);
    let lock = place.take_lock(now)?;
    place.check_space()?;
    let mut opening = Opening { is_new: place.check_format()?, ..Opening::default() };
    let journal_folder = place.path("journal");
    place.io("make the folder", &journal_folder, place.disk.create_folder(&journal_folder))?;
    opening.was_clean_stop = place.read_mark(CLEAN)?.is_some();
    place.io(
        "end the exchange of the index in",
        place.folder(),
        compact::settle(place.disk, place.folder()),
    )?;
    let (index, mut applied) = place.open_index(&mut opening)?;
    let mut index = place.check_after_host_crash(index, &mut applied, &mut opening)?;
    let reading = match place.replay(&index, applied, &mut opening) {
        Err(Halt::Index(why)) => {
            index = place.set_aside(Some(index), &why, &mut opening)?;
            applied = Position::start();
            opening.replayed_entries = 0;
            place.replay(&index, applied, &mut opening).map_err(Halt::into_open_error)?
        }
        other => other.map_err(Halt::into_open_error)?,
    };
    opening.skipped.clone_from(&reading.skipped);
    let end = place.mend_end(&reading, &mut opening)?;
    let journal = place.resume(&index, end, &mut opening)?;
    place.start_marks()?;
    place.io("remove an old index from", place.folder(), aside::prune(place.disk, place.folder(), now))?;
    options.meter.end();
    let engine = Engine::new(options, journal, index, lock);
    count_deliveries(&engine).map_err(|error| OpenError::Index(error.to_string()))?;
    Ok((engine, opening))
}

/// Marks a clean stop; the last act of the process that has the lock.
pub(super) fn mark_clean(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    write_whole(disk, &folder.join(CLEAN), b"stopped properly\n")
}

enum Halt {
    /// The index does not fit the journal or cannot be used.
    Index(String),
    Open(OpenError),
}

impl Halt {
    fn into_open_error(self) -> OpenError {
        match self {
            Halt::Index(why) => OpenError::Index(why),
            Halt::Open(error) => error,
        }
    }
}

/// A store's folder, whatever its state.
pub(super) struct Place<'a> {
    options: &'a Options,
    pub(super) disk: &'a dyn Disk,
}

impl<'a> Place<'a> {
    /// The folder of these options.
    pub(super) fn of(options: &'a Options) -> Place<'a> {
        Place { options, disk: &*options.disk }
    }

    /// Where it lies.
    pub(super) fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// Something in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.options.folder.join(name)
    }

    /// The file system's errors, with what was attempted.
    pub(super) fn io<T>(
        &self,
        doing: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> Result<T, OpenError> {
        result.map_err(|source| OpenError::Io { doing, path: path.to_owned(), source })
    }

    fn read_mark(&self, name: &str) -> Result<Option<String>, OpenError> {
        let path = self.path(name);
        self.io("read", &path, read_text(self.disk, &path))
    }

    fn write_mark(&self, name: &str, text: &str) -> Result<(), OpenError> {
        let path = self.path(name);
        self.io("write", &path, write_whole(self.disk, &path, text.as_bytes()))
    }

    fn remove_mark(&self, name: &str) -> Result<(), OpenError> {
        let path = self.path(name);
        self.io("remove", &path, self.disk.remove(&path))?;
        self.io("sync", &self.options.folder, self.disk.sync_folder(&self.options.folder))
    }

    /// Keeps every other process out.
    pub(super) fn take_lock(&self, now: Timestamp) -> Result<LockFile, OpenError> {
        let folder = &self.options.folder;
        self.io("make the folder", folder, self.disk.create_folder(folder))?;
        let path = self.path("lock");
        lock::take(&path, &self.options.command, now).map_err(|error| match error {
            NoLock::Held(holder) => OpenError::Locked { folder: folder.clone(), holder },
            NoLock::Io(source) => OpenError::Io { doing: "lock", path, source },
        })
    }

    /// Whether there is room to work.
    pub(super) fn check_space(&self) -> Result<(), OpenError> {
        let (folder, floor_bytes) = (&self.options.folder, self.options.free_floor_bytes);
        if floor_bytes == 0 {
            return Ok(());
        }
        let free_bytes = self.io("find the free space of", folder, self.disk.free_bytes(folder))?;
        match free_bytes < floor_bytes {
            true => Err(OpenError::NoSpace { folder: folder.clone(), free_bytes, floor_bytes }),
            false => Ok(()),
        }
    }

    /// Reads the format, or makes a new store in an empty folder; true when new.
    fn check_format(&self) -> Result<bool, OpenError> {
        if self.has_format()? {
            return Ok(false);
        }
        let folder = &self.options.folder;
        let names = self.io("list", folder, self.disk.list(folder))?;
        let is_ours = |name: &str| name == "lock" || name == "lost+found" || name == "format.new";
        if let Some(other) = names.iter().find(|name| !is_ours(name)) {
            return Err(self.not_a_store(format!("it holds {other:?} but no file {FORMAT_FILE:?}")));
        }
        self.write_format()?;
        Ok(true)
    }

    /// Makes the folder a store.
    pub(super) fn write_format(&self) -> Result<(), OpenError> {
        self.write_mark(FORMAT_FILE, &format!("{FORMAT_WORDS} {FORMAT}\n"))
    }

    /// Refuses a folder that is no store.
    pub(super) fn need_format(&self) -> Result<(), OpenError> {
        match self.has_format()? {
            true => Ok(()),
            false => Err(self.not_a_store(format!("it holds no file {FORMAT_FILE:?}"))),
        }
    }

    /// Entries that the journal is known to have lost and that the index may still have.
    pub(super) fn marked_as_lost(&self) -> Result<Lost, OpenError> {
        Ok(self.read_mark(RESCUE)?.map_or_else(Lost::default, |text| Lost::parse(&text)))
    }

    /// Lets the next opening write to the journal again what the index has of these entries.
    pub(super) fn mark_as_lost(&self, lost: &Lost) -> Result<(), OpenError> {
        self.write_mark(RESCUE, &lost.to_string())
    }

    fn not_a_store(&self, why: String) -> OpenError {
        OpenError::NotAStore { folder: self.options.folder.clone(), why }
    }

    /// Whether there is a format that this program knows; false when there is none.
    fn has_format(&self) -> Result<bool, OpenError> {
        let folder = &self.options.folder;
        let not_a_store = |why: String| self.not_a_store(why);
        let Some(text) = self.read_mark(FORMAT_FILE)? else { return Ok(false) };
        let number = text.trim().strip_prefix(FORMAT_WORDS).map(str::trim).and_then(|text| text.parse().ok());
        match number {
            Some(FORMAT) => Ok(true),
            Some(found) if found > FORMAT => {
                Err(OpenError::TooNew { folder: folder.clone(), found, known: FORMAT })
            }
            _ => {
                Err(not_a_store(format!("its file {FORMAT_FILE:?} does not say \"{FORMAT_WORDS} {FORMAT}\"")))
            }
        }
    }

    fn open_index(&self, opening: &mut Opening) -> Result<(Index, Position), OpenError> {
        let folder = self.path("index");
        let suspicion = self.read_mark(SUSPECT)?;
        let why = if self.options.rebuild_index {
            "as asked".to_owned()
        } else if let Some(suspicion) = suspicion {
            format!("it was found damaged: {}", suspicion.trim())
        } else if !opening.is_new && !folder.is_dir() {
            "there was none".to_owned()
        } else {
            match Index::open(&folder, self.options.cache_bytes) {
                Err(why) => format!("it cannot be opened: {why}"),
                Ok(index) => match applied(&index) {
                    Ok(position) => return Ok((index, position)),
                    Err(error) => return self.set_aside(Some(index), &error.to_string(), opening).map(fresh),
                },
            }
        };
        self.set_aside(None, &why, opening).map(fresh)
    }

    /// Gives the index another name, and begins a new one.
    fn set_aside(&self, index: Option<Index>, why: &str, opening: &mut Opening) -> Result<Index, OpenError> {
        drop(index);
        let folder = self.path("index");
        let mut text = why.to_owned();
        if folder.is_dir() {
            let aside = aside::new_place(&self.options.folder);
            self.io("rename", &folder, self.disk.rename(&folder, &aside))?;
            text = format!("{why} (the old one is kept in {})", aside.display());
        }
        self.remove_mark(SUSPECT)?;
        opening.rebuilt_index = Some(match opening.rebuilt_index.take() {
            Some(before) => format!("{before}; then {text}"),
            None => text,
        });
        Index::open(&folder, self.options.cache_bytes).map_err(OpenError::Index)
    }

    /// What the engine had not synced is lost with the host, in whatever order the disk liked.
    fn check_after_host_crash(
        &self,
        index: Index,
        applied: &mut Position,
        opening: &mut Opening,
    ) -> Result<Index, OpenError> {
        let boot = self.read_mark(RUNNING)?.unwrap_or_default();
        let is_same_boot = boot.trim() == lock::boot();
        if opening.was_clean_stop || opening.is_new || is_same_boot || opening.rebuilt_index.is_some() {
            return Ok(index);
        }
        opening.was_index_checked = true;
        let mut report = CheckReport::default();
        let why = match check_index(&index, &self.options.meter, &mut report) {
            Ok(()) if report.is_clean() => return Ok(index),
            Ok(()) => report.problems.first().cloned().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        *applied = Position::start();
        self.set_aside(Some(index), &format!("the host stopped and left it damaged: {why}"), opening)
    }

    fn replay(&self, index: &Index, applied: Position, opening: &mut Opening) -> Result<Reading, Halt> {
        let from = match applied.sequence {
            0 => reading::From::Start,
            _ if opening.was_clean_stop => reading::From::Behind(applied),
            _ => reading::From::SegmentOf(applied),
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
        let finished = read.and_then(|reading| match replay.finish() {
            Ok(entries) => {
                opening.replayed_entries += entries;
                Ok(reading)
            }
            Err(error) => Err(Stopped::Taker(error)),
        });
        finished.map_err(|stopped| match stopped {
            Stopped::Io(path, source) => Halt::Open(OpenError::Io { doing: "read", path, source }),
            Stopped::Damaged(damage) => Halt::Open(OpenError::Damaged(damage)),
            Stopped::Taker(error) => Halt::Index(error.to_string()),
        })
    }

    /// Cuts an unfinished end off.
    fn mend_end(&self, reading: &Reading, opening: &mut Opening) -> Result<Position, OpenError> {
        let Some(tail) = &reading.tail else { return Ok(reading.end) };
        let path = self.path("journal").join(&tail.segment);
        if tail.offset < SEGMENT_HEADER_BYTES as u64 {
            self.io("remove", &path, self.disk.remove(&path))?;
            let folder = self.path("journal");
            self.io("sync", &folder, self.disk.sync_folder(&folder))?;
        } else {
            self.io("cut", &path, self.disk.truncate(&path, tail.offset))?;
        }
        opening.cut_tail = Some(tail.clone());
        Ok(reading.end)
    }

    /// Opens the journal for writing, and gives back to it what only the index still knows.
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
        // Behind damage a new file begins, so that the damaged one need not be read at every start.
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
            opening.rescued_rows = rescue::run(index, &mut journal, &lost).map_err(index_error)?;
            self.remove_mark(RESCUE)?;
        }
        Ok(journal)
    }

    fn start_marks(&self) -> Result<(), OpenError> {
        self.write_mark(RUNNING, &lock::boot())?;
        self.remove_mark(CLEAN)
    }
}

fn fresh(index: Index) -> (Index, Position) {
    (index, Position::start())
}

fn applied(index: &Index) -> Result<Position, StoreError> {
    match index.get(keys::APPLIED)? {
        Some(bytes) => Ok(value::decode::<Position>(keys::APPLIED, &bytes)?.value),
        None => Ok(Position::start()),
    }
}

fn put_position(index: &Index, position: Position) -> Result<(), StoreError> {
    let mut view = View::new(index);
    put_applied(&mut view, position);
    index.apply(&view.take_writes())
}

fn count_deliveries(engine: &Engine) -> Result<(), StoreError> {
    let shared = engine.index.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(index) = shared.as_ref() else { return Ok(()) };
    for row in index.prefix(&[keys::DELIVERIES]) {
        let (key, bytes) = row?;
        let number = value::decode_number(&key, &bytes)?.try_into().unwrap_or(i64::MAX);
        let status = key.last().copied().unwrap_or_default();
        if status == outbox::status_byte(DeliveryStatus::Pending) {
            engine.outbox_pending.fetch_add(number, Ordering::Relaxed);
        } else if status == outbox::status_byte(DeliveryStatus::Dead) {
            engine.outbox_dead.fetch_add(number, Ordering::Relaxed);
        }
    }
    Ok(())
}
