//! Deliveries from a real store to targets with scripted answers, in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex as Guard;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::config::Channel;
use super::super::target::Target;
use super::super::targets::slack::Slack;
use super::super::targets::webhook::Webhook;
use super::super::tests::alert;
use super::*;
use crate::alerts::routes::Route;
use crate::clock::{Clock, VirtualClock};
use crate::http::{BoxFuture, Request, Response, TransportError};
use crate::payments::alert::{AlertKind, Recipient, Severity};
use crate::secret::Secret;
use crate::store::{AlertFilter, AlertRow, DeliveryRow, DeliveryStatus, Options, OwedAlert};

mod answers;
mod conditions;
mod hygiene;

mod held;

/// One request that was made.
#[derive(Debug, Clone)]
struct Sent {
    target: String,
    at: Duration,
    id: Option<String>,
    body: String,
}

/// Answers `ok` unless scripted otherwise. Each answer takes one second.
#[derive(Debug)]
struct Network {
    clock: SharedClock,
    sent: Guard<Vec<Sent>>,
    answers: Guard<BTreeMap<String, VecDeque<Result<Response, TransportError>>>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Network {
    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    fn sent_to(&self, target: &str) -> Vec<Sent> {
        self.sent().into_iter().filter(|sent| sent.target == target).collect()
    }

    /// Sets the next answers of a target; the last one repeats.
    fn script(&self, target: &str, answers: Vec<Result<Response, TransportError>>) {
        self.answers.lock().unwrap().insert(target.to_owned(), answers.into());
    }

    fn next(&self, target: &str) -> Result<Response, TransportError> {
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(target) {
            Some(script) if script.len() > 1 => script.pop_front().unwrap(),
            Some(script) => script[0].clone(),
            None => Ok(Response { status: 200, body: b"ok".to_vec(), ..Response::default() }),
        }
    }
}

impl Transport for Network {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let target = request.url.rsplit('/').next().unwrap().to_owned();
            let id = request.headers.iter().find(|(name, _)| *name == "webhook-id");
            self.sent.lock().unwrap().push(Sent {
                target: target.clone(),
                at: self.clock.monotonic(),
                id: id.map(|(_, value)| value.clone()),
                body: String::from_utf8(request.body.clone()).unwrap(),
            });
            let now_in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now_in_flight, Ordering::SeqCst);
            self.clock.sleep(Duration::from_millis(100)).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.next(&target)
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
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at("2026-01-16T05:35:00Z".parse().unwrap());
        let options = Options { folder: folder.path().to_owned(), ..Options::default() };
        let (store, _) = Store::open(options, clock.now()).await.unwrap();
        let network = Network {
            clock: clock.clone(),
            sent: Guard::default(),
            answers: Guard::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        };
        let scene = Scene { store, clock, network: Arc::new(network), _folder: folder };
        // As the daemon does at its start.
        scene.deliverer().learn().await.unwrap();
        scene
    }

    /// Delivers to a chat `ops` and a receiver `office`.
    fn deliverer(&self) -> Deliverer {
        self.deliverer_with(|_| {})
    }

    /// The same, with a configuration that `change` has changed.
    fn deliverer_with(&self, change: impl FnOnce(&mut AlertConfig)) -> Deliverer {
        let url = |name: &str| Secret::new(format!("https://canary.example/{name}"));
        let channel = |name: &str, target: Box<dyn Target>| Channel {
            name: name.to_owned(),
            target,
            timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(76 * 3600),
            fallback: None,
            transport: None,
        };
        let filters = vec![Route {
            target: "ops".to_owned(),
            accounts: BTreeSet::new(),
            hears_live: true,
            hears_sandbox: true,
            min_severity: Severity::Info,
            kinds: BTreeSet::new(),
        }];
        let mut config = AlertConfig {
            channels: vec![
                channel("ops", Box::new(Slack::new(url("ops")))),
                channel("office", Box::new(Webhook::new(url("office"), Vec::new(), BTreeSet::new()))),
            ],
            routes: Routes {
                filters,
                sandbox_accounts: ["test".parse().unwrap()].into(),
                ..Routes::default()
            },
            accounts: ["shop-de", "shop-fr", "test"].map(|name| name.parse().unwrap()).into(),
            ..AlertConfig::default()
        };
        change(&mut config);
        Deliverer::new(self.store.clone(), self.clock.clone(), self.network.clone(), config)
    }

    /// Makes an alert pending that was found now.
    async fn raise(&self, alert: Alert, targets: &[&str]) {
        let alert = Alert { found_at: self.clock.now(), ..alert };
        let targets = targets.iter().map(|target| Recipient::from(*target)).collect();
        self.store.raise(vec![OwedAlert { alert, targets }]).await.unwrap();
    }

    /// Runs rounds like the daemon for all of this time, also while nothing is pending.
    async fn pass(&self, deliverer: &Deliverer, time: Duration) {
        let until = self.clock.monotonic() + time;
        while self.clock.monotonic() < until {
            self.settle_down(deliverer, Duration::from_secs(60)).await;
            self.clock.sleep(Duration::from_secs(60)).await;
        }
    }

    /// The delivery of an alert to a target.
    async fn row(&self, key: &str, target: &str) -> DeliveryRow {
        let AlertRow { deliveries, .. } = self.store.alert(key).await.unwrap().unwrap();
        deliveries.into_iter().find(|row| row.target == target).unwrap()
    }

    /// The titles of the messages that the chat got.
    fn titles(&self) -> Vec<String> {
        let text =
            |sent: Sent| serde_json::from_str::<serde_json::Value>(&sent.body).unwrap()["text"].clone();
        self.network.sent_to("ops").into_iter().map(|sent| text(sent).as_str().unwrap().to_owned()).collect()
    }

    async fn owe(&self, numbers: std::ops::Range<u32>, targets: &[&str]) {
        let targets: Vec<Recipient> = targets.iter().map(|target| Recipient::from(*target)).collect();
        let owed = numbers
            .map(|number| OwedAlert { alert: alert(&format!("a/{number}")), targets: targets.clone() })
            .collect();
        self.store.raise(owed).await.unwrap();
    }

    /// Runs rounds like the daemon, until nothing is pending or `limit` has passed.
    async fn settle_down(&self, deliverer: &Deliverer, limit: Duration) {
        let until = self.clock.monotonic() + limit;
        while self.clock.monotonic() < until {
            let round = deliverer.round().await.unwrap();
            if round.is_unfinished {
                continue;
            }
            let Some(next_at) = round.next_at else { return };
            let wait = Duration::try_from(next_at.duration_since(self.clock.now())).unwrap_or_default();
            self.clock.sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    async fn statuses(&self, target: &str) -> Vec<DeliveryStatus> {
        let filter = AlertFilter { target: Some(target.to_owned()), ..AlertFilter::default() };
        let page = self.store.alerts(filter, None, 1000).await.unwrap();
        let rows = page.items.into_iter().flat_map(|row| row.deliveries);
        rows.filter(|row| row.target == target).map(|row| row.status).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn each_alert_reaches_each_target_exactly_once() {
    let scene = Scene::new().await;
    scene.owe(0..3, &["ops", "office"]).await;
    let deliverer = scene.deliverer();
    let round = deliverer.round().await.unwrap();
    assert_eq!((round.delivered, round.retried, round.dead, round.next_at), (6, 0, 0, None));
    scene.owe(0..3, &["ops", "office"]).await;
    assert_eq!(deliverer.round().await.unwrap(), Round::default(), "nothing is sent twice");
    assert_eq!(scene.deliverer().round().await.unwrap(), Round::default(), "not by a new process either");
    assert_eq!(scene.network.sent().len(), 6);
    let chat = scene.network.sent_to("ops");
    assert!(chat.windows(2).all(|two| two[1].at - two[0].at >= Duration::from_secs(1)), "one a second");
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_under_the_same_id_as_the_receiver_wishes() {
    let scene = Scene::new().await;
    let failures =
        vec![status(503, None), Err(TransportError::Timeout), status(429, Some("900")), status(204, None)];
    scene.network.script("office", failures);
    scene.owe(0..1, &["office"]).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(3600)).await;
    let sent = scene.network.sent_to("office");
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|one| one.id == sent[0].id && one.body == sent[0].body));
    let waits: Vec<u64> = sent.windows(2).map(|two| (two[1].at - two[0].at).as_secs()).collect();
    assert!((5..=6).contains(&waits[0]) && (30..=34).contains(&waits[1]), "{waits:?}");
    assert!((900..=910).contains(&waits[2]), "{waits:?}");
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Delivered]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_is_not_knocked_at_by_every_message() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![status(503, None)]);
    scene.owe(0..50, &["office"]).await;
    scene.settle_down(&scene.deliverer(), Duration::from_secs(3600)).await;
    let knocks = scene.network.sent_to("office").len();
    assert!((4..=8).contains(&knocks), "{knocks} in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_told_elsewhere_once_a_day() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![status(410, None)]);
    scene.owe(0..3, &["office"]).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Dead; 3]);
    let told = scene.network.sent_to("ops");
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains("[UNDELIVERED]") && told[0].body.contains("HTTP 410"), "{}", told[0].body);

    scene.network.script("office", vec![status(200, None)]);
    assert_eq!(scene.store.redeliver("a/1", None, scene.clock.now()).await.unwrap(), 1);
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    assert_eq!(scene.network.sent_to("office").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_let_us_in_is_tried_for_an_hour_before_that_is_final() {
    for code in [401, 403, 404] {
        let scene = Scene::new().await;
        scene.network.script("office", vec![status(code, None)]);
        scene.owe(0..3, &["office"]).await;
        let deliverer = scene.deliverer();
        scene.settle_down(&deliverer, Duration::from_secs(3_300)).await;
        assert_eq!(scene.statuses("office").await, [DeliveryStatus::Pending; 3], "{code}");
        let tries = scene.network.sent_to("office").len();
        assert!((8..=14).contains(&tries), "{tries} tries");
        scene.settle_down(&deliverer, Duration::from_secs(1_800)).await;
        assert_eq!(scene.statuses("office").await, [DeliveryStatus::Dead; 3], "{code}");
        let told = scene.network.sent_to("ops");
        assert!(told.iter().any(|sent| sent.body.contains("[UNDELIVERED]")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_door_that_opens_within_the_hour_lets_everything_in() {
    let scene = Scene::new().await;
    let mut answers = vec![status(404, None); 6];
    answers.push(status(204, None));
    scene.network.script("office", answers);
    scene.owe(0..3, &["office"]).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(3_600)).await;
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Delivered; 3]);
    scene.network.script("office", vec![status(404, None)]);
    scene.owe(3..4, &["office"]).await;
    scene.clock.jump(jiff::SignedDuration::from_hours(72));
    scene.settle_down(&deliverer, Duration::from_secs(60)).await;
    let waiting = scene.statuses("office").await.into_iter().filter(|row| *row == DeliveryStatus::Pending);
    assert_eq!(waiting.count(), 1, "the hour begins again, and no jump of the clock ends it");
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_told_of_on_the_others_and_given_up_in_the_end() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![Err(TransportError::Connect("refused".to_owned()))]);
    scene.owe(0..1, &["office"]).await;
    let deliverer = scene.deliverer();
    scene.settle_down(&deliverer, Duration::from_secs(3 * 3600)).await;
    let told = scene.network.sent_to("ops");
    assert_eq!(told.len(), 1);
    assert!(told[0].body.contains("[TARGET SILENT]"), "{}", told[0].body);
    scene.settle_down(&deliverer, Duration::from_secs(80 * 3600)).await;
    assert_eq!(scene.statuses("office").await, [DeliveryStatus::Dead]);
    let titles = scene.titles();
    assert!(titles[1..4].iter().all(|title| title.starts_with("[TARGET SILENT] Ongoing for ")), "{titles:?}");
    assert!(titles[4].starts_with("[UNDELIVERED]"), "the loss is reported as well: {titles:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_sending_and_writing_down_costs_one_repetition() {
    let scene = Scene::new().await;
    scene.owe(0..1, &["office"]).await;
    let deliverer = scene.deliverer();
    {
        let mut round = std::pin::pin!(deliverer.round());
        while scene.network.sent().is_empty() {
            tokio::select! {
                biased;
                _ = &mut round => panic!("the round ended before it was cut"),
                () = scene.clock.sleep(Duration::from_millis(10)) => {}
            }
        }
    }
    scene.settle_down(&scene.deliverer(), Duration::from_secs(60)).await;
    let sent = scene.network.sent_to("office");
    assert_eq!(sent.len(), 2);
    assert_eq!((&sent[0].id, &sent[0].body), (&sent[1].id, &sent[1].body));
}

#[tokio::test(start_paused = true)]
async fn one_message_is_in_flight_for_each_target() {
    let scene = Scene::new().await;
    scene.owe(0..5, &["office"]).await;
    let deliverer = scene.deliverer();
    let rounds = tokio::join!(deliverer.round(), deliverer.round(), deliverer.round());
    let delivered = [rounds.0, rounds.1, rounds.2].map(|round| round.unwrap().delivered);
    assert_eq!(delivered.iter().sum::<u64>(), 5);
    assert_eq!(scene.network.most_in_flight.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trial_says_what_it_is_and_how_it_went() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![status(401, None)]);
    let deliverer = scene.deliverer();
    let outcomes = deliverer.test(None).await.unwrap();
    assert_eq!(outcomes[0], Trial { target: "ops".to_owned(), outcome: Ok(()) });
    assert_eq!(outcomes[1].outcome, Err("HTTP 401".to_owned()));
    assert!(scene.network.sent().iter().all(|sent| sent.body.contains("[TEST]")));
    assert_eq!(deliverer.test(Some("ops")).await.unwrap().len(), 1);
    let unknown = deliverer.test(Some("nobody")).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no alert target \"nobody\"; known targets: ops, office");
}

#[tokio::test(start_paused = true)]
async fn no_address_is_ever_written_down() {
    let scene = Scene::new().await;
    scene.network.script("office", vec![Err(TransportError::Broken("cut".to_owned()))]);
    scene.owe(0..1, &["office"]).await;
    let deliverer = scene.deliverer();
    deliverer.round().await.unwrap();
    let page = scene.store.alerts(AlertFilter::default(), None, 10).await.unwrap();
    assert_eq!(page.items[0].deliveries[0].last_error.as_deref(), Some("the connection broke: cut"));
    assert!(!format!("{page:?}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_does_not_keep_news_from_the_others() {
    let scene = Scene::new().await;
    scene.owe(0..4, &["ops"]).await;
    let deliverer = scene.deliverer();
    let raising = async {
        scene.clock.sleep(Duration::from_millis(1_500)).await;
        scene.owe(10..11, &["office", "ops"]).await;
    };
    let (round, ()) = tokio::join!(deliverer.round(), raising);
    assert_eq!(round.unwrap().delivered, 6);
    let office = scene.network.sent_to("office");
    assert_eq!(office.len(), 1);
    assert!(office[0].at < Duration::from_millis(1_600), "{:?}", office[0].at);
    assert!(
        scene.network.sent_to("ops").last().unwrap().at > Duration::from_secs(4),
        "the chat has its pace"
    );
    assert_eq!(deliverer.round().await.unwrap(), Round::default(), "nothing is pending any more");
}
