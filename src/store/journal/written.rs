//! The journal up to a position, for reading while it grows.
//!
//! Owns: hiding what is written after that position. Must never know: what an entry is.

use std::io;
use std::path::Path;

use crate::store::disk::{Disk, DiskFile};
use crate::store::journal::preallocation::FILLER;
use crate::store::journal::segment::{Position, segment_name};

/// The journal up to a position, for reading while it grows.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    /// The file system that it is on.
    pub(crate) disk: &'a dyn Disk,
    /// Nothing after this position is visible, except one preallocated byte.
    pub(crate) end: Position,
    /// Whether the last file is preallocated.
    pub(crate) is_preallocated: bool,
}

impl Written<'_> {
    fn is_last(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| *name == *segment_name(self.end.segment))
    }

    fn preallocated_bytes(&self) -> u64 {
        u64::from(self.is_preallocated)
    }
}

fn only_read<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this journal is read-only"))
}

impl Disk for Written<'_> {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        only_read()
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let last = segment_name(self.end.segment);
        Ok(self.disk.list(folder)?.into_iter().filter(|name| *name <= last).collect())
    }
    fn length(&self, path: &Path) -> io::Result<u64> {
        let length = self.disk.length(path)?;
        Ok(if self.is_last(path) { length.min(self.end.offset) + self.preallocated_bytes() } else { length })
    }
    fn read(&self, path: &Path, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        if !self.is_last(path) {
            return self.disk.read(path, offset, most);
        }
        let written = self.end.offset.saturating_sub(offset);
        let most_written = usize::try_from(written).map_or(most, |left| left.min(most));
        let mut bytes = self.disk.read(path, offset, most_written)?;
        // The writer may be writing there, so the preallocated byte is assumed and not read.
        if self.is_preallocated && bytes.len() == most_written && most_written < most {
            bytes.push(FILLER);
        }
        Ok(bytes)
    }
    fn open_to_write(&self, _path: &Path) -> io::Result<Box<dyn DiskFile>> {
        only_read()
    }
    fn truncate(&self, _path: &Path, _length: u64) -> io::Result<()> {
        only_read()
    }
    fn remove(&self, _path: &Path) -> io::Result<()> {
        only_read()
    }
    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        only_read()
    }
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        only_read()
    }
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.disk.free_bytes(folder)
    }
}
