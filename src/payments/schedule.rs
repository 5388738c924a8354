//! When to poll again. Pure: jitter comes from the object's own name, so no randomness is needed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::adaptive::{Budget, Plans, Terms};
use super::lifecycle::{Phase, StateFacts};
use super::object::ObjectRef;
use super::record::Record;
use crate::time::{between, earlier, later};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How an account polls one kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Between polls of a moving object. One hour, as the provider recommends.
    pub interval: Duration,
    /// Replaces a shorter interval while the provider's notifications announce the final states of this kind, if set.
    pub relaxed_interval: Option<Duration>,
    /// Waits before the first polls of a new state, before the interval takes over. May be empty.
    pub first_polls: Vec<Duration>,
    /// Between polls of a resting object.
    pub resting_interval: Duration,
    /// Between polls of a quarantined object.
    pub quarantine_interval: Duration,
    /// The total spread of each wait around its length, in thousandths (100: from 95 % to 105 %).
    pub jitter_permille: u32,
    /// Replaces the lifecycle's own patience for moving states, if set.
    pub patience: Option<Duration>,
    /// How long an object may stay unobserved after enrolment before somebody should know.
    pub unseen_patience: Duration,
    /// How long after enrolment "not found" means "not yet visible".
    pub not_found_grace: Duration,
    /// First wait after a failure. It doubles with each further one.
    pub backoff_first: Duration,
    /// Longest wait after failures.
    pub backoff_longest: Duration,
    /// Unreadable or refused answers in a row before the object is quarantined.
    pub failures_before_quarantine: u32,
    /// How long before the end of a guarantee or an expiry to warn; longest first.
    pub countdowns: Vec<Duration>,
    /// Nothing is called overdue, because the provider itself reports trouble.
    pub mutes_overdue: bool,
    /// Objects that single requests cannot poll within `interval` are polled by batch, where the API has batches.
    pub is_by_batch: bool,
    /// Learnt plans replace `interval` and `first_polls` for the moving states that have one.
    pub plans: Option<Arc<Plans>>,
    /// Moving objects are polled by learnt ages.
    pub learning: Option<Learning>,
}

/// How a kind is polled by learnt ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// How many requests it may send.
    pub spend: Spend,
    /// No wait is longer; a twentieth more than the interval if not set.
    pub longest: Option<Duration>,
    /// No wait is shorter.
    pub shortest: Duration,
}

/// How many requests polls by learnt ages may send. A share of the quota counts more than a share of the interval's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spend {
    /// A share of what the interval would send.
    OfInterval {
        /// In hundredths.
        percent: u32,
    },
    /// A share of the quota of all operations that poll the account's kinds.
    OfQuota {
        /// In thousandths.
        permille: u32,
    },
}

impl Spend {
    /// The budget of an account whose quotas are restored at this many requests a second, all together.
    pub fn budget(self, quota_per_s: f64) -> Budget {
        match self {
            Spend::OfInterval { percent } => Budget::Factor(f64::from(percent) / 100.0),
            Spend::OfQuota { permille } => Budget::PerSecond(quota_per_s * f64::from(permille) / 1000.0),
        }
    }
}

impl Default for Learning {
    fn default() -> Learning {
        Learning {
            spend: Spend::OfInterval { percent: 100 },
            longest: None,
            shortest: Duration::from_secs(30),
        }
    }
}

impl Learning {
    /// The limits of a kind with this interval, which this operation polls.
    pub fn terms(&self, interval: Duration, operation: &'static str) -> Terms {
        let longest = self.longest.unwrap_or(interval * 21 / 20);
        Terms { interval, longest, shortest: self.shortest, operation }
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            interval: Duration::from_secs(HOUR),
            relaxed_interval: None,
            first_polls: Vec::new(),
            resting_interval: Duration::from_secs(12 * HOUR),
            quarantine_interval: Duration::from_secs(6 * HOUR),
            jitter_permille: 100,
            patience: None,
            unseen_patience: Duration::from_secs(24 * HOUR),
            not_found_grace: Duration::from_secs(10 * MINUTE),
            backoff_first: Duration::from_secs(MINUTE),
            backoff_longest: Duration::from_secs(HOUR),
            failures_before_quarantine: 5,
            countdowns: vec![Duration::from_secs(48 * HOUR), Duration::from_secs(24 * HOUR)],
            mutes_overdue: false,
            is_by_batch: false,
            plans: None,
            learning: None,
        }
    }
}

/// The lower bound of every policy's longest wait. Rules outside the policy wait for hours, too.
const LONGEST_WAIT_LEAST: Duration = Duration::from_secs(24 * HOUR);

impl Policy {
    /// The longest wait that this policy can produce, jitter included. A later due time was written by a clock that
    /// was ahead.
    pub fn longest_wait(&self) -> Duration {
        let waits = [
            self.interval,
            self.relaxed_interval.unwrap_or_default(),
            self.resting_interval,
            self.quarantine_interval,
            self.backoff_first,
            self.backoff_longest,
            self.learning.and_then(|learning| learning.longest).unwrap_or_default(),
        ];
        let planned = self.plans.iter().flat_map(|plans| plans.0.iter().map(|(_, plan)| plan.longest()));
        let longest = waits.into_iter().chain(self.first_polls.iter().copied()).chain(planned).max();
        let longest = longest.unwrap_or_default();
        // Jitter adds at most half.
        longest.saturating_add(longest / 2).max(LONGEST_WAIT_LEAST)
    }
}

/// A moment that matters for an object, and the tag of the warnings about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Milestone {
    /// `overdue`, `guarantee`, `expiry`.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
}

/// When the present state began: as the provider says, otherwise our first observation of it.
pub fn state_began(record: &Record) -> Timestamp {
    match &record.observed {
        None => record.enrolled_at,
        Some(observed) => match observed.observation.updated_at {
            Some(updated) => updated.min(observed.since),
            None => observed.since,
        },
    }
}

/// The moments that matter for an object in this state, soonest first. An object never observed has one.
pub fn milestones(record: &Record, facts: Option<&StateFacts>, policy: &Policy) -> Vec<Milestone> {
    let mut found = Vec::new();
    match facts {
        None if record.observed.is_none() => {
            found.push(Milestone { name: "overdue", at: later(record.enrolled_at, policy.unseen_patience) });
        }
        None => {}
        Some(facts) => {
            if facts.phase == Phase::Moving
                && let Some(patience) = policy.patience.or(facts.patience)
            {
                found.push(Milestone { name: "overdue", at: later(state_began(record), patience) });
            }
            if facts.phase == Phase::Resting {
                if let Some(guarantee) = facts.guarantee {
                    found.push(Milestone { name: "guarantee", at: later(record.made_at(), guarantee) });
                }
                if let Some(expiry) =
                    record.observed.as_ref().and_then(|observed| observed.observation.expires_at)
                {
                    found.push(Milestone { name: "expiry", at: expiry });
                }
            }
        }
    }
    if policy.mutes_overdue {
        found.retain(|milestone| milestone.name != "overdue");
    }
    found.sort_by_key(|milestone| milestone.at);
    found
}

/// The next poll after a good observation, and the next deadline.
/// Both are `None` when the state is final and not in doubt, or when further polls would settle nothing.
pub fn next_look(
    record: &Record,
    facts: Option<&StateFacts>,
    policy: &Policy,
    now: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let phase = facts.map_or(record.phase(), |facts| facts.phase);
    if phase == Phase::Final && record.quarantine.is_none() {
        return (None, None);
    }
    let wait = if let Some(quarantine) = &record.quarantine {
        match set_apart_wait(quarantine.since, phase, policy, now) {
            Some(wait) => wait,
            None => return (None, None),
        }
    } else if phase == Phase::Resting {
        policy.resting_interval
    } else {
        first_wait(record, policy, now).unwrap_or(policy.interval)
    };
    let planned = planned_wait(record, phase, policy, now);
    let mut due = later(now, planned.unwrap_or_else(|| jittered(wait, policy, record)));
    let ahead: Vec<Timestamp> = milestones(record, facts, policy)
        .iter()
        .map(|milestone| milestone.at)
        .filter(|at| *at > now)
        .collect();
    for at in &ahead {
        // One poll just after the moment, so that an expiry is observed as such. A resting object is also polled
        // at each countdown, so that its warning comes in time.
        let after = later(*at, jittered(Duration::from_secs(2 * MINUTE), policy, record));
        due = due.min(after);
        if phase == Phase::Resting {
            for countdown in &policy.countdowns {
                let before = earlier(*at, *countdown);
                if before > now {
                    due = due.min(before);
                }
            }
        }
    }
    (Some(due), ahead.first().copied())
}

/// The wait that a learnt plan sets for a moving object. It has no jitter: objects differ in age.
fn planned_wait(record: &Record, phase: Phase, policy: &Policy, now: Timestamp) -> Option<Duration> {
    let plans = policy.plans.as_ref().filter(|_| phase == Phase::Moving && record.quarantine.is_none())?;
    let plan = plans.of(record.state()?)?;
    Some(plan.wait(between(state_began(record), now)))
}

/// A quarantined object is polled at these ages before the quarantine interval takes over. Slips of the provider are
/// usually corrected soon, and a person soon knows more.
const SET_APART_LADDER: [Duration; 3] =
    [Duration::from_secs(5 * MINUTE), Duration::from_secs(20 * MINUTE), Duration::from_secs(80 * MINUTE)];
/// How long a quarantined final state is polled. It does not change, so only a person can settle it.
const FINAL_IN_DOUBT: Duration = Duration::from_secs(48 * HOUR);

/// How long a quarantined object waits for its next poll. `None` when further polls would settle nothing.
fn set_apart_wait(since: Timestamp, phase: Phase, policy: &Policy, now: Timestamp) -> Option<Duration> {
    if phase == Phase::Final && now >= later(since, FINAL_IN_DOUBT) {
        return None;
    }
    let rungs = SET_APART_LADDER.into_iter().map(|age| later(since, age));
    let wait = wait_for_rung(since, rungs, policy, now);
    Some(wait.unwrap_or(policy.quarantine_interval).min(policy.quarantine_interval))
}

/// The next poll after the `failures`-th failure in a row.
pub fn after_failures(record: &Record, failures: u32, policy: &Policy, now: Timestamp) -> Timestamp {
    let doublings = failures.saturating_sub(1).min(20);
    let wait = policy.backoff_first.saturating_mul(1 << doublings).min(policy.backoff_longest);
    later(now, jittered(wait, policy, record))
}

/// The wait from the list of first polls, while the state is young enough.
fn first_wait(record: &Record, policy: &Policy, now: Timestamp) -> Option<Duration> {
    let began = record.observed.as_ref().map_or(record.enrolled_at, |observed| observed.since);
    let rungs = policy.first_polls.iter().scan(began, |rung, step| {
        *rung = later(*rung, *step);
        Some(*rung)
    });
    wait_for_rung(began, rungs, policy, now)
}

/// The wait for the next rung of a ladder. Jitter may poll a rung early. From that moment on the rung is done, so that
/// it is not polled twice.
fn wait_for_rung(
    began: Timestamp,
    rungs: impl Iterator<Item = Timestamp>,
    policy: &Policy,
    now: Timestamp,
) -> Option<Duration> {
    let mut done_from = began;
    for rung in rungs {
        let longest_wait = between(done_from, rung);
        // Waits are cut to whole milliseconds.
        let most_early = longest_wait * policy.jitter_permille.min(1000) / 2000 + Duration::from_millis(1);
        done_from = earlier(rung, most_early);
        if done_from > now {
            return Some(between(now, rung));
        }
    }
    None
}

/// Spreads a wait by the policy's share. The offset depends on the object and on its number of polls, so objects
/// enrolled together drift apart, and one object does not keep a fixed rhythm.
pub fn jittered(wait: Duration, policy: &Policy, record: &Record) -> Duration {
    let permille = u64::from(policy.jitter_permille.min(1000));
    if permille == 0 {
        return wait;
    }
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 4000).min(u64::MAX / 4000);
    let spread_ms = wait_ms * permille / 1000;
    let offset_ms = scatter(&record.object, record.polls) % (spread_ms + 1);
    Duration::from_millis(wait_ms - spread_ms / 2 + offset_ms)
}

/// A well-mixed number from an object's name and a count (FNV-1a, then a finaliser).
fn scatter(object: &ObjectRef, count: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let names = [object.account.as_str(), object.kind.as_str(), object.id.as_str()];
    for byte in names.iter().flat_map(|name| name.bytes()).chain(count.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::record::{Details, Enrolment};
    use proptest::prelude::*;

    fn record(id: &str, polls: u64) -> Record {
        let object = format!("shop/charge/{id}").parse().unwrap();
        let mut record =
            Record::enrolled(Enrolment { object, details: Details::default() }, Timestamp::UNIX_EPOCH);
        record.polls = polls;
        record
    }

    #[test]
    fn a_thousand_enrolled_together_do_not_come_due_together() {
        let policy = Policy::default();
        let mut waits: Vec<u64> = (0..1000)
            .map(|number| jittered(policy.interval, &policy, &record(&format!("S{number}"), 1)).as_secs())
            .collect();
        waits.sort_unstable();
        assert!(waits[0] >= 3420 && waits[999] <= 3780, "{} .. {}", waits[0], waits[999]);
        let mean = waits.iter().sum::<u64>() / 1000;
        assert!((3580..=3620).contains(&mean), "{mean}");
        let busiest_minute =
            (57..63).map(|minute| waits.iter().filter(|wait| **wait / 60 == minute).count()).max();
        assert!(busiest_minute < Some(250), "{busiest_minute:?}");
    }

    #[test]
    fn the_first_polls_count_from_the_beginning_of_the_state() {
        let policy = Policy {
            first_polls: [60, 300, 900].map(Duration::from_secs).to_vec(),
            jitter_permille: 0,
            ..Policy::default()
        };
        let record = record("S1", 0);
        let wait_at = |second: i64| {
            first_wait(&record, &policy, Timestamp::from_second(second).unwrap()).map(|wait| wait.as_secs())
        };
        assert_eq!(wait_at(0), Some(60));
        assert_eq!(wait_at(61), Some(299));
        assert_eq!(wait_at(360), Some(900));
        assert_eq!(wait_at(1260), None);
    }

    /// Polls of a new object until its ladder has no further rung.
    fn polls_on_a_ladder(id: &str, wait: impl Fn(&Record, Timestamp) -> Option<Duration>) -> u64 {
        let (mut record, mut now) = (record(id, 0), Timestamp::UNIX_EPOCH);
        while let Some(wait) = wait(&record, now).filter(|_| record.polls < 100) {
            now = later(now, jittered(wait, &Policy::default(), &record));
            record.polls += 1;
        }
        record.polls
    }

    #[test]
    fn jitter_polls_no_rung_of_a_ladder_twice() {
        let first_polls = [60, 300, 900].map(Duration::from_secs).to_vec();
        let policy = Policy { first_polls, ..Policy::default() };
        for number in 0..1000 {
            let id = format!("S{number}");
            let moving = polls_on_a_ladder(&id, |record, now| first_wait(record, &policy, now));
            let set_apart = polls_on_a_ladder(&id, |record, now| {
                set_apart_wait(record.enrolled_at, Phase::Final, &policy, now)
                    .filter(|wait| *wait < policy.quarantine_interval)
            });
            assert_eq!((moving, set_apart), (3, 3), "{id}");
        }
    }

    #[test]
    fn no_poll_waits_longer_than_the_longest_wait() {
        let hours = |hours: u64| Duration::from_secs(hours * HOUR);
        assert_eq!(Policy::default().longest_wait(), hours(24), "rules outside the policy wait for hours");
        let slow = Policy { resting_interval: hours(48), jitter_permille: 1000, ..Policy::default() };
        assert_eq!(slow.longest_wait(), hours(72));
        for polls in 0..50 {
            assert!(jittered(slow.resting_interval, &slow, &record("S1", polls)) <= slow.longest_wait());
        }
    }

    #[test]
    fn failures_double_the_wait_up_to_the_longest() {
        let policy = Policy { jitter_permille: 0, ..Policy::default() };
        let record = record("S1", 0);
        let waits: Vec<i64> = (1..10)
            .map(|failures| after_failures(&record, failures, &policy, Timestamp::UNIX_EPOCH).as_second())
            .collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_share(wait_ms in 0u64..1_000_000_000, permille in 0u32..1500, polls in 0u64..100) {
            let policy = Policy { jitter_permille: permille, ..Policy::default() };
            let got = jittered(Duration::from_millis(wait_ms), &policy, &record("S1", polls)).as_millis();
            let spread = u128::from(wait_ms) * u128::from(permille.min(1000)) / 1000;
            prop_assert!(got + spread / 2 + 1 >= u128::from(wait_ms) && got <= u128::from(wait_ms) + spread / 2 + 1);
        }
    }
}
