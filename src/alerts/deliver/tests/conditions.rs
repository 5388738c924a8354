//! Conditions: raised, repeated while they last, ended once, and not told where another one explains them.

use super::*;
use crate::payments::alert::RECOVERED_OF;
use jiff::SignedDuration;

const SINCE: &str = "shop-de/2026-01-16T05:35:00Z";
const HOUR: Duration = Duration::from_secs(3600);

fn about(kind: AlertKind, occasion: &str) -> Alert {
    let account = "shop-de".parse().unwrap();
    let (severity, now) = (Severity::Warning, Timestamp::UNIX_EPOCH);
    let headline = format!("This is {kind}");
    Alert { headline, ..Alert::new(kind, occasion, severity, &account, now) }
}

#[tokio::test(start_paused = true)]
async fn a_condition_is_raised_repeated_while_it_lasts_and_ended_once() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["ops", "office"]).await;
    scene.pass(&deliverer, 25 * HOUR).await;
    assert_eq!(scene.titles().len(), 2, "{:?}", scene.titles());
    assert!(
        scene.titles()[1].contains("Ongoing for 1d 0h: This is credentials-refused"),
        "{:?}",
        scene.titles()
    );
    // A new process repeats nothing too early.
    let deliverer = scene.deliverer();
    scene.pass(&deliverer, 24 * HOUR).await;
    assert_eq!(scene.titles().len(), 3, "{:?}", scene.titles());
    scene.raise(about(AlertKind::CredentialsAccepted, SINCE), &["ops", "office"]).await;
    scene.pass(&deliverer, 72 * HOUR).await;
    assert_eq!(scene.titles().len(), 4, "{:?}", scene.titles());
    assert!(scene.titles()[3].starts_with("[CREDENTIALS ACCEPTED]"));
    assert_eq!(scene.network.sent_to("office").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_no_target_gets_or_that_is_silenced_ends_the_condition_nevertheless() {
    for is_silenced in [false, true] {
        let scene = Scene::new().await;
        let deliverer = scene.deliverer();
        scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["ops"]).await;
        scene.pass(&deliverer, HOUR).await;
        if is_silenced {
            let now = scene.clock.now();
            let silence = crate::alerts::silences::Silence {
                number: 0,
                matchers: toml::from_str("kinds = ['credentials-accepted']").unwrap(),
                by: "uid:1000".to_owned(),
                reason: "a test".to_owned(),
                begins_at: now,
                ends_at: later(now, HOUR),
                until_resolved: false,
                ended: None,
            };
            deliverer.silences().add(silence).await.unwrap();
        }
        let targets: &[&str] = if is_silenced { &["ops"] } else { &[] };
        scene.raise(about(AlertKind::CredentialsAccepted, SINCE), targets).await;
        scene.pass(&deliverer, 72 * HOUR).await;
        assert_eq!(scene.titles().len(), 1, "nothing is repeated: {:?}", scene.titles());
        // Nothing is explained by it any more, also after a restart.
        scene.raise(about(AlertKind::NoSuccess, SINCE), &["ops"]).await;
        scene.settle_down(&scene.deliverer(), HOUR).await;
        assert_eq!(scene.titles().len(), 2, "{:?}", scene.titles());
    }
}

#[tokio::test(start_paused = true)]
async fn a_condition_of_the_machine_ends_whichever_account_its_alerts_name() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::DiskLow, "2026-01-16T05:35:00Z"), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    let ended = about(AlertKind::DiskLow, "2026-01-16T05:35:00Z/ended");
    scene.raise(Alert { account: "shop-fr".parse().unwrap(), ..ended }, &["ops"]).await;
    scene.pass(&deliverer, 72 * HOUR).await;
    assert_eq!(scene.titles().len(), 2, "{:?}", scene.titles());
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_began_under_a_clock_that_was_ahead_ends_when_its_end_is_raised() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.clock.jump(SignedDuration::from_hours(2));
    scene.raise(about(AlertKind::DiskLow, "2026-01-16T07:35:00Z"), &["ops"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    scene.clock.jump(SignedDuration::from_hours(-2));
    scene.pass(&deliverer, HOUR / 2).await;
    scene.raise(about(AlertKind::DiskLow, "2026-01-16T07:35:00Z/ended"), &["ops"]).await;
    scene.pass(&deliverer, 72 * HOUR).await;
    assert_eq!(scene.titles().len(), 2, "nothing is repeated: {:?}", scene.titles());
    scene.raise(about(AlertKind::ReportFailed, "2026-01-19T07:35:00Z"), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    assert_eq!(scene.titles().len(), 3, "nothing explains it: {:?}", scene.titles());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_dated_ahead_explains_nothing_until_then() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    let ahead = later(scene.clock.now(), 48 * HOUR);
    let over = Alert { found_at: ahead, ..about(AlertKind::CredentialsAccepted, SINCE) };
    scene.store.raise(vec![OwedAlert { alert: over, targets: Vec::new() }]).await.unwrap();
    scene.raise(about(AlertKind::NoSuccess, SINCE), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    assert_eq!(scene.titles().len(), 2, "{:?}", scene.titles());
}

fn status_of_provider(word: &str, severity: Severity) -> Alert {
    Alert { severity, ..about(AlertKind::ServiceStatus, &format!("shop-de/{word}")) }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_begins_nothing_again_for_the_others() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.network.script("office", vec![status(503, None)]);
    for (word, severity) in [
        ("Degraded/1", Severity::Warning),
        ("Unavailable/2", Severity::Warning),
        ("Normal/3", Severity::Info),
    ] {
        scene.raise(status_of_provider(word, severity), &["ops", "office"]).await;
        scene.settle_down(&deliverer, HOUR / 4).await;
    }
    scene.pass(&deliverer, 30 * HOUR).await;
    let begun = scene.titles().into_iter().filter(|title| title.starts_with("[SERVICE STATUS]"));
    assert_eq!(begun.count(), 3, "nothing is repeated: {:?}", scene.titles());
    let before = scene.titles().len();
    scene.raise(about(AlertKind::NoSuccess, SINCE), &["ops"]).await;
    scene.pass(&deliverer, HOUR / 2).await;
    assert_eq!(scene.titles().len(), before + 1, "nothing explains it: {:?}", scene.titles());
}

#[tokio::test(start_paused = true)]
async fn each_end_goes_to_who_heard_of_its_own_beginning_though_all_came_late() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    let pairs = [("Degraded/1", "Normal/2"), ("Degraded/3", "Normal/4")];
    scene.raise(status_of_provider(pairs[0].0, Severity::Warning), &["office"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    scene.network.script("office", vec![status(503, None)]);
    scene.raise(status_of_provider(pairs[0].1, Severity::Info), &["office"]).await;
    scene.settle_down(&deliverer, HOUR / 4).await;
    scene.raise(status_of_provider(pairs[1].0, Severity::Warning), &["office"]).await;
    scene.raise(status_of_provider(pairs[1].1, Severity::Info), &["office"]).await;
    scene.settle_down(&deliverer, HOUR / 4).await;
    scene.network.script("office", vec![status(200, None)]);
    scene.settle_down(&deliverer, 10 * HOUR).await;
    let first_end = scene.row(&status_of_provider(pairs[0].1, Severity::Info).key, "office").await;
    assert_eq!(first_end.status, DeliveryStatus::Delivered, "{first_end:?}");
    assert_eq!(scene.store.outbox_pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_beginning_takes_the_place_of_one_whose_end_was_lost() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::ProviderHold, "shop-de/GetCharge/2026-01-16T05:35:00Z"), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    let again = "shop-de/GetCharge/2026-01-16T06:35:00Z";
    scene.raise(about(AlertKind::ProviderHold, again), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    scene.raise(about(AlertKind::ProviderHoldEnded, again), &["ops"]).await;
    scene.pass(&deliverer, 72 * HOUR).await;
    assert_eq!(scene.titles().len(), 3, "nothing is repeated: {:?}", scene.titles());
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_dated_long_ago_hides_no_unread_one() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["ops"]).await;
    scene.pass(&deliverer, HOUR).await;
    scene.raise(about(AlertKind::CredentialsAccepted, SINCE), &[]).await;
    let old = Alert { found_at: "1970-01-01T00:00:00Z".parse().unwrap(), ..alert("a/1") };
    scene.store.raise(vec![OwedAlert { alert: old, targets: Vec::new() }]).await.unwrap();
    scene.pass(&deliverer, 72 * HOUR).await;
    assert_eq!(scene.titles().len(), 1, "nothing is repeated: {:?}", scene.titles());
}

#[tokio::test(start_paused = true)]
async fn conditions_that_end_at_once_share_the_writes() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    let raise = async |kind: AlertKind| {
        let owed = (0..200).map(|number| {
            let alert = about(kind.clone(), &format!("shop-de/Get{number}/2026-01-16T05:35:00Z"));
            OwedAlert { alert: Alert { found_at: scene.clock.now(), ..alert }, targets: Vec::new() }
        });
        scene.store.raise(owed.collect()).await.unwrap();
        let before = scene.store.stats().synced_groups;
        deliverer.round().await.unwrap();
        scene.store.stats().synced_groups - before
    };
    let (begun, ended) = (raise(AlertKind::ProviderHold).await, raise(AlertKind::ProviderHoldEnded).await);
    assert!(begun <= 4 && ended <= 4, "{begun} and {ended} writes");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_failed_alone_is_not_combined_later() {
    let scene = Scene::new().await;
    scene.network.script("ops", vec![status(503, None)]);
    scene.owe(0..1, &["ops"]).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(1)).await;
    let accepted = Response { status: 200, body: b"ok".to_vec(), ..Response::default() };
    scene.network.script("ops", vec![Ok(accepted)]);
    scene.owe(1..20, &["ops"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    let row = scene.row("a/0", "ops").await;
    assert_eq!((row.status, row.message), (DeliveryStatus::Delivered, None));
}

#[tokio::test(start_paused = true)]
async fn who_was_not_told_of_the_beginning_is_not_told_of_the_end() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(about(AlertKind::NoSuccess, SINCE), &["ops"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    let ended = about(AlertKind::NoSuccess, &format!("{SINCE}/ended"));
    scene.raise(ended.clone(), &["ops", "office"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    assert_eq!((scene.titles().len(), scene.network.sent_to("office").len()), (2, 0));
    let row = scene.row(&ended.key, "office").await;
    assert_eq!(row.status, DeliveryStatus::Withheld);
    assert_eq!(row.last_error.as_deref(), Some("this target did not get its beginning"));
}

#[tokio::test(start_paused = true)]
async fn what_a_condition_explains_is_told_only_if_it_outlasts_it() {
    for outlasts in [false, true] {
        let scene = Scene::new().await;
        let deliverer = scene.deliverer();
        scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["ops"]).await;
        scene.settle_down(&deliverer, HOUR).await;
        scene.raise(about(AlertKind::NoSuccess, SINCE), &["ops"]).await;
        let other = Alert { account: "shop-fr".parse().unwrap(), ..about(AlertKind::NoSuccess, "shop-fr/9") };
        scene.raise(other, &["ops"]).await;
        scene.settle_down(&deliverer, HOUR).await;
        assert_eq!(scene.titles().len(), 2, "another account is no consequence: {:?}", scene.titles());
        if !outlasts {
            scene.raise(about(AlertKind::NoSuccess, &format!("{SINCE}/ended")), &["ops"]).await;
            scene.settle_down(&deliverer, HOUR).await;
        }
        scene.raise(about(AlertKind::CredentialsAccepted, SINCE), &["ops"]).await;
        scene.settle_down(&deliverer, HOUR).await;
        let told = scene.titles().iter().filter(|title| title.contains("This is no-success")).count();
        assert_eq!(told, 1 + usize::from(outlasts), "{:?}", scene.titles());
        let status = scene.row(&about(AlertKind::NoSuccess, SINCE).key, "ops").await.status;
        let expected = if outlasts { DeliveryStatus::Delivered } else { DeliveryStatus::Withheld };
        assert_eq!(status, expected);
        assert_eq!(scene.store.outbox_pending(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_that_takes_alerts_again_is_reported_to_who_heard_of_its_silence() {
    for restarts in [false, true] {
        let scene = Scene::new().await;
        scene.network.script("office", vec![status(503, None)]);
        scene.owe(0..1, &["office"]).await;
        let mut deliverer = scene.deliverer();
        scene.settle_down(&deliverer, 3 * HOUR).await;
        if restarts {
            deliverer = scene.deliverer();
        }
        scene.settle_down(&deliverer, 4 * HOUR).await;
        assert_eq!(scene.titles(), ["[TARGET SILENT] office has accepted no alert for an hour"]);
        scene.network.script("office", vec![status(200, None)]);
        scene.settle_down(&deliverer, 2 * HOUR).await;
        assert_eq!(scene.titles()[1..], ["[TARGET SILENT] office accepts alerts again"]);
    }
}

#[tokio::test(start_paused = true)]
async fn that_an_order_was_paid_after_all_is_told_where_the_decline_was() {
    let scene = Scene::new().await;
    let deliverer = scene.deliverer();
    scene.raise(alert("a/1"), &["ops"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    let paid = Alert {
        key: format!("{RECOVERED_OF}a/1"),
        kind: AlertKind::Recovered,
        severity: Severity::Info,
        ..alert("a/2")
    };
    scene.raise(paid.clone(), &["ops", "office"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    assert_eq!((scene.titles().len(), scene.network.sent_to("office").len()), (2, 0));
    assert_eq!(scene.row(&paid.key, "office").await.status, DeliveryStatus::Withheld);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_that_got_an_alert_gets_its_end_and_that_the_order_was_paid() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![status(410, None)]);
    let deliverer = scene.deliverer_with(|config| config.channels[1].fallback = Some("ops".to_owned()));
    scene.raise(about(AlertKind::CredentialsRefused, SINCE), &["office"]).await;
    scene.raise(alert("a/1"), &["office"]).await;
    scene.settle_down(&deliverer, HOUR).await;
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Dead; 2]);
    scene.network.script("office", vec![status(200, None)]);
    let paid = Alert {
        key: format!("{RECOVERED_OF}a/1"),
        kind: AlertKind::Recovered,
        severity: Severity::Info,
        headline: "The order was paid".to_owned(),
        ..alert("a/2")
    };
    let ended = about(AlertKind::CredentialsAccepted, SINCE);
    for follower in [&ended, &paid] {
        scene.raise(follower.clone(), &["office"]).await;
        scene.settle_down(&deliverer, HOUR).await;
        assert_eq!(scene.row(&follower.key, "office").await.status, DeliveryStatus::Withheld);
        let row = scene.row(&follower.key, "ops").await;
        assert_eq!((row.status, row.instead_of.as_deref()), (DeliveryStatus::Delivered, Some("office")));
        let title = scene.titles().pop().unwrap();
        assert!(title.contains(&follower.headline), "{title}");
    }
}
