//! The lanes of one account and kind as they were acknowledged, whether the index has that yet or not.
//!
//! Owns: laying what the index has not yet over what it has. Must never know: in which order lanes are served.
//!
//! Who is due is asked behind nearly every poll. Were the index brought up to date for each, there would be nothing
//! to bring together: a poll would cost a batch of its own, and each batch writes whole blocks of keys.

use std::collections::{BTreeMap, btree_map};
use std::hash::{Hash, Hasher};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::PoisonError;

use jiff::Timestamp;

use super::behind::Following;
use super::due;
use super::index::{Index, Rows};
use super::keys::{self, Lane};
use super::pulse;
use super::types::StoreError;
use super::value::{self, Stored};
use super::writer::Engine;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Record;

/// Rows that the index has not yet, of which lanes are picked one by one. Of more it is brought up to date first.
const PICKED_ROWS_MOST: usize = 2_000;

/// See the module.
pub(super) struct Lanes<'a> {
    index: &'a Index,
    following: &'a Following,
    account: &'a AccountName,
    kind: &'a Kind,
    /// Keys that came, or went, since the index was written.
    changes: BTreeMap<Vec<u8>, bool>,
}

impl Engine {
    /// Reads lanes and records. The index is not written meanwhile; what is acknowledged meanwhile may be seen in a
    /// record whose key is not where it was.
    pub(super) fn with_lanes<T>(
        &self,
        account: &AccountName,
        kind: &Kind,
        work: impl FnOnce(&Lanes<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.following.rows().rows() > PICKED_ROWS_MOST {
            self.catch_up()?;
        }
        let _whole = self.following.whole();
        let shared = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = shared.as_ref().ok_or(StoreError::Closed)?;
        let all_lanes = keys::lanes(account, kind);
        let changes = self.following.rows().changes(&all_lanes, &keys::after_prefix(&all_lanes));
        work(&Lanes { index, following: &self.following, account, kind, changes })
    }
}

impl Lanes<'_> {
    /// The rows of a lane until a time, in order.
    pub(super) fn lane(&self, lane: Lane, until: Timestamp) -> LaneRows<'_> {
        let start = keys::lane(self.account, self.kind, lane);
        let end = self.behind(lane, until);
        self.rows(lane, start, end)
    }

    /// The rows of a lane behind a time, in order.
    pub(super) fn lane_behind(&self, lane: Lane, time: Timestamp) -> LaneRows<'_> {
        let start = self.behind(lane, time);
        let end = keys::after_prefix(&keys::lane(self.account, self.kind, lane));
        self.rows(lane, start, end)
    }

    /// The first key of a lane that is later than a time.
    fn behind(&self, lane: Lane, time: Timestamp) -> Vec<u8> {
        let mut last = keys::lane(self.account, self.kind, lane);
        last.extend_from_slice(&keys::time(time));
        keys::after_prefix(&last)
    }

    fn rows(&self, lane: Lane, start: Vec<u8>, end: Vec<u8>) -> LaneRows<'_> {
        let prefix_bytes = keys::lane(self.account, self.kind, lane).len();
        let changes = self.changes.range::<Vec<u8>, _>(start.clone()..end.clone()).peekable();
        let rows = self.index.range(Bound::Included(start), end).peekable();
        LaneRows { rows, changes, lane, prefix_bytes }
    }

    /// The record of a row of a lane. None when it changed since so that it is not due any more. A row that does not
    /// follow from its record is damage: it would be found again and again, and hide those behind it.
    pub(super) fn record(
        &self,
        lane_row: LaneRow,
        is_due: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<Record>, StoreError> {
        let LaneRow { lane, at, id } = lane_row;
        let object = ObjectRef { account: self.account.clone(), kind: self.kind.clone(), id };
        let key = keys::record(&object, false);
        let pulse_key = pulse::key(&key);
        let due_key = keys::due(&object, lane, at);
        // All of the same moment: a record of news comes without its pulse, and with other rows of lanes.
        let (row, pulse_row, is_changed) = {
            let behind = self.following.rows();
            let is_changed = behind.get(&due_key).is_some_and(Option::is_none);
            let pulse_row = behind.get(&pulse_key).cloned();
            (behind.get(&key).cloned(), pulse_row, is_changed)
        };
        let is_in_index = row.is_none() && pulse_row.is_none();
        let known = |row: Option<Option<Vec<u8>>>, key: &[u8]| row.map_or_else(|| self.index.get(key), Ok);
        match known(row, &key)? {
            Some(bytes) => {
                let Stored { value: record, sequence } =
                    pulse::read(&key, &bytes, |key| known(pulse_row, key))?;
                if is_in_index {
                    let revision = Stored { value: record.revision, sequence };
                    self.following.rows().hand_out(&key, pulse_key, revision);
                }
                if !is_changed && !due::rows(&record).contains(&due_key) {
                    return Err(StoreError::Damaged(format!(
                        "{object} has a due row of {at}, but is not due then"
                    )));
                }
                Ok(Some(record).filter(|record| record.due_at.is_some_and(&is_due)))
            }
            None if is_changed => Ok(None),
            None => Err(StoreError::Damaged(format!("{object} is due but has no record"))),
        }
    }
}

/// A row of a lane. Rows of one object are the same, whatever lane they stand in.
#[derive(Debug, Clone)]
pub(super) struct LaneRow {
    lane: Lane,
    /// When it is due there.
    pub(super) at: Timestamp,
    id: ObjectId,
}

impl PartialEq for LaneRow {
    fn eq(&self, other: &LaneRow) -> bool {
        self.id == other.id
    }
}

impl Eq for LaneRow {}

impl Hash for LaneRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// The rows of one lane.
pub(super) struct LaneRows<'a> {
    rows: Peekable<Rows>,
    changes: Peekable<btree_map::Range<'a, Vec<u8>, bool>>,
    lane: Lane,
    prefix_bytes: usize,
}

impl LaneRows<'_> {
    /// The next row.
    pub(super) fn next_row(&mut self) -> Result<Option<LaneRow>, StoreError> {
        let Some(key) = self.next_key()? else { return Ok(None) };
        match keys::read_due(&key, self.prefix_bytes) {
            Some((at, id)) => Ok(Some(LaneRow { lane: self.lane, at, id })),
            None => Err(StoreError::Damaged(format!("due row {} cannot be read", value::show_key(&key)))),
        }
    }

    fn next_key(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            let row = match self.rows.peek() {
                Some(Ok((key, _))) => Some(key),
                Some(Err(error)) => return Err(error.clone()),
                None => None,
            };
            let is_before = |change: &(&Vec<u8>, &bool)| row.is_none_or(|row| change.0 <= row);
            let Some((key, is_in)) = self.changes.next_if(is_before) else {
                return self.rows.next().transpose().map(|row| row.map(|(key, _)| key));
            };
            if row == Some(key) {
                self.rows.next();
            }
            if *is_in {
                return Ok(Some(key.clone()));
            }
        }
    }
}
