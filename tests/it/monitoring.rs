//! What monitoring reads: figures of a running daemon, and the files made from their list, judged by Prometheus' own
//! tool.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Host;
use crate::tools;

/// Runs `promtool`, which comes with Prometheus. None if it is not there.
fn promtool(test: &str, words: &[&str], input: &str) -> Option<String> {
    let begun = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = begun else {
        tools::skipped(test, "promtool (Debian's package prometheus) is not installed");
        return None;
    };
    tools::not_skipped(test);
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {words:?}: {said}\n{input}");
    Some(said)
}

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    line.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_a_daemon_are_what_happened() {
    let host = Host::new().await;
    let charge = host.plant("shop", "charge", "Declined", Some("HardDeclined"), 0);
    let daemon = host.start().await;
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", charge.id()]).await.expect(0, &[]);
    let text = host
        .until("the poll is counted", async || {
            let text = host.run(&["metrics"]).await.expect(0, &[]).out;
            (value(&text, "reconciled_polls_total{account=\"shop\",result=\"seen\"}")? >= 1.0).then_some(text)
        })
        .await;
    assert_eq!(value(&text, "reconciled_state_changes_total{account=\"shop\"}"), Some(1.0), "{text}");
    assert_eq!(value(&text, "reconciled_account_refused{account=\"shop\"}"), Some(0.0), "{text}");
    assert_eq!(value(&text, "reconciled_store_broken"), Some(0.0), "{text}");
    assert!(value(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6), "{text}");
    assert!(value(&text, "reconciled_store_journal_entries_total").is_some_and(|entries| entries >= 2.0));
    promtool("metrics of a daemon", &["check", "metrics"], &text);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_rules_and_dashboard_are_what_the_program_writes() {
    let host = Host::new().await;
    let shipped = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring").join(name);
        (path.display().to_string(), std::fs::read_to_string(&path).unwrap())
    };
    let (path, rules) = shipped("reconciled.rules.yml");
    assert_eq!(host.run(&["metrics", "--rules"]).await.expect(0, &[]).out, rules);
    if let Some(said) = promtool("rules for Prometheus", &["check", "rules", &path], "") {
        assert!(said.contains("12 rules found"), "{said}");
    }
    let (_, dashboard) = shipped("grafana-dashboard.json");
    assert_eq!(host.run(&["metrics", "--dashboard"]).await.expect(0, &[]).out, dashboard);
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 12 && panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()));
}
