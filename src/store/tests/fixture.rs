//! What the tests of the store have in common.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Enrolment, Observed, Record, Transition};
use crate::store::{
    Commit, Committed, Compacted, Enrolled, OpenError, Opening, Options, OwedAlert, Store, StoreError,
};

/// A moment, in seconds after the start of 1 March 2026.
pub(super) fn at(seconds: i64) -> Timestamp {
    "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(super) fn account() -> AccountName {
    AccountName::new("shop-de").unwrap()
}

pub(super) fn kind() -> Kind {
    Kind::new("charge").unwrap()
}

pub(super) fn object(id: &str) -> ObjectRef {
    ObjectRef { account: account(), kind: kind(), id: id.parse().unwrap() }
}

pub(super) fn enrolment(id: &str) -> Enrolment {
    Enrolment { object: object(id), details: Details::default() }
}

pub(super) fn options(folder: &Path) -> Options {
    Options { folder: folder.to_owned(), cache_bytes: 1 << 20, ..Options::default() }
}

pub(super) async fn open(folder: &Path) -> (Store, Opening) {
    Store::open(options(folder), at(0)).await.unwrap()
}

pub(super) async fn open_error(options: Options) -> OpenError {
    match Store::open(options, at(0)).await {
        Err(error) => error,
        Ok((_, opening)) => panic!("it opened: {opening:?}"),
    }
}

pub(super) async fn enrol(store: &Store, id: &str, now: Timestamp) -> Enrolled {
    store.enrol(vec![enrolment(id)], now).await.unwrap().remove(0)
}

pub(super) async fn record(store: &Store, id: &str) -> Record {
    store.record(&object(id)).await.unwrap().unwrap()
}

/// The record after a poll at `now` that observed `state`.
pub(super) fn seen(
    record: &Record,
    state: &str,
    phase: Phase,
    now: Timestamp,
    due_at: Option<Timestamp>,
) -> Record {
    let observation = Observation::plain(record.object.id.as_str(), state);
    Record {
        observed: Some(Observed { observation, phase, since: now, seen_at: now }),
        polls: record.polls + 1,
        polled_at: Some(now),
        due_at,
        is_asked: false,
        is_announced: false,
        ..record.clone()
    }
}

pub(super) fn transition(record: &Record, to: &str, now: Timestamp) -> Transition {
    Transition { to: to.to_owned(), ..Transition::unobserved(record, Phase::Moving, "polled", now) }
}

pub(super) fn alert(key: &str, found_at: Timestamp) -> Alert {
    Alert {
        key: key.to_owned(),
        kind: AlertKind::Declined,
        severity: Severity::Critical,
        account: account(),
        object: None,
        merchant_reference: None,
        amount: None,
        amounts: Default::default(),
        state: None,
        reason: None,
        headline: "Declined".to_owned(),
        explanation: "The buyer's bank refused".to_owned(),
        advice: "Ask the buyer".to_owned(),
        where_to_look: "Seller Central".to_owned(),
        occurred_at: found_at,
        found_at,
        event: None,
    }
}

pub(super) fn owed(key: &str, targets: &[&str], found_at: Timestamp) -> OwedAlert {
    let targets = targets.iter().map(|target| (*target).into()).collect();
    OwedAlert { alert: alert(key, found_at), targets }
}

/// A commit that changes nothing but the record.
pub(super) fn quiet(read: &Record, record: Record) -> Commit {
    Commit {
        read: read.clone(),
        record,
        transition: None,
        enrol: Vec::new(),
        alerts: Vec::new(),
        is_news: false,
    }
}

/// Observes `state` in a poll at `now`, and writes it with its history row.
pub(super) async fn move_to(
    store: &Store,
    id: &str,
    state: &str,
    phase: Phase,
    now: Timestamp,
    due_at: Option<Timestamp>,
) {
    let read = record(store, id).await;
    let commit = Commit {
        transition: Some(transition(&read, state, now)),
        is_news: true,
        ..quiet(&read, seen(&read, state, phase, now, due_at))
    };
    assert_eq!(store.commit(commit).await, Ok(Committed::Written));
}

/// Copies what a crash leaves: everything that was handed to the operating system, except the lock.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let goal = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &goal);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), goal).unwrap();
        }
    }
}

/// The journal's only file.
pub(super) fn first_segment(folder: &Path) -> std::path::PathBuf {
    folder.join("journal").join(crate::store::journal::segment::segment_name(1))
}

pub(super) async fn assert_clean(store: &Store) {
    let report = store.check().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

/// Ends without a clean stop, like a crash at a moment when no poll is pending.
pub(super) fn crash_in_step(store: Store) {
    store.engine.write_pulses().unwrap();
    drop(store);
}

/// Writes or removes a row behind the store's back, as a failing disk might.
pub(super) fn tamper(store: &Store, row: Vec<u8>, bytes: Option<Vec<u8>>) {
    store.engine.write_pulses().unwrap();
    let shared = store.engine.index.read().unwrap();
    shared.as_ref().unwrap().apply(&crate::store::index::Writes::from([(row, bytes)])).unwrap();
}

/// Compacts the index, whatever its size.
pub(super) async fn make_small(store: &Store) -> Result<Compacted, StoreError> {
    let engine = std::sync::Arc::clone(&store.engine);
    tokio::task::spawn_blocking(move || crate::store::maintenance::compaction::run(&engine)).await.unwrap()
}
