//! The operator's file: CSV or JSON Lines, turned into checked requests or into a list of all problems with their
//! lines.
//!
//! Owns: the two formats, their strict checks (docs/src/reference/amazon-pay-batch.md, section 2.2). Must never know:
//! feeds, accounts, where the file is. Problems repeat no values except ids and references.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::request::{BatchOperation, BatchRequest, Field};
use crate::apis::amazon_pay_mws::kind;
use crate::apis::amazon_pay_mws::operations::{CURRENCIES, amount_problem, is_reference, is_xml};
use crate::delimited::{self, BadFile, Csv, Form, Lines, Text, nearest, too_long};
use crate::payments::money::Money;
use crate::payments::object::ObjectId;
use crate::text;

/// The most rows that one file may have.
pub const MOST_ROWS: usize = 1_000_000;
/// The most problems that are listed; the rest are only counted.
pub const MOST_PROBLEMS: usize = 1_000;
/// The most refunds of one capture (section 2.2).
const MOST_REFUNDS: u32 = 10;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated; the first line names the columns.
    Csv,
    /// One JSON object per line, all values as strings.
    JsonLines,
}

/// A checked row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line where it begins, from 1.
    pub line: u64,
    /// The request.
    pub request: BatchRequest,
}

/// A problem in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line where the row begins, from 1.
    pub line: u64,
    /// The column or key; empty for the whole line.
    pub field: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(formatter, "line {}: {}", self.line, self.what),
            field => write!(formatter, "line {}: {field}: {}", self.line, self.what),
        }
    }
}

/// All problems of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputProblems {
    /// In line order, at most [`MOST_PROBLEMS`].
    pub told: Vec<LineProblem>,
    /// How many there are in total.
    pub count: u64,
}

/// Reads a whole file as a stream. Ids must not contradict the account's environment (`is_sandbox`).
///
/// # Errors
/// All problems at once. A file without rows is a problem, too.
pub fn read(
    operation: BatchOperation,
    format: Format,
    input: impl BufRead,
    is_sandbox: bool,
) -> Result<Vec<Row>, InputProblems> {
    let mut reading = Reading::new(operation, is_sandbox);
    let form = match format {
        Format::Csv => Form::Csv,
        Format::JsonLines => Form::JsonLines,
    };
    match delimited::open(input, Some(form)) {
        Ok(Text::Empty) => {}
        Ok(Text::Csv(csv)) => reading.csv(csv),
        Ok(Text::JsonLines(lines)) => reading.json_lines(lines),
        Err(BadFile::Senseless { line, reason }) => reading.problem(line, "", reason),
        Err(BadFile::Unreadable(_)) => reading.problem(1, "", "cannot be read"),
    }
    if reading.rows.is_empty() && reading.problems.count == 0 {
        reading.problem(1, "", "the file has no rows");
    }
    if reading.problems.count == 0 { Ok(reading.rows) } else { Err(reading.problems) }
}

struct Reading {
    operation: BatchOperation,
    is_sandbox: bool,
    rows: Vec<Row>,
    problems: InputProblems,
    references: BTreeMap<String, u64>,
    ids: BTreeMap<String, (u64, u32)>,
}

impl Reading {
    fn new(operation: BatchOperation, is_sandbox: bool) -> Reading {
        Reading {
            operation,
            is_sandbox,
            rows: Vec::new(),
            problems: InputProblems::default(),
            references: BTreeMap::new(),
            ids: BTreeMap::new(),
        }
    }

    fn problem(&mut self, line: u64, field: &str, what: impl Into<String>) {
        self.problems.count += 1;
        if self.problems.told.len() < MOST_PROBLEMS {
            let field = text::short(field, 80);
            self.problems.told.push(LineProblem { line, field, what: what.into() });
        }
    }

    fn csv(&mut self, mut csv: Csv<impl BufRead>) {
        let Some(columns) = self.columns(csv.header_line(), csv.header()) else { return };
        let mut last = csv.header_line();
        loop {
            let record = match csv.next() {
                Ok(Some(record)) => record,
                Ok(None) => return,
                Err(_) => return self.problem(last + 1, "", "cannot be read from here on"),
            };
            last = record.line;
            match record.cells {
                Ok(cells) => {
                    let pairs = columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
                    self.row(record.line, pairs.map(|(name, cell)| (name.clone(), cell)).collect());
                }
                Err(reason) => self.problem(record.line, "", reason),
            }
        }
    }

    /// The header: only known names, each once.
    fn columns(&mut self, line: u64, cells: &[String]) -> Option<Vec<String>> {
        let before = self.problems.count;
        let mut columns: Vec<String> = Vec::new();
        for cell in cells {
            let name = cell.clone();
            if columns.contains(&name) {
                self.problem(line, &name, "appears twice in the header");
            } else if !self.is_known(&name) {
                let hint = nearest(&name, self.names()).map(|meant| format!("; is it {meant}?"));
                let what = format!(
                    "is not a column of {}{}; known columns: {}",
                    self.operation.name(),
                    hint.unwrap_or_default(),
                    self.names().join(", ")
                );
                self.problem(line, &name, what);
            }
            columns.push(name);
        }
        (self.problems.count == before).then_some(columns)
    }

    fn json_lines(&mut self, mut lines: Lines<impl BufRead>) {
        let mut last = 0;
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(_) => return self.problem(last + 1, "", "cannot be read any further"),
            };
            last = line.number;
            if line.is_blank() {
                continue;
            }
            if line.is_cut {
                self.problem(line.number, "", too_long());
                continue;
            }
            match serde_json::from_slice::<Fields>(line.bytes.trim_ascii()) {
                Ok(Fields(fields)) => self.row(line.number, fields),
                Err(error) => {
                    let what = match error.classify() {
                        serde_json::error::Category::Data => {
                            "must be one object with unique keys and with values in quotes"
                        }
                        _ => "is not JSON",
                    };
                    self.problem(line.number, "", what);
                }
            }
        }
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for field in self.operation.fields() {
            match field {
                Field::Price(_) => names.extend(["Amount", "CurrencyCode"]),
                Field::Id(name)
                | Field::Reference(name)
                | Field::Text(name, _)
                | Field::Descriptor(name, _) => {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Whether a name is known: the short names, and the names that single calls use for amount and currency.
    fn is_known(&self, name: &str) -> bool {
        self.names().contains(&name)
            || self.operation.fields().iter().any(|field| match field {
                Field::Price(price) => {
                    name.strip_prefix(price).is_some_and(|rest| matches!(rest, ".Amount" | ".CurrencyCode"))
                }
                _ => false,
            })
    }

    fn row(&mut self, line: u64, fields: Vec<(String, String)>) {
        let before = self.problems.count;
        if self.rows.len() == MOST_ROWS {
            return self.problem(line, "", format!("exceeds the {MOST_ROWS} rows that one file may have"));
        }
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in fields {
            if !self.is_known(&name) {
                let what = format!(
                    "is not a field of {}; known fields: {}",
                    self.operation.name(),
                    self.names().join(", ")
                );
                self.problem(line, &name, what);
                continue;
            }
            let short = name.rsplit('.').next().unwrap_or(&name).to_owned();
            if given.insert(short, value).is_some() {
                self.problem(line, &name, "is given twice");
            }
        }
        let request = self.request(line, &given);
        if let (Some(request), true) = (request, self.problems.count == before) {
            self.rows.push(Row { line, request });
        }
    }

    fn request(&mut self, line: u64, given: &BTreeMap<String, String>) -> Option<BatchRequest> {
        let mut id = None;
        let (mut reference_id, mut amount, mut text, mut soft_descriptor) = (None, None, None, None);
        for field in self.operation.fields() {
            match *field {
                Field::Id(name) => id = self.id(line, name, given.get(name)),
                Field::Reference(name) => reference_id = self.reference(line, name, given.get(name)),
                Field::Price(_) => amount = self.price(line, given),
                Field::Text(name, longest) => text = self.text(line, name, longest, given.get(name)),
                Field::Descriptor(name, longest) => {
                    soft_descriptor = self.text(line, name, longest, given.get(name));
                }
            }
        }
        Some(BatchRequest { id: id?, reference_id, amount, text, soft_descriptor })
    }

    fn id(&mut self, line: u64, name: &str, value: Option<&String>) -> Option<ObjectId> {
        let Some(value) = value else {
            self.problem(line, name, "is missing");
            return None;
        };
        let Some(id) = ObjectId::new(value.as_str()).ok().filter(|id| !id.is_folded_in_paths()) else {
            self.problem(line, name, "cannot be a provider id");
            return None;
        };
        let id = kind::canonical(&id);
        let value = id.as_str();
        if let Err(what) = kind::check(self.operation.subject(), &id, self.is_sandbox) {
            self.problem(line, name, what);
        }
        let (first, count) = self.ids.get(value).copied().unwrap_or((line, 0));
        self.ids.insert(value.to_owned(), (first, count + 1));
        let most = if self.operation == BatchOperation::Refund { MOST_REFUNDS } else { 1 };
        if count >= most {
            let what = format!("{value} appears too often (at most {most}), first in line {first}");
            self.problem(line, name, what);
        }
        Some(id)
    }

    fn reference(&mut self, line: u64, name: &str, value: Option<&String>) -> Option<String> {
        let Some(value) = value else {
            self.problem(line, name, "is missing: without it, a repeated request could move money twice");
            return None;
        };
        if !is_reference(value) {
            self.problem(line, name, "must be 1 to 32 characters: letters, digits, - and _");
            return None;
        }
        if let Some(first) = self.references.insert(value.clone(), line) {
            self.problem(line, name, format!("{value} already appears in line {first}"));
        }
        Some(value.clone())
    }

    fn price(&mut self, line: u64, given: &BTreeMap<String, String>) -> Option<Money> {
        let (amount, currency) = (given.get("Amount"), given.get("CurrencyCode"));
        for (name, value) in [("Amount", amount), ("CurrencyCode", currency)] {
            if value.is_none() {
                self.problem(line, name, "is missing");
            }
        }
        let (amount, currency) = (amount?, currency?);
        if !CURRENCIES.contains(&currency.as_str()) {
            self.problem(line, "CurrencyCode", format!("must be one of {}", CURRENCIES.join(", ")));
            return None;
        }
        if let Some(what) = amount_problem(amount, currency) {
            self.problem(line, "Amount", what);
            return None;
        }
        Money::parse(amount, currency).ok()
    }

    fn text(&mut self, line: u64, name: &str, longest: usize, value: Option<&String>) -> Option<String> {
        let value = value?;
        let count = value.chars().count();
        if value.is_empty() {
            self.problem(line, name, "is empty: leave it out");
        } else if count > longest {
            self.problem(line, name, format!("has {count} characters, {longest} are allowed"));
        } else if !value.chars().all(is_xml) {
            self.problem(line, name, "has a character that XML does not allow");
        } else {
            return Some(value.clone());
        }
        None
    }
}

/// An object of strings with unique keys. Numbers are refused, because an amount must not pass through a float.
struct Fields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom("a key appears twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
