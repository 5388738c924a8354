//! Control totals: how many rows and exactly how much money, by account, kind, state and currency.
//!
//! Owns: the sums. Must never know: files, the columns of a row.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::columns::{Frame, Row};
use crate::payments::environment::Environment;
use crate::payments::lifecycle::Outcome;
use crate::payments::money::Currency;
use crate::payments::object::{AccountName, Kind};

/// What rows are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    /// The account.
    pub(super) account: AccountName,
    /// The kind of object.
    pub(super) kind: Kind,
    /// The state; empty before the first observation.
    pub(super) state: String,
    /// What the state means for the money.
    pub(super) outcome: Outcome,
    /// The currency; `None` without an amount.
    pub(super) currency: Option<Currency>,
}

/// What may be added over accounts and states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    /// Live and sandbox are never one sum.
    pub(super) environment: Environment,
    /// An authorization and its capture are never one sum.
    pub(super) kind: Kind,
    /// What happened to the money.
    pub(super) outcome: Outcome,
    /// The currency; `None` without an amount.
    pub(super) currency: Option<Currency>,
}

/// A count and an exact sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// How many rows.
    pub(super) count: u64,
    /// Their sum in the currency's main unit.
    pub(super) sum: Decimal,
}

/// More money than the number type can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a control total is larger than an exact number can be")]
pub struct TooMuch;

/// Totals of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals(pub(super) BTreeMap<Group, Total>);

impl Totals {
    pub(super) fn add(&mut self, row: &Row) -> Result<(), TooMuch> {
        let group = Group {
            account: row.object.account.clone(),
            kind: row.object.kind.clone(),
            state: row.state.clone(),
            outcome: row.outcome,
            currency: row.amount.map(|amount| amount.currency),
        };
        let total = self.0.entry(group).or_default();
        total.count += 1;
        if let Some(amount) = row.amount {
            total.sum = total.sum.checked_add(amount.amount).ok_or(TooMuch)?;
        }
        Ok(())
    }

    /// All rows.
    pub(super) fn count(&self) -> u64 {
        self.0.values().map(|total| total.count).sum()
    }

    /// Totals over all accounts of an environment and all states of an outcome.
    pub(super) fn by_class(&self, frame: &Frame) -> Result<BTreeMap<Class, Total>, TooMuch> {
        let mut sums: BTreeMap<Class, Total> = BTreeMap::new();
        for (group, total) in &self.0 {
            let class = Class {
                environment: frame.environment(&group.account),
                kind: group.kind.clone(),
                outcome: group.outcome,
                currency: group.currency,
            };
            let sum = sums.entry(class).or_default();
            sum.count += total.count;
            sum.sum = sum.sum.checked_add(total.sum).ok_or(TooMuch)?;
        }
        Ok(sums)
    }
}

/// An exact sum, with the currency's decimals.
pub(super) fn sum_text(sum: Decimal, currency: Currency) -> String {
    let mut scaled = sum;
    scaled.rescale(currency.exponent());
    scaled.to_string()
}

/// How many objects of one account and kind came, went and stayed in a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Movement {
    /// Open when the day began.
    pub(super) opening: u64,
    /// Enrolled in the day.
    pub(super) entered: u64,
    /// Final before, and open again.
    pub(super) reopened: u64,
    /// Became final.
    pub(super) closed: u64,
    /// Forgotten by an operator while open.
    pub(super) forgotten: u64,
    /// Open when the day ended.
    pub(super) closing: u64,
}

impl Movement {
    /// Whether `opening + entered + reopened = closed + forgotten + closing`.
    pub(super) fn is_balanced(&self) -> bool {
        self.opening + self.entered + self.reopened == self.closed + self.forgotten + self.closing
    }
}
