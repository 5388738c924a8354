//! Runs after the other tests and says which of them were skipped, and why: a test that did not run is not one that
//! passed. The tests leave their notes by `tests/it/tools.rs`.

use std::fs;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let mut notes: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let why = fs::read_to_string(&path).ok()?;
            Some(format!("  {}: {}", path.file_name()?.to_string_lossy(), why.trim()))
        })
        .collect();
    notes.sort();
    match notes.len() {
        0 => println!("\nno test was skipped"),
        1 => println!("\n1 test was SKIPPED:\n{}", notes.join("\n")),
        number => println!("\n{number} tests were SKIPPED:\n{}", notes.join("\n")),
    }
}
