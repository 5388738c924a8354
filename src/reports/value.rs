//! How much money was open, came, went and stayed in a day, according to the events of each object.
//!
//! Owns: the equation for money. Must never know: files, the store.
//!
//! While it is open, an object counts with its main amount. The sum at the end of the day is computed
//! separately from the events, so that the equation is a real check. Amounts of different currencies are
//! never added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::columns::shown;
use super::standing::{Watched, is_believed, is_forgetting, standing};
use super::totals::TooMuch;
use crate::payments::lifecycle::Phase;
use crate::payments::money::{Currency, Money};

/// Sums of one currency. `opening + entered + reopened + changed = closed + forgotten + closing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// Open when the day began.
    pub(super) opening: Decimal,
    /// Enrolled in the day.
    pub(super) entered: Decimal,
    /// Final before, and open again.
    pub(super) reopened: Decimal,
    /// Learned or changed while open; may be negative.
    pub(super) changed: Decimal,
    /// Became final: captured, refunded, declined or released.
    pub(super) closed: Decimal,
    /// Forgotten by an operator while open.
    pub(super) forgotten: Decimal,
    /// Open when the day ended.
    pub(super) closing: Decimal,
}

impl Value {
    /// Whether the equation holds.
    pub(super) fn is_balanced(&self) -> bool {
        let at_end = |came: Decimal, went| self.opening.checked_add(came)?.checked_sub(went);
        self.came().zip(self.went()).is_some_and(|(came, went)| at_end(came, went) == Some(self.closing))
    }

    /// What is new: enrolled, reopened, or another amount. `None` when it is larger than an exact number can be.
    pub(super) fn came(&self) -> Option<Decimal> {
        self.entered.checked_add(self.reopened)?.checked_add(self.changed)
    }

    /// What is no longer open: final or forgotten. `None` when it is larger than an exact number can be.
    pub(super) fn went(&self) -> Option<Decimal> {
        self.closed.checked_add(self.forgotten)
    }

    fn parts(&mut self) -> [&mut Decimal; 7] {
        [
            &mut self.opening,
            &mut self.entered,
            &mut self.reopened,
            &mut self.changed,
            &mut self.closed,
            &mut self.forgotten,
            &mut self.closing,
        ]
    }

    /// Adds another's sums to these.
    pub(super) fn add(&mut self, mut other: Value) -> Result<(), TooMuch> {
        for (mine, theirs) in self.parts().into_iter().zip(other.parts()) {
            *mine = mine.checked_add(*theirs).ok_or(TooMuch)?;
        }
        Ok(())
    }
}

/// The sums of one object by currency.
#[derive(Debug, Default)]
struct Sums(BTreeMap<Currency, Value>);

impl Sums {
    fn add(&mut self, part: impl Fn(&mut Value) -> &mut Decimal, money: Option<Money>) {
        if let Some(money) = money {
            *part(self.0.entry(money.currency).or_default()) += money.amount;
        }
    }
}

/// What happened to one object's money between `start` and `end`.
pub(super) fn value(watched: &Watched, start: Timestamp, end: Timestamp) -> BTreeMap<Currency, Value> {
    let record = watched.record.as_ref();
    let open_at = |at| {
        let stood = standing(&watched.history, record, at).filter(|stood| stood.is_open())?;
        Some(shown(&stood, record).1)
    };
    let enrolled_at = record.map(|record| record.enrolled_at);
    let is_in_day = |at: Timestamp| start <= at && at < end;
    let first_row = watched.history.first().map(|row| row.seen_at);
    let mut entry_is_owed = enrolled_at.or(first_row).is_some_and(is_in_day);
    let enters_by = |at: Timestamp| enrolled_at.is_none_or(|enrolled_at| enrolled_at <= at);
    let enrolled_amount = record.and_then(|record| record.details.amount);

    let mut sums = Sums::default();
    let (opening, closing) = (open_at(start), open_at(end));
    sums.add(|value| &mut value.opening, opening.flatten());
    sums.add(|value| &mut value.closing, closing.flatten());
    let mut held: Option<Option<Money>> = opening;
    let mut begins_a_watch = true;
    for row in &watched.history {
        let begins = std::mem::replace(&mut begins_a_watch, is_forgetting(row));
        if !is_in_day(row.seen_at) {
            continue;
        }
        if entry_is_owed && enters_by(row.seen_at) {
            entry_is_owed = false;
            sums.add(|value| &mut value.entered, enrolled_amount);
            held = Some(enrolled_amount);
        }
        let is_open = is_believed(row) && row.phase != Phase::Final;
        match held {
            Some(amount) if is_forgetting(row) => {
                sums.add(|value| &mut value.forgotten, amount);
                held = None;
            }
            Some(amount) if is_believed(row) && row.phase == Phase::Final => {
                sums.add(|value| &mut value.closed, amount);
                held = None;
            }
            Some(amount) if is_open => {
                sums.add(
                    |value| &mut value.changed,
                    amount.map(|money| Money { amount: -money.amount, ..money }),
                );
                sums.add(|value| &mut value.changed, row.amount);
                held = Some(row.amount);
            }
            None if is_open || (begins && !is_forgetting(row) && !is_believed(row)) => {
                let amount = if is_open { row.amount } else { enrolled_amount };
                sums.add(|value| &mut value.reopened, amount);
                held = Some(amount);
            }
            Some(_) | None => {}
        }
    }
    if entry_is_owed {
        sums.add(|value| &mut value.entered, enrolled_amount);
    }
    sums.0
}
