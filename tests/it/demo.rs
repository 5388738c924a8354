//! README's first command: the demo says that everything was seen and delivered as it should be.

use std::process::Command;

#[test]
fn the_demo_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_reconciled"))
        .args(["demo", "--dir"])
        .arg(folder.path().join("demo"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !said.contains("PROBLEM"), "{said}");
    assert!(said.contains("declined"), "{said}");
}
