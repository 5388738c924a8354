//! A store's folder: its lock, its format, its marks.
//!
//! Owns: reading and writing these. Must never know: the order in which opening needs them, what a fact says.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::store::disk::{Disk, read_text, write_whole};
use crate::store::index::{Index, Writes, keys};
use crate::store::queue::{Queue, snapshot};
use crate::store::recovery::continuity;
use crate::store::recovery::lock::{self, LockFile, NoLock};
use crate::store::recovery::salvage::Lost;
use crate::store::types::{OpenError, Options, StoreError};

/// The newest format that this program reads, and the one that it writes.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_WORDS: &str = "reconciled store";
/// The mark of a clean stop.
pub(crate) const CLEAN: &str = "clean";
/// The mark of an index that was found damaged while in use.
pub(crate) const SUSPECT: &str = "suspect";
/// The mark of lost journal entries: rows of them that the index still has must be written to the journal again.
pub(crate) const RESCUE: &str = "rescue";

/// The mark of a copy of a shared store: the name of this folder's host in the lease.
pub(crate) const COPY: &str = "copy";

/// The due queues as a clean stop left them; the file exists only while no process has the store open.
pub(crate) const QUEUE: &str = "queue";

/// Leaves a snapshot of the due queues for the next start. Its header goes into the index, so that no other snapshot is
/// mistaken for it.
pub(crate) fn leave_queue(
    disk: &dyn Disk,
    folder: &Path,
    index: &Index,
    queue: &Queue,
    last: u64,
) -> Result<(), StoreError> {
    let bytes = snapshot::encode(queue, last);
    index.apply(&Writes::from([(keys::QUEUE.to_vec(), Some(snapshot::head(&bytes).to_vec()))]))?;
    // Without the file, the next start only takes longer.
    let _ = write_whole(disk, &folder.join(QUEUE), &bytes);
    Ok(())
}

/// Marks a clean stop after entry `last`. The process with the lock does this last.
pub(crate) fn mark_clean(disk: &dyn Disk, folder: &Path, last: u64) -> io::Result<()> {
    write_whole(disk, &folder.join(CLEAN), continuity::clean_mark(last).as_bytes())
}

/// A store's folder, whatever its state.
pub(crate) struct Place<'a> {
    /// How to open it.
    pub(crate) options: &'a Options,
    /// The file system.
    pub(crate) disk: &'a dyn Disk,
}

impl<'a> Place<'a> {
    /// The folder of these options.
    pub(crate) fn of(options: &'a Options) -> Place<'a> {
        Place { options, disk: &*options.disk }
    }

    /// Its path.
    pub(crate) fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.options.folder.join(name)
    }

    /// Adds to an error of the file system what was attempted.
    pub(crate) fn io<T>(
        &self,
        doing: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> Result<T, OpenError> {
        result.map_err(|source| OpenError::Io { doing, path: path.to_owned(), source })
    }

    /// What a mark says; none if it is missing.
    pub(crate) fn read_mark(&self, name: &str) -> Result<Option<String>, OpenError> {
        let path = self.path(name);
        self.io("read", &path, read_text(self.disk, &path))
    }

    /// The due queues that the last process left with this index; none if there are none, or they do not match.
    pub(crate) fn read_queue(&self, index: &Index) -> Option<Queue> {
        let bytes = self.disk.read(&self.path(QUEUE), 0, usize::MAX).ok()?;
        let known = index.get(keys::QUEUE).ok()??;
        if known == snapshot::head(&bytes) { snapshot::decode(&bytes) } else { None }
    }

    /// Writes a mark, durably.
    pub(crate) fn write_mark(&self, name: &str, text: &str) -> Result<(), OpenError> {
        let path = self.path(name);
        self.io("write", &path, write_whole(self.disk, &path, text.as_bytes()))
    }

    /// Removes a mark, durably.
    pub(crate) fn remove_mark(&self, name: &str) -> Result<(), OpenError> {
        let path = self.path(name);
        self.io("remove", &path, self.disk.remove(&path))?;
        self.io("sync", &self.options.folder, self.disk.sync_folder(&self.options.folder))
    }

    /// Keeps every other process out.
    pub(crate) fn take_lock(&self, now: Timestamp) -> Result<LockFile, OpenError> {
        let folder = &self.options.folder;
        self.io("create the folder", folder, self.disk.create_folder(folder))?;
        let path = self.path("lock");
        lock::take(&path, &self.options.command, now).map_err(|error| match error {
            NoLock::Held(holder) => OpenError::Locked { folder: folder.clone(), holder },
            NoLock::Io(source) => OpenError::Io { doing: "lock", path, source },
        })
    }

    /// Whether there is enough free space to work.
    pub(crate) fn check_space(&self) -> Result<(), OpenError> {
        let (folder, floor_bytes) = (&self.options.folder, self.options.free_floor_bytes);
        if floor_bytes == 0 {
            return Ok(());
        }
        let free_bytes = self.io("determine the free space of", folder, self.disk.free_bytes(folder))?;
        match free_bytes < floor_bytes {
            true => Err(OpenError::NoSpace { folder: folder.clone(), free_bytes, floor_bytes }),
            false => Ok(()),
        }
    }

    /// Reads the format, or creates a new store in an empty folder; true if it is new.
    pub(crate) fn check_format(&self) -> Result<bool, OpenError> {
        if self.has_format()? {
            return Ok(false);
        }
        let folder = &self.options.folder;
        let names = self.io("list", folder, self.disk.list(folder))?;
        let is_ours = |name: &str| name == "lock" || name == "lost+found" || name == "format.new";
        if let Some(other) = names.iter().find(|name| !is_ours(name)) {
            return Err(self.not_a_store(format!("it holds {other:?} but no file {FORMAT_FILE:?}")));
        }
        self.write_format()?;
        Ok(true)
    }

    /// Writes the format file, which makes the folder a store.
    pub(crate) fn write_format(&self) -> Result<(), OpenError> {
        self.write_mark(FORMAT_FILE, &format!("{FORMAT_WORDS} {FORMAT}\n"))
    }

    /// Refuses a folder that is not a store.
    pub(crate) fn need_format(&self) -> Result<(), OpenError> {
        match self.has_format()? {
            true => Ok(()),
            false => Err(self.not_a_store(format!("it holds no file {FORMAT_FILE:?}"))),
        }
    }

    /// Entries that the journal is known to have lost; the index may still have rows of them.
    pub(crate) fn marked_as_lost(&self) -> Result<Lost, OpenError> {
        Ok(self.read_mark(RESCUE)?.map_or_else(Lost::default, |text| Lost::parse(&text)))
    }

    /// Makes the next opening write to the journal again what the index has of these entries.
    pub(crate) fn mark_as_lost(&self, lost: &Lost) -> Result<(), OpenError> {
        self.write_mark(RESCUE, &lost.to_string())
    }

    fn not_a_store(&self, why: String) -> OpenError {
        OpenError::NotAStore { folder: self.options.folder.clone(), why }
    }

    /// Whether there is a format that this program knows; false if there is none, an error for any other.
    fn has_format(&self) -> Result<bool, OpenError> {
        let folder = &self.options.folder;
        let not_a_store = |why: String| self.not_a_store(why);
        let Some(text) = self.read_mark(FORMAT_FILE)? else { return Ok(false) };
        let number = text.trim().strip_prefix(FORMAT_WORDS).map(str::trim).and_then(|text| text.parse().ok());
        match number {
            Some(FORMAT) => Ok(true),
            Some(found) if found > FORMAT => {
                Err(OpenError::TooNew { folder: folder.clone(), found, known: FORMAT })
            }
            _ => {
                Err(not_a_store(format!("its file {FORMAT_FILE:?} does not say \"{FORMAT_WORDS} {FORMAT}\"")))
            }
        }
    }
}
