//! The database as a host uses it: take, renew and return the lease; append and read facts.
//!
//! Owns: the order of these calls, the runtime on which they run, and that nothing is written without the lease.
//! Must never know: what a fact says, files.
//!
//! Callers block. The calls and the renewals run on a thread of their own, so that neither a busy process nor paused
//! time delays a renewal.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{Config, Row};

use super::Shared;
use super::connection::{Connection, Parameter, Trouble};
use super::lease::{Link, Outcome, Term, judge};
use super::rows::{Found, entry, found, link, signed, unsigned};
use super::schema;
use crate::clock::SharedClock;
use crate::store::journal::Original;
use crate::store::journal::entry::{ChainHash, Entry};
use crate::store::journal::segment::Position;
use crate::store::mutex::locked;

/// The name of the only lease that there is today.
const NAME: &str = "store";
/// How long to wait after a failed call.
const PAUSE: Duration = Duration::from_millis(200);

const TAKE: &str = include_str!("sql/take.sql");
const RENEW: &str = include_str!("sql/renew.sql");
const RETURN: &str = include_str!("sql/return.sql");
const LOOK: &str = include_str!("sql/look.sql");
const READ: &str = include_str!("sql/read.sql");
const APPEND: &str = include_str!("sql/append.sql");

/// See the module.
pub(crate) struct Database {
    inner: Arc<Inner>,
    renewals: StdMutex<Option<JoinHandle<()>>>,
    runtime: Option<Runtime>,
}

struct Inner {
    config: Config,
    owner: String,
    term: Term,
    clock: SharedClock,
    connection: Mutex<Option<Connection>>,
    /// Of the lease that this host has; 0: it has none.
    fence: AtomicI64,
    /// Until when it is trusted, in microseconds of the monotonic clock.
    trusted_until: AtomicU64,
    /// Why the last failed call failed, unless the lease was renewed since.
    trouble: StdMutex<Option<String>>,
    /// Why nothing may be sent any more.
    ended: watch::Sender<Option<String>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Database").field("owner", &self.inner.owner).finish_non_exhaustive()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Database {
    /// Connects to nothing yet. `owner` must not be used by another folder.
    pub(super) fn new(shared: &Shared, owner: String) -> Result<Database, String> {
        let config = shared.url.config().map_err(|why| format!("its address cannot be used: {why}"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("database")
            .enable_all()
            .build()
            .map_err(|error| format!("no thread can be started: {error}"))?;
        let inner = Inner {
            config,
            owner,
            term: Term(shared.lease_term),
            clock: shared.clock.clone(),
            connection: Mutex::new(None),
            fence: AtomicI64::new(0),
            trusted_until: AtomicU64::new(0),
            trouble: StdMutex::new(None),
            ended: watch::Sender::new(None),
        };
        Ok(Database { inner: Arc::new(inner), renewals: StdMutex::new(None), runtime: Some(runtime) })
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is there until this is dropped").block_on(work)
    }

    /// Who this host is.
    pub(super) fn owner(&self) -> &str {
        &self.inner.owner
    }

    /// Waits.
    pub(super) fn pause(&self, duration: Duration) {
        self.block_on(async { self.inner.clock.sleep(duration).await });
    }

    /// Creates the tables or brings them up to date.
    pub(super) fn prepare(&self) -> Result<(), Trouble> {
        self.block_on(self.inner.prepare())
    }

    /// What the lease says; none: nobody has ever had it. Refuses tables that are newer than this program.
    pub(super) fn look(&self) -> Result<Option<Found>, Trouble> {
        self.block_on(self.inner.look_and_check())
    }

    /// Takes the lease and renews it from now on. Returns where the facts end; none: another host has it.
    pub(super) fn take(&self) -> Result<Option<Link>, Trouble> {
        let taken = self.block_on(self.inner.take())?;
        if taken.is_some() {
            self.abandon();
            let renewing = Arc::clone(&self.inner).keep_renewing();
            let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
            *locked(&self.renewals) = Some(runtime.spawn(renewing));
        }
        Ok(taken)
    }

    /// Up to `limit` entries after a sequence.
    pub(super) fn read(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Trouble> {
        self.block_on(self.inner.read(after, limit))
    }

    /// Adds entries after `old`, which must be linked to it and to each other. When it returns, they are durable.
    pub(super) fn append(&self, old: Link, entries: &[Entry]) -> Result<(), String> {
        self.block_on(self.inner.append(old, entries))
    }

    /// Why the lease is not trusted any more, if that is so.
    pub(crate) fn ended(&self) -> Option<String> {
        self.inner.check();
        self.inner.ended.borrow().clone()
    }

    /// Changes when [`Database::ended`] does.
    pub(crate) fn ended_signal(&self) -> watch::Receiver<Option<String>> {
        self.inner.ended.subscribe()
    }

    /// Renews the lease no longer, as a crash would.
    pub(crate) fn abandon(&self) {
        if let Some(renewals) = locked(&self.renewals).take() {
            renewals.abort();
        }
    }

    /// Returns the lease, so that another host becomes active at once. If that fails, the lease ends with its term.
    pub(crate) fn release(&self) {
        self.abandon();
        let _ = self.block_on(self.inner.release());
    }
}

impl Original for Database {
    fn append(&self, end: Position, entries: &[Entry]) -> io::Result<()> {
        Database::append(self, Link::of(end), entries).map_err(io::Error::other)
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn trust(&self, sent_at: Duration) {
        let until = u64::try_from(self.term.trusted_until(sent_at).as_micros()).unwrap_or(u64::MAX);
        self.trusted_until.fetch_max(until, Ordering::SeqCst);
        *locked(&self.trouble) = None;
    }

    fn trusted_until(&self) -> Duration {
        Duration::from_micros(self.trusted_until.load(Ordering::SeqCst))
    }

    /// Ends the lease when it is trusted no longer.
    fn check(&self) {
        if self.fence.load(Ordering::SeqCst) != 0 && self.now() >= self.trusted_until() {
            let trouble = locked(&self.trouble).clone();
            let why = trouble.unwrap_or_else(|| "this host was suspended for too long".to_owned());
            self.end(&format!("the lease on the store could not be renewed in time: {why}"));
        }
    }

    /// The first reason is kept.
    fn end(&self, why: &str) {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            if is_first {
                *ended = Some(why.to_owned());
            }
            is_first
        });
    }

    fn fenced_out(&self) -> String {
        let why = "another host has taken over the store".to_owned();
        self.end(&why);
        why
    }

    /// Carries out a statement. The connection is dropped when that fails.
    async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        let mut held = self.connection.lock().await;
        let carried_out = async {
            let connection = match held.take() {
                Some(connection) => connection,
                None => Connection::open(&self.config, self.term.deadline()).await?,
            };
            let rows = connection.query(sql, parameters).await?;
            *held = Some(connection);
            Ok(rows)
        };
        let answer: Result<_, Trouble> = carried_out.await;
        if let Err(trouble) = &answer {
            *locked(&self.trouble) = Some(trouble.to_string());
        }
        answer
    }

    async fn prepare(&self) -> Result<(), Trouble> {
        let connection = Connection::open(&self.config, self.term.deadline()).await?;
        schema::prepare(&connection).await?;
        *self.connection.lock().await = Some(connection);
        Ok(())
    }

    async fn look(&self) -> Result<Option<Found>, Trouble> {
        let rows = self.query(LOOK, &[(&NAME, Type::TEXT)]).await?;
        rows.first().map(found).transpose()
    }

    async fn look_and_check(&self) -> Result<Option<Found>, Trouble> {
        let found = self.look().await?;
        if let Some(connection) = &*self.connection.lock().await {
            schema::check(connection).await?;
        }
        Ok(found)
    }

    async fn take(&self) -> Result<Option<Link>, Trouble> {
        let sent_at = self.now();
        let (millis, zero) = (self.term.millis(), ChainHash::default());
        let zero = zero.as_slice();
        let parameters: [Parameter<'_>; 4] =
            [(&NAME, Type::TEXT), (&self.owner, Type::TEXT), (&millis, Type::FLOAT8), (&zero, Type::BYTEA)];
        let rows = self.query(TAKE, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let end = link(row.get(1), row.get(2))?;
        self.trust(sent_at);
        self.fence.store(row.get(0), Ordering::SeqCst);
        Ok(Some(end))
    }

    /// False: another host has taken over.
    async fn renew(&self) -> Result<bool, Trouble> {
        let sent_at = self.now();
        let (fence, millis) = (self.fence.load(Ordering::SeqCst), self.term.millis());
        let parameters: [Parameter<'_>; 3] =
            [(&NAME, Type::TEXT), (&fence, Type::INT8), (&millis, Type::FLOAT8)];
        let is_ours = !self.query(RENEW, &parameters).await?.is_empty();
        if is_ours {
            self.trust(sent_at);
        }
        Ok(is_ours)
    }

    /// Renews the lease until it has ended.
    async fn keep_renewing(self: Arc<Self>) {
        let mut pause = self.term.renewal();
        loop {
            // Never later than the end of trust, so that the end shows in time.
            let left = self.trusted_until().saturating_sub(self.now());
            self.clock.sleep(pause.min(left)).await;
            self.check();
            if self.ended.borrow().is_some() {
                return;
            }
            let left = self.trusted_until().saturating_sub(self.now());
            pause = match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(true)) => self.term.renewal(),
                Ok(Ok(false)) => {
                    self.fenced_out();
                    return;
                }
                Ok(Err(_)) => PAUSE,
                // The check above ends the lease.
                Err(_) => Duration::ZERO,
            };
        }
    }

    async fn release(&self) -> Result<(), Trouble> {
        let fence = self.fence.swap(0, Ordering::SeqCst);
        self.query(RETURN, &[(&NAME, Type::TEXT), (&fence, Type::INT8)]).await.map(|_| ())
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Trouble> {
        let (after, limit) = (signed(after), i64::from(limit));
        let rows = self.query(READ, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
        rows.iter().map(entry).collect()
    }

    /// Sends the entries until it is certain that they are there, or that they never may be, but not for longer than a
    /// lease is trusted.
    async fn append(&self, old: Link, entries: &[Entry]) -> Result<(), String> {
        let Some(last) = entries.last() else { return Ok(()) };
        let fence = self.fence.load(Ordering::SeqCst);
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
            failed = match self.try_append(fence, old, new, entries).await {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(trouble) => Some(trouble),
            };
            // Whether it was written is not known: the connection failed, or an earlier attempt is there.
            let outcome = self.look().await.map(|found| {
                found.map_or(Outcome::FencedOut, |found| {
                    judge(unsigned(fence), old, new, found.fence, found.end)
                })
            });
            match outcome {
                Ok(Outcome::Written) => return Ok(()),
                Ok(Outcome::FencedOut) => return Err(self.fenced_out()),
                Ok(Outcome::NotWritten) | Err(_) => {}
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// False: the lease has another fence or the facts have another end.
    async fn try_append(&self, fence: i64, old: Link, new: Link, entries: &[Entry]) -> Result<bool, Trouble> {
        let sent_at = self.now();
        let millis = self.term.millis();
        let (old_sequence, new_sequence) = (signed(old.sequence), signed(new.sequence));
        let (old_hash, new_hash) = (old.hash.as_slice(), new.hash.as_slice());
        let sequences: Vec<i64> = entries.iter().map(|entry| signed(entry.sequence)).collect();
        let groups: Vec<i64> = entries.iter().map(|entry| signed(entry.group)).collect();
        let hashes: Vec<&[u8]> = entries.iter().map(|entry| entry.hash.as_slice()).collect();
        let payloads: Vec<&[u8]> = entries.iter().map(|entry| entry.payload.as_slice()).collect();
        let parameters: [Parameter<'_>; 11] = [
            (&NAME, Type::TEXT),
            (&fence, Type::INT8),
            (&old_sequence, Type::INT8),
            (&old_hash, Type::BYTEA),
            (&new_sequence, Type::INT8),
            (&new_hash, Type::BYTEA),
            (&millis, Type::FLOAT8),
            (&sequences, Type::INT8_ARRAY),
            (&groups, Type::INT8_ARRAY),
            (&hashes, Type::BYTEA_ARRAY),
            (&payloads, Type::BYTEA_ARRAY),
        ];
        let rows = self.query(APPEND, &parameters).await?;
        let added: i64 = rows.first().map_or(0, |row| row.get(0));
        if added > 0 {
            self.trust(sent_at);
        }
        Ok(added > 0)
    }
}
