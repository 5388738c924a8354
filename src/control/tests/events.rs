//! Events in the store: which are listed and sent again, and those of a receiver that has left the configuration.

use jiff::SignedDuration;

use super::*;
use crate::control::Service;
use crate::control::test_service::{ORIGIN, alert};
use crate::payments::event::Event;
use crate::store::{Delivery, OwedAlert};

/// Makes an event pending, found this many minutes after the start.
fn event(receiver: &str, id: &str, number: u64, minutes: i64) -> OwedAlert {
    let event = Event {
        id: id.to_owned(),
        sequence: number,
        media_type: "application/json".to_owned(),
        body: "{}".to_owned(),
    };
    let mut alert = alert(&format!("events/{receiver}/shop/charge/S01/{number:010}"), "shop/charge/S01");
    alert.found_at = ORIGIN.parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_mins(minutes);
    alert.event = Some(Box::new(event));
    OwedAlert { alert, targets: vec![format!("events/{receiver}").as_str().into()] }
}

async fn service(events: Vec<OwedAlert>) -> (TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service_in(&folder.path().join("store"), Fixture::default()).await;
    store.raise(events).await.unwrap();
    (folder, service)
}

async fn again(service: &Service, request: EventsRedeliver) -> (u64, Vec<String>) {
    let done = service.redeliver_events(&request).await.unwrap();
    (done.deliveries, done.unknown)
}

#[tokio::test]
async fn an_event_is_sent_again_to_every_receiver_of_it_wherever_the_pages_part() {
    // Two receivers got it, and it is the last of the first page and the first of the second.
    let mut events = vec![event("cloud", "evt_both", 1, 0), event("shop", "evt_both", 1, 0)];
    events.push(event("shop", "evt_other", 2, 1));
    events.extend((3..=1_000).map(|number| event("shop", &format!("evt_{number}"), number, 2)));
    let (_folder, service) = service(events).await;
    let ids = |ids: &[&str]| EventsRedeliver {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..EventsRedeliver::default()
    };
    assert_eq!(again(&service, ids(&["evt_both"])).await, (2, vec![]));
    assert_eq!(again(&service, ids(&["evt_1000"])).await, (1, vec![]));
    assert_eq!(again(&service, ids(&["evt_nobody", "evt_both"])).await, (2, vec!["evt_nobody".to_owned()]));
    let to_one = EventsRedeliver { receiver: Some("cloud".to_owned()), ..ids(&["evt_both", "evt_other"]) };
    assert_eq!(again(&service, to_one).await, (1, vec!["evt_other".to_owned()]));
    let since = ORIGIN.parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_mins(1);
    let newer = EventsRedeliver { since: Some(since), ..EventsRedeliver::default() };
    assert_eq!(again(&service, newer).await, (999, vec![]));
    let of_object = EventsRedeliver { object: Some("S01".to_owned()), ..EventsRedeliver::default() };
    let writes = service.store.stats().synced_groups;
    assert_eq!(again(&service, of_object).await, (1_001, vec![]));
    let writes = service.store.stats().synced_groups - writes;
    assert!(writes < 1_001, "{writes} writes");
}

#[tokio::test]
async fn a_list_since_a_moment_ends_there() {
    let (_folder, service) = service(
        (1..=20).map(|number| event("shop", &format!("evt_{number}"), number, number as i64)).collect(),
    )
    .await;
    let since = ORIGIN.parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_mins(14);
    let mut request = EventsRequest { since: Some(since), limit: Some(5), ..EventsRequest::default() };
    let mut found = Vec::new();
    loop {
        let page = service.events(&request).await.unwrap();
        found.extend(page.items.into_iter().map(|row| row.sequence));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
        assert!(!found.is_empty());
    }
    assert_eq!(found, (14..=20).rev().collect::<Vec<_>>());
    // Nothing is newer: the first page says that it is the last.
    request.since = Some(since + SignedDuration::from_mins(10));
    let page = service.events(&request).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (0, None));
}

#[tokio::test]
async fn events_of_a_receiver_that_has_left_the_configuration_are_shown() {
    let (_folder, service) =
        service(vec![event("old", "evt_1", 1, 0), event("old", "evt_2", 2, 0), event("done", "evt_3", 3, 0)])
            .await;
    let (store, now) = (&service.store, ORIGIN.parse().unwrap());
    let settled = |receiver: &str, number: u64| {
        (format!("events/{receiver}/shop/charge/S01/{number:010}"), format!("events/{receiver}"))
    };
    let (key, target) = settled("old", 1);
    let dead = Delivery::Dead { error: "HTTP 500".to_owned(), fallback: None };
    store.settle(&key, &target, dead, now).await.unwrap();
    let (key, target) = settled("done", 3);
    store.settle(&key, &target, Delivery::Delivered, now).await.unwrap();
    let status = service.status().await.unwrap();
    let [old] = status.events.as_slice() else { panic!("{:?}", status.events) };
    assert_eq!((old.receiver.as_str(), old.pending, old.dead, old.is_removed), ("old", 1, 1, true));
    assert_eq!(old.last_error.as_deref(), Some("no longer configured"));
    assert_eq!((status.store.outbox_pending, status.store.outbox_dead), (0, 0), "those are alerts");
}
