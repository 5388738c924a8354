//! Alerts and their pending deliveries.
//!
//! Owns: the rows of the outbox and their counts. Must never know: the alerts' words, what kinds of targets there are,
//! why an alert was raised.

pub(crate) mod outcome;
pub(crate) mod reading;

use serde::{Deserialize, Serialize};

use crate::payments::alert::{Alert, Recipient};
use crate::store::deliveries::{Acknowledgement, AlertRow, DeliveryRow, DeliveryStatus, OwedAlert};
use crate::store::index::keys;
use crate::store::index::value::Stored;
use crate::store::index::view::View;
use crate::store::types::StoreError;

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
