//! Messages about provider reports.
//!
//! Owns: their shape. Must never know: how a report is fetched, kept or read.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;

/// Which reports to fetch; the same request again goes on with what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchBegin {
    /// Whose.
    pub account: AccountName,
    /// The short words of the types; empty: all that the account has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The first day, UTC.
    pub from: Date,
    /// The last day, UTC.
    pub to: Date,
    /// Days that are kept are fetched again, and files are read again.
    #[serde(default)]
    pub again: bool,
}

/// How far all downloads of an account are. Without a daemon, this takes their next step first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchGo {
    /// Whose.
    pub account: AccountName,
}

/// How far errands are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchAnswer {
    /// Of [`FetchBegin`]: those that were asked for; else all of the account.
    pub errands: Vec<ErrandLine>,
    /// The folder of the account's files.
    pub folder: String,
    /// A daemon takes their steps.
    pub is_daemon: bool,
    /// When the next step is due, where none takes them but who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// One type of report over a range of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrandLine {
    /// Whose.
    pub account: AccountName,
    /// The short word of the type.
    pub report: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub until: Timestamp,
    /// Asked for by the schedule.
    pub is_nightly: bool,
    /// Nothing more is done for it.
    pub is_over: bool,
    /// Days in all; of a type that comes by itself, reports that were found.
    pub days: u64,
    /// With their file kept, or empty.
    pub done: u64,
    /// Of these, on which nothing happened.
    pub empty: u64,
    /// That cannot be had.
    pub failed: Vec<FailedDay>,
    /// Files that were taken up.
    pub files: u64,
    /// Of these, that could not be read as a whole.
    pub unreadable: u64,
    /// Which, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFile>,
    /// Rows in them.
    pub rows: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Watched objects that were compared.
    pub compared: u64,
    /// Of these, about which a report says something else.
    pub differing: u64,
    /// Objects that nobody watches.
    pub unknown: u64,
    /// Of these, that are watched from then on.
    pub enrolled: u64,
}

/// A day that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedDay {
    /// Its first moment.
    pub from: Timestamp,
    /// Why.
    pub why: String,
}

/// A file that was fetched and cannot be read: nothing of it was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFile {
    /// The first moment of its day.
    pub from: Timestamp,
    /// The provider's id of the report.
    pub report_id: String,
    /// Why.
    pub why: String,
    /// Where it is kept.
    pub file: String,
}

impl ErrandLine {
    /// Whether something that was asked for is missing: a day was not had, or a file was had and not read.
    pub fn is_failed(&self) -> bool {
        !self.failed.is_empty() || self.unreadable > 0
    }

    /// Whether both are the same errand.
    pub fn is_same(&self, other: &ErrandLine) -> bool {
        let name = |line: &ErrandLine| (line.is_nightly, line.from, line.until);
        self.report == other.report && name(self) == name(other)
    }
}
