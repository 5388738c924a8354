//! What is stored about each download: durable, written before and after every step.
//!
//! Owns: the names and shapes of what is stored. Must never know: files, the network, which step is next.
//!
//! The nightly download of a type always has the same name, and each night's replaces the previous one. Downloads of
//! operators are named by their days, so the same request twice is one download.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::reporting::windows::Pull;
use crate::documents::Document;
use crate::payments::object::AccountName;

/// One type of report over a range of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// The account.
    pub account: AccountName,
    /// The short name of the type.
    pub word: String,
    /// The start of the range.
    pub from: Timestamp,
    /// The end of the range, exclusive.
    pub until: Timestamp,
    /// When it was last requested.
    pub asked_at: Timestamp,
    /// Requested by the schedule, not by an operator.
    pub is_nightly: bool,
    /// Fetch and read everything again.
    pub is_anew: bool,
    /// It ended, and everything that follows from it is done.
    pub is_closed: bool,
    /// The counts of its results.
    pub tally: Tally,
    /// Files that were fetched and could not be read.
    #[serde(default)]
    pub unread: Vec<Unread>,
    /// The state of each day.
    pub pull: Pull,
}

/// A file that was fetched and could not be read at all: nothing in it was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The start of its day.
    pub from: Timestamp,
    /// The provider's id of the report.
    pub report_id: String,
    /// Why.
    pub why: String,
    /// Where it is kept, without an extension.
    pub kept_at: String,
}

/// The counts of a download's results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Files that were processed.
    pub files: u64,
    /// Of these, files that could not be read at all.
    pub unreadable: u64,
    /// The rows in the files.
    pub rows: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Watched objects that a file mentions.
    pub compared: u64,
    /// Of these, objects for which the file differs from the record.
    pub differing: u64,
    /// Objects that are not watched.
    pub unknown: u64,
    /// Of these, objects that are watched from then on.
    pub enrolled: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.files += other.files;
        self.unreadable += other.unreadable;
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.compared += other.compared;
        self.differing += other.differing;
        self.unknown += other.unknown;
        self.enrolled += other.enrolled;
    }
}

impl Download {
    /// Counts a file.
    pub(super) fn took(&mut self, tally: Tally, unread: Option<Unread>) {
        self.tally.add(tally);
        if let Some(unread) = unread.filter(|unread| !self.unread.contains(unread)) {
            self.unread.push(unread);
        }
    }
}

impl Document for Download {
    const TYPE: &'static str = "provider-report";

    fn name(&self) -> String {
        let which = if self.is_nightly { "nightly".to_owned() } else { range(self.from, self.until) };
        format!("{}/{}/{which}", self.account, self.word)
    }
}

fn range(from: Timestamp, until: Timestamp) -> String {
    format!("{}_{}", from.strftime("%Y-%m-%dT%H%M%S"), until.strftime("%Y-%m-%dT%H%M%S"))
}
