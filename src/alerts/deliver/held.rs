//! What is pending and yet not delivered.
//!
//! Owns: asking the silences, and whether an escalation is still needed. Must never know: how anything is delivered.

use jiff::Timestamp;

use super::Deliverer;
use super::line::{Line, State, subject};
use crate::alerts::condition;
use crate::alerts::silences::alerts_since;
use crate::payments::alert::Alert;
use crate::store::{AlertFilter, Delivery, Owed, Store, StoreError};

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
        let silences = self.silences.active(&self.routes, now).await?;
        let number = owed.len();
        let mut through = Vec::with_capacity(number);
        for one in owed.drain(..) {
            let candidate = self.routes.candidate(&one.alert);
            if let Some(silence) = silences.iter().find(|silence| silence.holds(&candidate)) {
                tracing::info!(key = %one.alert.key, silence = silence.number, "a silence holds an alert back");
                self.store.withhold(&one.alert.key, silence.number, now).await?;
            } else if one.is_escalation && is_over(&self.store, &one.alert).await? {
                self.store.settle(&one.alert.key, line.name(), Delivery::Acknowledged, now).await?;
            } else {
                through.push(one);
                continue;
            }
            state.waiting.remove(subject(&one.alert), one.order);
        }
        *owed = through;
        Ok(owed.len() < number)
    }
}

/// Whether the condition that an alert reports is over.
async fn is_over(store: &Store, alert: &Alert) -> Result<bool, StoreError> {
    let Some(begun) = condition::of(alert) else { return Ok(false) };
    let filter = AlertFilter { account: Some(alert.account.clone()), ..AlertFilter::default() };
    let later = alerts_since(store, filter, alert.found_at).await?;
    let mut conditions = later.iter().filter_map(|row| condition::of(&row.alert));
    Ok(conditions.any(|ended| ended.is_over && ended.key == begun.key))
}
