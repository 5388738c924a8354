//! Compaction: the index has the same rows before and after, whatever happens in between.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::fixture::*;
use crate::payments::lifecycle::Phase;
use crate::store::disk::{Disk, DiskFile, MachineDisk};
use crate::store::{Committed, Options, Store, StoreError};

/// Every row of the index except the one that a clean stop writes.
fn rows(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.engine.write_pulses().unwrap();
    let shared = store.engine.index.read().unwrap();
    let rows = shared.as_ref().unwrap().prefix(b"").map(Result::unwrap);
    rows.filter(|(key, _)| key != crate::store::index::keys::QUEUE).collect()
}

async fn furnish(store: &Store) {
    for number in 0..40 {
        let id = format!("A{number}");
        enrol(store, &id, at(number)).await;
        if number % 3 == 0 {
            move_to(store, &id, "Open", Phase::Moving, at(number), Some(at(900))).await;
            let read = record(store, &id).await;
            let again = seen(&read, "Open", Phase::Moving, at(number), Some(at(1900)));
            let mut commit = quiet(&read, again);
            commit.record.observed.as_mut().unwrap().since = read.observed.as_ref().unwrap().since;
            assert_eq!(store.commit(commit).await, Ok(Committed::Written));
        }
        if number % 7 == 0 {
            move_to(store, &id, "Declined", Phase::Final, at(number), None).await;
            let key = format!("declined/{id}");
            store.raise(vec![owed(&key, &["chat", "mail"], at(number))]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn all_rows_are_the_same_before_and_after_and_behind_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    furnish(&store).await;
    let before = rows(&store);
    let done = make_small(&store).await.unwrap();
    assert_eq!(done.rows, before.len() as u64);
    let bytes: u64 = before.iter().map(|(key, bytes)| (key.len() + bytes.len()) as u64).sum();
    assert_eq!(done.live_bytes, bytes);
    assert_eq!(rows(&store), before);
    assert_eq!(store.check().await.unwrap().live_bytes, bytes);
    enrol(&store, "B1", at(5001)).await;
    assert_clean(&store).await;
    store.close().await.unwrap();
    let (store, opening) = open(folder.path()).await;
    assert_eq!((opening.was_clean_stop, opening.replayed_entries, opening.rebuilt_index), (true, 0, None));
    assert_eq!(store.tidy(at(5002)).await, Ok(None), "it is far below the size limit");
    assert_eq!(rows(&store).len(), before.len() + 1, "one more record");
    let names = MachineDisk.list(folder.path()).unwrap();
    assert!(
        !names.iter().any(|name| name.starts_with("index.") && name != "index.size" || name == "swapping"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_and_writes_meanwhile_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let many = (0..1500).map(|number| enrolment(&format!("A{number:04}"))).collect();
    store.enrol(many, at(0)).await.unwrap();
    let other = store.clone();
    let tidying = tokio::spawn(async move { make_small(&other).await });
    let mut polls = [0u64; 1500];
    let mut step = 0;
    while !tidying.is_finished() {
        // Everywhere: both in what is copied already and in what is not.
        step += 1;
        let number = step * 607 % 1500;
        let read = record(&store, &format!("A{number:04}")).await;
        assert_eq!(read.polls, polls[number]);
        if read.is_finished() {
            continue;
        }
        let due_at = (step % 5 != 0).then(|| at(100 + i64::try_from(step).unwrap()));
        let after = seen(&read, "Open", Phase::Moving, at(2), due_at);
        assert_eq!(store.commit(quiet(&read, after)).await, Ok(Committed::Written));
        polls[number] += 1;
        if step % 9 == 0 {
            assert_clean(&store).await;
        }
    }
    tidying.await.unwrap().unwrap();
    assert_clean(&store).await;
    drop(store);
    let (store, _) = open(folder.path()).await;
    for (number, polls) in polls.into_iter().enumerate() {
        assert_eq!(record(&store, &format!("A{number:04}")).await.polls, polls, "A{number:04}");
    }
    assert_clean(&store).await;
}

/// A disk that performs a number of operations and then no more, as if the host had stopped there.
#[derive(Debug, Clone)]
struct Fuse(Arc<AtomicI64>);

impl Fuse {
    fn burn(&self) -> io::Result<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            true => Ok(()),
            false => Err(io::Error::other("the host stopped")),
        }
    }
}

impl Disk for Fuse {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.create_folder(folder))
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        MachineDisk.list(folder)
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        MachineDisk.length(path)
    }
    fn read(&self, path: &Path, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        MachineDisk.read(path, offset, most)
    }
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.burn().and_then(|()| MachineDisk.open_to_write(path))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.truncate(path, length))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.remove(path))
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.remove_folder(folder))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.rename(from, to))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.burn().and_then(|()| MachineDisk.sync_folder(folder))
    }
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        MachineDisk.free_bytes(folder)
    }
}

/// Interrupts, one after another, every disk operation of a compaction, and those of the opening that completes it.
#[tokio::test]
async fn a_stop_at_any_step_leaves_all_rows() {
    let mut steps_until_done = None;
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let fuse = Fuse(Arc::new(AtomicI64::new(i64::MAX)));
        let on_fuse = || Options { disk: Arc::new(fuse.clone()), ..options(folder.path()) };
        let (store, _) = Store::open(on_fuse(), at(0)).await.unwrap();
        enrol(&store, "A1", at(0)).await;
        let read = record(&store, "A1").await;
        let later = crate::payments::record::Record { due_at: Some(at(77)), ..read.clone() };
        assert_eq!(store.commit(quiet(&read, later)).await, Ok(Committed::Written));
        let before = rows(&store);
        fuse.0.store(steps, Ordering::SeqCst);
        let outcome = make_small(&store).await;
        if let Err(error) = &outcome {
            let is_usable = store.record(&object("A1")).await.is_ok();
            assert_eq!(is_usable, !error.is_fatal(), "{error}");
        }
        drop(store);
        if steps % 2 == 1 {
            // The opening after it is interrupted as well.
            fuse.0.store(steps / 2 % 5, Ordering::SeqCst);
            drop(Store::open(on_fuse(), at(2)).await);
        }
        let (store, opening) = open(folder.path()).await;
        assert_eq!(opening.rebuilt_index, None, "after {steps} steps");
        assert_eq!(rows(&store), before, "after {steps} steps");
        assert_clean(&store).await;
        if outcome.is_ok() {
            steps_until_done = Some(steps);
            break;
        }
    }
    assert!(steps_until_done.unwrap() > 10, "{steps_until_done:?}: marks, renames, syncs");
}

#[tokio::test]
async fn half_a_copy_is_thrown_away_and_a_whole_one_takes_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    furnish(&store).await;
    let before = rows(&store);
    store.close().await.unwrap();
    let place = |name: &str| folder.path().join(name);
    copy_folder(&place("index"), &place("index.new"));
    fs::write(place("index.new").join("db"), b"half of it").unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(rows(&store), before);
    assert!(!place("index.new").exists());
    store.close().await.unwrap();
    fs::rename(place("index"), place("index.new")).unwrap();
    fs::create_dir(place("index.old")).unwrap();
    fs::write(place("swapping"), b"").unwrap();
    let (store, opening) = open(folder.path()).await;
    assert_eq!((opening.rebuilt_index, rows(&store)), (None, before));
    assert!(!place("index.old").exists() && !place("swapping").exists());
}

#[tokio::test]
async fn without_room_for_a_copy_the_store_goes_on_as_it_is() {
    #[derive(Debug)]
    struct Full;
    impl Disk for Full {
        fn create_folder(&self, folder: &Path) -> io::Result<()> {
            MachineDisk.create_folder(folder)
        }
        fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
            MachineDisk.list(folder)
        }
        fn length(&self, path: &Path) -> io::Result<u64> {
            MachineDisk.length(path)
        }
        fn read(&self, path: &Path, offset: u64, most: usize) -> io::Result<Vec<u8>> {
            MachineDisk.read(path, offset, most)
        }
        fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            MachineDisk.open_to_write(path)
        }
        fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
            MachineDisk.truncate(path, length)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            MachineDisk.remove(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            MachineDisk.rename(from, to)
        }
        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            MachineDisk.sync_folder(folder)
        }
        fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
            Ok(1)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let full = Options { disk: Arc::new(Full), ..options(folder.path()) };
    let (store, _) = Store::open(full, at(0)).await.unwrap();
    let refused = make_small(&store).await;
    assert!(matches!(refused, Err(StoreError::Compaction(_))), "{refused:?}");
    assert!(!refused.unwrap_err().is_fatal());
    enrol(&store, "A1", at(2)).await;
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_file_that_has_grown_is_made_small_and_a_small_one_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let eager = || Options { compact_above_bytes: 0, ..options(folder.path()) };
    let (store, _) = Store::open(eager(), at(0)).await.unwrap();
    enrol(&store, "A1", at(0)).await;
    store.close().await.unwrap();
    // What the engine leaves: a whole segment for a few rows.
    let (store, _) = Store::open(eager(), at(0)).await.unwrap();
    let done = store.tidy(at(1)).await.unwrap().unwrap();
    assert!(done.bytes_before > 2 * done.live_bytes && done.rows > 0, "{done:?}");
    assert_clean(&store).await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.tidy(at(2)).await, Ok(None));
}

#[tokio::test]
async fn what_was_set_aside_is_kept_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    enrol(&store, "A1", at(0)).await;
    store.close().await.unwrap();
    let again = Options { rebuild_index: true, ..options(folder.path()) };
    let (store, _) = Store::open(again, at(100)).await.unwrap();
    let aside = folder.path().join("index.aside-1");
    for (now, is_kept) in [(100, true), (100 + 86_399, true), (100 + 86_400, false)] {
        store.tidy(at(now)).await.unwrap();
        assert_eq!(aside.is_dir(), is_kept, "{now}");
    }
    record(&store, "A1").await;
}
