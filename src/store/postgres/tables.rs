//! What a host asks of the database.
//!
//! Owns: the questions, and what each answer means. Must never know: SQL, when a question is asked.
//!
//! Every call is one statement: it is carried out as a whole or not at all. After an error, it may have been carried
//! out. The times are the database's own.

use futures_util::future::BoxFuture;

use super::balance::Host;
pub use super::connection::Trouble;
pub use super::lease::{Found, Link};
pub use crate::store::journal::entry::{ChainHash, Entry};

/// The answer to a call, or why there is none.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Trouble>>;

/// Entries to be added after the end of the facts.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// The session of the host.
    pub session: i64,
    /// Where the facts must end.
    pub old: Link,
    /// Where they end afterwards.
    pub new: Link,
    /// The entries in between.
    pub entries: &'a [Entry],
}

/// Accounts, each with its fence.
pub type Fenced = Vec<(String, i64)>;

/// The tables that hosts share.
pub trait Tables: Send + Sync {
    /// Creates the tables or brings them up to date.
    fn prepare(&self) -> Answer<'_, ()>;
    /// Where the facts end; none: there have never been any. Refuses tables that are newer than this program.
    fn look(&self) -> Answer<'_, Option<Link>>;
    /// Up to `limit` entries after a sequence.
    fn read(&self, after: u64, limit: u32) -> Answer<'_, Vec<Entry>>;
    /// Adds entries, if the facts still end at `old` and the session lasts; otherwise does nothing and returns false.
    fn append<'a>(&'a self, append: Append<'a>) -> Answer<'a, bool>;
    /// What is known about an append whose first entry has this sequence.
    fn written(&self, session: i64, first: u64) -> Answer<'_, Found>;

    /// Begins a session for `term_ms` milliseconds and ends every other session of this host. `accounts` is a digest of
    /// the accounts that the host is configured for.
    fn enter<'a>(&'a self, host: &'a str, term_ms: f64, accounts: &'a str) -> Answer<'a, i64>;
    /// Makes a session last `term_ms` from now. False: it has ended. No other call of this host delays it.
    fn renew<'a>(&'a self, session: i64, term_ms: f64, accounts: &'a str) -> Answer<'a, bool>;
    /// Ends a session.
    fn leave(&self, session: i64) -> Answer<'_, ()>;
    /// Ends the sessions that were not renewed in time. A session that has ended never lasts again.
    fn end_expired(&self) -> Answer<'_, ()>;

    /// The hosts with a session, oldest first, without the numbers of their accounts.
    fn hosts(&self) -> Answer<'_, Vec<Host>>;
    /// How many accounts each session has, and whether it is the keeper.
    fn counts(&self) -> Answer<'_, Vec<(i64, u64, bool)>>;
    /// Adds accounts that are not known yet. No host has them.
    fn declare<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()>;
    /// The accounts that no host has.
    fn free(&self) -> Answer<'_, Fenced>;
    /// Those of them that their hosts have given up.
    fn given_up(&self) -> Answer<'_, Fenced>;
    /// Takes the accounts whose fence has not changed since they were free, if the session lasts. Returns those that it
    /// took, each with its new fence.
    fn take<'a>(&'a self, session: i64, free: &'a [(String, i64)]) -> Answer<'a, Fenced>;
    /// Lets other hosts take accounts of this session.
    fn give_up<'a>(&'a self, session: i64, held: &'a [(String, i64)]) -> Answer<'a, ()>;
    /// The accounts of a session.
    fn own(&self, session: i64) -> Answer<'_, Fenced>;
    /// The host that has an account.
    fn owner<'a>(&'a self, account: &'a str) -> Answer<'a, Option<String>>;
}
