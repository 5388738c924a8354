//! Programs that some tests need and that may be missing on a machine: compilers, SDKs, `systemd-analyze`.
//!
//! A test that cannot run notes that here; `tests/skipped.rs`, which runs last, prints all notes. Where
//! `RECONCILED_REQUIRE_TOOLS=1` is set, as in `.ci/run`, a missing program is a failure.

use std::fs;
use std::path::{Path, PathBuf};

fn note(test: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped").join(test)
}

/// The test cannot run.
pub fn skipped(test: &str, why: &str) {
    skipped_unless("RECONCILED_REQUIRE_TOOLS", test, why);
}

/// The same for what `.ci/run` cannot install: required only where this variable is 1.
pub fn skipped_unless(variable: &str, test: &str, why: &str) {
    let is_required = std::env::var_os(variable).is_some_and(|value| value == "1");
    assert!(!is_required, "{test} must run here: {why}");
    fs::create_dir_all(note(test).parent().unwrap()).unwrap();
    fs::write(note(test), why).unwrap();
}

/// The test runs; an older note is out of date.
pub fn not_skipped(test: &str) {
    // There may be no note.
    let _ = fs::remove_file(note(test));
}

/// All files in a folder, and in its folders, whose names end like this, in order.
pub fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_ending(&path, ending));
        } else if path.extension().is_some_and(|known| known == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}
