//! A handle on the open store, with every method that others use (those of the outbox are in `outbox`).
//!
//! Owns: these methods, and where each one runs: on the caller's thread if its data is in memory, on the runtime's
//! blocking pool if it reads the disk, in a group if it writes. Must never know: how a method keeps its promise.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use crate::blocking;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Enrolment, Record, Transition};

use super::changes::{self, Followed, Follower};
use super::due;
use super::engine::Engine;
use super::group::{Group, Input};
use super::index::{Index, lists};
use super::mutex::locked;
use super::operations;
use super::postgres::{self, Fleet};
use super::queue::Moment;
use super::recovery::open;
use super::types::{
    Announced, Commit, Committed, Count, Cursor, Due, Enrolled, Filter, Life, OpenError, Opening, Options,
    Page, Stats, StoreError,
};

/// The most enrolments or poll requests in one journal entry.
const CHUNK: usize = 500;

/// A handle on the store of this process; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) engine: Arc<Engine>,
    _held: Arc<Held>,
}

/// Dropped with the last handle. From then on the folder is free, even if background work has not ended.
struct Held(Arc<Engine>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("folder", &self.engine.folder).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a store, or creates one in a folder that is empty or missing. A second process that tries to open it is
    /// shown `now`. Errors: see [`OpenError`]. [`Opening`] says what was found and repaired on the way.
    pub async fn open(options: Options, now: Timestamp) -> Result<(Store, Opening), OpenError> {
        let opened = blocking::run(move || match &options.shared {
            None => open::open(&options, now),
            Some(shared) => postgres::open(&options, shared, now),
        });
        let opened = opened.await;
        let (engine, opening) =
            opened.map_err(|error| OpenError::Index(format!("opening did not finish: {error}")))??;
        let engine = Arc::new(engine);
        postgres::keep_following(&engine);
        let held = Arc::new(Held(Arc::clone(&engine)));
        Ok((Store { engine, _held: held }, opening))
    }

    /// Starts watching objects; returns one answer for each, in order. Enrolling an object again only adds details
    /// that were missing. Chunks become durable one by one: after an error some objects may be enrolled, so enrol all
    /// of them again.
    pub async fn enrol(
        &self,
        enrolments: Vec<Enrolment>,
        now: Timestamp,
    ) -> Result<Vec<Enrolled>, StoreError> {
        self.in_chunks(enrolments, move |group, chunk| operations::enrol(group, chunk, now)).await
    }

    /// A record by its full name.
    pub async fn record(&self, object: &ObjectRef) -> Result<Option<Record>, StoreError> {
        let (engine, object) = (Arc::clone(&self.engine), object.clone());
        self.blocking(move || due::record(&engine, &object)).await
    }

    /// All records with this id, whatever their account and kind.
    pub async fn find(&self, id: &ObjectId) -> Result<Vec<Record>, StoreError> {
        let id = id.clone();
        self.read(move |index| lists::find(index, &id)).await
    }

    /// Up to `limit` records that are due, in the order in which to poll them: first those that an operator asked for,
    /// then those near a deadline, except that every fourth is the longest overdue of all. Nothing is marked: a record
    /// already in flight is returned again, so raise `limit` by the number in flight.
    pub async fn due(
        &self,
        account: &AccountName,
        kind: &Kind,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        match self.due_or_later(account, kind, now, SignedDuration::MAX, limit).await? {
            Due::Now(records) => Ok(records),
            Due::Later(_) => Ok(Vec::new()),
        }
    }

    /// Like [`Store::due`]; if nothing is due, returns what [`Store::next_due`] would. `longest` is the longest wait
    /// that any rule sets: a record that waits longer was written by a clock that was ahead, and is due now.
    pub async fn due_or_later(
        &self,
        account: &AccountName,
        kind: &Kind,
        now: Timestamp,
        longest: SignedDuration,
        limit: usize,
    ) -> Result<Due, StoreError> {
        let moment = Moment::new(now, longest);
        {
            let polls = self.engine.open_polls()?;
            if polls.queue.due(account, kind, moment, 1).is_empty() {
                return Ok(Due::Later(polls.queue.next_due(account, kind)));
            }
        }
        let (engine, account, kind) = (Arc::clone(&self.engine), account.clone(), kind.clone());
        self.blocking(move || due::due(&engine, &account, &kind, moment, limit)).await
    }

    /// When the next record of an account and kind is due; in the past if some are due already.
    pub async fn next_due(
        &self,
        account: &AccountName,
        kind: &Kind,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.engine.open_polls()?.queue.next_due(account, kind))
    }

    /// Writes polls without news in the background if one of them is a minute old; after a crash, those not yet written
    /// are repeated. Cheap when there is nothing to do. Call it at least every minute while anything is polled.
    pub fn write_old_polls(&self, now: Timestamp) {
        self.engine.write_pulses_if_worth_it(Some(now));
    }

    /// Writes everything that follows from a poll, or nothing if the record has changed since it was read.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        match self.engine.commit_pulse(commit) {
            Ok(committed) => committed,
            Err(commit) => {
                let mut commit = Input::new(commit);
                self.engine.write(move |group| operations::commit(group, *commit.get(group))).await
            }
        }
    }

    /// An operator wants these objects polled now, before all others; finished ones are polled once, too. False for
    /// each object that is not known.
    pub async fn ask(&self, objects: Vec<ObjectRef>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        self.in_chunks(objects, move |group, chunk| operations::ask(group, chunk, now)).await
    }

    /// A hint that there is news: the object is due now, without priority. False if the object is unknown or waits for
    /// no poll; only [`Store::ask`] makes a finished object due. Not journaled: a crash loses only the hint.
    pub async fn hint(&self, object: &ObjectRef, now: Timestamp) -> Result<bool, StoreError> {
        let object = object.clone();
        self.engine.write(move |group| operations::hint(group, &object, now)).await
    }

    /// The provider announced news of these objects: each is due now, before others that are merely due. Durable when it
    /// returns, unlike [`Store::hint`]. A commit of what was read before is stale then, also if the object was due already.
    pub async fn announce(
        &self,
        objects: Vec<ObjectRef>,
        now: Timestamp,
    ) -> Result<Vec<Announced>, StoreError> {
        self.in_chunks(objects, move |group, chunk| operations::announce(group, chunk, now)).await
    }

    /// A follower of the changes of objects that has seen everything up to this journal entry; none: everything that
    /// there is.
    pub fn follow(&self, after: Option<u64>) -> Follower {
        changes::follow(&self.engine, after)
    }

    /// What a follower has not seen yet, a page at a time. The follower is returned in its new place.
    pub async fn read_on(&self, mut follower: Follower) -> Result<(Followed, Follower), StoreError> {
        let engine = Arc::clone(&self.engine);
        let read = blocking::run(move || {
            let followed = changes::read_on(&engine, &mut follower)?;
            Ok((followed, follower))
        });
        read.await.unwrap_or_else(|error| Err(StoreError::Broken(format!("reading did not finish: {error}"))))
    }

    /// The last journal entry, and a signal whenever there is another.
    pub fn journal_signal(&self) -> watch::Receiver<u64> {
        self.engine.signals.journal()
    }

    /// Up to `limit` unfinished objects whose ids begin with `beginning`, whatever their account and kind.
    pub async fn open_beginning_with(
        &self,
        beginning: &str,
        limit: usize,
    ) -> Result<Vec<ObjectRef>, StoreError> {
        let beginning = beginning.to_owned();
        self.read(move |index| lists::open_beginning_with(index, &beginning, limit)).await
    }

    /// Stops watching an object: its record is removed, and its history stays, with a last row `forgotten by ...` whose
    /// outcome is undecided. False if the object is not known.
    pub async fn forget(&self, object: &ObjectRef, now: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (object, by) = (object.clone(), by.to_owned());
        self.engine.write(move |group| operations::forget(group, &object, now, &by)).await
    }

    /// Bytes that may still be written on the volume of the store.
    pub async fn free_bytes(&self) -> std::io::Result<u64> {
        let engine = Arc::clone(&self.engine);
        let found = blocking::run(move || engine.disk.free_bytes(&engine.folder)).await;
        found.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())))
    }

    /// All changes of an object's state, oldest first; they outlive the record.
    pub async fn history(&self, object: &ObjectRef) -> Result<Vec<Transition>, StoreError> {
        let object = object.clone();
        self.read(move |index| lists::history(index, &object)).await
    }

    /// The histories of some objects, in the given order, as [`Store::history`] gives them. All are read at once: ask
    /// for some hundreds at a time.
    pub async fn histories(&self, objects: Vec<ObjectRef>) -> Result<Vec<Vec<Transition>>, StoreError> {
        self.read(move |index| objects.iter().map(|object| lists::history(index, object)).collect()).await
    }

    /// Everything known about some objects, in the given order. All are read at once: ask for some hundreds at a time.
    pub async fn lives(&self, objects: Vec<ObjectRef>) -> Result<Vec<Life>, StoreError> {
        self.read(move |index| objects.iter().map(|object| lists::life(index, object)).collect()).await
    }

    /// Changes of state observed in `[from, to)`, ordered by time, object and sequence.
    pub async fn transitions(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Transition>, StoreError> {
        self.read(move |index| lists::transitions(index, from, to, after.as_ref(), limit)).await
    }

    /// Records that match, ordered by id. Scans all records, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Record>, StoreError> {
        let filter = filter.clone();
        self.read(move |index| lists::list(index, &filter, after.as_ref(), limit)).await
    }

    /// Unfinished records, ordered by id; finished ones are not read.
    pub async fn open_objects(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Record>, StoreError> {
        let filter = Filter { finished: Some(false), ..Filter::default() };
        self.list(&filter, after, limit).await
    }

    /// How many records share account, kind, phase and so on; kept up to date by every commit.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.read(lists::counts).await
    }

    /// Of the objects that are moving and wait for a poll, the one created first, and when it was created.
    pub async fn oldest_moving(&self) -> Result<Option<(ObjectRef, Timestamp)>, StoreError> {
        Ok(self.engine.open_polls()?.queue.oldest_moving())
    }

    /// How many objects that are moving and wait for a poll are younger than each bound (in seconds, rising) and not
    /// younger than the one before it; the last number is that of the older ones.
    pub async fn moving_ages(&self, now: Timestamp, bounds_s: &[u64]) -> Result<Vec<u64>, StoreError> {
        Ok(self.engine.open_polls()?.queue.moving_ages(now, bounds_s))
    }

    /// From now on nothing is dated before `until`, whatever the wall clock says, so a report about the time before
    /// `until` can be published permanently.
    pub async fn seal_history(&self, until: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |group| operations::seal_history(group, until)).await
    }

    /// Undoes the seal of a clock that was ahead, on days that are not over: nothing later than `now` is sealed any
    /// more. True if something was.
    pub async fn unseal_history(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.engine.write(move |group| operations::unseal_history(group, now)).await
    }

    /// Keeps a small value under a name (a schedule done, a report made).
    pub async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.engine.write(move |group| operations::remember(group, &name, &value)).await
    }

    /// Keeps a small value under a name that has none. False if it has one, which stays.
    pub async fn remember_new(&self, name: &str, value: &str) -> Result<bool, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.engine.write(move |group| operations::remember_new(group, &name, &value)).await
    }

    /// A remembered value.
    pub async fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        let engine = Arc::clone(&self.engine);
        let work = move || lists::recall(engine.shared_index().as_ref().ok_or(StoreError::Closed)?, &name);
        self.blocking(work).await
    }

    /// All remembered values whose name starts with `prefix`, by name.
    pub async fn recall_all(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |index| lists::recall_all(index, &prefix)).await
    }

    /// Up to `limit` remembered values whose name is at least `from` and below `before`, the last name first.
    pub async fn recall_backwards(
        &self,
        from: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let (from, before) = (from.to_owned(), before.to_owned());
        self.read(move |index| lists::recall_backwards(index, &from, &before, limit)).await
    }

    /// How the store is doing. Cheap, and never waits.
    pub fn stats(&self) -> Stats {
        let engine = &self.engine;
        let positive = |number: i64| u64::try_from(number).unwrap_or_default();
        Stats {
            journal_bytes: engine.journal_bytes.load(Ordering::Relaxed),
            journal_sequence: engine.journal_sequence.load(Ordering::Relaxed),
            synced_groups: engine.synced_groups.load(Ordering::Relaxed),
            index_bytes: Index::file_bytes(&engine.folder.join("index")),
            outbox_pending: positive(engine.outbox_pending.load(Ordering::Relaxed)),
            outbox_dead: positive(engine.outbox_dead.load(Ordering::Relaxed)),
            broken: engine.trouble().map(ToString::to_string),
            work: engine.meter.progress(),
        }
    }

    /// The hosts that share the store; none for a store of one host.
    pub fn fleet(&self) -> Option<Fleet> {
        self.engine.shared.get().cloned().map(Fleet)
    }

    /// Returns when this host knows everything that other hosts had written before the call. On a store of one host,
    /// returns at once.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || engine.catch_up()).await
    }

    /// The latest date in facts from other hosts since the last call. Their clocks may be ahead. At first it is unknown,
    /// and so the latest possible date.
    pub fn take_copied_date(&self) -> Option<Timestamp> {
        locked(&self.engine.copied_date).take()
    }

    /// Waits until this host may not work on a shared store any more, and returns why: the process must end. Waits
    /// permanently on a store of one host.
    pub async fn lease_ended(&self) -> StoreError {
        let Some(shared) = self.engine.shared.get() else { return std::future::pending().await };
        let mut signal = shared.ended_signal();
        // The signal lives as long as the store.
        let _ = signal.wait_for(Option::is_some).await;
        self.failure().unwrap_or(StoreError::Closed)
    }

    /// Why nothing is acknowledged any more, if that is so: the process must end, and open the store again.
    pub fn failure(&self) -> Option<StoreError> {
        self.engine.trouble().cloned()
    }

    /// Whether the last caller has closed the store. If the store is shared, this host may send nothing after that.
    pub fn is_closed(&self) -> bool {
        matches!(self.engine.open_polls(), Err(StoreError::Closed))
    }

    /// A number that grows while upkeep makes progress ([`super::Meter::ticks`]).
    pub fn upkeep_ticks(&self) -> u64 {
        self.engine.meter.ticks()
    }

    /// The number of pending deliveries, due now or later. It comes from memory: at 0, callers can skip their queries.
    pub fn outbox_pending(&self) -> u64 {
        u64::try_from(self.engine.outbox_pending.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Signaled whenever an object of the account becomes due earlier than before (enrolled, requested by an operator,
    /// hinted, found as a child or rescheduled), so that a task that sleeps until [`Store::next_due`] checks again. One
    /// waiter per account; a signal that nobody waits for is kept.
    pub fn due_signal(&self, account: &AccountName) -> Arc<Notify> {
        self.engine.signals.of(account)
    }

    /// Signaled whenever a delivery becomes pending, so that a task that sleeps until [`Store::next_owed`] checks
    /// again.
    pub fn outbox_signal(&self) -> Arc<Notify> {
        self.engine.signals.outbox()
    }

    /// The same for the loop of one target, which has its own signal.
    pub fn target_signal(&self, target: &str) -> Arc<Notify> {
        self.engine.signals.of_target(target)
    }

    /// Submits a long list to the writer in chunks, without waiting in between, so that chunks share groups.
    async fn in_chunks<I: Clone + Send + 'static, O: Send + 'static>(
        &self,
        items: Vec<I>,
        work: impl Fn(&mut Group<'_>, Vec<I>) -> Result<Vec<O>, StoreError> + Clone + Send + 'static,
    ) -> Result<Vec<O>, StoreError> {
        if items.len() <= CHUNK {
            let mut items = Input::new(items);
            return self.engine.write_here(move |group| work(group, items.get(group))).await;
        }
        let mut results = Vec::with_capacity(items.len());
        let mut waiting = Vec::with_capacity(items.len() / CHUNK + 1);
        let mut items = items.into_iter();
        loop {
            let chunk: Vec<I> = items.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let (work, mut chunk) = (work.clone(), Input::new(chunk));
            waiting.push(self.engine.submit(move |group| work(group, chunk.get(group)))?);
        }
        for answer in waiting {
            results.extend(self.engine.wait(answer).await?);
        }
        Ok(results)
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || engine.with_index(work)).await
    }

    /// Runs off the runtime's own threads. A store that has stopped writing still answers reads, because the index
    /// never has facts that the journal lacks. Only damage stops everything.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = match blocking::run(work).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Broken(format!("a read did not finish: {error}"))),
        };
        result.map_err(|error| match error {
            StoreError::Damaged(_) => self.engine.fail(error),
            other => other,
        })
    }
}
