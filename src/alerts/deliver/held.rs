//! What is pending and yet not delivered.
//!
//! Owns: asking the silences, and whether an escalation is still needed. Must never know: how anything is delivered.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::Deliverer;
use super::line::{Line, State, subject};
use crate::alerts::condition;
use crate::payments::alert::{Alert, RECOVERED_OF};
use crate::store::{Delivery, Owed, StoreError};

impl Deliverer {
    /// Records what silences hold back, and escalations that nobody needs any more, and takes both out of the deliveries.
    /// Returns whether there were any.
    pub(super) async fn hold_back(
        &self,
        owed: &mut Vec<Owed>,
        line: &Line,
        state: &mut State,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let silences = self.silences.active(now).await?;
        let (number, mut through, mut held) = (owed.len(), Vec::with_capacity(owed.len()), Vec::new());
        for one in owed.drain(..) {
            let candidate = self.routes.candidate(&one.alert);
            if let Some(silence) = silences.iter().find(|silence| silence.holds(&candidate)) {
                tracing::info!(key = %one.alert.key, silence = silence.number, "a silence holds an alert back");
                held.push((one.alert.key.clone(), silence.number));
            } else if one.is_escalation && self.is_settled(&one.alert).await? {
                self.store.settle(&one.alert.key, line.name(), Delivery::Acknowledged, now).await?;
            } else {
                through.push(one);
                continue;
            }
            state.waiting.remove(subject(&one.alert), one.order);
        }
        *owed = through;
        // At once, so that they share the store's writes.
        let held = held.iter().map(|(key, silence)| self.store.withhold(key, *silence, now));
        join_all(held).await.into_iter().collect::<Result<(), _>>()?;
        Ok(owed.len() < number)
    }

    /// Whether the condition that an alert reports is over, or the order whose decline it reports was paid after all.
    async fn is_settled(&self, alert: &Alert) -> Result<bool, StoreError> {
        if let Some(condition) = condition::of(alert) {
            let conditions = self.conditions().await?;
            return Ok(conditions.find(&condition, alert).is_some_and(|known| known.over.is_some()));
        }
        Ok(self.store.alert(&format!("{RECOVERED_OF}{}", alert.key)).await?.is_some())
    }
}
