//! Batches through the public binary: submitted to the daemon only, killed at the worst moments,
//! processed once.

use std::collections::{BTreeMap, BTreeSet};

use crate::process::Host;

/// Two authorized orders and a paid one. Validation and processing take longer than a restart.
const SCENARIO: &str = r#"
seed = 11
[[account]]
name = "pay"
api = "aps"
merchant_id = "CycHPay"
environment = "live"
access_code = "zx0IPay"
quota = [{ operation = "*", capacity = 1000, refill = 900, per_s = 1 }]
[[population]]
account = "pay"
kind = "aps-order"
count = 2
reference_prefix = "auth-"
currencies = [{ code = "USD", amount = ["100.00", "100.00"] }]
outcome = [{ steps = [{ state = "02" }] }]
[[population]]
account = "pay"
kind = "aps-order"
count = 1
reference_prefix = "paid-"
currencies = [{ code = "USD", amount = ["100.00", "100.00"] }]
outcome = [{ steps = [{ state = "14" }] }]
[aps]
validation_s = 3
processing_s = 3
"#;

/// The provider acts, and half of its answer hangs: a kill is certain to fall between the act and its answer.
const HANGING: &str = r#"
[[fault]]
kind = "hang_mid_body"
operation = "UPLOAD_BATCH_FILE"
[[fault]]
kind = "hang_mid_body"
operation = "PROCESS_BATCH"
"#;

/// The third row names an order that does not exist: it is declined.
const FIRST: &str = "command,merchant_reference,amount,currency,customer_email,token_name\n\
    PURCHASE,new-1,5000,USD,a@b.com,Op9Vmp\n\
    CAPTURE,auth-000000,4000,USD,,\n\
    CAPTURE,gone-1,100,USD,,\n\
    REFUND,paid-000000,2500,USD,,\n";

const SECOND: &str = "command,merchant_reference,amount,currency\nCAPTURE,auth-000001,10000,USD\n";

async fn host(faults: &str) -> Host {
    let host = Host::with_scenario(&format!("{SCENARIO}{faults}")).await;
    let hurried = "allow_writes = true\nbatch = { first_look_s = 1, longest_look_s = 1 }\n";
    host.rewrite_config(|text| {
        assert!(text.contains("allow_writes = true\n"));
        text.replace("allow_writes = true\n", hurried)
    });
    host
}

/// How many requests of an operation arrived at the provider.
fn arrived(host: &Host, operation: &str) -> u64 {
    let counts = host.simulator.counts();
    counts.operations.get(&("pay".to_owned(), operation.to_owned())).map_or(0, |counts| counts.requests)
}

/// Requests of all operations.
fn arrived_in_all(host: &Host) -> u64 {
    host.simulator.counts().of_account("pay").requests
}

async fn answered_by_provider(host: &Host, operation: &str, count: u64) {
    host.until(&format!("the provider has taken {operation} {count} times"), async || {
        let counts = host.simulator.counts();
        let known = counts.operations.get(&("pay".to_owned(), operation.to_owned()))?;
        (known.answered >= count).then_some(())
    })
    .await;
}

/// The only reference in the output of `batch submit`.
fn reference(out: &str) -> String {
    assert_eq!(out.lines().count(), 1, "{out}");
    out.split_once(':').unwrap().0.to_owned()
}

async fn shown(host: &Host, reference: &str) -> serde_json::Value {
    host.run(&["batch", "show", reference, "--json"]).await.expect(0, &[]).json()
}

async fn ended(host: &Host, reference: &str) -> serde_json::Value {
    host.until(&format!("batch {reference} has ended"), async || {
        let shown = shown(host, reference).await;
        shown["is_ended"].as_bool().unwrap().then_some(shown)
    })
    .await
}

/// The rows of an exported batch: order, fate and code, by line of the input.
async fn exported(host: &Host, reference: &str) -> BTreeMap<u64, (String, String, String)> {
    let out = host.run(&["batch", "export", reference]).await.expect(0, &[]).out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(|row| {
        let row = row.unwrap();
        let fate = (row["merchant_reference"].clone(), row["fate"].clone(), row["code"].clone());
        (row["input_line"].parse().unwrap(), fate)
    });
    rows.collect()
}

fn fate(order: &str, fate: &str, code: &str) -> (String, String, String) {
    (order.to_owned(), fate.to_owned(), code.to_owned())
}

/// The keys of the messages about batches that the back office received.
fn told(host: &Host) -> BTreeSet<String> {
    let messages = host.simulator.chat_messages().into_iter();
    let told = messages
        .filter(|message| message.path.starts_with("/hooks/") && message.body["data"]["kind"] == "batch");
    told.map(|message| message.headers.into_iter().find(|(name, _)| name == "webhook-id").unwrap().1)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_killed_after_upload_and_after_processing_are_processed_once() {
    let host = host(HANGING).await;
    let (first, second) = (host.write("first.csv", FIRST), host.write("second.csv", SECOND));
    let submit = ["batch", "submit", "pay", first.as_str()];
    let dry = host.run(&["batch", "submit", "pay", &first, "--dry-run"]).await;
    let would_be = reference(&dry.expect(0, &["4 rows, would be recorded"]).out);
    host.run(&["batch", "list"]).await.expect(0, &["0 batches"]);
    let refused = "batch submit needs the role write-money, which only the running daemon can check";
    host.run(&submit).await.expect(77, &[refused]);
    host.run(&["batch", "list"]).await.expect(0, &["0 batches"]);

    let daemon = host.start().await;
    assert_eq!(arrived_in_all(&host), 0);
    let done = host.run(&submit).await.expect(0, &["4 rows, recorded", "via the running daemon"]);
    let one = reference(&done.out);
    assert_eq!(one, would_be);
    answered_by_provider(&host, "UPLOAD_BATCH_FILE", 1).await;
    daemon.kill();
    assert_eq!(shown(&host, &one).await["stage"], "upload-sent");
    let daemon = host.start().await;
    let via = format!("via the running daemon (pid {})", daemon.pid());
    host.run(&submit).await.expect(0, &[&via, "was already recorded"]);
    let done = host.run(&["batch", "submit", "pay", &second]).await.expect(0, &[&via, "1 row, recorded"]);
    let two = reference(&done.out);
    answered_by_provider(&host, "PROCESS_BATCH", 1).await;
    daemon.kill();
    assert_eq!(shown(&host, &one).await["stage"], "process-sent");
    let daemon = host.start().await;
    let first_shown = ended(&host, &one).await;
    answered_by_provider(&host, "UPLOAD_BATCH_FILE", 2).await;
    daemon.kill();
    assert_eq!(shown(&host, &two).await["stage"], "upload-sent");
    let daemon = host.start().await;
    answered_by_provider(&host, "PROCESS_BATCH", 2).await;
    daemon.kill();
    assert_eq!(shown(&host, &two).await["stage"], "process-sent");
    let daemon = host.start().await;
    for (shown, rows, declined) in [(first_shown, 4, 1), (ended(&host, &two).await, 1, 0)] {
        assert_eq!((&shown["stage"], &shown["rows"]), (&"finished".into(), &rows.into()), "{shown}");
        assert_eq!((&shown["uploads"], &shown["processes"]), (&1.into(), &1.into()), "{shown}");
        assert_eq!((&shown["declined"], &shown["contradictions"]), (&declined.into(), &0.into()), "{shown}");
    }
    host.until("the declined row is reported", async || (!told(&host).is_empty()).then_some(())).await;
    // Both batches were processed, so two requests in total are one for each.
    assert_eq!((arrived(&host, "UPLOAD_BATCH_FILE"), arrived(&host, "PROCESS_BATCH")), (2, 2));
    assert_eq!(told(&host).len(), 1, "one batch had a declined row, and it is reported under one key");
    lists_and_exports(&host, &one, &two).await;
    daemon.stop(&host).await;
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
    assert_eq!(exported(&host, &two).await.len(), 1, "the store alone knows it too");
}

async fn lists_and_exports(host: &Host, one: &str, two: &str) {
    let words = ["batch", "list", "--account", "pay"];
    host.run(&words).await.expect(0, &[one, two, "finished", "2 batches"]);
    let lines = host.run(&["batch", "list", "--json"]).await.expect(0, &[]).out;
    let listed: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let order: Vec<&str> = listed.iter().map(|line| line["reference"].as_str().unwrap()).collect();
    assert_eq!(order, [one, two], "in the order in which they were sent");
    host.run(&["batch", "show", one]).await.expect(0, &["finished", "3 done, 1 declined", "gone-1"]);
    let rows = exported(host, one).await;
    let wanted = [
        (2, fate("new-1", "done", "14000")),
        (3, fate("auth-000000", "done", "04000")),
        (4, fate("gone-1", "declined", "05036")),
        (5, fate("paid-000000", "done", "06000")),
    ];
    assert_eq!(rows, BTreeMap::from(wanted));
    let wanted = [(2, fate("auth-000001", "done", "04000"))];
    assert_eq!(exported(host, two).await, BTreeMap::from(wanted));
    host.run(&["batch", "show", "rcd-nothing"]).await.expect(66, &["rcd-nothing"]);
    host.run(&["batch", "release", one]).await.expect(65, &["is not in doubt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_named_and_nothing_is_sent_without_permission_to_write() {
    let host = host("").await;
    host.rewrite_config(|text| text.replace("allow_writes = true", "allow_writes = false"));
    let bad =
        "command,merchant_reference,amount,currency\nCAPTURE,x,1.5,USD\nCAPTURE,fine,15,USD\nDANCE,y,1,USD\n";
    let (bad, good) = (host.write("bad.csv", bad), host.write("good.csv", SECOND));
    let problems = ["line 2: amount", "line 4: command", "nothing was recorded"];
    let dry = ["batch", "submit", "pay", &bad, "--dry-run"];
    let refused = host.run(&dry).await.expect(65, &problems);
    assert!(!refused.out.contains("line 3"), "{}", refused.out);
    let daemon = host.start().await;
    host.run(&["batch", "submit", "pay", &bad]).await.expect(65, &problems);
    host.run(&["batch", "submit", "shop", &good])
        .await
        .expect(65, &["account shop cannot send batches", "pay"]);
    host.run(&["batch", "submit", "pay", &host.word("none.csv")]).await.expect(66, &["none.csv"]);
    host.run(&["batch", "list"]).await.expect(0, &["0 batches"]);
    let leave = "nothing is sent until the account has allow_writes = true";
    let done = host.run(&["batch", "submit", "pay", &good]).await.expect(0, &[leave, "recorded"]);
    let reference = reference(&done.out);
    host.until("the daemon says why it does not send", async || {
        host.log().contains("nothing is sent: the account has no allow_writes = true").then_some(())
    })
    .await;
    assert_eq!((&shown(&host, &reference).await["stage"], arrived_in_all(&host)), (&"new".into(), 0));

    host.rewrite_config(|text| text.replace("allow_writes = false", "allow_writes = true"));
    host.run(&["reload"]).await.expect(0, &["the new configuration is in force"]);
    let shown = ended(&host, &reference).await;
    assert_eq!(shown["stage"], "finished", "{shown}");
    assert_eq!((arrived(&host, "UPLOAD_BATCH_FILE"), arrived(&host, "PROCESS_BATCH")), (1, 1));
    daemon.stop(&host).await;
}
