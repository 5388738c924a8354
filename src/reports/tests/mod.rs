//! Reports of whole days from a real store.

mod days;
mod figures;
mod money;
mod printing;
mod published;
mod revisions;
mod workbook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::Value;

use super::write::{NoProbe, Probe};
use super::*;
use crate::clock::{Clock, VirtualClock};
use crate::payments::lifecycle::{Moves, Outcome, Phase};
use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Enrolment, Observed, Record, Transition};
use crate::store::{Commit, Committed, Options, Store};

/// Seconds after 2026-01-14T23:00:00Z, which is midnight in Berlin: the beginning of 2026-01-15.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_768_431_600 + seconds).unwrap()
}

const DAY_S: i64 = 86_400;

pub(super) fn enrolled(id: &str, seconds: i64) -> Record {
    Record::enrolled(enrolment(id), at(seconds))
}

fn enrolment(id: &str) -> Enrolment {
    Enrolment { object: format!("shop-de/charge/{id}").parse().unwrap(), details: Details::default() }
}

/// A row as `payments` writes it.
pub(super) fn row(id: &str, from: Option<&str>, to: &str, seconds: i64) -> Transition {
    let (phase, outcome) = match to {
        "Captured" => (Phase::Final, Outcome::Succeeded),
        "Declined" => (Phase::Final, Outcome::Declined),
        "Canceled" => (Phase::Final, Outcome::Canceled),
        "Authorized" => (Phase::Resting, Outcome::Open),
        _ => (Phase::Moving, Outcome::Undecided),
    };
    Transition {
        from: from.map(str::to_owned),
        to: to.to_owned(),
        outcome,
        amount: Some(Money::parse("14.00", "EUR").unwrap()),
        merchant_reference: Some(format!("ORDER-{id}")),
        happened_at: at(seconds - 60),
        ..Transition::unobserved(&Record::enrolled(enrolment(id), at(0)), phase, "polled", at(seconds))
    }
}

/// A store with a history, and a folder for reports.
struct Ledger {
    store: Store,
    folder: tempfile::TempDir,
}

impl Ledger {
    async fn new() -> Ledger {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().join("store"), ..Options::default() };
        let (store, _) = Store::open(options, at(0)).await.unwrap();
        Ledger { store, folder }
    }

    async fn enrol(&self, id: &str, seconds: i64) {
        self.store.enrol(vec![enrolment(id)], at(seconds)).await.unwrap();
    }

    /// Writes a row into the history, and the record as it is afterwards.
    async fn see(&self, row: Transition) {
        let before = self.store.record(&row.object).await.unwrap().unwrap();
        let mut record = before.clone();
        record.observed = Some(Observed {
            observation: observation(&row),
            phase: row.phase,
            since: row.seen_at,
            seen_at: row.seen_at,
        });
        record.due_at = (row.phase != Phase::Final).then(|| at(30 * DAY_S));
        let commit = Commit {
            read: before,
            record,
            transition: Some(row),
            enrol: Vec::new(),
            alerts: Vec::new(),
            is_news: true,
        };
        assert_eq!(self.store.commit(commit).await.unwrap(), Committed::Written);
    }

    /// A day with a decline, two other ends, two open objects and a quarantine.
    async fn usual_day(&self) {
        for (id, seconds) in [("C1", -7_200), ("C2", 100), ("C3", 200), ("C4", 300), ("C5", 400)] {
            self.enrol(id, seconds).await;
        }
        self.see(row("C1", None, "Authorized", -3_600)).await;
        self.see(row("C2", None, "AuthorizationInitiated", 110)).await;
        let mut declined = row("C2", Some("AuthorizationInitiated"), "Declined", 72_000);
        declined.reasons = vec!["HardDeclined".to_owned()];
        declined.merchant_reference = Some("=HYPERLINK(\"http://evil.example\")<b>".to_owned());
        self.see(declined).await;
        self.see(row("C1", Some("Authorized"), "Captured", 40_000)).await;
        let mut yen = row("C3", None, "Canceled", 50_000);
        yen.amount = Some(Money::parse("1400", "JPY").unwrap());
        self.see(yen).await;
        self.see(row("C4", None, "Authorized", 60_000)).await;
        let mut odd = row("C4", Some("Authorized"), "Surprise", 61_000);
        odd.phase = Phase::Resting;
        odd.note = "quarantined: unknown-state".to_owned();
        self.see(odd).await;
    }

    fn config(&self, zone: &str) -> ReportsConfig {
        ReportsConfig {
            folder: self.folder.path().join("reports"),
            zone_name: zone.to_owned(),
            zone: TimeZone::get(zone).unwrap(),
            schedule: String::new(),
            csv_bom: false,
            delimiter: b',',
            decimal: b'.',
            xlsx: true,
        }
    }

    fn reports_with(&self, now: Timestamp, probe: Arc<dyn Probe>) -> Reports {
        let config = self.config("Europe/Berlin");
        let sandbox = ["shop-test".parse().unwrap()].into();
        Reports::with_probe(self.store.clone(), VirtualClock::starting_at(now), config, sandbox, probe)
    }

    fn reports(&self, now: Timestamp) -> Reports {
        self.reports_with(now, Arc::new(NoProbe))
    }

    fn month(&self) -> PathBuf {
        self.folder.path().join("reports/2026/01")
    }
}

fn observation(row: &Transition) -> Observation {
    Observation {
        reasons: row.reasons.clone(),
        updated_at: Some(row.happened_at),
        amount: row.amount,
        merchant_reference: row.merchant_reference.clone(),
        ..Observation::plain(row.object.id.to_string(), row.to.clone())
    }
}

fn day() -> Date {
    "2026-01-15".parse().unwrap()
}

/// The rows of a file as name and value.
fn table(folder: &Path, sort: &str) -> Vec<BTreeMap<String, String>> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let date = name.split('_').next().unwrap();
    let mut reader = csv::Reader::from_path(folder.join(format!("{sort}_{date}.csv"))).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

/// All files with their bytes.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn column<'a>(rows: &'a [BTreeMap<String, String>], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[name].as_str()).collect()
}
