//! Messages about batches.
//!
//! Owns: their shape. Must never know: how a batch is checked, sent or stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::object::AccountName;

/// Rows to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSubmission {
    /// Whose.
    pub account: AccountName,
    /// CSV with a header, or JSON Lines.
    pub content: String,
    /// What all rows do, where the account's API has one operation a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Makes the same rows another batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Only check.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which batches to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchList {
    /// Only of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
}

/// Which batch to show, with its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchShow {
    /// Its reference.
    pub reference: String,
}

/// What became of a batch in doubt: it did not happen and may be sent again, or it happened as this feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRelease {
    /// Its reference.
    pub reference: String,
    /// The provider's id of the feed that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<String>,
}

/// Which batch not to carry out, if that is still possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchCancel {
    /// Its reference.
    pub reference: String,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSubmitted {
    /// Nothing was recorded: only checked.
    pub dry_run: bool,
    /// The files, in the order in which they are sent.
    pub files: Vec<BatchFiled>,
    /// What is wrong, line by line; then nothing was recorded.
    pub problems: Vec<String>,
    /// Whether the account may send at all (`allow_writes`).
    pub may_send: bool,
    /// Whether a daemon is there to send it.
    pub is_daemon: bool,
}

/// One file of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFiled {
    /// The reference of its batch.
    pub reference: String,
    /// How many rows it has.
    pub rows: u64,
    /// It was recorded before.
    pub was_known: bool,
}

/// One batch in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLine {
    /// Whose.
    pub account: AccountName,
    /// Its reference.
    pub reference: String,
    /// Where it stands: `new`, `upload-sent`, `validating`, `validated`, `process-sent`, `processing` (a file), `new`,
    /// `sending`, `searching`, `held`, `following`, `collecting`, `checking` (a feed), or how it ended: `finished`,
    /// `unanswered`, `in-doubt`, `invalid-rows`, `rejected`, `cancelled`, ...
    pub stage: String,
    /// Nothing more is sent for it.
    pub is_ended: bool,
    /// Made by polling, not by a person.
    #[serde(default)]
    pub is_poll: bool,
    /// What a person must decide, if it waits for that.
    #[serde(default)]
    pub needs: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it is looked at next; none once it has ended or while it waits for others.
    pub next_at: Option<Timestamp>,
    /// Rows.
    pub rows: u64,
    /// Not come back.
    pub waiting: u64,
    /// Done as asked.
    pub done: u64,
    /// Refused: no money moved.
    pub declined: u64,
    /// Undecided; their orders are watched.
    pub open: u64,
    /// Never came back; their orders are watched.
    pub unknown: u64,
    /// Result rows that contradict the file.
    pub contradictions: u32,
    /// The last code that was answered.
    pub last_code: Option<String>,
}

/// One batch with its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShown {
    /// How it stands.
    #[serde(flatten)]
    pub line: BatchLine,
    /// The provider's own id, once it is known.
    pub batch_id: Option<String>,
    /// The SHA-256 of the file, hexadecimal; none of a feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sha256: Option<String>,
    /// The MD5 of the document, as the provider is told it; none of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_md5: Option<String>,
    /// How often it was uploaded, or may have been.
    pub uploads: u32,
    /// How often it was processed, or may have been.
    pub processes: u32,
    /// The rows, in the order of the file.
    pub row_list: Vec<BatchRowShown>,
}

/// One row of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRowShown {
    /// Its line in the file, where the header is line 1; or its `SellerRequestId` in a feed.
    pub line: u64,
    /// Its line in what was submitted.
    pub input_line: u64,
    /// What it does: `PURCHASE`, `CAPTURE`, ...
    pub command: String,
    /// The provider's id of what it is about (a feed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The order (a file), or the reference id of the capture or refund (a feed).
    pub merchant_reference: String,
    /// In the currency's smallest unit (a file), or decimal (a feed).
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The provider's id of the order (a file), or of the object that came of it (a feed).
    pub fort_id: Option<String>,
    /// The state of that object in the answer (a feed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `waiting`, `done`, `declined`, `open` or `unknown`.
    pub fate: String,
    /// The code that said so.
    pub code: Option<String>,
    /// What is odd about its result though it is believed, such as another `fort_id` than the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}
