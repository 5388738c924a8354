//! What the rows of a file say about objects.
//!
//! Owns: which row is about which object, and which rows cannot be used (docs/src/reference/amazon-pay-batch.md,
//! sections 10, 11.5 and 15). Must never know: watched objects, storage.

use std::collections::BTreeMap;

use super::ReportType;
use super::rows::{Quarantined, SettlementRow, TransactionRow, settlement, transactions};
use crate::apis::amazon_pay_mws::kind::ObjectKind;
use crate::apis::reporting::{Claim, Fetched, Reading, Rejected, Says};
use crate::payments::money::Money;
use crate::payments::object::ObjectId;
use crate::text;

/// Postings that are not a single capture or refund (section 15.2), as [`compact`] writes them. Others are reported,
/// because the list is not complete.
const OTHER_POSTINGS: [&str; 10] = [
    "authorization",
    "debt",
    "chargeback",
    "dispute",
    "adjustment",
    "carryover",
    "reserve",
    "transfer",
    "atozguarantee",
    "atozguaranteeclaim",
];

/// The type of a posting in lower case, without spaces and hyphens: the manuals spell some types in several ways.
fn compact(posting: &str) -> String {
    posting.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect::<String>().to_ascii_lowercase()
}

/// Reads a file of this type for a seller.
///
/// # Errors
/// A message if the file as a whole is not such a report.
pub fn read(kind: ReportType, seller_id: &str, file: &Fetched) -> Result<Reading, String> {
    let content_type = file.content_type.as_deref();
    if kind.is_settlement() {
        return settled(seller_id, file);
    }
    let object_kind = object_kind(kind).ok_or("a file of this type says nothing about objects")?;
    let read = transactions(kind, &file.bytes, content_type).map_err(|error| error.to_string())?;
    let mut reading = Reading {
        columns: read.columns,
        rows: count(read.rows.len() + read.quarantined.len()),
        rejected: read.quarantined.into_iter().map(rejected).collect(),
        ..Reading::default()
    };
    for row in &read.rows {
        match claim(object_kind, row) {
            Ok(claim) => reading.claims.push(claim),
            Err(problem) => reading.rejected.push(problem),
        }
    }
    reading.rejected.sort_by_key(|row| row.line);
    Ok(reading)
}

fn object_kind(kind: ReportType) -> Option<ObjectKind> {
    match kind {
        ReportType::Settlement | ReportType::SandboxSettlement => None,
        ReportType::OrderReference => Some(ObjectKind::OrderReference),
        ReportType::BillingAgreement => Some(ObjectKind::BillingAgreement),
        ReportType::Authorization => Some(ObjectKind::Authorization),
        ReportType::Capture => Some(ObjectKind::Capture),
        ReportType::Refund => Some(ObjectKind::Refund),
    }
}

fn claim(kind: ObjectKind, row: &TransactionRow) -> Result<Claim, Rejected> {
    let reject =
        |column: &str, why: &str| Rejected { line: row.line, column: column.to_owned(), why: why.to_owned() };
    if !is_word(&row.state) {
        return Err(reject("the state column", "is not a state word"));
    }
    let amount = match (row.amount, row.currency) {
        (Some(amount), Some(currency)) => Some(
            Money::new(amount, currency)
                .map_err(|_| reject("CurrencyCode", "allows fewer decimals than the amount has"))?,
        ),
        _ => None,
    };
    let parent = match kind {
        ObjectKind::Capture => row.related.get("amazonauthorizationid"),
        ObjectKind::Refund => row.related.get("amazoncaptureid"),
        _ => None,
    };
    Ok(Claim {
        line: row.line,
        kind: kind.kind(),
        id: ObjectId::new(row.id.as_str()).map_err(|_| reject(kind.id_name(), "is not an id"))?,
        says: Says::State(spelt(&row.state)),
        amount,
        at: row.updated_at,
        created_at: row.created_at,
        reference: row.reference_id.clone(),
        parent: parent.cloned(),
    })
}

/// What may be quoted word for word: a row whose cells have moved must not bring a buyer's name into a message.
fn is_word(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b" -_".contains(&byte))
}

/// Reports write `Cancelled` where the API writes `Canceled` (section 11.5).
fn spelt(state: &str) -> String {
    if state.eq_ignore_ascii_case("Cancelled") { "Canceled".to_owned() } else { state.to_owned() }
}

fn settled(seller_id: &str, file: &Fetched) -> Result<Reading, String> {
    let read = settlement(&file.bytes, file.content_type.as_deref()).map_err(|error| error.to_string())?;
    let mut reading = Reading {
        columns: read.columns,
        rows: count(read.rows.len() + read.quarantined.len()),
        rejected: read.quarantined.into_iter().map(rejected).collect(),
        ..Reading::default()
    };
    if read.seller_id.as_deref().is_some_and(|written| written != seller_id) {
        reading.remarks.push("it names a seller other than the account's".to_owned());
    }
    let mut strangers: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &read.rows {
        if !row.adds_up() {
            let (column, why) = ("NetTransactionAmount".to_owned(), "the row does not add up".to_owned());
            reading.rejected.push(Rejected { line: row.line, column, why });
            continue;
        }
        if !is_word(&row.transaction_type) {
            let (column, why) = ("TransactionType".to_owned(), "is not a word".to_owned());
            reading.rejected.push(Rejected { line: row.line, column, why });
            continue;
        }
        match posted(row) {
            Some(Ok(claim)) => reading.claims.push(claim),
            Some(Err(problem)) => reading.rejected.push(problem),
            None if OTHER_POSTINGS.contains(&compact(&row.transaction_type).as_str()) => {}
            None => *strangers.entry(&row.transaction_type).or_default() += 1,
        }
    }
    for (word, number) in strangers {
        reading.unmatched += number;
        reading.remarks.push(format!(
            "not matched: {} of type {word:?}, which is not in the provider's manual",
            text::count(number, "row")
        ));
    }
    reading.rejected.sort_by_key(|row| row.line);
    Ok(reading)
}

/// The capture or refund whose money a posting moves. The gross amount is matched, never the net; a refund's is
/// negative.
fn posted(row: &SettlementRow) -> Option<Result<Claim, Rejected>> {
    let kind = match compact(&row.transaction_type).as_str() {
        "capture" => ObjectKind::Capture,
        "refund" => ObjectKind::Refund,
        _ => return None,
    };
    let reject = |column: &str, why: &str| {
        let (column, why) = (column.to_owned(), why.to_owned());
        Some(Err(Rejected { line: row.line, column, why }))
    };
    let Some(Ok(id)) = row.transaction_id.as_deref().map(ObjectId::new) else {
        return reject("AmazonTransactionId", "is not an id");
    };
    let Ok(amount) = Money::new(row.amount.abs(), row.currency) else {
        return reject("CurrencyCode", "allows fewer decimals than the amount has");
    };
    Some(Ok(Claim {
        line: row.line,
        kind: kind.kind(),
        id,
        says: Says::Settled,
        amount: Some(amount),
        at: row.posted_at,
        created_at: None,
        reference: row.reference_id.clone(),
        parent: None,
    }))
}

fn rejected(row: Quarantined) -> Rejected {
    Rejected { line: row.line, column: row.column, why: row.why }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
