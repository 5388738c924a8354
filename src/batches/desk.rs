//! What an operator asks of batches: submit, list, show, release.
//!
//! Owns: what a submission must be before it is recorded. Must never know: which step is next, how anything
//! is sent.

use jiff::Timestamp;

use super::book::Entry;
use super::{Account, BatchError, Batches};
use crate::apis::aps::batch::file::{self, BatchFile};
use crate::apis::aps::batch::input;
use crate::apis::aps::batch::machine::{Batch, Stage};
use crate::apis::aps::batch::row::Usual;
use crate::payments::object::AccountName;

/// What an operator hands in.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// CSV or JSON Lines.
    pub bytes: &'a [u8],
    /// A word that makes the same rows another batch; without one, rows that were submitted before are not
    /// recorded again.
    pub label: Option<&'a str>,
    /// Only check.
    pub is_dry_run: bool,
}

/// What became of a submission: its files in the order in which they are sent, or all its problems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// The files.
    pub files: Vec<Filed>,
    /// What is wrong, line by line; then nothing was recorded.
    pub problems: Vec<String>,
}

/// One file of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// The reference of its batch.
    pub reference: String,
    /// How many rows it has.
    pub rows: u64,
    /// The same file was recorded before: nothing new was recorded for it.
    pub was_known: bool,
}

impl Batches {
    /// Checks an input and records its files, to be sent one after the other.
    ///
    /// # Errors
    /// When store or folder fail: what was recorded until then stays, and submitting again adds the rest.
    pub async fn submit(
        &self,
        account: &Account,
        submission: Submission<'_>,
    ) -> Result<Submitted, BatchError> {
        let settings = account.client.settings();
        let usual = Usual { language: settings.language, amounts: settings.batch.amounts };
        let rows = match input::read(submission.bytes, usual) {
            Ok(rows) => rows,
            Err(problems) => {
                let problems = problems.iter().map(ToString::to_string).collect();
                return Ok(Submitted { files: Vec::new(), problems });
            }
        };
        let now = self.clock.now();
        let label = submission.label.unwrap_or_default();
        let files = file::plan(rows, &settings.batch, label);
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let known = self.book.list(Some(&account.name)).await?;
        let mut number = known.iter().map(|entry| entry.number).max().unwrap_or_default();
        let mut submitted = Submitted::default();
        for file in files {
            let rows = u64::try_from(file.rows.len()).unwrap_or(u64::MAX);
            let was_known = known.iter().any(|entry| entry.batch.reference == file.reference);
            submitted.files.push(Filed { reference: file.reference.clone(), rows, was_known });
            if !was_known && !submission.is_dry_run {
                number += 1;
                self.record(&account.name, number, file, now).await?;
            }
        }
        self.wake.notify_one();
        Ok(submitted)
    }

    /// The file first: a recorded batch always finds its bytes.
    async fn record(
        &self,
        account: &AccountName,
        number: u64,
        file: BatchFile,
        now: Timestamp,
    ) -> Result<(), BatchError> {
        let batch = Batch::new(&file, now);
        self.vault.keep(account, &batch.file_name, file.bytes).await?;
        let mut entry = Entry::new(account.clone(), number, batch, now);
        self.book.write(&mut entry).await
    }

    /// All batches of an account, or of all accounts, in their order and without their rows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, account: Option<&AccountName>) -> Result<Vec<Entry>, BatchError> {
        self.book.list(account).await
    }

    /// A batch with all its rows.
    ///
    /// # Errors
    /// When there is none of this reference, or the store fails.
    pub async fn show(&self, reference: &str) -> Result<Entry, BatchError> {
        let unknown = || BatchError::Unknown(reference.to_owned());
        let listed = self.book.list(None).await?;
        let entry = listed.into_iter().find(|entry| entry.batch.reference == reference);
        let account = entry.ok_or_else(unknown)?.account;
        self.book.find(&account, reference).await?.ok_or_else(unknown)
    }

    /// An operator has seen at the provider that a doubtful processing did not begin: it may be sent again.
    ///
    /// # Errors
    /// When no processing of this batch is in doubt, or the store fails.
    pub async fn release(&self, reference: &str) -> Result<Entry, BatchError> {
        let account = self.show(reference).await?.account;
        let turns = self.turn_of(&account);
        let _turn = turns.lock().await;
        let mut entry = self.show(reference).await?;
        if entry.batch.stage != Stage::ProcessSent {
            let why = "is not in doubt: only a processing that was sent and never answered can be released";
            return Err(BatchError::NotNow { reference: reference.to_owned(), why });
        }
        entry.batch = entry.batch.not_processed(self.clock.now());
        self.book.write(&mut entry).await?;
        self.wake.notify_one();
        Ok(entry)
    }
}
