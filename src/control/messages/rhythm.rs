//! Messages about polling by learnt ages.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use serde::{Deserialize, Serialize};

use crate::payments::adaptive::Overview;
use crate::payments::object::AccountName;

/// Whose rhythm to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RhythmRequest {
    /// The account; by default the first hundred that are polled by learnt ages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
}

/// What an account has learnt about the ages at which its objects end, and what it plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountRhythm {
    /// The account.
    pub account: AccountName,
    /// What it has learnt and plans.
    #[serde(flatten)]
    pub overview: Overview,
}
