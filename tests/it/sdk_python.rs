//! The official Python SDK against the simulator, over HTTPS: proof that the simulated MWS section behaves as
//! Amazon's own client expects.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use amazon_pay_simulator::plan::{Plan, Step};
use amazon_pay_simulator::{Scenario, Simulator, ThrowAwayAuthority, serve};
use reconciled::clock::SystemClock;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::tools;

const SECRET: &str = "exampleSecretKey/With+Chars=0123456789AB";

const SCENARIO: &str = r#"
seed = 7

[[account]]
name = "shop"
api = "amazon-pay-mws"
merchant_id = "A1EXAMPLESELLER"
region = "na"
environment = "sandbox"
access_key_id = "AKIAEXAMPLEKEY000001"
secret_key_file = "secret.key"
"#;

/// The virtual environment with the SDK, created once for each content of the requirements. An error says
/// what is missing.
pub fn python() -> Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| install("mws")).clone()
}

/// Installs the locked requirements of a folder of `tests/sdk` into an environment of its own, once.
pub fn install(name: &str) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdk-{name}"));
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/sdk/{name}/requirements.txt"));
    let wanted = std::fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let (python, mark) = (root.join("bin/python"), root.join("installed.txt"));
    if python.exists() && std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&root))?;
    // Without a network this must give up soon.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"];
    run(Command::new(&python).args(pip).args(["--timeout", "20", "-r"]).arg(&requirements))?;
    std::fs::write(&mark, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn plan(kind: &str, state: &str, reference: &str) -> Plan {
    Plan {
        kind: kind.into(),
        amount: "100.00".into(),
        currency: "USD".into(),
        merchant_reference: reference.into(),
        steps: vec![Step { after: Duration::ZERO, state: state.into(), reason: None }],
        invisible_for: Duration::ZERO,
    }
}

/// Every step of the script, in order.
struct Steps(Vec<Value>);

impl Steps {
    fn read(output: &str) -> Steps {
        Steps(output.lines().map(|line| serde_json::from_str(line).expect("one JSON line a step")).collect())
    }

    fn step(&self, name: &str) -> &Value {
        self.0.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no step {name}"))
    }

    /// The step succeeded, and the SDK found this text at the end of the path.
    fn check(&self, name: &str, path: &[&str], wanted: &str) {
        let step = self.step(name);
        assert_eq!(step["success"], true, "{step}");
        let operation = step["answer"].as_object().and_then(|answer| answer.keys().next()).expect("a root");
        let result = operation.replace("Response", "Result");
        let start = &step["answer"][operation][&result];
        let found = path.iter().fold(start, |value, key| &value[key]);
        assert_eq!(found, wanted, "{name}: {step}");
    }

    fn check_refused(&self, name: &str, code: &str) {
        let step = self.step(name);
        assert_eq!(step["success"], false, "{step}");
        assert_eq!(step["answer"]["ErrorResponse"]["Error"]["Code"], code, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_sdk_gets_what_it_expects() {
    let python = match tokio::task::spawn_blocking(python).await.expect("the installation does not panic") {
        Ok(python) => python,
        Err(problem) => return tools::skipped("the official Python SDK", &problem.to_string()),
    };
    tools::not_skipped("the official Python SDK");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("secret.key"), SECRET).expect("the key is written");
    let scenario = Scenario::parse(SCENARIO, folder.path()).expect("a valid scenario");
    let simulator = Arc::new(Simulator::new(scenario, SystemClock::shared()).expect("a valid world"));
    let authority = ThrowAwayAuthority::generate(&["localhost"]).expect("a certificate");
    let bundle = folder.path().join("authority.pem");
    std::fs::write(&bundle, authority.authority_pem()).expect("the authority is written");
    let shutdown = CancellationToken::new();
    let listen = "127.0.0.1:0".parse().expect("an address");
    let serving =
        serve(simulator.clone(), listen, Some(authority), shutdown.clone()).await.expect("a free port");

    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/mws/run.py"))
        .env("PYTHONIOENCODING", "utf-8")
        .env("PYTHONWARNINGS", "ignore")
        .env("NO_PROXY", "localhost")
        .env("no_proxy", "localhost")
        .env("REQUESTS_CA_BUNDLE", &bundle)
        .env("SIM_URL", format!("https://localhost:{}", serving.address.port()))
        .env("MERCHANT_ID", "A1EXAMPLESELLER")
        .env("ACCESS_KEY", "AKIAEXAMPLEKEY000001")
        .env("SECRET_KEY", SECRET);
    for (variable, kind, state) in [
        ("ORDER", "order-reference", "Draft"),
        ("ORDER_TO_CHARGE", "order-reference", "Draft"),
        ("ORDER_TO_CANCEL", "order-reference", "Open"),
        ("ORDER_TO_CLOSE", "order-reference", "Open"),
        ("AUTHORIZATION", "authorization", "Open"),
        ("AGREEMENT", "billing-agreement", "Draft"),
    ] {
        let id = simulator.plant("shop", &plan(kind, state, variable)).expect("a plan that MWS has");
        command.env(variable, id);
    }
    let output = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it does not panic");
    shutdown.cancel();
    let steps = Steps::read(&output.unwrap_or_else(|problem| panic!("{problem}")));
    check_orders(&steps);
    check_endings(&steps);
    check_agreement(&steps);
    check_refusals(&steps, &simulator);
}

fn check_orders(steps: &Steps) {
    let order = |rest: &'static [&'static str]| [&["OrderReferenceDetails"], rest].concat();
    let state = &order(&["OrderReferenceStatus", "State"]);
    steps.check("draft", state, "Draft");
    let note = "Größe 5*~ (a/b) 'q' !@#$%^&=+,;:?[] <日本> x";
    steps.check("set", &order(&["SellerNote"]), note);
    steps.check("set", &order(&["OrderTotal", "Amount"]), "94.50");
    steps.check("set", &order(&["SellerOrderAttributes", "SellerOrderId"]), "shop-77");
    steps.check("attributes", &order(&["SellerOrderAttributes", "StoreName"]), "Shop");
    assert_eq!(steps.step("confirm")["success"], true);
    let authorization = ["AuthorizationDetails", "AuthorizationStatus", "State"];
    steps.check("authorize", &authorization, "Open");
    steps.check("get-authorization", &authorization, "Open");
    let capture = ["CaptureDetails", "CaptureStatus", "State"];
    steps.check("capture", &capture, "Completed");
    steps.check("capture", &["CaptureDetails", "SellerCaptureNote"], note);
    steps.check("get-capture", &capture, "Completed");
    let refund = ["RefundDetails", "RefundStatus", "State"];
    steps.check("refund", &refund, "Pending");
    steps.check("get-refund", &["RefundDetails", "RefundAmount", "Amount"], "10.00");
    steps.check("payment-details-0", state, "Open");
    steps.check(
        "payment-details-1",
        &["AuthorizationDetails", "AuthorizationStatus", "ReasonCode"],
        "MaxCapturesProcessed",
    );
    steps.check("payment-details-2", &capture, "Completed");
    steps.check("payment-details-3", &refund, "Pending");
}

fn check_endings(steps: &Steps) {
    for name in ["close-authorization", "cancel", "close"] {
        assert_eq!(steps.step(name)["success"], true, "{name}");
    }
    let reason = ["OrderReferenceDetails", "OrderReferenceStatus", "ReasonCode"];
    steps.check("canceled", &reason, "SellerCanceled");
    let reason = ["AuthorizationDetails", "AuthorizationStatus", "ReasonCode"];
    steps.check("charge", &reason, "MaxCapturesProcessed");
}

fn check_agreement(steps: &Steps) {
    steps.check("agreement", &["BillingAgreementDetails", "BillingAgreementStatus", "State"], "Draft");
    steps.check("set-agreement", &["BillingAgreementDetails", "SellerNote"], "monthly");
    steps.check("validate-agreement", &["ValidationResult"], "Success");
    steps.check("order-for-id", &["OrderReferenceDetails", "ParentDetails", "Type"], "BillingAgreement");
    let status = ["AuthorizationDetails", "AuthorizationStatus", "ReasonCode"];
    steps.check("authorize-agreement", &status, "MaxCapturesProcessed");
    steps.check("authorize-agreement", &["AuthorizationDetails", "SoftDescriptor"], "AMZ*shop");
    steps.check("decline-agreement", &status, "AmazonRejected");
    for name in ["confirm-agreement", "close-agreement"] {
        assert_eq!(steps.step(name)["success"], true, "{name}");
    }
}

fn check_refusals(steps: &Steps, simulator: &Simulator) {
    steps.check_refused("unknown-id", "InvalidTransactionId");
    steps.check_refused("wrong-secret", "SignatureDoesNotMatch");
    steps.check("status", &["Status"], "GREEN");
    steps.check("status-again", &["Status"], "GREEN");
    steps.check_refused("throttled", "RequestThrottled");
    steps.check("status-live", &["Status"], "GREEN");
    let truths = simulator.truths();
    let of_shop = truths.iter().find(|truth| truth.merchant_reference == "shop-77");
    assert!(of_shop.is_some_and(|truth| truth.kind == "order-reference" && truth.state == "Open"));
}
