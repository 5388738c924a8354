//! Simulated months: one seed decides a whole world in manual time, and an independent judge says what is
//! wrong.
//!
//! The daemon is the real one, with its store on a real folder, its polls, its outbox, its reports and its
//! budgets. Everything around it comes from the seed: the provider and its objects, faults, a network, a disk
//! that fails, kills and power cuts at any external effect, a wall clock that jumps, nights on which the
//! clocks change. At first things go wrong; then nothing does, until all is settled. At the end the judge
//! compares the remains with the observer's log (`judge`, which uses none of our code for payments).
//!
//! In reading order: `plan` (what a seed decides), `alerting` (the same for alerts), `setting`, `clock`, `fuse` (the
//! moment of a crash), `disk`, `wire`, `log` (what is observed), `world` (the runs of the daemon), `model`, `judge`,
//! `hearing` (the judge of alerts), `history`, `reports`.
//!
//! The same seed gives the same world, event for event: everything runs on one thread, including blocking
//! work (`reconciled::blocking`), in an order that only the seed decides. A test compares two runs.

pub mod alerting;
pub mod clock;
pub mod disk;
pub mod fuse;
mod hearing;
mod history;
mod judge;
pub mod log;
pub mod model;
pub mod plan;
mod reports;
mod setting;
#[path = "../../../src/store/tests/unsynced.rs"]
mod unsynced;
pub mod wire;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plan::Plan;

/// A world that was run and judged.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Simulated time.
    pub simulated: Duration,
    /// Everything that is wrong; empty when all is well.
    pub wrong: Vec<String>,
    /// The events, one a line.
    pub trace: Vec<String>,
}

/// Runs and judges a plan.
pub fn run(plan: &Plan) -> Verdict {
    let remains = world::run(plan);
    Verdict {
        simulated: remains.ended_at,
        wrong: judge::judge(plan, &remains),
        trace: remains.log.entries().iter().map(ToString::to_string).collect(),
    }
}

/// The smallest plan found within this many attempts in which something is still wrong, and what is wrong.
pub fn shrink(plan: &Plan, wrong: &[String], attempts: usize) -> (Plan, Vec<String>) {
    let (mut smallest, mut shown) = (plan.clone(), wrong.to_vec());
    let mut left = attempts;
    'smaller: loop {
        for candidate in smallest.smaller() {
            if left == 0 {
                break 'smaller;
            }
            left -= 1;
            let verdict = run(&candidate);
            if !verdict.wrong.is_empty() {
                (smallest, shown) = (candidate, verdict.wrong);
                continue 'smaller;
            }
        }
        break;
    }
    (smallest, shown)
}

/// The result of many seeds.
#[derive(Debug, Default)]
pub struct Sweep {
    pub worlds: u64,
    pub simulated: Duration,
    /// Seeds with something wrong, and what is wrong.
    pub failed: Vec<(u64, Vec<String>)>,
}

impl Sweep {
    /// Runs seeds on `threads` threads, until all are done or `most_failed` have failed.
    pub fn run(seeds: std::ops::Range<u64>, days: Option<u64>, threads: usize, most_failed: usize) -> Sweep {
        let next = AtomicU64::new(seeds.start);
        let sweep = Mutex::new(Sweep::default());
        let work = || loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end || sweep.lock().expect("nobody panics").failed.len() >= most_failed {
                return;
            }
            let verdict = run(&plan_of(seed, days));
            let mut sweep = sweep.lock().expect("nobody panics");
            sweep.worlds += 1;
            sweep.simulated += verdict.simulated;
            if !verdict.wrong.is_empty() {
                sweep.failed.push((seed, verdict.wrong));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                scope.spawn(work);
            }
        });
        sweep.into_inner().expect("nobody panics")
    }

    /// Days simulated in all worlds together.
    pub fn simulated_days(&self) -> f64 {
        self.simulated.as_secs_f64() / 86_400.0
    }
}

/// The world of a seed: a few days, or long.
pub fn plan_of(seed: u64, days: Option<u64>) -> Plan {
    days.map_or_else(|| Plan::of(seed), |days| Plan::lasting(seed, days))
}

/// How many lines of the trace's beginning and end, and of the problems, a story shows.
const TRACE_LINES: usize = 100;
const WRONG_LINES: usize = 10;

/// The first and the last lines, and how many are left out between them.
fn ends(lines: &[String], first: usize, last: usize) -> String {
    let left_out = lines.len().saturating_sub(first + last);
    let mut shown: Vec<String> = lines.iter().take(first).cloned().collect();
    if left_out > 0 {
        shown.push(format!("... {left_out} more ..."));
    }
    shown.extend(lines.iter().skip((first + left_out).min(lines.len())).cloned());
    shown.join("\n  ")
}

/// A failing seed for people: its number, what is wrong, the smallest world that still fails, and what
/// happened there.
pub fn story(seed: u64, days: Option<u64>, wrong: &[String], attempts: usize) -> String {
    let (plan, shown) = shrink(&plan_of(seed, days), wrong, attempts);
    let trace = run(&plan).trace;
    format!(
        "seed {seed}:\n  {}\nthe smallest world found in which something is wrong:\n{plan:#?}\n\
         what happens there:\n  {}\nand what is wrong:\n  {}",
        ends(wrong, WRONG_LINES, 0),
        ends(&trace, TRACE_LINES, TRACE_LINES),
        ends(&shown, WRONG_LINES, 0)
    )
}
