//! One poll: request, decide, commit.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::apis::pace::Permit;
use crate::clock::judge::NEAR;
use crate::payments::alert::Alert;
use crate::payments::decide::{Setting, decide};
use crate::payments::lifecycle::Phase;
use crate::payments::object::ObjectRef;
use crate::payments::observation::{EndedPoll, Failure, Observation};
use crate::payments::record::{Record, Transition as Row};
use crate::store::{Commit, Committed, OwedAlert, StoreError};
use crate::telemetry::traces;
use crate::time::between;

use super::circuit_breaker::{Blame, Cause, FailedRequest, Transition};
use super::notice::Notice;
use super::{Account, Reconcile, Standing, locked};

/// The pause after a poll that is refused while the time is in doubt.
const DOUBT_PAUSE: Duration = Duration::from_secs(5);
/// How often a decision is made again because something else changed the object meanwhile.
const COMMIT_ATTEMPTS: u32 = 5;
/// The recorded detail of a poll that failed within this program.
const BROKE: &str = "the poll failed within this program";

/// The result of a poll, for the loop that started it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Polled {
    /// Changes for the account or a kind.
    pub(super) transitions: Vec<Transition>,
    /// Objects that are due again, with the time at which each was due.
    pub(super) pulled_in: Vec<(ObjectRef, Timestamp)>,
    /// Set by the first success after a reported time without any: since when there was none.
    pub(super) no_success_since: Option<Timestamp>,
    /// How the request failed.
    pub(super) detail: String,
}

fn is_account_refused(seen: &Result<Observation, Failure>) -> bool {
    matches!(seen, Err(Failure::Refused { is_whole_account: true, .. }))
}

impl Reconcile {
    /// Polls one object and records the result.
    pub(super) async fn poll(
        &self,
        account: &Account,
        record: Record,
        permit: Permit,
        is_only: bool,
    ) -> Result<Polled, StoreError> {
        let _slot = self.slots.acquire(is_only).await;
        self.remind(account).await?;
        let (sent_at, began) = (self.clock.now(), self.clock.monotonic());
        let mut span = traces::span("poll");
        span.set("account", &account.name);
        span.set("kind", &record.object.kind);
        span.set_object(&record.object);
        let mut seen = account.api.fetch(&record.object.kind, &record.object.id, permit).await;
        self.keep_learnt(account).await?;
        // Requests are signed with the time. A refusal while the time is in doubt, or is being corrected, means
        // nothing.
        if is_account_refused(&seen) {
            if self.clock.is_doubted() {
                self.clock.sleep(DOUBT_PAUSE).await;
                return Ok(Polled::default());
            }
            let passed = SignedDuration::try_from(self.clock.monotonic().saturating_sub(began));
            let shown = self.clock.now().duration_since(sent_at);
            if (shown - passed.unwrap_or(shown)).abs() > NEAR {
                return Ok(Polled::default());
            }
        }
        let failure = seen.as_ref().err().map(Failure::class);
        span.set("result", failure.unwrap_or("seen"));
        let now = self.clock.now();
        self.note_poll(&account.name, seen.as_ref().err(), now);
        let standing = self.standing(&account.name);
        let polled = take_note(&mut locked(&standing), &record, &mut seen, sent_at, now);
        let object = record.object.clone();
        let was_announced = record.is_announced;
        let seen_before_at = record.observed.as_ref().map(|observed| observed.seen_at);
        // How late a final state is found is known only if the provider dates it, and it was not final before we knew it.
        let dated = seen.as_ref().ok().and_then(|seen| seen.updated_at).filter(|_| seen_before_at.is_some());
        if let Ok(seen) = &seen {
            self.learn(account, &record, seen, sent_at, now).await?;
        }
        let moved = self.commit(account, record, seen).await?;
        if let Some(watcher) = self.watcher.get() {
            watcher(&EndedPoll {
                object: &object,
                seen_before_at,
                sent: began,
                is_seen: failure.is_none(),
                has_moved: moved.is_some(),
                became_final: seen_before_at.is_some() && moved == Some(Phase::Final),
                was_announced,
            });
        }
        let tally = &mut locked(&standing).tally;
        tally.polls += 1;
        tally.last_poll_at = Some(now);
        match failure {
            None => tally.seen += 1,
            Some(class) => *tally.failures.entry(class).or_default() += 1,
        }
        tally.moved += u64::from(moved.is_some());
        if let Some(at) = dated.filter(|_| moved == Some(Phase::Final)) {
            tally.delays.entry(object.kind).or_default().add(between(at, now));
        }
        Ok(polled)
    }

    /// A poll failed within this program: this counts as a failure of its object, and is reported.
    pub(super) async fn broke(&self, account: &Account, record: Record) -> Result<Polled, StoreError> {
        let now = self.clock.now();
        let object = record.object.clone();
        let is_reported = record.trouble.last_detail.as_deref().is_some_and(|known| known.contains(BROKE));
        let failure = Failure::Garbled { detail: BROKE.to_owned() };
        self.commit(account, record, Err(failure)).await?;
        if !is_reported {
            let notice = Notice { account: &account.name, where_to_look: account.api.where_to_look(), now };
            self.raise(account, notice.broken_poll(&object)).await?;
        }
        Ok(Polled::default())
    }

    /// Makes an alert pending for the targets that receive it.
    pub(super) async fn raise(&self, account: &Account, alert: Alert) -> Result<(), StoreError> {
        let targets = (self.routes)(&alert, account.is_sandbox);
        self.store.raise(vec![OwedAlert { alert, targets }]).await.map(drop)
    }

    /// Decides on the newest record and commits. Returns the phase of a new state, if one was written.
    pub(super) async fn commit(
        &self,
        account: &Account,
        mut record: Record,
        seen: Result<Observation, Failure>,
    ) -> Result<Option<Phase>, StoreError> {
        let Some(lifecycle) = account.api.lifecycle(&record.object.kind) else { return Ok(None) };
        let policy = self.policy(account, &record.object.kind, self.clock.now());
        let setting = Setting {
            lifecycle,
            policy: &policy,
            where_to_look: account.api.where_to_look(),
            is_sandbox: account.is_sandbox,
        };
        let object = record.object.clone();
        for attempt in 0..COMMIT_ATTEMPTS {
            let now = self.clock.now();
            let mut decision = decide(&setting, &record, seen.as_ref(), now);
            if attempt > 0 {
                // What changed it during the poll may be a hint of news that the poll did not see.
                decision.record.due_at = decision.record.due_at.map(|due_at| due_at.min(now));
            }
            let moved = decision.transition.clone();
            if let Some(transition) = &moved {
                let object = &transition.object;
                tracing::info!(
                    account = %object.account, kind = %object.kind, id = %object.id,
                    from = transition.from.as_deref().unwrap_or("unseen"), to = %transition.to,
                    reason = %transition.reasons.join(","), note = %transition.note, "state observed"
                );
            }
            let alerts = self.without_history(account, &record, &decision.record, decision.alerts).await?;
            let with_targets =
                |alert: Alert| OwedAlert { targets: (self.routes)(&alert, account.is_sandbox), alert };
            let mut alerts: Vec<OwedAlert> = alerts.into_iter().map(with_targets).collect();
            for owed in &alerts {
                self.remember_decline(&owed.alert, lifecycle).await?;
            }
            if let Some(row) = &moved {
                alerts.extend(self.recovered(account, row, now).await?);
                alerts.extend(self.events(&decision.record, row, account.is_sandbox).await?);
            }
            let enrol = decision
                .enrol
                .into_iter()
                .filter(|child| account.api.lifecycle(&child.object.kind).is_some())
                .collect();
            let commit = Commit {
                read: record,
                record: decision.record,
                transition: decision.transition,
                enrol,
                alerts,
                is_news: decision.is_news,
            };
            match self.store.commit(commit).await? {
                Committed::Written => {
                    let is_final = moved.as_ref().is_some_and(|row| row.phase == Phase::Final);
                    tracing::debug!(%object, is_final, "committed");
                    let has_moved = |row: &Row| row.from.as_deref() != Some(row.to.as_str());
                    return Ok(moved.filter(has_moved).map(|row| row.phase));
                }
                Committed::Forgotten => return Ok(None),
                Committed::Stale => match self.store.record(&object).await? {
                    Some(newest) => record = newest,
                    None => return Ok(None),
                },
            }
        }
        tracing::warn!(%object, "the object kept changing during the poll; it is polled again");
        Ok(None)
    }
}

/// Records what a poll says about the account. If only this object is refused, turns that failure into the object's
/// own.
fn take_note(
    standing: &mut Standing,
    record: &Record,
    seen: &mut Result<Observation, Failure>,
    sent_at: Timestamp,
    now: Timestamp,
) -> Polled {
    let mut polled = Polled::default();
    if let Err(failure) = &*seen {
        polled.detail = failure.to_string();
    }
    let was_in_trouble = record.trouble.failures > 0;
    let cause = match seen {
        Ok(_) | Err(Failure::Gone { .. } | Failure::Refused { is_whole_account: false, .. }) => {
            match seen {
                // A failure that keeps happening to one object alone is the object's own.
                Err(Failure::Refused { .. }) if was_in_trouble => {}
                Err(Failure::Refused { .. }) => standing.success.failed(&polled.detail, now),
                _ => polled.no_success_since = standing.success.succeeded(),
            }
            standing.tally.refusal = None;
            let answered = standing.breaker.answered(&record.object, now);
            (polled.transitions, polled.pulled_in) = (answered.transitions, answered.pulled_in);
            return polled;
        }
        Err(Failure::Throttled { .. }) => {
            standing.success.failed(&polled.detail, now);
            return polled;
        }
        Err(Failure::Refused { detail, .. }) => {
            standing.tally.refusal = Some(detail.clone());
            Cause::Refused
        }
        Err(Failure::Transient { .. } | Failure::Garbled { .. }) => Cause::Unanswered,
    };
    let request = FailedRequest {
        object: &record.object,
        cause,
        was_in_trouble,
        was_seen: record.observed.is_some(),
        due_at: record.due_at.unwrap_or(now).min(now),
        sent_at,
    };
    let (blame, transition) = standing.breaker.failed(request, now);
    polled.transitions.extend(transition);
    if blame == Blame::Account {
        standing.success.failed(&polled.detail, now);
    }
    if let (Blame::Object, Err(Failure::Refused { is_whole_account, detail })) = (blame, seen) {
        *is_whole_account = false;
        detail.push_str("; others of this account are answered");
    }
    polled
}
