//! `reconciled backtest` through the public binary, on files that the daemon wrote and on others.

use std::path::Path;
use std::process::Command;

use reconciled::control::messages::WatchedObject;

use crate::process::Ran;
use crate::scenario::{self, population, quota, shop};
use crate::world::World;

/// A shop with three declined refunds and two completed captures.
fn scenario() -> String {
    let declined = r#"[{ after_s = 5400, state = "Declined", reason = "AmazonRejected" }]"#;
    let refunds = population("shop", "refund", 3, declined).prefix("R-").price("EUR", "14.00", "14.00");
    let captured = r#"[{ after_s = 9000, state = "Captured" }]"#;
    let captures = population("shop", "capture", 2, captured).prefix("C-").price("EUR", "14.00", "14.00");
    scenario::of(7, &[&shop(), &quota(10, 1), &refunds, &captures])
}

fn backtest(folder: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconciled"));
    let output = command.current_dir(folder).arg("backtest").args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// The lines of `--json`, by policy.
fn measured(ran: &Ran, policy: &str) -> serde_json::Value {
    let lines = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.into_iter().find(|line| line["policy"] == policy).unwrap_or_else(|| panic!("{policy}: {}", ran.out))
}

#[tokio::test(start_paused = true)]
async fn the_files_of_the_nights_and_of_the_list_are_accepted_as_they_are() {
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario(), "").await;
    let objects = world.enrol_all("shop").await;
    world.pass_hours(20.0).await;
    let report = world.daemon().service().report(Some("2027-01-15".parse().unwrap())).await.unwrap();
    let mut records = String::new();
    for object in &objects {
        let listed = WatchedObject::of(world.record(object).await, None, None);
        records.push_str(&serde_json::to_string(&listed).unwrap());
        records.push('\n');
    }
    world.stop().await;

    let folder = Path::new(&report.path);
    let files: Vec<String> = ["resolved", "declined", "pending"]
        .iter()
        .map(|sort| folder.join(format!("{sort}_2027-01-15.csv")).display().to_string())
        .collect();
    let mut words: Vec<&str> = files.iter().map(String::as_str).collect();
    words.extend(["--json", "--policy", "hourly", "--policy", "two-gets"]);
    let of_nights = backtest(folder, &words).expect(0, &["seed 1"]);
    let list = world.folder.path().join("list.jsonl");
    std::fs::write(&list, records).unwrap();
    let of_list = backtest(folder, &[list.to_str().unwrap(), "--json", "--policy", "hourly"]).expect(0, &[]);
    for ran in [&of_nights, &of_list] {
        let hourly = measured(ran, "hourly");
        assert_eq!((hourly["objects"].as_u64(), hourly["ended"].as_u64()), (Some(5), Some(5)), "{hourly}");
        assert_eq!((hourly["declined"].as_u64(), hourly["missed"].as_u64()), (Some(3), Some(0)), "{hourly}");
        assert!(hourly["detection"]["longest_s"].as_u64().unwrap() <= 3800, "{hourly}");
    }
    assert_eq!(measured(&of_nights, "two-gets")["missed"], 3, "refunds are never polled");
}

#[test]
fn a_merchant_compares_policies_on_a_file_and_bad_lines_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let history = "\u{feff}id;kind;account;created_at;final_at;final_state;reference\r\n\
                   S1;charge;de;2026-01-31T10:00:00Z;2026-01-31T11:40:00Z;Declined;A-1\r\n\
                   S2;charge;de;2026-01-31T10:00:00Z;2026-01-31T09:00:00Z;Declined;A-2\r\n\
                   S3;refund;de;2026-01-31T10:00:00Z;;;A-3\r\n";
    std::fs::write(folder.path().join("history.csv"), history).unwrap();
    let words = ["history.csv", "--interval", "30m", "--early", "1m,5m", "--quota", "2,0.5", "--seed", "9"];
    let bad = "history.csv:3: final_at 2026-01-31T09:00:00Z is before created_at";
    let told = [
        "2 objects, 1 of them ended",
        "yours",
        "naive-hourly",
        "With yours half of the declines",
        bad,
        "seed 9",
    ];
    let ran = backtest(folder.path(), &words).expect(65, &told);
    assert_eq!(backtest(folder.path(), &words).out, ran.out, "the seed decides everything");

    backtest(folder.path(), &["none.csv"]).expect(66, &["none.csv"]);
    backtest(folder.path(), &["--policy", "best"]).expect(64, &["half-hourly"]);
    backtest(folder.path(), &["history.csv", "--workload", "steady"]).expect(64, &["cannot be used with"]);
    std::fs::write(folder.path().join("other.csv"), "order,amount\n1,2\n").unwrap();
    backtest(folder.path(), &["other.csv"]).expect(65, &["line 1: no column id", "final_at", "--help"]);
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    backtest(folder.path(), &["empty.csv"]).expect(65, &["the history has no object"]);
    backtest(folder.path(), &["--account", "x", "--config", "no.toml"]).expect(66, &["no.toml"]);
}

#[test]
fn an_account_is_tried_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let words =
        ["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"), "--policy", "hourly", "--json"];
    let ran = backtest(folder.path(), &[&words[..], &["--account", "old-shop-us"]].concat()).expect(0, &[]);
    assert_eq!(measured(&ran, "configured")["missed"], 0);
    let unknown = backtest(folder.path(), &[&words[..], &["--account", "shop-fr"]].concat());
    unknown.expect(66, &["no account shop-fr", "old-shop-us"]);
}
