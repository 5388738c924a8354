//! An operator's requests about batches: submit, list, show, cancel, release.
//!
//! Owns: what a submission must be before it is recorded. Must never know: which step is next, how anything
//! is sent.

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{LINES, file_name};
use super::{Account, BatchError, Batches, batches_of};
use crate::apis::batch::{self, Batch, Plan, Row, Wish};
use crate::blocking;
use crate::payments::object::AccountName;

/// An operator's submission.
#[derive(Debug, Clone)]
pub struct Submission {
    /// CSV or JSON Lines.
    pub bytes: Vec<u8>,
    /// The operation of all rows, where the account's API has one operation per batch.
    pub operation: Option<String>,
    /// A word that turns the same rows into another batch. Without one, rows that were submitted before are not
    /// recorded again.
    pub label: Option<String>,
    /// Only check; record nothing.
    pub is_dry_run: bool,
}

/// The outcome of a submission: its files in the order in which they are sent, or all its problems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// The files.
    pub files: Vec<Filed>,
    /// What is wrong, line by line. If there are any problems, nothing was recorded.
    pub problems: Vec<String>,
}

/// One file of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// The reference of its batch.
    pub reference: String,
    /// How many rows it has.
    pub rows: u64,
    /// The same file was recorded before, so nothing new was recorded for it.
    pub was_known: bool,
}

impl Batches {
    /// Checks an input and records its batches, which are sent one after the other.
    ///
    /// # Errors
    /// When the store or the folder fails. What was recorded until then stays, and submitting again adds the rest.
    pub async fn submit(&self, account: &Account, submission: Submission) -> Result<Submitted, BatchError> {
        let is_dry_run = submission.is_dry_run;
        let own = account.clone();
        let planned = blocking::run(move || {
            Ok::<_, BatchError>(batches_of(&own)?.plan(&batch::Submission {
                bytes: &submission.bytes,
                operation: submission.operation.as_deref(),
                label: submission.label.as_deref().unwrap_or_default(),
            }))
        });
        match planned.await?? {
            Ok(plans) => Ok(Submitted {
                files: self.record_all(account, plans, is_dry_run).await?,
                problems: Vec::new(),
            }),
            Err(problems) => Ok(Submitted { files: Vec::new(), problems }),
        }
    }

    /// Records the batches that are not recorded yet.
    pub(super) async fn record_all(
        &self,
        account: &Account,
        plans: Vec<Plan>,
        is_dry_run: bool,
    ) -> Result<Vec<Filed>, BatchError> {
        let turns = self.turn_of(&batches_of(account)?.queue());
        let _turn = turns.lock().await;
        let known = self.stored.list(Some(&account.name)).await?;
        let mut number = known.iter().map(|entry| entry.number).max().unwrap_or_default();
        let now = self.clock.now();
        let mut filed = Vec::with_capacity(plans.len());
        for plan in plans {
            let was_known = known.iter().any(|entry| entry.reference() == plan.reference);
            filed.push(Filed { reference: plan.reference.clone(), rows: plan.count, was_known });
            if !was_known && !is_dry_run {
                number += 1;
                self.record(account, number, plan, now).await?;
            }
        }
        self.wake(&account.name).notify_one();
        Ok(filed)
    }

    /// Reserves numbers and writes files first: a recorded batch always finds its bytes, and its numbers are unique.
    pub(super) async fn record(
        &self,
        account: &Account,
        number: u64,
        plan: Plan,
        now: Timestamp,
    ) -> Result<(), BatchError> {
        let count = plan.count;
        let first_request_id = match batches_of(account)?.counter() {
            Some(counter) => self.stored.numbers(&counter, count, now).await?,
            None => 0,
        };
        let (own, unreadable) = (account.clone(), BatchError::unreadable(&plan.reference));
        let made = blocking::run(move || {
            let made = batches_of(&own)?.make(plan, first_request_id, now);
            made.map_err(|blocked| unreadable(blocked.why))
        });
        let made = made.await??;
        self.archive.keep(&account.name, &made.batch.document_name(), made.document).await?;
        if let Some(lines) = made.lines {
            let text: Vec<String> = lines.iter().map(u64::to_string).collect();
            let name = file_name(made.batch.reference(), LINES);
            self.archive.keep(&account.name, &name, text.join("\n")).await?;
        }
        let mut entry = Entry::new(account.name.clone(), number, made.batch, count, now);
        self.stored.write(&mut entry).await
    }

    /// All batches of an account, or of all accounts, in order and without their rows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, account: Option<&AccountName>) -> Result<Vec<Entry>, BatchError> {
        self.stored.list(account).await
    }

    /// A batch with all its rows.
    ///
    /// # Errors
    /// When there is no batch with this reference, its files are gone, or the store fails.
    pub async fn show(&self, reference: &str) -> Result<(Entry, Vec<Row>), BatchError> {
        let entry = self.entry(reference).await?;
        let rows = self.rows(&entry).await?;
        Ok((entry, rows))
    }

    async fn entry(&self, reference: &str) -> Result<Entry, BatchError> {
        let unknown = || BatchError::Unknown(reference.to_owned());
        let listed = self.stored.list(None).await?;
        let entry = listed.into_iter().find(|entry| entry.reference() == reference);
        let account = entry.ok_or_else(unknown)?.account;
        self.stored.find(&account, reference).await?.ok_or_else(unknown)
    }

    /// A notification says that a batch of the account is complete. It does not say for certain which one, so each batch
    /// that waits for a result asks the provider about itself now. True if there is one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn one_is_complete(&self, account: &Account) -> Result<bool, BatchError> {
        let Some(api) = account.api.batches() else { return Ok(false) };
        let turns = self.turn_of(&api.queue());
        let _turn = turns.lock().await;
        let now = self.clock.now();
        let listed = self.stored.list(Some(&account.name)).await?;
        let mut is_used = false;
        for open in listed.iter().filter(|entry| !entry.is_folded && !entry.is_ended()) {
            if api.one_is_complete(&*open.batch, now).is_none() {
                continue;
            }
            let Some(mut entry) = self.stored.find(&account.name, open.reference()).await? else { continue };
            let Some(batch) = api.one_is_complete(&*entry.batch, now) else { continue };
            entry.batch = batch;
            self.stored.write(&mut entry).await?;
            is_used = true;
        }
        if is_used {
            self.wake(&account.name).notify_one();
        }
        Ok(is_used)
    }

    /// Carries out an operator's request: cancel a batch, or state the outcome of a batch in doubt. `queue` returns
    /// the queue of an account, in which a step may be in flight.
    ///
    /// # Errors
    /// When the batch does not allow it now, or the store fails.
    pub async fn grant(
        &self,
        reference: &str,
        wish: &Wish,
        queue: impl Fn(&AccountName) -> Option<String>,
    ) -> Result<Entry, BatchError> {
        let account = self.entry(reference).await?.account;
        let turns = self.turn_of(&queue(&account).unwrap_or_else(|| account.to_string()));
        let _turn = turns.lock().await;
        let mut entry = self.entry(reference).await?;
        let listed = self.stored.list(None).await?;
        let others: Vec<&dyn Batch> =
            listed.iter().filter(|other| other.reference() != reference).map(|other| &*other.batch).collect();
        let granted = entry.batch.grant(wish, &others, self.clock.now());
        entry.batch = granted.map_err(|why| BatchError::NotNow { reference: reference.to_owned(), why })?;
        self.stored.write(&mut entry).await?;
        self.wake(&account).notify_one();
        Ok(entry)
    }
}
