//! What a hint does: its object is due now. The poll that follows decides everything else.
//!
//! Owns: which objects become due, which are added, what is counted. Must never know: who sent the hint.

use jiff::Timestamp;

use super::Hub;
use super::channel::Channel;
use super::receive::{Answer, Failed, Unverified};
use super::unverified::Kept;
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
            (self.reports)(account.name.clone(), report_id.clone()).await.map_err(Failed::Store)?;
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
                known.state.lane.remove(object);
                match answer {
                    Announced::Due => {}
                    Announced::Finished => known.state.counts.finished_objects += 1,
                    Announced::Unknown => missing.push(object.clone()),
                }
            }
        }
        self.unknown(channel, &account, missing, now).await
    }

    /// Objects that nobody watches: added if the account says so and their final states are announced, otherwise shown.
    async fn unknown(
        &self,
        channel: &Channel,
        account: &Account,
        missing: Vec<ObjectRef>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let announced = account.api.notifications().map(|notifier| notifier.announced_kinds());
        let announced = announced.unwrap_or_default();
        let fits = |object: &ObjectRef| {
            account.discovers_by_notifications
                && announced.contains(&object.kind.as_str())
                && account.api.lifecycle(&object.kind).is_some()
                && account.api.accepts(&object.kind, &object.id).is_ok()
                && !object.id.is_folded_in_paths()
        };
        let (added, shown): (Vec<ObjectRef>, Vec<ObjectRef>) = missing.into_iter().partition(fits);
        if !added.is_empty() {
            let enrolment =
                |object: &ObjectRef| Enrolment { object: object.clone(), details: Details::default() };
            let enrolments = added.iter().map(enrolment).collect();
            for object in &added {
                tracing::info!(%object, "an object that a notification named is watched from now on");
            }
            self.store.enrol(enrolments, now).await?;
        }
        let mut known = channel.known();
        known.state.counts.discovered += u64::try_from(added.len()).unwrap_or_default();
        shown.iter().for_each(|object| known.state.unknown(object, now));
        Ok(())
    }

    /// Keeps the hints of a notification that cannot be verified. It never adds an object.
    pub(super) async fn unverified(
        &self,
        channel: &Channel,
        notification: Notification,
        why: Unverified,
    ) -> Result<Answer, Failed> {
        let account = channel.account();
        {
            let mut known = channel.known();
            known.state.unverified(why.reason);
            known.is_changed = true;
        }
        let hints = if self.settings.unverified_per_hour == 0 { Vec::new() } else { notification.hints };
        let (mut new, mut is_full) = (Vec::new(), false);
        for hint in hints {
            let object = ObjectRef { account: account.name.clone(), kind: hint.kind, id: hint.id };
            // A poll since then has seen what it announces, and one that is due will.
            let (record, now) = (self.store.record(&object).await?, self.clock.now());
            let is_waiting = record.is_some_and(|record| {
                record.due_at.is_some_and(|due_at| due_at > now)
                    && record.observed.as_ref().is_none_or(|observed| observed.seen_at < why.sent_at)
            });
            if !is_waiting {
                continue;
            }
            let kept = channel.known().state.lane.keep(&object);
            match kept {
                Kept::New => new.push(object),
                Kept::Known => {}
                Kept::Full => is_full = true,
            }
        }
        if !new.is_empty() {
            if let Err(error) = self.write_state(channel).await {
                let mut known = channel.known();
                new.iter().for_each(|object| known.state.lane.remove(object));
                return Err(error.into());
            }
            self.wake.notify_one();
        }
        // What names the trusted topic may be verifiable when it comes again.
        Ok(if is_full || why.names_trusted { self.postponed(channel) } else { Answer::Stored })
    }

    /// Makes an alert pending for the targets that receive it.
    pub(super) async fn raise(&self, account: &Account, alert: Alert) -> Result<(), StoreError> {
        let targets = (self.routes)(&alert, account.is_sandbox);
        self.store.raise(vec![OwedAlert { alert, targets }]).await.map(drop)
    }
}
