//! The loop that polls a provider's own health status, rarely, and how that status affects polling.
//!
//! Owns: when it is polled, within a quota of its own, and that the status survives a restart. Must never know: the
//! provider's words.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::documents;
use crate::payments::object::{AccountName, Kind};
use crate::payments::observation::Failure;
use crate::payments::provider_health::{self, Health, ProviderHealth, SILENT_POLLS};
use crate::payments::schedule::Policy;
use crate::store::StoreError;

use super::{Account, Reconcile};

/// The longest sleep between two checks of the clock: a jump of the wall clock is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// What is known about one account's provider.
#[derive(Debug)]
pub(super) struct Watched {
    service: ProviderHealth,
    /// Polls in a row without an answer.
    silent_polls: u32,
    wake: Arc<Notify>,
}

impl Reconcile {
    /// The health that the provider of an account reports; none when it is not polled for that.
    pub fn service(&self, account: &AccountName) -> Option<ProviderHealth> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.get(account).map(|watched| watched.service.clone())
    }

    /// Follows the health that the provider reports, until `stop`. Ends at once for an account whose provider is not
    /// polled for it.
    ///
    /// # Errors
    /// Only when the store fails.
    pub async fn follow_service(
        self: Arc<Self>,
        account: Arc<Account>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let Some(operation) = account.api.service_operation() else {
            self.services.lock().unwrap_or_else(PoisonError::into_inner).remove(&account.name);
            return Ok(());
        };
        let wake = self.begin(&account).await?;
        loop {
            let now = self.clock.now();
            let service = self.service(&account.name).unwrap_or_else(|| ProviderHealth::unknown(now));
            let ready = match service.wait(now) {
                Duration::ZERO => self.pace.take(&account.name, operation),
                wait => Err(wait),
            };
            let permit = match ready {
                Ok(permit) => permit,
                Err(wait) => {
                    let wait = wait.clamp(Duration::from_millis(1), LONGEST_WAIT);
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        () = wake.notified() => {}
                        () = self.clock.sleep(wait) => {}
                    }
                    continue;
                }
            };
            let said = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                said = account.api.service_status(permit) => said,
            };
            self.take_note(&account, service, said).await?;
        }
    }

    async fn begin(&self, account: &Account) -> Result<Arc<Notify>, StoreError> {
        let now = self.clock.now();
        let stored = documents::read_if_sound(&self.store, &name(account)).await?;
        // Whatever is known, the first request is due at once. The budget decides when it is sent.
        let known = self.service(&account.name).or(stored).unwrap_or_else(|| ProviderHealth::unknown(now));
        let service = ProviderHealth { next_at: now, ..known };
        let wake = Arc::new(Notify::new());
        let watched = Watched { service, silent_polls: 0, wake: Arc::clone(&wake) };
        self.services.lock().unwrap_or_else(PoisonError::into_inner).insert(account.name.clone(), watched);
        Ok(wake)
    }

    async fn take_note(
        &self,
        account: &Account,
        before: ProviderHealth,
        said: Result<provider_health::ServiceReport, Failure>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (after, turn) = match said {
            Ok(said) => {
                self.answered_elsewhere(&account.name);
                before.reported(said, now)
            }
            Err(failure) => {
                tracing::debug!(account = %account.name, %failure, "the provider does not report its health");
                (before.unanswered(now), None)
            }
        };
        // Raised before it is stored: if the process is killed in between, the next report is a change again.
        if let Some(alert) = turn.and_then(|turn| {
            provider_health::notice(&account.name, &after, turn, account.api.where_to_look(), now)
        }) {
            self.raise(account, alert).await?;
        }
        if after.since != before.since
            && let Some(said) = &after.report
        {
            tracing::info!(
                account = %account.name, word = said.word,
                message = said.message.as_deref().unwrap_or_default(), "the provider reports its health"
            );
            let text = serde_json::to_string(&after).unwrap_or_default();
            self.store.remember(&name(account), &text).await?;
        }
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = services.get_mut(&account.name) {
            (watched.service, watched.silent_polls) = (after, 0);
        }
        Ok(())
    }

    /// The provider's health, as far as it affects polling.
    pub(super) fn health(&self, account: &AccountName, now: Timestamp) -> Health {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.get(account).map_or(Health::Normal, |watched| watched.service.health(now))
    }

    /// How a kind is polled at the provider's present health.
    pub(super) fn policy(&self, account: &Account, kind: &Kind, now: Timestamp) -> Policy {
        let policy = self.with_plans(account, kind, account.policy(kind));
        provider_health::steered(policy, self.health(&account.name, now))
    }

    /// After several polls without an answer, polls the provider's health sooner.
    pub(super) fn note_poll(&self, account: &AccountName, failure: Option<&Failure>, now: Timestamp) {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(watched) = services.get_mut(account) else { return };
        match failure {
            Some(Failure::Transient { .. }) => watched.silent_polls = watched.silent_polls.saturating_add(1),
            Some(Failure::Throttled { .. }) => {}
            _ => watched.silent_polls = 0,
        }
        if watched.silent_polls == SILENT_POLLS {
            watched.service = watched.service.polled_sooner(now);
            watched.wake.notify_one();
        }
    }
}

fn name(account: &Account) -> String {
    format!("service-status/{}", account.name)
}
