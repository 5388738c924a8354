//! A call from its check to its end.
//!
//! Owns: what is required before anything is sent, waiting for a turn, the total deadline. Must never know:
//! what an answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attempt::Standing;
use super::{Account, CallError, Calls, attempt, caller};
use crate::apis::calls::{CallFailure, Planned, Reply, Shown};
use crate::apis::pace::Permit;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Details, Enrolment};

/// How long requests and lookups may take together, not counting the waits for a turn.
const LONGEST_WORK: Duration = Duration::from_secs(120);
/// How often one command sends the same call at most.
pub(super) const MOST_TRIES: u32 = 3;

/// An operator's request.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The provider's name of the operation.
    pub operation: String,
    /// Its parameters under the provider's names.
    pub parameters: BTreeMap<String, String>,
    /// The operator confirmed that it may be sent (`--yes`).
    pub is_confirmed: bool,
    /// How long it may wait for its turn.
    pub patience: Duration,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It would change something without permission, so nothing was sent.
    NotAllowed,
    /// The provider refused it.
    Refused,
    /// It was not carried out, but might be later.
    TryLater,
    /// Nobody knows whether it was carried out.
    InDoubt,
}

/// The outcome of a call.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// Why, unless it was simply carried out.
    pub detail: Option<String>,
    /// The missing permissions: `allow_writes`, `--yes`.
    pub missing: Vec<&'static str>,
    /// What would be sent, where a permission is missing.
    pub shown: Option<Shown>,
    /// The name of its attempt; none for read-only calls.
    pub attempt: Option<String>,
    /// It had been carried out before, and was not sent again.
    pub was_done_before: bool,
    /// How often it was sent, or may have been, in total.
    pub sent: u32,
    /// The provider's answer.
    pub reply: Reply,
    /// The objects that are watched because of it.
    pub watched: Vec<ObjectRef>,
}

impl Ended {
    pub(super) fn plain(outcome: Outcome) -> Ended {
        Ended {
            outcome,
            detail: None,
            missing: Vec::new(),
            shown: None,
            attempt: None,
            was_done_before: false,
            sent: 0,
            reply: Reply::default(),
            watched: Vec::new(),
        }
    }

    pub(super) fn because(outcome: Outcome, detail: impl Into<String>) -> Ended {
        Ended { detail: Some(detail.into()), ..Ended::plain(outcome) }
    }
}

impl Calls {
    /// Checks a call and carries it out.
    ///
    /// # Errors
    /// When the call is invalid, another call stands in its way, or the store fails.
    pub async fn run(&self, account: &Account, wanted: &Wanted) -> Result<Ended, CallError> {
        let caller = caller(account)?;
        let planned = caller
            .plan(&wanted.operation, &wanted.parameters)
            .map_err(|problems| CallError::Bad { operation: wanted.operation.clone(), problems })?;
        let needs = [(!caller.may_write(), "allow_writes"), (!wanted.is_confirmed, "--yes")];
        if planned.is_write && needs.iter().any(|(is_missing, _)| *is_missing) {
            let missing = needs.iter().filter(|(is_missing, _)| *is_missing).map(|(_, name)| *name);
            return Ok(Ended {
                missing: missing.collect(),
                shown: Some(planned.shown),
                ..Ended::plain(Outcome::NotAllowed)
            });
        }
        let until = self.clock.monotonic().saturating_add(wanted.patience);
        let total = wanted.patience.saturating_add(LONGEST_WORK);
        let late = self.clock.sleep(total);
        let Some(identity) = planned.identity.clone() else {
            return tokio::select! {
                ended = self.ask(account, &planned, until) => ended,
                () = late => Ok(Ended::because(Outcome::TryLater, too_long(total))),
            };
        };
        let name = attempt::name(&account.name, planned.operation, identity.as_str());
        let ended = tokio::select! {
            ended = self.change(account, &planned, &identity, until) => return ended,
            () = late => self.attempts.find(&name).await?,
        };
        let attempt = ended.filter(|attempt| attempt.standing == Standing::Open);
        Ok(match attempt {
            None => Ended::because(Outcome::TryLater, too_long(total)),
            Some(attempt) => Ended {
                attempt: Some(attempt.label()),
                sent: attempt.sent,
                ..Ended::because(Outcome::InDoubt, too_long(total))
            },
        })
    }

    /// Carries out a read-only call, which may be repeated.
    async fn ask(&self, account: &Account, planned: &Planned, until: Duration) -> Result<Ended, CallError> {
        let mut sent = 0;
        loop {
            let permit = match self.turn(account, planned.operation, until).await {
                Ok(permit) => permit,
                Err(wait) => return Ok(Ended { sent, ..no_turn(planned.operation, wait) }),
            };
            sent += 1;
            let failure = match caller(account)?.carry_out(planned, permit).await {
                Ok(reply) => return Ok(Ended { sent, reply, ..Ended::plain(Outcome::Done) }),
                Err(failure) => failure,
            };
            let detail = failure.to_string();
            match failure {
                CallFailure::Refused { .. } => {
                    return Ok(Ended { sent, ..Ended::because(Outcome::Refused, detail) });
                }
                CallFailure::Lost { .. } | CallFailure::Throttled { .. } if sent < MOST_TRIES => {
                    self.clock.sleep(pause(sent)).await;
                }
                _ => return Ok(Ended { sent, ..Ended::because(Outcome::TryLater, detail) }),
            }
        }
    }

    /// Acquires a permit to send one request of an operation. The error is how much longer the budget makes it wait.
    pub(super) async fn turn(
        &self,
        account: &Account,
        operation: &str,
        until: Duration,
    ) -> Result<Permit, Duration> {
        loop {
            match self.pace.take(&account.name, operation) {
                Ok(permit) => return Ok(permit),
                Err(wait) if !self.pace.holds(&account.name) => return Err(wait),
                Err(wait) if self.clock.monotonic().saturating_add(wait) > until => return Err(wait),
                // At least 1 ms: a bucket counts in finer steps than the clock.
                Err(wait) => self.clock.sleep(wait.max(Duration::from_millis(1))).await,
            }
        }
    }

    /// Starts watching the objects that a call created, and polls the object that it changed again soon.
    pub(super) async fn watch(
        &self,
        account: &Account,
        planned: Watched<'_>,
        reply: &Reply,
    ) -> Result<Vec<ObjectRef>, CallError> {
        let store = self.attempts.store();
        let object = |child: &crate::payments::observation::Child| ObjectRef {
            account: account.name.clone(),
            kind: child.kind.clone(),
            id: child.id.clone(),
        };
        let known = reply.created.iter().filter(|child| account.api.lifecycle(&child.kind).is_some());
        let enrolments: Vec<Enrolment> = known
            .map(|child| {
                // The expected amount is known only for the object that the call shows.
                let is_shown = reply
                    .seen
                    .as_ref()
                    .is_some_and(|(kind, seen)| *kind == child.kind && seen.id == child.id.as_str());
                let amount = planned.amount.filter(|_| is_shown);
                Enrolment { object: object(child), details: Details { amount, ..Details::default() } }
            })
            .collect();
        let watched: Vec<ObjectRef> = enrolments.iter().map(|enrolment| enrolment.object.clone()).collect();
        let now = self.clock.now();
        if !enrolments.is_empty() {
            store.enrol(enrolments, now).await?;
        }
        if let Some(subject) = planned.subject {
            // This ignores objects that are not watched.
            store.ask(vec![object(subject)], now).await?;
        }
        Ok(watched)
    }
}

/// What is known about a call before its answer.
#[derive(Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) subject: Option<&'a crate::payments::observation::Child>,
    pub(super) amount: Option<crate::payments::money::Money>,
}

/// How long to wait before the next try: 1 s, then 4 s, as the provider's own clients do
/// (docs/src/reference/amazon-pay-v2.md 8.3, docs/src/reference/amazon-pay-mws.md 6.4).
pub(super) fn pause(sent: u32) -> Duration {
    Duration::from_secs(if sent <= 1 { 1 } else { 4 })
}

pub(super) fn no_turn(operation: &str, wait: Duration) -> Ended {
    let seconds = wait.as_secs() + 1;
    let detail = format!("the account's budget allows the next {operation} in {seconds} s");
    Ended::because(Outcome::TryLater, detail)
}

fn too_long(total: Duration) -> String {
    format!("it took longer than {} s", total.as_secs())
}
