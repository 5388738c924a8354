//! Provider reports: files in which a provider lists what became of payments.
//!
//! Owns: the one shape in which the reports of any provider are pulled (`windows`, `Source`) and told
//! (`Reading`, `Claim`). Must never know: one provider's operations and columns, storage, what is known about
//! an object.
//!
//! Another API with reports is one more implementation of [`Source`]: the newer REST API has the same verbs
//! (request, list, look, fetch) and the same file contents (docs/src/reference/amazon-pay-batch.md, section 16).

pub mod windows;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pace::{Permit, Quota};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use windows::{Outcome, Pull, Step};

/// Where a request for a report stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestStatus {
    /// Queued.
    Submitted,
    /// Being made.
    InProgress,
    /// There.
    Done,
    /// Nothing happened in its time; there is no file.
    DoneWithoutData,
    /// By request or by the provider.
    Cancelled,
    /// A word that no manual lists, letter for letter.
    Unknown(String),
}

/// A request for a report as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The provider's id of the request.
    pub id: String,
    /// The provider's name of its type.
    pub report_type: Option<String>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Where it stands.
    pub status: RequestStatus,
    /// The report that it led to; it may be missing although the report is there.
    pub report_id: Option<String>,
}

/// A report as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// The provider's id of the report.
    pub id: String,
    /// The provider's name of its type.
    pub report_type: Option<String>,
    /// The request that led to it.
    pub request_id: Option<String>,
    /// Since when it is there.
    pub available_at: Option<Timestamp>,
}

/// A type of report that an account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportKind {
    /// The short word for commands, folders and the configuration.
    pub word: &'static str,
    /// The provider's name.
    pub name: &'static str,
    /// It comes by itself and is only found in the list of reports.
    pub comes_by_itself: bool,
}

/// What a report says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The line in the file, from 1.
    pub line: u64,
    /// What it is about.
    pub kind: Kind,
    /// Which one.
    pub id: ObjectId,
    /// The state, letter for letter, or that money was settled.
    pub says: Says,
    /// How much, if the file tells.
    pub amount: Option<Money>,
    /// Since when it is so.
    pub at: Timestamp,
    /// When the object was made, if the file tells.
    pub created_at: Option<Timestamp>,
    /// The shop's own reference.
    pub reference: Option<String>,
    /// The object that it belongs to.
    pub parent: Option<String>,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// It reached this state.
    State(String),
    /// Its money was posted in a settlement. The amount is in the currency of the settlement.
    Settled,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its line, from 1.
    pub line: u64,
    /// The column at fault.
    pub column: String,
    /// Why, without the cell's text.
    pub why: String,
}

/// A report as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The names of the columns, in their order.
    pub columns: Vec<String>,
    /// Rows besides the header, bad ones included.
    pub rows: u64,
    /// What the good rows say of objects; rows about none (fees, payouts) say nothing.
    pub claims: Vec<Claim>,
    /// Rows that cannot be used.
    pub rejected: Vec<Rejected>,
    /// Further rows that can be read and are of no sort that is known.
    pub unmatched: u64,
    /// What else a person should know about the file as a whole.
    pub remarks: Vec<String>,
}

impl Reading {
    /// Rows of which use was made: they say something of an object, or are known to say nothing of any.
    pub fn used(&self) -> u64 {
        let rejected = u64::try_from(self.rejected.len()).unwrap_or(u64::MAX);
        self.rows.saturating_sub(rejected).saturating_sub(self.unmatched)
    }
}

/// A file as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Byte for byte.
    pub bytes: Vec<u8>,
    /// The header, which decides how the bytes are decoded.
    pub content_type: Option<String>,
}

/// What a step brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// For the pull; none when the answer was lost and nothing is known.
    pub outcome: Option<Outcome>,
    /// Of a fetch that succeeded: to be kept before the outcome is stored.
    pub file: Option<Fetched>,
    /// What went wrong, for the log: status and code, never a body.
    pub trouble: Option<String>,
}

/// A step under way.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Taken> + Send + 'a>>;

/// Leave for the further requests of a step, such as the next pages of a list.
pub trait Leave: Send + Sync {
    /// Waits until the budget of the operation allows one more request.
    fn wait<'a>(&'a self, operation: &'static str) -> Pin<Box<dyn Future<Output = Permit> + Send + 'a>>;
}

/// An account whose provider makes reports.
pub trait Source: Send + Sync {
    /// The types that this account can have.
    fn kinds(&self) -> Vec<ReportKind>;
    /// The budget of every operation that steps use.
    fn operations(&self) -> &'static [(&'static str, Quota)];
    /// The operation of a step's first request; none for a step that sends nothing.
    fn operation(&self, step: &Step) -> Option<&'static str>;
    /// Takes one step. The permit is for [`Source::operation`]; no retry inside.
    fn take<'a>(&'a self, pull: &'a Pull, step: &'a Step, permit: Permit, leave: &'a dyn Leave)
    -> Taking<'a>;
    /// Reads a file of the type of this word.
    ///
    /// # Errors
    /// In words, without the file's text, when the file as a whole cannot be read.
    fn read(&self, word: &str, file: &Fetched) -> Result<Reading, String>;
}
