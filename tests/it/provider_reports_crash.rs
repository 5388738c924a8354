//! Provider reports under kills: the room on a real store, killed before and after every single exchange with
//! the provider, and restarted from what was stored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use amazon_pay_simulator::{Scenario, Simulator};
use reconciled::apis::Account;
use reconciled::apis::pace::Pace;
use reconciled::clock::{Clock, SharedClock, VirtualClock};
use reconciled::config::{self, Surroundings};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use reconciled::payments::alert::Routes;
use reconciled::provider_reports::{Download, Downloads, Ports, Wanted};
use reconciled::store::{self, Store};

use crate::memory::Memory;
use crate::provider_reports::scenario;
use crate::world::configuration;

/// When the process dies, counted in exchanges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Death {
    Never,
    BeforeSending(u64),
    AfterTheAnswer(u64),
}

/// A network that kills the process.
struct Deadly {
    memory: Memory,
    death: Death,
    exchanges: AtomicU64,
}

impl Transport for Deadly {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            let number = self.exchanges.fetch_add(1, Ordering::SeqCst);
            if self.death == Death::BeforeSending(number) {
                std::future::pending::<()>().await;
            }
            let answer = self.memory.send(request).await;
            if self.death == Death::AfterTheAnswer(number) {
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

struct Place {
    folder: tempfile::TempDir,
    clock: Arc<VirtualClock>,
    simulator: Arc<Simulator>,
    store: Store,
}

impl Place {
    async fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let clock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse().unwrap());
        let mut scenario = Scenario::parse(
            &scenario("[[mws]]\naccount = \"old-shop\"\nunnamed_report_share = 0.5\n"),
            folder.path(),
        )
        .unwrap();
        scenario.generate_credentials(folder.path()).unwrap();
        std::fs::write(folder.path().join("config.toml"), configuration(folder.path(), &scenario, ""))
            .unwrap();
        let shared: SharedClock = clock.clone();
        let simulator = Arc::new(Simulator::new(scenario, shared).unwrap());
        let options = store::Options {
            folder: folder.path().join("store"),
            cache_bytes: 8 << 20,
            ..store::Options::default()
        };
        let (store, _) = Store::open(options, clock.now()).await.unwrap();
        tokio::time::advance(Duration::from_secs(5 * 86_400)).await;
        Place { folder, clock, simulator, store }
    }

    /// A process on the stored data, which dies as planned; returns its number of exchanges.
    async fn live(&self, death: Death) -> (bool, u64) {
        let clock: SharedClock = self.clock.clone();
        let memory = Memory::new(Arc::clone(&self.simulator), clock.clone(), Duration::from_millis(10));
        let deadly = Arc::new(Deadly { memory, death, exchanges: AtomicU64::new(0) });
        let config = config::load(&self.folder.path().join("config.toml"), &Surroundings::default()).unwrap();
        let settings = &config.accounts[0].api;
        let pace = Arc::new(Pace::new(clock.clone()));
        let api = settings.build(deadly.clone(), clock.clone());
        let account = Account {
            discover: true,
            report_folder: self.folder.path().join("reports"),
            ..Account::new("old-shop".parse().unwrap(), api)
        };
        for (operation, quota) in settings.quotas() {
            pace.set_quota(&account.name, operation, quota);
        }
        let routes: Routes = Arc::new(|_, _| vec!["room".into()]);
        let ports = Ports { routes, accepted: Arc::new(|_| {}) };
        let downloads = Downloads::new(self.store.clone(), clock.clone(), pace);
        let wanted = Wanted {
            words: vec!["capture".to_owned(), "settlement".to_owned()],
            from: "2027-01-15".parse().unwrap(),
            to: "2027-01-17".parse().unwrap(),
            is_anew: false,
        };
        let life = async {
            // The operator repeats the request after every restart.
            downloads.begin(&account, &wanted).await.unwrap();
            loop {
                let round = downloads.round(&account, &ports).await.unwrap();
                let Some(next) = round.next_at else { return };
                let wait = Duration::try_from(next.duration_since(clock.now())).unwrap_or_default();
                clock.sleep(wait.max(Duration::from_millis(1))).await;
            }
        };
        let ended = tokio::select! {
            () = life => true,
            () = died(&deadly, &clock) => false,
        };
        (ended, deadly.exchanges.load(Ordering::SeqCst))
    }

    async fn downloads(&self) -> Vec<Download> {
        let stored = self.store.recall_all("provider-report/old-shop/").await.unwrap();
        stored.into_iter().map(|(_, text)| serde_json::from_str(&text).unwrap()).collect()
    }

    fn succeeded(&self, operation: &str) -> u64 {
        let counts = self.simulator.counts();
        counts
            .operations
            .get(&("old-shop".to_owned(), operation.to_owned()))
            .map_or(0, |counts| counts.succeeded)
    }
}

/// Long after the exchange at which it died.
async fn died(deadly: &Deadly, clock: &SharedClock) {
    let last = match deadly.death {
        Death::Never => return std::future::pending().await,
        Death::BeforeSending(number) | Death::AfterTheAnswer(number) => number,
    };
    while deadly.exchanges.load(Ordering::SeqCst) <= last {
        clock.sleep(Duration::from_millis(50)).await;
    }
    clock.sleep(Duration::from_secs(1)).await;
}

fn csv_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap().to_owned();
        if path.is_dir() {
            count += csv_files(&path);
        } else if name.ends_with(".csv") && !name.ends_with(".rejected.csv") {
            count += 1;
        }
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_exchange_doubles_no_request_and_loses_no_report() {
    let whole = Place::new().await;
    let (ended, exchanges) = whole.live(Death::Never).await;
    assert!(ended && exchanges >= 6, "{exchanges} exchanges");
    assert_eq!((whole.succeeded("RequestReport"), whole.succeeded("GetReport")), (3, 2));
    for number in 0..exchanges {
        for death in [Death::BeforeSending(number), Death::AfterTheAnswer(number)] {
            let place = Place::new().await;
            let (ended, _) = place.live(death).await;
            assert!(!ended, "{death:?}");
            assert!(place.live(Death::Never).await.0, "{death:?}");
            assert_eq!(place.succeeded("RequestReport"), 3, "{death:?}: one request a day");
            // A file whose answer was not stored is fetched again; no other.
            let is_lost_file = place.succeeded("GetReport") == 3 && matches!(death, Death::AfterTheAnswer(_));
            assert!(place.succeeded("GetReport") == 2 || is_lost_file, "{death:?}");
            assert_eq!(csv_files(&place.folder.path().join("reports")), 2, "{death:?}");
            let downloads = place.downloads().await;
            assert_eq!(downloads.len(), 2);
            assert!(downloads.iter().all(|download| download.is_closed), "{death:?}: {downloads:?}");
            let watched: u64 = place.store.counts().await.unwrap().iter().map(|count| count.number).sum();
            assert_eq!(watched, 3, "{death:?}: every report was read");
            let stats = place.store.stats();
            assert_eq!(stats.outbox_pending, 0, "{death:?}: nothing is wrong, nothing is reported");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_after_every_step_requests_nothing_that_is_stored() {
    let place = Place::new().await;
    assert!(place.live(Death::Never).await.0);
    let before = place.simulator.counts().total().requests;
    assert!(place.live(Death::Never).await.0);
    let after = place.simulator.counts().total().requests;
    assert_eq!(after - before, 1, "only the list of settlements is read again");
}
