//! Polls without news: committed at once if the writer is idle, and by the writer if it is busy.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::record::Record;
use crate::store::mutex::locked;
use crate::store::{Commit, Committed, Store, StoreError};

/// A poll at `now` that observed what was already known.
fn same_again(read: &Record, now: Timestamp, due_at: Timestamp) -> Commit {
    let mut record = seen(read, "Open", Phase::Moving, now, Some(due_at));
    record.observed.as_mut().unwrap().since = read.observed.as_ref().unwrap().since;
    quiet(read, record)
}

async fn moving(store: &Store, id: &str) -> Record {
    enrol(store, id, at(0)).await;
    move_to(store, id, "Open", Phase::Moving, at(10), Some(at(100))).await;
    // Reading what is due also keeps the revision in memory.
    let due = store.due(&account(), &kind(), at(100), 9).await.unwrap();
    assert_eq!(due.len(), 1);
    record(store, id).await
}

/// The outcome, if it is there without any waiting.
fn at_once(commit: impl Future<Output = Result<Committed, StoreError>>) -> Option<Committed> {
    match pin!(commit).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome.unwrap()),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn what_is_taken_at_once_is_seen_by_all_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut read = moving(&store, "A1").await;
    let sequence = store.stats().journal_sequence;
    for second in 0..5 {
        let commit = same_again(&read, at(100 + second), at(120 + second));
        let told = Record { revision: read.revision + 1, ..commit.record.clone() };
        assert_eq!(at_once(store.commit(commit)), Some(Committed::Written));
        read = record(&store, "A1").await;
        assert_eq!(read, told);
        assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(120 + second))));
        assert_eq!(store.due(&account(), &kind(), at(150), 9).await.unwrap(), [told]);
    }
    assert_eq!(store.stats().journal_sequence, sequence, "nothing is journaled");
    assert_clean(&store).await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(record(&store, "A1").await, read);
}

#[tokio::test]
async fn one_that_was_decided_on_an_older_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let read = moving(&store, "A1").await;
    assert_eq!(at_once(store.commit(same_again(&read, at(20), at(30)))), Some(Committed::Written));
    let before = record(&store, "A1").await;
    assert_eq!(at_once(store.commit(same_again(&read, at(21), at(31)))), Some(Committed::Stale));
    assert_eq!(record(&store, "A1").await, before);
    store.ask(vec![object("A1")], at(25)).await.unwrap();
    assert_eq!(store.commit(same_again(&before, at(26), at(36))).await, Ok(Committed::Stale));
    assert!(record(&store, "A1").await.is_asked, "the operator's request is not lost");
    store.forget(&object("A1"), at(27), "a test").await.unwrap();
    assert_eq!(store.commit(same_again(&before, at(28), at(38))).await, Ok(Committed::Forgotten));
    assert_clean(&store).await;
}

#[tokio::test]
async fn while_somebody_is_in_the_way_the_writer_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let read = moving(&store, "A1").await;
    let mut commit = pin!(store.commit(same_again(&read, at(20), at(30))));
    {
        let _writing = locked(&store.engine.journal);
        let outcome = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(outcome.is_pending());
    }
    assert_eq!(commit.await, Ok(Committed::Written));
    let read = record(&store, "A1").await;
    assert_eq!((read.polls, read.due_at), (2, Some(at(30))));
    {
        let _row_is_written = store.engine.index.write().unwrap();
        let commit = store.commit(same_again(&read, at(40), at(50)));
        assert_eq!(at_once(commit), Some(Committed::Written), "it needs no row");
    }
    assert_eq!(record(&store, "A1").await.due_at, Some(at(50)));
    assert_clean(&store).await;
}

#[tokio::test]
async fn none_is_dated_into_a_day_that_was_sealed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let read = moving(&store, "A1").await;
    assert_eq!(at_once(store.commit(same_again(&read, at(20), at(30)))), Some(Committed::Written));
    store.seal_history(at(1000)).await.unwrap();
    let read = record(&store, "A1").await;
    assert_eq!(at_once(store.commit(same_again(&read, at(900), at(950)))), Some(Committed::Written));
    assert_eq!(record(&store, "A1").await.observed.unwrap().seen_at, at(1000));
}

#[tokio::test]
async fn nothing_is_read_from_the_disk_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    moving(&store, "A1").await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A2", at(0)).await;
    let read = record(&store, "A1").await;
    // Its revision is only on the disk, so the writer must handle the poll.
    let commit = store.engine.commit_pulse(same_again(&read, at(110), at(120))).unwrap_err();
    assert_eq!(store.commit(*commit).await, Ok(Committed::Written));
    let read = record(&store, "A1").await;
    assert_eq!(read.due_at, Some(at(120)));
    store.engine.write_pulses().unwrap();
    assert_eq!(store.due(&account(), &kind(), at(120), 9).await.unwrap().len(), 2);
    assert_eq!(at_once(store.commit(same_again(&read, at(121), at(130)))), Some(Committed::Written));
    let changed = record(&store, "A1").await;
    assert_eq!(changed.due_at, Some(at(130)));
    // The revision kept before the change no longer counts, not even once the index has the change.
    assert_eq!(at_once(store.commit(same_again(&read, at(122), at(140)))), Some(Committed::Stale));
    store.engine.write_pulses().unwrap();
    assert!(store.engine.commit_pulse(same_again(&read, at(122), at(140))).is_err());
    assert_eq!(store.commit(same_again(&read, at(122), at(140))).await, Ok(Committed::Stale));
    assert_eq!(record(&store, "A1").await, changed);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_store_that_stopped_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let read = moving(&store, "A1").await;
    let why = StoreError::Broken("the disk is gone".to_owned());
    store.engine.fail(why.clone());
    assert_eq!(store.commit(same_again(&read, at(20), at(30))).await, Err(why));
    assert_eq!(record(&store, "A1").await, read);
}
