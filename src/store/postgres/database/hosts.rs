//! The hosts and the accounts that each has.
//!
//! Owns: these calls, and how often all accounts are read. Must never know: who should have which account.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::balance::{Host, Seen};
use super::super::connection::{Parameter, Trouble};
use super::super::rows::{host, unsigned};
use super::{Database, Inner};
use crate::store::mutex::locked;

/// All accounts are read at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const HOSTS: &str = include_str!("../sql/hosts.sql");
const COUNTS: &str = include_str!("../sql/counts.sql");
const GIVEN_UP: &str = include_str!("../sql/given_up.sql");
const FREE: &str = include_str!("../sql/free.sql");
const DECLARE: &str = include_str!("../sql/declare.sql");
const TAKE: &str = include_str!("../sql/take.sql");
const GIVE_UP: &str = include_str!("../sql/give_up.sql");
const OWN: &str = include_str!("../sql/own.sql");
const OWNER: &str = include_str!("../sql/owner.sql");
const BURY: &str = include_str!("../sql/bury.sql");

impl Database {
    /// Adds accounts that are not known yet, and says which ones this host is configured for.
    pub(in super::super) fn declare(&self, names: &[String], digest: String) -> Result<(), Trouble> {
        *locked(&self.inner.accounts) = digest;
        self.block_on(async {
            self.inner.query(DECLARE, &[(&names, Type::TEXT_ARRAY)]).await?;
            self.inner.renew().await.map(|_| ())
        })
    }

    /// The hosts and the accounts that no host has. Sessions that were not renewed in time are ended first.
    pub(in super::super) fn see(&self) -> Result<Seen, Trouble> {
        let seen = self.block_on(self.inner.see())?;
        locked(&self.inner.seen).clone_from(&seen);
        Ok(seen)
    }

    /// What [`Database::see`] returned last.
    pub(in super::super) fn seen(&self) -> Seen {
        locked(&self.inner.seen).clone()
    }

    /// Takes accounts that were free, unless another host was quicker. Returns those that this host now has, each with
    /// its new fence.
    pub(in super::super) fn take(&self, free: &[(String, i64)]) -> Result<Vec<(String, i64)>, Trouble> {
        let rows = self.change(TAKE, free)?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Lets other hosts take these accounts. This host must have stopped working on them.
    pub(in super::super) fn give_up(&self, held: &[(String, i64)]) -> Result<(), Trouble> {
        self.change(GIVE_UP, held).map(|_| ())
    }

    /// Carries out a statement on accounts and their fences.
    fn change(&self, sql: &str, accounts: &[(String, i64)]) -> Result<Vec<Row>, Trouble> {
        let names: Vec<&str> = accounts.iter().map(|(name, _)| name.as_str()).collect();
        let fences: Vec<i64> = accounts.iter().map(|(_, fence)| *fence).collect();
        let session = self.session();
        let parameters: [Parameter<'_>; 3] =
            [(&session, Type::INT8), (&names, Type::TEXT_ARRAY), (&fences, Type::INT8_ARRAY)];
        self.inner.looked_until.store(0, Ordering::SeqCst);
        self.block_on(self.inner.query(sql, &parameters))
    }

    /// The accounts of this host, each with its fence.
    pub(in super::super) fn own(&self) -> Result<Vec<(String, i64)>, Trouble> {
        let session = self.session();
        let rows = self.block_on(self.inner.query(OWN, &[(&session, Type::INT8)]))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The host that has an account, if one has.
    pub(in super::super) fn owner(&self, account: &str) -> Result<Option<String>, Trouble> {
        let rows = self.block_on(self.inner.query(OWNER, &[(&account, Type::TEXT)]))?;
        Ok(rows.first().map(|row| row.get(0)))
    }
}

impl Inner {
    /// There may be a million accounts. So all of them are read only when a host has joined or left, when this host has
    /// changed something, while there are free ones, and every [`LOOK_EVERY`].
    async fn see(&self) -> Result<Seen, Trouble> {
        self.query(BURY, &[]).await?;
        let mut hosts: Vec<Host> = self.query(HOSTS, &[]).await?.iter().map(host).collect();
        let last = locked(&self.seen).hosts.clone();
        let is_same = hosts.iter().map(|host| host.session).eq(last.iter().map(|host| host.session));
        let is_enough =
            is_same && self.now() < Duration::from_micros(self.looked_until.load(Ordering::SeqCst));
        let free = if is_enough {
            for (host, last) in hosts.iter_mut().zip(last) {
                (host.has, host.is_keeper) = (last.has, last.is_keeper);
            }
            self.query(GIVEN_UP, &[]).await?
        } else {
            for row in self.query(COUNTS, &[]).await? {
                if let Some(host) = hosts.iter_mut().find(|host| host.session == row.get::<_, i64>(0)) {
                    (host.has, host.is_keeper) = (unsigned(row.get(1)), row.get(2));
                }
            }
            let free = self.query(FREE, &[]).await?;
            let until = u64::try_from((self.now() + LOOK_EVERY).as_micros()).unwrap_or(u64::MAX);
            self.looked_until.store(if free.is_empty() { until } else { 0 }, Ordering::SeqCst);
            free
        };
        Ok(Seen { hosts, free: free.iter().map(|row| (row.get(0), row.get(1))).collect() })
    }
}
