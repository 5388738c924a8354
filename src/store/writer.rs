//! The one writer: whoever finds it idle leads, and serves all who come meanwhile in groups.
//!
//! Owns: the group (facts, one write and sync of the journal, acknowledgements; the index follows, `behind.rs`),
//! and the state "broken". Must never know: what an operation means.
//!
//! There is no thread of its own: the leader runs on the runtime's blocking pool, which also keeps a test's
//! paused time from running ahead.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use tokio::sync::oneshot;

use super::behind::{Following, Part};
use super::check::Tally;
use super::compact::Twin;
use super::continuity::Known;
use super::disk::{Disk, write_whole};
use super::entry::PAYLOAD_LIMIT_BYTES;
use super::facts::{self, Fact};
use super::index::Index;
use super::journal::{Journal, Position};
use super::lock::LockFile;
use super::meter::Meter;
use super::signals::Signals;
use super::types::{Options, StoreError};
use super::view::View;
use super::{keys, value};

/// Operations of one group.
const GROUP_OPERATIONS: usize = 512;
/// Journal bytes after which a group takes no more operations.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Rows of the index after which a group takes no more operations: readers wait while they are written.
pub(super) const GROUP_ROWS: usize = 6000;

/// A group in the making.
pub(super) struct Group<'a> {
    /// The index as the group leaves it.
    pub(super) view: View<'a>,
    payloads: Vec<Vec<u8>>,
    bytes: usize,
    next_sequence: u64,
}

impl Group<'_> {
    fn has_room(&self) -> bool {
        self.bytes < GROUP_BYTES && self.view.rows() < GROUP_ROWS
    }

    /// Lets a fact take effect and puts it down for the journal.
    pub(super) fn write(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let payload = facts::encode(fact);
        if payload.len() > PAYLOAD_LIMIT_BYTES {
            return Err(StoreError::TooLarge { bytes: payload.len(), limit_bytes: PAYLOAD_LIMIT_BYTES });
        }
        facts::apply(fact, self.next_sequence, &mut self.view)?;
        self.bytes += payload.len();
        self.payloads.push(payload);
        self.next_sequence += 1;
        Ok(())
    }
}

/// A group that is written, or not.
struct Finished {
    acknowledgements: Vec<Acknowledge>,
    outcome: Result<(), StoreError>,
    goes_on: bool,
}

type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Comes once the group is durable.
type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;
type Operation = Box<dyn FnOnce(&mut Group<'_>) -> (Acknowledge, Option<StoreError>) + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Operation>,
    has_leader: bool,
}

/// An open store.
pub(super) struct Engine {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folder: PathBuf,
    pub(super) journal: Mutex<Journal>,
    /// None once closed. Alone with it is who closes or exchanges it.
    pub(super) index: RwLock<Option<Index>>,
    /// What the index has not yet.
    pub(super) following: Following,
    /// A smaller copy of the index in the making; locked behind the index.
    pub(super) twin: Mutex<Option<Twin>>,
    /// Of a self-check under way; locked behind the index.
    pub(super) tally: Mutex<Option<Tally>>,
    /// Held for the time of a self-check.
    pub(super) checking: Mutex<()>,
    /// The index was not compared with itself since the host stopped.
    pub(super) owes_check: AtomicBool,
    /// Somebody wants the store to leave off long work.
    pub(super) is_leaving: AtomicBool,
    /// Folders that a backup takes along.
    pub(super) beside: Vec<String>,
    pub(super) cache_bytes: u64,
    pub(super) compact_above_bytes: u64,
    queue: Mutex<Queue>,
    broken: OnceLock<StoreError>,
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
    /// Over a journal and an index that agree.
    pub(super) fn new(options: &Options, journal: Journal, index: Index, lock: LockFile) -> Engine {
        let (bytes, sequence) = (journal.total_bytes(), journal.end().sequence);
        Engine {
            disk: options.disk.clone(),
            folder: options.folder.clone(),
            meter: options.meter.clone(),
            journal: Mutex::new(journal),
            index: RwLock::new(Some(index)),
            following: Following::default(),
            twin: Mutex::new(None),
            tally: Mutex::new(None),
            checking: Mutex::new(()),
            owes_check: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            beside: options.beside.clone(),
            cache_bytes: options.cache_bytes,
            compact_above_bytes: options.compact_above_bytes,
            queue: Mutex::new(Queue::default()),
            broken: OnceLock::new(),
            signals: Signals::default(),
            outbox_pending: AtomicI64::new(0),
            outbox_dead: AtomicI64::new(0),
            synced_groups: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(bytes),
            journal_sequence: AtomicU64::new(sequence),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Why nothing is acknowledged any more, if so.
    pub(super) fn trouble(&self) -> Option<&StoreError> {
        self.broken.get()
    }

    /// Stops the store for good. The first reason stays. A damaged index is marked, to be made anew.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        if let StoreError::Damaged(detail) = &error {
            // The mark may fail with the disk that failed before; then the next opening finds out itself.
            let _ = write_whole(&*self.disk, &self.folder.join(super::open::SUSPECT), detail.as_bytes());
        }
        self.broken.get_or_init(|| error).clone()
    }

    /// Runs an operation in a group, and returns when the group is durable.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.submit(work)?;
        self.wait(answer).await
    }

    /// The same for one who waits alone: if nobody else is writing, the group is made and synced on this thread.
    pub(super) async fn write_here<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, leadership) = self.enqueue(work)?;
        if let Some(leadership) = leadership {
            let lead_one = move || {
                let mut leadership = leadership;
                leadership.lead_one();
                leadership
            };
            match crate::blocking::here(lead_one) {
                Ok(leadership) if leadership.is_over => {}
                // Whoever came meanwhile is served elsewhere.
                Ok(leadership) => drop(crate::blocking::run(move || leadership.lead())),
                Err(undone) => drop(crate::blocking::run(move || undone().lead())),
            }
        }
        self.wait(answer).await
    }

    /// Queues an operation; what it returns comes through the channel once the group is durable.
    pub(super) fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (answer, leadership) = self.enqueue(work)?;
        if let Some(leadership) = leadership {
            crate::blocking::run(move || leadership.lead());
        }
        Ok(answer)
    }

    /// Queues an operation, and says who has to serve the queue if nobody does.
    fn enqueue<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(Answer<T>, Option<Leadership>), StoreError> {
        if let Some(error) = self.trouble() {
            return Err(error.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let operation: Operation = Box::new(move |group| {
            let result = work(group);
            let fatal = result.as_ref().err().filter(|error| error.is_fatal()).cloned();
            let acknowledge: Acknowledge = Box::new(move |outcome| {
                // Whoever asked may have gone; the work is done all the same.
                let _ = sender.send(outcome.and(result));
            });
            (acknowledge, fatal)
        });
        let mut queue = locked(&self.queue);
        queue.waiting.push_back(operation);
        let is_led = std::mem::replace(&mut queue.has_leader, true);
        drop(queue);
        let leadership = (!is_led).then(|| Leadership { engine: Arc::downgrade(self), is_over: false });
        Ok((receiver, leadership))
    }

    /// The end of [`Engine::submit`].
    pub(super) async fn wait<T>(&self, answer: Answer<T>) -> Result<T, StoreError> {
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(self.trouble().cloned().unwrap_or(StoreError::Closed)),
        }
    }

    /// Takes the next operation.
    fn next_operation(&self) -> Option<Operation> {
        locked(&self.queue).waiting.pop_front()
    }

    /// One group. Whether the leader goes on is decided before anybody is told of the outcome: whoever drops
    /// the store after its last answer finds it free.
    fn run_group(self: &Arc<Self>) -> Finished {
        let mut acknowledgements = Vec::new();
        let outcome = self.build_and_write(&mut locked(&self.journal), &mut acknowledgements);
        let outcome = outcome.map_err(|error| match error {
            StoreError::Closed => error,
            other => self.fail(other),
        });
        let goes_on = match outcome {
            Ok(()) => self.has_more(),
            Err(_) => self.drop_waiting(),
        };
        Finished { acknowledgements, outcome, goes_on }
    }

    /// Whether somebody waits; else the leader has resigned.
    fn has_more(&self) -> bool {
        let mut queue = locked(&self.queue);
        queue.has_leader = !queue.waiting.is_empty();
        queue.has_leader
    }

    /// Lets all who wait know (by the end of their channels) that there is no writer any more.
    fn drop_waiting(&self) -> bool {
        let mut queue = locked(&self.queue);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.has_leader = false;
        drop(queue);
        drop(waiting);
        false
    }

    fn build_and_write(
        self: &Arc<Self>,
        journal: &mut Journal,
        acknowledgements: &mut Vec<Acknowledge>,
    ) -> Result<(), StoreError> {
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = shared.as_ref().ok_or(StoreError::Closed)?;
        let mut group = Group {
            view: View::over(index, &self.following),
            payloads: Vec::new(),
            bytes: 0,
            next_sequence: journal.end().sequence + 1,
        };
        let mut quiet_steps = 0;
        while acknowledgements.len() < GROUP_OPERATIONS && group.has_room() {
            let Some(operation) = self.next_operation() else { break };
            let told = group.payloads.len();
            let (acknowledge, fatal) = operation(&mut group);
            quiet_steps += usize::from(group.payloads.len() == told);
            acknowledgements.push(acknowledge);
            if let Some(error) = fatal {
                return Err(error);
            }
        }
        let Group { mut view, payloads, .. } = group;
        let (mut writes, recounts) = (view.take_writes(), std::mem::take(&mut view.recounts));
        let View { due_earlier, is_owed_earlier, pending_change, dead_change, quiet_since, .. } = view;
        // The index may be brought up to date while the journal is written.
        drop(shared);
        if !payloads.is_empty() {
            let failed = |error| StoreError::Broken(format!("the journal cannot be written: {error}"));
            let is_first_of_file = journal.begins_segment();
            let end = journal.append(&payloads).map_err(failed)?;
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
        self.follow(Part { writes, recounts, quiet_steps, quiet_since })?;
        self.fill_if_wanted();
        self.outbox_pending.fetch_add(pending_change, Ordering::Relaxed);
        self.outbox_dead.fetch_add(dead_change, Ordering::Relaxed);
        self.signals.pulse(&due_earlier, is_owed_earlier);
        Ok(())
    }

    /// Lets go of everything; with a mark when all went well.
    pub(super) fn release(&self, was_well: bool) -> Result<(), StoreError> {
        let journal = locked(&self.journal);
        let caught_up = self.catch_up();
        let index = self.index.write().unwrap_or_else(PoisonError::into_inner).take();
        let flushed = caught_up.and_then(|()| index.as_ref().map_or(Ok(()), Index::flush));
        let was_written_to = index.is_some_and(|index| index.has_been_written_to());
        let marked = match was_well && flushed.is_ok() {
            true => super::open::mark_clean(&*self.disk, &self.folder, journal.end().sequence)
                .map_err(|error| StoreError::Broken(format!("the clean stop cannot be marked: {error}"))),
            false => Ok(()),
        };
        if was_written_to && flushed.is_ok() && marked.is_ok() {
            // Only the next opening gains by it: whoever kills this process here loses nothing.
            let _ = Index::settle(&self.folder.join("index"), self.cache_bytes);
        }
        locked(&self.lock).take();
        flushed.and(marked)
    }
}

/// Puts down how far the journal is applied.
pub(super) fn put_applied(view: &mut View<'_>, end: Position) {
    view.put(keys::APPLIED.to_vec(), applied_row(end));
}

fn applied_row(end: Position) -> Vec<u8> {
    value::encode(&end, end.sequence)
}

/// The right and duty to serve the queue. It does not keep the store open: who waits does.
struct Leadership {
    engine: Weak<Engine>,
    is_over: bool,
}

impl Leadership {
    fn lead(mut self) {
        while !self.is_over {
            self.lead_one();
        }
    }

    fn lead_one(&mut self) {
        let Some(engine) = self.engine.upgrade() else {
            self.is_over = true;
            return;
        };
        let finished = engine.run_group();
        drop(engine);
        self.is_over = !finished.goes_on;
        for acknowledge in finished.acknowledgements {
            acknowledge(finished.outcome.clone());
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade().filter(|_| !self.is_over) {
            let _ = engine.fail(StoreError::Broken("the writer stopped in the middle".to_owned()));
            engine.drop_waiting();
        }
    }
}

/// A lock whose holder cannot leave half-done work behind: after a panic the store is broken anyway.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
