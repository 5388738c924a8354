//! Alerts: pending until settled, permanently under one key.

use super::fixture::*;
use crate::payments::alert::{Alert, Recipient};
use crate::payments::event::Event;
use crate::store::{
    Acknowledgement, AlertFilter, Delivery, DeliveryRow, DeliveryStatus, Options, OutboxCounts, OwedAlert,
    Store, StoreError,
};

fn retry(seconds: i64) -> Delivery {
    Delivery::Retry { at: at(seconds), error: "busy".to_owned(), message: None }
}

fn dead(error: &str) -> Delivery {
    Delivery::Dead { error: error.to_owned(), fallback: None }
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
    assert_eq!(store.raise(raised).await, Ok(2));
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
    store.settle("k1", "ops", dead("gone"), at(50)).await.unwrap();
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
    store.raise(vec![owed("k1", &["ops", "shop"], at(1))]).await.unwrap();
    store.settle("k1", "ops", Delivery::Delivered, at(2)).await.unwrap();
    store.settle("k1", "shop", dead("no"), at(2)).await.unwrap();
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
        store.raise(vec![owed(&key, &["ops"], at(number))]).await.unwrap();
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
    OwedAlert { alert, targets: vec![target.into()] }
}

#[tokio::test]
async fn events_have_a_list_and_counts_of_their_own_and_know_what_is_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let (shop, other) = ("events/shop", "events/other");
    let mut neighbour = event(1, shop);
    neighbour.alert.key = format!("{shop}/shop-de/charge/S01-2/0000000001");
    let raised = vec![event(1, shop), event(2, shop), event(3, shop), event(2, other), neighbour];
    assert_eq!(store.raise(raised).await, Ok(5));
    store.raise(vec![owed("k1", &["ops"], at(1))]).await.unwrap();

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
    let postponed = Delivery::Postponed { at: at(50), why: "an earlier one waits".to_owned() };
    store.settle(&key(2, shop), shop, postponed, at(50)).await.unwrap();
    let due = store.owed(shop, at(60), 9).await.unwrap().into_iter();
    let due: Vec<(u64, u32)> = due.map(|owed| (owed.alert.event.unwrap().sequence, owed.attempts)).collect();
    assert_eq!(
        due,
        [(1, 0), (3, 0), (1, 1), (2, 0)],
        "the neighbour and 3 are due; then 1 again, and 2 after it"
    );
    store.settle(&key(1, shop), shop, Delivery::Delivered, at(51)).await.unwrap();
    assert_eq!(before(2, shop).await, None);
    store
        .settle(&key(2, shop), shop, Delivery::Dead { error: "no".to_owned(), fallback: None }, at(51))
        .await
        .unwrap();
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
    store.raise(vec![owed("k1", &["ops"], at(0))]).await.unwrap();
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

#[tokio::test]
async fn a_silence_and_an_acknowledgement_settle_what_is_pending_and_outlive_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let escalating = |key: &str| OwedAlert {
        alert: alert(key, at(1)),
        targets: vec!["ops".into(), Recipient::Escalation { target: "pager".to_owned(), at: at(900) }],
    };
    let raised = ["k1", "k2", "k3"].map(escalating);
    assert_eq!(store.raise(raised.into()).await, Ok(3));
    let first = store.owed("ops", at(1), 10).await.unwrap();
    assert_eq!((first[0].is_escalation, first[0].escalates_at), (false, Some(at(900))));
    assert_eq!(keys_owed(&store, "pager", 899).await, [""; 0]);

    store.withhold("k1", 7, at(2)).await.unwrap();
    store.settle("k1", "ops", retry(60), at(3)).await.unwrap();
    store.settle("k2", "ops", Delivery::Delivered, at(2)).await.unwrap();
    assert_eq!(store.acknowledge("k2", "uid:1000", at(3)).await, Ok(true));
    assert_eq!(store.acknowledge("k9", "uid:1000", at(3)).await, Ok(false));
    assert_eq!(keys_owed(&store, "ops", 900).await, ["k3"]);
    let escalated = store.owed("pager", at(900), 10).await.unwrap();
    assert_eq!(escalated.len(), 1);
    assert!(escalated[0].is_escalation && escalated[0].alert.key == "k3");
    assert_eq!(store.stats().outbox_pending, 2);
    assert_clean(&store).await;
    store.close().await.unwrap();

    let rebuilt = Options { rebuild_index: true, ..options(folder.path()) };
    let (store, _) = Store::open(rebuilt, at(4)).await.unwrap();
    let statuses = async |key: &str| {
        let row = store.alert(key).await.unwrap().unwrap();
        (row.deliveries.iter().map(|row| row.status).collect::<Vec<_>>(), row.acknowledged)
    };
    use DeliveryStatus::{Acknowledged, Delivered, Pending, Silenced};
    assert_eq!(statuses("k1").await, (vec![Silenced; 2], None));
    let who = Acknowledgement { by: "uid:1000".to_owned(), at: at(3) };
    assert_eq!(statuses("k2").await, (vec![Delivered, Acknowledged], Some(who)));
    assert_eq!(statuses("k3").await, (vec![Pending; 2], None));
    assert_eq!(store.alert("k9").await, Ok(None));
    assert_eq!(store.stats().outbox_pending, 2);
    assert_eq!(store.redeliver("k3", None, at(5)).await, Ok(1), "an escalation is not sent before its time");
    assert_eq!(store.redeliver("k2", Some("pager"), at(5)).await, Ok(1), "unless it is named");
    assert_clean(&store).await;
}

#[test]
fn alerts_of_earlier_releases_are_read_and_written_as_before() {
    let text = serde_json::to_value(owed("k1", &["ops", "shop"], at(1))).unwrap();
    assert_eq!(text["targets"], serde_json::json!(["ops", "shop"]));
    let read: OwedAlert = serde_json::from_value(text).unwrap();
    assert_eq!(read.targets, [Recipient::from("ops"), Recipient::from("shop")]);
    let old =
        r#"{"target":"ops","status":"pending","attempts":0,"last_error":null,"at":"2026-01-15T09:30:00Z"}"#;
    let row: DeliveryRow = serde_json::from_str(old).unwrap();
    assert_eq!((row.is_escalation, row.silence), (false, None));
    assert_eq!(serde_json::to_string(&row).unwrap(), old);
}

#[tokio::test]
async fn what_is_combined_withheld_or_passed_on_is_recorded_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let keys = ["k1", "k2", "k3"];
    store.raise(keys.map(|key| owed(key, &["ops"], at(1))).to_vec()).await.unwrap();
    let together = Delivery::Together { message: "digest/1".to_owned() };
    let withheld = || Delivery::Withheld { why: "it is over".to_owned(), instead: None };
    let passed_on = Delivery::Dead { error: "gone".to_owned(), fallback: Some("mail".to_owned()) };
    store.settle("k1", "ops", together, at(2)).await.unwrap();
    let postponed = Delivery::Postponed { at: at(9), why: "explained".to_owned() };
    store.settle("k2", "ops", postponed, at(2)).await.unwrap();
    assert_eq!(
        (keys_owed(&store, "ops", 8).await, keys_owed(&store, "ops", 9).await.len()),
        (vec!["k3".to_owned()], 2)
    );
    let pending = store.owed("ops", at(99), 9).await.unwrap();
    let waits: Vec<bool> = pending.iter().map(|owed| owed.is_waiting).collect();
    assert_eq!(waits, [false, true], "what waits is known after a restart, too");
    store.settle("k2", "ops", withheld(), at(3)).await.unwrap();
    store.settle("k3", "ops", passed_on.clone(), at(4)).await.unwrap();
    store.settle("k3", "ops", passed_on, at(5)).await.unwrap();
    store.settle("k1", "ops", withheld(), at(6)).await.unwrap();
    store.raise(vec![owed("k4", &["ops"], at(1))]).await.unwrap();
    let handed_over = Delivery::Withheld { why: "not told".to_owned(), instead: Some("pager".to_owned()) };
    store.settle("k4", "ops", handed_over.clone(), at(6)).await.unwrap();
    store.settle("k4", "ops", handed_over, at(7)).await.unwrap();
    let pager = store.owed("pager", at(6), 9).await.unwrap();
    assert_eq!((pager.len(), pager[0].instead_of.as_deref()), (1, Some("ops")));
    store.settle("k4", "pager", Delivery::Delivered, at(8)).await.unwrap();
    assert_eq!(keys_owed(&store, "mail", 4).await, ["k3"]);
    assert_eq!((store.stats().outbox_pending, store.stats().outbox_dead), (1, 1));
    assert_clean(&store).await;
    store.close().await.unwrap();
    let (store, _) = open(folder.path()).await;
    let mut rows = Vec::new();
    for key in keys {
        let row = store.alert(key).await.unwrap().unwrap().deliveries.remove(0);
        rows.push((row.status, row.message, row.last_error));
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            (DeliveryStatus::Delivered, text("digest/1"), None),
            (DeliveryStatus::Withheld, None, text("it is over")),
            (DeliveryStatus::Dead, None, text("gone")),
        ]
    );
    let instead = store.owed("mail", at(4), 9).await.unwrap().remove(0);
    assert_eq!(instead.instead_of.as_deref(), Some("ops"));
    assert_eq!(store.alert("k9").await, Ok(None));
}
