//! The loop of one account: hands out what is due as fast as the budget allows, in the store's order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::apis::pace::Permit;
use crate::payments::object::{Kind, ObjectRef};
use crate::payments::record::Record;
use crate::payments::schedule::later;
use crate::payments::service::{Health, PROBE_EVERY};
use crate::store::{Due, OwedAlert, StoreError};

use super::gate::{Gate, Turn, notice};
use super::poll::Polled;
use super::{Account, Reconcile};

/// The longest the loop sleeps without looking: a jump of the wall clock is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The longest that the store is not asked while nothing is due.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);

/// How many records more than can start at once are read from the store together, where the budget lets as many
/// leave at once: a fraction of a second's.
const READ_AHEAD: usize = 240;

/// How long records that were read ahead stand for what the store would say now.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// Records read from the store and not asked about yet, in the store's order. One that has changed meanwhile
/// costs a question more: its commit is decided anew on what is stored then.
struct Ahead {
    records: VecDeque<Record>,
    read_at: Duration,
    /// Until when nothing is due, if nothing was.
    quiet_until: Option<Timestamp>,
}

impl Ahead {
    fn is_fresh(&self, now: Duration) -> bool {
        !self.records.is_empty() && now.saturating_sub(self.read_at) < FRESH_FOR
    }
}

/// One account's polls under way.
#[derive(Default)]
struct Flight {
    polls: JoinSet<(ObjectRef, Result<Polled, StoreError>)>,
    objects: HashSet<ObjectRef>,
    /// Until when nothing of a kind is due, as far as is known: the store is not asked before.
    quiet: HashMap<Kind, Timestamp>,
    ahead: HashMap<Kind, Ahead>,
}

impl Reconcile {
    /// Watches one account until `stop`; polls under way are then finished and committed.
    ///
    /// # Errors
    /// Only when the store fails: nothing can be promised any more, and the process must end.
    pub async fn watch(
        self: Arc<Self>,
        account: Arc<Account>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let signal = self.store.due_signal(&account.name);
        let mut gate = self.gate_as_left(&account).await?;
        let mut flight = Flight::default();
        loop {
            let is_stopping = stop.is_cancelled();
            if is_stopping && flight.polls.is_empty() {
                self.left(&account.name);
                return Ok(());
            }
            let turn = self.clock.monotonic();
            self.tally(&account.name, |tally| tally.last_turn = turn);
            let wait =
                if is_stopping { LONGEST_WAIT } else { self.fill(&account, &gate, &mut flight).await? };
            tokio::select! {
                biased;
                Some(ended) = flight.polls.join_next(), if !flight.polls.is_empty() => {
                    self.land(&account, &mut gate, &mut flight, ended).await?;
                    // Polls that shared a write end together: looked around is once for all of them.
                    while let Some(ended) = flight.polls.try_join_next() {
                        self.land(&account, &mut gate, &mut flight, ended).await?;
                    }
                }
                () = stop.cancelled(), if !is_stopping => {}
                () = signal.notified(), if !is_stopping => {
                    flight.quiet.clear();
                    flight.ahead.clear();
                }
                () = self.clock.sleep(wait), if !is_stopping => {}
            }
        }
    }

    /// Starts as many polls as are due and allowed; says how long nothing more can be started.
    async fn fill(
        self: &Arc<Self>,
        account: &Arc<Account>,
        gate: &Gate,
        flight: &mut Flight,
    ) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let most = match gate.room(account.most_in_flight, now) {
            Ok(most) => most,
            Err(probe_at) => return Ok(until(now, probe_at)),
        };
        let health = self.health(&account.name, now);
        let mut left = usize::MAX;
        if health == Health::Unavailable {
            // Each poll is a probe.
            let last = self.tallies().get(&account.name).and_then(|tally| tally.last_poll_at);
            // A poll in the future was dated by a clock that was ahead.
            let last = last.filter(|at| *at <= now);
            let probe_at = last.map_or(now, |at| later(at, PROBE_EVERY));
            if !flight.polls.is_empty() || probe_at > now {
                return Ok(until(now, probe_at.max(now)).max(Duration::from_secs(1)));
            }
            left = 1;
        }
        let most = if health == Health::Degraded { 1 } else { most };
        let mut wait = LONGEST_WAIT;
        let mut is_idle = true;
        for kind in account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok()) {
            let Some(operation) = account.api.operation(&kind) else { continue };
            // Each kind has its own room, so that one that hangs delays no other.
            let under_way = flight.objects.iter().filter(|object| object.kind == kind).count();
            let room = most.saturating_sub(under_way).min(left);
            if room == 0 {
                // The end of a poll wakes the loop.
                is_idle = false;
                continue;
            }
            let now = self.clock.now();
            // Later than that was counted by a clock that was ahead.
            let longest = later(now, LONGEST_QUIET);
            if let Some(next) = flight.quiet.get(&kind).filter(|next| **next > now && **next <= longest) {
                wait = wait.min(until(now, *next));
                continue;
            }
            let mut waiting = match flight.ahead.remove(&kind) {
                Some(ahead) if ahead.is_fresh(self.clock.monotonic()) => ahead,
                _ => self.read_ahead(account, &kind, operation, under_way, room, &flight.objects).await?,
            };
            if waiting.records.is_empty() {
                // Else what is due is under way, and its end wakes the loop.
                if let Some(next) = waiting.quiet_until.filter(|next| *next > now) {
                    wait = wait.min(until(now, next));
                    flight.quiet.insert(kind, next.min(longest));
                }
                continue;
            }
            is_idle = false;
            for started in 0..room {
                if waiting.records.is_empty() {
                    let (under_way, room) = (under_way + started, room - started);
                    waiting =
                        self.read_ahead(account, &kind, operation, under_way, room, &flight.objects).await?;
                }
                let Some(record) = waiting.records.pop_front() else { break };
                match self.pace.take(&account.name, operation) {
                    Err(pause) => {
                        waiting.records.push_front(record);
                        wait = wait.min(pause.max(Duration::from_millis(1)));
                        break;
                    }
                    Ok(permit) => {
                        left = left.saturating_sub(1);
                        self.start(account, record, permit, flight);
                    }
                }
            }
            flight.ahead.insert(kind, waiting);
        }
        if is_idle && flight.polls.is_empty() {
            let now = self.clock.now();
            self.tally(&account.name, |tally| tally.last_round_at = Some(now));
        }
        Ok(wait)
    }

    /// Starts one poll.
    fn start(self: &Arc<Self>, account: &Arc<Account>, record: Record, permit: Permit, flight: &mut Flight) {
        let object = record.object.clone();
        let is_only = flight.objects.is_empty();
        flight.objects.insert(object.clone());
        let (all, account) = (Arc::clone(self), Arc::clone(account));
        // In a box of its own: it is several KB, and becoming a task moves it more than once.
        let poll = Box::pin(async move { (object, all.poll(&account, record, permit, is_only).await) });
        flight.polls.spawn(poll);
    }

    /// Reads the next records from the store: one when the budget is spent, and a few more than can start at
    /// once while it is not, so that the store is not asked anew for each poll.
    async fn read_ahead(
        &self,
        account: &Account,
        kind: &Kind,
        operation: &str,
        under_way: usize,
        room: usize,
        in_flight: &HashSet<ObjectRef>,
    ) -> Result<Ahead, StoreError> {
        let level = self.pace.level(&account.name, operation);
        let allowed = level.map_or(1, |level| usize::try_from(level.available).unwrap_or(usize::MAX));
        let wanted = allowed.clamp(1, room + READ_AHEAD);
        let now = self.clock.now();
        let policy = self.policy(account, kind, now);
        let longest = policy.longest_wait().max(account.policy(kind).longest_wait());
        let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
        let due = self.store.due_or_later(&account.name, kind, now, longest, under_way + wanted).await?;
        let (due, quiet_until) = match due {
            Due::Now(due) => (due, None),
            Due::Later(next) => (Vec::new(), Some(next.unwrap_or_else(|| later(now, LONGEST_QUIET)))),
        };
        let waiting = due.into_iter().filter(|record| !in_flight.contains(&record.object)).take(wanted);
        Ok(Ahead { records: waiting.collect(), read_at: self.clock.monotonic(), quiet_until })
    }

    /// Takes note of a poll that ended.
    async fn land(
        &self,
        account: &Account,
        gate: &mut Gate,
        flight: &mut Flight,
        ended: Result<(ObjectRef, Result<Polled, StoreError>), tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        let (object, polled) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Its object stays among those in flight: it is not asked about again before a restart,
                // so that one bad answer cannot stop the others.
                tracing::error!(account = %account.name, %error, "a poll broke down; its object rests until a restart");
                return Ok(());
            }
        };
        flight.objects.remove(&object);
        flight.quiet.remove(&object.kind);
        let now = self.clock.now();
        let (turn, detail) = match polled? {
            Polled::Unheard => return Ok(()),
            Polled::Answered => (gate.accepted(), String::new()),
            Polled::AccountRefused { detail } => (gate.refused(now), detail),
        };
        self.tally(&account.name, |tally| {
            tally.refused_since = gate.closed_since();
            tally.next_probe_at = gate.next_probe_at();
            tally.refusal = Some(detail.clone()).filter(|detail| !detail.is_empty());
        });
        if turn != Turn::Same {
            let since = gate.closed_since().map(|since| since.to_string()).unwrap_or_default();
            self.store.remember(&refused_name(account), &since).await?;
            tracing::warn!(account = %account.name, is_refused = gate.closed_since().is_some(), detail, "the provider changed its mind about the credentials");
        }
        if let Some(alert) = notice(&account.name, &turn, &detail, account.api.look(), now) {
            let targets = (self.routes)(&alert, account.is_sandbox);
            self.store.raise(vec![OwedAlert { alert, targets }], now).await?;
        }
        Ok(())
    }

    async fn gate_as_left(&self, account: &Account) -> Result<Gate, StoreError> {
        let left = self.store.recall(&refused_name(account)).await?;
        let since = left.and_then(|since| since.parse().ok());
        self.tally(&account.name, |tally| tally.refused_since = since);
        Ok(since.map_or_else(Gate::default, Gate::closed_before))
    }
}

fn refused_name(account: &Account) -> String {
    format!("account-refused/{}", account.name)
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now))
        .unwrap_or(Duration::ZERO)
        .clamp(Duration::from_millis(1), LONGEST_WAIT)
}
