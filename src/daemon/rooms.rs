//! The rooms as one configuration wants them: built here, all or nothing, and exchanged on reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::alerts::post::Post;
use crate::alerts::{self, Deliverer};
use crate::apis::pace::Pace;
use crate::apis::transport::Transport;
use crate::batches::{self, Batches, TailRule};
use crate::calls::{self, Calls};
use crate::clock::{JudgedClock, SharedClock};
use crate::config::{AccountConfig, Config};
use crate::payments::object::AccountName;
use crate::reconcile::Account;
use crate::reports::{Probe, Reports};
use crate::settlements::{self, Settlements};
use crate::store::{Store, StoreError};
use crate::timetable::{self, Timetable};

use super::fetching::Reporter;
use super::{Daemon, levels};

/// What outlives a reload.
#[derive(Clone)]
pub(super) struct Foundation {
    /// The time that is used: `time`, or for a command that works in the daemon's place the machine's.
    pub(super) clock: SharedClock,
    /// The machine's clock, judged by what others say.
    pub(super) time: Arc<JudgedClock>,
    pub(super) store: Store,
    pub(super) pace: Arc<Pace>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) post: Arc<dyn Post>,
    pub(super) batches: Arc<Batches>,
    pub(super) calls: Arc<Calls>,
    pub(super) settlements: Arc<Settlements>,
    /// Is asked before every step of the report writer on the disk.
    pub(super) probe: Arc<dyn Probe>,
}

/// What one configuration asks for.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) senders: Vec<Arc<batches::Account>>,
    pub(super) callers: Vec<Arc<calls::Account>>,
    pub(super) reporters: Vec<Arc<Reporter>>,
    pub(super) routes: alerts::Routes,
    pub(super) deliverer: Arc<Deliverer>,
    pub(super) reports: Arc<Reports>,
    pub(super) nightly: Timetable,
}

impl Rooms {
    /// Builds everything that `config` asks for; nothing is started yet.
    pub(super) fn build(mut config: Config, foundation: &Foundation) -> Result<Rooms, String> {
        let alerts = std::mem::take(&mut config.alerts);
        let routes = alerts.routes.clone();
        let accounts: Vec<Arc<Account>> =
            config.accounts.iter().map(|account| build_account(account, &config, foundation)).collect();
        let senders =
            config.accounts.iter().filter_map(|account| build_sender(account, foundation)).collect();
        let both = config.accounts.iter().zip(&accounts);
        let callers =
            both.filter_map(|(account, watched)| build_caller(account, watched, foundation)).collect();
        let zone = timetable::zone(&config.reports.zone_name).map_err(|error| error.to_string())?;
        let nightly = Timetable::new(&config.reports.schedule, zone).map_err(|error| error.to_string())?;
        let reporters = config.accounts.iter().zip(&accounts);
        let reporters = reporters
            .filter_map(|(account, watched)| build_reporter(account, watched, &config, foundation))
            .collect::<Result<_, _>>()?;
        let deliverer = Deliverer::new(
            foundation.store.clone(),
            foundation.clock.clone(),
            foundation.post.clone(),
            alerts,
        );
        let play = config.accounts.iter().filter(|account| account.api.is_sandbox());
        let reports = Reports::with_probe(
            foundation.store.clone(),
            foundation.clock.clone(),
            config.reports.clone(),
            play.map(|account| account.name.clone()).collect(),
            Arc::clone(&foundation.probe),
        );
        let deliverer = Arc::new(deliverer);
        Ok(Rooms {
            accounts,
            senders,
            callers,
            reporters,
            routes,
            deliverer,
            reports: Arc::new(reports),
            nightly,
            config,
        })
    }
}

fn build_account(account: &AccountConfig, config: &Config, foundation: &Foundation) -> Arc<Account> {
    for (operation, quota) in account.api.quotas() {
        foundation.pace.set_quota(&account.name, operation, quota);
    }
    let api = account.api.build(foundation.transport.clone(), foundation.clock.clone());
    Arc::new(Account {
        name: account.name.clone(),
        api,
        policies: account.policies.clone(),
        is_sandbox: account.api.is_sandbox(),
        most_in_flight: config.polling.most_in_flight_per_kind,
        probe_interval: config.polling.probe_interval,
    })
}

/// The part of an account that sends batches, if its API has them.
fn build_sender(account: &AccountConfig, foundation: &Foundation) -> Option<Arc<batches::Account>> {
    let client = account.api.build_batches(foundation.transport.clone(), foundation.clock.clone())?;
    let (name, is_sandbox) = (account.name.clone(), account.api.is_sandbox());
    let tails = tails(account, foundation);
    Some(Arc::new(batches::Account { name, client, is_sandbox, tails }))
}

/// The kinds that are visited by batch where single questions do not suffice.
pub(super) fn tails(account: &AccountConfig, foundation: &Foundation) -> Vec<TailRule> {
    let Some((most, kinds)) = account.api.looks_by_batch() else { return Vec::new() };
    let api = account.api.build(foundation.transport.clone(), foundation.clock.clone());
    let by_batch =
        account.policies.iter().filter(|(kind, policy)| policy.is_by_batch && kinds.contains(&kind.as_str()));
    by_batch
        .filter_map(|(kind, policy)| {
            let operation = api.operation(kind)?;
            Some(TailRule { kind: kind.clone(), operation, interval: policy.interval, most })
        })
        .collect()
}

/// The part of an account whose operations can be called singly, if its API has them.
fn build_caller(
    account: &AccountConfig,
    watched: &Account,
    foundation: &Foundation,
) -> Option<Arc<calls::Account>> {
    let caller = account.api.build_caller(foundation.transport.clone(), foundation.clock.clone())?;
    let (name, is_sandbox) = (account.name.clone(), account.api.is_sandbox());
    Some(Arc::new(calls::Account { name, caller, api: Arc::clone(&watched.api), is_sandbox }))
}

/// The part of an account that fetches the provider's reports, if its API has them.
fn build_reporter(
    account: &AccountConfig,
    watched: &Account,
    config: &Config,
    foundation: &Foundation,
) -> Option<Result<Arc<Reporter>, String>> {
    let source = account.api.build_reports(foundation.transport.clone(), foundation.clock.clone())?;
    let wanted = &account.provider_reports;
    let timetable = wanted.schedule.as_ref().map(|cron| {
        let zone = timetable::zone(&config.reports.zone_name).map_err(|error| error.to_string())?;
        Timetable::new(cron, zone).map_err(|error| error.to_string())
    });
    let fetched = settlements::Account {
        name: account.name.clone(),
        source,
        api: Arc::clone(&watched.api),
        is_sandbox: watched.is_sandbox,
        discover: wanted.discover,
        folder: config.reports.folder.clone(),
    };
    let reporter =
        |timetable| Arc::new(Reporter { account: fetched, words: wanted.types.clone(), timetable });
    Some(timetable.transpose().map(reporter))
}

/// Brings the budgets back to where a clean stop left them. After any other end they start empty: what
/// ran before may have spent them a moment ago. Only an account never used before starts full.
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

/// The same for a command that works in the daemon's place, before its first request.
pub(super) async fn restore_once(daemon: &Daemon, rooms: &Rooms) -> Result<(), StoreError> {
    if daemon.is_restored.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    restore_levels(&daemon.foundation, &rooms.accounts, daemon.was_clean_stop).await?;
    if !daemon.is_daemon {
        levels::forget(&daemon.foundation.store).await?;
    }
    greet_reporters(&daemon.foundation, &rooms.reporters).await
}

/// Gives accounts whose reports were never fetched from here a full budget for that.
pub(super) async fn greet_reporters(
    foundation: &Foundation,
    reporters: &[Arc<Reporter>],
) -> Result<(), StoreError> {
    for reporter in reporters {
        let account = &reporter.account;
        let name = format!("reports-used/{}", account.name);
        if foundation.store.recall(&name).await?.is_none() {
            foundation.store.remember(&name, &foundation.clock.now().to_string()).await?;
            for (operation, _) in account.source.operations() {
                foundation.pace.assume_full(&account.name, operation);
            }
        }
    }
    Ok(())
}

/// Gives accounts that were never used before a full budget, and notes that they are used now.
pub(super) async fn greet(foundation: &Foundation, accounts: &[Arc<Account>]) -> Result<(), StoreError> {
    for account in accounts {
        let name = format!("account-used/{}", account.name);
        if foundation.store.recall(&name).await?.is_none() {
            foundation.store.remember(&name, &foundation.clock.now().to_string()).await?;
            foundation.pace.assume_account_full(&account.name);
        }
    }
    Ok(())
}

/// Accounts that have open objects in the store but stand no more in the configuration: nobody asks about
/// those objects, which must not happen in silence.
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
            "{number} open objects of account {account}, which is not in the configuration, are not asked about: add the account again or forget them"
        )
    };
    Ok(open.iter().map(remark).collect())
}
