//! A disk that fails, and that loses what was not synced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::unsynced::Unsynced;
use crate::store::disk::{Disk, DiskFile, MachineDisk};

/// What fails next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Writes until one fails after writing part of its bytes; negative: none fails.
    pub(super) writes_left: AtomicI64,
    /// Bytes of the failing write that reach the disk.
    pub(super) partial_bytes: AtomicUsize,
    /// Syncs until one fails; negative: none fails.
    pub(super) syncs_left: AtomicI64,
    /// What a power cut may lose.
    unsynced: Mutex<Unsynced>,
}

/// The machine's disk, failing as planned.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultyDisk(pub(super) Arc<Plan>);

impl FaultyDisk {
    pub(super) fn well() -> FaultyDisk {
        let disk = FaultyDisk::default();
        disk.0.writes_left.store(-1, Ordering::SeqCst);
        disk.0.syncs_left.store(-1, Ordering::SeqCst);
        disk
    }

    /// Removes from a file's copy what a power cut would lose of the file.
    pub(super) fn cut(&self, path: &Path, copy: &Path, is_kept: impl Fn(u64) -> bool) -> io::Result<()> {
        self.0.unsynced.lock().unwrap().cut(path, copy, is_kept)
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
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = MachineDisk.open_to_write(path)?;
        Ok(Box::new(FaultyFile { file, path: path.to_owned(), plan: Arc::clone(&self.0) }))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.0.unsynced.lock().unwrap().forget(path);
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
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.plan.unsynced.lock().unwrap().note(&self.path, offset, bytes.len())?;
        if is_now(&self.plan.writes_left) {
            let written = self.plan.partial_bytes.load(Ordering::SeqCst).min(bytes.len());
            self.file.write_at(offset, &bytes[..written])?;
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        self.file.write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if is_now(&self.plan.syncs_left) {
            return Err(io::Error::other("the disk did not sync"));
        }
        self.file.sync()?;
        self.plan.unsynced.lock().unwrap().forget(&self.path);
        Ok(())
    }
}
