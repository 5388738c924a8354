//! A store that several hosts share: PostgreSQL has the facts, and each host works on its own accounts.
//!
//! Owns: the hosts' sessions, the rows, and that a host's journal files are a copy of the rows. Must never know: what a
//! fact says.
//!
//! The facts are one chain. A host adds to its end in the database first (`database`), and then to its own files. If
//! another host was quicker, the statement adds nothing. The host then reads what the other one wrote, and decides
//! again what to write. All hosts follow the rows and apply them to their own files and index (`follow`). So whatever
//! reads a store reads files, as in a store of one host; this includes its check and its backup. A takeover loads
//! nothing. The folder of any host is a complete copy of the facts.
//!
//! A host has a session, which it renews (`lease`). An account belongs to at most one session (`balance`). While the
//! session is trusted, no other host can take its accounts. When it has ended, the host sends nothing, and the database
//! accepts nothing from it. So the number of the session is the fencing token of every write, and a host renews one
//! row, however many accounts it has. An account has a fence of its own: a number that grows whenever a host takes it.
//! There is no row for the quota. A host counts an account's quota in its own memory, and begins with an empty budget
//! when it takes an account.
//!
//! | File | What |
//! |---|---|
//! | `lease` | how long a session is trusted, and the outcome of an append whose answer was lost: pure |
//! | `balance` | which accounts a host takes and gives up: pure |
//! | `connection` | one connection: a deadline for every call, `tls` |
//! | `schema` | the tables and their versions |
//! | `tables` | what a host asks of the database, as a trait |
//! | `statements` | the same in SQL; `rows`: rows as values |
//! | `database` | begin, renew and end a session; read; `append`: add facts; `hosts`: take and give up accounts |
//! | `follow` | a copy follows the rows; opening a shared store |
//! | `fleet` | what other modules may ask about hosts and accounts |
//! | `check` | the self-check of the rows |
//! | `import` | the facts of a store of one host become rows |
//! | `sql/` | every statement |

mod balance;
mod check;
mod connection;
mod database;
mod fleet;
mod follow;
mod import;
mod lease;
mod rows;
mod schema;
mod statements;
pub mod tables;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::SharedClock;
use crate::secret::Secret;

pub use balance::{Balance, Host, KEEPER, Plan, Seen};
pub(crate) use check::check_rows;
pub(crate) use database::Database;
pub use fleet::Fleet;
pub(crate) use follow::{keep_following, open, unlinked};
pub use import::{Imported, import};
pub(crate) use tables::Link;
use tables::Tables;

/// Rows read at once.
pub(crate) const PAGE: u32 = 500;

/// How a store that several hosts share is reached.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub tables: Arc<dyn Tables>,
    /// How long a session lasts without being renewed. Other hosts take its accounts after that time.
    pub lease_term: Duration,
    /// Measures how long the session is trusted. Its wall time is not used.
    pub clock: SharedClock,
    /// What to do, about once a second, while the database does not answer. None: fail at once.
    pub while_waiting: Option<WhileWaiting>,
}

/// Is called with what is known, about once a second.
pub type WhileWaiting = Arc<dyn Fn(&Waiting) + Send + Sync>;

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("lease_term", &self.lease_term).finish_non_exhaustive()
    }
}

/// What a host knows while it opens a shared store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many facts this host has not applied yet.
    pub behind: u64,
    /// Why the database does not answer, if it does not.
    pub trouble: Option<String>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            Some(trouble) => write!(formatter, "waiting: the database does not answer: {trouble}"),
            None => write!(formatter, "following the database: {} facts behind", self.behind),
        }
    }
}

/// The address of a database, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Option<Secret<String>>);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

impl DatabaseUrl {
    /// An address such as `postgresql://user:password@one,two/reconciled`.
    ///
    /// # Errors
    /// What is wrong with it, without the address itself.
    pub fn new(url: Secret<String>) -> Result<DatabaseUrl, &'static str> {
        let url = DatabaseUrl(Some(url));
        let config = url.config()?;
        if config.get_hosts().is_empty() {
            return Err("it names no host");
        }
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        if ports > 1 && ports != hosts {
            return Err("it names some hosts without a port");
        }
        if config.get_user().is_none() {
            return Err("it names no user");
        }
        Ok(url)
    }

    /// The address of a caller who may not read it. With it, no store can be opened.
    pub fn unread() -> DatabaseUrl {
        DatabaseUrl(None)
    }

    /// The database at the address, for hosts whose sessions last for `lease_term`. Connects to nothing yet.
    pub fn tables(&self, lease_term: Duration) -> Arc<dyn Tables> {
        Arc::new(statements::Statements::new(self.clone(), lease::Term(lease_term).deadline()))
    }

    fn config(&self) -> Result<tokio_postgres::Config, &'static str> {
        let url = self.0.as_ref().ok_or("it could not be read by this user")?;
        tokio_postgres::Config::from_str(url.expose()).map_err(|_| "it is not a valid PostgreSQL address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_prints_and_is_checked() {
        let url = |text: &str| DatabaseUrl::new(Secret::new(text.to_owned()));
        let good = url("postgresql://reconciled:hush@db-1,db-2/reconciled?target_session_attrs=read-write");
        assert_eq!(format!("{good:?}"), "Ok([hidden])");
        for bad in ["", "mysql://a@b/c", "postgresql://db-1/reconciled", "postgresql://u:hush@h:port/x"] {
            let why = url(bad).unwrap_err();
            assert!(!why.contains("hush"), "{bad}: {why}");
        }
        assert!(DatabaseUrl::unread().config().is_err());
    }
}
