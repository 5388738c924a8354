//! What each method promises.

use std::time::Duration;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::payments::money::Money;
use crate::payments::record::Details;
use crate::store::{Announced, Commit, Committed, Enrolled, StoreError};

#[tokio::test]
async fn enrolling_twice_changes_only_what_was_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.is_new);
    let mut with_amount = enrolment("A1");
    with_amount.details.amount = Some(Money::parse("14.00", "EUR").unwrap());
    let mut contrary = enrolment("A1");
    contrary.details.amount = Some(Money::parse("15.00", "EUR").unwrap());
    let asked =
        vec![enrolment("A1"), enrolment("A1"), with_amount.clone(), with_amount, contrary, enrolment("A2")];
    let answers = store.enrol(asked, at(1)).await.unwrap();
    assert_eq!(answers[..4], [Enrolled::New, Enrolled::Same, Enrolled::Enriched, Enrolled::Same]);
    assert!(matches!(&answers[4], Enrolled::Conflict(conflict) if conflict.field == "amount"));
    assert_eq!(answers[5], Enrolled::New);
    let kept = record(&store, "A1").await;
    assert_eq!(kept.details.amount, Some(Money::parse("14.00", "EUR").unwrap()));
    assert_eq!((kept.enrolled_at, kept.due_at), (at(1), Some(at(1))));
    assert_eq!(enrol(&store, "A1", at(9)).await, Enrolled::Same);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_long_list_is_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "N0700", at(0)).await;
    let many = (0..1200).map(|number| enrolment(&format!("N{number:04}"))).collect();
    let answers = store.enrol(many, at(1)).await.unwrap();
    assert_eq!(answers.len(), 1200);
    let known: Vec<_> = (0..1200).filter(|place| answers[*place] == Enrolled::Same).collect();
    assert_eq!(known, [700]);
    assert_eq!(store.due(&account(), &kind(), at(1), 2000).await.unwrap().len(), 1200);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_commit_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    enrol(&store, "A3", at(0)).await;
    let read = record(&store, "A1").await;
    let mut known = enrolment("A3");
    known.details = Details { parent: Some("A1".to_owned()), ..Details::default() };
    let commit = Commit {
        transition: Some(transition(&read, "Captured", at(5))),
        enrol: vec![enrolment("A2"), known],
        alerts: vec![owed("declined/A1", &["ops", "shop"], at(5))],
        ..quiet(&read, seen(&read, "Captured", Phase::Final, at(5), None))
    };
    assert_eq!(store.commit(commit.clone()).await, Ok(Committed::Written));
    let after = record(&store, "A1").await;
    assert_eq!((after.revision, after.state()), (read.revision + 1, Some("Captured")));
    assert_eq!(record(&store, "A2").await.due_at, Some(at(5)));
    assert_eq!(record(&store, "A3").await.details.parent.as_deref(), Some("A1"));
    assert_eq!(store.history(&object("A1")).await.unwrap(), [commit.transition.clone().unwrap()]);
    assert_eq!(store.owed("shop", at(5), 9).await.unwrap().len(), 1);
    assert_eq!(store.stats().outbox_pending, 2);

    assert_eq!(store.commit(commit.clone()).await, Ok(Committed::Stale));
    assert!(store.forget(&object("A1"), at(6), "an operator").await.unwrap());
    assert_eq!(store.commit(commit).await, Ok(Committed::Forgotten));
    assert_eq!(store.history(&object("A1")).await.unwrap().len(), 2);
    assert_clean(&store).await;
}

#[tokio::test]
async fn nothing_new_is_not_journaled() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    let before = store.stats().journal_sequence;
    let read = record(&store, "A1").await;
    let later = seen(&read, "Open", Phase::Moving, at(5), Some(at(3600)));
    assert_eq!(store.commit(quiet(&read, later)).await, Ok(Committed::Written));
    assert_eq!(store.stats().journal_sequence, before);
    assert_eq!(record(&store, "A1").await.revision, read.revision + 1);
    assert_eq!(store.next_due(&account(), &kind()).await.unwrap(), Some(at(3600)));
    let with_news = Commit {
        alerts: vec![owed("k", &["ops"], at(5))],
        ..quiet(&record(&store, "A1").await, record(&store, "A1").await)
    };
    assert_eq!(store.commit(with_news).await, Ok(Committed::Written));
    assert_eq!(store.stats().journal_sequence, before + 1, "an alert is news, whatever the flag says");
}

#[tokio::test]
async fn asking_comes_first_and_wakes_finished_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2", "A3"] {
        enrol(&store, id, at(0)).await;
    }
    move_to(&store, "A3", "Captured", Phase::Final, at(1), None).await;
    assert!(record(&store, "A3").await.is_finished());
    let answers = store.ask(vec![object("A3"), object("A9"), object("A2")], at(2)).await.unwrap();
    assert_eq!(answers, [true, false, true]);
    let due = store.due(&account(), &kind(), at(2), 9).await.unwrap();
    let ids: Vec<_> = due.iter().map(|record| record.object.id.as_str()).collect();
    assert_eq!(ids, ["A2", "A3", "A1"]);
    assert!(due[0].is_asked && due[1].is_asked && !due[2].is_asked);
    let before = store.stats().journal_sequence;
    assert_eq!(store.ask(vec![object("A3")], at(3)).await, Ok(vec![true]));
    assert_eq!(store.stats().journal_sequence, before, "it was requested already");
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_hint_makes_due_but_never_wakes_the_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    enrol(&store, "A2", at(0)).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(1), Some(at(900))).await;
    move_to(&store, "A2", "Captured", Phase::Final, at(1), None).await;
    assert_eq!(store.hint(&object("A1"), at(5)).await, Ok(true));
    assert_eq!(store.hint(&object("A2"), at(5)).await, Ok(false));
    assert_eq!(store.hint(&object("A9"), at(5)).await, Ok(false));
    let due = store.due(&account(), &kind(), at(5), 9).await.unwrap();
    assert_eq!(
        due.iter().map(|record| (record.due_at, record.is_asked)).collect::<Vec<_>>(),
        [(Some(at(5)), false)]
    );
}

#[tokio::test]
async fn announced_objects_pass_a_backlog_which_keeps_every_fourth_place() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2", "A3", "B1", "B2", "B3", "B4"] {
        enrol(&store, id, at(0)).await;
    }
    let announced: Vec<_> = ["B1", "B2", "B3", "B4"].map(object).into();
    store.announce(announced, at(5)).await.unwrap();
    let due = store.due(&account(), &kind(), at(5), 9).await.unwrap();
    let ids: Vec<_> = due.iter().map(|record| record.object.id.as_str()).collect();
    assert_eq!(ids, ["B1", "B2", "B3", "A1", "B4", "A2", "A3"]);
    // Its poll ends it, and nothing else does.
    let read = record(&store, "B1").await;
    assert!(read.is_announced);
    let polled = seen(&read, "Open", Phase::Moving, at(6), Some(at(7)));
    assert_eq!(store.commit(quiet(&read, polled)).await, Ok(Committed::Written));
    let due = store.due(&account(), &kind(), at(8), 9).await.unwrap();
    assert_eq!(due.last().unwrap().object, object("B1"));
    assert!(!record(&store, "B1").await.is_announced);
    assert_clean(&store).await;
}

#[tokio::test]
async fn an_announcement_survives_a_crash_and_makes_a_commit_of_an_older_record_stale() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for id in ["A1", "A2", "A10"] {
        enrol(&store, id, at(0)).await;
    }
    move_to(&store, "A1", "Open", Phase::Moving, at(1), Some(at(900))).await;
    move_to(&store, "A10", "Open", Phase::Moving, at(1), Some(at(900))).await;
    move_to(&store, "A2", "Captured", Phase::Final, at(1), None).await;
    let named = ["A1", "A2", "A9", "A1"].map(object).to_vec();
    let answers = [Announced::Due, Announced::Finished, Announced::Unknown, Announced::Due];
    assert_eq!(store.announce(named.clone(), at(5)).await, Ok(answers.to_vec()));
    let read = store.record(&object("A1")).await.unwrap().unwrap();
    assert_eq!(store.announce(named, at(6)).await, Ok(answers.to_vec()));
    let newest = store.record(&object("A1")).await.unwrap().unwrap();
    assert_eq!((newest.due_at, read.due_at), (Some(at(5)), Some(at(5))), "it keeps its turn");
    assert!(newest.revision > read.revision);
    assert_eq!(store.open_beginning_with("A1", 9).await.unwrap(), [object("A1"), object("A10")]);
    assert_eq!(store.open_beginning_with("A1", 1).await.unwrap().len(), 1);
    assert_eq!(store.open_beginning_with("B", 9).await.unwrap(), []);
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let (store, _) = open(folder.path()).await;
    let due = store.due(&account(), &kind(), at(5), 9).await.unwrap();
    assert_eq!(
        due.iter().map(|record| (record.object.id.as_str(), record.due_at)).collect::<Vec<_>>(),
        [("A1", Some(at(5)))]
    );
    assert_clean(&store).await;
}

#[tokio::test]
async fn forgetting_leaves_history_and_can_be_undone_by_enrolling() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    move_to(&store, "A1", "Open", Phase::Moving, at(1), Some(at(900))).await;
    assert_eq!(store.forget(&object("A1"), at(2), "carla").await, Ok(true));
    assert_eq!(store.forget(&object("A1"), at(2), "carla").await, Ok(false));
    assert_eq!(store.record(&object("A1")).await, Ok(None));
    assert_eq!(store.counts().await, Ok(Vec::new()));
    let history = store.history(&object("A1")).await.unwrap();
    assert_eq!(history.last().unwrap().note, "forgotten by carla");
    assert_eq!(enrol(&store, "A1", at(3)).await, Enrolled::New);
    assert_clean(&store).await;
}

#[tokio::test]
async fn signals_pulse_when_something_is_due_earlier() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let due = store.due_signal(&object("A1").account);
    let other = store.due_signal(&"other".parse().unwrap());
    let outbox = store.outbox_signal();
    enrol(&store, "A1", at(0)).await;
    assert!(was_pulsed(&due).await);
    move_to(&store, "A1", "Open", Phase::Moving, at(1), Some(at(900))).await;
    assert!(!was_pulsed(&due).await, "later is not earlier");
    assert!(store.hint(&object("A1"), at(5)).await.unwrap());
    assert!(was_pulsed(&due).await);
    assert!(!was_pulsed(&other).await, "it concerns another account");
    assert!(!was_pulsed(&outbox).await);
    assert_eq!(store.raise(vec![owed("k", &["ops"], at(5))]).await, Ok(1));
    assert!(was_pulsed(&outbox).await);
    assert_eq!(store.raise(vec![owed("k", &["ops"], at(5))]).await, Ok(0));
    assert!(!was_pulsed(&outbox).await);
}

/// Whether a signal is waiting; consumes it.
async fn was_pulsed(signal: &tokio::sync::Notify) -> bool {
    tokio::select! {
        biased;
        () = signal.notified() => true,
        () = std::future::ready(()) => false,
    }
}

#[tokio::test]
async fn what_is_remembered_can_be_recalled() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for (name, value) in [("report/1", "a"), ("report/2", "b"), ("rex", "c"), ("report/1", "d")] {
        store.remember(name, value).await.unwrap();
    }
    let before = store.stats().journal_sequence;
    store.remember("rex", "c").await.unwrap();
    assert_eq!(store.remember_new("rex", "d").await, Ok(false));
    assert_eq!(store.stats().journal_sequence, before, "nothing new");
    assert_eq!(store.remember_new("new", "e").await, Ok(true));
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.recall("report/1").await.unwrap().as_deref(), Some("d"));
    assert_eq!(store.recall("rex").await.unwrap().as_deref(), Some("c"));
    assert_eq!(store.recall("new").await.unwrap().as_deref(), Some("e"));
    assert_eq!(store.recall("report").await, Ok(None));
    let all = store.recall_all("report/").await.unwrap();
    assert_eq!(all, [("report/1".to_owned(), "d".to_owned()), ("report/2".to_owned(), "b".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn paused_time_waits_for_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..20 {
        let id = format!("A{number}");
        let write = tokio::time::timeout(Duration::from_millis(1), enrol(&store, &id, at(0))).await;
        assert_eq!(write, Ok(Enrolled::New));
        let read = tokio::time::timeout(Duration::from_millis(1), record(&store, &id)).await;
        assert!(read.is_ok());
    }
}

#[tokio::test]
async fn those_who_wait_together_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let before = store.stats();
    let answers = {
        let held = store.engine.journal.lock().unwrap();
        let answers: Vec<_> = (0..64)
            .map(|number| {
                let one = vec![enrolment(&format!("A{number}"))];
                store
                    .engine
                    .submit(move |group| crate::store::operations::enrol(group, one.clone(), at(0)))
                    .unwrap()
            })
            .collect();
        drop(held);
        answers
    };
    for answer in answers {
        assert_eq!(store.engine.wait(answer).await, Ok(vec![Enrolled::New]));
    }
    let after = store.stats();
    assert_eq!(after.journal_sequence - before.journal_sequence, 64);
    assert_eq!(after.synced_groups - before.synced_groups, 1);
}

#[tokio::test]
async fn a_refused_operation_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let bad = store.raise(vec![owed("k", &["o\0ps"], at(0))]).await;
    assert_eq!(bad, Err(StoreError::BadTarget("o\0ps".to_owned())));
    let long = "x".repeat(17 * 1024 * 1024);
    assert!(matches!(store.remember("n", &long).await, Err(StoreError::TooLarge { .. })));
    assert_eq!(enrol(&store, "A1", at(0)).await, Enrolled::New);
    assert_clean(&store).await;
}

#[tokio::test]
async fn long_evidence_is_cut_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    let read = record(&store, "A1").await;
    let mut large = seen(&read, "Open", Phase::Moving, at(1), Some(at(60)));
    let evidence = &mut large.observed.as_mut().unwrap().observation.evidence;
    evidence.insert("softDescriptor".to_owned(), "ü".repeat(4000));
    evidence.insert("short".to_owned(), "stays".to_owned());
    assert_eq!(store.commit(quiet(&read, large)).await, Ok(Committed::Written));
    let kept = record(&store, "A1").await.observed.unwrap().observation.evidence;
    assert_eq!(kept["softDescriptor"].chars().count(), 121);
    assert_eq!(kept["short"], "stays");
}
