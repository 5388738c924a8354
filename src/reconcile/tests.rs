//! The loop of an account on a real store, in virtual time, with a provider of our own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::apis::pace::{Permit, Quota};
use crate::apis::{Api, Asking, Fetching};
use crate::clock::{Clock, VirtualClock};
use crate::payments::alert::Alert;
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts};
use crate::payments::object::{ObjectId, ObjectRef};
use crate::payments::observation::{Failure, Observation};
use crate::payments::provider_health::{Health, ServiceReport};
use crate::payments::record::{Details, Enrolment, Record};
use crate::payments::schedule::{Learning, Policy};
use crate::store::{AlertFilter, Options};

struct Parcel;

impl Lifecycle for Parcel {
    fn states(&self) -> &'static [&'static str] {
        &["Started", "Delivered"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        let started = StateFacts {
            name: "Started",
            phase: Phase::Moving,
            outcome: Outcome::Undecided,
            meaning: "",
            next: &["Delivered"],
            patience: Some(Duration::from_secs(30 * 86_400)),
            guarantee: None,
            moves: Default::default(),
        };
        match word {
            "Started" => Some(started),
            "Delivered" => Some(StateFacts {
                name: "Delivered",
                phase: Phase::Final,
                outcome: Outcome::Succeeded,
                next: &[],
                patience: None,
                ..started
            }),
            _ => None,
        }
    }

    fn reasons(&self, _state: &str) -> &'static [ReasonFacts] {
        &[]
    }

    fn advice_without_reason(&self, _state: &str) -> &'static str {
        ""
    }
}

/// How the provider answers about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Shows,
    /// It has ended a minute ago.
    Ends,
    Refuses,
    Unavailable,
    Hangs,
    Panics,
}

type Answers = Box<dyn Fn(&str) -> Answer + Send>;

struct Provider {
    clock: Arc<VirtualClock>,
    answers: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
    health: Option<Health>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Provider {
    fn answers(&self, answers: impl Fn(&str) -> Answer + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answers);
    }

    /// The number of requests since the last call.
    fn take_asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }

    fn take_asked_about(&self, id: &str) -> usize {
        self.asked.lock().unwrap().drain(..).filter(|asked| asked == id).count()
    }
}

impl Api for Provider {
    fn kinds(&self) -> &'static [&'static str] {
        &["parcel", "letter"]
    }

    fn lifecycle(&self, _kind: &Kind) -> Option<&'static dyn Lifecycle> {
        Some(&Parcel)
    }

    fn operation(&self, kind: &Kind) -> Option<&'static str> {
        Some(if kind.as_str() == "parcel" { "GetParcel" } else { "GetLetter" })
    }

    fn accepts(&self, _kind: &Kind, _id: &ObjectId) -> Result<(), String> {
        Ok(())
    }

    fn kind_of(&self, _id: &ObjectId) -> Option<Kind> {
        None
    }

    fn fetch<'a>(&'a self, _kind: &'a Kind, id: &'a ObjectId, permit: Permit) -> Fetching<'a> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(id.to_string());
            let answer = (self.answers.lock().unwrap())(id.as_str());
            assert_ne!(answer, Answer::Panics, "an unexpected answer of a provider");
            let now_in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now_in_flight, Ordering::SeqCst);
            let takes_s = if answer == Answer::Hangs { 30.0 } else { 0.04 };
            self.clock.sleep(Duration::from_secs_f64(takes_s)).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
            let failed = |detail: &str| detail.to_owned();
            match answer {
                Answer::Shows => Ok(observed(id)),
                Answer::Ends => Ok(Observation {
                    state: "Delivered".to_owned(),
                    updated_at: Some(crate::time::earlier(self.clock.now(), Duration::from_secs(60))),
                    ..observed(id)
                }),
                Answer::Refuses => {
                    Err(Failure::Refused { is_whole_account: true, detail: failed("HTTP 403") })
                }
                _ => Err(Failure::Transient { detail: failed("HTTP 503") }),
            }
        })
    }

    fn service_operation(&self) -> Option<&'static str> {
        self.health.map(|_| "GetServiceStatus")
    }

    fn service_status(&self, permit: Permit) -> Asking<'_> {
        drop(permit);
        let health = self.health.unwrap_or(Health::Normal);
        Box::pin(async move { Ok(ServiceReport { word: format!("{health:?}"), health, message: None }) })
    }

    fn where_to_look(&self) -> &'static str {
        "the parcel page"
    }
}

fn observed(id: &ObjectId) -> Observation {
    Observation {
        id: id.to_string(),
        state: "Started".to_owned(),
        reasons: Vec::new(),
        updated_at: None,
        created_at: None,
        expires_at: None,
        amount: None,
        amounts: Default::default(),
        other_amounts: BTreeMap::new(),
        merchant_reference: None,
        parent: None,
        children: Vec::new(),
        is_soft_decline: false,
        environment: None,
        evidence: BTreeMap::new(),
        request_id: None,
        marks: Vec::new(),
    }
}

/// An account that is polled by learnt ages.
const LEARNER: &str = "learner";

struct Stage {
    _folder: tempfile::TempDir,
    clock: Arc<VirtualClock>,
    store: Store,
    provider: Arc<Provider>,
    reconcile: Arc<Reconcile>,
    accounts: Vec<Arc<Account>>,
    stop: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    /// Watches the accounts from the start; polls are answered as `answers` says.
    async fn new(
        accounts: &[&str],
        most_in_flight: usize,
        health: Option<Health>,
        answers: impl Fn(&str) -> Answer + Send + 'static,
    ) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
        let options = Options { folder: folder.path().join("store"), ..Options::default() };
        let (store, _) = Store::open(options, clock.now()).await.unwrap();
        let shared: SharedClock = clock.clone();
        let pace = Arc::new(Pace::new(shared.clone()));
        let routes: Routes = Arc::new(|_, _| Vec::new());
        let provider = Arc::new(Provider {
            clock: clock.clone(),
            answers: Mutex::new(Box::new(answers)),
            asked: Mutex::default(),
            health,
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        });
        let reconcile = Reconcile::new(store.clone(), shared, Arc::clone(&pace), routes, most_in_flight);
        let (watched, stop) = (Vec::new(), CancellationToken::new());
        let mut stage = Stage { _folder: folder, clock, store, provider, reconcile, accounts: watched, stop };
        for name in accounts {
            let name = AccountName::new(*name).unwrap();
            for operation in ["GetParcel", "GetLetter", "GetServiceStatus"] {
                pace.set_quota(&name, operation, Quota { burst: 10, per: Duration::from_secs(1) });
                pace.assume_full(&name, operation);
            }
            let relaxed = Policy {
                relaxed_interval: Some(Duration::from_secs(6 * 3600)),
                learning: (name.as_str() == LEARNER).then(Learning::default),
                ..Policy::default()
            };
            let policies = ["parcel", "letter"].map(|kind| (Kind::new(kind).unwrap(), relaxed.clone()));
            let api = Arc::clone(&stage.provider) as Arc<dyn Api>;
            let account = Arc::new(Account { policies: policies.into(), ..Account::new(name, api) });
            stage.accounts.push(Arc::clone(&account));
            tokio::spawn(
                Arc::clone(&stage.reconcile).follow_service(Arc::clone(&account), stage.stop.clone()),
            );
            tokio::spawn(Arc::clone(&stage.reconcile).watch(account, stage.stop.clone()));
        }
        stage
    }

    async fn enrol(&self, objects: impl IntoIterator<Item = String>) {
        let enrolments = objects
            .into_iter()
            .map(|object| Enrolment { object: object.parse().unwrap(), details: Details::default() });
        self.store.enrol(enrolments.collect(), self.clock.now()).await.unwrap();
    }

    async fn pass(&self, minutes: u64) {
        self.clock.sleep(Duration::from_secs(60 * minutes)).await;
    }

    async fn record(&self, object: &str) -> Record {
        let object: ObjectRef = object.parse().unwrap();
        self.store.record(&object).await.unwrap().unwrap()
    }

    async fn alerts(&self, kind: &str) -> Vec<Alert> {
        let filter = AlertFilter { kind: Some(kind.to_owned()), ..AlertFilter::default() };
        let page = self.store.alerts(filter, None, 1000).await.unwrap();
        page.items.into_iter().map(|row| row.alert).collect()
    }

    fn tally(&self) -> Tally {
        self.reconcile.tallies().remove(&AccountName::new("shop").unwrap()).unwrap()
    }
}

fn parcels(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|number| format!("shop/parcel/P{number:03}"))
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_always_refused_costs_the_others_nothing_and_is_named() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id {
        "A" => Answer::Refuses,
        _ => Answer::Shows,
    })
    .await;
    stage.enrol(parcels(40).chain(["shop/parcel/A".to_owned()])).await;
    stage.pass(24 * 60).await;
    let polls = stage.tally().polls;
    assert!((40 * 23..=40 * 26 + 20).contains(&polls), "{polls} polls of 40 objects in a day");
    for kind in ["credentials-refused", "credentials-accepted", "no-success"] {
        assert_eq!(stage.alerts(kind).await, [], "{kind}");
    }
    let told = stage.alerts("quarantined").await;
    assert_eq!(told.len(), 1);
    assert!(told[0].headline.contains('A') && told[0].explanation.contains("HTTP 403"), "{:?}", told[0]);
    assert!(told[0].explanation.contains("others of this account are answered"), "{:?}", told[0]);
    assert_eq!(stage.record("shop/parcel/A").await.quarantine.unwrap().cause, "refused");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_panics_gives_its_place_back_counts_and_is_reported() {
    for health in [None, Some(Health::Degraded)] {
        let stage = Stage::new(&["shop"], 256, health, |id| match id {
            "A" => Answer::Panics,
            _ => Answer::Shows,
        })
        .await;
        stage.enrol(parcels(3).chain(["shop/parcel/A".to_owned()])).await;
        stage.pass(6 * 60).await;
        for object in parcels(3) {
            let polls = stage.record(&object).await.polls;
            assert!(polls >= 3, "{object}: {polls} polls in six hours, {health:?}");
        }
        let record = stage.record("shop/parcel/A").await;
        assert_eq!(record.quarantine.as_ref().map(|quarantine| quarantine.cause.as_str()), Some("garbled"));
        assert_eq!(stage.alerts("defect").await.len(), 1, "{health:?}");
        stage.provider.answers(|_| Answer::Shows);
        stage.pass(24 * 60).await;
        let record = stage.record("shop/parcel/A").await;
        assert!(record.observed.is_some() && record.quarantine.is_none(), "{health:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_a_trickle_is_told_and_everything_overdue_is_seen_as_fast_as_the_quota_allows() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(600)).await;
    stage.pass(30).await;
    assert_eq!(stage.provider.take_asked(), 600);
    for answer in [Answer::Unavailable, Answer::Hangs, Answer::Refuses] {
        stage.provider.answers(move |_| answer);
        stage.pass(6 * 60).await;
        let asked = stage.provider.take_asked();
        assert!((10..=420).contains(&asked), "{asked} requests in six hours, {answer:?}");
        let is_refused = answer == Answer::Refuses;
        let tally = stage.tally();
        assert_eq!(
            (tally.refused_since.is_some(), tally.no_success_since.is_some()),
            (is_refused, !is_refused)
        );
        stage.provider.answers(|_| Answer::Shows);
        stage.reconcile.answered_elsewhere(&AccountName::new("shop").unwrap());
        // The quota lets 10 requests go at once and one per second, so 600 objects need 590 s. A probe may be a
        // minute away.
        stage.clock.sleep(Duration::from_secs(590 * 11 / 10 + 30)).await;
        let asked = stage.provider.take_asked();
        assert!((600..=620).contains(&asked), "{asked} of 600, {answer:?}");
        let tally = stage.tally();
        assert_eq!((tally.refused_since, tally.no_success_since), (None, None));
        stage.pass(10).await;
        stage.provider.take_asked();
    }
    let told = |alerts: Vec<Alert>| alerts.into_iter().map(|alert| alert.headline).collect::<Vec<_>>();
    let no_success = told(stage.alerts("no-success").await);
    assert_eq!(
        no_success.len(),
        4,
        "two outages, each reported when it began and when it ended: {no_success:?}"
    );
    assert_eq!(told(stage.alerts("credentials-refused").await).len(), 1);
    assert_eq!(told(stage.alerts("credentials-accepted").await).len(), 1);
    assert_eq!(stage.alerts("quarantined").await, []);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_alone_is_refused_leaves_the_others_their_rhythm() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id.starts_with('L') {
        true => Answer::Refuses,
        false => Answer::Shows,
    })
    .await;
    let letters = (0..20).map(|number| format!("shop/letter/L{number:03}"));
    stage.enrol(letters.chain(parcels(20))).await;
    stage.pass(24 * 60).await;
    let parcel = stage.record("shop/parcel/P007").await;
    assert!((23..=26).contains(&parcel.polls), "{} polls", parcel.polls);
    let told = stage.alerts("credentials-refused").await;
    let headlines: Vec<&str> = told.iter().map(|alert| alert.headline.as_str()).collect();
    assert!(headlines.iter().any(|headline| headline.contains("letters")), "{headlines:?}");
    assert!(headlines.len() <= 2, "{headlines:?}");
    let tally = stage.tally();
    assert_eq!((tally.refused_since, tally.refused_kinds.len()), (None, 1));
    let asked = stage.provider.take_asked_about("L001");
    assert!(asked <= 12, "{asked} requests about one letter in a day");
}

#[tokio::test(start_paused = true)]
async fn a_lone_object_that_fails_is_no_closed_account_but_the_account_is_not_well() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Refuses).await;
    stage.enrol(parcels(1)).await;
    stage.pass(40).await;
    assert_eq!(stage.alerts("credentials-refused").await, []);
    let told = stage.alerts("no-success").await;
    assert_eq!(told.len(), 1);
    assert!(told[0].explanation.contains("HTTP 403"), "{:?}", told[0]);
    assert_eq!(stage.record("shop/parcel/P000").await.quarantine, None, "it is not known who is responsible");
    stage.provider.answers(|_| Answer::Shows);
    stage.pass(65).await;
    assert_eq!(stage.alerts("no-success").await.len(), 2);
    assert!(stage.record("shop/parcel/P000").await.observed.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_process_never_has_more_requests_under_way_than_it_may() {
    let names: Vec<String> = (0..12).map(|number| format!("shop-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&names, 4, None, |_| Answer::Hangs).await;
    stage.enrol(names.iter().map(|name| format!("{name}/parcel/P"))).await;
    stage.pass(3).await;
    assert_eq!(stage.provider.most_in_flight.load(Ordering::SeqCst), 2, "half is for the only poll of each");
    stage.enrol(names.iter().flat_map(|name| ["Q", "R"].map(|id| format!("{name}/parcel/{id}")))).await;
    stage.pass(5).await;
    assert!(stage.provider.most_in_flight.load(Ordering::SeqCst) <= 4);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_batches_that_is_held_for_long_is_reported_once_while_a_request_waits() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    let shop = AccountName::new("shop").unwrap();
    let account = Account::new(shop.clone(), Arc::clone(&stage.provider) as Arc<dyn Api>);
    let accounts = [Arc::new(account)];
    let pace = &stage.reconcile.pace;
    pace.set_quota(&shop, "SubmitFeed", Quota { burst: 10, per: Duration::from_secs(1) });
    pace.hold(&shop, "SubmitFeed", Duration::from_secs(1800));
    stage.reconcile.report_other_holds(&accounts).await.unwrap();
    assert_eq!(stage.alerts("provider-hold").await, [], "nothing waits for it");
    assert!(pace.take(&shop, "SubmitFeed").is_err());
    for _ in 0..3 {
        stage.reconcile.report_other_holds(&accounts).await.unwrap();
        stage.pass(5).await;
    }
    let told = stage.alerts("provider-hold").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].explanation.contains("A batch, a report or a call waits"), "{:?}", told[0]);
    stage.pass(20).await;
    drop(pace.take(&shop, "SubmitFeed").unwrap());
    stage.reconcile.report_other_holds(&accounts).await.unwrap();
    assert_eq!(stage.alerts("provider-hold-ended").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hint_during_a_poll_repeats_it_once() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(1)).await;
    stage.pass(5).await;
    stage.provider.answers(|_| Answer::Hangs);
    stage.provider.take_asked();
    let hint = async || {
        let named = vec!["shop/parcel/P000".parse().unwrap()];
        stage.store.announce(named, stage.clock.now()).await.unwrap();
    };
    hint().await;
    stage.clock.sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.provider.in_flight.load(Ordering::SeqCst), 1);
    stage.provider.answers(|_| Answer::Shows);
    hint().await;
    stage.clock.sleep(Duration::from_secs(25)).await;
    assert_eq!(stage.provider.take_asked(), 2);
    stage.pass(10).await;
    assert_eq!(stage.provider.take_asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_kind_is_polled_less_often_while_it_is_announced_and_at_the_full_rate_once_it_is_not() {
    let stage = Stage::new(&["shop"], 256, None, |id| match id {
        "Q" => Answer::Refuses,
        _ => Answer::Shows,
    })
    .await;
    stage.enrol(parcels(40).chain(["shop/parcel/Q".to_owned(), "shop/letter/L".to_owned()])).await;
    stage.pass(24 * 60).await;
    let [parcel, letter] = ["parcel", "letter"].map(|kind| Kind::new(kind).unwrap());
    let account = &stage.accounts[0];
    stage.reconcile.relax(account, BTreeSet::from([parcel, letter.clone()])).await.unwrap();
    stage.pass(2 * 60).await;
    let wait = async |object: &str| {
        let record = stage.record(object).await;
        record.due_at.unwrap().duration_since(record.polled_at.unwrap()).as_hours()
    };
    assert!(wait("shop/parcel/P000").await >= 5 && wait("shop/letter/L").await >= 5);
    let apart = stage.record("shop/parcel/Q").await;
    assert!(apart.quarantine.is_some());
    stage.reconcile.relax(account, BTreeSet::from([letter])).await.unwrap();
    assert!(wait("shop/parcel/P000").await <= 1 && wait("shop/letter/L").await >= 5);
    assert_eq!(stage.record("shop/parcel/Q").await.due_at, apart.due_at, "it keeps its own interval");
}

#[test]
fn the_loop_of_an_account_does_not_look_at_all_others() {
    let source = include_str!("watch.rs");
    assert!(!source.contains("tallies()"), "that clones every account's counts");
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_account_plans_first_polls_and_keeps_what_it_learns() {
    let stage = Stage::new(&[LEARNER], 256, None, |_| Answer::Shows).await;
    let now = stage.clock.now();
    let made = |id: &str, ago_s: u64| Enrolment {
        object: format!("{LEARNER}/parcel/{id}").parse().unwrap(),
        details: Details {
            created_at: Some(crate::time::earlier(now, Duration::from_secs(ago_s))),
            ..Details::default()
        },
    };
    stage.store.enrol(vec![made("NEW", 5), made("OLD", 3600)], now).await.unwrap();
    stage.clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(*stage.provider.asked.lock().unwrap(), ["OLD"], "what is new is not polled at once");
    stage.pass(64).await;
    let new = stage.record("learner/parcel/NEW").await;
    assert!(new.polls >= 1 && new.observed.is_some(), "{new:?}");
    let waits = new.due_at.unwrap().duration_since(new.polled_at.unwrap()).as_secs();
    assert!((30..=63 * 60).contains(&waits), "{waits}");
    let account = &stage.accounts[0];
    let outlook = stage.reconcile.outlook(account, &new).unwrap();
    assert!(outlook.alike < 0.5 && (0.0..100.0).contains(&outlook.share), "{outlook:?}");
    stage.provider.answers(|id| if id == "OLD" { Answer::Ends } else { Answer::Shows });
    stage.pass(64).await;
    assert_eq!(stage.record("learner/parcel/OLD").await.due_at, None);
    let after = stage.reconcile.outlook(account, &stage.record("learner/parcel/NEW").await).unwrap();
    assert!((after.alike - 1.0).abs() < 0.01 && after.share > outlook.share, "{outlook:?} {after:?}");
    stage.stop.cancel();
    stage.pass(2).await;
    let stored = stage.store.recall("adaptive/learner").await.unwrap().unwrap();
    let known: crate::payments::adaptive::Adaptive = serde_json::from_str(&stored).unwrap();
    assert!(known.is_sound());
}

#[tokio::test(start_paused = true)]
async fn an_account_with_a_fixed_rhythm_learns_nothing() {
    let stage = Stage::new(&["shop"], 256, None, |_| Answer::Shows).await;
    stage.enrol(parcels(2)).await;
    stage.pass(90).await;
    assert_eq!(stage.reconcile.outlook(&stage.accounts[0], &stage.record("shop/parcel/P000").await), None);
    stage.stop.cancel();
    stage.pass(2).await;
    assert_eq!(stage.store.recall("adaptive/shop").await.unwrap(), None);
}
