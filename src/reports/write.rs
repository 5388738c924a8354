//! The folder of a day: made under a temporary name, published whole, never changed afterwards.
//!
//! Owns: names, syncing, renaming (operations.md, section 7.4). Must never know: what the files say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;

use super::sheet::Measured;

/// Begins the name of a folder that is not published.
const TEMPORARY: &str = ".making-";

/// A step on the disk, about one file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A folder is made, unless it is there.
    MakeFolder,
    /// A folder that is not published is removed.
    RemoveFolder,
    /// A file is made.
    Create,
    /// A part of a file is written.
    Write,
    /// The disk is asked to have all of a file.
    Sync,
    /// The disk is asked to have the names in a folder.
    SyncFolder,
    /// A folder is published under this name.
    Publish,
}

/// Is asked before every step on the disk; a test or a simulation refuses one.
pub trait Probe: std::fmt::Debug + Send + Sync {
    /// An error here is as if the disk had failed.
    ///
    /// # Errors
    /// When the step shall fail.
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

/// A file that asks before it writes.
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
    /// Waits until the disk has it.
    pub(super) fn sync(self) -> io::Result<()> {
        self.probe.before(Step::Sync, &self.path)?;
        self.file.sync_all()
    }
}

/// Where the days lie.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) root: PathBuf,
    pub(super) probe: Arc<dyn Probe>,
}

/// A published day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) folder: PathBuf,
    pub(super) revision: u32,
}

impl Shelf {
    /// `<root>/2026/01`.
    fn month(&self, date: Date) -> PathBuf {
        self.root.join(format!("{:04}", date.year())).join(format!("{:02}", date.month()))
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

    /// Begins the folder of a day; what an interrupted attempt left behind is removed.
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

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A folder that nobody sees yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    temporary: PathBuf,
    month: PathBuf,
    root: PathBuf,
    date: Date,
    probe: Arc<dyn Probe>,
}

/// What a whole file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Draft {
    /// Begins a file.
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

    /// Writes a whole file.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> io::Result<Put> {
        let mut measured = Measured::new(self.create(name)?);
        measured.write_all(content)?;
        let (file, bytes, sha256) = measured.finish();
        file.sync()?;
        Ok(Put { bytes, sha256 })
    }

    /// Shows the folder under its name. Whole or not at all: the rename is one step, and both folders are
    /// synced.
    pub(super) fn publish(self, revision: u32) -> io::Result<PathBuf> {
        let folder = self.month.join(folder_name(self.date, revision));
        self.probe.before(Step::SyncFolder, &self.temporary)?;
        sync_folder(&self.temporary)?;
        if folder.try_exists()? {
            let text = format!("{} is there already", folder.display());
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

    /// Removes it again.
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
        let shelf = Shelf { root: root.path().to_owned(), probe: Arc::new(NoProbe) };
        let date = "2026-01-15".parse().unwrap();
        assert_eq!(shelf.newest(date).unwrap(), None);
        let stale = shelf.begin(date).unwrap();
        stale.put("half", b"x").unwrap();
        let draft = shelf.begin(date).unwrap();
        draft.put("whole", b"abc").unwrap();
        let folder = draft.publish(1).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(shelf.newest(date).unwrap().unwrap().folder, folder);
        let second = shelf.begin(date).unwrap();
        assert_eq!(second.clone().publish(1).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        second.publish(2).unwrap();
        assert_eq!(shelf.newest(date).unwrap().unwrap().revision, 2);
    }
}
