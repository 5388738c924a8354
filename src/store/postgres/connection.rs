//! One connection to the database. Every call has a deadline on this side.
//!
//! Owns: how it is made, what an error says and whether trying again can help. Must never know: the statements.
//!
//! A frozen server keeps a client waiting that has no deadline of its own, and neither `statement_timeout` nor
//! keepalives end that. After a call that failed or took too long, the connection is dropped: its state is unknown.
//! Statements are sent unnamed and without session state, so that a pooler may stand in between.

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;
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

    /// Something that may be over soon.
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
    /// Connects to the first of the hosts that accepts writes. Each call may take `deadline`.
    pub(super) async fn open(config: &Config, deadline: Duration) -> Result<Connection, Trouble> {
        let mut config = config.clone();
        config.target_session_attrs(TargetSessionAttrs::ReadWrite).connect_timeout(deadline);
        config.keepalives_idle(KEEPALIVE).tcp_user_timeout(KEEPALIVE);
        if config.get_options().is_none() {
            config.options(OPTIONS);
        }
        if config.get_application_name().is_none() {
            config.application_name("reconciled");
        }
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1);
        let (client, driving) = within(deadline * hosts.max(1), config.connect(Tls)).await?;
        let driver = tokio::spawn(async move {
            // Its end shows in the next call.
            let _ = driving.await;
        });
        Ok(Connection { client, deadline, driver })
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

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::passing(format!("no answer within {} ms", deadline.as_millis()))),
    }
}
