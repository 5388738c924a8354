//! Delivers the events of one receiver.
//!
//! Owns: the order of an object's events, one message in flight, when a receiver is paused or disabled. Must never
//! know: what an event says, what is reported about a receiver.
//!
//! A crash between sending and recording costs one repeated event with the same id, never a lost one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::body;
use super::config::Receiver;
use crate::alerts::Round;
use crate::alerts::classify::{Verdict, machine_word};
use crate::alerts::outbox::{Past, decide, seed, wait_after};
use crate::alerts::target::LONGEST_ANSWER;
use crate::clock::SharedClock;
use crate::http::{Method, Request, Response, Transport, TransportError};
use crate::payments::alert::Routes;
use crate::payments::event::Event;
use crate::payments::object::AccountName;
use crate::store::{Delivery, Owed, Store, StoreError};
use crate::telemetry::traces;
use crate::time::later;
use crate::webhook::headers_of;

mod report;
#[cfg(test)]
mod tests;

/// How many pending events are read at once.
const PAGE: usize = 200;
/// A round ends after this time even if more events are pending, so that a stop need not wait long.
const ROUND_LIMIT: Duration = Duration::from_secs(10);
/// The longest pause of a whole receiver, unless it asks for a longer one. A failure may be that of one event, and must
/// not delay the others for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// No wait is longer than this. A later due time was written by a clock that was ahead.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 3600);
/// "Gone": the receiver does not want events any more (section 2.1 of docs/src/reference/operations.md).
const GONE: u16 = 410;

/// What a back office depends on.
#[derive(Clone)]
pub struct Ports {
    /// Where events are pending.
    pub store: Store,
    /// The time.
    pub clock: SharedClock,
    /// The client for receivers without one of their own.
    pub transport: Arc<dyn Transport>,
    /// Which alert targets a failure is reported to.
    pub routes: Routes,
    /// The sandbox accounts.
    pub sandbox_accounts: Arc<BTreeSet<AccountName>>,
}

/// A receiver with its health.
pub struct BackOffice {
    receiver: Receiver,
    target: String,
    ports: Ports,
    /// Keeps at most one message in flight.
    flight: tokio::sync::Mutex<()>,
    health: Mutex<Health>,
    /// The silence that was reported and is not over.
    silence: report::Kept<report::Silence>,
    /// Since when it answers that it is gone, as was reported.
    gone: report::Kept<Timestamp>,
}

/// Kept in memory only: a restart or a reload begins without a history of failures.
#[derive(Debug, Default)]
struct Health {
    /// In the clock's monotonic time.
    paused_until: Option<Duration>,
    failures: u32,
    failing_since: Option<Timestamp>,
    is_silence_reported: bool,
    last_error: Option<String>,
    /// Since when the receiver is disabled, because it said that it is gone.
    gone_since: Option<Timestamp>,
}

/// The state of a receiver, for the overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Since when it is disabled, if it is.
    pub disabled_since: Option<Timestamp>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

impl BackOffice {
    /// The sender of events to a receiver.
    pub fn new(receiver: Receiver, ports: Ports) -> BackOffice {
        BackOffice {
            target: receiver.target(),
            silence: report::Kept::new("silent-receiver/", &receiver.name),
            gone: report::Kept::new("gone-receiver/", &receiver.name),
            receiver,
            ports,
            flight: tokio::sync::Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// A panic elsewhere leaves every part of it consistent, so this continues.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator's name for the receiver.
    pub fn name(&self) -> &str {
        &self.receiver.name
    }

    /// Its name in the outbox.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Its state.
    pub fn state(&self) -> State {
        let health = self.health();
        State { disabled_since: health.gone_since, last_error: health.last_error.clone() }
    }

    /// Lets a disabled receiver get events again. True if it was disabled. A reported silence ends only when it accepts
    /// something.
    ///
    /// # Errors
    /// When the store fails. The receiver gets events nevertheless.
    pub async fn enable(&self) -> Result<bool, StoreError> {
        // First, so that the next answer that it is gone is reported.
        let forgotten = self.forget_gone().await;
        let health = std::mem::take(&mut *self.health());
        self.ports.store.target_signal(&self.target).notify_one();
        forgotten.map(|()| health.gone_since.is_some())
    }

    /// Sends a test message, bypassing the outbox.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub async fn test(&self) -> Result<(), String> {
        let _alone = self.flight.lock().await;
        let event = body::trial(self.receiver.format, &self.receiver.name, self.ports.clock.now());
        match self.send(&event).await {
            Answer::Judged(Verdict::Delivered) => {
                let enabled = self.enable().await;
                let reported = self.report_return(self.ports.clock.now()).await;
                if let Err(error) = enabled.and(reported) {
                    // The next event that is accepted reports it.
                    tracing::error!(receiver = self.receiver.name, %error, "its return was not reported");
                }
                Ok(())
            }
            Answer::Judged(
                Verdict::Retry { why, .. } | Verdict::Denied { why, .. } | Verdict::Refused { why },
            ) => Err(why),
            Answer::Gone => Err("HTTP 410".to_owned()),
        }
    }

    /// Sends what is due now, for about ten seconds at most.
    ///
    /// # Errors
    /// When the store fails. A receiver's failure is not an error: it is recorded and retried.
    pub async fn round(&self) -> Result<Round, StoreError> {
        let (store, clock) = (&self.ports.store, &self.ports.clock);
        let mut round = Round::default();
        if store.outbox_pending() == 0 {
            return Ok(round);
        }
        let _alone = self.flight.lock().await;
        let began = clock.monotonic();
        'pages: while !self.is_held() {
            let now = clock.now();
            let mut pending = store.owed(&self.target, now, PAGE).await?;
            if pending.is_empty() {
                pending = store.owed_after(&self.target, later(now, LONGEST_WAIT), PAGE).await?;
            }
            let mut has_advanced = false;
            for one in pending {
                if clock.monotonic().saturating_sub(began) >= ROUND_LIMIT {
                    round.is_unfinished = true;
                    break 'pages;
                }
                match store.pending_before(&self.target, &one.alert.key).await? {
                    // An event of this object waits until the one before it is settled.
                    Some(at) if at > one.next_attempt_at => {
                        let why = "waits for an earlier event about the same object".to_owned();
                        let postponed = Delivery::Postponed { at, why };
                        store.settle(&one.alert.key, &self.target, postponed, now).await?;
                        has_advanced = true;
                    }
                    Some(_) => {}
                    None => {
                        self.deliver(&one, &mut round).await?;
                        has_advanced = true;
                        if self.is_held() {
                            break 'pages;
                        }
                    }
                }
            }
            if !has_advanced {
                break;
            }
        }
        round.next_at = self.next_at().await?;
        Ok(round)
    }

    fn is_held(&self) -> bool {
        let (health, now) = (self.health(), self.ports.clock.monotonic());
        health.gone_since.is_some() || health.paused_until.is_some_and(|until| now < until)
    }

    async fn next_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let paused_until = match *self.health() {
            Health { gone_since: Some(_), .. } => return Ok(None),
            Health { paused_until, .. } => paused_until,
        };
        let now = self.ports.clock.now();
        let due_at = self.ports.store.next_owed(&self.target).await?;
        let due_at = due_at.map(|at| if at > later(now, LONGEST_WAIT) { now } else { at });
        let monotonic = self.ports.clock.monotonic();
        let free_at = paused_until.map(|until| later(now, until.saturating_sub(monotonic)));
        Ok(due_at.map(|at| free_at.map_or(at, |free_at| at.max(free_at))))
    }

    /// Sends one event and records the result.
    async fn deliver(&self, pending: &Owed, round: &mut Round) -> Result<(), StoreError> {
        let (store, clock, alert) = (&self.ports.store, &self.ports.clock, &pending.alert);
        let answer = match &alert.event {
            Some(event) => self.send(event).await,
            // Only a store that was written by hand has this.
            None => Answer::Judged(Verdict::Refused { why: "it has no body".to_owned() }),
        };
        let now = clock.now();
        let verdict = match answer {
            Answer::Gone => {
                // The event stays pending, as it was.
                {
                    let mut health = self.health();
                    health.gone_since = Some(now);
                    health.last_error = Some("HTTP 410".to_owned());
                }
                return self.report_gone(alert, now).await;
            }
            Answer::Judged(verdict) => verdict,
        };
        let seed = seed(&alert.key);
        self.note_health(&verdict, seed, now);
        let past = Past {
            attempts: pending.attempts,
            first_owed_at: alert.found_at,
            denied_for: Duration::ZERO,
            seed,
        };
        let delivery = decide(&verdict, past, now, self.receiver.give_up_after);
        let given_up = match &delivery {
            Delivery::Delivered => {
                round.delivered += 1;
                None
            }
            Delivery::Dead { error, .. } => {
                round.dead += 1;
                Some(error.clone())
            }
            _ => {
                round.retried += 1;
                None
            }
        };
        store.settle(&alert.key, &self.target, delivery, now).await?;
        if let Some(error) = given_up {
            self.report_dead(alert, &error, now).await?;
        }
        self.report_silence(alert, now).await
    }

    async fn send(&self, event: &Event) -> Answer {
        let (receiver, now) = (&self.receiver, self.ports.clock.now());
        let body = event.body.clone().into_bytes();
        let mut headers = headers_of(&receiver.keys, &event.id, now.as_second(), &body);
        headers.push(("content-type", event.media_type.clone()));
        headers.push(("user-agent", concat!("reconciled/", env!("CARGO_PKG_VERSION")).to_owned()));
        let request = Request {
            method: Method::Post,
            url: receiver.url.expose().clone(),
            headers,
            body,
            deadline: receiver.timeout,
            longest_body: LONGEST_ANSWER,
            is_beginning_enough: true,
        };
        let transport = receiver.transport.as_ref().unwrap_or(&self.ports.transport);
        let mut span = traces::span("delivery");
        span.set("target", &receiver.name);
        let answer = judged(transport.send(request).await, self.ports.clock.now());
        span.set("result", if let Answer::Judged(verdict) = &answer { verdict.word() } else { "gone" });
        answer
    }

    /// Counts failures and pauses the receiver, so that a hundred waiting events do not cause a hundred attempts. Each
    /// error is logged once, until it changes.
    fn note_health(&self, verdict: &Verdict, seed: u64, now: Timestamp) {
        let mut health = self.health();
        let (receiver, asked) = (
            self.receiver.name.as_str(),
            match verdict {
                Verdict::Retry { after, .. } => after.unwrap_or_default(),
                _ => Duration::ZERO,
            },
        );
        let why = match verdict {
            Verdict::Retry { why, .. } | Verdict::Denied { why, .. } | Verdict::Refused { why } => why,
            Verdict::Delivered => {
                if health.last_error.is_some() {
                    tracing::info!(receiver, "events are delivered again");
                }
                *health = Health::default();
                return;
            }
        };
        health.failures = health.failures.saturating_add(1);
        health.failing_since.get_or_insert(now);
        let own = wait_after(verdict, health.failures, seed).unwrap_or_default().min(LONGEST_PAUSE);
        health.paused_until = Some(self.ports.clock.monotonic() + own.max(asked));
        if health.last_error.as_ref() != Some(why) {
            tracing::warn!(receiver, error = %why, "an event was not delivered");
            health.last_error = Some(why.clone());
        }
    }
}

/// What an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// What the outbox does with the event.
    Judged(Verdict),
    /// The receiver is to be disabled.
    Gone,
}

/// Only 2xx is success. Everything else is retried, because a back office refuses events while it is being changed.
fn judged(answer: Result<Response, TransportError>, now: Timestamp) -> Answer {
    Answer::Judged(match answer {
        Ok(answer) if answer.status == GONE => return Answer::Gone,
        Ok(answer) if (200..300).contains(&answer.status) => Verdict::Delivered,
        Ok(answer) => {
            Verdict::Retry { after: answer.retry_after(now), why: format!("HTTP {}", answer.status) }
                .quoting(machine_word(&answer.body))
        }
        Err(error) => Verdict::Retry { after: None, why: error.to_string() },
    })
}
