//! A journal that lacks entries: opening is refused, the missing entries are named, and they are left out only if the
//! loss is accepted.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixture::*;
use crate::store::index::keys;
use crate::store::journal::segment::segment_name;
use crate::store::recovery::open::UNCHECKED;
use crate::store::{OpenError, Options, Store, StoreError, rebuild};

/// Options under which each entry has a file of its own.
fn small(folder: &Path) -> Options {
    Options { journal_segment_bytes: 100, ..options(folder) }
}

fn file(folder: &Path, first: u64) -> PathBuf {
    folder.join("journal").join(segment_name(first))
}

/// A store of this many single enrolments, closed cleanly.
async fn furnished(options: Options, prefix: &str, number: usize) {
    let (store, _) = Store::open(options, at(0)).await.unwrap();
    for place in 0..number {
        enrol(&store, &format!("{prefix}{place}"), at(0)).await;
    }
    store.close().await.unwrap();
}

async fn number(store: &Store) -> usize {
    store.open_objects(None, 999).await.unwrap().items.len()
}

/// Opening must be refused for `why`, and again after that, because the refusal changes nothing. The same holds for
/// opening with a rebuild of the index, and for a rebuild that accepts no loss.
async fn assert_refused(options: Options, why: &str) {
    for rebuild_index in [false, true, false] {
        let error = open_error(Options { rebuild_index, ..options.clone() }).await;
        assert!(matches!(error, OpenError::Lost { .. }), "{error}");
        let text = error.to_string();
        for part in [why, "store restore --from", "store rebuild --accept-loss"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let error = rebuild(options, at(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
}

/// Accepts the loss, and expects a sound store with `left` records afterwards.
async fn assert_accepted(options: Options, rescued: u64, left: usize) {
    let accepting = Options { accept_loss: true, ..options.clone() };
    let rebuilt = rebuild(accepting, at(1)).await.unwrap();
    assert!(!rebuilt.lost.is_empty() || !rebuilt.damaged.is_empty(), "it is named: {rebuilt:?}");
    assert_eq!(rebuilt.rescued_rows, rescued, "{rebuilt:?}");
    let (store, opening) = Store::open(options, at(2)).await.unwrap();
    assert!(opening.lost.is_empty(), "{opening:?}");
    assert_eq!(number(&store).await, left);
    enrol(&store, "Z1", at(2)).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_journal_that_is_gone_beside_an_index_with_records_is_refused() {
    for is_clean in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        furnished(options(folder.path()), "A", 40).await;
        fs::remove_file(file(folder.path(), 1)).unwrap();
        if !is_clean {
            fs::remove_file(folder.path().join("clean")).unwrap();
        }
        assert_refused(options(folder.path()), "its file 00000000000000000001.journal is missing").await;
    }
}

#[tokio::test]
async fn what_the_index_still_has_is_kept_when_the_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    furnished(options(folder.path()), "A", 40).await;
    fs::remove_file(file(folder.path(), 1)).unwrap();
    assert_accepted(options(folder.path()), 40, 40).await;
    let (store, _) = open(folder.path()).await;
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_journal_that_ends_before_what_the_index_knows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    furnished(small(folder.path()), "A", 5).await;
    let (fourth, fifth) = (file(folder.path(), 4), file(folder.path(), 5));
    for gone in [&fourth, &fifth] {
        fs::rename(gone, gone.with_extension("hidden")).unwrap();
    }
    assert_refused(small(folder.path()), "its file 00000000000000000005.journal is missing").await;
    // The files are put back.
    for gone in [&fourth, &fifth] {
        fs::rename(gone.with_extension("hidden"), gone).unwrap();
    }
    let (store, opening) = Store::open(small(folder.path()), at(1)).await.unwrap();
    assert!(opening.lost.is_empty());
    assert_eq!(number(&store).await, 5);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_journal_whose_end_is_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    furnished(options(folder.path()), "A", 5).await;
    let bytes = fs::read(file(folder.path(), 1)).unwrap();
    let half = bytes.iter().position(|byte| *byte == b'~').unwrap() / 2;
    fs::write(file(folder.path(), 1), &bytes[..half]).unwrap();
    assert_refused(options(folder.path()), "but entry 5 was acknowledged").await;
    assert_eq!(fs::read(file(folder.path(), 1)).unwrap().len(), half, "nothing was cut off");
}

#[tokio::test]
async fn without_an_index_the_mark_of_the_clean_stop_knows() {
    let folder = tempfile::tempdir().unwrap();
    furnished(small(folder.path()), "A", 5).await;
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::remove_file(file(folder.path(), 5)).unwrap();
    assert_refused(small(folder.path()), "it ends with entry 4, but entry 5 was acknowledged").await;
    assert_accepted(small(folder.path()), 0, 4).await;
}

#[tokio::test]
async fn a_store_that_was_used_has_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    furnished(options(folder.path()), "A", 2).await;
    for gone in ["index", "journal"] {
        fs::remove_dir_all(folder.path().join(gone)).unwrap();
    }
    fs::remove_file(folder.path().join("clean")).unwrap();
    assert_refused(options(folder.path()), "it has no files").await;
    assert_accepted(options(folder.path()), 0, 0).await;
}

#[tokio::test]
async fn a_missing_file_in_the_middle_or_at_the_beginning_is_refused() {
    for missing in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        furnished(small(folder.path()), "A", 5).await;
        fs::remove_file(file(folder.path(), missing)).unwrap();
        let why = format!("its file {} is missing", segment_name(missing));
        assert_refused(small(folder.path()), &why).await;
        assert_accepted(small(folder.path()), 1, 5).await;
    }
    // Without an index, the hash chain shows it.
    let folder = tempfile::tempdir().unwrap();
    furnished(small(folder.path()), "A", 5).await;
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::remove_file(file(folder.path(), 3)).unwrap();
    assert_refused(small(folder.path()), "entry 3: the entries before this file are missing").await;
    assert_accepted(small(folder.path()), 0, 4).await;
}

#[tokio::test]
async fn a_file_of_another_store_is_refused() {
    let other = tempfile::tempdir().unwrap();
    furnished(small(other.path()), "B", 9).await;
    for (exchanged, is_clean) in [(1, true), (3, true), (5, true), (5, false)] {
        let folder = tempfile::tempdir().unwrap();
        furnished(small(folder.path()), "A", 5).await;
        fs::copy(file(other.path(), exchanged), file(folder.path(), exchanged)).unwrap();
        if !is_clean {
            fs::remove_file(folder.path().join("clean")).unwrap();
        }
        let why = format!("its file {} belongs to another journal", segment_name(exchanged));
        assert_refused(small(folder.path()), &why).await;
    }
}

#[tokio::test]
async fn a_store_of_the_time_before_the_row_opens_and_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(small(folder.path()), at(0)).await.unwrap();
    for place in 0..3 {
        enrol(&store, &format!("A{place}"), at(0)).await;
    }
    tamper(&store, keys::JOURNAL.to_vec(), None);
    store.close().await.unwrap();
    fs::write(folder.path().join("clean"), "stopped properly\n").unwrap();
    let (store, opening) = Store::open(small(folder.path()), at(1)).await.unwrap();
    assert!(
        opening.was_clean_stop && opening.lost.is_empty() && opening.rebuilt_index.is_none(),
        "{opening:?}"
    );
    assert!(opening.owes_check, "it is not known yet whether files are missing");
    assert!(store.check_if_owed().await.unwrap().is_some_and(|report| report.is_clean()));
    assert_eq!(store.check_if_owed().await.unwrap(), None, "once");
    store.close().await.unwrap();
    fs::remove_file(file(folder.path(), 2)).unwrap();
    assert_refused(small(folder.path()), "its file 00000000000000000002.journal is missing").await;
}

#[tokio::test]
async fn a_check_says_when_the_journal_of_a_store_at_work_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(small(folder.path()), at(0)).await.unwrap();
    for place in 0..4 {
        enrol(&store, &format!("A{place}"), at(0)).await;
    }
    assert_clean(&store).await;
    fs::remove_file(file(folder.path(), 4)).unwrap();
    fs::remove_file(file(folder.path(), 3)).unwrap();
    let report = store.check().await.unwrap();
    assert_eq!(report.problems, ["journal: it ends with entry 2, but entry 4 was acknowledged"]);
    // Upkeep notices it before more is acknowledged in vain.
    let error = store.tidy(at(1)).await.unwrap_err();
    assert!(
        error.is_fatal() && error.to_string().contains("00000000000000000004.journal is gone"),
        "{error}"
    );
    assert!(store.remember("a", "b").await.unwrap_err().is_fatal());
}

#[tokio::test]
async fn the_check_after_a_stop_of_the_host_is_owed_until_it_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(!opening.owes_check, "a new store");
    enrol(&store, "A1", at(0)).await;
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert!(!opening.owes_check, "only the process was killed");
    drop(store);
    fs::write(folder.path().join("running"), "another boot").unwrap();
    for _ in 0..2 {
        // Killed before the check ended, and started again on the same boot.
        let (store, opening) = open(folder.path()).await;
        assert!(opening.owes_check && opening.remarks()[0].contains("in the background"));
        drop(store);
    }
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A2", at(1)).await;
    assert!(store.check_if_owed().await.unwrap().is_some_and(|report| report.records == 2));
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert!(!opening.owes_check && !folder.path().join(UNCHECKED).exists());
    store.leave_off();
    assert_eq!(store.check().await, Err(StoreError::Stopping), "a stopping process does not wait for it");
}
