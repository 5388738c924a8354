//! Rows as values.
//!
//! Owns: which column is what. Must never know: when a row is read.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::balance::Host;
use super::tables::{ChainHash, Entry, Fenced, Found, Link, Trouble};

/// A number as a column has it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column as a number.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Where the facts end.
pub(super) fn link(sequence: i64, hash: &[u8]) -> Result<Link, Trouble> {
    Ok(Link { sequence: unsigned(sequence), hash: chain_hash(hash)? })
}

fn chain_hash(bytes: &[u8]) -> Result<ChainHash, Trouble> {
    bytes.try_into().map_err(|_| Trouble::permanent("a hash in the database does not have 32 bytes"))
}

/// What the database says about an append.
pub(super) fn found(row: &Row) -> Result<Found, Trouble> {
    let entry: Option<(&[u8], i64)> = row.get::<_, Option<&[u8]>>(3).zip(row.get(4));
    Ok(Found {
        end: link(row.get(0), row.get(1))?,
        lasts: row.get(2),
        entry: entry.map(|(hash, session)| Ok::<_, Trouble>((chain_hash(hash)?, session))).transpose()?,
    })
}

/// A row of the hosts. It does not say how many accounts the host has.
pub(super) fn host(row: &Row) -> Host {
    Host {
        session: row.get(0),
        name: row.get(1),
        accounts: row.get(2),
        since: Timestamp::from_second(row.get(3)).unwrap_or_default(),
        has: 0,
        is_keeper: false,
    }
}

/// Rows of accounts, each with its fence.
pub(super) fn fenced(rows: &[Row]) -> Fenced {
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
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
