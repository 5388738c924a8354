//! due → poll → decide → commit: the path that every object takes, again and again, until it is final.
//!
//! Owns: the order of the steps; how many at once per account, so that a slow one delays nobody else;
//! what to do when a whole account is refused. Must never know: any state or provider by name.
//!
//! Nothing here is on disk: the store knows what is owed, and a crash between any two steps costs one
//! repeated question, never a lost answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::apis::Api;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::payments::alert::Alert;
use crate::payments::object::{AccountName, Kind};
use crate::payments::schedule::Policy;
use crate::store::Store;

mod elsewhere;
mod gate;
mod learnt;
mod poll;
mod service;
mod watch;

/// One account as it is watched.
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How to ask its provider.
    pub api: Arc<dyn Api>,
    /// How each kind is watched; a kind that is not listed is watched by the default policy.
    pub policies: BTreeMap<Kind, Policy>,
    /// Play money.
    pub is_sandbox: bool,
    /// Polls under way at once, at most.
    pub most_in_flight: usize,
}

impl Account {
    fn policy(&self, kind: &Kind) -> Policy {
        self.policies.get(kind).cloned().unwrap_or_default()
    }
}

/// Which targets an alert goes to; the second argument says whether it is about play money.
pub type Routes = Arc<dyn Fn(&Alert, bool) -> Vec<String> + Send + Sync>;

/// Counts since start, per account, for the status page and the summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Requests answered or failed.
    pub polls: u64,
    /// Of these, good sights.
    pub seen: u64,
    /// Good sights that brought a new state.
    pub moved: u64,
    /// Failures by class.
    pub failures: BTreeMap<&'static str, u64>,
    /// When the last poll ended.
    pub last_poll_at: Option<Timestamp>,
    /// When nothing was left to ask about, the last time.
    pub last_round_at: Option<Timestamp>,
    /// Since when the provider refuses the account, if it does.
    pub refused_since: Option<Timestamp>,
    /// When a refused account is tried again.
    pub next_probe_at: Option<Timestamp>,
    /// What the provider said when it refused.
    pub refusal: Option<String>,
    /// When the account's loop last looked around, by the clock's monotonic time.
    #[serde(skip)]
    last_turn: Duration,
}

/// Everything that polling needs, shared by all accounts.
pub struct Reconcile {
    store: Store,
    clock: SharedClock,
    pace: Arc<Pace>,
    routes: Routes,
    at_once: Arc<Semaphore>,
    tallies: Mutex<BTreeMap<AccountName, Tally>>,
    services: Mutex<BTreeMap<AccountName, service::Watched>>,
    /// What each account's client has learnt, as it is stored; empty when nothing is.
    learnt: Mutex<BTreeMap<AccountName, String>>,
}

impl Reconcile {
    /// `most_in_flight` limits the polls under way in the whole process.
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
            at_once: Arc::new(Semaphore::new(most_in_flight.max(1))),
            tallies: Mutex::default(),
            services: Mutex::default(),
            learnt: Mutex::default(),
        })
    }

    /// What was done for each account since start.
    pub fn tallies(&self) -> BTreeMap<AccountName, Tally> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Accounts whose loop has not looked around for `limit`; none in a healthy process.
    pub fn stalled(&self, limit: Duration) -> Vec<String> {
        let now = self.clock.monotonic();
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stalled = |tally: &Tally| now.saturating_sub(tally.last_turn) > limit;
        tallies.iter().filter(|(_, tally)| is_stalled(tally)).map(|(name, _)| name.to_string()).collect()
    }

    /// An account's loop has ended on purpose: its silence means nothing from now on.
    fn left(&self, account: &AccountName) {
        self.tally(account, |tally| tally.last_turn = Duration::MAX);
    }

    fn tally(&self, account: &AccountName, change: impl FnOnce(&mut Tally)) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        match tallies.get_mut(account) {
            Some(tally) => change(tally),
            None => change(tallies.entry(account.clone()).or_default()),
        }
    }
}
