//! The steps of an account's batches, each journaled before it is sent.
//!
//! Owns: the order of writing and sending, the alert that a batch cannot continue. Must never know: what an
//! answer means, which batch may go before which.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::Entry;
use super::kept_files::{RESULT, file_name};
use super::{Account, BatchError, Batches, Ports, Sender, alert_text, batches_of};
use crate::apis::batch::{Batch, Blocked, Next, Sending, Step};
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
    /// When to run the next round; none when no step is pending.
    pub next_at: Option<Timestamp>,
    /// Why batches whose turn it is cannot continue.
    pub blocked: Vec<String>,
}

/// The result of one turn of an account.
enum Turn {
    /// Something was done: check again.
    Again,
    /// A request was sent.
    Sent,
    /// A batch was finished.
    Folded,
    /// Nothing to do before this time; none when nothing is pending.
    Wait(Option<Timestamp>),
}

/// The result of one turn of one batch.
enum Fared {
    Turn(Turn),
    Wait(Timestamp),
    /// It can do nothing now, but the batches after it may.
    Nothing,
    Blocked(Blocked),
}

impl Batches {
    /// Does what is due now for an account, and sends at most one request, so that a round stays short.
    ///
    /// # Errors
    /// When the store fails or a file cannot be written. The next round continues from what is stored.
    pub async fn round(&self, account: &Account, ports: &Ports) -> Result<Round, BatchError> {
        let sender = Sender { account, api: batches_of(account)?, ports };
        self.visit_tails(account).await?;
        let mut round = Round::default();
        loop {
            round.blocked.clear();
            match self.turn(sender, &mut round.blocked).await? {
                Turn::Again => {}
                Turn::Sent => return Ok(Round { sent: 1, next_at: Some(self.clock.now()), ..round }),
                Turn::Folded => round.ended += 1,
                Turn::Wait(next_at) => return Ok(Round { next_at, ..round }),
            }
        }
    }

    async fn turn(&self, sender: Sender<'_>, blocked: &mut Vec<String>) -> Result<Turn, BatchError> {
        let account = sender.account;
        let turns = self.turn_of(&sender.api.queue());
        let _turn = turns.lock().await;
        let all = self.stored.list(None).await?;
        let is_open = |entry: &&Entry| entry.account == account.name && !entry.is_folded;
        let mut mine: Vec<&Entry> = all.iter().filter(is_open).collect();
        // Batches that a person submitted go before polling batches.
        mine.sort_by_key(|entry| (entry.batch.is_poll(), entry.number));
        let mut wait = None::<Timestamp>;
        for (place, listed) in mine.iter().enumerate() {
            let others = all.iter().map(|entry| &*entry.batch);
            let others: Vec<&dyn Batch> =
                others.filter(|batch| batch.reference() != listed.reference()).collect();
            let fared = match self.one(sender, listed, &others, place > 0).await {
                // The files of one batch cannot be used: it waits and is reported, and others continue.
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
                    let alert =
                        alert_text::blocked(listed, &why, account.api.where_to_look(), self.clock.now());
                    self.tell(sender, alert).await?;
                }
            }
        }
        Ok(Turn::Wait(wait))
    }

    async fn one(
        &self,
        sender: Sender<'_>,
        listed: &Entry,
        others: &[&dyn Batch],
        has_earlier: bool,
    ) -> Result<Fared, BatchError> {
        let account = sender.account;
        let now = self.clock.now();
        let mut entry = listed.clone();
        if !entry.is_begun {
            // Its deadlines start only now, because it waited for the batches before it.
            entry.batch.begin(now);
        }
        if let Some(trouble) = entry.batch.trouble(now) {
            let alert = alert_text::trouble(&entry, &trouble, account.api.where_to_look(), now);
            self.tell(sender, alert).await?;
        }
        let next = match sender.api.next(&*entry.batch, others, has_earlier, now) {
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
            Next::Act(step) => self.step(sender, entry, &step, others, now).await,
            Next::Settle => self.settle(sender, entry, now).await.map(fared),
            Next::Check => self.check(sender, entry, now).await.map(fared),
            Next::Become(_) => {
                // Decide again with its rows, which the list does not have.
                let again = sender.api.next(&*entry.batch, others, has_earlier, now);
                if let Ok(Next::Become(batch)) = again {
                    entry.batch = batch;
                    self.stored.write(&mut entry).await?;
                }
                Ok(Fared::Turn(Turn::Again))
            }
            Next::Ended => {
                self.finish(sender, &mut entry, now).await?;
                Ok(Fared::Turn(Turn::Folded))
            }
            Next::Wait(_) | Next::Behind | Next::Person => Ok(Fared::Nothing),
        }
    }

    async fn step(
        &self,
        sender: Sender<'_>,
        mut entry: Entry,
        step: &Step,
        others: &[&dyn Batch],
        now: Timestamp,
    ) -> Result<Fared, BatchError> {
        let Sender { account, api, ports } = sender;
        let document = match step.needs_document {
            true => self.archive.bytes_if_there(&account.name, &entry.batch.document_name()).await?,
            false => Some(Vec::new()),
        };
        let Some(document) = document else {
            let why = "nothing is sent: its document is no longer in the folder beside the store".to_owned();
            return Ok(Fared::Blocked(Blocked { word: "missing-file", why }));
        };
        if let Err(why) = api.check(&*entry.batch, step, &document) {
            return Ok(Fared::Blocked(why));
        }
        let permit = match self.pace.take(&account.name, step.operation) {
            Ok(permit) => permit,
            Err(wait) => return Ok(Fared::Wait(later(now, wait.max(Duration::from_millis(1))))),
        };
        entry.is_begun = true;
        entry.batch = match api.about_to(&*entry.batch, step, now) {
            Ok(batch) => batch,
            Err(why) => return Ok(Fared::Blocked(why)),
        };
        self.stored.write(&mut entry).await?;
        let more = |operation: &'static str| self.pace.take(&account.name, operation);
        let sending = Sending { batch: &*entry.batch, step, document, others, permit, more: &more };
        let carried = match api.carry_out(sending).await {
            Ok(carried) => carried,
            Err(why) => return Ok(Fared::Blocked(why)),
        };
        if carried.is_accepted {
            (ports.accepted)(&account.name);
        }
        if let Some(result) = carried.result {
            self.archive.keep(&account.name, &file_name(entry.reference(), RESULT), result).await?;
        }
        entry.batch = carried.batch;
        self.stored.write(&mut entry).await?;
        Ok(Fared::Turn(Turn::Sent))
    }

    /// Raises an alert for its targets, unless it was raised before.
    pub(super) async fn tell(&self, sender: Sender<'_>, alert: Alert) -> Result<(), BatchError> {
        let targets = (sender.ports.routes)(&alert, sender.account.is_sandbox);
        self.stored.store().raise(vec![OwedAlert { alert, targets }]).await?;
        Ok(())
    }
}

fn fared(is_folded: bool) -> Fared {
    Fared::Turn(if is_folded { Turn::Folded } else { Turn::Again })
}
