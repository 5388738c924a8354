//! Messages about alerts.
//!
//! Owns: their shape. Must never know: how they are answered or carried.

use serde::{Deserialize, Serialize};

use super::DeliveryStatus;
use crate::payments::object::AccountName;

/// Which alerts to list. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsRequest {
    /// With a delivery in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryStatus>,
    /// With a delivery to this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// About this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this sort: `declined`, `overdue`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Go on after the page that gave this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The most rows of the page: 100 unless said, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which alerts to send again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedeliverRequest {
    /// These, whatever became of them.
    pub keys: Vec<String>,
    /// Or all that were given up.
    pub all_dead: bool,
    /// Only to this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What will be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivered {
    /// Deliveries that are owed again.
    pub deliveries: u64,
    /// Keys that no alert has.
    pub unknown: Vec<String>,
}

/// Which target to try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestRequest {
    /// Only this one; else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What a target said to a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The target's name in the configuration.
    pub target: String,
    /// It took the message.
    pub is_delivered: bool,
    /// What it said, without address or secret.
    pub detail: String,
}
