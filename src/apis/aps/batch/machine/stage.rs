//! The stages of an uploaded file, the steps that can be taken, and the possible replies.
//!
//! Owns: their names. Must never know: which follows which.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::aps::batch::answer::Answer;

/// The stage of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing was sent.
    New,
    /// The upload was sent, or was about to be; no answer yet.
    UploadSent,
    /// The file is stored and being validated.
    Validating,
    /// It may be processed.
    Validated,
    /// Processing was requested, or was about to be; no answer yet.
    ProcessSent,
    /// The rows are being processed.
    Processing,
    /// Nothing more is done.
    Ended(End),
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Every row has a result.
    Finished,
    /// Processing was requested, but some rows never got a result: they are unknown.
    Unanswered,
    /// Not processed: rows did not pass validation.
    InvalidRows,
    /// Not processed: the file, its header or its date did not pass.
    InvalidFile,
    /// Not processed by us: the reference was used before this file was ever sent. The reference is derived from the
    /// content, so the same rows may have been carried out: they are unknown.
    ReferenceTaken,
    /// Not processed: the provider counted a different number of rows than the file has.
    OtherRows,
    /// Not processed: the request was refused.
    Refused,
    /// Not processed: validation was never seen to finish.
    GivenUp,
    /// Cancelled before anything of it was sent.
    NeverSent,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send `UPLOAD_BATCH_FILE`. Store [`super::Batch::marked`] first.
    Upload,
    /// Send `GET_BATCH_RESULTS`; it may be sent any number of times.
    Ask,
    /// Send `PROCESS_BATCH`. Store [`super::Batch::marked`] first.
    Process,
    /// Nothing before this time.
    Wait(Timestamp),
    /// The deadline has passed: store [`super::Batch::marked`] and raise an alert.
    GiveUp,
    /// It has ended.
    Nothing,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer that could be read.
    Answered(Answer),
    /// It was definitely never sent.
    Unsent,
    /// Nothing is known: no answer, an unreadable answer, or a status other than 2xx.
    Doubtful,
    /// HTTP 401 or 403: nothing is known about the step, and any other request would be refused now too.
    Forbidden,
}

impl Stage {
    /// The stage in one word.
    pub fn word(self) -> &'static str {
        match self {
            Stage::New => "new",
            Stage::UploadSent => "upload-sent",
            Stage::Validating => "validating",
            Stage::Validated => "validated",
            Stage::ProcessSent => "process-sent",
            Stage::Processing => "processing",
            Stage::Ended(End::Finished) => "finished",
            Stage::Ended(End::Unanswered) => "unanswered",
            Stage::Ended(End::InvalidRows) => "invalid-rows",
            Stage::Ended(End::InvalidFile) => "invalid-file",
            Stage::Ended(End::ReferenceTaken) => "reference-taken",
            Stage::Ended(End::OtherRows) => "other-rows",
            Stage::Ended(End::Refused) => "refused",
            Stage::Ended(End::GivenUp) => "given-up",
            Stage::Ended(End::NeverSent) => "never-sent",
        }
    }
}
