//! Failed writes, failed syncs, power cuts.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::faults::FaultyDisk;
use super::fixture::*;
use crate::store::{Options, Store, StoreError};

fn on(disk: &FaultyDisk, folder: &Path) -> Options {
    Options { disk: Arc::new(disk.clone()), journal_segment_bytes: 900, ..options(folder) }
}

async fn count_open(store: &Store) -> usize {
    store.open_objects(None, 999).await.unwrap().items.len()
}

#[tokio::test]
async fn a_failed_write_is_never_acknowledged_and_stops_everything() {
    for partial_bytes in [0, 1, 57, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::well();
        let (store, _) = Store::open(on(&disk, folder.path()), at(0)).await.unwrap();
        enrol(&store, "A1", at(0)).await;
        disk.0.partial_bytes.store(partial_bytes, Ordering::SeqCst);
        disk.0.writes_left.store(0, Ordering::SeqCst);
        let refused = store.enrol(vec![enrolment("A2")], at(1)).await;
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
        assert_eq!(store.record(&object("A2")).await, Ok(None), "it did not happen");
        assert!(store.enrol(vec![enrolment("A3")], at(1)).await.unwrap_err().is_fatal());
        assert!(store.stats().broken.unwrap().contains("no space left"));
        assert!(store.close().await.is_err());
        let (store, opening) = open(folder.path()).await;
        assert!(!opening.was_clean_stop);
        let whole = partial_bytes > 1000;
        assert_eq!(opening.cut_tail.is_some(), partial_bytes > 0 && !whole);
        assert_eq!(store.record(&object("A2")).await.unwrap().is_some(), whole);
        record(&store, "A1").await;
        assert_eq!(store.record(&object("A3")).await, Ok(None));
        assert_clean(&store).await;
    }
}

#[tokio::test]
async fn a_failed_sync_is_never_acknowledged_nor_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::well();
    let (store, _) = Store::open(on(&disk, folder.path()), at(0)).await.unwrap();
    enrol(&store, "A1", at(0)).await;
    disk.0.syncs_left.store(0, Ordering::SeqCst);
    assert!(store.remember("a", "b").await.unwrap_err().is_fatal());
    assert!(store.remember("a", "b").await.unwrap_err().is_fatal());
    assert!(store.stats().broken.unwrap().contains("did not sync"));
    drop(store);
    let (store, _) = open(folder.path()).await;
    record(&store, "A1").await;
}

#[tokio::test]
async fn all_who_wait_learn_that_the_store_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::well();
    let (store, _) = Store::open(on(&disk, folder.path()), at(0)).await.unwrap();
    disk.0.writes_left.store(0, Ordering::SeqCst);
    let many = (0..3000).map(|number| enrolment(&format!("A{number}"))).collect();
    assert!(store.enrol(many, at(0)).await.unwrap_err().is_fatal());
    assert!(store.ask(vec![object("A1")], at(0)).await.unwrap_err().is_fatal());
}

#[tokio::test]
async fn a_power_cut_leaves_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::well();
    let (store, _) = Store::open(on(&disk, folder.path()), at(0)).await.unwrap();
    for number in 0..30 {
        enrol(&store, &format!("A{number}"), at(number)).await;
        if number % 5 != 4 {
            continue;
        }
        let after = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), after.path());
        for entry in fs::read_dir(folder.path().join("journal")).unwrap() {
            let path = entry.unwrap().path();
            let copy = after.path().join("journal").join(path.file_name().unwrap());
            disk.cut(&path, &copy, |_| false).unwrap();
        }
        // The index was never synced, so nothing of it need be left.
        fs::remove_dir_all(after.path().join("index")).unwrap();
        let (copy, opening) = open(after.path()).await;
        assert!(opening.rebuilt_index.is_some());
        assert_eq!(count_open(&copy).await, usize::try_from(number).unwrap() + 1);
        assert_clean(&copy).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_while_opening_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    drop(store);
    for failing in 0..3 {
        let disk = FaultyDisk::well();
        disk.0.writes_left.store(failing, Ordering::SeqCst);
        let _ = Store::open(on(&disk, folder.path()), at(0)).await;
    }
    let (store, _) = open(folder.path()).await;
    record(&store, "A1").await;
    assert_clean(&store).await;
}
