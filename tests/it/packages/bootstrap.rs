//! A Debian of its own for the stories: the release of this machine, from the mirror that its apt uses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{have, output};

/// What the package depends on, and `ip` for the network of the story.
const PACKAGES: &str = "--include=ca-certificates,iproute2,systemd-sysv,tzdata";

/// The folder of the installed Debian, made once. An error says why it cannot be had here.
pub(super) fn debian() -> Result<&'static Path, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(make).as_deref().map_err(String::clone)
}

fn make() -> Result<PathBuf, String> {
    have(&[
        ("debootstrap", &["--version"]),
        ("apt-get", &["--version"]),
        ("unshare", &["--mount", "--pid", "--fork", "true"]),
    ])?;
    if output(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err("only root can make a Debian of its own".to_owned());
    }
    let (release, mirror) = release_and_mirror()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debian-{release}"));
    let complete = folder.join("story");
    if complete.exists() {
        return Ok(folder);
    }
    // What an interrupted run has left.
    let _ = std::fs::remove_dir_all(&folder);
    // In a mount namespace of its own, so that an interrupted run leaves nothing mounted under the folder.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "debootstrap", "--variant=minbase", PACKAGES]);
    command.arg(&release).arg(&folder).arg(mirror);
    output(&mut command)?;
    // They are not needed, and large.
    let _ = std::fs::remove_dir_all(folder.join("var/cache/apt"));
    std::fs::create_dir(complete).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// As apt is configured here.
fn release_and_mirror() -> Result<(String, String), String> {
    let text = std::fs::read_to_string("/etc/os-release").map_err(|error| error.to_string())?;
    let release = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.ok_or("/etc/os-release names no release")?.to_owned();
    let format = "$(CODENAME) $(COMPONENT) $(REPO_URI)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let targets = output(&mut command)?;
    let wanted = format!("{release} main ");
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&wanted));
    Ok((release, mirror.ok_or("apt knows no mirror of this release")?.to_owned()))
}
