//! What is done with one alert that is due for one target.
//!
//! Owns: the order of the rules. Must never know: how a message is sent.

use std::time::Duration;

use jiff::Timestamp;

use super::super::burst::{Group, Step};
use super::super::condition::{self, Condition};
use super::Deliverer;
use super::line::{Line, State, subject};
use crate::payments::alert::{Alert, RECOVERED_OF};
use crate::store::{Delivery, DeliveryRow, DeliveryStatus, Owed, StoreError};
use crate::time::later;

/// How long an alert waits that another condition explains, before it is considered again.
const EXPLAINED_FOR: Duration = Duration::from_secs(300);

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Send it alone.
    Send,
    /// Send it with others of its group.
    Together(Group),
    /// Record this; nothing is sent.
    Settle(Delivery),
    /// Consider it again in the next pass: another alert comes first.
    Skip,
}

fn withheld(why: &str) -> Action {
    Action::Settle(Delivery::Withheld { why: why.to_owned(), instead: None })
}

/// It belongs to an alert that this target did not get. A target that got that alert in its place gets this one, too.
fn follows(deliveries: &[DeliveryRow], line: &Line, why: &str) -> Action {
    let own = deliveries.iter().find(|row| row.target == line.name());
    let is_given_up = own.is_some_and(|row| row.status == DeliveryStatus::Dead);
    let in_its_place = |row: &&DeliveryRow| is_given_up && row.instead_of.as_deref() == Some(line.name());
    let instead = deliveries.iter().find(in_its_place).map(|row| row.target.clone());
    Action::Settle(Delivery::Withheld { why: why.to_owned(), instead })
}

fn postponed(at: Timestamp, why: &str) -> Action {
    Action::Settle(Delivery::Postponed { at, why: why.to_owned() })
}

impl Deliverer {
    /// Decides about one alert.
    pub(super) async fn action(
        &self,
        line: &Line,
        state: &mut State,
        owed: &Owed,
        now: Timestamp,
    ) -> Result<Action, StoreError> {
        let condition = condition::of(&owed.alert);
        let mut is_answer = false;
        if let Some(condition) = condition.as_ref().filter(|condition| condition.is_over)
            && let Some(action) = self.ended(line, state, owed, condition, &mut is_answer).await?
        {
            return Ok(action);
        }
        if let Some(at) = state.waiting.before(owed) {
            let action = postponed(at, "waits for an earlier alert about the same object");
            return Ok(if at > now { action } else { Action::Skip });
        }
        if let Some(condition) = condition.as_ref().filter(|condition| !condition.is_over) {
            if let Some(action) = self.begun(line, &owed.alert, condition, now).await? {
                return Ok(action);
            }
        } else if let Some(decline) = owed.alert.key.strip_prefix(RECOVERED_OF) {
            let declined = self.store.alert(decline).await?.map(|row| row.deliveries).unwrap_or_default();
            match declined.iter().find(|row| row.target == line.name()) {
                Some(row) if row.status == DeliveryStatus::Delivered => {}
                Some(row) if row.status == DeliveryStatus::Pending => {
                    let at = row.at.max(later(now, Duration::from_secs(1)));
                    return Ok(postponed(at, "waits for the alert about the decline"));
                }
                _ => return Ok(follows(&declined, line, "this target did not get the decline")),
            }
        }
        // What was sent alone and failed may have arrived: the target recognises it by its own key only.
        let was_alone = owed.attempts > 0 && owed.message.is_none();
        if was_alone || !line.channel.target.likes_digests() {
            return Ok(Action::Send);
        }
        if is_answer {
            state.bursts.counted();
            return Ok(Action::Send);
        }
        let group = Group::of(&owed.alert, self.is_sandbox(&owed.alert), &self.alerting);
        if owed.message.is_some() {
            // So may what was tried together: the same alerts make the same key again.
            return Ok(Action::Together(group));
        }
        let monotonic = self.clock.monotonic();
        Ok(match state.bursts.step(&group, &self.alerting, monotonic) {
            Step::Alone => Action::Send,
            Step::Together => Action::Together(group),
            Step::Wait(until) => {
                let at = later(now, until.saturating_sub(monotonic));
                postponed(at, "waits to be combined with others")
            }
        })
    }

    /// The end of a condition goes to targets that were told of its beginning, and after it. `is_answer` is set if the
    /// beginning was a message of its own, so that the end is one too: pagers close the incident by it.
    async fn ended(
        &self,
        line: &Line,
        state: &mut State,
        owed: &Owed,
        condition: &Condition,
        is_answer: &mut bool,
    ) -> Result<Option<Action>, StoreError> {
        let begin = match condition.is_timed() {
            true => Some(condition.key.clone()),
            // It may have begun again since, and an earlier version may have raised its beginning.
            false => {
                let conditions = self.conditions().await?;
                let known = conditions.find(condition, &owed.alert);
                let known = known.filter(|known| known.ended_by.as_ref() == Some(&owed.alert.key));
                known.map(|known| known.alert.clone())
            }
        };
        let Some(begin) = begin else { return Ok(None) };
        let Some(begun) = self.store.alert(&begin).await? else {
            return Ok(condition.is_timed().then(|| withheld("its beginning is not known")));
        };
        match begun.deliveries.iter().find(|row| row.target == line.name()) {
            Some(row) if row.status == DeliveryStatus::Delivered => {
                *is_answer = row.message.is_none();
                Ok(None)
            }
            Some(row) if row.status == DeliveryStatus::Pending => {
                if row.attempts > 0 || row.last_error.is_none() {
                    let at = row.at.max(later(self.clock.now(), Duration::from_secs(1)));
                    return Ok(Some(postponed(at, "waits for the alert about the beginning")));
                }
                let why = "it was over before it was sent";
                let delivery = Delivery::Withheld { why: why.to_owned(), instead: None };
                self.store.settle(&begin, line.name(), delivery, self.clock.now()).await?;
                state.waiting.remove_before(subject(&owed.alert), owed.order);
                Ok(Some(withheld(why)))
            }
            _ => {
                let why = "this target did not get its beginning";
                Ok(Some(follows(&begun.deliveries, line, why)))
            }
        }
    }

    /// A condition begins or lasts. What another one explains waits as long as that one lasts.
    async fn begun(
        &self,
        line: &Line,
        alert: &Alert,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Option<Action>, StoreError> {
        let causes = {
            let conditions = self.conditions().await?;
            let lasts = || conditions.find(condition, alert).is_some_and(|known| known.over.is_none());
            if condition.is_repetition && !lasts() {
                return Ok(Some(withheld("it is over")));
            }
            conditions.causes_of(alert, now)
        };
        for cause in causes {
            let row = self.delivery(&cause.alert, line).await?;
            let is_told =
                |row: &DeliveryRow| matches!(row.status, DeliveryStatus::Delivered | DeliveryStatus::Pending);
            if row.as_ref().is_some_and(is_told) {
                let why = format!("explained by {} while that lasts", cause.alert);
                return Ok(Some(postponed(later(now, EXPLAINED_FOR), &why)));
            }
        }
        Ok(None)
    }

    /// The delivery of an alert to a target.
    async fn delivery(&self, key: &str, line: &Line) -> Result<Option<DeliveryRow>, StoreError> {
        let row = self.store.alert(key).await?;
        Ok(row.and_then(|row| row.deliveries.into_iter().find(|row| row.target == line.name())))
    }
}
