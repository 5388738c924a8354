//! What the counts must say, added up while the index is compared with itself.
//!
//! Owns: adding up, whatever is written meanwhile. Must never know: how rows are compared.

use std::collections::HashMap;

/// A change of a count, and the row that caused it.
#[derive(Debug)]
pub(crate) struct Recount {
    /// Of a record or of an alert.
    pub(crate) row: Vec<u8>,
    /// Of the count.
    pub(crate) count: Vec<u8>,
    /// By so much.
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
    /// A row that was compared has changed; one that is compared later is counted then.
    pub(crate) fn take(&mut self, recounts: &[Recount]) {
        for recount in recounts.iter().filter(|recount| recount.row <= self.reached) {
            *self.numbers.entry(recount.count.clone()).or_default() += recount.change;
        }
    }

    /// One more.
    pub(crate) fn add(&mut self, count: Vec<u8>) {
        *self.numbers.entry(count).or_default() += 1;
    }
}
