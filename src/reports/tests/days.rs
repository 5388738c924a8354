//! Which days are closed, and what belongs to them.

use super::*;
use crate::clock::JudgedClock;
use crate::payments::adaptive::{AgeRange, Curve, Overview};
use crate::payments::object::Kind;

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

#[tokio::test]
async fn the_page_shows_how_late_ends_were_found_and_what_is_learnt() {
    let ledger = Ledger::new().await;
    ledger.enrol("C1", 100).await;
    ledger.see(row("C1", None, "Authorized", 200)).await;
    ledger.see(row("C1", Some("Authorized"), "Captured", 500)).await;
    let range = AgeRange { from_s: 0, to_s: 60, ends_percent: 12.5, hazard_per_h: 7.5, polls: 1 };
    let curve = Curve {
        kind: Kind::new("charge").unwrap(),
        state: "Pending".to_owned(),
        ends: 1,
        interval_s: 3600,
        ages: vec![range],
        polls_at_s: vec![30],
    };
    let overview = Overview { ledger: Default::default(), price_s: 1, curves: vec![curve] };
    let learnt = vec![("shop-de".parse().unwrap(), overview)];
    let with = move || -> Overviews {
        let learnt = learnt.clone();
        Box::pin(async move { Ok(learnt) })
    };
    let made = ledger.reports(at(DAY_S)).with_rhythms(Rhythms::new(with)).make(day()).await.unwrap();
    let delays = &json(&made.folder, "summary.json")["detection_delay"];
    assert_eq!(
        (&delays[0]["ends"], &delays[0]["p50_s"], &delays[0]["p95_s"]),
        (&1.into(), &60.into(), &60.into())
    );
    let page = std::fs::read_to_string(made.folder.join("summary.html")).unwrap();
    for part in ["How late ends were found", "1 min", "At which ages objects end", "12.5 %, polls: 1"] {
        assert!(page.contains(part), "{part}");
    }
    // What is learnt changes after the day, and makes no new revision.
    assert!(ledger.reports(at(DAY_S)).make(day()).await.unwrap().was_there);
}
