//! The database as a host uses it: begin, renew and end its session; append and read facts.
//!
//! Owns: the order of these calls, the runtime on which they run, and that nothing is written without a session.
//! Must never know: what a fact says, files, who should have which account.
//!
//! Callers block. The calls and the renewals run on a thread of their own, so that neither a busy process nor paused
//! time delays a renewal.

mod append;
mod hosts;

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

use super::balance::Seen;
use super::connection::{Connection, Parameter, Trouble};
use super::lease::{Link, Term};
use super::rows::{entry, link, signed};
use super::schema;
use super::{PAGE, Shared};
use crate::clock::SharedClock;
use crate::store::journal::Original;
use crate::store::journal::entry::{ChainHash, Entry};
use crate::store::journal::segment::Position;
use crate::store::mutex::locked;

/// The name of the counter of sessions; there is no other in a database.
const NAME: &str = "store";
/// How long to wait after a failed call.
const PAUSE: Duration = Duration::from_millis(200);

const ENTER: &str = include_str!("sql/enter.sql");
const RENEW: &str = include_str!("sql/renew.sql");
const LEAVE: &str = include_str!("sql/leave.sql");
const LOOK: &str = include_str!("sql/look.sql");
const READ: &str = include_str!("sql/read.sql");

/// See the module.
pub(crate) struct Database {
    inner: Arc<Inner>,
    renewals: StdMutex<Option<JoinHandle<()>>>,
    runtime: Option<Runtime>,
}

struct Inner {
    config: Config,
    host: String,
    /// Which accounts this host is configured for, as a digest.
    accounts: StdMutex<String>,
    term: Term,
    clock: SharedClock,
    connection: Mutex<Option<Connection>>,
    /// For renewals alone, so that they wait for no other call.
    renewing: Mutex<Option<Connection>>,
    /// The number of this host's session; 0: it has none.
    session: AtomicI64,
    /// Until when it is trusted, in microseconds of the monotonic clock.
    trusted_until: AtomicU64,
    /// The last result of [`Database::see`].
    seen: StdMutex<Seen>,
    /// Until when a search for accounts whose sessions have ended is not necessary, in microseconds of the monotonic
    /// clock.
    looked_until: AtomicU64,
    /// Why the last failed call failed, unless the session was renewed since.
    trouble: StdMutex<Option<String>>,
    /// Why nothing may be sent any more.
    ended: watch::Sender<Option<String>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Database").field("host", &self.inner.host).finish_non_exhaustive()
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
    /// Connects to nothing yet. `host` must not be used by another folder.
    pub(super) fn new(shared: &Shared, host: String) -> Result<Database, String> {
        let config = shared.url.config().map_err(|why| format!("its address cannot be used: {why}"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("database")
            .enable_all()
            .build()
            .map_err(|error| format!("no thread can be started: {error}"))?;
        let inner = Inner {
            config,
            host,
            accounts: StdMutex::default(),
            term: Term(shared.lease_term),
            clock: shared.clock.clone(),
            connection: Mutex::new(None),
            renewing: Mutex::new(None),
            session: AtomicI64::new(0),
            trusted_until: AtomicU64::new(0),
            seen: StdMutex::default(),
            looked_until: AtomicU64::new(0),
            trouble: StdMutex::new(None),
            ended: watch::Sender::new(None),
        };
        Ok(Database { inner: Arc::new(inner), renewals: StdMutex::new(None), runtime: Some(runtime) })
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is there until this is dropped").block_on(work)
    }

    /// Who this host is.
    pub(super) fn host(&self) -> &str {
        &self.inner.host
    }

    /// The number of this host's session.
    pub(super) fn session(&self) -> i64 {
        self.inner.session.load(Ordering::SeqCst)
    }

    /// Waits.
    pub(super) fn pause(&self, duration: Duration) {
        self.block_on(async { self.inner.clock.sleep(duration).await });
    }

    /// Creates the tables or brings them up to date.
    pub(super) fn prepare(&self) -> Result<(), Trouble> {
        self.block_on(self.inner.prepare())
    }

    /// Where the facts end; none: there have never been any. Refuses tables that are newer than this program.
    pub(super) fn look(&self) -> Result<Option<Link>, Trouble> {
        self.block_on(self.inner.look_and_check())
    }

    /// Begins a session and renews it from now on. An earlier session of this host ends.
    pub(super) fn enter(&self) -> Result<(), Trouble> {
        self.block_on(self.inner.enter())?;
        self.abandon();
        let renewing = Arc::clone(&self.inner).keep_renewing();
        let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
        *locked(&self.renewals) = Some(runtime.spawn(renewing));
        Ok(())
    }

    /// Up to `limit` entries after a sequence.
    pub(super) fn read(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Trouble> {
        self.block_on(self.inner.read(after, limit))
    }

    /// The same, but tries again while the session lasts. The error says why it has ended.
    pub(crate) fn read_patiently(&self, after: u64) -> Result<Vec<Entry>, String> {
        loop {
            match self.read(after, PAGE) {
                Ok(rows) => return Ok(rows),
                Err(trouble) if trouble.is_permanent => return Err(trouble.why),
                Err(_) => {}
            }
            if let Some(why) = self.ended() {
                return Err(why);
            }
            self.pause(PAUSE);
        }
    }

    /// Adds entries after `old`, which must be linked to it and to each other. True: they are durable. False: another
    /// host has written after `old` first, and nothing was added.
    pub(super) fn append(&self, old: Link, entries: &[Entry]) -> Result<bool, String> {
        self.block_on(self.inner.append(old, entries))
    }

    /// Why the session has ended, if it has.
    pub(crate) fn ended(&self) -> Option<String> {
        self.inner.check();
        self.inner.ended.borrow().clone()
    }

    /// Changes when [`Database::ended`] does.
    pub(crate) fn ended_signal(&self) -> watch::Receiver<Option<String>> {
        self.inner.ended.subscribe()
    }

    /// Stops renewing the session, as a crash would.
    pub(crate) fn abandon(&self) {
        if let Some(renewals) = locked(&self.renewals).take() {
            renewals.abort();
        }
    }

    /// Ends the session, so that other hosts take its accounts at once. If that fails, it ends with its term.
    pub(crate) fn release(&self) {
        self.abandon();
        let _ = self.block_on(self.inner.release());
    }
}

impl Original for Database {
    fn append(&self, end: Position, entries: &[Entry]) -> io::Result<bool> {
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

    /// Ends the session if it is no longer trusted.
    fn check(&self) {
        if self.session.load(Ordering::SeqCst) != 0 && self.now() >= self.trusted_until() {
            let trouble = locked(&self.trouble).clone();
            let why = trouble.unwrap_or_else(|| "this host was suspended for too long".to_owned());
            self.end(&format!("the session of this host could not be renewed in time: {why}"));
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
        let why = "another host has taken over the work of this host".to_owned();
        self.end(&why);
        why
    }

    /// Carries out a statement. The connection is dropped when that fails.
    async fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Trouble> {
        self.query_by(&self.connection, sql, parameters).await
    }

    async fn query_by(
        &self,
        connection: &Mutex<Option<Connection>>,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Trouble> {
        let mut held = connection.lock().await;
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

    async fn look(&self) -> Result<Option<Link>, Trouble> {
        let rows = self.query(LOOK, &[]).await?;
        rows.first().map(|row| link(row.get(0), row.get(1))).transpose()
    }

    async fn look_and_check(&self) -> Result<Option<Link>, Trouble> {
        let found = self.look().await?;
        if let Some(connection) = &*self.connection.lock().await {
            schema::check(connection).await?;
        }
        Ok(found)
    }

    async fn enter(&self) -> Result<(), Trouble> {
        let sent_at = self.now();
        let (millis, zero) = (self.term.millis(), ChainHash::default());
        let zero = zero.as_slice();
        let accounts = locked(&self.accounts).clone();
        let parameters: [Parameter<'_>; 5] = [
            (&NAME, Type::TEXT),
            (&self.host, Type::TEXT),
            (&millis, Type::FLOAT8),
            (&zero, Type::BYTEA),
            (&accounts, Type::TEXT),
        ];
        let rows = self.query(ENTER, &parameters).await?;
        let Some(row) = rows.first() else { return Err(Trouble::permanent("no session was returned")) };
        self.trust(sent_at);
        self.session.store(row.get(0), Ordering::SeqCst);
        Ok(())
    }

    /// False: the session has ended.
    async fn renew(&self) -> Result<bool, Trouble> {
        let sent_at = self.now();
        let (session, millis) = (self.session.load(Ordering::SeqCst), self.term.millis());
        let accounts = locked(&self.accounts).clone();
        let parameters: [Parameter<'_>; 3] =
            [(&session, Type::INT8), (&millis, Type::FLOAT8), (&accounts, Type::TEXT)];
        let is_ours = !self.query_by(&self.renewing, RENEW, &parameters).await?.is_empty();
        if is_ours {
            self.trust(sent_at);
        }
        Ok(is_ours)
    }

    /// Renews the session until it has ended.
    async fn keep_renewing(self: Arc<Self>) {
        let mut pause = self.term.renewal();
        loop {
            // Sleeps no longer than the session is trusted, so that its end is noticed in time.
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
                // The check above ends the session.
                Err(_) => Duration::ZERO,
            };
        }
    }

    async fn release(&self) -> Result<(), Trouble> {
        let session = self.session.swap(0, Ordering::SeqCst);
        self.query(LEAVE, &[(&session, Type::INT8)]).await.map(|_| ())
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Trouble> {
        let (after, limit) = (signed(after), i64::from(limit));
        let rows = self.query(READ, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
        rows.iter().map(entry).collect()
    }
}
