//! An open store: the journal, the index, the due queues, and the order in which they change.
//!
//! Owns: that a group is durable before it takes effect, that all of it takes effect at once, and the state "broken".
//! Must never know: what an operation means, who called.
//!
//! Locks are acquired in this order: journal, index, twin or tally, polls. Every change of the index is made under the
//! journal's lock. A reader of several rows holds the index lock, and so sees whole groups.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use jiff::Timestamp;

use super::disk::{Disk, write_whole};
use super::group::{GROUP_ROWS, Waiting};
use super::index::Index;
use super::index::facts;
use super::index::keys;
use super::index::tally::Tally;
use super::index::twin::Twin;
use super::index::view::{Effects, View};
use super::journal::Journal;
use super::journal::entry::Entry;
use super::maintenance::progress::Meter;
use super::mutex::locked;
use super::operations;
use super::postgres::{Database, Link, PAGE, unlinked};
use super::queue::polls::Polls;
use super::queue::signals::Signals;
use super::recovery::continuity::Known;
use super::recovery::lock::LockFile;
use super::recovery::place::{self, SUSPECT};
use super::recovery::replay::applied_row;
use super::types::{Options, StoreError};

/// Pulses written while others wait: takes some milliseconds.
const SLICE_PULSES: usize = 500;

/// What is new in a group.
pub(super) enum News<'a> {
    /// Facts of this process.
    Own(Vec<Vec<u8>>),
    /// Entries that another host has written to the original.
    Copied(&'a [Entry]),
}

impl News<'_> {
    fn is_empty(&self) -> bool {
        match self {
            News::Own(payloads) => payloads.is_empty(),
            News::Copied(entries) => entries.is_empty(),
        }
    }
}

/// See the module.
pub(super) struct Engine {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) journal: Mutex<Journal>,
    /// None once closed.
    pub(super) index: RwLock<Option<Index>>,
    /// Which object is polled next, and what polls without news have changed.
    pub(super) polls: Mutex<Polls>,
    /// A task that writes pending pulses is about to start.
    is_writing_pulses: AtomicBool,
    /// The compacted copy of the index, while it is being made.
    pub(super) twin: Mutex<Option<Twin>>,
    /// The counts of a running self-check.
    pub(super) tally: Mutex<Option<Tally>>,
    /// Held during a self-check.
    pub(super) checking: Mutex<()>,
    /// A check of the whole store is pending, as after a crash of the host.
    pub(super) owes_check: AtomicBool,
    /// The process is about to stop: abandon long work.
    pub(super) is_leaving: AtomicBool,
    /// Folders that a backup includes.
    pub(super) beside: Vec<String>,
    pub(super) cache_bytes: u64,
    pub(super) compact_above_bytes: u64,
    /// Operations that wait for the writer.
    pub(super) waiting: Mutex<Waiting>,
    broken: OnceLock<StoreError>,
    /// The database with the lease on a shared store; unset for a store of one host.
    pub(super) shared: OnceLock<Arc<Database>>,
    /// The latest date in facts from other hosts since the last question. Their clocks may be ahead.
    pub(super) copied_date: Mutex<Option<Timestamp>>,
    pub(super) signals: Signals,
    pub(super) outbox_pending: AtomicI64,
    pub(super) outbox_dead: AtomicI64,
    pub(super) synced_groups: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
    pub(super) journal_sequence: AtomicU64,
    pub(super) lock: Mutex<Option<LockFile>>,
    pub(super) meter: Meter,
}

impl Engine {
    /// Made of a journal, an index and due queues that agree.
    pub(super) fn new(
        options: &Options,
        journal: Journal,
        index: Index,
        polls: Polls,
        lock: LockFile,
    ) -> Engine {
        let (bytes, sequence) = (journal.total_bytes(), journal.end().sequence);
        Engine {
            disk: options.disk.clone(),
            folder: options.folder.clone(),
            meter: options.meter.clone(),
            journal: Mutex::new(journal),
            index: RwLock::new(Some(index)),
            polls: Mutex::new(polls),
            is_writing_pulses: AtomicBool::new(false),
            twin: Mutex::new(None),
            tally: Mutex::new(None),
            checking: Mutex::new(()),
            owes_check: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            beside: options.beside.clone(),
            cache_bytes: options.cache_bytes,
            compact_above_bytes: options.compact_above_bytes,
            waiting: Mutex::new(Waiting::default()),
            broken: OnceLock::new(),
            shared: OnceLock::new(),
            copied_date: Mutex::new(None),
            signals: Signals::default(),
            outbox_pending: AtomicI64::new(0),
            outbox_dead: AtomicI64::new(0),
            synced_groups: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(bytes),
            journal_sequence: AtomicU64::new(sequence),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Why nothing is acknowledged any more, if that is so.
    pub(super) fn trouble(&self) -> Option<&StoreError> {
        if self.broken.get().is_none()
            && let Some(why) = self.shared.get().and_then(|shared| shared.ended())
        {
            self.fail(StoreError::Broken(why));
        }
        self.broken.get()
    }

    /// Stops the store permanently. The first reason is kept. A damaged index is marked so that it is rebuilt.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        if let StoreError::Damaged(detail) = &error {
            // Writing the mark may fail too, on a failing disk; then the next opening finds the damage again.
            let _ = write_whole(&*self.disk, &self.folder.join(SUSPECT), detail.as_bytes());
        }
        self.broken.get_or_init(|| error).clone()
    }

    /// The index, for reading. No group takes effect while this is held.
    pub(super) fn shared_index(&self) -> RwLockReadGuard<'_, Option<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The polls, unless the store is closed, or shared and not this host's any more: then nothing is due here.
    pub(super) fn open_polls(&self) -> Result<MutexGuard<'_, Polls>, StoreError> {
        if let (Some(_), Some(error)) = (self.shared.get(), self.trouble()) {
            return Err(error.clone());
        }
        Some(locked(&self.polls)).filter(|polls| !polls.is_closed).ok_or(StoreError::Closed)
    }

    /// Reads the index, which then has everything that was acknowledged, and only whole groups.
    pub(super) fn with_index<T>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_pulses()?;
        work(self.shared_index().as_ref().ok_or(StoreError::Closed)?)
    }

    /// Makes a group durable in the journal, then lets all of it take effect at once. False: another host has written
    /// first; nothing was written, and nothing has taken effect.
    pub(super) fn take_effect(
        &self,
        journal: &mut Journal,
        news: News<'_>,
        effects: Effects,
    ) -> Result<bool, StoreError> {
        let Effects { mut writes, recounts, changes, pulses, polled_at, .. } = effects;
        let has_news = !news.is_empty();
        if has_news {
            let failed = |error| StoreError::Broken(format!("cannot write the journal: {error}"));
            let is_first_of_file = journal.begins_segment();
            let end = match news {
                News::Own(payloads) => journal.append(payloads),
                News::Copied(entries) => journal.copy(entries),
            };
            let Some(end) = end.map_err(failed)? else { return Ok(false) };
            if is_first_of_file {
                let folder = self.folder.join("journal");
                let known = Known::of_files(&*self.disk, &folder).map_err(failed)?;
                writes.insert(keys::JOURNAL.to_vec(), Some(known.row()));
            }
            writes.insert(keys::APPLIED.to_vec(), Some(applied_row(end)));
            self.synced_groups.fetch_add(1, Ordering::Relaxed);
            self.journal_bytes.store(journal.total_bytes(), Ordering::Relaxed);
            self.journal_sequence.store(end.sequence, Ordering::Relaxed);
        }
        {
            let alone = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let index = alone.as_ref().ok_or(StoreError::Closed)?;
            if !writes.is_empty() {
                if let Some(twin) = locked(&self.twin).as_mut() {
                    twin.mirror(&writes);
                }
                if let Some(tally) = locked(&self.tally).as_mut() {
                    tally.take(&recounts);
                }
                index.apply(&writes)?;
            }
            let mut polls = locked(&self.polls);
            if let Some(dated_from) = operations::dated_from_in(&writes)? {
                polls.dated_from = dated_from;
            }
            polls.take(pulses, &changes, polled_at);
        }
        self.outbox_pending.fetch_add(effects.pending_change, Ordering::Relaxed);
        self.outbox_dead.fetch_add(effects.dead_change, Ordering::Relaxed);
        let earlier =
            changes.iter().filter(|change| change.is_earlier()).map(|change| &change.object.account);
        if has_news {
            self.signals.written(journal.end().sequence);
        }
        self.signals.pulse(&earlier.collect::<BTreeSet<_>>(), effects.is_owed_earlier);
        Ok(true)
    }

    /// Writes entries of an original to the journal and applies them. They must be linked to the journal's end and to
    /// each other.
    pub(super) fn copy(&self, journal: &mut Journal, entries: &[Entry]) -> Result<(), StoreError> {
        let (mut left, mut date) = (entries, None);
        while !left.is_empty() {
            let (effects, number) = {
                let shared = self.shared_index();
                let mut view = View::over(shared.as_ref().ok_or(StoreError::Closed)?, &self.polls);
                let mut number = 0;
                while number < left.len() && view.rows() < GROUP_ROWS {
                    let Entry { sequence, payload, .. } = &left[number];
                    let fact = facts::decode(payload)
                        .map_err(|why| StoreError::Broken(format!("journal entry {sequence} {why}")))?;
                    facts::apply(&fact, *sequence, &mut view)?;
                    date = date.max(fact.date());
                    number += 1;
                }
                (view.effects, number)
            };
            let (now, later) = left.split_at(number);
            self.take_effect(journal, News::Copied(now), effects)?;
            left = later;
        }
        let mut copied_date = locked(&self.copied_date);
        *copied_date = copied_date.max(date);
        Ok(())
    }

    /// Reads what other hosts have written and applies it. Does nothing on a store of one host.
    pub(super) fn catch_up(&self) -> Result<(), StoreError> {
        self.catch_up_in(&mut locked(&self.journal)).map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        })
    }

    /// The same, for a caller that holds the journal.
    pub(super) fn catch_up_in(&self, journal: &mut Journal) -> Result<(), StoreError> {
        let Some(database) = self.shared.get() else { return Ok(()) };
        loop {
            let end = Link::of(journal.end());
            let rows = database.read_patiently(end.sequence).map_err(StoreError::Broken)?;
            if rows.is_empty() {
                return Ok(());
            }
            let is_last = rows.len() < PAGE as usize;
            if let Some(broken) = unlinked(end, &rows) {
                let why = format!("row {broken} of the database is not linked to the row before it");
                return Err(StoreError::Broken(why));
            }
            self.copy(journal, &rows)?;
            // Rows that arrive now are left for the next call: another host may never stop writing.
            if is_last {
                return Ok(());
            }
        }
    }

    /// Writes all pending pulses, a slice at a time.
    ///
    /// # Errors
    /// Why the index cannot be written; the store has then stopped.
    pub(super) fn write_pulses(&self) -> Result<(), StoreError> {
        if self.trouble().is_some() {
            // What the index has can still be read.
            return Ok(());
        }
        let keys = locked(&self.polls).begin_writing();
        keys.chunks(SLICE_PULSES)
            .try_for_each(|keys| self.write_some_pulses(&mut locked(&self.journal), keys))
    }

    fn write_some_pulses(&self, journal: &mut Journal, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        let effects = {
            let shared = self.shared_index();
            let mut view = View::over(shared.as_ref().ok_or(StoreError::Closed)?, &self.polls);
            view.write_pulses(keys);
            view.effects
        };
        let written = self.take_effect(journal, News::Own(Vec::new()), effects);
        written.map(|_| ()).map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        })
    }

    /// Writes pending pulses in the background if there are many, or if one has been pending for long. Otherwise cheap.
    pub(super) fn write_pulses_if_worth_it(self: &Arc<Self>, now: Option<Timestamp>) {
        let is_worth_it = {
            let polls = locked(&self.polls);
            polls.is_worth_a_batch() || now.is_some_and(|now| polls.is_overdue(now))
        };
        if is_worth_it && !self.is_writing_pulses.swap(true, Ordering::AcqRel) {
            let engine = Arc::downgrade(self);
            crate::blocking::run(move || {
                let Some(engine) = engine.upgrade() else { return };
                engine.is_writing_pulses.store(false, Ordering::Release);
                // A failure stops the store, and the next caller gets the error.
                let _ = engine.write_pulses();
            });
        }
    }

    /// Releases the folder without writing anything, as a crash would, but only once readers and the writer are done.
    pub(super) fn let_go(&self) {
        let _writer_waits = locked(&self.journal);
        if let Some(shared) = self.shared.get() {
            shared.abandon();
        }
        drop(self.index.write().unwrap_or_else(PoisonError::into_inner).take());
        drop(locked(&self.lock).take());
    }

    /// Writes what is pending and releases the folder. Leaves the mark of a clean stop if all went well.
    pub(super) fn release(&self, was_well: bool) -> Result<(), StoreError> {
        let mut journal = locked(&self.journal);
        let pending = locked(&self.polls).close();
        let written = match self.trouble() {
            None => self.write_some_pulses(&mut journal, &pending),
            Some(_) => Ok(()),
        };
        let index = self.index.write().unwrap_or_else(PoisonError::into_inner).take();
        let flushed = written.and_then(|()| {
            let Some(index) = &index else { return Ok(()) };
            if was_well {
                let (queue, last) = (&locked(&self.polls).queue, journal.end().sequence);
                place::leave_queue(&*self.disk, &self.folder, index, queue, last)?;
            }
            index.flush()
        });
        let was_written_to = index.is_some_and(|index| index.has_been_written_to());
        let marked = match was_well && flushed.is_ok() {
            true => place::mark_clean(&*self.disk, &self.folder, journal.end().sequence)
                .map_err(|error| StoreError::Broken(format!("cannot mark the clean stop: {error}"))),
            false => Ok(()),
        };
        if was_written_to && flushed.is_ok() && marked.is_ok() {
            // This only makes the next opening quicker: a kill here loses nothing.
            let _ = Index::settle(&self.folder.join("index"), self.cache_bytes);
        }
        locked(&self.lock).take();
        if let Some(shared) = self.shared.get() {
            shared.release();
        }
        flushed.and(marked)
    }
}
