//! What a hint does: its object is due now. The poll that follows decides everything else.
//!
//! Owns: which objects become due, which are added, what is counted. Must never know: who sent the hint.

use jiff::Timestamp;

use super::Hub;
use super::channel::Channel;
use super::receive::{Answer, Failed};
use crate::apis::Account;
use crate::apis::notifications::Notification;
use crate::payments::alert::Alert;
use crate::payments::object::ObjectRef;
use crate::payments::record::{Details, Enrolment};
use crate::store::{Announced, OwedAlert, StoreError};

/// The most objects that one hint wakes besides its own.
const MOST_WOKEN: usize = 50;

impl Hub {
    /// Makes what a verified notification announces due. Durable when it returns.
    pub(super) async fn apply(
        &self,
        channel: &Channel,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let account = channel.account();
        if notification.is_sample {
            channel.known().state.counts.without_object += 1;
            return Ok(());
        }
        if let Some(report_id) = &notification.report_id {
            let reported = (self.reports)(account.name.clone(), report_id.clone()).await;
            if let Err(error) = reported {
                tracing::warn!(account = %account.name, error, "the report of a notification is not used");
            }
        }
        let mut named = Vec::with_capacity(notification.hints.len());
        let heard = self.moment();
        for hint in &notification.hints {
            let object =
                ObjectRef { account: account.name.clone(), kind: hint.kind.clone(), id: hint.id.clone() };
            if let Some(beginning) = &hint.wakes {
                let woken = self.store.open_beginning_with(beginning, MOST_WOKEN).await?;
                named.extend(woken.into_iter().filter(|woken| woken.account == account.name));
            }
            // Objects that it wakes besides are not announced by it: they have notifications of their own.
            channel.known().hinted(&object, heard);
            named.push(object);
        }
        if named.is_empty() && notification.report_id.is_none() {
            channel.known().state.counts.without_object += 1;
        }
        let answers = self.store.announce(named.clone(), now).await?;
        let mut missing = Vec::new();
        {
            let mut known = channel.known();
            for (object, answer) in named.iter().zip(answers) {
                match answer {
                    Announced::Due => {}
                    Announced::Finished => known.state.counts.finished_objects += 1,
                    Announced::Unknown => missing.push(object.clone()),
                }
            }
        }
        self.unknown(channel, &account, missing, now).await
    }

    /// Objects that nobody watches: added if the account says so, otherwise shown.
    async fn unknown(
        &self,
        channel: &Channel,
        account: &Account,
        missing: Vec<ObjectRef>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let fits = |object: &&ObjectRef| {
            account.api.lifecycle(&object.kind).is_some()
                && account.api.accepts(&object.kind, &object.id).is_ok()
                && !object.id.is_folded_in_paths()
        };
        if account.discovers_by_notifications {
            let enrolments: Vec<Enrolment> = missing
                .iter()
                .filter(fits)
                .map(|object| Enrolment { object: object.clone(), details: Details::default() })
                .collect();
            if enrolments.is_empty() {
                return Ok(());
            }
            let number = enrolments.len();
            for enrolment in &enrolments {
                tracing::info!(object = %enrolment.object, "an object that a notification named is watched from now on");
            }
            self.store.enrol(enrolments, now).await?;
            let mut known = channel.known();
            known.state.counts.discovered += u64::try_from(number).unwrap_or_default();
            return Ok(());
        }
        let mut is_news = false;
        for object in &missing {
            is_news |= channel.known().state.unknown(object, now);
        }
        if is_news {
            self.write_state(channel).await?;
        }
        Ok(())
    }

    /// Keeps the hints of a notification that cannot be verified. It never adds an object.
    pub(super) async fn unverified(
        &self,
        channel: &Channel,
        notification: Notification,
        reason: &'static str,
    ) -> Result<Answer, Failed> {
        let account = channel.account();
        {
            let mut known = channel.known();
            known.state.unverified(reason);
            known.is_changed = true;
        }
        let mut is_kept = false;
        for hint in notification.hints {
            let object = ObjectRef { account: account.name.clone(), kind: hint.kind, id: hint.id };
            let is_waiting = self.store.record(&object).await?.is_some_and(|record| record.due_at.is_some());
            if !is_waiting {
                continue;
            }
            if !channel.known().state.lane.keep(&object) {
                return Ok(self.postponed(channel));
            }
            is_kept = true;
        }
        if is_kept {
            self.write_state(channel).await?;
            self.wake.notify_one();
        }
        Ok(Answer::Stored)
    }

    /// Makes an alert pending for the targets that receive it.
    pub(super) async fn raise(
        &self,
        account: &Account,
        alert: Alert,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let targets = (self.routes)(&alert, account.is_sandbox);
        self.store.raise(vec![OwedAlert { alert, targets }], now).await.map(drop)
    }
}
