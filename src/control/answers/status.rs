//! The answer to `status`: an overview, assembled from what each room reports about itself.
//!
//! Owns: what counts as a complaint. Must never know: how any room does its work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::accounts::held_until;
use super::dashboard::delay;
use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::batches::{BatchPollingRule, tails};
use crate::control::explain::moment;
use crate::control::messages::*;
use crate::control::service::{Answer, PAGE_ROWS, ProcessFacts, Rooms, Service, storage};
use crate::events::TARGETS;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::payments::tail::Tail;
use crate::reconcile::Tally;
use crate::store::Owed;
use crate::task::Board;
use crate::text;
use crate::time::{earlier, later};
use crate::timetable::Timetable;

impl Service {
    /// An overview of everything.
    pub async fn status(&self) -> Answer<Status> {
        let now = self.clock.now();
        let mut health = self.health();
        let in_doubt = self.list_calls(&CallList::default()).await?.len();
        if in_doubt > 0 {
            let (calls, are) = (text::count(in_doubt, "call"), if in_doubt == 1 { "is" } else { "are" });
            health.complaints.push(format!("{calls} {are} in doubt; see: reconciled call --list"));
        }
        let counts = self.store.counts().await.map_err(storage)?;
        let oldest = self.store.oldest_moving().await.map_err(storage)?;
        let mut outbox = Vec::new();
        for target in &health.targets {
            let pending = self.pending(target, now).await?;
            let next_at = self.store.next_owed(target).await.map_err(storage)?;
            outbox.push(OutboxRow { target: target.clone(), pending, next_at, is_removed: false });
        }
        let counts_of_targets = self.store.outbox_counts("").await.map_err(storage)?;
        for (target, known) in counts_of_targets.into_iter().filter(|(_, known)| known.pending > 0) {
            if !target.starts_with(TARGETS) && !health.targets.contains(&target) {
                outbox.push(OutboxRow { target, pending: known.pending, next_at: None, is_removed: true });
            }
        }
        let (events, store) = self.events_health().await?;
        let tails = self.tails(&counts);
        let backlogs = self.backlogs(&counts, &tails);
        let batches = self.batch_counts().await?;
        Ok(Status {
            now,
            batches,
            notifications: if self.notifications.is_on() { self.notifications.views() } else { Vec::new() },
            tails,
            backlogs,
            open: counts.iter().filter(|count| !count.finished).map(|count| count.number).sum(),
            objects: counts.iter().map(|count| count.number).sum(),
            counts,
            oldest_moving: oldest.map(|(object, made_at)| Oldest {
                object,
                made_at,
                age_s: now.duration_since(made_at).as_secs(),
            }),
            outbox,
            silences: self.silences().active(now).await.map_err(storage)?.len(),
            events,
            store,
            hosts: self.hosts(),
            health,
        })
    }

    /// The number of messages that wait for a target, up to one page. What was not tried and is not due waits on purpose:
    /// an escalation, or what another alert explains.
    pub(super) async fn pending(&self, target: &str, now: Timestamp) -> Answer<u64> {
        let owed = self.store.owed(target, Timestamp::MAX, PAGE_ROWS.0).await.map_err(storage)?;
        let waits = |row: &&Owed| row.attempts > 0 || row.next_attempt_at <= now;
        Ok(u64::try_from(owed.iter().filter(waits).count()).unwrap_or(u64::MAX))
    }

    /// The receivers of events, those with events that have left the configuration too, and the store's statistics, in
    /// which only alerts are counted as messages.
    pub(super) async fn events_health(&self) -> Answer<(Vec<EventsHealth>, Stats)> {
        let mut counts = self.store.outbox_counts(TARGETS).await.map_err(storage)?;
        let mut store = self.store.stats();
        for counts in counts.values() {
            store.outbox_pending = store.outbox_pending.saturating_sub(counts.pending);
            store.outbox_dead = store.outbox_dead.saturating_sub(counts.dead);
        }
        let mut events = Vec::new();
        for office in &self.rooms().back_offices {
            let (counts, state) = (counts.remove(office.target()).unwrap_or_default(), office.state());
            events.push(EventsHealth {
                receiver: office.name().to_owned(),
                pending: counts.pending,
                dead: counts.dead,
                next_at: self.store.next_owed(office.target()).await.map_err(storage)?,
                disabled_since: state.disabled_since,
                last_error: state.last_error,
                is_removed: false,
            });
        }
        for (target, counts) in counts.into_iter().filter(|(_, counts)| counts.pending + counts.dead > 0) {
            events.push(EventsHealth {
                receiver: target.strip_prefix(TARGETS).unwrap_or(&target).to_owned(),
                pending: counts.pending,
                dead: counts.dead,
                next_at: None,
                disabled_since: None,
                last_error: Some("no longer configured".to_owned()),
                is_removed: true,
            });
        }
        Ok((events, store))
    }

    /// Every account, with what it has to do.
    pub async fn account_rows(&self) -> Answer<Vec<AccountRow>> {
        let counts = self.store.counts().await.map_err(storage)?;
        let backlogs = self.backlogs(&counts, &self.tails(&counts));
        let mut rows = Vec::new();
        for health in self.health().accounts {
            let of_it = || counts.iter().filter(|count| count.account == health.name && !count.finished);
            let mut next_due_at: Option<Timestamp> = None;
            for kind in of_it().map(|count| &count.kind).collect::<BTreeSet<_>>() {
                let due_at = self.store.next_due(&health.name, kind).await.map_err(storage)?;
                next_due_at = next_due_at.into_iter().chain(due_at).min();
            }
            rows.push(AccountRow {
                open: of_it().map(|count| count.number).sum(),
                moving: of_it().filter(|count| count.phase == Phase::Moving).map(|count| count.number).sum(),
                quarantined: of_it().filter(|count| count.quarantined).map(|count| count.number).sum(),
                next_due_at,
                backlogs: backlogs.iter().filter(|row| row.account == health.name).cloned().collect(),
                health,
            });
        }
        Ok(rows)
    }

    /// The state of the process, its accounts, targets and schedules.
    pub(super) fn health(&self) -> Health {
        let (rooms, facts, now) = (self.rooms(), self.process.facts(), self.clock.now());
        let tallies = self.reconcile.tallies();
        let accounts: Vec<AccountHealth> = rooms
            .accounts
            .iter()
            .map(|account| {
                let is_known = facts.is_daemon && self.pace.holds(&account.name);
                let quotas = quotas(self, account, is_known, now);
                let (api, region) = rooms.api_names.get(&account.name).cloned().unwrap_or_default();
                AccountHealth {
                    name: account.name.clone(),
                    api,
                    region,
                    environment: account.environment().to_owned(),
                    service: provider_health(self, account, now),
                    state: match self.pace.holds(&account.name) {
                        true => account_state(facts.is_daemon, tallies.get(&account.name), &quotas),
                        false => AccountState::Elsewhere,
                    },
                    delay: tallies
                        .get(&account.name)
                        .map(|tally| delay(tally.delays.values()))
                        .unwrap_or_default(),
                    ledger: self.reconcile.ledger(&account.name),
                    quotas,
                }
            })
            .collect();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            is_daemon: facts.is_daemon,
            since: facts.since,
            is_ready: true,
            complaints: complaints(self, &facts, now),
            last_round_at: tallies.values().filter_map(|tally| tally.last_round_at).max(),
            clock: facts.clock,
            accounts,
            targets: rooms.deliverer.targets().into_iter().map(str::to_owned).collect(),
            schedules: schedules(&self.board, &rooms, now),
            last_reload: facts.last_reload,
        }
    }

    /// How many batches are in which state, by account.
    async fn batch_counts(&self) -> Answer<Vec<BatchCounts>> {
        let mut counts: BTreeMap<AccountName, BatchCounts> = BTreeMap::new();
        for line in self.list_batches(&BatchList::default()).await? {
            let count = counts.entry(line.account.clone()).or_insert_with(|| BatchCounts {
                account: line.account.clone(),
                under_way: 0,
                waiting_for_a_person: 0,
                rows_waiting: 0,
                ended: 0,
            });
            if line.is_ended {
                count.ended += 1;
            } else {
                count.under_way += 1;
                count.waiting_for_a_person += u64::from(line.needs.is_some());
                count.rows_waiting += line.waiting;
            }
        }
        Ok(counts.into_values().collect())
    }

    /// How kinds are polled by batch, given how many of their objects are moving now.
    pub(super) fn tails(&self, counts: &[Count]) -> Vec<TailRow> {
        let mut moving: HashMap<(&AccountName, &Kind), u64> = HashMap::new();
        for count in counts.iter().filter(|count| count.phase == Phase::Moving && !count.quarantined) {
            *moving.entry((&count.account, &count.kind)).or_default() += count.number;
        }
        let rooms = self.rooms();
        let rules =
            rooms.senders.iter().flat_map(|sender| tails(sender).into_iter().map(move |rule| (sender, rule)));
        let row = |(sender, rule): (&Arc<Account>, BatchPollingRule)| {
            let number = *moving.get(&(&sender.name, &rule.kind))?;
            let quota = self.pace.quota(&sender.name, rule.operation)?;
            let most = u64::try_from(rule.most).unwrap_or(u64::MAX);
            let tail = Tail::plan(number, rule.interval, quota.per, most);
            Some(TailRow { account: sender.name.clone(), kind: rule.kind, tail })
        };
        let mut rows: Vec<TailRow> = rules.filter_map(row).collect();
        rows.sort_by(|one, other| (&one.account, &one.kind).cmp(&(&other.account, &other.kind)));
        rows
    }
}

fn quotas(service: &Service, account: &Account, is_daemon: bool, now: Timestamp) -> Vec<QuotaHealth> {
    let pace = &service.pace;
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
            let level = pace.level(&account.name, operation).filter(|_| is_daemon);
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

/// A sentence for every operation on a long hold, whether it serves polls, batches, reports or calls.
fn long_holds(pace: &Pace, now: Timestamp) -> impl Iterator<Item = String> {
    let held = pace.held().into_iter().filter(|(_, _, level)| level.is_held_long());
    held.map(move |(account, operation, level)| {
        let since = moment(earlier(now, level.held_already.unwrap_or_default()), now);
        let until = moment(later(now, level.held_for), now);
        format!(
            "the provider of {account} allows no {operation} before {until}; it has been on hold since {since}"
        )
    })
}

fn provider_health(service: &Service, account: &Account, now: Timestamp) -> Option<ServiceHealth> {
    let known = service.reconcile.service(&account.name)?;
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

/// What is wrong and stands in no other field.
fn complaints(service: &Service, facts: &ProcessFacts, now: Timestamp) -> Vec<String> {
    let mut found: Vec<String> = facts.clock_complaint.clone().into_iter().collect();
    found.extend(service.notifications.trouble());
    found.extend(long_holds(&service.pace, now));
    for (name, status) in service.board.statuses() {
        if !status.is_ok {
            found.push(format!("{name}: {}", status.last_outcome));
        }
    }
    found
}

fn schedules(board: &Board, rooms: &Rooms, now: Timestamp) -> Vec<ScheduleHealth> {
    let statuses = board.statuses();
    let row = |name: String, work: &str, timetable: &Timetable| {
        let status = statuses.get(work);
        ScheduleHealth {
            name,
            cron: timetable.expression().to_owned(),
            zone: rooms.zone_name.clone(),
            last_at: status.and_then(|status| status.last_at),
            last_result: status.map(|status| status.last_outcome.clone()),
            next_at: timetable.after(now),
        }
    };
    let fetched = rooms.reporters.iter().filter_map(|reporter| {
        let name = format!("provider reports of {}", reporter.account.name);
        Some(row(name, "provider-reports", reporter.timetable.as_ref()?))
    });
    std::iter::once(row("report".to_owned(), "reports", &rooms.nightly)).chain(fetched).collect()
}
