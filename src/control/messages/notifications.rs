//! Messages about notifications.
//!
//! Owns: their shape. Must never know: how a notification is verified.

use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;

pub use crate::notifications::{ChannelView, CheckStep, Counts, Verdict};

/// The channels of all accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotificationsRequest {}

/// Trust a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustRequest {
    /// The account.
    pub account: AccountName,
    /// The topic's full name; empty to trust none.
    pub topic: String,
}

/// Confirm the subscription of the trusted topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// The account.
    pub account: AccountName,
}

/// Try the way from the outside to the listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelCheck {
    /// The account.
    pub account: AccountName,
}
