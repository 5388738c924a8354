//! Lists, counts and the order of service.

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::record::{Enrolment, Record};
use crate::store::{Count, Filter, Store, StoreError};

async fn all(store: &Store, filter: Filter, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(&filter, after, limit).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.into_iter().map(|record| record.object.id.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn lists_filter_and_page_over_open_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..9 {
        enrol(&store, &format!("A{number}"), at(number)).await;
    }
    for id in ["A1", "A4", "A8"] {
        move_to(&store, id, "Captured", Phase::Final, at(20), None).await;
    }
    move_to(&store, "A2", "Open", Phase::Moving, at(20), Some(at(99))).await;
    let everything: Vec<_> = (0..9).map(|number| format!("A{number}")).collect();
    for limit in [1, 2, 4, 100] {
        assert_eq!(all(&store, Filter::default(), limit).await, everything);
        let finished = Filter { finished: Some(true), ..Filter::default() };
        assert_eq!(all(&store, finished, limit).await, ["A1", "A4", "A8"]);
    }
    let state = Filter { state: Some("Open".to_owned()), ..Filter::default() };
    assert_eq!(all(&store, state, 2).await, ["A2"]);
    for nobody in [
        Filter { state: Some("Declined".to_owned()), ..Filter::default() },
        Filter { account: Some(AccountName::new("other").unwrap()), ..Filter::default() },
        Filter { kind: Some(Kind::new("refund").unwrap()), ..Filter::default() },
        Filter { quarantined: Some(true), ..Filter::default() },
        Filter { state: Some("Open".to_owned()), finished: Some(true), ..Filter::default() },
    ] {
        assert_eq!(all(&store, nobody, 2).await, Vec::<String>::new());
    }
    let old = Filter { older_than: Some(at(2)), finished: Some(false), ..Filter::default() };
    assert_eq!(all(&store, old, 2).await, ["A0"]);
    let page = store.open_objects(None, 100).await.unwrap();
    assert_eq!((page.items.len(), page.next), (6, None));
    let transitions = store.transitions(at(0), at(99), None, 1).await.unwrap();
    let wrong = store.list(&Filter::default(), transitions.next, 5).await;
    assert!(matches!(wrong, Err(StoreError::BadCursor(_))), "a cursor of another list is refused");
    let other = ObjectRef { kind: Kind::new("refund").unwrap(), ..object("A3") };
    let enrolment = Enrolment { object: other.clone(), details: Default::default() };
    store.enrol(vec![enrolment], at(30)).await.unwrap();
    let refunds = Filter { kind: Some(other.kind), account: Some(other.account), ..Filter::default() };
    assert_eq!(all(&store, refunds.clone(), 1).await, ["A3"]);
    assert_eq!(store.list(&refunds, None, 9).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn an_id_finds_its_objects_in_all_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let other = ObjectRef { kind: Kind::new("refund").unwrap(), ..object("A1") };
    let enrolments = vec![
        enrolment("A1"),
        enrolment("A10"),
        Enrolment { object: other.clone(), details: Default::default() },
    ];
    store.enrol(enrolments, at(0)).await.unwrap();
    move_to(&store, "A1", "Captured", Phase::Final, at(1), None).await;
    let found = store.find(&"A1".parse().unwrap()).await.unwrap();
    assert_eq!(found.into_iter().map(|record| record.object).collect::<Vec<_>>(), [object("A1"), other]);
    assert!(store.find(&"A".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn counts_follow_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2", "A3"] {
        enrol(&store, id, at(0)).await;
    }
    move_to(&store, "A1", "Captured", Phase::Final, at(1), None).await;
    let count = |state: Option<&str>, phase, finished, number| Count {
        account: account(),
        kind: kind(),
        phase,
        state: state.map(str::to_owned),
        quarantined: false,
        finished,
        number,
    };
    let captured = count(Some("Captured"), Phase::Final, true, 1);
    assert_eq!(store.counts().await.unwrap(), [count(None, Phase::Moving, false, 2), captured.clone()]);
    move_to(&store, "A2", "Captured", Phase::Final, at(1), None).await;
    move_to(&store, "A3", "Captured", Phase::Final, at(1), None).await;
    assert_eq!(store.counts().await.unwrap(), [Count { number: 3, ..captured }]);
}

#[tokio::test]
async fn the_oldest_moving_object_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.oldest_moving().await, Ok(None));
    enrol(&store, "A1", at(5)).await;
    let mut older = enrolment("A2");
    older.details.created_at = Some(at(-500));
    store.enrol(vec![older], at(6)).await.unwrap();
    assert_eq!(store.oldest_moving().await, Ok(Some((object("A2"), at(-500)))));
    move_to(&store, "A2", "Authorized", Phase::Resting, at(7), Some(at(900))).await;
    assert_eq!(store.oldest_moving().await, Ok(Some((object("A1"), at(5)))));
}

#[tokio::test]
async fn moving_objects_are_counted_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for (id, seconds) in [("A1", 99), ("A2", 91), ("A3", 90), ("A4", 50), ("A5", 0), ("A6", 0)] {
        enrol(&store, id, at(seconds)).await;
    }
    assert_eq!(store.moving_ages(at(100), &[10, 50]).await, Ok(vec![2, 1, 3]));
    move_to(&store, "A6", "Authorized", Phase::Resting, at(100), Some(at(900))).await;
    assert_eq!(store.moving_ages(at(100), &[10, 50]).await, Ok(vec![2, 1, 2]));
    assert_eq!(store.moving_ages(at(-100), &[]).await, Ok(vec![5]), "a clock that was set back");
}

#[tokio::test]
async fn transitions_are_given_by_time_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2"] {
        enrol(&store, id, at(0)).await;
    }
    for (id, state, seconds) in
        [("A2", "Open", 10), ("A1", "Open", 10), ("A1", "Declined", 10), ("A2", "Captured", 20)]
    {
        move_to(&store, id, state, Phase::Moving, at(seconds), Some(at(99))).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.transitions(at(10), at(20), after, 1).await.unwrap();
        seen.extend(page.items.into_iter().map(|row| format!("{} {}", row.object.id, row.to)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["A1 Open", "A1 Declined", "A2 Open"]);
    assert_eq!(store.transitions(at(20), at(21), None, 9).await.unwrap().items.len(), 1);
}

/// Sets a record's due time and deadline.
async fn set(store: &Store, id: &str, due: i64, deadline: Option<i64>) {
    let read = record(store, id).await;
    let record = Record { due_at: Some(at(due)), deadline: deadline.map(at), ..read.clone() };
    store.commit(quiet(&read, record)).await.unwrap();
}

#[tokio::test]
async fn urgency_comes_first_but_starves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..8 {
        enrol(&store, &format!("U{number}"), at(0)).await;
        enrol(&store, &format!("O{number}"), at(0)).await;
        set(&store, &format!("U{number}"), 100 + number, Some(3600 + number)).await;
        set(&store, &format!("O{number}"), number, None).await;
    }
    let day = 24 * 3600;
    enrol(&store, "F", at(0)).await;
    set(&store, "F", 50, Some(day)).await;
    let ids = |records: Vec<Record>| -> Vec<String> {
        records.into_iter().map(|record| record.object.id.as_str().to_owned()).collect()
    };
    let due = ids(store.due(&account(), &kind(), at(200), 12).await.unwrap());
    assert_eq!(due, ["U0", "U1", "U2", "O0", "U3", "U4", "U5", "O1", "U6", "U7", "O2", "O3"]);
    let all = ids(store.due(&account(), &kind(), at(200), 100).await.unwrap());
    assert_eq!(all.len(), 17);
    assert_eq!(all.last().unwrap(), "F", "a far deadline is not urgent yet");
    assert!(store.due(&account(), &kind(), at(-1), 9).await.unwrap().is_empty());
    assert!(store.due(&account(), &Kind::new("refund").unwrap(), at(200), 9).await.unwrap().is_empty());
    assert_clean(&store).await;
}

#[tokio::test]
async fn an_object_that_is_due_without_a_record_is_damage_and_no_busy_loop() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    enrol(&store, "A2", at(50)).await;
    tamper(&store, crate::store::index::keys::record(&object("A1"), false), None);
    let error = store.due(&account(), &kind(), at(100), 9).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged(why) if why.contains("shop-de/charge/A1")), "{error}");
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.is_some(), "the index was rebuilt");
    assert_eq!(store.due(&account(), &kind(), at(100), 9).await.unwrap().len(), 2);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_self_check_finds_a_record_that_the_due_queue_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    let changed = Record { due_at: Some(at(77)), ..record(&store, "A1").await };
    let row = crate::store::index::keys::record(&object("A1"), false);
    tamper(&store, row, Some(crate::store::index::value::encode(&changed, 1)));
    let report = store.check().await.unwrap();
    assert!(report.problems[0].contains("is not in the due queue where its record says"), "{report:?}");
}
