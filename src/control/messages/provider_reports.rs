//! Messages about provider reports.
//!
//! Owns: their shape. Must never know: how a report is fetched, kept or read.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;

/// Which reports to fetch. The same request again continues the downloads in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchBegin {
    /// The account.
    pub account: AccountName,
    /// The short names of the types; empty for all types of the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The first day, UTC.
    pub from: Date,
    /// The last day, UTC.
    pub to: Date,
    /// Fetch days again that are already kept, and read their files again.
    #[serde(default)]
    pub again: bool,
}

/// The progress of all downloads of an account. Without a daemon, this also takes their next step first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchGo {
    /// The account.
    pub account: AccountName,
}

/// The progress of downloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FetchAnswer {
    /// For [`FetchBegin`], the requested downloads; otherwise all downloads of the account.
    pub errands: Vec<DownloadLine>,
    /// The folder of the account's files.
    pub folder: String,
    /// A daemon takes the steps.
    pub is_daemon: bool,
    /// When the next step is due, if only the requester takes the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// One download: one type of report over a range of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DownloadLine {
    /// The account.
    pub account: AccountName,
    /// The short name of the type.
    pub report: String,
    /// The start of the range.
    pub from: Timestamp,
    /// The end of the range, exclusive.
    pub until: Timestamp,
    /// Requested by the schedule.
    pub is_nightly: bool,
    /// Nothing more is done for it.
    pub is_over: bool,
    /// The total number of days. For a type that the provider makes on its own schedule: the reports that were found.
    pub days: u64,
    /// Days whose file is kept, or that are empty.
    pub done: u64,
    /// Of these, the days on which nothing happened.
    pub empty: u64,
    /// Days that could not be fetched.
    pub failed: Vec<FailedDay>,
    /// Files that were processed.
    pub files: u64,
    /// Of these, the files that could not be read at all.
    pub unreadable: u64,
    /// Those files, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFile>,
    /// The rows in the files.
    pub rows: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Watched objects that were compared.
    pub compared: u64,
    /// Of these, the objects for which a report differs.
    pub differing: u64,
    /// Objects that are not watched.
    pub unknown: u64,
    /// Of these, the objects that are watched from now on.
    pub enrolled: u64,
}

/// A day that could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedDay {
    /// The start of the day.
    pub from: Timestamp,
    /// Why.
    pub why: String,
}

/// A file that was fetched but cannot be read: nothing in it was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnreadFile {
    /// The start of its day.
    pub from: Timestamp,
    /// The provider's id of the report.
    pub report_id: String,
    /// Why.
    pub why: String,
    /// Where it is kept.
    pub file: String,
}

impl DownloadLine {
    /// Whether something that was requested is missing: a day was not fetched, or a fetched file was not read.
    pub fn is_failed(&self) -> bool {
        !self.failed.is_empty() || self.unreadable > 0
    }

    /// Whether both lines are about the same download.
    pub fn is_same(&self, other: &DownloadLine) -> bool {
        let name = |line: &DownloadLine| (line.is_nightly, line.from, line.until);
        self.report == other.report && name(self) == name(other)
    }
}
