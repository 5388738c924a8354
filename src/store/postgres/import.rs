//! The facts of a store of one host become rows of a database.
//!
//! Owns: that rows and files have the same history afterwards. Must never know: what a fact says.
//!
//! The rows are a beginning of the files at every moment. So the same command goes on where an interrupted one was, and
//! adds what a database lost in a failover.

use jiff::Timestamp;

use super::database::Database;
use super::follow::{become_copy, unlinked};
use super::lease::Link;
use crate::store::journal::entry::{ChainHash, Entry};
use crate::store::journal::reading::{self, Stopped};
use crate::store::maintenance::backup::journal_bytes;
use crate::store::recovery::place::{COPY, Place};
use crate::store::types::{OpenError, Options, StoreError};

/// Entries or bytes written at once.
const CHUNK_ENTRIES: usize = 500;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Entries that the database did not have before.
    pub added: u64,
    /// The last entry of the store.
    pub last: u64,
}

/// Writes to the database of [`Options::shared`] what the store in the folder has and the database lacks. The folder is
/// a copy from then on.
///
/// # Errors
/// When another process or host has the store, when the files are damaged, when the database has another history, or
/// when it cannot be reached.
pub async fn import(options: Options, now: Timestamp) -> Result<Imported, OpenError> {
    let done = crate::blocking::run(move || import_now(&options, now)).await;
    done.unwrap_or_else(|error| Err(OpenError::Database(format!("the import did not finish: {error}"))))
}

fn import_now(options: &Options, now: Timestamp) -> Result<Imported, OpenError> {
    let Some(shared) = &options.shared else {
        return Err(OpenError::Database(
            "the configuration names none; set engine = \"postgres\" in [store]".to_owned(),
        ));
    };
    let place = Place::of(options);
    let _lock = place.take_lock(now)?;
    place.need_format()?;
    let owner = match place.read_mark(COPY)? {
        Some(name) => name.trim().to_owned(),
        None => format!("import-{}", std::process::id()),
    };
    let database = Database::new(shared, owner).map_err(OpenError::Database)?;
    let failed = |error: super::connection::Trouble| OpenError::Database(error.why);
    database.prepare().map_err(failed)?;
    database.enter().map_err(failed)?;
    let Some(end) = database.look().map_err(failed)? else {
        return Err(OpenError::Database("it has lost its tables".to_owned()));
    };
    let imported = write_rows(&place, &database, end);
    options.meter.end();
    database.release();
    let imported = imported?;
    if place.read_mark(COPY)?.is_none() {
        become_copy(&place)?;
    }
    Ok(imported)
}

fn append(database: &Database, end: Link, entries: &[Entry]) -> Result<(), String> {
    match database.append(end, entries)? {
        true => Ok(()),
        false => {
            Err("another host has written to it meanwhile: stop all daemons, and import again".to_owned())
        }
    }
}

fn write_rows(place: &Place<'_>, database: &Database, mut end: Link) -> Result<Imported, OpenError> {
    let other = |sequence: u64| OpenError::NotAStore {
        folder: place.folder().to_owned(),
        why: format!("its entry {sequence} differs from the one in the database"),
    };
    let folder = place.path("journal");
    let meter = &place.options.meter;
    meter.begin("writing to the database", journal_bytes(place.disk, &folder));
    let start = end;
    let mut last = Link { sequence: 0, hash: ChainHash::default() };
    let mut chunk: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let broken = |why: String| StoreError::Broken(why);
    let read = reading::read(place.disk, &folder, reading::From::Start, false, &mut |entry, position| {
        meter.advance(entry.length() as u64);
        last = Link::of(position);
        if entry.sequence < start.sequence {
            return Ok(());
        }
        if entry.sequence == start.sequence {
            return match last == start {
                true => Ok(()),
                false => Err(StoreError::Damaged(String::new())),
            };
        }
        bytes += entry.length();
        chunk.push(entry.clone());
        if chunk.len() >= CHUNK_ENTRIES || bytes >= CHUNK_BYTES {
            append(database, end, &chunk).map_err(broken)?;
            (end, bytes) = (last, 0);
            chunk.clear();
        }
        Ok(())
    });
    match read {
        Ok(_) => {}
        Err(Stopped::Taker(StoreError::Damaged(_))) => return Err(other(start.sequence)),
        Err(Stopped::Taker(error)) => return Err(OpenError::Database(error.to_string())),
        Err(Stopped::Damaged(damage)) => return Err(OpenError::Damaged(damage)),
        Err(Stopped::Io(path, source)) => return Err(OpenError::Io { doing: "read", path, source }),
    }
    append(database, end, &chunk).map_err(OpenError::Database)?;
    if last.sequence < start.sequence {
        // The database has more: its row after ours must be linked to ours.
        let rows = database.read(last.sequence, 1).map_err(|error| OpenError::Database(error.why))?;
        if rows.is_empty() || unlinked(last, &rows).is_some() {
            return Err(other(last.sequence));
        }
    }
    let added = last.sequence.saturating_sub(start.sequence);
    Ok(Imported { added, last: last.sequence.max(start.sequence) })
}
