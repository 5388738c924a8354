//! Runs one test in its own process: for state that belongs to a whole process, such as logs and memory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FOLDER: &str = "RECONCILED_TEST_ALONE_IN";

/// Where to write results, when [`run`] started this process.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the test of this binary with this full name again, in a process of its own; there, [`folder`] gives
/// `folder`.
pub fn run(test: &str, folder: &Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command.env(FOLDER, folder).env_remove("RUST_BACKTRACE");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{test}: {said}\n{}", tail(&output.stderr));
    output
}

/// The last lines of standard error.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
