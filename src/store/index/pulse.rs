//! What a poll that saw nothing new changes: stored beside the record, in a small row of its own (a *pulse*).
//!
//! Owns: which fields these are, and applying them to the record. Must never know: why they changed.
//!
//! Nearly all polls see the same as before. Writing the whole record each time would write ten times as much to the
//! index, whose file grows with what is written. The row's key is the record's with [`keys::PULSE`] as its first byte.
//! The row is removed when the whole record is next written.

use std::iter::Peekable;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::record::{Observed, Record};
use crate::store::index::keys;
use crate::store::index::value::{self, Stored};
use crate::store::index::{Index, Rows};
use crate::store::types::StoreError;

/// The order is permanent. Times are in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse(
    /// Revision.
    pub(crate) u64,
    /// Polls.
    pub(crate) u64,
    /// Polled at.
    pub(crate) Option<i64>,
    /// Due at.
    pub(crate) Option<i64>,
    /// Whether an operator asked for a poll.
    pub(crate) bool,
    /// Deadline.
    pub(crate) Option<i64>,
    /// Last seen at.
    pub(crate) Option<i64>,
    /// The provider's id of the last exchange.
    pub(crate) Option<String>,
);

impl Pulse {
    /// The pulse that turns `old` into `new`. None if they differ in more than a pulse can say, or if one of them is
    /// finished. A pulse ends an announcement and cannot begin one.
    pub(crate) fn between(old: &Record, new: &Record) -> Option<Pulse> {
        if old.is_finished() || new.is_finished() || new.is_announced {
            return None;
        }
        let observed = new.observed.as_ref();
        let pulse = Pulse(
            new.revision,
            new.polls,
            nanoseconds(new.polled_at)?,
            nanoseconds(new.due_at)?,
            new.is_asked,
            nanoseconds(new.deadline)?,
            nanoseconds(observed.map(|observed| observed.seen_at))?,
            observed.and_then(|observed| observed.observation.request_id.clone()),
        );
        is_same_beside(old, new).then_some(pulse)
    }

    /// Applies it to a record.
    pub(crate) fn put_over(self, record: &mut Record) {
        let Pulse(revision, polls, polled_at, due_at, is_asked, deadline, seen_at, request_id) = self;
        record.revision = revision;
        record.polls = polls;
        record.polled_at = polled_at.map(moment);
        record.due_at = due_at.map(moment);
        record.is_asked = is_asked;
        record.is_announced = false;
        record.deadline = deadline.map(moment);
        if let (Some(observed), Some(seen_at)) = (&mut record.observed, seen_at) {
            observed.seen_at = moment(seen_at);
            observed.observation.request_id = request_id;
        }
    }
}

/// Whether two records are the same in all that a pulse does not say.
fn is_same_beside(old: &Record, new: &Record) -> bool {
    // Destructured by name, so that a new field cannot be forgotten here.
    let Record {
        object,
        enrolled_at,
        details,
        observed,
        quarantine,
        trouble,
        warned,
        overtaken,
        accepted,
        revision: _,
        polls: _,
        polled_at: _,
        due_at: _,
        is_asked: _,
        is_announced: _,
        deadline: _,
    } = old;
    let is_same_sight = match (observed, &new.observed) {
        (None, None) => true,
        (Some(Observed { observation, phase, since, seen_at: _ }), Some(seen)) => {
            observation.says_the_same(&seen.observation) && *phase == seen.phase && *since == seen.since
        }
        _ => false,
    };
    is_same_sight
        && *object == new.object
        && *enrolled_at == new.enrolled_at
        && *details == new.details
        && *quarantine == new.quarantine
        && *trouble == new.trouble
        && *warned == new.warned
        && *overtaken == new.overtaken
        && *accepted == new.accepted
}

/// None if the time does not fit: more than some 290 years from 1970.
fn nanoseconds(at: Option<Timestamp>) -> Option<Option<i64>> {
    at.map(|at| i64::try_from(at.as_nanosecond())).transpose().ok()
}

fn moment(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into())
        .expect("64 bits of nanoseconds are well within the calendar")
}

/// The only part of a record that is read.
#[derive(Deserialize)]
struct Revision {
    revision: u64,
}

/// The revision in a record's row.
pub(crate) fn record_revision(key: &[u8], bytes: &[u8]) -> Result<Stored<u64>, StoreError> {
    let Stored { value, sequence } = value::decode::<Revision>(key, bytes)?;
    Ok(Stored { value: value.revision, sequence })
}

/// The key of an open record's pulse.
pub(crate) fn key(record_key: &[u8]) -> Vec<u8> {
    under(keys::PULSE, record_key)
}

/// The inverse of [`key`].
pub(crate) fn record_key(key: &[u8]) -> Vec<u8> {
    under(keys::OPEN, key)
}

fn under(sort: u8, key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    if let Some(first) = key.first_mut() {
        *first = sort;
    }
    key
}

/// A record, read from its row and its pulse, if it has one. `find` returns the pulse.
pub(crate) fn read(
    row: &[u8],
    bytes: &[u8],
    find: impl FnOnce(&[u8]) -> Result<Option<Pulse>, StoreError>,
) -> Result<Stored<Record>, StoreError> {
    let mut stored = value::decode::<Record>(row, bytes)?;
    if row.first() == Some(&keys::OPEN)
        && let Some(pulse) = find(&key(row))?
    {
        pulse.put_over(&mut stored.value);
    }
    Ok(stored)
}

/// All open records as the index has them, ordered by id.
pub(crate) struct OpenRecords {
    rows: Rows,
    pulses: Peekable<Rows>,
}

impl OpenRecords {
    /// The open records of this index.
    pub(crate) fn of(index: &Index) -> OpenRecords {
        OpenRecords { rows: index.prefix(&[keys::OPEN]), pulses: index.prefix(&[keys::PULSE]).peekable() }
    }

    /// The pulse under this key. Records and pulses come in the same order, so no lookup is needed.
    fn pulse(&mut self, wanted: &[u8]) -> Result<Option<Pulse>, StoreError> {
        loop {
            match self.pulses.peek() {
                Some(Ok((key, _))) if key.as_slice() > wanted => return Ok(None),
                None => return Ok(None),
                _ => {}
            }
            let Some(row) = self.pulses.next() else { return Ok(None) };
            let (key, bytes) = row?;
            if key == wanted {
                return value::decode(&key, &bytes).map(|stored| Some(stored.value));
            }
        }
    }
}

impl Iterator for OpenRecords {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        let record = row.and_then(|(key, bytes)| read(&key, &bytes, |pulse_key| self.pulse(pulse_key)));
        Some(record.map(|stored| stored.value))
    }
}

/// A pulse as the index has it.
pub(crate) fn in_index(index: &Index, key: &[u8]) -> Result<Option<Pulse>, StoreError> {
    index.get(key)?.map(|bytes| value::decode(key, &bytes).map(|stored| stored.value)).transpose()
}

/// A record as the index has it.
pub(crate) fn record(index: &Index, row: &[u8], bytes: &[u8]) -> Result<Record, StoreError> {
    read(row, bytes, |key| in_index(index, key)).map(|stored| stored.value)
}
