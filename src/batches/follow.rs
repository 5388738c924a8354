//! The steps of an account's batches: one file at a time, in order, each step written down before it is sent.
//!
//! Owns: the order of writing and sending, what is done once a batch has ended. Must never know: what an
//! answer means.

use std::time::Duration;

use jiff::Timestamp;

use super::book::Entry;
use super::{Account, BatchError, Batches, Routes, words};
use crate::apis::aps::batch::machine::{BatchRow, RowFate, Step};
use crate::apis::aps::{OPERATION, ORDER};
use crate::payments::object::{Kind, ObjectId, ObjectRef};
use crate::payments::record::{Details, Enrolment};
use crate::store::OwedAlert;

/// What one round of an account did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Requests that were sent.
    pub sent: u64,
    /// Batches that ended.
    pub ended: u64,
    /// When to go again; none when nothing is owed a step.
    pub next_at: Option<Timestamp>,
    /// Why the batch whose turn it is cannot go on.
    pub blocked: Option<String>,
}

/// How a turn left the account.
enum Turn {
    /// Something was done: look again.
    Again,
    /// A request was sent.
    Sent,
    /// A batch was finished with.
    Folded,
    /// Nothing before this time.
    Wait(Timestamp),
    /// The batch cannot go on, and why.
    Blocked(String),
    /// No batch is owed a step.
    Nothing,
}

impl Batches {
    /// Does what is due now of an account, up to and with one request: a round stays short.
    ///
    /// # Errors
    /// When the store fails or a file cannot be read: the next round goes on from what is stored.
    pub async fn round(&self, account: &Account, routes: &Routes) -> Result<Round, BatchError> {
        let mut round = Round::default();
        loop {
            match self.turn(account, routes).await? {
                Turn::Again => {}
                Turn::Sent => return Ok(Round { sent: 1, next_at: Some(self.clock.now()), ..round }),
                Turn::Folded => round.ended += 1,
                Turn::Wait(at) => return Ok(Round { next_at: Some(at), ..round }),
                Turn::Blocked(why) => return Ok(Round { blocked: Some(why), ..round }),
                Turn::Nothing => return Ok(round),
            }
        }
    }

    async fn turn(&self, account: &Account, routes: &Routes) -> Result<Turn, BatchError> {
        let turns = self.turn_of(&account.name);
        let _turn = turns.lock().await;
        let listed = self.book.list(Some(&account.name)).await?;
        let Some(listed) = listed.into_iter().find(|entry| !entry.is_folded) else {
            return Ok(Turn::Nothing);
        };
        let Some(mut entry) = self.book.find(&account.name, &listed.batch.reference).await? else {
            return Ok(Turn::Nothing);
        };
        let now = self.clock.now();
        if !entry.is_begun {
            // Its deadlines begin only now: it waited for those before it.
            (entry.batch.awaited_since, entry.batch.next_at) = (now, now);
        }
        let patience = &account.client.settings().batch.patience;
        match entry.batch.next_step(patience, now) {
            Step::Wait(at) => Ok(Turn::Wait(at)),
            Step::Nothing => {
                self.fold(account, routes, &mut entry, now).await?;
                Ok(Turn::Folded)
            }
            Step::GiveUp => {
                entry.batch = entry.batch.marked(patience, Step::GiveUp, now);
                self.book.write(&mut entry).await?;
                Ok(Turn::Again)
            }
            step @ (Step::Upload | Step::Ask | Step::Process) => self.step(account, entry, step, now).await,
        }
    }

    async fn step(
        &self,
        account: &Account,
        mut entry: Entry,
        step: Step,
        now: Timestamp,
    ) -> Result<Turn, BatchError> {
        let client = &account.client;
        let patience = &client.settings().batch.patience;
        let bytes = match step {
            Step::Upload => self.vault.bytes(&account.name, &entry.batch.file_name).await?,
            _ => Vec::new(),
        };
        if let Err(why) = client.check_step(&entry.batch, step, &bytes) {
            return Ok(Turn::Blocked(why.to_string()));
        }
        let permit = match self.pace.take(&account.name, OPERATION) {
            Ok(permit) => permit,
            Err(wait) => return Ok(Turn::Wait(later(now, wait))),
        };
        entry.is_begun = true;
        entry.batch = entry.batch.marked(patience, step, now);
        self.book.write(&mut entry).await?;
        let reply = match client.carry_out(&entry.batch, step, &bytes, permit).await {
            Ok(reply) => reply,
            Err(why) => return Ok(Turn::Blocked(why.to_string())),
        };
        entry.batch = entry.batch.took(patience, step, &reply, self.clock.now());
        self.book.write(&mut entry).await?;
        Ok(Turn::Sent)
    }

    /// What follows from a batch that has ended: its undecided orders are watched, orders that are watched
    /// already are looked at again, a person is told. Any of it may be repeated.
    async fn fold(
        &self,
        account: &Account,
        routes: &Routes,
        entry: &mut Entry,
        now: Timestamp,
    ) -> Result<(), BatchError> {
        let store = self.book.store();
        let watched: Vec<Enrolment> =
            entry.batch.rows_to_watch().filter_map(|row| enrolment(account, row)).collect();
        if !watched.is_empty() {
            store.enrol(watched, now).await?;
        }
        let touched = entry.batch.rows.iter().filter(|row| row.fate != RowFate::Waiting);
        let objects: Vec<ObjectRef> = touched.filter_map(|row| object(account, row)).collect();
        if !objects.is_empty() {
            // Orders that nobody watches are not known there, and stay so.
            store.ask(objects, now).await?;
        }
        if let Some(alert) = words::alert(entry, now) {
            let targets = routes(&alert, account.is_sandbox);
            store.raise(vec![OwedAlert { alert, targets }], now).await?;
        }
        entry.is_folded = true;
        self.book.write(entry).await?;
        tracing::info!(
            account = %account.name, batch = entry.batch.reference, end = entry.stage(),
            rows = entry.row_count, "batch ended"
        );
        Ok(())
    }
}

fn object(account: &Account, row: &BatchRow) -> Option<ObjectRef> {
    let id = ObjectId::new(row.merchant_reference.as_str()).ok()?;
    Some(ObjectRef { account: account.name.clone(), kind: Kind::new(ORDER).ok()?, id })
}

/// The order of a row. Its amount is the row's, not always the order's, so that none is expected.
fn enrolment(account: &Account, row: &BatchRow) -> Option<Enrolment> {
    let details = Details { merchant_reference: Some(row.merchant_reference.clone()), ..Details::default() };
    Some(Enrolment { object: object(account, row)?, details })
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    // Never the same moment again: a bucket counts finer than the clock.
    at.checked_add(by.max(Duration::from_millis(1))).unwrap_or(Timestamp::MAX)
}
