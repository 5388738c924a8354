//! Adding facts after the end of the chain.
//!
//! Owns: that an append is repeated until its outcome is certain. Must never know: what a fact says.

use std::sync::atomic::Ordering;

use tokio_postgres::types::Type;

use super::super::connection::{Parameter, Trouble};
use super::super::lease::{Found, Link, Outcome, judge};
use super::super::rows::{found, signed};
use super::{Inner, PAUSE};
use crate::store::journal::entry::Entry;

/// After this many facts, their end is in a new row. The same number as in the migration.
const PART: i64 = 256;
const APPEND: &str = include_str!("../sql/append.sql");
const WRITTEN: &str = include_str!("../sql/written.sql");

impl Inner {
    /// Sends the entries until it is certain that they are there, or that they never will be, but not for longer than a
    /// session is trusted. False: another host has written first.
    pub(super) async fn append(&self, old: Link, entries: &[Entry]) -> Result<bool, String> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(true) };
        let session = self.session.load(Ordering::SeqCst);
        let new = Link { sequence: last.sequence, hash: last.hash };
        let until = self.term.trusted_until(self.now());
        let mut failed: Option<Trouble> = None;
        loop {
            self.check();
            if let Some(why) = self.ended.borrow().clone() {
                return Err(why);
            }
            if let Some(trouble) = failed.filter(|trouble| trouble.is_permanent || self.now() >= until) {
                return Err(format!("the database takes no facts: {trouble}"));
            }
            failed = match self.try_append(session, old, new, entries).await {
                Ok(true) => return Ok(true),
                Ok(false) => None,
                Err(trouble) => Some(trouble),
            };
            // The entries may be there: this attempt may have failed after it wrote them, or an earlier one succeeded.
            let found = self.written(session, first.sequence).await;
            match found.map(|found| judge(session, old, &first.hash, &found)) {
                Ok(Outcome::Written) => return Ok(true),
                Ok(Outcome::Elsewhere) => return Ok(false),
                Ok(Outcome::FencedOut) => return Err(self.fenced_out()),
                Ok(Outcome::Lost) => {
                    let why = "the database has lost facts that this host has acknowledged".to_owned();
                    self.end(&why);
                    return Err(why);
                }
                Ok(Outcome::NotWritten) | Err(_) => {}
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    async fn written(&self, session: i64, first: u64) -> Result<Found, Trouble> {
        let first = signed(first);
        let parameters: [Parameter<'_>; 2] = [(&first, Type::INT8), (&session, Type::INT8)];
        let rows = self.query(WRITTEN, &parameters).await?;
        rows.first().map_or_else(|| Ok(Found::default()), found)
    }

    /// False: the session has ended, or the facts end elsewhere.
    async fn try_append(
        &self,
        session: i64,
        old: Link,
        new: Link,
        entries: &[Entry],
    ) -> Result<bool, Trouble> {
        let (old_sequence, new_sequence) = (signed(old.sequence), signed(new.sequence));
        let (old_part, new_part) = (old_sequence / PART, new_sequence / PART);
        let (old_hash, new_hash) = (old.hash.as_slice(), new.hash.as_slice());
        let sequences: Vec<i64> = entries.iter().map(|entry| signed(entry.sequence)).collect();
        let groups: Vec<i64> = entries.iter().map(|entry| signed(entry.group)).collect();
        let hashes: Vec<&[u8]> = entries.iter().map(|entry| entry.hash.as_slice()).collect();
        let payloads: Vec<&[u8]> = entries.iter().map(|entry| entry.payload.as_slice()).collect();
        let parameters: [Parameter<'_>; 11] = [
            (&old_part, Type::INT8),
            (&session, Type::INT8),
            (&old_sequence, Type::INT8),
            (&old_hash, Type::BYTEA),
            (&new_sequence, Type::INT8),
            (&new_hash, Type::BYTEA),
            (&sequences, Type::INT8_ARRAY),
            (&groups, Type::INT8_ARRAY),
            (&hashes, Type::BYTEA_ARRAY),
            (&payloads, Type::BYTEA_ARRAY),
            (&new_part, Type::INT8),
        ];
        let rows = self.query(APPEND, &parameters).await?;
        let added: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(added > 0)
    }
}
