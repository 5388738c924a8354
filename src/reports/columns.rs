//! The columns of every file, after docs/src/reference/operations.md, section 7.2.
//!
//! Owns: their names, order and form. Must never know: how a file is written, the store.
//!
//! Left out of that section's proposal: what changes after the day (alert status) and what only the
//! configuration knows (merchant id), because the same day must always give the same bytes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::channels::ChannelDay;
use super::day::{Day, utc};
use super::meanings::Meanings;
use super::standing::{Change, Standing};
use crate::payments::adaptive::Overview;
use crate::payments::environment::Environment;
use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::{Amounts, Money};
use crate::payments::object::{AccountName, ObjectRef};
use crate::payments::record::Record;

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// From outside: escaped if a spreadsheet would read it as a formula.
    Text(String),
    /// Ours: numbers, times, fixed words.
    Plain(String),
    /// A decimal number with a point, written with the decimal sign of the file.
    Amount(String),
}

impl Cell {
    /// Its text.
    pub(super) fn text(&self) -> &str {
        match self {
            Cell::Text(text) | Cell::Plain(text) | Cell::Amount(text) => text,
        }
    }
}

/// A row, and what the control totals need from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// In the order of the file's columns.
    pub(super) cells: Vec<Cell>,
    /// The object it is about.
    pub(super) object: ObjectRef,
    /// The state it is counted under.
    pub(super) state: String,
    /// What that state means for the money. The state's name alone does not say it.
    pub(super) outcome: Outcome,
    /// The amount it is counted with.
    pub(super) amount: Option<Money>,
}

/// What all rows of a day share.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The day.
    pub(super) day: Day,
    /// Which accounts are sandbox accounts.
    pub(super) sandbox_accounts: BTreeSet<AccountName>,
    /// What codes mean, for the page.
    pub(super) meanings: Meanings,
    /// What notifications announced.
    pub(super) channels: Vec<ChannelDay>,
    /// What polling by learnt ages knows when the page is made. It changes after the day, so only the page has it.
    pub(super) rhythms: Vec<(AccountName, Overview)>,
}

/// Columns of `declined` and `resolved`.
pub(super) const CHANGE_COLUMNS: &[&str] = &[
    "business_date",
    "time_zone",
    "event_time_utc",
    "event_time_local",
    "seen_time_utc",
    "seen_time_local",
    "environment",
    "account",
    "transaction_type",
    "amazon_transaction_id",
    "merchant_reference_id",
    "state",
    "previous_state",
    "reason_code",
    "outcome",
    "amount",
    "currency",
    "amount_minor",
    "currency_exponent",
    "first_seen_utc",
    "detection_delay_s",
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
    "newly_captured",
    "newly_refunded",
];

/// Columns of `pending`.
pub(super) const PENDING_COLUMNS: &[&str] = &[
    "business_date",
    "time_zone",
    "as_of_utc",
    "as_of_local",
    "environment",
    "account",
    "transaction_type",
    "amazon_transaction_id",
    "merchant_reference_id",
    "state",
    "phase",
    "reason_code",
    "amount",
    "currency",
    "amount_minor",
    "currency_exponent",
    "watched_since_utc",
    "watched_since_local",
    "age_s",
    "state_since_utc",
    "state_age_s",
    "is_quarantined",
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
];

/// Columns of `quarantined`.
pub(super) const QUARANTINED_COLUMNS: &[&str] = &[
    "business_date",
    "time_zone",
    "as_of_utc",
    "as_of_local",
    "environment",
    "account",
    "transaction_type",
    "amazon_transaction_id",
    "merchant_reference_id",
    "cause",
    "quarantined_since_utc",
    "quarantined_since_local",
    "last_good_state",
    "doubted_state",
    "amount",
    "currency",
    "amount_minor",
    "currency_exponent",
];

/// The state of an object that was not observed yet.
const NOT_SEEN: &str = "";

impl Frame {
    /// A row of `declined` or `resolved`.
    pub(super) fn change(&self, change: &Change) -> Row {
        let Change { row, first_seen, grown, .. } = change;
        let mut cells = vec![
            plain(self.day.date),
            plain(&self.day.zone_name),
            plain(utc(row.happened_at)),
            plain(self.day.local(row.happened_at)),
            plain(utc(row.seen_at)),
            plain(self.day.local(row.seen_at)),
        ];
        cells.extend(self.whose(&row.object, row.merchant_reference.as_deref()));
        cells.extend([
            text(&row.to),
            text(row.from.as_deref().unwrap_or(NOT_SEEN)),
            text(&row.reasons.join(" ")),
            plain(row.outcome.as_str()),
        ]);
        cells.extend(money(row.amount));
        cells.push(plain(utc(*first_seen)));
        cells.push(plain(row.seen_at.duration_since(row.happened_at).as_secs().max(0)));
        cells.extend(three(row.amounts));
        let negative = |money: Money| Money { amount: Decimal::ZERO - money.amount, ..money };
        cells.extend([amount_cell(grown.captured), amount_cell(grown.refunded.map(negative))]);
        Row {
            cells,
            object: row.object.clone(),
            state: row.to.clone(),
            outcome: row.outcome,
            amount: row.amount,
        }
    }

    /// A row of `pending`.
    pub(super) fn pending(
        &self,
        object: &ObjectRef,
        standing: &Standing<'_>,
        record: Option<&Record>,
    ) -> Row {
        let (state, amount, reference) = shown(standing, record);
        let end = self.day.end;
        let age_s = |since: Timestamp| end.duration_since(since).as_secs().max(0);
        let mut cells = self.as_of();
        cells.extend(self.whose(object, reference));
        let phase = standing.state.map_or(Phase::Moving, |row| row.phase);
        let reasons = standing.state.map(|row| row.reasons.join(" ")).unwrap_or_default();
        cells.extend([text(state), plain(phase_word(phase)), text(&reasons)]);
        cells.extend(money(amount));
        cells.extend([
            plain(utc(standing.watched_since)),
            plain(self.day.local(standing.watched_since)),
            plain(age_s(standing.watched_since)),
            plain(standing.state_since.map(utc).unwrap_or_default()),
            plain(standing.state_since.map(|since| age_s(since).to_string()).unwrap_or_default()),
            plain(standing.quarantine.is_some()),
        ]);
        cells.extend(three(standing.state.map(|row| row.amounts).unwrap_or_default()));
        Row { cells, object: object.clone(), state: state.to_owned(), outcome: outcome(standing), amount }
    }

    /// A row of `quarantined`; `None` when the object is not quarantined.
    pub(super) fn quarantined(
        &self,
        object: &ObjectRef,
        standing: &Standing<'_>,
        record: Option<&Record>,
    ) -> Option<Row> {
        let quarantine = standing.quarantine.as_ref()?;
        let (state, amount, reference) = shown(standing, record);
        let mut cells = self.as_of();
        cells.extend(self.whose(object, reference));
        cells.extend([
            text(&quarantine.cause),
            plain(utc(quarantine.since)),
            plain(self.day.local(quarantine.since)),
            text(state),
            text(quarantine.seen.unwrap_or(NOT_SEEN)),
        ]);
        cells.extend(money(amount));
        let outcome = outcome(standing);
        Some(Row { cells, object: object.clone(), state: state.to_owned(), outcome, amount })
    }

    /// Whether an account's money is real.
    pub(super) fn environment(&self, account: &AccountName) -> Environment {
        if self.sandbox_accounts.contains(account) { Environment::Sandbox } else { Environment::Live }
    }

    fn as_of(&self) -> Vec<Cell> {
        vec![
            plain(self.day.date),
            plain(&self.day.zone_name),
            plain(utc(self.day.end)),
            plain(self.day.local(self.day.end)),
        ]
    }

    fn whose(&self, object: &ObjectRef, reference: Option<&str>) -> [Cell; 5] {
        [
            plain(self.environment(&object.account).as_str()),
            text(object.account.as_str()),
            text(object.kind.as_str()),
            text(object.id.as_str()),
            text(reference.unwrap_or_default()),
        ]
    }
}

/// What was known at the end of the day; before the first observation, what it was enrolled with.
pub(super) fn shown<'a>(
    standing: &Standing<'a>,
    record: Option<&'a Record>,
) -> (&'a str, Option<Money>, Option<&'a str>) {
    let details = record.map(|record| &record.details);
    match standing.state {
        Some(row) => (row.to.as_str(), row.amount, row.merchant_reference.as_deref()),
        None => (
            NOT_SEEN,
            details.and_then(|details| details.amount),
            details.and_then(|details| details.merchant_reference.as_deref()),
        ),
    }
}

fn outcome(standing: &Standing<'_>) -> Outcome {
    standing.state.map_or(Outcome::Undecided, |row| row.outcome)
}

/// Totals authorized, captured and refunded; each is empty where the provider does not report it. They have
/// the currency of the row; another currency would itself be a doubt.
fn three(amounts: Amounts) -> [Cell; 3] {
    [amounts.authorized, amounts.captured, amounts.refunded].map(amount_cell)
}

fn amount_cell(money: Option<Money>) -> Cell {
    Cell::Amount(money.map(|money| money.amount_text()).unwrap_or_default())
}

/// Amount, currency, amount in the smallest unit, decimals of the currency.
fn money(amount: Option<Money>) -> [Cell; 4] {
    let Some(money) = amount else { return [plain(""), plain(""), plain(""), plain("")] };
    [
        amount_cell(Some(money)),
        plain(money.currency),
        plain(money.minor_units().map(|minor| minor.to_string()).unwrap_or_default()),
        plain(money.currency.exponent()),
    ]
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Moving => "moving",
        Phase::Resting => "resting",
        Phase::Final => "final",
    }
}

fn plain(value: impl ToString) -> Cell {
    Cell::Plain(value.to_string())
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}
