//! One fleet from its beginning to its end. Each host has a runtime and a time of its own, and all take turns: each
//! lives for a quarter of a second, then the next one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::plan::{Plan as Seedling, Step};
use jiff::Timestamp;
use reconciled::clock::SharedClock;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::EnrolOutcome;
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::{Record, Transition};

use super::host::{Host, Run};
use super::plan::{HOSTS, MWS, Plan, Sprout, What};
use super::setting;
use super::tables::Database;
use crate::months::clock::{TrueClock, WorldTime};
use crate::months::log::{Event, Log};
use crate::months::model::Life;

const TURN: Duration = Duration::from_millis(250);
pub(super) const START: &str = "2027-01-15T06:00:00Z";
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

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) folder: tempfile::TempDir,
    pub(super) now: Duration,
    /// The provider's time: that of the host whose turn it is, or up to a turn less.
    pub(super) provider_time: Arc<WorldTime>,
    pub(super) simulator: Arc<Simulator>,
    pub(super) database: Database,
    pub(super) log: Log,
    pub(super) hosts: [Host; 3],
    pub(super) lives: Vec<Life>,
    /// Created and not yet acknowledged, with the host through which they are enrolled.
    pub(super) waiting: Vec<(usize, usize)>,
    pub(super) acknowledged: Vec<bool>,
    pub(super) unowned_since: BTreeMap<String, Duration>,
    pub(super) disturbed: Vec<Duration>,
    pub(super) wrong: Arc<Mutex<Vec<String>>>,
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
    pub(super) fn blame(&self, what: impl std::fmt::Display) {
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

    fn calm(&mut self) {
        self.simulator.calm();
        self.database.calm();
        self.database.go_down(Duration::ZERO);
        let now = self.now;
        for (name, host) in HOSTS.iter().zip(&mut self.hosts) {
            self.database.cut(name, Duration::ZERO);
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
