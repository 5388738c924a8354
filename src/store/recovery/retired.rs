//! Retired indexes: renamed because they could not be used, and kept for a day.
//!
//! Owns: their names, and how long they are kept. Must never know: why they were retired.

use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::store::disk::{Disk, read_text, write_whole};

const PREFIX: &str = "index.aside-";
/// A file in the retired folder: when the folder was first noticed.
const SINCE: &str = "aside-since";
/// Long enough for a person to inspect it. A new index can be built from the journal at any time.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Whether a name in a store's folder is that of a retired index.
pub(crate) fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// A free name for a retired index.
pub(crate) fn new_place(folder: &Path) -> PathBuf {
    (1u32..)
        .map(|number| folder.join(format!("{PREFIX}{number}")))
        .find(|path| !path.exists())
        .expect("some number is free")
}

/// Removes the retired indexes that have been there for a day.
pub(crate) fn prune(disk: &dyn Disk, folder: &Path, now: Timestamp) -> io::Result<()> {
    for name in disk.list(folder)?.into_iter().filter(|name| is_one(name)) {
        let aside = folder.join(name);
        let since = read_text(disk, &aside.join(SINCE))?;
        match since.and_then(|text| text.trim().parse::<Timestamp>().ok()) {
            None => write_whole(disk, &aside.join(SINCE), now.to_string().as_bytes())?,
            Some(since) if now.duration_since(since) >= KEPT => disk.remove_folder(&aside)?,
            Some(_) => {}
        }
    }
    Ok(())
}
