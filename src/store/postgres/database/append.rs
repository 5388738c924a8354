//! Adding facts after the end of the chain.
//!
//! Owns: that an append is repeated until its outcome is certain. Must never know: what a fact says.

use std::sync::atomic::Ordering;

use super::super::lease::{Outcome, judge};
use super::super::tables::{Append, Entry, Link, Trouble};
use super::{Database, PAUSE};

impl Database {
    /// Adds entries after `old`, which must be linked to it and to each other. Sends them until it is certain that they
    /// are there, or that they never will be, but not for longer than a session is trusted. True: they are durable.
    /// False: another host has written after `old` first, and nothing was added.
    pub(in super::super) fn append(&self, old: Link, entries: &[Entry]) -> Result<bool, String> {
        let inner = &self.inner;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(true) };
        let session = inner.session.load(Ordering::SeqCst);
        let new = Link { sequence: last.sequence, hash: last.hash };
        let until = inner.term.trusted_until(inner.now());
        let mut failed: Option<Trouble> = None;
        loop {
            inner.check();
            if let Some(why) = inner.ended.borrow().clone() {
                return Err(why);
            }
            if let Some(trouble) = failed.filter(|trouble| trouble.is_permanent || inner.now() >= until) {
                return Err(format!("the database takes no facts: {trouble}"));
            }
            failed = match self.ask(inner.tables.append(Append { session, old, new, entries })) {
                Ok(true) => return Ok(true),
                Ok(false) => None,
                Err(trouble) => Some(trouble),
            };
            // The entries may be there: this attempt may have failed after it wrote them, or an earlier one succeeded.
            let found = self.ask(inner.tables.written(session, first.sequence));
            match found.map(|found| judge(session, old, &first.hash, &found)) {
                Ok(Outcome::Written) => return Ok(true),
                Ok(Outcome::Elsewhere) => return Ok(false),
                Ok(Outcome::FencedOut) => return Err(inner.fenced_out()),
                Ok(Outcome::Lost) => {
                    let why = "the database has lost facts that this host has acknowledged".to_owned();
                    inner.end(&why);
                    return Err(why);
                }
                Ok(Outcome::NotWritten) | Err(_) => {}
            }
            inner.clock.block(PAUSE);
        }
    }
}
