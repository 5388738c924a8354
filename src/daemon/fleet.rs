//! Several hosts share the store: which accounts this one works on.
//!
//! Owns: when this host takes accounts and gives them up, and that it works on no other accounts. Must never know:
//! which host should have which account, how work on an account is done.
//!
//! One host, the keeper, does the work for all accounts together: alerts, events, the nightly report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Daemon;
use super::rooms::{self, Rooms};
use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::payments::object::AccountName;
use crate::store::{Balance, Fleet, KEEPER, Seen, Store, StoreError};
use crate::task::{Done, Round, Work};
use crate::text;

/// How often this host checks the other hosts.
const EVERY: Duration = Duration::from_secs(1);
/// How often this host checks whether work on an account has ended.
const LEAVING: Duration = Duration::from_millis(20);

/// Whether this host is the keeper.
#[derive(Debug, Clone)]
pub(super) struct Keeper(Arc<AtomicBool>);

impl Keeper {
    /// On a store of one host, it is. On a shared store, it is not yet.
    pub(super) fn of(store: &Store) -> Keeper {
        Keeper(Arc::new(AtomicBool::new(store.fleet().is_none())))
    }

    pub(super) fn is_here(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The same work, done only while this host is the keeper.
    pub(super) fn only(&self, work: Arc<dyn Work>) -> Arc<dyn Work> {
        Arc::new(ByKeeper { keeper: self.clone(), work })
    }
}

struct ByKeeper {
    keeper: Keeper,
    work: Arc<dyn Work>,
}

impl Work for ByKeeper {
    fn activate(&self) -> Round<'_> {
        if self.keeper.is_here() { self.work.activate() } else { elsewhere() }
    }

    fn progress(&self) -> u64 {
        self.work.progress()
    }
}

/// Work on one account, done only while this host has the account.
pub(super) struct OfAccount {
    pub(super) pace: Arc<Pace>,
    pub(super) account: AccountName,
    pub(super) work: Arc<dyn Work>,
}

impl Work for OfAccount {
    fn activate(&self) -> Round<'_> {
        let Some(at_work) = self.pace.work_on(&self.account) else { return elsewhere() };
        Box::pin(async move {
            let done = self.work.activate().await;
            drop(at_work);
            done
        })
    }

    fn progress(&self) -> u64 {
        self.work.progress()
    }
}

fn elsewhere<'a>() -> Round<'a> {
    Box::pin(async { Ok(Done { summary: "another host does this".to_owned(), again_in: None }) })
}

/// The loop that takes accounts and gives them up.
struct Sharing {
    daemon: Weak<Daemon>,
    fleet: Fleet,
    store: Store,
    clock: SharedClock,
    balance: Balance,
    /// The accounts that this host has declared in the database, each with its unit.
    declared: Option<BTreeMap<String, String>>,
    /// What this host works on, including the keeper's work, each with its fence.
    held: BTreeMap<String, i64>,
    /// Tasks that end the work on an account.
    leaving: JoinSet<String>,
    leaving_names: BTreeMap<String, i64>,
    /// Accounts on which work has ended, until the database has recorded that they are given up.
    giving_up: BTreeMap<String, i64>,
    /// A change was sent to the database, and the answer did not arrive.
    is_in_doubt: bool,
    /// Why the database did not answer.
    trouble: Option<String>,
}

/// The name on the board, and the period after which the watchdog misses a round.
const NAME: &str = "hosts";
const MISSED_AFTER: Duration = Duration::from_secs(60);

impl Daemon {
    /// Begins to share the work with the other hosts; does nothing for a store of one host.
    pub(super) fn share_work(self: &Arc<Self>) {
        let Some(fleet) = self.foundation.store.fleet() else { return };
        let sharing = Sharing {
            daemon: Arc::downgrade(self),
            fleet,
            store: self.foundation.store.clone(),
            clock: self.foundation.clock.clone(),
            balance: Balance::default(),
            declared: None,
            held: BTreeMap::new(),
            leaving: JoinSet::new(),
            leaving_names: BTreeMap::new(),
            giving_up: BTreeMap::new(),
            is_in_doubt: false,
            trouble: None,
        };
        tokio::spawn(sharing.run(self.sharing.clone()));
    }

    /// To be called before the loops are stopped. From then on, this host takes no account and begins no work on any.
    pub(super) fn stop_sharing(&self) {
        self.sharing.cancel();
        if self.foundation.store.fleet().is_some() {
            self.foundation.pace.leave_all();
        }
    }

    /// Waits until all work on all accounts has ended, but not for longer than `within`.
    pub(super) async fn until_work_has_ended(&self, within: Duration) {
        if self.foundation.store.fleet().is_none() {
            return;
        }
        let clock = &self.foundation.clock;
        let until = clock.monotonic().saturating_add(within);
        while !self.foundation.pace.have_all_left() && clock.monotonic() < until {
            clock.sleep(LEAVING).await;
        }
    }

    /// For a command that runs instead of a daemon: takes the accounts that no other host has.
    pub(super) async fn take_free_accounts(&self, rooms: &Rooms) -> Result<(), StoreError> {
        let Some(fleet) = self.foundation.store.fleet() else { return Ok(()) };
        let units = units(&rooms.accounts);
        let taken = async {
            fleet.declare(&units).await?;
            let free = fleet.see().await?.free.into_iter().filter(|(name, _)| units.contains_key(name));
            fleet.take(free.collect()).await
        };
        let taken: BTreeMap<String, i64> = taken.await.map_err(StoreError::Broken)?.into_iter().collect();
        self.foundation.store.catch_up().await?;
        for account in rooms.accounts.iter().filter(|account| taken.contains_key(account.name.as_str())) {
            self.begin_account(account).await?;
        }
        Ok(())
    }

    /// Requests may be sent for an account from now on.
    async fn begin_account(&self, account: &Arc<Account>) -> Result<(), StoreError> {
        self.reconcile.forget_learnt(&account.name);
        self.foundation.calls.look_again(&account.name);
        self.foundation.pace.begin(&account.name);
        rooms::greet(&self.foundation, std::slice::from_ref(account)).await?;
        let rooms = self.rooms();
        let reporters = rooms.reporters.iter().filter(|reporter| reporter.account.name == account.name);
        rooms::greet_reporters(&self.foundation, &reporters.cloned().collect::<Vec<_>>()).await
    }

    /// Stops all work on an account, and returns when it has ended.
    async fn end_account(&self, account: &AccountName) {
        let pace = &self.foundation.pace;
        pace.leave(account);
        let loops = self.loops.lock().await.accounts.remove(account);
        if let Some(loops) = loops {
            loops.end().await;
        }
        while !pace.has_left(account) {
            self.foundation.clock.sleep(LEAVING).await;
        }
    }

    /// Wakes the loops of the keeper's work.
    fn wake_keeper(&self, rooms: &Rooms) {
        let store = &self.foundation.store;
        store.outbox_signal().notify_one();
        self.report_time.notify_one();
        for office in &rooms.back_offices {
            store.target_signal(office.target()).notify_one();
        }
    }
}

/// The accounts, each with its unit. Accounts that share a queue at the provider are one unit: they must be on one
/// host.
fn units(accounts: &[Arc<Account>]) -> BTreeMap<String, String> {
    let unit = |account: &Arc<Account>| {
        let queue = account.api.batches().map(|batches| format!("queue {}", batches.queue()));
        let name = account.name.as_str().to_owned();
        (name.clone(), queue.unwrap_or(name))
    };
    accounts.iter().map(unit).collect()
}

impl Sharing {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(daemon) = self.daemon.upgrade() else { return };
            daemon.board.beat(NAME, MISSED_AFTER);
            let began = self.clock.monotonic();
            let result = self.round(&daemon).await.map(|()| Done {
                summary: format!("{} here", text::count(self.held.len(), "account")),
                again_in: None,
            });
            let took = self.clock.monotonic().saturating_sub(began);
            daemon.board.done(NAME, "period", took, &result);
            let trouble = result.err();
            if let Some(error) = trouble.as_ref().filter(|_| trouble != self.trouble) {
                tracing::warn!(error, "this host cannot see the other hosts; it keeps its accounts");
            }
            self.trouble = trouble;
            drop(daemon);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }

    async fn round(&mut self, daemon: &Arc<Daemon>) -> Result<(), String> {
        let rooms = daemon.rooms();
        let configured = units(&rooms.accounts);
        if self.declared.as_ref() != Some(&configured) {
            self.fleet.declare(&configured).await?;
            self.declared = Some(configured.clone());
        }
        self.give_up_what_was_left().await?;
        let seen = self.fleet.see().await?;
        self.settle_doubt(daemon, &seen).await?;
        let held = self.held.keys().cloned().collect();
        let plan = self.balance.plan(self.fleet.session(), &seen, &configured, &held);
        let is_removed = |name: &String| name != KEEPER && !configured.contains_key(name);
        let removed = held.into_iter().filter(is_removed);
        for name in plan.give_up.into_iter().chain(removed).collect::<BTreeSet<_>>() {
            if let Some(fence) = self.held.remove(&name) {
                self.leave(daemon, name, Some(fence));
            }
        }
        if plan.take.is_empty() {
            return Ok(());
        }
        self.is_in_doubt = true;
        let taken = self.fleet.take(plan.take).await?;
        self.is_in_doubt = false;
        self.begin(daemon, taken.into_iter().collect()).await
    }

    /// Ends the work on an account, in the background. If there is a fence, the account is given up afterwards.
    fn leave(&mut self, daemon: &Arc<Daemon>, name: String, fence: Option<i64>) {
        let Ok(account) = name.parse::<AccountName>() else { return };
        self.leaving_names.extend(fence.map(|fence| (name.clone(), fence)));
        let daemon = Arc::clone(daemon);
        self.leaving.spawn(async move {
            daemon.end_account(&account).await;
            name
        });
    }

    /// Gives up the accounts on which work has ended. If the answer does not arrive, tries again in the next round.
    /// Until then, this host does not begin work on them again.
    async fn give_up_what_was_left(&mut self) -> Result<(), String> {
        while let Some(ended) = self.leaving.try_join_next() {
            // The task has panicked. Its name stays in the list, and this host keeps the account until its process
            // ends.
            let Ok(name) = ended else { continue };
            self.giving_up.extend(self.leaving_names.remove_entry(&name));
        }
        if !self.giving_up.is_empty() {
            self.fleet.give_up(self.giving_up.clone().into_iter().collect()).await?;
            tracing::info!(accounts = list(self.giving_up.keys()), "this host has given up these accounts");
            self.giving_up.clear();
        }
        Ok(())
    }

    /// Compares what this host works on with what it has according to the database. They may differ after an answer was
    /// lost.
    async fn settle_doubt(&mut self, daemon: &Arc<Daemon>, seen: &Seen) -> Result<(), String> {
        let Some(me) = seen.hosts.iter().find(|host| host.session == self.fleet.session()) else {
            return Ok(());
        };
        let known = self.held.len() + self.leaving_names.len() + self.giving_up.len();
        let has = usize::try_from(me.has).unwrap_or(usize::MAX) + usize::from(me.is_keeper);
        if !self.is_in_doubt && known == has {
            return Ok(());
        }
        let own = self.fleet.own().await?;
        let lost: Vec<String> = self
            .held
            .iter()
            .filter(|(name, fence)| own.get(*name) != Some(*fence))
            .map(|(name, _)| name.clone())
            .collect();
        for name in lost {
            self.held.remove(&name);
            if name == KEEPER {
                daemon.keeper.0.store(false, Ordering::SeqCst);
            } else {
                self.leave(daemon, name, None);
            }
        }
        let is_new = |name: &String| {
            ![&self.held, &self.leaving_names, &self.giving_up].iter().any(|known| known.contains_key(name))
        };
        let missed = own.into_iter().filter(|(name, _)| is_new(name)).collect();
        self.begin(daemon, missed).await?;
        self.is_in_doubt = false;
        Ok(())
    }

    /// Begins to work on accounts that this host has just taken.
    async fn begin(&mut self, daemon: &Arc<Daemon>, taken: BTreeMap<String, i64>) -> Result<(), String> {
        if taken.is_empty() {
            return Ok(());
        }
        self.store.catch_up().await.map_err(|error| error.to_string())?;
        tracing::info!(accounts = list(taken.keys()), "this host now works on these accounts");
        let rooms = daemon.rooms();
        self.held.extend(taken.clone());
        if taken.contains_key(KEEPER) {
            rooms.deliverer.learn_again().await.map_err(|error| error.to_string())?;
            for office in &rooms.back_offices {
                office.read_again().await.map_err(|error| error.to_string())?;
            }
            daemon.keeper.0.store(true, Ordering::SeqCst);
            daemon.wake_keeper(&rooms);
        }
        for account in rooms.accounts.iter().filter(|account| taken.contains_key(account.name.as_str())) {
            daemon.begin_account(account).await.map_err(|error| error.to_string())?;
            daemon.start_account(&account.name).await;
        }
        Ok(())
    }
}

/// The first names of a list, and how many there are.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let number = names.len();
    let shown = |name: &'a String| if name == KEEPER { "(the keeper's work)" } else { name };
    let first: Vec<&str> = names.take(5).map(shown).collect();
    match number.saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
