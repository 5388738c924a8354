//! The life of one uploaded file, step by step (docs/src/reference/aps.md, sections 2.4 and 2.5).
//!
//! Owns: which step is next, what follows from a reply, when to give up. Must never know: the network, the
//! store, the current time (it is an argument).
//!
//! Before a step that changes something is sent, [`Batch::marked`] is stored. A marked batch without a reply is in
//! doubt: its step may have taken effect. So it is polled. An upload is sent again when several answers say that the
//! provider does not know it. `PROCESS` moves money and is never sent again because of an answer: "not started" may
//! only mean that the request is still in flight. A person must release it.

mod row;
mod stage;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Said};
use super::file::BatchFile;
use crate::apis::aps::code::Code;
use crate::text::sha256;
use crate::time::later;

pub use row::{BatchRow, RowFate};
pub use stage::{End, Reply, Stage, Step};

pub use crate::apis::aps::rules::Patience;

/// How many consecutive answers must not know an upload before it is sent again.
const ABSENCES_NEEDED: u32 = 3;
/// How often a file is uploaded at most.
const MOST_UPLOADS: u32 = 3;
/// How long nothing is sent after the provider refused the account.
const AFTER_REFUSAL: Duration = Duration::from_secs(900);

/// One uploaded file, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Unique for the merchant; derived from the content.
    pub reference: String,
    /// The provider's id, once it is known.
    pub batch_id: Option<String>,
    /// The name that the file is sent under.
    pub file_name: String,
    /// Ties the file to this record; the file itself is stored beside it.
    pub file_sha256: String,
    /// The rows in the order of the file.
    pub rows: Vec<BatchRow>,
    /// Its stage.
    pub stage: Stage,
    /// How often it was uploaded, or may have been.
    pub uploads: u32,
    /// How often it was processed, or may have been.
    pub processes: u32,
    /// Polls in this stage.
    #[serde(rename = "looks")]
    pub polls: u32,
    /// Consecutive answers showing that the last step did not take effect.
    pub absences: u32,
    /// Nothing is done before this time.
    pub next_at: Timestamp,
    /// Since when we have been waiting for validation or for the results.
    pub awaited_since: Timestamp,
    /// The last code in an answer.
    pub last_code: Option<Code>,
    /// Result rows that contradict the file: they have another line and order, or another amount.
    pub contradictions: u32,
    /// The provider refused the account at the last request. Meanwhile, the batch is not given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_account_refused: bool,
}

impl Batch {
    /// A batch before anything was sent. Create it when its turn has come: the deadline for its validation
    /// starts now.
    pub fn new(file: &BatchFile, now: Timestamp) -> Batch {
        Batch {
            reference: file.reference.clone(),
            batch_id: None,
            file_name: file.name.clone(),
            file_sha256: sha256(&file.bytes),
            rows: (2u64..).zip(&file.rows).map(|(line, row)| BatchRow::new(line, row)).collect(),
            stage: Stage::New,
            uploads: 0,
            processes: 0,
            polls: 0,
            absences: 0,
            next_at: now,
            awaited_since: now,
            last_code: None,
            contradictions: 0,
            is_account_refused: false,
        }
    }

    /// What to do at this time.
    pub fn next_step(&self, patience: &Patience, now: Timestamp) -> Step {
        if let Stage::Ended(_) = self.stage {
            return Step::Nothing;
        }
        if now >= later(self.awaited_since, patience.deadline) {
            return Step::GiveUp;
        }
        // No poll waits longer than this, even with its random spread: a later one was scheduled by a clock that was
        // ahead.
        let longest = patience.longest_look.max(patience.first_poll).saturating_mul(2).max(AFTER_REFUSAL);
        if now < self.next_at && self.next_at <= later(now, longest) {
            return Step::Wait(self.next_at);
        }
        match self.stage {
            Stage::New => Step::Upload,
            Stage::Validated => Step::Process,
            Stage::UploadSent | Stage::Validating | Stage::ProcessSent | Stage::Processing => Step::Ask,
            Stage::Ended(_) => Step::Nothing,
        }
    }

    /// What must be stored before the step is carried out.
    #[must_use]
    pub fn marked(&self, patience: &Patience, step: Step, now: Timestamp) -> Batch {
        let mut batch = self.clone();
        match step {
            Step::Upload => {
                batch.enter(Stage::UploadSent, patience, now);
                batch.uploads += 1;
            }
            Step::Process => {
                batch.enter(Stage::ProcessSent, patience, now);
                batch.processes += 1;
            }
            Step::GiveUp => batch.give_up(),
            Step::Ask | Step::Wait(_) | Step::Nothing => {}
        }
        batch
    }

    /// The marked batch after the reply; must be stored when the reply has arrived.
    #[must_use]
    pub fn took(&self, patience: &Patience, step: Step, reply: &Reply, now: Timestamp) -> Batch {
        let mut batch = self.clone();
        batch.is_account_refused = match reply {
            Reply::Answered(answer) => answer.said == Said::AccountRefused,
            Reply::Forbidden => true,
            Reply::Unsent | Reply::Doubtful => self.is_account_refused,
        };
        if batch.is_account_refused {
            // Time in which nothing can be requested does not count.
            batch.awaited_since = now;
        }
        match (step, reply) {
            (Step::Upload, Reply::Unsent) => {
                batch.uploads = batch.uploads.saturating_sub(1);
                batch.enter(Stage::New, patience, now);
            }
            (Step::Process, Reply::Unsent) => {
                batch.processes = batch.processes.saturating_sub(1);
                batch.enter(Stage::Validated, patience, now);
            }
            (Step::Upload | Step::Process, Reply::Doubtful)
            | (Step::Ask, Reply::Unsent | Reply::Doubtful) => {
                batch.look_later(patience, now);
            }
            (Step::Upload | Step::Process | Step::Ask, Reply::Forbidden) => batch.wait_for_account(now),
            (Step::Upload, Reply::Answered(answer)) => {
                batch.note(answer);
                batch.uploaded(patience, answer, now);
            }
            (Step::Ask, Reply::Answered(answer)) => {
                batch.note(answer);
                batch.asked(patience, answer, now);
            }
            (Step::Process, Reply::Answered(answer)) => {
                batch.note(answer);
                batch.processed(patience, answer, now);
            }
            (Step::Wait(_) | Step::GiveUp | Step::Nothing, _) => {}
        }
        batch
    }

    /// An operator has seen at the provider that processing in doubt did not start, so it may be sent again.
    #[must_use]
    pub fn not_processed(&self, now: Timestamp) -> Batch {
        let mut batch = self.clone();
        if batch.stage == Stage::ProcessSent {
            batch.stage = Stage::Validated;
            (batch.polls, batch.absences, batch.next_at) = (0, 0, now);
            // The deadline kept running while it waited for the operator.
            batch.awaited_since = now;
        }
        batch
    }

    /// An operator cancels it. None when any of it may have been sent.
    #[must_use]
    pub fn cancelled(&self) -> Option<Batch> {
        if self.stage != Stage::New || self.uploads > 0 {
            return None;
        }
        let mut batch = self.clone();
        batch.rows.iter_mut().for_each(|row| row.fate = RowFate::NeverSent);
        batch.end(End::NeverSent);
        Some(batch)
    }

    /// Rows whose outcome is not certain from the batch alone: they must be watched by CHECK_STATUS.
    pub fn rows_to_watch(&self) -> impl Iterator<Item = &BatchRow> {
        self.rows.iter().filter(|row| row.fate.is_to_be_watched())
    }

    fn note(&mut self, answer: &Answer) {
        if let Some(code) = &answer.code {
            self.last_code = Some(code.clone());
        }
        if self.batch_id.is_none() {
            self.batch_id.clone_from(&answer.batch_id);
        }
    }

    fn uploaded(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        match answer.said {
            Said::Stored
            | Said::Validating
            | Said::Answered
            | Said::Valid
            | Said::Accepted
            | Said::Processing
            | Said::Rows => self.enter(Stage::Validating, patience, now),
            // Only a file that we sent before can already be there. Somebody else's must not be processed.
            Said::Duplicate if self.uploads > 1 => self.enter(Stage::Validating, patience, now),
            Said::Duplicate => {
                self.doubt_waiting_rows();
                self.end(End::ReferenceTaken);
            }
            Said::InvalidRows => self.end(End::InvalidRows),
            Said::InvalidFile | Said::Rejected => self.end(End::InvalidFile),
            Said::Refused => self.end(End::Refused),
            Said::AccountRefused => {
                self.uploads = self.uploads.saturating_sub(1);
                if self.uploads == 0 {
                    self.enter(Stage::New, patience, now);
                }
                self.wait_for_account(now);
            }
            Said::Unknown | Said::Unclear => self.look_later(patience, now),
        }
    }

    fn asked(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        match self.stage {
            _ if answer.said == Said::AccountRefused => self.wait_for_account(now),
            Stage::UploadSent if answer.said == Said::Unknown => self.absent(patience, now),
            Stage::UploadSent | Stage::Validating => self.asked_before_processing(patience, answer, now),
            Stage::ProcessSent => self.asked_after_doubt(patience, answer, now),
            Stage::Processing => self.fold(patience, answer, now),
            Stage::New | Stage::Validated | Stage::Ended(_) => {}
        }
    }

    fn asked_before_processing(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        match answer.said {
            Said::Stored | Said::Validating => {
                let is_news = self.stage == Stage::UploadSent;
                self.stage = Stage::Validating;
                self.polls = if is_news { 0 } else { self.polls };
                self.absences = 0;
                self.look_later(patience, now);
            }
            Said::Answered | Said::Valid => self.validated(patience, answer, now),
            Said::InvalidRows if patience.is_processed_with_row_errors => {
                self.validated(patience, answer, now);
            }
            Said::InvalidRows => self.end(End::InvalidRows),
            Said::InvalidFile | Said::Rejected => self.end(End::InvalidFile),
            // Somebody else has started it, perhaps in the back office. We follow it and send nothing.
            Said::Accepted | Said::Processing | Said::Rows => {
                self.enter(Stage::Processing, patience, now);
                self.fold(patience, answer, now);
            }
            // Just after an upload the provider may not know it yet (section 2.4).
            Said::Unknown | Said::Duplicate | Said::Refused | Said::AccountRefused | Said::Unclear => {
                self.look_later(patience, now);
            }
        }
    }

    fn validated(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        let own = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        if answer.row_count.is_some_and(|count| count != own) {
            self.end(End::OtherRows);
        } else {
            self.enter(Stage::Validated, patience, now);
            self.next_at = now;
            if self.processes == 0 {
                self.awaited_since = now;
            }
        }
    }

    fn processed(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        let is_refusal = matches!(
            answer.said,
            Said::Validating
                | Said::InvalidRows
                | Said::InvalidFile
                | Said::Rejected
                | Said::Refused
                | Said::AccountRefused
        );
        if is_refusal {
            // This request was definitely not accepted. An earlier one, before a person released the batch, may have
            // been.
            self.processes = self.processes.saturating_sub(1);
            if self.processes > 0 {
                return self.look_later(patience, now);
            }
        }
        match answer.said {
            Said::Accepted | Said::Processing | Said::Rows => {
                self.enter(Stage::Processing, patience, now);
                self.fold(patience, answer, now);
            }
            Said::Validating => self.enter(Stage::Validating, patience, now),
            Said::InvalidRows => self.end(End::InvalidRows),
            Said::InvalidFile | Said::Rejected => self.end(End::InvalidFile),
            Said::Refused => self.end(End::Refused),
            Said::AccountRefused => {
                self.enter(Stage::Validated, patience, now);
                self.wait_for_account(now);
            }
            Said::Stored | Said::Answered | Said::Valid | Said::Unknown | Said::Duplicate | Said::Unclear => {
                self.look_later(patience, now)
            }
        }
    }

    /// Only an answer showing that processing has started ends the doubt. Any other, including "validated", may have
    /// been given before the request arrived.
    fn asked_after_doubt(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        match answer.said {
            Said::Accepted | Said::Processing | Said::Rows => {
                self.enter(Stage::Processing, patience, now);
                self.fold(patience, answer, now);
            }
            _ => self.look_later(patience, now),
        }
    }

    /// An answer did not know the upload. After several in a row, it may be sent again.
    fn absent(&mut self, patience: &Patience, now: Timestamp) {
        self.absences += 1;
        if self.absences >= ABSENCES_NEEDED && self.uploads < MOST_UPLOADS {
            self.enter(Stage::New, patience, now);
            self.next_at = now;
        } else {
            self.look_later(patience, now);
        }
    }

    fn fold(&mut self, patience: &Patience, answer: &Answer, now: Timestamp) {
        let mut contradictions = 0_u32;
        for result in &answer.results.rows {
            let own = self.rows.iter_mut().find(|row| row.line == result.line);
            let is_as_asked = own.is_some_and(|row| row.take(result));
            contradictions = contradictions.saturating_add(u32::from(!is_as_asked));
        }
        // Each answer contains all rows again.
        self.contradictions = self.contradictions.max(contradictions);
        if self.rows.iter().all(|row| row.fate != RowFate::Waiting) {
            self.end(End::Finished);
        } else {
            self.look_later(patience, now);
        }
    }

    fn give_up(&mut self) {
        let is_processed = matches!(self.stage, Stage::ProcessSent | Stage::Processing);
        if is_processed {
            self.doubt_waiting_rows();
        }
        self.end(if is_processed { End::Unanswered } else { End::GivenUp });
    }

    fn doubt_waiting_rows(&mut self) {
        for row in self.rows.iter_mut().filter(|row| row.fate == RowFate::Waiting) {
            row.fate = RowFate::Unknown;
        }
    }

    fn wait_for_account(&mut self, now: Timestamp) {
        self.next_at = later(now, AFTER_REFUSAL);
    }

    fn end(&mut self, end: End) {
        self.stage = Stage::Ended(end);
    }

    fn enter(&mut self, stage: Stage, patience: &Patience, now: Timestamp) {
        self.stage = stage;
        (self.polls, self.absences) = (0, 0);
        self.next_at = later(now, patience.first_poll);
    }

    /// Schedules the next poll, after a wait that grows and differs slightly between batches.
    fn look_later(&mut self, patience: &Patience, now: Timestamp) {
        let doubled = patience.first_poll.saturating_mul(1u32 << self.polls.min(16));
        let spread: u32 =
            self.reference.bytes().map(u32::from).sum::<u32>().wrapping_add(self.polls * 7) % 21;
        let wait = doubled.min(patience.longest_look) * (90 + spread) / 100;
        self.polls = self.polls.saturating_add(1);
        self.next_at = later(now, wait);
    }
}
