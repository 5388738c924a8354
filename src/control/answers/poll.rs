//! The answer to `poll`: queues objects to be polled next, or says what that would cost.
//!
//! Owns: which objects are meant. Must never know: who polls.

use jiff::Timestamp;

use crate::control::messages::{PollAnswer, PollRequest, Selector};
use crate::control::plan::Tally;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, PAGE_ROWS, Service, storage};
use crate::payments::object::{AccountName, Kind, ObjectRef};

impl Service {
    /// Moves objects to the head of their account's queue, or says what that would cost.
    pub async fn poll(&self, request: &PollRequest) -> Answer<PollAnswer> {
        if request.all != request.objects.is_empty() {
            return Err(Problem::new(Cause::Malformed, "name either objects or all", ""));
        }
        let now = self.clock.now();
        let mut tally = Tally::default();
        let mut unknown = Vec::new();
        if request.all && request.dry_run {
            self.count_open(request, &mut tally).await?;
        } else if request.all {
            self.ask_all(request, &mut tally, now).await?;
        } else {
            let objects = self.named(&request.objects, &mut unknown).await?;
            for object in &objects {
                tally.add(object);
            }
            if !request.dry_run && !objects.is_empty() {
                self.store.ask(objects, now).await.map_err(storage)?;
            }
        }
        let rate = |account: &AccountName, kind: &Kind| self.rate(account, kind);
        Ok(PollAnswer { unknown, ..tally.answer(rate, now, request.dry_run) })
    }

    async fn count_open(&self, request: &PollRequest, tally: &mut Tally) -> Answer<()> {
        for count in self.store.counts().await.map_err(storage)? {
            if !count.finished && is_wanted(request, &count.account, &count.kind) {
                tally.add_many(&count.account, &count.kind, count.number);
            }
        }
        Ok(())
    }

    async fn ask_all(&self, request: &PollRequest, tally: &mut Tally, now: Timestamp) -> Answer<()> {
        let mut after = None;
        loop {
            let page = self.store.open_objects(after, PAGE_ROWS.0).await.map_err(storage)?;
            let objects: Vec<ObjectRef> = page
                .items
                .into_iter()
                .map(|record| record.object)
                .filter(|object| is_wanted(request, &object.account, &object.kind))
                .collect();
            for object in &objects {
                tally.add(object);
            }
            if !objects.is_empty() {
                self.store.ask(objects, now).await.map_err(storage)?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn named(&self, selectors: &[Selector], unknown: &mut Vec<String>) -> Answer<Vec<ObjectRef>> {
        let mut objects = Vec::new();
        for selector in selectors {
            match self.resolve(selector).await {
                Ok(record) if objects.contains(&record.object) => {}
                Ok(record) => objects.push(record.object),
                Err(problem) if problem.cause == Cause::NotFound => unknown.push(selector.to_string()),
                Err(problem) => return Err(problem),
            }
        }
        Ok(objects)
    }
}

fn is_wanted(request: &PollRequest, account: &AccountName, kind: &Kind) -> bool {
    request.account.as_ref().is_none_or(|wanted| wanted == account)
        && request.kind.as_ref().is_none_or(|wanted| wanted == kind)
}
