//! Batches: stored, validated, processed, told (docs/src/reference/aps.md, sections 2 and 3).
//!
//! Owns: what a file must look like, what a batch answers at which time. Must never know: signatures.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::desk::{Desk, Errand};
use super::merchant::ApsHabits;
use super::order::later;
use crate::provider::Random;

const HEADER: &str = "Line_Number,response_code,response_message,status,eci,fort_id,merchant_reference,amount,card_number,expiry_date,currency";

const COMMANDS: [&str; 4] = ["PURCHASE", "CAPTURE", "REFUND", "VOID_AUTHORIZATION"];

/// The most bytes of a file (section 2.2).
const LONGEST_FILE_BYTES: usize = 50_000_000;

/// All batches, by merchant and reference.
#[derive(Debug, Default)]
pub(super) struct Batches {
    batches: BTreeMap<(String, String), Batch>,
    last_id: u64,
}

#[derive(Debug)]
struct Batch {
    id: String,
    uploaded: Timestamp,
    rows: Vec<Row>,
    /// The message by which validation fails.
    fault: Option<&'static str>,
    processed: Option<Timestamp>,
    process_requests: u32,
    results: Vec<String>,
}

type Row = BTreeMap<String, String>;

/// A code with what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) code: String,
    pub(super) batch_id: Option<String>,
    pub(super) row_count: Option<usize>,
    pub(super) rows: Option<String>,
}

impl Told {
    fn code(code: &str) -> Told {
        Told { code: code.to_owned(), batch_id: None, row_count: None, rows: None }
    }

    fn of(batch: &Batch, code: &str) -> Told {
        Told { batch_id: Some(batch.id.clone()), ..Told::code(code) }
    }
}

impl Batches {
    /// `UPLOAD_BATCH_FILE`.
    pub(super) fn upload(
        &mut self,
        (merchant, reference): (&str, &str),
        (name, bytes): (&str, &[u8]),
        desk: &Desk,
        at: Timestamp,
    ) -> Told {
        let key = (merchant.to_owned(), reference.to_owned());
        if self.batches.contains_key(&key) {
            return Told::code("51146");
        }
        if !is_fit_name(name) || bytes.len() > LONGEST_FILE_BYTES {
            return Told::code("51144");
        }
        let (rows, fault) = match read(bytes) {
            Ok(rows) => {
                let fault = rows_fault(merchant, &rows, desk);
                (rows, fault)
            }
            Err(fault) => (Vec::new(), Some(fault)),
        };
        self.last_id += 1;
        let id = (150_754_364_000_030_000_u64 + self.last_id).to_string();
        let batch = Batch {
            id,
            uploaded: at,
            rows,
            fault,
            processed: None,
            process_requests: 0,
            results: Vec::new(),
        };
        let told = Told::of(&batch, "50000");
        self.batches.insert(key, batch);
        told
    }

    /// `GET_BATCH_RESULTS`.
    pub(super) fn results(
        &self,
        (merchant, reference): (&str, &str),
        habits: &ApsHabits,
        at: Timestamp,
    ) -> Told {
        let Some(batch) = self.batches.get(&(merchant.to_owned(), reference.to_owned())) else {
            return Told::code("71141");
        };
        if at < later(batch.uploaded, habits.invisible_for) {
            return Told::code("71141");
        }
        if let Some(processed) = batch.processed {
            if at < later(processed, habits.processing_time) {
                return Told::of(batch, "71140");
            }
            let text = format!("{HEADER}\n{}", batch.results.concat());
            let row_count = Some(batch.rows.len());
            return Told { rows: Some(text), row_count, ..Told::of(batch, "70000") };
        }
        if at < later(batch.uploaded, habits.validation_time) {
            return Told::of(batch, "71138");
        }
        match batch.fault {
            Some(message) => Told::of(batch, &format!("77{message}")),
            None => Told { row_count: Some(batch.rows.len()), ..Told::of(batch, habits.validated_code) },
        }
    }

    /// `PROCESS_BATCH`. Whether the provider minds being asked twice is not documented (section 6.2), so
    /// this one carries everything out twice: a client must not ask twice.
    pub(super) fn process(
        &mut self,
        (merchant, reference): (&str, &str),
        desk: &mut Desk,
        habits: &ApsHabits,
        at: Timestamp,
        random: &mut Random,
    ) -> Told {
        let Some(batch) = self.batches.get_mut(&(merchant.to_owned(), reference.to_owned())) else {
            return Told::code("73141");
        };
        if at < later(batch.uploaded, habits.validation_time) {
            return Told::code("73138");
        }
        if let Some(message) = batch.fault {
            return Told::code(&format!("73{message}"));
        }
        batch.process_requests += 1;
        batch.processed = Some(at);
        let mut lines = Vec::new();
        for (line, row) in (2..).zip(&batch.rows) {
            let result = carry_out(merchant, row, line, desk, at, random);
            if !random.share(habits.lost_row_share) {
                lines.push(result);
            }
        }
        for place in (1..lines.len()).rev() {
            let bound = u64::try_from(place + 1).unwrap_or(u64::MAX);
            lines.swap(place, usize::try_from(random.below(bound)).unwrap_or(0));
        }
        batch.results = lines;
        Told::code("72147")
    }

    /// How often a batch was processed; `None` when there is no such batch.
    pub(super) fn process_requests(&self, merchant: &str, reference: &str) -> Option<u32> {
        let batch = self.batches.get(&(merchant.to_owned(), reference.to_owned()))?;
        Some(batch.process_requests)
    }

    /// The references of a merchant's batches.
    pub(super) fn references(&self, merchant: &str) -> Vec<String> {
        self.batches.keys().filter(|(owner, _)| owner == merchant).map(|(_, name)| name.clone()).collect()
    }
}

fn carry_out(
    merchant: &str,
    row: &Row,
    line: u64,
    desk: &mut Desk,
    at: Timestamp,
    random: &mut Random,
) -> String {
    let cell = |name: &str| row.get(name).map(String::as_str).filter(|cell| !cell.is_empty());
    let reference = cell("merchant_reference").unwrap_or_default();
    let errand = Errand {
        merchant,
        command: cell("command").unwrap_or_default(),
        merchant_reference: reference,
        fort_id: cell("fort_id"),
        amount_minor: cell("amount").and_then(|amount| amount.parse().ok()),
        currency: cell("currency"),
        at,
    };
    let code = desk.carry_out(&errand, random);
    let fort_id = desk.order(merchant, reference).map(|order| order.fort_id.clone()).unwrap_or_default();
    let is_purchase = errand.command == "PURCHASE";
    let line = line.to_string();
    let cells = [
        line.as_str(),
        &code,
        super::codes::message(&code),
        &code[..2],
        if is_purchase { "RECURRING" } else { "" },
        &fort_id,
        reference,
        cell("amount").unwrap_or_default(),
        if is_purchase { "400555******0001" } else { "" },
        if is_purchase { "2105" } else { "" },
        cell("currency").unwrap_or_default(),
    ];
    format!("{}\n", cells.map(|cell| format!("\"{cell}\"")).join(","))
}

/// The name's letters and length (section 2.2).
fn is_fit_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || ".-!@#$%^&()_+, ".contains(letter);
    name.len() <= 50 && name.ends_with(".csv") && name.chars().all(fits)
}

/// The rows by their header's words; the message that says what is wrong with the whole file.
fn read(bytes: &[u8]) -> Result<Vec<Row>, &'static str> {
    const KNOWN: [&str; 22] = [
        "command",
        "merchant_reference",
        "fort_id",
        "amount",
        "currency",
        "language",
        "customer_email",
        "eci",
        "token_name",
        "maintenance_reference",
        "payment_option",
        "order_description",
        "customer_name",
        "phone_number",
        "settlement_reference",
        "agreement_id",
        "merchant_extra",
        "merchant_extra1",
        "merchant_extra2",
        "merchant_extra3",
        "merchant_extra4",
        "merchant_extra5",
    ];
    let mut reader = csv::Reader::from_reader(bytes);
    let header: Vec<String> = reader.headers().map_err(|_| "144")?.iter().map(str::to_owned).collect();
    let is_known = header.iter().all(|word| KNOWN.contains(&word.as_str()));
    let needed = ["command", "merchant_reference"];
    if !is_known || !needed.iter().all(|word| header.iter().any(|known| known == word)) {
        return Err("142");
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| "144")?;
        rows.push(header.iter().cloned().zip(record.iter().map(str::to_owned)).collect());
    }
    if rows.is_empty() { Err("144") } else { Ok(rows) }
}

/// The message by which rows fail validation: a parameter that is missing or of a wrong form, a reference
/// that is not unique (section 2.5).
fn rows_fault(merchant: &str, rows: &[Row], desk: &Desk) -> Option<&'static str> {
    let mut references = HashSet::new();
    let is_good = |row: &Row| {
        let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
        let command = cell("command");
        let is_number = |text: &str| {
            !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_amount_good = is_number(cell("amount")) && cell("currency").len() == 3;
        let is_complete = match command {
            "PURCHASE" => {
                is_amount_good
                    && cell("eci") == "RECURRING"
                    && cell("customer_email").contains('@')
                    && !cell("token_name").is_empty()
                    && desk.order(merchant, cell("merchant_reference")).is_none()
            }
            "VOID_AUTHORIZATION" => cell("amount").is_empty() || is_amount_good,
            _ => is_amount_good,
        };
        let reference = cell("merchant_reference");
        let is_named = (1..=40).contains(&reference.len())
            && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        COMMANDS.contains(&command)
            && is_complete
            && is_named
            && matches!(cell("language"), "en" | "ar")
            && references.insert(reference.to_owned())
    };
    let is_all_good = rows.iter().all(is_good);
    (!is_all_good).then_some("136")
}
