//! What is reported to people about a receiver that fails.
//!
//! Owns: the texts, how often each is said, and what of it a restart must know. Must never know: how an event is
//! delivered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackOffice;
use crate::documents::read_if_sound;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::store::{OwedAlert, StoreError};
use crate::time::between;

/// A receiver that has failed for this long is reported.
const SILENT_AFTER: Duration = Duration::from_secs(3600);
/// Begins the name of what is stored about a receiver's silence.
const STORED_AS: &str = "silent-receiver/";

/// A silence whose beginning was reported and whose end was not. Both alerts have the same account and occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Silence {
    account: AccountName,
    since: Timestamp,
}

impl BackOffice {
    /// Reports a receiver that asked for no more events.
    pub(super) async fn report_gone(&self, waiting: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let name = &self.receiver.name;
        let alert = Alert {
            headline: format!("Events for {name} have stopped: it answered HTTP 410 (gone)"),
            explanation: "The receiver asks for no more events. New events wait, and none is lost."
                .to_owned(),
            advice: format!(
                "Fix the receiver or its address, then send the waiting events with `reconciled events enable \
                 {name}`. If the receiver is gone for good, remove its section."
            ),
            ..self.about(
                AlertKind::Undelivered,
                &format!("gone/{}", now.as_second()),
                self.account_for(waiting),
                now,
            )
        };
        self.report(alert).await
    }

    /// Reports an event that was given up, once a day for each account.
    pub(super) async fn report_dead(
        &self,
        lost: &Alert,
        error: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (name, day) = (&self.receiver.name, now.strftime("%Y-%m-%d"));
        let object = lost.object.as_ref().map(ToString::to_string).unwrap_or_default();
        let alert = Alert {
            headline: format!("Events for {name} could not be delivered"),
            explanation: format!(
                "{name} did not accept an event in time ({error}). The last event given up: {} of {object}.",
                lost.kind
            ),
            advice: format!(
                "Check the receiver with `reconciled events test {name}`, then send the given-up events again with \
                 `reconciled events redeliver --all-dead`."
            ),
            ..self.about(AlertKind::Undelivered, &format!("{}/{day}", lost.account), &lost.account, now)
        };
        self.report(alert).await
    }

    /// Reports a receiver that has failed for an hour, once until it works again, and then that it does.
    pub(super) async fn report_silence(&self, waiting: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let (failing_since, is_reported, error) = {
            let health = self.health();
            (health.failing_since, health.is_silence_reported, health.last_error.clone().unwrap_or_default())
        };
        let Some(since) = failing_since else { return self.report_return(now).await };
        if is_reported || between(since, now) < SILENT_AFTER {
            return Ok(());
        }
        // It may have begun before the last restart. Then the alert has the same key, and is not raised again.
        let silence = match self.silence().await? {
            Some(known) => known,
            None => {
                let begun = Silence { account: self.account_for(waiting).clone(), since };
                self.remember_silence(Some(begun.clone())).await?;
                begun
            }
        };
        let (name, since) = (&self.receiver.name, silence.since);
        let alert = Alert {
            headline: format!("{name} has accepted no event for an hour"),
            explanation: format!(
                "Every delivery to {name} has failed since {since} ({error}). Events wait and are retried."
            ),
            advice: format!("Check the receiver with `reconciled events test {name}`."),
            ..self.about(AlertKind::TargetSilent, &since.as_second().to_string(), &silence.account, now)
        };
        self.report(alert).await?;
        self.health().is_silence_reported = true;
        Ok(())
    }

    /// Reports that a receiver accepts events again, if its silence was reported.
    pub(super) async fn report_return(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(silence) = self.silence().await? else { return Ok(()) };
        let name = &self.receiver.name;
        let alert = Alert {
            severity: Severity::Info,
            headline: format!("{name} accepts events again"),
            explanation: "What waited is being delivered.".to_owned(),
            advice: format!(
                "Nothing to do, unless `reconciled events list --receiver {name} --state dead` lists given-up \
                 events."
            ),
            ..self.about(
                AlertKind::TargetSilent,
                &format!("{}/ended", silence.since.as_second()),
                &silence.account,
                now,
            )
        };
        self.report(alert).await?;
        self.remember_silence(None).await
    }

    /// The silence that was reported and is not over, also from before a restart.
    async fn silence(&self) -> Result<Option<Silence>, StoreError> {
        let known = self.silence.get_or_try_init(|| self.read_silence()).await?;
        let silence = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(silence)
    }

    async fn read_silence(&self) -> Result<Mutex<Option<Silence>>, StoreError> {
        let name = format!("{STORED_AS}{}", self.receiver.name);
        let stored: Option<Option<Silence>> = read_if_sound(&self.ports.store, &name).await?;
        Ok(Mutex::new(stored.flatten()))
    }

    /// Stored before the alert that begins a silence, and after the one that ends it: a crash in between repeats an
    /// alert under its key, and leaves no silence without an end.
    async fn remember_silence(&self, silence: Option<Silence>) -> Result<(), StoreError> {
        let name = format!("{STORED_AS}{}", self.receiver.name);
        let text = serde_json::to_string(&silence).expect("a silence has text keys only");
        self.ports.store.remember(&name, &text).await?;
        if let Some(known) = self.silence.get() {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = silence;
        }
        Ok(())
    }

    /// The account by which an alert about the receiver as a whole is routed. The event at hand may be a sandbox's,
    /// which would hide the alert from the targets for live money.
    fn account_for<'a>(&'a self, waiting: &'a Alert) -> &'a AccountName {
        self.receiver.account_for_alerts.as_ref().unwrap_or(&waiting.account)
    }

    fn about(&self, kind: AlertKind, occasion: &str, account: &AccountName, now: Timestamp) -> Alert {
        Alert {
            where_to_look: format!("reconciled events list --receiver {}", self.receiver.name),
            ..Alert::new(kind, &format!("{}/{occasion}", self.target), Severity::Critical, account, now)
        }
    }

    async fn report(&self, alert: Alert) -> Result<(), StoreError> {
        let is_sandbox = self.ports.sandbox_accounts.contains(&alert.account);
        let targets = (self.ports.routes)(&alert, is_sandbox);
        if targets.is_empty() && alert.severity == Severity::Critical {
            tracing::error!(
                receiver = self.receiver.name,
                "{}, and no alert target gets this",
                alert.headline
            );
        }
        self.ports.store.raise(vec![OwedAlert { alert, targets }]).await.map(drop)
    }
}
