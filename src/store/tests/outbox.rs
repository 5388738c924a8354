//! Alerts: pending until settled, permanently under one key.

use super::fixture::*;
use crate::payments::alert::Alert;
use crate::payments::event::Event;
use crate::store::{
    AlertFilter, Delivery, DeliveryStatus, Options, OutboxCounts, OwedAlert, Store, StoreError,
};

fn retry(seconds: i64) -> Delivery {
    Delivery::Retry { at: at(seconds), error: "busy".to_owned() }
}

async fn keys_owed(store: &Store, target: &str, seconds: i64) -> Vec<String> {
    let owed = store.owed(target, at(seconds), 10).await.unwrap();
    owed.into_iter().map(|owed| owed.alert.key).collect()
}

#[tokio::test]
async fn a_delivery_is_owed_until_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let both = ["ops", "shop", "ops"];
    let raised = vec![owed("k1", &both, at(1)), owed("k2", &["ops"], at(2)), owed("k1", &["late"], at(3))];
    assert_eq!(store.raise(raised, at(3)).await, Ok(2));
    assert_eq!(keys_owed(&store, "ops", 1).await, ["k1"]);
    assert_eq!(keys_owed(&store, "ops", 2).await, ["k1", "k2"]);
    assert_eq!(keys_owed(&store, "late", 9).await, [""; 0]);
    assert_eq!(keys_owed(&store, "op", 9).await, [""; 0], "a target is not a prefix");

    store.settle("k1", "ops", retry(50), at(3)).await.unwrap();
    assert_eq!(keys_owed(&store, "ops", 49).await, ["k2"]);
    assert_eq!(store.next_owed("ops").await, Ok(Some(at(2))));
    store.settle("k2", "ops", Delivery::Delivered, at(4)).await.unwrap();
    assert_eq!(store.next_owed("ops").await, Ok(Some(at(50))));
    let again = store.owed("ops", at(50), 10).await.unwrap();
    assert_eq!((again[0].attempts, again[0].next_attempt_at), (1, at(50)));
    store.settle("k1", "ops", Delivery::Dead { error: "gone".to_owned() }, at(50)).await.unwrap();
    assert_eq!(store.next_owed("ops").await, Ok(None));
    assert_eq!((store.stats().outbox_pending, store.stats().outbox_dead), (1, 1));

    store.settle("k2", "ops", retry(60), at(55)).await.unwrap();
    store.settle("k1", "ops", retry(60), at(55)).await.unwrap();
    store.settle("k1", "nobody", retry(60), at(55)).await.unwrap();
    store.settle("k9", "ops", retry(60), at(55)).await.unwrap();
    assert_eq!(store.next_owed("ops").await, Ok(None), "what is settled stays settled");
    assert_clean(&store).await;

    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    assert_eq!((store.stats().outbox_pending, store.stats().outbox_dead), (1, 1));
    assert_eq!(keys_owed(&store, "shop", 1).await, ["k1"]);
}

#[tokio::test]
async fn an_operator_can_have_it_delivered_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.raise(vec![owed("k1", &["ops", "shop"], at(1))], at(1)).await.unwrap();
    store.settle("k1", "ops", Delivery::Delivered, at(2)).await.unwrap();
    store.settle("k1", "shop", Delivery::Dead { error: "no".to_owned() }, at(2)).await.unwrap();
    assert_eq!(store.redeliver("k1", Some("ops"), at(5)).await, Ok(1));
    assert_eq!(keys_owed(&store, "ops", 5).await, ["k1"]);
    assert_eq!(store.redeliver("k1", None, at(6)).await, Ok(2));
    assert_eq!(keys_owed(&store, "shop", 6).await, ["k1"]);
    assert_eq!(store.next_owed("ops").await, Ok(Some(at(6))));
    assert_eq!(store.redeliver("k9", None, at(6)).await, Ok(0));
    assert_eq!(store.redeliver("k1", Some("nobody"), at(6)).await, Ok(0));
    assert_clean(&store).await;
}

#[tokio::test]
async fn alerts_are_listed_newest_first_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for number in 0..5 {
        let key = format!("k{number}");
        store.raise(vec![owed(&key, &["ops"], at(number))], at(number)).await.unwrap();
    }
    store.settle("k2", "ops", Delivery::Delivered, at(9)).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.alerts(AlertFilter::default(), after, 2).await.unwrap();
        seen.extend(page.items.into_iter().map(|row| row.alert.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["k4", "k3", "k2", "k1", "k0"]);
    let of = |filter| {
        let store = store.clone();
        async move {
            let page = store.alerts(filter, None, 10).await.unwrap();
            page.items.into_iter().map(|row| row.alert.key).collect::<Vec<_>>()
        }
    };
    let delivered = AlertFilter { status: Some(DeliveryStatus::Delivered), ..AlertFilter::default() };
    assert_eq!(of(delivered).await, ["k2"]);
    let other_target = AlertFilter { target: Some("shop".to_owned()), ..AlertFilter::default() };
    assert_eq!(of(other_target).await, [""; 0]);
    let other_kind = AlertFilter { kind: Some("overdue".to_owned()), ..AlertFilter::default() };
    assert_eq!(of(other_kind).await, [""; 0]);
}

/// An event of the object `S01`, with this number among its events.
fn event(number: u64, target: &str) -> OwedAlert {
    let event = Event {
        id: format!("evt_{number}"),
        sequence: number,
        media_type: "application/json".to_owned(),
        body: "{}".to_owned(),
    };
    let seconds = i64::try_from(number).unwrap();
    let key = format!("{target}/shop-de/charge/S01/{number:010}");
    let alert = Alert { event: Some(Box::new(event)), ..alert(&key, at(seconds)) };
    OwedAlert { alert, targets: vec![target.to_owned()] }
}

#[tokio::test]
async fn events_have_a_list_and_counts_of_their_own_and_know_what_is_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let (shop, other) = ("events/shop", "events/other");
    let mut neighbour = event(1, shop);
    neighbour.alert.key = format!("{shop}/shop-de/charge/S01-2/0000000001");
    let raised = vec![event(1, shop), event(2, shop), event(3, shop), event(2, other), neighbour];
    assert_eq!(store.raise(raised, at(3)).await, Ok(5));
    store.raise(vec![owed("k1", &["ops"], at(1))], at(3)).await.unwrap();

    let listed = async |is_event: bool| {
        let filter = AlertFilter { is_event, ..AlertFilter::default() };
        store.alerts(filter, None, 10).await.unwrap().items.len()
    };
    assert_eq!((listed(true).await, listed(false).await), (5, 1));

    let key = |number: u64, target: &str| event(number, target).alert.key;
    let before = async |number: u64, target: &'static str| {
        store.pending_before(target, &key(number, target)).await.unwrap()
    };
    assert_eq!((before(1, shop).await, before(2, shop).await), (None, Some(at(1))));
    assert_eq!(before(2, other).await, None, "each receiver has an order of its own");
    store.settle(&key(1, shop), shop, retry(50), at(3)).await.unwrap();
    assert_eq!(before(2, shop).await, Some(at(50)));
    store.postpone(shop, &key(2, shop), at(50)).await.unwrap();
    let due = store.owed(shop, at(60), 9).await.unwrap().into_iter();
    let due: Vec<(u64, u32)> = due.map(|owed| (owed.alert.event.unwrap().sequence, owed.attempts)).collect();
    assert_eq!(
        due,
        [(1, 0), (3, 0), (1, 1), (2, 0)],
        "the neighbour and 3 are due; then 1 again, and 2 after it"
    );
    store.settle(&key(1, shop), shop, Delivery::Delivered, at(51)).await.unwrap();
    assert_eq!(before(2, shop).await, None);
    store.settle(&key(2, shop), shop, Delivery::Dead { error: "no".to_owned() }, at(51)).await.unwrap();
    assert_eq!(before(3, shop).await, None, "one that was given up holds nothing up");

    let counts = |pending, dead| OutboxCounts { pending, dead };
    let expected = [(other.to_owned(), counts(1, 0)), (shop.to_owned(), counts(2, 1))].into();
    assert_eq!(store.outbox_counts("events/").await, Ok(expected));
    assert_clean(&store).await;
    store.close().await.unwrap();
    let rebuilt = Options { rebuild_index: true, ..options(folder.path()) };
    let (store, _) = Store::open(rebuilt, at(60)).await.unwrap();
    assert_eq!(store.stats().outbox_pending, 4);
    assert_eq!(
        store
            .alerts(AlertFilter { is_event: true, ..AlertFilter::default() }, None, 9)
            .await
            .unwrap()
            .items
            .len(),
        5
    );
    assert_clean(&store).await;
}

#[test]
fn an_alert_of_a_store_before_events_is_read() {
    let stored = serde_json::to_value(alert("k1", at(1))).unwrap();
    assert_eq!(stored.get("event"), None, "an alert is stored as it always was");
    assert_eq!(serde_json::from_value::<Alert>(stored).unwrap().event, None);
}

#[tokio::test]
async fn a_row_that_owes_what_was_delivered_is_damage_and_no_message_without_end() {
    use crate::store::index::keys;
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.raise(vec![owed("k1", &["ops"], at(0))], at(0)).await.unwrap();
    assert_eq!(store.owed("ops", at(9), 9).await.unwrap().len(), 1);
    store.settle("k1", "ops", Delivery::Delivered, at(1)).await.unwrap();
    assert_eq!(store.owed("ops", at(9), 9).await.unwrap().len(), 0);
    tamper(&store, keys::owed_row("ops", at(0), 1, 0), Some(b"k1".to_vec()));
    let error = store.owed("ops", at(9), 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    drop(store);
    let (store, _) = open(folder.path()).await;
    assert_eq!(store.owed("ops", at(9), 9).await.unwrap().len(), 0);
    assert_clean(&store).await;
}
