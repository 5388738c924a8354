//! A copy of the index that is being made.
//!
//! Owns: that what is written to the index also reaches the copy. Must never know: what a row means, when the copy is
//! made.

use crate::store::index::{Index, Writes};
use crate::store::types::StoreError;

/// How far the copy has come. Rows beyond that are copied later.
#[derive(Debug)]
pub(crate) enum Reach {
    /// Every row up to this key.
    To(Vec<u8>),
    /// Every row.
    All,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Twin {
    /// None while it is closed and reopened; writes wait until then.
    pub(crate) index: Option<Index>,
    /// Writes that wait until the copy is reopened.
    pub(crate) waiting: Vec<Writes>,
    /// How far it has come.
    pub(crate) reached: Reach,
    failure: Option<StoreError>,
}

impl Twin {
    /// A copy without any row yet.
    pub(crate) fn new(index: Index) -> Twin {
        Twin { index: Some(index), waiting: Vec::new(), reached: Reach::To(Vec::new()), failure: None }
    }

    /// Takes its part of what is about to be written to the index. A failure does not concern the writer: the copy is
    /// given up.
    pub(crate) fn mirror(&mut self, writes: &Writes) {
        let part: Writes = match &self.reached {
            Reach::All => writes.clone(),
            Reach::To(last) => writes
                .iter()
                .filter(|(key, _)| *key <= last)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        };
        match &self.index {
            None => self.waiting.push(part),
            Some(index) => {
                if let Err(error) = index.apply(&part) {
                    self.failure.get_or_insert(of_copy(error));
                }
            }
        }
    }

    /// The copy, unless it was given up or is closed.
    pub(crate) fn open_index(&self) -> Result<&Index, StoreError> {
        match (&self.failure, &self.index) {
            (None, Some(index)) => Ok(index),
            (Some(error), _) => Err(error.clone()),
            (None, None) => Err(StoreError::Closed),
        }
    }
}

/// Turns an error of the copy into one that does not stop the store.
pub(crate) fn of_copy(error: StoreError) -> StoreError {
    StoreError::Compaction(format!("the copy: {error}"))
}
