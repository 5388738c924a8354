//! What an operator hands in: CSV or JSON Lines, one operation a line.
//!
//! Owns: reading both forms, all problems with their line numbers. Must never know: files that are sent,
//! the provider's answers.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::column::{Column, Command};
use super::lines::LineCounter;
use super::row::{Problem, Row, Usual};

/// A row with the line of the input that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// The first line is 1.
    pub line: u64,
    /// What it says.
    pub row: Row,
}

/// The most bytes of one input.
pub const LONGEST_INPUT_BYTES: usize = 200_000_000;

/// Reads CSV (a header line of parameter names, then rows) or JSON Lines (an object a line), told apart by
/// the first character. Empty lines are skipped.
///
/// # Errors
/// Every problem of every line, in their order; with one problem no row is used.
pub fn read(bytes: &[u8], usual: Usual) -> Result<Vec<InputRow>, Vec<Problem>> {
    if bytes.len() > LONGEST_INPUT_BYTES {
        return Err(vec![Problem::new(1, None, "the input is longer than 200 MB; divide it")]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![Problem::new(u64::try_from(line).unwrap_or(u64::MAX), None, "is not UTF-8")]
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let is_json = text.trim_start().starts_with('{');
    let (lines, mut problems) = if is_json { json_lines(text) } else { csv_lines(text) };
    let mut rows = Vec::with_capacity(lines.len());
    for (line, values) in lines {
        match Row::check(line, &values, usual) {
            Ok(row) => rows.push(InputRow { line, row }),
            Err(more) => problems.extend(more),
        }
    }
    problems.extend(repetitions(&rows));
    if rows.is_empty() && problems.is_empty() {
        problems.push(Problem::new(1, None, "there is no row"));
    }
    problems.sort();
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

type Lines = Vec<(u64, BTreeMap<Column, String>)>;

fn csv_lines(text: &str) -> (Lines, Vec<Problem>) {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut header: Option<Vec<Option<Column>>> = None;
    let mut counter = LineCounter::new(text);
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = counter.line_of(error.position().map(csv::Position::byte));
                problems.push(Problem::new(line, None, "cannot be read as CSV"));
                break;
            }
        };
        let line = counter.line_of(record.position().map(csv::Position::byte));
        let Some(columns) = &header else {
            let (columns, faults) = columns_of(line, &record);
            problems.extend(faults);
            header = Some(columns);
            continue;
        };
        if record.len() != columns.len() {
            let what = format!("has {} cells, the header has {}", record.len(), columns.len());
            problems.push(Problem::new(line, None, what));
            continue;
        }
        let cells = columns.iter().zip(record.iter());
        let values = cells.filter_map(|(column, cell)| Some(((*column)?, cell.to_owned()))).collect();
        lines.push((line, values));
    }
    (lines, problems)
}

fn columns_of(line: u64, record: &csv::StringRecord) -> (Vec<Option<Column>>, Vec<Problem>) {
    let columns: Vec<Option<Column>> = record.iter().map(|name| Column::from_name(name.trim())).collect();
    let mut problems = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        match column {
            None => {
                let what = format!("column {} is no parameter; there are {}", place + 1, Column::names());
                problems.push(Problem::new(line, None, what));
            }
            Some(column) if columns[..place].contains(&Some(*column)) => {
                problems.push(Problem::new(line, Some(*column), "stands in the header twice"));
            }
            Some(_) => {}
        }
    }
    (columns, problems)
}

fn json_lines(text: &str) -> (Lines, Vec<Problem>) {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for (line, text) in (1u64..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let Ok(fields) = serde_json::from_str::<Map<String, Value>>(text) else {
            problems.push(Problem::new(line, None, "is no JSON object"));
            continue;
        };
        let mut values = BTreeMap::new();
        for (name, value) in &fields {
            let column = Column::from_name(name);
            match (column, value) {
                (Some(column), Value::String(text)) => drop(values.insert(column, text.clone())),
                // A fraction as a number may have lost digits before it came here.
                (Some(column), Value::Number(number)) if number.is_u64() => {
                    values.insert(column, number.to_string());
                }
                (Some(_), Value::Null) => {}
                (Some(column), _) => {
                    problems.push(Problem::new(line, Some(column), "must be a text or a whole number"));
                }
                (None, _) => {
                    let what = format!("a field is no parameter; there are {}", Column::names());
                    problems.push(Problem::new(line, None, what));
                }
            }
        }
        lines.push((line, values));
    }
    (lines, problems)
}

/// References that may stand only once in all the input: those of new orders, and those that name a refund
/// (section 6.2). Other operations on one order are divided among files.
fn repetitions(rows: &[InputRow]) -> Vec<Problem> {
    let mut orders: HashMap<&str, (u64, bool)> = HashMap::new();
    let mut refunds: HashMap<&str, u64> = HashMap::new();
    let mut problems = Vec::new();
    for InputRow { line, row } in rows {
        let is_new = row.command() == Command::Purchase;
        match orders.get(row.merchant_reference()) {
            Some((first, other_is_new)) if is_new || *other_is_new => {
                let what = format!("is used on line {first} too, and a purchase needs one of its own");
                problems.push(Problem::new(*line, Some(Column::MerchantReference), what));
            }
            Some(_) => {}
            None => drop(orders.insert(row.merchant_reference(), (*line, is_new))),
        }
        let Some(refund) = row.value(Column::MaintenanceReference) else { continue };
        if let Some(first) = refunds.insert(refund, *line) {
            let what = format!("is used on line {first} too, and it names one refund only");
            problems.push(Problem::new(*line, Some(Column::MaintenanceReference), what));
        }
    }
    problems
}

#[cfg(test)]
#[path = "input/tests.rs"]
mod tests;
