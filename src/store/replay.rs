//! Bringing the index up to the journal's end.
//!
//! Owns: applying entries in groups, each with the position that it reaches. Must never know: why they were
//! not applied before.

use super::entry::Entry;
use super::facts;
use super::index::Index;
use super::journal::Position;
use super::types::StoreError;
use super::view::View;
use super::writer::put_applied;

const GROUP_ENTRIES: usize = 512;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Applies what it is given, but for what is applied already.
pub(super) struct Replay<'a> {
    index: &'a Index,
    applied: Position,
    view: View<'a>,
    reached: Option<Position>,
    waiting: usize,
    waiting_bytes: usize,
    entries: u64,
}

impl<'a> Replay<'a> {
    /// Over an index that has everything up to `applied`.
    pub(super) fn new(index: &'a Index, applied: Position) -> Replay<'a> {
        Replay {
            index,
            applied,
            view: View::new(index),
            reached: None,
            waiting: 0,
            waiting_bytes: 0,
            entries: 0,
        }
    }

    /// Takes the next entry. Errors when the index comes from another journal, or is damaged.
    pub(super) fn take(&mut self, entry: &Entry, position: Position) -> Result<(), StoreError> {
        if entry.sequence == self.applied.sequence && entry.hash != self.applied.hash {
            return Err(StoreError::Damaged("it was made from another journal".to_owned()));
        }
        if entry.sequence <= self.applied.sequence {
            return Ok(());
        }
        let fact = facts::decode(&entry.payload)
            .map_err(|why| StoreError::Broken(format!("journal entry {} {why}", entry.sequence)))?;
        facts::apply(&fact, entry.sequence, &mut self.view)?;
        self.reached = Some(position);
        self.waiting += 1;
        self.waiting_bytes += entry.payload.len();
        self.entries += 1;
        if self.waiting >= GROUP_ENTRIES || self.waiting_bytes >= GROUP_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// Writes the last group; how many entries were applied.
    pub(super) fn finish(mut self) -> Result<u64, StoreError> {
        self.write()?;
        Ok(self.entries)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if let Some(reached) = self.reached.take() {
            put_applied(&mut self.view, reached);
            self.waiting = 0;
            self.waiting_bytes = 0;
            self.index.apply(self.view.take_writes())?;
        }
        Ok(())
    }
}
