// What a disk may lose: every write since the last sync of its file, together with what it overwrote. The simulated
// months include this file, too.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a disk writes atomically.
const SECTOR_BYTES: u64 = 512;

/// Writes that were not synced, by file, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unsynced(HashMap<PathBuf, Vec<Write>>);

#[derive(Debug)]
struct Write {
    offset: u64,
    length: u64,
    /// The file's length before the write, and the bytes that the write replaces.
    length_before: u64,
    before: Vec<u8>,
}

impl Unsynced {
    /// Notes what a write will replace, just before it is made.
    pub(super) fn note(&mut self, path: &Path, offset: u64, length: usize) -> io::Result<()> {
        let mut before = Vec::new();
        let mut length_before = 0;
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => {
                let mut file = opened?;
                length_before = file.metadata()?.len();
                file.seek(SeekFrom::Start(offset))?;
                file.take(length as u64).read_to_end(&mut before)?;
            }
        }
        let write = Write { offset, length: length as u64, length_before, before };
        self.0.entry(path.to_owned()).or_default().push(write);
        Ok(())
    }

    /// The whole file is safe: it was synced.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// Removes from a file's copy what a power cut would lose: the sectors of each write for which `is_kept` is false.
    /// It is called with the sector's number in the file.
    pub(super) fn cut(&self, path: &Path, copy: &Path, is_kept: impl Fn(u64) -> bool) -> io::Result<()> {
        let Some(writes) = self.0.get(path) else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(copy)?;
        let mut length = writes.first().map_or(0, |write| write.length_before);
        for write in writes.iter().rev() {
            let end = write.offset + write.length;
            let mut at = write.offset;
            while at < end {
                let next = end.min((at / SECTOR_BYTES + 1) * SECTOR_BYTES);
                if is_kept(at / SECTOR_BYTES) {
                    length = length.max(next);
                } else {
                    let place = |at: u64| usize::try_from(at - write.offset).unwrap_or(usize::MAX);
                    let old = write.before.get(place(at).min(write.before.len())..).unwrap_or_default();
                    let old = &old[..old.len().min(place(next) - place(at))];
                    file.write_all_at(old, at)?;
                    let zeros = vec![0; place(next) - place(at) - old.len()];
                    file.write_all_at(&zeros, at + old.len() as u64)?;
                }
                at = next;
            }
        }
        file.set_len(length)
    }
}
