//! Several hosts that share a store, as real processes on a real PostgreSQL: each works on its own accounts.

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
pub struct Member {
    name: &'static str,
    host: Arc<Host>,
    pub child: Child,
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
        Fleet::of(host_with_back_office).await
    }

    async fn of(host: impl AsyncFnOnce() -> Arc<Host>) -> Option<Fleet> {
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
        let host = host().await;
        configure(&host, &server.url("fleet"));
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
        start(&self.host, name)
    }

    /// The name of the host that works on an account ("*": of the keeper), and its session.
    fn owner(&self, account: &str) -> Option<(String, i64)> {
        let sql = format!(
            "SELECT host.name, host.session FROM reconciled_account AS account \
             JOIN reconciled_host AS host ON host.session = account.session WHERE account.name = '{account}'"
        );
        let row = self.server.sql("fleet", &sql);
        let (name, session) = row.split_once('|')?;
        Some((name.to_owned(), session.parse().unwrap()))
    }

    /// How many facts a session has written.
    fn written(&self, session: i64) -> u64 {
        let sql = format!("SELECT count(*) FROM reconciled_fact WHERE fence = {session}");
        self.server.sql("fleet", &sql).parse().unwrap()
    }

    /// How many accounts each host has, in ascending order.
    fn counts(&self) -> String {
        let sql = "SELECT count(account.name) FROM reconciled_host AS host LEFT JOIN reconciled_account AS account \
                   ON account.session = host.session AND account.name <> '*' GROUP BY host.session ORDER BY 1";
        self.server.sql("fleet", sql).replace('\n', " ")
    }

    /// Waits until one of these members has all of these accounts, and returns its index and session.
    async fn until_one_has(&self, members: &[&Member], accounts: &[&str]) -> (usize, i64) {
        members[0]
            .until(&format!("one host has {accounts:?}"), async || {
                let owners: Option<BTreeSet<_>> =
                    accounts.iter().map(|account| self.owner(account)).collect();
                let owners = owners.filter(|owners| owners.len() == 1)?;
                let (name, session) = owners.first()?;
                let place = members.iter().position(|member| member.host_name() == *name)?;
                Some((place, *session))
            })
            .await
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

/// Writes the members' configurations (`a.toml` and so on): they share the database at this address.
pub fn configure(host: &Host, address: &str) {
    let url = host.path("store-url");
    amazon_pay_simulator::credentials::write_secret(&url, address).unwrap();
    let text = fs::read_to_string(host.path("config.toml")).unwrap();
    for name in ["a", "b", "c"] {
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
}

/// Starts a member of this name.
pub fn start(host: &Arc<Host>, name: &'static str) -> Member {
    let told = listen_as_manager(&host.path(&format!("{name}.notify")));
    Member { name, host: Arc::clone(host), child: launch(host, name), told }
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
    pub fn log(&self) -> String {
        fs::read_to_string(self.host.path(&format!("{}.log", self.name))).unwrap_or_default()
    }

    /// Its name in the fleet.
    fn host_name(&self) -> String {
        let copy = self.host.path(&format!("store-{}", self.name)).join("copy");
        fs::read_to_string(copy).unwrap_or_default().trim().to_owned()
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        let what = format!("{what} ({})", self.name);
        patiently(&self.host.clock, &what, look, || self.log()).await
    }

    /// Waits until it works, and connects to it.
    pub async fn works(&self) -> Client {
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
    pub async fn ended(&mut self) -> ExitStatus {
        let what = format!("{} has ended", self.name);
        let clock = self.host.clock.clone();
        let (log, child) = (self.log(), &mut self.child);
        patiently(&clock, &what, async || child.try_wait().unwrap(), || log.clone()).await
    }

    /// Starts it again, as a service manager does.
    pub fn restart(&mut self) {
        self.told.lock().unwrap().clear();
        self.child = launch(&self.host, self.name);
    }
}

fn ids(planted: &[Planted]) -> BTreeSet<String> {
    planted.iter().map(|one| one.id().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_host_is_replaced_and_writes_nothing_when_it_thaws() {
    let Some(fleet) = Fleet::new().await else { return };
    let mut members = [fleet.start("a"), fleet.start("b")];
    let clients = [members[0].works().await, members[1].works().await];
    members[0].until("the accounts are shared out", async || (fleet.counts() == "1 1").then_some(())).await;
    let (owner, session) = fleet.until_one_has(&[&members[0], &members[1]], &["shop"]).await;
    let other = 1 - owner;
    let early: Vec<Planted> = (0..10).map(|_| fleet.decline(100)).collect();
    for (number, one) in early.iter().enumerate() {
        // Whichever host takes the enrolment, the one that has the account polls it.
        fleet.enrol(&clients[number % 2], one).await;
    }
    all_declines_told(&fleet.host, &ids(&early)).await;
    assert_eq!(fleet.owner("shop").unwrap().1, session, "nothing moves without a reason");
    // They are declined while the owner is frozen.
    let late: Vec<Planted> = (0..10).map(|_| fleet.decline(4_000)).collect();
    for one in &late {
        fleet.enrol(&clients[owner], one).await;
    }
    members[owner].signal("STOP");
    let frozen = fleet.host.clock.monotonic();
    fleet.until_one_has(&[&members[other]], &["shop", "old-shop", "*"]).await;
    let waited = fleet.host.clock.monotonic().saturating_sub(frozen);
    println!("the other host had everything {} ms after the owner froze; lease {LEASE}", waited.as_millis());
    all_declines_told(&fleet.host, &ids(&late)).await;
    let written = fleet.written(session);

    members[owner].signal("CONT");
    let status = members[owner].ended().await;
    assert_eq!(status.code(), Some(74), "{}", members[owner].log());
    assert!(members[owner].log().contains("session of this host"), "{}", members[owner].log());
    members[owner].restart();
    let client = members[owner].works().await;
    assert_eq!(fleet.written(session), written, "the old session wrote");
    for one in early.iter().chain(&late) {
        assert_eq!(fleet.host.declines_told(one.id()), 1, "{}", one.id());
    }
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);

    // A clean stop hands everything over at once.
    members[other].signal("TERM");
    assert_eq!(members[other].ended().await.code(), Some(0), "{}", members[other].log());
    let stopped = fleet.host.clock.monotonic();
    fleet.until_one_has(&[&members[owner]], &["shop", "old-shop", "*"]).await;
    let waited = fleet.host.clock.monotonic().saturating_sub(stopped);
    println!("after a clean stop, the other host had everything {} ms later", waited.as_millis());
    let more = fleet.decline(100);
    fleet.enrol(&client, &more).await;
    all_declines_told(&fleet.host, &ids(&[more])).await;
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_owners_are_replaced_and_nothing_acknowledged_is_lost() {
    let Some(fleet) = Fleet::new().await else { return };
    let mut members = [fleet.start("a"), fleet.start("b")];
    for member in &members {
        drop(member.works().await);
    }
    let mut planted = Vec::new();
    for kill in 1..=4 {
        let (owner, _) = fleet.until_one_has(&[&members[0], &members[1]], &["shop"]).await;
        let client = members[owner].works().await;
        for number in 0..8 {
            let one = fleet.decline(50 * number);
            fleet.enrol(&client, &one).await;
            planted.push(one);
        }
        members[owner].child.kill().unwrap();
        members[owner].child.wait().unwrap();
        let killed = fleet.host.clock.monotonic();
        fleet.until_one_has(&[&members[1 - owner]], &["shop", "*"]).await;
        let waited = fleet.host.clock.monotonic().saturating_sub(killed);
        println!("kill {kill}: the other host had everything after {} ms; lease {LEASE}", waited.as_millis());
        members[owner].restart();
        drop(members[owner].works().await);
    }
    all_declines_told(&fleet.host, &ids(&planted)).await;
    for member in &members {
        let report = member.works().await.ask(StoreCheck {}).await.unwrap();
        assert!(report.is_clean() && report.records >= 32, "{report:?}");
    }
}

/// Four shops whose provider allows two requests a second each.
fn tight(accounts: &[&str]) -> String {
    let mut text = "seed = 12\n".to_owned();
    for (number, name) in accounts.iter().enumerate() {
        text += &*format!(
            "[[account]]\nname = \"{name}\"\napi = \"amazon-pay-v2\"\nmerchant_id = \"A{number}SHOP\"\nregion = \"eu\"\n\
             environment = \"live\"\npublic_key_id = \"LIVE-ASHOPKEY{number}\"\n\
             quota = [{{ operation = \"*\", capacity = 6, refill = 2, per_s = 1 }}]\n"
        );
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_share_accounts_and_never_exceed_a_quota() {
    const SHOPS: [&str; 4] = ["shop", "shop-2", "shop-3", "shop-4"];
    let host = async || {
        let host = Host::with_scenario(&tight(&SHOPS)).await;
        host.rewrite_config(|text| {
            let (before, alerts) = text.split_once("[[alert]]").unwrap();
            let (_, office) = alerts.split_once("[[alert]]").unwrap();
            format!("{before}[[alert]]{office}").replace(
                "quota = { burst = 400, per_second = 400.0 }",
                "quota = { burst = 6, per_second = 2.0 }",
            )
        });
        Arc::new(host)
    };
    let Some(fleet) = Fleet::of(host).await else { return };
    let mut members = [fleet.start("a"), fleet.start("b"), fleet.start("c")];
    let mut clients = Vec::new();
    for member in &members {
        clients.push(member.works().await);
    }
    members[0].until("the accounts are shared out", async || (fleet.counts() == "1 1 2").then_some(())).await;
    let mut declines = Vec::new();
    for number in 0u64..48 {
        let shop = SHOPS[usize::try_from(number % 4).unwrap()];
        // Most stay pending and keep the quota busy.
        let after_ms = if number < 12 { 100 * number } else { 3_600_000 };
        let one = fleet.host.plant(shop, "authorization", "Declined", Some("HardDeclined"), after_ms);
        fleet.enrol(&clients[usize::try_from(number % 3).unwrap()], &one).await;
        if number < 12 {
            declines.push(one);
        }
    }
    // One leaves cleanly and comes back; one is killed and comes back.
    members[2].signal("TERM");
    assert_eq!(members[2].ended().await.code(), Some(0), "{}", members[2].log());
    members[0].until("two hosts share them", async || (fleet.counts() == "2 2").then_some(())).await;
    members[2].restart();
    members[1].child.kill().unwrap();
    members[1].child.wait().unwrap();
    members[0].until("the killed host is noticed", async || (fleet.counts() == "2 2").then_some(())).await;
    members[1].restart();
    members[0]
        .until("three hosts share them again", async || (fleet.counts() == "1 1 2").then_some(()))
        .await;
    all_declines_told(&fleet.host, &ids(&declines)).await;
    for one in &declines {
        assert_eq!(fleet.host.declines_told(one.id()), 1, "{}", one.id());
    }
    let total = fleet.host.simulator.counts().total();
    println!("{} requests of three hosts, {} over a quota", total.requests, total.throttled);
    assert_eq!(total.throttled, 0, "{total:?}");
    let client = members[1].works().await;
    let report = client.ask(StoreCheck {}).await.unwrap();
    assert!(report.is_clean() && report.records == 48, "{report:?}");
    let (code, text) = fleet.run("a", &["status"]).await;
    assert!(text.contains("(this host)") && text.matches("accounts").count() >= 1, "{code} {text}");
    println!("{text}");
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
    a.says("waiting: the database does not answer").await;
    assert!(a.told.lock().unwrap().iter().any(|line| line == "WATCHDOG=1"), "it is alive");
    fleet.server.thaw();
    drop(a.works().await);
    all_declines_told(&fleet.host, &ids(&[one])).await;

    fleet.server.stop();
    assert_eq!(a.ended().await.code(), Some(74), "{}", a.log());
    a.restart();
    a.says("waiting: the database does not answer").await;
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
    assert!(code == 0 && text.contains(one.id()), "{code} {text}");
    fleet.until_one_has(&[&b], &["shop"]).await;
    let call = ["call", "shop", "GetCharge", &format!("chargeId={}", one.id())];
    let (code, text) = fleet.run("a", &call).await;
    assert!(code != 0 && text.contains("works on account shop"), "{code} {text}");
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
