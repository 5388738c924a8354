//! A store that several hosts share: PostgreSQL has the facts, and one host at a time works.
//!
//! Owns: the lease, the rows, and that a host's journal files are a copy of the rows. Must never know: what a fact says.
//!
//! The facts are written to the database first (`database`), by the host that has the lease (`lease`), and then to its
//! own files. The other hosts follow the rows and apply them to their own files and index (`follow`). So everything
//! that reads a store, its check and its backup read files, as in a store of one host; a takeover loads nothing; and the
//! folder of any host is a whole copy of the facts.
//!
//! | File | What |
//! |---|---|
//! | `lease` | how long a lease is trusted, and the outcome of an append whose answer was lost: pure |
//! | `connection` | one connection: a deadline for every call, `tls` |
//! | `schema` | the tables and their versions |
//! | `database` | take, renew and return the lease; append, read |
//! | `rows` | rows as values |
//! | `follow` | a copy follows the rows; opening a shared store; standing by |
//! | `check` | the self-check of the rows |
//! | `import` | the facts of a store of one host become rows |
//! | `sql/` | every statement |

mod check;
mod connection;
mod database;
mod follow;
mod import;
mod lease;
mod rows;
mod schema;
mod tls;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::SharedClock;
use crate::secret::Secret;

pub(crate) use check::check_rows;
pub(crate) use database::Database;
pub(crate) use follow::open;
pub use import::{Imported, import};

/// How a store that several hosts share is reached.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub url: DatabaseUrl,
    /// How long a lease lasts without being renewed. Another host takes over after that time.
    pub lease_term: Duration,
    /// Measures how long the lease is trusted. Its wall time is not used.
    pub clock: SharedClock,
    /// What to do, about once a second, while another host works; none: fail at once.
    pub standing_by: Option<StandingBy>,
}

/// Is called with what a standby knows, about once a second.
pub type StandingBy = Arc<dyn Fn(&Standby) + Send + Sync>;

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("lease_term", &self.lease_term).finish_non_exhaustive()
    }
}

/// What a host knows while another one works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standby {
    /// The host that works; none: nobody is known to.
    pub owner: Option<String>,
    /// How often the store has changed hands.
    pub fence: u64,
    /// How many facts this host has not applied yet.
    pub behind: u64,
    /// Why the database does not answer, if it does not.
    pub trouble: Option<String>,
}

impl fmt::Display for Standby {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.trouble, &self.owner) {
            (Some(trouble), _) => write!(formatter, "standby: the database does not answer: {trouble}"),
            (None, Some(owner)) => write!(
                formatter,
                "standby: {owner} works, fence {}, {} facts behind",
                self.fence, self.behind
            ),
            (None, None) => write!(formatter, "standby: no host works, {} facts behind", self.behind),
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
        if config.get_user().is_none() {
            return Err("it names no user");
        }
        Ok(url)
    }

    /// The address of a caller who may not read it. With it, no store can be opened.
    pub fn unread() -> DatabaseUrl {
        DatabaseUrl(None)
    }

    fn config(&self) -> Result<tokio_postgres::Config, &'static str> {
        let url = self.0.as_ref().ok_or("it could not be read by this user")?;
        tokio_postgres::Config::from_str(url.expose()).map_err(|_| "it is not an address of PostgreSQL")
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

    #[test]
    fn a_standby_says_who_works() {
        let standby = Standby { owner: Some("host-a".to_owned()), fence: 7, behind: 3, trouble: None };
        assert_eq!(standby.to_string(), "standby: host-a works, fence 7, 3 facts behind");
        let cut_off = Standby { trouble: Some("timeout".to_owned()), ..standby };
        assert_eq!(cut_off.to_string(), "standby: the database does not answer: timeout");
    }
}
