//! The life of the packages in a Debian of its own. The stories are scripts in tests/packages, because they are what an
//! operator types.

use std::path::Path;
use std::process::Command;

use super::{Packages, bootstrap, have, packages, root};
use crate::tools;

/// Runs `tests/packages/{story}.sh` and checks that it comes to its end.
fn play(story: &str, programs: &[(&str, &[&str])], prepare: impl Fn(&Packages, &Path)) {
    let test = format!("packages-{story}");
    let Some(packages) = packages(&test) else { return };
    let debian = match have(programs).and_then(|()| bootstrap::debian()) {
        Ok(debian) => debian,
        Err(why) => return tools::skipped(&test, &why),
    };
    let work = tempfile::tempdir().unwrap();
    let own = work.path().join("story");
    std::fs::create_dir(&own).unwrap();
    std::fs::create_dir(work.path().join("layer")).unwrap();
    for entry in std::fs::read_dir(root().join("tests/packages")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, own.join(path.file_name().unwrap())).unwrap();
    }
    prepare(packages, &own);
    let mut command = Command::new(own.join("run.sh"));
    let ran = command.arg(debian).arg(work.path()).arg(story).output().unwrap();
    let log = std::fs::read_to_string(own.join("log")).unwrap_or_default();
    let console = std::fs::read_to_string(own.join("console")).unwrap_or_default();
    let is_complete = ran.status.success() && log.trim_end().ends_with("the end");
    assert!(is_complete, "{}\n{}\n{console}\n{log}", ran.status, String::from_utf8_lossy(&ran.stderr));
    println!("{log}");
}

fn debs(packages: &Packages, folder: &Path) {
    std::fs::copy(&packages.deb_before, folder.join("before.deb")).unwrap();
    std::fs::copy(&packages.deb, folder.join("new.deb")).unwrap();
}

#[test]
fn installed_initialized_upgraded_removed_and_purged_in_a_chroot() {
    play("chroot", &[("dpkg", &["--version"])], |packages, folder| {
        debs(packages, folder);
        let text = std::fs::read_to_string(folder.join("scenario.toml")).unwrap();
        let mut scenario = amazon_pay_simulator::Scenario::parse(&text, folder).unwrap();
        scenario.generate_credentials(folder).unwrap();
    });
}

#[test]
fn under_a_real_systemd_the_service_survives_what_it_should() {
    play("boot", &[("systemd-nspawn", &["--version"])], debs);
}

#[test]
fn the_rpm_is_installed_upgraded_and_removed() {
    play("rpm", &[("rpm", &["--version"])], |packages, folder| {
        std::fs::copy(&packages.rpm_before, folder.join("before.rpm")).unwrap();
        std::fs::copy(&packages.rpm, folder.join("new.rpm")).unwrap();
    });
}
