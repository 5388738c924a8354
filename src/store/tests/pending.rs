//! Polls whose pulses are pending: nobody notices that the index does not have them yet, and after a crash they are
//! repeated.

use jiff::{SignedDuration, Timestamp};

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::store::index::Index;
use crate::store::index::keys;
use crate::store::{Committed, Due, Filter, Store};

/// The longest wait that any rule sets.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// How many pulses the index has.
fn pulses_in_index(store: &Store) -> usize {
    let shared = store.engine.index.read().unwrap();
    shared.as_ref().map_or(0, |index: &Index| index.prefix(&[keys::PULSE]).map(Result::unwrap).count())
}

#[tokio::test]
async fn a_crash_repeats_polls_that_were_pending_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..5 {
        enrol(&store, &format!("A{number}"), at(number)).await;
    }
    move_to(&store, "A1", "Open", Phase::Moving, at(10), Some(at(900))).await;
    store.raise(vec![owed("declined/A1", &["chat"], at(10))]).await.unwrap();
    store.remember("report", "made").await.unwrap();
    let known = record(&store, "A1").await;
    poll_again(&store, "A1", at(20), at(1900)).await;
    assert_eq!(record(&store, "A1").await.polls, known.polls + 1, "it is visible at once");
    assert_eq!(pulses_in_index(&store), 0);
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert_eq!(
        (opening.replayed_entries, opening.rebuilt_index),
        (0, None),
        "the index has all that is durable"
    );
    assert_eq!(record(&store, "A1").await, known, "a poll that saw nothing new is made again");
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 5);
    assert_eq!(store.outbox_pending(), 1);
    assert_clean(&store).await;
    poll_again(&store, "A1", at(20), at(1900)).await;
    let polled = record(&store, "A1").await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(record(&store, "A1").await, polled, "a clean stop writes what is pending");
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(0))));
}

#[tokio::test]
async fn whoever_reads_several_rows_sees_pending_polls() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..1_200 {
        enrol(&store, &format!("A{number}"), at(0)).await;
        move_to(&store, &format!("A{number}"), "Open", Phase::Moving, at(1), Some(at(9))).await;
        poll_again(&store, &format!("A{number}"), at(9), at(900)).await;
    }
    assert_eq!(pulses_in_index(&store), 0);
    let listed = store.list(&Filter::default(), None, 2_000).await.unwrap().items;
    assert!(listed.iter().all(|record| record.due_at == Some(at(900))));
    assert_eq!(pulses_in_index(&store), 1_200);
    move_to(&store, "A7", "Open", Phase::Moving, at(901), Some(at(1_000))).await;
    assert_eq!(pulses_in_index(&store), 1_199, "the whole record replaces it");
    assert_clean(&store).await;
}

/// A poll that observed the same as the one before.
async fn poll_again(store: &Store, id: &str, now: Timestamp, due_at: Timestamp) {
    let read = record(store, id).await;
    let mut again = quiet(&read, seen(&read, "Open", Phase::Moving, now, Some(due_at)));
    again.record.observed.as_mut().unwrap().since = read.observed.as_ref().unwrap().since;
    assert_eq!(store.commit(again).await, Ok(Committed::Written));
}

async fn due_ids(store: &Store, now: Timestamp) -> Vec<String> {
    let due = store.due(&account(), &kind(), now, 9).await.unwrap();
    due.iter().map(|record| record.object.id.to_string()).collect()
}

#[tokio::test]
async fn who_is_due_follows_every_change_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..4 {
        enrol(&store, &format!("A{number}"), at(number)).await;
        move_to(&store, &format!("A{number}"), "Open", Phase::Moving, at(10), Some(at(100 + number))).await;
    }
    assert_eq!(due_ids(&store, at(110)).await, ["A0", "A1", "A2", "A3"]);
    poll_again(&store, "A0", at(110), at(200)).await;
    move_to(&store, "A1", "Closed", Phase::Final, at(110), None).await;
    assert!(store.forget(&object("A2"), at(111), "an operator").await.unwrap());
    enrol(&store, "A9", at(105)).await;
    assert_eq!(due_ids(&store, at(111)).await, ["A3", "A9"]);
    assert!(store.hint(&object("A0"), at(112)).await.unwrap());
    assert_eq!(due_ids(&store, at(112)).await, ["A3", "A9", "A0"], "ordered by their new due times");
    assert_eq!(store.ask(vec![object("A0")], at(113)).await.unwrap(), [true]);
    assert_eq!(due_ids(&store, at(113)).await, ["A0", "A3", "A9"], "an operator asked for it");
    for id in ["A0", "A3", "A9"] {
        move_to(&store, id, "Open", Phase::Moving, at(114), Some(at(300))).await;
    }
    let later = store.due_or_later(&account(), &kind(), at(299), LONGEST, 9).await;
    assert_eq!(later, Ok(Due::Later(Some(at(300)))));
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(300))));
    for id in ["A0", "A3", "A9"] {
        assert!(store.forget(&object(id), at(301), "an operator").await.unwrap());
    }
    assert_eq!(store.due_or_later(&account(), &kind(), at(400), LONGEST, 9).await, Ok(Due::Later(None)));
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_poll_is_pending_for_a_minute_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(10), Some(at(20))).await;
    let _in_order = crate::blocking::InOrder::begin();
    poll_again(&store, "A1", at(20), at(30)).await;
    for (now, expected) in [(30, 0), (79, 0), (80, 1)] {
        store.write_old_polls(at(now));
        // Pulses are written by a task of their own.
        tokio::task::yield_now().await;
        assert_eq!(pulses_in_index(&store), expected, "at {now}");
    }
    let polled = record(&store, "A1").await;
    drop(store);
    let (store, _) = open(folder.path()).await;
    assert_eq!(record(&store, "A1").await, polled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_was_told_reads_it_in_whatever_way() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..6 {
        let store = store.clone();
        clients.spawn(async move {
            let (account, kind) = (AccountName::new("shop-de").unwrap(), Kind::new("charge").unwrap());
            for number in 0..150 {
                let id = format!("A{client}-{number}");
                enrol(&store, &id, at(number)).await;
                match number % 4 {
                    0 => assert_eq!(record(&store, &id).await.object, object(&id)),
                    1 => {
                        let due = store.due(&account, &kind, at(9_999), 2_000).await.unwrap();
                        assert!(due.iter().any(|record| record.object == object(&id)));
                    }
                    2 => {
                        let found = store.list(&Filter::default(), None, 2_000).await.unwrap();
                        assert!(found.items.iter().any(|record| record.object == object(&id)));
                    }
                    _ => {}
                }
            }
        });
    }
    make_small(&store).await.unwrap();
    assert_clean(&store).await;
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_clean(&store).await;
    assert_eq!(store.open_objects(None, 2_000).await.unwrap().items.len(), 900);
    drop(store);
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.open_objects(None, 2_000).await.unwrap().items.len(), 900);
    assert_clean(&store).await;
}
