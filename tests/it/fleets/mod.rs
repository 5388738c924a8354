//! Simulated fleets: three hosts share a database in memory; one seed decides everything.
//!
//! The daemons are the real ones, each with its own folder, runtime and clock. Hosts freeze and thaw, are cut off from
//! the database, die at any external effect, lose power, stop; their clocks are wrong; the database loses calls and
//! answers, and carries out calls late. Then the faults end, and the run continues until everything has settled. An observer on the wire
//! sees at every request whether the host may send it. At the end the judge compares the remains with the truth.
//!
//! In reading order: `plan` (what a seed decides), `setting`, `tables` (the database), `host`, `world`, `judge`.

mod host;
mod judge;
pub mod plan;
mod setting;
pub mod tables;
mod world;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plan::Plan;

/// A fleet that was run and judged.
#[derive(Debug)]
pub struct Verdict {
    pub plan: Plan,
    /// Everything that is wrong; empty when all is well.
    pub wrong: Vec<String>,
    /// The events, one a line.
    pub trace: Vec<String>,
    /// Simulated time.
    pub simulated: Duration,
    pub objects: usize,
}

impl Verdict {
    /// For people.
    pub fn story(&self, seed: u64) -> String {
        let Verdict { plan, simulated, objects, .. } = self;
        let (trace, wrong) = (self.trace.join("\n  "), self.wrong.join("\n  "));
        format!(
            "seed {seed}, {objects} objects in {simulated:?}:\n{plan:#?}\nwhat happens there:\n  {trace}\n\
             and what is wrong:\n  {wrong}"
        )
    }
}

/// Runs and judges a plan.
pub fn run(plan: &Plan) -> Verdict {
    let remains = world::run(plan);
    Verdict {
        plan: plan.clone(),
        wrong: judge::judge(plan, &remains),
        trace: remains.log.entries().iter().map(ToString::to_string).collect(),
        simulated: remains.ended_at,
        objects: remains.lives.len(),
    }
}

/// Runs the fleets of these seeds on `threads` threads. Returns those in which something is wrong.
pub fn sweep(seeds: Range<u64>, threads: usize) -> Vec<(u64, Verdict)> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= seeds.end {
            return;
        }
        let verdict = run(&Plan::of(seed));
        if !verdict.wrong.is_empty() {
            failed.lock().expect("nobody panics").push((seed, verdict));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    failed.into_inner().expect("nobody panics")
}
