//! The answers about watched objects: list, show, explain, forget, accept.
//!
//! Owns: which object is meant, what is said about it. Must never know: sockets, terminals, tables.

use std::time::Duration;

use crate::control::explain::{Ground, explain, outlook_words};
use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, EMPTY_PAGES_MAX, PAGE_ROWS, Service, rows, storage};
use crate::payments::accept;
use crate::payments::decide::Setting;
use crate::payments::history::outcome;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{ObjectId, ObjectRef};
use crate::payments::record::Record;
use crate::store::{AlertFilter, Commit, Committed, Filter};
use crate::time::earlier;

/// How often an acceptance is tried while polls keep changing the object.
const COMMIT_ATTEMPTS: u32 = 5;

impl Service {
    /// One page of records.
    pub async fn list(&self, request: &ListRequest) -> Answer<Listing<WatchedObject>> {
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
                let items = page.items.into_iter().map(|record| self.watched(record)).collect();
                return Ok(Listing { items, next_cursor: page.next });
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
        let observed = record.observed.clone();
        let revision = record.revision;
        Ok(Shown { revision, object: self.watched(record), observed, history, alerts })
    }

    /// A record in the form that others see, with what its account knows about it.
    fn watched(&self, record: Record) -> WatchedObject {
        let rooms = self.rooms();
        let lifecycle = rooms.lifecycle(&record.object);
        let outcome = record.observed.as_ref().zip(lifecycle).and_then(|(observed, lifecycle)| {
            let facts = lifecycle.state(&observed.observation.state)?;
            Some(outcome(lifecycle, &facts, &observed.observation))
        });
        let environment =
            rooms.account(&record.object.account).map(|account| account.environment().to_owned());
        WatchedObject::of(record, environment, outcome)
    }

    /// Explains the current state of an object.
    pub async fn explain(&self, selector: &Selector) -> Answer<Explanation> {
        let record = self.resolve(selector).await?;
        let rooms = self.rooms();
        let policy = rooms.policy(&record.object);
        let ground = Ground {
            lifecycle: rooms.lifecycle(&record.object),
            policy: policy.as_ref(),
            where_to_look: rooms.where_to_look(&record.object.account),
            now: self.clock.now(),
        };
        let mut told = explain(&record, &ground);
        if let Some(account) = rooms.account(&record.object.account)
            && let Some(outlook) = self.reconcile.outlook(account, &record)
        {
            told.next_look = format!("{} {}", told.next_look, outlook_words(&record, &outlook, ground.now));
        }
        let rate = self.rate(&record.object.account, &record.object.kind);
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
                    format!("{} It may also be polled by batch: {}.", told.next_look, row.tail.words());
            }
        }
        Ok(told)
    }

    /// Stops watching an object. Its history stays. May be repeated.
    pub async fn forget(&self, selector: &Selector, actor: &str) -> Answer<Forgotten> {
        let object = match self.resolve(selector).await {
            Ok(record) => record.object,
            Err(problem) if problem.cause == Cause::NotFound => {
                return Ok(Forgotten { object: selector.to_string(), was_watched: false });
            }
            Err(problem) => return Err(problem),
        };
        let was_watched = self.store.forget(&object, self.clock.now(), actor).await.map_err(storage)?;
        tracing::info!(%object, actor, was_watched, "an object is no longer watched");
        Ok(Forgotten { object: object.to_string(), was_watched })
    }

    /// Accepts a quarantined object as the provider shows it. Its history records who did.
    pub async fn accept(&self, selector: &Selector, actor: &str) -> Answer<AcceptedObject> {
        let rooms = self.rooms();
        for _ in 0..COMMIT_ATTEMPTS {
            let before = self.resolve(selector).await?;
            let object = before.object.clone();
            let (Some(lifecycle), Some(policy)) = (rooms.lifecycle(&object), rooms.policy(&object)) else {
                return Err(Problem::new(
                    Cause::Unprocessable,
                    format!("the account or kind of {object} is not configured"),
                    "add the account to the configuration, then accept the object",
                ));
            };
            let where_to_look = rooms.where_to_look(&object.account).unwrap_or_default();
            // Accepting settles what was observed. The environment is compared when the next answer arrives.
            let setting = Setting { lifecycle, policy: &policy, where_to_look, is_sandbox: false };
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
            let is_sandbox = rooms.account(&object.account).is_some_and(|account| account.is_sandbox);
            let events = self.reconcile.events(&record, &transition, is_sandbox).await.map_err(storage)?;
            let commit = Commit {
                read: before,
                record,
                transition: Some(transition),
                enrol: Vec::new(),
                alerts: events,
                is_news: true,
            };
            if self.store.commit(commit).await.map_err(storage)? == Committed::Written {
                tracing::info!(%object, actor, "a quarantined object was accepted as it is");
                return Ok(accepted);
            }
        }
        Err(Problem::new(Cause::Conflict, format!("{selector} kept changing"), "try again"))
    }

    /// Finds the one record that is meant. Fails when there is none, or more than one.
    pub(in crate::control) async fn resolve(&self, selector: &Selector) -> Answer<Record> {
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
            Some(record) => self.expected(record),
            None => Err(self.unknown(selector).await?),
        }
    }

    /// The record, unless the request expects another revision.
    fn expected(&self, record: Record) -> Answer<Record> {
        match self.expected_revision {
            Some(expected) if expected != record.revision => {
                Err(Problem::changed(&record.object.to_string()))
            }
            _ => Ok(record),
        }
    }

    /// The problem for a name under which nothing is watched. Says so if an object was watched before.
    async fn unknown(&self, selector: &Selector) -> Answer<Problem> {
        let mut detail = format!("{selector} is not watched");
        if let (Some(account), Some(kind)) = (&selector.account, &selector.kind) {
            let object = ObjectRef { account: account.clone(), kind: kind.clone(), id: selector.id.clone() };
            let history = self.store.history(&object).await.map_err(storage)?;
            if let Some(last) = history.last() {
                detail = format!("{selector} is no longer watched: {} on {}", last.note, last.seen_at);
            }
        }
        let remedy = "look for it with `reconciled list`, or enrol it with `reconciled enrol`";
        Ok(Problem::new(Cause::NotFound, detail, remedy))
    }
}
