//! The answers about events: list, send again, test, enable.
//!
//! Owns: what each does. Must never know: what an event says, how it is delivered.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, EMPTY_PAGES_MAX, PAGE_ROWS, Service, rows, storage};
use crate::events::{BackOffice, TARGETS};
use crate::payments::alert::Alert;
use crate::store::AlertFilter;

/// Which events are meant, beyond what the store's own filter can say.
#[derive(Default)]
struct Chosen {
    filter: AlertFilter,
    ids: Vec<String>,
    object: Option<Selector>,
    since: Option<Timestamp>,
}

impl Chosen {
    fn new(receiver: Option<&String>, object: Option<&String>, since: Option<Timestamp>) -> Answer<Chosen> {
        let target = receiver.map(|name| format!("{TARGETS}{name}"));
        let object = object.map(|text| text.parse::<Selector>()).transpose();
        let object = object.map_err(|what| Problem::new(Cause::Malformed, what, ""))?;
        let filter = AlertFilter { target, is_event: true, ..AlertFilter::default() };
        Ok(Chosen { filter, object, since, ids: Vec::new() })
    }

    fn is_meant(&self, alert: &Alert) -> bool {
        let is_object =
            |wanted: &Selector| alert.object.as_ref().is_some_and(|object| wanted.matches(object));
        let is_id = |id: &String| self.ids.is_empty() || self.ids.contains(id);
        alert.event.as_ref().is_some_and(|event| is_id(&event.id))
            && self.object.as_ref().is_none_or(is_object)
            && self.since.is_none_or(|since| alert.found_at >= since)
    }

    /// The deliveries of a stored event that are meant.
    fn deliveries<'a>(&'a self, stored: &'a AlertRow) -> impl Iterator<Item = &'a DeliveryRow> {
        let is_meant = self.is_meant(&stored.alert);
        stored.deliveries.iter().filter(move |delivery| {
            is_meant
                && self.filter.target.as_ref().is_none_or(|target| delivery.target == *target)
                && self.filter.status.is_none_or(|status| delivery.status == status)
        })
    }

    /// Whether nothing on the pages after this one can be meant, because they are in order of time, newest first.
    fn is_past(&self, page: &[AlertRow]) -> bool {
        let Some(since) = self.since else { return false };
        !page.is_empty() && page.iter().all(|row| row.alert.found_at < since)
    }
}

/// The rows of a stored event, one for each delivery that is meant.
fn listed(stored: &AlertRow, chosen: &Chosen) -> Vec<EventRow> {
    let alert = &stored.alert;
    let Some(event) = &alert.event else { return Vec::new() };
    let row = |delivery: &DeliveryRow| EventRow {
        id: event.id.clone(),
        event_type: alert.kind.to_string(),
        receiver: delivery.target.strip_prefix(TARGETS).unwrap_or(&delivery.target).to_owned(),
        object: alert.object.clone(),
        sequence: event.sequence,
        occurred_at: alert.occurred_at,
        found_at: alert.found_at,
        state: delivery.status,
        attempts: delivery.attempts,
        last_error: delivery.last_error.clone(),
        at: delivery.at,
        body: event.body.clone(),
    };
    chosen.deliveries(stored).map(row).collect()
}

impl Service {
    /// One page of events, newest first.
    pub async fn events(&self, request: &EventsRequest) -> Answer<Listing<EventRow>> {
        let mut chosen = Chosen::new(request.receiver.as_ref(), request.object.as_ref(), request.since)?;
        chosen.filter.account.clone_from(&request.account);
        chosen.filter.kind.clone_from(&request.event_type);
        chosen.filter.status = request.state;
        let mut listing = Listing { items: Vec::new(), next_cursor: request.cursor.clone() };
        for _ in 0..EMPTY_PAGES_MAX {
            let cursor = listing.next_cursor.take();
            let page = self.store.alerts(chosen.filter.clone(), cursor, rows(request.limit)).await;
            let page = page.map_err(storage)?;
            listing.next_cursor = page.next.filter(|_| !chosen.is_past(&page.items));
            listing.items.extend(page.items.iter().flat_map(|stored| listed(stored, &chosen)));
            if !listing.items.is_empty() || listing.next_cursor.is_none() {
                break;
            }
        }
        Ok(listing)
    }

    /// Schedules events for delivery again, each under its own id.
    pub async fn redeliver_events(&self, request: &EventsRedeliver) -> Answer<Redelivered> {
        let choices =
            [!request.ids.is_empty(), request.object.is_some(), request.since.is_some(), request.all_dead];
        if choices.into_iter().filter(|is_made| *is_made).count() != 1 {
            let what = "name exactly one of ids, object, since or all_dead";
            return Err(Problem::new(Cause::Malformed, what, ""));
        }
        let mut chosen = Chosen::new(request.receiver.as_ref(), request.object.as_ref(), request.since)?;
        chosen.ids.clone_from(&request.ids);
        chosen.filter.status = request.all_dead.then_some(DeliveryStatus::Dead);
        // All are collected first: one that becomes pending again drops out of the list that the cursor walks.
        let mut missing: BTreeSet<String> = request.ids.iter().cloned().collect();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.alerts(chosen.filter.clone(), after, PAGE_ROWS.0).await.map_err(storage)?;
            let mut ends_with_one = false;
            for stored in &page.items {
                let before = found.len();
                let meant = chosen.deliveries(stored);
                found.extend(meant.map(|delivery| (stored.alert.key.clone(), delivery.target.clone())));
                ends_with_one = found.len() > before;
                if let Some(event) = stored.alert.event.as_ref().filter(|_| ends_with_one) {
                    missing.remove(&event.id);
                }
            }
            // The events of one change have one id, for every receiver, and follow each other.
            let has_all = !request.ids.is_empty() && missing.is_empty() && !ends_with_one;
            after = page.next.filter(|_| !has_all && !chosen.is_past(&page.items));
            if after.is_none() {
                break;
            }
        }
        let unknown = request.ids.iter().filter(|id| missing.contains(*id)).cloned().collect();
        // The oldest first, so that an object's events keep their order.
        found.reverse();
        let deliveries = self.redeliver_each(&found, self.clock.now()).await?;
        Ok(Redelivered { deliveries, unknown })
    }

    /// Sends a test message to one receiver or to all.
    pub async fn test_events(&self, request: &EventsTest) -> Answer<Vec<Tested>> {
        let mut tested = Vec::new();
        for office in self.back_offices(request.receiver.as_deref())? {
            self.at_keeper().await?;
            let outcome = office.test().await;
            tested.push(Tested {
                target: office.name().to_owned(),
                is_delivered: outcome.is_ok(),
                detail: outcome.err().unwrap_or_else(|| "accepted".to_owned()),
            });
        }
        Ok(tested)
    }

    /// Lets a receiver that answered that it is gone get events again.
    pub async fn enable_events(&self, request: &EventsEnable) -> Answer<EventsEnabled> {
        let mut was_disabled = false;
        for office in self.back_offices(Some(&request.receiver))? {
            self.at_keeper().await?;
            was_disabled |= office.enable().await.map_err(storage)?;
        }
        Ok(EventsEnabled { receiver: request.receiver.clone(), was_disabled })
    }

    /// The receivers, or the one with this name.
    fn back_offices(&self, name: Option<&str>) -> Answer<Vec<Arc<BackOffice>>> {
        let mut found = self.rooms().back_offices.clone();
        let Some(name) = name else { return Ok(found) };
        let known: Vec<String> = found.iter().map(|office| office.name().to_owned()).collect();
        found.retain(|office| office.name() == name);
        if found.is_empty() {
            let what = format!("there is no receiver {name:?}; known receivers: {}", known.join(", "));
            let remedy = "the receivers are listed under [[events]] in the configuration";
            return Err(Problem::new(Cause::Unprocessable, what, remedy));
        }
        Ok(found)
    }
}
