//! Reads: one record, lists in pages, history, counts.
//!
//! Owns: pages and cursors. Must never know: what a state means. It writes nothing.

use std::iter::Peekable;
use std::ops::Bound;

use jiff::Timestamp;

use crate::payments::object::{ObjectId, ObjectRef};
use crate::payments::record::{Record, Transition};
use crate::store::index::keys::{self, CountKey};
use crate::store::index::pages::{LOOKED_AT_LIMIT, cursor, read_cursor};
use crate::store::index::pulse::{self, Pulse};
use crate::store::index::value;
use crate::store::index::{Index, Row, Rows};
use crate::store::types::{Count, Cursor, Filter, Life, Page, StoreError};

/// A record, open or finished. `pending` returns pulses that the index does not have yet.
pub(crate) fn record(
    index: &Index,
    pending: impl Fn(&[u8]) -> Option<Pulse>,
    object: &ObjectRef,
) -> Result<Option<Record>, StoreError> {
    for is_finished in [false, true] {
        let key = keys::record(object, is_finished);
        if let Some(bytes) = index.get(&key)? {
            let pulse = |key: &[u8]| {
                pending(key).map_or_else(|| pulse::in_index(index, key), |pulse| Ok(Some(pulse)))
            };
            return pulse::read(&key, &bytes, pulse).map(|stored| Some(stored.value));
        }
    }
    Ok(None)
}

/// Everything known about an object.
pub(crate) fn life(index: &Index, object: &ObjectRef) -> Result<Life, StoreError> {
    let record = record(index, |_| None, object)?;
    Ok(Life { record, history: history(index, object)? })
}

/// All records with this id.
pub(crate) fn find(index: &Index, id: &ObjectId) -> Result<Vec<Record>, StoreError> {
    let mut found = Vec::new();
    for is_finished in [false, true] {
        for row in index.prefix(&keys::records_of_id(id, is_finished)) {
            let (key, bytes) = row?;
            found.push(pulse::record(index, &key, &bytes)?);
        }
    }
    found.sort_by(|one, other| one.object.cmp(&other.object));
    Ok(found)
}

/// Open objects whose ids begin so, ordered by id.
pub(crate) fn open_beginning_with(
    index: &Index,
    beginning: &str,
    limit: usize,
) -> Result<Vec<ObjectRef>, StoreError> {
    let mut found = Vec::new();
    for row in index.prefix(&keys::open_records_beginning_with(beginning)).take(limit) {
        found.extend(keys::read_record(&row?.0));
    }
    Ok(found)
}

/// One page of all records that match, ordered by id.
pub(crate) fn list(
    index: &Index,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Record>, StoreError> {
    let after = after.map(|cursor| read_cursor(keys::OPEN, cursor)).transpose()?;
    if after.is_none() && has_none(index, filter)? {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let part = |sort: u8, is_wanted: bool| {
        let start = match &after {
            _ if !is_wanted => Bound::Included(vec![sort + 1]),
            Some(place) => Bound::Excluded([&[sort], &place[1..]].concat()),
            None => Bound::Included(vec![sort]),
        };
        index.range(start, vec![sort + 1]).peekable()
    };
    let mut open = part(keys::OPEN, filter.finished != Some(true));
    let mut finished = part(keys::FINISHED, filter.finished != Some(false));
    let mut items = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    let mut looked_at = 0;
    while let Some(row) = next_of_both(&mut open, &mut finished) {
        if items.len() == limit || looked_at == LOOKED_AT_LIMIT {
            let next = last.map(|key| cursor(&[&[keys::OPEN], &key[1..]].concat()));
            return Ok(Page { items, next });
        }
        looked_at += 1;
        let (key, bytes) = row?;
        // Most of the work is to read the record itself.
        if keys::is_record_of(&key, filter.account.as_ref(), filter.kind.as_ref()) {
            let record = pulse::record(index, &key, &bytes)?;
            if filter.matches(&record) {
                items.push(record);
            }
        }
        last = Some(key);
    }
    Ok(Page { items, next: None })
}

/// Whether the counts say that no record matches, so that nobody has to look at all of them.
fn has_none(index: &Index, filter: &Filter) -> Result<bool, StoreError> {
    let may_match = |count: CountKey| {
        filter.account.as_ref().is_none_or(|account| *account == count.account)
            && filter.kind.as_ref().is_none_or(|kind| *kind == count.kind)
            && filter.phase.is_none_or(|phase| phase == count.phase)
            && filter.state.as_ref().is_none_or(|state| count.state.as_ref() == Some(state))
            && filter.quarantined.is_none_or(|is_quarantined| is_quarantined == count.is_quarantined)
            && filter.finished.is_none_or(|is_finished| is_finished == count.is_finished)
    };
    // A platform has thousands of accounts: the counts of one are read without those of the others.
    for row in index.prefix(&keys::counts_of(filter.account.as_ref())) {
        let (key, bytes) = row?;
        if CountKey::read(&key).is_none_or(may_match) && value::decode_number(&key, &bytes)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn next_of_both(one: &mut Peekable<Rows>, other: &mut Peekable<Rows>) -> Option<Row> {
    let is_other_first = match (one.peek(), other.peek()) {
        (Some(Ok((first, _))), Some(Ok((second, _)))) => second[1..] < first[1..],
        (None, _) => true,
        _ => false,
    };
    if is_other_first { other.next() } else { one.next() }
}

/// All changes of an object's state, oldest first.
pub(crate) fn history(index: &Index, object: &ObjectRef) -> Result<Vec<Transition>, StoreError> {
    let mut found = Vec::new();
    for row in index.prefix(&keys::history(object)) {
        let (key, seen_at) = row?;
        let sequence = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default();
        let place = keys::transition(&seen_at, object, sequence);
        match index.get(&place)? {
            Some(bytes) => found.push(value::decode::<Transition>(&place, &bytes)?.value),
            None => {
                let text = format!("history row {} has no transition", value::show_key(&key));
                return Err(StoreError::Damaged(text));
            }
        }
    }
    Ok(found)
}

/// One page of all changes of state observed in `[from, to)`.
pub(crate) fn transitions(
    index: &Index,
    from: Timestamp,
    to: Timestamp,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Transition>, StoreError> {
    let start = match after {
        Some(cursor) => Bound::Excluded(read_cursor(keys::TRANSITION, cursor)?),
        None => Bound::Included(keys::transitions_from(from)),
    };
    let mut items = Vec::new();
    let mut last = None;
    for row in index.range(start, keys::transitions_from(to)) {
        let (key, bytes) = row?;
        if items.len() == limit {
            return Ok(Page { items, next: last.map(|key: Vec<u8>| cursor(&key)) });
        }
        items.push(value::decode::<Transition>(&key, &bytes)?.value);
        last = Some(key);
    }
    Ok(Page { items, next: None })
}

/// The number of records under each count.
pub(crate) fn counts(index: &Index) -> Result<Vec<Count>, StoreError> {
    index
        .prefix(&[keys::COUNT])
        .map(|row| {
            let (key, bytes) = row?;
            let number = value::decode_number(&key, &bytes)?;
            let Some(read) = CountKey::read(&key) else {
                return Err(StoreError::Damaged(format!("count {} cannot be read", value::show_key(&key))));
            };
            Ok(Count {
                account: read.account,
                kind: read.kind,
                phase: read.phase,
                state: read.state,
                quarantined: read.is_quarantined,
                finished: read.is_finished,
                number,
            })
        })
        .collect()
}

/// A remembered value.
pub(crate) fn recall(index: &Index, name: &str) -> Result<Option<String>, StoreError> {
    let key = keys::remembered(name);
    index.get(&key)?.map(|bytes| value::decode(&key, &bytes).map(|stored| stored.value)).transpose()
}

/// All remembered values whose name starts with `prefix`, by name.
pub(crate) fn recall_all(index: &Index, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
    index.prefix(&keys::remembered(prefix)).map(named_value).collect()
}

/// Remembered values whose name is at least `from` and below `before`, the last name first.
pub(crate) fn recall_backwards(
    index: &Index,
    from: &str,
    before: &str,
    limit: usize,
) -> Result<Vec<(String, String)>, StoreError> {
    let rows = index.backwards(&keys::remembered(from), keys::remembered(before));
    rows.take(limit).map(named_value).collect()
}

fn named_value(row: Row) -> Result<(String, String), StoreError> {
    let (key, bytes) = row?;
    let name = String::from_utf8_lossy(&key[1..]).into_owned();
    Ok((name, value::decode::<String>(&key, &bytes)?.value))
}
