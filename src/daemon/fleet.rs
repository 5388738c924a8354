//! Several hosts share the store: which accounts this one works on.
//!
//! Owns: when this host takes accounts and gives them up, and that nobody works on an account meanwhile. Must never know:
//! which host should have which account, how work on an account is done.
//!
//! Whatever is done for all accounts together (alerts, events, the nightly report) is done by one host, the keeper.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Daemon;
use super::rooms::{self, Rooms};
use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::payments::object::AccountName;
use crate::store::{Balance, Fleet, KEEPER, Store, StoreError};
use crate::task::{Done, Round, Work};

/// The time between two looks at the other hosts.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks at whether work on an account has ended.
const LEAVING: Duration = Duration::from_millis(20);

/// Whether this host does what one host does for all.
#[derive(Debug, Clone)]
pub(super) struct Keeper(Arc<AtomicBool>);

impl Keeper {
    /// Of a store of one host: this one. Of a shared store: nobody yet.
    pub(super) fn of(store: &Store) -> Keeper {
        Keeper(Arc::new(AtomicBool::new(store.fleet().is_none())))
    }

    pub(super) fn is_here(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The same work, done only here when this host is the keeper.
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
    /// The accounts that the other hosts know that this one is configured for.
    declared: Option<BTreeSet<String>>,
    /// What this host has, the keeper's work included.
    held: BTreeSet<String>,
    /// A change was asked for, and its answer did not arrive.
    is_in_doubt: bool,
    /// Why the database did not answer.
    trouble: Option<String>,
}

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
            held: BTreeSet::new(),
            is_in_doubt: false,
            trouble: None,
        };
        tokio::spawn(sharing.run(self.stop.clone()));
    }

    /// For a command in the place of a daemon: takes whatever no other host has.
    pub(super) async fn take_free_accounts(&self, rooms: &Rooms) -> Result<(), StoreError> {
        let Some(fleet) = self.foundation.store.fleet() else { return Ok(()) };
        let names = names(&rooms.accounts);
        let taken = async {
            fleet.declare(&names).await?;
            let free = fleet.see().await?.free.into_iter().filter(|(name, _)| names.contains(name));
            fleet.take(free.collect()).await
        };
        let taken = taken.await.map_err(StoreError::Broken)?;
        self.foundation.store.catch_up().await?;
        for account in
            rooms.accounts.iter().filter(|account| taken.iter().any(|name| name == account.name.as_str()))
        {
            self.begin_account(account).await?;
        }
        Ok(())
    }

    /// Requests may be sent for an account from now on.
    async fn begin_account(&self, account: &Arc<Account>) -> Result<(), StoreError> {
        self.foundation.pace.begin(&account.name);
        self.foundation.calls.look_again(&account.name);
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
}

fn names(accounts: &[Arc<Account>]) -> BTreeSet<String> {
    accounts.iter().map(|account| account.name.as_str().to_owned()).collect()
}

impl Sharing {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(daemon) = self.daemon.upgrade() else { return };
            match self.round(&daemon).await {
                Ok(()) => self.trouble = None,
                Err(error) => {
                    if self.trouble.as_ref() != Some(&error) {
                        tracing::warn!(error, "this host cannot see the other hosts; it keeps its accounts");
                    }
                    self.trouble = Some(error);
                }
            }
            drop(daemon);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }

    async fn round(&mut self, daemon: &Arc<Daemon>) -> Result<(), String> {
        let rooms = daemon.rooms();
        let configured = names(&rooms.accounts);
        if self.declared.as_ref() != Some(&configured) {
            self.fleet.declare(&configured).await?;
            self.declared = Some(configured.clone());
        }
        if self.is_in_doubt {
            let missed = self.fleet.own().await?.difference(&self.held).cloned().collect();
            self.begin(daemon, &rooms, missed).await?;
            self.is_in_doubt = false;
        }
        let seen = self.fleet.see().await?;
        let plan = self.balance.plan(self.fleet.session(), &seen, &configured, &self.held);
        let is_removed = |name: &&String| *name != KEEPER && !configured.contains(*name);
        let removed = self.held.iter().filter(is_removed).cloned();
        let give_up: BTreeSet<String> = plan.give_up.into_iter().chain(removed).collect();
        if !give_up.is_empty() {
            let leaving = give_up.iter().filter_map(|name| name.parse().ok()).map(|account| async move {
                daemon.end_account(&account).await;
            });
            futures_util::future::join_all(leaving).await;
            self.held.retain(|name| !give_up.contains(name));
            tracing::info!(accounts = list(&give_up), "given up for another host");
            self.is_in_doubt = true;
            self.fleet.give_up(give_up.into_iter().collect()).await?;
            self.is_in_doubt = false;
        }
        if plan.take.is_empty() {
            return Ok(());
        }
        self.is_in_doubt = true;
        let taken = self.fleet.take(plan.take).await?.into_iter().collect();
        self.begin(daemon, &rooms, taken).await?;
        self.is_in_doubt = false;
        Ok(())
    }

    /// Works on accounts that are this host's since a moment ago.
    async fn begin(
        &mut self,
        daemon: &Arc<Daemon>,
        rooms: &Rooms,
        taken: BTreeSet<String>,
    ) -> Result<(), String> {
        if taken.is_empty() {
            return Ok(());
        }
        self.store.catch_up().await.map_err(|error| error.to_string())?;
        tracing::info!(accounts = list(&taken), "this host works on them from now on");
        if taken.contains(KEEPER) {
            rooms.deliverer.learn_again().await.map_err(|error| error.to_string())?;
            daemon.keeper.0.store(true, Ordering::SeqCst);
            daemon.wake_keeper(rooms);
        }
        for account in rooms.accounts.iter().filter(|account| taken.contains(account.name.as_str())) {
            daemon.begin_account(account).await.map_err(|error| error.to_string())?;
            daemon.start_account(account).await;
        }
        self.held.extend(taken);
        Ok(())
    }
}

/// The first names of a list, and how many there are.
fn list(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names
        .iter()
        .take(5)
        .map(|name| if name == KEEPER { "(what one host does for all)" } else { name })
        .collect();
    match names.len().saturating_sub(first.len()) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

impl Daemon {
    /// Wakes the loops of what one host does for all.
    fn wake_keeper(&self, rooms: &Rooms) {
        let store = &self.foundation.store;
        store.outbox_signal().notify_one();
        self.report_time.notify_one();
        for office in &rooms.back_offices {
            store.target_signal(office.target()).notify_one();
        }
    }
}
