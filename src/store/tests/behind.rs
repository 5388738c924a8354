//! An index that follows behind: nobody sees that it does, and a crash at any distance costs nothing.

use std::sync::atomic::Ordering;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::store::index::Index;
use crate::store::{Committed, Filter};

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
    let mut again = quiet(&told, seen(&told, "Open", Phase::Moving, at(20), Some(at(1900))));
    again.record.sight.as_mut().unwrap().since = told.sight.as_ref().unwrap().since;
    assert_eq!(store.commit(again).await, Ok(Committed::Written));
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
