//! What a provider reports about its own health, and what follows: poll less often, conclude nothing from silence.
//! Pure. It never says anything about money.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, AlertKind, Severity};
use super::object::AccountName;
use super::schedule::Policy;
use crate::time::{between, later};

/// Between two polls of the provider's health while it is well.
const POLL_EVERY: Duration = Duration::from_secs(15 * 60);
/// Between two such polls while it is not, or when objects get no answer: what the provider's quota allows.
const POLL_SOONER: Duration = Duration::from_secs(5 * 60);
/// This many polls in a row without an answer are a reason to poll its health sooner.
pub const SILENT_POLLS: u32 = 3;
/// A report that is older than this no longer counts: an old report must not mute silence.
const LASTS: Duration = Duration::from_secs(60 * 60);
/// Between two polls of an account whose provider says that it is unavailable.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);
/// The longest interval that a provider's trouble makes.
const WIDEST: Duration = Duration::from_secs(6 * 60 * 60);

/// What a provider's report about itself means for polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// The normal rate.
    Normal,
    /// The normal rate; its message is worth reading.
    NormalWithInformation,
    /// A word that the manual does not list: as if there were no report, but somebody should check it.
    Unknown,
    /// Poll less often, and conclude nothing from silence.
    Degraded,
    /// Send probes only, until it reports otherwise.
    Unavailable,
}

impl Health {
    /// Whether silence and staleness say nothing about our own work.
    pub fn mutes_staleness(self) -> bool {
        matches!(self, Health::Degraded | Health::Unavailable)
    }

    /// How many times as long the intervals are.
    fn widens_by(self) -> u32 {
        match self {
            Health::Normal | Health::NormalWithInformation | Health::Unknown => 1,
            Health::Degraded => 2,
            Health::Unavailable => 4,
        }
    }
}

/// What a provider reported about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its own word, letter for letter.
    pub word: String,
    /// What that means.
    pub health: Health,
    /// Its message, on one line.
    pub message: Option<String>,
}

/// What is known about the health of an account's provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderHealth {
    /// The last report.
    #[serde(rename = "said")]
    pub report: Option<ServiceReport>,
    /// Since when it reports this word.
    pub since: Option<Timestamp>,
    /// When that was.
    #[serde(rename = "heard_at")]
    pub reported_at: Option<Timestamp>,
    /// When the provider was last polled for it, answered or not.
    #[serde(rename = "asked_at")]
    pub polled_at: Option<Timestamp>,
    /// When to poll next.
    pub next_at: Timestamp,
}

/// A change that is worth a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthChange {
    /// It reports trouble, or more trouble than before.
    Worse,
    /// It reports that it is well again.
    Better,
}

impl ProviderHealth {
    /// Nothing is known: it is polled at once.
    pub fn unknown(now: Timestamp) -> ProviderHealth {
        ProviderHealth { report: None, since: None, reported_at: None, polled_at: None, next_at: now }
    }

    /// How long until the next poll; zero when it is due, or when the due time was set by a clock that was ahead.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let wait = between(now, self.next_at);
        if wait > POLL_EVERY { Duration::ZERO } else { wait }
    }

    /// The health that counts now. A report dated in the future came under a clock that was ahead, and does not count.
    pub fn health(&self, now: Timestamp) -> Health {
        let is_fresh = self.reported_at.is_some_and(|reported_at| {
            now < later(reported_at, LASTS) && reported_at <= later(now, POLL_SOONER)
        });
        match &self.report {
            Some(report) if is_fresh => report.health,
            _ => Health::Normal,
        }
    }

    /// The provider answered. The new state, and the change that is worth a message: against the last report, however
    /// old it is.
    #[must_use]
    pub fn reported(&self, report: ServiceReport, now: Timestamp) -> (ProviderHealth, Option<HealthChange>) {
        let before = self.report.as_ref().map_or(Health::Normal, |known| known.health);
        let after = report.health;
        let is_same = self.report.as_ref().is_some_and(|known| known.word == report.word);
        let change = match (before.mutes_staleness(), after.mutes_staleness()) {
            (false, true) => Some(HealthChange::Worse),
            (true, true) if after > before => Some(HealthChange::Worse),
            (true, false) => Some(HealthChange::Better),
            _ => None,
        };
        let wait = if after.mutes_staleness() { POLL_SOONER } else { POLL_EVERY };
        let health = ProviderHealth {
            since: self.since.filter(|_| is_same).or(Some(now)),
            report: Some(report),
            reported_at: Some(now),
            polled_at: Some(now),
            next_at: later(now, wait),
        };
        (health, change)
    }

    /// It did not answer, which says nothing: the last report counts as long as before.
    #[must_use]
    pub fn unanswered(&self, now: Timestamp) -> ProviderHealth {
        ProviderHealth { polled_at: Some(now), next_at: later(now, POLL_SOONER), ..self.clone() }
    }

    /// Polls of objects fail: its health is polled as soon as its quota allows.
    #[must_use]
    pub fn polled_sooner(&self, now: Timestamp) -> ProviderHealth {
        let soonest = self.polled_at.map_or(now, |polled_at| later(polled_at, POLL_SOONER));
        ProviderHealth { next_at: self.next_at.min(soonest), ..self.clone() }
    }
}

/// How an account's kind is polled while its provider is in this health.
pub fn steered(policy: Policy, health: Health) -> Policy {
    if !health.mutes_staleness() {
        return policy;
    }
    let widened = |wait: Duration| wait.saturating_mul(health.widens_by()).min(WIDEST.max(wait));
    Policy {
        interval: widened(policy.interval),
        first_polls: Vec::new(),
        quarantine_interval: widened(policy.quarantine_interval),
        backoff_first: widened(policy.backoff_first),
        backoff_longest: widened(policy.backoff_longest),
        mutes_overdue: true,
        plans: None,
        ..policy
    }
}

/// The alert about a change.
pub fn notice(
    account: &AccountName,
    health: &ProviderHealth,
    change: HealthChange,
    where_to_look: &str,
    now: Timestamp,
) -> Option<Alert> {
    let report = health.report.as_ref()?;
    let since = health.since.unwrap_or(now);
    let says = report.message.as_deref().unwrap_or("it gives no reason");
    let (severity, headline, explanation, advice) = match change {
        HealthChange::Worse => (
            Severity::Warning,
            format!("The provider of account {account} reports its status as {}", report.word),
            format!(
                "It says: {says}. Meanwhile this account's objects are polled less often, and none is reported as overdue."
            ),
            "Nothing to do, but declines may be noticed later than usual. Nothing about money is concluded from this status.",
        ),
        HealthChange::Better => (
            Severity::Info,
            format!("The provider of account {account} reports its status as {} again", report.word),
            "This account's objects are polled as usual, and overdue ones are reported again.".to_owned(),
            "Nothing to do.",
        ),
    };
    let occasion = format!("{account}/{:?}/{since}", report.health);
    Some(Alert {
        state: Some(report.word.clone()),
        headline,
        explanation,
        advice: advice.to_owned(),
        where_to_look: where_to_look.to_owned(),
        occurred_at: since,
        ..Alert::new(AlertKind::ServiceStatus, &occasion, severity, account, now)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn said(health: Health) -> ServiceReport {
        ServiceReport { word: format!("{health:?}"), health, message: None }
    }

    #[test]
    fn what_earlier_versions_stored_stays_readable_and_keeps_its_shape() {
        let stored = r#"{"said":{"word":"YELLOW","health":"degraded","message":null},"since":"2027-01-15T06:00:00Z","heard_at":"2027-01-15T06:05:00Z","asked_at":"2027-01-15T06:05:00Z","next_at":"2027-01-15T06:10:00Z"}"#;
        let read: ProviderHealth = serde_json::from_str(stored).unwrap();
        assert_eq!(read.report.as_ref().map(|report| report.health), Some(Health::Degraded));
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }

    #[test]
    fn what_was_dated_by_a_clock_that_was_ahead_neither_waits_nor_steers() {
        let ahead = ProviderHealth::unknown(at(9 * 60)).reported(said(Health::Unavailable), at(9 * 60)).0;
        assert_eq!((ahead.wait(at(0)), ahead.health(at(0))), (Duration::ZERO, Health::Normal));
        let right = ProviderHealth::unknown(at(0)).reported(said(Health::Unavailable), at(0)).0;
        assert_eq!((right.wait(at(1)), right.health(at(1))), (Duration::from_secs(240), Health::Unavailable));
        assert_eq!(right.wait(at(5)), Duration::ZERO);
    }

    #[test]
    fn a_turn_is_told_when_trouble_begins_grows_and_ends() {
        let check = |before: Health, after: Health, expected: Option<HealthChange>| {
            let (health, _) = ProviderHealth::unknown(at(0)).reported(said(before), at(0));
            assert_eq!(health.reported(said(after), at(15)).1, expected, "{before:?} then {after:?}");
        };
        check(Health::Normal, Health::Degraded, Some(HealthChange::Worse));
        check(Health::Degraded, Health::Unavailable, Some(HealthChange::Worse));
        check(Health::Unavailable, Health::Degraded, None);
        check(Health::Degraded, Health::Normal, Some(HealthChange::Better));
        check(Health::Unavailable, Health::NormalWithInformation, Some(HealthChange::Better));
        check(Health::Normal, Health::NormalWithInformation, None);
        check(Health::Normal, Health::Unknown, None);
        check(Health::Degraded, Health::Degraded, None);
        assert_eq!(
            ProviderHealth::unknown(at(0)).reported(said(Health::Unavailable), at(0)).1,
            Some(HealthChange::Worse)
        );
    }

    #[test]
    fn trouble_ends_once_however_long_ago_it_was_reported_last() {
        let (ill, _) = ProviderHealth::unknown(at(0)).reported(said(Health::Unavailable), at(0));
        let silent = ill.unanswered(at(50)).unanswered(at(120));
        assert_eq!(silent.reported(said(Health::Unavailable), at(200)).1, None, "it was reported before");
        let (well, change) = silent.reported(said(Health::Normal), at(200));
        assert_eq!((change, well.since), (Some(HealthChange::Better), Some(at(200))));
        assert_eq!(well.reported(said(Health::Normal), at(215)).1, None);
    }

    #[test]
    fn it_is_asked_rarely_and_sooner_in_trouble_but_never_above_its_quota() {
        let start = ProviderHealth::unknown(at(0));
        assert_eq!(start.next_at, at(0));
        let (well, _) = start.reported(said(Health::Normal), at(0));
        assert_eq!(well.next_at, at(15));
        assert_eq!((well.polled_sooner(at(1)).next_at, well.polled_sooner(at(9)).next_at), (at(5), at(5)));
        assert_eq!(well.unanswered(at(15)).next_at, at(20));
        let (ill, _) = well.reported(said(Health::Degraded), at(15));
        assert_eq!((ill.next_at, ill.since), (at(20), Some(at(15))));
        assert_eq!(ill.reported(said(Health::Degraded), at(20)).0.since, Some(at(15)));
    }

    #[test]
    fn a_word_that_is_not_repeated_loses_its_force() {
        let (ill, _) = ProviderHealth::unknown(at(0)).reported(said(Health::Unavailable), at(0));
        let silent = ill.unanswered(at(5)).unanswered(at(10));
        assert_eq!(silent.health(at(59)), Health::Unavailable);
        assert_eq!(silent.health(at(60)), Health::Normal);
        assert_eq!(ProviderHealth::unknown(at(0)).health(at(0)), Health::Normal);
    }

    #[test]
    fn trouble_widens_and_mutes_and_everything_else_changes_nothing() {
        let policy = Policy::default();
        for health in [Health::Normal, Health::NormalWithInformation, Health::Unknown] {
            assert_eq!(steered(policy.clone(), health), policy);
        }
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let yellow = steered(policy.clone(), Health::Degraded);
        assert_eq!((yellow.interval, yellow.mutes_overdue), (hours(2), true));
        let red = steered(policy.clone(), Health::Unavailable);
        assert_eq!((red.interval, red.backoff_first), (hours(4), Duration::from_secs(240)));
        assert_eq!(red.resting_interval, policy.resting_interval);
        let rare = Policy { interval: hours(24), ..policy };
        assert_eq!(steered(rare, Health::Unavailable).interval, hours(24), "never more often than wished");
    }

    #[test]
    fn the_messages_say_what_it_means() {
        let account: AccountName = "shop".parse().unwrap();
        let yellow = ServiceReport {
            word: "YELLOW".to_owned(),
            health: Health::Degraded,
            message: Some("slow".to_owned()),
        };
        let (health, change) = ProviderHealth::unknown(at(0)).reported(yellow, at(0));
        let alert = notice(&account, &health, change.unwrap(), "https://look", at(0)).unwrap();
        assert!(alert.explanation.contains("slow") && alert.headline.contains("YELLOW"), "{alert:?}");
        assert_eq!((alert.kind.as_str(), alert.severity), ("service-status", Severity::Warning));
        let (health, change) = health.reported(said(Health::Normal), at(5));
        let alert = notice(&account, &health, change.unwrap(), "https://look", at(5)).unwrap();
        assert_eq!(alert.severity, Severity::Info);
        assert_eq!(notice(&account, &ProviderHealth::unknown(at(0)), HealthChange::Better, "", at(0)), None);
    }
}
