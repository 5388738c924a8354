//! Torn ends and wrong bytes: cut off, named, repaired, and never passed over in silence.

use std::fs;
use std::path::Path;

use super::fixture::*;
use crate::store::disk::MachineDisk;
use crate::store::journal::entry::{ChainHash, Entry, chain, decode, encode};
use crate::store::journal::preallocation::FILLER;
use crate::store::journal::reading::{self, Reading, Stopped};
use crate::store::journal::segment::{Header, SEGMENT_HEADER_BYTES};
use crate::store::{OpenError, Options, Store};

/// A folder as a killed process with `number` single enrolments leaves it, and where its journal entries begin.
async fn killed(number: usize) -> (tempfile::TempDir, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { journal_segment_bytes: 20_000, ..options(folder.path()) };
    let (store, _) = Store::open(small, at(0)).await.unwrap();
    for place in 0..number {
        enrol(&store, &format!("A{place}"), at(0)).await;
    }
    crash_in_step(store);
    let starts = entry_starts(&fs::read(first_segment(folder.path())).unwrap());
    assert_eq!(starts.len(), number + 1);
    (folder, starts)
}

/// Where each entry begins, and where the last one ends.
fn entry_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![SEGMENT_HEADER_BYTES];
    while let Ok(entry) = decode(&bytes[*starts.last().unwrap()..]) {
        starts.push(starts.last().unwrap() + entry.length());
    }
    starts
}

fn read(folder: &Path, skip_damage: bool) -> (Vec<u64>, Result<Reading, Stopped>) {
    let mut sequences = Vec::new();
    let result = reading::read(
        &MachineDisk,
        &folder.join("journal"),
        reading::From::Start,
        skip_damage,
        &mut |entry, _| {
            sequences.push(entry.sequence);
            Ok(())
        },
    );
    (sequences, result)
}

#[tokio::test]
async fn every_cut_leaves_the_entries_before_it() {
    let (folder, starts) = killed(4).await;
    let segment = first_segment(folder.path());
    let whole = fs::read(&segment).unwrap();
    let end = *starts.last().unwrap();
    assert!(whole.len() > end + 1_000 && whole[end..].iter().all(|byte| *byte == FILLER));
    for cut in (0..end + 100).rev() {
        fs::write(&segment, &whole[..cut]).unwrap();
        let (sequences, result) = read(folder.path(), false);
        let reading = result.unwrap();
        let left = starts[1..].iter().filter(|end| **end <= cut).count();
        assert_eq!(sequences, (1..=left as u64).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(reading.end.sequence, left as u64);
        if cut >= SEGMENT_HEADER_BYTES {
            assert_eq!(reading.end.offset, starts[left] as u64);
        }
        // Between two entries, too: the preallocated bytes are missing.
        assert_eq!(reading.tail.is_some(), cut <= end, "cut at {cut}");
    }
}

#[tokio::test]
async fn every_wrong_byte_is_noticed_and_named() {
    let (folder, starts) = killed(4).await;
    let segment = first_segment(folder.path());
    let whole = fs::read(&segment).unwrap();
    for place in 0..*starts.last().unwrap() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&segment, &bytes).unwrap();
        let entry = starts[1..].iter().filter(|end| **end <= place).count() + 1;
        let (sequences, result) = read(folder.path(), false);
        match result {
            Err(Stopped::Damaged(damage)) => {
                assert!(entry < 4, "byte {place}");
                assert_eq!(damage.first_sequence, entry as u64, "byte {place}");
                if place >= SEGMENT_HEADER_BYTES {
                    assert_eq!(damage.offset, starts[entry - 1] as u64);
                    assert_eq!(damage.last_sequence, Some(entry as u64));
                    assert_eq!(sequences.len(), entry - 1);
                }
            }
            Ok(reading) => {
                assert_eq!(entry, 4, "byte {place}");
                assert_eq!(reading.tail.unwrap().first_sequence, 4, "like a torn end");
            }
            Err(other) => panic!("{other:?}"),
        }
        let (sequences, result) = read(folder.path(), true);
        let expected: Vec<u64> = match place < SEGMENT_HEADER_BYTES {
            true => (1..=4).collect(),
            false => (1..=4).filter(|sequence| *sequence != entry as u64).collect(),
        };
        assert_eq!(sequences, expected, "byte {place}");
        assert!(result.is_ok());
    }
}

#[tokio::test]
async fn what_never_was_acknowledged_is_no_damage_wherever_it_lies_in_the_room() {
    let (folder, starts) = killed(4).await;
    let segment = first_segment(folder.path());
    let whole = fs::read(&segment).unwrap();
    let end = *starts.last().unwrap();
    let Ok(last) = decode(&whole[starts[3]..]) else { panic!("it could be read before") };
    // Two entries of one group that was never synced: some of its sectors are on the disk, others are not.
    let mut group = Vec::new();
    let mut add = |before: &ChainHash, sequence: u64, byte: u8| {
        let payload = vec![byte; 700];
        let hash = chain(before, sequence, 5, &payload);
        encode(&Entry { sequence, group: 5, hash, payload }, &mut group);
        hash
    };
    let hash = add(&last.hash, 5, b'x');
    add(&hash, 6, b'y');
    for missing in 1_u32..8 {
        let mut bytes = whole.clone();
        bytes[end..end + group.len()].copy_from_slice(&group);
        for sector in (0..3).filter(|sector| missing >> sector & 1 == 1) {
            let start = end + sector * 512;
            bytes[start..(start + 512).min(end + group.len())].fill(FILLER);
        }
        fs::write(&segment, &bytes).unwrap();
        let (sequences, result) = read(folder.path(), false);
        assert!(
            sequences.len() == 4 || (sequences.len() == 5 && missing & 3 == 0),
            "{missing}: {sequences:?}"
        );
        assert_eq!(result.unwrap().end.sequence, sequences.len() as u64, "{missing}");
        let after = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), after.path());
        fs::remove_dir_all(after.path().join("index")).unwrap();
        if sequences.len() == 4 {
            let (store, _) = open(after.path()).await;
            enrol(&store, "B1", at(1)).await;
            crash_in_step(store);
            let bytes = fs::read(first_segment(after.path())).unwrap();
            let starts = entry_starts(&bytes);
            assert_eq!(starts.len(), 6);
            assert!(bytes[starts[5]..].iter().all(|byte| *byte == FILLER), "only preallocated bytes follow");
            let (store, opening) = open(after.path()).await;
            assert_eq!(opening.cut_tail, None);
            record(&store, "B1").await;
        }
    }
}

#[tokio::test]
async fn a_journal_of_the_time_before_there_was_room_is_gone_on_with() {
    let (folder, starts) = killed(3).await;
    let segment = first_segment(folder.path());
    let mut bytes = fs::read(&segment).unwrap()[..*starts.last().unwrap()].to_vec();
    let header = Header { is_preallocated: false, ..Header::decode(&bytes).unwrap() };
    bytes[..SEGMENT_HEADER_BYTES].copy_from_slice(&header.encode());
    fs::write(&segment, &bytes).unwrap();
    let small = || Options { journal_segment_bytes: 3_000, ..options(folder.path()) };
    let (store, opening) = Store::open(small(), at(0)).await.unwrap();
    assert_eq!((opening.cut_tail, opening.rescued_rows), (None, 0));
    for place in 0..9 {
        enrol(&store, &format!("B{place}"), at(1)).await;
    }
    assert_clean(&store).await;
    assert!(fs::read(&segment).unwrap().last().is_some_and(|byte| *byte != FILLER), "no filler was added");
    store.close().await.unwrap();
    let (store, opening) = open(folder.path()).await;
    assert_eq!(opening.cut_tail, None);
    assert_eq!(store.open_objects(None, 99).await.unwrap().items.len(), 12);
    assert_clean(&store).await;
}

/// Cuts the only segment at `cut`, and opens the store.
async fn open_cut(folder: &Path, cut: usize, keep_index: bool) -> (tempfile::TempDir, Store) {
    let after = tempfile::tempdir().unwrap();
    copy_folder(folder, after.path());
    let bytes = fs::read(first_segment(folder)).unwrap();
    fs::write(first_segment(after.path()), &bytes[..cut]).unwrap();
    if !keep_index {
        fs::remove_dir_all(after.path().join("index")).unwrap();
    }
    if keep_index {
        // The index shows that the journal lacks entries: the loss must be accepted.
        let error = open_error(options(after.path())).await;
        assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    }
    let accepting = Options { accept_loss: keep_index, ..options(after.path()) };
    let (store, opening) = Store::open(accepting, at(0)).await.unwrap();
    assert_eq!((opening.rescued_rows > 0, !opening.lost.is_empty()), (keep_index, keep_index), "{opening:?}");
    assert!(opening.cut_tail.is_some(), "{opening:?}");
    (after, store)
}

#[tokio::test]
async fn without_an_index_a_torn_end_loses_the_torn_entries_only() {
    let (folder, starts) = killed(4).await;
    for cut in [10, starts[0] + 1, starts[2] + 30, starts[3], starts[3] + 60, starts[4] - 1] {
        let left = starts[1..].iter().filter(|end| **end <= cut).count();
        let (after, store) = open_cut(folder.path(), cut, false).await;
        assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), left, "cut at {cut}");
        enrol(&store, "B1", at(1)).await;
        assert_clean(&store).await;
        drop(store);
        let (store, opening) = open(after.path()).await;
        assert_eq!(opening.cut_tail, None);
        record(&store, "B1").await;
    }
}

#[tokio::test]
async fn with_its_index_a_torn_end_loses_nothing_even_later() {
    let (folder, starts) = killed(4).await;
    for cut in [10, starts[2] + 30, starts[3], starts[4] - 1] {
        let (after, store) = open_cut(folder.path(), cut, true).await;
        assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 4, "cut at {cut}");
        enrol(&store, "B1", at(1)).await;
        assert_clean(&store).await;
        drop(store);
        let (store, opening) = open(after.path()).await;
        assert_eq!((opening.cut_tail, opening.rescued_rows), (None, 0));
        drop(store);
        fs::remove_dir_all(after.path().join("index")).unwrap();
        let (store, opening) = open(after.path()).await;
        assert!(opening.skipped.is_empty(), "{opening:?}");
        assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 5, "cut at {cut}");
        assert_clean(&store).await;
    }
}

#[tokio::test]
async fn a_rescue_that_was_interrupted_is_taken_up_again() {
    let (folder, starts) = killed(4).await;
    let (after, store) = open_cut(folder.path(), starts[3] + 9, true).await;
    drop(store);
    // As if the process had been killed before the rescued rows reached the journal.
    let gap = after.path().join("journal").join(crate::store::journal::segment::segment_name(5));
    let bytes = fs::read(&gap).unwrap();
    fs::write(&gap, &bytes[..SEGMENT_HEADER_BYTES]).unwrap();
    fs::write(after.path().join("rescue"), "4 4\n").unwrap();
    // The index is already ahead of that, which a real kill could not leave behind.
    let accepting = Options { accept_loss: true, ..options(after.path()) };
    let (store, opening) = Store::open(accepting, at(0)).await.unwrap();
    assert!(opening.rescued_rows > 0, "{opening:?}");
    drop(store);
    fs::remove_dir_all(after.path().join("index")).unwrap();
    let (store, _) = open(after.path()).await;
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 4);
}

#[tokio::test]
async fn damage_in_the_middle_stops_until_it_is_to_be_skipped() {
    let (folder, starts) = killed(4).await;
    let segment = first_segment(folder.path());
    let mut bytes = fs::read(&segment).unwrap();
    bytes[starts[1] + 70] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let error = open_error(options(folder.path())).await;
    let text = error.to_string();
    assert!(matches!(error, OpenError::Damaged(_)));
    for part in ["00000000000000000001.journal", &format!("byte {}", starts[1]), "entry 2", "rebuild"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let skip = || Options { skip_damage: true, ..options(folder.path()) };
    let (store, opening) = Store::open(skip(), at(0)).await.unwrap();
    assert_eq!(opening.skipped.len(), 1);
    assert_eq!(opening.rescued_rows, 1, "the index still had it");
    drop(store);
    let (store, opening) = open(folder.path()).await;
    assert!(opening.skipped.is_empty(), "the damaged file is not read any more");
    assert!(!store.check().await.unwrap().is_clean(), "but the check still reports it");
    drop(store);
    let rebuild = Options { rebuild_index: true, ..skip() };
    let (store, opening) = Store::open(rebuild, at(0)).await.unwrap();
    assert_eq!(opening.skipped.len(), 1);
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 4, "it was journaled again");
}

#[tokio::test]
async fn a_missing_journal_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let small = || Options { journal_segment_bytes: 100, ..options(folder.path()) };
    let (store, _) = Store::open(small(), at(0)).await.unwrap();
    for place in 0..4 {
        enrol(&store, &format!("A{place}"), at(0)).await;
    }
    crash_in_step(store);
    fs::remove_file(folder.path().join("journal").join(crate::store::journal::segment::segment_name(2)))
        .unwrap();
    let rebuild =
        |skip_damage, accept_loss| Options { rebuild_index: true, skip_damage, accept_loss, ..small() };
    for refused in [rebuild(false, false), rebuild(true, false)] {
        let text = open_error(refused).await.to_string();
        assert!(text.contains("its file 00000000000000000002.journal is missing"), "{text}");
    }
    let (store, _) = Store::open(rebuild(true, true), at(0)).await.unwrap();
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn a_damaged_index_is_made_anew() {
    let (folder, _) = killed(4).await;
    let mut noticed = 0;
    for place in 0..12 {
        let after = tempfile::tempdir().unwrap();
        copy_folder(folder.path(), after.path());
        let file = after.path().join("index").join("db");
        let mut bytes = fs::read(&file).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let start = used * place / 12;
        let end = (start + 40).min(bytes.len());
        bytes[start..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(&file, &bytes).unwrap();
        let (store, opening) = open(after.path()).await;
        // The engine mistakes damage in its newest pages for a torn end, and goes back to before it.
        noticed += u32::from(opening.rebuilt_index.is_some() || opening.replayed_entries > 0);
        let found = store.open_objects(None, 9).await;
        if found.is_err() {
            // Found while in use: the next opening rebuilds the index.
            drop(store);
            let (store, opening) = open(after.path()).await;
            assert!(opening.rebuilt_index.unwrap().contains("found damaged"));
            assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 4);
            continue;
        }
        assert_eq!(found.unwrap().items.len(), 4, "damage at {start}");
    }
    assert!(noticed > 0);
    fs::write(folder.path().join("index").join("conf"), b"not what the engine wrote").unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.unwrap().contains("cannot be opened"));
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 4);
    assert_clean(&store).await;
}

#[tokio::test]
async fn a_damaged_row_stops_the_store_and_is_mended_by_opening_again() {
    let (folder, _) = killed(2).await;
    let (store, _) = open(folder.path()).await;
    let row = crate::store::index::keys::record(&object("A1"), false);
    tamper(&store, row, Some(b"rubbish that is long enough".to_vec()));
    assert!(!store.check().await.unwrap().is_clean());
    let error = store.record(&object("A1")).await.unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert!(store.remember("a", "b").await.unwrap_err().is_fatal());
    assert!(store.stats().broken.is_some());
    assert!(store.close().await.is_err());
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.unwrap().contains("found damaged"));
    record(&store, "A1").await;
}

#[tokio::test]
async fn an_index_of_another_version_is_made_anew() {
    let (folder, _) = killed(3).await;
    let (store, _) = open(folder.path()).await;
    tamper(&store, crate::store::index::keys::LAYOUT.to_vec(), None);
    store.close().await.unwrap();
    let (store, opening) = open(folder.path()).await;
    assert!(opening.rebuilt_index.unwrap().contains("another version of this program"));
    assert_eq!(store.open_objects(None, 9).await.unwrap().items.len(), 3);
    assert_clean(&store).await;
}
