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
    /// Other hosts write, too: the group may have to be built again.
    is_shared: bool,
}

impl<'a> Group<'a> {
    /// An empty group whose first entry gets this sequence.
    pub(super) fn new(view: View<'a>, next_sequence: u64, is_shared: bool) -> Group<'a> {
        Group { view, payloads: Vec::new(), bytes: 0, next_sequence, is_shared }
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

/// Arrives once the group is durable.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// What a caller wants done in a group.
pub(super) trait Operation: Send {
    /// Does it. On a shared store, another host may write first. Then the whole group is built again, and this is
    /// called again. A returned error stops the store.
    fn run(&mut self, group: &mut Group<'_>) -> Option<StoreError>;

    /// Sends the waiting caller the result of the last run, or why the group was not written.
    fn acknowledge(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// See [`Operation`].
pub(super) struct Work<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F: FnMut(&mut Group<'_>) -> Result<T, StoreError>> Work<T, F> {
    /// The answer arrives at the returned receiver.
    pub(super) fn new(work: F) -> (Work<T, F>, Answer<T>) {
        let (sender, receiver) = oneshot::channel();
        (Work { work, result: None, sender }, receiver)
    }
}

impl<T: Send, F: FnMut(&mut Group<'_>) -> Result<T, StoreError> + Send> Operation for Work<T, F> {
    fn run(&mut self, group: &mut Group<'_>) -> Option<StoreError> {
        let result = (self.work)(group);
        let fatal = result.as_ref().err().filter(|error| error.is_fatal()).cloned();
        self.result = Some(result);
        fatal
    }

    fn acknowledge(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Work { result, sender, .. } = *self;
        // The caller may have gone; the work is done anyway.
        let _ = sender.send(outcome.and(result.unwrap_or(Err(StoreError::Closed))));
    }
}

/// An input of an operation that may have to be run again.
pub(super) struct Input<T>(Option<T>);

impl<T: Clone> Input<T> {
    /// For the first run.
    pub(super) fn new(input: T) -> Input<T> {
        Input(Some(input))
    }

    /// The input, copied if the group may be built again.
    pub(super) fn get(&mut self, group: &Group<'_>) -> T {
        let input = if group.is_shared { self.0.clone() } else { self.0.take() };
        input.expect("only an operation on a shared store is run again")
    }
}

/// Operations that wait for their group.
#[derive(Default)]
pub(super) struct Waiting {
    /// First in, first out.
    pub(super) operations: VecDeque<Box<dyn Operation>>,
    /// Whether a leader is serving them.
    pub(super) has_leader: bool,
}
