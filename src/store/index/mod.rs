//! The index: everything that can be derived from the journal, in sled.
//!
//! Owns: the engine and its pitfalls (docs/src/reference/storage-engine.md, section 1). Must never know: what a row
//! means. No other file of the store names the engine.

pub(crate) mod facts;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod outbox;
pub(crate) mod pages;
pub(crate) mod pulse;
pub(crate) mod tally;
pub(crate) mod twin;
pub(crate) mod value;
pub(crate) mod view;

use std::collections::HashMap;
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::types::StoreError;

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A row, or the engine's failure.
pub(crate) type Row = Result<Pair, StoreError>;

/// Rows in order.
pub(crate) struct Rows(sled::Iter);

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        guarded(|| self.0.next().transpose()).map(own).transpose()
    }
}

impl Rows {
    /// The last row that was not returned yet.
    pub(crate) fn next_back(&mut self) -> Option<Row> {
        guarded(|| self.0.next_back().transpose()).map(own).transpose()
    }
}

fn own(row: Option<(sled::IVec, sled::IVec)>) -> Option<Pair> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

/// Rows to write: the new value, or none to remove the row.
pub(crate) type Writes = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// An open index.
#[derive(Debug)]
pub(crate) struct Index {
    tree: sled::Db,
    /// Bytes written since it was opened.
    written_bytes: AtomicU64,
}

/// The layout of the rows: the third. The second also had rows that said which objects are due.
const LAYOUT: &[u8] = b"3";
const LAYOUT_WITH_DUE_ROWS: &[u8] = b"2";

/// Rows of an older layout that are removed in one batch.
const SLICE_ROWS: usize = 2_000;

/// The engine's main file.
const FILE: &str = "db";

/// The next opening reads up to this many written bytes again, without a noticeable delay.
const UNLISTED_BYTES: u64 = 8 * 1024 * 1024;

/// How often the engine flushes. It spends up to half of that time moving pages out of mostly unused segments.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// The same while an index is filled row by row: pages that are moved late have already made the file grow.
const FLUSH_EVERY_WHILE_FILLED: Duration = Duration::from_millis(20);

/// How often to retry the engine's lock: its last holder may need a moment to release it. The store's own lock ensures
/// that nobody else holds it.
const LOCK_PATIENCE: u32 = 500;

impl Index {
    /// Opens or creates it. Errors are plain text: whatever is wrong, the index is retired.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Index, String> {
        Index::open_with(folder, cache_bytes, FLUSH_EVERY)
    }

    /// Opens or creates an index that is about to be filled. It costs more processor time and stays smaller.
    pub(crate) fn open_to_fill(folder: &Path, cache_bytes: u64) -> Result<Index, String> {
        Index::open_with(folder, cache_bytes, FLUSH_EVERY_WHILE_FILLED)
    }

    fn open_with(folder: &Path, cache_bytes: u64, flush_every: Duration) -> Result<Index, String> {
        remove_half_snapshots(folder).map_err(|error| error.to_string())?;
        for _ in 0..LOCK_PATIENCE {
            match open_once(folder, cache_bytes, flush_every) {
                Err(text) if text.contains("could not acquire lock") => {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                Err(text) => return Err(text),
                Ok(tree) => return Index { tree, written_bytes: AtomicU64::new(0) }.of_our_layout(),
            }
        }
        Err("its lock was not released".to_owned())
    }

    /// Marks a new index with the layout of its rows, and migrates an index with the second layout. An index with any
    /// other layout cannot be used.
    fn of_our_layout(self) -> Result<Index, String> {
        let (layout, is_empty) = guarded(|| Ok((self.tree.get(keys::LAYOUT)?, self.tree.is_empty())))
            .map_err(|error| error.to_string())?;
        match layout.as_deref() {
            Some(LAYOUT) => return Ok(self),
            Some(LAYOUT_WITH_DUE_ROWS) => self.remove_due_rows().map_err(|error| error.to_string())?,
            None if is_empty => {}
            _ => return Err("its rows have the layout of another version of this program".to_owned()),
        }
        guarded(|| self.tree.insert(keys::LAYOUT, LAYOUT)).map_err(|error| error.to_string())?;
        Ok(self)
    }

    /// Which objects are due follows from the open records. A crash in between leaves the old layout, and the next
    /// opening continues.
    fn remove_due_rows(&self) -> Result<(), StoreError> {
        for sort in keys::RETIRED {
            loop {
                let rows = self.prefix(&[sort]).take(SLICE_ROWS);
                let writes: Writes =
                    rows.map(|row| row.map(|(key, _)| (key, None))).collect::<Result<_, _>>()?;
                if writes.is_empty() {
                    break;
                }
                self.apply(&writes)?;
            }
        }
        self.flush()
    }

    /// What a process leaves behind if it is killed while it migrates an index. Returns how many due rows are left.
    #[cfg(test)]
    pub(crate) fn remove_some_due_rows(folder: &Path, most: usize) -> usize {
        let tree = open_once(folder, 1 << 20, FLUSH_EVERY).expect("an index of the second layout");
        let index = Index { tree, written_bytes: AtomicU64::new(0) };
        let rows = || keys::RETIRED.iter().flat_map(|sort| index.prefix(&[*sort]));
        let first: Vec<_> = rows().take(most).map(|row| row.expect("a row").0).collect();
        index.apply(&first.into_iter().map(|key| (key, None)).collect()).expect("rows are removed");
        rows().count()
    }

    /// A row.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| self.tree.get(key)).map(|value| value.map(|bytes| bytes.to_vec()))
    }

    /// Rows from `start` up to but not including `end`, in the order of their keys.
    pub(crate) fn range(&self, start: Bound<Vec<u8>>, end: Vec<u8>) -> Rows {
        Rows(self.tree.range::<Vec<u8>, _>((start, Bound::Excluded(end))))
    }

    /// All rows whose key starts with `prefix`, in order.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Rows {
        Rows(self.tree.scan_prefix(prefix))
    }

    /// All rows from `start` up to but not including `end`, last first.
    pub(crate) fn backwards(&self, start: &[u8], end: Vec<u8>) -> impl Iterator<Item = Row> + use<> {
        let mut rows = self.range(Bound::Included(start.to_vec()), end);
        std::iter::from_fn(move || rows.next_back())
    }

    /// Writes all rows or none, for readers and after crashes alike. After a power cut that does not hold; the journal
    /// covers that.
    pub(crate) fn apply(&self, writes: &Writes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut bytes = 0;
        for (key, value) in writes {
            bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        guarded(|| self.tree.apply_batch(batch))
    }

    /// Hands everything to the operating system, before a clean stop.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        guarded(|| self.tree.flush()).map(|_| ())
    }

    /// Whether so much was written that the next opening would take long: only when the engine opens does it write down
    /// where all pages are, and it must read what was written since then.
    pub(crate) fn has_been_written_to(&self) -> bool {
        self.written_bytes.load(Ordering::Relaxed) > UNLISTED_BYTES
    }

    /// Opens an index that was written to a lot, and closes it again, so that the next opening is quick.
    pub(crate) fn settle(folder: &Path, cache_bytes: u64) -> Result<(), String> {
        Index::open(folder, cache_bytes).map(drop)
    }

    /// Makes the files of a closed index durable. The engine syncs them only now and then.
    pub(crate) fn sync_files(folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                Index::sync_files(&entry.path())?;
            } else {
                fs::File::open(entry.path())?.sync_all()?;
            }
        }
        fs::File::open(folder)?.sync_all()
    }

    /// The bytes that its main file takes on the disk; 0 if that cannot be determined.
    pub(crate) fn file_bytes(folder: &Path) -> u64 {
        fs::metadata(folder.join(FILE)).map_or(0, |data| data.blocks() * 512)
    }
}

/// Turns panics into errors: the engine panics where others return errors.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ (sled::Error::Corruption { .. } | sled::Error::ReportableBug(_)))) => {
            Err(StoreError::Damaged(error.to_string()))
        }
        Ok(Err(error)) => Err(StoreError::Broken(format!("index: {error}"))),
        Err(panic) => Err(StoreError::Damaged(format!("the engine panicked: {}", panic_text(&*panic)))),
    }
}

fn open_once(folder: &Path, cache_bytes: u64, flush_every: Duration) -> Result<sled::Db, String> {
    let flush_every_ms = u64::try_from(flush_every.as_millis()).ok();
    let config = sled::Config::new().path(folder).cache_capacity(cache_bytes).flush_every_ms(flush_every_ms);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("the engine panicked: {}", panic_text(&*panic))),
    }
}

/// A crash during opening can leave these, and a truncated one makes every later opening fail
/// (docs/src/reference/storage-engine.md, section 1).
fn remove_half_snapshots(folder: &Path) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(index: &Index, key: &[u8], value: Option<&[u8]>) {
        index.apply(&Writes::from([(key.to_vec(), value.map(<[u8]>::to_vec))])).unwrap();
    }

    fn keys(rows: impl Iterator<Item = Row>) -> Vec<Vec<u8>> {
        rows.map(|row| row.unwrap().0).collect()
    }

    #[test]
    fn rows_come_in_order_and_survive() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        for key in [b"b2", b"a1", b"b1", b"c1"] {
            write(&index, key, Some(b"x"));
        }
        write(&index, b"b2", None);
        write(&index, b"b3", Some(b"y"));
        drop(index);
        fs::write(folder.path().join("snap.0000.generating"), b"half").unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(keys(index.prefix(b"b")), [b"b1", b"b3"]);
        assert_eq!(keys(index.backwards(b"a", b"c".to_vec())), [b"b3", b"b1", b"a1"]);
        assert_eq!(keys(index.range(Bound::Excluded(b"a1".to_vec()), b"c1".to_vec())), [b"b1", b"b3"]);
        assert_eq!(index.get(b"b3").unwrap().as_deref(), Some(&b"y"[..]));
    }

    #[test]
    fn an_index_of_another_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let older = open_once(folder.path(), 1 << 20, FLUSH_EVERY).unwrap();
        older.insert(keys::APPLIED, b"x").unwrap();
        drop(older);
        assert!(Index::open(folder.path(), 1 << 20).unwrap_err().contains("another version"));
    }

    #[test]
    fn the_second_layout_is_moved_forward() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        write(&index, keys::LAYOUT, Some(LAYOUT_WITH_DUE_ROWS));
        let rows = |number: usize| format!("{}{number}", ['c', 'd', 'h', 'p', 'r'][number % 5]).into_bytes();
        for number in 0..SLICE_ROWS * 6 {
            write(&index, &rows(number), Some(b"x"));
        }
        drop(index);
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(index.get(keys::LAYOUT).unwrap().as_deref(), Some(LAYOUT));
        let left = keys(index.prefix(b""));
        assert_eq!(left.len(), 1 + SLICE_ROWS * 6 * 3 / 5);
        assert!(!left.iter().any(|key| keys::RETIRED.contains(&key[0])));
    }
}
