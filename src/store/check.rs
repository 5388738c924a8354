//! The self-check: does the index agree with itself, and is the journal whole?
//!
//! Owns: finding out. Must never know: how to mend; it changes nothing.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::backup::journal_bytes;
use super::disk::Disk;
use super::due;
use super::facts;
use super::index::Index;
use super::keys::{self, CountKey};
use super::meter::Meter;
use super::outbox::{self, StoredAlert};
use super::reading::{self, Stopped};
use super::types::{DeliveryStatus, StoreError};
use super::value;
use super::view::count_key;
use crate::payments::record::{Record, Transition};

/// What a self-check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Records, open and finished.
    pub records: u64,
    /// History rows.
    pub transitions: u64,
    /// Alerts.
    pub alerts: u64,
    /// Journal entries whose checksum, number and link are right.
    pub journal_entries: u64,
    /// Bytes of keys and values in the index: what is live of it, whatever its files take.
    #[serde(default)]
    pub live_bytes: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first hundred of them, in words.
    pub problems: Vec<String>,
}

const SHOWN_PROBLEMS: usize = 100;

impl CheckReport {
    /// Nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    fn weigh(&mut self, key: &[u8], bytes: &[u8]) {
        self.live_bytes += (key.len() + bytes.len()) as u64;
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < SHOWN_PROBLEMS {
            self.problems.push(text.into());
        }
    }
}

/// Compares every row of the index with those that it implies. Errors only when the engine gives up.
pub(super) fn check_index(index: &Index, meter: &Meter, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut implied = Implied::default();
    meter.begin("comparing records", records_counted(index)?);
    for sort in [keys::OPEN, keys::FINISHED] {
        for row in index.prefix(&[sort]) {
            let (key, bytes) = row?;
            meter.advance(1);
            report.weigh(&key, &bytes);
            match value::decode::<Record>(&key, &bytes) {
                Ok(stored) => check_record(index, &key, &stored.value, &mut implied, report)?,
                Err(error) => report.problem(error.to_string()),
            }
        }
    }
    meter.begin("comparing history", 0);
    for row in index.prefix(&[keys::TRANSITION]) {
        let (key, bytes) = row?;
        meter.advance(1);
        report.weigh(&key, &bytes);
        report.transitions += 1;
        implied.history += 1;
        match value::decode::<Transition>(&key, &bytes) {
            Ok(stored) => {
                let history = keys::history_row(&stored.value.object, last_number(&key));
                need(index, &history, "transition", &key, report)?;
            }
            Err(error) => report.problem(error.to_string()),
        }
    }
    meter.begin("comparing alerts", 0);
    for row in index.prefix(&[keys::ALERT]) {
        let (key, bytes) = row?;
        meter.advance(1);
        report.weigh(&key, &bytes);
        report.alerts += 1;
        match value::decode::<StoredAlert>(&key, &bytes) {
            Ok(stored) => check_alert(index, &key, &stored.value, &mut implied, report)?,
            Err(error) => report.problem(error.to_string()),
        }
    }
    meter.begin("counting rows", 0);
    compare(index, &implied, meter, report)
}

/// As many records as the counts say there are; only for the gauge.
fn records_counted(index: &Index) -> Result<u64, StoreError> {
    let mut records = 0;
    for row in index.prefix(&[keys::COUNT]) {
        let (key, bytes) = row?;
        records += value::decode_number(&key, &bytes).unwrap_or_default();
    }
    Ok(records)
}

/// How many rows of each sort there must be, and what the counts must say.
#[derive(Default)]
struct Implied {
    lanes: u64,
    moving: u64,
    history: u64,
    alert_order: u64,
    owed: u64,
    counts: HashMap<CountKey, u64>,
    deliveries: HashMap<Vec<u8>, u64>,
}

fn check_record(
    index: &Index,
    key: &[u8],
    record: &Record,
    implied: &mut Implied,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    report.records += 1;
    if *key != *keys::record(&record.object, record.is_finished()) {
        report.problem(format!("{} stands under {}", record.object, value::show_key(key)));
    }
    for row in due::rows(record) {
        match row.first() {
            Some(&keys::MOVING) => implied.moving += 1,
            _ => implied.lanes += 1,
        }
        need(index, &row, "record", key, report)?;
    }
    *implied.counts.entry(count_key(record)).or_default() += 1;
    Ok(())
}

fn check_alert(
    index: &Index,
    key: &[u8],
    alert: &StoredAlert,
    implied: &mut Implied,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    implied.alert_order += 1;
    need(index, &keys::alert_order(alert.sequence, alert.position), "alert", key, report)?;
    for row in &alert.deliveries {
        let count = keys::deliveries(&row.target, outbox::status_byte(row.status));
        *implied.deliveries.entry(count).or_default() += 1;
        if row.status == DeliveryStatus::Pending {
            implied.owed += 1;
            let place = keys::owed_row(&row.target, row.at, alert.sequence, alert.position);
            need(index, &place, "alert", key, report)?;
        }
    }
    Ok(())
}

fn need(
    index: &Index,
    row: &[u8],
    what: &str,
    of: &[u8],
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    if index.get(row)?.is_none() {
        report.problem(format!("{what} {} lacks its row {}", value::show_key(of), value::show_key(row)));
    }
    Ok(())
}

/// Every implied row was found, so equal numbers mean that there are no others.
fn compare(
    index: &Index,
    implied: &Implied,
    meter: &Meter,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let sorts = [
        (keys::DUE, implied.lanes, "due"),
        (keys::MOVING, implied.moving, "age"),
        (keys::HISTORY, implied.history, "history"),
        (keys::ALERT_ORDER, implied.alert_order, "alert order"),
        (keys::OWED, implied.owed, "outbox"),
    ];
    for (sort, expected, name) in sorts {
        let mut found = 0;
        for row in index.prefix(&[sort]) {
            let (key, bytes) = row?;
            report.weigh(&key, &bytes);
            meter.advance(1);
            found += 1;
        }
        if found != expected {
            report.problem(format!("there are {found} {name} rows where {expected} follow from the rest"));
        }
    }
    let mut counts: HashMap<Vec<u8>, u64> =
        implied.counts.iter().map(|(key, number)| (key.bytes(), *number)).collect();
    counts.extend(implied.deliveries.iter().map(|(key, number)| (key.clone(), *number)));
    for row in index.prefix(&[keys::COUNT]).chain(index.prefix(&[keys::DELIVERIES])) {
        let (key, bytes) = row?;
        report.weigh(&key, &bytes);
        let expected = counts.remove(&key).unwrap_or_default();
        match value::decode_number(&key, &bytes) {
            Ok(number) if number == expected => {}
            Ok(number) => {
                report.problem(format!("count {} says {number}, not {expected}", value::show_key(&key)));
            }
            Err(error) => report.problem(error.to_string()),
        }
    }
    for key in counts.keys() {
        report.problem(format!("count {} is missing", value::show_key(key)));
    }
    Ok(())
}

/// Reads all of the journal, every link of its chain.
pub(super) fn check_journal(disk: &dyn Disk, folder: &Path, meter: &Meter, report: &mut CheckReport) {
    meter.begin("reading the journal", journal_bytes(disk, folder));
    let mut entries = 0;
    let mut unreadable = Vec::new();
    let read = reading::read(disk, folder, reading::From::Start, true, &mut |entry, _| {
        entries += 1;
        meter.advance(entry.length() as u64);
        if let Err(why) = facts::decode(&entry.payload) {
            unreadable.push(format!("journal entry {} {why}", entry.sequence));
        }
        Ok(())
    });
    report.journal_entries += entries;
    for text in unreadable {
        report.problem(text);
    }
    match read {
        Ok(found) => {
            for damage in found.skipped.iter().chain(&found.tail) {
                report.problem(format!("journal: {damage}"));
            }
        }
        Err(Stopped::Io(path, error)) => report.problem(format!("cannot read {}: {error}", path.display())),
        Err(Stopped::Damaged(damage)) => report.problem(format!("journal: {damage}")),
        Err(Stopped::Taker(error)) => report.problem(error.to_string()),
    }
}

fn last_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default()
}
