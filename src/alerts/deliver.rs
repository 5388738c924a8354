//! The delivery loop: sends pending alerts and records the results.
//!
//! Owns: the order of the steps, one message in flight per target, and what is reported elsewhere when a target
//! fails. Must never know: any one target.
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

use super::classify::Verdict;
use super::config::{AlertConfig, Channel};
use super::message::{self, Message};
use super::outbox::{Past, decide, plan, seed, wait_after};
use super::send::Sender;
use crate::clock::SharedClock;
use crate::http::Transport;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::store::{Delivery, Owed, OwedAlert, Store, StoreError};
use crate::time::{between, later};
use crate::webhook::event_id;

mod round;
#[cfg(test)]
mod tests;

pub use round::Round;

/// How many pending alerts are read at once.
const PAGE: usize = 200;
/// A round ends after this time even if more alerts are pending, so that a stop need not wait long.
const ROUND_LIMIT: Duration = Duration::from_secs(10);
/// Under pressure, this many critical alerts per minute still get their own message.
const SINGLES_A_MINUTE: usize = 20;
/// No wait for a target is longer than this: a requested wait is trusted up to an hour, and our own waits are at most
/// an hour plus jitter. A later due time was written by a clock that was ahead.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 3600);
/// A target that has failed for this long is reported to the others.
const SILENT_AFTER: Duration = Duration::from_secs(3600);

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
    sandbox_accounts: BTreeSet<AccountName>,
    /// For the times in messages.
    zone: TimeZone,
}

/// A target with its health. The lock keeps at most one message in flight.
#[derive(Debug)]
struct Line {
    channel: Channel,
    health: Mutex<Health>,
}

/// Kept in memory only: after a restart, a target starts without a failure history. Times are the clock's monotonic
/// times.
#[derive(Debug, Default)]
struct Health {
    sent_at: Option<Duration>,
    paused_until: Option<Duration>,
    /// Since when the target has denied access.
    denied_since: Option<Duration>,
    failures: u32,
    failing_since: Option<Timestamp>,
    is_silence_told: bool,
    last_error: Option<String>,
    minute_began: Duration,
    singles: usize,
}

impl Health {
    fn singles_left(&mut self, now: Duration) -> usize {
        if now.saturating_sub(self.minute_began) >= Duration::from_secs(60) {
            self.minute_began = now;
            self.singles = 0;
        }
        SINGLES_A_MINUTE.saturating_sub(self.singles)
    }
}

impl Deliverer {
    /// A deliverer to all configured targets.
    pub fn new(
        store: Store,
        clock: SharedClock,
        transport: Arc<dyn Transport>,
        config: AlertConfig,
    ) -> Deliverer {
        let with_health = |channel| Line { channel, health: Mutex::new(Health::default()) };
        Deliverer {
            store,
            sender: Sender::new(transport, clock.clone()),
            clock,
            lines: config.channels.into_iter().map(with_health).collect(),
            sandbox_accounts: config.sandbox_accounts,
            zone: config.zone,
        }
    }

    /// The names of the targets.
    pub fn targets(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.channel.name.as_str()).collect()
    }

    /// Sends what is due now, to all targets in parallel, for about ten seconds at most. Alerts that become pending
    /// meanwhile are sent at once to the targets that are free: a slow or silent target delays no other.
    ///
    /// # Errors
    /// When the store fails. A target's failure is not an error: it is recorded and retried.
    pub async fn round(&self) -> Result<Round, StoreError> {
        if self.store.outbox_pending() == 0 {
            return Ok(Round::default());
        }
        let began = self.clock.monotonic();
        let news = self.store.outbox_signal();
        let serve = |place: usize| async move { (place, self.serve(&self.lines[place]).await) };
        let mut whole = Round::default();
        let mut last: Vec<Round> = vec![Round::default(); self.lines.len()];
        let mut serving: FuturesUnordered<_> = (0..self.lines.len()).map(serve).collect();
        let mut free = Vec::new();
        while !serving.is_empty() {
            let is_late = self.clock.monotonic().saturating_sub(began) >= ROUND_LIMIT;
            tokio::select! {
                biased;
                Some((place, part)) = serving.next() => {
                    last[place] = part?;
                    whole.count(&last[place]);
                    free.push(place);
                }
                () = news.notified(), if !free.is_empty() && !is_late => {
                    serving.extend(free.drain(..).map(serve));
                }
            }
        }
        for part in last {
            whole.wait_for(&part);
        }
        Ok(whole)
    }

    /// Sends a test message to one target or to all, bypassing the outbox.
    ///
    /// # Errors
    /// When no target has this name.
    pub async fn test(&self, name: Option<&str>) -> Result<Vec<Trial>, UnknownTarget> {
        let chosen: Vec<&Line> = self
            .lines
            .iter()
            .filter(|line| name.is_none_or(|name| name == line.channel.name.as_str()))
            .collect();
        if let (Some(name), true) = (name, chosen.is_empty()) {
            let known = self.targets().into_iter().map(str::to_owned).collect();
            return Err(UnknownTarget { name: name.to_owned(), known });
        }
        Ok(join_all(chosen.into_iter().map(|line| self.try_out(line))).await)
    }

    async fn try_out(&self, line: &Line) -> Trial {
        let mut health = line.health.lock().await;
        let target = line.channel.name.clone();
        let message = message::trial(&target, self.clock.now(), &self.zone);
        let outcome = match self.send(line, &mut health, &message).await {
            Verdict::Delivered => Ok(()),
            Verdict::Retry { why, .. } | Verdict::Denied { why, .. } | Verdict::Refused { why } => Err(why),
        };
        if outcome.is_ok() {
            // The target works again, perhaps because it was just repaired. Waiting messages need not wait longer.
            *health = Health { sent_at: health.sent_at, ..Health::default() };
        }
        Trial { target, outcome }
    }

    async fn serve(&self, line: &Line) -> Result<Round, StoreError> {
        let mut health = line.health.lock().await;
        let mut round = Round::default();
        let began = self.clock.monotonic();
        let is_paused =
            |health: &Health| health.paused_until.is_some_and(|until| self.clock.monotonic() < until);
        'pages: while !is_paused(&health) {
            let (target, now) = (line.channel.name.as_str(), self.clock.now());
            let mut owed = self.store.owed(target, now, PAGE).await?;
            if owed.is_empty() {
                owed = self.store.owed_after(target, later(now, LONGEST_WAIT), PAGE).await?;
            }
            if owed.is_empty() {
                break;
            }
            let singles_left = health.singles_left(self.clock.monotonic());
            for parcel in plan(owed, line.channel.target.likes_digests(), singles_left) {
                if self.clock.monotonic().saturating_sub(began) >= ROUND_LIMIT {
                    round.is_unfinished = true;
                    break 'pages;
                }
                self.deliver(line, &mut health, parcel, &mut round).await?;
                if is_paused(&health) {
                    break 'pages;
                }
            }
        }
        round.next_at = self.next_at(line, &health).await?;
        Ok(round)
    }

    async fn next_at(&self, line: &Line, health: &Health) -> Result<Option<Timestamp>, StoreError> {
        let owed_at = self.store.next_owed(line.channel.name.as_str()).await?;
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
        health: &mut Health,
        parcel: Vec<Owed>,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        let message = self.message(&parcel);
        let verdict = self.send(line, health, &message).await;
        let now = self.clock.now();
        let seed = seed(&message.key);
        self.note_health(line, health, &verdict, seed, now);
        let monotonic = self.clock.monotonic();
        let pause = health.paused_until.map(|until| until.saturating_sub(monotonic));
        let denied_for = health.denied_since.map(|since| monotonic.saturating_sub(since)).unwrap_or_default();
        let mut given_up = None;
        for owed in &parcel {
            let alert = &owed.alert;
            let past = Past { attempts: owed.attempts, first_owed_at: alert.found_at, denied_for, seed };
            let mut delivery = decide(&verdict, past, now, line.channel.give_up_after);
            match &mut delivery {
                Delivery::Delivered => round.delivered += 1,
                Delivery::Dead { error } => {
                    round.dead += 1;
                    given_up = Some((alert, error.clone()));
                }
                Delivery::Retry { at, .. } => {
                    round.retried += 1;
                    *at = (*at).max(later(now, pause.unwrap_or_default()));
                }
            }
            self.store.settle(&alert.key, line.channel.name.as_str(), delivery, now).await?;
        }
        match verdict {
            Verdict::Delivered if parcel.len() > 1 => round.digests += 1,
            Verdict::Delivered => health.singles += 1,
            _ => {}
        }
        if let Some((alert, error)) = given_up {
            round.is_unfinished |= self.tell_of_dead(line, alert, &error, now).await?;
        }
        let waiting = parcel.first().map(|owed| &owed.alert);
        round.is_unfinished |= self.tell_of_silence(line, health, waiting, now).await?;
        Ok(())
    }

    fn message(&self, parcel: &[Owed]) -> Message {
        let is_sandbox = |alert: &Alert| self.sandbox_accounts.contains(&alert.account);
        if let [one] = parcel {
            return message::single(&one.alert, is_sandbox(&one.alert), &self.zone);
        }
        let alerts: Vec<(Alert, bool)> =
            parcel.iter().map(|owed| (owed.alert.clone(), is_sandbox(&owed.alert))).collect();
        let mut keys: Vec<&str> = parcel.iter().map(|owed| owed.alert.key.as_str()).collect();
        keys.sort_unstable();
        message::digest(&alerts, format!("digest/{}", event_id(&keys.join("\n"))))
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
        let verdict = self.sender.send(&line.channel, message).await;
        health.sent_at = Some(self.clock.monotonic());
        verdict
    }

    /// Counts a target's failures and pauses the target, so that a hundred waiting messages do not cause a hundred
    /// attempts. Each error is logged once, until it changes.
    fn note_health(&self, line: &Line, health: &mut Health, verdict: &Verdict, seed: u64, now: Timestamp) {
        let target = line.channel.name.as_str();
        let why = match verdict {
            Verdict::Retry { why, .. } | Verdict::Denied { why, .. } => {
                health.failures = health.failures.saturating_add(1);
                health.failing_since.get_or_insert(now);
                let wait = wait_after(verdict, health.failures, seed).unwrap_or_default();
                health.paused_until = Some(self.clock.monotonic() + wait);
                match verdict {
                    Verdict::Denied { .. } => {
                        health.denied_since.get_or_insert(self.clock.monotonic());
                    }
                    _ => health.denied_since = None,
                }
                why
            }
            Verdict::Delivered => {
                if health.last_error.is_some() {
                    tracing::info!(target_name = target, "alerts are delivered again");
                }
                let Health { sent_at, minute_began, singles, .. } = *health;
                *health = Health { sent_at, minute_began, singles, ..Health::default() };
                return;
            }
            Verdict::Refused { why } => why,
        };
        if health.last_error.as_ref() != Some(why) {
            tracing::warn!(target_name = target, error = %why, "an alert was not delivered");
            health.last_error = Some(why.clone());
        }
    }

    /// Reports a message that was given up to the other targets, once a day for each target
    /// (docs/src/reference/operations.md, section 3: silent loss is the worst outcome). Returns whether this made a
    /// new alert pending.
    async fn tell_of_dead(
        &self,
        line: &Line,
        lost: &Alert,
        error: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let target = line.channel.name.as_str();
        let day = now.strftime("%Y-%m-%d");
        let alert = Alert {
            headline: format!("Alerts for {target} could not be delivered"),
            explanation: format!(
                "{target} refuses messages, or has accepted none for too long ({error}). The last alert given up: {}.",
                lost.headline
            ),
            ..self.about_target(AlertKind::Undelivered, &format!("{target}/{day}"), lost, target, now)
        };
        self.tell_others(target, alert, now).await
    }

    /// Reports a target that has failed for an hour to the others, once until it works again.
    async fn tell_of_silence(
        &self,
        line: &Line,
        health: &mut Health,
        waiting: Option<&Alert>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (Some(since), Some(waiting)) = (health.failing_since, waiting) else { return Ok(false) };
        let silent_for = between(since, now);
        if health.is_silence_told || silent_for < SILENT_AFTER {
            return Ok(false);
        }
        health.is_silence_told = true;
        let target = line.channel.name.as_str();
        let error = health.last_error.as_deref().unwrap_or("no answer");
        let occasion = format!("{target}/{}", since.as_second());
        let alert = Alert {
            headline: format!("{target} has accepted no alert for an hour"),
            explanation: format!(
                "Every delivery to {target} has failed since {since} ({error}). Messages wait and are retried."
            ),
            ..self.about_target(AlertKind::TargetSilent, &occasion, waiting, target, now)
        };
        self.tell_others(target, alert, now).await
    }

    fn about_target(
        &self,
        kind: AlertKind,
        occasion: &str,
        lost: &Alert,
        target: &str,
        now: Timestamp,
    ) -> Alert {
        Alert {
            advice: format!(
                "Check the address of {target} with `reconciled alerts test --target {target}`, \
                 then redeliver what was given up with `reconciled alerts redeliver`."
            ),
            where_to_look: format!("reconciled alerts list --target {target}"),
            ..Alert::new(kind, occasion, Severity::Critical, &lost.account, now)
        }
    }

    async fn tell_others(&self, target: &str, alert: Alert, now: Timestamp) -> Result<bool, StoreError> {
        let others: Vec<String> =
            self.targets().into_iter().filter(|other| *other != target).map(str::to_owned).collect();
        if others.is_empty() {
            tracing::error!(
                target_name = target,
                "{}, and there is no other target to report it to",
                alert.headline
            );
            return Ok(false);
        }
        let raised = self.store.raise(vec![OwedAlert { alert, targets: others }], now).await?;
        Ok(raised > 0)
    }
}
