//! The first steps as the documentation writes them, typed literally in a folder that stands for the root directory.
//! What needs root (systemd, package builds) is a stand-in that only writes down how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use amazon_pay_simulator::Simulator;
use reconciled::clock::SystemClock;

use crate::process::patiently;

const SCENARIO: &str = r#"
seed = 5
[[account]]
name = "shop-de"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "live"
public_key_id = "LIVE-AEXAMPLEKEYID00000000000"
"#;

/// The shell blocks of a page from one heading on, up to another.
fn blocks(page: &str, from: &str, to: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{page} has no {from}"));
    let (part, _) = rest.split_once(to).unwrap_or_else(|| panic!("{page} has no {to}"));
    let blocks =
        part.split("```sh\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0.to_owned()));
    blocks.collect()
}

/// A folder that stands for the root directory of a host.
struct Prefix {
    folder: tempfile::TempDir,
}

impl Prefix {
    fn new() -> Prefix {
        let prefix = Prefix { folder: tempfile::tempdir().unwrap() };
        let units = ["var/lib/reconciled", "var/log/reconciled", "run/reconciled"];
        for name in ["bin", "work/target/dist", "usr/bin", "etc/reconciled"].into_iter().chain(units) {
            fs::create_dir_all(prefix.path(name)).unwrap();
        }
        prefix.program("sudo", "exec \"$@\"");
        for name in ["systemctl", "systemd-sysusers", "systemd-tmpfiles", "cargo"] {
            prefix.program(name, &format!("echo {name} \"$@\" >> {}", prefix.path("called").display()));
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::os::unix::fs::symlink(root.join("systemd"), prefix.path("work/systemd")).unwrap();
        let program = prefix.path("work/target/dist/reconciled");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_reconciled"), program).unwrap();
        prefix
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The environment that the unit and the host give to the program.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [self.path("bin"), self.path("usr/bin")].map(|path| path.display().to_string());
        command.env("PATH", format!("{}:{}:{path}", own[0], own[1])).current_dir(self.path("work"));
        for (name, folder) in [
            ("RECONCILED_CONFIG", "etc/reconciled/config.toml"),
            ("CREDENTIALS_DIRECTORY", "etc/credstore"),
            ("STATE_DIRECTORY", "var/lib/reconciled"),
            ("LOGS_DIRECTORY", "var/log/reconciled"),
            ("RUNTIME_DIRECTORY", "run/reconciled"),
        ] {
            command.env(name, self.path(folder));
        }
        command.env_remove("NOTIFY_SOCKET");
        command
    }

    /// Types a block. Each command that reads gets `pasted`.
    fn types(&self, block: &str, pasted: &str) -> String {
        let root = self.folder.path().display();
        let mut script = block.to_owned();
        for folder in ["/etc/", "/usr/bin/", "/usr/lib/"] {
            script = script.replace(&format!(" {folder}"), &format!(" {root}{folder}"));
        }
        fs::write(self.path("pasted"), pasted).unwrap();
        let input = fs::File::open(self.path("pasted")).unwrap();
        let output = self.command("sh").args(["-euc", &script]).stdin(input).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{:?} of:\n{script}\nsaid:\n{said}", output.status);
        said
    }

    fn called(&self) -> String {
        fs::read_to_string(self.path("called")).unwrap_or_default()
    }
}

/// Ended when dropped, so that a failed test leaves none behind.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Types a page in a new prefix against a simulated Amazon Pay.
async fn play(page: &str, from: &str, to: &str) {
    let prefix = Prefix::new();
    let clock = SystemClock::shared();
    let mut scenario = amazon_pay_simulator::Scenario::parse(SCENARIO, prefix.folder.path()).unwrap();
    scenario.generate_credentials(&prefix.path("work")).unwrap();
    fs::rename(prefix.path("work/shop-de.private-key.pem"), prefix.path("work/your-private-key.pem"))
        .unwrap();
    let simulator = std::sync::Arc::new(Simulator::new(scenario, clock.clone()).unwrap());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let serving =
        amazon_pay_simulator::serve(simulator.clone(), listen, None, shutdown.clone()).await.unwrap();
    let chat = format!("http://{}/services/T0/B0/x\n", serving.address);
    let config = prefix.path("etc/reconciled/config.toml");
    let (mut daemon, mut said) = (None, String::new());
    // README types everything in one block: the daemon has to run before the commands that follow its start.
    let start = "sudo systemctl enable --now reconciled\n";
    let typed = blocks(page, from, to).into_iter().flat_map(|block| match block.split_once(start) {
        Some((before, after)) => vec![format!("{before}{start}"), after.to_owned()],
        None => vec![block],
    });
    for block in typed {
        // The account is a real one in the documentation: here it lives at the simulated Amazon Pay.
        if let Ok(text) = fs::read_to_string(&config)
            && !text.contains("endpoint")
        {
            let endpoint = format!("endpoint = \"http://{}\"\n\n[[alert]]", serving.address);
            fs::write(&config, text.replace("\n[[alert]]", &endpoint)).unwrap();
        }
        let before = block.clone();
        let prefix_of = &prefix;
        said.push_str(&tokio::task::block_in_place(|| prefix_of.types(&before, &chat)));
        if daemon.is_none() && prefix.called().contains("systemctl enable --now reconciled") {
            let log = fs::File::create(prefix.path("log")).unwrap();
            let mut command = prefix.command(env!("CARGO_BIN_EXE_reconciled"));
            daemon = Some(Daemon(command.arg("run").stdout(Stdio::null()).stderr(log).spawn().unwrap()));
            let asked = async || {
                let mut command = prefix.command(env!("CARGO_BIN_EXE_reconciled"));
                let output = tokio::task::spawn_blocking(move || command.arg("status").output()).await;
                output.unwrap().unwrap().status.success().then_some(())
            };
            let log = || fs::read_to_string(prefix.path("log")).unwrap_or_default();
            patiently(&clock, "the daemon runs and all is well", asked, log).await;
        }
    }
    assert!(daemon.is_some(), "{page} never starts the daemon");
    for part in ["is valid: shop-de", "chat accepted it", "OK: ", "is watched from now on"] {
        assert!(said.contains(part), "{part:?} is not in what {page} leads to:\n{said}");
    }
    let units = fs::read_to_string(prefix.path("etc/systemd/system/reconciled.service.d/credentials.conf"));
    for line in units.unwrap().lines().filter_map(|line| line.strip_prefix("LoadCredential=")) {
        let mode = fs::metadata(prefix.path("etc/credstore").join(line)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{line}");
    }
    assert_eq!(simulator.chat_messages().len(), 1, "the test message");
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_getting_started_page_typed_literally_ends_with_a_daemon_that_runs() {
    play("docs/src/getting-started.md", "## Install\n", "### Files\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_minute_start_typed_literally_ends_with_a_daemon_that_runs() {
    play("README.md", "## Five-minute start\n", "## Read on\n").await;
}
