//! What is read of the outbox: deliveries that are due, counts, lists.
//!
//! Owns: the order of what is read, and its limits. Must never know: what changes a delivery.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;

use crate::store::deliveries::{AlertFilter, AlertRow, DeliveryRow, DeliveryStatus, OutboxCounts, Owed};
use crate::store::index::Index;
use crate::store::index::keys;
use crate::store::index::outbox::{StoredAlert, order_of, status_byte};
use crate::store::index::pages::{LOOKED_AT_LIMIT, cursor, read_cursor};
use crate::store::index::value;
use crate::store::types::{Cursor, Page, StoreError};

/// Deliveries to a target that are due, the longest due first; those behind `after`, if it is given.
pub(crate) fn owed(
    index: &Index,
    target: &str,
    after: Option<&Owed>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let start = match after {
        None => keys::owed(target),
        Some(last) => {
            let (sequence, position) = last.order;
            keys::after_prefix(&keys::owed_row(target, last.next_attempt_at, sequence, position))
        }
    };
    let end = behind(target, now);
    if start >= end { Ok(Vec::new()) } else { read_owed(index, target, start, end, limit) }
}

/// Deliveries to a target that wait until after a time.
pub(crate) fn owed_after(
    index: &Index,
    target: &str,
    latest: Timestamp,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let (start, end) = (behind(target, latest), keys::after_prefix(&keys::owed(target)));
    read_owed(index, target, start, end, limit)
}

/// The first key in a target's queue that is later than a time.
fn behind(target: &str, time: Timestamp) -> Vec<u8> {
    let mut last = keys::owed(target);
    last.extend_from_slice(&keys::time(time));
    keys::after_prefix(&last)
}

fn read_owed(
    index: &Index,
    target: &str,
    start: Vec<u8>,
    end: Vec<u8>,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let mut found = Vec::new();
    for row in index.range(Bound::Included(start), end).take(limit) {
        let (place, key) = row?;
        let alert_key = alert_key_of(&key);
        let stored = by_key(index, &alert_key)?;
        let is_owed_here = |row: &&DeliveryRow| {
            row.target == target
                && row.status == DeliveryStatus::Pending
                && keys::owed_row(target, row.at, stored.sequence, stored.position) == place
        };
        match stored.deliveries.iter().find(is_owed_here) {
            Some(row) => found.push(Owed {
                attempts: row.attempts,
                next_attempt_at: row.at,
                is_escalation: row.is_escalation,
                escalates_at: escalates_at(&stored.deliveries),
                order: (stored.sequence, stored.position),
                instead_of: row.instead_of.clone(),
                is_waiting: row.attempts > 0 || row.last_error.is_some(),
                message: row.message.clone(),
                alert: stored.alert,
            }),
            // It would be sent again and again, because settling it changes nothing.
            None => {
                let text = format!("row {} is pending, but not in its alert", value::show_key(&place));
                return Err(StoreError::Damaged(text));
            }
        }
    }
    Ok(found)
}

fn escalates_at(deliveries: &[DeliveryRow]) -> Option<Timestamp> {
    let pending = deliveries.iter().filter(|row| row.is_escalation && row.status == DeliveryStatus::Pending);
    pending.map(|row| row.at).min()
}

/// When the next delivery to a target is or was due.
pub(crate) fn next_owed(index: &Index, target: &str) -> Result<Option<Timestamp>, StoreError> {
    let prefix = keys::owed(target);
    let first = index.prefix(&prefix).next().transpose()?;
    Ok(first.and_then(|(key, _)| keys::read_time(key.get(prefix.len()..)?)))
}

/// When the entry directly before `key` is due, if it is still pending for the target. Entries follow each other when
/// their keys differ only in the number behind the last `/`.
pub(crate) fn pending_before(
    index: &Index,
    target: &str,
    key: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let series = key.rfind('/').map_or("", |end| &key[..=end]);
    let prefix = keys::alert(series);
    let Some((row, bytes)) = index.backwards(&prefix, keys::alert(key)).next().transpose()? else {
        return Ok(None);
    };
    let stored = value::decode::<StoredAlert>(&row, &bytes)?.value;
    let is_pending = |row: &&DeliveryRow| row.target == target && row.status == DeliveryStatus::Pending;
    Ok(stored.deliveries.iter().find(is_pending).map(|row| row.at))
}

/// How many deliveries to each target whose name begins so are pending, and how many were given up.
pub(crate) fn counts(index: &Index, beginning: &str) -> Result<BTreeMap<String, OutboxCounts>, StoreError> {
    let mut found: BTreeMap<String, OutboxCounts> = BTreeMap::new();
    for row in index.prefix(&keys::deliveries_beginning_with(beginning)) {
        let (key, bytes) = row?;
        let number = value::decode_number(&key, &bytes)?;
        let Some((target, status)) = keys::read_deliveries(&key) else { continue };
        let counts = found.entry(target).or_default();
        if status == status_byte(DeliveryStatus::Pending) {
            counts.pending += number;
        } else if status == status_byte(DeliveryStatus::Dead) {
            counts.dead += number;
        }
    }
    Ok(found)
}

/// Alerts, or events, newest first.
pub(crate) fn list(
    index: &Index,
    filter: &AlertFilter,
    before: Option<&Cursor>,
    limit: usize,
) -> Result<Page<AlertRow>, StoreError> {
    let order = order_of(filter.is_event);
    let end = match before {
        None => keys::after_prefix(&[order]),
        Some(cursor) => read_cursor(order, cursor)?,
    };
    let mut items = Vec::new();
    let mut last = None;
    let mut is_cut = false;
    for (looked_at, row) in index.backwards(&[order], end).enumerate() {
        let (place, key) = row?;
        if items.len() == limit || looked_at == LOOKED_AT_LIMIT {
            is_cut = true;
            break;
        }
        let stored = by_key(index, &alert_key_of(&key))?;
        if matches(filter, &stored) {
            items.push(stored.into());
        }
        last = Some(place);
    }
    let next = last.filter(|_| is_cut).map(|place| cursor(&place));
    Ok(Page { items, next })
}

fn matches(filter: &AlertFilter, stored: &StoredAlert) -> bool {
    let alert = &stored.alert;
    let is_delivery_meant = |row: &DeliveryRow| {
        filter.target.as_ref().is_none_or(|target| row.target == *target)
            && filter.status.is_none_or(|status| row.status == status)
    };
    let wants_delivery = filter.target.is_some() || filter.status.is_some();
    filter.account.as_ref().is_none_or(|account| alert.account == *account)
        && filter.kind.as_ref().is_none_or(|kind| alert.kind == *kind)
        && filter.object.as_ref().is_none_or(|object| alert.object.as_ref() == Some(object))
        && (!wants_delivery || stored.deliveries.iter().any(is_delivery_meant))
}

fn alert_key_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An alert by its key, as callers see it.
pub(crate) fn by_key_if_known(index: &Index, key: &str) -> Result<Option<AlertRow>, StoreError> {
    let row = keys::alert(key);
    let Some(bytes) = index.get(&row)? else { return Ok(None) };
    Ok(Some(value::decode::<StoredAlert>(&row, &bytes)?.value.into()))
}

fn by_key(index: &Index, key: &str) -> Result<StoredAlert, StoreError> {
    let row = keys::alert(key);
    match index.get(&row)? {
        Some(bytes) => Ok(value::decode::<StoredAlert>(&row, &bytes)?.value),
        None => Err(StoreError::Damaged(format!("{} is listed but missing", value::show_key(&row)))),
    }
}
