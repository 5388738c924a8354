//! Copies the source of the daemon and writes the known bugs into the copy.

#![allow(clippy::unwrap_used, reason = "a build script fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "bugs.rs"]
#[allow(dead_code, reason = "the judge uses the rest")]
mod bugs;

/// Rooms that the simulated months do not need.
const LEFT_OUT: [&str; 2] = ["cli", "backtest"];

fn main() {
    let source = Path::new("../../src");
    let copy = Path::new(&std::env::var_os("OUT_DIR").unwrap()).join("src");
    println!("cargo::rerun-if-changed=../../src");
    println!("cargo::rerun-if-changed=bugs.rs");
    println!("cargo::rustc-env=RECONCILED_VERSION=with known bugs");
    bugs::files_exist(source).unwrap_or_else(|problem| panic!("{problem}"));
    let _ = fs::remove_dir_all(&copy);
    copy_folder(source, source, &copy);
    // The file is included by lib.rs here, where its inner documentation may not stand.
    let rooms: String = fs::read_to_string(source.join("lib.rs"))
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("pub mod "))
        .filter(|line| !LEFT_OUT.iter().any(|room| line.contains(&format!(" {room};"))))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(copy.join("lib.rs"), rooms).unwrap();
}

fn copy_folder(root: &Path, from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy_folder(root, &from, &to);
            continue;
        }
        let text = fs::read_to_string(&from).unwrap();
        let file = from.strip_prefix(root).unwrap().to_str().unwrap();
        fs::write(to, bugs::apply(file, text).unwrap_or_else(|problem| panic!("{problem}"))).unwrap();
    }
}
