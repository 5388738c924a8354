//! What `--version` names: the build script, compiled here and run in repositories of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{output, root};
use crate::tools;

struct Script {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Script {
    fn new() -> Script {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("script");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "-o"]).arg(&program).arg(root().join("build.rs"));
        output(&mut rustc).unwrap();
        Script { program, folder }
    }

    fn top(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(words);
        // Late in the evening west of Greenwich: the date is that of UTC.
        command.env("GIT_COMMITTER_DATE", "2026-01-15T23:30:00-05:00").current_dir(self.top());
        output(&mut command).unwrap().trim().to_owned()
    }

    /// The version that it gives to the program, and all that it says.
    fn version(&self, folder: &Path, profile: &str, named: Option<(&str, &str)>) -> (String, String) {
        let mut command = Command::new(&self.program);
        command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
        command.env("CARGO_PKG_VERSION", "1.2.3").env("PROFILE", profile);
        command.env_remove("RECONCILED_COMMIT").env_remove("RECONCILED_COMMIT_DATE");
        if let Some((commit, date)) = named {
            command.env("RECONCILED_COMMIT", commit).env("RECONCILED_COMMIT_DATE", date);
        }
        let said = output(&mut command).unwrap();
        let version = said.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=RECONCILED_VERSION="));
        (version.unwrap().to_owned(), said)
    }
}

#[test]
fn the_version_names_commit_and_date_of_the_sources() {
    if let Err(why) = super::have(&[("git", &["--version"])]) {
        return tools::skipped("packages-version", &why);
    }
    tools::not_skipped("packages-version");
    let script = Script::new();
    let top = script.top();
    std::fs::create_dir_all(top.join("src/inner")).unwrap();
    assert_eq!(script.version(&top, "release", None).0, "1.2.3", "outside git the version stands alone");
    let given = script.version(&top, "release", Some(("abc", "2026-01-01")));
    assert_eq!(given.0, "1.2.3 (abc 2026-01-01)", "as the packager names it");

    std::fs::write(top.join("src/main.rs"), "fn main() {}").unwrap();
    script.git(&["init", "--quiet"]);
    script.git(&["add", "."]);
    script.git(&["commit", "--quiet", "--message", "a"]);
    let commit = script.git(&["rev-parse", "HEAD"]);
    let (version, said) = script.version(&top, "release", None);
    assert_eq!(version, format!("1.2.3 ({} 2026-01-16)", &commit[..12]));
    // Files that do not exist would make cargo run it at each build.
    for path in said.lines().filter_map(|line| line.strip_prefix("cargo::rerun-if-changed=.git/")) {
        assert!(top.join(".git").join(path).exists(), "{path}");
    }
    assert!(
        said.contains("rerun-if-changed=.git/HEAD") && said.contains("rerun-if-changed=.git/refs/heads/")
    );

    assert_eq!(
        script.version(&top, "debug", None).0,
        "1.2.3",
        "a commit does not compile a debug build again"
    );
    assert_eq!(
        script.version(&top.join("src/inner"), "release", None).0,
        "1.2.3",
        "inside another repository"
    );
    std::fs::write(top.join("src/main.rs"), "fn main() { }").unwrap();
    assert_eq!(
        script.version(&top, "release", None).0,
        format!("1.2.3 ({}+modified 2026-01-16)", &commit[..12])
    );
}
