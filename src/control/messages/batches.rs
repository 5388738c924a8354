//! Messages about batches.
//!
//! Owns: their shape. Must never know: how a batch is checked, sent or stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;

/// Rows to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSubmission {
    /// The account.
    pub account: AccountName,
    /// CSV with a header, or JSON Lines.
    pub content: String,
    /// The operation of all rows, for accounts whose API allows one operation per batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Distinguishes this batch from an earlier one with the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Check only.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which batches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchList {
    /// Only batches of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
}

/// Which batch to show, with its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchShow {
    /// Its reference.
    pub reference: String,
}

/// The outcome of a batch in doubt: it was not carried out and may be sent again, or it was carried out as this feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRelease {
    /// Its reference.
    pub reference: String,
    /// The provider's id of the feed that this batch became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<String>,
}

/// Which batch to cancel, if that is still possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchCancel {
    /// Its reference.
    pub reference: String,
}

/// The result of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchSubmitted {
    /// Only checked; nothing was recorded.
    pub dry_run: bool,
    /// The files, in the order in which they are sent.
    pub files: Vec<BatchFiled>,
    /// What is wrong, line by line. If there is anything, nothing was recorded.
    pub problems: Vec<String>,
    /// Whether the account may send at all (`allow_writes`).
    pub may_send: bool,
    /// Whether a daemon is running to send it.
    pub is_daemon: bool,
}

/// One file of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchFiled {
    /// The reference of its batch.
    pub reference: String,
    /// The number of its rows.
    pub rows: u64,
    /// It had been recorded before.
    pub was_known: bool,
}

/// One batch in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchLine {
    /// The account.
    pub account: AccountName,
    /// Its reference.
    pub reference: String,
    /// Its stage. A file: `new`, `upload-sent`, `validating`, `validated`, `process-sent`, `processing`. A feed:
    /// `new`, `sending`, `searching`, `held`, `following`, `collecting`, `checking`. Or how it ended: `finished`,
    /// `unanswered`, `in-doubt`, `invalid-rows`, `rejected`, `cancelled`, ...
    pub stage: String,
    /// Nothing more is sent for it.
    pub is_ended: bool,
    /// Created by polling, not by a person.
    #[serde(default)]
    pub is_poll: bool,
    /// What a person must decide, if it waits for a decision.
    #[serde(default)]
    pub needs: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it is checked next; none once it has ended or while it waits for other batches.
    pub next_at: Option<Timestamp>,
    /// The number of rows.
    pub rows: u64,
    /// Rows without a result yet.
    pub waiting: u64,
    /// Rows carried out as requested.
    pub done: u64,
    /// Rows that were refused: no money moved.
    pub declined: u64,
    /// Rows whose outcome is undecided; their orders are watched.
    pub open: u64,
    /// Rows that never got a result; their orders are watched.
    pub unknown: u64,
    /// Result rows that contradict the file.
    pub contradictions: u32,
    /// The last code in an answer.
    pub last_code: Option<String>,
}

/// One batch with its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchShown {
    /// Its summary.
    #[serde(flatten)]
    pub line: BatchLine,
    /// The provider's own id, once it is known.
    pub batch_id: Option<String>,
    /// The SHA-256 of the file, in hexadecimal; none for a feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sha256: Option<String>,
    /// The MD5 of the document as sent to the provider; none for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_md5: Option<String>,
    /// How many times it was, or may have been, uploaded.
    pub uploads: u32,
    /// How many times it was, or may have been, processed.
    pub processes: u32,
    /// The rows, in the order of the file.
    pub row_list: Vec<BatchRowShown>,
}

/// One row of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchRowShown {
    /// Its line number in the file, where the header is line 1; in a feed, its `SellerRequestId`.
    pub line: u64,
    /// Its line number in the submitted input.
    pub input_line: u64,
    /// Its command: `PURCHASE`, `CAPTURE`, ...
    pub command: String,
    /// The provider's id of the object that it acts on (feeds only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The order (file), or the reference id of the capture or refund (feed).
    pub merchant_reference: String,
    /// In the currency's smallest unit (file), or decimal (feed).
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The provider's id of the order (file), or of the object that it created (feed).
    pub fort_id: Option<String>,
    /// The state of that object in the answer (feeds only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `waiting`, `done`, `declined`, `open` or `unknown`.
    pub fate: String,
    /// The code behind that outcome.
    pub code: Option<String>,
    /// What is odd about its result although the result is accepted, such as a `fort_id` that differs from the
    /// file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}
