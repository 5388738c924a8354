//! Whole worlds that tell of their changes: one message for each, what goes wrong, and what is repeated.

mod forging;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::scenario::{Encoding, NotificationSettings, Subscription};
use support::*;

const DAY: i64 = 24 * 3600;

#[test]
fn what_is_signed_stands_in_the_manual() {
    let forger = Forger::new("v2", "A1V2", "eu").unwrap();
    let at = moment(0);
    let arn = "arn:aws:sns:eu-west-1:291180941288:A3M3RRFO9XDT2GA1V2";
    assert_eq!(forger.topic_arn(), arn);
    let plain = forger.envelope("{\"a\":\"ü\\n\"}", at);
    let id = plain.message_id.clone();
    let expected = format!(
        "Message\n{{\"a\":\"ü\\n\"}}\nMessageId\n{id}\nTimestamp\n2026-01-15T12:00:00.000Z\nTopicArn\n{arn}\nType\n\
         Notification\n"
    );
    assert_eq!(plain.string_to_sign(), expected);
    let with_subject = Envelope { subject: Some("Payment".into()), ..plain.clone() };
    let expected = expected.replace("Timestamp\n", "Subject\nPayment\nTimestamp\n");
    assert_eq!(with_subject.string_to_sign(), expected);
    let asked = forger.confirmation(MessageKind::SubscriptionConfirmation, at);
    let (url, token) = (asked.subscribe_url.clone().unwrap(), asked.token.clone().unwrap());
    let expected = format!(
        "Message\n{}\nMessageId\n{}\nSubscribeURL\n{url}\nTimestamp\n2026-01-15T12:00:00.000Z\nToken\n{token}\n\
         TopicArn\n{arn}\nType\nSubscriptionConfirmation\n",
        asked.message, asked.message_id
    );
    assert_eq!(asked.string_to_sign(), expected);
    let ended = forger.confirmation(MessageKind::UnsubscribeConfirmation, at);
    for envelope in [plain, with_subject, asked, ended] {
        for version in [SignatureVersion::One, SignatureVersion::Two] {
            let body = forger.sign(&envelope, version);
            assert_eq!(verified(&body, forger.signer().certificate_pem()), Ok(()), "{body}");
            let value: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["SignatureVersion"], version.word());
            assert_eq!(value.get("Subject").is_some(), envelope.subject.is_some());
        }
    }
}

/// Account, kind, and the steps with their hours.
type Life = (&'static str, &'static str, &'static [(u64, &'static str, &'static str)]);

const LIVES: [Life; 12] = [
    ("v2", "authorization", &[(1, "Authorized", ""), (3, "Captured", "")]),
    ("v2", "authorization", &[(2, "Declined", "HardDeclined")]),
    ("v2", "capture", &[(5, "Captured", "")]),
    ("v2", "refund", &[(1, "Refunded", "")]),
    ("v2", "charge-permission", &[(4, "Closed", "BuyerCanceled")]),
    ("mws", "authorization", &[(1, "Open", ""), (9, "Closed", "MaxCapturesProcessed")]),
    ("mws", "capture", &[(2, "Completed", "")]),
    ("mws", "refund", &[(3, "Declined", "AmazonRejected")]),
    ("mws", "order-reference", &[(7, "Suspended", "InvalidPaymentMethod"), (8, "Open", "")]),
    ("mws", "billing-agreement", &[(7, "Closed", "SellerClosed")]),
    ("aps", "aps-order", &[(1, "14", ""), (20, "06", "")]),
    ("aps", "aps-order", &[(2, "13", "666")]),
];

#[test]
fn every_change_is_announced_once_and_however_often_it_is_searched() {
    for (account, kind, steps) in LIVES {
        let world = World::new(all_flawless());
        world.pass(60);
        let id = world.plant(account, kind, steps);
        let planned = world.simulator.notifications_between(moment(60), moment(3 * DAY));
        let mine: Vec<&Notification> = planned.iter().filter(|one| one.id == id).collect();
        let mut hour = 0;
        let expected: Vec<i64> = steps
            .iter()
            .map(|(after, ..)| {
                hour += i64::try_from(*after).unwrap();
                60 + hour * 3600
            })
            .collect();
        let times: Vec<i64> = mine.iter().map(|one| world.seconds(one.at)).collect();
        // A planted capture begins with the call that asks for it.
        let times: Vec<i64> = times.into_iter().filter(|second| *second > 60).collect();
        assert_eq!(times, expected, "{account} {kind}");
        let mut sent = world.simulator.notifications_until(world.now());
        for _ in 0..72 {
            world.pass(3600);
            sent.extend(world.simulator.notifications_until(world.now()));
            assert_eq!(world.simulator.notifications_until(world.now()), [], "each is handed out once");
        }
        let of_mine = |all: &[Notification]| -> Vec<Notification> {
            all.iter().filter(|one| one.id == id && one.at > moment(60)).cloned().collect()
        };
        assert_eq!(of_mine(&sent), of_mine(&planned), "{account} {kind}");
        let ids: BTreeSet<&str> = sent.iter().map(|one| one.message_id.as_str()).collect();
        assert_eq!(ids.len(), sent.len(), "no message id comes twice");
        for one in &sent {
            check_genuine(&world, one);
        }
    }
}

#[test]
fn each_message_says_what_its_api_documents() {
    let table = [
        ("v2", "authorization", "Authorized", "\"ObjectType\":\"CHARGE\""),
        ("v2", "refund", "Refunded", "\"ObjectType\":\"REFUND\""),
        ("v2", "charge-permission", "Closed", "\"ObjectType\":\"CHARGE_PERMISSION\""),
        ("mws", "authorization", "Open", "\"NotificationType\":\"PaymentAuthorize\""),
        ("mws", "capture", "Completed", "\"NotificationType\":\"PaymentCapture\""),
        ("mws", "refund", "Completed", "\"NotificationType\":\"PaymentRefund\""),
        ("mws", "order-reference", "Closed", "\"NotificationType\":\"OrderReferenceNotification\""),
        ("mws", "billing-agreement", "Closed", "\"EventType\":\"BillingAgreementStatusUpdated\""),
    ];
    for (account, kind, state, expected) in table {
        let world = World::new(all_flawless());
        world.pass(60);
        let id = world.plant(account, kind, &[(1, state, "")]);
        world.pass(3600);
        let sent = world.simulator.notifications_until(world.now());
        let one = sent.iter().find(|one| one.id == id && one.at == world.now()).expect("it is announced");
        let body: Value = serde_json::from_slice(&one.body).unwrap();
        let message = body["Message"].as_str().unwrap();
        assert!(message.contains(expected) && message.contains(&id), "{message}");
        let inner: Value = serde_json::from_str(message).unwrap();
        if account == "v2" {
            assert_eq!(inner["NotificationVersion"], "V2");
            assert_eq!(inner["ObjectId"], id.as_str());
            assert!(id.starts_with(inner["ChargePermissionId"].as_str().unwrap()));
            assert_eq!(inner["MerchantID"], "A1V2");
        } else {
            let xml = inner["NotificationData"].as_str().unwrap();
            assert!(xml.contains(&format!("<State>{state}</State><LastUpdateTimestamp>")), "{xml}");
            assert!(well_formed(xml), "{xml}");
            assert_eq!(inner["SellerId"], "A2MWS");
        }
        let header =
            |name: &str| &one.headers.iter().find(|(known, _)| known == name).expect("it is there").1;
        assert_eq!(header("x-amz-sns-message-type"), "Notification");
        assert_eq!(header("x-amz-sns-message-id"), &one.message_id);
        assert_eq!(header("content-type"), "text/plain; charset=UTF-8");
        assert_eq!(header("user-agent"), "Amazon Simple Notification Service Agent");
    }
}

#[test]
fn feedback_is_signed_with_the_response_phrase_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Form] {
        let settings =
            NotificationSettings { encoding, ..NotificationSettings::flawless("aps", "http://127.0.0.1:1/") };
        let world = World::new(vec![settings]);
        world.pass(60);
        world.plant("aps", "aps-order", &[(1, "14", "")]);
        world.pass(3600);
        let sent = world.simulator.notifications_until(world.now());
        let [one] = sent.as_slice() else { panic!("{} messages", sent.len()) };
        let fields = fields_of(one);
        let get =
            |name: &str| fields.iter().find(|(known, _)| known == name).expect("it is there").1.as_str();
        assert_eq!((get("response_code"), get("status"), get("command")), ("14000", "14", "PURCHASE"));
        assert_eq!(get("merchant_reference"), one.id);
        assert_eq!(get("signature"), sha_signature(&fields));
    }
}

#[test]
fn calls_are_announced_like_what_happens_in_time() {
    let world = World::new(all_flawless());
    world.pass(60);
    let permission = world.plant("v2", "charge-permission", &[]);
    let charge = |amount: &str, now: bool| {
        let body = json!({
            "chargePermissionId": permission, "captureNow": now,
            "chargeAmount": {"amount": amount, "currencyCode": "EUR"},
        });
        world.call_v2("POST", "/v2/charges", &body)["chargeId"].as_str().unwrap().to_owned()
    };
    let ids = |sent: Vec<Notification>| -> Vec<String> { sent.into_iter().map(|one| one.id).collect() };
    let due = || ids(world.simulator.notifications_until(world.now()));
    let first = charge("1.00", false);
    assert_eq!(due(), std::slice::from_ref(&first), "authorized at once");
    world.pass(10);
    // The call comes first, and was waiting while somebody searched.
    world.call_v2("POST", &format!("/v2/charges/{first}/capture"), &captured("1.00"));
    assert_eq!(due(), std::slice::from_ref(&first), "captured");
    world.pass(10);
    let called_at = world.now();
    world.pass(5);
    assert_eq!(due(), [""; 0]);
    let refund = json!({"chargeId": first, "refundAmount": {"amount": "1.00", "currencyCode": "EUR"}});
    let answer = world.call_v2_at(called_at, "POST", "/v2/refunds", &refund);
    let refund = answer["refundId"].as_str().unwrap().to_owned();
    assert_eq!(due(), [""; 0], "a refund begins pending");
    world.pass(60);
    assert_eq!(due(), [refund]);
    let second = charge("2.00", false);
    world.pass(1);
    world.call_v2("DELETE", &format!("/v2/charges/{second}/cancel"), &json!({"cancellationReason": "x"}));
    assert_eq!(due(), [second.clone(), second]);
    world.pass(1);
    let close = json!({"closureReason": "done"});
    world.call_v2("DELETE", &format!("/v2/chargePermissions/{permission}/close"), &close);
    assert_eq!(due(), [permission]);
    let counts = world.counts("v2");
    assert_eq!((counts.announced, counts.sent), (6, 6));
}

#[test]
fn the_seed_decides_what_goes_wrong() {
    let settings = NotificationSettings {
        signature_version: SignatureVersion::Two,
        lose: 0.3,
        delay: (Duration::from_secs(1), Duration::from_secs(20)),
        duplicate: 0.1,
        reorder: 0.1,
        forge: 0.2,
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let run = |seed: u64, step: i64| {
        let world = World::with_seed(seed, vec![settings.clone()]);
        world.plant_many(400);
        let mut sent = Vec::new();
        while world.now() < moment(DAY) {
            world.pass(step);
            sent.extend(world.simulator.notifications_until(world.now()));
        }
        (sent, world.counts("v2"))
    };
    let (sent, counts) = run(7, 600);
    let (again, same) = run(7, 6 * 3600);
    let key = |one: &Notification| (one.at, one.message_id.clone(), one.forgery, one.body.clone());
    let mut keys = [sent.iter().map(key).collect::<Vec<_>>(), again.iter().map(key).collect()];
    keys.iter_mut().for_each(|keys| keys.sort());
    assert_eq!(keys[0], keys[1], "it does not matter when anybody searches");
    assert_eq!(counts, same);
    assert_ne!(counts, run(8, 6 * 3600).1);
    let share = |count: u64| count as f64 / counts.announced as f64;
    for (count, expected) in
        [(counts.lost, 0.3), (counts.duplicated, 0.07), (counts.held_back, 0.07), (counts.forged, 0.2)]
    {
        assert!((share(count) - expected).abs() < 0.04, "{} instead of {expected}", share(count));
    }
    let genuine = sent.iter().filter(|one| one.forgery.is_none()).count() as u64;
    assert_eq!(genuine, counts.announced - counts.lost + counts.duplicated);
    assert_eq!(counts.sent, genuine + counts.forged);
    let mut published: Vec<_> = sent.iter().filter(|one| one.forgery.is_none()).map(timestamp).collect();
    assert!(!published.is_sorted(), "later ones overtake");
    published.dedup();
    let kinds: BTreeSet<_> = sent.iter().filter_map(|one| one.forgery).collect();
    assert_eq!(kinds.len(), Forgery::all(true).len(), "{kinds:?}");
}

#[test]
fn nothing_arrives_in_a_silent_window_and_calm_ends_all_faults() {
    let settings = NotificationSettings {
        silent: vec![(Duration::from_secs(3600), Duration::from_secs(2 * 3600))],
        lose: 0.5,
        forge: 0.5,
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let world = World::new(vec![settings]);
    world.plant_many(100);
    world.pass(3 * 3600);
    let sent = world.simulator.notifications_until(world.now());
    let is_in_window = |one: &Notification| (3600..7200).contains(&world.seconds(one.at));
    assert!(!sent.is_empty() && !sent.iter().any(is_in_window));
    let between = world.simulator.notifications_between(moment(3600), moment(7199));
    assert_eq!(between, []);
    world.simulator.calm();
    let between = world.simulator.notifications_between(moment(3600), moment(7199));
    assert!(!between.is_empty() && between.iter().all(|one| one.forgery.is_none()));
}

#[test]
fn a_redelivery_is_the_same_message() {
    for (account, kind, state, outcome, interval, repeated) in [
        ("v2", "authorization", "Authorized", Outcome::Status(503), 3600, 3),
        ("mws", "authorization", "Open", Outcome::TimedOut, 3600, 14 * 24),
        ("mws", "authorization", "Open", Outcome::Status(404), 3600, 0),
        ("aps", "aps-order", "14", Outcome::Unreachable, 10, 10),
    ] {
        let world = World::new(all_flawless());
        world.pass(60);
        let id = world.plant(account, kind, &[(1, state, "")]);
        world.pass(3600);
        let mut due = world.simulator.notifications_until(world.now());
        due.retain(|one| one.id == id && one.at == world.now());
        let first = due.first().expect("it is announced").clone();
        let mut count = 0;
        while let Some(one) = due.pop() {
            assert_eq!((&one.body, &one.headers, one.attempt), (&first.body, &first.headers, count + 1));
            world.simulator.notification_answered(&one, outcome);
            world.pass(interval - 1);
            let mine = |all: Vec<Notification>| all.into_iter().filter(|one| one.id == id && one.attempt > 1);
            assert_eq!(mine(world.simulator.notifications_until(world.now())).count(), 0);
            world.pass(1);
            due = mine(world.simulator.notifications_until(world.now())).collect();
            count += 1;
        }
        assert_eq!(count, repeated + 1, "{account} {outcome:?}");
        let counts = world.counts(account);
        assert_eq!(counts.redelivered, u64::from(repeated));
    }
}

#[test]
fn a_required_subscription_begins_with_a_visit_and_may_end() {
    let settings = NotificationSettings {
        subscription: Subscription::Required,
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let world = World::new(vec![settings]);
    let sent = world.simulator.notifications_until(world.now());
    let [asked] = sent.as_slice() else { panic!("{} messages", sent.len()) };
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["Type"], "SubscriptionConfirmation");
    assert!(!asked.headers.iter().any(|(name, _)| name == "x-amz-sns-subscription-arn"));
    check_genuine(&world, asked);
    world.pass(60);
    world.plant("v2", "authorization", &[(1, "Authorized", "")]);
    world.pass(3600);
    assert_eq!(world.simulator.notifications_until(world.now()), []);
    assert_eq!(world.counts("v2").withheld, 2, "the charge and its permission");
    let url = body["SubscribeURL"].as_str().unwrap();
    assert_eq!(world.visit(&url.replace("Token=", "Token=0")).status, 400);
    assert_eq!(world.visit(&url.replace("A1V2", "A9")).status, 404);
    assert_eq!(world.simulator.subscription_confirmed_at("v2"), None);
    let answer = world.visit(url);
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8(answer.body).unwrap().contains("<ConfirmSubscriptionResult><SubscriptionArn>"));
    assert_eq!(world.simulator.subscription_confirmed_at("v2"), Some(world.now()));
    let id = world.plant("v2", "authorization", &[(1, "Authorized", "")]);
    world.pass(3600);
    let sent = world.simulator.notifications_until(world.now());
    assert!(sent.iter().any(|one| one.id == id));
    world.simulator.unsubscribe("v2").unwrap();
    world.simulator.unsubscribe("aps").unwrap_err();
    let sent = world.simulator.notifications_until(world.now());
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!((sent.len(), &body["Type"]), (1, &json!("UnsubscribeConfirmation")));
    check_genuine(&world, &sent[0]);
    world.plant("v2", "authorization", &[(1, "Authorized", "")]);
    world.pass(3600);
    assert_eq!(world.simulator.notifications_until(world.now()), []);
    assert_eq!(world.visit(body["SubscribeURL"].as_str().unwrap()).status, 200);
    world.plant("v2", "authorization", &[(1, "Authorized", "")]);
    world.pass(3600);
    assert!(!world.simulator.notifications_until(world.now()).is_empty());
}

#[test]
fn an_unsubscribe_url_and_a_planned_end_work() {
    let settings = NotificationSettings {
        unsubscribed_after: Some(Duration::from_secs(7200)),
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let world = World::new(vec![settings.clone()]);
    world.pass(60);
    world.plant("v2", "authorization", &[(1, "Authorized", ""), (2, "Captured", "")]);
    world.pass(4 * 3600);
    let sent = world.simulator.notifications_until(world.now());
    let types: Vec<Value> =
        sent.iter().map(|one| serde_json::from_slice::<Value>(&one.body).unwrap()["Type"].clone()).collect();
    assert_eq!(types, ["Notification", "Notification", "UnsubscribeConfirmation"]);
    let world = World::new(vec![NotificationSettings { unsubscribed_after: None, ..settings }]);
    world.pass(60);
    world.plant("v2", "authorization", &[(1, "Authorized", ""), (1, "Captured", "")]);
    world.pass(3600);
    let sent = world.simulator.notifications_until(world.now());
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(world.visit(body["UnsubscribeURL"].as_str().unwrap()).status, 200);
    world.pass(3600);
    let sent = world.simulator.notifications_until(world.now());
    assert_eq!(sent.len(), 1, "only that it has ended");
}

#[test]
fn the_certificate_is_there_but_not_in_an_outage() {
    let settings = NotificationSettings {
        certificate_outages: vec![(Duration::from_secs(100), Duration::from_secs(200))],
        ..NotificationSettings::flawless("v2", "http://127.0.0.1:1/")
    };
    let world = World::new(vec![settings, NotificationSettings::flawless("mws", "http://127.0.0.1:1/")]);
    let urls = ["v2", "mws"].map(|account| world.certificate_url(account));
    let statuses = || urls.each_ref().map(|url| world.visit(url).status);
    assert_eq!(statuses(), [200, 200]);
    world.pass(100);
    assert_eq!(statuses(), [503, 200]);
    world.pass(100);
    assert_eq!(statuses(), [200, 200]);
    assert_eq!(world.visit("https://sns.eu-west-1.amazonaws.com/other.pem").status, 404);
    let counts = world.counts("v2");
    assert_eq!((counts.certificates_fetched, counts.certificates_refused), (2, 1));
    let answer = world.visit("http://127.0.0.1:1/notifications");
    let shown: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(shown["v2"]["certificates_refused"], 1);
    assert_eq!(shown["mws"]["certificates_fetched"], 3);
}
