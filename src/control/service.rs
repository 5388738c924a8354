//! Answers the verbs, on a store and a host. The same service stands behind the daemon's socket and
//! in a command that opened the store itself because no daemon runs.
//!
//! Owns: what each verb does, in order (polling and alerts stand in files of their own). Must never know: sockets, terminals, tables.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::calling::{CallAnswer, CallRequest};
use super::explain::{Ground, explain};
use super::host::Host;
use super::messages::*;
use super::problem::{Cause, Problem};
use super::wanted::Wanted;
use crate::clock::SharedClock;
use crate::payments::accept;
use crate::payments::decide::Setting;
use crate::payments::history::outcome;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{ObjectId, ObjectRef};
use crate::payments::record::{Enrolment, Record};
use crate::store::{AlertFilter, Commit, Committed, Enrolled, Filter, Store, StoreError};
use crate::time::earlier;

/// The most rows of one page, and the number unless said.
pub(super) const PAGE_ROWS: (usize, usize) = (BATCH_LINES_MAX, 100);

/// Empty stretches of a filtered list that are passed over in one request.
pub(super) const EMPTY_PAGES_MAX: usize = 50;

/// How often an acceptance is tried while polls change the object.
const COMMIT_ATTEMPTS: u32 = 5;

/// What came of a verb.
pub type Answer<T> = Result<T, Problem>;

/// Answers the verbs. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) host: Arc<dyn Host>,
}

impl Service {
    /// A service on an open store.
    pub fn new(store: Store, clock: SharedClock, host: Arc<dyn Host>) -> Service {
        Service { store, clock, host }
    }

    /// Who knows what the store does not.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// The time that the service goes by.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Closes the store properly; for a command that opened it itself.
    pub async fn close(self) -> Answer<()> {
        self.store.close().await.map_err(storage)
    }

    /// Starts to watch objects; one result a line, in order. Errors when there are more than
    /// [`BATCH_LINES_MAX`], or when the store fails: then none is promised, and all may be sent again.
    pub async fn enrol(&self, lines: Vec<Wanted>) -> Answer<Vec<EnrolResult>> {
        if lines.len() > BATCH_LINES_MAX {
            let detail = format!("{} lines are more than the {BATCH_LINES_MAX} of one batch", lines.len());
            return Err(Problem::new(Cause::TooLarge, detail, "send them in several batches"));
        }
        let mut results = Vec::with_capacity(lines.len());
        let mut places = Vec::new();
        let mut enrolments = Vec::new();
        for wanted in lines {
            let line = wanted.line;
            let (object, outcome, reason) = match self.settled(wanted) {
                Ok(enrolment) => {
                    let object = enrolment.object.clone();
                    places.push(results.len());
                    enrolments.push(enrolment);
                    (Some(object), EnrolOutcome::Same, None)
                }
                Err(reason) => (None, EnrolOutcome::Bad, Some(reason)),
            };
            results.push(EnrolResult { line, outcome, object, reason });
        }
        if enrolments.is_empty() {
            return Ok(results);
        }
        let became = self.store.enrol(enrolments, self.clock.now()).await.map_err(storage)?;
        for (place, became) in places.into_iter().zip(became) {
            let result = &mut results[place];
            result.outcome = match became {
                Enrolled::New => EnrolOutcome::New,
                Enrolled::Enriched => EnrolOutcome::Enriched,
                Enrolled::Same => EnrolOutcome::Same,
                Enrolled::Conflict(conflict) => {
                    result.reason = Some(conflict.to_string());
                    EnrolOutcome::Conflict
                }
            };
        }
        Ok(results)
    }

    /// Settles account and kind, and asks the host whether they suit.
    fn settled(&self, wanted: Wanted) -> Result<Enrolment, String> {
        if wanted.id.is_folded_in_paths() {
            return Err(format!("object id {} is a step between folders in an address, no id", wanted.id));
        }
        let object = match (&wanted.account, &wanted.kind) {
            (Some(account), Some(kind)) => {
                ObjectRef { account: account.clone(), kind: kind.clone(), id: wanted.id.clone() }
            }
            (account, kind) => {
                let mut found = self.host.candidates(&wanted.id, account.as_ref(), kind.as_ref());
                match found.len() {
                    1 => found.remove(0),
                    0 => {
                        return Err(format!(
                            "no configured account and kind suits the form of id {}; name both, or look at the configuration",
                            wanted.id
                        ));
                    }
                    _ => {
                        let names: Vec<String> = found.iter().map(ToString::to_string).collect();
                        return Err(format!("it could be {}; name account and kind", names.join(" or ")));
                    }
                }
            }
        };
        self.host.check_enrolment(&Enrolment { object, details: wanted.details })
    }

    /// One page of records.
    pub async fn list(&self, request: &ListRequest) -> Answer<Listing<Record>> {
        let now = self.clock.now();
        let filter = Filter {
            account: request.account.clone(),
            kind: request.kind.clone(),
            phase: request.phase,
            state: request.state.clone(),
            quarantined: request.quarantined,
            finished: request.finished,
            older_than: request.older_than_s.map(|seconds| earlier(now, Duration::from_secs(seconds))),
        };
        let limit = rows(request.limit);
        let mut after = request.cursor.clone();
        for _ in 0..EMPTY_PAGES_MAX {
            let page = self.store.list(&filter, after, limit).await.map_err(storage)?;
            if !page.items.is_empty() || page.next.is_none() {
                return Ok(Listing { items: page.items, next_cursor: page.next });
            }
            after = page.next;
        }
        Ok(Listing { items: Vec::new(), next_cursor: after })
    }

    /// Everything about one object.
    pub async fn show(&self, selector: &Selector) -> Answer<Shown> {
        let record = self.resolve(selector).await?;
        let history = self.store.history(&record.object).await.map_err(storage)?;
        let filter = AlertFilter { object: Some(record.object.clone()), ..AlertFilter::default() };
        let mut alerts = Vec::new();
        let mut after = None;
        for _ in 0..EMPTY_PAGES_MAX {
            let page = self.store.alerts(filter.clone(), after, PAGE_ROWS.0).await.map_err(storage)?;
            alerts.extend(page.items);
            after = page.next;
            if after.is_none() || alerts.len() >= PAGE_ROWS.0 {
                break;
            }
        }
        let lifecycle = self.host.lifecycle(&record.object);
        let outcome = record.sight.as_ref().zip(lifecycle).and_then(|(sight, lifecycle)| {
            let facts = lifecycle.state(&sight.observation.state)?;
            Some(outcome(lifecycle, &facts, &sight.observation))
        });
        Ok(Shown { outcome, record, history, alerts })
    }

    /// Why an object stands where it stands.
    pub async fn explain(&self, selector: &Selector) -> Answer<Explanation> {
        let record = self.resolve(selector).await?;
        let policy = self.host.policy(&record.object);
        let look = self.host.look(&record.object.account);
        let ground = Ground {
            lifecycle: self.host.lifecycle(&record.object),
            policy: policy.as_ref(),
            look: look.as_deref(),
            now: self.clock.now(),
        };
        let mut told = explain(&record, &ground);
        let rate = self.host.rate(&record.object.account, &record.object.kind);
        if let Some(words) =
            rate.and_then(|rate| rate.held_words(ground.now)).filter(|_| told.due_at.is_some())
        {
            told.next_look = format!("{} But {words}.", told.next_look);
        }
        if record.phase() == Phase::Moving && policy.as_ref().is_some_and(|policy| policy.is_by_batch) {
            let counts = self.store.counts().await.map_err(storage)?;
            let row = self
                .tails(&counts)
                .into_iter()
                .find(|row| row.account == record.object.account && row.kind == record.object.kind);
            if let Some(row) = row.filter(|row| row.tail.by_batch > 0) {
                told.next_look =
                    format!("{} It may also be visited by batch: {}.", told.next_look, row.tail.words());
            }
        }
        Ok(told)
    }

    /// Stops watching an object. Its history stays. Repeatable.
    pub async fn forget(&self, selector: &Selector, actor: &str) -> Answer<Forgotten> {
        let object = match self.resolve(selector).await {
            Ok(record) => record.object,
            Err(problem) if problem.cause == Cause::NotFound => {
                return Ok(Forgotten { object: selector.to_string(), was_watched: false });
            }
            Err(problem) => return Err(problem),
        };
        let was_watched = self.store.forget(&object, self.clock.now(), actor).await.map_err(storage)?;
        tracing::info!(%object, actor, was_watched, "asked to stop watching an object");
        Ok(Forgotten { object: object.to_string(), was_watched })
    }

    /// Takes an object that is set apart as the provider shows it. The history says who did.
    pub async fn accept(&self, selector: &Selector, actor: &str) -> Answer<AcceptedObject> {
        for _ in 0..COMMIT_ATTEMPTS {
            let before = self.resolve(selector).await?;
            let object = before.object.clone();
            let (Some(lifecycle), Some(policy)) = (self.host.lifecycle(&object), self.host.policy(&object))
            else {
                return Err(Problem::new(
                    Cause::Unprocessable,
                    format!("the account or kind of {object} is not configured"),
                    "add the account to the configuration, then accept the object",
                ));
            };
            let look = self.host.look(&object.account).unwrap_or_default();
            // Accepting settles what was seen; the environment is compared when the next answer comes.
            let setting = Setting { lifecycle, policy: &policy, look: &look, is_sandbox: false };
            let (record, transition) =
                accept(&setting, &before, actor, self.clock.now()).map_err(|refusal| {
                    Problem::new(
                        Cause::Unprocessable,
                        format!("{object}: {refusal}"),
                        "`reconciled explain` says what is in doubt",
                    )
                })?;
            let accepted = AcceptedObject {
                object: object.to_string(),
                state: transition.to.clone(),
                doubt: before.quarantine.as_ref().map(|doubt| doubt.explanation.clone()).unwrap_or_default(),
            };
            let commit = Commit {
                read: before,
                record,
                transition: Some(transition),
                enrol: Vec::new(),
                alerts: Vec::new(),
                is_news: true,
            };
            if self.store.commit(commit).await.map_err(storage)? == Committed::Written {
                tracing::info!(%object, actor, "an object in doubt was accepted as it is");
                return Ok(accepted);
            }
        }
        Err(Problem::new(Cause::Conflict, format!("{selector} kept changing"), "try again"))
    }

    /// Whether the store still takes what it is given.
    pub async fn check_store(&self) -> Answer<()> {
        self.store.oldest_moving().await.map_err(storage)?;
        match self.store.stats().broken {
            None => Ok(()),
            Some(reason) => Err(storage(StoreError::Broken(reason))),
        }
    }

    /// Compares the store with itself and reads its whole journal, while work goes on.
    pub async fn self_check(&self, actor: &str) -> Answer<CheckReport> {
        tracing::info!(actor, "asked for a self-check of the store");
        let report = self.store.check().await.map_err(storage)?;
        for problem in &report.problems {
            tracing::error!(problem, "the store's self-check found a problem");
        }
        Ok(report)
    }

    /// Copies the journal into an empty or missing folder while work goes on.
    pub async fn backup(&self, request: &BackupRequest, actor: &str) -> Answer<BackupReport> {
        tracing::info!(actor, to = %request.to.display(), "asked for a backup");
        if !request.to.is_absolute() {
            let detail = format!("{} is not an absolute path", request.to.display());
            return Err(Problem::new(Cause::Unprocessable, detail, "begin it with /"));
        }
        self.store.backup(request.to.clone()).await.map_err(storage)
    }

    /// Makes the store's index small now, while work goes on.
    pub async fn compact(&self, actor: &str) -> Answer<Compacted> {
        tracing::info!(actor, "asked to make the store's index small");
        self.store.compact().await.map_err(storage)
    }

    /// How the store is doing. Does not wait for it.
    pub fn store_stats(&self) -> Stats {
        self.store.stats()
    }

    /// Everything at a glance.
    pub async fn status(&self) -> Answer<Status> {
        let now = self.clock.now();
        let mut health = self.host.health();
        if let CallAnswer::Listed(in_doubt) =
            self.host.call(CallRequest::List { account: None, all: false }).await?
            && !in_doubt.is_empty()
        {
            let complaint = format!("{} calls are in doubt; see: reconciled call --list", in_doubt.len());
            health.complaints.push(complaint);
        }
        let counts = self.store.counts().await.map_err(storage)?;
        let oldest = self.store.oldest_moving().await.map_err(storage)?;
        let mut outbox = Vec::new();
        for target in &health.targets {
            let owed = self.store.owed(target, Timestamp::MAX, PAGE_ROWS.0).await.map_err(storage)?;
            let next_at = self.store.next_owed(target).await.map_err(storage)?;
            let pending = u64::try_from(owed.len()).unwrap_or(u64::MAX);
            outbox.push(OutboxRow { target: target.clone(), pending, next_at });
        }
        let tails = self.tails(&counts);
        let batches = self.batch_counts().await?;
        Ok(Status {
            now,
            batches,
            tails,
            open: counts.iter().filter(|count| !count.finished).map(|count| count.number).sum(),
            objects: counts.iter().map(|count| count.number).sum(),
            counts,
            oldest_moving: oldest.map(|(object, made_at)| Oldest {
                object,
                made_at,
                age_s: now.duration_since(made_at).as_secs(),
            }),
            outbox,
            store: self.store.stats(),
            health,
        })
    }

    /// Makes the report of a day, of the last finished one unless said.
    pub async fn report(&self, date: Option<Date>) -> Answer<ReportMade> {
        let date = date.unwrap_or_else(|| self.host.last_finished_day());
        let made = self.host.make_report(date).await;
        made.map_err(|reason| Problem::new(Cause::Unprocessable, reason, ""))
    }

    /// Re-reads the configuration.
    pub async fn reload(&self, actor: &str) -> Reloaded {
        tracing::info!(actor, "asked to re-read the configuration");
        self.host.reload().await
    }

    /// The one record that is meant. Errors when there is none, or several.
    pub(super) async fn resolve(&self, selector: &Selector) -> Answer<Record> {
        let mut found = match (&selector.account, &selector.kind) {
            (Some(account), Some(kind)) => {
                let object =
                    ObjectRef { account: account.clone(), kind: kind.clone(), id: selector.id.clone() };
                self.store.record(&object).await.map_err(storage)?.into_iter().collect()
            }
            _ => {
                let mut found = self.store.find(&selector.id).await.map_err(storage)?;
                found.retain(|record| selector.matches(&record.object));
                found
            }
        };
        let capitals = ObjectId::new(selector.id.as_str().to_ascii_uppercase());
        if let Some(id) = capitals.ok().filter(|id| found.is_empty() && *id != selector.id) {
            let selector = Selector { id, ..selector.clone() };
            found = self.store.find(&selector.id).await.map_err(storage)?;
            found.retain(|record| selector.matches(&record.object));
        }
        if found.len() > 1 {
            let mut problem = Problem::new(
                Cause::Ambiguous,
                format!("{selector} names several objects"),
                "name it as account/kind/id",
            );
            problem.candidates = found.iter().map(|record| record.object.to_string()).collect();
            return Err(problem);
        }
        match found.pop() {
            Some(record) => Ok(record),
            None => Err(self.unknown(selector).await?),
        }
    }

    /// Nothing is watched under that name; it may have been.
    async fn unknown(&self, selector: &Selector) -> Answer<Problem> {
        let mut detail = format!("{selector} is not watched");
        if let (Some(account), Some(kind)) = (&selector.account, &selector.kind) {
            let object = ObjectRef { account: account.clone(), kind: kind.clone(), id: selector.id.clone() };
            let history = self.store.history(&object).await.map_err(storage)?;
            if let Some(last) = history.last() {
                detail = format!("{selector} is not watched any more: {} on {}", last.note, last.seen_at);
            }
        }
        let remedy = "look for it with `reconciled list`, or enrol it with `reconciled enrol`";
        Ok(Problem::new(Cause::NotFound, detail, remedy))
    }
}

pub(super) fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_ROWS.1).clamp(1, PAGE_ROWS.0)
}

/// Where a backup can go. Under the hardened unit little else is writable.
const BACKUP_REMEDY: &str = "name an empty or new folder that the daemon may write to, such as one beside its store; \
    under the unit that is /var/lib/reconciled, and its /tmp is its own";

pub(super) fn storage(error: StoreError) -> Problem {
    match error {
        StoreError::BadCursor(_) => {
            Problem::new(Cause::Malformed, error.to_string(), "start again without a cursor")
        }
        StoreError::TooLarge { .. } => Problem::new(Cause::TooLarge, error.to_string(), "send less at once"),
        StoreError::BadTarget(_) => Problem::new(Cause::Malformed, error.to_string(), ""),
        StoreError::Backup(_) => Problem::new(Cause::Unprocessable, error.to_string(), BACKUP_REMEDY),
        StoreError::Compaction(_) => Problem::new(
            Cause::Unavailable,
            error.to_string(),
            "the store goes on as it was; make room beside it, or try again when the other is done",
        ),
        other => {
            Problem::new(Cause::Unavailable, other.to_string(), "see the daemon's log; it restarts by itself")
        }
    }
}
