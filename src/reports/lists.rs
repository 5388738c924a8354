//! The rows that the page lists for a person: declined and quarantined, live before sandbox.
//!
//! Owns: how many, their order, their columns, codes in words. Must never know: the template, the store.

use std::collections::BTreeMap;

use super::columns::{CHANGE_COLUMNS, Cell, QUARANTINED_COLUMNS, Row};
use super::meanings::Meanings;
use crate::payments::environment::Environment;
use crate::text;

/// How many rows of each list are shown.
const SHOWN: usize = 50;

/// A kind of list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Listing {
    /// Rows of `declined`.
    Declined,
    /// Rows of `quarantined`.
    Quarantined,
}

/// The first rows of each list, and how many there are.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed(BTreeMap<(Environment, Listing), (Vec<Row>, u64)>);

impl Listed {
    /// Lists a row, or counts it if the list is full.
    pub(super) fn add(&mut self, environment: Environment, listing: Listing, row: &Row) {
        let (rows, count) = self.0.entry((environment, listing)).or_default();
        *count += 1;
        if rows.len() < SHOWN {
            rows.push(row.clone());
        }
    }

    /// The lists that have rows.
    pub(super) fn lists(&self, meanings: &Meanings) -> Vec<List> {
        self.0
            .iter()
            .map(|((environment, listing), rows)| list(*environment, *listing, rows, meanings))
            .collect()
    }
}

/// A list as the page shows it.
#[derive(Debug)]
pub(super) struct List {
    pub(super) heading: &'static str,
    pub(super) caption: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<ListCell>>,
}

/// One cell: its text, and what a code in it means.
#[derive(Debug, Default)]
pub(super) struct ListCell {
    pub(super) text: String,
    pub(super) meaning: String,
    /// Must stay on one line.
    pub(super) is_whole: bool,
}

/// Columns of the file, each under a name for people. `amount` is shown with its currency.
const DECLINED: &[(&str, &str)] = &[
    ("event_time_local", "when (local)"),
    ("amount", "amount"),
    ("environment", "environment"),
    ("account", "account"),
    ("transaction_type", "type"),
    ("amazon_transaction_id", "Amazon's id"),
    ("merchant_reference_id", "order"),
    ("state", "state"),
    ("reason_code", "reason"),
];

const QUARANTINED: &[(&str, &str)] = &[
    ("quarantined_since_local", "since (local)"),
    ("amount", "amount"),
    ("environment", "environment"),
    ("account", "account"),
    ("transaction_type", "type"),
    ("amazon_transaction_id", "Amazon's id"),
    ("merchant_reference_id", "order"),
    ("cause", "cause"),
    ("last_good_state", "last good state"),
    ("doubted_state", "doubted state"),
];

fn list(
    environment: Environment,
    listing: Listing,
    (rows, count): &(Vec<Row>, u64),
    meanings: &Meanings,
) -> List {
    let heading = match (environment, listing) {
        (Environment::Live, Listing::Declined) => "Declined",
        (Environment::Live, Listing::Quarantined) => "Quarantined",
        (Environment::Sandbox, Listing::Declined) => "Sandbox: declined",
        (Environment::Sandbox, Listing::Quarantined) => "Sandbox: quarantined",
    };
    let (names, shown, sorted_by) = match listing {
        Listing::Declined => (CHANGE_COLUMNS, DECLINED, "event_time_utc"),
        Listing::Quarantined => (QUARANTINED_COLUMNS, QUARANTINED, "quarantined_since_utc"),
    };
    let need = match environment {
        Environment::Live => "Each needs a manual check.",
        Environment::Sandbox => "No real money.",
    };
    let is_complete = rows.len() as u64 == *count;
    let caption = if is_complete {
        need.to_owned()
    } else {
        format!("The first {} of {count}; all stand in the CSV file. {need}", rows.len())
    };
    let read = |row: &Row, name: &str| {
        let position = names.iter().position(|column| *column == name);
        let text = position.and_then(|position| row.cells.get(position)).map(Cell::text).unwrap_or_default();
        text::line(text).into_owned()
    };
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_cached_key(|row| read(row, sorted_by));
    let cell = |row: &Row, name: &str| {
        let text = read(row, name);
        let reasons = |text: &str| meanings.reasons(&row.object.account, &row.object.kind, &row.state, text);
        let state = |text: &str| meanings.state(&row.object.account, &row.object.kind, text).to_owned();
        match name {
            "amount" => ListCell {
                text: format!("{text} {}", read(row, "currency")),
                is_whole: true,
                ..ListCell::default()
            },
            "event_time_local" | "quarantined_since_local" => {
                ListCell { text: without_zone(text), ..ListCell::default() }
            }
            "state" | "last_good_state" | "doubted_state" => {
                ListCell { meaning: state(&text), text, is_whole: false }
            }
            "reason_code" => ListCell { meaning: reasons(&text), text, is_whole: false },
            // The words are ours and short.
            "transaction_type" => ListCell { text, is_whole: true, ..ListCell::default() },
            _ => ListCell { text, ..ListCell::default() },
        }
    };
    List {
        heading,
        caption,
        columns: shown.iter().map(|(_, heading)| *heading).collect(),
        rows: sorted.iter().map(|row| shown.iter().map(|(name, _)| cell(row, name)).collect()).collect(),
    }
}

/// A time is easier to read with a space. The page names its zone once, at the top.
fn without_zone(time: String) -> String {
    match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock}"),
        _ => time,
    }
}
