//! Rows of the index in order, the blocks among them taken apart.
//!
//! Owns: where a range begins and ends inside of a block. Must never know: what a row means, how a block is changed.

use std::ops::Bound;

use super::{StoreError, guarded, is_packed, unpacked};

/// A key and its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A row, or the end of the engine.
pub(in crate::store) type Row = Result<Pair, StoreError>;

/// Rows in order.
pub(in crate::store) struct Rows {
    rows: Option<sled::Iter>,
    /// What is left of the block that was met last.
    block: std::vec::IntoIter<Vec<u8>>,
    start: Bound<Vec<u8>>,
    end: Option<Vec<u8>>,
    broken: Option<StoreError>,
}

impl Rows {
    /// From `start` on and before `end`, out of rows that begin with the block in which `start` is.
    pub(super) fn new(rows: Option<sled::Iter>, start: Bound<Vec<u8>>, end: Option<Vec<u8>>) -> Rows {
        Rows { rows, block: Vec::new().into_iter(), start, end, broken: None }
    }

    /// None at all, and why.
    pub(super) fn broken(error: StoreError) -> Rows {
        Rows { broken: Some(error), ..Rows::new(None, Bound::Unbounded, None) }
    }

    /// The next row as the engine has it.
    fn advance(&mut self) -> Option<Row> {
        let rows = self.rows.as_mut()?;
        guarded(|| rows.next().transpose()).map(own).transpose()
    }

    /// A block may begin before the start, and end behind the end.
    fn has(&self, key: &[u8]) -> bool {
        let is_begun = match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        };
        is_begun && self.end.as_ref().is_none_or(|end| key < end.as_slice())
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if let Some(error) = self.broken.take() {
            return Some(Err(error));
        }
        loop {
            while let Some(key) = self.block.next() {
                if self.has(&key) {
                    return Some(Ok((key, Vec::new())));
                }
            }
            match self.advance()? {
                Ok((bound, bytes)) if is_packed(&bound) => match unpacked(&bound, &bytes) {
                    Ok(keys) => self.block = keys.into_iter(),
                    Err(error) => return Some(Err(error)),
                },
                row => return Some(row),
            }
        }
    }
}

pub(super) fn own(row: Option<(sled::IVec, sled::IVec)>) -> Option<Pair> {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}
