//! Deliveries from a real store to receivers with scripted answers, in virtual time.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::alerts::condition;
use crate::clock::{Clock, VirtualClock};
use crate::events::config::tests::receiver;
use crate::http::BoxFuture;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::store::{AlertFilter, DeliveryStatus, Options, OwedAlert};
use crate::time::between;

/// One request that was made: its id, its body, and when.
type Sent = (String, Vec<u8>, Duration);

/// Answers 200 unless scripted otherwise; the last answer of the script repeats.
struct Network {
    clock: SharedClock,
    /// The ids that are always answered with 500, whatever the script says.
    broken: Mutex<BTreeSet<String>>,
    sent: Mutex<Vec<Sent>>,
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
}

impl Transport for Network {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let header = |name: &str| {
                let found = request.headers.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            assert_eq!(header("idempotency-key"), format!("\"{}\"", header("webhook-id")));
            assert!(header("webhook-signature").starts_with("v1,"));
            assert_eq!(header("webhook-timestamp"), self.clock.now().as_second().to_string());
            let id = header("webhook-id");
            self.sent.lock().unwrap().push((id.clone(), request.body, self.clock.monotonic()));
            self.clock.sleep(Duration::from_millis(50)).await;
            if self.broken.lock().unwrap().contains(&id) {
                return status(500, None);
            }
            let mut answers = self.answers.lock().unwrap();
            match answers.len() {
                0 => Ok(Response { status: 200, ..Response::default() }),
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            }
        })
    }
}

fn status(status: u16, retry_after: Option<&str>) -> Result<Response, TransportError> {
    let headers = retry_after.map(|wait| ("retry-after".to_owned(), wait.to_owned())).into_iter().collect();
    Ok(Response { status, headers, body: Vec::new() })
}

struct Scene {
    store: Store,
    clock: Arc<VirtualClock>,
    network: Arc<Network>,
    ports: Ports,
    office: BackOffice,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new(answers: Vec<Result<Response, TransportError>>) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at("2026-01-16T05:35:00Z".parse().unwrap());
        let options = Options { folder: folder.path().to_owned(), ..Options::default() };
        let (store, _) = Store::open(options, clock.now()).await.unwrap();
        let network = Arc::new(Network {
            clock: clock.clone(),
            broken: Mutex::default(),
            sent: Mutex::default(),
            answers: Mutex::new(answers.into()),
        });
        let ports = Ports {
            store: store.clone(),
            clock: clock.clone(),
            transport: network.clone(),
            routes: Arc::new(|_, _| vec!["ops".into()]),
            sandbox_accounts: Arc::default(),
        };
        let office = BackOffice::new(receiver("shop"), ports.clone());
        Scene { store, clock, network, ports, office, _folder: folder }
    }

    /// Forgets what only a process knows.
    fn restart(&mut self) {
        self.office = BackOffice::new(receiver("shop"), self.ports.clone());
    }

    /// From now on the network answers so.
    fn script(&self, answers: Vec<Result<Response, TransportError>>) {
        *self.network.answers.lock().unwrap() = answers.into();
    }

    /// Makes these events of an object pending.
    async fn raise(&self, object: &str, numbers: std::ops::RangeInclusive<u64>) {
        self.raise_for("shop-de", object, numbers).await;
    }

    async fn raise_for(&self, account: &str, object: &str, numbers: std::ops::RangeInclusive<u64>) {
        let now = self.clock.now();
        let event = |number: u64| {
            let event = Event {
                id: format!("evt_{object}_{number}"),
                sequence: number,
                media_type: "application/json".to_owned(),
                body: format!("{{\"n\":{number}}}"),
            };
            let key = format!("events/shop/{account}/charge/{object}/{number:010}");
            let account = account.parse().unwrap();
            let alert =
                Alert::new(AlertKind::from("charge.captured".to_owned()), "", Severity::Info, &account, now);
            let alert = Alert { key, event: Some(Box::new(event)), ..alert };
            OwedAlert { alert, targets: vec!["events/shop".into()] }
        };
        self.store.raise(numbers.map(event).collect()).await.unwrap();
    }

    fn sent(&self) -> Vec<Sent> {
        self.network.sent.lock().unwrap().clone()
    }

    fn ids(&self) -> Vec<String> {
        self.sent().into_iter().map(|(id, ..)| id.trim_start_matches("evt_").to_owned()).collect()
    }

    /// Runs rounds as the loop would, for this long.
    async fn run(&self, hours: u64) {
        self.run_and(hours, async || ()).await;
    }

    /// The same, with something to do after each round.
    async fn run_and(&self, hours: u64, after_round: impl AsyncFn()) {
        let end = self.clock.monotonic() + Duration::from_secs(hours * 3600);
        while self.clock.monotonic() < end {
            let round = self.office.round().await.unwrap();
            after_round().await;
            let wait = round.next_at.map_or(Duration::from_secs(60), |at| between(self.clock.now(), at));
            self.clock.sleep(wait.clamp(Duration::from_millis(10), Duration::from_secs(60))).await;
        }
    }

    async fn states(&self) -> Vec<DeliveryStatus> {
        let filter = AlertFilter { is_event: true, ..AlertFilter::default() };
        let page = self.store.alerts(filter, None, 100).await.unwrap();
        page.items.into_iter().map(|row| row.deliveries[0].status).collect()
    }

    /// The keys of all alerts, newest first.
    async fn alerts(&self) -> Vec<String> {
        self.raised().await.into_iter().map(|alert| alert.key).collect()
    }

    /// All alerts, newest first.
    async fn raised(&self) -> Vec<Alert> {
        let page = self.store.alerts(AlertFilter::default(), None, 100).await.unwrap();
        page.items.into_iter().map(|row| row.alert).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_sent_again_unchanged_and_before_the_next_of_its_object() {
    let scene = Scene::new(vec![status(500, None), Err(TransportError::Timeout), status(204, None)]).await;
    scene.raise("A", 1..=3).await;
    scene.raise("B", 1..=1).await;
    scene.run(1).await;
    let sent = scene.sent();
    let of_a: Vec<&Sent> = sent.iter().filter(|(id, ..)| id.starts_with("evt_A")).collect();
    let ids: Vec<&str> = of_a.iter().map(|(id, ..)| id.as_str()).collect();
    let distinct: Vec<&str> = ids.iter().fold(Vec::new(), |mut kept, id| {
        if kept.last() != Some(id) {
            kept.push(*id);
        }
        kept
    });
    assert_eq!(distinct, ["evt_A_1", "evt_A_2", "evt_A_3"], "{ids:?}");
    assert!(of_a.windows(2).filter(|pair| pair[0].0 == pair[1].0).all(|pair| pair[0].1 == pair[1].1));
    assert_eq!(sent.len(), 6, "two failures: {ids:?}");
    assert_eq!(scene.states().await, [DeliveryStatus::Delivered; 4]);
    assert!(scene.alerts().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_wait_is_obeyed() {
    let scene = Scene::new(vec![status(429, Some("300")), status(200, None)]).await;
    scene.raise("A", 1..=1).await;
    scene.run(1).await;
    let sent = scene.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent[1].2 - sent[0].2 >= Duration::from_secs(300));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_gets_nothing_until_it_is_enabled() {
    let scene = Scene::new(vec![status(410, None)]).await;
    scene.raise("A", 1..=2).await;
    scene.run(5).await;
    assert_eq!(scene.ids(), ["A_1"]);
    assert!(scene.office.state().disabled_since.is_some());
    let alerts = scene.alerts().await;
    assert!(alerts.len() == 1 && alerts[0].starts_with("undelivered/events/shop/gone/"), "{alerts:?}");
    assert_eq!(scene.states().await, [DeliveryStatus::Pending; 2], "nothing is lost");
    scene.script(Vec::new());
    assert_eq!((scene.office.enable().await, scene.office.enable().await), (Ok(true), Ok(false)));
    scene.run(1).await;
    assert_eq!(scene.ids(), ["A_1", "A_1", "A_2"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_reported_once_until_it_is_enabled_or_accepts_an_event() {
    let mut scene = Scene::new(vec![status(410, None)]).await;
    scene.raise("A", 1..=1).await;
    for _ in 0..3 {
        scene.run(1).await;
        assert_eq!(scene.alerts().await.len(), 1, "a restart is no news");
        scene.restart();
    }
    assert_eq!(scene.ids(), ["A_1", "A_1", "A_1"]);
    scene.office.enable().await.unwrap();
    scene.run(1).await;
    assert_eq!(scene.alerts().await.len(), 2, "who enabled it wants to know");
    scene.restart();
    scene.script(Vec::new());
    scene.run(1).await;
    scene.script(vec![status(410, None)]);
    scene.raise("B", 1..=1).await;
    scene.run(1).await;
    assert_eq!(scene.alerts().await.len(), 3, "it had accepted one");
}

#[tokio::test(start_paused = true)]
async fn after_three_days_an_event_is_given_up_and_people_hear_of_it() {
    let scene = Scene::new(vec![status(404, None)]).await;
    scene.raise("A", 1..=2).await;
    scene.run(75).await;
    assert_eq!(scene.states().await, [DeliveryStatus::Pending; 2]);
    assert!(scene.alerts().await.iter().all(|key| key.starts_with("target-silent/events/shop/")));
    scene.run(80).await;
    assert_eq!(scene.states().await, [DeliveryStatus::Dead; 2]);
    let alerts = scene.alerts().await;
    assert!(
        alerts.iter().any(|key| key.starts_with("undelivered/events/shop/shop-de/2026-01-")),
        "{alerts:?}"
    );
    let tries = scene.ids().iter().filter(|id| *id == "A_1").count();
    assert!((70..=90).contains(&tries), "{tries} tries in 76 hours");
    // An operator sends it again, under the same id.
    scene.script(Vec::new());
    let key = "events/shop/shop-de/charge/A/0000000001";
    assert_eq!(scene.store.redeliver(key, None, scene.clock.now()).await, Ok(1));
    scene.run(2).await;
    assert_eq!(scene.ids().last().map(String::as_str), Some("A_1"));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_always_fails_delays_no_other_object_for_long() {
    let scene = Scene::new(Vec::new()).await;
    scene.network.broken.lock().unwrap().insert("evt_A_1".to_owned());
    scene.raise("A", 1..=2).await;
    scene.run(3).await;
    scene.raise("B", 1..=3).await;
    let raised_at = scene.clock.monotonic();
    scene.run(1).await;
    let of_b: Vec<Sent> = scene.sent().into_iter().filter(|(id, ..)| id.starts_with("evt_B")).collect();
    let ids: Vec<&str> = of_b.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids, ["evt_B_1", "evt_B_2", "evt_B_3"]);
    let waited = of_b[2].2 - raised_at;
    assert!(waited <= LONGEST_PAUSE + Duration::from_secs(10), "{waited:?}");
    assert!(scene.ids().iter().all(|id| id != "A_2"), "it waits for the one before it");
}

#[tokio::test(start_paused = true)]
async fn a_silence_has_one_beginning_and_one_end_whatever_restarts_are_in_it() {
    let mut scene = Scene::new(vec![status(500, None)]).await;
    // The event is that of a sandbox, and the receiver gets events of a live account too.
    scene.raise_for("shop-test", "A", 1..=2).await;
    scene.run(2).await;
    let begun = scene.raised().await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    scene.restart();
    scene.run(4).await;
    assert_eq!(scene.raised().await, begun, "it was reported before the restart");
    scene.restart();
    scene.script(Vec::new());
    scene.run(2).await;
    scene.restart();
    scene.raise("B", 1..=1).await;
    scene.run(1).await;
    let alerts = scene.raised().await;
    let [end, begin] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(begin, &begun[0]);
    assert_eq!((begin.account.as_str(), end.account.as_str()), ("shop-de", "shop-de"));
    assert_eq!(end.key, format!("{}/ended", begin.key));
    assert_eq!((begin.severity, end.severity), (Severity::Critical, Severity::Info));
    let (begin, end) = (condition::of(begin).unwrap(), condition::of(end).unwrap());
    assert_eq!((begin.key, begin.is_over, end.is_over), (end.key, false, true));
    // The next silence is another one.
    scene.script(vec![status(500, None)]);
    scene.raise("C", 1..=1).await;
    scene.run(4).await;
    assert_eq!(scene.alerts().await.len(), 3);
    // A test that is accepted ends it too, and enabling the receiver does not.
    scene.office.enable().await.unwrap();
    assert_eq!(scene.alerts().await.len(), 3);
    scene.script(Vec::new());
    assert_eq!(scene.office.test().await, Ok(()));
    assert_eq!(scene.office.test().await, Ok(()));
    let alerts = scene.alerts().await;
    assert_eq!((alerts.len(), alerts[0].as_str()), (4, format!("{}/ended", alerts[1]).as_str()));
}

#[tokio::test(start_paused = true)]
async fn given_up_events_are_reported_once_a_day_for_each_account() {
    let scene = Scene::new(vec![status(500, None)]).await;
    for account in ["shop-de", "shop-test"] {
        scene.raise_for(account, &format!("A-{account}"), 1..=1).await;
        scene.raise_for(account, &format!("B-{account}"), 1..=1).await;
    }
    scene.run(80).await;
    assert_eq!(scene.states().await, [DeliveryStatus::Dead; 4]);
    let alerts = scene.raised().await;
    let mut lost: Vec<(&str, &str)> = alerts
        .iter()
        .filter(|alert| alert.kind == AlertKind::Undelivered)
        .map(|alert| (alert.account.as_str(), alert.key.as_str()))
        .collect();
    lost.sort_unstable();
    let day = "2026-01-19";
    let key = |account: &str| format!("undelivered/events/shop/{account}/{day}");
    let (live, sandbox) = (key("shop-de"), key("shop-test"));
    assert_eq!(lost, [("shop-de", live.as_str()), ("shop-test", sandbox.as_str())]);
}

#[tokio::test(start_paused = true)]
async fn a_test_says_what_the_receiver_answers() {
    let scene = Scene::new(vec![status(503, None), status(410, None), status(200, None)]).await;
    assert_eq!(scene.office.test().await, Err("HTTP 503".to_owned()));
    assert_eq!(scene.office.test().await, Err("HTTP 410".to_owned()));
    assert_eq!(scene.office.test().await, Ok(()));
}

/// Stands for a request without an answer.
const NO_ANSWER: u16 = 0;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the receiver answers, an object's events are accepted once each and in their order.
    #[test]
    fn the_order_of_an_object_survives_any_answers(
        answers in proptest::collection::vec(
            (prop_oneof![Just(200u16), Just(500), Just(429), Just(404), Just(GONE), Just(NO_ANSWER)], 0u16..7_200),
            0..12,
        ),
        objects in 1usize..4, events in 1u64..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let answer = |(code, wait): &(u16, u16)| match *code {
                NO_ANSWER => Err(TransportError::Timeout),
                code => status(code, (*wait > 0).then(|| wait.to_string()).as_deref()),
            };
            let mut script: Vec<_> = answers.iter().map(answer).collect();
            script.push(status(200, None));
            let accepted_at: Vec<bool> = answers.iter().map(|(code, _)| *code == 200).collect();
            let scene = Scene::new(script).await;
            for object in 0..objects {
                scene.raise(&format!("O{object}"), 1..=events).await;
            }
            // An operator enables a receiver that said that it is gone.
            let enable = async || {
                if scene.office.state().disabled_since.is_some() {
                    scene.office.enable().await.unwrap();
                }
            };
            scene.run_and(30, enable).await;
            let is_accepted = |place: usize| accepted_at.get(place).copied().unwrap_or(true);
            for object in 0..objects {
                let start = format!("evt_O{object}_");
                let accepted: Vec<u64> = scene.sent().iter().enumerate()
                    .filter(|(place, (id, ..))| is_accepted(*place) && id.starts_with(&start))
                    .map(|(_, (id, ..))| id[start.len()..].parse().unwrap())
                    .collect();
                prop_assert_eq!(accepted, (1..=events).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}
