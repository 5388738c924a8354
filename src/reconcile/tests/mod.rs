//! The loop of an account on a real store, in virtual time, with a provider of our own.

mod adaptive;
mod failures;
mod polling;

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
    Observation::plain(id.to_string(), "Started")
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

    /// A process on the same store that is killed whenever it raises an alert.
    fn killed_at_alerts(&self) -> Arc<Reconcile> {
        // The store refuses such a target.
        let routes: Routes = Arc::new(|_, _| vec!["\0".into()]);
        let pace = Arc::clone(&self.reconcile.pace);
        Reconcile::new(self.store.clone(), self.clock.clone(), pace, routes, 8)
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
