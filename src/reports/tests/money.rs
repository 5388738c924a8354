//! Control totals of money, in every file that shows them.

use super::*;

/// A row of another kind and account.
fn other(object: &str, to: &str, moves: Moves, amount: &str, seconds: i64) -> Transition {
    let amount = Money::parse(amount, "EUR").ok();
    let amounts = match moves {
        Moves::Nothing => Amounts::default(),
        Moves::Authorizes => Amounts { authorized: amount, ..Amounts::default() },
        Moves::Captures => Amounts { captured: amount, ..Amounts::default() },
        Moves::Refunds => Amounts { refunded: amount, ..Amounts::default() },
    };
    let phase = if to == "Open" { Phase::Resting } else { Phase::Final };
    let outcome = match to {
        "Open" => Outcome::Open,
        "Declined" => Outcome::Declined,
        "Closed" if moves == Moves::Nothing => Outcome::Closed,
        _ => Outcome::Succeeded,
    };
    Transition {
        object: object.parse().unwrap(),
        phase,
        outcome,
        amount,
        moves,
        amounts,
        ..row("X", None, to, seconds)
    }
}

#[tokio::test]
async fn control_totals_keep_money_apart_and_are_the_same_in_every_file() {
    let ledger = Ledger::new().await;
    for (object, to, moves, amount) in [
        ("shop-de/order-reference/P1", "Closed", Moves::Nothing, "500.00"),
        ("shop-de/authorization/A1", "Open", Moves::Authorizes, "100.00"),
        ("shop-de/authorization/A2", "Closed", Moves::Captures, "80.00"),
        ("shop-de/capture/C2", "Completed", Moves::Captures, "80.00"),
        ("shop-de/refund/R2", "Completed", Moves::Refunds, "30.00"),
        ("shop-de/refund/R3", "Declined", Moves::Nothing, "7.00"),
        ("shop-test/charge/T1", "Captured", Moves::Captures, "9000.00"),
        ("shop-test/charge/T2", "Declined", Moves::Nothing, "4000.00"),
    ] {
        let enrolment = Enrolment { object: object.parse().unwrap(), details: Details::default() };
        ledger.store.enrol(vec![enrolment], at(100)).await.unwrap();
        ledger.see(other(object, to, moves, amount, 200)).await;
    }
    let made = ledger.reports(at(DAY_S)).make(day()).await.unwrap();
    assert_eq!(made.failed_checks, Vec::<String>::new());
    let summary = json(&made.folder, "summary.json");
    let manifest = json(&made.folder, "manifest.json");
    assert_eq!(summary["money"], manifest["money"]);
    let [live, sandbox] = summary["money"].as_array().unwrap().as_slice() else { panic!("{summary:#}") };
    for (entry, environment, figures) in [
        (live, "live", ["100.00", "80.00", "-30.00", "50.00"]),
        (sandbox, "sandbox", ["0.00", "9000.00", "0.00", "9000.00"]),
    ] {
        assert_eq!(entry["environment"], environment);
        let found = ["authorized", "captured", "refunded", "net"].map(|name| entry[name].as_str().unwrap());
        assert_eq!(found, figures, "{environment}");
    }
    let of = |entry: &Value, kind: &str| {
        let types = entry["by_type"].as_array().unwrap();
        types.iter().find(|sums| sums["transaction_type"] == kind).cloned().unwrap_or_default()
    };
    assert_eq!(of(live, "authorization")["open_at_end"], "100.00");
    assert_eq!(of(live, "authorization")["captured"], "0.00", "its capture counts");
    assert_eq!(of(live, "order-reference"), Value::Null);
    assert_eq!(of(live, "refund")["declined"], "7.00");
    assert_eq!(of(sandbox, "charge")["declined"], "4000.00");

    let resolved = table(&made.folder, "resolved");
    let sum = |name: &str, environment: &str| -> Decimal {
        let rows = resolved.iter().filter(|row| row["environment"] == environment);
        rows.map(|row| row[name].parse::<Decimal>().unwrap_or_default()).sum()
    };
    assert_eq!(sum("newly_captured", "live").to_string(), "80.00");
    assert_eq!(sum("newly_refunded", "live").to_string(), "-30.00");
    let checks = summary["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"].as_str().unwrap().starts_with("shop-de live EUR"));
    assert_eq!(check.unwrap()["detail"], "80.00 captured - 30.00 refunded = 50.00 net");
    let page = std::fs::read_to_string(made.folder.join("summary.html")).unwrap();
    for text in ["-30.00", "9000.00", "80.00 captured - 30.00 refunded = 50.00 net"] {
        assert!(page.contains(text), "{text}");
    }
    let files = manifest["files"].as_array().unwrap();
    let totals = files.iter().flat_map(|file| file["totals"].as_array().cloned().unwrap_or_default());
    let declined = totals.filter(|total| total["outcome"] == "declined");
    let declined: Vec<(String, String)> = declined
        .map(|total| {
            let text = |name: &str| total[name].as_str().unwrap().to_owned();
            (text("environment"), text("amount"))
        })
        .collect();
    assert_eq!(
        declined,
        [("live".to_owned(), "7.00".to_owned()), ("sandbox".to_owned(), "4000.00".to_owned())]
    );
}
