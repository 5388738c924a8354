//! The few things that the journal needs from a file system.
//!
//! Owns: the order of writes, syncs and renames that leaves a file whole after a power cut.
//! Must never know: what the bytes mean. Tests put a [`Disk`] here that fails.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A file system, as far as the journal needs one. All calls block.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder and its parents, readable only by the owner. It may exist already.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// The length of a file in bytes.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// At most `most` bytes from `offset`; fewer only at the end of the file.
    fn read(&self, path: &Path, offset: u64, most: usize) -> io::Result<Vec<u8>>;
    /// Opens a file for writing, and creates it if it is missing; its content stays.
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Cuts a file to `length` bytes, durably.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Removes a file. It may be missing already.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and everything in it. It may be missing already.
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
    /// Renames a file or a folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Bytes that an ordinary user may still write on the volume of `folder`.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// A file that is written to.
pub trait DiskFile: Debug + Send {
    /// Writes bytes at `offset`: overwrites what is there and extends the file as needed. After an error any part of
    /// the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written survives a power cut. After an error nothing is certain.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes a small file atomically and durably: temporary name, sync, rename, folder sync.
pub(super) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path);
    disk.remove(&temporary)?;
    let mut file = disk.open_to_write(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => disk.sync_folder(folder),
        None => Ok(()),
    }
}

/// The content of a small text file; none if it is missing.
pub(super) fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<Option<String>> {
    match disk.read(path, 0, 64 * 1024) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".new");
    path.with_file_name(name)
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineDisk;

impl Disk for MachineDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|data| data.len())
    }

    fn read(&self, path: &Path, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(MachineFile(options.open(path)?)))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let volume = rustix::fs::statvfs(folder)?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }
}

#[derive(Debug)]
struct MachineFile(File);

impl DiskFile for MachineFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        assert_eq!(read_text(&MachineDisk, &path).unwrap(), None);
        write_whole(&MachineDisk, &path, b"one and more").unwrap();
        fs::write(beside(&path), b"left by a crash").unwrap();
        write_whole(&MachineDisk, &path, b"two").unwrap();
        assert_eq!(read_text(&MachineDisk, &path).unwrap().as_deref(), Some("two"));
        assert_eq!(MachineDisk.list(folder.path()).unwrap(), ["mark"]);
    }

    #[test]
    fn the_volume_of_a_folder_has_some_room() {
        assert!(MachineDisk.free_bytes(&std::env::temp_dir()).unwrap() > 0);
    }
}
