//! The daemon's state in one message, for an operator, a watchdog or a status page.
//!
//! Owns: the shape of the status. Must never know: where the numbers come from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DelayFigures, Reloaded};
use crate::notifications::ChannelView;
use crate::payments::adaptive::Ledger;
use crate::payments::object::{AccountName, Kind, ObjectRef};
use crate::payments::tail::Tail;
use crate::store::{Count, Stats};

/// An overview of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    /// The state of the host: process, accounts, targets, schedules.
    pub health: Health,
    /// When this status was assembled.
    pub now: Timestamp,
    /// Objects that are not finished.
    pub open: u64,
    /// All objects.
    pub objects: u64,
    /// The number of objects in each group.
    pub counts: Vec<Count>,
    /// The moving object that was created first.
    pub oldest_moving: Option<Oldest>,
    /// Pending messages, by target.
    pub outbox: Vec<OutboxRow>,
    /// How many silences hold alerts back now.
    #[serde(default)]
    pub silences: usize,
    /// The receivers of events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventsHealth>,
    /// The store.
    pub store: Stats,
    /// The hosts that share the store; empty for a store of one host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<FleetHost>,
    /// Batches, by account.
    #[serde(default)]
    pub batches: Vec<BatchCounts>,
    /// Kinds that are polled by batch because single requests do not suffice.
    #[serde(default)]
    pub tails: Vec<TailRow>,
    /// The channels of notifications, by account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<ChannelView>,
    /// Operations whose quota does not suffice to poll every moving object within its interval.
    #[serde(default)]
    pub backlogs: Vec<Backlog>,
}

/// A host that shares the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FleetHost {
    /// Its name.
    pub name: String,
    /// Whether it sent this answer.
    pub is_this: bool,
    /// When its session began, by the database's clock.
    pub since: Timestamp,
    /// How many accounts it works on.
    pub accounts: u64,
    /// Whether it is the keeper, the one host that handles alerts, events and the nightly report.
    pub is_keeper: bool,
    /// Whether its configured accounts differ from those of this host.
    pub is_configured_otherwise: bool,
}

/// The deliveries to one receiver of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventsHealth {
    /// Its name in the configuration.
    pub receiver: String,
    /// Events that are pending.
    pub pending: u64,
    /// Events that were given up.
    pub dead: u64,
    /// When the next delivery is due.
    pub next_at: Option<Timestamp>,
    /// Since when it gets nothing, because it answered that it is gone.
    pub disabled_since: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
    /// The configuration has no receiver of this name any more, so nothing is sent to it.
    #[serde(default)]
    pub is_removed: bool,
}

/// More moving objects than the quota of an operation can poll within their interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Backlog {
    /// The account.
    pub account: AccountName,
    /// The provider's operation.
    pub operation: String,
    /// The kinds that it polls.
    pub kinds: Vec<Kind>,
    /// Their moving objects, without those that are polled by batch.
    pub moving: u64,
    /// The shortest interval in which each should be polled, in seconds.
    pub interval_s: u64,
    /// How long the quota needs to poll each of them once, in seconds.
    pub round_s: u64,
    /// Polling by batch would help, and is not turned on.
    pub batch_would_help: bool,
}

/// The batches of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchCounts {
    /// The account.
    pub account: AccountName,
    /// In progress, including those created by polling.
    pub under_way: u64,
    /// Of these, the batches that wait for a person.
    pub waiting_for_a_person: u64,
    /// Their rows without a result yet.
    pub rows_waiting: u64,
    /// Ended.
    pub ended: u64,
}

/// How a kind is polled by batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TailRow {
    /// The account.
    pub account: AccountName,
    /// The kind.
    pub kind: Kind,
    /// The plan and what it saves.
    #[serde(flatten)]
    pub tail: Tail,
}

/// What only the running daemon or the configuration knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// The program's version.
    pub version: String,
    /// The process that answers.
    pub pid: u32,
    /// It is the daemon. Otherwise it is a command that opened the store directly.
    pub is_daemon: bool,
    /// When the process started.
    pub since: Timestamp,
    /// Configuration valid, credentials loaded, store open, loops started (docs/src/reference/operations.md
    /// section 6.3).
    pub is_ready: bool,
    /// What is wrong and stands in no other field, in words.
    pub complaints: Vec<String>,
    /// When the last polling round was completed; none before the first.
    pub last_round_at: Option<Timestamp>,
    /// How far the clock is trusted; none when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockHealth>,
    /// The accounts of the configuration.
    pub accounts: Vec<AccountHealth>,
    /// The alert targets of the configuration.
    pub targets: Vec<String>,
    /// The schedules.
    pub schedules: Vec<ScheduleHealth>,
    /// The last reload of the configuration.
    pub last_reload: Option<Reloaded>,
}

/// How far the clock is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClockHealth {
    /// The level of trust.
    pub trust: ClockTrust,
    /// When another clock last agreed with the time in use.
    pub confirmed_at: Option<Timestamp>,
    /// Seconds by which the machine's clock is ahead of the time in use (negative: behind); zero when it is not off.
    pub machine_ahead_s: i64,
}

/// The level of trust in the clock. Days are closed by it unless it is unconfirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTrust {
    /// No other clock has confirmed it yet.
    Unconfirmed,
    /// No other clock has confirmed it, but it has run for hours without a jump.
    Settled,
    /// The clock of a provider or a target agreed with it.
    Confirmed,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountHealth {
    /// Its name.
    pub name: AccountName,
    /// `amazon-pay-v2`, `amazon-pay-mws`.
    pub api: String,
    /// `na`, `eu`, `jp`.
    pub region: String,
    /// `live`, `sandbox`.
    pub environment: String,
    /// Its state.
    pub state: AccountState,
    /// Its remaining quota.
    pub quotas: Vec<QuotaHealth>,
    /// The health that its provider reports; none if the provider is not polled for it, or has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceHealth>,
    /// How late final states were found since the daemon started: from the provider's timestamp until they were seen.
    #[serde(default)]
    pub delay: DelayFigures,
    /// Its requests; none unless it uses adaptive polling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}

/// Which accounts there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountsRequest {}

/// One account, with what it has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountRow {
    /// Its state and its quota.
    #[serde(flatten)]
    pub health: AccountHealth,
    /// Its objects that are not finished.
    pub open: u64,
    /// Of these, the objects that are moving.
    pub moving: u64,
    /// Of these, the objects that are quarantined.
    pub quarantined: u64,
    /// When the next of them is polled; in the past if some are due already, none if there is none.
    pub next_due_at: Option<Timestamp>,
    /// Operations whose quota does not suffice.
    pub backlogs: Vec<Backlog>,
}

/// The health that a provider reports. It says nothing about money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ServiceHealth {
    /// The provider's own word: `GREEN`, `GREEN_I`, `YELLOW`, `RED`.
    pub word: String,
    /// Since when it has been this word.
    pub since: Timestamp,
    /// When it was last reported.
    pub heard_at: Timestamp,
    /// Its message.
    pub message: Option<String>,
    /// Because of it, objects are polled less often and none is reported as overdue.
    pub steers: bool,
}

/// The state of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", tag = "word")]
pub enum AccountState {
    /// Polling normally.
    Ok,
    /// The provider asked for a pause.
    Held {
        /// The end of the pause.
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
    /// No request has succeeded for a quarter of an hour, although requests were due.
    NoSuccess {
        /// Since when.
        since: Timestamp,
        /// How the last one failed.
        detail: String,
    },
    /// Not known, because the daemon is not running.
    Unknown,
    /// Another host works on it.
    Elsewhere,
}

/// The quota of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuotaHealth {
    /// The provider's operation.
    pub operation: String,
    /// How many requests may go at once when the bucket is full.
    pub burst: u32,
    /// How long one request's worth takes to refill, in milliseconds.
    pub refill_ms: u64,
    /// Requests that may go now; none when not known.
    pub available: Option<u32>,
    /// When the provider's hold ends.
    pub held_until: Option<Timestamp>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScheduleHealth {
    /// Its name: `report`, ...
    pub name: String,
    /// Its cron expression.
    pub cron: String,
    /// The IANA time zone of the expression.
    pub zone: String,
    /// When it last ran.
    pub last_at: Option<Timestamp>,
    /// The result of that run, in a few words.
    pub last_result: Option<String>,
    /// When it runs next.
    pub next_at: Option<Timestamp>,
}

/// The moving object that was created first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Oldest {
    /// Which.
    pub object: ObjectRef,
    /// When it was created.
    pub made_at: Timestamp,
    /// How long ago that is, in seconds.
    pub age_s: i64,
}

/// What is pending for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutboxRow {
    /// The target's name in the configuration.
    pub target: String,
    /// Pending messages that were tried or are due, capped at 1,000.
    pub pending: u64,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
    /// The configuration has no target of this name any more, so nothing is sent to it.
    #[serde(default)]
    pub is_removed: bool,
}
