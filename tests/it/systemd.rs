//! The unit file: systemd itself reads it without a complaint, and finds it well hardened.

use std::path::Path;
use std::process::{Command, Output};

use crate::tools;

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/reconciled.service");
    std::fs::read_to_string(path).unwrap()
}

/// A copy of the unit whose program exists on this machine.
fn copy_with_a_program(folder: &Path) -> std::path::PathBuf {
    let text = unit().replace("ExecStart=/usr/bin/reconciled ", "ExecStart=/bin/true ");
    assert!(text.contains("/bin/true"), "the unit starts another program than it did");
    let copy = folder.join("reconciled.service");
    std::fs::write(&copy, text).unwrap();
    copy
}

/// The output of `systemd-analyze`; `None` where it is missing.
fn analyze(words: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(words).arg(unit).env("SYSTEMD_LOG_TARGET", "console").output()
    {
        Ok(output) => {
            tools::not_skipped("systemd-analyze");
            Some(output)
        }
        Err(error) => {
            tools::skipped("systemd-analyze", &error.to_string());
            None
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_reads_the_unit_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_with_a_program(folder.path());
    let words = ["verify", "--man=no", "--recursive-errors=yes"];
    if let Some(output) = analyze(&words, &copy) {
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn the_unit_is_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_with_a_program(folder.path());
    if let Some(output) = analyze(&["security", "--offline=true", "--threshold=15"], &copy) {
        assert!(output.status.success(), "exposure above 1.5:\n{}", said(&output));
    }
}

#[test]
fn the_unit_repeats_nothing_of_the_configuration() {
    let text = unit();
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key)
        .collect();
    assert!(keys.contains(&"Type") && keys.contains(&"WatchdogSec"), "{keys:?}");
    let variables: Vec<&str> = text.lines().filter(|line| line.starts_with("Environment")).collect();
    assert_eq!(variables, ["Environment=MALLOC_ARENA_MAX=2"], "what the C library reads, nothing of ours");
    // A full disk must not leave the unit failed permanently.
    assert!(text.contains("\nStartLimitIntervalSec=0\n") && text.contains("\nRestart=on-failure\n"));
    assert!(text.contains("Type=notify") && text.contains("RestartPreventExitStatus=64 65 66 77 78"));
}
