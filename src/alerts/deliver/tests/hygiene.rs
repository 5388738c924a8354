//! Bursts, storms, late ends, fallbacks: many alerts are few messages, and none is lost.

use super::*;

fn many(numbers: std::ops::Range<u32>) -> impl Iterator<Item = Alert> {
    numbers.map(|number| alert(&format!("a/{number}")))
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_a_few_messages_and_one_that_lists_the_rest() {
    let scene = Scene::new().await;
    scene.owe(0..25, &["ops", "office"]).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(50)).await;
    assert_eq!(scene.titles(), ["[DECLINED] A charge was declined"; 5], "the first ones go at once");
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    let chat = scene.network.sent_to("ops");
    assert_eq!(scene.titles()[5..], ["[DIGEST] 20 alerts at once: 20 declined"]);
    assert!(
        chat[5].at >= Duration::from_secs(60) && chat[5].at < Duration::from_secs(63),
        "{:?}",
        chat[5].at
    );
    for number in 0..25 {
        let times = chat.iter().filter(|sent| sent.body.contains(&format!("C{number:06}"))).count();
        assert_eq!(times, 1, "C{number:06} is reported exactly once");
    }
    assert!(
        chat[5].body.contains("280.00 EUR") && chat[5].body.contains("20 HardDeclined"),
        "{}",
        chat[5].body
    );
    assert_eq!(scene.network.sent_to("office").len(), 25, "a program gets every event");
    let last = scene.row("a/24", "ops").await;
    assert_eq!(last.status, DeliveryStatus::Delivered);
    assert!(last.message.unwrap().starts_with("digest/"));
    assert_eq!(scene.row("a/24", "office").await.message, None);
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_one_summary_and_every_alert_names_it() {
    let scene = Scene::new().await;
    scene.owe(0..450, &["ops"]).await;
    let mut sandbox = alert("a/900");
    (sandbox.key, sandbox.account) = ("t/900".to_owned(), "test".parse().unwrap());
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(30)).await;
    scene.raise(sandbox, &["ops"]).await;
    scene.settle_down(&deliverer, Duration::from_secs(300)).await;
    let titles = scene.titles();
    assert_eq!(titles.len(), 5 + 1 + 1, "{titles:?}");
    assert_eq!(
        titles[5], "[DECLINED] [SANDBOX] A charge was declined",
        "a sandbox is never mixed with live money"
    );
    assert_eq!(titles[6], "[SUMMARY] 445 more alerts: 445 declined");
    let summary = scene.network.sent_to("ops").pop().unwrap().body;
    assert!(summary.contains("6230.00 EUR") && summary.contains("reconciled alerts list"), "{summary}");
    let mut in_summary = 0;
    for number in 0..450 {
        let row = scene.row(&format!("a/{number}"), "ops").await;
        assert_eq!(row.status, DeliveryStatus::Delivered);
        in_summary += usize::from(row.message.is_some_and(|key| key.starts_with("summary/")));
    }
    assert_eq!(in_summary, 445);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_goes_on_brings_one_message_a_window() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    for second in 0..240 {
        scene.owe(second..second + 1, &["ops"]).await;
        while deliverer.round().await.unwrap().is_unfinished {}
        scene.clock.sleep(Duration::from_secs(1)).await;
    }
    scene.settle_down(&deliverer, Duration::from_secs(120)).await;
    let titles = scene.titles();
    assert!(titles.len() <= 5 + 5, "{titles:?}");
    assert!(titles[5..].iter().all(|title| title.starts_with("[SUMMARY]")), "{titles:?}");
    assert_eq!(scene.statuses("ops").await, [DeliveryStatus::Delivered; 240]);
}

#[tokio::test(start_paused = true)]
async fn a_summary_that_fails_is_sent_again_and_covers_the_same() {
    let scene = Scene::new().await;
    let mut answers = vec![Ok(Response { status: 200, body: b"ok".to_vec(), ..Response::default() }); 5];
    answers.extend([status(500, None), status(200, None)]);
    answers[6] = answers[0].clone();
    scene.network.script("ops", answers);
    scene.owe(0..100, &["ops"]).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(300)).await;
    let chat = scene.network.sent_to("ops");
    assert_eq!(chat.len(), 7);
    assert_eq!(chat[5].body, chat[6].body);
    assert_eq!(scene.statuses("ops").await, [DeliveryStatus::Delivered; 100]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_within_a_burst_loses_nothing() {
    let scene = Scene::new().await;
    scene.owe(0..60, &["ops"]).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(20)).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(20)).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(300)).await;
    assert!(scene.titles().len() <= 3 * 5 + 1, "{:?}", scene.titles());
    assert_eq!(scene.statuses("ops").await, [DeliveryStatus::Delivered; 60]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_found_late_wakes_nobody() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    for declined in many(0..2) {
        let occurred_at = "2026-01-14T05:35:00Z".parse().unwrap();
        scene.raise(Alert { occurred_at, ..declined }, &["ops", "office"]).await;
    }
    scene.raise(alert("a/7"), &["ops"]).await;
    scene.settle_down(&deliverer, Duration::from_secs(50)).await;
    assert_eq!(scene.titles(), ["[DECLINED] A charge was declined"]);
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    assert_eq!(scene.titles()[1..], ["[FOUND LATE] 2 declined, found long after it happened"]);
    let digest = scene.network.sent_to("ops").pop().unwrap().body;
    assert!(digest.contains("found 2 days after it happened"), "{digest}");
    assert_eq!(scene.network.sent_to("office").len(), 2, "a program gets them at once");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_goes_to_the_fallback_and_stays_in_sight() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![status(410, None)]);
    scene.owe(0..1, &["office"]).await;
    let deliverer = scene.deliverer_with(|config| config.channels[1].fallback = Some("ops".to_owned()));
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    let dead = scene.row("a/0", "office").await;
    assert_eq!((dead.status, dead.last_error.as_deref()), (DeliveryStatus::Dead, Some("HTTP 410")));
    let instead = scene.row("a/0", "ops").await;
    assert_eq!((instead.status, instead.instead_of.as_deref()), (DeliveryStatus::Delivered, Some("office")));
    let chat = scene.network.sent_to("ops");
    assert!(chat.iter().any(|sent| sent.body.contains("office, which did not accept it")), "{chat:?}");
    assert_eq!(scene.titles().iter().filter(|title| title.starts_with("[UNDELIVERED]")).count(), 1);
    assert_eq!(scene.store.stats().outbox_dead, 1);
    scene.network.script("office", vec![status(200, None)]);
    scene.store.redeliver("a/0", Some("office"), scene.clock.now()).await.unwrap();
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    assert_eq!(scene.store.stats().outbox_dead, 0);
}

#[tokio::test(start_paused = true)]
async fn one_object_s_alerts_arrive_in_order_whatever_fails() {
    let scene = Scene::new().await;
    let about = |key: &str, kind: AlertKind| Alert { key: key.to_owned(), kind, ..alert("a/1") };
    scene.network.script("office", vec![status(503, None), status(503, None), status(200, None)]);
    scene.raise(about("first", AlertKind::Overdue), &["office"]).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(1)).await;
    // A new process knows nothing of the pause; the second alert is due, the first one is not.
    let deliverer = scene.deliverer();
    scene.raise(about("second", AlertKind::Declined), &["office"]).await;
    scene.raise(Alert { key: "b".to_owned(), ..alert("a/2") }, &["office"]).await;
    scene.settle_down(&deliverer, Duration::from_secs(300)).await;
    let kinds: Vec<String> = scene.network.sent_to("office").into_iter().map(|sent| sent.body).collect();
    let place = |word: &str| kinds.iter().rposition(|body| body.contains(word)).unwrap();
    assert!(place("\"key\":\"first\"") < place("\"key\":\"second\""), "{kinds:#?}");
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Delivered; 3]);
}
