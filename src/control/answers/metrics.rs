//! The answer to a scrape: what each room says about itself, as figures.
//!
//! Owns: which figure comes from where, and that their number is bounded. Must never know: the form of a scrape.
//!
//! Accounts are names that somebody else chose, and a platform has thousands. Above [`ACCOUNTS_NAMED_MAX`], gauges name
//! the accounts with the most objects. The rest share one line where that has a meaning: a sum, how many are in trouble,
//! or the worst of them; so rules see every account. Counters, and the rate that the quota allows, are summed over all
//! accounts: a counter that changed its name would look like a restart.

use std::collections::{BTreeMap, HashSet};

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
const ACCOUNTS_NAMED_MAX: usize = 100;
/// What stands in the place of an account's name in a sum over all accounts.
const ALL: &str = "all";
/// The same for the accounts that are not named.
const REST: &str = "rest";

/// The figures of one scrape.
struct Figures {
    samples: Vec<Sample>,
    /// The accounts that are named, unless all are.
    named: Option<HashSet<String>>,
    /// Gauges and counters that several accounts share, by metric and labels. Thousands of accounts may share one, so
    /// keys are built in one buffer (`key`).
    sums: BTreeMap<String, Sample>,
    key: String,
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
            figures.gauge_of_account(&of::BACKLOG, labels, backlog.round_s as f64, f64::max);
        }
        let tallies = self.reconcile.tallies();
        polls(&mut figures, &tallies);
        self.rounds(&mut figures, &tallies);
        self.account_figures(&mut figures, now);
        self.outbox_figures(&mut figures, now).await?;
        if self.notifications.is_on() {
            notifications(&mut figures, &self.notifications.views());
        }
        self.loop_figures(&mut figures, now);
        store_figures(&mut figures, &self.store.stats());
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

    /// When each account in force had nothing left to poll. One that is not named counts from the start of the process
    /// until then, so that it is not hidden by the others.
    fn rounds(&self, figures: &mut Figures, tallies: &BTreeMap<AccountName, Tally>) {
        let since = self.process.facts().since;
        for account in &self.rooms().accounts {
            let name = account.name.as_str();
            let last = tallies.get(&account.name).and_then(|tally| tally.last_round_at);
            if let Some(at) = last.or((!figures.is_named(name)).then_some(since)) {
                figures.gauge_of_account(&of::LAST_ROUND, [name], seconds(at), f64::min);
            }
        }
    }

    /// The messages of every target: those of alerts, and those of the receivers of events.
    async fn outbox_figures(&self, figures: &mut Figures, now: Timestamp) -> Answer<()> {
        let (rooms, counts) = (self.rooms(), self.store.outbox_counts("").await.map_err(storage)?);
        let mut dead: BTreeMap<&str, u64> = BTreeMap::new();
        for target in rooms.deliverer.targets() {
            figures.add(&of::OUTBOX, &[target], self.pending(target, now).await? as f64);
            dead.insert(target, 0);
        }
        for target in rooms.back_offices.iter().map(|office| office.target()) {
            figures.add(&of::OUTBOX, &[target], counts.get(target).map_or(0, |counts| counts.pending) as f64);
            dead.insert(target, 0);
        }
        // Also of targets that the configuration no longer names.
        for (target, counts) in counts.iter().filter(|(_, counts)| counts.pending > 0) {
            if !dead.contains_key(target.as_str()) {
                figures.add(&of::OUTBOX, &[target.as_str()], counts.pending as f64);
            }
        }
        dead.extend(
            counts
                .iter()
                .filter(|(_, counts)| counts.dead > 0)
                .map(|(target, counts)| (target.as_str(), counts.dead)),
        );
        dead.iter().for_each(|(target, dead)| figures.add(&of::OUTBOX_DEAD, &[target], *dead as f64));
        Ok(())
    }

    fn account_figures(&self, figures: &mut Figures, now: Timestamp) {
        for account in self.health().accounts {
            let name = account.name.as_str();
            let is = |state: bool| f64::from(u8::from(state));
            let is_refused = matches!(account.state, AccountState::Refused { .. });
            let is_failing = matches!(account.state, AccountState::NoSuccess { .. });
            figures.gauge_of_account(&of::REFUSED, [name], is(is_refused), add);
            figures.gauge_of_account(&of::NO_SUCCESS, [name], is(is_failing), add);
            self.quota_figures(figures, &account, now);
        }
    }

    fn quota_figures(&self, figures: &mut Figures, account: &AccountHealth, now: Timestamp) {
        for quota in &account.quotas {
            let labels = [account.name.as_str(), &quota.operation];
            let used = self.pace.used(&account.name, &quota.operation);
            figures.sum_of_accounts(&of::REQUESTS, labels, used.sent as f64);
            figures.sum_of_accounts(&of::THROTTLED, labels, used.throttled as f64);
            if let Some(available) = quota.available {
                figures.gauge_of_named(&of::QUOTA_AVAILABLE, labels, f64::from(available));
            }
            if quota.refill_ms > 0 {
                figures.sum_of_accounts(&of::QUOTA_RATE, labels, 1_000.0 / quota.refill_ms as f64);
            }
            let held = quota.held_until.map_or(0.0, |until| (seconds(until) - seconds(now)).max(0.0));
            figures.gauge_of_named(&of::HELD, labels, held);
        }
    }

    fn loop_figures(&self, figures: &mut Figures, now: Timestamp) {
        let statuses = self.board.statuses();
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (name, status) in &statuses {
            // Loops of single accounts count as one: the one that ended first says when.
            let name = name.split('/').next().unwrap_or(name);
            figures.join(&of::LOOP_RUNS, &[name], status.rounds as f64, add);
            figures.join(&of::LOOP_FAILURES, &[name], status.failed as f64, add);
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
    figures.add(&of::JOURNAL_BYTES, &[], stats.journal_bytes as f64);
    figures.add(&of::INDEX_BYTES, &[], stats.index_bytes as f64);
    figures.add(&of::JOURNAL_ENTRIES, &[], stats.journal_sequence as f64);
    figures.add(&of::STORE_SYNCS, &[], stats.synced_groups as f64);
    figures.add(&of::STORE_BROKEN, &[], f64::from(u8::from(stats.broken.is_some())));
}

impl Figures {
    fn new(named: Option<HashSet<String>>) -> Figures {
        Figures { samples: Vec::new(), named, sums: BTreeMap::new(), key: String::new() }
    }

    fn add(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.samples.push(Sample { metric, labels, value: Value::Number(value) });
    }

    /// Adds a figure to what is there already under these labels.
    fn join(&mut self, metric: &'static Metric, labels: &[&str], value: f64, join: fn(f64, f64) -> f64) {
        self.key.clear();
        for part in std::iter::once(&metric.name).chain(labels) {
            self.key.push_str(part);
            self.key.push('\0');
        }
        if let Some(Sample { value: Value::Number(known), .. }) = self.sums.get_mut(&self.key) {
            *known = join(*known, value);
            return;
        }
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.sums.insert(self.key.clone(), Sample { metric, labels, value: Value::Number(value) });
    }

    fn is_named(&self, account: &str) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(account))
    }

    /// A gauge whose first label is an account. `join` makes one figure of those of the accounts that are not named.
    fn gauge_of_account<const N: usize>(
        &mut self,
        metric: &'static Metric,
        mut labels: [&str; N],
        value: f64,
        join: fn(f64, f64) -> f64,
    ) {
        if !self.is_named(labels[0]) {
            labels[0] = REST;
        }
        self.join(metric, &labels, value, join);
    }

    /// A gauge whose first label is an account, and which is left out for the rest: one figure of several accounts would
    /// mean nothing.
    fn gauge_of_named<const N: usize>(&mut self, metric: &'static Metric, labels: [&str; N], value: f64) {
        if self.is_named(labels[0]) {
            self.add(metric, &labels, value);
        }
    }

    /// A figure whose first label is an account. It is summed over all accounts unless each has its own.
    fn sum_of_accounts<const N: usize>(
        &mut self,
        metric: &'static Metric,
        mut labels: [&str; N],
        value: f64,
    ) {
        if self.named.is_some() {
            labels[0] = ALL;
        }
        self.join(metric, &labels, value, add);
    }

    fn finish(mut self) -> Vec<Sample> {
        self.samples.extend(self.sums.into_values());
        self.samples
    }
}

fn add(one: f64, other: f64) -> f64 {
    one + other
}

/// The accounts with the most unfinished objects, if there are too many to name all.
fn named(counts: &[Count], accounts: usize) -> Option<HashSet<String>> {
    let mut open: BTreeMap<&AccountName, u64> = BTreeMap::new();
    for count in counts.iter().filter(|count| !count.finished) {
        *open.entry(&count.account).or_default() += count.number;
    }
    if accounts.max(open.len()) <= ACCOUNTS_NAMED_MAX {
        return None;
    }
    let mut by_number: Vec<(u64, &AccountName)> =
        open.into_iter().map(|(name, number)| (number, name)).collect();
    by_number.sort_by(|one, other| (other.0, one.1).cmp(&(one.0, other.1)));
    Some(by_number.into_iter().take(ACCOUNTS_NAMED_MAX).map(|(_, name)| name.to_string()).collect())
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
        figures.gauge_of_account(&of::OBJECTS, labels, count.number as f64, add);
    }
}

fn polls(figures: &mut Figures, tallies: &BTreeMap<AccountName, Tally>) {
    let mut delays: BTreeMap<&Kind, Delays> = BTreeMap::new();
    for (account, tally) in tallies {
        let account = account.as_str();
        figures.sum_of_accounts(&of::POLLS, [account, "seen"], tally.seen as f64);
        for (class, number) in &tally.failures {
            figures.sum_of_accounts(&of::POLLS, [account, class], *number as f64);
        }
        figures.sum_of_accounts(&of::STATE_CHANGES, [account], tally.moved as f64);
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
            figures.sum_of_accounts(&of::NOTIFICATIONS, [account, result], number as f64);
        }
        if let Some(at) = counts.last_verified_at {
            figures.gauge_of_named(&of::NOTIFICATION_TIME, [account], seconds(at));
        }
        let is_silent = f64::from(u8::from(channel.health == Verdict::Silent));
        figures.gauge_of_account(&of::NOTIFICATIONS_SILENT, [account], is_silent, add);
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::test_service::{Fixture, service_in, with_alerts};

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
        for number in 0..accounts {
            let name = format!("shop-{number}");
            let name = name.as_str();
            // Every hundredth account is refused.
            figures.gauge_of_account(&of::REFUSED, [name], f64::from(u8::from(number % 100 == 0)), add);
            figures.gauge_of_account(&of::BACKLOG, [name, "Get"], number as f64, f64::max);
            figures.gauge_of_account(&of::LAST_ROUND, [name], number as f64 + 7.0, f64::min);
            figures.gauge_of_named(&of::HELD, [name, "Get"], 0.0);
            figures.sum_of_accounts(&of::QUOTA_RATE, [name, "Get"], 0.5);
        }
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
        assert_eq!(value("reconciled_account_refused{account=\"rest\"}"), 99, "how many of the rest");
        assert_eq!(value("reconciled_account_refused{account=\"shop-9900\"}"), 1);
        assert_eq!(value("reconciled_backlog_round_seconds{account=\"rest\",operation=\"Get\"}"), 9_899);
        assert_eq!(value("reconciled_last_round_timestamp_seconds{account=\"rest\"}"), 7);
        assert!(!text.contains("reconciled_provider_hold_seconds{account=\"rest\""), "it would mean nothing");
        let rate = "reconciled_quota_requests_per_second{account=\"all\",operation=\"Get\"}";
        assert_eq!(value(rate), 5_000);
    }

    #[tokio::test]
    async fn what_waits_and_what_was_given_up_stands_under_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let (service, store) = service_in(folder.path(), Fixture::default()).await;
        with_alerts(&store).await;
        let text = service.metrics().await.unwrap();
        for line in [
            "reconciled_outbox_messages{target=\"chat\"} 1.0\n",
            "reconciled_outbox_dead{target=\"chat\"} 1.0\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("reconciled_last_round_timestamp_seconds{"), "no round has ended: {text}");
    }
}
