//! One host of a fleet: its processes, one after another, and what happens to them.

#![expect(clippy::disallowed_methods, reason = "the simulated world keeps its own time")]

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reconciled::config::{self, Surroundings};
use reconciled::daemon::{Daemon, Outside};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::plan::{ACCOUNTS, HOSTS, What};
use super::setting::TARGETS_PORT;
use super::tables::Database;
use super::world::{START, World};
use crate::months::clock::{HostClock, WorldTime};
use crate::months::disk::FatefulDisk;
use crate::months::fuse::Fuse;
use crate::months::log::Event;
use crate::months::wire::Wire;

/// How soon a process that has ended starts again.
const RESTART: Duration = Duration::from_secs(2);
/// A clean stop takes no longer, unless the process stands still.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// One process.
pub(super) struct Run {
    // Dropped before the runtime.
    pub(super) daemon: Arc<Daemon>,
    pub(super) time: Arc<WorldTime>,
    pub(super) fuse: Fuse,
    pub(super) disk: FatefulDisk,
    /// It was asked to stop.
    pub(super) stopping: Option<JoinHandle<bool>>,
    pub(super) stopped_by: Duration,
    pub(super) runtime: Runtime,
}

#[derive(Default)]
pub(super) struct Host {
    pub(super) run: Option<Run>,
    pub(super) start_at: Duration,
    pub(super) frozen_until: Option<Duration>,
    pub(super) skew_s: i64,
    /// What the power cut leaves that ends the process, if one does.
    pub(super) kept_permille: Option<u64>,
    pub(super) down_for: Duration,
    /// Since when it has been well.
    pub(super) well_since: Duration,
}

/// The network of one run, which knows who may send.
struct Watched {
    wire: Wire,
    host: &'static str,
    database: Database,
    wrong: Arc<Mutex<Vec<String>>>,
}

impl Transport for Watched {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        let port = request.url.split(['/', ':']).find_map(|part| part.parse::<usize>().ok());
        let place = port.and_then(|port| port.checked_sub(TARGETS_PORT)).expect("every address has a port");
        let account = place.checked_sub(1).map_or("*", |place| ACCOUNTS[place]);
        let owner = self.database.owner(account);
        if owner.as_deref() != Some(self.host) && !self.wire.fuse.is_blown() {
            let at = self.wire.time.elapsed().as_secs_f64();
            let what = format!("{at:.3}s: host {} sends for {account}, which {owner:?} has", self.host);
            self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        }
        self.wire.send(request)
    }
}

impl World {
    pub(super) fn live(&mut self, place: usize, until: Duration) {
        let now = self.now;
        let host = &mut self.hosts[place];
        if let Some(thaw) = host.frozen_until {
            host.well_since = now;
            if now < thaw {
                return;
            }
            host.frozen_until = None;
            self.disturbed.push(now);
            if let Some(run) = &host.run {
                // Its time has passed without it.
                run.runtime.block_on(async {
                    tokio::time::advance(now.saturating_sub(run.time.elapsed())).await;
                });
            }
        }
        if host.run.is_none() && now >= host.start_at && self.database.is_reached_by(HOSTS[place]) {
            self.start(place);
        }
        let Some(run) = &self.hosts[place].run else { return };
        let mut has_failed = run.runtime.block_on(async {
            let left = until.saturating_sub(run.time.elapsed());
            tokio::select! {
                biased;
                () = run.fuse.wait() => true,
                () = tokio::time::sleep(left) => false,
            }
        });
        // The service manager starts such a process again.
        has_failed |= run.daemon.store().failure().is_some();
        has_failed |= run.stopping.as_ref().is_some_and(JoinHandle::is_finished);
        if !has_failed && until > run.stopped_by {
            self.blame(format!("host {} does not stop", HOSTS[place]));
        }
        if has_failed {
            self.end(place);
        }
        if !self.database.is_reached_by(HOSTS[place]) || self.hosts[place].run.is_none() {
            self.hosts[place].well_since = until;
        }
    }

    /// The process is gone.
    fn end(&mut self, place: usize) {
        let host = &mut self.hosts[place];
        let Some(Run { daemon, fuse, disk, runtime, stopping, .. }) = host.run.take() else { return };
        // Nothing in flight has an external effect any more.
        fuse.blow();
        drop((stopping, runtime));
        drop(daemon);
        host.start_at = self.now + std::mem::take(&mut host.down_for).max(RESTART);
        self.disturbed.push(self.now);
        self.log.add(self.now, self.provider_time.now(), Event::Ended { was_crash: true });
        if let Some(kept_permille) = self.hosts[place].kept_permille.take() {
            let folder = self.folder.path().join(HOSTS[place]);
            if folder.join("journal").is_dir() {
                disk.cut_power(&folder.join("journal"), kept_permille).expect("files can be cut");
            }
            let _ = std::fs::remove_dir_all(folder.join("index"));
        }
    }

    fn start(&mut self, place: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be created");
        let time = WorldTime::starting_at(START.parse().expect("a time"));
        time.pass(self.now);
        time.set_skew(self.hosts[place].skew_s);
        let fuse = Fuse::of(None);
        let disk = FatefulDisk::new(fuse.clone(), None, None);
        let wire = Wire {
            simulator: Arc::clone(&self.simulator),
            time: Arc::clone(&time),
            fuse: fuse.clone(),
            log: self.log.clone(),
            refused: Arc::default(),
            seed: self.plan.seed,
            is_quick: true,
        };
        let (database, wrong) = (self.database.clone(), Arc::clone(&self.wrong));
        let started = runtime.block_on(async {
            time.begin();
            let outside = Outside {
                clock: Arc::new(HostClock::new(&time)),
                transport: Arc::new(Watched { wire, host: HOSTS[place], database, wrong }),
                surroundings: Surroundings::default(),
                database: Some(self.database.of_host(HOSTS[place], &time, &fuse)),
            };
            let config = configuration(self.folder.path(), HOSTS[place]);
            Daemon::start_rooms(config, outside, Arc::new(disk.clone()), Arc::new(disk.clone())).await
        });
        match started {
            Ok(daemon) => {
                let living = Arc::downgrade(&daemon);
                time.ask(Box::new(move || living.upgrade().map(|daemon| daemon.now())));
                let (stopping, stopped_by) = (None, Duration::MAX);
                self.hosts[place].run = Some(Run { daemon, time, fuse, disk, stopping, stopped_by, runtime });
                self.hosts[place].well_since = self.now;
            }
            // Its session may have ended while it started.
            Err(error) => {
                self.log.add(self.now, self.provider_time.now(), Event::Ended { was_crash: true });
                self.hosts[place].start_at = self.now + RESTART;
                if self.now >= self.plan.calm_at {
                    self.blame(format!("host {} does not start: {error:?}", HOSTS[place]));
                }
            }
        }
    }

    pub(super) fn trouble(&mut self, place: usize, what: What) {
        let now = self.now;
        let host = &mut self.hosts[place];
        match what {
            What::Freeze(time) => host.frozen_until = Some(now + time),
            What::Cut(time) => self.database.cut(HOSTS[place], now + time),
            What::Outage(time) => self.database.go_down(now + time),
            What::Clock(skew_s) => {
                host.skew_s = skew_s;
                if let Some(run) = &host.run {
                    run.time.set_skew(skew_s);
                }
            }
            What::Kill { effects, down_for, kept_permille } => {
                if let Some(run) = &host.run {
                    run.fuse.shorten(effects);
                    (host.down_for, host.kept_permille) = (down_for, kept_permille);
                }
            }
            What::Stop { down_for } => {
                if let Some(run) = &mut host.run
                    && run.stopping.is_none()
                {
                    host.down_for = down_for;
                    let daemon = Arc::clone(&run.daemon);
                    run.stopping = Some(run.runtime.spawn(async move { daemon.stop().await.is_ok() }));
                    run.stopped_by = now + STOPS_WITHIN;
                }
            }
        }
    }
}

fn configuration(folder: &Path, host: &str) -> config::Config {
    let path = folder.join(format!("{host}.toml"));
    config::load(&path, &Surroundings::default()).unwrap_or_else(|error| panic!("{error}"))
}
