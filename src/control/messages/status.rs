//! The daemon's state in one message: what an operator, a watchdog or a status page wants to know.
//!
//! Owns: the shape of the status. Must never know: where the numbers come from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Reloaded;
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::tail::Tail;
use crate::store::{Count, Stats};

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What the host knows: process, accounts, targets, schedules.
    pub health: Health,
    /// When this was put together.
    pub now: Timestamp,
    /// Objects for which something is still owed.
    pub open: u64,
    /// All objects.
    pub objects: u64,
    /// How many of each sort.
    pub counts: Vec<Count>,
    /// The moving object that was made first.
    pub oldest_moving: Option<Oldest>,
    /// Messages still owed, by target.
    pub outbox: Vec<OutboxRow>,
    /// The store.
    pub store: Stats,
    /// Batches, by account.
    #[serde(default)]
    pub batches: Vec<BatchCounts>,
    /// Kinds that are visited by batch where single questions do not suffice.
    #[serde(default)]
    pub tails: Vec<TailRow>,
}

/// The batches of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCounts {
    /// Whose.
    pub account: AccountName,
    /// Under way; those of polling among them.
    pub under_way: u64,
    /// Of these, waiting for a person.
    pub waiting_for_a_person: u64,
    /// Their rows that have not come back.
    pub rows_waiting: u64,
    /// Ended.
    pub ended: u64,
}

/// How a kind is visited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailRow {
    /// Whose.
    pub account: AccountName,
    /// What.
    pub kind: Kind,
    /// The plan and what it saves.
    #[serde(flatten)]
    pub tail: Tail,
}

/// What only the running daemon, or the configuration, knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The program's version.
    pub version: String,
    /// The process that answers.
    pub pid: u32,
    /// It is the daemon; else a command that opened the store itself.
    pub is_daemon: bool,
    /// When the process started.
    pub since: Timestamp,
    /// Configuration valid, credentials loaded, store open, loops started (docs/src/reference/operations.md
    /// section 6.3).
    pub is_ready: bool,
    /// What is not as it should be, in words.
    pub complaints: Vec<String>,
    /// When the last round of polling was completed; none before the first.
    pub last_round_at: Option<Timestamp>,
    /// How far the clock is believed; none when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockHealth>,
    /// The accounts of the configuration.
    pub accounts: Vec<AccountHealth>,
    /// The alert targets of the configuration.
    pub targets: Vec<String>,
    /// The schedules.
    pub schedules: Vec<ScheduleHealth>,
    /// The last re-reading of the configuration.
    pub last_reload: Option<Reloaded>,
}

/// How far the clock is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockHealth {
    /// In a word.
    pub trust: ClockTrust,
    /// When somebody else's clock last agreed with the time that is used.
    pub confirmed_at: Option<Timestamp>,
    /// Seconds by which the machine's clock is ahead of the time that is used (negative: behind); zero when it is not
    /// off.
    pub machine_ahead_s: i64,
}

/// How far the clock is believed, in a word. Days are closed by it unless it is unconfirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTrust {
    /// Nobody has confirmed it yet.
    Unconfirmed,
    /// Nobody has confirmed it, but it has run for hours without a jump.
    Settled,
    /// A provider's or target's clock agreed with it.
    Confirmed,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountHealth {
    /// Its name.
    pub name: AccountName,
    /// `amazon-pay-v2`, `amazon-pay-mws`.
    pub api: String,
    /// `na`, `eu`, `jp`.
    pub region: String,
    /// `live`, `sandbox`.
    pub environment: String,
    /// How it fares.
    pub state: AccountState,
    /// What is left of its quota.
    pub quotas: Vec<QuotaHealth>,
    /// How its provider says that it is; none where it is not asked, or has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceHealth>,
}

/// How a provider says that it is. It says nothing about money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Its own word: `GREEN`, `GREEN_I`, `YELLOW`, `RED`.
    pub word: String,
    /// Since when it is this one.
    pub since: Timestamp,
    /// When it was last heard.
    pub heard_at: Timestamp,
    /// Its message.
    pub message: Option<String>,
    /// Because of it, objects are asked about less often and none is called overdue.
    pub steers: bool,
}

/// How an account fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "word")]
pub enum AccountState {
    /// Polling as it should.
    Ok,
    /// The provider asked to wait.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// The provider refuses the credentials or the account.
    Refused {
        /// Since when.
        since: Timestamp,
        /// When it is tried again.
        next_try_at: Option<Timestamp>,
        /// Status and code.
        detail: String,
    },
    /// No request has succeeded for a quarter of an hour, although there was something to ask.
    NoSuccess {
        /// Since when.
        since: Timestamp,
        /// How the last one failed.
        detail: String,
    },
    /// Not known, because the daemon is not running.
    Unknown,
}

/// The quota of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaHealth {
    /// The provider's operation.
    pub operation: String,
    /// How many requests may go at once when the bucket is full.
    pub burst: u32,
    /// How long one request's worth takes to come back, in milliseconds.
    pub refill_ms: u64,
    /// Requests that may go now; none when not known.
    pub available: Option<u32>,
    /// Held by the provider until then.
    pub held_until: Option<Timestamp>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleHealth {
    /// Its name: `report`, ...
    pub name: String,
    /// Its cron expression.
    pub cron: String,
    /// The IANA time zone in which that is meant.
    pub zone: String,
    /// When it last ran.
    pub last_at: Option<Timestamp>,
    /// What came of it, in a few words.
    pub last_result: Option<String>,
    /// When it runs next.
    pub next_at: Option<Timestamp>,
}

/// The oldest object that still moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oldest {
    /// Which.
    pub object: ObjectRef,
    /// When it was made.
    pub made_at: Timestamp,
    /// How long ago that is, in seconds.
    pub age_s: i64,
}

/// What is owed to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// The target's name in the configuration.
    pub target: String,
    /// Messages owed, capped at 1,000.
    pub pending: u64,
    /// When the next try is due.
    pub next_at: Option<Timestamp>,
}
