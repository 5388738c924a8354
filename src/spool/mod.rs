//! A folder whose files are enrolled: a shop writes a file under a name that begins with a dot or ends in `.part`, and
//! renames it when it is complete.
//!
//! Owns: which files are taken, the order, where they go afterwards. Must never know: sockets, what an object is.
//!
//! A complete file moves to `.taking` before it is opened, so that a new file of its name does not take its place. It is
//! enrolled line by line; its good lines are taken even if others are bad. Then it moves to `done`, or, if any line was
//! bad, to `rejected` beside a report of these lines. After a crash in the middle it is enrolled again from its beginning:
//! objects that are known already do not change.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::blocking;
use crate::control::enrolment_request::EnrolmentRequest;
use crate::control::messages::{BATCH_LINES_MAX, EnrolResult};
use crate::files::{self, FileError, Readers};
use crate::http::BoxFuture;
use crate::intake::{BadFile, BadLine, Intake, Item, Reading, RejectsFile};
use crate::payments::object::{AccountName, Kind};

/// Where files are while they are read.
const TAKING: &str = ".taking";
/// Where files go that had no bad line.
const DONE: &str = "done";
/// Where the others go.
const REJECTED: &str = "rejected";
/// The end of the name of a report.
const REPORT: &str = ".rejects.csv";
/// The most bad lines that a report lists.
const LISTED_MAX: usize = 10_000;
/// The longest name of a file: with a number and the end of a draft of a report it must still be one.
const NAME_BYTES_MAX: usize = 220;

/// The folder, and what holds for its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder.
    pub folder: PathBuf,
    /// The account of lines that name none.
    pub account: Option<AccountName>,
    /// The kind of lines that name none.
    pub kind: Option<Kind>,
    /// How cells are read.
    pub reading: Reading,
}

/// Enrols lines of a file. The error says why none was.
pub type Enrolling =
    Arc<dyn Fn(Vec<EnrolmentRequest>) -> BoxFuture<'static, Result<Vec<EnrolResult>, String>> + Send + Sync>;

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Files.
    pub files: u64,
    /// Lines that were enrolled, or known already.
    pub lines: u64,
    /// Lines that were not.
    pub bad: u64,
}

/// The bad lines of a file.
#[derive(Debug, Default)]
struct Rejects {
    listed: Vec<BadLine>,
    number: u64,
}

impl Rejects {
    fn add(&mut self, bad: BadLine) {
        self.number += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(bad);
        }
    }

    fn report(&self, file: &str) -> io::Result<Vec<u8>> {
        let mut report = RejectsFile::begin(Vec::new())?;
        for bad in &self.listed {
            report.add(file, bad)?;
        }
        let listed = u64::try_from(self.listed.len()).unwrap_or(u64::MAX);
        if self.number > listed {
            report.remark(file, &format!("{} more lines are bad and not listed", self.number - listed))?;
        }
        report.end()
    }
}

/// Why a file was not taken.
enum Failed {
    /// It cannot be read or moved. Others may be.
    File(String),
    /// No line of any file can be enrolled now.
    Enrolling(String),
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Failed {
        Failed::File(error.to_string())
    }
}

/// Takes every file that is complete, oldest first, after those that an earlier round did not finish. `progress` grows
/// with every batch of lines and every file.
///
/// # Errors
/// Names each file that cannot be taken now. It stays, and the others are taken. When nothing can be enrolled now, the
/// files after it stay as well.
pub async fn round(
    settings: &Settings,
    enrolling: &Enrolling,
    progress: &AtomicU64,
) -> Result<Taken, String> {
    let found = files::at(settings.folder.clone(), to_take).await.map_err(|error| error.to_string())?;
    let (mut taken, mut failed) = (Taken::default(), Vec::new());
    for path in found {
        match take(path, settings, enrolling, progress).await {
            Ok(one) => {
                taken.files += one.files;
                taken.lines += one.lines;
                taken.bad += one.bad;
            }
            Err(Failed::File(why)) => failed.push(why),
            Err(Failed::Enrolling(why)) => {
                failed.push(why);
                break;
            }
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
    if failed.is_empty() { Ok(taken) } else { Err(failed.join("; ")) }
}

/// What a round finds: the files that an earlier one did not finish, then the complete ones.
fn to_take(folder: &Path) -> io::Result<Vec<PathBuf>> {
    for name in [TAKING, DONE, REJECTED] {
        match folder.join(name).symlink_metadata() {
            // A link may lead out of the folder.
            Ok(facts) if !facts.is_dir() => return Err(io::Error::other(format!("{name} is not a folder"))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let complete = waiting(folder, false)?;
    let mut found = match waiting(&folder.join(TAKING), true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        begun => begun?,
    };
    found.extend(complete);
    Ok(found)
}

/// The complete files of a folder, oldest first. It may be the one where files are while they are read.
fn waiting(folder: &Path, is_taking: bool) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let name = if is_taking { shop_name(&name) } else { &*name };
        let is_incomplete = name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp");
        // The type of a link is not that of its file, so no link is followed.
        if is_incomplete || !entry.file_type()?.is_file() {
            continue;
        }
        match entry.metadata() {
            Ok(facts) => found.push((facts.modified()?, entry.path())),
            // Its writer has taken it away again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(BufReader::with_capacity(1 << 16, file)),
        false => Err(io::Error::other("it is no plain file")),
    }
}

/// Takes a file from the beginning to its last place. One that its writer has taken away again counts nothing.
async fn take(
    path: PathBuf,
    settings: &Settings,
    enrolling: &Enrolling,
    progress: &AtomicU64,
) -> Result<Taken, Failed> {
    let folder = settings.folder.clone();
    let Some(path) = files::at(path, move |path| claim(&folder, path)).await? else {
        return Ok(Taken::default());
    };
    let name = path.display().to_string();
    let (lines, rejects) = enrol(&path, settings, enrolling, progress).await?;
    let (bad, folder) = (rejects.number, settings.folder.clone());
    let moved = files::at(path, move |path| put_away(&folder, path, &rejects)).await?;
    match bad {
        0 => tracing::info!(file = %name, lines, "a file was enrolled"),
        _ => tracing::warn!(file = %name, lines, bad, report = %moved.display(), "a file has bad lines"),
    }
    Ok(Taken { files: 1, lines, bad })
}

/// Moves a complete file to where files are read. Returns where it is; none if its writer has taken it away again. One
/// that cannot be read stays where it is.
fn claim(folder: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let taking = folder.join(TAKING);
    if path.starts_with(&taking) {
        return Ok(Some(path.to_owned()));
    }
    let name = name_of(path);
    if name.len() > NAME_BYTES_MAX {
        return Err(io::Error::other(format!("its name is longer than {NAME_BYTES_MAX} bytes")));
    }
    match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => drop(opened?),
    }
    fs::create_dir_all(&taking)?;
    // The shop's own names do not begin with a dot.
    let named = |number: u32| if number == 1 { name.clone() } else { format!(".{number}.{name}") };
    let claimed = free_place(&taking, named)?;
    fs::rename(path, &claimed)?;
    files::sync_folder(&taking)?;
    files::sync_folder(folder)?;
    Ok(Some(claimed))
}

/// Enrols all lines of a file. Returns how many were taken, and the others.
async fn enrol(
    path: &Path,
    settings: &Settings,
    enrolling: &Enrolling,
    progress: &AtomicU64,
) -> Result<(u64, Rejects), Failed> {
    let (own, reading) = (path.to_owned(), settings.reading);
    let started = blocking::run(move || Intake::start(open(&own)?, None, reading)).await;
    let (mut lines, mut rejects) = (0, Rejects::default());
    let mut intake = match started.map_err(|error| Failed::File(about(path, &error)))? {
        Ok(intake) => intake,
        Err(BadFile::Senseless { line, reason }) => {
            rejects.add(BadLine { line, reason, text: String::new() });
            return Ok((0, rejects));
        }
        Err(bad @ BadFile::Unreadable(_)) => return Err(Failed::File(about(path, &bad))),
    };
    if intake.is_empty() {
        let reason = "there is no object in it".to_owned();
        rejects.add(BadLine { line: 1, reason, text: String::new() });
    }
    loop {
        let reading = blocking::run(move || {
            let mut items: Vec<Item> = Vec::new();
            while items.len() < BATCH_LINES_MAX {
                match intake.next_item()? {
                    Some(item) => items.push(item),
                    None => break,
                }
            }
            Ok::<_, io::Error>((intake, items))
        });
        let read = reading.await.map_err(|error| Failed::File(about(path, &error)))?;
        let items;
        (intake, items) = read.map_err(|error| Failed::File(about(path, &error)))?;
        progress.fetch_add(1, Ordering::Relaxed);
        if items.is_empty() {
            return Ok((lines, rejects));
        }
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Ok(mut request) => {
                    request.account = request.account.or_else(|| settings.account.clone());
                    request.kind = request.kind.or_else(|| settings.kind.clone());
                    requests.push(request);
                }
                Err(bad) => rejects.add(bad),
            }
        }
        if requests.is_empty() {
            continue;
        }
        let results = enrolling(requests.clone()).await;
        let results = results.map_err(|why| Failed::Enrolling(about(path, &why)))?;
        for (result, request) in results.into_iter().zip(&requests) {
            match result.reason {
                None => lines += 1,
                Some(reason) => rejects.add(BadLine { line: result.line, reason, text: request.to_json() }),
            }
        }
    }
}

fn about(path: &Path, why: &dyn Display) -> String {
    format!("{}: {why}", path.display())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Moves a file to where its kind goes. Returns where it is, or where its report is.
fn put_away(folder: &Path, path: &Path, rejects: &Rejects) -> io::Result<PathBuf> {
    let name = name_of(path);
    let name = shop_name(&name);
    let place = folder.join(if rejects.number == 0 { DONE } else { REJECTED });
    let named = |number: u32| if number == 1 { name.to_owned() } else { format!("{name}.{number}") };
    let target = free_place(&place, named)?;
    let mut shown = target.clone();
    if rejects.number > 0 {
        // Before the file moves: after a crash between the two there are two reports, never a file without one.
        shown = report_of(&target);
        files::write_whole(folder, &shown, &rejects.report(name)?, Readers::Group)?;
    } else {
        fs::create_dir_all(&place)?;
    }
    fs::rename(path, &target)?;
    files::sync_folder(&place)?;
    files::sync_folder(&folder.join(TAKING))?;
    files::sync_folder(folder)?;
    Ok(shown)
}

/// Where the report of a rejected file is.
fn report_of(path: &Path) -> PathBuf {
    let mut report = path.as_os_str().to_owned();
    report.push(REPORT);
    PathBuf::from(report)
}

/// The shop's name of a file that is being taken. A second one of its name begins with a number between dots.
fn shop_name(name: &str) -> &str {
    match name.strip_prefix('.').and_then(|rest| rest.split_once('.')) {
        Some((number, shop_name)) if number.parse::<u32>().is_ok() => shop_name,
        _ => name,
    }
}

/// A free place in a folder. `named` makes a name of a number; the name with 1 is preferred. Numbers are tried in steps
/// that double, and the last step is halved: a name that comes every minute has many.
fn free_place(folder: &Path, named: impl Fn(u32) -> String) -> io::Result<PathBuf> {
    let place = |number: u32| folder.join(named(number));
    let (mut taken, mut free) = (0, 1_u32);
    while !is_free(&place(free))? {
        taken = free;
        free = free.checked_mul(2).ok_or_else(|| io::Error::other("no name is free"))?;
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        match is_free(&place(middle))? {
            true => free = middle,
            false => taken = middle,
        }
    }
    Ok(place(free))
}

/// Whether neither such a file nor its report is there.
fn is_free(path: &Path) -> io::Result<bool> {
    for path in [path.to_owned(), report_of(path)] {
        match path.symlink_metadata() {
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
