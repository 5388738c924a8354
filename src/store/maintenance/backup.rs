//! A copy of the journal, complete up to a position, made while the store stays in use.
//!
//! Owns: copying so that the result is either a whole store or not a store at all. Must never know: what a fact says.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::disk::{Disk, write_whole};
use crate::store::journal::preallocation;
use crate::store::journal::reading::{self, Stopped};
use crate::store::journal::segment;
use crate::store::journal::segment::{Position, segment_name, segments};
use crate::store::maintenance::progress::Meter;
use crate::store::types::StoreError;

/// The suffix of a file that is still being written.
const UNFINISHED: &str = ".new";
const PIECE_BYTES: usize = 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupReport {
    /// The last journal entry in it.
    pub journal_sequence: u64,
    /// Journal files copied.
    pub segments: u64,
    /// Journal bytes copied.
    pub bytes: u64,
    /// Files copied from the folders beside the journal ([`crate::store::Options::beside`]).
    #[serde(default)]
    pub files: u64,
    /// Entries that cannot be read, in words. The store itself has the same damage.
    #[serde(default)]
    pub damage: Vec<String>,
}

/// Copies everything before `end`, and reads the copy to its end. The format file is written last: without it, the copy
/// does not count as a store.
pub(crate) fn copy(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    end: Position,
    beside: &[String],
    meter: &Meter,
) -> Result<BackupReport, StoreError> {
    let refuse = |error: io::Error| StoreError::Backup(format!("{}: {error}", to.display()));
    if is_within(to, from).map_err(refuse)? {
        return Err(StoreError::Backup(format!("{} is in the store itself", to.display())));
    }
    disk.create_folder(to).map_err(refuse)?;
    if let Some(name) = disk.list(to).map_err(refuse)?.first() {
        return Err(StoreError::Backup(format!("{} is not empty: it contains {name:?}", to.display())));
    }
    copy_journal(disk, &from.join("journal"), &to.join("journal"), end, meter)
        .and_then(|mut report| {
            report.damage = read_back(disk, &to.join("journal"), end, meter)?;
            // After the journal: every file that the journal mentions was written before its entry.
            for name in beside {
                report.files += copy_folder(disk, &from.join(name), &to.join(name), meter)?;
            }
            let format = disk.read(&from.join("format"), 0, 1024)?;
            write_whole(disk, &to.join("format"), &format)?;
            Ok(report)
        })
        .map_err(refuse)
}

/// Whether a path is inside a folder, even through links. The path need not exist.
fn is_within(path: &Path, folder: &Path) -> io::Result<bool> {
    let folder = folder.canonicalize()?;
    let real = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, real)) = real else { return Ok(false) };
    let rest = path.strip_prefix(part).unwrap_or(Path::new(""));
    // After the part that exists, `..` only leads out of folders that are yet to be created.
    Ok(real.join(rest).starts_with(&folder) || real.starts_with(&folder))
}

/// Copies a folder that belongs to another module, durably. Returns the number of files: 0 if the folder is missing.
pub(crate) fn copy_folder(disk: &dyn Disk, from: &Path, to: &Path, meter: &Meter) -> io::Result<u64> {
    if !from.is_dir() {
        return Ok(0);
    }
    meter.begin("copying files", 0);
    disk.create_folder(to)?;
    let mut files = 0;
    for name in disk.list(from)? {
        let (source, goal) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            files += copy_folder(disk, &source, &goal, meter)?;
        } else if !name.ends_with(UNFINISHED) {
            let length = disk.length(&source)?;
            copy_file(disk, &source, &goal, length, meter)?;
            files += 1;
        }
    }
    disk.sync_folder(to)?;
    Ok(files)
}

/// Copies the first `length` bytes of a file, durably.
fn copy_file(disk: &dyn Disk, source: &Path, goal: &Path, length: u64, meter: &Meter) -> io::Result<()> {
    let mut file = disk.open_to_write(goal)?;
    let mut offset = 0;
    while offset < length {
        let most = usize::try_from(length - offset).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let piece = disk.read(source, offset, most)?;
        if piece.is_empty() {
            let text = format!("{} became shorter while it was copied", source.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        file.write_at(offset, &piece)?;
        meter.advance(piece.len() as u64);
        offset += piece.len() as u64;
    }
    file.sync()
}

/// The bytes of a whole journal; 0 if that cannot be determined.
pub(crate) fn journal_bytes(disk: &dyn Disk, journal: &Path) -> u64 {
    let lengths = |segment| disk.length(&journal.join(segment_name(segment))).unwrap_or_default();
    segments(disk, journal).map_or(0, |present| present.into_iter().map(lengths).sum())
}

/// Reads the copy, and returns what in it cannot be read. An error if it does not end where the original does.
fn read_back(disk: &dyn Disk, copy: &Path, end: Position, meter: &Meter) -> io::Result<Vec<String>> {
    meter.begin("reading the copy", journal_bytes(disk, copy));
    let read = reading::read(disk, copy, reading::From::Start, true, &mut |entry, _| {
        meter.advance(entry.length() as u64);
        Ok(())
    });
    let found = read.map_err(|stopped| match stopped {
        Stopped::Io(_, error) => error,
        Stopped::Damaged(damage) => io::Error::other(damage.to_string()),
        Stopped::Taker(error) => io::Error::other(error.to_string()),
    })?;
    if found.tail.is_some() || found.end != end {
        let text = format!("the copy ends at entry {} instead of {}", found.end.sequence, end.sequence);
        return Err(io::Error::other(text));
    }
    Ok(found.skipped.iter().map(ToString::to_string).collect())
}

/// Copies the journal files before `end`, durably.
pub(crate) fn copy_journal(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    end: Position,
    meter: &Meter,
) -> io::Result<BackupReport> {
    disk.create_folder(to)?;
    meter.begin("copying the journal", journal_bytes(disk, from));
    let mut report =
        BackupReport { journal_sequence: end.sequence, segments: 0, bytes: 0, files: 0, damage: Vec::new() };
    for segment in segments(disk, from)?.into_iter().filter(|segment| *segment <= end.segment) {
        let name = segment_name(segment);
        let (source, goal) = (from.join(&name), to.join(&name));
        let length = match segment == end.segment {
            true => end.offset,
            false => disk.length(&source)?,
        };
        if segment == end.segment && disk.length(&source)? < length {
            // A crash left only the beginning of a header; the next opening writes it again.
            continue;
        }
        copy_file(disk, &source, &goal, length, meter)?;
        if segment == end.segment && segment::is_preallocated(disk, &source)? {
            let mut file = disk.open_to_write(&goal)?;
            file.write_at(length, &[preallocation::FILLER; preallocation::MIN_BYTES])?;
            file.sync()?;
        }
        report.segments += 1;
        report.bytes += length;
    }
    disk.sync_folder(to)?;
    Ok(report)
}
