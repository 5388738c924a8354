//! The states of one object over time: what was planned, what calls made of it.
//!
//! Owns: changes and when they happen. Must never know: what a state means, the present time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::plan::Step;

/// One state from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) state: &'static str,
    pub(super) reason: Option<&'static str>,
}

/// All states of an object, past and still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timeline {
    first: Change,
    later: Vec<Change>,
}

impl Timeline {
    pub(super) fn starting(at: Timestamp, state: &'static str) -> Timeline {
        Timeline { first: Change { at, state, reason: None }, later: Vec::new() }
    }

    /// The state at this time; before the beginning, the first.
    pub(super) fn at(&self, at: Timestamp) -> &Change {
        self.later.iter().rev().find(|change| change.at <= at).unwrap_or(&self.first)
    }

    /// Every change up to this time, in order.
    pub(super) fn until(&self, at: Timestamp) -> impl Iterator<Item = &Change> {
        std::iter::once(&self.first).chain(self.later.iter().take_while(move |change| change.at <= at))
    }

    /// When something changes, in the past and to come.
    pub(super) fn moments(&self) -> impl Iterator<Item = Timestamp> {
        std::iter::once(&self.first).chain(&self.later).map(|change| change.at)
    }

    /// The first state.
    pub(super) fn first(&self) -> &Change {
        &self.first
    }

    /// What a call does: nothing that was still to come happens; this does, now.
    pub(super) fn turn(&mut self, at: Timestamp, state: &'static str, reason: Option<&'static str>) {
        self.later.retain(|change| change.at <= at);
        self.later.push(Change { at, state, reason });
    }

    /// What happens besides: what is still to come happens all the same.
    pub(super) fn note(&mut self, at: Timestamp, state: &'static str, reason: Option<&'static str>) {
        let position = self.later.partition_point(|change| change.at <= at);
        self.later.insert(position, Change { at, state, reason });
    }

    /// Adds what will happen later of itself, each step after the one before.
    ///
    /// # Errors
    /// A sentence when `words` does not know a step's state or reason.
    pub(super) fn schedule(&mut self, steps: &[Step], words: &[Word]) -> Result<(), String> {
        for step in steps {
            let word = words.iter().find(|word| word.state == step.state);
            let word = word.ok_or_else(|| format!("`{}` is no documented state", step.state))?;
            let reason = match &step.reason {
                None => None,
                Some(reason) => {
                    let known = word.reasons.iter().find(|known| *known == reason);
                    Some(*known.ok_or_else(|| format!("`{reason}` is no reason for {}", word.state))?)
                }
            };
            let after = SignedDuration::try_from(step.after).unwrap_or(SignedDuration::MAX);
            let last = self.later.last().unwrap_or(&self.first).at;
            let at = last.checked_add(after).unwrap_or(Timestamp::MAX);
            self.later.push(Change { at, state: word.state, reason });
        }
        Ok(())
    }
}

/// A documented state and its reason codes.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) state: &'static str,
    pub(super) reasons: &'static [&'static str],
}

/// `YYYYMMDDTHHMMSSZ`, as in every object (docs/src/reference/amazon-pay-v2.md section 3).
pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `statusDetails` of a charge or refund.
pub(super) fn status_details(change: &Change) -> Value {
    json!({
        "state": change.state,
        "reasonCode": change.reason,
        "reasonDescription": change.reason.map(describe),
        "lastUpdatedTimestamp": written(change.at),
    })
}

/// A sentence about a reason, as Amazon adds one.
pub(super) fn describe(reason: &str) -> String {
    format!("Simulated: {reason}.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WORDS: &[Word] =
        &[Word { state: "Authorized", reasons: &[] }, Word { state: "Declined", reasons: &["HardDeclined"] }];

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("it is in range")
    }

    fn step(after_s: u64, state: &str, reason: Option<&str>) -> Step {
        let reason = reason.map(ToOwned::to_owned);
        Step { after: Duration::from_secs(after_s), state: state.to_owned(), reason }
    }

    #[test]
    fn the_state_is_a_function_of_time() {
        let mut timeline = Timeline::starting(second(10), "AuthorizationInitiated");
        let steps = [step(5, "Authorized", None), step(5, "Declined", Some("HardDeclined"))];
        timeline.schedule(&steps, WORDS).expect("the words are known");
        for (at, expected) in [
            (0, "AuthorizationInitiated"),
            (14, "AuthorizationInitiated"),
            (15, "Authorized"),
            (19, "Authorized"),
            (20, "Declined"),
            (99, "Declined"),
        ] {
            assert_eq!(timeline.at(second(at)).state, expected, "{at}");
        }
        assert_eq!(timeline.until(second(16)).count(), 2);
    }

    #[test]
    fn a_call_ends_what_was_still_to_come() {
        let mut timeline = Timeline::starting(second(10), "AuthorizationInitiated");
        timeline.schedule(&[step(50, "Authorized", None)], WORDS).expect("the words are known");
        timeline.turn(second(20), "Declined", Some("HardDeclined"));
        assert_eq!(timeline.at(second(100)).state, "Declined");
        assert_eq!(timeline.at(second(19)).state, "AuthorizationInitiated");
    }

    #[test]
    fn undocumented_words_are_refused() {
        let mut timeline = Timeline::starting(second(0), "Authorized");
        assert!(timeline.schedule(&[step(1, "Autorized", None)], WORDS).is_err());
        assert!(timeline.schedule(&[step(1, "Authorized", Some("HardDeclined"))], WORDS).is_err());
    }
}
