//! Observations that did not come from a poll. They are decided and committed like those of any poll.
//!
//! Owns: which of them are news. Must never know: where they came from.

use futures_util::StreamExt;
use jiff::Timestamp;

use crate::payments::object::ObjectRef;
use crate::payments::observation::Observation;
use crate::store::StoreError;

use super::{Account, Reconcile};

/// How many observations are decided concurrently, so that they share the store's writes.
const AT_ONCE: usize = 64;

impl Reconcile {
    /// Accepts observations of watched objects. Skips observations of objects that nobody watches, and observations
    /// that are older than the last good one (the provider was asked at `asked_at`).
    ///
    /// When the store fails. Passing all of them again is harmless.
    /// When the store fails; taking all of them again is harmless.
    pub async fn take(
        &self,
        account: &Account,
        sights: Vec<(ObjectRef, Observation)>,
        asked_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if asked_at.is_some() && !sights.is_empty() {
            self.answered_elsewhere(&account.name);
        }
        let mut taking = futures_util::stream::iter(sights)
            .map(|(object, seen)| self.take_one(account, object, seen, asked_at))
            .buffer_unordered(AT_ONCE);
        while let Some(taken) = taking.next().await {
            taken?;
        }
        Ok(())
    }

    async fn take_one(
        &self,
        account: &Account,
        object: ObjectRef,
        seen: Observation,
        asked_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let Some(record) = self.store.record(&object).await? else { return Ok(()) };
        let seen_at = record.observed.as_ref().map(|observed| observed.seen_at);
        let is_older = asked_at.is_some_and(|asked| seen_at.is_some_and(|seen_at| seen_at >= asked));
        if !is_older {
            self.commit(account, record, Ok(seen)).await?;
        }
        Ok(())
    }
}
