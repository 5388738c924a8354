//! A host and objects for the tests of the control room and of the commands.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::batching::{BatchAnswer, BatchRequest};
use super::calling::{CallAnswer, CallRequest};
use super::fetching::{FetchAnswer, FetchRequest};
use super::host::{Host, Later, Rate};
use super::messages::*;
use super::problem::{Cause, Problem};
use super::service::Service;
use crate::clock::{SharedClock, VirtualClock};
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::lifecycle::{Lifecycle, Outcome, Phase, ReasonFacts, StateFacts, Tone};
use crate::payments::money::Money;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::observation::Observation;
use crate::payments::record::{Details, Enrolment, Record, Sight, Transition};
use crate::payments::schedule::Policy;
use crate::store::{Commit, Committed, Delivery, Options, OwedAlert, Store};

/// Three states: pending, then captured or declined.
pub(crate) struct Plain;

/// The only one.
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

/// A record that was just seen in a state.
pub(crate) fn sighted(object: &str, state: &str, reasons: &[&str], since: &str) -> Record {
    let object: ObjectRef = object.parse().unwrap();
    let since: Timestamp = since.parse().unwrap();
    let facts = PLAIN.state(state);
    let observation = Observation {
        id: object.id.to_string(),
        state: state.to_owned(),
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        updated_at: Some(since),
        created_at: Some(since),
        expires_at: None,
        amount: Some(Money::parse("14.00", "EUR").unwrap()),
        amounts: Default::default(),
        other_amounts: Default::default(),
        merchant_reference: Some("A-1".to_owned()),
        parent: None,
        children: Vec::new(),
        is_soft_decline: false,
        environment: None,
        evidence: [("chargeId".to_owned(), object.id.to_string())].into(),
        request_id: Some("req-1".to_owned()),
        marks: Vec::new(),
    };
    let phase = facts.map_or(Phase::Resting, |facts| facts.phase);
    let mut record = Record::enrolled(Enrolment { object, details: Details::default() }, since);
    record.sight = Some(Sight { observation, phase, since, seen_at: since });
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
        look: "Seller Central".to_owned(),
        occurred_at: at,
        found_at: at,
    }
}

/// A host with two accounts: `shop` has charges and refunds (ids with S), `market` has captures and
/// refunds (ids with P).
#[derive(Default)]
pub(crate) struct TestHost {
    /// A report waits for this, when it is set.
    pub(crate) report_gate: Option<Arc<tokio::sync::Notify>>,
    /// Problems that re-reading the configuration brings.
    pub(crate) reload_problems: Vec<String>,
    /// Reports made.
    pub(crate) reports: Mutex<Vec<Date>>,
    /// Until when the provider wants no request.
    pub(crate) held_until: Mutex<Option<Timestamp>>,
}

impl TestHost {
    fn letter(account: &str) -> Option<(char, &'static [&'static str])> {
        match account {
            "shop" => Some(('S', &["charge", "refund"])),
            "market" => Some(('P', &["capture", "refund"])),
            _ => None,
        }
    }
}

impl Host for TestHost {
    fn check_enrolment(&self, enrolment: &Enrolment) -> Result<Enrolment, String> {
        let object = &enrolment.object;
        let Some((letter, kinds)) = TestHost::letter(object.account.as_str()) else {
            return Err(format!("there is no account {}", object.account));
        };
        if !kinds.contains(&object.kind.as_str()) {
            return Err(format!("account {} has no {}", object.account, object.kind));
        }
        if !object.id.as_str().starts_with(letter) {
            return Err(format!("{} cannot belong to {}", object.id, object.account));
        }
        Ok(enrolment.clone())
    }

    fn candidates(
        &self,
        id: &ObjectId,
        account: Option<&AccountName>,
        kind: Option<&Kind>,
    ) -> Vec<ObjectRef> {
        let mut found = Vec::new();
        for name in ["shop", "market"] {
            for word in ["charge", "capture", "refund"] {
                let object =
                    ObjectRef { account: name.parse().unwrap(), kind: word.parse().unwrap(), id: id.clone() };
                let suits = match kind {
                    Some(kind) => kind.as_str() == word,
                    None => id.as_str().contains("-R") == (word == "refund"),
                };
                let enrolment = Enrolment { object: object.clone(), details: Details::default() };
                let is_named = account.is_none_or(|account| *account == object.account);
                if suits && is_named && self.check_enrolment(&enrolment).is_ok() {
                    found.push(object);
                }
            }
        }
        found
    }

    fn lifecycle(&self, object: &ObjectRef) -> Option<&'static dyn Lifecycle> {
        TestHost::letter(object.account.as_str()).map(|_| &PLAIN as &dyn Lifecycle)
    }

    fn policy(&self, _: &ObjectRef) -> Option<Policy> {
        Some(Policy::default())
    }

    fn rate(&self, account: &AccountName, kind: &Kind) -> Option<Rate> {
        TestHost::letter(account.as_str())?;
        let held_until = *self.held_until.lock().unwrap();
        Some(Rate { operation: format!("Get-{kind}"), burst: 2, refill: Duration::from_secs(1), held_until })
    }

    fn look(&self, _: &AccountName) -> Option<String> {
        Some("Seller Central".to_owned())
    }

    fn make_report(&self, date: Date) -> Later<'_, Result<ReportMade, String>> {
        Box::pin(async move {
            if let Some(gate) = &self.report_gate {
                gate.notified().await;
            }
            if date > self.last_finished_day() {
                return Err(format!("{date} is not over yet"));
            }
            let mut made = self.reports.lock().unwrap();
            let was_there = made.contains(&date);
            made.push(date);
            Ok(ReportMade { date, path: format!("/reports/{date}"), was_there })
        })
    }

    fn last_finished_day(&self) -> Date {
        Date::constant(2026, 1, 14)
    }

    fn test_alerts(&self, target: Option<String>) -> Later<'_, Result<Vec<Tested>, String>> {
        Box::pin(async move {
            match target.as_deref() {
                None | Some("chat") => Ok(vec![Tested {
                    target: "chat".to_owned(),
                    is_delivered: true,
                    detail: "200".to_owned(),
                }]),
                Some(other) => Err(format!("there is no target {other}")),
            }
        })
    }

    fn provider_reports(&self, _request: FetchRequest) -> Later<'_, Result<FetchAnswer, Problem>> {
        Box::pin(async { Err(Problem::new(Cause::Unprocessable, "no account has provider reports", "")) })
    }

    fn batch(&self, request: BatchRequest) -> Later<'_, Result<BatchAnswer, Problem>> {
        Box::pin(async move {
            match request {
                BatchRequest::List { .. } => Ok(BatchAnswer::Listed(Vec::new())),
                _ => Err(Problem::new(Cause::NotFound, "there is no batch", "")),
            }
        })
    }

    fn call(&self, request: CallRequest) -> Later<'_, Result<CallAnswer, Problem>> {
        Box::pin(async move {
            match request {
                CallRequest::List { .. } => Ok(CallAnswer::Listed(Vec::new())),
                _ => Err(Problem::new(Cause::NotFound, "there is no call", "")),
            }
        })
    }

    fn reload(&self) -> Later<'_, Reloaded> {
        let problems = self.reload_problems.clone();
        let at = "2026-01-15T09:30:00Z".parse().unwrap();
        Box::pin(async move { Reloaded { is_applied: problems.is_empty(), at, problems } })
    }

    fn health(&self) -> Health {
        let since = "2026-01-15T08:00:00Z".parse().unwrap();
        Health {
            clock: None,
            version: "1.2.3".to_owned(),
            pid: 4_242,
            is_daemon: true,
            since,
            is_ready: self.reload_problems.is_empty(),
            complaints: self.reload_problems.clone(),
            last_round_at: Some(since),
            accounts: vec![AccountHealth {
                service: None,
                name: "shop".parse().unwrap(),
                api: "amazon-pay-v2".to_owned(),
                region: "eu".to_owned(),
                environment: "live".to_owned(),
                state: AccountState::Held { until: "2026-01-15T09:31:00Z".parse().unwrap() },
                quotas: vec![QuotaHealth {
                    operation: "Get-charge".to_owned(),
                    burst: 2,
                    refill_ms: 1_000,
                    available: Some(1),
                    held_until: None,
                }],
            }],
            targets: vec!["chat".to_owned()],
            schedules: vec![ScheduleHealth {
                name: "report".to_owned(),
                cron: "10 0 * * *".to_owned(),
                zone: "Europe/Berlin".to_owned(),
                last_at: None,
                last_result: None,
                next_at: Some("2026-01-15T23:10:00Z".parse().unwrap()),
            }],
            last_reload: None,
        }
    }
}

/// The moment at which every test begins.
pub(crate) const ORIGIN: &str = "2026-01-15T09:30:00Z";

/// A service on a fresh or known store in a folder, with its store and its clock.
pub(crate) async fn service_in(folder: &std::path::Path, host: TestHost) -> (Service, Store) {
    let clock: SharedClock = VirtualClock::starting_at(ORIGIN.parse().unwrap());
    let options = Options { folder: folder.to_owned(), cache_bytes: 1 << 20, ..Options::default() };
    let (store, _) = Store::open(options, clock.now()).await.unwrap();
    (Service::new(store.clone(), clock, Arc::new(host)), store)
}

/// Brings an enrolled object into a state, with its history row.
pub(crate) async fn settle(store: &Store, object: &str, state: &str, alerts: Vec<OwedAlert>) {
    let record = sighted(object, state, &["HardDeclined"], "2026-01-15T09:00:00Z");
    let before = store.record(&record.object).await.unwrap().unwrap();
    let facts = PLAIN.state(state).unwrap();
    let transition = Transition {
        object: record.object.clone(),
        from: None,
        to: state.to_owned(),
        reasons: vec!["HardDeclined".to_owned()],
        phase: facts.phase,
        outcome: facts.outcome,
        amount: record.amount(),
        moves: Default::default(),
        amounts: Default::default(),
        merchant_reference: None,
        happened_at: "2026-01-15T09:00:00Z".parse().unwrap(),
        seen_at: "2026-01-15T09:10:00Z".parse().unwrap(),
        note: "polled".to_owned(),
        stored_cause: None,
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

/// Two declines told to the chat: one pending, one given up.
pub(crate) async fn with_alerts(store: &Store) {
    let now: Timestamp = ORIGIN.parse().unwrap();
    let owed = |key: &str| OwedAlert {
        alert: alert(key, "shop/charge/S01-1-1-C1"),
        targets: vec!["chat".to_owned()],
    };
    store.raise(vec![owed("declined/1"), owed("declined/2")], now).await.unwrap();
    let dead = Delivery::Dead { error: "404 no such channel".to_owned() };
    store.settle("declined/2", "chat", dead, now).await.unwrap();
}
