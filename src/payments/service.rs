//! A provider's reported health, and what follows from it: poll less often, and conclude nothing from silence.
//! Pure. Never says anything about money.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Severity};
use super::object::AccountName;
use super::schedule::{Policy, later};

/// Between two status requests while all is well.
const ASK_EVERY: Duration = Duration::from_secs(15 * 60);
/// Between two status requests during trouble, or when polls fail: as often as the provider's quota allows.
const ASK_SOONER: Duration = Duration::from_secs(5 * 60);
/// After this many polls in a row without an answer, the status is requested sooner.
pub const SILENT_POLLS: u32 = 3;
/// A report older than this no longer counts: an old report must not mute alerts.
const LASTS: Duration = Duration::from_secs(60 * 60);
/// Between two polls of an account whose provider reports that it is unavailable.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);
/// The longest interval that trouble at the provider can cause.
const WIDEST: Duration = Duration::from_secs(6 * 60 * 60);

/// What a provider's report about itself means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Normal polling.
    Normal,
    /// Normal polling; the message is worth reading.
    NormalWithInformation,
    /// A report that the manual does not list: treated as no report, but somebody should check it.
    Unknown,
    /// Poll less often, and conclude nothing from silence.
    Degraded,
    /// Poll as little as possible until the provider reports otherwise.
    Unavailable,
}

impl Health {
    /// Whether silence and overdue objects say nothing about our own work.
    pub fn mutes_staleness(self) -> bool {
        matches!(self, Health::Degraded | Health::Unavailable)
    }

    /// The factor for all intervals.
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
pub struct Said {
    /// Its own word, letter for letter.
    pub word: String,
    /// What that means.
    pub health: Health,
    /// Its message, on one line.
    pub message: Option<String>,
}

/// The known health of an account's provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The last report.
    pub said: Option<Said>,
    /// When the provider first reported this word.
    pub since: Option<Timestamp>,
    /// When the last report came.
    pub heard_at: Option<Timestamp>,
    /// When the last request was sent, answered or not.
    pub asked_at: Option<Timestamp>,
    /// When to send the next request.
    pub next_at: Timestamp,
}

/// A change that is worth an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The provider reports trouble, or more trouble than before.
    Worse,
    /// The provider reports that it is well again.
    Better,
}

impl Service {
    /// Nothing is known yet, so the first request is due at once.
    pub fn unknown(now: Timestamp) -> Service {
        Service { said: None, since: None, heard_at: None, asked_at: None, next_at: now }
    }

    /// How long to wait for the next request. Zero when it is due, or when a clock that was ahead set its time.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let wait = Duration::try_from(self.next_at.duration_since(now)).unwrap_or_default();
        if wait > ASK_EVERY { Duration::ZERO } else { wait }
    }

    /// The health that counts now. A report dated in the future came from a clock that was ahead, and does not
    /// count.
    pub fn health(&self, now: Timestamp) -> Health {
        let is_fresh = self
            .heard_at
            .is_some_and(|heard_at| now < later(heard_at, LASTS) && heard_at <= later(now, ASK_SOONER));
        match &self.said {
            Some(said) if is_fresh => said.health,
            _ => Health::Normal,
        }
    }

    /// A report came.
    #[must_use]
    pub fn heard(&self, said: Said, now: Timestamp) -> (Service, Option<Turn>) {
        let (before, after) = (self.health(now), said.health);
        let is_same = self.said.as_ref().is_some_and(|known| known.word == said.word);
        let turn = match (before.mutes_staleness(), after.mutes_staleness()) {
            (false, true) => Some(Turn::Worse),
            (true, true) if after > before => Some(Turn::Worse),
            (true, false) => Some(Turn::Better),
            _ => None,
        };
        let wait = if after.mutes_staleness() { ASK_SOONER } else { ASK_EVERY };
        let service = Service {
            since: self.since.filter(|_| is_same).or(Some(now)),
            said: Some(said),
            heard_at: Some(now),
            asked_at: Some(now),
            next_at: later(now, wait),
        };
        (service, turn)
    }

    /// No answer came. That says nothing, so the last report stays until it expires.
    #[must_use]
    pub fn missed(&self, now: Timestamp) -> Service {
        Service { asked_at: Some(now), next_at: later(now, ASK_SOONER), ..self.clone() }
    }

    /// Polls fail: request the status as soon as the quota allows.
    #[must_use]
    pub fn doubted(&self, now: Timestamp) -> Service {
        let soonest = self.asked_at.map_or(now, |asked_at| later(asked_at, ASK_SOONER));
        Service { next_at: self.next_at.min(soonest), ..self.clone() }
    }
}

/// The polling policy for a provider with this health.
pub fn steered(policy: Policy, health: Health) -> Policy {
    if !health.mutes_staleness() {
        return policy;
    }
    let widened = |wait: Duration| wait.saturating_mul(health.widens_by()).min(WIDEST.max(wait));
    Policy {
        interval: widened(policy.interval),
        early: Vec::new(),
        quarantine_interval: widened(policy.quarantine_interval),
        backoff_first: widened(policy.backoff_first),
        backoff_longest: widened(policy.backoff_longest),
        mutes_overdue: true,
        ..policy
    }
}

/// The alert for a change.
pub fn notice(
    account: &AccountName,
    service: &Service,
    turn: Turn,
    look: &str,
    now: Timestamp,
) -> Option<Alert> {
    let said = service.said.as_ref()?;
    let since = service.since.unwrap_or(now);
    let says = said.message.as_deref().unwrap_or("it gives no reason");
    let (severity, headline, explanation, advice) = match turn {
        Turn::Worse => (
            Severity::Warning,
            format!("The provider of account {account} says that it is {}", said.word),
            format!(
                "It says: {says}. Meanwhile its objects are polled less often, and none is reported as overdue."
            ),
            "Nothing to do, but declines may be noticed later than usual. Nothing about money is concluded from it.",
        ),
        Turn::Better => (
            Severity::Info,
            format!("The provider of account {account} says that it is {} again", said.word),
            "Its objects are polled as usual, and overdue ones are reported again.".to_owned(),
            "Nothing to do.",
        ),
    };
    Some(Alert {
        key: format!("service-status/{account}/{:?}/{since}", said.health),
        kind: "service-status".to_owned(),
        severity,
        account: account.clone(),
        object: None,
        merchant_reference: None,
        amount: None,
        amounts: Default::default(),
        state: Some(said.word.clone()),
        reason: None,
        headline,
        explanation,
        advice: advice.to_owned(),
        look: look.to_owned(),
        occurred_at: since,
        found_at: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn said(health: Health) -> Said {
        Said { word: format!("{health:?}"), health, message: None }
    }

    #[test]
    fn dates_from_a_clock_that_was_ahead_neither_delay_nor_count() {
        let ahead = Service::unknown(at(9 * 60)).heard(said(Health::Unavailable), at(9 * 60)).0;
        assert_eq!((ahead.wait(at(0)), ahead.health(at(0))), (Duration::ZERO, Health::Normal));
        let right = Service::unknown(at(0)).heard(said(Health::Unavailable), at(0)).0;
        assert_eq!((right.wait(at(1)), right.health(at(1))), (Duration::from_secs(240), Health::Unavailable));
        assert_eq!(right.wait(at(5)), Duration::ZERO);
    }

    #[test]
    fn an_alert_is_sent_when_trouble_begins_grows_and_ends() {
        let check = |before: Health, after: Health, expected: Option<Turn>| {
            let (service, _) = Service::unknown(at(0)).heard(said(before), at(0));
            assert_eq!(service.heard(said(after), at(15)).1, expected, "{before:?} then {after:?}");
        };
        check(Health::Normal, Health::Degraded, Some(Turn::Worse));
        check(Health::Degraded, Health::Unavailable, Some(Turn::Worse));
        check(Health::Unavailable, Health::Degraded, None);
        check(Health::Degraded, Health::Normal, Some(Turn::Better));
        check(Health::Unavailable, Health::NormalWithInformation, Some(Turn::Better));
        check(Health::Normal, Health::NormalWithInformation, None);
        check(Health::Normal, Health::Unknown, None);
        check(Health::Degraded, Health::Degraded, None);
        assert_eq!(Service::unknown(at(0)).heard(said(Health::Unavailable), at(0)).1, Some(Turn::Worse));
    }

    #[test]
    fn the_status_is_requested_sooner_in_trouble_but_never_above_the_quota() {
        let start = Service::unknown(at(0));
        assert_eq!(start.next_at, at(0));
        let (well, _) = start.heard(said(Health::Normal), at(0));
        assert_eq!(well.next_at, at(15));
        assert_eq!((well.doubted(at(1)).next_at, well.doubted(at(9)).next_at), (at(5), at(5)));
        assert_eq!(well.missed(at(15)).next_at, at(20));
        let (ill, _) = well.heard(said(Health::Degraded), at(15));
        assert_eq!((ill.next_at, ill.since), (at(20), Some(at(15))));
        assert_eq!(ill.heard(said(Health::Degraded), at(20)).0.since, Some(at(15)));
    }

    #[test]
    fn a_report_that_is_not_repeated_expires() {
        let (ill, _) = Service::unknown(at(0)).heard(said(Health::Unavailable), at(0));
        let silent = ill.missed(at(5)).missed(at(10));
        assert_eq!(silent.health(at(59)), Health::Unavailable);
        assert_eq!(silent.health(at(60)), Health::Normal);
        assert_eq!(Service::unknown(at(0)).health(at(0)), Health::Normal);
    }

    #[test]
    fn trouble_widens_the_intervals_and_mutes_overdue_and_nothing_else_does() {
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
    fn the_alerts_explain_the_consequences() {
        let account: AccountName = "shop".parse().unwrap();
        let yellow =
            Said { word: "YELLOW".to_owned(), health: Health::Degraded, message: Some("slow".to_owned()) };
        let (service, turn) = Service::unknown(at(0)).heard(yellow, at(0));
        let alert = notice(&account, &service, turn.unwrap(), "https://look", at(0)).unwrap();
        assert!(alert.explanation.contains("slow") && alert.headline.contains("YELLOW"), "{alert:?}");
        assert_eq!((alert.kind.as_str(), alert.severity), ("service-status", Severity::Warning));
        let (service, turn) = service.heard(said(Health::Normal), at(5));
        let alert = notice(&account, &service, turn.unwrap(), "https://look", at(5)).unwrap();
        assert_eq!(alert.severity, Severity::Info);
        assert_eq!(notice(&account, &Service::unknown(at(0)), Turn::Better, "", at(0)), None);
    }
}
