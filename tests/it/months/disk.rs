//! The machine's disk under a fuse: it may fail a write or a sync, and it knows what a power cut destroys.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reconciled::reports::{Probe, Step};
use reconciled::store::disk::{Disk, DiskFile, MachineDisk};

use tokio::sync::Notify;

use super::fuse::Fuse;
use super::unsynced::Unsynced;

/// A fault of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The write fails after this share of its bytes, in thousandths.
    Write { kept_permille: u64 },
    /// The sync fails; the bytes stay until the power is cut.
    Sync,
}

#[derive(Debug)]
struct Inner {
    fuse: Fuse,
    fault: Option<Fault>,
    /// Operations of that kind until one fails.
    left: AtomicI64,
    has_failed: AtomicBool,
    failed: Notify,
    /// What a power cut may destroy.
    unsynced_writes: Mutex<Unsynced>,
    /// Steps of the report writer until some fail, and how many fail.
    report_fault: Option<(u64, u64)>,
    report_steps: AtomicU64,
    /// Report files that were not synced.
    unsynced: Mutex<BTreeSet<PathBuf>>,
}

/// The disk as one run sees it.
#[derive(Debug, Clone)]
pub struct FatefulDisk(Arc<Inner>);

impl FatefulDisk {
    pub fn new(fuse: Fuse, fault: Option<(Fault, u64)>, report_fault: Option<(u64, u64)>) -> FatefulDisk {
        FatefulDisk(Arc::new(Inner {
            fuse,
            fault: fault.map(|(fault, _)| fault),
            left: AtomicI64::new(fault.map_or(0, |(_, after)| i64::try_from(after).unwrap_or(i64::MAX))),
            has_failed: AtomicBool::new(false),
            failed: Notify::new(),
            unsynced_writes: Mutex::default(),
            report_fault,
            report_steps: AtomicU64::new(0),
            unsynced: Mutex::default(),
        }))
    }

    /// Waits until it fails.
    pub async fn failure(&self) {
        if !self.0.has_failed.load(Ordering::SeqCst) {
            self.0.failed.notified().await;
        }
    }

    /// Removes from every file of the journal what a power cut destroys: everything not synced, except for a
    /// share of its sectors in thousandths that happened to be written, in any order.
    pub fn cut_power(&self, journal: &Path, kept_permille: u64) -> io::Result<()> {
        let unsynced = self.0.unsynced_writes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = |sector: u64| (sector + 1).wrapping_mul(2_654_435_761) / 65_536 % 1000 < kept_permille;
        for entry in std::fs::read_dir(journal)? {
            let path = entry?.path();
            unsynced.cut(&path, &path, is_kept)?;
        }
        Ok(())
    }

    /// Empties every report file that was not synced, as a power cut may.
    pub fn cut_power_of_reports(&self) -> io::Result<()> {
        let unsynced = self.0.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        for path in unsynced.iter().filter(|path| path.exists()) {
            std::fs::OpenOptions::new().write(true).open(path)?.set_len(0)?;
        }
        Ok(())
    }

    fn fails(&self, is_sync: bool) -> bool {
        let concerns =
            matches!((self.0.fault, is_sync), (Some(Fault::Sync), true) | (Some(Fault::Write { .. }), false));
        let fails = concerns && self.0.left.fetch_sub(1, Ordering::SeqCst) == 0;
        if fails {
            self.0.has_failed.store(true, Ordering::SeqCst);
            self.0.failed.notify_one();
        }
        fails
    }
}

impl Probe for FatefulDisk {
    fn before(&self, step: Step, path: &Path) -> io::Result<()> {
        self.0.fuse.disk_step()?;
        let number = self.0.report_steps.fetch_add(1, Ordering::SeqCst);
        if self
            .0
            .report_fault
            .is_some_and(|(after, times)| (after..after.saturating_add(times)).contains(&number))
        {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left for the report"));
        }
        let mut unsynced = self.0.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Create => drop(unsynced.insert(path.to_owned())),
            Step::Sync => drop(unsynced.remove(path)),
            // The files move with their folder.
            Step::Publish => {
                let date = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let temporary = path.with_file_name(format!(".making-{}", date.get(..10).unwrap_or(date)));
                let moved: Vec<PathBuf> =
                    unsynced.iter().filter(|file| file.starts_with(&temporary)).cloned().collect();
                for file in moved {
                    unsynced.extend(file.file_name().map(|name| path.join(name)));
                    unsynced.remove(&file);
                }
            }
            Step::MakeFolder | Step::RemoveFolder | Step::Write | Step::SyncFolder => {}
        }
        Ok(())
    }
}

impl Disk for FatefulDisk {
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
        self.0.fuse.disk_step()?;
        let file = MachineDisk.open_to_write(path)?;
        Ok(Box::new(FatefulFile { file, path: path.to_owned(), disk: self.clone() }))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.0.fuse.disk_step()?;
        MachineDisk.truncate(path, length)?;
        self.0.unsynced_writes.lock().unwrap_or_else(PoisonError::into_inner).forget(path);
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.fuse.disk_step()?;
        MachineDisk.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.fuse.disk_step()?;
        MachineDisk.rename(from, to)
    }
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.0.fuse.disk_step()
    }
    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

#[derive(Debug)]
struct FatefulFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    disk: FatefulDisk,
}

impl DiskFile for FatefulFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.0.fuse.disk_step()?;
        let note = |unsynced: &mut Unsynced| unsynced.note(&self.path, offset, bytes.len());
        note(&mut self.disk.0.unsynced_writes.lock().unwrap_or_else(PoisonError::into_inner))?;
        if self.disk.fails(false) {
            let Some(Fault::Write { kept_permille }) = self.disk.0.fault else { unreachable!() };
            let kept = bytes.len() * usize::try_from(kept_permille).unwrap_or(0) / 1000;
            self.file.write_at(offset, &bytes[..kept])?;
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        }
        self.file.write_at(offset, bytes)?;
        self.disk.0.fuse.disk_step()
    }

    /// The real sync is skipped: it would take too long, and power cuts are simulated.
    fn sync(&mut self) -> io::Result<()> {
        self.disk.0.fuse.disk_step()?;
        if self.disk.fails(true) {
            return Err(io::Error::other("the disk did not sync"));
        }
        let unsynced = &self.disk.0.unsynced_writes;
        unsynced.lock().unwrap_or_else(PoisonError::into_inner).forget(&self.path);
        self.disk.0.fuse.disk_step()
    }
}
