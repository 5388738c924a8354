//! Following the journal: every change once, in order, from any place, across files and restarts.

use futures_util::future::join_all;

use super::fixture::*;
use crate::payments::lifecycle::{Outcome, Phase};
use crate::store::{BEHIND_MAX, Commit, Committed, Followed, Follower, LiveChange, LiveSort, Options, Store};

/// Everything that a follower has not seen.
async fn rest(store: &Store, mut follower: Follower) -> (Vec<LiveChange>, Follower) {
    let mut all = Vec::new();
    loop {
        let before = follower.sequence();
        let (followed, next) = store.read_on(follower).await.unwrap();
        let Followed::Changes(changes) = followed else { panic!("it is not behind") };
        all.extend(changes);
        if next.sequence() == before {
            return (all, next);
        }
        follower = next;
    }
}

fn shown(changes: &[LiveChange]) -> Vec<(LiveSort, String)> {
    changes.iter().map(|change| (change.sort, change.object.id.to_string())).collect()
}

#[tokio::test]
async fn a_follower_sees_what_happens_to_objects_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A0", at(0)).await;
    let signal = store.journal_signal();
    let follower = store.follow(None);
    enrol(&store, "A1", at(1)).await;
    assert!(signal.has_changed().unwrap());
    let read = record(&store, "A1").await;
    let commit = Commit {
        transition: Some(transition(&read, "Captured", at(5))),
        enrol: vec![enrolment("A2")],
        alerts: vec![owed("declined/A1", &["ops"], at(5))],
        ..quiet(&read, seen(&read, "Captured", Phase::Final, at(5), None))
    };
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Written);
    store.remember("name", "value").await.unwrap();
    store.forget(&object("A2"), at(6), "uid:0").await.unwrap();
    let (changes, follower) = rest(&store, follower).await;
    let expected = [
        (LiveSort::Enrolled, "A1"),
        (LiveSort::Changed, "A1"),
        (LiveSort::Enrolled, "A2"),
        (LiveSort::Forgotten, "A2"),
    ];
    assert_eq!(shown(&changes), expected.map(|(sort, id)| (sort, id.to_owned())));
    let captured = &changes[1];
    assert_eq!((captured.state.as_deref(), captured.phase), (Some("Captured"), Phase::Final));
    assert_eq!((captured.outcome, captured.is_finished), (Some(Outcome::Undecided), true));
    assert_eq!(follower.sequence(), store.stats().journal_sequence);
}

#[tokio::test]
async fn one_that_comes_back_continues_across_files_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let small = || Options { journal_segment_bytes: 1000, ..options(folder.path()) };
    let (store, _) = Store::open(small(), at(0)).await.unwrap();
    let mut sequences = vec![store.stats().journal_sequence];
    for number in 0..60 {
        enrol(&store, &format!("N{number:03}"), at(number)).await;
        sequences.push(store.stats().journal_sequence);
    }
    store.close().await.unwrap();
    let (store, _) = Store::open(small(), at(60)).await.unwrap();
    for seen in [0, 1, 30, 59, 60] {
        let (changes, _) = rest(&store, store.follow(Some(sequences[seen]))).await;
        let expected: Vec<String> = (seen..60).map(|number| format!("N{number:03}")).collect();
        let ids: Vec<String> = changes.iter().map(|change| change.object.id.to_string()).collect();
        assert_eq!(ids, expected, "after {seen}");
    }
}

#[tokio::test]
async fn a_long_way_is_read_in_pages_and_one_too_far_behind_goes_on_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let begin = store.follow(None);
    let many = (0..1200).map(|number| enrolment(&format!("N{number:04}"))).collect();
    store.enrol(many, at(1)).await.unwrap();
    let (first, _) = store.read_on(begin.clone()).await.unwrap();
    let Followed::Changes(first) = first else { panic!("it is not behind") };
    assert!((500..1200).contains(&first.len()), "{}", first.len());
    assert_eq!(rest(&store, begin).await.0.len(), 1200);
    let end = store.stats().journal_sequence;
    let (lagged, follower) = store.read_on(store.follow(Some(end + 1))).await.unwrap();
    assert_eq!((lagged, follower.sequence()), (Followed::Lagged, end));
    let many = (0..=BEHIND_MAX).map(|number| {
        let store = store.clone();
        async move { store.remember("name", &number.to_string()).await.unwrap() }
    });
    join_all(many).await;
    let (lagged, _) = store.read_on(store.follow(Some(end))).await.unwrap();
    assert_eq!(lagged, Followed::Lagged);
}
