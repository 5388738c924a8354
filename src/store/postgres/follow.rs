//! A host's copy of a shared store: it follows the rows, before it is opened and from then on.
//!
//! Owns: when the copy is of the same history as the rows, the order of opening, and how often it follows. Must never
//! know: what a fact says, who waits.
//!
//! The copy is opened as a store of one host is. Then rows after its end are written to it. A copy that is damaged, or
//! whose history is another one, is moved aside and read again from the first row. Two things are never done without
//! an operator: to drop entries that the database lacks, and to drop a store that was never a copy.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::database::Database;
use super::tables::{Entry, Link, Trouble};
use super::{PAGE, Shared, Waiting};
use crate::store::engine::Engine;
use crate::store::journal::reading;
use crate::store::mutex::locked;
use crate::store::recovery::offline;
use crate::store::recovery::open as files;
use crate::store::recovery::place::{COPY, Place};
use crate::store::types::{OpenError, Opening, Options, StoreError};

/// How soon a host knows what another one has written.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Opens a shared store. While the database does not answer, waits if the options say so, and fails otherwise. Blocks.
pub(crate) fn open(
    options: &Options,
    shared: &Shared,
    now: Timestamp,
) -> Result<(Engine, Opening), OpenError> {
    let mut copy = Replica::open(options, now)?;
    let host = identity(&Place::of(options), copy.end().sequence)?;
    let database = Arc::new(Database::new(shared, host).map_err(OpenError::Database)?);
    for round in 0u64.. {
        let trouble = match copy.attempt(&database, shared) {
            Ok(()) => break,
            Err(Halt::Open(error)) => return Err(error),
            Err(Halt::Trouble(trouble)) => trouble,
        };
        let Some(wait) = shared.while_waiting.as_ref().filter(|_| !trouble.is_permanent) else {
            return Err(OpenError::Database(trouble.why));
        };
        wait(&Waiting { behind: 0, trouble: Some(trouble.why) });
        shared.clock.block(pause(database.host(), round));
    }
    locked(&copy.engine.journal).follow(database.clone());
    // What other hosts wrote before is not searched here.
    *locked(&copy.engine.copied_date) = Some(Timestamp::MAX);
    // It is set only here.
    let _ = copy.engine.shared.set(database);
    Ok((copy.engine, copy.opening))
}

/// About a second. It differs between hosts, so that they do not all try at the same moment.
fn pause(host: &str, round: u64) -> Duration {
    let mixed = host.bytes().fold(round, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(800 + mixed % 400)
}

/// From now on, applies what other hosts write, until the store is closed or has stopped. Does nothing for a store of one
/// host.
pub(crate) fn keep_following(engine: &Arc<Engine>) {
    let Some(database) = engine.shared.get().cloned() else { return };
    let (weak, clock) = (Arc::downgrade(engine), database.clock());
    let following = Arc::downgrade(&database);
    database.spawn(async move {
        loop {
            clock.sleep(FOLLOW_EVERY).await;
            let (Some(engine), Some(database)) = (weak.upgrade(), following.upgrade()) else { return };
            let once = crate::blocking::run(move || engine.is_done_following(&database)).await;
            if let (Err(error), Some(engine)) = (&once, weak.upgrade()) {
                engine
                    .fail(StoreError::Broken(format!("what other hosts write cannot be followed: {error}")));
            }
            if once.unwrap_or(true) {
                return;
            }
        }
    });
}

impl Engine {
    /// Follows once. True: there will never be more to follow.
    fn is_done_following(&self, database: &Database) -> bool {
        if self.trouble().is_some() || self.shared_index().is_none() {
            return true;
        }
        let known = self.journal_sequence.load(std::sync::atomic::Ordering::Relaxed);
        // The journal is locked only when there are new rows. An error is ignored: if the database does not answer for
        // too long, the session ends.
        match database.read(known, 1) {
            Ok(rows) if !rows.is_empty() => self.catch_up().is_err(),
            _ => false,
        }
    }
}

/// The name by which the database knows this folder's host. A folder that has no such name yet becomes a copy, unless
/// it has a store of its own.
pub(super) fn identity(place: &Place<'_>, entries: u64) -> Result<String, OpenError> {
    if let Some(name) = place.read_mark(COPY)? {
        return Ok(name.trim().to_owned());
    }
    if entries > 0 {
        let why = format!(
            "it has a store of its own with {entries} entries; `reconciled store import` writes them to the database"
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

    /// Follows the rows and begins a session.
    fn attempt(&mut self, database: &Database, shared: &Shared) -> Result<(), Halt> {
        // The second attempt is for two hosts that start at once.
        database.prepare().or_else(|_| database.prepare())?;
        match database.look()? {
            Some(end) => self.follow(database, shared, end)?,
            None if self.end().sequence > 0 => {
                return Err(OpenError::DatabaseBehind { database: 0, copy: self.end().sequence }.into());
            }
            None => {}
        }
        database.enter()?;
        if let Some(end) = database.look()? {
            self.follow(database, shared, end)?;
        }
        if let Some(why) = database.ended() {
            return Err(OpenError::Database(why).into());
        }
        self.opening.is_new = self.end().sequence == 0;
        Ok(())
    }

    /// Brings the copy to this end of the facts, or further.
    fn follow(&mut self, database: &Database, shared: &Shared, found: Link) -> Result<(), Halt> {
        let end = self.end();
        if end.sequence > found.sequence || (end.sequence == found.sequence && end != found) {
            self.replace_if_of_another_history(found)?;
        }
        self.options.meter.begin("following the database", found.sequence);
        while self.end().sequence < found.sequence {
            let end = self.end();
            let rows = database.read(end.sequence, PAGE)?;
            match unlinked(end, &rows) {
                None if rows.is_empty() => {
                    let why = format!("row {} is missing", end.sequence + 1);
                    return Err(OpenError::Database(why).into());
                }
                None => {}
                Some(first) if first == end.sequence + 1 && end.sequence > 0 && !self.is_confirmed => {
                    self.replace("its history is a different one")?;
                    continue;
                }
                Some(broken) => {
                    let why = format!("row {broken} is not linked to the row before it");
                    return Err(OpenError::Database(why).into());
                }
            }
            let copied = self.engine.copy(&mut locked(&self.engine.journal), &rows);
            copied.map_err(|error| OpenError::Index(error.to_string()))?;
            self.is_confirmed = true;
            self.options.meter.advance(rows.len() as u64);
            if let Some(wait) = &shared.while_waiting {
                let behind = found.sequence.saturating_sub(self.end().sequence);
                wait(&Waiting { behind, trouble: None });
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
        self.replace("its history is a different one")
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
pub(crate) fn unlinked(end: Link, entries: &[Entry]) -> Option<u64> {
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
