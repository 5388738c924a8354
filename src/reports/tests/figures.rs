//! What the files of a day say.

use super::*;
use crate::payments::record::Cause;
use crate::text::hex;

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
