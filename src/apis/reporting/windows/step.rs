//! The steps of a pull and what can come of each.
//!
//! Owns: the words. Must never know: their order.

use jiff::Timestamp;

use crate::apis::reporting::{ReportRow, RequestRow};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Store [`super::about_to`], then `RequestReport` for this window, then [`Outcome::Requested`] or another.
    Request {
        /// Which window.
        window: usize,
    },
    /// List the requests made since then, every page, then [`Outcome::Searched`].
    Search {
        /// From when on.
        from: Timestamp,
    },
    /// Look at these requests, at most 100, then [`Outcome::Seen`].
    Look {
        /// Their ids.
        request_ids: Vec<String>,
    },
    /// List the reports of this request, then [`Outcome::Named`].
    Name {
        /// Which window.
        window: usize,
        /// Its request.
        request_id: String,
    },
    /// Fetch the report, keep the bytes, then [`Outcome::Fetched`] or another.
    Fetch {
        /// Which window.
        window: usize,
        /// The report.
        report_id: String,
    },
    /// List the reports that became available in this time, every page, then [`Outcome::Listed`].
    List {
        /// From when on.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// Too late for what is left: [`Outcome::GaveUp`], without any request.
    GiveUp,
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing ever: every day is fetched, empty or failed.
    Nothing,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Step::Request`]: taken.
    Requested {
        /// Which window.
        window: usize,
        /// The provider's row.
        row: RequestRow,
    },
    /// Of [`Step::Request`]: surely not taken; ask again later.
    NotNow {
        /// Which window.
        window: usize,
        /// How long the provider asks to wait, seconds.
        retry_after_s: Option<u64>,
    },
    /// Of [`Step::Request`]: refused for good.
    Refused {
        /// Which window.
        window: usize,
        /// Status and code.
        detail: String,
    },
    /// Of [`Step::Search`]: all rows. A request that is not among them never arrived.
    Searched(Vec<RequestRow>),
    /// Of [`Step::Look`]: the rows of the requests asked for; they say nothing about any other.
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
    /// Of [`Step::Fetch`]: spoilt on the way.
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
    /// Of any step but [`Step::Request`]: it failed, nothing is known.
    Failed {
        /// How long the provider asks to wait, seconds.
        retry_after_s: Option<u64>,
    },
}

impl Outcome {
    /// Whether the provider answered as it does only when it accepts the account's credentials.
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
