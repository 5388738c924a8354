//! The results of a run, in numbers and in one sentence.
//!
//! Owns: percentiles, ratios, wording. Must never know: how it was measured, terminals.

use std::time::Duration;

use serde::Serialize;

use super::rhythm::Rhythm;
use super::workload::Workload;

/// How long ends took to be noticed, over all ends. A missed end counts as infinitely long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// The mean in seconds, to the tenth. `None`: one was missed, or nothing ended.
    pub mean_s: Option<f64>,
    /// Half took at most this many seconds. `None`: more than half were missed.
    pub p50_s: Option<u64>,
    /// 95 of 100.
    pub p95_s: Option<u64>,
    /// 99 of 100.
    pub p99_s: Option<u64>,
    /// All of them.
    pub longest_s: Option<u64>,
}

impl Quantiles {
    /// The quantiles of these delays; `None` is infinite.
    pub(super) fn of(mut delays: Vec<Option<Duration>>) -> Quantiles {
        delays.sort_by_key(|delay| (delay.is_none(), *delay));
        let rank = |per_hundred: usize| {
            let place = (delays.len() * per_hundred).div_ceil(100).checked_sub(1)?;
            delays[place].map(|delay| delay.as_secs())
        };
        let all: Option<Duration> = delays.iter().copied().sum();
        let mean_s = all.filter(|_| !delays.is_empty()).map(|all| all.as_secs_f64() / delays.len() as f64);
        let mean_s = mean_s.map(|mean_s| (mean_s * 10.0).round() / 10.0);
        Quantiles { mean_s, p50_s: rank(50), p95_s: rank(95), p99_s: rank(99), longest_s: rank(100) }
    }
}

/// How long it took after an outage to poll everything that was waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CaughtUp {
    /// Objects known by then whose end had not been noticed.
    pub objects: u64,
    /// Seconds until the last of them was polled. `None`: one never was.
    pub took_s: Option<u64>,
    /// The seconds that this takes at the full quota.
    pub quota_needs_s: u64,
}

/// One end, and how it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenEnd {
    /// When it was, since the beginning.
    pub(super) ended: Duration,
    /// How long it took to be seen; `None`: it was not.
    pub(super) delay: Option<Duration>,
    /// Requests about its object.
    pub(super) polls: u64,
}

/// The results of one policy in one workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The workload's name.
    pub workload: String,
    /// The policy's name.
    pub policy: String,
    /// All objects.
    pub objects: u64,
    /// Objects that ended.
    pub ended: u64,
    /// Ended objects that were refused.
    pub declined: u64,
    /// Ends that were noticed.
    pub seen: u64,
    /// Ends that were not noticed within three days of the last one.
    pub missed: u64,
    /// Requests sent.
    pub polls: u64,
    /// Requests per noticed end.
    pub polls_per_resolution: Option<f64>,
    /// Requests about objects whose end had been noticed.
    pub polls_after_final: u64,
    /// Answers "too many" because the quota was exhausted.
    pub over_quota: u64,
    /// Answers "too many" without reason.
    pub throttled_without_cause: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// How everything that waited was polled after an outage, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caught_up: Option<CaughtUp>,
    /// Time from an end until it was noticed, without the outage.
    pub detection: Quantiles,
    /// The same for refusals only.
    pub decline_detection: Quantiles,
    /// Requests per object, in the order of their names.
    #[serde(skip)]
    pub polls_by_object: Vec<u64>,
    /// All ends, in the order in which they happened.
    #[serde(skip)]
    pub ends: Vec<SeenEnd>,
}

impl Measured {
    pub(super) fn of(
        workload: &Workload,
        rhythm: &Rhythm,
        polls_by_object: &[u64],
        delays: Vec<Option<Duration>>,
        declines: Vec<Option<Duration>>,
        [over_quota, throttled_without_cause, polls_after_final]: [u64; 3],
    ) -> Measured {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let polls: u64 = polls_by_object.iter().sum();
        let seen = number(delays.iter().flatten().count());
        Measured {
            workload: workload.name.clone(),
            policy: rhythm.name.clone(),
            objects: number(polls_by_object.len()),
            ended: number(delays.len()),
            declined: number(declines.len()),
            seen,
            missed: number(delays.len()) - seen,
            polls,
            polls_per_resolution: (seen > 0).then(|| hundredths(polls, seen)),
            polls_after_final,
            over_quota,
            throttled_without_cause,
            unanswered: 0,
            caught_up: None,
            detection: Quantiles::of(delays),
            decline_detection: Quantiles::of(declines),
            polls_by_object: polls_by_object.to_vec(),
            ends: Vec::new(),
        }
    }

    /// The result in one sentence.
    pub fn sentence(&self) -> String {
        let (what, quantiles) = match self.declined {
            0 => ("ends", &self.detection),
            _ => ("declines", &self.decline_detection),
        };
        let half = match quantiles.p50_s {
            Some(seconds) => format!("half of the {what} are noticed within {}", span(seconds)),
            None => format!("more than half of the {what} are never noticed"),
        };
        let most = quantiles
            .p99_s
            .map_or(String::new(), |seconds| format!(" and 99 of 100 within {}", span(seconds)));
        let cost = self.polls_per_resolution.map_or("no end is noticed at all".to_owned(), |polls| {
            format!("each end costs {polls:.1} requests")
        });
        let missed = match self.missed {
            0 => "no end is missed".to_owned(),
            missed => format!("{missed} of {} ends are missed", self.ended),
        };
        let quota = match self.over_quota {
            0 => "the quota is never exceeded".to_owned(),
            1 => "one request is over the quota".to_owned(),
            over => format!("{over} requests are over the quota"),
        };
        format!("With {} {half}{most}; {cost}, {missed}, {quota}.", self.policy)
    }
}

/// A ratio, to two decimals.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn hundredths(of: u64, by: u64) -> f64 {
    (of as f64 / by as f64 * 100.0).round() / 100.0
}

/// A length of time for people.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        7_200..172_800 => format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
        _ => format!("{}.{} d", seconds / 86_400, seconds % 86_400 / 8_640),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_end_counts_as_infinitely_long() {
        let delays = |seen: u64, missed: usize| {
            (1..=seen)
                .rev()
                .map(|second| Some(Duration::from_secs(second)))
                .chain(vec![None; missed])
                .collect()
        };
        let check = |seen, missed, expected: [Option<u64>; 4]| {
            let got = Quantiles::of(delays(seen, missed));
            assert_eq!([got.p50_s, got.p95_s, got.p99_s, got.longest_s], expected, "{seen} {missed}");
        };
        check(100, 0, [Some(50), Some(95), Some(99), Some(100)]);
        check(99, 1, [Some(50), Some(95), Some(99), None]);
        check(90, 10, [Some(50), None, None, None]);
        check(1, 0, [Some(1); 4]);
        check(1, 2, [None; 4]);
        check(0, 0, [None; 4]);
    }

    #[test]
    fn lengths_of_time_are_written_briefly() {
        let said = [59, 119, 120, 1_860, 7_199, 7_200, 90_000, 172_800].map(span);
        assert_eq!(said, ["59 s", "119 s", "2 min", "31 min", "120 min", "2.0 h", "25.0 h", "2.0 d"]);
    }
}
