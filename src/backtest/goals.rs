//! What adaptive polling must reach on made-up pasts, and whether it does.
//!
//! Owns: the goals. Must never know: terminals.
//!
//! Each goal compares adaptive polls with hourly ones on the same past. Docs: docs/src/adaptive.md.

use std::time::Duration;

use serde::Serialize;

use super::bound::least_mean_s;
use super::engine::run;
use super::measure::{Measured, SeenEnd};
use super::parallel::in_parallel;
use super::rhythm::{Rhythm, Spending};
use super::workload::Workload;
use crate::apis::pace::Quota;

const HOUR: Duration = Duration::from_secs(3600);
/// The ends of a block, in which adaptive polls must never do much worse than hourly ones.
const BLOCK: usize = 500;
/// Requests that the early ladder and half-hourly polls need on the steady past, for each of hourly polls.
const LADDER: f64 = 15.2 / 11.2;
const HALF_HOURLY: f64 = 20.8 / 11.2;
/// How often the curve of requests and delays is measured.
const CURVE: [f64; 7] = [0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0];

/// One goal: ratios to hourly polls.
struct Goal {
    name: &'static str,
    past: &'static str,
    spending: Spending,
    most: Most,
}

/// The most that is allowed, as a share of what hourly polls have.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Most {
    /// Requests, for each of `spend` times those of hourly polls.
    pub requests: f64,
    /// The mean delay.
    pub mean: Option<f64>,
    /// The median delay.
    pub median: Option<f64>,
    /// The delay that 99 of 100 do not exceed.
    pub p99: Option<f64>,
    /// The mean delay in seconds.
    pub mean_s: Option<f64>,
    /// The mean delay of each block of 500 ends.
    pub block_mean: Option<f64>,
    /// The requests of each block of 500 ends.
    pub block_requests: Option<f64>,
    /// The mean delay, as a share of the bound, after half a minute is taken off.
    pub of_bound: Option<f64>,
}

const ONLY_REQUESTS: Most = Most {
    requests: 1.01,
    mean: None,
    median: None,
    p99: None,
    mean_s: None,
    block_mean: None,
    block_requests: None,
    of_bound: None,
};

/// A goal, and what was measured for it. Ratios are to hourly polls on the same past.
#[derive(Debug, Clone, Serialize)]
pub struct Reached {
    /// What is measured.
    pub goal: String,
    /// The past.
    pub workload: String,
    /// The limits.
    pub most: Most,
    /// Requests, for each of `spend` times those of hourly polls.
    pub requests: f64,
    /// Ratio of the mean delays. `None`: an end was missed.
    pub mean: Option<f64>,
    /// Ratio of the median delays.
    pub median: Option<f64>,
    /// Ratio of the 99th percentiles.
    pub p99: Option<f64>,
    /// The mean delay in seconds.
    pub mean_s: Option<f64>,
    /// The same ratio of the mean, if the true ages were known from the beginning.
    pub mean_if_known: Option<f64>,
    /// The same ratio for the bound: no plan by age has a lower one for as many requests.
    pub bound: Option<f64>,
    /// The worst ratio of mean delays in a block of 500 ends.
    pub block_mean: f64,
    /// The worst ratio of requests in a block of 500 ends.
    pub block_requests: f64,
    /// Whether all limits are kept.
    pub is_met: bool,
}

fn all() -> Vec<Goal> {
    let goal = |name, past, spending: Spending, most: Most| Goal { name, past, spending, most };
    let usual = Spending::default();
    let at_once = Spending { plans_first: false, ..usual };
    let two_hours = Spending { longest: Some(HOUR * 2), ..usual };
    let spends = |spend| Spending { spend, ..usual };
    let prior = |prior| Spending { prior, ..usual };
    let ratios = |mean, median, p99| Most { mean: Some(mean), median, p99, ..ONLY_REQUESTS };
    let always = Most { requests: 1.05, block_mean: Some(1.05), block_requests: Some(1.15), ..ONLY_REQUESTS };
    vec![
        goal("1,000 objects: mostly learning", "steady", usual, ratios(0.72, None, None)),
        goal("steady", "steady-10-days", usual, ratios(0.62, Some(0.50), Some(1.05))),
        goal("steady, first poll at once", "steady-10-days", at_once, ratios(0.78, Some(0.68), Some(1.05))),
        goal("steady, longest 2 h", "steady-10-days", two_hours, ratios(0.56, Some(0.40), Some(1.50))),
        goal(
            "steady, 1.25 times the requests",
            "steady-10-days",
            spends(1.25),
            ratios(0.52, None, Some(1.0)),
        ),
        goal(
            "steady, the early ladder's requests",
            "steady-10-days",
            spends(LADDER),
            ratios(0.42, None, None),
        ),
        goal(
            "steady, half-hourly's requests",
            "steady-10-days",
            spends(HALF_HOURLY),
            ratios(0.34, None, None),
        ),
        goal("heavy-tailed, median 15 min", "heavy-tailed-15", usual, ratios(0.36, None, None)),
        goal("heavy-tailed, median 60 min", "heavy-tailed-60", usual, ratios(0.68, None, None)),
        goal("three kinds", "three-kinds", usual, ratios(0.43, None, None)),
        goal("three kinds, longest 2 h", "three-kinds", two_hours, ratios(0.32, None, None)),
        goal("late refunds", "late-10-days", usual, Most { mean_s: Some(300.0), ..ONLY_REQUESTS }),
        goal("saturation", "saturation", usual, ratios(0.60, None, Some(1.40))),
        goal("near the bound", "steady-10-days", usual, Most { of_bound: Some(1.10), ..ONLY_REQUESTS }),
        goal("always: steady", "steady-10-days", usual, always),
        goal("always: steady, prior 100 times too fast", "steady-10-days", prior(0.01), always),
        goal("always: steady, prior 100 times too slow", "steady-10-days", prior(100.0), always),
        goal("always: ten times slower", "slower", usual, always),
        goal("always: batch days", "batch-days", usual, always),
        goal("always: week-ends", "week-ends", usual, always),
    ]
}

/// What several goals may be judged by.
struct Runs {
    workload: String,
    hourly: Measured,
    adaptive: Measured,
    /// Had the true ages been known from the beginning.
    known: Measured,
    bound_s: Option<f64>,
}

/// Measures all goals. `seed` decides everything that looks random.
pub fn goals(seed: u64) -> Vec<Reached> {
    let all = all();
    let mut needed: Vec<(&str, Spending)> = Vec::new();
    for goal in &all {
        if !needed.contains(&(goal.past, goal.spending)) {
            needed.push((goal.past, goal.spending));
        }
    }
    let runs = in_parallel(&needed, |(past, spending)| runs(past, *spending, seed));
    let judged = all.iter().filter_map(|goal| {
        let place = needed.iter().position(|needed| *needed == (goal.past, goal.spending))?;
        Some(reached(goal, runs[place].as_ref()?))
    });
    judged.collect()
}

fn runs(past: &str, spending: Spending, seed: u64) -> Option<Runs> {
    let workload = Workload::named(past, Quota::LIVE, seed)?;
    let hourly = run(&workload, &Rhythm::own().into_iter().next()?);
    let adaptive = run(&workload, &Rhythm::adaptive("adaptive", "", spending));
    let knowing = Spending { knows_all: true, ..spending };
    let known = run(&workload, &Rhythm::adaptive("adaptive-true", "", knowing));
    // An exhausted quota makes all waits longer, and leaves fewer requests.
    let is_exhausted = past == "saturation";
    let longest = if is_exhausted { Some(HOUR * 12) } else { spending.longest };
    let terms = Spending { longest, ..spending }.terms(HOUR);
    let asked = if is_exhausted { 0.0 } else { per_end(&hourly) * spending.spend };
    let bound_s = least_mean_s(&workload, terms, spending.plans_first, per_end(&adaptive).max(asked));
    Some(Runs { workload: workload.name.clone(), hourly, adaptive, known, bound_s })
}

fn per_end(measured: &Measured) -> f64 {
    measured.polls as f64 / measured.ended.max(1) as f64
}

fn reached(goal: &Goal, runs: &Runs) -> Reached {
    let Runs { hourly, adaptive, known, bound_s, .. } = runs;
    let ratio =
        |one: Option<f64>, other: Option<f64>| one.zip(other).map(|(one, other)| one / other.max(1.0));
    let whole = |seconds: Option<u64>| seconds.map(|seconds| seconds as f64);
    let (block_mean, block_requests) = worst_block(&adaptive.ends, &hourly.ends);
    let mut reached = Reached {
        goal: goal.name.to_owned(),
        workload: runs.workload.clone(),
        most: goal.most,
        requests: per_end(adaptive) / per_end(hourly) / goal.spending.spend,
        mean: ratio(adaptive.detection.mean_s, hourly.detection.mean_s),
        median: ratio(whole(adaptive.detection.p50_s), whole(hourly.detection.p50_s)),
        p99: ratio(whole(adaptive.detection.p99_s), whole(hourly.detection.p99_s)),
        mean_s: adaptive.detection.mean_s,
        mean_if_known: ratio(known.detection.mean_s, hourly.detection.mean_s),
        bound: ratio(*bound_s, hourly.detection.mean_s),
        block_mean,
        block_requests,
        is_met: false,
    };
    let of_bound = ratio(adaptive.detection.mean_s.map(|mean_s| mean_s - 30.0), *bound_s);
    reached.is_met = adaptive.missed == 0
        && adaptive.over_quota == 0
        && reached.requests <= goal.most.requests
        && [
            (reached.mean, goal.most.mean),
            (reached.median, goal.most.median),
            (reached.p99, goal.most.p99),
            (reached.mean_s, goal.most.mean_s),
            (Some(block_mean), goal.most.block_mean),
            (Some(block_requests), goal.most.block_requests),
            (of_bound, goal.most.of_bound),
        ]
        .into_iter()
        .all(|(got, most)| most.is_none_or(|most| got.is_some_and(|got| got <= most)));
    reached
}

/// The worst ratios of mean delay and of requests in all blocks of 500 ends. A missed end is infinitely late.
fn worst_block(ours: &[SeenEnd], others: &[SeenEnd]) -> (f64, f64) {
    let delay_s = |ends: &[SeenEnd]| {
        ends.iter().map(|end| end.delay.map_or(f64::INFINITY, |delay| delay.as_secs_f64())).sum::<f64>()
    };
    let polls = |ends: &[SeenEnd]| ends.iter().map(|end| end.polls).sum::<u64>() as f64;
    ours.chunks_exact(BLOCK).zip(others.chunks_exact(BLOCK)).fold(
        (0.0, 0.0),
        |worst: (f64, f64), (one, other)| {
            (worst.0.max(delay_s(one) / delay_s(other)), worst.1.max(polls(one) / polls(other)))
        },
    )
}

/// A point of the curve of requests and delays on the steady past of ten days.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// The policy.
    pub policy: String,
    /// Requests an end.
    pub requests: f64,
    /// The mean delay in seconds. `None`: an end was missed.
    pub mean_s: Option<f64>,
    /// The least mean delay of any plan by age for as many requests; none when no plan needs so few.
    pub bound_s: Option<f64>,
    /// Requests over the quota.
    pub over_quota: u64,
    /// It is below the curve of adaptive polls, without misses and without requests over the quota.
    pub is_below: bool,
}

/// Requests and mean delays of adaptive polls for several budgets, and of all other policies, on one past.
pub fn curve(seed: u64) -> Vec<Point> {
    let Some(workload) = Workload::named("steady-10-days", Quota::LIVE, seed) else { return Vec::new() };
    // Longer waits than any of these policies need.
    let terms = Spending { longest: Some(HOUR * 12), ..Spending::default() }.terms(HOUR);
    let point = |rhythm: &Rhythm| {
        let measured = run(&workload, rhythm);
        let requests = measured.polls as f64 / measured.ended.max(1) as f64;
        Point {
            policy: rhythm.name.clone(),
            requests,
            mean_s: measured.detection.mean_s,
            bound_s: least_mean_s(&workload, terms, true, requests),
            over_quota: measured.over_quota,
            is_below: false,
        }
    };
    let ours = CURVE.iter().map(|spend| {
        // Fewer requests than hourly polls need longer waits.
        let longest = (*spend < 1.0).then(|| HOUR.mul_f64(1.05 / spend));
        let spending = Spending { spend: *spend, longest, ..Spending::default() };
        Rhythm::adaptive(&format!("adaptive × {spend}"), "", spending)
    });
    let others = Rhythm::all().into_iter().filter(|rhythm| !rhythm.name.starts_with("adaptive"));
    let rhythms: Vec<Rhythm> = ours.chain(others).collect();
    let mut points = in_parallel(&rhythms, point);
    let (own, others) = points.split_at_mut(CURVE.len());
    let own: Vec<(f64, f64)> = own.iter().filter_map(|point| Some((point.requests, point.mean_s?))).collect();
    for other in others {
        let is_below = |mean_s: f64| at(&own, other.requests).is_some_and(|ours_s| mean_s < ours_s);
        other.is_below = other.over_quota == 0 && other.mean_s.is_some_and(is_below);
    }
    points
}

/// The curve's delay at a number of requests, between two of its points.
fn at(curve: &[(f64, f64)], requests: f64) -> Option<f64> {
    let pair = curve.windows(2).find(|pair| pair[0].0 <= requests && requests <= pair[1].0)?;
    let share = (requests - pair[0].0) / (pair[1].0 - pair[0].0);
    Some(pair[0].1 + share * (pair[1].1 - pair[0].1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends one second apart with these delays and polls.
    fn ends(delays_s: &[Option<u64>], polls: u64) -> Vec<SeenEnd> {
        let end = |(number, delay_s): (usize, &Option<u64>)| SeenEnd {
            ended: Duration::from_secs(number as u64),
            delay: delay_s.map(Duration::from_secs),
            polls,
        };
        delays_s.iter().enumerate().map(end).collect()
    }

    #[test]
    fn the_worst_block_counts_and_a_rest_does_not() {
        let mut delays = vec![Some(50); 500];
        delays.extend(vec![Some(150); 500]);
        delays.extend(vec![None; 10]);
        let hourly = ends(&[Some(100); 1010], 10);
        assert_eq!(worst_block(&ends(&delays, 9), &hourly), (1.5, 0.9));
        delays[3] = None;
        assert!(worst_block(&ends(&delays, 9), &hourly).0.is_infinite());
    }

    #[test]
    fn the_curve_is_a_line_between_its_points() {
        let curve = [(5.0, 100.0), (10.0, 50.0)];
        assert_eq!((at(&curve, 6.0), at(&curve, 4.0)), (Some(90.0), None));
    }

    #[test]
    fn on_a_thousand_objects_the_goal_is_met() {
        let goal = &all()[0];
        let reached = reached(goal, &runs(goal.past, goal.spending, 1).unwrap());
        assert!(reached.is_met, "{reached:?}");
        // A plan that knows the true ages is not below the bound by more than chance.
        let (known, bound) = (reached.mean_if_known.unwrap(), reached.bound.unwrap());
        assert!(known > bound * 0.9, "{known} {bound}");
    }
}
