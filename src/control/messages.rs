//! The questions an operator may ask and the answers, as they travel: JSON, amounts as text, RFC 3339 UTC
//! (docs/src/reference/operations.md section 8.4). New fields may be added within `/v1`; none may change its
//! meaning.
//!
//! Owns: the messages. Must never know: how they are answered or carried.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Record, Transition};

pub use super::status::*;
pub use crate::store::{
    AlertRow, BackupReport, CheckReport, Compacted, Count, DeliveryRow, DeliveryStatus, Stats,
};

/// The most lines of one enrolment batch, and the most rows of one page.
pub const BATCH_LINES_MAX: usize = 1_000;

/// An object as an operator names it: `account/kind/id`, `kind/id` or only the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Whose, when said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// What it is, when said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The provider's id.
    pub id: ObjectId,
}

impl Selector {
    /// Whether an object is meant.
    pub fn matches(&self, object: &ObjectRef) -> bool {
        object.id == self.id
            && self.account.as_ref().is_none_or(|account| *account == object.account)
            && self.kind.as_ref().is_none_or(|kind| *kind == object.kind)
    }
}

impl From<ObjectRef> for Selector {
    fn from(object: ObjectRef) -> Selector {
        Selector { account: Some(object.account), kind: Some(object.kind), id: object.id }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(account) = &self.account {
            write!(formatter, "{account}/{}/", self.kind.as_ref().map_or("~", Kind::as_str))?;
        } else if let Some(kind) = &self.kind {
            write!(formatter, "{kind}/")?;
        }
        write!(formatter, "{}", self.id)
    }
}

impl std::str::FromStr for Selector {
    type Err = String;

    /// Reads `id`, `kind/id` or `account/kind/id`; `~` leaves a part open. Errors in words.
    fn from_str(text: &str) -> Result<Selector, String> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        let (account, kind, id) = match parts.as_slice() {
            [id] => ("~", "~", *id),
            [kind, id] => ("~", *kind, *id),
            [account, kind, id] => (*account, *kind, *id),
            _ => return Err(format!("{text:?} is neither an id nor account/kind/id")),
        };
        Ok(Selector {
            account: (account != "~")
                .then(|| AccountName::new(account))
                .transpose()
                .map_err(|bad| bad.to_string())?,
            kind: (kind != "~").then(|| super::wanted::read_kind(kind)).transpose()?,
            id: ObjectId::new(id).map_err(|bad| bad.to_string())?,
        })
    }
}

/// What became of one line of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolOutcome {
    /// Watched from now on.
    New,
    /// Watched already; details that were missing are now known.
    Enriched,
    /// Watched already, nothing new.
    Same,
    /// Watched already with other details; nothing was changed.
    Conflict,
    /// Not taken.
    Bad,
}

/// The result of one line of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolResult {
    /// The line's number, as given.
    pub line: u64,
    /// What became of it.
    pub outcome: EnrolOutcome,
    /// The object, once account and kind are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// Why it was not taken, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which records to list. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListRequest {
    /// Of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Behaving so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// In this state, in the provider's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Set apart, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<bool>,
    /// Nothing owed any more, or something still owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// Made at least so many seconds ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_s: Option<u64>,
    /// Go on after the page that gave this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The most rows of the page: 100 unless said, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<Item> {
    /// The rows.
    pub items: Vec<Item>,
    /// Where to go on; none at the end.
    pub next_cursor: Option<String>,
}

/// Everything about one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What is stored.
    pub record: Record,
    /// What its state means; none while it is unseen or unknown.
    pub outcome: Option<Outcome>,
    /// Its changes of state, oldest first.
    pub history: Vec<Transition>,
    /// The alerts about it, with what became of them.
    pub alerts: Vec<AlertRow>,
}

/// Why an object stands where it stands, in plain sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which object.
    pub object: ObjectRef,
    /// The provider's state word; none before the first sight.
    pub state: Option<String>,
    /// How it behaves.
    pub phase: Phase,
    /// What it is about, in one line: amount, the shop's reference, age.
    pub about: String,
    /// Where it stands and why it is (or is no longer) pending.
    pub standing: String,
    /// What the last sights and failures were.
    pub evidence: String,
    /// When it is asked about next, and why then.
    pub next_look: String,
    /// The next moment that matters; none when there is none.
    pub deadline: Option<String>,
    /// What would change it.
    pub would_change: Vec<String>,
    /// What a person should do; none when nothing.
    pub advice: Option<String>,
    /// Where a person can look at it.
    pub look: Option<String>,
    /// When it is asked about next.
    pub due_at: Option<Timestamp>,
    /// The fields of the last answer, under the provider's names.
    pub fields: BTreeMap<String, String>,
}

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

/// What became of a request to stop watching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Which object.
    pub object: String,
    /// False when it was not watched.
    pub was_watched: bool,
}

/// What became of a request to take a doubted object as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedObject {
    /// Which object.
    pub object: String,
    /// The state that is taken as true.
    pub state: String,
    /// The doubt that is settled.
    pub doubt: String,
}

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

/// The report of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportMade {
    /// The business day.
    pub date: Date,
    /// The folder with the files.
    pub path: String,
    /// It was there already, with the same bytes.
    pub was_there: bool,
}

/// What re-reading the configuration brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The new configuration is in force; else the old one stays.
    pub is_applied: bool,
    /// When it was tried.
    pub at: Timestamp,
    /// What is wrong with it, or what takes effect only after a restart; key and remedy each.
    pub problems: Vec<String>,
}

/// Where to copy the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An empty or missing folder, as an absolute path, that the daemon may write to.
    pub to: PathBuf,
}

/// The short answer of the health addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// `ok`, `ready`.
    pub status: String,
    /// The process that answers.
    pub pid: u32,
    /// The program's version.
    pub version: String,
}
