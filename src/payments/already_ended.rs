//! Objects that had ended long before anybody watched them. Pure.
//!
//! Owns: which objects these are, their numbers, and the alert about them. Must never know: when it is raised.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::alert::{Alert, AlertKind, Severity};
use super::history::outcome;
use super::lifecycle::{Lifecycle, Outcome, Phase};
use super::object::AccountName;
use super::record::Record;
use crate::time::later;

/// Whether an object had ended, by the provider's own time, more than `late_after` before it was enrolled.
pub fn had_ended(record: &Record, late_after: Duration) -> bool {
    let Some(observed) = &record.observed else { return false };
    let ended_at = observed.observation.updated_at.filter(|_| observed.phase == Phase::Final);
    ended_at.is_some_and(|ended_at| later(ended_at, late_after) < record.enrolled_at)
}

/// Their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlreadyEnded {
    number: u64,
    declined: u64,
    sums: BTreeMap<String, Decimal>,
}

impl AlreadyEnded {
    /// Counts one.
    pub fn add(&mut self, record: &Record, lifecycle: &dyn Lifecycle) {
        self.number += 1;
        let Some(observed) = &record.observed else { return };
        let facts = lifecycle.state(&observed.observation.state);
        let is_declined =
            facts.is_some_and(|facts| outcome(lifecycle, &facts, &observed.observation) == Outcome::Declined);
        if is_declined {
            self.declined += 1;
            if let Some(amount) = record.amount() {
                let sum = self.sums.entry(amount.currency.as_str().to_owned()).or_default();
                *sum = sum.checked_add(amount.amount).unwrap_or(*sum);
            }
        }
    }

    /// The one alert about them; none if there are none.
    pub fn notice(&self, account: &AccountName, where_to_look: &str, now: Timestamp) -> Option<Alert> {
        if self.number == 0 {
            return None;
        }
        let sums: Vec<String> = self.sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
        let sums = if sums.is_empty() { String::new() } else { format!(" ({})", sums.join(", ")) };
        let declined = match self.declined {
            0 => "none of them declined".to_owned(),
            number => format!("{number} of them declined{sums}"),
        };
        Some(Alert {
            headline: format!(
                "{} objects of account {account} had ended before they were enrolled, {declined}",
                self.number
            ),
            explanation:
                "They were enrolled on the account's first day, long after they had ended, so they were not reported \
                          individually."
                    .to_owned(),
            advice: format!(
                "`reconciled list --account {account} --state Declined` shows the declined ones. \
                 alerting.report_history = true reports each."
            ),
            where_to_look: where_to_look.to_owned(),
            ..Alert::new(AlertKind::AlreadyEnded, account.as_str(), Severity::Info, account, now)
        })
    }
}
