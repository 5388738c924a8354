//! What is reported and stored when an account's standing changes: refused, accepted, without success.
//!
//! Owns: the order of storing and raising, what a restart restores. Must never know: when polls are sent.

use futures_util::StreamExt;

use crate::payments::object::Kind;
use crate::store::{Filter, StoreError};

use super::circuit_breaker::{CircuitBreaker, Transition};
use super::notice::Notice;
use super::poll::Polled;
use super::remembered::Remembered;
use super::success::Success;
use super::{Account, Reconcile, SharedStanding, locked};

/// At most this many waiting objects of an account that was refused are retried at once at the start.
const RETRIED_AT_START: usize = 200;

/// How many objects are made due again concurrently, so that they share the store's writes.
const AT_ONCE: usize = 64;

/// How the last request failed, if that was before the start.
const BEFORE: &str = "before the last start";

impl Reconcile {
    /// Restores the standing of an account as the last process left it. Whatever was refused is retried at once.
    pub(super) async fn restore(
        &self,
        account: &Account,
        standing: &SharedStanding,
    ) -> Result<(), StoreError> {
        let left = Remembered::read(&self.store, &account.name).await?;
        let kinds = account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok());
        {
            let mut standing = locked(standing);
            standing.breaker = CircuitBreaker::restored(account.probe_interval, &left.refused, kinds);
            standing.success = Success::restored(left.no_success_since);
        }
        if left == Remembered::default() {
            return Ok(());
        }
        let now = self.clock.now();
        // The last process may have ended before it raised them. Their keys are the same.
        let notice = Notice { account: &account.name, where_to_look: account.api.where_to_look(), now };
        let refused = left.refused.account.map(|since| Transition::AccountRefused { since }).into_iter();
        let kinds = left.refused.kinds.into_iter();
        let refused = refused.chain(kinds.map(|(kind, since)| Transition::KindRefused { kind, since }));
        let refused = refused.filter_map(|transition| notice.of(&transition, BEFORE));
        for alert in refused.chain(left.no_success_since.map(|since| notice.no_success(since, BEFORE))) {
            self.raise(account, alert).await?;
        }
        let filter =
            Filter { account: Some(account.name.clone()), finished: Some(false), ..Filter::default() };
        for record in self.store.list(&filter, None, RETRIED_AT_START).await?.items {
            if record.trouble.failures > 0 && record.quarantine.is_none() {
                self.store.hint(&record.object, now).await?;
            }
        }
        Ok(())
    }

    /// Reports what a poll has changed for its account, and makes objects due again that failed through no fault of
    /// their own.
    pub(super) async fn report(&self, account: &Account, polled: Polled) -> Result<(), StoreError> {
        let now = self.clock.now();
        let notice = Notice { account: &account.name, where_to_look: account.api.where_to_look(), now };
        let has_ended =
            polled.no_success_since.is_some() || polled.transitions.iter().any(Transition::is_acceptance);
        // A beginning is stored before it is raised, and an end after that: if the process is killed in between, the
        // next one raises it again under the same key.
        if !polled.transitions.is_empty() && !has_ended {
            self.remember(account).await?;
        }
        for transition in &polled.transitions {
            log(account, transition, &polled.detail);
            if let Some(alert) = notice.of(transition, &polled.detail) {
                self.raise(account, alert).await?;
            }
        }
        if let Some(since) = polled.no_success_since {
            tracing::info!(account = %account.name, %since, "requests succeed again");
            self.raise(account, notice.success_again(since)).await?;
        }
        if has_ended {
            self.remember(account).await?;
        }
        let mut pulling = futures_util::stream::iter(polled.pulled_in)
            .map(|(object, due_at)| async move { self.store.hint(&object, due_at).await })
            .buffer_unordered(AT_ONCE);
        while let Some(pulled) = pulling.next().await {
            pulled?;
        }
        Ok(())
    }

    /// Reports, once, that nothing has succeeded for too long. Refused credentials are reported separately.
    pub(super) async fn report_no_success(
        &self,
        account: &Account,
        standing: &SharedStanding,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let overdue = {
            let mut standing = locked(standing);
            let is_reported = standing.breaker.is_account_refused();
            let since = if is_reported { None } else { standing.success.overdue(now) };
            since.map(|since| (since, standing.success.detail().to_owned()))
        };
        let Some((since, detail)) = overdue else { return Ok(()) };
        tracing::warn!(account = %account.name, %since, detail, "no request has succeeded for a quarter of an hour");
        let notice = Notice { account: &account.name, where_to_look: account.api.where_to_look(), now };
        self.remember(account).await?;
        self.raise(account, notice.no_success(since, &detail)).await
    }

    async fn remember(&self, account: &Account) -> Result<(), StoreError> {
        let left = {
            let standing = self.standing(&account.name);
            let standing = locked(&standing);
            Remembered {
                refused: standing.breaker.refused_since(),
                no_success_since: standing.success.reported(),
            }
        };
        left.write(&self.store, &account.name).await
    }
}

fn log(account: &Account, transition: &Transition, detail: &str) {
    let name = &account.name;
    match transition {
        Transition::AccountRefused { .. } => {
            tracing::warn!(account = %name, detail, "the provider refuses the credentials");
        }
        Transition::AccountAccepted { since } => {
            tracing::warn!(account = %name, %since, "the provider accepts the credentials again");
        }
        Transition::KindRefused { kind, .. } => {
            tracing::warn!(account = %name, %kind, detail, "the provider refuses all requests for a kind");
        }
        Transition::KindAccepted { kind, since } => {
            tracing::warn!(account = %name, %kind, %since, "the provider answers requests for a kind again");
        }
        Transition::Unanswered { kind, .. } => {
            tracing::info!(account = %name, %kind, detail, "the provider does not answer; only probes are sent");
        }
        Transition::Answered { kind, since } => {
            tracing::info!(account = %name, %kind, %since, "the provider answers again; what failed is polled now");
        }
    }
}
