//! The answer to a scrape: what each room says about itself, as figures.
//!
//! Owns: which figure comes from where, and that their number is bounded. Must never know: the form of a scrape.
//!
//! Accounts are names that somebody else chose, and a platform has thousands. Above [`ACCOUNTS_NAMED`], gauges name the
//! accounts with the most objects and sum or leave out the rest, and counters are summed over all accounts: a counter
//! that changed its name would look like a restart.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::control::messages::{AccountHealth, AccountState, Count, Stats};
use crate::control::service::{Answer, Service, storage};
use crate::metrics::{self, Metric, Sample, Value, list as of};
use crate::notifications::{ChannelView, Verdict};
use crate::payments::delay::{BOUNDS_S, Delays};
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::reconcile::Tally;

/// Up to this many accounts, each has its own figures.
const ACCOUNTS_NAMED: usize = 100;
/// What stands in the place of an account's name in a sum over all accounts.
const ALL: &str = "all";
/// The same for the accounts that are not named.
const REST: &str = "rest";

/// The figures of one scrape.
struct Figures {
    samples: Vec<Sample>,
    /// The accounts that are named, unless all are.
    named: Option<BTreeSet<AccountName>>,
    /// Gauges and counters that several accounts share.
    sums: BTreeMap<(&'static str, Vec<String>), (&'static Metric, f64)>,
}

impl Service {
    /// All figures, as text for Prometheus.
    pub async fn metrics(&self) -> Answer<String> {
        let now = self.clock.now();
        let counts = self.store.counts().await.map_err(storage)?;
        let mut figures = Figures::new(named(&counts, self.rooms().accounts.len()));
        self.process_figures(&mut figures);
        objects(&mut figures, &counts);
        if let Some((_, made_at)) = self.store.oldest_moving().await.map_err(storage)? {
            figures.add(&of::OLDEST_MOVING, &[], seconds(made_at));
        }
        for backlog in self.backlogs(&counts, &self.tails(&counts)) {
            let labels = [backlog.account.as_str(), &backlog.operation];
            figures.gauge_of_account(&of::BACKLOG, labels, backlog.round_s as f64);
        }
        polls(&mut figures, &self.reconcile.tallies());
        self.account_figures(&mut figures, now);
        for target in self.rooms().deliverer.targets() {
            let pending = self.pending(target, now).await?;
            figures.add(&of::OUTBOX, &[target], pending as f64);
        }
        if self.notifications.is_on() {
            notifications(&mut figures, &self.notifications.views());
        }
        self.loop_figures(&mut figures, now);
        store_figures(&mut figures, &self.events_health().await?.1);
        Ok(metrics::text(figures.finish()))
    }

    fn process_figures(&self, figures: &mut Figures) {
        let facts = self.process.facts();
        figures.add(&of::BUILD_INFO, &[env!("RECONCILED_VERSION")], 1.0);
        figures.add(&of::START_TIME, &[], seconds(facts.since));
        if let Some(clock) = &facts.clock {
            figures.add(&of::CLOCK_AHEAD, &[], clock.machine_ahead_s as f64);
        }
        if let Some(reload) = &facts.last_reload {
            figures.add(&of::CONFIG_OK, &[], f64::from(u8::from(reload.is_applied)));
        }
        let machine = self.process.usage();
        let known = [
            (&of::CPU, machine.cpu.map(|cpu| cpu.as_secs_f64())),
            (&of::RESIDENT, machine.resident_bytes.map(|bytes| bytes as f64)),
            (&of::OPEN_FILES, machine.open_files.map(|files| files as f64)),
        ];
        for (metric, value) in known {
            if let Some(value) = value {
                figures.add(metric, &[], value);
            }
        }
    }

    fn account_figures(&self, figures: &mut Figures, now: Timestamp) {
        for account in self.health().accounts {
            let name = account.name.as_str();
            let is = |state: bool| f64::from(u8::from(state));
            let is_refused = matches!(account.state, AccountState::Refused { .. });
            let is_failing = matches!(account.state, AccountState::NoSuccess { .. });
            figures.gauge_of_account(&of::REFUSED, [name], is(is_refused));
            figures.gauge_of_account(&of::NO_SUCCESS, [name], is(is_failing));
            self.quota_figures(figures, &account, now);
        }
    }

    fn quota_figures(&self, figures: &mut Figures, account: &AccountHealth, now: Timestamp) {
        for quota in &account.quotas {
            let labels = [account.name.as_str(), &quota.operation];
            let used = self.pace.used(&account.name, &quota.operation);
            figures.counter_of_account(&of::REQUESTS, labels, used.sent as f64);
            figures.counter_of_account(&of::THROTTLED, labels, used.throttled as f64);
            if let Some(available) = quota.available {
                figures.gauge_of_account(&of::QUOTA_AVAILABLE, labels, f64::from(available));
            }
            if quota.refill_ms > 0 {
                figures.gauge_of_account(&of::QUOTA_RATE, labels, 1_000.0 / quota.refill_ms as f64);
            }
            let held = quota.held_until.map_or(0.0, |until| (seconds(until) - seconds(now)).max(0.0));
            figures.gauge_of_account(&of::HELD, labels, held);
        }
    }

    fn loop_figures(&self, figures: &mut Figures, now: Timestamp) {
        let statuses = self.board.statuses();
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (name, status) in &statuses {
            // Loops of single accounts count as one: the one that ended first says when.
            let name = name.split('/').next().unwrap_or(name);
            figures.sum(&of::LOOP_RUNS, &[name], status.rounds as f64);
            figures.sum(&of::LOOP_FAILURES, &[name], status.failed as f64);
            if let Some(at) = status.last_at {
                let known = last.entry(name).or_insert(at);
                *known = at.min(*known);
            }
        }
        last.into_iter().for_each(|(name, at)| figures.add(&of::LOOP_TIME, &[name], seconds(at)));
        if let Some(status) = statuses.get("reports").filter(|status| status.last_at.is_some()) {
            figures.add(&of::REPORT_OK, &[], f64::from(u8::from(status.is_ok)));
        }
        if let Some(next) = self.rooms().nightly.after(now) {
            figures.add(&of::REPORT_NEXT, &[], seconds(next));
        }
    }
}

fn store_figures(figures: &mut Figures, stats: &Stats) {
    figures.add(&of::OUTBOX_DEAD, &[], stats.outbox_dead as f64);
    figures.add(&of::JOURNAL_BYTES, &[], stats.journal_bytes as f64);
    figures.add(&of::INDEX_BYTES, &[], stats.index_bytes as f64);
    figures.add(&of::JOURNAL_ENTRIES, &[], stats.journal_sequence as f64);
    figures.add(&of::STORE_SYNCS, &[], stats.synced_groups as f64);
    figures.add(&of::STORE_BROKEN, &[], f64::from(u8::from(stats.broken.is_some())));
}

impl Figures {
    fn new(named: Option<BTreeSet<AccountName>>) -> Figures {
        Figures { samples: Vec::new(), named, sums: BTreeMap::new() }
    }

    fn add(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.samples.push(Sample { metric, labels, value: Value::Number(value) });
    }

    fn sum(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        self.sums.entry((metric.name, labels)).or_insert((metric, 0.0)).1 += value;
    }

    fn is_named(&self, account: &str) -> bool {
        self.named.as_ref().is_none_or(|named| named.iter().any(|name| name.as_str() == account))
    }

    /// A gauge whose first label is an account. Of accounts that are not named, it is left out: their sum would mean
    /// nothing.
    fn gauge_of_account<const N: usize>(&mut self, metric: &'static Metric, labels: [&str; N], value: f64) {
        if self.is_named(labels[0]) {
            self.add(metric, &labels, value);
        }
    }

    /// A gauge whose first label is an account, and which can be added up.
    fn number_of_account<const N: usize>(
        &mut self,
        metric: &'static Metric,
        mut labels: [&str; N],
        value: f64,
    ) {
        if !self.is_named(labels[0]) {
            labels[0] = REST;
        }
        self.sum(metric, &labels, value);
    }

    /// A counter whose first label is an account.
    fn counter_of_account<const N: usize>(
        &mut self,
        metric: &'static Metric,
        mut labels: [&str; N],
        value: f64,
    ) {
        if self.named.is_some() {
            labels[0] = ALL;
        }
        self.sum(metric, &labels, value);
    }

    fn finish(mut self) -> Vec<Sample> {
        let sums = std::mem::take(&mut self.sums);
        self.samples.extend(sums.into_iter().map(|((_, labels), (metric, sum))| Sample {
            metric,
            labels,
            value: Value::Number(sum),
        }));
        self.samples
    }
}

/// The accounts with the most unfinished objects, if there are too many to name all.
fn named(counts: &[Count], accounts: usize) -> Option<BTreeSet<AccountName>> {
    let mut open: BTreeMap<&AccountName, u64> = BTreeMap::new();
    for count in counts.iter().filter(|count| !count.finished) {
        *open.entry(&count.account).or_default() += count.number;
    }
    if accounts.max(open.len()) <= ACCOUNTS_NAMED {
        return None;
    }
    let mut by_number: Vec<(u64, &AccountName)> =
        open.into_iter().map(|(name, number)| (number, name)).collect();
    by_number.sort_by(|one, other| (other.0, one.1).cmp(&(one.0, other.1)));
    Some(by_number.into_iter().take(ACCOUNTS_NAMED).map(|(_, name)| name.clone()).collect())
}

fn objects(figures: &mut Figures, counts: &[Count]) {
    for count in counts.iter().filter(|count| !count.finished) {
        let phase = match (count.quarantined, &count.state, count.phase) {
            (true, ..) => "quarantined",
            (false, None, _) => "unseen",
            (false, Some(_), Phase::Moving) => "moving",
            (false, Some(_), _) => "resting",
        };
        let labels = [count.account.as_str(), count.kind.as_str(), phase];
        figures.number_of_account(&of::OBJECTS, labels, count.number as f64);
    }
}

fn polls(figures: &mut Figures, tallies: &BTreeMap<AccountName, Tally>) {
    let mut delays: BTreeMap<&Kind, Delays> = BTreeMap::new();
    for (account, tally) in tallies {
        let account = account.as_str();
        figures.counter_of_account(&of::POLLS, [account, "seen"], tally.seen as f64);
        for (class, number) in &tally.failures {
            figures.counter_of_account(&of::POLLS, [account, class], *number as f64);
        }
        figures.counter_of_account(&of::STATE_CHANGES, [account], tally.moved as f64);
        if let Some(at) = tally.last_round_at {
            figures.gauge_of_account(&of::LAST_ROUND, [account], seconds(at));
        }
        tally.delays.iter().for_each(|(kind, of_kind)| delays.entry(kind).or_default().merge(of_kind));
    }
    for (kind, delays) in delays {
        let bounds = BOUNDS_S.iter().map(|bound| f64::from(*bound)).chain([f64::INFINITY]);
        let buckets = bounds.zip(delays.within.into_iter().chain([delays.beyond])).collect();
        let value = Value::Distribution { sum: delays.sum.as_secs_f64(), buckets };
        figures.samples.push(Sample { metric: &of::DETECTION_DELAY, labels: vec![kind.to_string()], value });
    }
}

fn notifications(figures: &mut Figures, channels: &[ChannelView]) {
    for channel in channels {
        let (account, counts) = (channel.account.as_str(), &channel.counts);
        let by_result = [
            ("verified", counts.verified),
            ("unverified", counts.unverified),
            ("refused", counts.refused.values().sum()),
            ("duplicate", counts.duplicates),
            ("postponed", counts.postponed),
        ];
        for (result, number) in by_result {
            figures.counter_of_account(&of::NOTIFICATIONS, [account, result], number as f64);
        }
        if let Some(at) = counts.last_verified_at {
            figures.gauge_of_account(&of::NOTIFICATION_TIME, [account], seconds(at));
        }
        let is_silent = f64::from(u8::from(channel.health == Verdict::Silent));
        figures.gauge_of_account(&of::NOTIFICATIONS_SILENT, [account], is_silent);
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 2] = [Phase::Moving, Phase::Resting];

    fn counts(accounts: usize) -> Vec<Count> {
        let rows = (0..accounts).flat_map(|number| {
            PHASES.map(|phase| Count {
                account: format!("shop-{number}").parse().unwrap(),
                kind: "charge".parse().unwrap(),
                phase,
                state: Some("Open".to_owned()),
                quarantined: false,
                finished: false,
                number: u64::try_from(number).unwrap(),
            })
        });
        rows.collect()
    }

    fn tallies(accounts: usize) -> BTreeMap<AccountName, Tally> {
        let mut tally = Tally::default();
        (tally.polls, tally.seen, tally.failures) = (3, 2, [("timeout", 1)].into());
        (0..accounts).map(|number| (format!("shop-{number}").parse().unwrap(), tally.clone())).collect()
    }

    fn scrape(accounts: usize) -> String {
        let counts = counts(accounts);
        let mut figures = Figures::new(named(&counts, accounts));
        objects(&mut figures, &counts);
        polls(&mut figures, &tallies(accounts));
        metrics::text(figures.finish())
    }

    #[test]
    fn few_accounts_are_all_named() {
        let text = scrape(3);
        assert!(
            text.contains("reconciled_objects{account=\"shop-2\",kind=\"charge\",phase=\"moving\"} 2.0\n"),
            "{text}"
        );
        assert!(
            text.contains("reconciled_polls_total{account=\"shop-0\",result=\"timeout\"} 1.0\n"),
            "{text}"
        );
    }

    #[test]
    fn of_ten_thousand_accounts_the_largest_are_named_and_nothing_is_lost_from_the_sums() {
        let text = scrape(10_000);
        assert!(text.len() < 1_000_000, "{} bytes", text.len());
        let value = |series: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(series)).expect(series);
            line.trim().strip_suffix(".0").unwrap().parse().unwrap()
        };
        assert_eq!(
            value("reconciled_objects{account=\"shop-9999\",kind=\"charge\",phase=\"moving\"}"),
            9_999
        );
        assert!(!text.contains("shop-9899\""), "it is the first that is not named");
        let rest: u64 = (0..9_900).sum();
        assert_eq!(value("reconciled_objects{account=\"rest\",kind=\"charge\",phase=\"moving\"}"), rest);
        assert_eq!(value("reconciled_polls_total{account=\"all\",result=\"seen\"}"), 20_000);
        assert!(!text.contains("reconciled_polls_total{account=\"shop"), "a counter never changes its name");
    }
}
