//! Several hosts that share a store, as real processes on a real PostgreSQL: one works, the others stand by.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use reconciled::control::client::Client;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::{Enrol, EnrolOutcome, StoreCheck};

use crate::killing::{all_declines_told, host_with_back_office};
use crate::postgres_server::Server;
use crate::process::{Host, Planted, listen_as_manager, patiently};
use crate::tools;

const LEASE: &str = "15s";

/// A provider, a database, and the members' configurations.
struct Fleet {
    host: Arc<Host>,
    server: Server,
}

/// One host of the fleet. Killed when dropped.
struct Member {
    name: &'static str,
    host: Arc<Host>,
    child: Child,
    told: Arc<Mutex<Vec<String>>>,
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fleet {
    /// None where PostgreSQL is not installed.
    async fn new() -> Option<Fleet> {
        const TEST: &str = "several hosts on PostgreSQL";
        let server = match Server::new() {
            Ok(server) => server,
            Err(why) => {
                tools::skipped(TEST, &why);
                return None;
            }
        };
        tools::not_skipped(TEST);
        server.create("fleet");
        let host = host_with_back_office().await;
        let url = host.path("store-url");
        amazon_pay_simulator::credentials::write_secret(&url, &server.url("fleet")).unwrap();
        let text = fs::read_to_string(host.path("config.toml")).unwrap();
        for name in ["a", "b"] {
            let own = text
                .replace(
                    &format!("folder = \"{}\"", host.word("store")),
                    &format!(
                        "folder = \"{}\"\nengine = \"postgres\"\nurl = \"file:{}\"\nlease = \"{LEASE}\"",
                        host.word(&format!("store-{name}")),
                        url.display()
                    ),
                )
                .replace("/control.sock\"", &format!("/{name}.sock\""))
                .replace("/reports\"", &format!("/reports-{name}\""));
            assert!(own.contains("engine") && own.contains(&format!("/{name}.sock")), "{own}");
            host.write(&format!("{name}.toml"), &own);
        }
        Some(Fleet { host, server })
    }

    /// Carries out a command of one member.
    async fn run(&self, name: &str, words: &[&str]) -> (i32, String) {
        self.run_trusting("", name, words).await
    }

    /// The same with other root certificates than the system's.
    async fn run_trusting(&self, roots: &str, name: &str, words: &[&str]) -> (i32, String) {
        let mut command = command(&self.host, name);
        command.args(words);
        if !roots.is_empty() {
            command.env("SSL_CERT_FILE", roots);
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let texts = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8(texts).unwrap())
    }

    fn start(&self, name: &'static str) -> Member {
        let told = listen_as_manager(&self.host.path(&format!("{name}.notify")));
        Member { name, host: Arc::clone(&self.host), child: launch(&self.host, name), told }
    }

    /// How many facts there are under each fence.
    fn facts(&self) -> String {
        let sql = "SELECT fence, count(*) FROM reconciled_fact GROUP BY fence ORDER BY fence";
        self.server.sql("fleet", sql)
    }

    async fn enrol(&self, client: &Client, planted: &Planted) {
        let request = EnrolmentRequest {
            details: planted.details(),
            ..EnrolmentRequest::plain(planted.object.clone())
        };
        let results = client.ask(Enrol::from(vec![request])).await.unwrap();
        assert_eq!(results[0].outcome, EnrolOutcome::New, "{:?}", results[0].reason);
    }

    fn decline(&self, after_ms: u64) -> Planted {
        self.host.plant("shop", "authorization", "Declined", Some("HardDeclined"), after_ms)
    }
}

fn command(host: &Host, name: &str) -> Command {
    let command = host.command(&[]);
    let mut own = Command::new(command.get_program());
    own.arg("--config").arg(host.path(&format!("{name}.toml"))).stdin(Stdio::null());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => own.env(key, value),
            None => own.env_remove(key),
        };
    }
    own
}

fn launch(host: &Host, name: &str) -> Child {
    let log = host.path(&format!("{name}.log"));
    let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = command(host, name);
    command.args(["run", "--log", "json"]).env("NOTIFY_SOCKET", host.path(&format!("{name}.notify")));
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

impl Member {
    fn log(&self) -> String {
        fs::read_to_string(self.host.path(&format!("{}.log", self.name))).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        let what = format!("{what} ({})", self.name);
        patiently(&self.host.clock, &what, look, || self.log()).await
    }

    /// Waits until it works, and connects to it.
    async fn works(&self) -> Client {
        let socket = self.host.path(&format!("{}.sock", self.name));
        self.until("it works", async || Client::connect(&socket).await.ok()).await
    }

    /// Waits until its last status line has these words.
    async fn says(&self, words: &str) {
        self.until(&format!("it says {words:?}"), async || {
            let told = self.told.lock().unwrap();
            let last = told.iter().rev().find(|line| line.starts_with("STATUS="));
            last.is_some_and(|line| line.contains(words)).then_some(())
        })
        .await;
    }

    /// Waits until the process has ended.
    async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} has ended", self.name);
        let clock = self.host.clock.clone();
        let (log, child) = (self.log(), &mut self.child);
        patiently(&clock, &what, async || child.try_wait().unwrap(), || log.clone()).await
    }

    /// Starts it again, as a service manager does.
    fn restart(&mut self) {
        self.told.lock().unwrap().clear();
        self.child = launch(&self.host, self.name);
    }
}

fn ids(planted: &[Planted]) -> BTreeSet<String> {
    planted.iter().map(|one| one.id().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_owner_is_replaced_and_writes_nothing_when_it_thaws() {
    let Some(fleet) = Fleet::new().await else { return };
    let mut a = fleet.start("a");
    let client = a.works().await;
    let b = fleet.start("b");
    b.says("is active, fence 1, 0 facts behind").await;
    assert!(b.told.lock().unwrap().iter().any(|line| line == "WATCHDOG=1"), "the standby is alive");
    let early: Vec<Planted> = (0..10).map(|_| fleet.decline(100)).collect();
    for one in &early {
        fleet.enrol(&client, one).await;
    }
    all_declines_told(&fleet.host, &ids(&early)).await;
    // They are declined while the owner is frozen.
    let late: Vec<Planted> = (0..10).map(|_| fleet.decline(4_000)).collect();
    for one in &late {
        fleet.enrol(&client, one).await;
    }
    a.signal("STOP");
    let frozen = fleet.host.clock.monotonic();
    let client = b.works().await;
    let waited = fleet.host.clock.monotonic().saturating_sub(frozen);
    println!("the standby worked {} ms after the owner froze; lease {LEASE}", waited.as_millis());
    all_declines_told(&fleet.host, &ids(&late)).await;
    let facts = fleet.facts();
    let of_first = facts.lines().next().unwrap().to_owned();
    assert!(of_first.starts_with("1|"), "{facts}");

    a.signal("CONT");
    let status = a.ended().await;
    assert_eq!(status.code(), Some(74), "{}", a.log());
    assert!(a.log().contains("lease on the store"), "{}", a.log());
    a.restart();
    a.says("is active, fence 2, 0 facts behind").await;
    assert!(fleet.facts().starts_with(&format!("{of_first}\n2|")), "the old owner wrote: {}", fleet.facts());
    for one in early.iter().chain(&late) {
        assert_eq!(fleet.host.declines_told(one.id()), 1, "{}", one.id());
    }
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);

    // A clean stop hands the store over at once.
    let mut b = b;
    b.signal("TERM");
    assert_eq!(b.ended().await.code(), Some(0), "{}", b.log());
    let client = a.works().await;
    let more = fleet.decline(100);
    fleet.enrol(&client, &more).await;
    all_declines_told(&fleet.host, &ids(&[more])).await;
    assert_eq!(fleet.facts().lines().count(), 3, "{}", fleet.facts());
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_owners_are_replaced_and_nothing_acknowledged_is_lost() {
    let Some(fleet) = Fleet::new().await else { return };
    let mut members = [fleet.start("a"), fleet.start("b")];
    let mut planted = Vec::new();
    let mut working = 0;
    members[0]
        .until("a host works", async || {
            let found = [0, 1].into_iter().find(|member| {
                let socket = fleet.host.path(&format!("{}.sock", members[*member].name));
                std::os::unix::net::UnixStream::connect(socket).is_ok()
            });
            found.map(|member| working = member)
        })
        .await;
    for kill in 1..=4 {
        let client = members[working].works().await;
        for number in 0..8 {
            let one = fleet.decline(50 * number);
            fleet.enrol(&client, &one).await;
            planted.push(one);
        }
        members[working].child.kill().unwrap();
        members[working].child.wait().unwrap();
        let killed = fleet.host.clock.monotonic();
        let other = 1 - working;
        drop(members[other].works().await);
        let waited = fleet.host.clock.monotonic().saturating_sub(killed);
        println!("kill {kill}: the other host worked after {} ms; lease {LEASE}", waited.as_millis());
        members[working].restart();
        members[working].says("is active, fence").await;
        working = other;
    }
    all_declines_told(&fleet.host, &ids(&planted)).await;
    let client = members[working].works().await;
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean() && report.records >= 32, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_host_stops_and_goes_on_when_it_is_back() {
    let Some(fleet) = Fleet::new().await else { return };
    let mut a = fleet.start("a");
    let client = a.works().await;
    let one = fleet.decline(3_000);
    fleet.enrol(&client, &one).await;
    fleet.server.freeze();
    let frozen = fleet.host.clock.monotonic();
    assert_eq!(a.ended().await.code(), Some(74), "{}", a.log());
    let waited = fleet.host.clock.monotonic().saturating_sub(frozen);
    println!("the host stopped {} ms after its database froze; lease {LEASE}", waited.as_millis());
    a.restart();
    a.says("standby: the database does not answer").await;
    assert!(a.told.lock().unwrap().iter().any(|line| line == "WATCHDOG=1"), "it is alive");
    fleet.server.thaw();
    drop(a.works().await);
    all_declines_told(&fleet.host, &ids(&[one])).await;

    fleet.server.stop();
    assert_eq!(a.ended().await.code(), Some(74), "{}", a.log());
    a.restart();
    a.says("standby: the database does not answer").await;
    fleet.server.start();
    let client = a.works().await;
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    a.signal("TERM");
    assert_eq!(a.ended().await.code(), Some(0), "{}", a.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_on_the_shared_store_while_no_daemon_does() {
    let Some(fleet) = Fleet::new().await else { return };
    let one = fleet.decline(600_000);
    let words = ["enrol", "--account", "shop", "--kind", "charge", "--id", one.id()];
    let (code, text) = fleet.run("a", &words).await;
    assert!(code == 0 && text.contains("daemon not running"), "{code} {text}");
    let (code, text) = fleet.run("b", &["list"]).await;
    assert!(code == 0 && text.contains(one.id()), "{code} {text}");
    let (code, text) = fleet.run("b", &["store", "check"]).await;
    assert!(code == 0 && text.contains("nothing is wrong"), "{code} {text}");
    let (code, text) = fleet.run("a", &["store", "import"]).await;
    assert!(code == 0 && text.contains("0 journal entries added to the database"), "{code} {text}");
    let (code, text) = fleet.run("a", &["check-config"]).await;
    assert!(code == 0 && !text.contains("hush"), "{code} {text}");
    let mut b = fleet.start("b");
    drop(b.works().await);
    let (code, text) = fleet.run("a", &["list"]).await;
    assert!(code == 69 && text.contains("the store is in use by"), "{code} {text}");
    b.signal("TERM");
    assert_eq!(b.ended().await.code(), Some(0), "{}", b.log());
    assert!(!b.log().contains("hush"), "the password is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_used_and_an_unknown_certificate_refused() {
    let Some(fleet) = Fleet::new().await else { return };
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let roots = fleet.host.write("roots.pem", &made.cert.pem());
    fleet.server.encrypt(&made.cert.pem(), &made.signing_key.serialize_pem());
    let url = fleet.host.path("store-url");
    let encrypted = fleet.server.url("fleet").replace("127.0.0.1", "localhost").replace("disable", "require");
    fs::remove_file(&url).unwrap();
    amazon_pay_simulator::credentials::write_secret(&url, &encrypted).unwrap();
    let one = fleet.decline(600_000);
    let words = ["enrol", "--account", "shop", "--kind", "charge", "--id", one.id()];
    let (code, text) = fleet.run("a", &words).await;
    assert!(code == 69 && text.contains("certificate") && !text.contains("hush"), "{code} {text}");
    let (code, text) = fleet.run_trusting(&roots, "a", &words).await;
    assert!(code == 0, "{code} {text}");
    let (code, text) = fleet.run_trusting(&roots, "b", &["list"]).await;
    assert!(code == 0 && text.contains(one.id()), "{code} {text}");
}
