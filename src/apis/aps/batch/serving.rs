//! Files behind the shape that all batches share.
//!
//! Owns: the translation. Must never know: the network, the store.

use jiff::Timestamp;

use super::file::{self, BatchFile};
use super::input;
use super::machine::{Batch, BatchRow, End, Patience, RowFate, Stage, Step};
use super::row::Usual;
use crate::apis::aps::config::Settings;
use crate::apis::aps::{NotSent, OPERATION, ORDER};
use crate::apis::batch::{self, Blocked, Ending, Fate, Made, Next, Plan, Row, Settlement, Submission, Wish};
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Details;

/// Looks at a processing in doubt after which somebody is told.
const MANY_LOOKS: u32 = 6;

/// Checks an input and divides it into files.
pub(in crate::apis) fn plan(
    settings: &Settings,
    submission: &Submission<'_>,
) -> Result<Vec<Plan>, Vec<String>> {
    if submission.operation.is_some() {
        return Err(vec![
            "--operation is not for this account: each row names its own command (PURCHASE, CAPTURE, REFUND, \
             VOID_AUTHORIZATION)"
                .to_owned(),
        ]);
    }
    let usual = Usual { language: settings.language, amounts: settings.batch.amounts };
    let rows = input::read(submission.bytes, usual)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(file::plan(rows, &settings.batch, submission.label).into_iter().map(Plan::of_file).collect())
}

/// A batch of a file of which nothing was sent.
pub(in crate::apis) fn make(file: BatchFile, now: Timestamp) -> Made {
    let batch = Batch::new(&file, now);
    Made { batch: batch::Batch::File(batch), document: file.bytes.into(), lines: None }
}

/// What to do now.
pub(in crate::apis) fn next(patience: &Patience, batch: &Batch, now: Timestamp) -> Next {
    match batch.next_step(patience, now) {
        Step::Wait(at) => Next::Wait(at),
        Step::Nothing => Next::Settle,
        Step::GiveUp => Next::Become(Box::new(batch::Batch::File(batch.marked(patience, Step::GiveUp, now)))),
        step @ (Step::Upload | Step::Ask | Step::Process) => Next::Act(batch::Step {
            operation: OPERATION,
            needs_document: step == Step::Upload,
            what: batch::What::File(step),
        }),
    }
}

/// Why nothing is sent.
pub(in crate::apis) fn blocked(why: NotSent) -> Blocked {
    let word = match &why {
        NotSent::WritesForbidden => "writes-forbidden",
        NotSent::OtherFile => "other-file",
        NotSent::UnfitFile(_) => "unfit-file",
        NotSent::NoRequest => "no-request",
    };
    Blocked { word, why: why.to_string() }
}

/// Undecided orders are watched, orders that are watched already are looked at again.
pub(in crate::apis) fn settle(batch: &Batch) -> Settlement {
    let touched = batch.rows.iter().filter(|row| row.fate != RowFate::Waiting);
    Settlement {
        batch: batch::Batch::File(batch.clone()),
        rows: None,
        shown: Vec::new(),
        is_shown_watched: false,
        asked_at: None,
        watch: batch.rows_to_watch().filter_map(watched).collect(),
        ask: touched.filter_map(order).collect(),
    }
}

fn order(row: &BatchRow) -> Option<(Kind, ObjectId)> {
    Some((Kind::new(ORDER).ok()?, ObjectId::new(row.merchant_reference.as_str()).ok()?))
}

/// The order of a row. Its amount is the row's, not always the order's, so that none is expected.
fn watched(row: &BatchRow) -> Option<(Kind, ObjectId, Details)> {
    let details = Details { merchant_reference: Some(row.merchant_reference.clone()), ..Details::default() };
    let (kind, id) = order(row)?;
    Some((kind, id, details))
}

/// A processing in doubt may be sent again when an operator says so; nothing else can be wished for.
pub(in crate::apis) fn grant(batch: &Batch, wish: &Wish, now: Timestamp) -> Result<Batch, &'static str> {
    match wish {
        Wish::Cancel => Err(
            "cannot be cancelled: the provider has no way to; leave allow_writes = false, or void its rows",
        ),
        Wish::Adopt(_) => Err("has no feed to adopt: the provider knows it by its reference"),
        Wish::SendAgain if batch.stage == Stage::ProcessSent => Ok(batch.not_processed(now)),
        Wish::SendAgain => {
            Err("is not in doubt: only a processing that was sent and never answered can be released")
        }
    }
}

impl Stage {
    /// In a word.
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
        }
    }
}

impl Batch {
    /// The same without its rows.
    #[must_use]
    pub fn without_rows(&self) -> Batch {
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

    /// How it ended.
    pub fn ending(&self) -> Option<Ending> {
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
            End::OtherRows => not_processed("the provider counted other rows than the file has"),
            End::Refused => not_processed("the provider refuses the request"),
            End::GivenUp => not_processed("its validation was never seen to end"),
        })
    }

    /// What somebody should know about it now.
    pub fn trouble(&self) -> Option<(&'static str, String, &'static str, bool)> {
        if self.stage == Stage::ProcessSent && self.looks >= MANY_LOOKS {
            let what = "its processing was asked for, and nothing tells whether it began".to_owned();
            let advice = "Look in the back office. Only when it surely did not begin: reconciled batch release \
                          REFERENCE. No other batch of this account is sent before.";
            return Some(("in-doubt", what, advice, true));
        }
        let is_ended = matches!(self.stage, Stage::Ended(_));
        (self.is_account_refused && !is_ended).then(|| {
            let code = self.last_code.as_ref().map(|code| format!(" (last code {})", code.as_str()));
            let what = format!("the provider refuses the account{}", code.unwrap_or_default());
            let advice = "Mend the access code, the phrases or the account's rights. It is tried again every 15 \
                          minutes; nothing of it is lost.";
            ("account-refused", what, advice, false)
        })
    }

    /// Rows whose result is odd though it can be believed.
    pub fn marks(&self) -> usize {
        self.rows.iter().filter(|row| row.other_fort_id.is_some()).count()
    }
}

impl BatchRow {
    /// As every provider's rows are shown.
    pub fn shown(&self) -> Row {
        let (fate, code) = match &self.fate {
            RowFate::Waiting => (Fate::Waiting, None),
            RowFate::Done(code) => (Fate::Done, Some(code)),
            RowFate::Declined(code) => (Fate::Declined, Some(code)),
            RowFate::Open(code) => (Fate::Open, Some(code)),
            RowFate::Unknown => (Fate::Unknown, None),
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
            code: code.map(|code| code.as_str().to_owned()),
            refusal: None,
            mark: self.mark(),
        }
    }
}
