//! Stories through the public binary: the real process, real signatures over real sockets, real time.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use amazon_pay_simulator::Scenario;

use crate::process::{Host, patiently};

/// A CSV file with one charge and one bad line.
fn csv_of(host: &Host, planted: &crate::process::Planted) -> String {
    let line = format!("shop,charge,{},14.00,EUR,{}", planted.id(), planted.reference);
    host.write(
        "charges.csv",
        &format!("account,kind,charge_id,amount,currency,reference\n{line}\nshop,charge,not an id,1,EUR,x\n"),
    )
}

fn json_lines_of(host: &Host, planted: &crate::process::Planted) -> String {
    let line = serde_json::json!({
        "account": "old-shop", "kind": "capture", "id": planted.id(), "amount": "14.00", "currency": "USD",
        "reference": planted.reference,
    });
    host.write("captures.jsonl", &format!("{line}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_is_reported_across_a_restart_and_every_command_works() {
    let host = Host::new().await;
    let early = host.plant("shop", "authorization", "Declined", Some("HardDeclined"), 300);
    let captured = host.plant("old-shop", "capture", "Completed", None, 300);
    let late = host.plant("shop", "refund", "Declined", Some("AmazonRejected"), 600_000);
    let forgotten = host.plant("shop", "authorization", "Authorized", None, 600_000);

    host.run(&["check-config"]).await.expect(0, &["shop (amazon-pay-v2, eu, live)", "old-shop"]);
    host.run(&["enrol", "--id", late.id()])
        .await
        .expect(65, &["it could be shop/refund/", "name the account and kind"]);
    let flags = ["enrol", "--account", "shop", "--id", late.id(), "--amount", "14.00", "--currency", "EUR"];
    host.run(&flags).await.expect(0, &["daemon not running: wrote to the store at"]);
    host.run(&["list"]).await.expect(0, &["daemon not running: read the store at", late.id()]);

    let daemon = host.start().await;
    let via = format!("via the running daemon (pid {})", daemon.pid());
    assert!(host.heard("STATUS=1 open").is_some(), "{:?}", host.told());
    host.run(&flags).await.expect(0, &[&via]);
    let words = ["enrol", "--account", "shop", "--kind", "charge", "--id", forgotten.id()];
    host.run(&words).await.expect(0, &[&via]);
    let csv = csv_of(&host, &early);
    host.run(&["enrol", &csv, "--rejects", &host.word("bad.csv")]).await.expect(65, &[&via, "3"]);
    let rejects = std::fs::read_to_string(host.path("bad.csv")).unwrap();
    assert!(rejects.contains("not an id"), "{rejects}");
    host.run(&["enrol", &json_lines_of(&host, &captured)]).await.expect(0, &[&via]);

    host.until("both targets receive the decline", async || {
        (host.declines_told(early.id()) == 1 && host.chat_speaks_of(&early.reference) == 1).then_some(())
    })
    .await;
    let settled = ["list", "--finished", "--csv"];
    host.until("the capture is observed as completed", async || {
        host.run(&settled).await.out.contains(captured.id()).then_some(())
    })
    .await;
    lists_and_objects(&host, early.id(), late.id()).await;
    polls_and_alerts(&host, &via, late.id(), forgotten.id()).await;

    // A restart in the middle: nothing is sent twice, and watching goes on.
    host.forget_told();
    daemon.stop(&host).await;
    assert!(host.heard("STOPPING=1").is_some(), "{:?}", host.told());
    host.run(&["status"]).await.expect(2, &["CRITICAL: the daemon is not running", "systemctl start"]);
    let daemon = host.start().await;
    let second = host.plant("shop", "authorization", "Declined", Some("SoftDeclined"), 300);
    host.run(&["enrol", "--account", "shop", "--id", second.id()])
        .await
        .expect(0, &["via the running daemon"]);
    host.until("the second decline is reported", async || {
        (host.declines_told(second.id()) == 1).then_some(())
    })
    .await;
    assert_eq!(host.declines_told(early.id()), 2, "once, and once more when an operator asked for it");
    assert_eq!(host.chat_speaks_of(&early.reference), 1, "nothing is said twice");
    store_and_report(&host, &daemon).await;
    daemon.stop(&host).await;
}

async fn lists_and_objects(host: &Host, declined: &str, open: &str) {
    host.run(&["list", "--state", "Declined"]).await.expect(0, &["ACCOUNT", declined, "1 object"]);
    let lines = host.run(&["list", "--open", "--json"]).await.expect(0, &[]);
    let records: Vec<serde_json::Value> =
        lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().any(|record| record.to_string().contains(open)), "{}", lines.out);
    let csv = host.run(&["list", "--csv"]).await.expect(0, &[]);
    assert!(csv.out.lines().next().unwrap().starts_with("account,kind,id,state,"), "{}", csv.out);
    assert_eq!(csv.out.lines().count(), 5, "{}", csv.out);
    host.run(&["show", declined])
        .await
        .expect(0, &["Declined (final, declined)", "HardDeclined", "14.00 EUR"]);
    host.run(&["explain", open]).await.expect(0, &["RefundInitiated"]);
    let json = host.run(&["explain", declined, "--json"]).await.expect(0, &[]).json();
    assert!(json["advice"].as_str().unwrap().contains("payment method"), "{json}");
    host.run(&["show", "S99-0000000-0000000-C000000"]).await.expect(66, &["is not watched"]);
}

async fn polls_and_alerts(host: &Host, via: &str, open: &str, forgotten: &str) {
    host.run(&["poll", "--all", "--dry-run"]).await.expect(0, &["shop", "2"]);
    host.run(&["poll", open]).await.expect(0, &[via, "1 object will be polled next"]);
    host.run(&["forget", forgotten]).await.expect(0, &["is no longer watched"]);
    host.run(&["forget", forgotten]).await.expect(66, &["was not watched"]);
    host.run(&["status"]).await.expect(0, &["running as pid", "1 open of 3", "shop", "chat", "back-office"]);
    let status = host.run(&["status", "--json"]).await.expect(0, &[]).json();
    assert_eq!(status["level"], "ok");
    assert_eq!((status["open"].as_u64(), status["health"]["is_ready"].as_bool()), (Some(1), Some(true)));
    let listed = host.run(&["alerts", "list", "--json"]).await.expect(0, &["declined"]).out;
    let row: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let key = row["alert"]["key"].as_str().unwrap().to_owned();
    host.run(&["alerts", "test"]).await.expect(0, &["chat accepted it", "back-office accepted it"]);
    let before = host.simulator.chat_messages().len();
    let words = ["alerts", "redeliver", &key, "--target", "back-office"];
    host.run(&words).await.expect(0, &["1 delivery pending again"]);
    host.until("it is delivered again, under the same key", async || {
        let messages = host.simulator.chat_messages();
        let last = messages.last().filter(|_| messages.len() > before)?;
        assert_eq!(last.body["data"]["kind"], "declined");
        Some(())
    })
    .await;
}

async fn store_and_report(host: &Host, daemon: &crate::process::Running) {
    let holder = format!("process {} (run)", daemon.pid());
    host.run(&["run"]).await.expect(69, &[&holder, "stop it first"]);
    host.run(&["store", "check"]).await.expect(0, &["4 objects", "nothing is wrong"]);
    let copy = host.word("copy");
    host.run(&["store", "backup", "--to", &copy]).await.expect(0, &["via the running daemon", &copy]);
    host.run(&["store", "restore", "--from", &copy]).await.expect(69, &["has the store open"]);
    let made = host.run(&["report", "--date", "2026-01-15"]).await.expect(0, &["report of 2026-01-15 made"]);
    let folder = std::path::PathBuf::from(made.out.trim());
    assert!(folder.join("manifest.json").is_file(), "{}", made.out);
    host.run(&["report", "--date", "2026-01-15"]).await.expect(0, &["already exists"]);
    host.run(&["report", "--date", "2999-01-15"]).await.expect(65, &[]);
}

/// As in `reconciled check-config | head -1`.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let host = Host::new().await;
    for words in
        [&["check-config"][..], &["simulate", "--example"], &["backtest", "--all"], &["completions", "bash"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = host.command(words);
        let output =
            tokio::task::spawn_blocking(move || command.stdout(writer).output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{words:?}: {said}");
        assert!(output.status.code().is_some_and(|code| code == 0), "{words:?} {:?}: {said}", output.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_whole_and_a_reload_keeps_the_old_one() {
    let host = Host::new().await;
    let good = std::fs::read_to_string(host.path("config.toml")).unwrap();
    let bad = format!("{}\n[poll.kinds.refund]\ninterval = \"soon\"\n", good.replace("\"eu\"", "\"mars\""));
    std::fs::write(host.path("config.toml"), &bad).unwrap();
    for words in [&["run"][..], &["check-config"]] {
        host.run(words).await.expect(78, &["problem(s)", "mars", "soon", "poll.kinds.refund"]);
    }
    let json = host.run(&["check-config", "--json"]).await.expect(78, &[]).json();
    assert!(json["problems"].as_array().unwrap().len() >= 2, "{json}");
    std::fs::remove_file(host.path("config.toml")).unwrap();
    host.run(&["run"]).await.expect(66, &["config.toml", "--config FILE"]);

    std::fs::write(host.path("config.toml"), &good).unwrap();
    let daemon = host.start().await;
    std::fs::write(host.path("config.toml"), &bad).unwrap();
    host.forget_told();
    daemon.signal("HUP");
    host.until("the bad reload is rejected", async || host.heard("STATUS=reload rejected: ")).await;
    assert!(host.heard("RELOADING=1").is_some() && host.heard("READY=1").is_some(), "{:?}", host.told());
    // The status needs no good file on disk.
    host.run(&["status"]).await.expect(1, &["WARNING: the configuration of", "rejected", "mars"]);
    std::fs::write(host.path("config.toml"), &good).unwrap();
    let declined = host.plant("shop", "authorization", "Declined", Some("HardDeclined"), 100);
    host.run(&["enrol", "--account", "shop", "--id", declined.id()])
        .await
        .expect(0, &["via the running daemon"]);
    host.until("the old configuration still works", async || {
        (host.declines_told(declined.id()) == 1).then_some(())
    })
    .await;

    host.rewrite_config(|text| text.replace("name = \"back-office\"", "name = \"accounts\""));
    host.forget_told();
    daemon.signal("HUP");
    host.until("the good one applies", async || host.heard("STATUS=configuration reloaded")).await;
    host.run(&["status"]).await.expect(0, &["in force", "accounts"]);
    host.run(&["alerts", "test", "--target", "accounts"]).await.expect(0, &["accounts accepted it"]);
    host.run(&["reload"]).await.expect(0, &["the new configuration is in force"]);
    daemon.stop(&host).await;
}

/// The lines of `status --watch` up to the second overview.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_is_shown_again_and_again() {
    let host = Host::new().await;
    let mut child = host.command(&["status", "--watch", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let verdicts = tokio::task::spawn_blocking(move || {
        let lines = lines.lines().map_while(Result::ok);
        lines.filter(|line| line.starts_with("CRITICAL: ")).take(2).count()
    });
    assert_eq!(verdicts.await.unwrap(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!host.path("store").exists(), "a status makes no store");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_alone_serves_a_developer_over_https() {
    let host = Host::new().await;
    let (authority, keys) = (host.word("authority.pem"), host.word("keys"));
    let words = ["simulate", "--listen-tls", "127.0.0.1:0", "--ca-file", &authority, "--keys", &keys];
    let mut child = host.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let mut sender = Some(sender);
        let mut port = None;
        for line in lines.lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("https https://localhost:") {
                port = address.split_whitespace().next().and_then(|port| port.parse::<u16>().ok());
            }
            if line.starts_with("stop with")
                && let (Some(sender), Some(port)) = (sender.take(), port)
            {
                sender.send(port).unwrap();
            }
        }
    });
    let port = receiver.await.unwrap();
    let pem = std::fs::read(&authority).unwrap();
    let trusted = reqwest::Certificate::from_pem(&pem).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    let base = format!("https://localhost:{port}");
    let hook = client.post(format!("{base}/hooks/json")).header("content-type", "application/json");
    assert_eq!(hook.body("{\"a\":1}").send().await.unwrap().status(), 200);
    let unsigned = client.get(format!("{base}/live/v2/charges/S01-1234567-1234567-C123456"));
    let answer = unsigned.send().await.unwrap();
    assert!(answer.status().is_client_error(), "{answer:?}");
    let text = answer.text().await.unwrap();
    assert!(text.contains("reasonCode"), "as Amazon refuses: {text}");
    let stranger = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    assert!(stranger.get(&base).send().await.is_err(), "no other client trusts it");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended =
        patiently(&host.clock, "the simulator ends", async || child.try_wait().unwrap(), String::new).await;
    assert_eq!(ended.code(), Some(0));
    reading.await.unwrap();
    let example = host.run(&["simulate", "--example"]).await.expect(0, &["[[account]]"]).out;
    assert!(Scenario::parse(&example, host.folder.path()).is_ok());
}

/// The lines that `simulate` prints until it serves.
async fn printed(host: &Host, words: &[&str]) -> String {
    let mut child = host.command(words).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let printed = tokio::task::spawn_blocking(move || {
        let lines = lines.lines().map_while(Result::ok).take_while(|line| !line.starts_with("stop with"));
        lines.collect::<Vec<_>>().join("\n")
    });
    let printed = printed.await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_simulator_writes_can_be_used_as_it_is() {
    let host = Host::new().await;
    let dir = host.word("pretend");
    let told = printed(&host, &["simulate", "--listen-tls", "127.0.0.1:0", "--write-config", &dir]).await;
    let (config, objects) = (format!("{dir}/config.toml"), format!("{dir}/objects.jsonl"));
    assert!(told.contains(&format!("reconciled enrol --config {config} {objects}")), "{told}");
    let check = ["check-config", "--config", &config];
    host.run(&check).await.expect(0, &["shop-us (amazon-pay-v2, na, sandbox)", "shop-uk", "authority.pem"]);
    let count = std::fs::read_to_string(&objects).unwrap().lines().count();
    let enrolled = host.run(&["enrol", "--config", &config, &objects]).await;
    enrolled.expect(0, &[&format!("{count} new, 0 enriched, 0 same, 0 conflict, 0 bad")]);

    let told = printed(&host, &["simulate", "--keys", &host.word("keys")]).await;
    let (_, pasted) = told.split_once("# Paste this").unwrap();
    let pasted = host.write("pasted.toml", &format!("# {pasted}"));
    host.run(&["check-config", "--config", &pasted]).await.expect(0, &["shop-jp", "shop-ae"]);
    for line in told.lines().filter_map(|line| line.strip_prefix("# to enrol: ")) {
        let words: Vec<&str> = ["enrol", "--config", &config].into_iter().chain(line.split(' ')).collect();
        host.run(&words).await.expect(0, &["watched"]);
    }
    std::fs::write(&config, "# an operator's own\n").unwrap();
    let again = host.run(&["simulate", "--write-config", &dir]).await;
    again.expect(73, &["is not from a simulator"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_says_what_a_notified_daemon_needs() {
    let host = Host::new().await;
    let keys = host.word("keys");
    let words = |scenario: &str, url: &str| {
        ["simulate", "--scenario", scenario, "--keys", &keys, "--notify", url].map(str::to_owned)
    };
    let example = host.run(&["simulate", "--example"]).await.expect(0, &["[[notifications]]"]).out;
    let example = host.write("example.toml", &example);
    let url = "http://localhost:1/notifications";
    let told = printed(&host, &words(&example, url).each_ref().map(String::as_str)).await;
    assert!(told.contains("sns   notifications go to http://localhost:1/notifications/shop-us"), "{told}");
    assert!(told.contains("[notifications]\nlisten = \"127.0.0.1:1\"\n"), "{told}");
    assert!(told.contains("# [notifications.test] is refused beside live accounts"), "{told}");
    let account = "[[account]]\nname = \"shop\"\napi = \"amazon-pay-v2\"\nmerchant_id = \"A1\"\nregion = \"eu\"\n\
                   environment = \"sandbox\"\npublic_key_id = \"SANDBOX-X\"\n";
    let scenario = host.write("scenario.toml", account);
    let told = printed(&host, &words(&scenario, url).each_ref().map(String::as_str)).await;
    let test = format!("[notifications.test]\nca_file = \"{keys}/authority.pem\"\nconnect = \"127.0.0.1:");
    assert!(told.contains(&test), "{told}");
    for url in ["https://127.0.0.1:1/", "http:///x", "127.0.0.1:1"] {
        let refused = host.run(&words(&scenario, url).each_ref().map(String::as_str)).await;
        refused.expect(64, &["not an http address", "--notify http://127.0.0.1:8081/notifications"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_completions_and_man_pages_come_from_the_binary() {
    let host = Host::new().await;
    host.run(&["--help"]).await.expect(0, &["Usage:", "store", "enrol", "Exit codes"]);
    host.run(&["--version"]).await.expect(0, &[env!("CARGO_PKG_VERSION")]);
    host.run(&["enroll"]).await.expect(64, &["enrol"]);
    for shell in ["bash", "zsh", "fish"] {
        host.run(&["completions", shell]).await.expect(0, &["reconciled", "redeliver"]);
    }
    let dir = host.word("man");
    host.run(&["man", "--dir", &dir]).await.expect(0, &[]);
    for page in ["reconciled.1", "reconciled-run.1", "reconciled-store-restore.1"] {
        let text = std::fs::read_to_string(host.path("man").join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}
