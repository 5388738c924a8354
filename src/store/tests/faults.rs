//! A disk that fails, and one that forgets what was not synced.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::store::disk::{Disk, DiskFile, MachineDisk};

/// What fails next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Writes until one fails, having written part of its bytes; negative: none.
    pub(super) writes_left: AtomicI64,
    /// Bytes of the failing write that reach the disk.
    pub(super) partial_bytes: AtomicUsize,
    /// Syncs until one fails; negative: none.
    pub(super) syncs_left: AtomicI64,
    /// Bytes of each file that survive a power cut.
    synced: Mutex<HashMap<PathBuf, u64>>,
}

/// The machine's disk with a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultyDisk(pub(super) Arc<Plan>);

impl FaultyDisk {
    pub(super) fn well() -> FaultyDisk {
        let disk = FaultyDisk::default();
        disk.0.writes_left.store(-1, Ordering::SeqCst);
        disk.0.syncs_left.store(-1, Ordering::SeqCst);
        disk
    }

    /// How much of a file a power cut leaves; none for a file that was never synced.
    pub(super) fn synced_bytes(&self, path: &Path) -> Option<u64> {
        self.0.synced.lock().unwrap().get(path).copied()
    }
}

fn is_now(counter: &AtomicI64) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then_some(left - 1)) == Ok(0)
}

impl Disk for FaultyDisk {
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
    fn append_to(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = MachineDisk.append_to(path)?;
        Ok(Box::new(FaultyFile { file, path: path.to_owned(), plan: Arc::clone(&self.0) }))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.0.synced.lock().unwrap().insert(path.to_owned(), length);
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
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        MachineDisk.free_bytes(folder)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    plan: Arc<Plan>,
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if is_now(&self.plan.writes_left) {
            let written = self.plan.partial_bytes.load(Ordering::SeqCst).min(bytes.len());
            self.file.append(&bytes[..written])?;
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if is_now(&self.plan.syncs_left) {
            return Err(io::Error::other("the disk did not sync"));
        }
        self.file.sync()?;
        let length = MachineDisk.length(&self.path)?;
        self.plan.synced.lock().unwrap().insert(self.path.clone(), length);
        Ok(())
    }
}
