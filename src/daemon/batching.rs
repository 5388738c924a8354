//! Answers what an operator asks about batches, from the `batches` room.
//!
//! Owns: the translation between the two rooms. Must never know: steps, files.

use crate::apis::aps::batch::machine::{RowFate, Stage};
use crate::batches::{BatchError, Entry, Submission};
use crate::control::batching::{
    BatchAnswer, BatchFiled, BatchLine, BatchRequest, BatchRowShown, BatchShown, BatchSubmission,
    BatchSubmitted,
};
use crate::control::problem::{Cause, Problem};

use super::Daemon;

/// Answers one question.
pub(super) async fn answer(daemon: &Daemon, request: BatchRequest) -> Result<BatchAnswer, Problem> {
    let batches = &daemon.foundation.batches;
    match request {
        BatchRequest::Submit(submission) => submit(daemon, submission).await.map(BatchAnswer::Submitted),
        BatchRequest::List { account } => {
            let entries = batches.list(account.as_ref()).await.map_err(problem)?;
            Ok(BatchAnswer::Listed(entries.iter().map(line).collect()))
        }
        BatchRequest::Show { reference } => {
            let entry = batches.show(&reference).await.map_err(problem)?;
            Ok(BatchAnswer::Shown(shown(&entry)))
        }
        BatchRequest::Release { reference } => {
            let entry = batches.release(&reference).await.map_err(problem)?;
            Ok(BatchAnswer::Released(line(&entry)))
        }
    }
}

async fn submit(daemon: &Daemon, submission: BatchSubmission) -> Result<BatchSubmitted, Problem> {
    let rooms = daemon.rooms();
    let Some(account) = rooms.senders.iter().find(|account| account.name == submission.account) else {
        let known: Vec<&str> = rooms.senders.iter().map(|account| account.name.as_str()).collect();
        let remedy = match known.as_slice() {
            [] => "batches need an account with api = \"aps\"".to_owned(),
            known => format!("there are: {}", known.join(", ")),
        };
        let detail = format!("{} is no account that can send batches", submission.account);
        return Err(Problem::new(Cause::Unprocessable, detail, remedy));
    };
    let may_send = account.client.settings().is_writing_allowed;
    let asked = Submission {
        bytes: submission.content.as_bytes(),
        label: submission.label.as_deref(),
        is_dry_run: submission.dry_run,
    };
    let done = daemon.foundation.batches.submit(account, asked).await.map_err(problem)?;
    let files = done.files.into_iter();
    Ok(BatchSubmitted {
        dry_run: submission.dry_run,
        files: files
            .map(|file| BatchFiled { reference: file.reference, rows: file.rows, was_known: file.was_known })
            .collect(),
        problems: done.problems,
        may_send,
        is_daemon: daemon.is_daemon,
    })
}

fn line(entry: &Entry) -> BatchLine {
    let (batch, tally) = (&entry.batch, &entry.tally);
    let is_ended = matches!(batch.stage, Stage::Ended(_));
    BatchLine {
        account: entry.account.clone(),
        reference: batch.reference.clone(),
        stage: entry.stage().to_owned(),
        is_ended,
        submitted_at: entry.submitted_at,
        next_at: (entry.is_begun && !is_ended).then_some(batch.next_at),
        rows: entry.row_count,
        waiting: tally.waiting,
        done: tally.done,
        declined: tally.declined,
        open: tally.open,
        unknown: tally.unknown,
        contradictions: batch.contradictions,
        last_code: batch.last_code.as_ref().map(|code| code.as_str().to_owned()),
    }
}

fn shown(entry: &Entry) -> BatchShown {
    let batch = &entry.batch;
    let rows = batch.rows.iter().map(|row| {
        let (fate, code) = match &row.fate {
            RowFate::Waiting => ("waiting", None),
            RowFate::Done(code) => ("done", Some(code)),
            RowFate::Declined(code) => ("declined", Some(code)),
            RowFate::Open(code) => ("open", Some(code)),
            RowFate::Unknown => ("unknown", None),
        };
        BatchRowShown {
            line: row.line,
            input_line: row.input_line,
            command: row.command.as_str().to_owned(),
            merchant_reference: row.merchant_reference.clone(),
            amount: row.amount.clone(),
            currency: row.currency.clone(),
            fort_id: row.fort_id.clone(),
            fate: fate.to_owned(),
            code: code.map(|code| code.as_str().to_owned()),
        }
    });
    BatchShown {
        line: line(entry),
        batch_id: batch.batch_id.clone(),
        file_sha256: batch.file_sha256.clone(),
        uploads: batch.uploads,
        processes: batch.processes,
        row_list: rows.collect(),
    }
}

fn problem(error: BatchError) -> Problem {
    let (cause, remedy) = match &error {
        BatchError::Store(_) | BatchError::File { .. } => {
            (Cause::Unavailable, "see the log; the request may be repeated")
        }
        BatchError::Unreadable { .. } => (Cause::Internal, "see the log, and keep the store as it is"),
        BatchError::Unknown(_) => (Cause::NotFound, "see: reconciled batch list"),
        BatchError::NotNow { .. } => (Cause::Conflict, "see: reconciled batch show"),
    };
    Problem::new(cause, error.to_string(), remedy)
}
