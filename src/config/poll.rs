//! The polling policy: defaults for everything, for a kind, for an account, for a kind of an account.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::payments::adaptive::FACTORS;
use crate::payments::object::Kind;
use crate::payments::schedule::{Learning, Policy, Spend};

use super::findings::Findings;
use super::lines::join;
use super::section;

/// A length of time as written: `"1h"`, `"90s"`, `"2h 30m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || {
            serde::de::Error::custom(format!(
                "{text:?} is not a duration such as \"1h\", \"90s\" or \"2h 30m\""
            ))
        };
        let span: SignedDuration = text.parse().map_err(|_| bad())?;
        Duration::try_from(span).map(Span).map_err(|_| bad())
    }
}

/// Reads a length of time.
///
/// # Errors
/// When the text is not a length of time.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Span::deserialize(deserializer).map(|span| span.0)
}

/// `[poll]`, and `poll` of an account. Missing keys are inherited from the enclosing level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PollSection {
    rhythm: Rhythm,
    kinds: BTreeMap<String, Rhythm>,
}

/// One polling policy; config.toml explains each key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rhythm {
    interval: Option<Span>,
    relaxed_interval: Option<Span>,
    first_polls: Option<Vec<Span>>,
    resting_interval: Option<Span>,
    quarantine_interval: Option<Span>,
    jitter_percent: Option<u32>,
    patience: Option<Span>,
    unseen_patience: Option<Span>,
    not_found_grace: Option<Span>,
    backoff_first: Option<Span>,
    backoff_longest: Option<Span>,
    failures_before_quarantine: Option<u32>,
    countdowns: Option<Vec<Span>>,
    batch: Option<ByBatch>,
    rhythm: Option<RhythmName>,
    spend: Option<SpendKey>,
    longest: Option<Span>,
    shortest: Option<Span>,
}

/// What decides when a moving object is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RhythmName {
    /// `interval` and `first_polls`.
    Fixed,
    /// Learnt ages.
    Adaptive,
}

/// How many requests adaptive polling sends: `"as-interval"`, a factor of that such as 1.25, or a share of the quota such
/// as `"20% of quota"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpendKey(Spend);

impl<'de> Deserialize<'de> for SpendKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SpendKey, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let spend = match &value {
            Value::String(word) => spend_of(word),
            Value::Float(factor) => of_interval(*factor),
            Value::Integer(factor) => of_interval(*factor as f64),
            _ => None,
        };
        spend.map(SpendKey).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{value} is neither \"as-interval\", nor a factor from 0.5 to 10 such as 1.25, nor a share of the quota \
                 from 0.1 to 100 percent such as \"20% of quota\""
            ))
        })
    }
}

fn spend_of(word: &str) -> Option<Spend> {
    if word == "as-interval" {
        return of_interval(1.0);
    }
    match word.strip_suffix("of quota") {
        Some(share) => {
            let percent: f64 = share.trim().strip_suffix('%')?.trim().parse().ok()?;
            let permille = (0.1..=100.0).contains(&percent).then(|| whole(percent * 10.0))??;
            Some(Spend::OfQuota { permille })
        }
        None => of_interval(word.parse().ok()?),
    }
}

fn of_interval(factor: f64) -> Option<Spend> {
    let percent = (FACTORS.0..=FACTORS.1).contains(&factor).then(|| whole(factor * 100.0))??;
    Some(Spend::OfInterval { percent })
}

fn whole(number: f64) -> Option<u32> {
    format!("{number:.0}").parse().ok()
}

/// Whether objects that single requests cannot poll in time are polled by batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ByBatch {
    Never,
    Auto,
}

impl Rhythm {
    /// `policy`, overridden by what is written here.
    fn over(&self, policy: Policy) -> Policy {
        let pick = |written: Option<Span>, around: Duration| written.map_or(around, |span| span.0);
        let list = |written: &Option<Vec<Span>>, around: Vec<Duration>| {
            written.as_ref().map_or(around, |spans| spans.iter().map(|span| span.0).collect())
        };
        let mut countdowns = list(&self.countdowns, policy.countdowns);
        countdowns.sort_unstable_by(|one, other| other.cmp(one));
        Policy {
            interval: pick(self.interval, policy.interval),
            relaxed_interval: self.relaxed_interval.map(|span| span.0).or(policy.relaxed_interval),
            first_polls: list(&self.first_polls, policy.first_polls),
            resting_interval: pick(self.resting_interval, policy.resting_interval),
            quarantine_interval: pick(self.quarantine_interval, policy.quarantine_interval),
            jitter_permille: self.jitter_percent.map_or(policy.jitter_permille, |percent| percent * 10),
            patience: self.patience.map(|span| span.0).or(policy.patience),
            unseen_patience: pick(self.unseen_patience, policy.unseen_patience),
            not_found_grace: pick(self.not_found_grace, policy.not_found_grace),
            backoff_first: pick(self.backoff_first, policy.backoff_first),
            backoff_longest: pick(self.backoff_longest, policy.backoff_longest),
            failures_before_quarantine: self
                .failures_before_quarantine
                .unwrap_or(policy.failures_before_quarantine),
            countdowns,
            mutes_overdue: policy.mutes_overdue,
            is_by_batch: self.batch.map_or(policy.is_by_batch, |batch| batch == ByBatch::Auto),
            plans: None,
            learning: self.learning(policy.learning),
        }
    }

    /// How a kind is polled by learnt ages. `spend`, `longest` and `shortest` may stand beside `rhythm` or below it.
    fn learning(&self, around: Option<Learning>) -> Option<Learning> {
        let around = match self.rhythm {
            Some(RhythmName::Fixed) => return None,
            Some(RhythmName::Adaptive) => around.unwrap_or_default(),
            None => around?,
        };
        Some(Learning {
            spend: self.spend.map_or(around.spend, |spend| spend.0),
            longest: self.longest.map(|span| span.0).or(around.longest),
            shortest: self.shortest.map_or(around.shortest, |span| span.0),
        })
    }

    fn check(&self, path: &str, findings: &mut Findings<'_>) {
        let spans = [
            ("interval", self.interval),
            ("relaxed_interval", self.relaxed_interval),
            ("resting_interval", self.resting_interval),
            ("quarantine_interval", self.quarantine_interval),
            ("backoff_first", self.backoff_first),
            ("backoff_longest", self.backoff_longest),
            ("longest", self.longest),
            ("shortest", self.shortest),
        ];
        for (key, span) in spans {
            if span.is_some_and(|span| {
                span.0 < Duration::from_secs(1) || span.0 > Duration::from_secs(30 * 86400)
            }) {
                findings.add(
                    &join(path, key),
                    "is outside 1s to 720h",
                    "an hour is what Amazon recommends for polling",
                );
            }
        }
        if self.jitter_percent.is_some_and(|percent| percent > 100) {
            findings.add(&join(path, "jitter_percent"), "is more than 100", "10 is the default");
        }
        if self.failures_before_quarantine == Some(0) {
            findings.add(&join(path, "failures_before_quarantine"), "is 0", "5 is the default");
        }
        if self
            .first_polls
            .as_ref()
            .is_some_and(|waits| waits.iter().any(|wait| wait.0 < Duration::from_secs(1)))
        {
            findings.add(
                &join(path, "first_polls"),
                "has a wait under 1s",
                "for example [\"1m\", \"5m\", \"15m\"]",
            );
        }
    }
}

impl PollSection {
    /// Reads the table at `path`; problems go to `findings`.
    pub(super) fn read(mut table: Table, path: &str, findings: &mut Findings<'_>) -> PollSection {
        let mut kinds = BTreeMap::new();
        match table.remove("kinds") {
            None => {}
            Some(Value::Table(named)) => {
                for (kind, value) in named {
                    let path = join(&join(path, "kinds"), &kind);
                    match value {
                        Value::Table(table) => {
                            kinds.insert(kind, section::read(table, &path, findings).unwrap_or_default());
                        }
                        _ => findings.add(
                            &path,
                            "is not a table",
                            "write [poll.kinds.refund] and its keys below",
                        ),
                    }
                }
            }
            Some(_) => findings.add(
                &join(path, "kinds"),
                "is not a table",
                "write [poll.kinds.refund] and its keys below",
            ),
        }
        let section = PollSection { rhythm: section::read(table, path, findings).unwrap_or_default(), kinds };
        section.check(path, findings);
        section
    }

    /// Adds values that cannot be meant to `findings`.
    fn check(&self, path: &str, findings: &mut Findings<'_>) {
        self.rhythm.check(path, findings);
        for (kind, rhythm) in &self.kinds {
            let path = join(&join(path, "kinds"), kind);
            rhythm.check(&path, findings);
            if let Err(error) = Kind::new(kind.as_str()) {
                findings.add(&path, error.to_string(), "use a kind such as charge or refund");
            }
        }
    }

    /// Whether anything here asks for polling by batch.
    pub(super) fn is_by_batch(&self) -> bool {
        let all = std::iter::once(&self.rhythm).chain(self.kinds.values());
        all.into_iter().any(|rhythm| rhythm.batch == Some(ByBatch::Auto))
    }

    /// The kinds that have their own policy here.
    pub(super) fn kinds_named(&self) -> Vec<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    /// The policy of one kind: the defaults, then `[poll]`, then the account's own. On each level the kind's
    /// section comes after the general one.
    pub(super) fn policy(general: &PollSection, own: &PollSection, kind: &str) -> Policy {
        [Some(&general.rhythm), general.kinds.get(kind), Some(&own.rhythm), own.kinds.get(kind)]
            .into_iter()
            .flatten()
            .fold(Policy::default(), |policy, rhythm| rhythm.over(policy))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    fn section(text: &str) -> PollSection {
        let lines = Lines::read(text);
        let mut findings = Findings::new(&lines);
        let section = PollSection::read(toml::from_str(text).unwrap(), "", &mut findings);
        assert!(findings.is_empty(), "{:?}", findings.into_problems());
        section
    }

    #[test]
    fn the_most_specific_setting_wins() {
        let general = section("interval = '2h'\n[kinds.refund]\ninterval = '3h'\npatience = '72h'");
        let own = section("first_polls = ['1m', '5m']\n[kinds.charge]\ninterval = '30m'");
        let hours = |kind| PollSection::policy(&general, &own, kind).interval.as_secs() / 60;
        assert_eq!((hours("charge"), hours("refund"), hours("capture")), (30, 180, 120));
        let refund = PollSection::policy(&general, &own, "refund");
        assert_eq!(refund.patience, Some(Duration::from_secs(72 * 3600)));
        assert_eq!(refund.first_polls.len(), 2);
    }

    #[test]
    fn adaptive_polling_is_asked_for_by_name_and_its_limits_are_inherited() {
        let general = section("spend = 1.25\nshortest = '1m'\n[kinds.refund]\nrhythm = 'fixed'");
        let learning = |own: &str, kind| PollSection::policy(&general, &section(own), kind).learning;
        assert_eq!(learning("", "charge"), None, "nothing is adaptive unless it says so");
        let general = section("rhythm = 'adaptive'\nspend = 1.25\n[kinds.refund]\nrhythm = 'fixed'");
        let learning = |own: &str, kind| PollSection::policy(&general, &section(own), kind).learning;
        let charge = learning("longest = '2h'", "charge").unwrap();
        assert_eq!(charge.longest, Some(Duration::from_secs(7200)));
        assert_eq!(charge.spend, Spend::OfInterval { percent: 125 });
        assert_eq!(learning("", "refund"), None);
        let spend = |written: &str| learning(&format!("spend = {written}"), "charge").unwrap().spend;
        for (written, percent) in [("'as-interval'", 100), ("2", 200), ("0.5", 50), ("'1.25'", 125)] {
            assert_eq!(spend(written), Spend::OfInterval { percent }, "{written}");
        }
        for (written, permille) in
            [("'20% of quota'", 200), ("'0.1 % of quota'", 1), ("'100% of quota'", 1000)]
        {
            assert_eq!(spend(written), Spend::OfQuota { permille }, "{written}");
        }
        let bad = [
            "'much'",
            "0.1",
            "11",
            "-1.0",
            "true",
            "'20%'",
            "'0% of quota'",
            "'101% of quota'",
            "'x% of quota'",
        ];
        for bad in bad {
            let error = toml::from_str::<Rhythm>(&format!("spend = {bad}")).unwrap_err().to_string();
            assert!(error.contains("such as \"20% of quota\""), "{error}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_or_refused() {
        for bad in ["'1'", "'-1h'", "'soon'", "3600", "''"] {
            assert!(toml::from_str::<Rhythm>(&format!("interval = {bad}")).is_err(), "{bad}");
        }
        assert_eq!(section("interval = '1h 30m'").rhythm.interval, Some(Span(Duration::from_secs(5400))));
    }
}
