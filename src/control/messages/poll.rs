//! Messages about polling now.
//!
//! Owns: their shape. Must never know: how they are answered or carried.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Selector;
use crate::payments::object::{AccountName, Kind};

/// Which objects to ask about now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollRequest {
    /// These; finished ones as well get one look.
    pub objects: Vec<Selector>,
    /// Or every object that is not finished.
    pub all: bool,
    /// With `all`: only of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// With `all`: only of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Only say what it would cost.
    pub dry_run: bool,
}

/// What polling now costs, and what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollAnswer {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Objects that come next in their account's turn (or would).
    pub objects: u64,
    /// Named, but not watched.
    pub unknown: Vec<String>,
    /// One row an account and operation.
    pub plan: Vec<PlanRow>,
    /// When the first answer is expected; none when there is nothing to ask.
    pub first_at: Option<Timestamp>,
    /// When the last answer is expected, all accounts working side by side.
    pub last_at: Option<Timestamp>,
}

/// What polling now costs one account at one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRow {
    /// Whose quota.
    pub account: AccountName,
    /// The operation; none when the account is no longer configured.
    pub operation: Option<String>,
    /// The kinds and how many objects of each.
    pub kinds: BTreeMap<String, u64>,
    /// Requests, one an object.
    pub requests: u64,
    /// How many requests may go at once when the bucket is full.
    pub burst: u32,
    /// How long one request's worth of quota takes to come back, in milliseconds.
    pub refill_ms: u64,
    /// How long it takes from a full bucket, in milliseconds.
    pub lasts_ms: u64,
    /// When the first request is expected.
    pub first_at: Option<Timestamp>,
    /// When the last request is expected.
    pub last_at: Option<Timestamp>,
    /// What else to know, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}
