//! The examples of docs/src/api.md, typed as they stand there against a real daemon.

use std::process::Command;

use crate::monitoring::listen_to;
use crate::process::Host;
use crate::tools;

const PAGE: &str = include_str!("../../docs/src/api.md");
const TOKEN: &str = "EnrolEnrolEnrolEnrolEnrolEnrolEn";

/// The code blocks of a language, one after the other.
fn blocks(language: &str) -> String {
    let begin = format!("```{language}\n");
    let blocks = PAGE.split(begin.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Whether a program is there.
fn has(program: &str, test: &str) -> bool {
    if Command::new(program).arg("--version").output().is_err() {
        tools::skipped(test, &format!("{program} is missing"));
        return false;
    }
    tools::not_skipped(test);
    true
}

async fn output(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_curl_work() {
    if !has("curl", "the examples of the API for curl") {
        return;
    }
    let host = Host::new().await;
    let daemon = host.start().await;
    let script = blocks("sh").replace("/run/reconciled/control.sock", &host.word("control.sock"));
    let file = host.write("examples.sh", &script);
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", &file]).current_dir(host.folder.path());
    let said = output(command).await;
    assert!(
        said.lines().any(|line| line == "1"),
        "the answers to a file that is streamed are counted: {said}"
    );
    for part in [
        "\"outcome\":\"new\"",
        "P02-1234567-1234567-R123457",
        "P02-1234567-1234567-C123459",
        "P02-1234567-1234567-C123460",
        "\"next_cursor\":null",
        "\"objects\":1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // A poll may come in between.
    assert!(said.contains("no longer watched") || said.contains("it has changed meanwhile"), "{said}");
    let served = std::fs::read_to_string(host.path("openapi.json")).unwrap();
    let served: serde_json::Value = serde_json::from_str(&served).unwrap();
    let kept: serde_json::Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    assert_eq!(served, kept);
    daemon.stop(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_php_work() {
    if !has("php", "the examples of the API for PHP") {
        return;
    }
    let host = Host::new().await;
    let address = listen_to(&host, &[("enrol", TOKEN)]);
    let daemon = host.start().await;
    let script = blocks("php")
        .replace("/etc/reconciled/enrol-token", &host.word("enrol-token"))
        .replace("127.0.0.1:8490", &address);
    let mut command = Command::new("php");
    command.arg(host.write("examples.php", &script));
    let said = output(command).await;
    assert!(said.starts_with("new\nP02-1234567-1234567-C123458 "), "{said}");
    daemon.stop(&host).await;
}
