//! The API against its own description: schemathesis makes requests from docs/openapi.json, valid and invalid ones, and
//! judges every answer of a real daemon by it.

use std::process::Command;

use crate::monitoring::listen_to;
use crate::process::Host;
use crate::sdk_python::install;
use crate::tools;

const TOKEN: &str = "0perate0perate0perate0perate0per";

/// What an answer must be.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,ignored_auth";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_daemon_is_one_that_its_description_names() {
    const TEST: &str = "the API against its description";
    let python = match tokio::task::spawn_blocking(|| install("openapi")).await.unwrap() {
        Ok(python) => python,
        Err(why) => return tools::skipped(TEST, &why),
    };
    tools::not_skipped(TEST);
    let host = Host::new().await;
    let address = listen_to(&host, &[("operate", TOKEN)]);
    let charge = host.plant("shop", "charge", "Declined", Some("HardDeclined"), 0);
    let daemon = host.start().await;
    host.run(&["enrol", "--account", "shop", "--kind", "charge", "--id", charge.id()]).await.expect(0, &[]);
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .current_dir(host.folder.path())
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/openapi"))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")])
        .args(["--url", &format!("http://{address}")])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", "5", "--seed", "1", "--generation-database", "none"])
        // A token may send 50 requests a second.
        .args(["--rate-limit", "45/s", "--request-timeout", "20", "--no-color"])
        // One writes into any folder that is named, the other never ends.
        .args(["--exclude-operation-id", "store-backup", "--exclude-operation-id", "stream"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}\n{}", String::from_utf8_lossy(&output.stderr), host.log());
    daemon.stop(&host).await;
}
