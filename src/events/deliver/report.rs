//! What is reported to people about a receiver that fails.
//!
//! Owns: the texts, how often each is said, and what of it a restart must know. Must never know: how an event is
//! delivered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::BackOffice;
use crate::documents::read_if_sound;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::store::{OwedAlert, Store, StoreError};
use crate::time::between;

/// A receiver that has failed for this long is reported.
const SILENT_AFTER: Duration = Duration::from_secs(3600);

/// A silence whose beginning was reported and whose end was not. Both alerts have the same account and occasion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Silence {
    account: AccountName,
    since: Timestamp,
}

/// What a restart must know, if there is something. It is read from the store at its first use.
pub(super) struct Kept<T> {
    stored_as: String,
    value: OnceCell<Mutex<Option<T>>>,
}

impl<T: Clone + Serialize + DeserializeOwned> Kept<T> {
    /// `beginning` says what it is; the receiver's name follows in the name that it is stored under.
    pub(super) fn new(beginning: &str, receiver: &str) -> Kept<T> {
        Kept { stored_as: format!("{beginning}{receiver}"), value: OnceCell::new() }
    }

    async fn get(&self, store: &Store) -> Result<Option<T>, StoreError> {
        let known = self.value.get_or_try_init(|| self.read(store)).await?;
        let value = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(value)
    }

    /// Reads it again: another host may have changed it.
    async fn read_again(&self, store: &Store) -> Result<(), StoreError> {
        if let Some(known) = self.value.get() {
            let stored: Option<Option<T>> = read_if_sound(store, &self.stored_as).await?;
            *known.lock().unwrap_or_else(PoisonError::into_inner) = stored.flatten();
        }
        Ok(())
    }

    async fn read(&self, store: &Store) -> Result<Mutex<Option<T>>, StoreError> {
        let stored: Option<Option<T>> = read_if_sound(store, &self.stored_as).await?;
        Ok(Mutex::new(stored.flatten()))
    }

    /// Stored before the alert that begins it, and after the one that ends it: a crash in between repeats an alert
    /// under its key, and leaves no beginning without an end.
    async fn set(&self, store: &Store, value: Option<T>) -> Result<(), StoreError> {
        let text = serde_json::to_string(&value).expect("it has text keys only");
        store.remember(&self.stored_as, &text).await?;
        if let Some(known) = self.value.get() {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = value;
        }
        Ok(())
    }
}

impl BackOffice {
    /// Reads again what another host may have changed. To be called before this host begins to deliver.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn read_again(&self) -> Result<(), StoreError> {
        self.silence.read_again(&self.ports.store).await?;
        self.gone.read_again(&self.ports.store).await
    }

    /// Reports a receiver that asked for no more events, once until it is enabled or accepts one.
    pub(super) async fn report_gone(&self, waiting: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let name = &self.receiver.name;
        let store = &self.ports.store;
        // It may have been reported before the last restart. Then the alert has the same key, and is not raised again.
        let since = match self.gone.get(store).await? {
            Some(since) => since,
            None => {
                self.gone.set(store, Some(now)).await?;
                now
            }
        };
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
                &format!("gone/{}", since.as_second()),
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
        let store = &self.ports.store;
        let silence = match self.silence.get(store).await? {
            Some(known) => known,
            None => {
                let begun = Silence { account: self.account_for(waiting).clone(), since };
                self.silence.set(store, Some(begun.clone())).await?;
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

    /// The next answer that the receiver is gone is reported.
    pub(super) async fn forget_gone(&self) -> Result<(), StoreError> {
        let store = &self.ports.store;
        match self.gone.get(store).await? {
            Some(_) => self.gone.set(store, None).await,
            None => Ok(()),
        }
    }

    /// Reports that a receiver accepts events again, if its silence was reported.
    pub(super) async fn report_return(&self, now: Timestamp) -> Result<(), StoreError> {
        self.forget_gone().await?;
        let Some(silence) = self.silence.get(&self.ports.store).await? else { return Ok(()) };
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
        self.silence.set(&self.ports.store, None).await
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
