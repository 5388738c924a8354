//! The delivery loop: sends pending alerts and records the results.
//!
//! Owns: the order of the steps, and one message in flight per target. Must never know: any one target.
//!
//! A crash between sending and recording costs one repeated message under the same key, never a lost one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use super::alerting::Alerting;
use super::classify::Verdict;
use super::conditions::Conditions;
use super::config::AlertConfig;
use super::link::Links;
use super::message::{self, Message};
use super::outbox::{Past, decide, seed};
use super::routes::Routes;
use super::send::Sender;
use super::silences::Silences;
use crate::clock::SharedClock;
use crate::http::Transport;
use crate::payments::alert::Alert;
use crate::payments::object::AccountName;
use crate::store::{Delivery, Owed, Store, StoreError};
use crate::telemetry::traces;
use crate::time::later;

mod health;
mod held;
mod learn;
mod line;
mod parcel;
mod repeat;
mod round;
mod step;
#[cfg(test)]
mod tests;
mod together;

use learn::Learnt;
use line::{Health, Line, State, Waiting, subject};
use parcel::Parcel;
pub use round::Round;
use step::Action;
use together::Together;

/// How many pending alerts are read, or settled, at once.
const PAGE: usize = 200;
/// A round ends after this time even if more alerts are pending, so that a stop need not wait long.
const ROUND_LIMIT: Duration = Duration::from_secs(10);
/// No wait for a target is longer than this: a requested wait is trusted up to an hour, and our own waits are at most
/// an hour plus jitter. A later due time was written by a clock that was ahead.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 3600);

/// The result of a test message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The target.
    pub target: String,
    /// Delivered, or why not.
    pub outcome: Result<(), String>,
}

/// No target has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no alert target {name:?}; known targets: {known}", known = known.join(", "))]
pub struct UnknownTarget {
    /// The requested name.
    pub name: String,
    /// The names of all targets.
    pub known: Vec<String>,
}

/// Delivers pending alerts.
pub struct Deliverer {
    store: Store,
    clock: SharedClock,
    sender: Sender,
    lines: Vec<Line>,
    routes: Routes,
    silences: Silences,
    accounts: BTreeSet<AccountName>,
    /// The receivers of events, whose conditions are reported, too.
    receivers: BTreeSet<String>,
    alerting: Alerting,
    /// For the times in messages.
    zone: TimeZone,
    links: Option<Links>,
    /// None until they are read.
    conditions: Mutex<Option<Conditions>>,
    learnt: Mutex<Learnt>,
}

impl Deliverer {
    /// A deliverer to all configured targets.
    pub fn new(
        store: Store,
        clock: SharedClock,
        transport: Arc<dyn Transport>,
        config: AlertConfig,
    ) -> Deliverer {
        Deliverer {
            silences: Silences::new(store.clone()),
            store,
            sender: Sender::new(transport, clock.clone()),
            clock,
            lines: config.channels.into_iter().map(Line::new).collect(),
            routes: config.routes,
            accounts: config.accounts,
            receivers: config.receivers,
            alerting: config.alerting,
            zone: config.zone,
            links: config.links,
            conditions: Mutex::new(None),
            learnt: Mutex::default(),
        }
    }

    /// The names of the targets.
    pub fn targets(&self) -> Vec<&str> {
        self.lines.iter().map(Line::name).collect()
    }

    fn is_sandbox(&self, alert: &Alert) -> bool {
        self.routes.sandbox_accounts.contains(&alert.account)
    }

    /// Which target receives what.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The silences that it obeys.
    pub fn silences(&self) -> &Silences {
        &self.silences
    }

    /// Sends what is due now, to all targets in parallel, for about ten seconds at most. Alerts that become pending
    /// meanwhile are sent at once to the targets that are free: a slow or silent target delays no other.
    ///
    /// # Errors
    /// When the store fails. A target's failure is not an error: it is recorded and retried.
    pub async fn round(&self) -> Result<Round, StoreError> {
        self.learn().await?;
        self.repeat_conditions().await?;
        if self.store.outbox_pending() == 0 {
            return Ok(Round::default());
        }
        let began = self.clock.monotonic();
        let news = self.store.outbox_signal();
        let serve = |place: usize| async move { (place, self.serve(&self.lines[place]).await) };
        let mut whole = Round::default();
        let mut serving: FuturesUnordered<_> = (0..self.lines.len()).map(serve).collect();
        let mut free = Vec::new();
        while !serving.is_empty() {
            let is_late = self.clock.monotonic().saturating_sub(began) >= ROUND_LIMIT;
            tokio::select! {
                biased;
                Some((place, part)) = serving.next() => {
                    whole.count(&part?);
                    free.push(place);
                }
                () = news.notified(), if !free.is_empty() && !is_late => {
                    serving.extend(free.drain(..).map(serve));
                }
            }
        }
        // Computed when all targets are done: while one was served, alerts may have become pending for another that had
        // finished.
        for line in &self.lines {
            // A test message may be on its way. Then the target's pause is not known here.
            let at = match line.state.try_lock() {
                Ok(state) => self.next_at(line, &state.health).await?,
                Err(_) => self.next_at(line, &Health::default()).await?,
            };
            whole.next_at = [whole.next_at, at].into_iter().flatten().min();
        }
        Ok(whole)
    }

    /// Sends a test message to one target or to all, bypassing the outbox.
    ///
    /// # Errors
    /// When no target has this name.
    pub async fn test(&self, name: Option<&str>) -> Result<Vec<Trial>, UnknownTarget> {
        let chosen: Vec<&Line> =
            self.lines.iter().filter(|line| name.is_none_or(|name| name == line.name())).collect();
        if let (Some(name), true) = (name, chosen.is_empty()) {
            let known = self.targets().into_iter().map(str::to_owned).collect();
            return Err(UnknownTarget { name: name.to_owned(), known });
        }
        Ok(join_all(chosen.into_iter().map(|line| self.try_out(line))).await)
    }

    async fn try_out(&self, line: &Line) -> Trial {
        let mut state = line.state.lock().await;
        let health = &mut state.health;
        let target = line.name().to_owned();
        let message = message::trial(&target, self.clock.now(), &self.zone);
        let outcome = match self.send(line, health, &message).await {
            Verdict::Delivered => Ok(()),
            Verdict::Retry { why, .. } | Verdict::Denied { why, .. } | Verdict::Refused { why } => Err(why),
        };
        if outcome.is_ok() {
            // The target works again, perhaps because it was just repaired. Waiting messages need not wait longer.
            let (sent_at, told_silent) = (health.sent_at, health.told_silent.take());
            *health = Health { sent_at, told_silent, ..Health::default() };
        }
        Trial { target, outcome }
    }

    async fn serve(&self, line: &Line) -> Result<Round, StoreError> {
        let mut state = line.state.lock().await;
        let mut round = Round::default();
        let began = self.clock.monotonic();
        if !state.is_read {
            let mut after = None;
            loop {
                let page = self.store.owed_behind(line.name(), after, Timestamp::MAX, PAGE).await?;
                for owed in page.iter().filter(|owed| owed.is_waiting) {
                    state.waiting.add(subject(&owed.alert), owed.order, owed.next_attempt_at);
                }
                after = page.last().cloned();
                if after.is_none() {
                    break;
                }
            }
            state.is_read = true;
        }
        state.bursts.tidy(&self.alerting, began);
        while !self.is_paused(&state.health) && self.pass(line, &mut state, began, &mut round).await? {}
        Ok(round)
    }

    fn is_paused(&self, health: &Health) -> bool {
        health.paused_until.is_some_and(|until| self.clock.monotonic() < until)
    }

    /// Goes through all that is due for a target. Returns whether another pass may find more to do.
    async fn pass(
        &self,
        line: &Line,
        state: &mut State,
        began: Duration,
        round: &mut Round,
    ) -> Result<bool, StoreError> {
        let (mut together, mut after) = (Together::default(), None);
        let (mut has_acted, mut has_skipped) = (false, false);
        while !together.is_full() {
            let now = self.clock.now();
            let mut page = self.store.owed_behind(line.name(), after.clone(), now, PAGE).await?;
            if page.is_empty() && after.is_none() {
                page = self.store.owed_after(line.name(), later(now, LONGEST_WAIT), PAGE).await?;
            }
            if page.is_empty() {
                break;
            }
            after = page.last().cloned();
            // All that is in the page was raised by now.
            self.learn().await?;
            has_acted |= self.hold_back(&mut page, line, state, now).await?;
            page.sort_by_key(|owed| owed.order);
            let mut waiting = Vec::new();
            for owed in page {
                if self.clock.monotonic().saturating_sub(began) >= ROUND_LIMIT {
                    round.is_unfinished = true;
                    self.settle(line, waiting).await?;
                    return Ok(false);
                }
                if together.holds(&owed) {
                    has_skipped = true;
                    continue;
                }
                match self.action(line, state, &owed, now).await? {
                    Action::Skip => {
                        has_skipped = true;
                        continue;
                    }
                    Action::Together(group) => together.add(group, owed, self.alerting.storm_over),
                    Action::Settle(delivery) => {
                        if let Delivery::Postponed { at, .. } = &delivery {
                            state.waiting.add(subject(&owed.alert), owed.order, *at);
                        } else {
                            state.waiting.remove(subject(&owed.alert), owed.order);
                        }
                        waiting.push((owed.alert.key, delivery));
                    }
                    Action::Send => {
                        let message = self.message(&owed);
                        self.deliver(line, state, &message, Parcel::of(&[owed]), round).await?;
                        if self.is_paused(&state.health) {
                            self.settle(line, waiting).await?;
                            return Ok(false);
                        }
                    }
                }
                has_acted = true;
            }
            self.settle(line, waiting).await?;
        }
        if !together.is_empty() {
            has_acted = true;
            for (message, parcel, groups) in
                together.messages(self.alerting.storm_over, &self.zone, self.links.as_ref())
            {
                self.deliver(line, state, &message, parcel, round).await?;
                if self.is_paused(&state.health) {
                    return Ok(false);
                }
                state.bursts.flushed(groups, &self.alerting, self.clock.monotonic());
                state.bursts.counted();
            }
        }
        if has_skipped && !has_acted {
            // What they wait for is not pending any more.
            (state.waiting, state.is_read) = (Waiting::default(), false);
        }
        Ok(has_acted)
    }

    /// Records outcomes. Those that are given at once share the store's writes.
    async fn settle(&self, line: &Line, outcomes: Vec<(String, Delivery)>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let settled =
            outcomes.iter().map(|(key, delivery)| self.store.settle(key, line.name(), delivery.clone(), now));
        join_all(settled).await.into_iter().collect()
    }

    async fn next_at(&self, line: &Line, health: &Health) -> Result<Option<Timestamp>, StoreError> {
        let owed_at = self.store.next_owed(line.name()).await?;
        let pause = health.paused_until.map(|until| until.saturating_sub(self.clock.monotonic()));
        let now = self.clock.now();
        let owed_at = owed_at.map(|at| if at > later(now, LONGEST_WAIT) { now } else { at });
        let free_at = pause.map(|pause| later(now, pause));
        Ok(owed_at.map(|at| free_at.map_or(at, |free_at| at.max(free_at))))
    }

    /// Sends one message and records the result for each of its alerts.
    async fn deliver(
        &self,
        line: &Line,
        state: &mut State,
        message: &Message,
        parcel: Parcel,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        let verdict = self.send(line, &mut state.health, message).await;
        let now = self.clock.now();
        let seed = seed(&message.key);
        let health = &mut state.health;
        self.note_health(line, health, &verdict, seed, now);
        let monotonic = self.clock.monotonic();
        let pause = health.paused_until.map(|until| until.saturating_sub(monotonic));
        let denied_for = health.denied_since.map(|since| monotonic.saturating_sub(since)).unwrap_or_default();
        let is_digest = parcel.alerts.len() > 1;
        let mut given_up = None;
        for carried in parcel.alerts.chunks(PAGE) {
            let mut outcomes = Vec::with_capacity(carried.len());
            for alert in carried {
                let past = Past { attempts: alert.attempts, first_owed_at: alert.found_at, denied_for, seed };
                let mut delivery = decide(&verdict, past, now, line.channel.give_up_after);
                state.waiting.remove(alert.subject, alert.order);
                match &mut delivery {
                    Delivery::Dead { error, fallback } => {
                        round.dead += 1;
                        fallback.clone_from(&line.channel.fallback);
                        given_up = Some(error.clone());
                    }
                    Delivery::Retry { at, message: carrier, .. } => {
                        round.retried += 1;
                        *carrier = is_digest.then(|| message.key.clone());
                        *at = (*at).max(later(now, pause.unwrap_or_default()));
                        state.waiting.add(alert.subject, alert.order, *at);
                    }
                    _ => {
                        round.delivered += 1;
                        if is_digest {
                            delivery = Delivery::Together { message: message.key.clone() };
                        }
                    }
                }
                outcomes.push((alert.key.clone(), delivery));
            }
            self.settle(line, outcomes).await?;
        }
        round.digests += u64::from(is_digest && verdict == Verdict::Delivered);
        let Some(first) = parcel.first else { return Ok(()) };
        if let Some(error) = given_up {
            round.is_unfinished |= self.tell_of_dead(line, &first, &error, now).await?;
        }
        round.is_unfinished |= self.tell_of_silence(line, &mut state.health, &first, now).await?;
        Ok(())
    }

    fn message(&self, owed: &Owed) -> Message {
        together::alone(owed, self.is_sandbox(&owed.alert), &self.zone, self.links.as_ref())
    }

    /// Waits for the target's pace, sends, and classifies the answer.
    async fn send(&self, line: &Line, health: &mut Health, message: &Message) -> Verdict {
        let target = &line.channel.target;
        if let Some(sent_at) = health.sent_at {
            let wait = (sent_at + target.pace()).saturating_sub(self.clock.monotonic());
            if !wait.is_zero() {
                self.clock.sleep(wait).await;
            }
        }
        let mut span = traces::span("delivery");
        span.set("target", line.name());
        let verdict = self.sender.send(&line.channel, message).await;
        span.set("result", verdict.word());
        health.sent_at = Some(self.clock.monotonic());
        verdict
    }
}
