//! What was dated by a clock that was ahead does not wait until that time comes.

use jiff::SignedDuration;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::store::{Delivery, Due, Store};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// The longest wait that any rule sets.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

async fn due_ids(store: &Store, seconds: i64, limit: usize) -> Vec<String> {
    match store.due_or_later(&account(), &kind(), at(seconds), LONGEST, limit).await.unwrap() {
        Due::Now(records) => records.iter().map(|record| record.object.id.to_string()).collect(),
        Due::Later(_) => Vec::new(),
    }
}

#[tokio::test]
async fn what_waits_longer_than_any_rule_makes_it_wait_is_due_now() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "ENROLLED-AHEAD", at(400 * DAY)).await;
    enrol(&store, "POLLED-AHEAD", at(0)).await;
    move_to(&store, "POLLED-AHEAD", "Open", Phase::Moving, at(10), Some(at(3 * DAY + HOUR))).await;
    enrol(&store, "OVERDUE", at(1)).await;
    enrol(&store, "SOON", at(2)).await;
    move_to(&store, "SOON", "Open", Phase::Moving, at(10), Some(at(12 * HOUR))).await;
    for is_in_index in [false, true] {
        if is_in_index {
            store.counts().await.unwrap();
        }
        let mut found = due_ids(&store, 100, 9).await;
        found.sort();
        assert_eq!(found, ["ENROLLED-AHEAD", "OVERDUE", "POLLED-AHEAD"], "in the index: {is_in_index}");
        assert_eq!(due_ids(&store, 100, 1).await.len(), 1);
    }
    // Once polled, they wait like all others.
    for id in ["ENROLLED-AHEAD", "POLLED-AHEAD", "OVERDUE"] {
        move_to(&store, id, "Sent", Phase::Moving, at(100), Some(at(HOUR))).await;
    }
    assert_eq!(due_ids(&store, 200, 9).await, Vec::<String>::new());
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_far_deadline_is_no_reason_to_ask_now() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    let read = record(&store, "A1").await;
    let mut resting = seen(&read, "Open", Phase::Resting, at(10), Some(at(12 * HOUR)));
    resting.deadline = Some(at(30 * DAY));
    let commit = crate::store::Commit {
        transition: Some(transition(&read, "Open", at(10))),
        read,
        record: resting,
        enrol: Vec::new(),
        alerts: Vec::new(),
        is_news: true,
    };
    store.commit(commit).await.unwrap();
    assert_eq!(due_ids(&store, 100, 9).await, Vec::<String>::new());
    assert_eq!(due_ids(&store, 12 * HOUR, 9).await, ["A1"]);
}

#[tokio::test]
async fn one_that_was_asked_for_by_a_clock_that_was_ahead_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2"] {
        enrol(&store, id, at(0)).await;
    }
    move_to(&store, "A2", "Open", Phase::Moving, at(1), Some(at(HOUR))).await;
    store.ask(vec![object("A2")], at(400 * DAY)).await.unwrap();
    assert_eq!(due_ids(&store, 10, 9).await, ["A2", "A1"]);
}

#[tokio::test]
async fn a_delivery_that_waits_for_a_time_that_was_ahead_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.raise(vec![owed("declined/A1", &["chat"], at(0))]).await.unwrap();
    let retry = Delivery::Retry { at: at(400 * DAY), error: "HTTP 503".to_owned(), message: None };
    store.settle("declined/A1", "chat", retry, at(400 * DAY)).await.unwrap();
    assert!(store.owed("chat", at(HOUR), 9).await.unwrap().is_empty());
    assert_eq!(store.owed_after("chat", at(8 * HOUR), 9).await.unwrap().len(), 1);
    assert!(store.owed_after("chat", at(500 * DAY), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn news_is_not_dated_behind_a_sight_of_a_clock_that_was_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(400 * DAY), Some(at(HOUR))).await;
    move_to(&store, "A1", "Closed", Phase::Final, at(100), None).await;
    let history = store.history(&object("A1")).await.unwrap();
    assert_eq!(history.last().unwrap().seen_at, at(100));
    assert_clean(&store).await;
}

#[tokio::test]
async fn history_that_was_sealed_ahead_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.seal_history(at(3 * DAY)).await.unwrap();
    enrol(&store, "A1", at(10)).await;
    assert_eq!(record(&store, "A1").await.enrolled_at, at(3 * DAY));
    assert!(store.unseal_history(at(20)).await.unwrap());
    assert!(!store.unseal_history(at(30)).await.unwrap());
    enrol(&store, "A2", at(40)).await;
    assert_eq!(record(&store, "A2").await.enrolled_at, at(40));
}
