//! A host's copy of a shared store: it follows the rows, and becomes the store in use once this host has the lease.
//!
//! Owns: when the copy is of the same history as the rows, and the order of opening. Must never know: what a fact says,
//! who is waiting.
//!
//! The copy is opened as a store of one host is. Then rows after its end are written to it. A copy that is damaged, or
//! whose history is another one, is moved aside and read again from the first row. Two things are never done without
//! an operator: to drop entries that the database lacks, and to drop a store that was never a copy.

use std::time::Duration;

use jiff::Timestamp;

use super::database::Database;
use super::lease::Link;
use super::rows::Found;
use super::{Shared, Standby};
use crate::store::engine::Engine;
use crate::store::journal::entry::Entry;
use crate::store::journal::reading;
use crate::store::mutex::locked;
use crate::store::postgres::connection::Trouble;
use crate::store::recovery::offline;
use crate::store::recovery::open as files;
use crate::store::recovery::place::{COPY, Place};
use crate::store::types::{OpenError, Opening, Options, StoreError};

/// Rows read at once.
pub(super) const PAGE: u32 = 500;

/// Opens a shared store: waits for the lease if the options say so, and fails otherwise. Blocks.
pub(crate) fn open(
    options: &Options,
    shared: &Shared,
    now: Timestamp,
) -> Result<(Engine, Opening), OpenError> {
    let mut copy = Replica::open(options, now)?;
    let owner = identity(&Place::of(options), copy.end().sequence)?;
    let database = Database::new(shared, owner).map_err(OpenError::Database)?;
    let database = std::sync::Arc::new(database);
    let mut seen = Standby::default();
    let mut is_prepared = false;
    for round in 0u64.. {
        let standing = match copy.attempt(&database, shared, &mut is_prepared) {
            Ok(None) => break,
            Ok(Some(standing)) => standing,
            Err(Halt::Open(error)) => return Err(error),
            Err(Halt::Trouble(trouble)) if trouble.is_permanent => {
                return Err(OpenError::Database(trouble.why));
            }
            Err(Halt::Trouble(trouble)) => Standby { trouble: Some(trouble.why), ..seen },
        };
        let Some(wait) = &shared.standing_by else {
            return Err(match (standing.trouble, standing.owner) {
                (Some(trouble), _) => OpenError::Database(trouble),
                (None, owner) => OpenError::Elsewhere(owner.unwrap_or_else(|| "another host".to_owned())),
            });
        };
        wait(&standing);
        seen = standing;
        database.pause(pause(database.owner(), round));
    }
    locked(&copy.engine.journal).follow(database.clone());
    // It is set only here.
    let _ = copy.engine.shared.set(database);
    Ok((copy.engine, copy.opening))
}

/// About a second, at other moments than other hosts.
fn pause(owner: &str, round: u64) -> Duration {
    let mixed = owner.bytes().fold(round, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(800 + mixed % 400)
}

/// The name of this folder's host in the lease. A folder that has no such name yet becomes a copy, unless it has a store
/// of its own.
pub(super) fn identity(place: &Place<'_>, entries: u64) -> Result<String, OpenError> {
    if let Some(name) = place.read_mark(COPY)? {
        return Ok(name.trim().to_owned());
    }
    if entries > 0 {
        let why = format!(
            "it has a store of its own with {entries} entries; `reconciled store import` moves them to the database"
        );
        return Err(OpenError::NotAStore { folder: place.folder().to_owned(), why });
    }
    become_copy(place)
}

/// Marks a folder as a copy and gives its host a name.
pub(super) fn become_copy(place: &Place<'_>) -> Result<String, OpenError> {
    let line = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let host = line("/proc/sys/kernel/hostname");
    let random = line("/proc/sys/kernel/random/uuid");
    let name = format!("{host}-{}", random.get(..8).unwrap_or_default());
    place.write_mark(COPY, &format!("{name}\n"))?;
    Ok(name)
}

enum Halt {
    Trouble(Trouble),
    Open(OpenError),
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Halt {
        Halt::Trouble(trouble)
    }
}

impl From<OpenError> for Halt {
    fn from(error: OpenError) -> Halt {
        Halt::Open(error)
    }
}

struct Replica<'a> {
    options: &'a Options,
    now: Timestamp,
    engine: Engine,
    opening: Opening,
    /// Its end is known to be an entry of the database.
    is_confirmed: bool,
}

impl Replica<'_> {
    fn open(options: &Options, now: Timestamp) -> Result<Replica<'_>, OpenError> {
        let plain = Options { skip_damage: false, accept_loss: false, ..options.clone() };
        let (engine, opening) = match files::open(&plain, now) {
            Err(OpenError::Damaged(_) | OpenError::Lost { .. } | OpenError::Index(_))
                if Place::of(options).read_mark(COPY)?.is_some() =>
            {
                open_again(&plain, now, "the copy was damaged")?
            }
            opened => opened?,
        };
        Ok(Replica { options, now, engine, opening, is_confirmed: false })
    }

    fn end(&self) -> Link {
        Link::of(locked(&self.engine.journal).end())
    }

    /// One round: follows the rows and takes the lease if nobody has it. None: this host has it now.
    fn attempt(
        &mut self,
        database: &Database,
        shared: &Shared,
        is_prepared: &mut bool,
    ) -> Result<Option<Standby>, Halt> {
        if !*is_prepared {
            // The second attempt is for two hosts that start at once.
            database.prepare().or_else(|_| database.prepare())?;
            *is_prepared = true;
        }
        let found = database.look()?;
        match &found {
            Some(found) => self.follow(database, shared, found)?,
            None if self.end().sequence > 0 => {
                return Err(OpenError::DatabaseBehind { database: 0, copy: self.end().sequence }.into());
            }
            None => {}
        }
        let is_free = found
            .as_ref()
            .is_none_or(|found| found.is_over || ["", database.owner()].contains(&found.owner.as_str()));
        if is_free && let Some(end) = database.take()? {
            let was_returned = found.as_ref().is_some_and(|found| found.owner.is_empty());
            let taken = Found { owner: database.owner().to_owned(), fence: 0, end, is_over: false };
            self.follow(database, shared, &taken)?;
            if let Some(why) = database.ended() {
                return Err(OpenError::Database(why).into());
            }
            self.opening.was_clean_stop = was_returned;
            self.opening.is_new = end.sequence == 0;
            return Ok(None);
        }
        Ok(Some(self.standing(&found)))
    }

    fn standing(&self, found: &Option<Found>) -> Standby {
        let Some(found) = found else { return Standby::default() };
        Standby {
            owner: Some(found.owner.clone()).filter(|owner| !owner.is_empty() && !found.is_over),
            fence: found.fence,
            behind: found.end.sequence.saturating_sub(self.end().sequence),
            trouble: None,
        }
    }

    /// Brings the copy to where the lease said that the facts end, or further.
    fn follow(&mut self, database: &Database, shared: &Shared, found: &Found) -> Result<(), Halt> {
        let end = self.end();
        if end.sequence > found.end.sequence || (end.sequence == found.end.sequence && end != found.end) {
            self.replace_if_of_another_history(found.end)?;
        }
        self.options.meter.begin("following the database", found.end.sequence);
        while self.end().sequence < found.end.sequence {
            let end = self.end();
            let rows = database.read(end.sequence, PAGE)?;
            match unlinked(end, &rows) {
                None if rows.is_empty() => {
                    let why = format!("row {} is missing", end.sequence + 1);
                    return Err(OpenError::Database(why).into());
                }
                None => {}
                Some(first) if first == end.sequence + 1 && end.sequence > 0 && !self.is_confirmed => {
                    self.replace("its history is another one")?;
                    continue;
                }
                Some(broken) => {
                    let why = format!("row {broken} is not linked to the row before it");
                    return Err(OpenError::Database(why).into());
                }
            }
            let copied = self.engine.copy(&rows);
            copied.map_err(|error| OpenError::Index(error.to_string()))?;
            self.is_confirmed = true;
            self.options.meter.advance(rows.len() as u64);
            if let Some(wait) = &shared.standing_by {
                wait(&self.standing(&Some(found.clone())));
            }
        }
        self.options.meter.end();
        self.is_confirmed = true;
        Ok(())
    }

    /// The rows end before the copy does, or differ from it.
    fn replace_if_of_another_history(&mut self, found: Link) -> Result<(), OpenError> {
        let end = self.end();
        let is_beginning = found.sequence == 0 || self.hash_at(found.sequence) == Some(found);
        if found.sequence < end.sequence && is_beginning {
            return Err(OpenError::DatabaseBehind { database: found.sequence, copy: end.sequence });
        }
        self.replace("its history is another one")
    }

    /// The copy's own entry with this number.
    fn hash_at(&self, sequence: u64) -> Option<Link> {
        let journal = locked(&self.engine.journal);
        let written = journal.written(&*self.engine.disk);
        let folder = self.engine.folder.join("journal");
        let mut found = None;
        // Stops as soon as it is found.
        let _ =
            reading::read(&written, &folder, reading::From::Start, true, &mut |entry, position| match entry
                .sequence
                == sequence
            {
                true => {
                    found = Some(Link::of(position));
                    Err(StoreError::Stopping)
                }
                false => Ok(()),
            });
        found
    }

    fn replace(&mut self, why: &str) -> Result<(), OpenError> {
        self.engine.let_go();
        (self.engine, self.opening) = open_again(self.options, self.now, why)?;
        self.is_confirmed = true;
        Ok(())
    }
}

/// Moves a copy aside and begins an empty one.
fn open_again(options: &Options, now: Timestamp, why: &str) -> Result<(Engine, Opening), OpenError> {
    let aside = offline::set_copy_aside(options, now)?;
    let (engine, mut opening) = files::open(options, now)?;
    let kept = aside.map(|aside| format!(" (the old one is kept in {})", aside.display()));
    opening.replaced_copy = Some(format!("{why}{}", kept.unwrap_or_default()));
    opening.rebuilt_index = None;
    Ok((engine, opening))
}

/// The first entry that is not linked to the one before it.
pub(super) fn unlinked(end: Link, entries: &[Entry]) -> Option<u64> {
    let mut before = end;
    entries.iter().find_map(|entry| {
        let is_linked = entry.sequence == before.sequence + 1
            && entry.group <= entry.sequence
            && entry.is_chained_to(&before.hash);
        let expected = before.sequence + 1;
        before = Link { sequence: entry.sequence, hash: entry.hash };
        (!is_linked).then_some(expected)
    })
}
