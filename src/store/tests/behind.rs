//! An index that follows behind: nobody sees that it does, and a crash at any distance costs nothing.

use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::store::index::Index;
use crate::store::{Committed, Due, Filter, Store};

/// A wait that no rule makes longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// How many rows the index itself has.
fn rows_in_index(engine: &crate::store::writer::Engine) -> usize {
    let shared = engine.index.read().unwrap();
    shared.as_ref().map_or(0, |index: &Index| index.prefix(b"").map(Result::unwrap).count())
}

#[tokio::test]
async fn a_crash_before_the_index_has_followed_loses_only_quiet_polls() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let empty = rows_in_index(&store.engine);
    // As if who brings the index up to date had no turn before the crash.
    store.engine.following.is_scheduled.store(true, Ordering::Release);
    for number in 0..5 {
        enrol(&store, &format!("A{number}"), at(number)).await;
    }
    move_to(&store, "A1", "Open", Phase::Moving, at(10), Some(at(900))).await;
    store.raise(vec![owed("declined/A1", &["chat"], at(10))], at(10)).await.unwrap();
    store.remember("report", "made").await.unwrap();
    let told = record(&store, "A1").await;
    poll_again(&store, "A1", at(20), at(1900)).await;
    assert_eq!(
        record(&store, "A1").await.polls,
        told.polls + 1,
        "single rows are read before the index has them"
    );
    assert_eq!(store.recall("report").await.unwrap().as_deref(), Some("made"));
    assert_eq!(rows_in_index(&store.engine), empty, "only single rows were asked for");
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert_eq!((opening.replayed_entries, opening.rebuilt_index), (8, None));
    assert_eq!(record(&store, "A1").await, told, "a poll that saw nothing new is made again");
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 5);
    assert_eq!(store.outbox_pending(), 1);
    assert_clean(&store).await;
    store.close().await.unwrap();
    assert_eq!(open(folder.path()).await.1.replayed_entries, 0, "a clean stop brings it up to date");
}

#[tokio::test]
async fn what_comes_in_bulk_reaches_the_index_in_several_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.engine.following.is_scheduled.store(true, Ordering::Release);
    let file = |from: usize| (from..from + 3_100).map(|number| enrolment(&format!("A{number}"))).collect();
    for (second, from) in [(0, 0), (1, 3_100)] {
        store.enrol(file(from), at(second)).await.unwrap();
    }
    move_to(&store, "A1", "Open", Phase::Moving, at(2), Some(at(900))).await;
    assert_eq!(record(&store, "A1").await.state(), Some("Open"), "the later part counts");
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| count.number).sum::<u64>(), 6_200);
    assert_eq!(record(&store, "A1").await.state(), Some("Open"));
    assert_clean(&store).await;
    store.close().await.unwrap();
    assert_eq!(open(folder.path()).await.1.replayed_entries, 0);
}

/// A poll that saw the same as the one before.
async fn poll_again(store: &Store, id: &str, now: Timestamp, due_at: Timestamp) {
    let read = record(store, id).await;
    let mut again = quiet(&read, seen(&read, "Open", Phase::Moving, now, Some(due_at)));
    again.record.sight.as_mut().unwrap().since = read.sight.as_ref().unwrap().since;
    assert_eq!(store.commit(again).await, Ok(Committed::Written));
}

async fn due_ids(store: &Store, now: Timestamp) -> Vec<String> {
    let due = store.due(&account(), &kind(), now, 9).await.unwrap();
    due.iter().map(|record| record.object.id.to_string()).collect()
}

#[tokio::test]
async fn who_is_due_is_known_without_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..4 {
        enrol(&store, &format!("A{number}"), at(number)).await;
        move_to(&store, &format!("A{number}"), "Open", Phase::Moving, at(10), Some(at(100 + number))).await;
    }
    // All that reach the index; what follows does not.
    store.counts().await.unwrap();
    store.engine.following.is_scheduled.store(true, Ordering::Release);
    let rows = rows_in_index(&store.engine);
    assert_eq!(due_ids(&store, at(110)).await, ["A0", "A1", "A2", "A3"]);
    poll_again(&store, "A0", at(110), at(200)).await;
    move_to(&store, "A1", "Closed", Phase::Final, at(110), None).await;
    assert!(store.forget(&object("A2"), at(111), "an operator").await.unwrap());
    enrol(&store, "A9", at(105)).await;
    assert_eq!(due_ids(&store, at(111)).await, ["A3", "A9"]);
    assert!(store.hint(&object("A0"), at(112)).await.unwrap());
    assert_eq!(due_ids(&store, at(112)).await, ["A3", "A9", "A0"], "by the time that counts now");
    assert_eq!(store.ask(vec![object("A0")], at(113)).await.unwrap(), [true]);
    assert_eq!(due_ids(&store, at(113)).await, ["A0", "A3", "A9"], "asked for by somebody");
    for id in ["A0", "A3", "A9"] {
        move_to(&store, id, "Open", Phase::Moving, at(114), Some(at(300))).await;
    }
    let later = store.due_or_later(&account(), &kind(), at(299), LONGEST, 9).await;
    assert_eq!(later, Ok(Due::Later(Some(at(300)))));
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(300))));
    assert_eq!(rows_in_index(&store.engine), rows, "nobody brought it up to date");
    for id in ["A0", "A3", "A9"] {
        assert!(store.forget(&object(id), at(301), "an operator").await.unwrap());
    }
    assert_eq!(store.due_or_later(&account(), &kind(), at(400), LONGEST, 9).await, Ok(Due::Later(None)));
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_quiet_poll_of_long_ago_reaches_the_index_when_somebody_asks_who_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(10), Some(at(20))).await;
    store.counts().await.unwrap();
    let _in_order = crate::blocking::InOrder::begin();
    poll_again(&store, "A1", at(20), at(30)).await;
    let is_waiting = |store: &Store| store.engine.following.rows().rows() > 0;
    for (now, expected) in [(30, true), (79, true), (80, false)] {
        due_ids(&store, at(now)).await;
        // The index follows in a turn of its own.
        due_ids(&store, at(0)).await;
        assert_eq!(is_waiting(&store), expected, "at {now}");
    }
}

#[tokio::test]
async fn quiet_polls_are_not_kept_waiting_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    // The index follows in its turn among the tasks, not when the machine likes.
    let _in_order = crate::blocking::InOrder::begin();
    let polls = 200;
    for second in 1..=polls {
        let read = record(&store, "A1").await;
        let again = seen(&read, "Open", Phase::Moving, at(second), Some(at(second + 1)));
        let is_first = read.sight.is_none();
        let mut commit = quiet(&read, again);
        if let Some(sight) = &read.sight {
            commit.record.sight.as_mut().unwrap().since = sight.since;
        }
        commit.is_news = is_first;
        assert_eq!(store.commit(commit).await, Ok(Committed::Written));
    }
    drop(store);
    let (store, _) = open(folder.path()).await;
    let kept = i64::try_from(record(&store, "A1").await.polls).unwrap();
    assert!(kept >= polls - 2 * 64, "{kept} of {polls}");
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
