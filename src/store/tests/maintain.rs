//! Restoring a backup, rebuilding the index, naming damage: on a folder that no process has open.

use std::fs;
use std::path::Path;

use super::fixture::*;
use crate::store::journal::preallocation::FILLER;
use crate::store::journal::segment::SEGMENT_HEADER_BYTES;
use crate::store::{OpenError, Options, Store, inspect, rebuild, restore};

async fn ids(store: &Store) -> Vec<String> {
    let page = store.open_objects(None, 99).await.unwrap();
    page.items.iter().map(|record| record.object.id.as_str().to_owned()).collect()
}

/// Damages the payload of the entry that enrolled `id`.
fn spoil(folder: &Path, id: &str) {
    let segment = first_segment(folder);
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(id.len()).position(|window| window == id.as_bytes()).unwrap();
    bytes[place] ^= 1;
    fs::write(segment, bytes).unwrap();
}

/// A store with `ids`, closed cleanly.
async fn furnished(folder: &Path, ids: &[&str]) {
    let (store, _) = open(folder).await;
    for id in ids {
        enrol(&store, id, at(0)).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_rebuild_has_everything_that_the_journal_says() {
    let folder = tempfile::tempdir().unwrap();
    furnished(folder.path(), &["A1", "A2", "A3"]).await;
    let rebuilt = rebuild(options(folder.path()), at(1)).await.unwrap();
    assert_eq!((rebuilt.damaged.len(), rebuilt.rescued_rows, rebuilt.opening.replayed_entries), (0, 0, 3));
    assert!(folder.path().join("index.aside-1").is_dir());
    let (store, opening) = open(folder.path()).await;
    assert!(opening.was_clean_stop);
    assert_eq!(ids(&store).await, ["A1", "A2", "A3"]);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_rebuild_names_damage_and_keeps_what_the_old_index_has_of_it() {
    let folder = tempfile::tempdir().unwrap();
    furnished(folder.path(), &["A1", "A2", "A3"]).await;
    spoil(folder.path(), "A2");
    let report = inspect(options(folder.path()), at(1)).await.unwrap();
    assert_eq!((report.problem_count, report.journal_entries), (1, 2));
    assert!(report.problems[0].contains("entry 2: its checksum is wrong"), "{report:?}");
    let rebuilt = rebuild(options(folder.path()), at(1)).await.unwrap();
    assert_eq!((rebuilt.damaged.len(), rebuilt.rescued_rows), (1, 1));
    assert_eq!((rebuilt.damaged[0].first_sequence, rebuilt.damaged[0].last_sequence), (2, Some(2)));
    let again = rebuild(options(folder.path()), at(1)).await.unwrap();
    assert_eq!((again.damaged.len(), again.rescued_rows), (1, 0), "it is in the journal again");
    let (store, _) = open(folder.path()).await;
    assert_eq!(ids(&store).await, ["A1", "A2", "A3"]);
}

#[tokio::test]
async fn without_the_old_index_only_the_damaged_entry_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    furnished(folder.path(), &["A1", "A2", "A3"]).await;
    spoil(folder.path(), "A2");
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let rebuilt = rebuild(options(folder.path()), at(1)).await.unwrap();
    assert_eq!((rebuilt.damaged.len(), rebuilt.rescued_rows), (1, 0));
    let (store, _) = open(folder.path()).await;
    assert_eq!(ids(&store).await, ["A1", "A3"]);
}

#[tokio::test]
async fn a_restore_keeps_the_old_store_and_can_be_taken_back() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, copy) = (parent.path().join("store"), parent.path().join("copy"));
    furnished(&folder, &["A1", "A2"]).await;
    let (store, _) = open(&folder).await;
    store.backup(copy.clone()).await.unwrap();
    enrol(&store, "B1", at(1)).await;
    let error = restore(options(&folder), copy.clone(), at(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    store.close().await.unwrap();
    let restored = restore(options(&folder), copy, at(2)).await.unwrap();
    let aside = restored.aside.unwrap();
    assert_eq!((restored.journal_sequence, aside.clone()), (2, folder.join("aside-1")));
    let (store, opening) = open(&folder).await;
    assert!(opening.rebuilt_index.unwrap().contains("there was none"));
    assert_eq!(ids(&store).await, ["A1", "A2"]);
    assert_clean(&store).await;
    store.close().await.unwrap();
    let restored = restore(options(&folder), aside, at(3)).await.unwrap();
    assert_eq!((restored.journal_sequence, restored.aside), (3, Some(folder.join("aside-2"))));
    let (store, _) = open(&folder).await;
    assert_eq!(ids(&store).await, ["A1", "A2", "B1"]);
}

#[tokio::test]
async fn a_damaged_or_missing_backup_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, copy) = (parent.path().join("store"), parent.path().join("copy"));
    furnished(&folder, &["A1"]).await;
    furnished(&copy, &["C1", "C2", "C3"]).await;
    spoil(&copy, "C2");
    let error = restore(options(&folder), copy.clone(), at(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    let error = restore(options(&folder), parent.path().to_owned(), at(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    let error = restore(options(&folder), folder.clone(), at(2)).await.unwrap_err();
    assert!(error.to_string().contains("the store itself"), "{error}");
    let (store, _) = open(&folder).await;
    assert_eq!(ids(&store).await, ["A1"]);
    store.close().await.unwrap();
    let skip = Options { skip_damage: true, ..options(&folder) };
    restore(skip.clone(), copy, at(3)).await.unwrap();
    let (store, opening) = Store::open(skip, at(3)).await.unwrap();
    assert_eq!(opening.skipped.len(), 1);
    assert_eq!(ids(&store).await, ["C1", "C3"]);
}

#[tokio::test]
async fn a_restore_that_was_interrupted_says_so_and_is_taken_up_again() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, copy) = (parent.path().join("store"), parent.path().join("copy"));
    furnished(&folder, &["A1"]).await;
    furnished(&copy, &["C1"]).await;
    // As if the power had failed after the old format file was moved aside.
    fs::create_dir(folder.join("aside-1")).unwrap();
    fs::rename(folder.join("format"), folder.join("aside-1").join("format")).unwrap();
    fs::create_dir(folder.join("restoring")).unwrap();
    let error = open_error(options(&folder)).await;
    assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
    let restored = restore(options(&folder), copy, at(3)).await.unwrap();
    assert_eq!(restored.aside, Some(folder.join("aside-3")));
    assert!(folder.join("aside-3").join("journal").is_dir(), "the old facts are kept");
    let (store, _) = open(&folder).await;
    assert_eq!(ids(&store).await, ["C1"]);
}

#[tokio::test]
async fn a_torn_end_of_a_copied_store_is_left_out() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, copy) = (parent.path().join("store"), parent.path().join("copy"));
    furnished(&copy, &["C1", "C2"]).await;
    let segment = first_segment(&copy);
    let bytes = fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != FILLER).unwrap() + 1;
    // In the preallocated bytes, at the very end of the entries, within an entry, within the header.
    let cuts = [
        (end + 1, vec!["C1", "C2"], false),
        (end, vec!["C1", "C2"], true),
        (end - 1, vec!["C1"], true),
        (SEGMENT_HEADER_BYTES - 1, vec![], true),
    ];
    for (cut, expected, is_torn) in cuts {
        fs::write(&segment, &bytes[..cut]).unwrap();
        let restored = restore(options(&folder), copy.clone(), at(3)).await.unwrap();
        assert_eq!(restored.torn.is_some(), is_torn, "{restored:?}");
        let (store, opening) = open(&folder).await;
        assert_eq!(opening.cut_tail, None);
        assert_eq!(ids(&store).await, expected);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_files_of_others_go_with_a_backup_and_come_back() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, copy, other) =
        (parent.path().join("store"), parent.path().join("copy"), parent.path().join("other"));
    let with_files = |folder: &Path| Options { beside: vec!["batches".to_owned()], ..options(folder) };
    let file = |folder: &Path| folder.join("batches").join("account-shop").join("rcd-1.csv");
    let put = |folder: &Path, bytes: &[u8]| {
        fs::create_dir_all(file(folder).parent().unwrap()).unwrap();
        fs::write(file(folder), bytes).unwrap();
    };
    let (store, _) = Store::open(with_files(&folder), at(0)).await.unwrap();
    enrol(&store, "A1", at(0)).await;
    put(&folder, &[7; 3_000_000]);
    fs::write(file(&folder).with_extension("new"), b"half").unwrap();
    let report = store.backup(copy.clone()).await.unwrap();
    assert_eq!(report.files, 1, "a file that is still being written is not included");
    assert_eq!(fs::read(file(&copy)).unwrap(), [7; 3_000_000]);
    store.close().await.unwrap();

    furnished(&other, &["B1"]).await;
    put(&other, b"of another time");
    let restored = restore(with_files(&other), copy.clone(), at(1)).await.unwrap();
    assert_eq!(fs::read(file(&other)).unwrap(), [7; 3_000_000]);
    assert_eq!(fs::read(file(&restored.aside.unwrap())).unwrap(), b"of another time");
    let (store, _) = open(&other).await;
    assert_eq!(ids(&store).await, ["A1"]);
    store.close().await.unwrap();

    fs::remove_dir_all(copy.join("batches")).unwrap();
    restore(with_files(&other), copy, at(2)).await.unwrap();
    assert!(file(&other).is_file(), "a backup without files leaves the existing ones");
    assert!(!other.join("restoring-files").exists());
}
