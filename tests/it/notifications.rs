//! Notifications in a daemon's life: a hint makes its object due now, and nothing else does harm.

use std::time::Duration;

use reconciled::apis::notifications::sns;
use reconciled::clock::Clock;
use reconciled::control::messages::{ChannelCheck, ChannelView, ConfirmRequest, TrustRequest};
use reconciled::notifications::{Answer, Received};
use serde_json::Value;

use crate::sns::{CERTIFICATE_URL, Sns, TOPIC, v2};
use crate::world::World;

const START: &str = "2027-01-15T06:00:00Z";

/// One sandbox shop with charges that are declined after two hours and ten minutes.
fn scenario(count: u32) -> String {
    format!(
        r#"
seed = 7
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
quota = [{{ operation = "*", capacity = 10, refill = 1, per_s = 1 }}]
[[population]]
account = "shop"
kind = "authorization"
count = {count}
reference_prefix = "ORDER-"
currencies = [{{ code = "USD", amount = ["14.00", "14.00"] }}]
outcome = [{{ steps = [{{ after_s = 7800, state = "Declined", reason = "HardDeclined" }}] }}]
"#
    )
}

/// A world whose SNS serves its certificate.
pub async fn world(scenario: &str, more: &str) -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(START, scenario, &Sns::get().section(folder.path(), more)).await;
    world.memory.serve(CERTIFICATE_URL, 200, Sns::get().certificate_pem.as_bytes());
    (world, folder)
}

/// Delivers a message as the provider does, without a socket.
pub async fn deliver(world: &World, message: &Value) -> Answer {
    let kind = message["Type"].as_str().unwrap_or_default().to_owned();
    let header = move |name: &str| match name {
        "content-type" => Some("text/plain; charset=UTF-8".to_owned()),
        "x-amz-sns-message-type" => Some(kind.clone()),
        _ => None,
    };
    let body = serde_json::to_vec(message).unwrap();
    world.daemon().notifications().receive("shop", &Received { body: &body, header: &header }).await
}

pub async fn trust(world: &World) {
    let request = TrustRequest { account: "shop".parse().unwrap(), topic: TOPIC.to_owned() };
    world.daemon().service().trust(&request).await.unwrap();
}

pub fn channel(world: &World) -> ChannelView {
    world.daemon().service().channels().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_decline_is_known_seconds_after_its_notification_and_costs_one_poll() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(131.0).await;
    let before = world.record(&object).await;
    assert_eq!(before.state(), Some("AuthorizationInitiated"));
    let message = Sns::get().notification(1, &v2("CHARGE", object.id.as_str()), world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    world.clock.sleep(Duration::from_secs(2)).await;
    let after = world.record(&object).await;
    assert_eq!((after.state(), after.polls - before.polls), (Some("Declined"), 1));
    assert_eq!(world.events("declined").len(), 1);
    // The same message again, before and after a restart, costs nothing.
    for _ in 0..100 {
        assert_eq!(deliver(&world, &message).await, Answer::Stored);
    }
    world.stop().await;
    world.start().await;
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    world.pass_minutes(5.0).await;
    let shown = channel(&world);
    assert_eq!((shown.counts.verified, shown.counts.duplicates), (1, 101), "{:?}", shown.counts);
    assert_eq!(world.record(&object).await.polls, after.polls);
    assert_eq!(world.memory.requested(CERTIFICATE_URL), 1, "it is stored");
    let status = world.daemon().service().status().await.unwrap();
    assert_eq!(status.notifications[0].counts.verified, 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_comes_only_after_the_object_is_due() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(131.0).await;
    let written = world.daemon().store().stats().journal_sequence;
    let message = Sns::get().notification(1, &v2("CHARGE", object.id.as_str()), world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    let (due_at, now) = (world.record(&object).await.due_at.unwrap(), world.daemon().now());
    assert!(due_at <= now, "{due_at} is later than {now}");
    assert!(world.daemon().store().stats().journal_sequence > written, "it is in the journal");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_trusts_is_shown_and_its_hints_are_polled_from_a_small_budget() {
    let (mut world, _folder) = world(&scenario(20), "unverified_per_hour = 3").await;
    let objects = world.enrol_all("shop").await;
    world.pass_minutes(131.0).await;
    for (number, object) in (0..).zip(&objects) {
        let message =
            Sns::get().notification(number, &v2("CHARGE", object.id.as_str()), world.daemon().now());
        assert_eq!(deliver(&world, &message).await, Answer::Stored);
    }
    world.clock.sleep(Duration::from_secs(20)).await;
    let mut declined = 0;
    for object in &objects {
        declined += u32::from(world.record(object).await.state() == Some("Declined"));
    }
    assert!((3..=8).contains(&declined), "the budget, and what was due anyway: {declined}");
    let shown = channel(&world);
    assert_eq!((shown.counts.verified, shown.counts.unverified, shown.counts.unverified_polled), (0, 20, 3));
    assert_eq!(shown.counts.unverified_by_reason["untrusted_topic"], 20);
    assert_eq!((shown.offered[0].topic.as_str(), shown.unverified_waiting), (TOPIC, 17));
    // Unverified hints never take the place of verified ones.
    trust(&world).await;
    let last = objects.last().unwrap();
    let number = u64::try_from(objects.len() - 1).unwrap();
    let again = Sns::get().notification(number, &v2("CHARGE", last.id.as_str()), world.daemon().now());
    assert_eq!(deliver(&world, &again).await, Answer::Stored);
    world.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(world.record(last).await.state(), Some("Declined"));
    assert_eq!(channel(&world).counts.verified, 1);
    assert!(channel(&world).offered.is_empty());
    assert_eq!(channel(&world).unverified_waiting, 16, "a verified hint needs no unverified one");
    // What polling finds meanwhile makes room.
    world.pass_hours(2.0).await;
    let shown = channel(&world);
    assert_eq!(shown.unverified_waiting, 0, "{:?}", shown.counts);
    assert!(shown.counts.unverified_polled <= 3 + 7, "{:?}", shown.counts);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_message_is_refused_counted_by_reason_and_costs_no_poll_and_no_fetch() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(131.0).await;
    let polls = world.record(&object).await.polls;
    let genuine = Sns::get().notification(1, &v2("CHARGE", object.id.as_str()), world.daemon().now());
    let change = |name: &str, value: &str| {
        let mut forged = genuine.clone();
        forged[name] = Value::String(value.to_owned());
        forged
    };
    let host = "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem";
    let other = v2("CHARGE", "P01-1234567-1234567-C123456");
    let cases = [
        (change("Message", &v2("CHARGE", "S01-0000000-0000000-C000000")), "wrong_signature"),
        (change("SignatureVersion", "3"), "version"),
        (change("SigningCertURL", host), "certificate_host"),
        (change("Type", "SubscriptionConfirmation"), "missing_field"),
        (Sns::get().notification(2, &other, world.daemon().now()), "other_account"),
        (Sns::get().notification(3, "not JSON", world.daemon().now()), "unreadable"),
        (Sns::get().notification(4, "{}", "2026-01-01T00:00:00Z".parse().unwrap()), "too_old"),
        (Sns::get().notification(5, "{}", "2027-06-01T00:00:00Z".parse().unwrap()), "from_the_future"),
    ];
    for (forged, reason) in &cases {
        assert_eq!(deliver(&world, forged).await, Answer::Refused, "{reason}");
        assert_eq!(channel(&world).counts.refused.get(*reason), Some(&1), "{reason}");
    }
    world.clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(world.record(&object).await.polls, polls);
    let shown = channel(&world);
    assert_eq!((shown.counts.verified, shown.counts.unverified), (0, 0));
    assert!(world.memory.requested(CERTIFICATE_URL) <= 1);
    // And the genuine one still counts as new.
    assert_eq!(deliver(&world, &genuine).await, Answer::Stored);
    assert_eq!((channel(&world).counts.verified, channel(&world).counts.duplicates), (1, 0));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_its_certificate_a_hint_is_kept_and_a_storm_fetches_nothing() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.memory.serve(CERTIFICATE_URL, 503, b"");
    world.pass_minutes(131.0).await;
    let text = v2("CHARGE", object.id.as_str());
    let first = Sns::get().notification(0, &text, world.daemon().now());
    for number in 0..500 {
        let message = Sns::get().notification(number, &text, world.daemon().now());
        assert_eq!(deliver(&world, &message).await, Answer::Later, "the provider repeats it");
    }
    assert_eq!(world.memory.requested(CERTIFICATE_URL), 1, "{:?}", channel(&world).counts);
    world.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(world.record(&object).await.state(), Some("Declined"), "availability without trust");
    let shown = channel(&world);
    assert_eq!((shown.counts.unverified, shown.counts.verified), (500, 0));
    assert_eq!(shown.counts.unverified_by_reason["certificate_unavailable"], 500);
    assert_eq!(shown.counts.unverified_polled, 1, "500 hints at one object cost one poll of the budget");
    world.memory.serve(CERTIFICATE_URL, 200, Sns::get().certificate_pem.as_bytes());
    world.pass_minutes(2.0).await;
    assert_eq!(deliver(&world, &first).await, Answer::Stored);
    assert_eq!(channel(&world).counts.verified, 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_firewall_that_answers_for_the_certificate_makes_no_refusal_final() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.memory.serve(CERTIFICATE_URL, 200, b"<html>blocked</html>");
    world.pass_minutes(131.0).await;
    let message = Sns::get().notification(1, &v2("CHARGE", object.id.as_str()), world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Later);
    assert_eq!(channel(&world).counts.unverified_by_reason["certificate_form"], 1);
    world.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(world.record(&object).await.state(), Some("Declined"));
    // The same message again names nothing that a poll has not seen.
    assert_eq!(deliver(&world, &message).await, Answer::Later);
    world.clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(channel(&world).counts.unverified_polled, 1);
    world.memory.serve(CERTIFICATE_URL, 200, Sns::get().certificate_pem.as_bytes());
    world.pass_minutes(11.0).await;
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    assert_eq!(channel(&world).counts.verified, 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_clock_is_not_sure_an_old_message_is_not_refused_for_good() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let old = Sns::get().notification(1, "{}", "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(deliver(&world, &old).await, Answer::Later, "{:?}", channel(&world).counts);
    assert_eq!(channel(&world).counts.unverified_by_reason["too_old"], 1);
    world.enrol_all("shop").await;
    world.pass_minutes(131.0).await;
    assert_eq!(deliver(&world, &old).await, Answer::Refused, "polls have confirmed the time");
    world.stop().await;
}

/// The topic asks again.
fn asks_again(number: u64, topic: &str, at: jiff::Timestamp) -> Value {
    let mut message = Sns::get().confirmation(at);
    let token = format!("token{number}");
    message["MessageId"] = format!("00000000-0000-4000-8000-{number:012}").into();
    message["TopicArn"] = topic.into();
    message["SubscribeURL"] = format!(
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"
    )
    .into();
    message["Token"] = token.into();
    Sns::get().signed(message)
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_verify_writes_nothing_when_it_comes_again() {
    let (mut world, _folder) = world(&scenario(1), "unverified_per_hour = 1").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(61.0).await;
    let missing = "https://sns.eu-west-1.amazonaws.com/missing.pem";
    world.memory.serve(missing, 404, b"");
    let (now, text) = (world.daemon().now(), v2("CHARGE", object.id.as_str()));
    let forged = |number: u64| {
        let mut message = Sns::get().notification(number, &text, now + jiff::SignedDuration::from_hours(5));
        message["SigningCertURL"] = missing.into();
        message
    };
    let other = "arn:aws:sns:eu-west-1:000000000001:other";
    for number in 0..2 {
        assert_eq!(deliver(&world, &forged(number)).await, Answer::Later);
        assert_eq!(deliver(&world, &asks_again(number, other, now)).await, Answer::Stored);
        world.clock.sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(channel(&world).unverified_waiting, 1, "the budget is spent");
    let written = world.daemon().store().stats().journal_sequence;
    for number in 0..300 {
        assert_eq!(deliver(&world, &forged(number)).await, Answer::Later);
        // Both in turn, and newer ones.
        assert_eq!(deliver(&world, &asks_again(number % 2, other, now)).await, Answer::Stored);
        let later = now + jiff::SignedDuration::from_millis(1000 * i64::try_from(number).unwrap() / 100);
        assert_eq!(deliver(&world, &asks_again(number, other, later)).await, Answer::Stored);
    }
    let more = world.daemon().store().stats().journal_sequence - written;
    assert!(more <= 3, "{more} writes");
    let shown = channel(&world);
    assert_eq!((shown.pending.len(), shown.pending[0].messages), (1, 602));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn counts_are_written_now_and_then_and_a_budget_of_zero_keeps_nothing() {
    let (mut world, _folder) = world(&scenario(1), "unverified_per_hour = 0").await;
    let id = world.enrol_all("shop").await.remove(0).id;
    world.pass_minutes(1.0).await;
    let sequence = |world: &World| world.daemon().store().stats().journal_sequence;
    let start = sequence(&world);
    world.pass_minutes(40.0).await;
    let quiet = sequence(&world) - start;
    for number in 0..40 {
        let message = Sns::get().notification(number, &v2("CHARGE", id.as_str()), world.daemon().now());
        assert_eq!(deliver(&world, &message).await, Answer::Stored);
        assert_eq!(deliver(&world, &serde_json::json!({"Type": "Notification"})).await, Answer::Refused);
        world.pass_minutes(1.0).await;
    }
    let busy = sequence(&world) - start - quiet;
    assert!(busy <= quiet + 6, "{busy} writes, and {quiet} when nothing came");
    assert_eq!(channel(&world).unverified_waiting, 0);
    world.stop().await;
    world.start().await;
    assert_eq!(channel(&world).counts.unverified, 40, "a stop writes them");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_nobody_watches_is_shown_or_with_discover_watched() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let id = world.simulator.planted()[0].truth.id.clone();
    let message =
        |number, world: &World| Sns::get().notification(number, &v2("CHARGE", &id), world.daemon().now());
    assert_eq!(deliver(&world, &message(1, &world)).await, Answer::Stored);
    assert_eq!(deliver(&world, &message(2, &world)).await, Answer::Stored);
    let shown = channel(&world);
    assert_eq!((shown.counts.unknown_objects, shown.unknown.len()), (2, 1));
    assert_eq!(shown.unknown[0].object.id.as_str(), id);
    world.stop().await;
    world.rewrite_config(|text| {
        text.replace(
            "api = \"amazon-pay-v2\"",
            "api = \"amazon-pay-v2\"\nmerchant_id = \"A1SHOP\"\ndiscover = true",
        )
    });
    world.start().await;
    assert_eq!(deliver(&world, &message(3, &world)).await, Answer::Stored);
    world.clock.sleep(Duration::from_secs(5)).await;
    let object = format!("shop/charge/{id}").parse().unwrap();
    assert_eq!(world.record(&object).await.state(), Some("AuthorizationInitiated"));
    assert_eq!(channel(&world).counts.discovered, 1);
    // Nobody announces the end of a charge permission, so it is not watched for a year because of one message.
    let permission = &id[..19];
    let message = Sns::get().notification(4, &v2("CHARGE_PERMISSION", permission), world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    let object = format!("shop/charge-permission/{permission}").parse().unwrap();
    assert!(world.daemon().store().record(&object).await.unwrap().is_none());
    assert_eq!((channel(&world).counts.discovered, channel(&world).counts.unknown_objects), (1, 3));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_charge_permission_wakes_its_charges() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let object = world.enrol_all("shop").await.remove(0);
    world.pass_minutes(131.0).await;
    let permission = v2("CHARGE_PERMISSION", &object.id.as_str()[..19]);
    let message = Sns::get().notification(1, &permission, world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    world.clock.sleep(Duration::from_secs(3)).await;
    assert_eq!(world.record(&object).await.state(), Some("Declined"));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_confirmed_by_command_and_shown_as_such_only_after_it_succeeded() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    let request = ConfirmRequest { account: "shop".parse().unwrap() };
    let service = world.daemon().service();
    let refused = service.confirm(&request).await.unwrap_err();
    assert!(refused.detail.contains("no topic asks"), "{refused:?}");
    let confirmation = Sns::get().confirmation(world.daemon().now());
    assert_eq!(deliver(&world, &confirmation).await, Answer::Stored);
    assert_eq!(channel(&world).pending.len(), 1);
    let refused = service.confirm(&request).await.unwrap_err();
    assert!(refused.detail.contains("not trusted"), "{refused:?}");
    trust(&world).await;
    let url = confirmation["SubscribeURL"].as_str().unwrap();
    world.memory.serve(url, 403, b"");
    assert!(service.confirm(&request).await.unwrap_err().detail.contains("HTTP 403"));
    assert_eq!((channel(&world).confirmed_at, channel(&world).pending.len()), (None, 1));
    world.memory.serve(url, 200, b"<ConfirmSubscriptionResponse/>");
    let confirmed = service.confirm(&request).await.unwrap();
    assert!(confirmed.confirmed_at.is_some() && confirmed.pending.is_empty());
    // Somebody ends it.
    let mut ended = confirmation.clone();
    ended["Type"] = "UnsubscribeConfirmation".into();
    ended["MessageId"] = "00000000-0000-4000-8000-0000000000ed".into();
    let older = Sns::get().signed(ended.clone());
    assert_eq!(deliver(&world, &older).await, Answer::Stored);
    assert!(channel(&world).unsubscribed_at.is_none(), "it was sent before the confirmation");
    world.clock.sleep(Duration::from_secs(5)).await;
    ended["Timestamp"] = world.daemon().now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string().into();
    let ended = Sns::get().signed(ended);
    assert_eq!(deliver(&world, &ended).await, Answer::Stored);
    assert!(channel(&world).unsubscribed_at.is_some() && channel(&world).confirmed_at.is_none());
    world.pass_minutes(1.0).await;
    assert_eq!(world.events("notifications-silent").len(), 1);
    // It begins again, and a copy of the end changes nothing.
    let anew = asks_again(7, TOPIC, world.daemon().now());
    assert_eq!(deliver(&world, &anew).await, Answer::Stored);
    world.memory.serve(anew["SubscribeURL"].as_str().unwrap(), 200, b"<ConfirmSubscriptionResponse/>");
    assert!(service.confirm(&request).await.unwrap().unsubscribed_at.is_none());
    for message in [&ended, &older, &anew] {
        assert_eq!(deliver(&world, message).await, Answer::Stored);
    }
    let shown = channel(&world);
    assert_eq!((shown.unsubscribed_at, shown.pending.len(), shown.counts.duplicates), (None, 0, 3));
    world.pass_minutes(1.0).await;
    assert_eq!(world.events("notifications-silent").len(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_and_the_example_of_a_refused_message_get_no_details() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    let (_, body) = sns::refused_example();
    let header = |_: &str| None;
    let hub = world.daemon().notifications();
    let received = Received { body: &body, header: &header };
    assert_eq!(hub.receive("shop", &received).await.status(), 400);
    assert_eq!(hub.receive("other", &received).await.status(), 400, "nobody learns the names of accounts");
    assert_eq!(hub.receive("../shop", &received).await.status(), 400);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn hosts_that_messages_name_and_the_shops_own_proxy_do_not_set_the_clock() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    trust(&world).await;
    let tomorrow = || vec![("date".to_owned(), "Sat, 16 Jan 2027 06:00:00 GMT".to_owned())];
    world.memory.serve_with(CERTIFICATE_URL, 200, tomorrow(), Sns::get().certificate_pem.as_bytes());
    world.memory.serve_with("https://shop.example/notifications/shop", 400, tomorrow(), b"");
    let message = Sns::get().notification(1, "{}", world.daemon().now());
    assert_eq!(deliver(&world, &message).await, Answer::Stored);
    let request = ChannelCheck { account: "shop".parse().unwrap() };
    world.daemon().service().check_channel(&request).await.unwrap();
    assert_eq!(world.memory.requested("https://shop.example/notifications/shop"), 1);
    let off = world.daemon().now().duration_since(world.clock.now());
    assert!(off.abs() < jiff::SignedDuration::from_mins(1), "{off:?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_adds_a_live_account_is_refused_while_the_test_hooks_are_in_force() {
    let (mut world, _folder) = world(&scenario(1), "").await;
    let trusted = |text: &str| text.contains("[notifications.test]");
    world.rewrite_config(|text| {
        assert!(trusted(&text));
        let kept: Vec<&str> =
            text.lines().filter(|line| !trusted(line) && !line.starts_with("ca_file")).collect();
        kept.join("\n")
            .replace("environment = \"sandbox\"", "environment = \"live\"")
            .replace("SANDBOX-", "LIVE-")
    });
    let service = world.daemon().service();
    let reloaded = service.reload("test").await;
    assert!(!reloaded.is_applied, "{reloaded:?}");
    assert!(reloaded.problems[0].contains("\"shop\" is live: restart instead"), "{reloaded:?}");
    world.stop().await;
    world.start().await;
    world.stop().await;
}
