//! The rooms as one configuration defines them: built here, all or none, and replaced on reload.
//!
//! Owns: what is built from which part of the configuration. Must never know: how any room does its work.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::alerts::{self, Deliverer};
use crate::apis::pace::Pace;
use crate::apis::{Account, Relaxed};
use crate::batches::Batches;
use crate::calls::Calls;
use crate::clock::{JudgedClock, SharedClock};
use crate::config::{AccountConfig, Config};
use crate::control::service::{self as control, Reporter};
use crate::events::{self, BackOffice};
use crate::http::Transport;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::provider_reports::Downloads;
use crate::reconcile;
use crate::reports::{Meanings, Probe, Reports};
use crate::store::{Store, StoreError};
use crate::timetable::{self, Timetable};

use super::{Daemon, channel_figures, levels, rhythm_figures};

/// What survives a reload.
#[derive(Clone)]
pub(super) struct Foundation {
    /// The time in use: `time`, or the machine's clock for a command that works in the daemon's place.
    pub(super) clock: SharedClock,
    /// The machine's clock, checked against the times in providers' answers.
    pub(super) time: Arc<JudgedClock>,
    pub(super) store: Store,
    pub(super) pace: Arc<Pace>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) batches: Arc<Batches>,
    pub(super) calls: Arc<Calls>,
    pub(super) downloads: Arc<Downloads>,
    /// Is called before every disk operation of the report writer.
    pub(super) probe: Arc<dyn Probe>,
}

/// What one configuration defines, including what only the daemon needs.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) routes: alerts::Routes,
    /// The part that answers to operators work on, too.
    pub(super) shared: Arc<control::Rooms>,
}

impl Deref for Rooms {
    type Target = control::Rooms;

    fn deref(&self) -> &control::Rooms {
        &self.shared
    }
}

impl Rooms {
    /// Builds everything that `config` defines. Nothing is started yet.
    pub(super) fn build(mut config: Config, foundation: &Foundation) -> Result<Rooms, String> {
        let alerts = std::mem::take(&mut config.alerts);
        let routes = alerts.routes.clone();
        let alerting = alerts.alerting;
        let build = |account| build_account(account, &config, alerting, foundation);
        let accounts: Vec<Arc<Account>> = config.accounts.iter().map(build).collect();
        let senders = accounts.iter().filter(|account| account.api.batches().is_some()).cloned().collect();
        let callers = accounts.iter().filter(|account| account.api.calls().is_some()).cloned().collect();
        let zone = timetable::zone(&config.reports.zone_name).map_err(|error| error.to_string())?;
        let nightly = Timetable::new(&config.reports.schedule, zone).map_err(|error| error.to_string())?;
        let reporters = config.accounts.iter().zip(&accounts);
        let reporters = reporters
            .filter(|(_, account)| account.api.reports().is_some())
            .map(|(configured, account)| build_reporter(configured, account, &config))
            .collect::<Result<_, _>>()?;
        let deliverer = Deliverer::new(
            foundation.store.clone(),
            foundation.clock.clone(),
            foundation.transport.clone(),
            alerts,
        );
        let sandboxes = config.accounts.iter().filter(|account| account.api.is_sandbox());
        let of_these = routes.clone();
        let alert_routes: Routes = Arc::new(move |alert, is_sandbox| of_these.targets_for(alert, is_sandbox));
        let ports = events::deliver::Ports {
            store: foundation.store.clone(),
            clock: foundation.clock.clone(),
            transport: foundation.transport.clone(),
            routes: alert_routes,
            sandbox_accounts: Arc::new(sandboxes.map(|account| account.name.clone()).collect()),
        };
        let back_offices =
            config.events.0.iter().map(|receiver| Arc::new(BackOffice::new(receiver.clone(), ports.clone())));
        let back_offices = back_offices.collect();
        let play = config.accounts.iter().filter(|account| account.api.is_sandbox());
        let apis: BTreeMap<_, _> =
            accounts.iter().map(|account| (account.name.clone(), Arc::clone(&account.api))).collect();
        let meanings = Meanings::new(move |account, kind| apis.get(account)?.lifecycle(kind));
        let reports = Reports::with_probe(
            foundation.store.clone(),
            foundation.clock.clone(),
            config.reports.clone(),
            play.map(|account| account.name.clone()).collect(),
            Arc::clone(&foundation.probe),
        )
        .explained_by(meanings)
        .with_channels(channel_figures::channels(foundation.store.clone()))
        .with_rhythms(rhythm_figures::rhythms(
            foundation.store.clone(),
            foundation.pace.clone(),
            foundation.clock.clone(),
            accounts.clone(),
        ));
        let deliverer = Arc::new(deliverer);
        let api_names = config.accounts.iter().map(|account| {
            let (api, region) = (account.api.name().to_owned(), account.api.region().to_owned());
            (account.name.clone(), (api, region))
        });
        let shared = control::Rooms {
            access: config.control.access.clone(),
            api_names: api_names.collect(),
            accounts,
            senders,
            callers,
            reporters,
            deliverer,
            back_offices,
            reports: Arc::new(reports),
            nightly,
            zone_name: config.reports.zone_name.clone(),
            config: config.shown.clone(),
        };
        Ok(Rooms { config, routes, shared: Arc::new(shared) })
    }
}

fn build_account(
    account: &AccountConfig,
    config: &Config,
    alerting: alerts::Alerting,
    foundation: &Foundation,
) -> Arc<Account> {
    for (operation, quota) in account.api.quotas() {
        foundation.pace.set_quota(&account.name, operation, quota);
    }
    let api = account.api.build(foundation.transport.clone(), foundation.clock.clone());
    Arc::new(Account {
        name: account.name.clone(),
        api,
        policies: account.policies.clone(),
        relaxed: Relaxed::default(),
        is_sandbox: account.api.is_sandbox(),
        most_in_flight: config.polling.max_in_flight_per_kind,
        probe_interval: config.polling.probe_interval,
        discover: account.provider_reports.discover,
        discovers_by_notifications: account.discover,
        late_after: alerting.late_after(),
        reports_history: alerting.report_history,
        report_folder: config.reports.folder.clone(),
    })
}

/// The account's provider reports: which to fetch, and when.
fn build_reporter(
    configured: &AccountConfig,
    account: &Arc<Account>,
    config: &Config,
) -> Result<Arc<Reporter>, String> {
    let wanted = &configured.provider_reports;
    let timetable = wanted.schedule.as_ref().map(|cron| {
        let zone = timetable::zone(&config.reports.zone_name).map_err(|error| error.to_string())?;
        Timetable::new(cron, zone).map_err(|error| error.to_string())
    });
    let (account, words) = (Arc::clone(account), wanted.types.clone());
    Ok(Arc::new(Reporter { account, words, timetable: timetable.transpose()? }))
}

/// Restores the budgets from a clean stop. After any other end they start empty: the previous process may have used
/// them a moment ago. Only an account that was never used before starts full.
pub(super) async fn restore_levels(
    foundation: &Foundation,
    accounts: &[Arc<Account>],
    was_clean_stop: bool,
) -> Result<(), StoreError> {
    if was_clean_stop {
        levels::restore(&foundation.store, &foundation.pace, foundation.clock.now()).await?;
    }
    greet(foundation, accounts).await
}

/// Does the same for a command that works in the daemon's place, before its first request.
pub(super) async fn restore_once(daemon: &Daemon, rooms: &Rooms) -> Result<(), StoreError> {
    if daemon.is_restored.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    if daemon.foundation.store.fleet().is_some() {
        // Each account is greeted when this host takes it.
        return if daemon.is_daemon { Ok(()) } else { daemon.take_free_accounts(rooms).await };
    }
    restore_levels(&daemon.foundation, &rooms.accounts, daemon.was_clean_stop).await?;
    if !daemon.is_daemon {
        levels::forget(&daemon.foundation.store).await?;
    }
    greet_reporters(&daemon.foundation, &rooms.reporters).await
}

/// Gives a full report budget to accounts whose reports were never fetched from here.
pub(super) async fn greet_reporters(
    foundation: &Foundation,
    reporters: &[Arc<Reporter>],
) -> Result<(), StoreError> {
    for reporter in reporters.iter().filter(|reporter| foundation.pace.holds(&reporter.account.name)) {
        let account = &reporter.account;
        let name = format!("reports-used/{}", account.name);
        if foundation.store.recall(&name).await?.is_none() {
            foundation.store.remember(&name, &foundation.clock.now().to_string()).await?;
            let operations = account.api.reports().map(|source| source.operations()).unwrap_or_default();
            for (operation, _) in operations {
                foundation.pace.assume_full(&account.name, operation);
            }
        }
    }
    Ok(())
}

/// Gives a full budget to accounts that were never used before, and records that they are used now. Skips accounts that
/// this host does not work on.
pub(super) async fn greet(foundation: &Foundation, accounts: &[Arc<Account>]) -> Result<(), StoreError> {
    for account in accounts.iter().filter(|account| foundation.pace.holds(&account.name)) {
        let name = format!("{}{}", reconcile::FIRST_USED, account.name);
        if foundation.store.recall(&name).await?.is_none() {
            foundation.store.remember(&name, &foundation.clock.now().to_string()).await?;
            foundation.pace.assume_account_full(&account.name);
        }
    }
    Ok(())
}

/// Accounts that may change something at their provider while nobody may make them do it.
pub(super) fn idle_writers(rooms: &Rooms) -> Vec<String> {
    if rooms.access.may_move_money() {
        return Vec::new();
    }
    let may_write = |account: &&Arc<Account>| {
        account.api.calls().is_some_and(|calls| calls.may_write())
            || account.api.batches().is_some_and(|batches| batches.may_write())
    };
    let remark = |account: &Arc<Account>| {
        format!(
            "account {} has allow_writes = true, but write-money under [control] names nobody: no call and no new \
             batch is sent",
            account.name
        )
    };
    rooms.accounts.iter().filter(may_write).map(remark).collect()
}

/// Accounts that have open objects in the store but are no longer in the configuration. Those objects are not polled,
/// which must not go unnoticed.
pub(super) async fn orphans(
    foundation: &Foundation,
    accounts: &[Arc<Account>],
) -> Result<Vec<String>, StoreError> {
    let mut open: BTreeMap<AccountName, u64> = BTreeMap::new();
    for count in foundation.store.counts().await? {
        let is_known = accounts.iter().any(|account| account.name == count.account);
        if !count.finished && !is_known {
            *open.entry(count.account).or_default() += count.number;
        }
    }
    let remark = |(account, number): (&AccountName, &u64)| {
        format!(
            "{number} open objects of account {account}, which is not in the configuration, are not polled: \
             add the account again or forget them"
        )
    };
    Ok(open.iter().map(remark).collect())
}
