//! The steps of an account's batches, each written down before it is sent.
//!
//! Owns: the order of writing and sending, who is told that a batch cannot go on. Must never know: what an
//! answer means, which batch may go before which.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{RESULT, file_name};
use super::{Account, BatchError, Batches, Ports, alert_text};
use crate::apis::batch::{Batch, Blocked, Next, Step};
use crate::payments::alert::Alert;
use crate::store::OwedAlert;
use crate::time::later;

/// What one round of an account did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// Requests that were sent.
    pub sent: u64,
    /// Batches that ended.
    pub ended: u64,
    /// When to go again; none when nothing is owed a step.
    pub next_at: Option<Timestamp>,
    /// Why batches whose turn it is cannot go on.
    pub blocked: Vec<String>,
}

/// How a turn left the account.
enum Turn {
    /// Something was done: look again.
    Again,
    /// A request was sent.
    Sent,
    /// A batch was finished with.
    Folded,
    /// Nothing before this time, if any.
    Wait(Option<Timestamp>),
}

/// How one batch fared.
enum Fared {
    Turn(Turn),
    Wait(Timestamp),
    /// It can do nothing now: those after it may.
    Nothing,
    Blocked(Blocked),
}

impl Batches {
    /// Does what is due now of an account, up to and with one request: a round stays short.
    ///
    /// # Errors
    /// When the store fails or a file cannot be written: the next round goes on from what is stored.
    pub async fn round(&self, account: &Account, ports: &Ports) -> Result<Round, BatchError> {
        self.visit_tails(account).await?;
        let mut round = Round::default();
        loop {
            round.blocked.clear();
            match self.turn(account, ports, &mut round.blocked).await? {
                Turn::Again => {}
                Turn::Sent => return Ok(Round { sent: 1, next_at: Some(self.clock.now()), ..round }),
                Turn::Folded => round.ended += 1,
                Turn::Wait(next_at) => return Ok(Round { next_at, ..round }),
            }
        }
    }

    async fn turn(
        &self,
        account: &Account,
        ports: &Ports,
        blocked: &mut Vec<String>,
    ) -> Result<Turn, BatchError> {
        let turns = self.turn_of(&account.client.queue());
        let _turn = turns.lock().await;
        let all = self.stored.list(None).await?;
        let is_open = |entry: &&Entry| entry.account == account.name && !entry.is_folded;
        let mut mine: Vec<&Entry> = all.iter().filter(is_open).collect();
        // What a person asked for goes before what polling asks.
        mine.sort_by_key(|entry| (entry.batch.is_poll(), entry.number));
        let mut wait = None::<Timestamp>;
        for (place, listed) in mine.iter().enumerate() {
            let others = all.iter().map(|entry| &entry.batch);
            let others = others.filter(|batch| batch.reference() != listed.reference());
            let fared = match self.one(account, ports, listed, others.collect(), place > 0).await {
                // What lies beside one batch cannot be used: it waits, and is told; others go on.
                Err(error @ (BatchError::File(_) | BatchError::Unreadable { .. })) => {
                    Fared::Blocked(Blocked { word: "files", why: error.to_string() })
                }
                fared => fared?,
            };
            match fared {
                Fared::Turn(turn) => return Ok(turn),
                Fared::Wait(at) => wait = Some(wait.map_or(at, |wait| wait.min(at))),
                Fared::Nothing => {}
                Fared::Blocked(why) => {
                    blocked.push(format!("{}: {}", listed.reference(), why.why));
                    let alert = alert_text::blocked(listed, &why, account.client.look(), self.clock.now());
                    self.tell(account, ports, alert).await?;
                }
            }
        }
        Ok(Turn::Wait(wait))
    }

    async fn one(
        &self,
        account: &Account,
        ports: &Ports,
        listed: &Entry,
        others: Vec<&Batch>,
        has_earlier: bool,
    ) -> Result<Fared, BatchError> {
        let now = self.clock.now();
        let mut entry = listed.clone();
        if !entry.is_begun {
            // Its deadlines begin only now: it waited for those before it.
            entry.batch.begin(now);
        }
        if let Some(trouble) = entry.batch.trouble(now) {
            let alert = alert_text::trouble(&entry, &trouble, account.client.look(), now);
            self.tell(account, ports, alert).await?;
        }
        let next = match account.client.next(&entry.batch, others.iter().copied(), has_earlier, now) {
            Ok(next) => next,
            Err(blocked) => return Ok(Fared::Blocked(blocked)),
        };
        match next {
            Next::Wait(at) => return Ok(Fared::Wait(at)),
            Next::Behind | Next::Person => return Ok(Fared::Nothing),
            Next::Act(_) | Next::Become(_) | Next::Settle | Next::Check | Next::Ended => {}
        }
        let Some(whole) = self.stored.find(&account.name, listed.reference()).await? else {
            return Ok(Fared::Nothing);
        };
        entry = whole;
        if !entry.is_begun {
            entry.batch.begin(now);
        }
        match next {
            Next::Act(step) => self.step(account, entry, &step, &others, now).await,
            Next::Settle => self.settle(account, ports, entry, now).await.map(fared),
            Next::Check => self.check(account, ports, entry, now).await.map(fared),
            Next::Become(_) => {
                // Again with its rows, which the list does not have.
                let again = account.client.next(&entry.batch, others.iter().copied(), has_earlier, now);
                if let Ok(Next::Become(batch)) = again {
                    entry.batch = *batch;
                    self.stored.write(&mut entry).await?;
                }
                Ok(Fared::Turn(Turn::Again))
            }
            Next::Ended => {
                self.finish(account, ports, &mut entry, now).await?;
                Ok(Fared::Turn(Turn::Folded))
            }
            Next::Wait(_) | Next::Behind | Next::Person => Ok(Fared::Nothing),
        }
    }

    async fn step(
        &self,
        account: &Account,
        mut entry: Entry,
        step: &Step,
        others: &[&Batch],
        now: Timestamp,
    ) -> Result<Fared, BatchError> {
        let client = &account.client;
        let document = match step.needs_document {
            true => self.archive.bytes_if_there(&account.name, &entry.batch.document_name()).await?,
            false => Some(Vec::new()),
        };
        let Some(document) = document else {
            let why =
                "nothing is sent: its document is not in the folder beside the store any more".to_owned();
            return Ok(Fared::Blocked(Blocked { word: "missing-file", why }));
        };
        if let Err(why) = client.check(&entry.batch, step, &document) {
            return Ok(Fared::Blocked(why));
        }
        let permit = match self.pace.take(&account.name, step.operation) {
            Ok(permit) => permit,
            Err(wait) => return Ok(Fared::Wait(later(now, wait.max(Duration::from_millis(1))))),
        };
        entry.is_begun = true;
        entry.batch = client.about_to(&entry.batch, step, now);
        self.stored.write(&mut entry).await?;
        let more = |operation: &'static str| self.pace.take(&account.name, operation);
        let others: Vec<Batch> = others.iter().map(|batch| (*batch).clone()).collect();
        let carried = client.carry_out(&entry.batch, step, document, &others, permit, &more).await;
        let carried = match carried {
            Ok(carried) => carried,
            Err(why) => return Ok(Fared::Blocked(why)),
        };
        if let Some(result) = carried.result {
            self.archive.keep(&account.name, &file_name(entry.reference(), RESULT), result).await?;
        }
        entry.batch = carried.batch;
        self.stored.write(&mut entry).await?;
        Ok(Fared::Turn(Turn::Sent))
    }

    /// Owes an alert to its targets; one that was owed before is not owed again.
    pub(super) async fn tell(
        &self,
        account: &Account,
        ports: &Ports,
        alert: Alert,
    ) -> Result<(), BatchError> {
        let targets = (ports.routes)(&alert, account.is_sandbox);
        self.stored.store().raise(vec![OwedAlert { alert, targets }], self.clock.now()).await?;
        Ok(())
    }
}

fn fared(is_folded: bool) -> Fared {
    Fared::Turn(if is_folded { Turn::Folded } else { Turn::Again })
}
