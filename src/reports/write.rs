//! The folder of a day: created under a temporary name, published whole, never changed afterwards.
//!
//! Owns: names, syncing, renaming (docs/src/reference/operations.md, section 7.4). Must never know: what is
//! in the files.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;

use super::sheet::Measured;
use crate::files::sync_folder;

/// The prefix of a folder that is not published yet.
const TEMPORARY: &str = ".making-";

/// A disk operation on one file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Create a folder, unless it exists.
    MakeFolder,
    /// Remove a folder that is not published.
    RemoveFolder,
    /// Create a file.
    Create,
    /// Write a part of a file.
    Write,
    /// Sync a file's content to disk.
    Sync,
    /// Sync a folder's entries to disk.
    SyncFolder,
    /// Publish a folder under this name.
    Publish,
}

/// Called before every disk operation; a test or a simulation makes one fail.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// An error here acts like a failure of the disk.
    ///
    /// # Errors
    /// When the operation shall fail.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Debug)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn before(&self, _step: Step, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file that calls the probe before it writes.
#[derive(Debug)]
pub(super) struct Probed {
    file: File,
    path: PathBuf,
    probe: Arc<dyn Probe>,
}

impl Write for Probed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.probe.before(Step::Write, &self.path)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Probed {
    /// Waits until the content is on disk.
    pub(super) fn sync(self) -> io::Result<()> {
        self.probe.before(Step::Sync, &self.path)?;
        self.file.sync_all()
    }
}

/// The folder that holds the days.
#[derive(Debug, Clone)]
pub(super) struct DayFolders {
    pub(super) root: PathBuf,
    pub(super) probe: Arc<dyn Probe>,
}

/// A published day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) folder: PathBuf,
    pub(super) revision: u32,
}

impl DayFolders {
    /// `<root>/2026/01`.
    fn month(&self, date: Date) -> PathBuf {
        self.root.join(format!("{:04}", date.year())).join(format!("{:02}", date.month()))
    }

    /// The newest days with a folder, the newest first.
    pub(super) fn dates(&self, most: usize) -> io::Result<Vec<Date>> {
        let mut dates = BTreeSet::new();
        for year in numbered(&self.root, 4)?.into_iter().rev() {
            for month in numbered(&year, 2)?.into_iter().rev() {
                for entry in fs::read_dir(&month)? {
                    let name = entry?.file_name();
                    let date = name.to_str().and_then(|name| name.get(..10)?.parse::<Date>().ok());
                    dates.extend(date);
                }
                if dates.len() >= most {
                    return Ok(dates.into_iter().rev().take(most).collect());
                }
            }
        }
        Ok(dates.into_iter().rev().collect())
    }

    /// The newest revision of a day.
    pub(super) fn newest(&self, date: Date) -> io::Result<Option<Published>> {
        let month = self.month(date);
        let entries = match fs::read_dir(&month) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest: Option<Published> = None;
        for entry in entries {
            let entry = entry?;
            let revision = entry.file_name().to_str().and_then(|name| revision_of(name, date));
            if let Some(revision) = revision
                && newest.as_ref().is_none_or(|known| known.revision < revision)
            {
                newest = Some(Published { folder: entry.path(), revision });
            }
        }
        Ok(newest)
    }

    /// Starts the folder of a day, and removes what an interrupted attempt left.
    pub(super) fn begin(&self, date: Date) -> io::Result<Draft> {
        let month = self.month(date);
        self.probe.before(Step::MakeFolder, &month)?;
        make_folder(&month)?;
        for entry in fs::read_dir(&month)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY)) {
                self.probe.before(Step::RemoveFolder, &entry.path())?;
                fs::remove_dir_all(entry.path())?;
            }
        }
        let temporary = month.join(format!("{TEMPORARY}{date}"));
        self.probe.before(Step::MakeFolder, &temporary)?;
        make_folder(&temporary)?;
        Ok(Draft { temporary, month, root: self.root.clone(), date, probe: Arc::clone(&self.probe) })
    }
}

/// The folders whose names are numbers of this many digits, in order; none if the folder is not there.
fn numbered(folder: &Path, digits: usize) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_number =
            |name: &str| name.len() == digits && name.bytes().all(|letter| letter.is_ascii_digit());
        if name.to_str().is_some_and(is_number) {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The name of a day's folder.
pub(super) fn folder_name(date: Date, revision: u32) -> String {
    if revision == 1 { date.to_string() } else { format!("{date}_r{revision}") }
}

fn revision_of(name: &str, date: Date) -> Option<u32> {
    match name.strip_prefix(&date.to_string())? {
        "" => Some(1),
        rest => rest.strip_prefix("_r")?.parse().ok().filter(|revision| *revision > 1),
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(path)
}

/// A folder that is not visible yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    temporary: PathBuf,
    month: PathBuf,
    root: PathBuf,
    date: Date,
    probe: Arc<dyn Probe>,
}

/// A complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Draft {
    /// Starts a file.
    pub(super) fn create(&self, name: &str) -> io::Result<Probed> {
        let path = self.temporary.join(name);
        self.probe.before(Step::Create, &path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let file = options.open(&path)?;
        Ok(Probed { file, path, probe: Arc::clone(&self.probe) })
    }

    /// Where its files are until it is published.
    pub(super) fn folder(&self) -> &Path {
        &self.temporary
    }

    /// Writes a whole file.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> io::Result<Put> {
        let mut measured = Measured::new(self.create(name)?);
        measured.write_all(content)?;
        let (file, bytes, sha256) = measured.finish();
        file.sync()?;
        Ok(Put { bytes, sha256 })
    }

    /// Publishes the folder under its name. Whole or not at all: the rename is one step, and both folders are
    /// synced.
    pub(super) fn publish(self, revision: u32) -> io::Result<PathBuf> {
        let folder = self.month.join(folder_name(self.date, revision));
        self.probe.before(Step::SyncFolder, &self.temporary)?;
        sync_folder(&self.temporary)?;
        if folder.try_exists()? {
            let text = format!("{} exists already", folder.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        self.probe.before(Step::Publish, &folder)?;
        fs::rename(&self.temporary, &folder)?;
        for above in folder.ancestors().skip(1) {
            self.probe.before(Step::SyncFolder, above)?;
            sync_folder(above)?;
            if above == self.root {
                break;
            }
        }
        Ok(folder)
    }

    /// Removes the folder.
    pub(super) fn discard(self) -> io::Result<()> {
        self.probe.before(Step::RemoveFolder, &self.temporary)?;
        fs::remove_dir_all(&self.temporary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_from_names() {
        let date = "2026-01-15".parse().unwrap();
        for (name, expected) in [
            ("2026-01-15", Some(1)),
            ("2026-01-15_r2", Some(2)),
            ("2026-01-15_r10", Some(10)),
            ("2026-01-15_r1", None),
            ("2026-01-15_rx", None),
            ("2026-01-15.old", None),
            ("2026-01-16", None),
            (".making-2026-01-15", None),
        ] {
            assert_eq!(revision_of(name, date), expected, "{name}");
            if let Some(revision) = expected {
                assert_eq!(folder_name(date, revision), name);
            }
        }
    }

    #[test]
    fn a_published_folder_is_never_replaced_and_stale_ones_go() {
        let root = tempfile::tempdir().unwrap();
        let folders = DayFolders { root: root.path().to_owned(), probe: Arc::new(NoProbe) };
        let date = "2026-01-15".parse().unwrap();
        assert_eq!(folders.newest(date).unwrap(), None);
        let stale = folders.begin(date).unwrap();
        stale.put("half", b"x").unwrap();
        let draft = folders.begin(date).unwrap();
        draft.put("whole", b"abc").unwrap();
        let folder = draft.publish(1).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(folders.newest(date).unwrap().unwrap().folder, folder);
        let second = folders.begin(date).unwrap();
        assert_eq!(second.clone().publish(1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        second.publish(2).unwrap();
        assert_eq!(folders.newest(date).unwrap().unwrap().revision, 2);
    }
}
