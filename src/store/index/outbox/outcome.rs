//! The deliveries of an alert after something has happened to it.
//!
//! Owns: which deliveries an outcome changes, and how. Must never know: rows, keys.

use jiff::Timestamp;

use crate::store::deliveries::{Delivery, DeliveryRow, DeliveryStatus};
use crate::store::index::outbox::StoredAlert;

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
    // For a target that gets it in this one's place, unless it has a delivery of its own.
    let passed_on = |other: &Option<String>| {
        let is_new = |name: &&String| stored.deliveries.iter().all(|known| known.target != **name);
        let name = other.as_ref().filter(is_new)?;
        let instead_of = Some(target.to_owned());
        Some(DeliveryRow { instead_of, ..DeliveryRow::pending(name.clone(), now) })
    };
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
        Delivery::Withheld { why, instead } => {
            row.status = DeliveryStatus::Withheld;
            row.last_error = shorten(why);
            row.at = now;
            return std::iter::once(row).chain(passed_on(instead)).collect();
        }
        Delivery::Dead { error, fallback } => {
            row.status = DeliveryStatus::Dead;
            row.attempts = row.attempts.saturating_add(1);
            row.last_error = shorten(error);
            row.at = now;
            return std::iter::once(row).chain(passed_on(fallback)).collect();
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
