//! One process at a time: the lock file, and the id of the host's current boot.
//!
//! Owns: the lock. Must never know: what it guards.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use jiff::Timestamp;

/// Held until dropped, or until the process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // If another thread is just now starting a program, the child process has a copy of the file until it executes.
        // Closing only our copy would leave the lock with the child.
        let _ = self.file.unlock();
    }
}

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum NoLock {
    /// Another process has it: its process id, command and host, as it wrote them down.
    Held(String),
    /// The file system failed.
    Io(io::Error),
}

/// Takes the lock, and writes down which process has it.
pub(crate) fn take(path: &Path, command: &str, now: Timestamp) -> Result<LockFile, NoLock> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(NoLock::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(1024).read_to_string(&mut holder);
            let known = holder.lines().next().filter(|line| !line.is_empty());
            return Err(NoLock::Held(known.unwrap_or("an unknown process").to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
    }
    let host = first_line("/proc/sys/kernel/hostname").unwrap_or_else(|| "this host".to_owned());
    let holder = format!("process {} ({command}) on {host} since {now}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()))
        .map_err(NoLock::Io)?;
    Ok(LockFile { file })
}

/// Changes with each boot of the host; empty if the host does not tell.
pub(crate) fn boot() -> String {
    first_line("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn first_line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()?.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = take(&path, "reconciled run", Timestamp::UNIX_EPOCH).unwrap();
        let Err(NoLock::Held(holder)) = take(&path, "reconciled enrol", Timestamp::UNIX_EPOCH) else {
            panic!("taken twice")
        };
        assert!(holder.contains(&format!("process {} (reconciled run) on ", std::process::id())), "{holder}");
        let copy = first.file.try_clone().unwrap();
        drop(first);
        assert!(take(&path, "reconciled enrol", Timestamp::UNIX_EPOCH).is_ok(), "even while a copy is open");
        drop(copy);
    }
}
