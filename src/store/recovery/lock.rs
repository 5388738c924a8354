//! One process at a time: the lock file, and what distinguishes the boots of this host.
//!
//! Owns: the lock. Must never know: what it guards.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use jiff::Timestamp;

/// Held until dropped, or until the process ends however it may.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // A program that another thread is starting at this moment has a copy of the file until it runs, and closing
        // ours alone would leave the lock with it.
        let _ = self.file.unlock();
    }
}

/// Why there is no lock.
#[derive(Debug)]
pub(crate) enum NoLock {
    /// Another has it: process id, command and host in its own words.
    Held(String),
    /// The file system failed.
    Io(io::Error),
}

/// Takes the lock and writes down who has it.
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
            return Err(NoLock::Held(known.unwrap_or("a process that has not said who it is").to_owned()));
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

/// Different after each start of the host; empty where the host does not say.
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
        assert!(take(&path, "reconciled enrol", Timestamp::UNIX_EPOCH).is_ok(), "whoever has a copy");
        drop(copy);
    }
}
