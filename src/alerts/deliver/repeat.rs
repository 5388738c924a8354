//! Conditions that last are reported again.
//!
//! Owns: when, and to whom. Must never know: what a condition is about.

use jiff::SignedDuration;
use tokio::sync::{MappedMutexGuard, MutexGuard};

use super::super::condition;
use super::super::conditions::Conditions;
use super::Deliverer;
use crate::payments::alert::Recipient;
use crate::store::{DeliveryStatus, OwedAlert, StoreError};

impl Deliverer {
    /// The conditions that last, read from the store at first use.
    pub(super) async fn conditions(&self) -> Result<MappedMutexGuard<'_, Conditions>, StoreError> {
        let mut known = self.conditions.lock().await;
        if known.is_none() {
            let targets = self.targets().into_iter().map(str::to_owned);
            let targets = targets.chain(self.receivers.iter().cloned()).collect();
            *known = Some(Conditions::read(self.store.clone(), &self.accounts, &targets).await?);
        }
        Ok(MutexGuard::map(known, |known| known.as_mut().expect("it was read above")))
    }

    /// Raises again each condition that has lasted for another `repeat_after_h`, for the targets that were told of it.
    /// The key has the number of the repetition, so each is raised once, also over restarts.
    pub(super) async fn repeat_conditions(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let every = SignedDuration::try_from(self.alerting.repeat_after()).unwrap_or(SignedDuration::MAX);
        let due = self.conditions().await?.due(every, now);
        for (begin, since, number) in due {
            let Some(row) = self.store.alert(&begin).await? else { continue };
            let alert = condition::repeated(&row.alert, since, number, now);
            let told = row.deliveries.into_iter().filter(|row| row.status == DeliveryStatus::Delivered);
            let told = told.map(|row| row.target).filter(|target| self.targets().contains(&target.as_str()));
            let targets: Vec<Recipient> = told.map(Recipient::Now).collect();
            if !targets.is_empty() {
                self.store.raise(vec![OwedAlert { alert, targets }]).await?;
            }
        }
        Ok(())
    }
}
