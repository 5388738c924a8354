//! Conditions of the machine and of the accounts that no room notices.
//!
//! Owns: when each begins and ends, and the texts. Must never know: how anything is measured or sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::control::messages::Backlog;
use crate::documents;
use crate::payments::age;
use crate::payments::alert::{Alert, AlertKind, Routes, Severity};
use crate::payments::object::{AccountName, Kind};
use crate::store::{OwedAlert, Store, StoreError};
use crate::task::{Board, Done, Round, Work};
use crate::time::later;

use super::Daemon;
use super::timekeeping::heard_by_any;

/// The name under which the conditions that last are stored.
const STORED_AT: &str = "health-conditions";
/// The prefix of the names under which several hosts store the conditions of accounts.
const OF_ACCOUNTS: &str = "health-conditions/account/";
/// The loop that makes the nightly reports.
const REPORTS: &str = "reports";
/// A condition of the load must last for this long before it counts.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// Objects that wait for longer than this for their poll are a backlog; it is over when none waits for longer than a
/// sixth of this.
const LONG_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// The disk is nearly full when less than this many times the space is free that the store needs to start.
const LOW_DISK_FACTOR: u64 = 4;

/// A condition that was found now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    kind: AlertKind,
    /// None when it concerns the machine.
    account: Option<AccountName>,
    /// What of the account.
    subject: String,
    severity: Severity,
    headline: String,
    explanation: String,
    advice: String,
}

impl Found {
    fn key(&self) -> String {
        let account = self.account.as_ref().map(|account| format!("{account}/")).unwrap_or_default();
        let subject = if self.subject.is_empty() { String::new() } else { format!("{}/", self.subject) };
        format!("{}/{account}{subject}", self.kind)
    }
}

/// A condition that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lasting {
    kind: AlertKind,
    account: Option<AccountName>,
    /// The account whose alerts it is raised with; another first account changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raised_for: Option<AccountName>,
    since: Timestamp,
    headline: String,
}

/// What was found, and what nobody could find out.
#[derive(Debug, Default)]
struct Findings {
    found: Vec<Found>,
    /// Of these kinds nothing is known now, so none of them is over.
    unknown: BTreeSet<AlertKind>,
}

/// What changes between two rounds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    begun: Vec<(String, Found)>,
    /// Found again.
    lasts: Vec<(String, Found)>,
    ended: Vec<(String, Lasting)>,
}

/// Which conditions begin, last and end. `seen` holds since when each that has not begun yet was found.
fn changes(
    lasting: &BTreeMap<String, Lasting>,
    seen: &mut BTreeMap<String, Timestamp>,
    findings: Findings,
    now: Timestamp,
) -> Changes {
    let Findings { found, unknown } = findings;
    let found: BTreeMap<String, Found> = found.into_iter().map(|one| (one.key(), one)).collect();
    let is_gone = |key: &String, one: &Lasting| !found.contains_key(key) && !unknown.contains(&one.kind);
    let gone = lasting.iter().filter(|(key, one)| is_gone(key, one));
    let ended = gone.map(|(key, one)| (key.clone(), one.clone())).collect();
    seen.retain(|key, _| found.contains_key(key));
    let (mut begun, mut lasts) = (Vec::new(), Vec::new());
    for (key, one) in found {
        if lasting.contains_key(&key) {
            lasts.push((key, one));
            continue;
        }
        // A clock that was set back must not delay the alert.
        let since = seen.entry(key.clone()).or_insert(now);
        *since = (*since).min(now);
        let is_load = matches!(one.kind, AlertKind::Backlog | AlertKind::QuotaTooSmall);
        if !is_load || later(*since, PATIENCE) <= now {
            seen.remove(&key);
            begun.push((key, one));
        }
    }
    Changes { begun, lasts, ended }
}

fn small_quota(backlog: &Backlog) -> Found {
    let kinds: Vec<&str> = backlog.kinds.iter().map(Kind::as_str).collect();
    let span = |seconds: u64| {
        let length = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        age(Timestamp::UNIX_EPOCH, later(Timestamp::UNIX_EPOCH, length))
    };
    let (interval, round) = (span(backlog.interval_s), span(backlog.round_s));
    let batch = if backlog.batch_would_help { "poll them by batch (poll.batch = \"auto\"), " } else { "" };
    Found {
        kind: AlertKind::QuotaTooSmall,
        account: Some(backlog.account.clone()),
        subject: backlog.operation.clone(),
        severity: Severity::Warning,
        headline: format!("The quota of account {} is too small for its watched objects", backlog.account),
        explanation: format!(
            "{} objects are moving ({}). Within the quota of {}, polling each once takes {round}; the configured \
             interval is {interval}. Declines are noticed late.",
            backlog.moving,
            kinds.join(", "),
            backlog.operation
        ),
        advice: format!(
            "`reconciled status` shows the numbers. Ask the provider for a larger quota, {batch}set `quota` to what \
             the provider grants, or accept the delay with a longer poll.interval."
        ),
    }
}

fn long_wait(account: &AccountName, since: Timestamp, now: Timestamp) -> Found {
    Found {
        kind: AlertKind::Backlog,
        account: Some(account.clone()),
        subject: String::new(),
        severity: Severity::Warning,
        headline: format!("Polls of account {account} are behind schedule"),
        explanation: format!(
            "The longest-waiting object has been due for {}. A decline would be noticed that much later.",
            age(since, now)
        ),
        advice: "`reconciled status` shows whether the provider answers and how much of the quota is left."
            .to_owned(),
    }
}

fn low_disk(free_bytes: u64, needed_bytes: u64) -> Found {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    Found {
        kind: AlertKind::DiskLow,
        account: None,
        subject: String::new(),
        severity: Severity::Critical,
        headline: format!("The store's disk is nearly full: {} MiB free", mib(free_bytes)),
        explanation: format!(
            "Once it is full, nothing can be recorded and polling stops. The daemon does not start with less than {} \
             MiB free (store.min_free_mib).",
            mib(needed_bytes)
        ),
        advice:
            "Free space on that volume, or enlarge it. `reconciled store compact` shrinks the store's index."
                .to_owned(),
    }
}

fn failed_report() -> Found {
    Found {
        kind: AlertKind::ReportFailed,
        account: None,
        subject: String::new(),
        severity: Severity::Warning,
        headline: "The nightly report failed".to_owned(),
        explanation: "The log says why. It is retried every five minutes, and no day is skipped.".to_owned(),
        advice: "See `journalctl -u reconciled`. Check the permissions and the free space of the report folder, then \
                 run `reconciled report`."
            .to_owned(),
    }
}

/// Checks the conditions every minute.
pub(super) struct Checking {
    /// For the answers that it gives to operators, too. A loop must not keep the daemon alive.
    pub(super) daemon: Weak<Daemon>,
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) routes: Routes,
    pub(super) board: Arc<Board>,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) pace: Arc<Pace>,
    pub(super) min_free_bytes: u64,
    /// Since when each condition that has not begun yet was found.
    pub(super) seen: Mutex<BTreeMap<String, Timestamp>>,
}

impl Checking {
    async fn found(
        &self,
        lasting: &BTreeMap<String, Lasting>,
        now: Timestamp,
    ) -> Result<Findings, StoreError> {
        let Findings { mut found, mut unknown } = Findings::default();
        match self.daemon.upgrade() {
            Some(daemon) => found.extend(daemon.service().overloads().await?.iter().map(small_quota)),
            None => drop(unknown.insert(AlertKind::QuotaTooSmall)),
        }
        for account in self.accounts.iter().filter(|account| self.pace.holds(&account.name)) {
            let mut oldest = None;
            for kind in account.api.kinds().iter().filter_map(|kind| Kind::new(*kind).ok()) {
                let due = self.store.next_due(&account.name, &kind).await?;
                oldest = [oldest, due].into_iter().flatten().min();
            }
            let Some(since) = oldest else { continue };
            let wait = long_wait(&account.name, since, now);
            let limit = if lasting.contains_key(&wait.key()) { LONG_WAIT / 6 } else { LONG_WAIT };
            found.extend((later(since, limit) < now).then_some(wait));
        }
        match self.store.free_bytes().await {
            Ok(free_bytes) => {
                let low = low_disk(free_bytes, self.min_free_bytes);
                let limit = self.min_free_bytes.saturating_mul(LOW_DISK_FACTOR);
                // A disk at the limit must not report its beginning and its end in turn.
                let limit = if lasting.contains_key(&low.key()) { limit + limit / 4 } else { limit };
                found.extend((free_bytes < limit).then_some(low));
            }
            Err(_) => drop(unknown.insert(AlertKind::DiskLow)),
        }
        // Before its first round, the loop has tried nothing.
        match self.board.statuses().remove(REPORTS).filter(|status| status.rounds > 0) {
            Some(status) => found.extend((!status.is_ok).then(failed_report)),
            None => drop(unknown.insert(AlertKind::ReportFailed)),
        }
        // The host that works on an account reports it.
        found.retain(|one| one.account.as_ref().is_none_or(|account| self.pace.holds(account)));
        Ok(Findings { found, unknown })
    }

    /// The lasting conditions of this machine and of the accounts that this host works on.
    async fn lasting(&self) -> Result<BTreeMap<String, Lasting>, StoreError> {
        let Some(fleet) = self.store.fleet() else {
            return Ok(documents::read_if_sound(&self.store, STORED_AT).await?.unwrap_or_default());
        };
        let own = format!("{STORED_AT}/host/{}", fleet.host());
        let mut lasting: BTreeMap<String, Lasting> =
            documents::read_if_sound(&self.store, &own).await?.unwrap_or_default();
        for (_, text) in self.store.recall_all(OF_ACCOUNTS).await? {
            let of_account: BTreeMap<String, Lasting> = serde_json::from_str(&text).unwrap_or_default();
            let is_here =
                |one: &Lasting| one.account.as_ref().is_some_and(|account| self.pace.holds(account));
            lasting.extend(of_account.into_iter().filter(|(_, one)| is_here(one)));
        }
        Ok(lasting)
    }

    async fn round(&self) -> Result<String, StoreError> {
        let now = self.clock.now();
        let mut lasting = self.lasting().await?;
        let before = lasting.clone();
        let found = self.found(&lasting, now).await?;
        let changes = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            changes(&lasting, &mut seen, found, now)
        };
        // What begins is stored first: an alert has its key from there, so that after a failure it is raised once.
        for (key, one) in &changes.begun {
            tracing::warn!("{}: {}", one.headline, one.explanation);
            let (kind, account, headline) = (one.kind.clone(), one.account.clone(), one.headline.clone());
            let first = self.accounts_of(account.as_ref()).next().map(|account| account.name.clone());
            let begun = Lasting { kind, account, raised_for: first, since: now, headline };
            lasting.insert(key.clone(), begun);
        }
        if !changes.begun.is_empty() {
            self.keep(&before, &lasting).await?;
        }
        for (key, one) in changes.begun.into_iter().chain(changes.lasts) {
            let Some(begun) = lasting.get(&key) else { continue };
            let (headline, explanation, advice) = (one.headline, one.explanation, one.advice);
            let alert = |alert| Alert { headline, explanation, advice, ..alert };
            self.raise(begun, &format!("{key}{}", begun.since), one.severity, now, alert).await?;
        }
        let has_ended = !changes.ended.is_empty();
        for (key, ended) in changes.ended {
            let text = format!("It began at {}.", ended.since);
            let (headline, advice) = (format!("Resolved: {}", ended.headline), "Nothing to do.".to_owned());
            let alert = |alert| Alert { headline, explanation: text, advice, ..alert };
            let key_of_end = format!("{key}{}/ended", ended.since);
            self.raise(&ended, &key_of_end, Severity::Info, now, alert).await?;
            lasting.remove(&key);
        }
        if has_ended {
            self.keep(&before, &lasting).await?;
        }
        Ok(crate::text::count(lasting.len(), "condition"))
    }

    /// Stores the lasting conditions. If hosts share the store, each host stores those of its own machine separately.
    /// Those of an account are stored under the account's name, so that they move with it.
    async fn keep(
        &self,
        before: &BTreeMap<String, Lasting>,
        lasting: &BTreeMap<String, Lasting>,
    ) -> Result<(), StoreError> {
        let Some(fleet) = self.store.fleet() else {
            return self.write(STORED_AT, lasting.iter().collect()).await;
        };
        let of = |account: Option<&AccountName>| {
            lasting.iter().filter(move |(_, one)| one.account.as_ref() == account).collect()
        };
        self.write(&format!("{STORED_AT}/host/{}", fleet.host()), of(None)).await?;
        let accounts: BTreeSet<&AccountName> =
            before.values().chain(lasting.values()).filter_map(|one| one.account.as_ref()).collect();
        for account in accounts {
            self.write(&format!("{OF_ACCOUNTS}{account}"), of(Some(account))).await?;
        }
        Ok(())
    }

    async fn write(&self, name: &str, lasting: BTreeMap<&String, &Lasting>) -> Result<(), StoreError> {
        let Ok(text) = serde_json::to_string(&lasting) else { return Ok(()) };
        self.store.remember(name, &text).await
    }

    /// The account that a condition is about; of the machine, all.
    fn accounts_of<'a>(&'a self, about: Option<&'a AccountName>) -> impl Iterator<Item = &'a Arc<Account>> {
        self.accounts.iter().filter(move |account| about.is_none_or(|name| *name == account.name))
    }

    /// Raises an alert, unless it was raised before, for the targets that receive alerts about the account; about the
    /// machine, for those of any account.
    async fn raise(
        &self,
        about: &Lasting,
        key: &str,
        severity: Severity,
        now: Timestamp,
        words: impl FnOnce(Alert) -> Alert,
    ) -> Result<(), StoreError> {
        let accounts = self.accounts_of(about.account.as_ref());
        let accounts: Vec<(AccountName, bool)> =
            accounts.map(|account| (account.name.clone(), account.is_sandbox)).collect();
        let Some((first, _)) = accounts.first() else { return Ok(()) };
        let alert =
            Alert::new(about.kind.clone(), "", severity, about.raised_for.as_ref().unwrap_or(first), now);
        let where_to_look = "reconciled status".to_owned();
        let alert = Alert { key: key.to_owned(), where_to_look, ..words(alert) };
        let targets = heard_by_any(&self.routes, &accounts, &alert);
        self.store.raise(vec![OwedAlert { alert, targets }]).await.map(drop)
    }
}

impl Work for Checking {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let summary = self.round().await.map_err(|error| error.to_string())?;
            Ok(Done { summary, again_in: None })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn load_needs_patience_a_full_disk_does_not_and_each_begins_and_ends_once() {
        let shop: AccountName = "shop".parse().unwrap();
        let (wait, disk) = (|| long_wait(&shop, at(-90), at(0)), || low_disk(9, 9));
        let (mut lasting, mut seen) = (BTreeMap::new(), BTreeMap::new());
        let mut round = |found: Vec<Found>, minute: i64| {
            let findings = Findings { found, unknown: BTreeSet::new() };
            let changes = changes(&lasting, &mut seen, findings, at(minute));
            for (key, one) in &changes.begun {
                let (kind, headline) = (one.kind.clone(), one.headline.clone());
                let begun = Lasting {
                    kind,
                    account: one.account.clone(),
                    raised_for: None,
                    since: at(minute),
                    headline,
                };
                lasting.insert(key.clone(), begun);
            }
            changes.ended.iter().for_each(|(key, _)| drop(lasting.remove(key)));
            let begun: Vec<String> = changes.begun.into_iter().map(|(key, _)| key).collect();
            let ended: Vec<String> = changes.ended.into_iter().map(|(key, _)| key).collect();
            (begun.join(" "), ended.join(" "))
        };
        let nothing = || (String::new(), String::new());
        assert_eq!(round(vec![wait(), disk()], 0), ("disk-low/".to_owned(), String::new()));
        assert_eq!(round(vec![wait(), disk()], 14), nothing());
        assert_eq!(round(vec![disk()], 15), nothing(), "it was over meanwhile");
        assert_eq!(round(vec![wait(), disk()], 16), nothing());
        assert_eq!(round(vec![wait()], 31), ("backlog/shop/".to_owned(), "disk-low/".to_owned()));
        assert_eq!(round(vec![wait()], 99), nothing());
        assert_eq!(round(vec![], 100), (String::new(), "backlog/shop/".to_owned()));
        assert_eq!(round(vec![], 101), nothing());
    }

    #[test]
    fn what_nobody_could_find_out_is_not_over() {
        let disk = low_disk(9, 9);
        let (kind, headline) = (disk.kind.clone(), disk.headline.clone());
        let begun = Lasting { kind, account: None, raised_for: None, since: at(0), headline };
        let lasting = BTreeMap::from([(disk.key(), begun)]);
        let round = |unknown: &[AlertKind]| {
            let findings = Findings { found: Vec::new(), unknown: unknown.iter().cloned().collect() };
            changes(&lasting, &mut BTreeMap::new(), findings, at(1)).ended.len()
        };
        assert_eq!(round(&[AlertKind::DiskLow]), 0);
        assert_eq!(round(&[AlertKind::ReportFailed]), 1);
    }

    #[test]
    fn the_texts_say_how_much_and_name_what_helps() {
        let backlog = Backlog {
            account: "shop".parse().unwrap(),
            operation: "GetCharge".to_owned(),
            kinds: vec!["charge".parse().unwrap()],
            moving: 50_000,
            interval_s: 3_600,
            round_s: 100_000,
            batch_would_help: false,
        };
        let found = small_quota(&backlog);
        assert!(
            found.explanation.contains("takes 1d 3h; the configured interval is 1h 0m"),
            "{}",
            found.explanation
        );
        assert_eq!(found.key(), "quota-too-small/shop/GetCharge/");
        let low = low_disk(200 * 1024 * 1024, 64 * 1024 * 1024);
        assert!(low.headline.contains("200 MiB") && low.explanation.contains("64 MiB"), "{low:?}");
    }
}
