//! Rows of the index in order.
//!
//! Owns: going through them. Must never know: what a row means.

use super::{StoreError, guarded};

/// A key and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A row, or the end of the engine.
pub(in crate::store) type Row = Result<Pair, StoreError>;

/// Rows in order.
pub(in crate::store) struct Rows(pub(super) sled::Iter);

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        guarded(|| self.0.next().transpose()).map(own).transpose()
    }
}

impl Rows {
    /// The last row that was not given out yet.
    pub(super) fn next_back(&mut self) -> Option<Row> {
        guarded(|| self.0.next_back().transpose()).map(own).transpose()
    }
}

fn own(row: Option<(sled::IVec, sled::IVec)>) -> Option<Pair> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}
