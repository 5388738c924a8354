//! Messages about events for the shop's back office.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::DeliveryStatus;
use crate::payments::object::{AccountName, ObjectRef};

/// Which events to list. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventsRequest {
    /// Whose delivery is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryStatus>,
    /// For this receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// Of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this type: `charge.captured`, ...
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// About this object: its id, or `account/kind/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Found at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// An event and its delivery to one receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventRow {
    /// The id, as the receiver gets it in `webhook-id`.
    pub id: String,
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The receiver's name in the configuration.
    pub receiver: String,
    /// The object.
    pub object: Option<ObjectRef>,
    /// The event's place among those of its object.
    pub sequence: u64,
    /// When it happened, as far as is known.
    pub occurred_at: Timestamp,
    /// When it was found.
    pub found_at: Timestamp,
    /// How far its delivery is.
    pub state: DeliveryStatus,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// While pending, when to try next; afterwards, when it was settled.
    pub at: Timestamp,
    /// The bytes that are signed and sent.
    pub body: String,
}

/// Which events to send again: exactly one choice, and perhaps only to one receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventsRedeliver {
    /// These ids, whatever the outcome of their delivery.
    pub ids: Vec<String>,
    /// Or all of this object: its id, or `account/kind/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Or all that were found at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Or all whose delivery was given up.
    pub all_dead: bool,
    /// Only to this receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
}

/// Which receiver to try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventsTest {
    /// Only this receiver; otherwise all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
}

/// Which receiver gets events again after it answered that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsEnable {
    /// Its name in the configuration.
    pub receiver: String,
}

/// What enabling a receiver did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventsEnabled {
    /// Its name in the configuration.
    pub receiver: String,
    /// It was disabled.
    pub was_disabled: bool,
}
