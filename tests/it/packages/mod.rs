//! The packages: what is in them, how they install, upgrade and go, and how the service behaves under a real systemd.

mod bootstrap;
mod contents;
mod image;
mod stories;
mod version;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::tools;

/// The time of everything in the packages.
const SOURCE_DATE_EPOCH: &str = "1790000000";
/// Older than every version of the program.
const BEFORE: &str = "0.0.9";

/// Packages of the program that these tests run.
struct Packages {
    deb: PathBuf,
    rpm: PathBuf,
    /// The same program, packaged as an older version.
    deb_before: PathBuf,
    rpm_before: PathBuf,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end; its output, or what went wrong.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => {
            Err(format!("{command:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Whether these programs are there, each tried with the word that it answers at once.
fn have(programs: &[(&str, &[&str])]) -> Result<(), String> {
    for (program, words) in programs {
        output(Command::new(program).args(*words))
            .map_err(|error| format!("{program} is needed: {error}"))?;
    }
    Ok(())
}

fn build(out: &Path, words: &[&str]) {
    let mut command = Command::new(root().join("packaging/build"));
    command.args(["--binary", env!("CARGO_BIN_EXE_reconciled"), "--fast", "--out"]).arg(out).args(words);
    command.env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH);
    output(&mut command).unwrap_or_else(|error| panic!("{error}"));
}

/// The only file of a folder with this ending.
fn only(folder: &Path, ending: &str) -> PathBuf {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|own| own == ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The packages, built once for all tests; none where what builds them is missing.
fn packages(test: &str) -> Option<&'static Packages> {
    static BUILT: OnceLock<Result<Packages, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        have(&[
            ("cargo-deb", &["--version"]),
            ("cargo-generate-rpm", &["--version"]),
            ("strip", &["--version"]),
            ("flock", &["--version"]),
        ])?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        // What an earlier version has left.
        let _ = std::fs::remove_dir_all(&folder);
        let (new, before) = (folder.join("new"), folder.join("before"));
        build(&new, &[]);
        build(&before, &["--version", BEFORE]);
        Ok(Packages {
            deb: only(&new, "deb"),
            rpm: only(&new, "rpm"),
            deb_before: only(&before, "deb"),
            rpm_before: only(&before, "rpm"),
        })
    });
    match built {
        Ok(packages) => {
            tools::not_skipped(test);
            Some(packages)
        }
        Err(why) => {
            tools::skipped(test, why);
            None
        }
    }
}
