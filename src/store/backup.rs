//! A copy of the journal, whole up to a place, while the store goes on.
//!
//! Owns: copying so that the copy is a store or nothing. Must never know: what a fact says.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::{Disk, write_whole};
use super::journal::{Position, segment_name, segments};
use super::types::StoreError;

const PIECE_BYTES: usize = 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The last journal entry in it.
    pub journal_sequence: u64,
    /// Journal files copied.
    pub segments: u64,
    /// Bytes copied.
    pub bytes: u64,
}

/// Copies everything before `end`. The format file is written last: without it the copy is not taken for a
/// store.
pub(super) fn copy(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    end: Position,
) -> Result<BackupReport, StoreError> {
    let refuse = |error: io::Error| StoreError::Backup(format!("{}: {error}", to.display()));
    disk.create_folder(to).map_err(refuse)?;
    if let Some(name) = disk.list(to).map_err(refuse)?.first() {
        return Err(StoreError::Backup(format!("{} is not empty, it holds {name:?}", to.display())));
    }
    copy_journal(disk, &from.join("journal"), &to.join("journal"), end)
        .and_then(|report| {
            let format = disk.read(&from.join("format"), 0, 1024)?;
            write_whole(disk, &to.join("format"), &format)?;
            Ok(report)
        })
        .map_err(refuse)
}

fn copy_journal(disk: &dyn Disk, from: &Path, to: &Path, end: Position) -> io::Result<BackupReport> {
    disk.create_folder(to)?;
    let mut report = BackupReport { journal_sequence: end.sequence, segments: 0, bytes: 0 };
    for segment in segments(disk, from)?.into_iter().filter(|segment| *segment <= end.segment) {
        let name = segment_name(segment);
        let (source, goal) = (from.join(&name), to.join(&name));
        let length = match segment == end.segment {
            true => end.offset,
            false => disk.length(&source)?,
        };
        let mut file = disk.append_to(&goal)?;
        let mut offset = 0;
        while offset < length {
            let most = usize::try_from(length - offset).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let piece = disk.read(&source, offset, most)?;
            if piece.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} became shorter")));
            }
            file.append(&piece)?;
            offset += piece.len() as u64;
        }
        file.sync()?;
        report.segments += 1;
        report.bytes += length;
    }
    disk.sync_folder(to)?;
    Ok(report)
}
