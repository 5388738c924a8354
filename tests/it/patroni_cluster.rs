//! A high-availability cluster of PostgreSQL from Debian's packages: two servers under Patroni, and etcd.
//!
//! Owns: its networks, its processes, and the faults. Must never know: what uses the cluster.
//!
//! Each server and etcd has a network namespace of its own. Two networks join them, and a test can cut either:
//!
//! | Network | Joins | Carries |
//! |---|---|---|
//! | front | this machine and each namespace | the statements of clients |
//! | back | the servers and etcd | replication, and Patroni's requests to etcd |
//!
//! Patroni uses version 2 of etcd's API. With version 3, Debian's Patroni 3.0.2 can lose acknowledged rows when a
//! frozen primary thaws.
//!
//! `synchronous_mode` is on, `synchronous_mode_strict` is off. A commit waits for the replica while that one is allowed
//! to become the primary. If the replica is gone, Patroni first revokes this permission in etcd. Only then does the
//! primary acknowledge alone. So no failover loses rows, and one server can go on without the other. With strict mode,
//! a cluster of two would take no facts until its second server is back.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reconciled::clock::{SharedClock, SystemClock};
use serde_json::Value;

use crate::postgres_server::programs;
use crate::process::patiently;

/// Two servers and, at the last place, etcd.
const PLACES: usize = 3;
const ETCD: usize = 2;

/// What must be installed: a file, and the package that has it.
const NEEDED: [(&str, &str); 5] = [
    ("/usr/bin/patroni", "patroni"),
    ("/usr/lib/python3/dist-packages/etcd/__init__.py", "python3-etcd"),
    ("/usr/bin/etcd", "etcd-server"),
    ("/usr/bin/psql", "postgresql"),
    ("/usr/sbin/ip", "iproute2"),
];

/// A network between the namespaces.
#[derive(Clone, Copy)]
pub enum Network {
    Front,
    Back,
}

/// A running cluster; a process has one at a time. Its processes and networks are removed when it is dropped.
pub struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    clock: SharedClock,
    http: reqwest::Client,
    running: [Option<Child>; PLACES],
}

impl Drop for Cluster {
    fn drop(&mut self) {
        tear_down(std::process::id());
        for child in self.running.iter_mut().flatten() {
            // It has ended already.
            let _ = child.wait();
        }
    }
}

/// A namespace of the cluster that a process with this number made.
fn namespace(pid: u32, place: usize) -> String {
    format!("reconciled-{pid}-{place}")
}

/// This machine's end of the front network to a namespace.
fn cable(pid: u32, place: usize) -> String {
    format!("rcd{pid}f{place}")
}

/// Removes all that is left of a cluster, or of a part of one.
fn tear_down(pid: u32) {
    for place in 0..PLACES {
        let name = namespace(pid, place);
        while signal_all(&name, "-KILL") {
            std::thread::yield_now();
        }
        // They may not be there.
        let _ = ip(&format!("link delete {}", cable(pid, place)));
        let _ = ip(&format!("netns delete {name}"));
    }
}

/// Removes what killed tests left behind.
fn tear_down_others() {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix("reconciled-") else { continue };
        let Some(pid) = rest.split('-').next().and_then(|text| text.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            tear_down(pid);
        }
    }
}

/// Carries out a command of iproute2, and returns what it prints.
fn ip(words: &str) -> Result<String, String> {
    let output = Command::new("/usr/sbin/ip").args(words.split_whitespace()).output();
    let output = output.map_err(|error| format!("ip {words}: {error}"))?;
    if !output.status.success() {
        return Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sends a signal to all processes of a namespace. False: there are none.
fn signal_all(namespace: &str, signal: &str) -> bool {
    let found = ip(&format!("netns pids {namespace}")).unwrap_or_default();
    let pids: Vec<&str> = found.split_whitespace().collect();
    if !pids.is_empty() {
        // One of them may have ended meanwhile.
        let _ = Command::new("kill").arg(signal).args(&pids).stderr(Stdio::null()).status();
    }
    !pids.is_empty()
}

/// An address of a server or etcd on the back network. No other namespace sees it.
fn back(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 212, 0, [11, 12, 10][place])
}

/// The addresses on the front network to a namespace: this machine's, and the namespace's.
fn front(place: usize) -> (Ipv4Addr, Ipv4Addr) {
    // Each process that tests has 16 addresses of 10.213.0.0/16, and each place has 4 of them.
    let group = std::process::id() % 4096 * 16;
    let number = [0, 4, 8][place] + group + u32::from(Ipv4Addr::new(10, 213, 0, 0));
    (Ipv4Addr::from(number + 1), Ipv4Addr::from(number + 2))
}

/// Creates the namespaces and networks.
fn wire() -> Result<(), String> {
    let pid = std::process::id();
    let middle = namespace(pid, ETCD);
    for place in 0..PLACES {
        let (name, cable, (near, far)) = (namespace(pid, place), cable(pid, place), front(place));
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("link add {cable} type veth peer name front netns {name}"))?;
        ip(&format!("address add {near}/30 dev {cable}"))?;
        ip(&format!("link set {cable} up"))?;
        ip(&format!("-n {name} address add {far}/30 dev front"))?;
        ip(&format!("-n {name} link set front up"))?;
    }
    // etcd's namespace has the switch of the back network.
    ip(&format!("-n {middle} link add back type bridge"))?;
    for place in 0..ETCD {
        let name = namespace(pid, place);
        ip(&format!("-n {middle} link add back-{place} type veth peer name back netns {name}"))?;
        ip(&format!("-n {middle} link set back-{place} master back up"))?;
    }
    for place in 0..PLACES {
        let name = namespace(pid, place);
        ip(&format!("-n {name} address add {}/24 dev back", back(place)))?;
        ip(&format!("-n {name} link set back up"))?;
    }
    Ok(())
}

impl Cluster {
    /// Starts a cluster, and waits until its replica is synchronous. The error says what is missing on this machine.
    pub async fn new() -> Result<Cluster, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may create network namespaces".to_owned());
        }
        let programs = programs().ok_or("PostgreSQL (Debian's package postgresql) is not installed")?;
        for (file, package) in NEEDED {
            if !Path::new(file).exists() {
                return Err(format!("Debian's package {package} is not installed"));
            }
        }
        tear_down_others();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let running = [None, None, None];
        let mut cluster = Cluster { folder, programs, clock: SystemClock::shared(), http, running };
        wire()?;
        cluster.start_etcd();
        for server in 0..ETCD {
            let mut command = Command::new("install");
            command.args(["-d", "-o", "postgres", "-g", "postgres", "-m", "700"]).arg(cluster.path(server));
            assert!(command.status().unwrap().success(), "there is no user postgres");
            fs::write(cluster.settings(server), cluster.settings_text(server)).unwrap();
            cluster.start(server);
        }
        cluster.until_whole().await;
        Ok(cluster)
    }

    /// The address of a database of the role `reconciled`.
    pub fn url(&self, database: &str) -> String {
        let (first, second) = (front(0).1, front(1).1);
        format!(
            "postgresql://reconciled:hush@{first},{second}/{database}\
             ?sslmode=disable&target_session_attrs=read-write"
        )
    }

    fn path(&self, place: usize) -> PathBuf {
        self.folder.path().join(format!("place-{place}"))
    }

    fn settings(&self, server: usize) -> PathBuf {
        self.folder.path().join(format!("patroni-{server}.yml"))
    }

    /// Patroni's configuration. A shorter `ttl` than 20 s is not supported.
    fn settings_text(&self, server: usize) -> String {
        let (own, address, etcd) = (self.path(server), back(server), back(ETCD));
        let (own, programs) = (own.display(), self.programs.display());
        format!(
            r#"
scope: fleet
name: server-{server}
restapi: {{listen: "0.0.0.0:8008", connect_address: "{address}:8008"}}
etcd: {{host: "{etcd}:2379"}}
watchdog: {{mode: "off"}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 8
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 50, shared_buffers: 32MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}]
postgresql:
  listen: "0.0.0.0:5432"
  connect_address: "{address}:5432"
  data_dir: {own}/data
  bin_dir: {programs}
  pgpass: {own}/pgpass
  authentication:
    superuser: {{username: postgres, password: hush}}
    replication: {{username: replicator, password: hush}}
  parameters: {{unix_socket_directories: {own}}}
  pg_hba: ["local all all trust", "host all all all scram-sha-256",
           "host replication replicator all scram-sha-256"]
"#
        )
    }

    fn launch(&mut self, place: usize, program: &[&str]) {
        let log = self.folder.path().join(format!("log-{place}"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("/usr/sbin/ip");
        command.args(["netns", "exec", &namespace(std::process::id(), place)]).args(program);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).env("LC_ALL", "C");
        // The kernel may end a process group that has stopped members: the test must not be in the same.
        self.running[place] = Some(command.current_dir("/").process_group(0).spawn().unwrap());
    }

    fn start_etcd(&mut self) {
        let data = self.path(ETCD).display().to_string();
        let address = format!("http://{}:2379", back(ETCD));
        let near =
            ["etcd", "--enable-v2=true", "--data-dir", &data, "--listen-peer-urls", "http://127.0.0.1:2380"];
        let far = ["--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", &address];
        self.launch(ETCD, &[&near[..], &far].concat());
    }

    /// Starts a server's Patroni, which starts PostgreSQL.
    pub fn start(&mut self, server: usize) {
        let settings = self.settings(server).display().to_string();
        let user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"];
        self.launch(server, &[&user[..], &["patroni", &settings]].concat());
    }

    /// What Patroni has written into etcd.
    async fn key(&self, name: &str) -> Option<String> {
        let url = format!("http://{}:2379/v2/keys/service/fleet/{name}", front(ETCD).1);
        let text = self.http.get(url).send().await.ok()?.text().await.ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        answer["node"]["value"].as_str().map(str::to_owned)
    }

    async fn primary(&self) -> Option<usize> {
        let name = self.key("leader").await?;
        (0..ETCD).find(|server| name == format!("server-{server}"))
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        patiently(&self.clock, what, look, || self.last_lines()).await
    }

    fn last_lines(&self) -> String {
        let last = |place| {
            let log = self.folder.path().join(format!("log-{place}"));
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(13)..].join("\n") + "\n"
        };
        (0..PLACES).map(last).collect()
    }

    /// Waits until there is a primary with a synchronous replica, and returns the primary.
    pub async fn until_whole(&self) -> usize {
        self.until("the cluster has a primary and a synchronous replica", async || {
            let primary = self.primary().await?;
            let sync: Value = serde_json::from_str(&self.key("sync").await?).ok()?;
            let is_whole = sync["leader"] == format!("server-{primary}")
                && sync["sync_standby"] == format!("server-{}", 1 - primary);
            is_whole.then_some(primary)
        })
        .await
    }

    /// Waits until this server is the primary.
    pub async fn until_primary(&self, server: usize) {
        let look = async || (self.primary().await? == server).then_some(());
        self.until(&format!("server {server} is the primary"), look).await;
    }

    /// Exchanges the primary and the replica, as an operator does for maintenance.
    pub async fn switch_over(&self, primary: usize) {
        let url = format!("http://{}:8008/switchover", front(primary).1);
        let (leader, candidate) = (format!("server-{primary}"), format!("server-{}", 1 - primary));
        let body = serde_json::json!({ "leader": leader, "candidate": candidate }).to_string();
        let answer = self.http.post(url).body(body).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap_or_default());
    }

    /// `kill -9` of a server's Patroni and postmaster. Waits until the server's other processes have ended.
    pub async fn kill(&mut self, server: usize) {
        let file = fs::read_to_string(self.path(server).join("data/postmaster.pid")).unwrap();
        let mut patroni = self.running[server].take().unwrap();
        let mut command = Command::new("kill");
        command.args(["-KILL", &patroni.id().to_string(), file.lines().next().unwrap()]);
        assert!(command.status().unwrap().success());
        patroni.wait().unwrap();
        let name = namespace(std::process::id(), server);
        self.until("all processes of the server have ended", async || {
            ip(&format!("netns pids {name}")).unwrap().trim().is_empty().then_some(())
        })
        .await;
    }

    /// `kill -9` of the process that carries out an append, while it waits for the replica. PostgreSQL restarts all its
    /// processes, and then shows the rows of that append.
    pub async fn crash_when_waiting(&self, server: usize) {
        let sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query ~ '_fact' LIMIT 1";
        let look = async || Some(self.sql(server, "postgres", sql)).filter(|pid| !pid.is_empty());
        let pid = self.until("an append waits for the replica", look).await;
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    }

    /// Unplugs a server from a network, until [`Cluster::mend`]. Packets are dropped silently.
    pub fn cut(&self, server: usize, network: Network) {
        self.plug(server, network, "down");
    }

    pub fn mend(&self, server: usize, network: Network) {
        self.plug(server, network, "up");
    }

    fn plug(&self, server: usize, network: Network, state: &str) {
        let pid = std::process::id();
        let words = match network {
            Network::Front => format!("-n {} link set front {state}", namespace(pid, server)),
            Network::Back => format!("-n {} link set back-{server} {state}", namespace(pid, ETCD)),
        };
        ip(&words).unwrap();
    }

    /// Stops all processes of a server in the middle of whatever they do, until [`Cluster::thaw`].
    pub fn freeze(&self, server: usize) {
        let name = namespace(std::process::id(), server);
        signal_all(&name, "-STOP");
        // The first signal may have come while a process started another one.
        signal_all(&name, "-STOP");
    }

    pub fn thaw(&self, server: usize) {
        signal_all(&namespace(std::process::id(), server), "-CONT");
    }

    /// Carries out a statement as the superuser on one server, and returns its rows as text.
    pub fn sql(&self, server: usize, database: &str, statement: &str) -> String {
        let url = format!("postgresql://postgres:hush@{}/{database}?sslmode=disable", front(server).1);
        let mut command = Command::new("/usr/bin/psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", statement]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
