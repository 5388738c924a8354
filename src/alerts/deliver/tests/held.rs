//! Silences and escalations, with a real store in virtual time.

use super::*;
use crate::alerts::silences::{Silence, Silences};
use crate::payments::alert::Recipient;
use crate::store::{Acknowledgement, AlertRow};
use jiff::SignedDuration;

const MINUTE: Duration = Duration::from_secs(60);

fn silence(scene: &Scene, conditions: &str, minutes: i64) -> Silence {
    let now = scene.clock.now();
    Silence {
        number: 0,
        matchers: toml::from_str(conditions).unwrap(),
        by: "uid:1000".to_owned(),
        reason: "maintenance".to_owned(),
        begins_at: now,
        ends_at: later(now, SignedDuration::from_mins(minutes)),
        until_resolved: false,
        ended: None,
    }
}

async fn rows(scene: &Scene) -> Vec<AlertRow> {
    scene.store.alerts(AlertFilter::default(), None, 100).await.unwrap().items
}

/// Raises an alert for `ops` that is escalated to `office` after 15 minutes.
async fn raise_escalating(scene: &Scene, alert: Alert) {
    let alert = Alert { found_at: scene.clock.now(), ..alert };
    let at = later(alert.found_at, 15 * MINUTE);
    let targets = vec!["ops".into(), Recipient::Escalation { target: "office".to_owned(), at }];
    assert_eq!(scene.store.raise(vec![OwedAlert { alert, targets }]).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_silence_keeps_an_alert_and_delivers_it_to_nobody() {
    let scene = Scene::new().await;
    let silences = Silences::new(scene.store.clone());
    let made =
        silences.add(silence(&scene, "kinds = ['declined']\nmin_amount = '10 EUR'", 60)).await.unwrap();
    assert_eq!(made.number, 1);
    scene.owe(0..250, &["ops", "office"]).await;
    let deliverer = scene.deliverer();
    assert_eq!(deliverer.round().await.unwrap().delivered, 0);
    assert!(scene.network.sent().is_empty());
    assert_eq!(scene.statuses("ops").await, vec![DeliveryStatus::Silenced; 250]);
    assert_eq!(scene.statuses("office").await, vec![DeliveryStatus::Silenced; 250]);
    assert!(rows(&scene).await.iter().flat_map(|row| &row.deliveries).all(|row| row.silence == Some(1)));
    assert_eq!(silences.held_back(Timestamp::UNIX_EPOCH).await.unwrap(), [(1, 250)].into());

    silences.end(1, "uid:1000", scene.clock.now()).await.unwrap().unwrap();
    scene.owe(300..301, &["ops"]).await;
    assert_eq!(deliverer.round().await.unwrap().delivered, 1, "from its end on, alerts are delivered");
    assert_eq!(scene.network.sent().len(), 1, "what was held back is not delivered later");
    scene.store.redeliver("a/7", Some("ops"), scene.clock.now()).await.unwrap();
    assert_eq!(deliverer.round().await.unwrap().delivered, 1, "unless an operator wants it");
}

#[tokio::test(start_paused = true)]
async fn a_silence_ends_with_its_time_and_holds_back_nothing_else() {
    let scene = Scene::new().await;
    let silences = Silences::new(scene.store.clone());
    silences.add(silence(&scene, "accounts = ['shop-fr']", 60)).await.unwrap();
    silences.add(silence(&scene, "min_amount = '1 USD'", 60)).await.unwrap();
    scene.owe(0..1, &["office"]).await;
    assert_eq!(scene.deliverer().round().await.unwrap().delivered, 1);
    silences.add(silence(&scene, "accounts = ['shop-de']", 60)).await.unwrap();
    scene.clock.jump(SignedDuration::from_mins(61));
    scene.owe(1..2, &["office"]).await;
    assert_eq!(scene.deliverer().round().await.unwrap().delivered, 1);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_nobody_acknowledges_is_escalated_once_even_across_restarts() {
    let scene = Scene::new().await;
    raise_escalating(&scene, alert("a/1")).await;
    scene.settle_down(&scene.deliverer(), 14 * MINUTE).await;
    assert_eq!((scene.network.sent_to("ops").len(), scene.network.sent_to("office").len()), (1, 0));
    let first = &scene.network.sent_to("ops")[0].body;
    assert!(first.contains("reconciled alerts acknowledge 'a/1'"), "{first}");
    // A new process.
    scene.settle_down(&scene.deliverer(), 5 * MINUTE).await;
    let office = scene.network.sent_to("office");
    assert_eq!(office.len(), 1);
    assert!(office[0].at >= 15 * MINUTE && office[0].at < 16 * MINUTE, "{:?}", office[0].at);
    let since = "Escalation, not acknowledged since 2026-01-16 05:35:00 UTC: A charge was declined";
    assert!(office[0].body.contains(since), "{}", office[0].body);
    scene.settle_down(&scene.deliverer(), 120 * MINUTE).await;
    assert_eq!(scene.network.sent().len(), 2, "once");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_alert_is_not_escalated() {
    let scene = Scene::new().await;
    raise_escalating(&scene, alert("a/1")).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, 10 * MINUTE).await;
    let now = scene.clock.now();
    assert_eq!(scene.store.acknowledge("a/1", "uid:1000", now).await, Ok(true));
    assert_eq!(scene.store.acknowledge("a/1", "uid:1001", later(now, MINUTE)).await, Ok(true));
    assert_eq!(scene.store.acknowledge("a/2", "uid:1000", now).await, Ok(false));
    scene.settle_down(&scene.deliverer(), 60 * MINUTE).await;
    assert!(scene.network.sent_to("office").is_empty());
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Acknowledged]);
    let first = Some(Acknowledgement { by: "uid:1000".to_owned(), at: now });
    assert_eq!(rows(&scene).await[0].acknowledged, first, "the first one counts");
    assert_eq!(scene.store.redeliver("a/1", None, scene.clock.now()).await, Ok(1), "and not the escalation");
}

#[tokio::test(start_paused = true)]
async fn a_silenced_alert_is_not_escalated_either() {
    let scene = Scene::new().await;
    raise_escalating(&scene, alert("a/1")).await;
    Silences::new(scene.store.clone()).add(silence(&scene, "kinds = ['declined']", 5)).await.unwrap();
    scene.settle_down(&scene.deliverer(), 60 * MINUTE).await;
    assert!(scene.network.sent().is_empty());
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Silenced]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_condition_counts_as_an_acknowledgement() {
    for ends in [true, false] {
        let scene = Scene::new().await;
        let account = "shop-de".parse().unwrap();
        let about = |kind, severity| Alert::new(kind, "shop-de/1", severity, &account, scene.clock.now());
        raise_escalating(&scene, about(AlertKind::CredentialsRefused, Severity::Critical)).await;
        scene.settle_down(&scene.deliverer(), 10 * MINUTE).await;
        let occasion = if ends { "shop-de/1" } else { "shop-de/2" };
        let over =
            Alert::new(AlertKind::CredentialsAccepted, occasion, Severity::Info, &account, scene.clock.now());
        let over = OwedAlert { alert: over, targets: Vec::new() };
        scene.store.raise(vec![over]).await.unwrap();
        scene.settle_down(&scene.deliverer(), 20 * MINUTE).await;
        assert_eq!(scene.network.sent_to("office").len(), usize::from(!ends));
        let expected = if ends { DeliveryStatus::Acknowledged } else { DeliveryStatus::Delivered };
        assert_eq!(scene.statuses("office").await, [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_raised_within_a_round_counts_within_it() {
    let scene = Scene::new().await;
    let account = "shop-de".parse().unwrap();
    let about = |kind| Alert::new(kind, "shop-de/1", Severity::Critical, &account, scene.clock.now());
    raise_escalating(&scene, about(AlertKind::CredentialsRefused)).await;
    let deliverer = scene.deliverer();
    deliverer.round().await.unwrap();
    scene.clock.sleep(15 * MINUTE - Duration::from_secs(3)).await;
    // The chat takes one message a second, so that the round lasts.
    scene.owe(0..5, &["ops"]).await;
    let meanwhile = async {
        scene.clock.sleep(Duration::from_secs(1)).await;
        scene.raise(about(AlertKind::CredentialsAccepted), &[]).await;
        scene.clock.sleep(Duration::from_secs(2)).await;
        scene.owe(7..8, &["office"]).await;
    };
    let (round, ()) = tokio::join!(deliverer.round(), meanwhile);
    round.unwrap();
    let office = scene.statuses("office").await;
    assert_eq!(office, [DeliveryStatus::Delivered, DeliveryStatus::Acknowledged]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_until_a_condition_is_over_ends_with_it() {
    let scene = Scene::new().await;
    let silences = Silences::new(scene.store.clone());
    let until_resolved =
        Silence { until_resolved: true, ..silence(&scene, "kinds = ['no-success']", 10_000) };
    silences.add(until_resolved).await.unwrap();
    let account = "shop-de".parse().unwrap();
    let raise = async |occasion: &str| {
        let now = scene.clock.now();
        let alert = Alert::new(AlertKind::NoSuccess, occasion, Severity::Warning, &account, now);
        scene.store.raise(vec![OwedAlert { alert, targets: vec!["office".into()] }]).await.unwrap();
        scene.deliverer().round().await.unwrap().delivered
    };
    assert_eq!(raise("shop-de/1").await, 0);
    assert_eq!(raise("shop-de/1/ended").await, 0, "its beginning was held back");
    assert_eq!(raise("shop-de/2").await, 1, "the next beginning is delivered");
    let ended = silences.all().await.unwrap()[0].ended.clone().unwrap();
    assert_eq!(ended.by, "resolved");
}
