//! The database as a host uses it: begin, renew and end its session; append and read facts.
//!
//! Owns: the order of these calls, and that nothing is written without a session. Must never know: SQL, what a fact says,
//! files, who should have which account.
//!
//! Callers block.

mod append;
mod hosts;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::balance::Seen;
use super::lease::Term;
use super::tables::{Answer, Entry, Link, Tables, Trouble};
use super::{PAGE, Shared};
use crate::blocking::Calls;
use crate::clock::SharedClock;
use crate::store::journal::Original;
use crate::store::journal::segment::Position;
use crate::store::mutex::locked;

/// How long to wait after a failed call.
const PAUSE: Duration = Duration::from_millis(200);

/// See the module.
pub(crate) struct Database {
    inner: Arc<Inner>,
    renewals: Mutex<Option<JoinHandle<()>>>,
    calls: Calls,
}

struct Inner {
    tables: Arc<dyn Tables>,
    host: String,
    /// Which accounts this host is configured for, as a digest.
    accounts: Mutex<String>,
    term: Term,
    clock: SharedClock,
    /// The number of this host's session; 0: it has none.
    session: AtomicI64,
    /// Until when it is trusted, in microseconds of the monotonic clock.
    trusted_until: AtomicU64,
    /// The last result of [`Database::see`].
    seen: Mutex<Seen>,
    /// Until when a search for accounts whose sessions have ended is not necessary, in microseconds of the monotonic
    /// clock.
    looked_until: AtomicU64,
    /// Why the last failed call failed, unless the session was renewed since.
    trouble: Mutex<Option<String>>,
    /// Why nothing may be sent any more.
    ended: watch::Sender<Option<String>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Database").field("host", &self.inner.host).finish_non_exhaustive()
    }
}

impl Database {
    /// Does not contact the database yet. `host` must not be used by another folder.
    pub(super) fn new(shared: &Shared, host: String) -> Result<Database, String> {
        let inner = Inner {
            tables: Arc::clone(&shared.tables),
            host,
            accounts: Mutex::default(),
            term: Term(shared.lease_term),
            clock: shared.clock.clone(),
            session: AtomicI64::new(0),
            trusted_until: AtomicU64::new(0),
            seen: Mutex::default(),
            looked_until: AtomicU64::new(0),
            trouble: Mutex::new(None),
            ended: watch::Sender::new(None),
        };
        let calls = Calls::new("database").map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Database { inner: Arc::new(inner), renewals: Mutex::new(None), calls })
    }

    /// Asks the database, and blocks until it has answered.
    fn ask<T>(&self, answer: Answer<'_, T>) -> Result<T, Trouble> {
        self.calls.wait_for(self.inner.ask(answer))
    }

    /// Who this host is.
    pub(super) fn host(&self) -> &str {
        &self.inner.host
    }

    /// The number of this host's session.
    pub(super) fn session(&self) -> i64 {
        self.inner.session.load(Ordering::SeqCst)
    }

    /// Starts a task. Outside a simulation, it is stopped when this is dropped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.calls.spawn(task);
    }

    /// The clock that measures how long the session is trusted.
    pub(super) fn clock(&self) -> SharedClock {
        self.inner.clock.clone()
    }

    /// Creates the tables or brings them up to date.
    pub(super) fn prepare(&self) -> Result<(), Trouble> {
        self.ask(self.inner.tables.prepare())
    }

    /// Where the facts end; none: there have never been any. Refuses tables that are newer than this program.
    pub(super) fn look(&self) -> Result<Option<Link>, Trouble> {
        self.ask(self.inner.tables.look())
    }

    /// Begins a session and renews it from now on. An earlier session of this host ends.
    pub(super) fn enter(&self) -> Result<(), Trouble> {
        let inner = &self.inner;
        let (sent_at, accounts) = (inner.now(), locked(&inner.accounts).clone());
        let session = self.ask(inner.tables.enter(&inner.host, inner.term.millis(), &accounts))?;
        inner.trust(sent_at);
        inner.session.store(session, Ordering::SeqCst);
        self.abandon();
        *locked(&self.renewals) = Some(self.calls.spawn(Arc::clone(inner).keep_renewing()));
        Ok(())
    }

    /// Up to `limit` entries after a sequence.
    pub(super) fn read(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Trouble> {
        self.ask(self.inner.tables.read(after, limit))
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
            self.inner.clock.block(PAUSE);
        }
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
        let session = self.inner.session.swap(0, Ordering::SeqCst);
        let _ = self.ask(self.inner.tables.leave(session));
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

    async fn ask<T>(&self, answer: Answer<'_, T>) -> Result<T, Trouble> {
        let answer = answer.await;
        if let Err(trouble) = &answer {
            *locked(&self.trouble) = Some(trouble.to_string());
        }
        answer
    }

    /// False: the session has ended.
    async fn renew(&self) -> Result<bool, Trouble> {
        let sent_at = self.now();
        let (session, accounts) = (self.session.load(Ordering::SeqCst), locked(&self.accounts).clone());
        let is_ours = self.ask(self.tables.renew(session, self.term.millis(), &accounts)).await?;
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
}
