//! Provider reports through the public binary: with the daemon, killed in the middle, and without it.

use std::path::PathBuf;

use crate::alone;
use crate::process::Host;
use crate::provider_reports::{fetched_in_a_world_of_buyers, scenario};

/// Captures of four days ago; the file hangs in the middle while the daemon is killed.
fn aged() -> String {
    let faults = "[[fault]]\nkind = \"hang_mid_body\"\noperation = \"GetReport\"\nto_s = 20\n";
    scenario(faults).replace("count = 3", "count = 3\nage_s = 345600")
}

fn day(host: &Host, days_ago: i64) -> String {
    let at = host.clock.now() - jiff::SignedDuration::from_hours(24 * days_ago);
    at.strftime("%Y-%m-%d").to_string()
}

fn arrived(host: &Host, operation: &str) -> (u64, u64) {
    let counts = host.simulator.counts();
    let of = counts.operations.get(&("old-shop".to_owned(), operation.to_owned()));
    of.map_or((0, 0), |counts| (counts.requests, counts.succeeded))
}

fn kept(host: &Host) -> Vec<PathBuf> {
    let folder = host.path("reports/provider/account-old-shop/settlement");
    let months = std::fs::read_dir(folder).into_iter().flatten();
    let files = months.flat_map(|month| std::fs::read_dir(month.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_killed_in_the_middle_continues_and_needs_no_daemon() {
    let host = Host::with_scenario(&aged()).await;
    let (from, to) = (day(&host, 5), day(&host, 1));
    let fetch = ["fetch-reports", "old-shop", "--from", &from, "--to", &to, "--type", "settlement"];
    let daemon = host.start().await;
    let no_wait: Vec<&str> = fetch.iter().copied().chain(["--no-wait"]).collect();
    let via = format!("via the running daemon (pid {})", daemon.pid());
    host.run(&no_wait).await.expect(0, &[&via, "the daemon fetches them"]);
    host.until("the daemon asks for the file", async || (arrived(&host, "GetReport").0 > 0).then_some(()))
        .await;
    daemon.kill();
    let daemon = host.start().await;
    let done = host.run(&fetch).await.expect(0, &["settlement", "reports/provider/account-old-shop"]);
    assert!(done.out.contains("settlement     1     1"), "{}", done.out);
    let names: Vec<String> =
        kept(&host).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2, "the file and its manifest, and nothing half: {names:?}");
    let bytes = std::fs::read(&kept(&host)[0]).unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf\"Amazon Payments Advanced\""), "as the provider sent it");

    // The same again without the daemon: stored files are not fetched.
    let fetches = arrived(&host, "GetReport");
    let json: Vec<&str> = fetch.iter().copied().chain(["--json"]).collect();
    daemon.stop(&host).await;
    let anew: Vec<&str> = json.iter().copied().chain(["--again"]).collect();
    let line = host.run(&anew).await.expect(0, &["daemon not running: wrote to the store at"]).json();
    assert_eq!(
        (&line["rows"], &line["unknown"], &line["rejected"]),
        (&5.into(), &3.into(), &0.into()),
        "{line}"
    );
    assert_eq!(arrived(&host, "GetReport"), fetches);
    assert_eq!(host.simulator.counts().total().throttled, 0);

    host.run(&["fetch-reports", "shop", "--from", &from, "--to", &to])
        .await
        .expect(65, &["shop", "old-shop"]);
    let today = day(&host, 0);
    let early = ["fetch-reports", "old-shop", "--from", &from, "--to", &today];
    host.run(&early).await.expect(65, &["the future", "name past UTC days"]);
    let unknown = ["fetch-reports", "old-shop", "--from", &from, "--to", &to, "--type", "captures"];
    host.run(&unknown).await.expect(65, &["captures", "billing-agreement"]);
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_a_report_ends_the_command_with_65_every_time() {
    let page = "[[mws]]\naccount = \"old-shop\"\nreport = { is_web_page = true }\n";
    let host = Host::with_scenario(&scenario(page).replace("count = 3", "count = 3\nage_s = 345600")).await;
    let (from, to) = (day(&host, 5), day(&host, 1));
    let fetch = ["fetch-reports", "old-shop", "--from", &from, "--to", &to, "--type", "settlement"];
    for _ in 0..2 {
        let said = host.run(&fetch).await;
        said.expect(
            65,
            &[
                "UNREAD",
                "was fetched and cannot be read: the file is a web page",
                "nothing in it was compared",
            ],
        );
    }
    assert_eq!(arrived(&host, "GetReport").1, 1);
    let json: Vec<&str> = fetch.iter().copied().chain(["--json"]).collect();
    let line = host.run(&json).await.expect(65, &[]).json();
    assert_eq!((&line["unreadable"], &line["compared"]), (&1.into(), &0.into()), "{line}");
}

#[test]
fn no_buyer_data_of_a_report_reaches_the_log_or_the_store() {
    const NAME: &str = "provider_reports_process::no_buyer_data_of_a_report_reaches_the_log_or_the_store";
    if alone::folder().is_some() {
        reconciled::telemetry::start(reconciled::telemetry::LogFormat::Json, "trace").unwrap();
        let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        paused.unwrap().block_on(fetched_in_a_world_of_buyers());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = alone::run(NAME, folder.path());
    let log = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(log.contains("provider reports fetched"), "{log}");
    for buyer in ["buyer@example.com", "Doe", "J\u{f6}rg"] {
        let line = log.lines().find(|line| line.contains(buyer));
        assert_eq!(line, None, "{buyer} is in the log");
    }
}
