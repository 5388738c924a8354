//! The audit log: every request that changes something is kept in the store, with its caller, before it takes effect.
//!
//! Owns: when an entry is written, and under which name. Must never know: any one verb, who may do what.
//!
//! An entry is written and synced before the request is carried out, and once more with its outcome. So a crash leaves
//! an entry without an outcome, never an effect without an entry. Both writings are facts of the journal.
//!
//! Two kinds of requests can come in large numbers: refused ones, and enrolments that a shop repeats. Those of one
//! caller within an hour share one entry that counts them. It is written again whenever the count has doubled, so that
//! nobody can fill the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::messages::{AuditEntry, AuditOutcome};
use crate::access::{Caller, Role};
use crate::clock::SharedClock;
use crate::store::{Store, StoreError};
use crate::time::earlier;

/// Begins the names of all entries.
const PREFIX: &str = "audit/";
/// The first character after those that a name continues with.
const AFTER_ALL: &str = "audit/~";
/// Requests of one caller that are this close to the first one share its entry.
const SERIES: Duration = Duration::from_secs(3600);
/// The most series that are counted at once.
const SERIES_MAX: usize = 1_000;
/// The most objects that an entry names, and the most characters of each.
const OBJECTS_MAX: usize = 8;
const TEXT_CHARACTERS_MAX: usize = 160;

/// What a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The first objects.
    pub objects: Vec<String>,
    /// How many there are.
    pub number: u64,
    /// How it is to be done.
    pub how: String,
}

impl Subject {
    /// One object.
    pub fn one(object: impl Into<String>) -> Subject {
        Subject { objects: vec![object.into()], number: 1, how: String::new() }
    }

    /// Several objects. The first three are named.
    pub fn several<T: ToString>(objects: &[T]) -> Subject {
        Subject {
            objects: objects.iter().take(3).map(T::to_string).collect(),
            number: u64::try_from(objects.len()).unwrap_or(u64::MAX),
            how: String::new(),
        }
    }

    /// The same, with a word about how it is to be done.
    pub fn how(self, how: impl Into<String>) -> Subject {
        Subject { how: how.into(), ..self }
    }
}

/// A request that is being carried out.
pub(super) struct Begun {
    /// None if it shares an entry that is already there.
    name: Option<String>,
    entry: AuditEntry,
    is_repeated: bool,
}

impl Begun {
    /// The same, with the number of objects that the request really contained. If there are totals, it shares no entry.
    pub(super) fn counted(mut self, number: u64, totals: Option<String>) -> Begun {
        self.entry.number = number;
        if let Some(totals) = totals {
            self.entry.how = shortened(&totals);
            self.is_repeated = false;
        }
        self
    }
}

/// Who called, the verb and the outcome: requests that agree in these share an entry. Tokens and the spool folder have a
/// name alone.
type Key = (Option<u32>, Option<String>, String, AuditOutcome);

fn key(entry: &AuditEntry, outcome: AuditOutcome) -> Key {
    (entry.uid, entry.name.clone(), entry.verb.clone(), outcome)
}

/// Keeps the audit log in a store.
pub struct Audit {
    store: Store,
    clock: SharedClock,
    written: AtomicU64,
    series: Mutex<BTreeMap<Key, (String, AuditEntry)>>,
}

impl Audit {
    /// The log of a store.
    pub fn new(store: Store, clock: SharedClock) -> Audit {
        Audit { store, clock, written: AtomicU64::new(0), series: Mutex::new(BTreeMap::new()) }
    }

    /// Keeps that a request is about to be carried out. Nothing may be done if this fails.
    pub(super) async fn begin(
        &self,
        caller: &Caller,
        verb: &str,
        subject: Subject,
        is_repeated: bool,
    ) -> Result<Begun, StoreError> {
        let entry = self.entry(caller, verb, subject, AuditOutcome::Begun);
        let has_series = is_repeated && {
            let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            [AuditOutcome::Done, AuditOutcome::Failed].into_iter().any(|outcome| {
                let known = series.get(&key(&entry, outcome));
                known.is_some_and(|(_, first)| is_in_series(first, entry.at))
            })
        };
        let name = if has_series { None } else { Some(self.name(entry.at)) };
        if let Some(name) = &name {
            self.write(name, &entry).await?;
        }
        Ok(Begun { name, entry, is_repeated })
    }

    /// Keeps how it ended, and what it was really about.
    pub(super) async fn end(
        &self,
        begun: Begun,
        outcome: AuditOutcome,
        cause: Option<&str>,
        objects: Vec<String>,
    ) {
        let Begun { name, mut entry, is_repeated } = begun;
        entry.outcome = outcome;
        entry.cause = cause.map(str::to_owned);
        for object in objects {
            if !entry.objects.contains(&object) {
                entry.objects.push(shortened(&object));
            }
        }
        entry.objects.truncate(OBJECTS_MAX);
        if is_repeated {
            return self.count(name, entry).await;
        }
        let name = name.unwrap_or_else(|| self.name(entry.at));
        self.write_or_warn(&name, &entry).await;
    }

    /// Keeps what was done while no daemon ran, by a command that holds the store itself.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn record(&self, caller: &Caller, verb: &str, subject: Subject) -> Result<(), StoreError> {
        let entry = self.entry(caller, verb, subject, AuditOutcome::Done);
        self.write(&self.name(entry.at), &entry).await
    }

    /// Keeps that a caller was refused.
    pub(super) async fn refused(&self, caller: &Caller, verb: &str, subject: Subject, needed: Role) {
        let mut entry = self.entry(caller, verb, subject, AuditOutcome::Refused);
        entry.cause = Some(format!("needs {}", needed.as_str()));
        self.count(None, entry).await;
    }

    /// Up to `limit` entries, the newest first, each with its name. They were begun an hour before `since` or later,
    /// because a series has the time of its first request; and before the entry of that name, if one is given. An entry
    /// that cannot be read is none.
    pub(super) async fn page(
        &self,
        since: Option<Timestamp>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Option<AuditEntry>)>, StoreError> {
        let from = since.map_or_else(|| PREFIX.to_owned(), |since| stem(earlier(since, SERIES)));
        let before = before.unwrap_or(AFTER_ALL);
        if !before.starts_with(PREFIX) || before > AFTER_ALL {
            return Err(StoreError::BadCursor(shortened(before)));
        }
        if before <= from.as_str() {
            return Ok(Vec::new());
        }
        let found = self.store.recall_backwards(&from, before, limit).await?;
        let read = |(name, text): (String, String)| {
            let entry = self.read(&name, &text);
            (name, entry)
        };
        Ok(found.into_iter().map(read).collect())
    }

    /// The entry under a name, with the count of its series if that goes on.
    fn read(&self, name: &str, text: &str) -> Option<AuditEntry> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entry)) = series.values().find(|(known, _)| known == name) {
            return Some(entry.clone());
        }
        match serde_json::from_str(text) {
            Ok(entry) => Some(entry),
            Err(error) => {
                tracing::warn!(name, %error, "an entry of the audit log cannot be read");
                None
            }
        }
    }

    fn entry(&self, caller: &Caller, verb: &str, subject: Subject, outcome: AuditOutcome) -> AuditEntry {
        AuditEntry {
            at: self.clock.now(),
            uid: caller.uid,
            name: caller.name.clone(),
            pid: caller.pid,
            verb: verb.to_owned(),
            objects: subject.objects.iter().take(OBJECTS_MAX).map(|object| shortened(object)).collect(),
            number: subject.number,
            how: shortened(&subject.how),
            outcome,
            cause: None,
            times: 1,
            last_at: None,
        }
    }

    /// Adds a request to its series, or begins one. `name` is that of its own entry, if it has one.
    async fn count(&self, name: Option<String>, entry: AuditEntry) {
        let key = key(&entry, entry.outcome);
        let mut writes = Vec::new();
        {
            let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            match series.get_mut(&key) {
                Some((known, first)) if name.is_none() && is_in_series(first, entry.at) => {
                    first.times += 1;
                    first.number = first.number.saturating_add(entry.number);
                    first.last_at = Some(entry.at);
                    if first.times.is_power_of_two() {
                        writes.push((known.clone(), first.clone()));
                    }
                }
                _ => {
                    if series.len() >= SERIES_MAX {
                        series.retain(|_, (_, first)| is_in_series(first, entry.at));
                    }
                    if series.len() >= SERIES_MAX {
                        series.clear();
                    }
                    if entry.outcome == AuditOutcome::Refused {
                        let (who, verb, cause) = (entry.who(), &entry.verb, entry.cause.as_deref());
                        tracing::warn!(who, verb, cause, "a request was refused");
                    }
                    let name = name.unwrap_or_else(|| self.name(entry.at));
                    writes.push((name.clone(), entry.clone()));
                    // The last count of the series before this one.
                    writes.extend(series.insert(key, (name, entry)).filter(|(_, first)| first.times > 1));
                }
            }
        }
        for (name, entry) in writes {
            self.write_or_warn(&name, &entry).await;
        }
    }

    /// A name that sorts by time, and that no process before or after this one uses: the journal only grows.
    fn name(&self, at: Timestamp) -> String {
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        // Each host that shares the store counts its own entries.
        let host = self.store.fleet().map(|fleet| format!("-{}", fleet.session())).unwrap_or_default();
        format!("{}-{:016}-{written:08}{host}", stem(at), self.store.stats().journal_sequence)
    }

    async fn write(&self, name: &str, entry: &AuditEntry) -> Result<(), StoreError> {
        let text = serde_json::to_string(entry).expect("messages have text keys only");
        self.store.remember(name, &text).await
    }

    async fn write_or_warn(&self, name: &str, entry: &AuditEntry) {
        if let Err(error) = self.write(name, entry).await {
            tracing::warn!(%error, "an outcome is missing in the audit log");
        }
    }
}

/// The beginning of the names of a time's entries.
fn stem(at: Timestamp) -> String {
    format!("{PREFIX}{:017}", at.as_microsecond().max(0))
}

/// A series lasts for an hour. A clock that was set back begins another.
fn is_in_series(first: &AuditEntry, at: Timestamp) -> bool {
    first.at <= at && earlier(at, SERIES) < first.at
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARACTERS_MAX).collect()
}
