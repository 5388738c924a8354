//! What monitoring reads: figures of a running daemon, and the files made from their list, judged by Prometheus' own
//! tool.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use amazon_pay_simulator::credentials::write_secret;

use crate::process::Host;
use crate::scenario::{self, population, shop};
use crate::tools;
use crate::world::World;

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
async fn a_receiver_of_events_has_figures_and_a_heartbeat_that_a_reload_removed_has_none() {
    let host = Host::new().await;
    let secret = |name: &str, text: &str| {
        let path = host.path(name);
        write_secret(&path, text).unwrap();
        format!("\"file:{}\"", path.display())
    };
    let url = secret("events-url", "https://office.example/events");
    let key = secret("events-key", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let sign = secret("heartbeat-url", "https://signs.example/check");
    host.rewrite_config(|text| {
        format!(
            "{text}\n[[events]]\nname = \"office\"\nurl = {url}\nsecret = {key}\n\n[heartbeat]\nurl = {sign}\n"
        )
    });
    let daemon = host.start().await;
    let metrics = async || host.run(&["metrics"]).await.expect(0, &[]).out;
    let text = host
        .until("the loop of the heartbeat has begun", async || {
            let text = metrics().await;
            text.contains("{loop=\"heartbeat\"}").then_some(text)
        })
        .await;
    for figure in ["reconciled_outbox_messages", "reconciled_outbox_dead"] {
        assert_eq!(value(&text, &format!("{figure}{{target=\"events/office\"}}")), Some(0.0), "{text}");
    }
    host.rewrite_config(|text| text.split("\n[heartbeat]").next().unwrap().to_owned());
    host.run(&["reload"]).await.expect(0, &["the new configuration is in force"]);
    let text = metrics().await;
    assert!(!text.contains("{loop=\"heartbeat\"}"), "the watchdog would end the daemon: {text}");
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
        assert!(said.contains("13 rules found"), "{said}");
    }
    let (_, dashboard) = shipped("grafana-dashboard.json");
    assert_eq!(host.run(&["metrics", "--dashboard"]).await.expect(0, &[]).out, dashboard);
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 12 && panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()));
}

/// Of the accounts, x has had no round since the start, y has had one, and three without a name are refused.
const RULE_TESTS: &str = r#"
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: 'process_start_time_seconds{job="reconciled",instance="a"}', values: '0x200' }
      - { series: 'process_start_time_seconds{job="other",instance="a"}', values: '0x200' }
      - { series: 'reconciled_account_refused{job="reconciled",instance="a",account="x"}', values: '0x200' }
      - { series: 'reconciled_account_refused{job="reconciled",instance="a",account="y"}', values: '0x200' }
      - { series: 'reconciled_account_refused{job="reconciled",instance="a",account="rest"}', values: '3x200' }
      - { series: 'reconciled_last_round_timestamp_seconds{job="reconciled",instance="a",account="y"}', values: '0+60x200' }
      - { series: 'reconciled_last_round_timestamp_seconds{job="reconciled",instance="a",account="rest"}', values: '0+60x200' }
    promql_expr_test:
      - expr: count by (alertname, account) (ALERTS{alertstate="firing"})
        eval_time: 110m
        exp_samples:
          - { labels: '{alertname="ReconciledAccountRefused", account="rest"}', value: 1 }
      - expr: count by (alertname, account) (ALERTS{alertstate="firing"})
        eval_time: 140m
        exp_samples:
          - { labels: '{alertname="ReconciledAccountRefused", account="rest"}', value: 1 }
          - { labels: '{alertname="ReconciledNoRound", account="x"}', value: 1 }
"#;

#[test]
fn the_rules_see_accounts_without_a_round_and_accounts_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring/reconciled.rules.yml");
    let tests = folder.path().join("tests.yml");
    std::fs::write(&tests, format!("rule_files: [{:?}]\n{RULE_TESTS}", rules.display().to_string())).unwrap();
    promtool("rules judged by their tests", &["test", "rules", &tests.display().to_string()], "");
}

const METRICS_TOKEN: &str = "M3tricsM3tricsM3tricsM3tricsM3tr";
const READ_TOKEN: &str = "R3adR3adR3adR3adR3adR3adR3adR3ad";

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Lets the daemon answer over TCP, to tokens for these roles. Returns its address.
pub fn listen_to(host: &Host, tokens: &[(&str, &str)]) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    let secret = |name: &str, text: &str| {
        let path = host.path(name);
        write_secret(&path, text).unwrap();
        format!("\"file:{}\"", path.display())
    };
    let tokens =
        tokens.iter().map(|(role, token)| format!("{role} = {}", secret(&format!("{role}-token"), token)));
    let tokens = tokens.collect::<Vec<_>>().join(", ");
    host.rewrite_config(|text| {
        format!("{text}\n[control.tcp]\nlisten = \"{address}\"\ntokens = {{ {tokens} }}\n")
    });
    address
}

fn listen(host: &Host) -> String {
    listen_to(host, &[("metrics", METRICS_TOKEN), ("read", READ_TOKEN)])
}

/// The status of an answer, and its body.
async fn get(url: &str, token: Option<&str>) -> (u16, String) {
    let mut request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_a_token_opens_what_its_role_may_see_and_nothing_else() {
    let host = Host::new().await;
    let address = listen(&host);
    let daemon = host.start().await;
    let url = |path: &str| format!("http://{address}{path}");
    for (path, token, expected) in [
        ("/-/healthy", None, 200),
        ("/-/ready", None, 200),
        ("/metrics", None, 401),
        ("/metrics", Some(METRICS_TOKEN), 200),
        ("/metrics", Some(READ_TOKEN), 200),
        ("/metrics", Some("guess"), 401),
        ("/v1/status", Some(METRICS_TOKEN), 403),
        ("/v1/status", Some(READ_TOKEN), 200),
        ("/v1/nowhere", Some(READ_TOKEN), 404),
    ] {
        let (status, body) = get(&url(path), token).await;
        assert_eq!(status, expected, "{path} {token:?}: {body}");
        assert!(!body.contains(METRICS_TOKEN) && !body.contains(READ_TOKEN));
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reload = client.post(url("/v1/reload")).bearer_auth(READ_TOKEN);
    let reload = reload.header("content-type", "application/json").body("{}");
    let refused = reload.send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("the token for read does not have"));
    let audit = host.run(&["audit"]).await.expect(0, &["token:read", "reload"]).out;
    assert!(audit.contains("refused"), "{audit}");
    let lured = client.get(url("/v1/status")).bearer_auth(READ_TOKEN).header("host", "evil.example");
    assert_eq!(lured.send().await.unwrap().status(), 403);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_nothing_keep_nobody_out() {
    let host = Host::new().await;
    let address = listen(&host);
    let daemon = host.start().await;
    let _idle: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{address}/metrics")).bearer_auth(METRICS_TOKEN);
    // Less than a connection has for its first request.
    let answer = request.timeout(Duration::from_secs(20)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_section_are_all_told_at_once() {
    let host = Host::new().await;
    let short = host.path("short");
    write_secret(&short, "short").unwrap();
    host.rewrite_config(|text| {
        format!(
            "{text}\n[control.tcp]\nlisten = \"0.0.0.0:8490\"\nhosts = [\"http://x\"]\n\
             tokens = {{ read = \"file:{}\", metrics = \"secret-itself\" }}\n",
            short.display()
        )
    });
    let ran = host.run(&["check-config"]).await;
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 78, "{said}");
    for part in [
        "control.tcp.listen: ",
        "control.tcp.hosts: ",
        "control.tcp.tokens.read: it has fewer",
        "control.tcp.tokens.metrics: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("secret-itself"), "{said}");
}

/// Ends a program with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_it_and_loads_its_rules() {
    const TEST: &str = "a scrape by Prometheus";
    if Command::new("prometheus").arg("--version").output().is_err() {
        tools::skipped(TEST, "prometheus is not installed");
        return;
    }
    tools::not_skipped(TEST);
    let host = Host::new().await;
    let address = listen(&host);
    let daemon = host.start().await;
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring/reconciled.rules.yml");
    let config = host.write(
        "prometheus.yml",
        &format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{:?}]\nscrape_configs:\n  \
             - job_name: reconciled\n    authorization: {{ credentials_file: {:?} }}\n    static_configs: \
             [{{ targets: [{address:?}] }}]\n",
            rules.display().to_string(),
            host.path("metrics-token").display().to_string(),
        ),
    );
    let own = format!("127.0.0.1:{}", free_port());
    let _prometheus = Ended(
        Command::new("prometheus")
            .args([
                format!("--config.file={config}"),
                format!("--storage.tsdb.path={}", host.path("tsdb").display()),
                format!("--web.listen-address={own}"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str| -> Option<serde_json::Value> {
        let answer = client.get(format!("http://{own}{path}")).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    };
    host.until("Prometheus has scraped the daemon", async || {
        let answer = ask("/api/v1/query?query=reconciled_store_broken").await?;
        (answer["data"]["result"][0]["value"][1] == "0").then_some(())
    })
    .await;
    let up = ask("/api/v1/query?query=up").await.unwrap();
    assert_eq!(up["data"]["result"][0]["value"][1], "1", "{up}");
    host.until("every rule was evaluated without an error", async || {
        let rules = ask("/api/v1/rules").await?;
        let rules = rules["data"]["groups"][0]["rules"].as_array()?.clone();
        (rules.len() == 13 && rules.iter().all(|rule| rule["health"] == "ok")).then_some(())
    })
    .await;
    daemon.stop(&host).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_outside_hears_that_the_daemon_works_and_when_it_does_not() {
    let refunds = population("shop", "refund", 3, "[]").price("EUR", "5.00", "250.00");
    let fault =
        "[[fault]]\nkind = \"refused_credentials\"\naccount = \"shop\"\nfrom_s = 10800\nto_s = 14400\n";
    let scenario = scenario::of(5, &[&shop(), &refunds, &fault]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heartbeat-url");
    write_secret(&file, "https://signs.example/ping/canary-check").unwrap();
    let section = format!("[heartbeat]\nurl = \"file:{}\"\nevery = \"5m\"\n", file.display());
    let mut world = World::new("2027-01-15T06:00:00Z", &scenario, &section).await;
    let [begun, well, not_well] =
        ["/start", "", "/fail"].map(|sign| format!("https://signs.example/ping/canary-check{sign}"));
    world.enrol_all("shop").await;
    world.pass_minutes(6.0).await;
    let status = world.daemon().service().status().await.unwrap();
    let complaint = status.health.complaints.join("\n");
    assert!(complaint.contains("heartbeat: the address of [heartbeat] answers with HTTP 404"), "{complaint}");
    assert!(!complaint.contains("canary"), "the address is a secret: {complaint}");
    for sign in [&begun, &well, &not_well] {
        world.memory.serve(sign, 200, b"OK");
    }
    world.pass_hours(2.0).await;
    let counts = || [&begun, &well, &not_well].map(|sign| world.memory.requested(sign));
    let [_, before, _] = counts();
    assert_eq!(counts()[0], 0, "the sign of the start is tried once, and no other waits for it");
    assert!((23..=25).contains(&before) && counts()[2] == 0, "{:?}", counts());
    // The provider refuses the account for an hour; the next polls are due hourly.
    world.pass_hours(2.5).await;
    let [_, _, wrong] = counts();
    assert!(wrong >= 6, "{:?}", counts());
    world.pass_hours(2.0).await;
    let [_, after, last] = counts();
    assert!(after > before + 10 && last <= wrong + 12, "{:?}", counts());
    world.stop().await;
}
