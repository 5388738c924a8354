//! One test in a process of its own: for what belongs to a whole process, such as its logs and its memory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FOLDER: &str = "RECONCILED_TEST_ALONE_IN";

/// Where to leave things, when this process was started by [`run`].
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs the test of this binary with this whole name again, alone; it finds `folder` by [`folder`].
pub fn run(test: &str, folder: &Path) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    command.env(FOLDER, folder).env_remove("RUST_BACKTRACE");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{test}: {said}\n{}", tail(&output.stderr));
    output
}

/// The last lines of what it said on standard error.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
