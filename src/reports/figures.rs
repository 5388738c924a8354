//! What was decided in a day in a few numbers, by the rules of the nightly files.
//!
//! Owns: which rows count, and where. Must never know: where the rows come from.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::day_files::is_filed;
use super::totals::sum_text;
use crate::payments::lifecycle::Outcome;
use crate::payments::money::Currency;
use crate::payments::record::Transition;

/// What was decided in a day, or in a part of it, in one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct DayFigures {
    /// Money has moved.
    pub succeeded: u64,
    /// Over, and other objects show whether money moved.
    pub closed: u64,
    /// Ended without money moving.
    pub canceled: u64,
    /// Refused.
    pub declined: u64,
    /// How much was refused, by currency, exact.
    #[schema(value_type = BTreeMap<String, String>)]
    pub declined_money: BTreeMap<Currency, Decimal>,
}

impl DayFigures {
    /// Counts a row of the history, if the nightly files have it.
    pub fn add(&mut self, row: &Transition) {
        if !is_filed(row) {
            return;
        }
        self.count(row.outcome, 1);
        if let Some(money) = row.amount.filter(|_| row.outcome == Outcome::Declined) {
            self.decline(money.currency, money.amount);
        }
    }

    /// Counts rows with this outcome.
    pub(super) fn count(&mut self, outcome: Outcome, number: u64) {
        let count = match outcome {
            Outcome::Declined => &mut self.declined,
            Outcome::Canceled => &mut self.canceled,
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Closed | Outcome::Open | Outcome::Undecided => &mut self.closed,
        };
        *count += number;
    }

    /// Adds an amount that was refused.
    pub(super) fn decline(&mut self, currency: Currency, amount: Decimal) {
        let sum = self.declined_money.entry(currency).or_default();
        *sum = sum.checked_add(amount).unwrap_or(Decimal::MAX);
    }

    /// Everything that ended without being refused.
    pub fn resolved(&self) -> u64 {
        self.succeeded + self.closed + self.canceled
    }

    /// How much was refused, for people: `14.00 EUR`.
    pub fn declined_texts(&self) -> Vec<String> {
        let text =
            |(currency, sum): (&Currency, &Decimal)| format!("{} {currency}", sum_text(*sum, *currency));
        self.declined_money.iter().map(text).collect()
    }
}
