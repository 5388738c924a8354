//! The real binary as a process, with the simulator served on a loopback port by the test itself: starting
//! it, talking to it, reading its notifications to the service manager, ending it in every way.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amazon_pay_simulator::credentials::write_secret;
use amazon_pay_simulator::plan::{Plan, Step};
use amazon_pay_simulator::{Scenario, Serving, Simulator, serve};
use reconciled::clock::{SharedClock, SystemClock};
use reconciled::control::client::Client;
use reconciled::payments::money::Money;
use reconciled::payments::object::ObjectRef;
use reconciled::payments::record::Details;
use tokio::net::UnixDatagram;
use tokio_util::sync::CancellationToken;

use crate::world::configuration;

const BINARY: &str = env!("CARGO_BIN_EXE_reconciled");

/// How often a condition is checked, and how long it may take on the slowest machine.
const LOOK_EVERY: Duration = Duration::from_millis(25);
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Two merchants with ample quota.
const SCENARIO: &str = r#"
seed = 11
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "live"
public_key_id = "LIVE-ASHOPKEY"
quota = [{ operation = "*", capacity = 1000, refill = 900, per_s = 1 }]
[[account]]
name = "old-shop"
api = "amazon-pay-mws"
merchant_id = "A2OLDSHOP"
region = "na"
environment = "live"
access_key_id = "AKIAOLDSHOP000000000"
quota = [{ operation = "*", capacity = 1000, refill = 900, per_s = 1 }]
"#;

const POLL: &str = "[poll]\ninterval = \"1s\"\nearly = []\nresting_interval = \"1s\"\nbackoff_first = \"1s\"\n\
                    backoff_longest = \"2s\"\nquarantine_interval = \"1s\"\n";

/// A merchant's host: a folder with configuration, store and reports, and a provider.
pub struct Host {
    pub folder: tempfile::TempDir,
    pub simulator: Arc<Simulator>,
    pub clock: SharedClock,
    told: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
    serving: Serving,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Checks the exit code, and that output or notes contain all these texts.
    #[track_caller]
    pub fn expect(self, code: i32, parts: &[&str]) -> Ran {
        let all = format!("{}\n{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        for part in parts {
            assert!(all.contains(part), "{part:?} is not in:\n{all}");
        }
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A running daemon. Killed when dropped, so that a failed test leaves none behind.
pub struct Running {
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An object at the provider, and how to enrol it.
#[derive(Debug, Clone)]
pub struct Planted {
    pub object: ObjectRef,
    pub reference: String,
    pub amount: Money,
}

impl Planted {
    pub fn details(&self) -> Details {
        Details {
            amount: Some(self.amount),
            merchant_reference: Some(self.reference.clone()),
            ..Details::default()
        }
    }

    pub fn id(&self) -> &str {
        self.object.id.as_str()
    }
}

impl Host {
    /// A host whose daemon is not running yet.
    pub async fn new() -> Host {
        Host::with_scenario(SCENARIO).await
    }

    /// A host with the accounts of another scenario.
    pub async fn with_scenario(scenario: &str) -> Host {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::shared();
        let mut scenario = Scenario::parse(scenario, folder.path()).unwrap();
        scenario.generate_credentials(folder.path()).unwrap();
        let config = configuration(folder.path(), &scenario, POLL);
        let simulator = Arc::new(Simulator::new(scenario, clock.clone()).unwrap());
        let shutdown = CancellationToken::new();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let serving = serve(Arc::clone(&simulator), listen, None, shutdown.clone()).await.unwrap();
        let base = format!("http://{}", serving.address);
        let endpoint = "endpoint = \"http://127.0.0.1:9\"\n";
        assert!(config.contains(endpoint));
        let real =
            format!("endpoint = \"{base}\"\nquota = {{ burst = 400, per_second = 400.0 }}\ndeadline_s = 5\n");
        fs::write(folder.path().join("config.toml"), config.replace(endpoint, &real)).unwrap();
        for (name, path) in [("chat", "services/T0/B0/x"), ("back-office", "hooks/json")] {
            let file = folder.path().join(format!("{name}-url"));
            fs::remove_file(&file).unwrap();
            write_secret(&file, &format!("{base}/{path}")).unwrap();
        }
        let told = listen_as_manager(&folder.path().join("notify"));
        Host { folder, simulator, clock, told, shutdown, serving }
    }

    /// Where the provider and the chats are.
    pub fn base(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path as a command's argument.
    pub fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.word(name)
    }

    pub fn rewrite_config(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.path("config.toml")).unwrap();
        fs::write(self.path("config.toml"), change(text)).unwrap();
    }

    /// Creates an object at the provider that is in `state` after `after_ms`.
    pub fn plant(
        &self,
        account: &str,
        kind: &str,
        state: &str,
        reason: Option<&str>,
        after_ms: u64,
    ) -> Planted {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let reference = format!("ORDER-{number:06}");
        let is_v2 = account.starts_with("shop");
        let currency = if is_v2 { "EUR" } else { "USD" };
        let step = Step {
            after: Duration::from_millis(after_ms),
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
        };
        let plan = Plan {
            kind: kind.to_owned(),
            amount: "14.00".to_owned(),
            currency: currency.to_owned(),
            merchant_reference: reference.clone(),
            steps: vec![step],
            invisible_for: Duration::ZERO,
        };
        let id = self.simulator.plant(account, &plan).unwrap();
        let kind = match (account, kind) {
            (_, "authorization" | "capture") if is_v2 => "charge",
            (_, kind) => kind,
        };
        let object = format!("{account}/{kind}/{id}").parse().unwrap();
        Planted { object, reference, amount: Money::parse("14.00", currency).unwrap() }
    }

    /// `reconciled --config … words`, with this host's configuration.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(self.path("config.toml")).args(words).stdin(Stdio::null());
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RECONCILED_CONFIG"] {
            command.env_remove(name);
        }
        for name in ["STATE_DIRECTORY", "LOGS_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.command(words);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the daemon without waiting for it. Its log goes to `daemon.log`.
    pub fn launch(&self) -> Running {
        self.launch_with(&["run", "--log", "json"])
    }

    fn launch_with(&self, words: &[&str]) -> Running {
        let log = OpenOptions::new().create(true).append(true).open(self.path("daemon.log")).unwrap();
        let mut command = self.command(words);
        command.env("NOTIFY_SOCKET", self.path("notify"));
        let error: File = log.try_clone().unwrap();
        Running { child: command.stdout(log).stderr(error).spawn().unwrap() }
    }

    /// Starts the daemon and waits until it reports that it is ready.
    pub async fn start(&self) -> Running {
        self.start_with(&["run", "--log", "json"]).await
    }

    /// The same with other arguments than `run --log json`.
    pub async fn start_with(&self, words: &[&str]) -> Running {
        self.forget_told();
        let mut running = self.launch_with(words);
        self.until("the daemon is ready", async || {
            if let Some(status) = running.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            self.heard("READY=1")
        })
        .await;
        running
    }

    /// What the daemon reported to its service manager since the last start.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub fn forget_told(&self) {
        self.told.lock().unwrap().clear();
    }

    /// Whether a line with `part` was reported to the service manager.
    pub fn heard(&self, part: &str) -> Option<()> {
        self.told().iter().any(|line| line.contains(part)).then_some(())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// A direct connection to the daemon, as a shop's own program would have.
    pub async fn client(&self) -> Client {
        Client::connect(&self.path("control.sock")).await.unwrap()
    }

    /// Checks again and again until there is a result.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        patiently(&self.clock, what, look, || self.log()).await
    }

    /// How often the back office accepted each object's decline, by id.
    pub fn declines_told(&self, id: &str) -> usize {
        let messages = self.simulator.chat_messages();
        let events = messages.iter().filter(|message| message.path.starts_with("/hooks/"));
        events
            .filter(|one| one.body["data"]["kind"] == "declined" && one.body["data"]["object"]["id"] == id)
            .count()
    }

    /// How many texts in the chat room are about an order.
    pub fn chat_speaks_of(&self, reference: &str) -> usize {
        let messages = self.simulator.chat_messages();
        let texts = messages.iter().filter(|message| message.path.starts_with("/services/"));
        texts.filter(|message| message.body.to_string().contains(reference)).count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn try_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end; returns how it ended.
    pub async fn ended(mut self, host: &Host) -> ExitStatus {
        host.until("the daemon has ended", async || self.child.try_wait().unwrap()).await
    }

    /// Stops it and checks that it ends properly.
    pub async fn stop(self, host: &Host) {
        self.signal("TERM");
        let status = self.ended(host).await;
        assert_eq!(status.code(), Some(0), "{}", host.log());
    }
}

/// Checks again and again until there is a result; shows `evidence` when there never is.
pub async fn patiently<T>(
    clock: &SharedClock,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
    evidence: impl Fn() -> String,
) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("it never happened that {what}\n{}", last_lines(&evidence())),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// The service manager's socket: what was reported, line by line.
pub fn listen_as_manager(path: &Path) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(path).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    tokio::spawn(async move {
        let mut bytes = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            kept.lock().unwrap().extend(text.lines().map(str::to_owned));
        }
    });
    told
}
