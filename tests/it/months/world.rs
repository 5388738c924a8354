//! One world from its beginning to its end: runs of the daemon, one after another, on one folder.

#![expect(clippy::disallowed_methods, reason = "the simulated world keeps its own time")]

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::fault::FaultKind;
use amazon_pay_simulator::plan::{Plan as Seedling, Step};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use reconciled::clock::SharedClock;
use reconciled::config::{self, Surroundings};
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{
    AcknowledgeRequest, AlertRow, EnrolOutcome, Matchers, Silence, SilenceAdd, SilenceList, parse_money,
};
use reconciled::daemon::{Daemon, Outside};
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::{Details, Record, Transition};
use reconciled::store::AlertFilter;

use super::alerting::Act;
use super::clock::{HostClock, TrueClock, WorldTime};
use super::disk::FatefulDisk;
use super::fuse::Fuse;
use super::log::{Event, Log};
use super::model::Life;
use super::plan::{Batch, End, LifePlan, Plan, Sprout};
use super::setting;
use super::wire::Wire;

/// Who makes and ends silences and acknowledges declines.
const OPERATOR: &str = "uid:1000";

/// The remains at the end, for the judge.
pub struct Remains {
    pub folder: tempfile::TempDir,
    pub zone: TimeZone,
    pub start: Timestamp,
    pub lives: Vec<Life>,
    pub log: Log,
    /// What the store holds about each life.
    pub kept: Vec<Option<(Record, Vec<Transition>)>>,
    /// What the store holds about declines, the newest first.
    pub alerts: Vec<AlertRow>,
    pub silences: Vec<Silence>,
    pub over_quota: u64,
    /// Everything at the provider, including objects it created on its own (the capture of a closed
    /// authorization).
    pub provider_ids: BTreeSet<String>,
    pub calm_at: Duration,
    pub has_jumps: bool,
    pub ended_at: Duration,
    /// Problems found on the way.
    pub wrong: Vec<String>,
}

struct World {
    plan: Plan,
    folder: tempfile::TempDir,
    zone: TimeZone,
    time: Arc<WorldTime>,
    simulator: Arc<Simulator>,
    log: Log,
    /// Ids about which every request is refused.
    refused: Arc<Mutex<BTreeSet<String>>>,
    lives: Vec<Life>,
    is_acknowledged: Vec<bool>,
    /// Created and not yet acknowledged.
    waiting: Vec<usize>,
    next_batch: usize,
    next_jump: usize,
    next_act: usize,
    is_calm: bool,
    wrong: Vec<String>,
    kept: Vec<Option<(Record, Vec<Transition>)>>,
    alerts: Vec<AlertRow>,
    silences: Vec<Silence>,
    /// The acts and the numbers of silences that nobody has ended yet.
    silenced: VecDeque<(usize, u64)>,
}

/// What belongs to one run.
struct Body {
    daemon: Arc<Daemon>,
    fuse: Fuse,
    disk: FatefulDisk,
}

/// Why the agenda ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    AtItsEnd,
    Died,
}

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> Remains {
    // Everything on this thread, in an order that only the seed decides.
    let _in_order = reconciled::blocking::InOrder::begin();
    let folder = tempfile::tempdir().expect("a folder can be created");
    setting::write_config(folder.path(), plan).expect("files can be written");
    let time = WorldTime::starting_at(plan.start);
    let clock: SharedClock = Arc::new(TrueClock(Arc::clone(&time)));
    let simulator = Simulator::new(setting::scenario(plan), clock).expect("the scenario is sound");
    let mut world = World {
        zone: TimeZone::get(plan.zone).expect("the table holds zones"),
        plan: plan.clone(),
        folder,
        time,
        simulator: Arc::new(simulator),
        log: Log::default(),
        refused: Arc::default(),
        lives: Vec::new(),
        is_acknowledged: Vec::new(),
        waiting: Vec::new(),
        next_batch: 0,
        next_jump: 0,
        next_act: 0,
        is_calm: false,
        wrong: Vec::new(),
        kept: Vec::new(),
        alerts: Vec::new(),
        silences: Vec::new(),
        silenced: VecDeque::new(),
    };
    for life in plan.lives.clone() {
        if world.time.elapsed() >= plan.calm_at {
            break;
        }
        world.live(Some(&life));
        world.time.pass(life.down_for);
    }
    world.live(None);
    let provider_ids = world.ids().into_iter().collect();
    Remains {
        provider_ids,
        folder: world.folder,
        zone: world.zone,
        start: plan.start,
        lives: world.lives,
        log: world.log,
        kept: world.kept,
        alerts: world.alerts,
        silences: world.silences,
        over_quota: world.simulator.counts().total().over_quota,
        calm_at: plan.calm_at,
        has_jumps: !plan.jumps.is_empty()
            || plan.faults.iter().any(|fault| fault.kind == FaultKind::ClockSkew),
        ended_at: world.time.elapsed(),
        wrong: world.wrong,
    }
}

impl World {
    fn store_folder(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// One run, from the start of the process to its end; `None`: the last run, in the calm.
    fn live(&mut self, life: Option<&LifePlan>) {
        let index = self.store_folder().join("index");
        let old_index = self.folder.path().join("index.old");
        if life.is_some_and(|life| life.end == End::Kill { has_old_index: true }) && index.is_dir() {
            copy_folder(&index, &old_index);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be created");
        let fuse = Fuse::of(life.and_then(|life| life.effects));
        let disk = FatefulDisk::new(
            fuse.clone(),
            life.and_then(|life| life.disk),
            life.and_then(|life| life.report_disk),
        );
        let left = runtime.block_on(async {
            self.time.begin();
            let left = self.be(life, &fuse, &disk).await;
            self.time.end();
            left
        });
        // Nothing in flight has an external effect any more.
        fuse.blow();
        let end = life.map_or(End::Stop, |life| life.end);
        let was_crash = left == Left::Died || end.is_crash();
        self.note(Event::Ended { was_crash });
        drop(runtime);
        match end {
            End::PowerCut { kept_permille } => {
                let journal = self.store_folder().join("journal");
                if journal.is_dir() {
                    disk.cut_power(&journal, kept_permille).expect("files can be cut");
                }
                disk.cut_power_of_reports().expect("files can be cut");
                let _ = std::fs::remove_dir_all(&index);
            }
            End::Kill { has_old_index: true } => {
                let _ = std::fs::remove_dir_all(&index);
                if old_index.is_dir() {
                    std::fs::rename(&old_index, &index).expect("a folder can be renamed");
                }
            }
            End::Kill { has_old_index: false } | End::Stop => {}
        }
    }

    async fn be(&mut self, life: Option<&LifePlan>, fuse: &Fuse, disk: &FatefulDisk) -> Left {
        // Jumps before the start, or between two runs.
        while self.plan.jumps.get(self.next_jump).is_some_and(|jump| jump.0 <= self.time.elapsed()) {
            self.jump();
        }
        let wire = Wire {
            simulator: Arc::clone(&self.simulator),
            time: Arc::clone(&self.time),
            fuse: fuse.clone(),
            log: self.log.clone(),
            refused: Arc::clone(&self.refused),
            seed: self.plan.seed,
            is_quick: false,
        };
        let outside = Outside {
            clock: Arc::new(HostClock::new(&self.time)),
            transport: Arc::new(wire),
            surroundings: Surroundings::default(),
            database: None,
        };
        let path = self.folder.path().join("config.toml");
        let config = config::load(&path, &Surroundings::default()).expect("the configuration is sound");
        let starting = Daemon::start_rooms(config, outside, Arc::new(disk.clone()), Arc::new(disk.clone()));
        let daemon = tokio::select! {
            biased;
            () = fuse.wait() => return Left::Died,
            started = starting => match started {
                Ok(daemon) => daemon,
                Err(error) => {
                    if !fuse.is_blown() && life.is_none_or(|life| life.disk.is_none()) {
                        self.wrong.push(format!("does not start at {}: {error:?}", self.time.now()));
                    }
                    return Left::Died;
                }
            },
        };
        let living = Arc::downgrade(&daemon);
        self.time.ask(Box::new(move || living.upgrade().map(|daemon| daemon.now())));
        self.note(Event::Started);
        let body = Body { daemon, fuse: fuse.clone(), disk: disk.clone() };
        let left = tokio::select! {
            biased;
            () = body.fuse.wait() => Left::Died,
            left = self.agenda(life, &body) => left,
        };
        if left == Left::Died || life.is_some_and(|life| life.end.is_crash()) {
            return left;
        }
        tokio::select! {
            biased;
            () = body.fuse.wait() => Left::Died,
            stopped = body.daemon.stop() => match stopped {
                Ok(()) => Left::AtItsEnd,
                Err(_) if fuse.is_blown() || life.is_some_and(|life| life.disk.is_some()) => Left::Died,
                Err(error) => {
                    self.wrong.push(format!("does not stop at {}: {error:?}", self.time.now()));
                    Left::Died
                }
            },
        }
    }

    /// What happens around the daemon while it runs.
    async fn agenda(&mut self, life: Option<&LifePlan>, body: &Body) -> Left {
        self.look_for_losses(body).await;
        let began = self.time.elapsed();
        let mut until = life.map(|life| (began + life.lasts).min(self.plan.calm_at));
        let mut retry_at = Some(began + Duration::from_secs(1)).filter(|_| !self.waiting.is_empty());
        loop {
            let batch_at = self.plan.batches.get(self.next_batch).map(|batch| batch.at);
            let jump_at = self.plan.jumps.get(self.next_jump).map(|jump| jump.0);
            let act_at = self.act_due().map(|(at, _)| at);
            let calm_at = Some(self.plan.calm_at).filter(|_| !self.is_calm && life.is_none());
            let next = [batch_at, jump_at, act_at, calm_at, until, retry_at].into_iter().flatten().min();
            let Some(next) = next else { return Left::AtItsEnd };
            let wait = next.saturating_sub(self.time.elapsed());
            tokio::select! {
                biased;
                () = body.disk.failure() => return self.see_it_refuse(body).await,
                () = tokio::time::sleep(wait) => {}
            }
            let is_time = |at: Option<Duration>| at == Some(next);
            if is_time(until) {
                self.look(body, life.is_none()).await;
                return Left::AtItsEnd;
            }
            if is_time(calm_at) {
                self.look(body, false).await;
                self.is_calm = true;
                self.simulator.calm();
                self.time.set_skew(0);
                until = Some(self.last_moment());
            }
            if is_time(jump_at) {
                self.jump();
            }
            if is_time(act_at) {
                self.act(body).await;
            }
            if is_time(batch_at) {
                let batch = self.plan.batches[self.next_batch].clone();
                self.next_batch += 1;
                self.sow(&batch);
            }
            if is_time(batch_at) || is_time(retry_at) {
                retry_at = None;
                if !self.enrol(body).await {
                    return self.see_it_refuse(body).await;
                }
            }
        }
    }

    /// The next act of an operator.
    fn act_due(&self) -> Option<(Duration, Act)> {
        self.plan.alerting.as_ref()?.acts.get(self.next_act).copied()
    }

    async fn act(&mut self, body: &Body) {
        let Some((_, act)) = self.act_due() else { return };
        let number = self.next_act;
        self.next_act += 1;
        let service = body.daemon.service();
        match act {
            Act::Silence { meets, lasts } => {
                let set = |word: Option<&str>| word.map(str::to_owned).into_iter().collect();
                let request = SilenceAdd {
                    matchers: Matchers {
                        kinds: set(Some("declined")),
                        accounts: set(meets.account),
                        object_kinds: set(meets.object_kind),
                        min_amount: meets.least_amount().and_then(|amount| parse_money(&amount).ok()),
                        ..Matchers::default()
                    },
                    reason: format!("act {number}"),
                    for_s: Some(lasts.as_secs()),
                    ..SilenceAdd::default()
                };
                if let Ok(row) = service.add_silence(request, OPERATOR).await {
                    self.silenced.push_back((number, row.silence.number));
                    self.note(Event::Silenced { act: number, until: row.silence.ends_at });
                }
            }
            Act::EndSilence => {
                if let Some((act, number)) = self.silenced.pop_front() {
                    self.note(Event::Unsilencing { act });
                    // If it fails, the silence lasts as long as it was made for.
                    let _ = service.end_silence(number, OPERATOR).await;
                }
            }
            Act::AcknowledgeAll => {
                self.note(Event::Caring);
                let all = AcknowledgeRequest { all: true, ..AcknowledgeRequest::default() };
                if let Ok(done) = service.acknowledge(all, OPERATOR).await {
                    self.note(Event::Cared { keys: done.keys });
                }
            }
        }
    }

    fn note(&self, event: Event) {
        self.log.add(self.time.elapsed(), self.time.used(), event);
    }

    /// The daemon's wall clock jumps as planned.
    fn jump(&mut self) {
        let (_, skew_s) = self.plan.jumps[self.next_jump];
        self.next_jump += 1;
        if !self.is_calm {
            self.time.set_skew(skew_s);
        }
    }

    /// When everything is settled, and its last day reported.
    fn last_moment(&self) -> Duration {
        let settled = self.lives.iter().map(Life::settled_from).max().unwrap_or_default();
        let longest = self.plan.resting_h.max(self.plan.quarantine_h) + 3;
        let quiet = settled.max(self.plan.calm_at) + Duration::from_secs(longest * 3600);
        let day = self.time.at(quiet).to_zoned(self.zone.clone()).date();
        let next = day.checked_add(1.day()).expect("in range").at(0, 30, 0, 0);
        let end = next.to_zoned(self.zone.clone()).expect("in range").timestamp();
        Duration::try_from(end.duration_since(self.plan.start)).expect("in the future")
    }

    /// Creates a batch of objects at the provider.
    fn sow(&mut self, batch: &Batch) {
        for sprout in &batch.objects {
            let born = self.time.elapsed();
            let known: Vec<String> = if sprout.is_child { self.ids() } else { Vec::new() };
            let reference = format!("ORDER-{}", self.lives.len());
            let id = self.simulator.plant(sprout.account, &seedling(sprout, &reference));
            let id = id.expect("the tables hold documented words");
            if sprout.is_refused {
                self.refused.lock().expect("nobody panics").insert(id.clone());
            }
            if let Some(captured) = &sprout.captured {
                self.simulator.capture_only(&id, captured).expect("it is a charge");
            }
            let mut parent = None;
            if sprout.is_child {
                let truths = self.simulator.truths();
                let found = truths
                    .into_iter()
                    .find(|truth| truth.kind == "authorization" && !known.contains(&truth.id));
                let truth = found.expect("a capture has an authorization");
                parent = Some(self.lives.len());
                self.waiting.push(self.lives.len());
                self.add(Life {
                    account: sprout.account.to_owned(),
                    kind: "authorization",
                    id: truth.id,
                    amount: truth.amount,
                    currency: truth.currency,
                    reference: truth.merchant_reference,
                    captured: None,
                    is_refused: false,
                    course: vec![(born, truth.state, truth.reason)],
                    parent: None,
                    visible_from: born,
                });
            } else {
                self.waiting.push(self.lives.len());
            }
            self.add(life_of(sprout, id, reference, born, parent));
        }
    }

    fn add(&mut self, life: Life) {
        self.lives.push(life);
        self.is_acknowledged.push(false);
    }

    fn ids(&self) -> Vec<String> {
        self.simulator.truths().into_iter().map(|truth| truth.id).collect()
    }

    fn object(&self, life: usize) -> ObjectRef {
        let life = &self.lives[life];
        format!("{}/{}/{}", life.account, life.kind, life.id).parse().expect("ids have their form")
    }

    /// Enrols the waiting objects, as a shop would; false when the daemon refuses.
    async fn enrol(&mut self, body: &Body) -> bool {
        let lives = self.waiting.clone();
        if lives.is_empty() {
            return true;
        }
        let is_parent = |life: usize| self.lives.iter().any(|other| other.parent == Some(life));
        let enrolment_request = lives.iter().map(|position| {
            let life = &self.lives[*position];
            let details = Details {
                amount: Money::parse(&life.amount, &life.currency).ok(),
                merchant_reference: Some(life.reference.clone()),
                created_at: Some(self.time.at(life.course[0].0)),
                parent: None,
            };
            let details = if is_parent(*position) { Details::default() } else { details };
            EnrolmentRequest { details, ..EnrolmentRequest::plain(self.object(*position)) }
        });
        let Ok(results) = body.daemon.service().enrol(enrolment_request.collect()).await else {
            return false;
        };
        for result in &results {
            let is_taken = matches!(result.outcome, EnrolOutcome::New | EnrolOutcome::Same);
            if !is_taken {
                self.wrong.push(format!("an enrolment is not accepted: {result:?}"));
            }
        }
        for life in &lives {
            self.is_acknowledged[*life] = true;
        }
        self.waiting.clear();
        self.note(Event::Acknowledged { lives });
        true
    }

    /// After its disk has failed, nothing may be acknowledged any more.
    async fn see_it_refuse(&mut self, body: &Body) -> Left {
        let object: ObjectRef = "shop/charge/P02-9999999-9999999-C999999".parse().expect("it has its form");
        if body.daemon.store().remember("probe", "probe").await.is_ok()
            || body.daemon.store().ask(vec![object], self.time.now()).await.is_ok()
        {
            self.wrong.push(format!("acknowledges after the disk failed at {}", self.time.now()));
        }
        Left::Died
    }

    async fn look_for_losses(&mut self, body: &Body) {
        for life in (0..self.lives.len()).filter(|life| self.is_acknowledged[*life]) {
            let found = body.daemon.store().record(&self.object(life)).await;
            if matches!(found, Ok(None)) {
                self.wrong.push(format!("{} was acknowledged and is lost", self.object(life)));
            }
        }
    }

    /// Records what the store holds; at the end all of it.
    async fn look(&mut self, body: &Body, is_last: bool) {
        for life in 0..self.lives.len() {
            let object = self.object(life);
            let record = body.daemon.store().record(&object).await.ok().flatten();
            if let Some(record) = &record {
                self.note(Event::Counted { life, failures: record.trouble.failures });
            }
            if is_last {
                let history = body.daemon.store().history(&object).await.unwrap_or_default();
                self.kept.push(record.map(|record| (record, history)));
            }
        }
        if is_last {
            self.look_at_alerts(body).await;
        }
        if is_last && let Ok(report) = body.daemon.store().check().await {
            self.wrong.extend(report.problems.iter().map(|problem| format!("the store's check: {problem}")));
        }
    }
}

impl World {
    /// Records what the store holds about declines, and all silences.
    async fn look_at_alerts(&mut self, body: &Body) {
        let mut after = None;
        loop {
            let declines = AlertFilter { kind: Some("declined".to_owned()), ..AlertFilter::default() };
            let Ok(page) = body.daemon.store().alerts(declines, after, 500).await else { return };
            self.alerts.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let all = SilenceList { all: true };
        let listed = body.daemon.service().list_silences(&all).await.unwrap_or_default();
        self.silences = listed.into_iter().map(|row| row.silence).collect();
    }
}

fn seedling(sprout: &Sprout, reference: &str) -> Seedling {
    let steps = sprout.steps.iter().map(|(after, state, reason)| Step {
        after: *after,
        state: (*state).to_owned(),
        reason: reason.map(str::to_owned),
    });
    Seedling {
        kind: sprout.kind.to_owned(),
        amount: sprout.amount.clone(),
        currency: sprout.currency.to_owned(),
        merchant_reference: reference.to_owned(),
        steps: steps.collect(),
        invisible_for: sprout.invisible_for,
    }
}

fn life_of(sprout: &Sprout, id: String, reference: String, born: Duration, parent: Option<usize>) -> Life {
    let first = match (sprout.account, sprout.kind) {
        (super::plan::V2, "authorization") => "AuthorizationInitiated",
        (super::plan::V2, "capture") => "CaptureInitiated",
        (super::plan::V2, _) => "RefundInitiated",
        _ => "Pending",
    };
    let mut course = vec![(born, first.to_owned(), None)];
    let mut at = born;
    for (after, state, reason) in &sprout.steps {
        at += *after;
        course.push((at, (*state).to_owned(), reason.map(str::to_owned)));
    }
    let is_charge = sprout.account == super::plan::V2 && sprout.kind != "refund";
    Life {
        account: sprout.account.to_owned(),
        kind: if is_charge { "charge" } else { sprout.kind },
        id,
        amount: sprout.amount.clone(),
        currency: sprout.currency.to_owned(),
        reference,
        captured: sprout.captured.clone(),
        is_refused: sprout.is_refused,
        course,
        parent,
        visible_from: born + sprout.invisible_for,
    }
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).expect("a folder can be created");
    for entry in std::fs::read_dir(from).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let goal = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &goal),
            false => drop(std::fs::copy(entry.path(), goal).expect("a file can be copied")),
        }
    }
}
