//! Records as they were acknowledged, whether or not the index has their last poll yet.
//!
//! Owns: applying pending pulses to what the index has. Must never know: in which order objects are served.

use super::engine::Engine;
use super::index::keys;
use super::index::lists;
use super::index::pulse;
use super::index::value::Stored;
use super::mutex::locked;
use super::queue::{DueEntry, Moment};
use super::types::{Due, StoreError};
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::record::Record;

/// One record.
pub(super) fn record(engine: &Engine, object: &ObjectRef) -> Result<Option<Record>, StoreError> {
    let shared = engine.shared_index();
    let index = shared.as_ref().ok_or(StoreError::Closed)?;
    let pending = |key: &[u8]| locked(&engine.polls).pulse(key).map(|stored| stored.value.clone());
    lists::record(index, pending, object)
}

/// Up to `limit` records that are due, in the order of service. If nothing is due, when the next record will be.
pub(super) fn due(
    engine: &Engine,
    account: &AccountName,
    kind: &Kind,
    moment: Moment,
    limit: usize,
) -> Result<Due, StoreError> {
    loop {
        let entries = {
            let polls = engine.open_polls()?;
            let entries = polls.queue.due(account, kind, moment, limit);
            if entries.is_empty() {
                return Ok(Due::Later(polls.queue.next_due(account, kind)));
            }
            entries
        };
        let mut records = Vec::with_capacity(entries.len());
        for entry in &entries {
            records.extend(due_record(engine, account, kind, moment, entry)?);
        }
        // Otherwise all of them have changed in the meantime.
        if !records.is_empty() {
            return Ok(Due::Now(records));
        }
    }
}

/// The record of an entry; none if it has changed and is no longer due. An entry that does not match its record is
/// damage: it would be found again and again and block the entries behind it.
fn due_record(
    engine: &Engine,
    account: &AccountName,
    kind: &Kind,
    moment: Moment,
    entry: &DueEntry,
) -> Result<Option<Record>, StoreError> {
    let object = ObjectRef { account: account.clone(), kind: kind.clone(), id: entry.id() };
    let key = keys::record(&object, false);
    let shared = engine.shared_index();
    let index = shared.as_ref().ok_or(StoreError::Closed)?;
    let bytes = index.get(&key)?;
    let pulse_key = pulse::key(&key);
    let is_pending = engine.open_polls()?.pulse(&pulse_key).is_some();
    let in_index = if is_pending { None } else { pulse::in_index(index, &pulse_key)? };
    // The index does not change while it is shared: a pulse that is pending stays pending, but its value may change.
    let record = bytes.map(|bytes| pulse::read(&key, &bytes, |_| Ok(in_index))).transpose()?;
    let mut polls = engine.open_polls()?;
    let record = record.and_then(|Stored { value: mut record, sequence }| {
        if let Some(pulse) = polls.pulse(&pulse_key) {
            pulse.value.clone().put_over(&mut record);
        }
        polls.hand_out(pulse_key, Stored { value: record.revision, sequence });
        Some(record).filter(|record| moment.is_due(record))
    });
    if record.is_none() && polls.queue.has(account, kind, entry) {
        return Err(StoreError::Damaged(format!("{object} is due, but its record does not say so")));
    }
    Ok(record)
}
