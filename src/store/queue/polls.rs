//! What polls without news changed and the index does not have yet, together with the due queues.
//!
//! Owns: both, so that they change together. Must never know: the engine, when anything is written.
//!
//! Nearly all polls see the same as before. Such a poll changes only this state in memory. What it changed in its
//! record, a [`Pulse`], is written to the index later, together with others. A crash loses the pending pulses, and
//! these objects are polled once more.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::Change;
use super::Queue;
use crate::store::index::pulse::Pulse;
use crate::store::index::value::Stored;

/// With this many pending pulses, they are written: about a megabyte of memory.
const PENDING_WORTH_A_BATCH: usize = 4_096;

/// The longest time that a pulse is pending, provided that [`Polls::is_overdue`] is called often enough.
const PENDING_AT_MOST: SignedDuration = SignedDuration::from_secs(60);

/// With this many, all kept revisions are forgotten: records that are being polled at that moment are read again.
const HANDED_OUT_AT_MOST: usize = 16_384;

/// The pulses that a group of operations changes, by the keys of their rows. None: the pulse is no longer pending,
/// because it was written to the index or its record was changed in another way.
pub(crate) type PulseChanges = HashMap<Vec<u8>, Option<Stored<Pulse>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Polls {
    /// Which object is polled next.
    pub(crate) queue: Queue,
    /// Nothing is dated before this any more: the days before it have been reported.
    pub(crate) dated_from: Timestamp,
    pending: HashMap<Vec<u8>, Stored<Pulse>>,
    /// When the oldest pending poll was made.
    since: Option<Timestamp>,
    /// Revisions of records that were read to be polled and have not changed since, by the keys of their pulses. Such a
    /// poll is committed without reading its record again.
    handed_out: HashMap<Vec<u8>, Stored<u64>>,
    /// The store is closed.
    pub(crate) is_closed: bool,
}

impl Polls {
    /// With nothing pending.
    pub(crate) fn new(queue: Queue, dated_from: Timestamp) -> Polls {
        Polls {
            queue,
            dated_from,
            pending: HashMap::new(),
            since: None,
            handed_out: HashMap::new(),
            is_closed: false,
        }
    }

    /// A pending pulse.
    pub(crate) fn pulse(&self, key: &[u8]) -> Option<&Stored<Pulse>> {
        self.pending.get(key)
    }

    /// The keys of all pending pulses, which are about to be written.
    pub(crate) fn begin_writing(&mut self) -> Vec<Vec<u8>> {
        self.since = None;
        self.pending.keys().cloned().collect()
    }

    /// Closes it, so that nothing more is taken. Returns the keys of all pending pulses.
    pub(crate) fn close(&mut self) -> Vec<Vec<u8>> {
        self.is_closed = true;
        self.begin_writing()
    }

    /// Whether enough are pending to be worth a batch.
    pub(crate) fn is_worth_a_batch(&self) -> bool {
        self.pending.len() >= PENDING_WORTH_A_BATCH
    }

    /// Whether one has been pending too long.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now.duration_since(since).abs() >= PENDING_AT_MOST)
    }

    /// Keeps the revision of a record that was read to be polled.
    pub(crate) fn hand_out(&mut self, key: Vec<u8>, revision: Stored<u64>) {
        if self.handed_out.len() >= HANDED_OUT_AT_MOST {
            self.handed_out.clear();
        }
        self.handed_out.insert(key, revision);
    }

    /// The revision of an open record and the last journal entry that changed the record, if they are in memory.
    pub(crate) fn revision(&self, key: &[u8]) -> Option<Stored<u64>> {
        if self.is_closed {
            return None;
        }
        match self.pending.get(key) {
            Some(Stored { value: Pulse(revision, ..), sequence }) => {
                Some(Stored { value: *revision, sequence: *sequence })
            }
            None => self.handed_out.get(key).cloned(),
        }
    }

    /// Takes what a group of operations changed.
    pub(crate) fn take(&mut self, pulses: PulseChanges, changes: &[Change], polled_at: Option<Timestamp>) {
        for (key, pulse) in pulses {
            self.handed_out.remove(&key);
            match pulse {
                Some(pulse) => drop(self.pending.insert(key, pulse)),
                None => drop(self.pending.remove(&key)),
            }
        }
        self.since = match self.pending.is_empty() {
            true => None,
            false => self.since.or(polled_at),
        };
        changes.iter().for_each(|change| self.queue.apply(change));
    }
}
