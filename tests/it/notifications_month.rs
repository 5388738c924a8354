//! A month with notifications beside the same month with polling alone: how late outcomes are found, and what it costs.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use amazon_pay_simulator::notifications::{Outcome, Signer};
use amazon_pay_simulator::plan::{Plan, Step};
use jiff::{SignedDuration, Timestamp};
use reconciled::clock::Clock;
use reconciled::control::enrolment_request::EnrolmentRequest;
use reconciled::control::messages::TrustRequest;
use reconciled::notifications::{Answer, Received};
use reconciled::payments::object::ObjectRef;

use crate::world::World;

const DAYS: u64 = 30;
/// The shop pays one buyer back every two hours.
const SPACING: Duration = Duration::from_secs(7200);
const DAY_S: u64 = 86_400;
const START: &str = "2027-01-15T06:00:00Z";
/// When all hints of the third month begin to be lost.
const DEAD_FROM_S: u64 = 10 * DAY_S;

/// How a month goes for the notifications.
#[derive(Debug, Clone)]
enum Channel {
    None,
    Losing(String),
}

/// What a month brought.
struct Month {
    /// When each outcome happened, and how much later it was found.
    found: Vec<(Timestamp, Duration)>,
    /// Requests for charges until the end of each day.
    requests: Vec<u64>,
    /// When the alert came that the channel is silent.
    silent_at: Option<Timestamp>,
}

impl Month {
    /// A delay that this share of the outcomes after `from` stays below.
    fn percentile(&self, percent: usize, from: Timestamp) -> Duration {
        let mut delays: Vec<Duration> =
            self.found.iter().filter(|(at, _)| *at >= from).map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        delays[(delays.len() - 1) * percent / 100]
    }

    /// Requests from the end of one day to the end of the month.
    fn requests_after(&self, day: usize) -> u64 {
        self.requests.last().unwrap() - self.requests[day]
    }
}

/// Decides between 1 and 20 hours for the payment with this number, the same in every month.
fn undecided_for(number: u64) -> Duration {
    let drawn = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    Duration::from_secs(3600 + drawn % (19 * 3600))
}

fn scenario(channel: &Channel) -> String {
    let notifications = match channel {
        Channel::None => String::new(),
        Channel::Losing(how) => format!(
            "[[notifications]]\naccount = \"shop\"\nurl = \"http://127.0.0.1:9/notifications/shop\"\n\
             delay_s = [0, 5]\n{how}\n"
        ),
    };
    format!(
        r#"
seed = 11
[[account]]
name = "shop"
api = "amazon-pay-v2"
merchant_id = "A1SHOP"
region = "eu"
environment = "sandbox"
public_key_id = "SANDBOX-ASHOPKEY"
quota = [{{ operation = "*", capacity = 10, refill = 1, per_s = 1 }}]
{notifications}"#
    )
}

fn sections(folder: &Path, channel: &Channel) -> String {
    if matches!(channel, Channel::None) {
        return String::new();
    }
    let ca_file = folder.join("sns-ca.pem");
    std::fs::write(&ca_file, Signer::shared().unwrap().authority().authority_pem()).unwrap();
    format!(
        "[notifications]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://shop.example\"\n\
         [notifications.test]\nca_file = \"{}\"\n[poll]\nrelaxed_interval = \"12h\"\n",
        ca_file.display()
    )
}

async fn month(channel: Channel) -> Month {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(START, &scenario(&channel), &sections(folder.path(), &channel)).await;
    if let Some(topic) = world.simulator.topic_arn("shop") {
        let request = TrustRequest { account: "shop".parse().unwrap(), topic };
        world.daemon().service().trust(&request).await.unwrap();
    }
    let start = world.clock.now();
    let mut payments: Vec<(ObjectRef, Timestamp)> = Vec::new();
    let mut requests = Vec::new();
    for number in 0..DAYS * DAY_S / SPACING.as_secs() {
        payments.push(pay(&world, number).await);
        deliver_until(&world, start + SPACING * u32::try_from(number + 1).unwrap()).await;
        if ((number + 1) * SPACING.as_secs()).is_multiple_of(DAY_S) {
            requests.push(world.simulator.counts().of_account("shop").requests);
        }
    }
    // The last ones are decided and found.
    deliver_until(&world, world.clock.now() + SignedDuration::from_hours(34)).await;
    let mut found = Vec::new();
    for (object, decided_at) in payments {
        let record = world.record(&object).await;
        assert!(record.is_finished(), "{object}: {:?}", record.state());
        let since = record.observed.unwrap().since;
        found.push((decided_at, Duration::try_from(since.duration_since(decided_at)).unwrap_or_default()));
    }
    let silent_at = world.events("notifications-silent").first().map(|event| {
        let at = event.get("found_at").or_else(|| event.get("foundAt")).unwrap();
        at.as_str().unwrap().parse().unwrap()
    });
    world.stop().await;
    Month { found, requests, silent_at }
}

/// A payment is made and enrolled. Returns when it is decided.
async fn pay(world: &World, number: u64) -> (ObjectRef, Timestamp) {
    let (state, reason) = match number % 5 {
        0 => ("Declined", Some("AmazonRejected".to_owned())),
        _ => ("Refunded", None),
    };
    let step = Step { after: undecided_for(number), state: state.to_owned(), reason };
    let plan = Plan {
        kind: "refund".to_owned(),
        amount: "14.00".to_owned(),
        currency: "EUR".to_owned(),
        merchant_reference: format!("ORDER-{number:06}"),
        steps: vec![step],
        invisible_for: Duration::ZERO,
    };
    let decided_at = world.clock.now() + undecided_for(number);
    let id = world.simulator.plant("shop", &plan).unwrap();
    let object: ObjectRef = format!("shop/refund/{id}").parse().unwrap();
    let results =
        world.daemon().service().enrol(vec![EnrolmentRequest::plain(object.clone())]).await.unwrap();
    assert_eq!(results[0].reason, None);
    (object, decided_at)
}

/// Lets time pass, and delivers each notification when it arrives.
async fn deliver_until(world: &World, until: Timestamp) {
    loop {
        let now = world.clock.now();
        let planned = world.simulator.notifications_between(now, until);
        let next = planned.iter().map(|one| one.at).chain(world.simulator.next_notification()).min();
        let at = next.filter(|at| *at < until).unwrap_or(until).max(now);
        world.clock.sleep(Duration::try_from(at.duration_since(now)).unwrap()).await;
        for one in world.simulator.notifications_until(world.clock.now()) {
            let header = |name: &str| {
                one.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            };
            let received = Received { body: &one.body, header: &header };
            let answer = world.daemon().notifications().receive("shop", &received).await;
            assert_eq!(answer, Answer::Stored, "{}", String::from_utf8_lossy(&one.body));
            world.simulator.notification_answered(&one, Outcome::Status(200));
        }
        if world.clock.now() >= until {
            return;
        }
    }
}

/// Lives through a month on a thread of its own, with virtual time of its own.
fn lived(channel: Channel) -> JoinHandle<Month> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(month(channel))
    })
}

#[test]
fn a_month_of_hints_beside_a_month_of_polling_alone() {
    let silent = format!("silent = [{{ from_s = {DEAD_FROM_S}, to_s = {} }}]", 60 * DAY_S);
    let channels = [Channel::None, Channel::Losing("lose = 0.3".to_owned()), Channel::Losing(silent)];
    let [polling, losing, dead] = channels.map(lived).map(|month| month.join().unwrap());

    let start: Timestamp = START.parse().unwrap();
    // The first test of the channel takes some outcomes; from the second day on it is known to be healthy.
    let settled = start + SignedDuration::from_hours(24);
    let shown = |name: &str, month: &Month, from, day| {
        println!(
            "{name}: p50 {:?}, p95 {:?}, {} requests",
            month.percentile(50, from),
            month.percentile(95, from),
            month.requests_after(day)
        );
    };
    shown("polling alone", &polling, settled, 0);
    shown("30 % of hints lost", &losing, settled, 0);
    assert!(losing.percentile(50, settled) < Duration::from_secs(60));
    assert!(losing.percentile(95, settled) <= Duration::from_secs(13 * 3600));
    assert!(losing.requests_after(0) * 4 <= polling.requests_after(0));
    assert_eq!(losing.silent_at, None, "a channel that loses 30 % is not called silent");
    assert_eq!(polling.silent_at, None);

    // Nothing arrives from the tenth day on. Once that is noticed, it is as if there had never been a channel.
    let silent_at = dead.silent_at.expect("the alert came");
    let dead_from = start + Duration::from_secs(DEAD_FROM_S);
    println!("silent from {dead_from}, noticed at {silent_at}");
    assert!(silent_at > dead_from);
    assert!(silent_at.duration_since(dead_from) <= SignedDuration::from_hours(48), "{silent_at}");
    let day = usize::try_from(silent_at.duration_since(start).as_hours() / 24 + 1).unwrap();
    let after = start + SignedDuration::from_hours(24 * i64::try_from(day).unwrap());
    shown("polling alone, then", &polling, after, day);
    shown("a dead channel, then", &dead, after, day);
    for percent in [50, 95] {
        let (with, without) = (dead.percentile(percent, after), polling.percentile(percent, after));
        assert!(with <= without.mul_f64(1.05), "p{percent}: {with:?}, not {without:?}");
    }
    let (with, without) = (dead.requests_after(day), polling.requests_after(day));
    assert!(with * 20 <= without * 21, "{with} requests, not {without}");
}
