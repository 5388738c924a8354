//! What a crash of the process leaves behind, and how opening deals with it.

use std::fs;

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::store::{Delivery, OpenError, Options, StoreError};

#[tokio::test]
async fn a_clean_stop_is_known_and_used_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.is_new && !opening.was_clean_stop);
    enrol(&store, "A1", at(0)).await;
    let other = store.clone();
    store.close().await.unwrap();
    assert_eq!(other.record(&object("A1")).await, Err(StoreError::Closed));
    assert_eq!(other.remember("a", "b").await, Err(StoreError::Closed));
    let (store, opening) = open(folder.path()).await;
    assert!(!opening.is_new && opening.was_clean_stop);
    assert_eq!(opening.replayed_entries, 0);
    assert!(enrol(&store, "A2", at(0)).await == crate::store::Enrolled::New);
    drop((store, other));
    let (store, opening) = open(folder.path()).await;
    assert!(!opening.was_clean_stop);
    assert_eq!(record(&store, "A2").await.enrolled_at, at(0));
}

#[tokio::test]
async fn the_due_queue_of_a_clean_stop_is_used_once_and_only_with_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(5)).await;
    let queue = folder.path().join("queue");
    assert!(!queue.exists());
    store.close().await.unwrap();
    let left = fs::read(&queue).unwrap();
    // If the stored queue is used, its due times count, whatever the records say.
    let row = crate::store::index::keys::record(&object("A1"), false);
    let (store, opening) = open(folder.path()).await;
    assert!(opening.was_clean_stop && !queue.exists());
    let changed = crate::payments::record::Record { due_at: Some(at(77)), ..record(&store, "A1").await };
    tamper(&store, row, Some(crate::store::index::value::encode(&changed, 1)));
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(5))), "the queue was used");
    drop(store);
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(77))), "a crash leaves none");
    store.close().await.unwrap();
    fs::write(&queue, left).unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.next_due(&account(), &kind()).await, Ok(Some(at(77))), "the queue is from another stop");
    assert_clean(&store).await;
}

#[tokio::test]
async fn only_one_process_has_it_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let first = Options { command: "reconciled run".to_owned(), ..options(folder.path()) };
    let (store, _) = crate::store::Store::open(first, at(0)).await.unwrap();
    let error = open_error(options(folder.path())).await;
    let text = error.to_string();
    assert!(matches!(error, OpenError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("process {} (reconciled run)", std::process::id())), "{text}");
    store.close().await.unwrap();
    open(folder.path()).await;
}

#[tokio::test]
async fn other_folders_and_newer_formats_are_refused_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("holiday.jpg"), b"x").unwrap();
    assert!(matches!(open_error(options(folder.path())).await, OpenError::NotAStore { .. }));
    assert!(folder.path().join("holiday.jpg").exists());

    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    store.close().await.unwrap();
    let format = folder.path().join("format");
    let written = fs::read_to_string(&format).unwrap();
    fs::write(&format, "reconciled store 2\n").unwrap();
    let error = open_error(options(folder.path())).await;
    assert!(matches!(error, OpenError::TooNew { found: 2, known: 1, .. }), "{error}");
    fs::write(&format, "something else").unwrap();
    assert!(matches!(open_error(options(folder.path())).await, OpenError::NotAStore { .. }));
    fs::write(&format, written).unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.was_clean_stop, "the refusals changed nothing");
    record(&store, "A1").await;
}

#[tokio::test]
async fn too_little_room_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_error(Options { free_floor_bytes: u64::MAX, ..options(folder.path()) }).await;
    assert!(matches!(error, OpenError::NoSpace { .. }), "{error}");
}

#[tokio::test]
async fn after_a_kill_at_any_point_all_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for step in 0..12 {
        let id = format!("A{step}");
        enrol(&store, &id, at(step)).await;
        if step % 2 == 0 {
            move_to(&store, &id, "Declined", Phase::Final, at(step), None).await;
        }
        let key = format!("k{step}");
        store.raise(vec![owed(&key, &["ops"], at(step))]).await.unwrap();
        if step % 3 == 0 {
            store.settle(&key, "ops", Delivery::Delivered, at(step)).await.unwrap();
        }
        if step % 4 != 3 {
            continue;
        }
        let after = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), after.path());
        let (copy, opening) = open(after.path()).await;
        assert!(!opening.was_clean_stop);
        for known in 0..=step {
            assert_eq!(record(&copy, &format!("A{known}")).await.is_finished(), known % 2 == 0);
        }
        let owed = copy.owed("ops", at(99), 99).await.unwrap();
        assert_eq!(owed.len(), (0..=step).filter(|known| known % 3 != 0).count());
        assert_clean(&copy).await;
    }
}

#[tokio::test]
async fn an_index_that_lags_behind_is_brought_up_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    store.close().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("index"), &old.path().join("index"));
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A2", at(1)).await;
    move_to(&store, "A1", "Declined", Phase::Final, at(2), None).await;
    let expected = record(&store, "A1").await;
    drop(store);
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    copy_folder(&old.path().join("index"), &folder.path().join("index"));
    let (store, opening) = open(folder.path()).await;
    assert_eq!(opening.replayed_entries, 2);
    assert_eq!(opening.rebuilt_index, None);
    assert_eq!(record(&store, "A1").await, expected);
    assert_eq!(store.history(&object("A1")).await.unwrap().len(), 1);
    assert_clean(&store).await;
}

#[tokio::test]
async fn an_index_of_another_journal_is_set_aside_when_that_is_accepted() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, id) in [(&one, "A1"), (&other, "B1")] {
        let (store, _) = open(folder.path()).await;
        enrol(&store, id, at(0)).await;
        enrol(&store, "C1", at(0)).await;
        crash_in_step(store);
    }
    fs::remove_dir_all(one.path().join("index")).unwrap();
    copy_folder(&other.path().join("index"), &one.path().join("index"));
    let error = open_error(options(one.path())).await;
    assert!(error.to_string().contains("00000000000000000001.journal belongs to another journal"), "{error}");
    let accepting = Options { accept_loss: true, ..options(one.path()) };
    let (store, opening) = crate::store::Store::open(accepting, at(0)).await.unwrap();
    assert!(opening.rebuilt_index.unwrap().contains("its entry 2 is not the one the index was built from"));
    record(&store, "A1").await;
    assert_eq!(store.record(&object("B1")).await, Ok(None));
    assert!(one.path().join("index.aside-1").is_dir(), "nothing is deleted");
    assert_clean(&store).await;
}

#[tokio::test]
async fn after_the_host_itself_stopped_the_index_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    drop(store);
    fs::write(folder.path().join("running"), "another boot").unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.owes_check && opening.rebuilt_index.is_none());
    // A page that the disk lost shows up as rows that do not match.
    let lost = crate::store::index::keys::record(&object("A1"), false);
    tamper(&store, lost, None);
    let error = store.check_if_owed().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(store.remember("a", "b").await.unwrap_err().is_fatal(), "nothing is acknowledged any more");
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.unwrap().contains("after the host went down"));
    assert!(!opening.owes_check, "a fresh index needs none");
    record(&store, "A1").await;
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_backup_made_while_at_work_is_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { journal_segment_bytes: 500, ..options(folder.path()) };
    let (store, _) = crate::store::Store::open(small, at(0)).await.unwrap();
    for number in 0..10 {
        enrol(&store, &format!("A{number}"), at(number)).await;
    }
    let parent = tempfile::tempdir().unwrap();
    let to = parent.path().join("copy");
    let report = store.backup(to.clone()).await.unwrap();
    assert!(report.segments > 3 && report.journal_sequence == 10, "{report:?}");
    enrol(&store, "B1", at(50)).await;
    assert!(matches!(store.backup(to.clone()).await, Err(StoreError::Backup(_))), "never over another one");
    std::os::unix::fs::symlink(folder.path(), parent.path().join("link")).unwrap();
    for inside in ["link", "link/copy", "link/journal/a/b"] {
        let refused = store.backup(parent.path().join(inside)).await.unwrap_err().to_string();
        assert!(refused.contains("is in the store itself"), "{refused}");
    }
    let refused = store.backup(folder.path().join("backup")).await.unwrap_err().to_string();
    assert!(
        refused.contains("is in the store itself") && !folder.path().join("backup").exists(),
        "{refused}"
    );
    let (copy, opening) = open(&to).await;
    assert_eq!(opening.replayed_entries, 10);
    assert_eq!(copy.open_objects(None, 99).await.unwrap().items.len(), 10);
    assert_clean(&copy).await;
    assert_eq!(enrol(&store, "B2", at(51)).await, crate::store::Enrolled::New, "the store continues to work");
}

#[tokio::test]
async fn segments_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let small = || Options { journal_segment_bytes: 700, ..options(folder.path()) };
    for round in 0..3 {
        let (store, _) = crate::store::Store::open(small(), at(0)).await.unwrap();
        for number in 0..6 {
            enrol(&store, &format!("A{round}-{number}"), at(number)).await;
        }
        assert_clean(&store).await;
        drop(store);
    }
    assert!(fs::read_dir(folder.path().join("journal")).unwrap().count() > 3);
    let rebuilt = Options { rebuild_index: true, ..small() };
    let (store, opening) = crate::store::Store::open(rebuilt, at(0)).await.unwrap();
    assert_eq!(opening.replayed_entries, 18);
    assert_eq!(store.open_objects(None, 99).await.unwrap().items.len(), 18);
    assert_clean(&store).await;
}

#[tokio::test]
async fn an_index_that_opens_but_cannot_be_used_is_made_anew_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.raise(vec![owed("k1", &["ops"], at(0))]).await.unwrap();
    let counted = crate::store::index::keys::deliveries("ops", 0);
    tamper(&store, counted, Some(b"no number".to_vec()));
    drop(store);
    fs::write(folder.path().join("running"), "another boot").unwrap();
    assert!(matches!(open_error(options(folder.path())).await, OpenError::Index(_)));
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.is_some());
    assert_eq!(store.outbox_pending(), 1);
    assert_clean(&store).await;
}
