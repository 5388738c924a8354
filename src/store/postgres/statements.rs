//! The tables in PostgreSQL: every question is one statement.
//!
//! Owns: the statements with their parameters, and two connections. Must never know: when a question is asked, what an
//! answer is used for.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::DatabaseUrl;
use super::balance::Host;
use super::connection::{Connection, Parameter};
use super::rows::{entry, fenced, found, host, link, signed, unsigned};
use super::schema;
use super::tables::{Answer, Append, ChainHash, Entry, Fenced, Found, Link, Tables, Trouble};

/// The name of the counter of sessions; there is no other in a database.
const NAME: &str = "store";
/// After this many facts, their end is in a new row. The same number as in the migration.
const PART: i64 = 256;

const APPEND: &str = include_str!("sql/append.sql");
const BURY: &str = include_str!("sql/bury.sql");
const CONFIRM: &str = include_str!("sql/confirm.sql");
const COUNTS: &str = include_str!("sql/counts.sql");
const DECLARE: &str = include_str!("sql/declare.sql");
const ENTER: &str = include_str!("sql/enter.sql");
const FREE: &str = include_str!("sql/free.sql");
const GIVEN_UP: &str = include_str!("sql/given_up.sql");
const GIVE_UP: &str = include_str!("sql/give_up.sql");
const HOSTS: &str = include_str!("sql/hosts.sql");
const LEAVE: &str = include_str!("sql/leave.sql");
const LOOK: &str = include_str!("sql/look.sql");
const OWN: &str = include_str!("sql/own.sql");
const OWNER: &str = include_str!("sql/owner.sql");
const READ: &str = include_str!("sql/read.sql");
const RENEW: &str = include_str!("sql/renew.sql");
const TAKE: &str = include_str!("sql/take.sql");
const WRITTEN: &str = include_str!("sql/written.sql");

/// The database, in SQL. Connects on the first call.
pub(super) struct Statements {
    url: DatabaseUrl,
    deadline: Duration,
    connection: Mutex<Option<Connection>>,
    /// For renewals alone, so that they wait for no other call.
    renewing: Mutex<Option<Connection>>,
}

impl Statements {
    /// Each call may take `deadline`.
    pub(super) fn new(url: DatabaseUrl, deadline: Duration) -> Statements {
        Statements { url, deadline, connection: Mutex::default(), renewing: Mutex::default() }
    }

    /// Connects. After a crash, a primary shows rows that its synchronous replica may lack. So with `confirm`, nothing is
    /// read before the replica has them.
    async fn connect(&self, confirm: bool) -> Result<Connection, Trouble> {
        let unusable = |why| Trouble::permanent(format!("its address cannot be used: {why}"));
        let config = self.url.config().map_err(unusable)?;
        Connection::open(&config, self.deadline, confirm.then_some(CONFIRM)).await
    }

    async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        self.query_by(&self.connection, true, sql, parameters).await
    }

    /// Carries out a statement. The connection is dropped when that fails.
    async fn query_by(
        &self,
        connection: &Mutex<Option<Connection>>,
        confirm: bool,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Trouble> {
        let mut held = connection.lock().await;
        let connection = match held.take() {
            Some(connection) => connection,
            None => self.connect(confirm).await?,
        };
        let rows = connection.query(sql, parameters).await?;
        *held = Some(connection);
        Ok(rows)
    }

    /// Carries out a statement on a session's accounts.
    async fn change(&self, sql: &str, session: i64, accounts: &[(String, i64)]) -> Result<Vec<Row>, Trouble> {
        let names: Vec<&str> = accounts.iter().map(|(name, _)| name.as_str()).collect();
        let fences: Vec<i64> = accounts.iter().map(|(_, fence)| *fence).collect();
        let parameters: [Parameter<'_>; 3] =
            [(&session, Type::INT8), (&names, Type::TEXT_ARRAY), (&fences, Type::INT8_ARRAY)];
        self.query(sql, &parameters).await
    }

    async fn add(&self, append: Append<'_>) -> Result<bool, Trouble> {
        let Append { session, old, new, entries } = append;
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

impl Tables for Statements {
    fn prepare(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let connection = self.connect(true).await?;
            schema::prepare(&connection).await?;
            *self.connection.lock().await = Some(connection);
            Ok(())
        })
    }

    fn look(&self) -> Answer<'_, Option<Link>> {
        Box::pin(async {
            let rows = self.query(LOOK, &[]).await?;
            let found = rows.first().map(|row| link(row.get(0), row.get(1))).transpose()?;
            let mut held = self.connection.lock().await;
            if let Some(connection) = held.take() {
                schema::check(&connection).await?;
                *held = Some(connection);
            }
            Ok(found)
        })
    }

    fn read(&self, after: u64, limit: u32) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let (after, limit) = (signed(after), i64::from(limit));
            let rows = self.query(READ, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
            rows.iter().map(entry).collect()
        })
    }

    fn append<'a>(&'a self, append: Append<'a>) -> Answer<'a, bool> {
        Box::pin(self.add(append))
    }

    fn written(&self, session: i64, first: u64) -> Answer<'_, Found> {
        Box::pin(async move {
            let first = signed(first);
            let rows = self.query(WRITTEN, &[(&first, Type::INT8), (&session, Type::INT8)]).await?;
            rows.first().map_or_else(|| Ok(Found::default()), found)
        })
    }

    fn enter<'a>(&'a self, host: &'a str, term_ms: f64, accounts: &'a str) -> Answer<'a, i64> {
        Box::pin(async move {
            let zero = ChainHash::default();
            let zero = zero.as_slice();
            let parameters: [Parameter<'_>; 5] = [
                (&NAME, Type::TEXT),
                (&host, Type::TEXT),
                (&term_ms, Type::FLOAT8),
                (&zero, Type::BYTEA),
                (&accounts, Type::TEXT),
            ];
            let rows = self.query(ENTER, &parameters).await?;
            rows.first().map(|row| row.get(0)).ok_or_else(|| Trouble::permanent("no session was returned"))
        })
    }

    fn renew<'a>(&'a self, session: i64, term_ms: f64, accounts: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let parameters: [Parameter<'_>; 3] =
                [(&session, Type::INT8), (&term_ms, Type::FLOAT8), (&accounts, Type::TEXT)];
            Ok(!self.query_by(&self.renewing, false, RENEW, &parameters).await?.is_empty())
        })
    }

    fn leave(&self, session: i64) -> Answer<'_, ()> {
        Box::pin(async move { self.query(LEAVE, &[(&session, Type::INT8)]).await.map(drop) })
    }

    fn end_expired(&self) -> Answer<'_, ()> {
        Box::pin(async { self.query(BURY, &[]).await.map(drop) })
    }

    fn hosts(&self) -> Answer<'_, Vec<Host>> {
        Box::pin(async { Ok(self.query(HOSTS, &[]).await?.iter().map(host).collect()) })
    }

    fn counts(&self) -> Answer<'_, Vec<(i64, u64, bool)>> {
        Box::pin(async {
            let rows = self.query(COUNTS, &[]).await?;
            Ok(rows.iter().map(|row| (row.get(0), unsigned(row.get(1)), row.get(2))).collect())
        })
    }

    fn declare<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move { self.query(DECLARE, &[(&names, Type::TEXT_ARRAY)]).await.map(drop) })
    }

    fn free(&self) -> Answer<'_, Fenced> {
        Box::pin(async { Ok(fenced(&self.query(FREE, &[]).await?)) })
    }

    fn given_up(&self) -> Answer<'_, Fenced> {
        Box::pin(async { Ok(fenced(&self.query(GIVEN_UP, &[]).await?)) })
    }

    fn take<'a>(&'a self, session: i64, free: &'a [(String, i64)]) -> Answer<'a, Fenced> {
        Box::pin(async move { Ok(fenced(&self.change(TAKE, session, free).await?)) })
    }

    fn give_up<'a>(&'a self, session: i64, held: &'a [(String, i64)]) -> Answer<'a, ()> {
        Box::pin(async move { self.change(GIVE_UP, session, held).await.map(drop) })
    }

    fn own(&self, session: i64) -> Answer<'_, Fenced> {
        Box::pin(async move { Ok(fenced(&self.query(OWN, &[(&session, Type::INT8)]).await?)) })
    }

    fn owner<'a>(&'a self, account: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move {
            let rows = self.query(OWNER, &[(&account, Type::TEXT)]).await?;
            Ok(rows.first().map(|row| row.get(0)))
        })
    }
}
