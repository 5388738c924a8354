//! Connects the `batches` room to its ports, and runs it periodically.
//!
//! Owns: that connection, that loop, when old files are removed. Must never know: steps, what a file holds.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::apis::Account;
use crate::batches::{Batches, Ledger, Ports};
use crate::clock::SharedClock;
use crate::payments::alert::Routes;
use crate::payments::object::{AccountName, ObjectRef};
use crate::reconcile::Reconcile;
use crate::task::{Done, Round, Work};
use crate::text;
use crate::time;

use super::rooms::Rooms;

/// Where batches send their results: alerts to the routes, observations to the path that every poll takes.
pub(super) fn ports(routes: &Routes, reconcile: &Arc<Reconcile>, rooms: &Arc<Rooms>) -> Ports {
    let accepted = Arc::clone(reconcile).accepted();
    let (reconcile, accounts) = (Arc::clone(reconcile), rooms.accounts.clone());
    let ledger: Ledger = Arc::new(move |name: AccountName, shown, asked_at| {
        let reconcile = Arc::clone(&reconcile);
        let account = accounts.iter().find(|account| account.name == name).cloned();
        Box::pin(async move {
            let Some(account) = account else { return Ok(()) };
            let observations = shown.into_iter().map(|shown| {
                let object = ObjectRef { account: name.clone(), kind: shown.kind, id: shown.id };
                (object, shown.observation)
            });
            reconcile.take(&account, observations.collect(), asked_at).await
        })
    });
    Ports { routes: Arc::clone(routes), ledger, accepted }
}

/// Takes the next steps of the batches of one account.
pub(super) struct Batching {
    batches: Arc<Batches>,
    account: Arc<Account>,
    ports: Ports,
    clock: SharedClock,
    /// The accounts whose old files this loop removes.
    prunes: Prunes,
    keep_files_for: SignedDuration,
    /// When to search for old files next.
    prune_at: Mutex<Option<Timestamp>>,
}

/// The accounts whose old batch files are removed. Each loop removes those of its own account, because a batch must
/// not change meanwhile.
pub(super) enum Prunes {
    /// Its own account.
    Own,
    /// Its own account, and accounts that no longer have a loop.
    AllBut(Vec<AccountName>),
}

/// The time between two searches for batch files that need not be kept any more.
const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(6);

impl Batching {
    pub(super) fn new(
        batches: Arc<Batches>,
        account: Arc<Account>,
        ports: Ports,
        clock: SharedClock,
        (prunes, keep_files_days): (Prunes, u32),
    ) -> Batching {
        let keep_files_for = SignedDuration::from_hours(24 * i64::from(keep_files_days));
        Batching { batches, account, ports, clock, prunes, keep_files_for, prune_at: Mutex::new(None) }
    }

    /// Periodically removes the files of batches that ended long ago.
    async fn prune(&self) -> Result<(), String> {
        if !self.clock.is_sure() {
            // With a clock that is ahead, all files would look old.
            return Ok(());
        }
        let now = self.clock.now();
        let is_due = {
            let mut next = self.prune_at.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = time::later(now, PRUNE_EVERY);
            let is_due = next.is_none_or(|next| next <= now || next > latest);
            if is_due {
                *next = Some(latest);
            }
            is_due
        };
        let before = time::earlier(now, self.keep_files_for);
        if is_due {
            let is_chosen = |name: &AccountName| match &self.prunes {
                Prunes::Own => *name == self.account.name,
                Prunes::AllBut(others) => !others.contains(name),
            };
            let pruned = self.batches.prune(before, is_chosen).await.map_err(|error| error.to_string())?;
            if pruned > 0 {
                tracing::info!(pruned, "files of old batches removed; their rows are kept");
            }
        }
        Ok(())
    }
}

impl Work for Batching {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            self.prune().await?;
            let round = self.batches.round(&self.account, &self.ports).await;
            let round = round.map_err(|error| error.to_string())?;
            let summary = format!(
                "{} sent, {} ended",
                text::count(round.sent, "request"),
                text::count(round.ended, "batch")
            );
            let now = self.clock.now();
            let soon = time::later(now, SignedDuration::from_mins(1));
            let again_in = Some(time::between(now, round.next_at.map_or(soon, |next| next.min(soon))));
            if round.blocked.is_empty() {
                return Ok(Done { summary, again_in });
            }
            let faults = round.blocked.join("; ");
            // A failed round waits for its period, but a batch that can continue is not delayed by another.
            if round.next_at.is_none() && round.sent + round.ended == 0 {
                return Err(faults);
            }
            tracing::warn!(faults, "batches cannot continue; they are retried in the next round");
            Ok(Done { summary: format!("{summary}; {faults}"), again_in })
        })
    }
}
