//! How a target fares, and who learns of it when it fails.
//!
//! Owns: when a target is paused, and the alerts about it. Must never know: any one target, what its messages say.

use std::time::Duration;

use jiff::Timestamp;

use super::super::classify::Verdict;
use super::super::outbox::wait_after;
use super::Deliverer;
use super::line::{Health, Line};
use crate::payments::alert::{Alert, AlertKind, Recipient, Severity};
use crate::payments::object::AccountName;
use crate::store::{OwedAlert, StoreError};
use crate::time::between;

/// A target that has failed for this long is reported.
const SILENT_AFTER: Duration = Duration::from_secs(3600);

impl Deliverer {
    /// Counts a target's failures and pauses the target, so that a hundred waiting messages do not cause a hundred
    /// attempts: after a failure, one message at a time tries whether it works again. Each error is logged once, until
    /// it changes.
    pub(super) fn note_health(
        &self,
        line: &Line,
        health: &mut Health,
        verdict: &Verdict,
        seed: u64,
        now: Timestamp,
    ) {
        let target = line.name();
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
                let was_well = health.is_well && health.last_error.is_none();
                let (sent_at, told_silent) = (health.sent_at, health.told_silent.take());
                *health = Health { sent_at, told_silent, is_well: was_well, ..Health::default() };
                return;
            }
            Verdict::Refused { why } => why,
        };
        if health.last_error.as_ref() != Some(why) {
            tracing::warn!(target_name = target, error = %why, "an alert was not delivered");
            health.last_error = Some(why.clone());
        }
    }

    /// Reports that a message was given up, once a day for each target and account (docs/src/reference/operations.md, section 3:
    /// silent loss is the worst outcome). Returns whether this made a new alert pending.
    pub(super) async fn tell_of_dead(
        &self,
        line: &Line,
        lost: &Alert,
        error: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let target = line.name();
        let day = now.strftime("%Y-%m-%d");
        let instead = match &line.channel.fallback {
            Some(fallback) => format!(" Given-up alerts go to {fallback} instead."),
            None => String::new(),
        };
        let alert = Alert {
            headline: format!("Alerts for {target} could not be delivered"),
            explanation: format!(
                "{target} refuses messages, or has accepted none for too long ({error}). The last alert given up: \
                 {}.{instead}",
                lost.headline
            ),
            advice: advice(target),
            ..self.about_target(
                AlertKind::Undelivered,
                &format!("{target}/{}/{day}", lost.account),
                &lost.account,
                target,
                now,
            )
        };
        self.tell_others(line, alert).await
    }

    /// Reports a target that has failed for an hour, once until it works again, and then that it does. Returns whether
    /// this made a new alert pending.
    pub(super) async fn tell_of_silence(
        &self,
        line: &Line,
        health: &mut Health,
        waiting: &Alert,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let target = line.name();
        let Some(since) = health.failing_since else {
            let is_back = health.last_error.is_none() && !std::mem::replace(&mut health.is_well, true);
            return if is_back { self.tell_of_return(line, health, now).await } else { Ok(false) };
        };
        if health.told_silent.is_some() || between(since, now) < SILENT_AFTER {
            return Ok(false);
        }
        if let Some(told) = self.told_silent(target).await? {
            // Before the last restart.
            health.told_silent = Some(told);
            return Ok(false);
        }
        let error = health.last_error.as_deref().unwrap_or("no answer");
        let occasion = format!("{target}/{}", since.as_second());
        let alert = Alert {
            headline: format!("{target} has accepted no alert for an hour"),
            explanation: format!(
                "Every delivery to {target} has failed since {since} ({error}). Messages wait and are retried."
            ),
            advice: advice(target),
            ..self.about_target(AlertKind::TargetSilent, &occasion, &waiting.account, target, now)
        };
        health.told_silent = Some((waiting.account.clone(), occasion));
        self.tell_others(line, alert).await
    }

    async fn tell_of_return(
        &self,
        line: &Line,
        health: &mut Health,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let target = line.name();
        let told = match health.told_silent.take() {
            Some(told) => Some(told),
            None => self.told_silent(target).await?,
        };
        let Some((account, occasion)) = told else { return Ok(false) };
        let alert = Alert {
            severity: Severity::Info,
            headline: format!("{target} accepts alerts again"),
            explanation: "What waited is being delivered.".to_owned(),
            advice: format!(
                "Nothing to do, unless `reconciled alerts list --target {target} --state dead` lists given-up \
                             alerts."
            ),
            ..self.about_target(AlertKind::TargetSilent, &format!("{occasion}/ended"), &account, target, now)
        };
        self.tell_others(line, alert).await
    }

    /// The account and the occasion of the alert which says that a target is silent, while that lasts.
    async fn told_silent(&self, target: &str) -> Result<Option<(AccountName, String)>, StoreError> {
        let prefix = format!("{}/", AlertKind::TargetSilent);
        let conditions = self.conditions().await?;
        let mut known = conditions.lasting().filter_map(|(account, key, _)| {
            let occasion = key.strip_prefix(&prefix)?;
            (occasion.rsplit_once('/')?.0 == target).then(|| (account.clone(), occasion.to_owned()))
        });
        Ok(known.next())
    }

    fn about_target(
        &self,
        kind: AlertKind,
        occasion: &str,
        account: &AccountName,
        target: &str,
        now: Timestamp,
    ) -> Alert {
        Alert {
            where_to_look: format!("reconciled alerts list --target {target}"),
            ..Alert::new(kind, occasion, Severity::Critical, account, now)
        }
    }

    /// Raises an alert about a target for its fallback; without one, for all others.
    async fn tell_others(&self, line: &Line, alert: Alert) -> Result<bool, StoreError> {
        let target = line.name();
        let others: Vec<Recipient> = match &line.channel.fallback {
            Some(fallback) => vec![fallback.as_str().into()],
            None => {
                self.targets().into_iter().filter(|other| *other != target).map(Recipient::from).collect()
            }
        };
        if others.is_empty() {
            tracing::error!(
                target_name = target,
                "{}, and there is no other target to report it to",
                alert.headline
            );
            return Ok(false);
        }
        let raised = self.store.raise(vec![OwedAlert { alert, targets: others }]).await?;
        Ok(raised > 0)
    }
}

fn advice(target: &str) -> String {
    format!(
        "Check the address of {target} with `reconciled alerts test --target {target}`, \
         then redeliver the given-up alerts with `reconciled alerts redeliver --all-dead --target {target}`."
    )
}
