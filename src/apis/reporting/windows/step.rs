//! The steps of a pull and the possible outcomes of each.
//!
//! Owns: their names. Must never know: their order.

use jiff::Timestamp;

use crate::apis::reporting::{ReportRow, RequestRow};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store [`super::about_to`], then call `RequestReport` for this window, then apply [`Outcome::Requested`] or
    /// another outcome.
    Request {
        /// Which window.
        window: usize,
    },
    /// List the requests made since then, every page, then apply [`Outcome::Searched`].
    Search {
        /// The start of the period.
        from: Timestamp,
    },
    /// Poll these requests, at most 100, then apply [`Outcome::Seen`].
    Look {
        /// Their ids.
        request_ids: Vec<String>,
    },
    /// List the reports of this request, then apply [`Outcome::Named`].
    Name {
        /// Which window.
        window: usize,
        /// Its request.
        request_id: String,
    },
    /// Fetch the report, keep the bytes, then apply [`Outcome::Fetched`] or another outcome.
    Fetch {
        /// Which window.
        window: usize,
        /// The report.
        report_id: String,
    },
    /// List the reports that became available in this period, every page, then apply [`Outcome::Listed`].
    List {
        /// The start of the period.
        from: Timestamp,
        /// The end of the period.
        until: Timestamp,
    },
    /// Too late for the rest: apply [`Outcome::GaveUp`], without any request.
    GiveUp,
    /// Do nothing before this time.
    WaitUntil(Timestamp),
    /// Do nothing more: every day is fetched, empty or failed.
    Nothing,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Step::Request`]: accepted.
    Requested {
        /// Which window.
        window: usize,
        /// The provider's row.
        row: RequestRow,
    },
    /// Of [`Step::Request`]: definitely not accepted; request again later.
    NotNow {
        /// Which window.
        window: usize,
        /// How long the provider asks us to wait, in seconds.
        retry_after_s: Option<u64>,
    },
    /// Of [`Step::Request`]: refused permanently.
    Refused {
        /// Which window.
        window: usize,
        /// Status and code.
        detail: String,
    },
    /// Of [`Step::Search`]: all rows. A request that is not among them never arrived.
    Searched(Vec<RequestRow>),
    /// Of [`Step::Look`]: the rows of the polled requests. They say nothing about any other.
    Seen(Vec<RequestRow>),
    /// Of [`Step::Name`]: the report's id, if the list shows one.
    Named {
        /// Which window.
        window: usize,
        /// The report.
        report_id: Option<String>,
    },
    /// Of [`Step::Fetch`]: the whole file is kept.
    Fetched {
        /// Which window.
        window: usize,
    },
    /// Of [`Step::Fetch`]: corrupted in transit.
    Spoilt {
        /// Which window.
        window: usize,
    },
    /// Of [`Step::Fetch`]: it is gone or withheld.
    Never {
        /// Which window.
        window: usize,
        /// The provider's code.
        code: String,
    },
    /// Of [`Step::List`]: all rows.
    Listed(Vec<ReportRow>),
    /// Of [`Step::GiveUp`].
    GaveUp,
    /// Of any step except [`Step::Request`]: it failed, and nothing is known.
    Failed {
        /// How long the provider asks us to wait, in seconds.
        retry_after_s: Option<u64>,
    },
}

impl Outcome {
    /// Whether the provider gives this answer only when it accepts the account's credentials.
    pub fn is_acceptance(&self) -> bool {
        match self {
            Outcome::Requested { .. }
            | Outcome::Searched(_)
            | Outcome::Seen(_)
            | Outcome::Named { .. }
            | Outcome::Fetched { .. }
            | Outcome::Spoilt { .. }
            | Outcome::Listed(_) => true,
            Outcome::NotNow { .. }
            | Outcome::Refused { .. }
            | Outcome::Never { .. }
            | Outcome::GaveUp
            | Outcome::Failed { .. } => false,
        }
    }
}
