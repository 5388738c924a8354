//! The loops of one configuration: started together, stopped together, replaced by a reload.
//!
//! Owns: which loops there are. Must never know: how any room does its work.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::apis::Account;
use crate::payments::object::AccountName;
use crate::store::StoreError;
use crate::task::{Rhythm, Work, keep, keep_as};

use super::jobs::{self, Job};
use super::rooms::Rooms;
use super::{
    Daemon, Loops, batching, calling, delivering, fetching, fleet, health, heartbeat, nightly, notifying,
    reminders, timekeeping,
};

/// The prefix of the names of the batch loops; the account's name follows.
const BATCHES_OF: &str = "batches/";

/// A loop that ends only when the store fails or when it is stopped.
type Endless = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// The loops of one account.
pub(super) struct OfOneAccount {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl OfOneAccount {
    /// Stops them, and returns when polls in flight are finished and committed.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        join(&mut self.tasks).await;
    }
}

async fn join(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

impl Daemon {
    /// Starts the loops that a reload replaces.
    pub(super) async fn start_loops(&self, rooms: &Arc<Rooms>) {
        let mut running = self.loops.lock().await;
        let mut loops = Loops::default();
        let held = rooms.accounts.iter().filter(|account| self.foundation.pace.holds(&account.name));
        held.for_each(|account| self.begin_loops_of(account, &mut loops));
        // The work that one host does for all hosts.
        let keeper = &self.keeper;
        let clock = &self.foundation.clock;
        let delivering =
            delivering::AlertDelivery { deliverer: Arc::clone(&rooms.deliverer), clock: clock.clone() };
        let nightly = nightly::Nightly {
            store: self.foundation.store.clone(),
            clock: clock.clone(),
            reports: Arc::clone(&rooms.reports),
            timetable: rooms.nightly.clone(),
            quiet: Mutex::new(None),
            since: clock.monotonic(),
            checked_at: Mutex::new(None),
            is_waiting_told: AtomicBool::new(false),
        };
        let outbox = self.foundation.store.outbox_signal();
        let minute = Duration::from_secs(60);
        let rhythm = Rhythm { name: "alerts", period: minute, wake: outbox };
        self.keep_until_reload(&mut loops, rhythm, keeper.only(Arc::new(delivering)));
        let silencing =
            reminders::Silencing { deliverer: Arc::clone(&rooms.deliverer), clock: clock.clone() };
        let rhythm = Rhythm { name: "silences", period: minute, wake: Arc::new(Notify::new()) };
        self.keep_until_reload(&mut loops, rhythm, keeper.only(Arc::new(silencing)));
        // One loop per receiver, so that one that hangs delays no other.
        for office in &rooms.back_offices {
            let wake = self.foundation.store.target_signal(office.target());
            // Longer than the longest request, as below.
            let rhythm = Rhythm { name: "events", period: minute * 5, wake };
            let delivery = delivering::EventDelivery { office: Arc::clone(office), clock: clock.clone() };
            self.keep_named(&mut loops, office.target().to_owned(), rhythm, keeper.only(Arc::new(delivery)));
        }
        // One loop per account, so that a slow upload of one account delays no other.
        for (number, sender) in rooms.senders.iter().enumerate() {
            let others = rooms.senders.iter().map(|other| &other.name).filter(|name| **name != sender.name);
            let prunes = if number == 0 {
                batching::Prunes::AllBut(others.cloned().collect())
            } else {
                batching::Prunes::Own
            };
            let batching = batching::Batching::new(
                Arc::clone(&self.foundation.batches),
                Arc::clone(sender),
                batching::ports(&self.routes, &self.reconcile, rooms),
                clock.clone(),
                (prunes, rooms.config.store.keep_batch_files_days),
            );
            let wake = self.foundation.batches.wake(&sender.name);
            // Longer than the longest request: the watchdog must not mistake a hanging provider for a stall.
            let rhythm = Rhythm { name: "batches", period: minute * 5, wake };
            let name = format!("{BATCHES_OF}{}", sender.name);
            let (pace, account) = (Arc::clone(&self.foundation.pace), sender.name.clone());
            let batching = fleet::OfAccount { pace, account, work: Arc::new(batching) };
            self.keep_named(&mut loops, name, rhythm, Arc::new(batching));
        }
        if !rooms.callers.is_empty() {
            let settling = calling::Settling {
                calls: Arc::clone(&self.foundation.calls),
                accounts: rooms.callers.clone(),
                pace: Arc::clone(&self.foundation.pace),
                routes: Arc::clone(&self.routes),
            };
            let rhythm = Rhythm { name: "calls", period: minute * 5, wake: Arc::new(Notify::new()) };
            self.keep_until_reload(&mut loops, rhythm, Arc::new(settling));
        }
        if let Some((rhythm, fetching)) = fetching::Fetching::of(self, rooms) {
            self.keep_until_reload(&mut loops, rhythm, Arc::new(fetching));
        }
        let holding = reminders::Holding {
            reconcile: Arc::clone(&self.reconcile),
            accounts: rooms.accounts.clone(),
            pace: Arc::clone(&self.foundation.pace),
        };
        let rhythm = Rhythm { name: "holds", period: minute, wake: Arc::new(Notify::new()) };
        self.keep_until_reload(&mut loops, rhythm, Arc::new(holding));
        let checking = health::Checking {
            daemon: self.itself.clone(),
            store: self.foundation.store.clone(),
            clock: clock.clone(),
            routes: Arc::clone(&self.routes),
            board: Arc::clone(&self.board),
            accounts: rooms.accounts.clone(),
            pace: Arc::clone(&self.foundation.pace),
            min_free_bytes: rooms.config.store.min_free_mib * 1024 * 1024,
            seen: Mutex::default(),
        };
        let rhythm = Rhythm { name: "health", period: minute, wake: Arc::new(Notify::new()) };
        self.keep_until_reload(&mut loops, rhythm, Arc::new(checking));
        if self.notifications.is_on() {
            let (hub, reconcile) = (Arc::clone(&self.notifications), Arc::clone(&self.reconcile));
            let rhythm = Rhythm { name: "notifications", period: minute, wake: hub.wake() };
            self.keep_until_reload(&mut loops, rhythm, Arc::new(notifying::Noticing { hub, reconcile }));
        }
        if let Some(config) = rooms.config.heartbeat.clone() {
            let rhythm = Rhythm { name: "heartbeat", period: config.every, wake: Arc::new(Notify::new()) };
            let heartbeat = heartbeat::Heartbeat {
                config,
                transport: Arc::clone(&self.foundation.transport),
                store: self.foundation.store.clone(),
                reconcile: Arc::clone(&self.reconcile),
                board: Arc::clone(&self.board),
                accounts: rooms.accounts.iter().map(|account| account.name.clone()).collect(),
                pace: Arc::clone(&self.foundation.pace),
                has_begun: AtomicBool::new(false),
            };
            self.keep_until_reload(&mut loops, rhythm, Arc::new(heartbeat));
        }
        let accounts = rooms.accounts.iter().map(|account| (account.name.clone(), account.is_sandbox));
        let timekeeping = timekeeping::Timekeeping::new(
            self.foundation.store.clone(),
            Arc::clone(&self.foundation.time),
            Arc::clone(&self.routes),
            accounts.collect(),
        );
        let rhythm = Rhythm { name: "clock", period: minute, wake: Arc::new(Notify::new()) };
        self.keep_until_reload(&mut loops, rhythm, Arc::new(timekeeping));
        let wake = Arc::clone(&self.report_time);
        let rhythm = Rhythm { name: "reports", period: minute * 5, wake };
        self.keep_until_reload(&mut loops, rhythm, keeper.only(Arc::new(nightly)));
        *running = loops;
    }

    /// Starts the loops of one account of the configuration in force, unless they are running.
    pub(super) async fn start_account(&self, name: &AccountName) {
        let mut running = self.loops.lock().await;
        let rooms = self.rooms();
        let account = rooms.accounts.iter().find(|account| account.name == *name);
        if let Some(account) = account.filter(|_| !running.accounts.contains_key(name)) {
            self.begin_loops_of(account, &mut running);
        }
    }

    fn begin_loops_of(&self, account: &Arc<Account>, loops: &mut Loops) {
        let (stop, mut tasks) = (loops.stop.child_token(), JoinSet::new());
        let watching = Arc::clone(&self.reconcile).watch(Arc::clone(account), stop.clone());
        let following = Arc::clone(&self.reconcile).follow_service(Arc::clone(account), stop.clone());
        for (work, fatal) in
            [(Box::pin(watching) as Endless, self.fatal.clone()), (Box::pin(following), self.fatal.clone())]
        {
            tasks.spawn(async move {
                if let Err(error) = work.await {
                    let _ = fatal.send(error);
                }
            });
        }
        loops.accounts.insert(account.name.clone(), OfOneAccount { stop, tasks });
    }

    /// Lets the scheduler wake the loops that have a time of day, until the stop. Without the scheduler, they run by
    /// their periods.
    pub(super) async fn keep_jobs(self: Arc<Self>) {
        let mut scheduler = match jobs::start().await {
            Ok(scheduler) => scheduler,
            Err(error) => {
                tracing::error!(%error, "the job scheduler did not start; nightly jobs may be five minutes late");
                return;
            }
        };
        while !self.stop.is_cancelled() {
            let jobs = self.jobs();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.reloaded.notified() => {}
                result = jobs::run(&scheduler, &jobs) => {
                    let error = result.err().map(|error| error.to_string()).unwrap_or_default();
                    tracing::error!(error, "the job scheduler failed; nightly jobs may be five minutes late");
                    break;
                }
            }
        }
        if let Err(error) = scheduler.shutdown().await {
            tracing::debug!(%error, "the job scheduler did not shut down cleanly");
        }
    }

    /// The jobs of the configuration in force.
    fn jobs(&self) -> Vec<Job> {
        let (rooms, clock) = (self.rooms(), &self.foundation.clock);
        let report =
            Job::new("nightly report", rooms.nightly.clone(), clock.clone(), Arc::clone(&self.report_time));
        let fetching = rooms.reporters.iter().filter_map(|reporter| {
            let name = format!("provider reports of {}", reporter.account.name);
            Some(Job::new(
                &name,
                reporter.timetable.clone()?,
                clock.clone(),
                self.foundation.downloads.wake(),
            ))
        });
        std::iter::once(report).chain(fetching).collect()
    }

    pub(super) fn keep(
        &self,
        tasks: &mut JoinSet<()>,
        rhythm: Rhythm,
        work: Arc<dyn Work>,
        stop: &CancellationToken,
    ) {
        let clock = self.foundation.clock.clone();
        tasks.spawn(keep(rhythm, work, clock, Arc::clone(&self.board), stop.clone()));
    }

    /// A loop that a reload replaces.
    fn keep_until_reload(&self, loops: &mut Loops, rhythm: Rhythm, work: Arc<dyn Work>) {
        self.keep_named(loops, rhythm.name.to_owned(), rhythm, work);
    }

    /// The same, with its own name when several loops share one rhythm.
    fn keep_named(&self, loops: &mut Loops, name: String, rhythm: Rhythm, work: Arc<dyn Work>) {
        let (clock, board) = (self.foundation.clock.clone(), Arc::clone(&self.board));
        loops.names.push(name.clone());
        loops.tasks.spawn(keep_as(name, rhythm, work, clock, board, loops.stop.clone()));
    }

    /// Stops the loops of the configuration in force. Polls in flight are finished and committed, unless they take
    /// longer than `within`: then they are dropped, which costs a repeated request.
    pub(super) async fn stop_loops(&self, within: Duration) {
        let mut loops = self.loops.lock().await;
        loops.stop.cancel();
        let accounts = std::mem::take(&mut loops.accounts).into_values().map(|account| account.tasks);
        let mut all: Vec<JoinSet<()>> = accounts.chain([std::mem::take(&mut loops.tasks)]).collect();
        let ended = futures_util::future::join_all(all.iter_mut().map(join));
        let is_too_long = tokio::select! {
            biased;
            _ = ended => false,
            () = self.foundation.clock.sleep(within) => true,
        };
        if is_too_long {
            tracing::warn!("polls in flight took too long; their objects are polled again after the start");
            all.iter_mut().for_each(JoinSet::abort_all);
            futures_util::future::join_all(all.iter_mut().map(join)).await;
        }
        for name in std::mem::take(&mut loops.names) {
            self.board.remove(&name);
        }
    }
}
