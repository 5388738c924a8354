//! The answers about single operations, from the `calls` room.
//!
//! Owns: how a call and its attempts are shown. Must never know: steps, providers.

use std::sync::Arc;
use std::time::Duration;

use crate::apis::Account;
use crate::calls::{Attempt, CallError, Ended, Outcome, Wanted};
use crate::control::messages::{
    CallAttempt, CallList, CallOperation, CallOperations, CallOutcome, CallParameter, CallRan, CallResolve,
    CallShown, CallWanted,
};
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Rooms, Service};
use crate::payments::object::AccountName;

/// The longest that a call may wait for a permit, in seconds.
const LONGEST_WAIT_S: u64 = 420;

impl Service {
    /// Carries out one operation. A call that has begun is finished even if the client disconnects.
    pub async fn run_call(&self, wanted: CallWanted) -> Answer<CallRan> {
        let account = caller(&self.rooms(), &wanted.account)?;
        let calls = Arc::clone(&self.calls);
        let CallWanted { account: name, operation, parameters, confirmed, wait_s } = wanted;
        let patience = Duration::from_secs(wait_s.min(LONGEST_WAIT_S));
        let asked = Wanted { operation: operation.clone(), parameters, is_confirmed: confirmed, patience };
        let is_in_place_of_daemon = !self.is_daemon();
        if is_in_place_of_daemon {
            self.process.restore_budgets().await.map_err(|error| problem(error.into()))?;
        }
        let at_work = self.at_work_on(&name).await?;
        let running = tokio::spawn(async move {
            let ended = calls.run(&account, &asked).await;
            drop(at_work);
            ended
        });
        let ended = running.await.map_err(|_| {
            Problem::new(
                Cause::Internal,
                "the call ended unexpectedly",
                "see the log and `reconciled call --list`",
            )
        })?;
        if is_in_place_of_daemon {
            self.process.save_budgets().await.map_err(|error| problem(error.into()))?;
        }
        let ended = ended.map_err(problem)?;
        if ended.outcome == Outcome::Done && ended.sent > 0 {
            self.reconcile.answered_elsewhere(&name);
        }
        Ok(ran(name, operation, ended))
    }

    /// Whether a call only reads: its account and its operation are known, and the operation changes nothing.
    pub(in crate::control) fn is_reading_call(&self, wanted: &CallWanted) -> bool {
        let Ok(account) = caller(&self.rooms(), &wanted.account) else { return false };
        let operations = account.api.calls().map(|calls| calls.operations()).unwrap_or_default();
        operations.iter().any(|operation| operation.name == wanted.operation && !operation.is_write)
    }

    /// The operations of an account's API, in the order of a payment's life.
    pub fn call_operations(&self, request: &CallOperations) -> Answer<Vec<CallOperation>> {
        let account = caller(&self.rooms(), &request.account)?;
        let shown = account.api.calls().map(|calls| calls.operations()).unwrap_or_default().into_iter().map(
            |operation| CallOperation {
                name: operation.name.to_owned(),
                is_write: operation.is_write,
                parameters: operation
                    .parameters
                    .into_iter()
                    .map(|parameter| CallParameter {
                        name: parameter.name.to_owned(),
                        is_required: parameter.is_required,
                        takes: parameter.takes,
                    })
                    .collect(),
                quota: self
                    .pace
                    .quota(&account.name, operation.name)
                    .map(|quota| (quota.burst, u64::try_from(quota.per.as_micros()).unwrap_or(u64::MAX))),
            },
        );
        Ok(shown.collect())
    }

    /// The attempts, by name.
    pub async fn list_calls(&self, request: &CallList) -> Answer<Vec<CallAttempt>> {
        let attempts = self.calls.list(request.account.as_ref(), request.all).await.map_err(problem)?;
        Ok(attempts.iter().map(line).collect())
    }

    /// Records the outcome of a call in doubt.
    pub async fn resolve_call(&self, request: &CallResolve) -> Answer<CallAttempt> {
        let CallResolve { account, attempt, was_done } = request;
        let _at_work = self.at_work_on(account).await?;
        let attempt = self.calls.end(account, attempt, *was_done).await.map_err(problem)?;
        Ok(line(&attempt))
    }
}

fn caller(rooms: &Rooms, name: &AccountName) -> Result<Arc<Account>, Problem> {
    if let Some(account) = rooms.callers.iter().find(|account| account.name == *name) {
        return Ok(Arc::clone(account));
    }
    if rooms.senders.iter().any(|account| account.name == *name) {
        return Err(problem(CallError::NoCalls(name.clone())));
    }
    let known: Vec<&str> = rooms.callers.iter().map(|account| account.name.as_str()).collect();
    let detail = format!("there is no account {name}");
    Err(Problem::new(Cause::Unprocessable, detail, format!("known accounts: {}", known.join(", "))))
}

fn ran(account: AccountName, operation: String, ended: Ended) -> CallRan {
    let (kind, object) = ended.reply.seen.map(|(kind, seen)| (kind.to_string(), seen)).unzip();
    CallRan {
        account,
        operation,
        outcome: match ended.outcome {
            Outcome::Done => CallOutcome::Done,
            Outcome::NotAllowed => CallOutcome::NotAllowed,
            Outcome::Refused => CallOutcome::Refused,
            Outcome::TryLater => CallOutcome::TryLater,
            Outcome::InDoubt => CallOutcome::InDoubt,
        },
        detail: ended.detail,
        missing: ended.missing.into_iter().map(str::to_owned).collect(),
        would_send: ended.shown.map(|shown| CallShown { line: shown.line, fields: shown.fields }),
        attempt: ended.attempt,
        was_done_before: ended.was_done_before,
        sent: ended.sent,
        kind,
        object,
        facts: ended.reply.facts,
        watched: ended.watched.iter().map(ToString::to_string).collect(),
        request_id: ended.reply.request_id,
    }
}

fn line(attempt: &Attempt) -> CallAttempt {
    CallAttempt {
        account: attempt.account.clone(),
        attempt: attempt.label(),
        standing: attempt.standing.as_str().to_owned(),
        about: attempt.subject.as_ref().map(|subject| format!("{}/{}", subject.kind, subject.id)),
        amount: attempt.amount,
        begun_at: attempt.begun_at,
        changed_at: attempt.changed_at,
        sent: attempt.sent,
        detail: attempt.detail.clone(),
        objects: attempt.objects.iter().map(ToString::to_string).collect(),
    }
}

fn problem(error: CallError) -> Problem {
    let (cause, remedy) = match &error {
        CallError::Store(_) => (Cause::Unavailable, "see the log and `reconciled call --list`"),
        CallError::Unreadable { .. } => (Cause::Internal, "see the log, and do not change the store"),
        CallError::Bad { .. } => (Cause::Unprocessable, "nothing was sent"),
        CallError::NoCalls(_) => {
            (Cause::Unprocessable, "submit a file, even for a single row: reconciled batch submit")
        }
        CallError::UnderWay(_) => (Cause::TooSlow, "wait for it to finish"),
        CallError::OtherCall(_) => {
            (Cause::Conflict, "give the new call a reference or idempotencyKey of its own")
        }
        CallError::EarlierInDoubt(_) => {
            (Cause::Conflict, "repeat that one, or resolve it: see `reconciled call --list`")
        }
        CallError::Unknown(_) => (Cause::NotFound, "see: reconciled call ACCOUNT --list --all"),
        CallError::NotOpen { .. } => (Cause::Conflict, "see: reconciled call ACCOUNT --list --all"),
    };
    Problem::new(cause, error.to_string(), remedy)
}
