//! The index as it will be once the present group is written: what the writer reads and changes.
//!
//! Owns: which rows belong to a record, the counts. Must never know: what a state means, who asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::behind::Following;
use super::due;
use super::index::{Index, Writes};
use super::keys::{self, CountKey};
use super::pulse::{self, Pulse};
use super::types::StoreError;
use super::value::{self, Stored};
use crate::payments::object::{AccountName, ObjectRef};
use crate::payments::record::{Record, Transition};

/// A count that changed, and the row because of which it did.
#[derive(Debug)]
pub(super) struct Recount {
    /// Of a record or of an alert.
    pub(super) row: Vec<u8>,
    /// Of the count.
    pub(super) count: Vec<u8>,
    /// By so much.
    pub(super) change: i64,
}

/// A change in the making.
pub(super) struct View<'a> {
    index: &'a Index,
    /// What comes before the index.
    following: Option<&'a Following>,
    writes: Writes,
    /// Records that the index does not have, by their open key: an enrolment looks for its record twice.
    absent: RefCell<HashSet<Vec<u8>>>,
    /// For a self-check that is under way.
    pub(super) recounts: Vec<Recount>,
    /// Accounts of which something is due earlier than before.
    pub(super) due_earlier: BTreeSet<AccountName>,
    /// When the first poll was of which only a pulse is written.
    pub(super) quiet_since: Option<Timestamp>,
    /// A delivery is owed earlier than before.
    pub(super) is_owed_earlier: bool,
    /// Changes of the numbers of deliveries, by status: pending, dead.
    pub(super) pending_change: i64,
    /// See `pending_change`.
    pub(super) dead_change: i64,
}

impl<'a> View<'a> {
    /// No change yet, of an index that has everything.
    pub(super) fn new(index: &'a Index) -> View<'a> {
        View {
            index,
            following: None,
            writes: Writes::new(),
            absent: RefCell::default(),
            recounts: Vec::new(),
            due_earlier: BTreeSet::new(),
            quiet_since: None,
            is_owed_earlier: false,
            pending_change: 0,
            dead_change: 0,
        }
    }

    /// No change yet, of an index that follows behind.
    pub(super) fn over(index: &'a Index, following: &'a Following) -> View<'a> {
        View { following: Some(following), ..View::new(index) }
    }

    /// What is to be written.
    pub(super) fn take_writes(&mut self) -> Writes {
        self.absent.get_mut().clear();
        std::mem::take(&mut self.writes)
    }

    /// How many rows are to be written.
    pub(super) fn rows(&self) -> usize {
        self.writes.len()
    }

    /// A row as it will be.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(change) = self.writes.get(key) {
            return Ok(change.clone());
        }
        let Some(following) = self.following else { return self.index.get(key) };
        if let Some(row) = following.kept.row(key) {
            return Ok(row);
        }
        let known = following.rows().get(key).cloned();
        let row = match known {
            Some(row) => row,
            None => self.index.get(key)?,
        };
        following.kept.keep(key, &row);
        Ok(row)
    }

    /// Enrolments of many objects are coming.
    pub(super) fn expect_many(&self) {
        if let Some(following) = self.following {
            following.kept.expect_many();
        }
    }

    /// A value as it will be.
    pub(super) fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<Stored<T>>, StoreError> {
        self.get(key)?.map(|bytes| value::decode(key, &bytes)).transpose()
    }

    /// Writes a row.
    pub(super) fn put(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.writes.insert(key, Some(bytes));
    }

    /// Writes a value.
    pub(super) fn put_value<T: Serialize>(&mut self, key: Vec<u8>, content: &T, sequence: u64) {
        self.put(key, value::encode(content, sequence));
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// A record, open or finished.
    pub(super) fn record(&self, object: &ObjectRef) -> Result<Option<Stored<Record>>, StoreError> {
        let open = keys::record(object, false);
        if !self.writes.contains_key(&open) && self.absent.borrow().contains(&open) {
            return Ok(None);
        }
        let finished = keys::record(object, true);
        let is_in_group = self.writes.contains_key(&open) || self.writes.contains_key(&finished);
        if !is_in_group && self.following.is_some_and(|following| following.kept.is_absent(&open)) {
            return Ok(None);
        }
        if let Some(bytes) = self.get(&open)? {
            return pulse::read(&open, &bytes, |key| self.get(key)).map(Some);
        }
        let found = self.value(&finished)?;
        if found.is_none() && !self.writes.contains_key(&finished) {
            self.absent.borrow_mut().insert(open);
        }
        Ok(found)
    }

    /// The revision of an open record, with the last entry that changed the record; the rest is not read.
    pub(super) fn open_revision(&self, object: &ObjectRef) -> Result<Option<Stored<u64>>, StoreError> {
        let open = keys::record(object, false);
        let pulse_key = pulse::key(&open);
        if let Some(bytes) = self.get(&pulse_key)? {
            return pulse::revision(&pulse_key, &bytes).map(Some);
        }
        self.get(&open)?.map(|bytes| pulse::record_revision(&open, &bytes)).transpose()
    }

    /// Writes a record in place of `old`, with all rows that follow from it.
    pub(super) fn put_record(
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
        self.put_due_rows(old, new);
        self.put_value(keys::record(&new.object, new.is_finished()), new, sequence);
        self.recount(old, Some(new))
    }

    /// Writes a record of which the journal is not told: only its pulse where that says all.
    pub(super) fn put_quietly(&mut self, old: &Stored<Record>, new: &Record) -> Result<(), StoreError> {
        match self.put_pulse(&old.value, new, old.sequence) {
            true => Ok(()),
            false => self.put_record(Some(&old.value), new, old.sequence),
        }
    }

    /// Writes the pulse of a record; false, and nothing is written, when that does not say all.
    pub(super) fn put_pulse(&mut self, old: &Record, new: &Record, sequence: u64) -> bool {
        let Some(changed) = Pulse::between(old, new) else { return false };
        self.quiet_since = self.quiet_since.or(new.polled_at);
        self.put_due_rows(Some(old), new);
        self.put_value(pulse::key(&keys::record(&new.object, false)), &changed, sequence);
        true
    }

    fn put_due_rows(&mut self, old: Option<&Record>, new: &Record) {
        let mut rows = due::rows(new);
        for row in old.map(due::rows).unwrap_or_default() {
            match rows.iter().position(|new| *new == row) {
                // It stands already.
                Some(place) => drop(rows.swap_remove(place)),
                None => self.remove(row),
            }
        }
        for row in rows {
            self.put(row, Vec::new());
        }
        let old_due_at = old.and_then(|old| old.due_at);
        if new.due_at.is_some_and(|at| old_due_at.is_none_or(|before| at < before)) {
            self.due_earlier.insert(new.object.account.clone());
        }
    }

    fn remove_pulse(&mut self, old: &Record) -> Result<(), StoreError> {
        let key = pulse::key(&keys::record(&old.object, false));
        if !old.is_finished() && self.get(&key)?.is_some() {
            self.remove(key);
        }
        Ok(())
    }

    /// Removes a record with all its rows but its history.
    pub(super) fn remove_record(&mut self, old: &Record) -> Result<(), StoreError> {
        for row in due::rows(old) {
            self.remove(row);
        }
        self.remove_pulse(old)?;
        self.remove(keys::record(&old.object, old.is_finished()));
        self.recount(Some(old), None)
    }

    /// Adds a row of history.
    pub(super) fn put_transition(&mut self, transition: &Transition, sequence: u64) {
        let seen_at = keys::time(transition.seen_at);
        let row = keys::transition(&seen_at, &transition.object, sequence);
        self.put_value(row, transition, sequence);
        self.put(keys::history_row(&transition.object, sequence), seen_at.to_vec());
    }

    /// Changes a count because of `row`; a count of nothing has no row.
    pub(super) fn add(&mut self, key: Vec<u8>, change: i64, row: Vec<u8>) -> Result<(), StoreError> {
        self.recounts.push(Recount { row, count: key.clone(), change });
        let before = match self.get(&key)? {
            Some(bytes) => value::decode_number(&key, &bytes)?,
            None => 0,
        };
        match before.checked_add_signed(change) {
            None => Err(StoreError::Damaged(format!("count {} falls below nothing", value::show_key(&key)))),
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

/// Under what a record is counted.
pub(super) fn count_key(record: &Record) -> CountKey {
    CountKey {
        account: record.object.account.clone(),
        kind: record.object.kind.clone(),
        phase: record.phase(),
        state: record.state().map(str::to_owned),
        is_quarantined: record.quarantine.is_some(),
        is_finished: record.is_finished(),
    }
}

/// A record's JSON stays below this where cutting evidence can do it: larger values leave the engine's
/// pages (packages.md section 2.4, rule 4).
const VALUE_GOAL_BYTES: usize = 4 * 1024;
const EVIDENCE_TEXT_CHARACTERS: usize = 120;

/// Cuts long evidence of a record that is too large. State, reasons and amounts are never touched.
pub(super) fn cap_evidence(record: &mut Record) {
    if json_bytes(record) <= VALUE_GOAL_BYTES {
        return;
    }
    let sight = record.sight.as_mut().map(|sight| &mut sight.observation);
    let set_apart = record.quarantine.as_mut().and_then(|quarantine| quarantine.evidence.as_mut());
    for observation in sight.into_iter().chain(set_apart) {
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
