//! Alerts and their pending deliveries.
//!
//! Owns: the rows of the outbox and their counts. Must never know: the alerts' words, what kinds of targets there are,
//! why an alert was raised.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::payments::alert::{Alert, Recipient};
use crate::store::deliveries::{
    Acknowledgement, AlertFilter, AlertRow, Delivery, DeliveryRow, DeliveryStatus, OutboxCounts, Owed,
    OwedAlert,
};
use crate::store::index::Index;
use crate::store::index::keys;
use crate::store::index::pages::{LOOKED_AT_LIMIT, cursor, read_cursor};
use crate::store::index::value::{self, Stored};
use crate::store::index::view::View;
use crate::store::types::{Cursor, Page, StoreError};

/// An alert as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAlert {
    /// What to say.
    pub(crate) alert: Alert,
    /// The journal entry that raised it.
    pub(crate) sequence: u64,
    /// Its position among the alerts of that entry.
    pub(crate) position: u32,
    /// To whom.
    pub(crate) deliveries: Vec<DeliveryRow>,
    /// Who has acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acknowledged: Option<Acknowledgement>,
}

impl From<StoredAlert> for AlertRow {
    fn from(stored: StoredAlert) -> AlertRow {
        let StoredAlert { alert, deliveries, acknowledged, .. } = stored;
        AlertRow { alert, deliveries, acknowledged }
    }
}

impl StoredAlert {
    /// Its key in the order of raising. Events have an order of their own, because there are far more of them.
    pub(crate) fn order(&self) -> Vec<u8> {
        keys::raising_order(order_of(self.alert.event.is_some()), self.sequence, self.position)
    }
}

fn order_of(is_event: bool) -> u8 {
    if is_event { keys::EVENT_ORDER } else { keys::ALERT_ORDER }
}

/// The byte for a status in keys; permanent.
pub(crate) fn status_byte(status: DeliveryStatus) -> u8 {
    match status {
        DeliveryStatus::Pending => 0,
        DeliveryStatus::Delivered => 1,
        DeliveryStatus::Dead => 2,
        DeliveryStatus::Silenced => 3,
        DeliveryStatus::Acknowledged => 4,
        DeliveryStatus::Withheld => 5,
    }
}

/// Whether two alerts with one key report the same facts. Their words may differ: ages and last errors do.
fn is_same_news(one: &Alert, other: &Alert) -> bool {
    one.kind == other.kind
        && one.account == other.account
        && one.object == other.object
        && one.state == other.state
        && one.reason == other.reason
        && one.amount == other.amount
        && one.amounts == other.amounts
}

/// Whether an alert is known already: its key is, with the same news. If the key stands for other news, that is a bug
/// of this program; the alert is then raised under a key of its own, so that nothing is lost.
pub(crate) fn is_known(view: &mut View<'_>, alert: &Alert) -> Result<bool, StoreError> {
    let Some(stored) = view.value::<StoredAlert>(&keys::alert(&alert.key))? else { return Ok(false) };
    Ok(is_same_news(&stored.value.alert, alert))
}

/// Raises an alert: its deliveries become pending. False if it is known already.
pub(crate) fn raise(
    view: &mut View<'_>,
    owed: &OwedAlert,
    sequence: u64,
    position: u32,
) -> Result<bool, StoreError> {
    if is_known(view, &owed.alert)? {
        return Ok(false);
    }
    let mut alert = owed.alert.clone();
    if view.get(&keys::alert(&alert.key))?.is_some() {
        alert.key = format!("{}~{sequence}.{position}", alert.key);
        if view.get(&keys::alert(&alert.key))?.is_some() {
            // The journal is being replayed.
            return Ok(false);
        }
        tracing::error!(key = %owed.alert.key, "this alert's key already stands for other news; it is sent under a key of its own");
    }
    let mut deliveries: Vec<DeliveryRow> = Vec::with_capacity(owed.targets.len());
    for recipient in &owed.targets {
        if !deliveries.iter().any(|row| row.target == recipient.target()) {
            let target = recipient.target().to_owned();
            deliveries.push(match recipient {
                Recipient::Now(_) => DeliveryRow::pending(target, owed.alert.found_at),
                Recipient::Escalation { at, .. } => {
                    DeliveryRow { is_escalation: true, ..DeliveryRow::pending(target, *at) }
                }
            });
        }
    }
    let stored = StoredAlert { alert, sequence, position, deliveries, acknowledged: None };
    restore(view, &stored, sequence)?;
    Ok(true)
}

/// Writes a whole alert, in place of what is there.
pub(crate) fn restore(view: &mut View<'_>, stored: &StoredAlert, sequence: u64) -> Result<(), StoreError> {
    let key = keys::alert(&stored.alert.key);
    if let Some(old) = view.value::<StoredAlert>(&key)? {
        for row in &old.value.deliveries {
            count(view, &old.value, row, -1)?;
        }
        view.remove(old.value.order());
    }
    for row in &stored.deliveries {
        count(view, stored, row, 1)?;
    }
    view.put(stored.order(), stored.alert.key.as_bytes().to_vec());
    view.put_value(key, stored, sequence);
    Ok(())
}

/// Adds or removes what follows from a delivery: its count and, while it is pending, its place in the queue.
fn count(view: &mut View<'_>, alert: &StoredAlert, row: &DeliveryRow, change: i64) -> Result<(), StoreError> {
    let of = keys::alert(&alert.alert.key);
    view.add(keys::deliveries(&row.target, status_byte(row.status)), change, of)?;
    match row.status {
        DeliveryStatus::Pending => {
            view.effects.pending_change += change;
            let place = keys::owed_row(&row.target, row.at, alert.sequence, alert.position);
            if change > 0 {
                view.effects.is_owed_earlier = true;
                view.put(place, alert.alert.key.as_bytes().to_vec());
            } else {
                view.remove(place);
            }
        }
        DeliveryStatus::Dead => view.effects.dead_change += change,
        DeliveryStatus::Delivered
        | DeliveryStatus::Silenced
        | DeliveryStatus::Acknowledged
        | DeliveryStatus::Withheld => {}
    }
    Ok(())
}

/// Replaces or adds some deliveries of an alert. If `sequence` is none, the stored sequence stays.
pub(crate) fn set_deliveries(
    view: &mut View<'_>,
    key: &str,
    rows: &[DeliveryRow],
    sequence: Option<u64>,
) -> Result<(), StoreError> {
    let Some(Stored { value: mut stored, sequence: before }) = find(view, key)? else { return Ok(()) };
    for row in rows {
        if let Some(place) = stored.deliveries.iter().position(|known| known.target == row.target) {
            let old = stored.deliveries[place].clone();
            count(view, &stored, &old, -1)?;
            count(view, &stored, row, 1)?;
            stored.deliveries[place] = row.clone();
        } else {
            count(view, &stored, row, 1)?;
            stored.deliveries.push(row.clone());
        }
    }
    view.put_value(keys::alert(key), &stored, sequence.unwrap_or(before));
    Ok(())
}

/// Notes who has acknowledged an alert.
pub(crate) fn acknowledge(
    view: &mut View<'_>,
    key: &str,
    acknowledgement: &Acknowledgement,
    sequence: u64,
) -> Result<(), StoreError> {
    let Some(Stored { value: mut stored, .. }) = find(view, key)? else { return Ok(()) };
    stored.acknowledged = Some(acknowledgement.clone());
    view.put_value(keys::alert(key), &stored, sequence);
    Ok(())
}

/// An alert by its key.
pub(crate) fn find(view: &View<'_>, key: &str) -> Result<Option<Stored<StoredAlert>>, StoreError> {
    view.value(&keys::alert(key))
}

const ERROR_CHARACTERS: usize = 300;

/// The deliveries that an outcome changes, as they are afterwards; none if it changes nothing (settled before, or
/// unknown).
pub(crate) fn after_attempt(
    stored: &StoredAlert,
    target: &str,
    delivery: &Delivery,
    now: Timestamp,
) -> Vec<DeliveryRow> {
    let Some(row) = stored.deliveries.iter().find(|row| row.target == target) else { return Vec::new() };
    let is_pending = row.status == DeliveryStatus::Pending;
    if row.status == DeliveryStatus::Delivered {
        return Vec::new();
    }
    let shorten = |error: &str| Some(error.chars().take(ERROR_CHARACTERS).collect());
    let mut row = row.clone();
    match delivery {
        Delivery::Delivered | Delivery::Together { .. } => {
            row.status = DeliveryStatus::Delivered;
            row.at = now;
            if let Delivery::Together { message } = delivery {
                row.message = Some(message.clone());
            }
        }
        // A silence or an acknowledgement may have settled it while an attempt was in flight.
        Delivery::Retry { .. }
        | Delivery::Postponed { .. }
        | Delivery::Withheld { .. }
        | Delivery::Dead { .. }
            if !is_pending =>
        {
            return Vec::new();
        }
        Delivery::Retry { at, error, message } => {
            row.message.clone_from(message);
            row.attempts = row.attempts.saturating_add(1);
            row.last_error = shorten(error);
            row.at = *at;
        }
        Delivery::Postponed { at, why } => {
            row.last_error = shorten(why);
            row.at = *at;
        }
        Delivery::Withheld { why } => {
            row.status = DeliveryStatus::Withheld;
            row.last_error = shorten(why);
            row.at = now;
        }
        Delivery::Dead { error, fallback } => {
            row.status = DeliveryStatus::Dead;
            row.attempts = row.attempts.saturating_add(1);
            row.last_error = shorten(error);
            row.at = now;
            let is_new = |name: &&String| stored.deliveries.iter().all(|known| known.target != **name);
            if let Some(name) = fallback.as_ref().filter(is_new) {
                let instead_of = Some(target.to_owned());
                return vec![row, DeliveryRow { instead_of, ..DeliveryRow::pending(name.clone(), now) }];
            }
        }
        Delivery::Silenced { silence } => {
            row.status = DeliveryStatus::Silenced;
            row.silence = Some(*silence);
            row.at = now;
        }
        Delivery::Acknowledged => {
            row.status = DeliveryStatus::Acknowledged;
            row.at = now;
        }
    }
    vec![row]
}

/// The deliveries that are still pending, as they are when one decision applies to all of them.
pub(crate) fn all_settled(stored: &StoredAlert, delivery: &Delivery, now: Timestamp) -> Vec<DeliveryRow> {
    let is_pending = |row: &&DeliveryRow| row.status == DeliveryStatus::Pending;
    let pending = stored.deliveries.iter().filter(is_pending);
    pending.flat_map(|row| after_attempt(stored, &row.target, delivery, now)).collect()
}

/// The pending escalations, as they are when the alert is acknowledged.
pub(crate) fn not_escalated(stored: &StoredAlert, now: Timestamp) -> Vec<DeliveryRow> {
    all_settled(stored, &Delivery::Acknowledged, now).into_iter().filter(|row| row.is_escalation).collect()
}

/// The deliveries of an alert as they are when an operator asks for them again. An escalation that has not been sent is
/// meant only when its target is named.
pub(crate) fn made_again(stored: &StoredAlert, target: Option<&str>, now: Timestamp) -> Vec<DeliveryRow> {
    let is_meant = |row: &&DeliveryRow| match target {
        Some(target) => row.target == target,
        None => !row.is_escalation || matches!(row.status, DeliveryStatus::Delivered | DeliveryStatus::Dead),
    };
    let again = |row: &DeliveryRow| DeliveryRow {
        status: DeliveryStatus::Pending,
        attempts: 0,
        at: now,
        last_error: None,
        message: None,
        ..row.clone()
    };
    stored.deliveries.iter().filter(is_meant).map(again).collect()
}

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
