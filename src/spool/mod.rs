//! A folder whose files are enrolled: a shop writes a file under a name that begins with a dot or ends in `.part`, and
//! renames it when it is complete.
//!
//! Owns: which files are taken, the order, where they go afterwards. Must never know: sockets, what an object is.
//!
//! A file is enrolled line by line; its good lines are taken even if others are bad. Then it moves to `done`, or, if any
//! line was bad, to `rejected` beside a report of these lines. After a crash in the middle it is enrolled again from its
//! beginning: objects that are known already do not change.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::blocking;
use crate::control::enrolment_request::EnrolmentRequest;
use crate::control::messages::{BATCH_LINES_MAX, EnrolResult};
use crate::files::{self, Readers};
use crate::http::BoxFuture;
use crate::intake::{BadFile, BadLine, Intake, Item, Reading};
use crate::payments::object::{AccountName, Kind};

/// Where files go that had no bad line.
const DONE: &str = "done";
/// Where the others go.
const REJECTED: &str = "rejected";
/// The end of the name of a report.
const REPORT: &str = ".rejects.csv";
/// The most bad lines that a report lists.
const LISTED_MOST: usize = 10_000;

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
        if self.listed.len() < LISTED_MOST {
            self.listed.push(bad);
        }
    }

    fn report(&self, file: &str) -> io::Result<Vec<u8>> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        writer.write_record(["file", "line", "reason", "text"])?;
        for bad in &self.listed {
            writer.write_record([file, &bad.line.to_string(), &bad.reason, &bad.text])?;
        }
        let listed = u64::try_from(self.listed.len()).unwrap_or(u64::MAX);
        if self.number > listed {
            let more = format!("{} more lines are bad and not listed", self.number - listed);
            writer.write_record([file, "", &more, ""])?;
        }
        writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Takes every file that is complete, oldest first.
///
/// # Errors
/// Names the file that cannot be taken now. It and the files after it stay where they are.
pub async fn round(settings: &Settings, enrolling: &Enrolling) -> Result<Taken, String> {
    let folder = settings.folder.clone();
    let shown = folder.display().to_string();
    let waiting = blocking::run(move || waiting(&folder)).await.map_err(|error| error.to_string())?;
    let mut taken = Taken::default();
    for path in waiting.map_err(|error| format!("{shown}: {error}"))? {
        let name = path.display().to_string();
        let (lines, rejects) =
            take(&path, settings, enrolling).await.map_err(|why| format!("{name}: {why}"))?;
        let (bad, folder) = (rejects.number, settings.folder.clone());
        let moved = blocking::run(move || put_away(&folder, &path, &rejects)).await;
        let moved = moved.map_err(|error| error.to_string())?.map_err(|error| format!("{name}: {error}"))?;
        taken.files += 1;
        taken.lines += lines;
        taken.bad += bad;
        match bad {
            0 => tracing::info!(file = %name, lines, "a file was enrolled"),
            _ => tracing::warn!(file = %name, lines, bad, report = %moved.display(), "a file has bad lines"),
        }
    }
    Ok(taken)
}

/// The complete files, oldest first.
fn waiting(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
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

/// Enrols all lines of a file. Returns how many were taken, and the others.
async fn take(path: &Path, settings: &Settings, enrolling: &Enrolling) -> Result<(u64, Rejects), String> {
    let (path, reading) = (path.to_owned(), settings.reading);
    let started = blocking::run(move || Intake::start(open(&path)?, None, reading)).await;
    let (mut lines, mut rejects) = (0, Rejects::default());
    let mut intake = match started.map_err(|error| error.to_string())? {
        Ok(intake) => intake,
        Err(BadFile::Senseless { line, reason }) => {
            rejects.add(BadLine { line, reason, text: String::new() });
            return Ok((0, rejects));
        }
        Err(bad @ BadFile::Unreadable(_)) => return Err(bad.to_string()),
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
        let read = reading.await.map_err(|error| error.to_string())?;
        let items;
        (intake, items) = read.map_err(|error| error.to_string())?;
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
        for (result, request) in enrolling(requests.clone()).await?.into_iter().zip(&requests) {
            match result.reason {
                None => lines += 1,
                Some(reason) => rejects.add(BadLine { line: result.line, reason, text: request.to_json() }),
            }
        }
    }
}

/// Moves a file to where its kind goes. Returns where it is, or where its report is.
fn put_away(folder: &Path, path: &Path, rejects: &Rejects) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let place = folder.join(if rejects.number == 0 { DONE } else { REJECTED });
    let target = free_place(&place, &name);
    let mut shown = target.clone();
    if rejects.number > 0 {
        // Before the file moves: after a crash between the two, both are made again under the same names.
        let mut report = target.clone().into_os_string();
        report.push(REPORT);
        shown = PathBuf::from(report);
        files::write_whole(folder, &shown, &rejects.report(&name)?, Readers::Group)?;
    } else {
        fs::create_dir_all(&place)?;
    }
    fs::rename(path, &target)?;
    files::sync_folder(&place)?;
    files::sync_folder(folder)?;
    Ok(shown)
}

/// The name in a folder, with a number behind it if there is such a file already.
fn free_place(folder: &Path, name: &str) -> PathBuf {
    let plain = folder.join(name);
    if plain.symlink_metadata().is_err() {
        return plain;
    }
    let numbered = (2u32..).map(|number| folder.join(format!("{name}.{number}")));
    let mut free = numbered.skip_while(|path| path.symlink_metadata().is_ok());
    free.next().unwrap_or(plain)
}
