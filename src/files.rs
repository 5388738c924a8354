//! Small files that are there whole or not at all, also after a power cut.
//!
//! Owns: the order of writing, syncing and renaming, and where such work runs. Must never know: what the bytes mean.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::blocking;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Does work on the file at `path`, off the threads that answer others.
///
/// # Errors
/// As the work, and when it breaks down.
pub async fn at<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let shown = path.clone();
    let done = blocking::run(move || work(&path)).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(|source| FileError { path: shown, source })
}

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The owner alone.
    Owner,
    /// The owner, and the group as far as reading goes.
    Group,
}

impl Readers {
    fn modes(self) -> (u32, u32) {
        match self {
            Readers::Owner => (0o700, 0o600),
            Readers::Group => (0o750, 0o640),
        }
    }
}

/// Writes a file beside its place, syncs it, renames it into place, and syncs its folder and those above it up to
/// `root`; the folders are made as needed. When this returns the file is there whole, under its name, and survives a
/// power cut. Twice is the same as once.
///
/// # Errors
/// When the disk fails. Then the old file, or none, is there whole.
pub fn write_whole(root: &Path, path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    let (folder_mode, file_mode) = readers.modes();
    fs::DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
    let temporary = with_suffix(path, ".new");
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(file_mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The name of a new folder must survive as well: it stands in the folder above.
    for folder in folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty()) {
        sync_folder(folder)?;
        if folder == root {
            break;
        }
    }
    Ok(())
}

/// The bytes of a file, none when it is not there.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Removes a file; one that is not there is removed already.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `path` with a suffix behind its name, whatever ending that has.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        for (readers, modes) in [(Readers::Owner, (0o700, 0o600)), (Readers::Group, (0o750, 0o640))] {
            let folder = root.path().join(format!("{readers:?}")).join("below");
            let path = folder.join("a.csv");
            for bytes in [&b"first"[..], b"second"] {
                write_whole(root.path(), &path, bytes, readers).unwrap();
                assert_eq!(fs::read(&path).unwrap(), bytes);
                // What an interrupted attempt leaves behind.
                fs::write(with_suffix(&path, ".new"), b"half").unwrap();
            }
            write_whole(root.path(), &path, b"third", readers).unwrap();
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
            assert_eq!((mode(&folder), mode(&path)), modes);
        }
    }

    #[test]
    fn what_is_not_there_is_nothing_and_removed_already() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        assert_eq!(read_if_there(&path).unwrap(), None);
        remove(&path).unwrap();
        write_whole(root.path(), &path, b"x", Readers::Owner).unwrap();
        assert_eq!(read_if_there(&path).unwrap().as_deref(), Some(&b"x"[..]));
        remove(&path).unwrap();
        assert!(!path.exists() && read_if_there(root.path()).is_err());
    }
}
