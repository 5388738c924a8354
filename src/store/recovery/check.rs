//! The self-check: is the index consistent, and is the journal whole?
//!
//! Owns: finding problems. Must never know: how to repair them. It changes nothing.

use std::collections::HashMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::payments::record::{Record, Transition};
use crate::store::deliveries::DeliveryStatus;
use crate::store::disk::Disk;
use crate::store::engine::Engine;
use crate::store::index::Index;
use crate::store::index::facts;
use crate::store::index::keys;
use crate::store::index::outbox::{self, StoredAlert};
use crate::store::index::pulse;
use crate::store::index::tally::Tally;
use crate::store::index::value;
use crate::store::index::view::count_key;
use crate::store::journal::reading::{self, Stopped};
use crate::store::maintenance::backup::journal_bytes;
use crate::store::maintenance::progress::Meter;
use crate::store::mutex::locked;
use crate::store::types::StoreError;
use crate::text::hex;

/// What a self-check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CheckReport {
    /// Records, open and finished.
    pub records: u64,
    /// History rows.
    pub transitions: u64,
    /// Alerts.
    pub alerts: u64,
    /// Journal entries whose checksum, number and link are correct.
    pub journal_entries: u64,
    /// The number of the last journal entry.
    #[serde(default)]
    pub journal_end: u64,
    /// The hash that links the last journal entry to all before it, in hexadecimal digits.
    #[serde(default)]
    pub journal_digest: String,
    /// Bytes of keys and values in the index: its live data, however large its files are.
    #[serde(default)]
    pub live_bytes: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first hundred of them, in words.
    pub problems: Vec<String>,
}

const SHOWN_PROBLEMS: usize = 100;

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    /// Counts damage as a problem; any other error ends the check.
    fn wrong(&mut self, error: StoreError) -> Result<(), StoreError> {
        match error {
            StoreError::Damaged(_) => {
                self.problem(error.to_string());
                Ok(())
            }
            other => Err(other),
        }
    }

    pub(crate) fn problem(&mut self, text: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < SHOWN_PROBLEMS {
            self.problems.push(text.into());
        }
    }
}

/// Rows compared while nobody can write: takes some milliseconds.
const SLICE_ROWS: usize = 200;

/// Checks every row of the index of a store in use; others can write between two slices. Fails only if the engine
/// fails, or if the process is about to stop.
pub(crate) fn check_at_work(engine: &Engine, report: &mut CheckReport) -> Result<(), StoreError> {
    engine.meter.begin("comparing rows", 0);
    *locked(&engine.tally) = Some(Tally::default());
    let compared = compare_all(engine, report);
    locked(&engine.tally).take();
    compared
}

/// Fails if the process is about to stop.
pub(crate) fn stay(engine: &Engine) -> Result<(), StoreError> {
    match engine.is_leaving.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(StoreError::Stopping),
    }
}

fn compare_all(engine: &Engine, report: &mut CheckReport) -> Result<(), StoreError> {
    loop {
        stay(engine)?;
        let is_done = engine.with_index(|index| {
            let mut shared = locked(&engine.tally);
            let tally = shared.as_mut().ok_or(StoreError::Closed)?;
            if check_slice(engine, index, tally, report)? {
                return Ok(false);
            }
            compare_counts(index, tally, report).map(|()| true)
        })?;
        if is_done {
            return Ok(());
        }
    }
}

/// Compares the next rows with the rows that they imply and the rows that imply them. False at the end.
fn check_slice(
    engine: &Engine,
    index: &Index,
    tally: &mut Tally,
    report: &mut CheckReport,
) -> Result<bool, StoreError> {
    let mut rows = 0;
    let start = Bound::Excluded(tally.reached.clone());
    for row in index.range(start, vec![u8::MAX]).take(SLICE_ROWS) {
        let (key, bytes) = row?;
        report.live_bytes += (key.len() + bytes.len()) as u64;
        check_row(engine, index, &key, &bytes, tally, report)?;
        tally.reached = key;
        rows += 1;
    }
    engine.meter.advance(rows);
    Ok(rows > 0)
}

fn check_row(
    engine: &Engine,
    index: &Index,
    key: &[u8],
    bytes: &[u8],
    tally: &mut Tally,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let is_implied = match key.first().copied().unwrap_or_default() {
        keys::OPEN | keys::FINISHED => {
            report.records += 1;
            match pulse::record(index, key, bytes) {
                Ok(record) => check_record(engine, key, &record, tally, report),
                Err(error) => report.wrong(error)?,
            }
            true
        }
        keys::TRANSITION => {
            report.transitions += 1;
            match value::decode::<Transition>(key, bytes) {
                Ok(stored) => {
                    let history = keys::history_row(&stored.value.object, last_number(key));
                    need(index, &history, "transition", key, report)?;
                }
                Err(error) => report.wrong(error)?,
            }
            true
        }
        keys::ALERT => {
            report.alerts += 1;
            match value::decode::<StoredAlert>(key, bytes) {
                Ok(stored) => check_alert(index, key, &stored.value, tally, report)?,
                Err(error) => report.wrong(error)?,
            }
            true
        }
        keys::PULSE => index.get(&pulse::record_key(key))?.is_some(),
        keys::HISTORY => match keys::read_history(key) {
            Some((object, sequence)) => index.get(&keys::transition(bytes, &object, sequence))?.is_some(),
            None => false,
        },
        keys::ALERT_ORDER | keys::EVENT_ORDER => {
            alert_of(index, bytes)?.is_some_and(|alert| alert.order() == key)
        }
        keys::OWED => alert_of(index, bytes)?.is_some_and(|alert| {
            let pending = alert.deliveries.iter().filter(|row| row.status == DeliveryStatus::Pending);
            pending
                .map(|row| keys::owed_row(&row.target, row.at, alert.sequence, alert.position))
                .any(|place| place == key)
        }),
        keys::COUNT | keys::DELIVERIES | keys::REMEMBERED => true,
        _ => [keys::APPLIED, keys::LAYOUT, keys::JOURNAL, keys::QUEUE].contains(&key),
    };
    if !is_implied {
        report.problem(format!("row {} is not implied by any other row", value::show_key(key)));
    }
    Ok(())
}

fn alert_of(index: &Index, alert_key: &[u8]) -> Result<Option<StoredAlert>, StoreError> {
    let row = keys::alert(&String::from_utf8_lossy(alert_key));
    let Some(bytes) = index.get(&row)? else { return Ok(None) };
    Ok(value::decode::<StoredAlert>(&row, &bytes).ok().map(|stored| stored.value))
}

fn check_record(engine: &Engine, key: &[u8], record: &Record, tally: &mut Tally, report: &mut CheckReport) {
    if *key != *keys::record(&record.object, record.is_finished()) {
        report.problem(format!("{} is stored under {}", record.object, value::show_key(key)));
    }
    let polls = locked(&engine.polls);
    // If the object was polled since its pulse was read, it is elsewhere in the queue by now.
    if polls.pulse(&pulse::key(key)).is_none() && !polls.queue.agrees_with(record) {
        report.problem(format!("{} is not in the due queue where its record says", record.object));
    }
    tally.add(count_key(record).bytes());
}

fn check_alert(
    index: &Index,
    key: &[u8],
    alert: &StoredAlert,
    tally: &mut Tally,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    need(index, &alert.order(), "alert", key, report)?;
    for row in &alert.deliveries {
        tally.add(keys::deliveries(&row.target, outbox::status_byte(row.status)));
        if row.status == DeliveryStatus::Pending {
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

/// Compares the stored counts with what was counted.
fn compare_counts(index: &Index, tally: &Tally, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut counts: HashMap<&[u8], i64> =
        tally.numbers.iter().map(|(key, number)| (key.as_slice(), *number)).collect();
    for row in index.prefix(&[keys::COUNT]).chain(index.prefix(&[keys::DELIVERIES])) {
        let (key, bytes) = row?;
        let expected = counts.remove(key.as_slice()).unwrap_or_default();
        match value::decode_number(&key, &bytes) {
            Ok(number) if i64::try_from(number) == Ok(expected) => {}
            Ok(number) => {
                report.problem(format!("count {} says {number}, not {expected}", value::show_key(&key)));
            }
            Err(error) => report.wrong(error)?,
        }
    }
    for (key, _) in counts.iter().filter(|(_, number)| **number != 0) {
        report.problem(format!("count {} is missing", value::show_key(key)));
    }
    Ok(())
}

/// Reads the whole journal of a store in use, and checks every link, up to what was acknowledged before it began.
pub(crate) fn check_journal_at_work(engine: &Engine, report: &mut CheckReport) -> Result<(), StoreError> {
    let (written, last) = {
        let journal = locked(&engine.journal);
        (journal.written(&*engine.disk), journal.end().sequence)
    };
    let folder = engine.folder.join("journal");
    let end = check_journal(&written, &folder, &engine.meter, report, || stay(engine))?;
    if end < last {
        report.problem(format!("journal: it ends with entry {end}, but entry {last} was acknowledged"));
    }
    Ok(())
}

/// Reads a whole journal, unless `go_on` stops it. Returns its last entry.
pub(crate) fn check_journal(
    disk: &dyn Disk,
    folder: &Path,
    meter: &Meter,
    report: &mut CheckReport,
    go_on: impl Fn() -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    meter.begin("reading the journal", journal_bytes(disk, folder));
    let (mut entries, mut end) = (0, 0);
    let mut unreadable = Vec::new();
    let read = reading::read(disk, folder, reading::From::Start, true, &mut |entry, _| {
        go_on()?;
        (entries, end) = (entries + 1, entry.sequence);
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
            end = found.end.sequence;
            (report.journal_end, report.journal_digest) = (end, hex(&found.end.hash));
            for damage in found.skipped.iter().chain(&found.tail) {
                report.problem(format!("journal: {damage}"));
            }
        }
        Err(Stopped::Io(path, error)) => report.problem(format!("cannot read {}: {error}", path.display())),
        Err(Stopped::Damaged(damage)) => report.problem(format!("journal: {damage}")),
        Err(Stopped::Taker(error)) => return Err(error),
    }
    Ok(end)
}

fn last_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)).unwrap_or_default()
}
