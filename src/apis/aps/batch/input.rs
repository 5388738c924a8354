//! What an operator submits: CSV or JSON Lines, one operation per line.
//!
//! Owns: reading both forms, all problems with their line numbers. Must never know: files that are sent,
//! the provider's answers.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::column::{Column, Command};
use super::row::{Problem, Row, Usual};
use crate::delimited::{self, BadFile, Csv, Line, Record, Text, nearest, too_long};

/// A row with the line of the input that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRow {
    /// The line number, from 1.
    pub line: u64,
    /// The operation.
    pub row: Row,
}

/// The most bytes of one input.
pub const LONGEST_INPUT_BYTES: usize = 200_000_000;

/// Reads CSV (a header line of parameter names, then rows) or JSON Lines (one object per line), distinguished by
/// the first character. Empty lines are skipped.
///
/// # Errors
/// All problems of all lines, in order. If there is any problem, no row is used.
pub fn read(bytes: &[u8], usual: Usual) -> Result<Vec<InputRow>, Vec<Problem>> {
    if bytes.len() > LONGEST_INPUT_BYTES {
        return Err(vec![Problem::new(1, None, "the input is longer than 200 MB; split it")]);
    }
    let (lines, mut problems) = match delimited::open(bytes, None) {
        Ok(Text::Csv(csv)) => csv_lines(csv),
        Ok(Text::JsonLines(lines)) => json_lines(lines),
        Ok(Text::Empty) => (Vec::new(), Vec::new()),
        Err(BadFile::Senseless { line, reason }) => (Vec::new(), vec![Problem::new(line, None, reason)]),
        Err(BadFile::Unreadable(_)) => (Vec::new(), vec![Problem::new(1, None, UNREADABLE)]),
    };
    let mut rows = Vec::with_capacity(lines.len());
    for (line, values) in lines {
        match Row::check(line, &values, usual) {
            Ok(row) => rows.push(InputRow { line, row }),
            Err(more) => problems.extend(more),
        }
    }
    problems.extend(repetitions(&rows));
    if rows.is_empty() && problems.is_empty() {
        problems.push(Problem::new(1, None, "there are no rows"));
    }
    problems.sort();
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

type Lines = Vec<(u64, BTreeMap<Column, String>)>;

const UNREADABLE: &str = "cannot be read any further";

fn csv_lines(mut csv: Csv<&[u8]>) -> (Lines, Vec<Problem>) {
    let (columns, mut problems) = columns_of(csv.header_line(), csv.header());
    let mut lines = Vec::new();
    loop {
        match csv.next() {
            Ok(None) => return (lines, problems),
            Ok(Some(Record { line, cells: Ok(cells), .. })) => {
                let cells = columns.iter().zip(cells);
                lines.push((line, cells.filter_map(|(column, cell)| Some(((*column)?, cell))).collect()));
            }
            Ok(Some(Record { line, cells: Err(reason), .. })) => {
                problems.push(Problem::new(line, None, reason))
            }
            Err(_) => {
                problems.push(Problem::new(csv.header_line(), None, UNREADABLE));
                return (lines, problems);
            }
        }
    }
}

fn columns_of(line: u64, header: &[String]) -> (Vec<Option<Column>>, Vec<Problem>) {
    let columns: Vec<Option<Column>> = header.iter().map(|name| Column::from_name(name)).collect();
    let mut problems = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        match column {
            None => {
                let known = Column::ALL.map(Column::name);
                let hint = nearest(&header[place], known).map(|meant| format!("; did you mean {meant}?"));
                let hint = hint.unwrap_or_default();
                let what =
                    format!("column {} is not a parameter{hint}; there are {}", place + 1, Column::names());
                problems.push(Problem::new(line, None, what));
            }
            Some(column) if columns[..place].contains(&Some(*column)) => {
                problems.push(Problem::new(line, Some(*column), "appears twice in the header"));
            }
            Some(_) => {}
        }
    }
    (columns, problems)
}

fn json_lines(mut text: delimited::Lines<&[u8]>) -> (Lines, Vec<Problem>) {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    while let Ok(Some(Line { number: line, bytes, is_cut })) = text.next() {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        if is_cut {
            problems.push(Problem::new(line, None, too_long()));
            continue;
        }
        let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(&bytes) else {
            problems.push(Problem::new(line, None, "is not a JSON object"));
            continue;
        };
        let mut values = BTreeMap::new();
        for (name, value) in &fields {
            let column = Column::from_name(name);
            match (column, value) {
                (Some(column), Value::String(text)) => drop(values.insert(column, text.clone())),
                // A fraction given as a number may have lost digits before it got here.
                (Some(column), Value::Number(number)) if number.is_u64() => {
                    values.insert(column, number.to_string());
                }
                (Some(_), Value::Null) => {}
                (Some(column), _) => {
                    problems.push(Problem::new(line, Some(column), "must be a string or a whole number"));
                }
                (None, _) => {
                    let what = format!("a field is not a parameter; there are {}", Column::names());
                    problems.push(Problem::new(line, None, what));
                }
            }
        }
        lines.push((line, values));
    }
    (lines, problems)
}

/// Finds repeated references that must be unique in the whole input: those of new orders, and those that name a refund
/// (section 6.2). Other operations on the same order are divided among files.
fn repetitions(rows: &[InputRow]) -> Vec<Problem> {
    let mut orders: HashMap<&str, (u64, bool)> = HashMap::new();
    let mut refunds: HashMap<&str, u64> = HashMap::new();
    let mut problems = Vec::new();
    for InputRow { line, row } in rows {
        let is_new = row.command() == Command::Purchase;
        match orders.get(row.merchant_reference()) {
            Some((first, other_is_new)) if is_new || *other_is_new => {
                let what = format!("is also used on line {first}, but a purchase needs its own");
                problems.push(Problem::new(*line, Some(Column::MerchantReference), what));
            }
            Some(_) => {}
            None => drop(orders.insert(row.merchant_reference(), (*line, is_new))),
        }
        let Some(refund) = row.value(Column::MaintenanceReference) else { continue };
        if let Some(first) = refunds.insert(refund, *line) {
            let what = format!("is also used on line {first}, but it must name only one refund");
            problems.push(Problem::new(*line, Some(Column::MaintenanceReference), what));
        }
    }
    problems
}

#[cfg(test)]
#[path = "input/tests.rs"]
mod tests;
