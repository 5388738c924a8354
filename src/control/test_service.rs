//! A service with two made-up accounts, and objects, for the tests of `control` and of the commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::audit::Audit;
use super::messages::Reloaded;
use super::service::{Later, Process, ProcessFacts, Rooms, Service, Usage};
use crate::access::sessions::Sessions;
use crate::access::users::own_uid;
use crate::access::{Access, Grant, Grantee, Role};
use crate::alerts::config::Channel;
use crate::alerts::targets::slack::Slack;
use crate::alerts::{AlertConfig, Deliverer};
use crate::apis::pace::{Pace, Permit, Quota};
use crate::apis::{Account, Api, Fetching};
use crate::batches::Batches;
use crate::calls::Calls;
use crate::clock::{SharedClock, VirtualClock};
use crate::http::{BoxFuture, Request, Response, Transport, TransportError};
use crate::notifications::{Hub, Parts, Settings};
use crate::payments::alert::{Alert, AlertKind, Routes, Severity};
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId, ObjectRef};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Enrolment, Observed, Record, Transition};
use crate::provider_reports::Downloads;
use crate::reconcile::Reconcile;
use crate::reports::{Reports, ReportsSection};
use crate::secret::Secret;
use crate::store::{Commit, Committed, Delivery, Options, OwedAlert, Store, StoreError};
use crate::task::Board;
use crate::timetable::{self, Timetable};

/// Three states: pending, then captured or declined.
pub(crate) struct Plain;

/// The only instance.
pub(crate) static PLAIN: Plain = Plain;

const DECLINES: &[ReasonFacts] = &[ReasonFacts {
    name: "HardDeclined",
    meaning: "The bank refused.",
    advice: "Ask for another payment method.",
    tone: Tone::Alarming,
}];

impl Lifecycle for Plain {
    fn states(&self) -> &'static [&'static str] {
        &["Pending", "Captured", "Declined"]
    }

    fn state(&self, word: &str) -> Option<StateFacts> {
        let facts = |name, phase, outcome, meaning, next, patience| StateFacts {
            name,
            phase,
            outcome,
            moves: Default::default(),
            meaning,
            next,
            patience,
            guarantee: None,
        };
        match word {
            "Pending" => Some(facts(
                "Pending",
                Phase::Moving,
                Outcome::Undecided,
                "Not decided yet.",
                &["Captured", "Declined"],
                Some(Duration::from_secs(86_400)),
            )),
            "Captured" => {
                Some(facts("Captured", Phase::Final, Outcome::Succeeded, "The money is yours.", &[], None))
            }
            "Declined" => Some(facts("Declined", Phase::Final, Outcome::Declined, "Refused.", &[], None)),
            _ => None,
        }
    }

    fn reasons(&self, state: &str) -> &'static [ReasonFacts] {
        if state == "Declined" { DECLINES } else { &[] }
    }

    fn advice_without_reason(&self, state: &str) -> &'static str {
        if state == "Declined" { "Look at it." } else { "" }
    }
}

/// A record that has just been observed in a state.
pub(crate) fn observed_record(object: &str, state: &str, reasons: &[&str], since: &str) -> Record {
    let object: ObjectRef = object.parse().unwrap();
    let since: Timestamp = since.parse().unwrap();
    let facts = PLAIN.state(state);
    let observation = Observation {
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        updated_at: Some(since),
        created_at: Some(since),
        amount: Some(Money::parse("14.00", "EUR").unwrap()),
        merchant_reference: Some("A-1".to_owned()),
        evidence: [("chargeId".to_owned(), object.id.to_string())].into(),
        request_id: Some("req-1".to_owned()),
        ..Observation::plain(object.id.to_string(), state)
    };
    let phase = facts.map_or(Phase::Resting, |facts| facts.phase);
    let mut record = Record::enrolled(Enrolment { object, details: Details::default() }, since);
    record.observed = Some(Observed { observation, phase, since, seen_at: since });
    record.polls = 3;
    record.polled_at = Some(since);
    record.due_at = (phase != Phase::Final).then(|| since + jiff::SignedDuration::from_hours(2));
    record
}

/// An alert about an object.
pub(crate) fn alert(key: &str, object: &str) -> Alert {
    let object: ObjectRef = object.parse().unwrap();
    let at: Timestamp = "2026-01-15T09:00:00Z".parse().unwrap();
    Alert {
        key: key.to_owned(),
        kind: AlertKind::Declined,
        severity: Severity::Critical,
        account: object.account.clone(),
        object: Some(object),
        merchant_reference: Some("A-1".to_owned()),
        amount: Some(Money::parse("14.00", "EUR").unwrap()),
        amounts: Default::default(),
        state: Some("Declined".to_owned()),
        reason: Some("HardDeclined".to_owned()),
        headline: "Charge declined".to_owned(),
        explanation: "The bank refused.".to_owned(),
        advice: "Ask for another payment method.".to_owned(),
        where_to_look: "Seller Central".to_owned(),
        occurred_at: at,
        found_at: at,
        event: None,
    }
}

/// An account whose ids begin with a letter; ids with `-R` are refunds.
struct Shop {
    letter: char,
    kinds: &'static [&'static str],
}

impl Api for Shop {
    fn kinds(&self) -> &'static [&'static str] {
        self.kinds
    }

    fn lifecycle(&self, kind: &Kind) -> Option<&'static dyn Lifecycle> {
        self.kinds.contains(&kind.as_str()).then_some(&PLAIN as &dyn Lifecycle)
    }

    fn operation(&self, kind: &Kind) -> Option<&'static str> {
        Some(match kind.as_str() {
            "charge" => "Get-charge",
            "capture" => "Get-capture",
            _ => "Get-refund",
        })
    }

    fn accepts(&self, _: &Kind, id: &ObjectId) -> Result<(), String> {
        if id.as_str().starts_with(self.letter) { Ok(()) } else { Err(format!("{id} cannot belong to it")) }
    }

    fn kind_of(&self, id: &ObjectId) -> Option<Kind> {
        Kind::new(if id.as_str().contains("-R") { "refund" } else { self.kinds[0] }).ok()
    }

    fn fetch<'a>(&'a self, _: &'a Kind, _: &'a ObjectId, _: Permit) -> Fetching<'a> {
        Box::pin(std::future::pending())
    }

    fn where_to_look(&self) -> &'static str {
        "Seller Central"
    }
}

/// A chat that accepts every message.
struct Chat;

impl Transport for Chat {
    fn send<'a>(&'a self, _: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async { Ok(Response { status: 200, body: b"ok".to_vec(), ..Response::default() }) })
    }
}

/// What differs between tests.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// Whether it is the daemon.
    pub(crate) is_daemon: bool,
    /// A reload waits for this, when it is set.
    pub(crate) reload_gate: Option<Arc<tokio::sync::Notify>>,
    /// Problems that a reload of the configuration reports.
    pub(crate) reload_problems: Vec<String>,
    /// How long the provider of `shop` holds requests for charges.
    pub(crate) held_for: Option<Duration>,
    /// Who may do what; by default, the own user may do everything.
    pub(crate) access: Option<Access>,
}

impl Default for Fixture {
    fn default() -> Fixture {
        Fixture {
            is_daemon: true,
            reload_gate: None,
            reload_problems: Vec::new(),
            held_for: None,
            access: None,
        }
    }
}

impl Process for Fixture {
    fn facts(&self) -> ProcessFacts {
        ProcessFacts {
            is_daemon: self.is_daemon,
            since: "2026-01-15T08:00:00Z".parse().unwrap(),
            last_reload: None,
            clock: None,
            clock_complaint: None,
        }
    }

    fn usage(&self) -> Usage {
        Usage { cpu: Some(Duration::from_millis(1_500)), resident_bytes: Some(4_096), open_files: None }
    }

    fn reload(&self) -> Later<'_, Reloaded> {
        Box::pin(async {
            if let Some(gate) = &self.reload_gate {
                gate.notified().await;
            }
            let problems = self.reload_problems.clone();
            Reloaded { is_applied: problems.is_empty(), at: ORIGIN.parse().unwrap(), problems }
        })
    }

    fn restore_budgets(&self) -> Later<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn save_budgets(&self) -> Later<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

fn everything_to_the_own_user() -> Access {
    let uid = own_uid().unwrap();
    let grant = Grant { role: Role::WriteMoney, to: Grantee::User(uid), written: uid.to_string() };
    Access { grants: vec![grant] }
}

/// Two accounts: `shop` has charges and refunds (ids with S), `market` has captures and refunds (ids with P).
fn rooms(folder: &Path, store: &Store, clock: &SharedClock, access: Option<Access>) -> Rooms {
    let account = |name: &str, letter, kinds| {
        Arc::new(Account {
            most_in_flight: 1,
            probe_interval: Duration::from_secs(900),
            ..Account::new(name.parse().unwrap(), Arc::new(Shop { letter, kinds }))
        })
    };
    let zone = timetable::zone("Europe/Berlin").unwrap();
    let section = ReportsSection {
        folder: Some(folder.with_extension("reports")),
        time_zone: "Europe/Berlin".to_owned(),
        ..ReportsSection::default()
    };
    let url = Secret::new("https://hooks.example.com/services/x".to_owned());
    let chat = Channel {
        name: "chat".to_owned(),
        target: Box::new(Slack::new(url)),
        timeout: Duration::from_secs(10),
        give_up_after: Duration::from_secs(3600),
        fallback: None,
        transport: None,
    };
    let alerts = AlertConfig { channels: vec![chat], ..AlertConfig::default() };
    let reports =
        Reports::new(store.clone(), clock.clone(), section.resolve(None).unwrap(), Default::default());
    Rooms {
        access: access.unwrap_or_else(everything_to_the_own_user),
        accounts: vec![
            account("shop", 'S', &["charge", "refund"]),
            account("market", 'P', &["capture", "refund"]),
        ],
        api_names: [("shop".parse().unwrap(), ("amazon-pay-v2".to_owned(), "eu".to_owned()))].into(),
        senders: Vec::new(),
        callers: Vec::new(),
        reporters: Vec::new(),
        deliverer: Arc::new(Deliverer::new(store.clone(), clock.clone(), Arc::new(Chat), alerts)),
        back_offices: Vec::new(),
        reports: Arc::new(reports),
        nightly: Timetable::new("10 0 * * *", zone).unwrap(),
        zone_name: "Europe/Berlin".to_owned(),
        config: serde_json::Map::default(),
    }
}

/// The time at which every test starts.
pub(crate) const ORIGIN: &str = "2026-01-15T09:30:00Z";

/// A service on a new or existing store in a folder, with its store and its clock.
pub(crate) async fn service_in(folder: &Path, fixture: Fixture) -> (Service, Store) {
    let clock: SharedClock = VirtualClock::starting_at(ORIGIN.parse().unwrap());
    let options = Options { folder: folder.to_owned(), cache_bytes: 1 << 20, ..Options::default() };
    let (store, _) = Store::open(options, clock.now()).await.unwrap();
    let pace = Arc::new(Pace::new(clock.clone()));
    let rooms = Arc::new(rooms(folder, &store, &clock, fixture.access.clone()));
    for account in &rooms.accounts {
        for operation in ["Get-charge", "Get-capture", "Get-refund"] {
            pace.set_quota(&account.name, operation, Quota { burst: 2, per: Duration::from_secs(1) });
        }
    }
    if let Some(wait) = fixture.held_for {
        pace.hold(&"shop".parse().unwrap(), "Get-charge", wait);
    }
    let routes: Routes = Arc::new(|_, _| Vec::new());
    let batches = Batches::new(store.clone(), clock.clone(), Arc::clone(&pace), folder.join("batches"));
    let service = Service {
        store: store.clone(),
        clock: clock.clone(),
        audit: Arc::new(Audit::new(store.clone(), clock.clone())),
        batches: Arc::new(batches),
        calls: Arc::new(Calls::new(store.clone(), clock.clone(), Arc::clone(&pace))),
        downloads: Arc::new(Downloads::new(store.clone(), clock.clone(), Arc::clone(&pace))),
        notifications: Arc::new(Hub::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            transport: Arc::new(Chat),
            public: Arc::new(Chat),
            roots: None,
            settings: Settings::default(),
            routes: Arc::clone(&routes),
            reports: Arc::new(|_, _| Box::pin(async { Ok(()) })),
        })),
        reconcile: Reconcile::new(store.clone(), clock.clone(), Arc::clone(&pace), Arc::clone(&routes), 1),
        board: Board::new(clock),
        today: Arc::default(),
        sessions: Some(Arc::new(Sessions::at("http://127.0.0.1:8490"))),
        pace,
        routes,
        rooms: Arc::new(move || Arc::clone(&rooms)),
        process: Arc::new(fixture),
        read_table: |_, _, _| Err("tables are read elsewhere".to_owned()),
        expected_revision: None,
    };
    (service, store)
}

/// Puts an enrolled object into a state, with its history row.
pub(crate) async fn settle(store: &Store, object: &str, state: &str, alerts: Vec<OwedAlert>) {
    let record = observed_record(object, state, &["HardDeclined"], "2026-01-15T09:00:00Z");
    let before = store.record(&record.object).await.unwrap().unwrap();
    let facts = PLAIN.state(state).unwrap();
    let transition = Transition {
        from: None,
        reasons: vec!["HardDeclined".to_owned()],
        outcome: facts.outcome,
        merchant_reference: None,
        happened_at: "2026-01-15T09:00:00Z".parse().unwrap(),
        ..Transition::unobserved(&record, facts.phase, "polled", "2026-01-15T09:10:00Z".parse().unwrap())
    };
    let commit = Commit {
        record: Record { revision: before.revision + 1, ..record },
        read: before,
        transition: Some(transition),
        enrol: Vec::new(),
        alerts,
        is_news: true,
    };
    assert_eq!(store.commit(commit).await.unwrap(), Committed::Written);
}

/// Two alerts about declines for the chat: one pending, one given up.
pub(crate) async fn with_alerts(store: &Store) {
    let now: Timestamp = ORIGIN.parse().unwrap();
    let owed =
        |key: &str| OwedAlert { alert: alert(key, "shop/charge/S01-1-1-C1"), targets: vec!["chat".into()] };
    store.raise(vec![owed("declined/1"), owed("declined/2")]).await.unwrap();
    let dead = Delivery::Dead { error: "404 no such channel".to_owned(), fallback: None };
    store.settle("declined/2", "chat", dead, now).await.unwrap();
}
