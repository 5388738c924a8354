//! One row of a batch: the checks that need no other row (docs/src/reference/aps.md, section 3.2).
//!
//! Owns: what a row needs. Must never know: other rows, files, the provider's answers.

use std::collections::BTreeMap;

use super::column::{Column, Command, Need};
use super::file::AmountForm;
use crate::apis::aps::wire::is_disputed;
use crate::payments::money::{Currency, Money};

/// One operation, checked: every value has the form of its parameter.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    command: Command,
    values: BTreeMap<Column, String>,
}

/// Something in the input that must be changed. It never repeats a value, because that may be the customer's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line of the input, from 1.
    pub line: u64,
    /// The parameter, if it is about one.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub what: String,
}

impl Problem {
    /// A problem of a line.
    pub fn new(line: u64, column: Option<Column>, what: impl Into<String>) -> Problem {
        Problem { line, column: column.map(Column::name), what: what.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.column {
            Some(column) => write!(formatter, "line {}: {column} {}", self.line, self.what),
            None => write!(formatter, "line {}: {}", self.line, self.what),
        }
    }
}

/// The default values of a row, and how its amount is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The account's language.
    pub language: &'static str,
    /// How amounts are written.
    pub amounts: AmountForm,
}

impl Row {
    /// Checks the values of one line. Empty values count as absent. Missing `language` and `eci` are filled in.
    ///
    /// # Errors
    /// All problems of the line.
    pub fn check(line: u64, given: &BTreeMap<Column, String>, usual: Usual) -> Result<Row, Vec<Problem>> {
        let mut values: BTreeMap<Column, String> = given
            .iter()
            .map(|(column, value)| (*column, value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let word = values.get(&Column::Command).map(String::as_str).unwrap_or_default();
        let Some(command) = Command::from_word(word) else {
            let known = Command::ALL.map(Command::as_str).join(", ");
            let problem = Problem::new(line, Some(Column::Command), format!("must be one of {known}"));
            return Err(vec![problem]);
        };
        values.entry(Column::Language).or_insert_with(|| usual.language.to_owned());
        if command == Command::Purchase {
            values.entry(Column::Eci).or_insert_with(|| "RECURRING".to_owned());
        }
        let mut problems = Vec::new();
        if let Err(what) = bring_amount_to_minor(&mut values, usual.amounts) {
            problems.push(Problem::new(line, Some(Column::Amount), what));
        }
        for column in Column::ALL {
            let fault = match (column.need(command), values.get(&column)) {
                (Need::Mandatory, None) => Some("is missing".to_owned()),
                (Need::NotTaken, Some(_)) => Some(format!("is not accepted by {}", command.as_str())),
                (Need::Mandatory | Need::Optional, Some(value)) => column.fault(value),
                (Need::Optional | Need::NotTaken, None) => None,
            };
            problems.extend(fault.map(|what| Problem::new(line, Some(column), what)));
        }
        if values.contains_key(&Column::Amount) != values.contains_key(&Column::Currency)
            && command == Command::VoidAuthorization
        {
            problems.push(Problem::new(line, Some(Column::Amount), "and currency go together"));
        }
        if values.get(&Column::Amount).is_some_and(|amount| amount.bytes().all(|byte| byte == b'0')) {
            problems.push(Problem::new(line, Some(Column::Amount), "must be greater than zero"));
        }
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(Row { command, values }) } else { Err(problems) }
    }

    /// Its operation.
    pub fn command(&self) -> Command {
        self.command
    }

    /// The value of a column, if it has one.
    pub fn value(&self, column: Column) -> Option<&str> {
        self.values.get(&column).map(String::as_str)
    }

    /// The order that it is about.
    pub fn merchant_reference(&self) -> &str {
        self.value(Column::MerchantReference).expect("a checked row has a merchant reference")
    }
}

/// A row contains customer data, so this shows only the operation and the order.
impl std::fmt::Debug for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Row")
            .field("command", &self.command)
            .field("merchant_reference", &self.merchant_reference())
            .finish_non_exhaustive()
    }
}

/// Converts a decimal amount exactly to a whole number of the smallest unit (section 3.3).
fn bring_amount_to_minor(values: &mut BTreeMap<Column, String>, form: AmountForm) -> Result<(), String> {
    let (Some(amount), Some(currency)) = (values.get(&Column::Amount), values.get(&Column::Currency)) else {
        return Ok(());
    };
    match form {
        AmountForm::Minor => Ok(()),
        AmountForm::Decimal => {
            let currency_read: Currency =
                currency.parse().map_err(|_| "needs a valid currency".to_owned())?;
            if is_disputed(currency_read) {
                return Err(format!(
                    "cannot be converted: sources disagree about the decimals of {currency}"
                ));
            }
            let minor = Money::parse(amount, currency).ok().and_then(|money| money.minor_units());
            let minor = minor.filter(|minor| *minor >= 0).ok_or_else(|| {
                format!("is not a plain decimal number with at most {} decimals", currency_read.exponent())
            })?;
            values.insert(Column::Amount, minor.to_string());
            Ok(())
        }
    }
}
