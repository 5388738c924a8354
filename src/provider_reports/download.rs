//! What is stored of each download: durable, written before and after every step.
//!
//! Owns: names and shapes of what is remembered. Must never know: files, the network, which step is next.
//!
//! The nightly download of a type has one name for ever, and each night's takes the place of the last. Those of
//! operators are named by their days, so that the same request twice is one download.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::reporting::windows::Pull;
use crate::documents::Document;
use crate::payments::object::AccountName;

/// One type of report over a range of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Whose.
    pub account: AccountName,
    /// The short word of the type.
    pub word: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub until: Timestamp,
    /// When it was asked for, the last time.
    pub asked_at: Timestamp,
    /// Asked for by the schedule, not by an operator.
    pub is_nightly: bool,
    /// Everything is to be fetched and read anew.
    pub is_anew: bool,
    /// It ended, and all that follows from it is done.
    pub is_closed: bool,
    /// What came of it.
    pub tally: Tally,
    /// Files that were fetched and could not be read.
    #[serde(default)]
    pub unread: Vec<Unread>,
    /// Where each day stands.
    pub pull: Pull,
}

/// A file that was fetched and could not be read as a whole: nothing of it was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The first moment of its day.
    pub from: Timestamp,
    /// The provider's id of the report.
    pub report_id: String,
    /// Why.
    pub why: String,
    /// Where it is kept, without an ending.
    pub kept_at: String,
}

/// What came of an download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Files that were taken up.
    pub files: u64,
    /// Of these, files that could not be read as a whole.
    pub unreadable: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// Watched objects that a file spoke of.
    pub compared: u64,
    /// Of these, objects about which the file says something else than what is known.
    pub differing: u64,
    /// Objects that nobody watches.
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
