//! The answers about alerts: list, send again, test.
//!
//! Owns: what each does. Must never know: alert texts, targets.

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, EMPTY_PAGES_MAX, PAGE_ROWS, Service, rows, storage};
use crate::store::{AlertFilter, Page};

/// How many deliveries become pending again at once.
const AT_ONCE: usize = 200;

impl Service {
    /// One page of alerts.
    pub async fn alerts(&self, request: &AlertsRequest) -> Answer<Listing<AlertRow>> {
        let filter = AlertFilter {
            account: request.account.clone(),
            kind: request.kind.clone(),
            object: None,
            target: request.target.clone(),
            status: request.state,
            is_event: false,
        };
        let page = self.alert_page(&filter, request.cursor.clone(), rows(request.limit)).await?;
        Ok(Listing { items: page.items, next_cursor: page.next })
    }

    async fn alert_page(
        &self,
        filter: &AlertFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<Page<AlertRow>> {
        let mut after = after;
        for _ in 0..EMPTY_PAGES_MAX {
            let page = self.store.alerts(filter.clone(), after, limit).await.map_err(storage)?;
            if !page.items.is_empty() || page.next.is_none() {
                return Ok(page);
            }
            after = page.next;
        }
        Ok(Page { items: Vec::new(), next: after })
    }

    /// Schedules alerts for delivery again.
    pub async fn redeliver(&self, request: &RedeliverRequest) -> Answer<Redelivered> {
        if request.all_dead != request.keys.is_empty() {
            return Err(Problem::new(Cause::Malformed, "name either keys or all_dead", ""));
        }
        let now = self.clock.now();
        let mut done = Redelivered { deliveries: 0, unknown: Vec::new() };
        if request.all_dead {
            done.deliveries = self.redeliver_dead(request.target.as_deref(), now).await?;
            return Ok(done);
        }
        for key in &request.keys {
            let number = self.store.redeliver(key, request.target.as_deref(), now).await.map_err(storage)?;
            if number == 0 {
                done.unknown.push(key.clone());
            }
            done.deliveries += u64::try_from(number).unwrap_or(u64::MAX);
        }
        Ok(done)
    }

    /// Collects all keys first: an alert that becomes pending again drops out of the list that the cursor walks.
    async fn redeliver_dead(&self, target: Option<&str>, now: Timestamp) -> Answer<u64> {
        let filter = AlertFilter {
            target: target.map(str::to_owned),
            status: Some(DeliveryStatus::Dead),
            ..AlertFilter::default()
        };
        let mut dead = Vec::new();
        let mut after = None;
        loop {
            let page = self.alert_page(&filter, after, PAGE_ROWS.0).await?;
            for row in page.items {
                let targets = row.deliveries.into_iter().filter(|delivery| {
                    delivery.status == DeliveryStatus::Dead
                        && target.is_none_or(|target| delivery.target == target)
                });
                dead.extend(targets.map(|delivery| (row.alert.key.clone(), delivery.target)));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.redeliver_each(&dead, now).await
    }

    /// Makes deliveries to targets pending again, in this order. Some are made at once: they share the store's writes.
    pub(super) async fn redeliver_each(
        &self,
        deliveries: &[(String, String)],
        now: Timestamp,
    ) -> Answer<u64> {
        let mut number = 0;
        for part in deliveries.chunks(AT_ONCE) {
            let again = part.iter().map(|(key, target)| self.store.redeliver(key, Some(target), now));
            for made in join_all(again).await {
                number += made.map_err(storage)?;
            }
        }
        Ok(u64::try_from(number).unwrap_or(u64::MAX))
    }

    /// Sends a test message to one target or to all.
    pub async fn test_alerts(&self, request: &TestRequest) -> Answer<Vec<Tested>> {
        let remedy = "the targets are listed under [[alert]] in the configuration";
        let trials = self.rooms().deliverer.test(request.target.as_deref()).await;
        let trials = trials.map_err(|error| Problem::new(Cause::Unprocessable, error.to_string(), remedy))?;
        let tested = trials.into_iter().map(|trial| Tested {
            target: trial.target,
            is_delivered: trial.outcome.is_ok(),
            detail: trial.outcome.err().unwrap_or_else(|| "accepted".to_owned()),
        });
        Ok(tested.collect())
    }
}
