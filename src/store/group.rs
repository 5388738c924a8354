//! Operations that share one write and one sync of the journal.
//!
//! Owns: a group that is being built, and the operations that wait for their turn. Must never know: what an operation
//! means, how a group is written.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::index::facts::{self, Fact};
use super::index::view::View;
use super::journal::entry::PAYLOAD_LIMIT_BYTES;
use super::types::StoreError;

/// The most operations in one group.
const GROUP_OPERATIONS: usize = 512;
/// With this many journal bytes, a group takes no more operations.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// With this many index rows, a group takes no more operations: readers wait while the rows are written.
pub(super) const GROUP_ROWS: usize = 6000;

/// A group that is being built.
pub(super) struct Group<'a> {
    /// The index as it will be after the group.
    pub(super) view: View<'a>,
    /// Entries for the journal.
    pub(super) payloads: Vec<Vec<u8>>,
    bytes: usize,
    next_sequence: u64,
}

impl<'a> Group<'a> {
    /// An empty group whose first entry gets this sequence.
    pub(super) fn new(view: View<'a>, next_sequence: u64) -> Group<'a> {
        Group { view, payloads: Vec::new(), bytes: 0, next_sequence }
    }

    /// Whether it takes one more operation.
    pub(super) fn has_room(&self, operations: usize) -> bool {
        operations < GROUP_OPERATIONS && self.bytes < GROUP_BYTES && self.view.rows() < GROUP_ROWS
    }

    /// Applies a fact, and adds it to the group's journal entries.
    pub(super) fn write(&mut self, fact: &Fact) -> Result<(), StoreError> {
        let payload = facts::encode(fact);
        if payload.len() > PAYLOAD_LIMIT_BYTES {
            return Err(StoreError::TooLarge { bytes: payload.len(), limit_bytes: PAYLOAD_LIMIT_BYTES });
        }
        facts::apply(fact, self.next_sequence, &mut self.view)?;
        self.bytes += payload.len();
        self.payloads.push(payload);
        self.next_sequence += 1;
        Ok(())
    }
}

/// Sends the waiting caller the outcome of its operation.
pub(super) type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Arrives once the group is durable.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;
/// Does its work in a group. An error that it returns stops the store.
pub(super) type Operation = Box<dyn FnOnce(&mut Group<'_>) -> (Acknowledge, Option<StoreError>) + Send>;

/// Operations that wait for their group.
#[derive(Default)]
pub(super) struct Waiting {
    /// First in, first out.
    pub(super) operations: VecDeque<Operation>,
    /// Whether a leader is serving them.
    pub(super) has_leader: bool,
}
