//! The answers about batches, from the `batches` room.
//!
//! Owns: how a batch is shown. Must never know: steps, files.

use crate::apis::batch::Row;
use crate::apis::registry;
use crate::batches::{BatchError, Entry, Submission, Wish};
use crate::control::messages::{
    BatchCancel, BatchFiled, BatchLine, BatchList, BatchRelease, BatchRowShown, BatchShow, BatchShown,
    BatchSubmission, BatchSubmitted,
};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service};
use crate::payments::object::AccountName;

impl Service {
    /// Checks the rows and records them. The daemon sends them.
    pub async fn submit_batch(&self, submission: BatchSubmission) -> Answer<BatchSubmitted> {
        let rooms = self.rooms();
        let Some(account) = rooms.senders.iter().find(|account| account.name == submission.account) else {
            let known: Vec<&str> = rooms.senders.iter().map(|account| account.name.as_str()).collect();
            let remedy = match known.as_slice() {
                [] => format!(
                    "batches need an account with api = {}",
                    registry::names_with_batches().join(" or ")
                ),
                known => format!("known accounts: {}", known.join(", ")),
            };
            let detail = format!("account {} cannot send batches", submission.account);
            return Err(Problem::new(Cause::Unprocessable, detail, remedy));
        };
        let asked = Submission {
            bytes: submission.content.into_bytes(),
            operation: submission.operation,
            label: submission.label,
            is_dry_run: submission.dry_run,
        };
        // Its files stay on this host.
        let _at_work = self.at_work_on(&account.name).await?;
        let done = self.batches.submit(account, asked).await.map_err(problem)?;
        let files = done.files.into_iter();
        Ok(BatchSubmitted {
            dry_run: submission.dry_run,
            files: files
                .map(|file| BatchFiled {
                    reference: file.reference,
                    rows: file.rows,
                    was_known: file.was_known,
                })
                .collect(),
            problems: done.problems,
            may_send: account.api.batches().is_some_and(|batches| batches.may_write()),
            is_daemon: self.is_daemon(),
        })
    }

    /// The batches, in the order in which they are sent.
    pub async fn list_batches(&self, request: &BatchList) -> Answer<Vec<BatchLine>> {
        let entries = self.batches.list(request.account.as_ref()).await.map_err(problem)?;
        Ok(entries.iter().map(line).collect())
    }

    /// One batch with its rows.
    pub async fn show_batch(&self, request: &BatchShow) -> Answer<BatchShown> {
        let (entry, rows) = self.batches.show(&request.reference).await.map_err(problem)?;
        Ok(shown(&entry, rows))
    }

    /// Records the outcome of a batch in doubt.
    pub async fn release_batch(&self, request: BatchRelease) -> Answer<BatchLine> {
        let wish = request.adopt.map_or(Wish::SendAgain, Wish::Adopt);
        self.grant(&request.reference, &wish).await
    }

    /// Cancels a batch if that is still possible.
    pub async fn cancel_batch(&self, request: &BatchCancel) -> Answer<BatchLine> {
        self.grant(&request.reference, &Wish::Cancel).await
    }

    async fn grant(&self, reference: &str, wish: &Wish) -> Answer<BatchLine> {
        let rooms = self.rooms();
        let queue = |name: &AccountName| {
            let sender = rooms.senders.iter().find(|sender| sender.name == *name);
            sender.and_then(|sender| Some(sender.api.batches()?.queue()))
        };
        let (known, _) = self.batches.show(reference).await.map_err(problem)?;
        let _at_work = self.at_work_on(&known.account).await?;
        let entry = self.batches.grant(reference, wish, queue).await.map_err(problem)?;
        Ok(line(&entry))
    }
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
            (Cause::Unavailable, "see the log; you may repeat the request")
        }
        BatchError::Unreadable { .. } | BatchError::Broken(_) => {
            (Cause::Internal, "see the log, and do not change the store")
        }
        BatchError::Unknown(_) => (Cause::NotFound, "see: reconciled batch list"),
        BatchError::NotNow { .. } => (Cause::Conflict, "see: reconciled batch show"),
        BatchError::NoBatches(_) => (Cause::Unprocessable, "name another account"),
    };
    Problem::new(cause, error.to_string(), remedy)
}
