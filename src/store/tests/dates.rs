//! The seal on reported days: nothing is dated into them any more, whatever the wall clock says.

use jiff::Timestamp;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::record::{Quarantine, Record};
use crate::store::Store;
use crate::store::operations::{date_not_before, last_date};

/// The dates of an object's history rows and of its last observation, in seconds.
async fn dates(store: &Store, id: &str) -> (Vec<i64>, i64) {
    let seconds = |moment: Timestamp| moment.duration_since(at(0)).as_secs();
    let rows = store.history(&object(id)).await.unwrap();
    let observed = record(store, id).await.observed.unwrap();
    (rows.iter().map(|row| seconds(row.seen_at)).collect(), seconds(observed.seen_at))
}

#[tokio::test]
async fn nothing_is_dated_into_a_sealed_day() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    move_to(&store, "A1", "Pending", Phase::Moving, at(100), Some(at(200))).await;
    store.seal_history(at(1000)).await.unwrap();
    move_to(&store, "A1", "Open", Phase::Moving, at(900), Some(at(950))).await;
    assert_eq!(dates(&store, "A1").await, (vec![100, 1000], 1000));
    move_to(&store, "A1", "Captured", Phase::Final, at(1500), None).await;
    assert_eq!(dates(&store, "A1").await, (vec![100, 1000, 1500], 1500));
    let day = store.transitions(at(0), at(1000), None, 10).await.unwrap();
    assert_eq!(day.items.len(), 1, "the sealed day is unchanged");
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_seal_only_ever_moves_forward_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.seal_history(at(1000)).await.unwrap();
    let sequence = store.stats().journal_sequence;
    store.seal_history(at(500)).await.unwrap();
    store.seal_history(at(1000)).await.unwrap();
    assert_eq!(store.stats().journal_sequence, sequence, "an earlier seal, or the same, writes nothing");
    store.seal_history(at(2000)).await.unwrap();
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(100)).await;
    move_to(&store, "A1", "Captured", Phase::Final, at(150), None).await;
    assert_eq!(dates(&store, "A1").await, (vec![2000], 2000));
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_news_older_than_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(3600)).await;
    move_to(&store, "A1", "Pending", Phase::Moving, at(10), Some(at(20))).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(7200), Some(at(7300))).await;
    move_to(&store, "A1", "Captured", Phase::Final, at(20), None).await;
    assert_eq!(dates(&store, "A1").await, (vec![3600, 7200, 7200], 7200));
    assert_clean(&store).await;
}

/// A record enrolled at second 0 and observed at each of these moments, one after another.
fn record_seen_at(moments: &[i64]) -> Record {
    let mut record = Record::enrolled(enrolment("A1"), at(0));
    for second in moments {
        let since = record.observed.as_ref().map_or(at(*second), |observed| observed.since);
        record = seen(&record, "Pending", Phase::Moving, at(*second), Some(at(*second)));
        record.observed.as_mut().unwrap().since = since;
    }
    record
}

/// An observation at `now`, of a new state or of the same. Returns since, seen_at and the row's date, in seconds.
fn dated(old: &Record, earliest: i64, now: i64, is_move: bool) -> (i64, i64, i64) {
    let mut record = seen(old, "Captured", Phase::Final, at(now), None);
    if !is_move {
        record.observed.as_mut().unwrap().since = old.observed.as_ref().unwrap().since;
    }
    let mut row = transition(old, "Captured", at(now));
    date_not_before(at(earliest), old, &mut record, Some(&mut row));
    let observed = record.observed.unwrap();
    let seconds = |moment: Timestamp| moment.duration_since(at(0)).as_secs();
    (seconds(observed.since), seconds(observed.seen_at), seconds(row.seen_at))
}

#[test]
fn news_is_dated_by_the_clock_unless_the_clock_was_set_back() {
    let fresh = record_seen_at(&[]);
    let known = record_seen_at(&[100, 200]);
    let table = [
        // Old record, earliest, now, new state: (since, seen, row).
        (&fresh, 0, 50, true, (50, 50, 50)),
        (&fresh, 80, 50, true, (80, 80, 80)),
        (&known, 200, 300, true, (300, 300, 300)),
        (&known, 200, 150, true, (200, 200, 200)),
        (&known, 250, 150, true, (250, 250, 250)),
        // The same state again: its `since` stays, however early.
        (&known, 250, 300, false, (100, 300, 300)),
        (&known, 250, 150, false, (100, 250, 250)),
        (&known, 250, 250, true, (250, 250, 250)),
    ];
    for (old, earliest, now, is_move, expected) in table {
        assert_eq!(dated(old, earliest, now, is_move), expected, "{earliest} {now} {is_move}");
    }
}

#[test]
fn what_was_not_seen_anew_keeps_its_dates_and_no_row_is_made() {
    let known = record_seen_at(&[100]);
    let mut record = Record { polls: 9, ..known.clone() };
    date_not_before(at(500), &known, &mut record, None);
    assert_eq!(record.observed, known.observed);
    let mut unseen = record_seen_at(&[]);
    date_not_before(at(500), &unseen.clone(), &mut unseen, None);
    assert_eq!(unseen.observed, None);
}

#[test]
fn the_newest_date_of_an_object_is_its_last_sight_or_its_enrolment() {
    let last_date = |old: &Record, now| last_date(old, &seen(old, "Captured", Phase::Final, at(now), None));
    assert_eq!(last_date(&record_seen_at(&[]), 300), at(0));
    assert_eq!(last_date(&record_seen_at(&[100, 200]), 300), at(200));
    assert_eq!(last_date(&record_seen_at(&[-50]), 300), at(0), "seen by a clock that had been set back");
    assert_eq!(
        last_date(&record_seen_at(&[7_000]), 300),
        at(7_000),
        "the clock was set back by less than two hours"
    );
    assert_eq!(last_date(&record_seen_at(&[9 * 3600]), 300), at(300), "seen by a clock that was ahead");
}

#[tokio::test]
async fn a_forgetting_is_not_dated_into_a_day_whose_report_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    enrol(&store, "A2", at(0)).await;
    move_to(&store, "A2", "Captured", Phase::Final, at(2000), None).await;
    store.seal_history(at(1000)).await.unwrap();
    for (id, seconds) in [("A1", 1000), ("A2", 2000)] {
        assert!(store.forget(&object(id), at(900), "uid 0").await.unwrap());
        let last = store.history(&object(id)).await.unwrap().pop().unwrap();
        assert_eq!((last.seen_at, last.happened_at), (at(seconds), at(seconds)), "{id}");
    }
    assert_eq!(store.transitions(at(0), at(1000), None, 9).await.unwrap().items, []);
}

#[test]
fn nothing_is_set_apart_in_a_day_that_is_reported() {
    let set_apart = |since| {
        let (cause, explanation) = ("not-found".to_owned(), String::new());
        Some(Quarantine { cause, explanation, since: at(since), evidence: None, expected: None })
    };
    let known = record_seen_at(&[100]);
    let mut record = Record { quarantine: set_apart(150), ..known.clone() };
    date_not_before(at(500), &known, &mut record, None);
    assert_eq!(record.quarantine.as_ref().map(|quarantine| quarantine.since), Some(at(500)));
    let mut later = record.clone();
    date_not_before(at(900), &record, &mut later, None);
    assert_eq!(later.quarantine, record.quarantine, "what is already known keeps its date");
}
