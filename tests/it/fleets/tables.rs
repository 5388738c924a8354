//! The database in memory. It answers as the statements of `src/store/postgres/sql` do; a test compares the two. Calls
//! may be lost, answers may be lost, and a call may be carried out after its host has given up waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amazon_pay_simulator::provider::Random;
use jiff::Timestamp;
use reconciled::store::Host;
use reconciled::store::tables::{Answer, Append, Entry, Fenced, Found, Link, Tables, Trouble};

use crate::months::clock::WorldTime;
use crate::months::fuse::Fuse;

/// In thousandths: calls that do not arrive, answers that do not arrive, calls that are carried out late.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    pub calls: u64,
    pub answers: u64,
    pub late: u64,
}

#[derive(Debug, Clone)]
struct Session {
    host: String,
    accounts: String,
    since: Timestamp,
    lease_until: Duration,
}

type Late = Box<dyn FnOnce(&mut Rows) + Send>;

/// What the database holds.
#[derive(Default)]
pub struct Rows {
    facts: Vec<(Entry, i64)>,
    sessions: BTreeMap<i64, Session>,
    accounts: BTreeMap<String, (i64, i64)>,
    last_session: i64,
    /// Calls that are still on their way, each with the time at which it arrives.
    late: Vec<(Duration, Late)>,
    random: Option<Random>,
    losses: Losses,
    /// The time of the world, which is the same for all hosts.
    now: Duration,
    /// Hosts that do not reach the database, and until when.
    cut: BTreeMap<String, Duration>,
    down_until: Duration,
}

impl Rows {
    fn end(&self) -> Option<Link> {
        let (entry, _) = self.facts.last()?;
        Some(Link { sequence: entry.sequence, hash: entry.hash })
    }

    fn lasts(&self, session: i64) -> bool {
        self.sessions.contains_key(&session)
    }

    fn append(&mut self, session: i64, old: Link, entries: &[Entry]) -> bool {
        let is_next = self.end().unwrap_or_default() == old && self.lasts(session);
        if is_next {
            self.facts.extend(entries.iter().map(|entry| (entry.clone(), session)));
        }
        is_next
    }

    fn free(&self) -> Fenced {
        let free = self.accounts.iter().filter(|(_, (session, _))| !self.lasts(*session));
        free.map(|(name, (_, fence))| (name.clone(), *fence)).collect()
    }

    fn of(&self, session: i64) -> Fenced {
        let own = self.accounts.iter().filter(|(_, (owner, _))| *owner == session);
        own.map(|(name, (_, fence))| (name.clone(), *fence)).collect()
    }

    fn take(&mut self, session: i64, free: &[(String, i64)]) -> Fenced {
        let mut taken = Vec::new();
        if !self.lasts(session) {
            return taken;
        }
        for (name, fence) in free {
            if let Some(account) = self.accounts.get_mut(name).filter(|(_, known)| known == fence) {
                *account = (session, fence + 1);
                taken.push((name.clone(), fence + 1));
            }
        }
        taken
    }

    fn give_up(&mut self, session: i64, held: &[(String, i64)]) {
        for (name, fence) in held {
            if let Some(account) = self.accounts.get_mut(name).filter(|known| **known == (session, *fence)) {
                account.0 = 0;
            }
        }
    }

    fn enter(&mut self, session: Session) -> i64 {
        self.sessions.retain(|_, other| other.host != session.host);
        self.last_session += 1;
        self.sessions.insert(self.last_session, session);
        self.last_session
    }

    /// Carries out what has arrived by now.
    fn arrive(&mut self) {
        let (due, waiting) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= self.now);
        self.late = waiting;
        let due: Vec<(Duration, Late)> = due;
        for (_, call) in due {
            call(self);
        }
    }
}

/// The database, which outlives all hosts.
#[derive(Clone, Default)]
pub struct Database(Arc<Mutex<Rows>>);

impl Database {
    pub fn new(seed: u64, losses: Losses) -> Database {
        let random = Some(Random::for_matter(seed, "database", 0));
        Database(Arc::new(Mutex::new(Rows { random, losses, ..Rows::default() })))
    }

    pub fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the world goes on.
    pub fn set_now(&self, now: Duration) {
        let mut rows = self.rows();
        rows.now = now;
        rows.arrive();
    }

    /// Nothing is lost from now on.
    pub fn calm(&self) {
        self.rows().losses = Losses::default();
    }

    pub fn cut(&self, host: &str, until: Duration) {
        self.rows().cut.insert(host.to_owned(), until);
    }

    pub fn go_down(&self, until: Duration) {
        self.rows().down_until = until;
    }

    /// Whether a host reaches the database now.
    pub fn is_reached_by(&self, host: &str) -> bool {
        let rows = self.rows();
        rows.now >= rows.down_until && rows.cut.get(host).is_none_or(|until| rows.now >= *until)
    }

    /// The host whose session has an account.
    pub fn owner(&self, account: &str) -> Option<String> {
        let rows = self.rows();
        let (session, _) = rows.accounts.get(account)?;
        rows.sessions.get(session).map(|session| session.host.clone())
    }

    pub fn accounts(&self) -> Vec<String> {
        self.rows().accounts.keys().cloned().collect()
    }

    /// The database as one run of a host reaches it.
    pub fn of_host(&self, host: &str, time: &Arc<WorldTime>, fuse: &Fuse) -> Arc<Reached> {
        Arc::new(Reached {
            database: self.clone(),
            host: host.to_owned(),
            time: Arc::clone(time),
            fuse: fuse.clone(),
        })
    }
}

/// See [`Database::of_host`].
pub struct Reached {
    database: Database,
    host: String,
    time: Arc<WorldTime>,
    fuse: Fuse,
}

fn lost(why: &str) -> Trouble {
    Trouble::passing(why)
}

impl Reached {
    /// Carries out a call now, late, or never.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Rows) -> T + Send + 'static,
    ) -> Answer<'static, T> {
        Box::pin(std::future::ready(self.carry_out(work)))
    }

    fn carry_out<T: 'static>(
        &self,
        work: impl FnOnce(&mut Rows) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        // The death of the process may fall before the call or after it.
        self.fuse.disk_step().map_err(|_| lost("dead"))?;
        if !self.database.is_reached_by(&self.host) {
            return Err(lost("no connection"));
        }
        let mut rows = self.database.rows();
        let losses = rows.losses;
        let drawn = rows.random.as_mut().map_or(1000, |random| random.below(1000));
        if drawn < losses.calls {
            return Err(lost("the call was lost"));
        }
        if drawn < losses.calls + losses.late {
            let delay = rows.random.as_mut().map_or(0, |random| random.between(100, 20_000));
            let at = rows.now + Duration::from_millis(delay);
            rows.late.push((at, Box::new(move |rows| drop(work(rows)))));
            return Err(lost("no answer in time"));
        }
        let answer = work(&mut rows);
        drop(rows);
        if drawn < losses.calls + losses.late + losses.answers {
            return Err(lost("the answer was lost"));
        }
        self.fuse.disk_step().map_err(|_| lost("dead"))?;
        Ok(answer)
    }

    /// From when a session lasts that begins or is renewed now. A host that was blocked is ahead of the world.
    fn now(&self) -> Duration {
        self.time.elapsed()
    }
}

impl Tables for Reached {
    fn prepare(&self) -> Answer<'_, ()> {
        self.call(|_| ())
    }

    fn look(&self) -> Answer<'_, Option<Link>> {
        self.call(|rows| rows.end().or_else(|| (rows.last_session > 0).then(Link::default)))
    }

    fn read(&self, after: u64, limit: u32) -> Answer<'_, Vec<Entry>> {
        self.call(move |rows| {
            let (after, limit) =
                (usize::try_from(after).expect("short"), usize::try_from(limit).expect("short"));
            rows.facts.iter().skip(after).take(limit).map(|(entry, _)| entry.clone()).collect()
        })
    }

    fn append<'a>(&'a self, append: Append<'a>) -> Answer<'a, bool> {
        let (session, old, entries) = (append.session, append.old, append.entries.to_vec());
        self.call(move |rows| rows.append(session, old, &entries))
    }

    fn written(&self, session: i64, first: u64) -> Answer<'_, Found> {
        self.call(move |rows| {
            let place = usize::try_from(first).expect("short").checked_sub(1);
            let entry = place.and_then(|place| rows.facts.get(place));
            Found {
                end: rows.end().unwrap_or_default(),
                lasts: rows.lasts(session),
                entry: entry.map(|(entry, session)| (entry.hash, *session)),
            }
        })
    }

    fn enter<'a>(&'a self, host: &'a str, term_ms: f64, accounts: &'a str) -> Answer<'a, i64> {
        let (now, term) = (self.now(), Duration::from_secs_f64(term_ms / 1000.0));
        let (host, accounts, since) = (host.to_owned(), accounts.to_owned(), self.time.now());
        self.call(move |rows| {
            let lease_until = now.max(rows.now) + term;
            rows.enter(Session { host, accounts, since, lease_until })
        })
    }

    fn renew<'a>(&'a self, session: i64, term_ms: f64, accounts: &'a str) -> Answer<'a, bool> {
        let (now, term) = (self.now(), Duration::from_secs_f64(term_ms / 1000.0));
        let accounts = accounts.to_owned();
        self.call(move |rows| {
            let until = now.max(rows.now) + term;
            let known = rows.sessions.get_mut(&session);
            known.map(|known| (known.lease_until, known.accounts) = (until, accounts)).is_some()
        })
    }

    fn leave(&self, session: i64) -> Answer<'_, ()> {
        self.call(move |rows| drop(rows.sessions.remove(&session)))
    }

    fn end_expired(&self) -> Answer<'_, ()> {
        self.call(|rows| {
            let now = rows.now;
            rows.sessions.retain(|_, session| session.lease_until >= now);
        })
    }

    fn hosts(&self) -> Answer<'_, Vec<Host>> {
        self.call(|rows| {
            let host = |(session, known): (&i64, &Session)| Host {
                session: *session,
                name: known.host.clone(),
                accounts: known.accounts.clone(),
                since: known.since,
                has: 0,
                is_keeper: false,
            };
            rows.sessions.iter().map(host).collect()
        })
    }

    fn counts(&self) -> Answer<'_, Vec<(i64, u64, bool)>> {
        self.call(|rows| {
            let mut counts: BTreeMap<i64, (u64, bool)> = BTreeMap::new();
            for (name, (session, _)) in &rows.accounts {
                let count = counts.entry(*session).or_default();
                if name == "*" {
                    count.1 = true;
                } else {
                    count.0 += 1;
                }
            }
            counts.into_iter().map(|(session, (has, is_keeper))| (session, has, is_keeper)).collect()
        })
    }

    fn declare<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        let names = names.to_vec();
        self.call(move |rows| {
            for name in names {
                rows.accounts.entry(name).or_default();
            }
        })
    }

    fn free(&self) -> Answer<'_, Fenced> {
        self.call(|rows| rows.free())
    }

    fn given_up(&self) -> Answer<'_, Fenced> {
        self.call(|rows| rows.of(0))
    }

    fn take<'a>(&'a self, session: i64, free: &'a [(String, i64)]) -> Answer<'a, Fenced> {
        let free = free.to_vec();
        self.call(move |rows| rows.take(session, &free))
    }

    fn give_up<'a>(&'a self, session: i64, held: &'a [(String, i64)]) -> Answer<'a, ()> {
        let held = held.to_vec();
        self.call(move |rows| rows.give_up(session, &held))
    }

    fn own(&self, session: i64) -> Answer<'_, Fenced> {
        self.call(move |rows| rows.of(session))
    }

    fn owner<'a>(&'a self, account: &'a str) -> Answer<'a, Option<String>> {
        let account = account.to_owned();
        self.call(move |rows| {
            let (session, _) = rows.accounts.get(&account)?;
            rows.sessions.get(session).map(|session| session.host.clone())
        })
    }
}
