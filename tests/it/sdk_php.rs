//! The official PHP SDKs, unchanged, against the simulated Amazon Pay over HTTPS. No registry that the suite
//! may use has them, so environment variables name their folders.
//!
//! `RECONCILED_PHP_SDK_MWS=…` holds `AmazonPay/`, `RECONCILED_PHP_SDK_V2=…` holds `Amazon/Pay/API/`, and
//! `RECONCILED_PHP_SECLIB=…` is the autoloader of phpseclib (`/usr/share/php/phpseclib3/autoload.php` where the
//! distribution's package is installed). `php` needs curl, mbstring and xml.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::plan::{Plan, Step};
use amazon_pay_simulator::{Scenario, Simulator, ThrowAwayAuthority, serve};
use reconciled::clock::SystemClock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::tools;

const SCENARIO: &str = r#"
seed = 7

[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A1EXAMPLESELLER"
region = "na"
environment = "sandbox"
access_key_id = "AKIAEXAMPLEKEY000001"
secret_key_file = "secret.key"
quota = [{ operation = "*", capacity = 100, refill = 1, per_s = 1 }]

[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1EXAMPLE"
region = "na"
environment = "sandbox"
public_key_id = "SANDBOX-AEXAMPLE"
quota = [{ operation = "*", capacity = 100, refill = 1, per_s = 1 }]
"#;

const SECRET: &str = "exampleSecretKey/With+Chars=0123456789AB";
const NOTE: &str = "Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] <日本> x";

/// Each step with the expected status and the expected word; an empty word means none.
const MWS_STEPS: [(&str, u64, &str); 27] = [
    ("draft", 200, "Draft"),
    ("set", 200, NOTE),
    ("attributes", 200, "Shop"),
    ("confirm", 200, ""),
    ("authorize", 200, "Open"),
    ("get-authorization", 200, "Open"),
    ("capture", 200, "Completed"),
    ("get-capture", 200, NOTE),
    ("refund", 200, "Pending"),
    ("refund-again", 200, "Pending"),
    ("get-refund", 200, "10.00"),
    ("charge", 200, "MaxCapturesProcessed"),
    ("close-authorization", 200, ""),
    ("cancel", 200, ""),
    ("canceled", 200, "SellerCanceled"),
    ("close", 200, ""),
    ("agreement", 200, "Draft"),
    ("set-agreement", 200, "monthly"),
    ("confirm-agreement", 200, ""),
    ("validate-agreement", 200, "Success"),
    ("order-for-id", 200, "BillingAgreement"),
    ("authorize-agreement", 200, "MaxCapturesProcessed"),
    ("close-agreement", 200, ""),
    ("unknown-id", 404, "InvalidTransactionId"),
    ("wrong-secret", 403, "SignatureDoesNotMatch"),
    ("status", 200, "GREEN"),
    ("status-live", 200, "GREEN"),
];

const V2_STEPS: [(&str, u64, &str); 10] = [
    ("getChargePermission", 200, "Chargeable"),
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

/// The path in a variable. Prints what is missing, and fails where the SDKs are required.
fn named(variable: &str) -> Option<PathBuf> {
    let problem = match std::env::var_os(variable) {
        Some(path) if Command::new("php").arg("--version").output().is_ok() => {
            tools::not_skipped(&format!("the official PHP SDK ({variable})"));
            return Some(path.into());
        }
        Some(_) => "php is not installed".to_owned(),
        None => format!("{variable} does not name the PHP SDK"),
    };
    let test = format!("the official PHP SDK ({variable})");
    tools::skipped_unless("RECONCILED_REQUIRE_PHP_SDKS", &test, &problem);
    None
}

fn plan(kind: &str, state: &str, reference: &str) -> Plan {
    Plan {
        kind: kind.to_owned(),
        amount: "100.00".to_owned(),
        currency: "USD".to_owned(),
        merchant_reference: reference.to_owned(),
        steps: vec![Step { after: Duration::ZERO, state: state.to_owned(), reason: None }],
        invisible_for: Duration::ZERO,
    }
}

/// The simulated provider behind a tunnel.
struct Stage {
    folder: tempfile::TempDir,
    simulator: Arc<Simulator>,
    shutdown: CancellationToken,
    tunnel: SocketAddr,
    key_id: String,
    key_file: PathBuf,
}

impl Stage {
    async fn new() -> Stage {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("secret.key"), SECRET).expect("the key is written");
        let mut scenario = Scenario::parse(SCENARIO, folder.path()).expect("a valid scenario");
        let generated = scenario.generate_credentials(folder.path()).expect("the folder can be written");
        let key = generated.into_iter().find(|key| key.key_id == "SANDBOX-AEXAMPLE").expect("it is created");
        let simulator = Arc::new(Simulator::new(scenario, SystemClock::shared()).expect("a valid world"));
        let authority = ThrowAwayAuthority::generate(&["localhost"]).expect("a certificate");
        let bundle = folder.path().join("authority.pem");
        std::fs::write(bundle, authority.authority_pem()).expect("the authority is written");
        let shutdown = CancellationToken::new();
        let listen = "127.0.0.1:0".parse().expect("an address");
        let serving =
            serve(simulator.clone(), listen, Some(authority), shutdown.clone()).await.expect("a free port");
        let tunnel = tunnel_to(serving.address, shutdown.clone()).await;
        Stage { folder, simulator, shutdown, tunnel, key_id: key.key_id, key_file: key.secret_file }
    }

    fn plant(&self, account: &str, kind: &str, state: &str, reference: &str) -> String {
        self.simulator.plant(account, &plan(kind, state, reference)).expect("a plan that the provider has")
    }

    /// Runs the driver and returns its steps.
    async fn drive(&self, which: &str, sdk: &Path, variables: &[(&str, String)]) -> Vec<Value> {
        let mut php = Command::new("php");
        let bundle = self.folder.path().join("authority.pem");
        php.arg("-d")
            .arg(format!("curl.cainfo={}", bundle.display()))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/php/drive.php"))
            .arg(which)
            .env("PHP_SDK", sdk)
            .envs(variables.iter().map(|(name, value)| (*name, value)));
        for name in ["no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTPS_PROXY"] {
            php.env_remove(name);
        }
        php.env("https_proxy", format!("http://{}", self.tunnel));
        let ran = tokio::task::spawn_blocking(move || php.output()).await.expect("the task ends");
        let output = ran.expect("php can be run");
        self.shutdown.cancel();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
        let steps = printed.lines().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{printed}"))
        });
        steps.collect()
    }
}

#[track_caller]
fn check(step: &Value, (name, status, word): (&str, u64, &str)) {
    assert_eq!((step["step"].as_str(), step["status"].as_u64()), (Some(name), Some(status)), "{step}");
    assert_eq!(step["word"].as_str().unwrap_or_default(), word, "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_php_sdk_of_mws_gets_what_it_expects() {
    let Some(sdk) = named("RECONCILED_PHP_SDK_MWS") else { return };
    let stage = Stage::new().await;
    let mut variables = vec![
        ("MERCHANT_ID", "A1EXAMPLESELLER".to_owned()),
        ("ACCESS_KEY", "AKIAEXAMPLEKEY000001".to_owned()),
        ("SECRET_KEY", SECRET.to_owned()),
    ];
    for (variable, kind, state) in [
        ("ORDER", "order-reference", "Draft"),
        ("ORDER_TO_CHARGE", "order-reference", "Draft"),
        ("ORDER_TO_CANCEL", "order-reference", "Open"),
        ("ORDER_TO_CLOSE", "order-reference", "Open"),
        ("AUTHORIZATION", "authorization", "Open"),
        ("AGREEMENT", "billing-agreement", "Draft"),
    ] {
        variables.push((variable, stage.plant("old-shop", kind, state, variable)));
    }
    let steps = stage.drive("mws", &sdk, &variables).await;
    for (step, wanted) in steps.iter().zip(MWS_STEPS) {
        check(step, wanted);
    }
    assert_eq!(steps.len(), MWS_STEPS.len());
    let refunds = stage.simulator.truths().into_iter().filter(|truth| truth.kind == "refund").count();
    assert_eq!(refunds, 1, "a repeated reference makes nothing new");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_php_sdk_of_v2_is_accepted_with_both_algorithms() {
    let Some(sdk) = named("RECONCILED_PHP_SDK_V2") else { return };
    let Some(seclib) = named("RECONCILED_PHP_SECLIB") else { return };
    let stage = Stage::new().await;
    let permission = stage.simulator.plant(
        "shop",
        &Plan { amount: "500.00".to_owned(), ..plan("charge-permission", "Chargeable", "ORDER") },
    );
    let variables = [
        ("PHP_SECLIB", seclib.display().to_string()),
        ("SIM_KEY_ID", stage.key_id.clone()),
        ("SIM_KEY_FILE", stage.key_file.display().to_string()),
        ("SIM_PERMISSION_ID", permission.expect("a plan that v2 has")),
    ];
    let steps = stage.drive("v2", &sdk, &variables).await;
    assert_eq!(steps.len(), 2 * V2_STEPS.len() + 1);
    for (position, step) in steps.iter().take(2 * V2_STEPS.len()).enumerate() {
        check(step, V2_STEPS[position % V2_STEPS.len()]);
    }
    check(&steps[2 * V2_STEPS.len()], ("closeChargePermission", 200, "Closed"));
    let counts = stage.simulator.counts().of_account("shop");
    assert_eq!((counts.requests, counts.succeeded, counts.throttled), (21, 19, 0));
}

/// A proxy with a single destination: both SDKs insist on port 443, which only root may listen on. The
/// traffic in it is TLS from end to end.
async fn tunnel_to(address: SocketAddr, shutdown: CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let here = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let asking = tokio::select! {
                asking = listener.accept() => asking,
                () = shutdown.cancelled() => return,
            };
            let Ok((client, _)) = asking else { return };
            tokio::spawn(carry(client, address));
        }
    });
    here
}

/// Answers `CONNECT localhost:443`, then carries bytes both ways.
async fn carry(mut client: TcpStream, address: SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    assert!(head.starts_with(b"CONNECT localhost:443 "), "{}", String::from_utf8_lossy(&head));
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    if client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
