//! One row of a batch and its outcome.
//!
//! Owns: what a result's code means for a row. Must never know: the batch's stage.

use serde::{Deserialize, Serialize};

use super::super::column::{Column, Command};
use super::super::input::InputRow;
use super::super::results::ResultRow;
use crate::apis::aps::code::Code;

/// The most characters kept of a cell of a result.
const LONGEST_CELL: usize = 40;

/// A row as it is stored: enough to recognize its result, and nothing about the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRow {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// Its line in the operator's input.
    pub input_line: u64,
    /// Its operation.
    pub command: Command,
    /// The order.
    pub merchant_reference: String,
    /// In the currency's smallest unit.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The provider's id of the order.
    pub fort_id: Option<String>,
    /// Its outcome.
    pub fate: RowFate,
    /// The `fort_id` of its result, if it differs from the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_fort_id: Option<String>,
    /// The amount of its result, if it differs from the file's. Then it is not certain how much moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_amount: Option<String>,
}

/// The outcome of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fate", content = "code")]
pub enum RowFate {
    /// It has no result yet.
    Waiting,
    /// Done as requested.
    Done(Code),
    /// Refused by the bank or the provider: no money moved.
    Declined(Code),
    /// Undecided, or a code that says nothing certain about the money.
    Open(Code),
    /// It never got a result although processing was requested.
    Unknown,
    /// It was cancelled before anything of its file was sent: no money moved.
    NeverSent,
}

impl RowFate {
    /// What a code means for a row with this command (sections 3.4 and 5.5).
    pub fn of(command: Command, code: &Code) -> RowFate {
        if code.as_str() == command.good_code() {
            return RowFate::Done(code.clone());
        }
        let failed = match command {
            Command::Purchase => "13",
            Command::Capture => "05",
            Command::Refund => "07",
            Command::VoidAuthorization => "09",
        };
        let is_verdict = code.status() == failed && code.message() != "000" && !code.is_undecided();
        if is_verdict || code.as_str() == "00072" {
            RowFate::Declined(code.clone())
        } else {
            RowFate::Open(code.clone())
        }
    }

    /// Whether CHECK_STATUS must determine the rest.
    pub fn is_to_be_watched(&self) -> bool {
        match self {
            RowFate::Open(_) | RowFate::Unknown => true,
            RowFate::Waiting | RowFate::Done(_) | RowFate::Declined(_) | RowFate::NeverSent => false,
        }
    }

    fn is_certain(&self) -> bool {
        matches!(self, RowFate::Done(_) | RowFate::Declined(_))
    }
}

impl BatchRow {
    /// The row on `line` of the file.
    pub fn new(line: u64, input: &InputRow) -> BatchRow {
        let value = |column| input.row.value(column).map(str::to_owned);
        BatchRow {
            line,
            input_line: input.line,
            command: input.row.command(),
            merchant_reference: input.row.merchant_reference().to_owned(),
            amount: value(Column::Amount),
            currency: value(Column::Currency),
            fort_id: value(Column::FortId),
            fate: RowFate::Waiting,
            other_fort_id: None,
            other_amount: None,
        }
    }

    /// What is odd about its result, for a person.
    pub fn mark(&self) -> Option<String> {
        let fort_id = self.other_fort_id.as_ref().map(|id| format!("the result names fort_id {id}"));
        let amount = self.other_amount.as_ref().map(|amount| format!("the result names amount {amount}"));
        let marks: Vec<String> = amount.into_iter().chain(fort_id).collect();
        (!marks.is_empty()).then(|| marks.join("; "))
    }

    /// Applies its result, which is matched only by line and order. False when the result is about another order
    /// (nothing changes) or about another amount (the row stays open, whatever the code says). Another `fort_id` is
    /// only noted. A certain result that contradicts an earlier certain one leaves the row open.
    pub(super) fn take(&mut self, result: &ResultRow) -> bool {
        let differs = |own: Option<&str>, theirs: Option<&str>| matches!((own, theirs), (Some(own), Some(theirs)) if own != theirs);
        if differs(Some(&self.merchant_reference), result.merchant_reference.as_deref()) {
            return false;
        }
        if differs(self.fort_id.as_deref(), result.fort_id.as_deref()) {
            self.other_fort_id = result.fort_id.as_deref().map(plain);
        }
        if differs(self.amount.as_deref(), result.amount.as_deref())
            || differs(self.currency.as_deref(), result.currency.as_deref())
        {
            let parts = [&result.amount, &result.currency].into_iter().flatten();
            let amount = parts.map(String::as_str).collect::<Vec<_>>().join(" ");
            self.other_amount = Some(plain(&amount));
        }
        let fate = RowFate::of(self.command, &result.code);
        if self.other_amount.is_some() {
            // Another answer does not remove the doubt.
            self.fate = RowFate::Open(result.code.clone());
        } else if !self.fate.is_certain() {
            self.fate = fate;
        } else if fate.is_certain() && fate != self.fate {
            self.fate = RowFate::Open(result.code.clone());
        }
        self.fort_id = self.fort_id.take().or_else(|| result.fort_id.clone());
        self.other_amount.is_none()
    }
}

/// A cell of a result, made safe for display.
fn plain(cell: &str) -> String {
    cell.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(LONGEST_CELL).collect()
}
