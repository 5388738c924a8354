//! Feeds of Amazon Pay MWS through the public binary: submitted to the daemon only, killed between
//! the provider's act and its answer, never submitted a second time automatically.

use crate::process::Host;

/// The provider accepts a feed, and half of its answer hangs: a kill is certain to fall between the act and
/// its answer.
const SCENARIO: &str = r#"
seed = 11
[[account]]
name = "uk"
api = "amazon-pay-mws"
merchant_id = "A3EXAMPLEUK"
region = "eu"
environment = "live"
access_key_id = "AKIAEXAMPLEUK"
[[population]]
account = "uk"
kind = "authorization"
count = 3
reference_prefix = "auth-"
currencies = [{ code = "GBP", amount = ["10.00", "10.00"] }]
outcome = [{ steps = [{ state = "Open" }] }]
[[fault]]
kind = "hang_mid_body"
operation = "SubmitFeed"
"#;

fn rows(host: &Host) -> String {
    let mut text = "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode\n".to_owned();
    for (number, one) in host.simulator.planted().into_iter().enumerate() {
        text.push_str(&format!("{},capture-{number},9.50,GBP\n", one.truth.id));
    }
    text
}

fn arrived(host: &Host) -> u64 {
    let counts = host.simulator.counts();
    counts.operations.get(&("uk".to_owned(), "SubmitFeed".to_owned())).map_or(0, |counts| counts.requests)
}

async fn stage(host: &Host, reference: &str) -> String {
    let shown = host.run(&["batch", "show", reference, "--json"]).await.expect(0, &[]).json();
    shown["stage"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_killed_between_the_act_and_its_answer_is_never_submitted_again_unchecked() {
    let host = Host::with_scenario(SCENARIO).await;
    let good = host.write("captures.csv", &rows(&host));
    let submit = ["batch", "submit", "uk", "--operation", "Capture", good.as_str()];
    let dry = host.run(&["batch", "submit", "uk", "--operation", "Capture", &good, "--dry-run"]).await;
    let dry = dry.expect(0, &["3 rows, would be recorded"]).out;
    host.run(&submit).await.expect(77, &["only the running daemon can check"]);
    let daemon = host.start().await;
    bad_inputs_are_refused(&host).await;
    assert_eq!(arrived(&host), 0);
    let done = host.run(&submit).await;
    let done = done.expect(0, &["3 rows, recorded", "via the running daemon"]).out;
    assert_eq!(dry.split(':').next(), done.split(':').next(), "a dry run shows the same reference");
    let reference = done.split(':').next().unwrap().to_owned();
    host.until("the provider has the feed", async || (arrived(&host) == 1).then_some(())).await;
    daemon.kill();
    assert_eq!(stage(&host, &reference).await, "sending", "written down before it left");
    let daemon = host.start().await;
    let via = format!("via the running daemon (pid {})", daemon.pid());
    host.run(&submit).await.expect(0, &[&via, "was already recorded"]);
    let exported = host.run(&["batch", "export", &reference]).await.expect(0, &[]).out;
    assert_eq!(exported.lines().count(), 4, "{exported}");
    assert!(exported.starts_with("seller_request_id,input_line,operation,about,reference_id,"), "{exported}");
    assert!(exported.contains(",capture-2,9.50,GBP,,,waiting,"), "{exported}");
    host.run(&["batch", "release", &reference]).await.expect(64, &["--adopt FEED_ID"]);
    host.run(&["batch", "release", &reference, "--resend"]).await.expect(65, &["is not held"]);
    let old = ["batch", "release", &reference, "--may-be-sent-again"];
    host.run(&old).await.expect(65, &["is now --resend", "is not held"]);
    host.run(&["batch", "cancel", &reference]).await.expect(0, &[&reference, "sending"]);
    host.run(&["status"]).await.expect(0, &["BATCHES OF", "ROWS WAITING"]);
    daemon.stop(&host).await;
    assert_eq!(arrived(&host), 1, "nothing was sent a second time");
    host.run(&["store", "check"]).await.expect(0, &["nothing is wrong"]);
}

async fn bad_inputs_are_refused(host: &Host) {
    let bad = "AmazonAuthorizationId,CaptureReferenceId,Amount,CurrencyCode\n\
               P02-1234567-1234567-A000001,one,1.5,GBP\nP02-1234567-1234567-C000001,two two,-1,EUR\n";
    let bad = host.write("bad.csv", bad);
    let refused = host.run(&["batch", "submit", "uk", "--operation", "Capture", &bad]).await;
    let refused = refused.expect(65, &["line 3: ", "nothing was recorded"]);
    assert!(!refused.out.contains("line 4"), "{}", refused.out);
    host.run(&["batch", "submit", "uk", &bad])
        .await
        .expect(65, &["--operation is missing", "CloseAuthorization"]);
}
