//! A PostgreSQL server of the tests' own, from Debian's binaries. This file is also part of the tests of whole processes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A running server; stopped when dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
}

/// A running PgBouncer; stopped when dropped.
pub(crate) struct Pooler {
    child: std::process::Child,
    port: u16,
}

impl Pooler {
    /// The address of a database behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thaw();
        self.stop();
    }
}

/// The folder of the newest version's programs.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let folders = versions.map(|version| version.path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists()).max()
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

impl Server {
    /// Starts a server. The error says what is missing on this machine.
    pub(crate) fn new() -> Result<Server, String> {
        let server = Server::without_data()?;
        let password = server.folder.path().join("password").display().to_string();
        let mut command = server.command("initdb");
        command.args(["--username=reconciled", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        command.args(["--pwfile", &password, "--no-sync", "--encoding=UTF8", "--locale=C"]);
        server.run(command.args(["-D", &server.data()]));
        server.start();
        Ok(server)
    }

    fn without_data() -> Result<Server, String> {
        let programs = programs().ok_or("PostgreSQL (Debian's package postgresql) is not installed")?;
        // PostgreSQL refuses to run as root.
        let user = match id(&["-u"]) {
            Some(0) => {
                let found = ["postgres", "nobody"]
                    .iter()
                    .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
                Some(found.ok_or("there is no user postgres or nobody")?)
            }
            _ => None,
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(folder.path().join("password"), "hush\n").unwrap();
        if let Some((user, group)) = user {
            chown(&own, Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Ok(Server { folder, programs, user, port })
    }

    /// Starts a replica. From then on, a transaction is acknowledged once the replica has it too.
    pub(crate) fn replicate(&self) -> Server {
        let replica = Server::without_data().unwrap();
        let own = self.own().display().to_string();
        let mut command = replica.command("pg_basebackup");
        command.args(["-h", &own, "-p", &self.port.to_string(), "-U", "reconciled", "-R", "-X", "stream"]);
        replica.run(command.args(["--checkpoint=fast", "--no-sync", "-D", &replica.data()]));
        replica.start();
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        while self.sql("postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            != "1"
        {
            std::thread::yield_now();
        }
        replica
    }

    /// Promotes this replica to a server of its own.
    pub(crate) fn promote(&self) {
        self.run(self.command("pg_ctl").args(["-D", &self.data(), "-w", "promote"]));
    }

    /// Starts PgBouncer in front of it, in transaction mode. The error says what is missing on this machine.
    pub(crate) fn pooled(&self) -> Result<Pooler, String> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            return Err("PgBouncer (Debian's package pgbouncer) is not installed".to_owned());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = self.own();
        fs::write(self.folder.path().join("users"), "\"reconciled\" \"hush\"\n").unwrap();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 2\nignore_startup_parameters = options, extra_float_digits\n",
            self.port,
            self.folder.path().join("users").display(),
        );
        let settings = self.folder.path().join("pooler.ini");
        fs::write(&settings, text).unwrap();
        let mut command = self.command_of(program);
        command.arg("-q").arg(settings).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(own);
        let pooler = Pooler { child: command.spawn().unwrap(), port };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Ok(pooler)
    }

    /// The server that tests share which run at the same time.
    pub(crate) fn shared() -> Result<Arc<Server>, String> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Server::new()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    fn own(&self) -> PathBuf {
        self.folder.path().join("own")
    }

    fn data(&self) -> String {
        self.own().join("data").display().to_string()
    }

    fn command(&self, program: &str) -> Command {
        self.command_of(&self.programs.join(program))
    }

    fn command_of(&self, program: &Path) -> Command {
        let mut command = match self.user {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}")]);
                command.arg("--clear-groups").arg("--").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.own()).stdin(Stdio::null()).env("LC_ALL", "C");
        command
    }

    fn run(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts it again after [`Server::stop`].
    pub(crate) fn start(&self) {
        let own = self.own().display().to_string();
        let options = format!("-k {own} -p {} -c listen_addresses=127.0.0.1", self.port);
        let log = self.own().join("log");
        let mut command = self.command("pg_ctl");
        command.args(["-D", &self.data(), "-w", "-o", &options, "-l"]).arg(log).arg("start");
        // The server keeps what it inherits, and would keep a pipe open.
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{}", fs::read_to_string(self.own().join("log")).unwrap_or_default());
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop(&self) {
        let mut command = self.command("pg_ctl");
        // It may be stopped already.
        let _ = command.args(["-D", &self.data(), "-w", "-m", "immediate", "stop"]).output();
    }

    /// Restarts it with TLS. Certificate and key are PEM.
    pub(crate) fn encrypt(&self, certificate: &str, key: &str) {
        let data = PathBuf::from(self.data());
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = self.user {
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        let settings = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        fs::write(data.join("postgresql.conf"), settings + "\nssl = on\n").unwrap();
        self.stop();
        self.start();
    }

    /// The server and all processes that serve connections.
    fn processes(&self) -> Vec<String> {
        let file = fs::read_to_string(Path::new(&self.data()).join("postmaster.pid")).unwrap_or_default();
        let Some(first) = file.lines().next().map(str::to_owned) else { return Vec::new() };
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        let children: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        [vec![first], children].concat()
    }

    fn signal(&self, name: &str) {
        let processes = self.processes();
        if !processes.is_empty() {
            // One of them may have ended meanwhile.
            let _ = Command::new("kill").arg(name).args(processes).stderr(Stdio::null()).status();
        }
    }

    /// Stops all its processes in the middle of whatever they do. Clients stay connected and get no answer.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends [`Server::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Creates a database.
    pub(crate) fn create(&self, database: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {database}"));
    }

    /// Carries out a statement, and returns its rows as text.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let own = self.own().display().to_string();
        let mut command = self.command("psql");
        command.args(["-h", &own, "-p", &self.port.to_string(), "-U", "reconciled", "-X", "-q", "-A", "-t"]);
        self.run(command.args(["-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement])).trim().to_owned()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }
}

/// The address of a database behind a port of this machine.
pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgresql://reconciled:hush@127.0.0.1:{port}/{database}?sslmode=disable")
}
