//! Messages about alerts.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use serde::{Deserialize, Serialize};

use super::DeliveryStatus;
use crate::payments::object::AccountName;

/// Which alerts to list. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsRequest {
    /// With a delivery in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryStatus>,
    /// With a delivery to this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// For this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this kind: `declined`, `overdue`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which alerts to send again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedeliverRequest {
    /// These alerts, whatever the outcome of their delivery.
    pub keys: Vec<String>,
    /// Or all whose delivery was given up.
    pub all_dead: bool,
    /// Only to this target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What will be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Redelivered {
    /// Deliveries that are pending again.
    pub deliveries: u64,
    /// Keys that belong to no alert.
    pub unknown: Vec<String>,
}

/// Which target to try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TestRequest {
    /// Only this target; otherwise all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// How a target answered a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tested {
    /// The target's name in the configuration.
    pub target: String,
    /// It accepted the message.
    pub is_delivered: bool,
    /// Its answer, without address or secret.
    pub detail: String,
}
