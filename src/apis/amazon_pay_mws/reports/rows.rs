//! The rows of a report as facts: exact amounts, times, ids. A row that cannot be read is quarantined with its line,
//! and the others are still read.
//!
//! Owns: which column means what (docs/src/reference/amazon-pay-batch.md, sections 11.2 to 11.5 and 15). Must never
//! know: watched objects, storage. The buyer's name, e-mail and addresses are never read from a file.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::ReportType;
use super::file::{BadFile, Record, Table, is_id_column, table};
use crate::apis::decoding::NO_LETTER;
use crate::payments::money::Currency;

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its line, from 1.
    pub line: u64,
    /// The column at fault.
    pub column: String,
    /// Why, without the cell's text.
    pub why: String,
}

/// A settlement report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The seller, according to the preamble.
    pub seller_id: Option<String>,
    /// The period's first moment, according to the preamble.
    pub from: Option<Timestamp>,
    /// The period's last moment, according to the preamble.
    pub until: Option<Timestamp>,
    /// The names of the columns, in their order.
    pub columns: Vec<String>,
    /// The postings, in the file's order.
    pub rows: Vec<SettlementRow>,
    /// Rows that cannot be read.
    pub quarantined: Vec<Quarantined>,
}

/// One posting of a settlement (section 11.2). Amounts are in the currency's main unit and signed: fees are negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The settlement period.
    pub settlement_id: String,
    /// The capture, refund or other object that it is about.
    pub transaction_id: Option<String>,
    /// The seller's own reference.
    pub reference_id: Option<String>,
    /// The provider's word, letter for letter; unknown ones are possible (section 15.2).
    pub transaction_type: String,
    /// The order.
    pub order_id: Option<String>,
    /// The seller's own order.
    pub seller_order_id: Option<String>,
    /// ISO 4217.
    pub currency: Currency,
    /// Gross.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// The percentage fee.
    #[serde(with = "rust_decimal::serde::str")]
    pub percentage_fee: Decimal,
    /// The fixed fee.
    #[serde(with = "rust_decimal::serde::str")]
    pub fixed_fee: Decimal,
    /// Both fees, according to the file.
    #[serde(with = "rust_decimal::serde::str")]
    pub total_fee: Decimal,
    /// Gross and fees, according to the file.
    #[serde(with = "rust_decimal::serde::str")]
    pub net: Decimal,
}

impl SettlementRow {
    /// Whether its own sums are correct, to the last digit (section 15.3).
    pub fn adds_up(&self) -> bool {
        self.total_fee == self.percentage_fee + self.fixed_fee && self.net == self.amount + self.total_fee
    }
}

/// A transaction report: one row for each state that an object reached (section 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transactions {
    /// The names of the columns, in their order.
    pub columns: Vec<String>,
    /// In the file's order, which is not chronological.
    pub rows: Vec<TransactionRow>,
    /// Rows that cannot be read.
    pub quarantined: Vec<Quarantined>,
}

/// An object's state at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRow {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The object's id.
    pub id: String,
    /// The provider's state word, letter for letter.
    pub state: String,
    /// The provider's reason code, letter for letter.
    pub reason: Option<String>,
    /// When the state was reached.
    pub updated_at: Timestamp,
    /// When the object was created.
    pub created_at: Option<Timestamp>,
    /// The seller's own reference.
    pub reference_id: Option<String>,
    /// The amount that the object is about, if the file has one.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub amount: Option<Decimal>,
    /// ISO 4217.
    pub currency: Option<Currency>,
    /// Ids of other objects in the row, by lower-case column name.
    pub related: BTreeMap<String, String>,
    /// `RefundType`, letter for letter.
    pub refund_type: Option<String>,
}

/// Reads a settlement file.
///
/// # Errors
/// If the file as a whole is not one; single rows are quarantined instead.
pub fn settlement(bytes: &[u8], content_type: Option<&str>) -> Result<Settlement, BadFile> {
    let table = table(bytes, content_type, &["TransactionPostedDate"])?;
    for column in [
        "TransactionPostedDate",
        "SettlementId",
        "TransactionType",
        "CurrencyCode",
        "TransactionAmount",
        "TransactionPercentageFee",
        "TransactionFixedFee",
        "TotalTransactionFee",
        "NetTransactionAmount",
    ] {
        if !table.has(column) {
            return Err(BadFile::NoColumn(column));
        }
    }
    let time = |name: &str| table.preamble(name).and_then(moment);
    let mut read = Settlement {
        seller_id: table.preamble("SellerId").map(str::to_owned),
        from: time("SettlementStartDate"),
        until: time("SettlementEndDate"),
        columns: table.columns.clone(),
        rows: Vec::new(),
        quarantined: Vec::new(),
    };
    for record in &table.records {
        match settlement_row(&Cells { table: &table, record }) {
            Ok(row) => read.rows.push(row),
            Err(problem) => read.quarantined.push(problem),
        }
    }
    Ok(read)
}

fn settlement_row(cells: &Cells<'_>) -> Result<SettlementRow, Quarantined> {
    Ok(SettlementRow {
        line: cells.record.line,
        posted_at: cells.needed("TransactionPostedDate", moment)?,
        settlement_id: cells.needed("SettlementId", plain)?,
        transaction_id: cells.optional("AmazonTransactionId", plain)?,
        reference_id: cells.text("SellerReferenceId"),
        transaction_type: cells.needed("TransactionType", plain)?,
        order_id: cells.text("AmazonOrderReferenceId"),
        seller_order_id: cells.text("SellerOrderId"),
        currency: cells.needed("CurrencyCode", |text| Currency::from_str(text).ok())?,
        amount: cells.needed("TransactionAmount", number)?,
        percentage_fee: cells.needed("TransactionPercentageFee", number)?,
        fixed_fee: cells.needed("TransactionFixedFee", number)?,
        total_fee: cells.needed("TotalTransactionFee", number)?,
        net: cells.needed("NetTransactionAmount", number)?,
    })
}

/// The columns of one type of transaction report.
struct Columns {
    id: &'static str,
    state: &'static str,
    amount: &'static [&'static str],
    reference: &'static str,
}

fn columns(kind: ReportType) -> Option<Columns> {
    let of = |id, state, amount, reference| Some(Columns { id, state, amount, reference });
    match kind {
        ReportType::Settlement | ReportType::SandboxSettlement => None,
        ReportType::OrderReference => {
            of("AmazonOrderReferenceId", "OrderReferenceStatus", &["OrderTotal", "Amount"], "SellerOrderId")
        }
        ReportType::BillingAgreement => {
            of("AmazonBillingAgreementId", "BillingAgreementStatus", &[], "SellerBillingAgreementId")
        }
        ReportType::Authorization => {
            let amount: &[&str] = &["AuthorizationAmount"];
            of("AmazonAuthorizationId", "AuthorizationStatus", amount, "AuthorizationReferenceId")
        }
        ReportType::Capture => {
            of("AmazonCaptureId", "CaptureStatus", &["CaptureAmount"], "CaptureReferenceId")
        }
        ReportType::Refund => of("AmazonRefundId", "RefundStatus", &["RefundAmount"], "RefundReferenceId"),
    }
}

/// Reads a transaction report of this type.
///
/// # Errors
/// If the file as a whole is not one; single rows are quarantined instead.
pub fn transactions(
    kind: ReportType,
    bytes: &[u8],
    content_type: Option<&str>,
) -> Result<Transactions, BadFile> {
    let Some(columns) = columns(kind) else { return Err(BadFile::NoColumn("TransactionPostedDate")) };
    // The column order of some types is not known, so any id of the provider may come first.
    let table = table(bytes, content_type, &[])?;
    for column in [columns.id, columns.state, "LastUpdateTimestamp"] {
        if !table.has(column) {
            return Err(BadFile::NoColumn(column));
        }
    }
    let mut read = Transactions { columns: table.columns.clone(), rows: Vec::new(), quarantined: Vec::new() };
    for record in &table.records {
        match transaction_row(&columns, &Cells { table: &table, record }) {
            Ok(row) => read.rows.push(row),
            Err(problem) => read.quarantined.push(problem),
        }
    }
    Ok(read)
}

fn transaction_row(columns: &Columns, cells: &Cells<'_>) -> Result<TransactionRow, Quarantined> {
    let mut amount = None;
    for column in columns.amount {
        amount = amount.or(cells.optional(column, number)?);
    }
    let mut related = BTreeMap::new();
    let ids = cells.table.columns.iter().filter(|name| is_id_column(name));
    for column in ids.filter(|name| !name.eq_ignore_ascii_case(columns.id)) {
        if let Some(id) = cells.text(column) {
            related.insert(column.to_ascii_lowercase(), id);
        }
    }
    Ok(TransactionRow {
        line: cells.record.line,
        id: cells.needed(columns.id, plain)?,
        state: cells.needed(columns.state, plain)?,
        reason: cells.text("ReasonCode"),
        updated_at: cells.needed("LastUpdateTimestamp", moment)?,
        created_at: cells.optional("CreationTimestamp", moment)?,
        reference_id: cells.text(columns.reference),
        amount,
        currency: cells.optional("CurrencyCode", |text| Currency::from_str(text).ok())?,
        related,
        refund_type: cells.text("RefundType"),
    })
}

struct Cells<'a> {
    table: &'a Table,
    record: &'a Record,
}

impl Cells<'_> {
    fn needed<T>(&self, column: &str, read: fn(&str) -> Option<T>) -> Result<T, Quarantined> {
        self.optional(column, read)?.ok_or_else(|| self.problem(column, "is empty"))
    }

    fn optional<T>(&self, column: &str, read: fn(&str) -> Option<T>) -> Result<Option<T>, Quarantined> {
        match self.table.cell(self.record, column) {
            None => Ok(None),
            Some(text) => read(text).map(Some).ok_or_else(|| self.problem(column, "cannot be read")),
        }
    }

    /// A text that no comparison depends on: none if it cannot be read.
    fn text(&self, column: &str) -> Option<String> {
        self.table.cell(self.record, column).and_then(plain)
    }

    fn problem(&self, column: &str, why: &str) -> Quarantined {
        Quarantined { line: self.record.line, column: column.to_owned(), why: why.to_owned() }
    }
}

/// A short text on one line.
fn plain(text: &str) -> Option<String> {
    let is_odd = |letter: char| letter.is_control() || letter == NO_LETTER;
    (text.chars().count() <= 256 && !text.contains(is_odd)).then(|| text.to_owned())
}

/// A plain decimal number, with or without a minus sign: no exponent, no grouping (section 11.1).
fn number(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain { Decimal::from_str_exact(text).ok() } else { None }
}

/// `2018-09-18T00:00:03 -0700`, the same without the space, or with `Z` (section 11.1).
fn moment(text: &str) -> Option<Timestamp> {
    let compact: String = text.split(' ').collect();
    if let Ok(at) = compact.parse::<Timestamp>() {
        return Some(at);
    }
    let zoned = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", &compact).ok()?;
    zoned.to_timestamp().ok()
}
