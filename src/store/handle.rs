//! A handle on the open store: every verb that others use.
//!
//! Owns: the verbs, and where each runs: on the caller's thread what is in memory, on the runtime's blocking pool what
//! reads the disk, in a group what writes. Must never know: how a verb does what it promises.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::blocking;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Enrolment, Record, Transition};

use super::due;
use super::engine::Engine;
use super::group::Group;
use super::index::{Index, lists, outbox};
use super::operations;
use super::queue::Moment;
use super::recovery::open;
use super::types::{
    AlertFilter, AlertRow, Commit, Committed, Count, Cursor, Delivery, Due, Enrolled, Filter, Life,
    OpenError, Opening, Options, Owed, OwedAlert, Page, Stats, StoreError,
};

/// Enrolments or questions that share a journal entry.
const CHUNK: usize = 500;

/// A handle on the store of this process; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) engine: Arc<Engine>,
    _held: Arc<Held>,
}

/// Dropped with the last handle: from then on the folder is free, even if work in the background had not ended.
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
    /// Opens a store, or makes one in a folder that is empty or missing. `now` is shown to a process that
    /// comes second. Errors: see [`OpenError`]; what was found and mended on the way stands in [`Opening`].
    pub async fn open(options: Options, now: Timestamp) -> Result<(Store, Opening), OpenError> {
        let opened = blocking::run(move || open::open(&options, now)).await;
        let (engine, opening) =
            opened.map_err(|error| OpenError::Index(format!("opening stopped: {error}")))??;
        let engine = Arc::new(engine);
        let held = Arc::new(Held(Arc::clone(&engine)));
        Ok((Store { engine, _held: held }, opening))
    }

    /// Begins to watch objects: one answer for each, in order. Enrolling again changes nothing but details
    /// that were missing. Durable chunk by chunk: after an error some may be enrolled; enrol all again.
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

    /// All records with this id, of whatever account and kind.
    pub async fn find(&self, id: &ObjectId) -> Result<Vec<Record>, StoreError> {
        let id = id.clone();
        self.read(move |index| lists::find(index, &id)).await
    }

    /// Up to `limit` records that are due, in the order in which to ask: those that an operator asked for;
    /// then those near a deadline, with every fourth the longest overdue of all. Nothing is marked: one
    /// already in flight is handed out again, so ask for as many more as are in flight.
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

    /// As [`Store::due`]; when nothing is, what [`Store::next_due`] would say. `longest` is the longest wait that any
    /// rule makes: what waits for longer was written by a clock that was ahead, and is due now.
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

    /// When the next record of an account and kind is due; in the past while some are.
    pub async fn next_due(
        &self,
        account: &AccountName,
        kind: &Kind,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.engine.open_polls()?.queue.next_due(account, kind))
    }

    /// Writes polls without news in the background if one of them is a minute old: a crash repeats those that are not
    /// written. Cheap when there is nothing to do; to be called at least every minute while anything is polled.
    pub fn write_old_polls(&self, now: Timestamp) {
        self.engine.write_pulses_if_worth_it(Some(now));
    }

    /// Writes all that follows from a poll, or nothing when the record changed since it was read.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        match self.engine.commit_pulse(commit) {
            Ok(committed) => committed,
            Err(commit) => self.engine.write(move |group| operations::commit(group, *commit)).await,
        }
    }

    /// An operator wants these polled now, before all others; finished ones too, for one look. False for
    /// those that are not known.
    pub async fn ask(&self, objects: Vec<ObjectRef>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        self.in_chunks(objects, move |group, chunk| operations::ask(group, chunk, now)).await
    }

    /// Somebody says that there is news: due now, in its ordinary place. False when the object is unknown
    /// or finished, which nothing but [`Store::ask`] changes. Not journaled: a crash costs only the hint.
    pub async fn hint(&self, object: &ObjectRef, now: Timestamp) -> Result<bool, StoreError> {
        let object = object.clone();
        self.engine.write(move |group| operations::hint(group, &object, now)).await
    }

    /// Stops watching: the record goes, its history stays with a last row `forgotten by ...`, whose
    /// outcome is undecided. False when the object is not known.
    pub async fn forget(&self, object: &ObjectRef, now: Timestamp, by: &str) -> Result<bool, StoreError> {
        let (object, by) = (object.clone(), by.to_owned());
        self.engine.write(move |group| operations::forget(group, &object, now, &by)).await
    }

    /// Owes alerts that no commit brings; how many are new. One whose key is known is not raised again.
    pub async fn raise(&self, alerts: Vec<OwedAlert>, _now: Timestamp) -> Result<usize, StoreError> {
        self.engine.write(move |group| operations::raise(group, alerts)).await
    }

    /// Deliveries of a target that are due, the longest due first.
    pub async fn owed(&self, target: &str, now: Timestamp, limit: usize) -> Result<Vec<Owed>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| outbox::owed(index, &target, now, limit)).await
    }

    /// Deliveries of a target that wait until later than `latest`, which no rule makes them wait for: they were
    /// written by a clock that was ahead, and are due now.
    pub async fn owed_after(
        &self,
        target: &str,
        latest: Timestamp,
        limit: usize,
    ) -> Result<Vec<Owed>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| outbox::owed_after(index, &target, latest, limit)).await
    }

    /// When the next delivery of a target is due; in the past while some are.
    pub async fn next_owed(&self, target: &str) -> Result<Option<Timestamp>, StoreError> {
        let target = target.to_owned();
        self.read(move |index| outbox::next_owed(index, &target)).await
    }

    /// Records how an attempt went. One that is settled already, or unknown, stays as it is.
    pub async fn settle(
        &self,
        key: &str,
        target: &str,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, target) = (key.to_owned(), target.to_owned());
        self.engine.write(move |group| operations::settle(group, &key, &target, &delivery, now)).await
    }

    /// Owes an alert again, to one target or to all of its targets; how many deliveries that makes.
    pub async fn redeliver(
        &self,
        key: &str,
        target: Option<&str>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (key, target) = (key.to_owned(), target.map(str::to_owned));
        self.engine.write(move |group| operations::redeliver(group, &key, target.as_deref(), now)).await
    }

    /// Alerts with their deliveries, the newest first.
    pub async fn alerts(
        &self,
        filter: AlertFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<AlertRow>, StoreError> {
        self.read(move |index| outbox::list(index, &filter, after.as_ref(), limit)).await
    }

    /// All changes of an object's state, the oldest first; they outlive the record.
    pub async fn history(&self, object: &ObjectRef) -> Result<Vec<Transition>, StoreError> {
        let object = object.clone();
        self.read(move |index| lists::history(index, &object)).await
    }

    /// All that is known of some objects, in their order. Read at once: ask for some hundreds at a time.
    pub async fn lives(&self, objects: Vec<ObjectRef>) -> Result<Vec<Life>, StoreError> {
        self.read(move |index| objects.iter().map(|object| lists::life(index, object)).collect()).await
    }

    /// Changes of state seen in `[from, to)`, ordered by time, object and sequence.
    pub async fn transitions(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Transition>, StoreError> {
        self.read(move |index| lists::transitions(index, from, to, after.as_ref(), limit)).await
    }

    /// Records that match, in the order of ids. Looks at all of them, a page at a time.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Record>, StoreError> {
        let filter = filter.clone();
        self.read(move |index| lists::list(index, &filter, after.as_ref(), limit)).await
    }

    /// Records that are still owed something, in the order of ids, without looking at finished ones.
    pub async fn open_objects(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Record>, StoreError> {
        let filter = Filter { finished: Some(false), ..Filter::default() };
        self.list(&filter, after, limit).await
    }

    /// How many records are alike, kept up to date with every commit.
    pub async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.read(lists::counts).await
    }

    /// The object that was made first of those that are moving and still owed a poll, and when.
    pub async fn oldest_moving(&self) -> Result<Option<(ObjectRef, Timestamp)>, StoreError> {
        Ok(self.engine.open_polls()?.queue.oldest_moving())
    }

    /// From now on nothing is dated before `until`, whatever the wall clock says: what is reported about
    /// the time before it can be published permanently.
    pub async fn seal_history(&self, until: Timestamp) -> Result<(), StoreError> {
        self.engine.write(move |group| operations::seal_history(group, until)).await
    }

    /// A clock that was ahead sealed days that are not over: nothing later than `now` is sealed any more. True when
    /// something was.
    pub async fn unseal_history(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.engine.write(move |group| operations::unseal_history(group, now)).await
    }

    /// Keeps a small value under a name (a schedule done, a report made).
    pub async fn remember(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.engine.write(move |group| operations::remember(group, name, value)).await
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

    /// How the store is doing. Cheap; does not wait.
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

    /// A number that grows as long as upkeep progresses ([`super::Meter::ticks`]).
    pub fn upkeep_ticks(&self) -> u64 {
        self.engine.meter.ticks()
    }

    /// Deliveries owed, now or later; a plain number, so that who has nothing to do need not look.
    pub fn outbox_pending(&self) -> u64 {
        u64::try_from(self.engine.outbox_pending.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Pulsed whenever something of the account became due earlier than it was (enrolled, asked, hinted,
    /// found as a child or rescheduled), so that who sleeps until [`Store::next_due`] looks again. One
    /// waiter an account; a pulse that nobody waits for is kept.
    pub fn due_signal(&self, account: &AccountName) -> Arc<Notify> {
        self.engine.signals.of(account)
    }

    /// Pulsed whenever a delivery became owed, so that who sleeps until [`Store::next_owed`] looks again.
    pub fn outbox_signal(&self) -> Arc<Notify> {
        self.engine.signals.outbox()
    }

    /// Hands parts of a long list to the writer one behind the other, so that they share groups.
    async fn in_chunks<I: Send + 'static, O: Send + 'static>(
        &self,
        items: Vec<I>,
        work: impl Fn(&mut Group<'_>, Vec<I>) -> Result<Vec<O>, StoreError> + Clone + Send + 'static,
    ) -> Result<Vec<O>, StoreError> {
        if items.len() <= CHUNK {
            return self.engine.write_here(move |group| work(group, items)).await;
        }
        let mut results = Vec::with_capacity(items.len());
        let mut waiting = Vec::with_capacity(items.len() / CHUNK + 1);
        let mut items = items.into_iter();
        loop {
            let chunk: Vec<I> = items.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let work = work.clone();
            waiting.push(self.engine.submit(move |group| work(group, chunk))?);
        }
        for answer in waiting {
            results.extend(self.engine.wait(answer).await?);
        }
        Ok(results)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let engine = Arc::clone(&self.engine);
        self.blocking(move || engine.with_index(work)).await
    }

    /// Runs off the runtime's threads. A store that stopped writing still answers: the index never has what the
    /// journal has not. Only wrong bytes stop everything.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = match blocking::run(work).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Broken(format!("a read stopped in the middle: {error}"))),
        };
        result.map_err(|error| match error {
            StoreError::Damaged(_) => self.engine.fail(error),
            other => other,
        })
    }
}
