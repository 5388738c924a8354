//! What is reported to people about a receiver that fails.
//!
//! Owns: the texts, and how often each is said. Must never know: how an event is delivered.

use std::time::Duration;

use jiff::Timestamp;

use super::BackOffice;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::store::{OwedAlert, StoreError};
use crate::time::between;

/// A receiver that has failed for this long is reported.
const SILENT_AFTER: Duration = Duration::from_secs(3600);

impl BackOffice {
    /// Reports a receiver that asked for no more events.
    pub(super) async fn report_gone(&self, waiting: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let name = &self.receiver.name;
        let alert = Alert {
            headline: format!("Events for {name} are stopped: it answers that it is gone"),
            explanation:
                "The receiver answered HTTP 410, by which it asks for no more events. They wait, and none \
                          is lost."
                    .to_owned(),
            advice: format!(
                "Mend the receiver or its address, then send what waits with `reconciled events enable {name}`. \
                 If it is gone for good, remove its section."
            ),
            ..self.about(AlertKind::Undelivered, &format!("gone/{}", now.as_second()), waiting, now)
        };
        self.report(alert, now).await
    }

    /// Reports an event that was given up, once a day.
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
                "{name} has refused an event for too long ({error}). The last one given up: {} of {object}.",
                lost.kind
            ),
            advice: format!(
                "Check the receiver with `reconciled events test {name}`, then send what was given up with \
                 `reconciled events redeliver --all-dead`."
            ),
            ..self.about(AlertKind::Undelivered, &day.to_string(), lost, now)
        };
        self.report(alert, now).await
    }

    /// Reports a receiver that has failed for an hour, once until it works again.
    pub(super) async fn report_silence(&self, waiting: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let (since, error) = {
            let mut health = self.health();
            let Some(since) = health.failing_since else { return Ok(()) };
            if health.is_silence_reported || between(since, now) < SILENT_AFTER {
                return Ok(());
            }
            health.is_silence_reported = true;
            (since, health.last_error.clone().unwrap_or_default())
        };
        let name = &self.receiver.name;
        let alert = Alert {
            headline: format!("{name} has accepted no event for an hour"),
            explanation: format!(
                "Every delivery to {name} has failed since {since} ({error}). Events wait and are retried."
            ),
            advice: format!("Check the receiver with `reconciled events test {name}`."),
            ..self.about(AlertKind::TargetSilent, &since.as_second().to_string(), waiting, now)
        };
        self.report(alert, now).await
    }

    fn about(&self, kind: AlertKind, occasion: &str, waiting: &Alert, now: Timestamp) -> Alert {
        Alert {
            where_to_look: format!("reconciled events list --receiver {}", self.receiver.name),
            ..Alert::new(
                kind,
                &format!("{}/{occasion}", self.target),
                Severity::Critical,
                &waiting.account,
                now,
            )
        }
    }

    async fn report(&self, alert: Alert, now: Timestamp) -> Result<(), StoreError> {
        let is_sandbox = self.ports.sandbox_accounts.contains(&alert.account);
        let targets = (self.ports.routes)(&alert, is_sandbox);
        if targets.is_empty() {
            tracing::error!(
                receiver = self.receiver.name,
                "{}, and no alert target gets this",
                alert.headline
            );
        }
        self.ports.store.raise(vec![OwedAlert { alert, targets }], now).await.map(drop)
    }
}
