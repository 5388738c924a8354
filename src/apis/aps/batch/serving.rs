//! Adapts these batch files to the interface that all batches share.
//!
//! Owns: the translation. Must never know: the network, the store.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::file::{self, BatchFile};
use super::input;
use super::machine::{Batch, BatchRow, End, Reply, RowFate, Stage, Step};
use super::row::Usual;
use crate::apis::aps::{Aps, NotSent, OPERATION, ORDER};
use crate::apis::batch::{
    self, BatchApi, Blocked, Carried, Carrying, Ending, Fate, Made, Next, Papers, Plan, Row, Sending,
    Settlement, Submission, Trouble, Wish, own,
};
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Details;

/// How many polls of processing in doubt are made before an alert.
const MANY_POLLS: u32 = 6;

/// Reads a batch as it is stored.
///
/// # Errors
/// When it is not a batch of this API.
pub(in crate::apis) fn read(stored: &Value) -> serde_json::Result<Box<dyn batch::Batch>> {
    Ok(Box::new(Batch::deserialize(stored)?))
}

impl BatchApi for Aps {
    fn may_write(&self) -> bool {
        self.settings().is_writing_allowed
    }

    fn queue(&self) -> String {
        format!("aps/{}", self.settings().merchant_identifier)
    }

    fn plan(&self, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>> {
        if submission.operation.is_some() {
            return Err(vec![
                "--operation does not apply to this account: each row names its own command (PURCHASE, CAPTURE, \
                 REFUND, VOID_AUTHORIZATION)"
                    .to_owned(),
            ]);
        }
        let rules = &self.settings().batch;
        let usual = Usual { language: self.settings().language, amounts: rules.amounts };
        let rows = input::read(submission.bytes, usual)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let files = file::plan(rows, rules, submission.label).into_iter();
        Ok(files.map(|file| Plan::new(file.reference.clone(), file.rows.len(), file)).collect())
    }

    /// A batch for a file that has not been sent.
    fn make(&self, plan: Plan, _first_request_id: u64, now: Timestamp) -> Result<Made, Blocked> {
        let file: BatchFile = plan.content()?;
        Ok(Made { batch: Box::new(Batch::new(&file, now)), document: file.bytes.into(), lines: None })
    }

    fn next(
        &self,
        batch: &dyn batch::Batch,
        _others: &[&dyn batch::Batch],
        has_earlier: bool,
        now: Timestamp,
    ) -> Result<Next, Blocked> {
        let batch: &Batch = own(batch)?;
        if has_earlier {
            return Ok(Next::Behind);
        }
        let patience = &self.settings().batch.patience;
        Ok(match batch.next_step(patience, now) {
            Step::Wait(at) => Next::Wait(at),
            Step::Nothing => Next::Settle,
            Step::GiveUp => Next::Become(Box::new(batch.marked(patience, Step::GiveUp, now))),
            step @ (Step::Upload | Step::Ask | Step::Process) => {
                Next::Act(batch::Step::new(OPERATION, step == Step::Upload, step))
            }
        })
    }

    fn check(&self, batch: &dyn batch::Batch, step: &batch::Step, document: &[u8]) -> Result<(), Blocked> {
        self.check_step(own(batch)?, *step.own()?, document).map_err(blocked)
    }

    fn about_to(
        &self,
        batch: &dyn batch::Batch,
        step: &batch::Step,
        now: Timestamp,
    ) -> Result<Box<dyn batch::Batch>, Blocked> {
        let batch: &Batch = own(batch)?;
        Ok(Box::new(batch.marked(&self.settings().batch.patience, *step.own()?, now)))
    }

    fn carry_out<'a>(&'a self, sending: Sending<'a>) -> Carrying<'a> {
        Box::pin(async move {
            let (batch, step): (&Batch, &Step) = (own(sending.batch)?, sending.step.own()?);
            let reply = Aps::carry_out(self, batch, *step, &sending.document, sending.permit).await;
            let reply = reply.map_err(blocked)?;
            let is_accepted = matches!(&reply, Reply::Answered(answer) if answer.said.is_acceptance());
            let batch = batch.took(&self.settings().batch.patience, *step, &reply, self.now());
            Ok(Carried { batch: Box::new(batch), result: None, is_accepted })
        })
    }
}

/// Why nothing is sent.
fn blocked(why: NotSent) -> Blocked {
    let word = match &why {
        NotSent::WritesForbidden => "writes-forbidden",
        NotSent::OtherFile => "other-file",
        NotSent::UnfitFile(_) => "unfit-file",
        NotSent::NoRequest => "no-request",
    };
    Blocked { word, why: why.to_string() }
}

fn order(row: &BatchRow) -> Option<(Kind, ObjectId)> {
    Some((Kind::new(ORDER).ok()?, ObjectId::new(row.merchant_reference.as_str()).ok()?))
}

/// The order of a row. The row's amount is not always the order's, so no amount is expected.
fn watched(row: &BatchRow) -> Option<(Kind, ObjectId, Details)> {
    let details = Details { merchant_reference: Some(row.merchant_reference.clone()), ..Details::default() };
    let (kind, id) = order(row)?;
    Some((kind, id, details))
}

impl batch::Batch for Batch {
    fn reference(&self) -> &str {
        &self.reference
    }

    fn stage(&self) -> &'static str {
        self.stage.word()
    }

    fn next_at(&self) -> Option<Timestamp> {
        Some(self.next_at)
    }

    fn last_code(&self) -> Option<&str> {
        self.last_code.as_ref().map(|code| code.as_str())
    }

    fn provider_id(&self) -> Option<&str> {
        self.batch_id.as_deref()
    }

    fn document_sum(&self) -> (&'static str, &str) {
        ("sha256", &self.file_sha256)
    }

    fn document_name(&self) -> String {
        self.file_name.clone()
    }

    fn sendings(&self) -> (u32, u32) {
        (self.uploads, self.processes)
    }

    fn contradictions(&self) -> u32 {
        self.contradictions
    }

    fn marks(&self) -> usize {
        self.rows.iter().filter(|row| row.other_fort_id.is_some()).count()
    }

    fn begin(&mut self, now: Timestamp) {
        (self.awaited_since, self.next_at) = (now, now);
    }

    fn trouble(&self, _now: Timestamp) -> Option<Trouble> {
        if self.stage == Stage::ProcessSent && self.polls >= MANY_POLLS {
            return Some(Trouble {
                word: "in-doubt",
                what: "its processing was requested, but it is unknown whether it started".to_owned(),
                advice: format!(
                    "Check in the back office. Only if it definitely did not start, run: reconciled batch release {}. \
                     Until then, no other batch of this account is sent.",
                    self.reference
                ),
                is_critical: true,
            });
        }
        let is_ended = matches!(self.stage, Stage::Ended(_));
        (self.is_account_refused && !is_ended).then(|| {
            let code = self.last_code.as_ref().map(|code| format!(" (last code {})", code.as_str()));
            Trouble {
                word: "account-refused",
                what: format!("the provider refuses the account{}", code.unwrap_or_default()),
                advice:
                    "Fix the access code, the phrases or the account's permissions. The batch is retried every 15 \
                         minutes; nothing is lost."
                        .to_owned(),
                is_critical: false,
            }
        })
    }

    fn ending(&self) -> Option<Ending> {
        let Stage::Ended(end) = self.stage else { return None };
        let not_processed = |why: &str| Ending::NotProcessed(why.to_owned());
        Some(match end {
            End::Finished => Ending::Finished,
            End::Unanswered => Ending::Unanswered,
            End::InvalidRows => not_processed("rows did not pass the provider's validation"),
            End::InvalidFile => not_processed("the provider did not accept the file"),
            End::ReferenceTaken => {
                not_processed("its reference was used before this file was sent from here")
            }
            End::OtherRows => {
                not_processed("the provider counted a different number of rows than the file has")
            }
            End::Refused => not_processed("the provider refused the request"),
            End::GivenUp => not_processed("its validation was never seen to finish"),
            End::NeverSent => Ending::Cancelled,
        })
    }

    fn rows(&self) -> Option<Vec<Row>> {
        Some(self.rows.iter().map(BatchRow::shown).collect())
    }

    fn row_pieces(&self, most: usize) -> serde_json::Result<Option<Vec<String>>> {
        self.rows.chunks(most).map(serde_json::to_string).collect::<Result<_, _>>().map(Some)
    }

    fn put_row_pieces(&mut self, pieces: &[String]) -> serde_json::Result<()> {
        self.rows.clear();
        for piece in pieces {
            self.rows.extend(serde_json::from_str::<Vec<BatchRow>>(piece)?);
        }
        Ok(())
    }

    /// Undecided orders are watched. Orders that are already watched are polled again.
    fn settle(&self, _papers: &Papers<'_>, _now: Timestamp) -> Result<Settlement, Blocked> {
        let touched =
            self.rows.iter().filter(|row| !matches!(row.fate, RowFate::Waiting | RowFate::NeverSent));
        Ok(Settlement {
            batch: Box::new(self.clone()),
            rows: None,
            shown: Vec::new(),
            is_shown_watched: false,
            asked_at: None,
            watch: self.rows_to_watch().filter_map(watched).collect(),
            ask: touched.filter_map(order).collect(),
        })
    }

    /// A file that has not been sent can be cancelled. Processing in doubt may be sent again when an operator says so.
    fn grant(
        &self,
        wish: &Wish,
        _others: &[&dyn batch::Batch],
        now: Timestamp,
    ) -> Result<Box<dyn batch::Batch>, &'static str> {
        match wish {
            Wish::Cancel if self.stage == Stage::Ended(End::NeverSent) => Ok(Box::new(self.clone())),
            Wish::Cancel => match self.cancelled() {
                Some(batch) => Ok(Box::new(batch)),
                None => Err(
                    "cannot be cancelled any more: it was sent, and the provider cannot cancel it; set allow_writes \
                     = false, or void its rows",
                ),
            },
            Wish::Adopt(_) => Err("has no feed to adopt: the provider knows it by its reference"),
            Wish::SendAgain if self.stage == Stage::ProcessSent => Ok(Box::new(self.not_processed(now))),
            Wish::SendAgain => {
                Err("is not in doubt: only processing that was sent and never answered can be released")
            }
        }
    }

    fn copy(&self) -> Box<dyn batch::Batch> {
        Box::new(self.clone())
    }

    fn json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self.bare())
    }
}

impl Batch {
    /// A copy without the rows, because copying them would be expensive.
    fn bare(&self) -> Batch {
        Batch {
            reference: self.reference.clone(),
            batch_id: self.batch_id.clone(),
            file_name: self.file_name.clone(),
            file_sha256: self.file_sha256.clone(),
            rows: Vec::new(),
            last_code: self.last_code.clone(),
            ..*self
        }
    }
}

impl BatchRow {
    /// The row in the form that all providers share.
    pub fn shown(&self) -> Row {
        let (fate, code) = match &self.fate {
            RowFate::Waiting => (Fate::Waiting, None),
            RowFate::Done(code) => (Fate::Done, Some(code.as_str())),
            RowFate::Declined(code) => (Fate::Declined, Some(code.as_str())),
            RowFate::Open(code) => (Fate::Open, Some(code.as_str())),
            RowFate::Unknown => (Fate::Unknown, None),
            RowFate::NeverSent => (Fate::Declined, Some("NeverSent")),
        };
        Row {
            line: self.line,
            input_line: self.input_line,
            command: self.command.as_str().to_owned(),
            about: None,
            reference: Some(self.merchant_reference.clone()),
            amount: self.amount.clone(),
            currency: self.currency.clone(),
            object: self.fort_id.clone(),
            state: None,
            fate,
            code: code.map(str::to_owned),
            refusal: None,
            mark: self.mark(),
        }
    }
}
