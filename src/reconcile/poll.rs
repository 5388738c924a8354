//! One poll: ask, decide, commit.

use crate::apis::pace::Permit;
use crate::payments::decide::{Setting, decide};
use crate::payments::lifecycle::Phase;
use crate::payments::observation::{Failure, Observation};
use crate::payments::planted::{Bug, is_planted};
use crate::payments::record::Record;
use crate::store::{Commit, Committed, OwedAlert, StoreError};

use super::{Account, Reconcile};

/// How often a decision is made anew because somebody else changed the object meanwhile.
const COMMIT_ATTEMPTS: u32 = 5;

/// What a poll came to, for the loop that started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Polled {
    /// The provider answered about the object, or said that it is not there, or was out of order.
    Answered,
    /// The provider refuses the whole account.
    AccountRefused { detail: String },
    /// No word about the credentials was heard: time-outs, throttling.
    Unheard,
}

impl Reconcile {
    /// Asks about one object and writes down what it means. An account's only poll needs no slot of the
    /// process: however many others hang, nobody is kept from asking at all.
    pub(super) async fn poll(
        &self,
        account: &Account,
        record: Record,
        permit: Permit,
        is_only: bool,
    ) -> Result<Polled, StoreError> {
        let _slot = if is_only { None } else { self.at_once.acquire().await.ok() };
        let seen = account.api.fetch(&record.object.kind, &record.object.id, permit).await;
        let polled = match &seen {
            Ok(_) => Polled::Answered,
            Err(Failure::Refused { is_whole_account: true, detail }) => {
                Polled::AccountRefused { detail: detail.clone() }
            }
            Err(Failure::Gone { .. } | Failure::Refused { .. }) => Polled::Answered,
            Err(Failure::Throttled { .. } | Failure::Transient { .. } | Failure::Garbled { .. }) => {
                Polled::Unheard
            }
        };
        let failure = seen.as_ref().err().map(Failure::class);
        let now = self.clock.now();
        self.note_poll(&account.name, seen.as_ref().err(), now);
        let has_moved = self.commit(account, record, seen).await?;
        self.tally(&account.name, |tally| {
            tally.polls += 1;
            tally.last_poll_at = Some(now);
            match failure {
                None => tally.seen += 1,
                Some(class) => *tally.failures.entry(class).or_default() += 1,
            }
            tally.moved += u64::from(has_moved);
        });
        Ok(polled)
    }

    /// Decides on the newest record and commits; true when a new state was written.
    pub(super) async fn commit(
        &self,
        account: &Account,
        mut record: Record,
        seen: Result<Observation, Failure>,
    ) -> Result<bool, StoreError> {
        let Some(lifecycle) = account.api.lifecycle(&record.object.kind) else { return Ok(false) };
        let policy = self.policy(account, &record.object.kind, self.clock.now());
        let setting =
            Setting { lifecycle, policy: &policy, look: account.api.look(), is_sandbox: account.is_sandbox };
        let object = record.object.clone();
        for _ in 0..COMMIT_ATTEMPTS {
            let decision = decide(&setting, &record, seen.as_ref(), self.clock.now());
            let moved = decision.transition.clone();
            if let Some(transition) = &moved {
                let object = &transition.object;
                tracing::info!(
                    account = %object.account, kind = %object.kind, id = %object.id,
                    from = transition.from.as_deref().unwrap_or("unseen"), to = %transition.to,
                    reason = %transition.reasons.join(","), note = %transition.note, "state seen"
                );
            }
            let alerts = decision
                .alerts
                .into_iter()
                .map(|alert| OwedAlert { targets: (self.routes)(&alert, account.is_sandbox), alert })
                .collect();
            let enrol = decision
                .enrol
                .into_iter()
                .filter(|child| account.api.lifecycle(&child.object.kind).is_some())
                .filter(|_| !is_planted(Bug::ChildNotEnrolled))
                .collect();
            let mut commit = Commit {
                read: record,
                record: decision.record,
                transition: decision.transition,
                enrol,
                alerts,
                is_news: decision.is_news,
            };
            let late = if is_planted(Bug::AlertAfterCommit) {
                std::mem::take(&mut commit.alerts)
            } else {
                Vec::new()
            };
            match self.store.commit(commit).await? {
                Committed::Written => {
                    if !late.is_empty() {
                        self.store.raise(late, self.clock.now()).await?;
                    }
                    let is_final = moved.as_ref().is_some_and(|row| row.phase == Phase::Final);
                    tracing::debug!(%object, is_final, "committed");
                    return Ok(moved.is_some_and(|row| row.from.as_deref() != Some(row.to.as_str())));
                }
                Committed::Forgotten => return Ok(false),
                Committed::Stale => match self.store.record(&object).await? {
                    Some(newest) => record = newest,
                    None => return Ok(false),
                },
            }
        }
        tracing::warn!(%object, "the object kept changing under the poll; it is asked about again");
        Ok(false)
    }
}
