//! Messages about polling now.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Selector;
use crate::payments::object::{AccountName, Kind};

/// Which objects to poll now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PollRequest {
    /// These objects; finished ones are polled once, too.
    pub objects: Vec<Selector>,
    /// Or every object that is not finished.
    pub all: bool,
    /// With `all`: only objects of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// With `all`: only objects of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only report what it would cost.
    pub dry_run: bool,
}

/// What polling now costs, and what was queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PollAnswer {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Objects that were (or would be) moved to the head of their account's queue.
    pub objects: u64,
    /// Named, but not watched.
    pub unknown: Vec<String>,
    /// One row per account and operation.
    pub plan: Vec<PlanRow>,
    /// When the first answer is expected; none when there is nothing to poll.
    pub first_at: Option<Timestamp>,
    /// When the last answer is expected, with all accounts working in parallel.
    pub last_at: Option<Timestamp>,
}

/// What polling now costs one account at one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanRow {
    /// The account whose quota is used.
    pub account: AccountName,
    /// The operation; none when the account is no longer configured.
    pub operation: Option<String>,
    /// The kinds, and the number of objects of each.
    pub kinds: BTreeMap<String, u64>,
    /// Requests: one per object.
    pub requests: u64,
    /// How many requests may go at once when the bucket is full.
    pub burst: u32,
    /// How long one request's worth of quota takes to refill, in milliseconds.
    pub refill_ms: u64,
    /// How long it takes, starting from a full bucket, in milliseconds.
    pub lasts_ms: u64,
    /// When the first request is expected.
    pub first_at: Option<Timestamp>,
    /// When the last request is expected.
    pub last_at: Option<Timestamp>,
    /// A remark in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}
