//! Reports of whole days from a real store.

mod days;
mod money;
mod printing;
mod workbook;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::Value;

use super::write::{NoProbe, Probe, Step};
use super::*;
use crate::clock::{Clock, JudgedClock, VirtualClock};
use crate::payments::lifecycle::{Moves, Outcome, Phase};
use crate::payments::money::{Amounts, Money};
use crate::payments::observation::Observation;
use crate::payments::record::{Cause, Details, Enrolment, Observed, Record, Transition};
use crate::store::{Commit, Committed, Options, Store};
use crate::text::hex;

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
        object: enrolment(id).object,
        from: from.map(str::to_owned),
        to: to.to_owned(),
        reasons: Vec::new(),
        phase,
        outcome,
        amount: Some(Money::parse("14.00", "EUR").unwrap()),
        moves: Default::default(),
        amounts: Default::default(),
        merchant_reference: Some(format!("ORDER-{id}")),
        happened_at: at(seconds - 60),
        seen_at: at(seconds),
        note: "polled".to_owned(),
        stored_cause: None,
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
        id: row.object.id.to_string(),
        state: row.to.clone(),
        reasons: row.reasons.clone(),
        updated_at: Some(row.happened_at),
        created_at: None,
        expires_at: None,
        amount: row.amount,
        amounts: Default::default(),
        other_amounts: BTreeMap::new(),
        merchant_reference: row.merchant_reference.clone(),
        parent: None,
        children: Vec::new(),
        is_soft_decline: false,
        environment: None,
        evidence: BTreeMap::new(),
        request_id: None,
        marks: Vec::new(),
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

#[tokio::test]
async fn a_day_is_written_into_its_files() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let reports = ledger.reports(at(DAY_S + 600));
    assert!(!reports.is_made(day()).await.unwrap());
    let made = reports.make(day()).await.unwrap();
    assert!(reports.is_made(day()).await.unwrap());
    assert_eq!(made.folder, ledger.month().join("2026-01-15"));
    assert_eq!(made.rows, [("declined", 1), ("resolved", 2), ("pending", 2), ("quarantined", 1)]);
    assert_eq!(made.failed_checks, Vec::<String>::new());

    let declined = &table(&made.folder, "declined")[0];
    for (name, expected) in [
        ("business_date", "2026-01-15"),
        ("time_zone", "Europe/Berlin"),
        ("event_time_utc", "2026-01-15T18:59:00Z"),
        ("event_time_local", "2026-01-15T19:59:00+01:00"),
        ("seen_time_utc", "2026-01-15T19:00:00Z"),
        ("environment", "live"),
        ("account", "shop-de"),
        ("transaction_type", "charge"),
        ("amazon_transaction_id", "C2"),
        ("merchant_reference_id", "'=HYPERLINK(\"http://evil.example\")<b>"),
        ("state", "Declined"),
        ("previous_state", "AuthorizationInitiated"),
        ("reason_code", "HardDeclined"),
        ("outcome", "declined"),
        ("amount", "14.00"),
        ("currency", "EUR"),
        ("amount_minor", "1400"),
        ("currency_exponent", "2"),
        ("first_seen_utc", "2026-01-14T23:01:50Z"),
        ("detection_delay_s", "60"),
    ] {
        assert_eq!(declined[name], expected, "{name}");
    }
    let resolved = table(&made.folder, "resolved");
    assert_eq!(column(&resolved, "amazon_transaction_id"), ["C1", "C3"], "in the order of seeing");
    assert_eq!(column(&resolved, "amount"), ["14.00", "1400"]);
    assert_eq!(column(&resolved, "amount_minor"), ["1400", "1400"]);
    assert_eq!(column(&resolved, "currency_exponent"), ["2", "0"]);
    let pending = table(&made.folder, "pending");
    assert_eq!(column(&pending, "amazon_transaction_id"), ["C4", "C5"]);
    assert_eq!(column(&pending, "state"), ["Authorized", ""], "the last state that was believed");
    assert_eq!(column(&pending, "phase"), ["resting", "moving"]);
    assert_eq!(column(&pending, "age_s"), ["86100", "86000"]);
    assert_eq!(column(&pending, "is_quarantined"), ["true", "false"]);
    let quarantined = &table(&made.folder, "quarantined")[0];
    assert_eq!(quarantined["cause"], "unknown-state");
    assert_eq!(quarantined["doubted_state"], "Surprise");

    let page = std::fs::read_to_string(made.folder.join("summary.html")).unwrap();
    assert!(!page.contains("<b>\"") && !page.contains(")<b>") && page.contains("&#60;b&#62;"), "escaped");
    assert!(!page.contains("<script") && page.contains("default-src 'none'"));
    let movement = &json(&made.folder, "summary.json")["movement"][0];
    for (name, expected) in
        [("open_at_start", 1), ("enrolled", 4), ("became_final", 3), ("forgotten", 0), ("open_at_end", 2)]
    {
        assert_eq!(movement[name], expected, "{name}");
    }
}

#[tokio::test]
async fn the_captured_amount_is_booked_and_a_marked_state_is_believed() {
    let ledger = Ledger::new().await;
    let euros = |amount: &str| Money::parse(amount, "EUR").ok();
    for id in ["C1", "C2"] {
        ledger.enrol(id, 10).await;
        let mut open = row(id, None, "Authorized", 20);
        (open.amount, open.moves) = (euros("95.00"), Moves::Authorizes);
        ledger.see(open).await;
    }
    // 45.00 of 95.00, then the rest.
    let mut part = row("C1", Some("Authorized"), "Captured", 30);
    (part.amount, part.moves, part.stored_cause) =
        (euros("45.00"), Moves::Captures, Some(Cause::Marked("different-amount".to_owned())));
    part.amounts = Amounts { authorized: euros("95.00"), captured: euros("45.00"), refunded: euros("0.00") };
    ledger.see(part.clone()).await;
    let mut rest = Transition { from: Some("Captured".to_owned()), ..part };
    (rest.amount, rest.seen_at, rest.stored_cause) = (euros("50.00"), at(40), Some(Cause::Released));
    rest.amounts.captured = euros("95.00");
    ledger.see(rest).await;
    // Undecided and resting, but believed: the typed cause says so, not the note.
    let mut stopped = row("C2", Some("Authorized"), "Suspended", 50);
    (stopped.phase, stopped.outcome) = (Phase::Resting, Outcome::Undecided);
    (stopped.note, stopped.stored_cause) =
        ("quarantined: unknown-reason".to_owned(), Some(Cause::Marked("unknown-reason".to_owned())));
    ledger.see(stopped).await;

    let made = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    assert_eq!(made.failed_checks, Vec::<String>::new());
    let resolved = table(&made.folder, "resolved");
    assert_eq!(column(&resolved, "amount"), ["45.00", "50.00"], "together what was captured");
    assert_eq!(column(&resolved, "captured_amount"), ["45.00", "95.00"]);
    assert_eq!(column(&resolved, "authorized_amount"), ["95.00", "95.00"]);
    assert_eq!(column(&resolved, "refunded_amount"), ["0.00", "0.00"]);
    let pending = table(&made.folder, "pending");
    assert_eq!(column(&pending, "state"), ["Suspended"]);
    let money = &json(&made.folder, "summary.json")["movement_in_money"][0];
    assert_eq!(column(&resolved, "newly_captured"), ["45.00", "50.00"]);
    assert_eq!(column(&resolved, "newly_refunded"), ["", ""]);
    for (name, expected) in [
        ("open_at_start", "0.00"),
        ("enrolled", "0.00"),
        ("changed", "109.00"),
        ("became_final", "95.00"),
        ("open_at_end", "14.00"),
        ("currency", "EUR"),
        ("environment", "live"),
    ] {
        assert_eq!(money[name], expected, "{name}");
    }
}

#[tokio::test]
async fn totals_and_sums_match_the_rows_of_the_files() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let made = ledger.reports(at(2 * DAY_S)).make(day()).await.unwrap();
    let manifest = json(&made.folder, "manifest.json");
    let summary = json(&made.folder, "summary.json");
    for sort in ["declined", "resolved", "pending", "quarantined"] {
        let mut sums: BTreeMap<(String, String), (u64, Decimal)> = BTreeMap::new();
        for row in table(&made.folder, sort) {
            let state = row.get("state").or(row.get("last_good_state")).unwrap().clone();
            let sum = sums.entry((state, row["currency"].clone())).or_default();
            sum.0 += 1;
            sum.1 += row["amount"].parse::<Decimal>().unwrap_or_default();
        }
        for ((state, currency), (count, sum)) in &sums {
            let stated = summary["totals"].as_array().unwrap().iter().find(|total| {
                total["file"] == sort
                    && total["state"] == *state
                    && total["currency"].as_str().unwrap_or_default() == currency
            });
            let stated = stated.unwrap();
            assert_eq!(stated["count"], *count);
            let amount = stated["amount"].as_str().unwrap_or("0").parse::<Decimal>().unwrap();
            assert_eq!(amount, *sum, "{sort} {state} {currency}");
        }
        let name = format!("{sort}_2026-01-15.csv");
        let file = manifest["files"].as_array().unwrap().iter().find(|file| file["name"] == name).unwrap();
        assert_eq!(file["rows"], sums.values().map(|(count, _)| count).sum::<u64>());
    }
    let sums = std::fs::read_to_string(made.folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 8, "every file but the sums themselves");
    for line in sums.lines() {
        let (stated, name) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(made.folder.join(name)).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        assert_eq!(hex(hash.as_ref()), stated, "{name}");
    }
    assert_eq!(manifest["start_utc"], "2026-01-14T23:00:00Z");
    assert_eq!(manifest["end_utc"], "2026-01-15T23:00:00Z");
    assert_eq!(manifest["supersedes"], Value::Null);
}

#[tokio::test]
async fn a_repeated_report_has_the_same_bytes_whatever_happened_since() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let first = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    let bytes = content(&first.folder);

    let mut released = row("C4", Some("Authorized"), "Captured", DAY_S + 5);
    released.note = "released from quarantine".to_owned();
    ledger.see(released).await;
    ledger.see(row("C5", None, "Declined", DAY_S + 10)).await;
    ledger.enrol("C6", DAY_S).await;
    let again = ledger.reports(at(5 * DAY_S)).make(day()).await.unwrap();
    assert!(again.was_there);
    assert_eq!((again.folder, again.manifest_sha256), (first.folder.clone(), first.manifest_sha256));
    assert_eq!(content(&first.folder), bytes);

    std::fs::rename(ledger.folder.path().join("reports"), ledger.folder.path().join("elsewhere")).unwrap();
    let anew = ledger.reports(at(5 * DAY_S)).make(day()).await.unwrap();
    assert!(!anew.was_there);
    assert_eq!(content(&anew.folder), bytes);
    let next = ledger.reports(at(5 * DAY_S)).make("2026-01-16".parse().unwrap()).await.unwrap();
    assert_eq!(next.rows, [("declined", 1), ("resolved", 1), ("pending", 1), ("quarantined", 0)]);
    assert_eq!(next.failed_checks, Vec::<String>::new());
}

#[tokio::test]
async fn a_report_that_differs_becomes_a_new_revision_beside_the_old_one() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let reports = ledger.reports(at(DAY_S));
    let first = reports.make(day()).await.unwrap();
    let bytes = content(&first.folder);
    let mut known = enrolment("C5");
    known.details.merchant_reference = Some("ORDER-LATE".to_owned());
    ledger.store.enrol(vec![known], at(DAY_S + 1)).await.unwrap();
    let second = reports.make(day()).await.unwrap();
    assert_eq!((second.revision, second.was_there), (2, false));
    assert_eq!(second.folder, ledger.month().join("2026-01-15_r2"));
    assert_eq!(content(&first.folder), bytes, "a published file never changes");
    let supersedes = &json(&second.folder, "manifest.json")["supersedes"];
    assert_eq!(supersedes["folder"], "2026-01-15");
    assert_eq!(supersedes["manifest_sha256"], first.manifest_sha256);
    assert!(reports.make(day()).await.unwrap().was_there);

    std::fs::write(second.folder.join("declined_2026-01-15.csv"), "tampered").unwrap();
    assert_eq!(reports.make(day()).await.unwrap().revision, 3, "a damaged one is created again beside it");
}

#[tokio::test]
async fn an_unfinished_day_is_refused() {
    let ledger = Ledger::new().await;
    let refused = ledger.reports(at(DAY_S - 1)).make(day()).await.unwrap_err();
    assert!(matches!(refused, ReportError::NotFinished { .. }), "{refused}");
    assert!(!ledger.reports(at(DAY_S)).is_made(day()).await.unwrap());
    let empty = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    assert_eq!(empty.rows.iter().map(|(_, rows)| rows).sum::<u64>(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_clock_closes_no_day() {
    let ledger = Ledger::new().await;
    let machine = VirtualClock::starting_at(at(DAY_S));
    let clock = JudgedClock::over(machine);
    let config = ledger.config("Europe/Berlin");
    let reports = Reports::new(ledger.store.clone(), clock.clone(), config, [].into());
    let refused = reports.make(day()).await.unwrap_err();
    assert!(matches!(refused, ReportError::Unconfirmed { .. }), "{refused}");
    clock.hear("pay", at(DAY_S), clock.monotonic());
    assert_eq!(reports.make(day()).await.unwrap().revision, 1);
}

#[tokio::test]
async fn a_day_closed_by_a_clock_that_was_ahead_is_reopened_and_visibly_superseded() {
    let ledger = Ledger::new().await;
    ledger.enrol("C1", 100).await;
    ledger.see(row("C1", None, "Authorized", 200)).await;
    let early = ledger.reports(at(DAY_S + 60)).make(day()).await.unwrap();
    let noon = ledger.reports(at(DAY_S / 2));
    assert_eq!(noon.reopen_premature().await.unwrap(), [day()]);
    assert_eq!(noon.reopen_premature().await.unwrap(), Vec::<Date>::new(), "once");
    assert!(!noon.is_made(day()).await.unwrap());
    ledger.see(row("C1", Some("Authorized"), "Captured", DAY_S / 2 + 60)).await;
    let history = ledger.store.history(&enrolment("C1").object).await.unwrap();
    assert_eq!(history.last().unwrap().seen_at, at(DAY_S / 2 + 60), "the day takes news again");
    let night = ledger.reports(at(DAY_S + 600));
    let made = night.make(day()).await.unwrap();
    assert_eq!((made.revision, made.rows[1], made.failed_checks.len()), (2, ("resolved", 1), 0));
    assert!(early.folder.exists(), "what was published stays");
    let supersedes = &json(&made.folder, "manifest.json")["supersedes"];
    assert_eq!(supersedes["folder"], "2026-01-15");
    assert!(supersedes["reason"].as_str().unwrap().contains("before the day was over"), "{supersedes}");
    assert!(night.is_made(day()).await.unwrap());
    assert_eq!(night.reopen_premature().await.unwrap(), Vec::<Date>::new());
}

#[derive(Debug)]
struct FailAt {
    step: usize,
    count: AtomicUsize,
}

impl Probe for FailAt {
    fn before(&self, step: Step, path: &Path) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let refused = || io::Error::other(format!("no {step:?} of {}", path.display()));
        if number == self.step { Err(refused()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_disk_that_fails_at_any_step_leaves_nothing_visible() {
    let ledger = Ledger::new().await;
    ledger.usual_day().await;
    let mut failures = 0;
    for step in 0.. {
        let probe = Arc::new(FailAt { step, count: AtomicUsize::new(0) });
        let outcome = ledger.reports_with(at(DAY_S), probe).make(day()).await;
        if let Ok(made) = outcome {
            assert_eq!(content(&made.folder).len(), 9);
            break;
        }
        failures += 1;
        // Before the rename nothing is visible; if only the last syncs fail, all of it is.
        let entries = std::fs::read_dir(ledger.month()).map(|entries| entries.count()).unwrap_or(0);
        if entries > 0 {
            assert_eq!(
                content(&ledger.month().join(day().to_string())).len(),
                9,
                "after failing step {step}"
            );
            assert_eq!(entries, 1, "after failing step {step}");
        }
        assert!(!ledger.reports(at(DAY_S)).is_made(day()).await.unwrap());
    }
    assert!(failures > 20, "only {failures} steps were tried");
}

#[tokio::test]
async fn a_day_of_25_hours_has_both_of_its_repeated_hours() {
    let ledger = Ledger::new().await;
    let start: Timestamp = "2027-10-30T22:00:00Z".parse().unwrap();
    let offset = start.duration_since(at(0)).as_secs();
    for (id, seconds) in [("C1", -1), ("C2", 0), ("C3", 9_000), ("C4", 25 * 3_600 - 1), ("C5", 25 * 3_600)] {
        ledger.enrol(id, offset - 10).await;
        ledger.see(row(id, None, "Declined", offset + seconds)).await;
    }
    let end: Timestamp = "2027-10-31T23:00:00Z".parse().unwrap();
    let made = ledger.reports(end).make("2027-10-31".parse().unwrap()).await.unwrap();
    let declined = table(&made.folder, "declined");
    assert_eq!(column(&declined, "amazon_transaction_id"), ["C2", "C3", "C4"]);
    assert_eq!(column(&declined, "seen_time_local")[1], "2027-10-31T02:30:00+02:00");
    assert_eq!(made.failed_checks, Vec::<String>::new());
}

#[tokio::test]
async fn reopened_and_forgotten_objects_keep_the_equation_true() {
    let ledger = Ledger::new().await;
    for id in ["C1", "C2", "C3"] {
        ledger.enrol(id, -100).await;
        ledger.see(row(id, None, "Captured", -50)).await;
    }
    ledger.see(row("C1", Some("Captured"), "Authorized", 10)).await;
    ledger.see(row("C1", Some("Authorized"), "Captured", 20)).await;
    ledger.see(row("C2", Some("Captured"), "Authorized", 30)).await;
    ledger.enrol("C4", 40).await;
    let gone = enrolment("C4").object;
    assert!(ledger.store.forget(&gone, at(50), "uid 0").await.unwrap());
    ledger.store.forget(&enrolment("C3").object, at(60), "uid 0").await.unwrap();
    let made = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    assert_eq!(made.failed_checks, Vec::<String>::new());
    assert_eq!(made.rows, [("declined", 0), ("resolved", 1), ("pending", 1), ("quarantined", 0)]);
}

#[tokio::test]
async fn the_progress_of_a_report_is_visible() {
    let ledger = Ledger::new().await;
    let many = (0..700).map(|number| enrolment(&format!("C{number}"))).collect();
    ledger.store.enrol(many, at(100)).await.unwrap();
    let reports = ledger.reports(at(2 * DAY_S));
    assert_eq!(reports.progress(), 0);
    let made = reports.make("2026-01-15".parse().unwrap()).await.unwrap();
    assert_eq!(made.rows.iter().find(|(sort, _)| *sort == "pending"), Some(&("pending", 700)));
    // At least two pages of names and two of rows.
    assert!(reports.progress() >= 4, "{}", reports.progress());
}
