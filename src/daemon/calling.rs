//! Answers what an operator asks of single operations, from the `calls` room, and gives that room its rhythm.
//!
//! Owns: the translation between the two rooms. Must never know: steps, providers.

use std::sync::Arc;
use std::time::Duration;

use crate::apis::Account;
use crate::calls::{Attempt, CallError, Calls, Ended, Outcome, Wanted};
use crate::control::calling::{
    CallAnswer, CallAttempt, CallOperation, CallOutcome, CallParameter, CallRan, CallRequest, CallShown,
    CallWanted,
};
use crate::control::problem::{Cause, Problem};
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::task::{Done, Round, Work};

use super::Daemon;

/// What to do about an account whose operations only go in batches.
const NOT_SINGLY: &str = "submit a file, of one row if need be: reconciled batch submit";
/// The longest that a call may wait for its turn, seconds.
const LONGEST_WAIT_S: u64 = 420;

/// Answers one question.
pub(super) async fn answer(daemon: &Arc<Daemon>, request: CallRequest) -> Result<CallAnswer, Problem> {
    let calls = &daemon.foundation.calls;
    match request {
        CallRequest::Run(wanted) => run(daemon, wanted).await.map(|ran| CallAnswer::Ran(Box::new(ran))),
        CallRequest::Operations { account } => {
            let account = find(daemon, &account)?;
            Ok(CallAnswer::Operations(operations(daemon, &account)))
        }
        CallRequest::List { account, all } => {
            let attempts = calls.list(account.as_ref(), all).await.map_err(problem)?;
            Ok(CallAnswer::Listed(attempts.iter().map(line).collect()))
        }
        CallRequest::End { account, attempt, was_done } => {
            let attempt = calls.end(&account, &attempt, was_done).await.map_err(problem)?;
            Ok(CallAnswer::Ended(line(&attempt)))
        }
    }
}

/// Goes on when the asker hangs up: what was begun is finished.
async fn run(daemon: &Arc<Daemon>, wanted: CallWanted) -> Result<CallRan, Problem> {
    let account = find(daemon, &wanted.account)?;
    let calls = Arc::clone(&daemon.foundation.calls);
    let CallWanted { account: name, operation, parameters, confirmed, wait_s } = wanted;
    let patience = Duration::from_secs(wait_s.min(LONGEST_WAIT_S));
    let asked = Wanted { operation: operation.clone(), parameters, is_confirmed: confirmed, patience };
    if !daemon.is_daemon {
        let rooms = daemon.rooms();
        super::rooms::restore_once(daemon, &rooms).await.map_err(|error| problem(error.into()))?;
    }
    let running = tokio::spawn(async move { calls.run(&account, &asked).await });
    let ended = running.await.map_err(|_| {
        Problem::new(Cause::Internal, "the call broke off", "see the log, and `reconciled call --list`")
    })?;
    if !daemon.is_daemon {
        let foundation = &daemon.foundation;
        super::levels::save(&foundation.store, &foundation.pace, foundation.clock.now())
            .await
            .map_err(|error| problem(error.into()))?;
    }
    let ended = ended.map_err(problem)?;
    if ended.outcome == Outcome::Done && ended.sent > 0 {
        daemon.reconcile.answered_elsewhere(&name);
    }
    Ok(ran(name, operation, ended))
}

fn find(daemon: &Daemon, name: &AccountName) -> Result<Arc<Account>, Problem> {
    let rooms = daemon.rooms();
    if let Some(account) = rooms.callers.iter().find(|account| account.name == *name) {
        return Ok(Arc::clone(account));
    }
    if rooms.senders.iter().any(|account| account.name == *name) {
        return Err(problem(CallError::NoCalls(name.clone())));
    }
    let known: Vec<&str> = rooms.callers.iter().map(|account| account.name.as_str()).collect();
    let detail = format!("there is no account {name}");
    Err(Problem::new(Cause::Unprocessable, detail, format!("there are: {}", known.join(", "))))
}

fn operations(daemon: &Daemon, account: &Account) -> Vec<CallOperation> {
    let known = account.api.calls().map(|calls| calls.operations()).unwrap_or_default().into_iter();
    known
        .map(|operation| CallOperation {
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
            quota: daemon
                .foundation
                .pace
                .quota(&account.name, operation.name)
                .map(|quota| (quota.burst, u64::try_from(quota.per.as_micros()).unwrap_or(u64::MAX))),
        })
        .collect()
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
        CallError::Unreadable { .. } => (Cause::Internal, "see the log, and keep the store as it is"),
        CallError::Bad { .. } => (Cause::Unprocessable, "nothing was sent"),
        CallError::NoCalls(_) => (Cause::Unprocessable, NOT_SINGLY),
        CallError::UnderWay(_) => (Cause::TooSlow, "wait for it"),
        CallError::OtherCall(_) => {
            (Cause::Conflict, "give the new call a reference or idempotencyKey of its own")
        }
        CallError::EarlierInDoubt(_) => {
            (Cause::Conflict, "repeat that one, or end it: see `reconciled call --list`")
        }
        CallError::Unknown(_) => (Cause::NotFound, "see: reconciled call ACCOUNT --list --all"),
        CallError::NotOpen { .. } => (Cause::Conflict, "see: reconciled call ACCOUNT --list --all"),
    };
    Problem::new(cause, error.to_string(), remedy)
}

/// Finds out what became of calls in doubt.
pub(super) struct Settling {
    pub(super) calls: Arc<Calls>,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) routes: Routes,
}

impl Work for Settling {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let (mut done, mut not_done, mut open, mut faults) = (0, 0, 0, Vec::new());
            for account in &self.accounts {
                match self.calls.settle(account, &self.routes).await {
                    Ok(settled) => {
                        done += settled.done;
                        not_done += settled.not_done;
                        open += settled.open;
                    }
                    Err(error) => faults.push(format!("{}: {error}", account.name)),
                }
            }
            if !faults.is_empty() {
                return Err(faults.join("; "));
            }
            let summary = format!("{done} found done, {not_done} found not done, {open} in doubt");
            Ok(Done { summary, again_in: None })
        })
    }
}
