//! Provider reports: files in which a provider lists the outcomes of payments.
//!
//! Owns: the common form in which reports of any provider are pulled (`windows`, `Source`) and read
//! (`Reading`, `Claim`). Must never know: one provider's operations and columns, storage, what is known about
//! an object.
//!
//! To add another API with reports, implement [`Source`]: the newer REST API has the same verbs (request, list, poll,
//! fetch) and the same file contents (docs/src/reference/amazon-pay-batch.md, section 16).

pub mod windows;

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pace::{Permit, Quota};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use windows::{Outcome, Pull, Step};

/// The status of a request for a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestStatus {
    /// Queued.
    Submitted,
    /// Being generated.
    InProgress,
    /// Available.
    Done,
    /// Nothing happened in its period; there is no file.
    DoneWithoutData,
    /// Cancelled on request or by the provider.
    Cancelled,
    /// A word that no manual lists, exactly as received.
    Unknown(String),
}

/// A request for a report as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The provider's id of the request.
    pub id: String,
    /// The provider's name of its type.
    pub report_type: Option<String>,
    /// The start of its period.
    pub from: Option<Timestamp>,
    /// The end of its period.
    pub until: Option<Timestamp>,
    /// Its status.
    pub status: RequestStatus,
    /// The report that it led to; it may be missing although the report is available.
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
    /// Since when it is available.
    pub available_at: Option<Timestamp>,
}

/// A type of report that an account can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportKind {
    /// The short word for commands, folders and the configuration.
    pub word: &'static str,
    /// The provider's name.
    pub name: &'static str,
    /// It is made without a request and can only be found in the list of reports.
    pub comes_by_itself: bool,
}

/// What a report says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The line in the file, from 1.
    pub line: u64,
    /// The kind of the object.
    pub kind: Kind,
    /// The id of the object.
    pub id: ObjectId,
    /// The exact state, or that money was settled.
    pub says: Says,
    /// The amount, if the file has it.
    pub amount: Option<Money>,
    /// Since when the claim holds.
    pub at: Timestamp,
    /// When the object was created, if the file says so.
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
    /// The faulty column.
    pub column: String,
    /// Why, without the cell's text.
    pub why: String,
}

/// The content of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The names of the columns, in order.
    pub columns: Vec<String>,
    /// The number of rows without the header, including bad ones.
    pub rows: u64,
    /// What the good rows say about objects. Rows without an object (fees, payouts) say nothing.
    pub claims: Vec<Claim>,
    /// Rows that cannot be used.
    pub rejected: Vec<Rejected>,
    /// The number of other rows that can be read but have an unknown type.
    pub unmatched: u64,
    /// What else a person should know about the file as a whole.
    pub remarks: Vec<String>,
}

impl Reading {
    /// The number of rows that were used: they say something about an object, or are known to be about none.
    pub fn used(&self) -> u64 {
        let rejected = u64::try_from(self.rejected.len()).unwrap_or(u64::MAX);
        self.rows.saturating_sub(rejected).saturating_sub(self.unmatched)
    }
}

/// A file as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The `Content-Type` header, which decides how the bytes are decoded.
    pub content_type: Option<String>,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The outcome for the pull; none when the answer was lost and nothing is known.
    pub outcome: Option<Outcome>,
    /// The file of a successful fetch, which must be kept before the outcome is stored.
    pub file: Option<Fetched>,
    /// What went wrong, for the log: status and code, never a body.
    pub trouble: Option<String>,
}

/// A step in progress.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Taken> + Send + 'a>>;

/// Gives permits for the further requests of a step, such as the next pages of a list.
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
    /// Takes one step, with a permit for [`Source::operation`]. It does not retry.
    fn take<'a>(&'a self, pull: &'a Pull, step: &'a Step, permit: Permit, leave: &'a dyn Leave)
    -> Taking<'a>;
    /// Reads a file of the report type with this word.
    ///
    /// # Errors
    /// Why the file as a whole cannot be read, without its text.
    fn read(&self, word: &str, file: &Fetched) -> Result<Reading, String>;
}
