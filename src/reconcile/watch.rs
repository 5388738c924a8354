//! The loop of one account: polls what is due as fast as the budget allows, in the store's order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::apis::pace::Permit;
use crate::payments::object::{Kind, ObjectRef};
use crate::payments::provider_health::{Health, PROBE_EVERY};
use crate::payments::record::Record;
use crate::store::{Due, StoreError};
use crate::time::{between, later};

use super::circuit_breaker::Candidate;
use super::hold::Holds;
use super::poll::Polled;
use super::{Account, Reconcile, SharedStanding, locked};

/// The longest that the loop sleeps without a check: a jump of the wall clock is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The longest time without querying the store while nothing is due.
const LONGEST_QUIET: Duration = Duration::from_secs(3600);

/// How many more records than can start at once are read from the store together, if the budget allows that many at
/// once. They last a fraction of a second.
const READ_AHEAD: usize = 240;

/// From how many due records a probe is chosen.
const CHOICE: usize = 64;

/// How long an object is not polled if this program could not even record the failure of its poll.
const REST: Duration = Duration::from_secs(3600);

/// How long records that were read ahead count as current.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// Records that were read from the store and not polled yet, in the store's order. If one has changed meanwhile, that
/// costs one extra request: its commit is decided again on what is stored by then.
struct Ahead {
    records: VecDeque<Record>,
    read_at: Duration,
    /// Until when nothing is due, if nothing was due.
    quiet_until: Option<Timestamp>,
}

impl Ahead {
    fn is_fresh(&self, now: Duration) -> bool {
        !self.records.is_empty() && now.saturating_sub(self.read_at) < FRESH_FOR
    }
}

/// One account's polls in flight.
#[derive(Default)]
struct Flight {
    polls: JoinSet<Result<Polled, StoreError>>,
    /// For each task, the record as it was read, and whether the task only records that a poll failed within this
    /// program.
    running: HashMap<Id, (Record, bool)>,
    objects: HashSet<ObjectRef>,
    /// Objects that are not polled until this time, because not even their failure could be recorded.
    resting: HashMap<ObjectRef, Timestamp>,
    /// Until when nothing of a kind is due, as far as is known. The store is not queried before.
    quiet: HashMap<Kind, Timestamp>,
    ahead: HashMap<Kind, Ahead>,
    /// Operations on hold by the provider, as far as that has been reported.
    holds: Holds,
}

/// How a task ended.
type Ended = Result<(Id, Result<Polled, StoreError>), tokio::task::JoinError>;

impl Reconcile {
    /// Watches one account until `stop`. Polls in flight are then finished and committed.
    ///
    /// # Errors
    /// Only when the store fails: nothing can be guaranteed any more, and the process must end.
    pub async fn watch(
        self: Arc<Self>,
        account: Arc<Account>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let signal = self.store.due_signal(&account.name);
        let standing = self.standing(&account.name);
        self.restore(&account, &standing).await?;
        self.start_learning(&account).await?;
        let holds = self.store.recall(&holds_name(&account)).await?;
        let holds = holds.as_deref().map(Holds::read).unwrap_or_default();
        let mut flight = Flight { holds, ..Flight::default() };
        loop {
            self.store.write_old_polls(self.clock.now());
            let is_stopping = stop.is_cancelled();
            if is_stopping && flight.polls.is_empty() {
                self.keep_learning(&account).await?;
                self.left(&account.name);
                return Ok(());
            }
            locked(&standing).tally.last_turn = self.clock.monotonic();
            self.report_no_success(&account, &standing).await?;
            let wait =
                if is_stopping { LONGEST_WAIT } else { self.fill(&account, &standing, &mut flight).await? };
            tokio::select! {
                biased;
                Some(ended) = flight.polls.join_next_with_id(), if !flight.polls.is_empty() => {
                    self.land(&account, &mut flight, ended).await?;
                    // Polls that shared a write end together. One turn of the loop handles all of them.
                    while let Some(ended) = flight.polls.try_join_next_with_id() {
                        self.land(&account, &mut flight, ended).await?;
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

    /// Starts as many polls as are due and allowed. Returns how long nothing more can be started.
    async fn fill(
        self: &Arc<Self>,
        account: &Arc<Account>,
        standing: &SharedStanding,
        flight: &mut Flight,
    ) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let health = self.health(&account.name, now);
        let mut left = usize::MAX;
        if health == Health::Unavailable {
            // Each poll is a probe.
            let last = locked(standing).tally.last_poll_at;
            let probe_at = last.filter(|at| *at <= now).map_or(now, |at| later(at, PROBE_EVERY));
            if !flight.polls.is_empty() || probe_at > now {
                return Ok(until(now, probe_at.max(now)).max(Duration::from_secs(1)));
            }
            left = 1;
        }
        let most = if health == Health::Degraded { 1 } else { account.most_in_flight };
        let mut wait = LONGEST_WAIT;
        let mut is_idle = true;
        flight.resting.retain(|_, until| *until > now);
        for kind in account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok()) {
            let Some(operation) = account.api.operation(&kind) else { continue };
            let now = self.clock.now();
            let (allowance, is_cautious) = {
                let breaker = &locked(standing).breaker;
                (breaker.allowance(&kind, most, now), breaker.is_cautious(&kind))
            };
            let most = match allowance {
                Ok(most) => most,
                Err(probe_at) => {
                    is_idle = false;
                    wait = wait.min(until(now, probe_at));
                    continue;
                }
            };
            // Each kind has its own limit, so that a hanging kind delays no other.
            let under_way = flight.objects.iter().filter(|object| object.kind == kind).count();
            let room = most.saturating_sub(under_way).min(left);
            if room == 0 {
                // The end of a poll wakes the loop.
                is_idle = false;
                continue;
            }
            // A later time was computed by a clock that was ahead.
            let longest = later(now, LONGEST_QUIET);
            if let Some(next) = flight.quiet.get(&kind).filter(|next| **next > now && **next <= longest) {
                wait = wait.min(until(now, *next));
                continue;
            }
            let mut waiting = match flight.ahead.remove(&kind) {
                Some(ahead) if ahead.is_fresh(self.clock.monotonic()) && !is_cautious => ahead,
                _ => self.read_ahead(account, &kind, operation, room, is_cautious, flight).await?,
            };
            if waiting.records.is_empty() {
                // Otherwise, what is due is in flight, and its end wakes the loop.
                if let Some(next) = waiting.quiet_until.filter(|next| *next > now) {
                    wait = wait.min(until(now, next));
                    flight.quiet.insert(kind, next.min(longest));
                }
                continue;
            }
            is_idle = false;
            for started in 0..room {
                if waiting.records.is_empty() {
                    let room = room - started;
                    waiting = self.read_ahead(account, &kind, operation, room, is_cautious, flight).await?;
                }
                if is_cautious {
                    let due = waiting.records.iter().map(candidate);
                    let place = locked(standing).breaker.choose(&kind, due);
                    place.into_iter().for_each(|place| waiting.records.swap(0, place));
                }
                let Some(record) = waiting.records.pop_front() else { break };
                if self.put_off(account, &record).await? {
                    continue;
                }
                match self.pace.take(&account.name, operation) {
                    Err(pause) => {
                        self.note_hold(account, flight, &record.object, true).await?;
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
            if !is_cautious {
                flight.ahead.insert(kind, waiting);
            }
        }
        if is_idle && flight.polls.is_empty() {
            locked(standing).tally.last_round_at = Some(self.clock.now());
        }
        Ok(wait)
    }

    /// Starts one poll.
    fn start(self: &Arc<Self>, account: &Arc<Account>, record: Record, permit: Permit, flight: &mut Flight) {
        let is_only = flight.objects.is_empty();
        flight.objects.insert(record.object.clone());
        let (all, account, read) = (Arc::clone(self), Arc::clone(account), record.clone());
        // Boxed, because it is several KB and turning it into a task moves it more than once.
        let poll = Box::pin(async move { all.poll(&account, record, permit, is_only).await });
        let task = flight.polls.spawn(poll);
        flight.running.insert(task.id(), (read, false));
    }

    /// Reads the next records from the store: one when the budget is spent; otherwise a few more than can start at
    /// once, so that the store is not queried again for each poll; and enough to choose a probe from.
    async fn read_ahead(
        &self,
        account: &Account,
        kind: &Kind,
        operation: &str,
        room: usize,
        is_cautious: bool,
        flight: &Flight,
    ) -> Result<Ahead, StoreError> {
        let level = self.pace.level(&account.name, operation);
        let allowed = level.map_or(1, |level| usize::try_from(level.available).unwrap_or(usize::MAX));
        let wanted = if is_cautious { CHOICE } else { allowed.clamp(1, room + READ_AHEAD) };
        let now = self.clock.now();
        let is_left_out =
            |object: &ObjectRef| flight.objects.contains(object) || flight.resting.contains_key(object);
        let left_out = flight.objects.iter().chain(flight.resting.keys());
        let left_out = left_out.filter(|object| object.kind == *kind).count();
        let policy = self.policy(account, kind, now);
        let longest = policy.longest_wait().max(account.policy(kind).longest_wait());
        let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
        let due = self.store.due_or_later(&account.name, kind, now, longest, left_out + wanted).await?;
        let (due, quiet_until) = match due {
            Due::Now(due) => (due, None),
            Due::Later(next) => (Vec::new(), Some(next.unwrap_or_else(|| later(now, LONGEST_QUIET)))),
        };
        let waiting = due.into_iter().filter(|record| !is_left_out(&record.object)).take(wanted);
        Ok(Ahead { records: waiting.collect(), read_at: self.clock.monotonic(), quiet_until })
    }

    /// Handles a poll that has ended.
    async fn land(
        self: &Arc<Self>,
        account: &Arc<Account>,
        flight: &mut Flight,
        ended: Ended,
    ) -> Result<(), StoreError> {
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, _)| *id);
        let Some((record, was_broken)) = flight.running.remove(&id) else { return Ok(()) };
        let polled = match ended {
            Ok((_, polled)) => polled?,
            // The panic message may contain text of an answer, so it is not logged here.
            Err(_) if was_broken => {
                tracing::error!(
                    object = %record.object,
                    "the failure of a poll cannot be recorded; its object is not polled for an hour"
                );
                flight.objects.remove(&record.object);
                flight.resting.insert(record.object, later(self.clock.now(), REST));
                return Ok(());
            }
            Err(_) => {
                tracing::error!(
                    object = %record.object,
                    "a poll failed within this program; this counts as a failure of its object"
                );
                let (all, account, read) = (Arc::clone(self), Arc::clone(account), record.clone());
                let task = flight.polls.spawn(async move { all.broke(&account, record).await });
                flight.running.insert(task.id(), (read, true));
                return Ok(());
            }
        };
        flight.objects.remove(&record.object);
        flight.quiet.remove(&record.object.kind);
        self.note_hold(account, flight, &record.object, false).await?;
        self.report(account, polled).await
    }

    /// Reports that an operation is on hold while `object` is due (`is_due`), and when the hold is over.
    async fn note_hold(
        &self,
        account: &Account,
        flight: &mut Flight,
        object: &ObjectRef,
        is_due: bool,
    ) -> Result<(), StoreError> {
        let Some(operation) = account.api.operation(&object.kind) else { return Ok(()) };
        let (level, now) = (self.pace.level(&account.name, operation), self.clock.now());
        let Some(turn) = flight.holds.note(operation, level.as_ref(), is_due, now) else { return Ok(()) };
        let waiting =
            format!("Objects are due meanwhile, {object} among them: a decline would be noticed late.");
        self.report_hold(account, operation, &turn, &waiting, &holds_name(account), &flight.holds).await
    }
}

fn holds_name(account: &Account) -> String {
    format!("provider-holds/{}", account.name)
}

fn candidate(record: &Record) -> Candidate<'_> {
    Candidate { object: &record.object, is_in_trouble: record.trouble.failures > 0 }
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    between(now, at).clamp(Duration::from_millis(1), LONGEST_WAIT)
}
