//! The hosts and the accounts that each has.
//!
//! Owns: these calls, and how often all accounts are read. Must never know: who should have which account.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::balance::{Host, Seen};
use super::super::tables::{Fenced, Trouble};
use super::{Database, Inner};
use crate::store::mutex::locked;

/// All accounts are read at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);

impl Database {
    /// Adds accounts that are not known yet, and says which ones this host is configured for.
    pub(in super::super) fn declare(&self, names: &[String], digest: String) -> Result<(), Trouble> {
        *locked(&self.inner.accounts) = digest;
        self.ask(self.inner.tables.declare(names))?;
        self.calls.wait_for(self.inner.renew()).map(drop)
    }

    /// The hosts and the accounts that no host has. Sessions that were not renewed in time are ended first.
    pub(in super::super) fn see(&self) -> Result<Seen, Trouble> {
        let seen = self.calls.wait_for(self.inner.see())?;
        locked(&self.inner.seen).clone_from(&seen);
        Ok(seen)
    }

    /// What [`Database::see`] returned last.
    pub(in super::super) fn seen(&self) -> Seen {
        locked(&self.inner.seen).clone()
    }

    /// Takes accounts that were free, unless another host was quicker. Returns those that this host now has, each with
    /// its new fence.
    pub(in super::super) fn take(&self, free: &[(String, i64)]) -> Result<Fenced, Trouble> {
        self.inner.looked_until.store(0, Ordering::SeqCst);
        self.ask(self.inner.tables.take(self.session(), free))
    }

    /// Lets other hosts take these accounts. This host must have stopped working on them.
    pub(in super::super) fn give_up(&self, held: &[(String, i64)]) -> Result<(), Trouble> {
        self.inner.looked_until.store(0, Ordering::SeqCst);
        self.ask(self.inner.tables.give_up(self.session(), held))
    }

    /// The accounts of this host, each with its fence.
    pub(in super::super) fn own(&self) -> Result<Fenced, Trouble> {
        self.ask(self.inner.tables.own(self.session()))
    }

    /// The host that has an account, if one has.
    pub(in super::super) fn owner(&self, account: &str) -> Result<Option<String>, Trouble> {
        self.ask(self.inner.tables.owner(account))
    }
}

impl Inner {
    /// There may be a million accounts. So all of them are read only when a host has joined or left, when this host has
    /// changed something, while there are free ones, and every [`LOOK_EVERY`].
    async fn see(&self) -> Result<Seen, Trouble> {
        self.ask(self.tables.end_expired()).await?;
        let mut hosts: Vec<Host> = self.ask(self.tables.hosts()).await?;
        let last = locked(&self.seen).hosts.clone();
        let is_same = hosts.iter().map(|host| host.session).eq(last.iter().map(|host| host.session));
        let is_enough =
            is_same && self.now() < Duration::from_micros(self.looked_until.load(Ordering::SeqCst));
        let free = if is_enough {
            for (host, last) in hosts.iter_mut().zip(last) {
                (host.has, host.is_keeper) = (last.has, last.is_keeper);
            }
            self.ask(self.tables.given_up()).await?
        } else {
            for (session, has, is_keeper) in self.ask(self.tables.counts()).await? {
                if let Some(host) = hosts.iter_mut().find(|host| host.session == session) {
                    (host.has, host.is_keeper) = (has, is_keeper);
                }
            }
            let free = self.ask(self.tables.free()).await?;
            let until = u64::try_from((self.now() + LOOK_EVERY).as_micros()).unwrap_or(u64::MAX);
            self.looked_until.store(if free.is_empty() { until } else { 0 }, Ordering::SeqCst);
            free
        };
        Ok(Seen { hosts, free })
    }
}
