//! One connection to the database. Every call has a deadline on this side.
//!
//! Owns: how it is made, what an error says and whether trying again can help. Must never know: the statements.
//!
//! A frozen server keeps a client waiting that has no deadline of its own, and neither `statement_timeout` nor
//! keepalives end that. After a call that failed or took too long, the connection is dropped: its state is unknown.
//! Statements are sent unnamed and without session state, so that a pooler may stand in between.

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row};

use super::tls::Tls;

/// The server stops a statement after this time, if the address sets no other `options`.
const OPTIONS: &str = "-c statement_timeout=10s -c idle_in_transaction_session_timeout=10s";
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words, without any data.
    pub why: String,
    /// Trying again does not help until a person changes something.
    pub is_permanent: bool,
    /// The table does not exist.
    pub is_without_table: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)
    }
}

impl Trouble {
    /// Something that a person must change.
    pub fn permanent(why: impl Into<String>) -> Trouble {
        Trouble { why: why.into(), is_permanent: true, is_without_table: false }
    }

    /// A transient failure: trying again may help.
    pub fn passing(why: impl Into<String>) -> Trouble {
        Trouble { why: why.into(), is_permanent: false, is_without_table: false }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Trouble {
        let Some(said) = error.as_db_error() else {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                why = format!("{why}: {inner}");
                source = inner.source();
            }
            return Trouble::passing(why);
        };
        let code = said.code();
        // Wrong password, no such database, no permission.
        let is_permanent = code.code().starts_with("28")
            || [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE].contains(code);
        Trouble {
            // The message alone: the detail may quote a row.
            why: format!("{} ({})", said.message(), code.code()),
            is_permanent,
            is_without_table: *code == SqlState::UNDEFINED_TABLE,
        }
    }
}

/// A parameter of a statement.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// An open connection.
pub(super) struct Connection {
    client: Client,
    deadline: Duration,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects to the first server that accepts writes and carries out `first`, if there is one. Each server and each
    /// call may take `deadline`.
    pub(super) async fn open(
        config: &Config,
        deadline: Duration,
        first: Option<&str>,
    ) -> Result<Connection, Trouble> {
        let mut failed: Vec<Trouble> = Vec::new();
        // One at a time, each with its own deadline: a frozen server accepts the connection and never answers.
        for place in 0..config.get_hosts().len().max(config.get_hostaddrs().len()) {
            match Connection::open_one(only(config, place), deadline, first).await {
                Ok(connection) => return Ok(connection),
                Err(trouble) => failed.push(trouble),
            }
        }
        let is_permanent = failed.iter().all(|trouble| trouble.is_permanent);
        let why: Vec<String> = failed.into_iter().map(|trouble| trouble.why).collect();
        Err(Trouble { why: why.join("; "), is_permanent, is_without_table: false })
    }

    async fn open_one(
        mut config: Config,
        deadline: Duration,
        first: Option<&str>,
    ) -> Result<Connection, Trouble> {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite).connect_timeout(deadline);
        config.keepalives_idle(KEEPALIVE).tcp_user_timeout(KEEPALIVE);
        if config.get_options().is_none() {
            config.options(OPTIONS);
        }
        if config.get_application_name().is_none() {
            config.application_name("reconciled");
        }
        let (client, driving) = within(deadline, config.connect(Tls)).await?;
        let driver = tokio::spawn(async move {
            // Its end shows in the next call.
            let _ = driving.await;
        });
        let connection = Connection { client, deadline, driver };
        if let Some(first) = first
            && let Err(trouble) = connection.query(first, &[]).await
            && !trouble.is_without_table
        {
            let why = format!("no commit is confirmed (is the synchronous replica gone?): {}", trouble.why);
            return Err(Trouble { why, ..trouble });
        }
        Ok(connection)
    }

    /// Carries out one statement.
    pub(super) async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        within(self.deadline, self.client.query_typed(sql, parameters)).await
    }

    /// Carries out statements without parameters.
    pub(super) async fn script(&self, sql: &str) -> Result<(), Trouble> {
        within(self.deadline, self.client.batch_execute(sql)).await
    }
}

/// The address with only one of its servers.
fn only(all: &Config, place: usize) -> Config {
    let mut config = Config::new();
    match all.get_hosts().get(place) {
        Some(Host::Tcp(name)) => config.host(name),
        Some(Host::Unix(folder)) => config.host_path(folder),
        None => &mut config,
    };
    if let Some(address) = all.get_hostaddrs().get(place) {
        config.hostaddr(*address);
    }
    if let Some(port) = all.get_ports().get(place).or(all.get_ports().first()) {
        config.port(*port);
    }
    if let Some(value) = all.get_user() {
        config.user(value);
    }
    if let Some(value) = all.get_dbname() {
        config.dbname(value);
    }
    if let Some(value) = all.get_options() {
        config.options(value);
    }
    if let Some(value) = all.get_application_name() {
        config.application_name(value);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    config.keepalives(all.get_keepalives());
    config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
    config.channel_binding(all.get_channel_binding());
    config
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::passing(format!("no answer within {} ms", deadline.as_millis()))),
    }
}
