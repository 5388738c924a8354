//! Both packages, opened: files, modes, scripts, and what lintian says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::{build, have, only, output, packages, root};
use crate::tools;

/// What both packages hold besides the manual pages of the commands; those of the programs have the mode 755.
const BOTH: &[&str] = &[
    "/etc/reconciled/config.toml",
    "/usr/bin/reconciled",
    "/usr/lib/sysusers.d/reconciled.conf",
    "/usr/lib/tmpfiles.d/reconciled.conf",
    "/usr/share/bash-completion/completions/reconciled",
    "/usr/share/doc/reconciled/examples/config.toml",
    "/usr/share/fish/vendor_completions.d/reconciled.fish",
    "/usr/share/man/man1/reconciled-enrol.1.gz",
    "/usr/share/man/man1/reconciled-run.1.gz",
    "/usr/share/man/man1/reconciled-store-restore.1.gz",
    "/usr/share/man/man1/reconciled.1.gz",
    "/usr/share/man/man5/reconciled-config.5.gz",
    "/usr/share/man/man8/reconciled.service.8.gz",
];

const DEB: &[&str] = &[
    "/lib/systemd/system/reconciled.service",
    "/lib/systemd/system/reconciled.socket",
    "/usr/share/doc/reconciled/changelog.Debian.gz",
    "/usr/share/doc/reconciled/changelog.gz",
    "/usr/share/doc/reconciled/copyright",
    "/usr/share/zsh/vendor-completions/_reconciled",
];

const RPM: &[&str] = &[
    "/usr/lib/systemd/system/reconciled.service",
    "/usr/lib/systemd/system/reconciled.socket",
    "/usr/share/doc/reconciled/CHANGELOG.md",
    "/usr/share/licenses/reconciled/LICENSE-APACHE",
    "/usr/share/licenses/reconciled/LICENSE-MIT",
    "/usr/share/zsh/site-functions/_reconciled",
];

/// Checks the files of a package (path and mode) against the lists above.
fn files_are_right(files: &BTreeMap<String, String>, own: &[&str]) {
    for path in BOTH.iter().chain(own) {
        let mode = if path.starts_with("/usr/bin/") { "-rwxr-xr-x" } else { "-rw-r--r--" };
        assert_eq!(files.get(*path).map(String::as_str), Some(mode), "{path} of {files:#?}");
    }
    for path in files.keys() {
        let is_listed = BOTH.iter().chain(own).any(|listed| listed == path);
        assert!(is_listed || path.starts_with("/usr/share/man/man1/reconciled-"), "{path} is not expected");
    }
}

fn dpkg_deb(words: &[&str], deb: &Path) -> String {
    output(Command::new("dpkg-deb").args(words).arg(deb)).unwrap()
}

#[test]
fn the_debian_package_holds_what_it_should() {
    let Some(packages) = packages("packages-deb") else { return };
    let listing = dpkg_deb(&["--contents"], &packages.deb);
    let mut files = BTreeMap::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[1], "0/0", "everything belongs to root: {line}");
        let path = fields[5].trim_start_matches('.').to_owned();
        match path.strip_suffix('/') {
            Some(_) => assert_eq!(fields[0], "drwxr-xr-x", "{line}"),
            None => assert_eq!(files.insert(path, fields[0].to_owned()), None),
        }
    }
    files_are_right(&files, DEB);

    let control = tempfile::tempdir().unwrap();
    output(Command::new("dpkg-deb").arg("--control").arg(&packages.deb).arg(control.path())).unwrap();
    let read = |name: &str| std::fs::read_to_string(control.path().join(name)).unwrap();
    // The configuration that `init` writes is the operator's, and an upgrade never brings a question about
    // it, because what the package brings never changes.
    assert_eq!(read("conffiles"), "/etc/reconciled/config.toml\n");
    let brought = std::fs::read_to_string(root().join("packaging/config.toml")).unwrap();
    assert!(
        brought.lines().all(|line| line.starts_with('#')) && !brought.contains(env!("CARGO_PKG_VERSION"))
    );
    let fields = read("control");
    for line in
        [&format!("Version: {}-1", env!("CARGO_PKG_VERSION")), "Package: reconciled", "Priority: optional"]
    {
        assert!(fields.lines().any(|own| own == line), "{line} is not in {fields}");
    }
    let depends = fields.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap();
    for package in ["ca-certificates", "libc6 (>= ", "systemd (>= 251)", "tzdata"] {
        assert!(depends.contains(package), "{package} is not in {depends}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        output(Command::new("sh").arg("-n").arg(control.path().join(script))).unwrap();
        let text = read(script);
        let starts = ["systemctl start", "invoke start", "enable --now", "systemctl enable"];
        assert!(starts.iter().all(|start| !text.contains(start)), "{script} starts or enables the service");
        let is_deleting = text.contains("rm -rf /var") || text.contains("userdel \"");
        assert!(!is_deleting, "{script} removes what is the operator's");
    }
}

#[test]
fn the_rpm_holds_the_same() {
    let Some(packages) = packages("packages-rpm") else { return };
    if let Err(why) = have(&[("rpm", &["--version"])]) {
        return tools::skipped("packages-rpm", &why);
    }
    let ask =
        |words: &[&str]| output(Command::new("rpm").args(["-qp"]).args(words).arg(&packages.rpm)).unwrap();
    let listing = ask(&["--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]"]);
    let mut files = BTreeMap::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[1], "root:root", "{line}");
        assert_eq!(files.insert(fields[2].to_owned(), fields[0].to_owned()), None);
    }
    files_are_right(&files, RPM);
    assert_eq!(ask(&["--configfiles"]), "/etc/reconciled/config.toml\n");
    let flags = ask(&["--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]"]);
    assert!(flags.contains("/etc/reconciled/config.toml cn\n"), "noreplace is missing: {flags}");
    assert_eq!(
        ask(&["--qf", "%{NAME} %{VERSION}-%{RELEASE} %{LICENSE}"]),
        format!("reconciled {}-1 MIT OR Apache-2.0", env!("CARGO_PKG_VERSION"))
    );
    let requires = ask(&["--requires"]);
    for package in ["ca-certificates", "libc.so.6(GLIBC_", "systemd >= 251", "tzdata"] {
        assert!(requires.contains(package), "{package} is not in {requires}");
    }
    for name in ["post", "preun", "postun"] {
        let script = root().join("packaging/rpm").join(name);
        output(Command::new("sh").arg("-n").arg(&script)).unwrap();
        assert!(ask(&["--scripts"]).contains(std::fs::read_to_string(&script).unwrap().trim()), "{name}");
    }
}

#[test]
fn lintian_finds_no_errors() {
    let Some(packages) = packages("packages-lintian") else { return };
    match have(&[("lintian", &["--version"])]) {
        Ok(()) => {
            let said = output(Command::new("lintian").args(["--fail-on", "error"]).arg(&packages.deb));
            assert!(said.is_ok(), "{said:?}");
        }
        Err(why) => tools::skipped("packages-lintian", &why),
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let Some(packages) = packages("packages-reproducible") else { return };
    let again = tempfile::tempdir().unwrap();
    build(again.path(), &[]);
    for (one, ending) in [(&packages.deb, "deb"), (&packages.rpm, "rpm")] {
        let other = only(again.path(), ending);
        assert_eq!(one.file_name(), other.file_name());
        assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap(), "{ending} differs");
    }
}
