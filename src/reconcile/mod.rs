//! due → poll → decide → commit: the path that every object takes, again and again, until it is final.
//!
//! Owns: the order of the steps; how many polls run at once per account, so that a slow account delays no other; what
//! to do when a whole account is refused or a provider does not answer ([`circuit_breaker`]); that an account whose
//! requests all fail is reported. Must never know: any state or provider by name.
//!
//! Nothing here is on disk: the store knows what is due, and a crash between any two steps costs one repeated
//! request, never a lost answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::apis::pace::Pace;
use crate::apis::{Accepted, Account};
use crate::clock::SharedClock;
use crate::payments::alert::{Recipient, Routes};
use crate::payments::change::{Announce, Change};
use crate::payments::delay::Delays;
use crate::payments::object::{AccountName, Kind};
use crate::payments::record::{Record, Transition as Row};
use crate::store::{OwedAlert, Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;

mod adaptive;
pub mod circuit_breaker;
mod elsewhere;
mod first_day;
mod hold;
mod learnt;
mod notice;
mod other_holds;
mod poll;
mod provider_health;
mod recovered;
mod relaxed;
mod remembered;
mod slots;
mod standing;
mod success;
#[cfg(test)]
mod tests;
mod watch;

use circuit_breaker::CircuitBreaker;
use slots::Slots;
use success::Success;

pub use adaptive::{Outlook, stored_overviews};
pub use first_day::FIRST_USED;
pub use relaxed::Watcher;
pub use success::PATIENCE;

/// Counts since the start, per account, for the status page and the summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Requests that were answered or failed.
    pub polls: u64,
    /// Of these, good observations.
    pub seen: u64,
    /// Good observations that brought a new state.
    pub moved: u64,
    /// Failures by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// How late final states were found, by kind.
    pub delays: BTreeMap<Kind, Delays>,
    /// When the last poll ended.
    pub last_poll_at: Option<Timestamp>,
    /// When nothing was left to poll, most recently.
    pub last_round_at: Option<Timestamp>,
    /// Since when the provider has refused the account, if it does.
    pub refused_since: Option<Timestamp>,
    /// Kinds that are refused alone, and since when.
    pub refused_kinds: BTreeMap<Kind, Timestamp>,
    /// When refused requests are tried again.
    pub next_probe_at: Option<Timestamp>,
    /// The provider's answer when it refused.
    pub refusal: Option<String>,
    /// Since when no request has succeeded, once that has been reported.
    pub no_success_since: Option<Timestamp>,
    /// How the last request failed, if none has succeeded since.
    pub last_failure: Option<String>,
    /// When the account's loop was last active, in the clock's monotonic time.
    #[serde(skip)]
    last_turn: Duration,
}

/// What is known about one account while the process runs.
struct Standing {
    tally: Tally,
    breaker: CircuitBreaker,
    success: Success,
}

impl Standing {
    /// The counts, with the present state of the account.
    fn snapshot(&self, now: Timestamp) -> Tally {
        let refused = self.breaker.refused_since();
        Tally {
            refused_since: refused.account,
            refused_kinds: refused.kinds,
            next_probe_at: self.breaker.next_probe_at(now),
            no_success_since: self.success.reported(),
            last_failure: Some(self.success.detail().to_owned()).filter(|detail| !detail.is_empty()),
            ..self.tally.clone()
        }
    }
}

/// The standing of one account, shared by its loop and its polls.
type SharedStanding = Arc<Mutex<Standing>>;

/// A panic elsewhere leaves every part of it consistent, so this continues.
fn locked(standing: &SharedStanding) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that polling needs, shared by all accounts.
pub struct Reconcile {
    store: Store,
    clock: SharedClock,
    pace: Arc<Pace>,
    routes: Routes,
    slots: Slots,
    standings: Mutex<HashMap<AccountName, SharedStanding>>,
    services: Mutex<BTreeMap<AccountName, provider_health::Watched>>,
    /// Is informed of every poll.
    watcher: OnceLock<Watcher>,
    /// Makes events of every change.
    announcer: OnceLock<Arc<dyn Announce>>,
    /// What each account's client has learnt, as stored; empty when there is nothing.
    learnt: Mutex<BTreeMap<AccountName, String>>,
    /// Accounts whose first day is over and reported.
    past_first_day: Mutex<BTreeSet<AccountName>>,
    /// What accounts that are polled by learnt ages have learnt.
    learning: Mutex<BTreeMap<AccountName, adaptive::Learning>>,
    /// Held while an account prepares to learn, which takes milliseconds: thousands begin at the start, and requests from
    /// outside must not wait for all of them.
    preparing: tokio::sync::Mutex<()>,
}

impl Reconcile {
    /// `most_in_flight` limits the polls in flight in the whole process.
    pub fn new(
        store: Store,
        clock: SharedClock,
        pace: Arc<Pace>,
        routes: Routes,
        most_in_flight: usize,
    ) -> Arc<Reconcile> {
        Arc::new(Reconcile {
            store,
            clock,
            pace,
            routes,
            slots: Slots::new(most_in_flight),
            standings: Mutex::default(),
            services: Mutex::default(),
            watcher: OnceLock::new(),
            announcer: OnceLock::new(),
            learnt: Mutex::default(),
            past_first_day: Mutex::default(),
            learning: Mutex::default(),
            preparing: tokio::sync::Mutex::default(),
        })
    }

    /// From now on, changes become events by this.
    pub fn announce_by(&self, announcer: Arc<dyn Announce>) {
        // A second one would be a defect of the caller; the first stays.
        let _ = self.announcer.set(announcer);
    }

    /// The events of a change that is about to be committed, to be raised with it.
    ///
    /// # Errors
    /// The store's.
    pub async fn events(
        &self,
        record: &Record,
        row: &Row,
        is_sandbox: bool,
    ) -> Result<Vec<OwedAlert>, StoreError> {
        let announcer = self.announcer.get();
        let is_heard = |announcer: &&Arc<dyn Announce>| announcer.is_heard(&row.object.account, is_sandbox);
        let Some(announcer) = announcer.filter(is_heard) else { return Ok(Vec::new()) };
        let earlier = self.store.history(&row.object).await?;
        let change = Change { record, row, earlier: &earlier, is_sandbox };
        let announced = announcer.announce(&change).into_iter();
        Ok(announced
            .map(|(alert, target)| OwedAlert { alert, targets: vec![Recipient::Now(target)] })
            .collect())
    }

    /// What was done for each account since the start, and its present state. Takes time in proportion to the number
    /// of accounts.
    pub fn tallies(&self) -> BTreeMap<AccountName, Tally> {
        let now = self.clock.now();
        let standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        standings.iter().map(|(name, standing)| (name.clone(), locked(standing).snapshot(now))).collect()
    }

    /// Accounts whose loop has not been active for `limit`; none in a healthy process.
    pub fn stalled(&self, limit: Duration) -> Vec<String> {
        let now = self.clock.monotonic();
        let standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stalled =
            |standing: &SharedStanding| now.saturating_sub(locked(standing).tally.last_turn) > limit;
        let mut stalled: Vec<String> = standings
            .iter()
            .filter(|(_, standing)| is_stalled(standing))
            .map(|(name, _)| name.to_string())
            .collect();
        stalled.sort_unstable();
        stalled
    }

    /// Records that a request other than a poll (of a call, a batch, a report) was answered with an account's
    /// credentials: whatever was refused is tried again at once.
    pub fn answered_elsewhere(&self, account: &AccountName) {
        let now = self.clock.now();
        if locked(&self.standing(account)).breaker.answered_elsewhere(now) {
            self.store.due_signal(account).notify_one();
        }
    }

    /// The same as a function, for rooms that send other requests.
    pub fn accepted(self: Arc<Self>) -> Accepted {
        Arc::new(move |account: &AccountName| self.answered_elsewhere(account))
    }

    /// Records that an account's loop has ended on purpose, so its silence means nothing from now on.
    fn left(&self, account: &AccountName) {
        locked(&self.standing(account)).tally.last_turn = Duration::MAX;
    }

    fn standing(&self, account: &AccountName) -> SharedStanding {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = standings.get(account) {
            return Arc::clone(standing);
        }
        let standing = Standing {
            tally: Tally::default(),
            breaker: CircuitBreaker::new(Duration::ZERO),
            success: Success::default(),
        };
        let standing = Arc::new(Mutex::new(standing));
        standings.insert(account.clone(), Arc::clone(&standing));
        standing
    }
}
