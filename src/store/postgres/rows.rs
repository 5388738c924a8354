//! Rows as values.
//!
//! Owns: which column is what. Must never know: when a row is read.

use tokio_postgres::Row;

use super::connection::Trouble;
use super::lease::Link;
use crate::store::journal::entry::{ChainHash, Entry};

/// What the lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Who has it, or had it last; empty: it was returned.
    pub(super) owner: String,
    /// How often it was taken.
    pub(super) fence: u64,
    /// Where the facts end.
    pub(super) end: Link,
    /// Anybody may take it.
    pub(super) is_over: bool,
}

/// A number as a column has it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column as a number.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// An end of the facts.
pub(super) fn link(sequence: i64, hash: &[u8]) -> Result<Link, Trouble> {
    Ok(Link { sequence: unsigned(sequence), hash: chain_hash(hash)? })
}

fn chain_hash(bytes: &[u8]) -> Result<ChainHash, Trouble> {
    bytes.try_into().map_err(|_| Trouble::permanent("a hash in the database does not have 32 bytes"))
}

/// A row of the lease.
pub(super) fn found(row: &Row) -> Result<Found, Trouble> {
    Ok(Found {
        owner: row.get(0),
        fence: unsigned(row.get(1)),
        end: link(row.get(2), row.get(3))?,
        is_over: row.get(4),
    })
}

/// A row of the facts.
pub(super) fn entry(row: &Row) -> Result<Entry, Trouble> {
    Ok(Entry {
        sequence: unsigned(row.get(0)),
        group: unsigned(row.get(1)),
        hash: chain_hash(row.get(2))?,
        payload: row.get(3),
    })
}
