//! The index as it will be once the current group is written: what the writer reads and changes.
//!
//! Owns: which rows belong to a record, the counts. Must never know: what a state means, who called.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::payments::object::ObjectRef;
use crate::payments::record::{Record, Transition};
use crate::store::index::keys::{self, CountKey};
use crate::store::index::pulse::{self, Pulse};
use crate::store::index::tally::Recount;
use crate::store::index::value::{self, Stored};
use crate::store::index::{Index, Writes};
use crate::store::mutex::locked;
use crate::store::queue::Change;
use crate::store::queue::polls::{Polls, PulseChanges};
use crate::store::types::StoreError;

/// What follows from a change: rows of the index, and state that is only in memory.
#[derive(Default)]
pub(crate) struct Effects {
    /// Rows to write.
    pub(crate) writes: Writes,
    /// For a running self-check.
    pub(crate) recounts: Vec<Recount>,
    /// For the due queues.
    pub(crate) changes: Vec<Change>,
    /// Pulses that become pending, or stop being so.
    pub(crate) pulses: PulseChanges,
    /// When the first poll without news was made.
    pub(crate) polled_at: Option<Timestamp>,
    /// A delivery has become pending, or is due at another time.
    pub(crate) is_owed_earlier: bool,
    /// By how much the number of pending deliveries changes.
    pub(crate) pending_change: i64,
    /// By how much the number of dead deliveries changes.
    pub(crate) dead_change: i64,
}

/// A change that is being built.
pub(crate) struct View<'a> {
    index: &'a Index,
    /// What polls without news changed and the index does not have yet; none while nothing is polled.
    polls: Option<&'a Mutex<Polls>>,
    /// Records that the index does not have, by their open key, because an enrolment looks up its record twice.
    absent: RefCell<HashSet<Vec<u8>>>,
    /// What follows from the change so far.
    pub(crate) effects: Effects,
}

impl<'a> View<'a> {
    /// A view without changes, over an index while nothing is polled.
    pub(crate) fn new(index: &'a Index) -> View<'a> {
        View { index, polls: None, absent: RefCell::default(), effects: Effects::default() }
    }

    /// A view without changes, over an index and what polls have changed since it was written.
    pub(crate) fn over(index: &'a Index, polls: &'a Mutex<Polls>) -> View<'a> {
        View { polls: Some(polls), ..View::new(index) }
    }

    /// How many rows there are to write.
    pub(crate) fn rows(&self) -> usize {
        self.effects.writes.len()
    }

    /// Writes its rows to an index that nobody else reads.
    pub(crate) fn write(&mut self) -> Result<(), StoreError> {
        self.absent.get_mut().clear();
        self.index.apply(&std::mem::take(&mut self.effects).writes)
    }

    /// A row as it will be.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.effects.writes.get(key) {
            Some(row) => Ok(row.clone()),
            None => self.index.get(key),
        }
    }

    /// A value as it will be.
    pub(crate) fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<Stored<T>>, StoreError> {
        self.get(key)?.map(|bytes| value::decode(key, &bytes)).transpose()
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.effects.writes.insert(key, Some(bytes));
    }

    /// Writes a value.
    pub(crate) fn put_value<T: Serialize>(&mut self, key: Vec<u8>, content: &T, sequence: u64) {
        self.put(key, value::encode(content, sequence));
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.effects.writes.insert(key, None);
    }

    /// A record, open or finished.
    pub(crate) fn record(&self, object: &ObjectRef) -> Result<Option<Stored<Record>>, StoreError> {
        let open = keys::record(object, false);
        if !self.effects.writes.contains_key(&open) && self.absent.borrow().contains(&open) {
            return Ok(None);
        }
        let finished = keys::record(object, true);
        if let Some(bytes) = self.get(&open)? {
            return pulse::read(&open, &bytes, |key| Ok(self.pulse(key)?.map(|stored| stored.value)))
                .map(Some);
        }
        let found = self.value(&finished)?;
        if found.is_none() && !self.effects.writes.contains_key(&finished) {
            self.absent.borrow_mut().insert(open);
        }
        Ok(found)
    }

    /// A pulse as it will be.
    fn pulse(&self, key: &[u8]) -> Result<Option<Stored<Pulse>>, StoreError> {
        match self.effects.pulses.get(key) {
            Some(Some(pulse)) => return Ok(Some(pulse.clone())),
            Some(None) => {}
            None => {
                let polls = self.polls.map(locked);
                if let Some(pulse) = polls.as_ref().and_then(|polls| polls.pulse(key)) {
                    return Ok(Some(pulse.clone()));
                }
            }
        }
        self.value(key)
    }

    /// The revision of an open record and the last journal entry that changed the record; nothing else is read.
    pub(crate) fn open_revision(&self, object: &ObjectRef) -> Result<Option<Stored<u64>>, StoreError> {
        let open = keys::record(object, false);
        if let Some(Stored { value: Pulse(revision, ..), sequence }) = self.pulse(&pulse::key(&open))? {
            return Ok(Some(Stored { value: revision, sequence }));
        }
        self.get(&open)?.map(|bytes| pulse::record_revision(&open, &bytes)).transpose()
    }

    /// Replaces `old` with a record, and updates all rows that follow from it.
    pub(crate) fn put_record(
        &mut self,
        old: Option<&Record>,
        new: &Record,
        sequence: u64,
    ) -> Result<(), StoreError> {
        self.absent.get_mut().remove(&keys::record(&new.object, false));
        if let Some(old) = old {
            self.remove_pulse(old)?;
            if old.is_finished() != new.is_finished() {
                self.remove(keys::record(&old.object, old.is_finished()));
            }
        }
        self.effects.changes.extend(Change::between(old, Some(new)));
        self.put_value(keys::record(&new.object, new.is_finished()), new, sequence);
        self.recount(old, Some(new))
    }

    /// Writes a change that is not in the journal: only the pulse, if that says everything.
    pub(crate) fn put_quietly(&mut self, old: &Stored<Record>, new: &Record) -> Result<(), StoreError> {
        match self.put_pulse(&old.value, new, old.sequence) {
            true => Ok(()),
            false => self.put_record(Some(&old.value), new, old.sequence),
        }
    }

    /// Keeps the pulse of a record. False, and nothing changes, if the pulse cannot say everything.
    pub(crate) fn put_pulse(&mut self, old: &Record, new: &Record, sequence: u64) -> bool {
        let Some(value) = Pulse::between(old, new) else { return false };
        self.effects.polled_at = self.effects.polled_at.or(new.polled_at);
        self.effects.changes.extend(Change::between(Some(old), Some(new)));
        let key = pulse::key(&keys::record(&new.object, false));
        self.effects.pulses.insert(key, Some(Stored { value, sequence }));
        true
    }

    /// Writes those of some pulses that are still pending.
    pub(crate) fn write_pulses(&mut self, keys: &[Vec<u8>]) {
        let Some(polls) = self.polls.map(locked) else { return };
        for key in keys {
            if let Some(Stored { value, sequence }) = polls.pulse(key) {
                self.effects.writes.insert(key.clone(), Some(value::encode(value, *sequence)));
                self.effects.pulses.insert(key.clone(), None);
            }
        }
    }

    /// Removes the pulse, because the whole record is written or removed.
    fn remove_pulse(&mut self, old: &Record) -> Result<(), StoreError> {
        if old.is_finished() {
            return Ok(());
        }
        let key = pulse::key(&keys::record(&old.object, false));
        if self.get(&key)?.is_some() {
            self.remove(key.clone());
        }
        self.effects.pulses.insert(key, None);
        Ok(())
    }

    /// Removes a record and all its rows except its history.
    pub(crate) fn remove_record(&mut self, old: &Record) -> Result<(), StoreError> {
        self.effects.changes.extend(Change::between(Some(old), None));
        self.remove_pulse(old)?;
        self.remove(keys::record(&old.object, old.is_finished()));
        self.recount(Some(old), None)
    }

    /// Adds a row of history.
    pub(crate) fn put_transition(&mut self, transition: &Transition, sequence: u64) {
        let seen_at = keys::time(transition.seen_at);
        let row = keys::transition(&seen_at, &transition.object, sequence);
        self.put_value(row, transition, sequence);
        self.put(keys::history_row(&transition.object, sequence), seen_at.to_vec());
    }

    /// Changes a count because of `row`. A count of 0 has no row.
    pub(crate) fn add(&mut self, key: Vec<u8>, change: i64, row: Vec<u8>) -> Result<(), StoreError> {
        self.effects.recounts.push(Recount { row, count: key.clone(), change });
        let before = match self.get(&key)? {
            Some(bytes) => value::decode_number(&key, &bytes)?,
            None => 0,
        };
        match before.checked_add_signed(change) {
            None => Err(StoreError::Damaged(format!("count {} falls below zero", value::show_key(&key)))),
            Some(0) => {
                self.remove(key);
                Ok(())
            }
            Some(after) => {
                self.put(key, value::encode_number(after));
                Ok(())
            }
        }
    }

    fn recount(&mut self, old: Option<&Record>, new: Option<&Record>) -> Result<(), StoreError> {
        let (before, after) = (old.map(count_key), new.map(count_key));
        if before == after {
            return Ok(());
        }
        let row = |record: &Record| keys::record(&record.object, record.is_finished());
        if let (Some(key), Some(new)) = (after, new) {
            self.add(key.bytes(), 1, row(new))?;
        }
        if let (Some(key), Some(old)) = (before, old) {
            self.add(key.bytes(), -1, row(old))?;
        }
        Ok(())
    }
}

/// The count that a record belongs to.
pub(crate) fn count_key(record: &Record) -> CountKey {
    CountKey {
        account: record.object.account.clone(),
        kind: record.object.kind.clone(),
        phase: record.phase(),
        state: record.state().map(str::to_owned),
        is_quarantined: record.quarantine.is_some(),
        is_finished: record.is_finished(),
    }
}

/// A record's JSON stays below this if cutting evidence can achieve it: large values leave the engine's pages
/// (docs/src/reference/storage-engine.md, section 1 and section 2, rule 4).
const VALUE_GOAL_BYTES: usize = 4 * 1024;
const EVIDENCE_TEXT_CHARACTERS: usize = 120;

/// Cuts long evidence of a record that is too large. State, reasons and amounts are never touched.
pub(crate) fn cap_evidence(record: &mut Record) {
    if json_bytes(record) <= VALUE_GOAL_BYTES {
        return;
    }
    let observed = record.observed.as_mut().map(|observed| &mut observed.observation);
    let set_apart = record.quarantine.as_mut().and_then(|quarantine| quarantine.evidence.as_mut());
    for observation in observed.into_iter().chain(set_apart) {
        cut_texts(&mut observation.evidence);
    }
}

fn cut_texts(evidence: &mut BTreeMap<String, String>) {
    for text in evidence.values_mut() {
        if let Some((end, _)) = text.char_indices().nth(EVIDENCE_TEXT_CHARACTERS) {
            text.truncate(end);
            text.push('…');
        }
    }
}

fn json_bytes(record: &Record) -> usize {
    serde_json::to_vec(record).map_or(usize::MAX, |json| json.len())
}
