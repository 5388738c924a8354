//! Everything is built, connected, started and stopped here and nowhere else.
//!
//! Owns: the order of start and stop, reload, what the process reports to its service manager. Must never know: how
//! any room does its work.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::access::sessions::Sessions;
use crate::access::users::Users;
use crate::apis::pace::Pace;
use crate::batches::Batches;
use crate::calls::Calls;
use crate::clock::{JudgedClock, SharedClock};
use crate::config::{self, Config, ControlConfig, HttpConfig, Surroundings};
use crate::control::audit::Audit;
use crate::control::messages::Reloaded;
use crate::control::service::Process;
use crate::control::{Service, TodayCount, server};
use crate::http::{DatedTransport, HttpClient, Transport};
use crate::notifications::Hub;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::provider_reports::Downloads;
use crate::reconcile::Reconcile;
use crate::reports::{NoProbe, Probe};
use crate::store::disk::{Disk, MachineDisk};
use crate::store::tables::Tables;
use crate::store::{OpenError, Store, StoreError};
use crate::task::Board;

mod ahead;
mod base;
mod batching;
mod calling;
mod changes;
mod channel_figures;
mod delivering;
mod fetching;
mod fleet;
mod health;
mod heartbeat;
mod jobs;
mod leased;
mod levels;
mod loops;
mod manager;
mod nightly;
mod notifying;
mod opening;
mod process;
mod reload;
mod reminders;
mod rhythm_figures;
mod rooms;
mod run;
mod spooling;
mod status;
mod tcp;
mod timekeeping;
mod upkeep;
mod usage;

pub(crate) use opening::shared_store;
pub use run::{Ended, run};

use reload::Fixed;
use rooms::{Foundation, Rooms};

/// What comes from outside: time, the network, a database.
#[derive(Clone)]
pub struct Outside {
    /// The source of time.
    pub clock: SharedClock,
    /// How requests reach the providers, and messages their targets.
    pub transport: Arc<dyn Transport>,
    /// What a configuration refers to when it is reloaded.
    pub surroundings: Surroundings,
    /// A database in memory instead of the configured one, for simulations.
    pub database: Option<Arc<dyn Tables>>,
}

impl Outside {
    /// The real network, as configured.
    ///
    /// # Errors
    /// When no HTTP client can be created, for example because root certificates are missing.
    pub fn real(
        clock: SharedClock,
        surroundings: Surroundings,
        http: &HttpConfig,
    ) -> Result<Outside, StartError> {
        let client =
            HttpClient::over(&http.connections).map_err(|error| StartError::Network(error.to_string()))?;
        Ok(Outside { clock, transport: Arc::new(client), surroundings, database: None })
    }
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    /// The store failed while starting.
    #[error("the store failed")]
    Broken(#[from] StoreError),
    /// A room rejects its configuration.
    #[error("the configuration cannot be used: {0}")]
    Rooms(String),
    /// The control socket cannot be bound.
    #[error("the control socket cannot be used: {0}")]
    Socket(String),
    /// No HTTP client.
    #[error("no HTTP client can be created: {0}")]
    Network(String),
    /// Signals cannot be handled.
    #[error("signals cannot be handled")]
    Signals(#[source] std::io::Error),
}

/// The command that runs the daemon itself.
const RUN: &str = "run";

/// The folder of batch files, inside the store's folder.
pub(crate) const BATCHES: &str = "batches";

/// The machine's own disk, for the journal and for the reports.
fn machine_disk() -> (Arc<dyn Disk>, Arc<dyn Probe>) {
    (Arc::new(MachineDisk), Arc::new(NoProbe))
}

/// The loops of one configuration.
#[derive(Default)]
struct Loops {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// Those of the accounts that this host works on.
    accounts: BTreeMap<AccountName, loops::OfOneAccount>,
    /// Their names on the board, which are removed with them.
    names: Vec<String>,
}

/// A running daemon, or the same rooms without loops, for a command that opened the store itself.
pub struct Daemon {
    foundation: Foundation,
    /// Who did what.
    audit: Arc<Audit>,
    notifications: Arc<Hub>,
    reconcile: Arc<Reconcile>,
    board: Arc<Board>,
    rooms: Arc<RwLock<Arc<Rooms>>>,
    routes: Routes,
    today: Arc<TodayCount>,
    /// The sessions of the dashboard; none if it has no address.
    sessions: Option<Arc<Sessions>>,
    loops: tokio::sync::Mutex<Loops>,
    /// Stops sharing the work with other hosts.
    sharing: CancellationToken,
    /// Whether this host is the keeper.
    keeper: fleet::Keeper,
    /// Stops the control server and the loops that a reload does not replace.
    stop: CancellationToken,
    base: tokio::sync::Mutex<JoinSet<()>>,
    /// Wakes the loop that makes the nightly reports.
    report_time: Arc<Notify>,
    /// Notified when a reload has replaced the configuration, so that the jobs must be scheduled again.
    reloaded: Notify,
    fatal: mpsc::UnboundedSender<StoreError>,
    fatal_heard: Mutex<Option<mpsc::UnboundedReceiver<StoreError>>>,
    surroundings: Surroundings,
    config_path: PathBuf,
    is_daemon: bool,
    was_clean_stop: bool,
    /// The budgets were restored from the last clean stop.
    is_restored: AtomicBool,
    since: Timestamp,
    last_reload: Mutex<Option<Reloaded>>,
    /// What a reload cannot change.
    fixed: Fixed,
    /// For loops that need the whole daemon, without keeping it alive.
    itself: Weak<Daemon>,
}

impl Daemon {
    /// Opens the store and builds the rooms without starting anything, for a command while no daemon is running.
    ///
    /// # Errors
    /// When the store cannot be opened (the error says which process has it open) or the configuration cannot be
    /// used.
    pub async fn open(config: Config, outside: Outside, command: &str) -> Result<Arc<Daemon>, StartError> {
        Daemon::build(config, outside, command, machine_disk()).await
    }

    /// Starts everything. Returns when all loops are running.
    ///
    /// # Errors
    /// When the store, the configuration or the control socket cannot be used.
    pub async fn start(config: Config, outside: Outside) -> Result<Arc<Daemon>, StartError> {
        Daemon::start_with(config, outside, None).await
    }

    /// The same, with the control socket that the service manager opened, if it did.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub async fn start_with(
        config: Config,
        outside: Outside,
        opened: Option<UnixListener>,
    ) -> Result<Arc<Daemon>, StartError> {
        let socket = config.control.socket.clone();
        for remark in config.routing_remarks() {
            tracing::warn!("{remark}");
        }
        for note in &config.renamed {
            tracing::warn!("{}: {note}", config.path.display());
        }
        let (disk, probe) = machine_disk();
        let daemon = Daemon::start_rooms(config, outside, disk, probe).await?;
        daemon.start_base(server::Options::at(&socket), opened).await?;
        open_socket(&daemon.rooms().config.control).map_err(|error| StartError::Socket(error.to_string()))?;
        Ok(daemon)
    }

    /// Starts the loops that poll, deliver and report, but not the control socket, the job scheduler and the status
    /// line. The journal is written to `disk`, and report files as `probe` allows. For simulations, which have no
    /// operator and in which months must be cheap.
    ///
    /// # Errors
    /// When the store or the configuration cannot be used.
    pub async fn start_rooms(
        config: Config,
        outside: Outside,
        disk: Arc<dyn Disk>,
        probe: Arc<dyn Probe>,
    ) -> Result<Arc<Daemon>, StartError> {
        let daemon = Daemon::build(config, outside, RUN, (disk, probe)).await?;
        let rooms = daemon.rooms();
        // Before any loop can raise an alert: what is raised before the very first call is not learned.
        match daemon.keeper.is_here() {
            true => rooms.deliverer.learn().await?,
            false => rooms.deliverer.learn_if_first().await?,
        }
        rooms::restore_once(&daemon, &rooms).await?;
        for orphan in rooms::orphans(&daemon.foundation, &rooms.accounts).await? {
            tracing::warn!("{orphan}");
        }
        for remark in rooms::idle_writers(&rooms) {
            tracing::warn!("{remark}");
        }
        daemon.start_loops(&rooms).await;
        daemon.share_work();
        Ok(daemon)
    }

    async fn build(
        config: Config,
        outside: Outside,
        command: &str,
        (disk, probe): (Arc<dyn Disk>, Arc<dyn Probe>),
    ) -> Result<Arc<Daemon>, StartError> {
        let time = JudgedClock::over(outside.clock.clone());
        let is_daemon = command == RUN;
        let transport: Arc<dyn Transport> =
            Arc::new(DatedTransport::over(Arc::clone(&outside.transport), Arc::clone(&time)));
        // An operator's command trusts the machine's clock: it does not run long enough to learn the time from
        // others.
        let clock: SharedClock = if is_daemon { time.clone() } else { outside.clock.clone() };
        let since = clock.now();
        let (store, opening) = opening::open(&config.store, &outside, command, disk, since).await?;
        let transport = match store.fleet() {
            Some(_) => leased::over(transport, &store),
            None => transport,
        };
        timekeeping::greet(&store, &time).await?;
        let pace = Arc::new(Pace::new(clock.clone()));
        if store.fleet().is_some() {
            pace.hold_nothing();
        }
        let folder = config.store.folder.join(BATCHES);
        let batches = Batches::new(store.clone(), clock.clone(), Arc::clone(&pace), folder);
        let calls = Calls::new(store.clone(), clock.clone(), Arc::clone(&pace));
        let downloads = Downloads::new(store.clone(), clock.clone(), Arc::clone(&pace));
        let foundation = Foundation {
            downloads: Arc::new(downloads),
            pace,
            batches: Arc::new(batches),
            calls: Arc::new(calls),
            clock: clock.clone(),
            time,
            store: store.clone(),
            transport,
            probe,
        };
        let config_path = config.path.clone();
        let fixed = Fixed::of(&config);
        let first = Rooms::build(config, &foundation).map_err(StartError::Rooms)?;
        let rooms = Arc::new(RwLock::new(Arc::new(first)));
        let routed = Arc::clone(&rooms);
        let routes: Routes = Arc::new(move |alert, is_sandbox| {
            let rooms = routed.read().unwrap_or_else(PoisonError::into_inner);
            rooms.routes.targets_for(alert, is_sandbox)
        });
        let receivers = Arc::clone(&rooms);
        let base = notifying::Base {
            store: store.clone(),
            clock: clock.clone(),
            transport: outside.transport,
            batches: Arc::clone(&foundation.batches),
            pace: Arc::clone(&foundation.pace),
            routes: Arc::clone(&routes),
        };
        let notifications =
            notifying::hub(base, fixed.notifications.clone(), &rooms).map_err(StartError::Rooms)?;
        notifications.set_accounts(&present(&rooms).accounts).await?;
        let audit = Arc::new(Audit::new(store.clone(), clock.clone()));
        let reconcile = Reconcile::new(
            store,
            clock.clone(),
            foundation.pace.clone(),
            Arc::clone(&routes),
            fixed.max_in_flight,
        );
        reconcile.inform(notifying::watcher(&notifications));
        reconcile.announce_by(Arc::new(changes::EventSource(receivers)));
        let (fatal, fatal_heard) = mpsc::unbounded_channel();
        let daemon = Daemon {
            audit,
            notifications,
            reconcile,
            board: Board::new(clock),
            rooms,
            routes,
            today: Arc::default(),
            sessions: fixed.tcp.as_ref().map(|tcp| Arc::new(Sessions::at(tcp.base_url()))),
            loops: tokio::sync::Mutex::default(),
            sharing: CancellationToken::new(),
            keeper: fleet::Keeper::of(&foundation.store),
            stop: CancellationToken::new(),
            base: tokio::sync::Mutex::new(JoinSet::new()),
            report_time: Arc::new(Notify::new()),
            reloaded: Notify::new(),
            fatal,
            fatal_heard: Mutex::new(Some(fatal_heard)),
            surroundings: outside.surroundings,
            config_path,
            is_daemon,
            was_clean_stop: opening.was_clean_stop,
            is_restored: AtomicBool::new(false),
            since,
            last_reload: Mutex::new(None),
            fixed,
            foundation,
            itself: Weak::new(),
        };
        Ok(Arc::new_cyclic(|itself| Daemon { itself: itself.clone(), ..daemon }))
    }

    /// Answers an operator's requests. Used by the socket, and directly by a command without a daemon.
    pub fn service(self: &Arc<Self>) -> Service {
        let Foundation { store, clock, pace, batches, calls, downloads, .. } = self.foundation.clone();
        let rooms = Arc::clone(&self.rooms);
        Service {
            store,
            clock,
            audit: Arc::clone(&self.audit),
            pace,
            batches,
            calls,
            downloads,
            notifications: Arc::clone(&self.notifications),
            reconcile: Arc::clone(&self.reconcile),
            board: Arc::clone(&self.board),
            today: Arc::clone(&self.today),
            sessions: self.sessions.clone(),
            routes: Arc::clone(&self.routes),
            rooms: Arc::new(move || Arc::clone(&present(&rooms).shared)),
            process: Arc::clone(self) as Arc<dyn Process>,
            read_table: crate::intake::table,
            expected_revision: None,
        }
    }

    /// The store, for a command that works on it directly.
    pub fn store(&self) -> &Store {
        &self.foundation.store
    }

    /// The polling of all accounts, with what was done for each since the start.
    pub fn reconcile(&self) -> &Reconcile {
        &self.reconcile
    }

    /// The notifications of all accounts.
    pub fn notifications(&self) -> &Arc<Hub> {
        &self.notifications
    }

    /// The time in use.
    pub fn now(&self) -> Timestamp {
        self.foundation.clock.now()
    }

    /// The quota budgets.
    pub fn pace(&self) -> &Pace {
        &self.foundation.pace
    }

    fn rooms(&self) -> Arc<Rooms> {
        present(&self.rooms)
    }

    /// Stops everything in order and closes the store.
    ///
    /// # Errors
    /// When the store cannot be closed cleanly. Even then, nothing that was acknowledged is lost.
    pub async fn stop(&self) -> Result<(), StoreError> {
        let within = Duration::from_secs(self.rooms().config.polling.stop_within_s);
        self.stop_sharing();
        self.stop_loops(within).await;
        self.until_work_has_ended(within).await;
        self.stop.cancel();
        self.foundation.store.leave_off();
        let mut base = std::mem::take(&mut *self.base.lock().await);
        while base.join_next().await.is_some() {}
        if self.is_daemon {
            self.notifications.save().await?;
            let rooms::Foundation { store, pace, clock, time, .. } = &self.foundation;
            if store.fleet().is_none() {
                levels::save(store, pace, clock.now()).await?;
            }
            timekeeping::Timekeeping::leave(store, time).await?;
        }
        self.foundation.store.clone().close().await
    }
}

/// Opens the socket to everyone if a role is granted outside its group, and closes it otherwise.
fn open_socket(control: &ControlConfig) -> std::io::Result<()> {
    let group = std::fs::metadata(&control.socket)?.gid();
    server::set_mode(&control.socket, !control.access.is_within(group, &Users::of_machine()))
}

fn present(rooms: &RwLock<Arc<Rooms>>) -> Arc<Rooms> {
    Arc::clone(&rooms.read().unwrap_or_else(PoisonError::into_inner))
}

/// The lines of a configuration error, for people.
pub fn problem_lines(error: config::ConfigError) -> Vec<String> {
    match error {
        config::ConfigError::Bad { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        unreadable => vec![unreadable.to_string()],
    }
}
