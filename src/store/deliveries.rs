//! What the outbox holds: alerts and events, their deliveries, and how each went.
//!
//! Owns: these types. Must never know: targets, texts, how anything is stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::alert::{Alert, Recipient};
use crate::payments::object::{AccountName, ObjectRef};

/// An alert and the targets to which it must be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedAlert {
    /// What to say.
    pub alert: Alert,
    /// To whom, and when. Only the first mention of a target counts.
    pub targets: Vec<Recipient>,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What to say.
    pub alert: Alert,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Since when it has been due.
    pub next_attempt_at: Timestamp,
    /// Whether it is due because nobody has acknowledged the alert.
    pub is_escalation: bool,
    /// When other targets get it unless it is acknowledged, if they have not got it yet.
    pub escalates_at: Option<Timestamp>,
    /// Its place in the order in which all alerts were raised.
    pub order: (u64, u32),
    /// The target that did not take it and in whose place this one gets it.
    pub instead_of: Option<String>,
    /// Whether it was tried or postponed before.
    pub is_waiting: bool,
    /// The key of the message about several alerts in which it was tried last.
    pub message: Option<String>,
}

/// How a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The target has it.
    Delivered,
    /// The target has it, as a part of a message about several alerts.
    Together {
        /// The key of that message.
        message: String,
    },
    /// It was not tried, and is due later.
    Postponed {
        /// When it is due.
        at: Timestamp,
        /// What it waits for, in words that may be shown.
        why: String,
    },
    /// It is not sent, on purpose.
    Withheld {
        /// Why, in words that may be shown.
        why: String,
        /// The target that gets it instead.
        instead: Option<String>,
    },
    /// It failed for now; try again later.
    Retry {
        /// When to try again.
        at: Timestamp,
        /// Why, in words that may be shown.
        error: String,
        /// The key of the message, if that was about several alerts.
        message: Option<String>,
    },
    /// It failed permanently: the target refuses it.
    Dead {
        /// Why, in words that may be shown.
        error: String,
        /// The target that gets it instead.
        fallback: Option<String>,
    },
    /// A silence holds the alert back.
    Silenced {
        /// The silence's number.
        silence: u64,
    },
    /// An escalation that nobody needs any more, because the condition is over.
    Acknowledged,
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    /// Still to be delivered.
    Pending,
    /// The target has it.
    Delivered,
    /// Given up.
    Dead,
    /// Held back by a silence.
    Silenced,
    /// An escalation that is not needed: the alert was acknowledged, or its condition is over.
    Acknowledged,
    /// Not sent, on purpose: it says why.
    Withheld,
}

/// One delivery of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryRow {
    /// To whom.
    pub target: String,
    /// Its status.
    pub status: DeliveryStatus,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Why the last attempt failed, or why it waits or is not sent.
    pub last_error: Option<String>,
    /// While pending, when to try next; afterwards, when it was settled.
    pub at: Timestamp,
    /// Whether the target gets the alert only if nobody acknowledges it in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_escalation: bool,
    /// The number of the silence that held it back last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<u64>,
    /// The key of the message about several alerts that delivered it, or that was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The target that did not take it and in whose place this one gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

impl DeliveryRow {
    /// A delivery that is due from `at` on.
    pub fn pending(target: String, at: Timestamp) -> DeliveryRow {
        DeliveryRow {
            target,
            status: DeliveryStatus::Pending,
            attempts: 0,
            last_error: None,
            at,
            is_escalation: false,
            silence: None,
            message: None,
            instead_of: None,
        }
    }
}

/// Who has acknowledged an alert, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Acknowledgement {
    /// Who, as recorded in histories: `uid:1000`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// An alert with its deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AlertRow {
    /// What to say.
    pub alert: Alert,
    /// To whom, and the status of each.
    pub deliveries: Vec<DeliveryRow>,
    /// Who has acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
}

/// Selects alerts; all fields that are set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Of this account.
    pub account: Option<AccountName>,
    /// Of this kind (`declined`, ...).
    pub kind: Option<String>,
    /// About this object.
    pub object: Option<ObjectRef>,
    /// With a delivery to this target.
    pub target: Option<String>,
    /// With a delivery in this status (to `target`, if that is set).
    pub status: Option<DeliveryStatus>,
    /// Events for programs instead of alerts for people.
    pub is_event: bool,
}

/// How many deliveries to a target are in which status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Still to be delivered.
    pub pending: u64,
    /// Given up.
    pub dead: u64,
}
