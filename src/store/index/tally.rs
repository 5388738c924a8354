//! What the counts should be, added up while the index is checked for consistency.
//!
//! Owns: counting correctly while others write. Must never know: how rows are compared.

use std::collections::HashMap;

/// A change of a count, and the row that caused it.
#[derive(Debug)]
pub(crate) struct Recount {
    /// The key of the record or alert.
    pub(crate) row: Vec<u8>,
    /// The key of the count.
    pub(crate) count: Vec<u8>,
    /// By how much the count changes.
    pub(crate) change: i64,
}

/// The counts of all rows up to the last one that was compared.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The last row compared.
    pub(crate) reached: Vec<u8>,
    /// By the keys of the counts.
    pub(crate) numbers: HashMap<Vec<u8>, i64>,
}

impl Tally {
    /// Applies changes to rows that were compared already; rows that come later are counted when they are compared.
    pub(crate) fn take(&mut self, recounts: &[Recount]) {
        for recount in recounts.iter().filter(|recount| recount.row <= self.reached) {
            *self.numbers.entry(recount.count.clone()).or_default() += recount.change;
        }
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, count: Vec<u8>) {
        *self.numbers.entry(count).or_default() += 1;
    }
}
