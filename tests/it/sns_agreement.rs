//! Others judge the same SNS messages as `sns-verifier`: Amazon's `sns-validator` for Node, and the notification
//! handler of the official Amazon Pay SDK for Python. What they judge in another way is listed with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sns_differences::{LAXER, NODE_REFUSES, PYTHON_REFUSES};
use crate::{sdk_node, sdk_python, tools};

#[path = "../../sns-verifier/tests/forge/mod.rs"]
mod forge;

use forge::cases::{self, Case, VERIFIED};

/// Which of the messages another accepts.
fn judged(cases: &[Case], command: &mut Command) -> BTreeMap<String, bool> {
    let input: Vec<Value> = cases
        .iter()
        .map(|case| json!({"name": case.name, "body": STANDARD.encode(&case.body), "pem": case.pem}))
        .collect();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(json!(input).to_string().as_bytes()).expect("the messages are read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}");
    let answers = String::from_utf8(output.stdout).expect("JSON lines");
    let answers = answers.lines().map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    let judged: BTreeMap<String, bool> = answers
        .map(|answer| {
            let accepted = answer["accepted"].as_bool().expect("accepted or not");
            (answer["name"].as_str().expect("a name").to_owned(), accepted)
        })
        .collect();
    assert_eq!(judged.len(), cases.len(), "every message is judged");
    judged
}

/// Compares the judgements. Each difference is listed, and each that is listed exists.
fn compare(cases: &[Case], judged: &BTreeMap<String, bool>, laxer: &BTreeSet<&str>, stricter: &[&str]) {
    let differing = |is_ours: bool| -> BTreeSet<&str> {
        let differs = |case: &&Case| (case.expected == VERIFIED) == is_ours && judged[case.name] != is_ours;
        cases.iter().filter(differs).map(|case| case.name).collect()
    };
    let check = |what: &str, found: &BTreeSet<&str>, listed: &BTreeSet<&str>| {
        let (new, gone): (Vec<_>, Vec<_>) =
            (found.difference(listed).collect(), listed.difference(found).collect());
        assert!(new.is_empty() && gone.is_empty(), "{what}: not listed {new:#?}, listed and gone {gone:#?}");
    };
    check("accepted elsewhere, refused here", &differing(false), laxer);
    check("refused elsewhere, accepted here", &differing(true), &stricter.iter().copied().collect());
}

#[test]
fn sns_validator_for_node_judges_alike() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/sns");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-sns");
    if let Err(why) = sdk_node::install(&source, &folder, "sns-validator") {
        return tools::skipped("sns-validator for Node", &why);
    }
    tools::not_skipped("sns-validator for Node");
    let cases = cases::all();
    let judged = judged(&cases, Command::new("node").arg("run.js").current_dir(&folder));
    let laxer = LAXER.iter().flat_map(|row| row.node.iter().chain(row.both)).copied().collect();
    compare(&cases, &judged, &laxer, NODE_REFUSES);
}

#[test]
fn the_python_sdk_judges_alike() {
    let python = match sdk_python::python() {
        Ok(python) => python,
        Err(why) => return tools::skipped("notifications by the Python SDK", &why),
    };
    tools::not_skipped("notifications by the Python SDK");
    let cases = forge::as_version("1", cases::all);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/sns/run.py");
    let mut command = Command::new(python);
    command.arg(script).env("PYTHONIOENCODING", "utf-8").env("PYTHONWARNINGS", "ignore");
    let judged = judged(&cases, &mut command);
    let laxer = LAXER.iter().flat_map(|row| row.python.iter().chain(row.both)).copied().collect();
    compare(&cases, &judged, &laxer, PYTHON_REFUSES);
    assert!(LAXER.iter().all(|row| row.why.len() > 20), "each difference has its reason");
}
