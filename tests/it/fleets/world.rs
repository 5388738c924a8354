//! One fleet from its beginning to its end. Each host has a runtime and a time of its own, and all take turns: each
//! lives for a quarter of a second, then the next one does.

#![expect(clippy::disallowed_methods, reason = "the simulated world keeps its own time")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::plan::{Plan as Seedling, Step};
use jiff::Timestamp;
use reconciled::clock::SharedClock;
use reconciled::config::{self, Surroundings};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::EnrolOutcome;
use reconciled::daemon::{Daemon, Outside};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::{Record, Transition};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::plan::{ACCOUNTS, HOSTS, MWS, Plan, Sprout, What};
use super::setting::{self, TARGETS_PORT};
use super::tables::Database;
use crate::months::clock::{HostClock, TrueClock, WorldTime};
use crate::months::disk::FatefulDisk;
use crate::months::fuse::Fuse;
use crate::months::log::{Event, Log};
use crate::months::model::Life;
use crate::months::wire::Wire;

const TURN: Duration = Duration::from_millis(250);
const START: &str = "2027-01-15T06:00:00Z";
/// How soon a process that has ended starts again.
const RESTART: Duration = Duration::from_secs(2);
/// A clean stop takes no longer, unless the process stands still.
const STOPS_WITHIN: Duration = Duration::from_secs(60);
/// An account may be without a host for this long while a host could take it: the lease, and some rounds.
const UNOWNED_FOR: Duration = Duration::from_secs(40);
/// After the calm began and everything has ended, everything is seen and told within this time.
const SETTLES_WITHIN: Duration = Duration::from_secs(900);

/// What a store holds about a life.
pub type Kept = Option<(Record, Vec<Transition>)>;

/// What remains for the judge.
pub struct Remains {
    pub lives: Vec<Life>,
    pub log: Log,
    /// By host: what its store holds about each life.
    pub kept: Vec<Vec<Kept>>,
    /// When a process ended or stood still, so that a message may have been repeated.
    pub disturbed: Vec<Duration>,
    pub ended_at: Duration,
    /// Problems found on the way.
    pub wrong: Vec<String>,
}

/// One process.
struct Run {
    // Dropped before the runtime.
    daemon: Arc<Daemon>,
    time: Arc<WorldTime>,
    fuse: Fuse,
    disk: FatefulDisk,
    /// It was asked to stop.
    stopping: Option<JoinHandle<bool>>,
    stopped_by: Duration,
    runtime: Runtime,
}

#[derive(Default)]
struct Host {
    run: Option<Run>,
    start_at: Duration,
    frozen_until: Option<Duration>,
    skew_s: i64,
    /// The process is to die at this effect, and what a power cut leaves.
    kept_permille: Option<u64>,
    down_for: Duration,
    /// Since when it has been well.
    well_since: Duration,
}

struct World {
    plan: Plan,
    folder: tempfile::TempDir,
    now: Duration,
    /// The provider's time: that of the host whose turn it is, or up to a turn less.
    provider_time: Arc<WorldTime>,
    simulator: Arc<Simulator>,
    database: Database,
    log: Log,
    hosts: [Host; 3],
    lives: Vec<Life>,
    /// Created and not yet acknowledged, with the host through which they are enrolled.
    waiting: Vec<(usize, usize)>,
    acknowledged: Vec<bool>,
    unowned_since: BTreeMap<String, Duration>,
    disturbed: Vec<Duration>,
    wrong: Arc<Mutex<Vec<String>>>,
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

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> Remains {
    // Everything on this thread, in an order that only the seed decides.
    let _in_order = reconciled::blocking::InOrder::begin();
    let folder = tempfile::tempdir().expect("a folder can be created");
    setting::write(folder.path(), plan).expect("files can be written");
    let provider_time = WorldTime::starting_at(START.parse::<Timestamp>().expect("a time"));
    let clock: SharedClock = Arc::new(TrueClock(Arc::clone(&provider_time)));
    let simulator = Simulator::new(setting::scenario(plan), clock).expect("the scenario is sound");
    let mut world = World {
        plan: plan.clone(),
        folder,
        now: Duration::ZERO,
        provider_time,
        simulator: Arc::new(simulator),
        database: Database::new(plan.seed, plan.losses),
        log: Log::default(),
        hosts: Default::default(),
        lives: Vec::new(),
        waiting: Vec::new(),
        acknowledged: Vec::new(),
        unowned_since: BTreeMap::new(),
        disturbed: Vec::new(),
        wrong: Arc::default(),
    };
    world.pass();
    let kept = (0..HOSTS.len()).map(|host| world.kept(host)).collect();
    let wrong = std::mem::take(&mut *world.wrong.lock().unwrap_or_else(PoisonError::into_inner));
    Remains {
        lives: world.lives.clone(),
        log: world.log.clone(),
        kept,
        disturbed: world.disturbed.clone(),
        ended_at: world.now,
        wrong,
    }
}

impl World {
    fn blame(&self, what: impl std::fmt::Display) {
        let what = format!("{:.3}s: {what}", self.now.as_secs_f64());
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    fn pass(&mut self) {
        let (mut batch, mut trouble, mut is_calm) = (0, 0, false);
        loop {
            let is_over = |trouble: &What| matches!(trouble, What::Kill { .. });
            while let Some(next) = self.plan.troubles.get(trouble).filter(|next| next.at <= self.now).copied()
            {
                trouble += 1;
                self.trouble(next.host, next.what);
                if is_over(&next.what) {
                    self.disturbed.push(self.now);
                }
            }
            while self.plan.batches.get(batch).is_some_and(|next| next.at <= self.now) {
                let next = self.plan.batches[batch].clone();
                batch += 1;
                for sprout in &next.objects {
                    self.sow(sprout, next.host);
                }
            }
            if self.now >= self.plan.calm_at && !is_calm {
                is_calm = true;
                self.calm();
            }
            self.enrol();
            let settled = self.lives.iter().map(Life::settled_from).max().unwrap_or_default();
            if is_calm && self.now >= settled.max(self.plan.calm_at) + SETTLES_WITHIN {
                return;
            }
            self.turn();
            self.look_at_owners();
        }
    }

    /// Every host lives until the end of the turn.
    fn turn(&mut self) {
        let until = self.now + TURN;
        for host in 0..HOSTS.len() {
            self.live(host, until);
        }
        self.now = until;
        self.provider_time.pass(TURN);
        self.database.set_now(self.now);
    }

    fn live(&mut self, place: usize, until: Duration) {
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

    fn trouble(&mut self, place: usize, what: What) {
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

    fn calm(&mut self) {
        self.simulator.calm();
        self.database.calm();
        self.database.go_down(Duration::ZERO);
        for place in 0..HOSTS.len() {
            self.database.cut(HOSTS[place], Duration::ZERO);
            let now = self.now;
            let host = &mut self.hosts[place];
            host.frozen_until = host.frozen_until.map(|until| until.min(now));
            host.start_at = host.start_at.min(now);
            host.skew_s = 0;
            if let Some(run) = &host.run {
                run.time.set_skew(0);
                run.fuse.shorten(u64::MAX);
            }
        }
    }

    /// Creates an object at the provider.
    fn sow(&mut self, sprout: &Sprout, host: usize) {
        let steps = sprout.steps.iter().map(|(after, state, reason)| Step {
            after: *after,
            state: (*state).to_owned(),
            reason: reason.map(str::to_owned),
        });
        let reference = format!("ORDER-{}", self.lives.len());
        let seedling = Seedling {
            kind: sprout.kind.to_owned(),
            amount: "12.50".to_owned(),
            currency: "EUR".to_owned(),
            merchant_reference: reference.clone(),
            steps: steps.collect(),
            invisible_for: Duration::ZERO,
        };
        let id = self.simulator.plant(sprout.account, &seedling).expect("the tables hold documented words");
        let is_mws = sprout.account == MWS;
        let first = match (is_mws, sprout.kind) {
            (true, _) => "Pending",
            (false, "authorization") => "AuthorizationInitiated",
            (false, "capture") => "CaptureInitiated",
            (false, _) => "RefundInitiated",
        };
        let mut course = vec![(self.now, first.to_owned(), None)];
        let mut at = self.now;
        for (after, state, reason) in &sprout.steps {
            at += *after;
            course.push((at, (*state).to_owned(), reason.map(str::to_owned)));
        }
        let kind = if is_mws || sprout.kind == "refund" { sprout.kind } else { "charge" };
        self.waiting.push((self.lives.len(), host));
        self.acknowledged.push(false);
        self.lives.push(Life {
            account: sprout.account.to_owned(),
            kind,
            id,
            amount: "12.50".to_owned(),
            currency: "EUR".to_owned(),
            reference,
            is_refused: false,
            captured: None,
            course,
            parent: None,
            visible_from: self.now,
        });
    }

    fn object(&self, life: usize) -> ObjectRef {
        let life = &self.lives[life];
        format!("{}/{}/{}", life.account, life.kind, life.id).parse().expect("ids have their form")
    }

    /// Enrols what waits, as a shop would: through another host if one does not answer.
    fn enrol(&mut self) {
        for (life, host) in std::mem::take(&mut self.waiting) {
            if !self.enrol_through(life, host) {
                self.waiting.push((life, (host + 1) % HOSTS.len()));
            }
        }
    }

    fn enrol_through(&mut self, life: usize, place: usize) -> bool {
        let object = self.object(life);
        let host = &self.hosts[place];
        let can_answer = |run: &&Run| host.frozen_until.is_none() && run.stopping.is_none();
        let Some(run) = host.run.as_ref().filter(can_answer) else { return false };
        let request = EnrolmentRequest::plain(object);
        let service = run.daemon.service();
        let answer = run.runtime.block_on(async {
            tokio::select! {
                biased;
                () = run.fuse.wait() => None,
                answer = service.enrol(vec![request]) => answer.ok(),
            }
        });
        let Some(results) = answer else { return false };
        let is_taken = |outcome: &EnrolOutcome| matches!(outcome, EnrolOutcome::New | EnrolOutcome::Same);
        if !results.iter().all(|result| is_taken(&result.outcome)) {
            self.blame(format!("an enrolment is not accepted: {results:?}"));
        }
        self.acknowledged[life] = true;
        self.log.add(self.now, self.provider_time.now(), Event::Acknowledged { lives: vec![life] });
        true
    }

    /// While a host is well, no account stays without one.
    fn look_at_owners(&mut self) {
        let names = self.database.accounts();
        for name in names {
            if self.database.owner(&name).is_some() {
                self.unowned_since.remove(&name);
                continue;
            }
            let since = *self.unowned_since.entry(name.clone()).or_insert(self.now);
            let well = self.hosts.iter().filter(|host| host.run.is_some()).map(|host| host.well_since).min();
            if well.is_some_and(|well| self.now > since.max(well) + UNOWNED_FOR) {
                self.blame(format!("{name} has been without a host since {:.3}s", since.as_secs_f64()));
                self.unowned_since.insert(name, self.now);
            }
        }
    }

    /// What a host's store holds at the end.
    fn kept(&self, place: usize) -> Vec<Kept> {
        let Some(run) = &self.hosts[place].run else {
            self.blame(format!("host {} does not run at the end", HOSTS[place]));
            return Vec::new();
        };
        let store = run.daemon.store();
        run.runtime.block_on(async {
            let mut kept = Vec::new();
            for life in 0..self.lives.len() {
                let object = self.object(life);
                let record = store.record(&object).await.ok().flatten();
                let history = store.history(&object).await.unwrap_or_default();
                if record.is_none() && self.acknowledged[life] {
                    self.blame(format!("{object} was acknowledged and is lost on host {}", HOSTS[place]));
                }
                kept.push(record.map(|record| (record, history)));
            }
            match store.check().await {
                Ok(report) => report.problems.iter().for_each(|problem| self.blame(problem)),
                Err(error) => self.blame(format!("the check of host {} fails: {error}", HOSTS[place])),
            }
            kept
        })
    }
}

fn configuration(folder: &Path, host: &str) -> config::Config {
    let path = folder.join(format!("{host}.toml"));
    config::load(&path, &Surroundings::default()).unwrap_or_else(|error| panic!("{error}"))
}
