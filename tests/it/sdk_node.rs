//! The official Node SDK, unchanged, against the simulated Amazon Pay v2 over HTTPS.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use amazon_pay_simulator::{Scenario, Simulator, ThrowAwayAuthority, serve};
use reconciled::clock::SystemClock;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::tools;

const SCENARIO: &str = r#"
seed = 1

[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1EXAMPLE"
region = "na"
environment = "sandbox"
public_key_id = "SANDBOX-AEXAMPLE"
quota = [{ operation = "*", capacity = 100, refill = 1, per_s = 1 }]

[[population]]
account = "shop"
kind = "charge-permission"
count = 1
currencies = [{ code = "USD", amount = ["500.00", "500.00"] }]
"#;

/// Each step of the script, with the expected status and the expected state or reason code, for both
/// algorithms.
const STEPS: [(&str, u64, &str); 11] = [
    ("getChargePermission", 200, "Chargeable"),
    ("updateChargePermission", 200, "Chargeable"),
    ("createCharge", 201, "Authorized"),
    ("createChargeAgain", 201, "Authorized"),
    ("getCharge", 200, "Authorized"),
    ("captureCharge", 200, "Captured"),
    ("createRefund", 201, "RefundInitiated"),
    ("getRefund", 200, "RefundInitiated"),
    ("createChargeToCancel", 201, "Authorized"),
    ("cancelCharge", 200, "Canceled"),
    ("getMissing", 404, "ResourceNotFound"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_node_sdk_is_accepted_with_both_algorithms() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/v2");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-node");
    if let Err(why) = install(&source, &folder, "@amazonpay") {
        return tools::skipped("the official Node SDK", &why);
    }
    tools::not_skipped("the official Node SDK");
    let secrets = tempfile::tempdir().expect("a folder can be created");
    let mut scenario = Scenario::parse(SCENARIO, secrets.path()).expect("the scenario is good");
    let generated = scenario.generate_credentials(secrets.path()).expect("the folder can be written");
    let simulator =
        Arc::new(Simulator::new(scenario, SystemClock::shared()).expect("the scenario can be lived"));
    let authority = ThrowAwayAuthority::generate(&["127.0.0.1", "localhost"]).expect("it is created");
    let authority_file = secrets.path().join("authority.pem");
    std::fs::write(&authority_file, authority.authority_pem()).expect("the folder can be written");
    let shutdown = CancellationToken::new();
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    let serving =
        serve(simulator.clone(), listen, Some(authority), shutdown.clone()).await.expect("a port is free");

    let mut script = Command::new("node");
    script
        .current_dir(&folder)
        .arg("run.js")
        .env("SIM_URL", format!("https://{}", serving.address))
        .env("SIM_KEY_ID", &generated[0].key_id)
        .env("SIM_KEY_FILE", &generated[0].secret_file)
        .env("SIM_PERMISSION_ID", &simulator.planted()[0].truth.id)
        .env("NODE_EXTRA_CA_CERTS", &authority_file);
    for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        script.env_remove(proxy);
    }
    let output = tokio::task::spawn_blocking(move || script.output()).await.expect("the task ends");
    shutdown.cancel();
    serving.stopped().await;
    check(&output.expect("node can be run"));
    let counts = simulator.counts().of_account("shop");
    assert_eq!((counts.requests, counts.succeeded, counts.throttled), (23, 21, 0));
}

fn check(output: &Output) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(lines.len(), 2 * STEPS.len() + 1, "{printed}");
    for (position, line) in lines.iter().take(2 * STEPS.len()).enumerate() {
        let (step, status, word) = STEPS[position % STEPS.len()];
        let found = line["reasonCode"].as_str().or(line["state"].as_str());
        let algorithm = if position < STEPS.len() { "AMZN-PAY-RSASSA-PSS" } else { "AMZN-PAY-RSASSA-PSS-V2" };
        assert_eq!(line["algorithm"], algorithm);
        assert_eq!(line["step"], step, "{line}");
        assert_eq!((line["status"].as_u64(), found), (Some(status), Some(word)), "{line}");
        assert!(line["requestId"].is_string(), "{line}");
    }
    assert_eq!(lines.last().expect("there are lines")["state"], "Closed");
}

/// Installs the locked version of a package into `folder`, once.
pub fn install(source: &Path, folder: &Path, package: &str) -> Result<(), String> {
    if Command::new("node").arg("--version").output().is_err() {
        return Err("node is not installed".to_owned());
    }
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let lock = source.join("package-lock.json");
    let is_installed = folder.join("node_modules").join(package).is_dir()
        && std::fs::read(&lock).ok() == std::fs::read(folder.join("package-lock.json")).ok();
    let files = ["package.json", "package-lock.json", "run.js"];
    for file in files.into_iter().filter(|file| source.join(file).exists()) {
        std::fs::copy(source.join(file), folder.join(file)).map_err(|error| error.to_string())?;
    }
    if is_installed {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    match npm.output() {
        Err(_) => Err("npm is not installed".to_owned()),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
