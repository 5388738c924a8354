//! Answers what an operator asks about batches, from the `batches` room, and gives that room its ports.
//!
//! Owns: the translation between the rooms. Must never know: steps, files.

use std::sync::Arc;

use crate::apis::batch::Row;
use crate::apis::{Accepted, registry};
use crate::batches::{BatchError, Entry, Ledger, Ports, Submission, Wish};
use crate::control::batching::{
    BatchAnswer, BatchFiled, BatchLine, BatchRequest, BatchRowShown, BatchShown, BatchSubmission,
    BatchSubmitted,
};
use crate::control::problem::{Cause, Problem};
use crate::payments::alert::Routes;
use crate::payments::object::{AccountName, ObjectRef};
use crate::reconcile::Reconcile;

use super::Daemon;
use super::rooms::Rooms;

/// What batches hand things to: alerts by the routes, sights to the path that every poll takes.
pub(super) fn ports(routes: &Routes, reconcile: &Arc<Reconcile>, rooms: &Arc<Rooms>) -> Ports {
    let accepted = accepted(reconcile);
    let (reconcile, accounts) = (Arc::clone(reconcile), rooms.accounts.clone());
    let ledger: Ledger = Arc::new(move |name: AccountName, shown, asked_at| {
        let reconcile = Arc::clone(&reconcile);
        let account = accounts.iter().find(|account| account.name == name).cloned();
        Box::pin(async move {
            let Some(account) = account else { return Ok(()) };
            let sights = shown.into_iter().map(|shown| {
                let object = ObjectRef { account: name.clone(), kind: shown.kind, id: shown.id };
                (object, shown.observation)
            });
            reconcile.take(&account, sights.collect(), asked_at).await
        })
    });
    Ports { routes: Arc::clone(routes), ledger, accepted }
}

/// An answer under an account's credentials opens the account, if its provider had refused it.
pub(super) fn accepted(reconcile: &Arc<Reconcile>) -> Accepted {
    let reconcile = Arc::clone(reconcile);
    Arc::new(move |account: &AccountName| reconcile.answered_elsewhere(account))
}

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
            let (entry, rows) = batches.show(&reference).await.map_err(problem)?;
            Ok(BatchAnswer::Shown(shown(&entry, rows)))
        }
        BatchRequest::Release { reference, adopt } => {
            let wish = adopt.map_or(Wish::SendAgain, Wish::Adopt);
            grant(daemon, &reference, &wish).await.map(BatchAnswer::Released)
        }
        BatchRequest::Cancel { reference } => {
            grant(daemon, &reference, &Wish::Cancel).await.map(BatchAnswer::Cancelled)
        }
    }
}

async fn grant(daemon: &Daemon, reference: &str, wish: &Wish) -> Result<BatchLine, Problem> {
    let rooms = daemon.rooms();
    let queue = |name: &AccountName| {
        let sender = rooms.senders.iter().find(|sender| sender.name == *name);
        sender.and_then(|sender| Some(sender.api.batches()?.queue()))
    };
    let entry = daemon.foundation.batches.grant(reference, wish, queue).await.map_err(problem)?;
    Ok(line(&entry))
}

async fn submit(daemon: &Daemon, submission: BatchSubmission) -> Result<BatchSubmitted, Problem> {
    let rooms = daemon.rooms();
    let Some(account) = rooms.senders.iter().find(|account| account.name == submission.account) else {
        let known: Vec<&str> = rooms.senders.iter().map(|account| account.name.as_str()).collect();
        let remedy = match known.as_slice() {
            [] => {
                format!("batches need an account with api = {}", registry::names_with_batches().join(" or "))
            }
            known => format!("there are: {}", known.join(", ")),
        };
        let detail = format!("{} is no account that can send batches", submission.account);
        return Err(Problem::new(Cause::Unprocessable, detail, remedy));
    };
    let asked = Submission {
        bytes: submission.content.into_bytes(),
        operation: submission.operation,
        label: submission.label,
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
        may_send: account.api.batches().is_some_and(|batches| batches.may_write()),
        is_daemon: daemon.is_daemon,
    })
}

fn line(entry: &Entry) -> BatchLine {
    let (batch, tally) = (&entry.batch, &entry.tally);
    let is_ended = entry.is_ended();
    BatchLine {
        account: entry.account.clone(),
        reference: entry.reference().to_owned(),
        stage: entry.stage().to_owned(),
        is_ended,
        is_poll: batch.is_poll(),
        needs: batch.trouble(entry.submitted_at).filter(|trouble| trouble.is_critical).map(|it| it.what),
        submitted_at: entry.submitted_at,
        next_at: batch.next_at().filter(|_| entry.is_begun && !is_ended),
        rows: entry.row_count,
        waiting: tally.waiting,
        done: tally.done,
        declined: tally.declined,
        open: tally.open,
        unknown: tally.unknown,
        contradictions: batch.contradictions(),
        last_code: batch.last_code().map(str::to_owned),
    }
}

fn shown(entry: &Entry, rows: Vec<Row>) -> BatchShown {
    let batch = &entry.batch;
    let (algorithm, sum) = batch.document_sum();
    let sum_if = |wanted: &str| (algorithm == wanted).then(|| sum.to_owned());
    let (uploads, processes) = batch.sendings();
    let rows = rows.into_iter().map(|row| BatchRowShown {
        line: row.line,
        input_line: row.input_line,
        command: row.command,
        about: row.about,
        merchant_reference: row.reference.unwrap_or_default(),
        amount: row.amount,
        currency: row.currency,
        fort_id: row.object,
        state: row.state,
        fate: row.fate.as_str().to_owned(),
        code: row.code,
        mark: row.mark,
    });
    BatchShown {
        line: line(entry),
        batch_id: batch.provider_id().map(str::to_owned),
        file_sha256: sum_if("sha256"),
        file_md5: sum_if("md5"),
        uploads,
        processes,
        row_list: rows.collect(),
    }
}

fn problem(error: BatchError) -> Problem {
    let (cause, remedy) = match &error {
        BatchError::Store(_) | BatchError::File(_) => {
            (Cause::Unavailable, "see the log; the request may be repeated")
        }
        BatchError::Unreadable { .. } | BatchError::Broken(_) => {
            (Cause::Internal, "see the log, and keep the store as it is")
        }
        BatchError::Unknown(_) => (Cause::NotFound, "see: reconciled batch list"),
        BatchError::NotNow { .. } => (Cause::Conflict, "see: reconciled batch show"),
        BatchError::NoBatches(_) => (Cause::Unprocessable, "name another account"),
    };
    Problem::new(cause, error.to_string(), remedy)
}
