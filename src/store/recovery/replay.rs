//! Bringing the index up to the journal's end.
//!
//! Owns: applying entries in groups, each together with the position it reaches. Must never know: why they were not
//! applied earlier.

use crate::store::group::GROUP_ROWS;
use crate::store::index::Index;
use crate::store::index::facts;
use crate::store::index::keys;
use crate::store::index::value;
use crate::store::index::view::View;
use crate::store::journal::entry::Entry;
use crate::store::journal::segment::Position;
use crate::store::types::StoreError;

/// Applies the entries it gets, except those that were applied already.
pub(crate) struct Replay<'a> {
    applied: Position,
    view: View<'a>,
    reached: Option<Position>,
    entries: u64,
    /// An entry differs from the one that the index has applied.
    pub(crate) is_of_another_journal: bool,
}

impl<'a> Replay<'a> {
    /// For an index that has everything up to `applied`.
    pub(crate) fn new(index: &'a Index, applied: Position) -> Replay<'a> {
        Replay { applied, view: View::new(index), reached: None, entries: 0, is_of_another_journal: false }
    }

    /// Takes the next entry. Fails if the index was built from another journal, or is damaged.
    pub(crate) fn take(&mut self, entry: &Entry, position: Position) -> Result<(), StoreError> {
        if entry.sequence == self.applied.sequence && entry.hash != self.applied.hash {
            self.is_of_another_journal = true;
            return Err(StoreError::Damaged("it was built from another journal".to_owned()));
        }
        if entry.sequence <= self.applied.sequence {
            return Ok(());
        }
        let fact = facts::decode(&entry.payload)
            .map_err(|why| StoreError::Broken(format!("journal entry {} {why}", entry.sequence)))?;
        facts::apply(&fact, entry.sequence, &mut self.view)?;
        self.reached = Some(position);
        self.entries += 1;
        if self.view.rows() >= GROUP_ROWS {
            self.write()?;
        }
        Ok(())
    }

    /// Writes the last group; returns how many entries were applied.
    pub(crate) fn finish(mut self) -> Result<u64, StoreError> {
        self.write()?;
        Ok(self.entries)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if let Some(reached) = self.reached.take() {
            put_applied(&mut self.view, reached);
            self.view.write()?;
        }
        Ok(())
    }
}

/// Records how far the journal is applied.
pub(crate) fn put_applied(view: &mut View<'_>, end: Position) {
    view.put(keys::APPLIED.to_vec(), applied_row(end));
}

/// The row that records how far the journal is applied.
pub(crate) fn applied_row(end: Position) -> Vec<u8> {
    value::encode(&end, end.sequence)
}
