//! Answers the control room's questions about what only the daemon and its configuration know.

use std::sync::{Arc, PoisonError};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::apis::Account;
use crate::apis::pace::Level;
use crate::batches::tails;
use crate::control::batching::{BatchAnswer, BatchRequest};
use crate::control::calling::{CallAnswer, CallRequest};
use crate::control::explain::moment;
use crate::control::fetching::{FetchAnswer, FetchRequest};
use crate::control::host::{Host, Later, Rate};
use crate::control::messages::{
    AccountHealth, AccountState, Health, QuotaHealth, Reloaded, ReportMade, ScheduleHealth, ServiceHealth,
    Tested,
};
use crate::control::problem::Problem;
use crate::payments::lifecycle::Lifecycle;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::Enrolment;
use crate::payments::schedule::Policy;
use crate::payments::tail::Tail;
use crate::reconcile::Tally;
use crate::time::{earlier, later};

use super::rooms::Rooms;
use super::{Daemon, timekeeping};

/// The daemon, as the control room sees it.
pub(super) struct DaemonHost {
    daemon: Arc<Daemon>,
}

impl DaemonHost {
    pub(super) fn new(daemon: Arc<Daemon>) -> DaemonHost {
        DaemonHost { daemon }
    }

    fn rooms(&self) -> Arc<Rooms> {
        self.daemon.rooms()
    }

    fn now(&self) -> Timestamp {
        self.daemon.foundation.clock.now()
    }
}

fn find<'a>(rooms: &'a Rooms, name: &AccountName) -> Option<&'a Arc<Account>> {
    rooms.accounts.iter().find(|account| account.name == *name)
}

impl Host for DaemonHost {
    fn check_enrolment(&self, enrolment: &Enrolment) -> Result<Enrolment, String> {
        let rooms = self.rooms();
        let object = &enrolment.object;
        let Some(account) = find(&rooms, &object.account) else {
            let known: Vec<&str> = rooms.accounts.iter().map(|account| account.name.as_str()).collect();
            return Err(format!("there is no account {}; there are: {}", object.account, known.join(", ")));
        };
        if account.api.lifecycle(&object.kind).is_none() {
            return Err(format!(
                "account {} has no kind {}; it has: {}",
                object.account,
                object.kind,
                account.api.kinds().join(", ")
            ));
        }
        let id = account.api.canonical(&object.id);
        account.api.accepts(&object.kind, &id)?;
        Ok(Enrolment { object: ObjectRef { id, ..object.clone() }, details: enrolment.details.clone() })
    }

    fn candidates(
        &self,
        id: &ObjectId,
        account: Option<&AccountName>,
        kind: Option<&Kind>,
    ) -> Vec<ObjectRef> {
        let rooms = self.rooms();
        let mut found = Vec::new();
        for known in rooms.accounts.iter().filter(|known| account.is_none_or(|name| known.name == *name)) {
            let id = known.api.canonical(id);
            let kinds: Vec<Kind> = match (kind, known.api.kind_of(&id)) {
                (Some(kind), _) => vec![kind.clone()],
                (None, Some(guess)) => vec![guess],
                (None, None) => Vec::new(),
            };
            for kind in kinds {
                if known.api.lifecycle(&kind).is_some() && known.api.accepts(&kind, &id).is_ok() {
                    found.push(ObjectRef { account: known.name.clone(), kind, id: id.clone() });
                }
            }
        }
        found
    }

    fn lifecycle(&self, object: &ObjectRef) -> Option<&'static dyn Lifecycle> {
        find(&self.rooms(), &object.account)?.api.lifecycle(&object.kind)
    }

    fn policy(&self, object: &ObjectRef) -> Option<Policy> {
        let rooms = self.rooms();
        let account = find(&rooms, &object.account)?;
        account.api.lifecycle(&object.kind)?;
        Some(account.policies.get(&object.kind).cloned().unwrap_or_default())
    }

    fn rate(&self, account: &AccountName, kind: &Kind) -> Option<Rate> {
        let operation = find(&self.rooms(), account)?.api.operation(kind)?;
        let quota = self.daemon.foundation.pace.quota(account, operation)?;
        let level = self.daemon.foundation.pace.level(account, operation);
        let held_until = level.and_then(|level| held_until(&level, self.now()));
        Some(Rate { operation: operation.to_owned(), burst: quota.burst, refill: quota.per, held_until })
    }

    fn tail(&self, account: &AccountName, kind: &Kind, moving: u64) -> Option<Tail> {
        let rooms = self.rooms();
        let rule = tails(find(&rooms, account)?).into_iter().find(|rule| rule.kind == *kind)?;
        let quota = self.daemon.foundation.pace.quota(account, rule.operation)?;
        let most = u64::try_from(rule.most).unwrap_or(u64::MAX);
        Some(Tail::plan(moving, rule.interval, quota.per, most))
    }

    fn look(&self, account: &AccountName) -> Option<String> {
        Some(find(&self.rooms(), account)?.api.look().to_owned())
    }

    fn make_report(&self, date: Date) -> Later<'_, Result<ReportMade, String>> {
        Box::pin(async move {
            let made = self.rooms().reports.make(date).await.map_err(|error| chain(&error))?;
            Ok(ReportMade { date, path: made.folder.display().to_string(), was_there: made.was_there })
        })
    }

    fn last_finished_day(&self) -> Date {
        let rooms = self.rooms();
        let today = rooms.nightly.zone().to_datetime(self.now()).date();
        today.checked_sub(1.day()).unwrap_or(today)
    }

    fn test_alerts(&self, target: Option<String>) -> Later<'_, Result<Vec<Tested>, String>> {
        Box::pin(async move {
            let deliverer = Arc::clone(&self.rooms().deliverer);
            let trials = deliverer.test(target.as_deref()).await.map_err(|error| error.to_string())?;
            Ok(trials
                .into_iter()
                .map(|trial| Tested {
                    target: trial.target,
                    is_delivered: trial.outcome.is_ok(),
                    detail: trial.outcome.err().unwrap_or_else(|| "taken".to_owned()),
                })
                .collect())
        })
    }

    fn batch(&self, request: BatchRequest) -> Later<'_, Result<BatchAnswer, Problem>> {
        Box::pin(super::batching::answer(&self.daemon, request))
    }

    fn call(&self, request: CallRequest) -> Later<'_, Result<CallAnswer, Problem>> {
        Box::pin(super::calling::answer(&self.daemon, request))
    }

    fn provider_reports(&self, request: FetchRequest) -> Later<'_, Result<FetchAnswer, Problem>> {
        Box::pin(super::fetching::answer(&self.daemon, request))
    }

    fn reload(&self) -> Later<'_, Reloaded> {
        Box::pin(async move {
            if self.daemon.is_daemon {
                self.daemon.reload().await
            } else {
                let problems =
                    vec!["no daemon is running: the next start reads the configuration".to_owned()];
                Reloaded { is_applied: false, at: self.now(), problems }
            }
        })
    }

    fn health(&self) -> Health {
        let daemon = &self.daemon;
        let rooms = self.rooms();
        let tallies = daemon.reconcile.tallies();
        let now = self.now();
        let accounts: Vec<AccountHealth> = rooms
            .config
            .accounts
            .iter()
            .zip(&rooms.accounts)
            .map(|(configured, account)| {
                let tally = tallies.get(&account.name);
                let quotas = quotas(daemon, account, now);
                AccountHealth {
                    name: account.name.clone(),
                    api: configured.api.name().to_owned(),
                    region: configured.api.region().to_owned(),
                    environment: if account.is_sandbox { "sandbox" } else { "live" }.to_owned(),
                    service: service(daemon, account, now),
                    state: account_state(daemon.is_daemon, tally, &quotas),
                    quotas,
                }
            })
            .collect();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            is_daemon: daemon.is_daemon,
            since: daemon.since,
            is_ready: true,
            complaints: complaints(daemon, &accounts),
            last_round_at: tallies.values().filter_map(|tally| tally.last_round_at).max(),
            clock: daemon.is_daemon.then(|| timekeeping::health(&daemon.foundation.time)),
            accounts,
            targets: rooms.deliverer.targets().into_iter().map(str::to_owned).collect(),
            schedules: schedules(daemon, &rooms, now),
            last_reload: daemon.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

fn quotas(daemon: &Daemon, account: &Account, now: Timestamp) -> Vec<QuotaHealth> {
    let pace = &daemon.foundation.pace;
    let mut operations: Vec<&'static str> = account
        .api
        .kinds()
        .iter()
        .filter_map(|kind| account.api.operation(&Kind::new(*kind).ok()?))
        .collect();
    operations.sort_unstable();
    operations.dedup();
    operations
        .into_iter()
        .filter_map(|operation| {
            let quota = pace.quota(&account.name, operation)?;
            let level = pace.level(&account.name, operation).filter(|_| daemon.is_daemon);
            Some(QuotaHealth {
                operation: operation.to_owned(),
                burst: quota.burst,
                refill_ms: u64::try_from(quota.per.as_millis()).unwrap_or(u64::MAX),
                available: level.map(|level| level.available),
                held_until: level.and_then(|level| held_until(&level, now)),
            })
        })
        .collect()
}

/// Until when an operation is held; the present moment while the one request after the hold is not answered.
fn held_until(level: &Level, now: Timestamp) -> Option<Timestamp> {
    level.held_already.map(|_| later(now, level.held_for))
}

/// Every operation that is held for long, in words: of polling, batches, reports and calls alike.
fn long_holds(daemon: &Daemon, now: Timestamp) -> impl Iterator<Item = String> {
    let held = daemon.foundation.pace.held().into_iter().filter(|(_, _, level)| level.is_held_long());
    held.map(move |(account, operation, level)| {
        let since = moment(earlier(now, level.held_already.unwrap_or_default()), now);
        let until = moment(later(now, level.held_for), now);
        format!(
            "the provider of {account} wants no {operation} before {until}; it holds it back since {since}"
        )
    })
}

fn service(daemon: &Daemon, account: &Account, now: Timestamp) -> Option<ServiceHealth> {
    let known = daemon.reconcile.service(&account.name)?;
    let said = known.report.as_ref()?;
    Some(ServiceHealth {
        word: said.word.clone(),
        since: known.since?,
        heard_at: known.reported_at?,
        message: said.message.clone(),
        steers: known.health(now).mutes_staleness(),
    })
}

fn account_state(is_daemon: bool, tally: Option<&Tally>, quotas: &[QuotaHealth]) -> AccountState {
    if !is_daemon {
        return AccountState::Unknown;
    }
    if let Some(tally) = tally {
        let next_try_at = tally.next_probe_at;
        let detail = tally.refusal.clone().unwrap_or_default();
        if let Some(since) = tally.refused_since {
            return AccountState::Refused { since, next_try_at, detail };
        }
        if let Some(since) = tally.no_success_since {
            return AccountState::NoSuccess { since, detail: tally.last_failure.clone().unwrap_or_default() };
        }
        if let Some((kind, since)) = tally.refused_kinds.iter().min_by_key(|(_, since)| **since) {
            let detail = format!("every {kind}, {detail}");
            return AccountState::Refused { since: *since, next_try_at, detail };
        }
    }
    match quotas.iter().filter_map(|quota| quota.held_until).max() {
        Some(until) => AccountState::Held { until },
        None => AccountState::Ok,
    }
}

fn complaints(daemon: &Daemon, accounts: &[AccountHealth]) -> Vec<String> {
    let complaint = |account: &AccountHealth| match &account.state {
        AccountState::Refused { detail, .. } => {
            Some(format!("the provider refuses requests of account {}: {detail}", account.name))
        }
        AccountState::NoSuccess { since, detail } => {
            let name = &account.name;
            Some(format!("no request of account {name} has succeeded since {since}: {detail}"))
        }
        AccountState::Ok | AccountState::Held { .. } | AccountState::Unknown => None,
    };
    let mut found: Vec<String> = accounts.iter().filter_map(complaint).collect();
    found.extend(timekeeping::complaint(&daemon.foundation.time).filter(|_| daemon.is_daemon));
    found.extend(long_holds(daemon, daemon.foundation.clock.now()));
    for (name, status) in daemon.board.statuses() {
        if !status.is_ok {
            found.push(format!("{name}: {}", status.last_outcome));
        }
    }
    let stats = daemon.foundation.store.stats();
    if stats.outbox_dead > 0 {
        found.push(format!(
            "{} messages were given up; see: reconciled alerts list --state dead",
            stats.outbox_dead
        ));
    }
    found
}

fn schedules(daemon: &Daemon, rooms: &Rooms, now: Timestamp) -> Vec<ScheduleHealth> {
    let statuses = daemon.board.statuses();
    let status = statuses.get("provider-reports");
    let fetched = rooms.reporters.iter().filter_map(|reporter| {
        let timetable = reporter.timetable.as_ref()?;
        Some(ScheduleHealth {
            name: format!("provider reports of {}", reporter.account.name),
            cron: timetable.expression().to_owned(),
            zone: rooms.config.reports.zone_name.clone(),
            last_at: status.and_then(|status| status.last_at),
            last_result: status.map(|status| status.last_outcome.clone()),
            next_at: timetable.after(now),
        })
    });
    std::iter::once(nightly(daemon, rooms, now)).chain(fetched).collect()
}

fn nightly(daemon: &Daemon, rooms: &Rooms, now: Timestamp) -> ScheduleHealth {
    let statuses = daemon.board.statuses();
    let status = statuses.get("reports");
    ScheduleHealth {
        name: "report".to_owned(),
        cron: rooms.nightly.expression().to_owned(),
        zone: rooms.config.reports.zone_name.clone(),
        last_at: status.and_then(|status| status.last_at),
        last_result: status.map(|status| status.last_outcome.clone()),
        next_at: rooms.nightly.after(now),
    }
}

/// An error with all that lies beneath it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
