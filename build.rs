//! Gives the program the words of `--version`: its version and, if known, the commit and its date.
//!
//! Owns: where the commit comes from. Must never know: what is built. `RECONCILED_COMMIT` and `RECONCILED_COMMIT_DATE`
//! name them where the sources are no git repository. Otherwise git does, but only for optimized builds, so that a
//! commit does not make developers compile everything again. Time of day and host never enter the program.

use std::env;
use std::path::Path;
use std::process::Command;

/// What a modified commit is judged by. A change of it compiles the program again anyway.
const SOURCES: [&str; 6] = ["Cargo.lock", "Cargo.toml", "build.rs", "simulator/src", "src", "templates"];

fn main() {
    for name in ["RECONCILED_COMMIT", "RECONCILED_COMMIT_DATE"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let is_optimized = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let sources = given().or_else(|| is_optimized.then(from_git).flatten());
    let shown = match sources {
        Some(sources) => format!("{version} ({sources})"),
        None => version,
    };
    println!("cargo::rustc-env=RECONCILED_VERSION={shown}");
}

/// As the packager names them.
fn given() -> Option<String> {
    let named = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let commit = named("RECONCILED_COMMIT")?;
    Some(match named("RECONCILED_COMMIT_DATE") {
        Some(date) => format!("{commit} {date}"),
        None => commit,
    })
}

/// From the repository whose top this folder is; sources inside another repository are not part of it.
fn from_git() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = env::var("CARGO_MANIFEST_DIR").ok()?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    let head = git(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
    for name in ["HEAD", head.as_str(), "packed-refs"] {
        // A path that does not exist would run this at each build.
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    // Twelve digits by ourselves: how many git shows depends on the repository.
    let commit: String = git(&["rev-parse", "HEAD"])?.chars().take(12).collect();
    let date = git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%d"])?;
    let changed = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    let modified = if git(&changed)?.is_empty() { "" } else { "+modified" };
    Some(format!("{commit}{modified} {date}"))
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).env("TZ", "UTC0").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
