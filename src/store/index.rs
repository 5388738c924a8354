//! The index: everything that can be derived from the journal, in sled.
//!
//! Owns: the engine and its traps (packages.md section 2.1). Must never know: what a row means.
//! No other file of this room names the engine.

use std::collections::HashMap;
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::types::StoreError;

/// Rows to write: a value, or nothing to remove the row.
pub(super) type Writes = HashMap<Vec<u8>, Option<Vec<u8>>>;

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    tree: sled::Db,
    /// Since it was opened.
    written_bytes: AtomicU64,
}

/// The engine's main file.
const FILE: &str = "db";

/// Written bytes that the next opening may read again without anybody waiting for it.
const UNLISTED_BYTES: u64 = 8 * 1024 * 1024;

/// The engine's last tenant may need a moment to let go of its lock; ours says that nobody else has it.
const LOCK_PATIENCE: u32 = 500;

impl Index {
    /// Opens or makes it. Errors are texts: whatever is wrong, the answer is to set it aside.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Index, String> {
        remove_half_snapshots(folder).map_err(|error| error.to_string())?;
        for _ in 0..LOCK_PATIENCE {
            match open_once(folder, cache_bytes) {
                Err(text) if text.contains("could not acquire lock") => {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                Err(text) => return Err(text),
                Ok(tree) => return Ok(Index { tree, written_bytes: AtomicU64::new(0) }),
            }
        }
        Err("its lock is not let go of".to_owned())
    }

    /// A row.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| self.tree.get(key)).map(|value| value.map(|bytes| bytes.to_vec()))
    }

    /// Rows from `start` on and before `end`, in order of their keys.
    pub(super) fn range(&self, start: Bound<Vec<u8>>, end: Vec<u8>) -> Rows {
        Rows(self.tree.range::<Vec<u8>, _>((start, Bound::Excluded(end))))
    }

    /// All rows whose key starts with `prefix`, in order.
    pub(super) fn prefix(&self, prefix: &[u8]) -> Rows {
        Rows(self.tree.scan_prefix(prefix))
    }

    /// All rows whose key starts with `prefix`, the last first.
    pub(super) fn prefix_backwards(&self, start: &[u8], end: Vec<u8>) -> impl Iterator<Item = Row> + use<> {
        let mut rows = self.tree.range::<Vec<u8>, _>(start.to_vec()..end);
        std::iter::from_fn(move || guarded(|| rows.next_back().transpose()).map(own).transpose())
    }

    /// Writes all or nothing, for readers and for crashes alike (not for power cuts: the journal is).
    pub(super) fn apply(&self, writes: Writes) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            self.count(key.len() + value.as_ref().map_or(0, Vec::len));
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded(|| self.tree.apply_batch(batch))
    }

    fn count(&self, bytes: usize) {
        self.written_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writes rows that come in the order of their keys, all or nothing.
    pub(super) fn apply_in_order(&self, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            self.count(key.len() + value.len());
            batch.insert(key, value);
        }
        guarded(|| self.tree.apply_batch(batch))
    }

    /// Hands everything to the operating system, before a clean stop.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        guarded(|| self.tree.flush()).map(|_| ())
    }

    /// Whether the next opening would have to read much that was written since the last one: the engine writes
    /// down where all pages lie only when it is opened.
    pub(super) fn has_been_written_to(&self) -> bool {
        self.written_bytes.load(Ordering::Relaxed) > UNLISTED_BYTES
    }

    /// Opens an index that was written to a lot and closes it again, so that the next opening is quick.
    pub(super) fn settle(folder: &Path, cache_bytes: u64) -> Result<(), String> {
        Index::open(folder, cache_bytes).map(drop)
    }

    /// Makes the files of a closed index durable, which the engine itself does only by the way.
    pub(super) fn sync_files(folder: &Path) -> std::io::Result<()> {
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

    /// Bytes that its main file takes on the disk; 0 when that cannot be told.
    pub(super) fn file_bytes(folder: &Path) -> u64 {
        fs::metadata(folder.join(FILE)).map_or(0, |data| data.blocks() * 512)
    }
}

/// A row, or the end of the engine.
pub(super) type Row = Result<(Vec<u8>, Vec<u8>), StoreError>;

/// Rows in order.
pub(super) struct Rows(sled::Iter);

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        guarded(|| self.0.next().transpose()).map(own).transpose()
    }
}

fn own(row: Option<(sled::IVec, sled::IVec)>) -> Option<(Vec<u8>, Vec<u8>)> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

/// The engine panics where others return errors.
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

fn open_once(folder: &Path, cache_bytes: u64) -> Result<sled::Db, String> {
    let config = sled::Config::new().path(folder).cache_capacity(cache_bytes).flush_every_ms(Some(500));
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("the engine panicked: {}", panic_text(&*panic))),
    }
}

/// A crash while opening leaves these, and a cut one makes every later opening fail (packages.md 2.1).
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
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_and_survive() {
        let folder = tempfile::tempdir().unwrap();
        let write = |index: &Index, key: &[u8], value: Option<&[u8]>| {
            index.apply(Writes::from([(key.to_vec(), value.map(<[u8]>::to_vec))])).unwrap();
        };
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        for key in [b"b2", b"a1", b"b1", b"c1"] {
            write(&index, key, Some(b"x"));
        }
        write(&index, b"b2", None);
        write(&index, b"b3", Some(b"y"));
        drop(index);
        fs::write(folder.path().join("snap.0000.generating"), b"half").unwrap();
        let index = Index::open(folder.path(), 1 << 20).unwrap();
        let keys = |rows: &mut dyn Iterator<Item = Row>| rows.map(|row| row.unwrap().0).collect::<Vec<_>>();
        assert_eq!(keys(&mut index.prefix(b"b")), [b"b1", b"b3"]);
        assert_eq!(keys(&mut index.prefix_backwards(b"a", b"c".to_vec())), [b"b3", b"b1", b"a1"]);
        assert_eq!(keys(&mut index.range(Bound::Excluded(b"a1".to_vec()), b"c1".to_vec())), [b"b1", b"b3"]);
        assert_eq!(index.get(b"b3").unwrap().as_deref(), Some(&b"y"[..]));
    }
}
