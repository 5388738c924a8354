//! The judge judged: each known bug is switched on, and the simulated months must catch it.
//!
//! `cargo test -p reconciled-planted`; `RECONCILED_BUGS=FinalStillDue,RetryAfterIgnored` tries only these.

#![allow(unreachable_pub, reason = "the module is shared with the test suite")]

// The months of the test suite live on the copy of the daemon.
extern crate reconciled_with_bugs as reconciled;

#[path = "../it/fleets/mod.rs"]
mod fleets;
#[path = "../it/months/mod.rs"]
mod months;

use std::sync::{Mutex, PoisonError};

use months::plan::Plan;
use months::{Sweep, run, shrink, story};
use reconciled::{BUGS, Bug, FLEET_BUGS, plant};

/// Worlds in which a bug must show itself.
const SEEDS: u64 = 400;

/// A bug is switched on in the whole process: one test at a time.
static GROUND: Mutex<()> = Mutex::new(());

/// Those of these bugs to try: all, or those that the environment names.
fn wanted(among: &'static [Bug]) -> Vec<&'static Bug> {
    let Ok(names) = std::env::var("RECONCILED_BUGS") else { return among.iter().collect() };
    let names: Vec<&str> = names.split(',').collect();
    let is_known = |name: &&str| BUGS.iter().chain(FLEET_BUGS).any(|bug| bug.name == *name);
    assert!(names.iter().all(is_known), "no such bug: {names:?}");
    among.iter().filter(|bug| names.contains(&bug.name)).collect()
}

#[test]
fn a_failing_seed_is_told_with_a_smaller_world_and_what_happens_there() {
    let _alone = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    plant(BUGS.iter().find(|bug| bug.name == "FinalStillDue"));
    let sweep = Sweep::run(0..SEEDS, None, 1, 1);
    let (seed, wrong) = sweep.failed.first().expect("the bug is caught");
    let (plan, shown) = shrink(&Plan::of(*seed), wrong, 60);
    let told = story(*seed, None, wrong, 60);
    plant(None);
    let whole = Plan::of(*seed).weight();
    println!("seed {seed}: weight {whole}, smallest found {}\n{told}", plan.weight());
    assert!(plan.weight() * 2 < whole, "{} is not much smaller than {whole}", plan.weight());
    assert!(shown.iter().any(|what| what.contains("polled after its end was observed")), "{shown:?}");
    assert!(told.starts_with(&format!("seed {seed}:")), "{told}");
    for part in ["Asked {", "Answered {", "Started", &shown[0]] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    assert!(run(&plan).wrong.is_empty(), "without the bug nothing is wrong in it");
}

#[test]
fn every_known_bug_is_caught_and_nothing_else_is() {
    let _alone = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let healthy = Sweep::run(0..8, None, 2, 1);
    assert!(healthy.failed.is_empty(), "without a bug: {:?}", healthy.failed);
    println!("{} worlds, {:.0} days without a bug", healthy.worlds, healthy.simulated_days());
    let mut missed = Vec::new();
    for bug in wanted(BUGS) {
        plant(Some(bug));
        let sweep = Sweep::run(0..SEEDS, None, 2, 1);
        let caught = sweep.failed.first().and_then(|(seed, wrong)| {
            let shown = wrong.iter().find(|what| bug.signs.iter().any(|sign| what.contains(sign)))?;
            Some((seed, shown))
        });
        match caught {
            Some((seed, shown)) => {
                println!("{}: caught in world {} (seed {seed}): {shown}", bug.name, sweep.worlds)
            }
            None => missed.push((bug.name, sweep.failed)),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "not caught for what they are, in {SEEDS} worlds: {missed:#?}");
}

/// Fleets in which a bug must show itself.
const FLEETS: u64 = 60;

#[test]
fn every_known_bug_of_several_hosts_is_caught() {
    let _alone = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let mut missed = Vec::new();
    for bug in wanted(FLEET_BUGS) {
        plant(Some(bug));
        let found = (0..FLEETS).find_map(|seed| {
            let wrong = fleets::run(&fleets::plan::Plan::of(seed)).wrong;
            let shown = wrong.into_iter().find(|what| bug.signs.iter().any(|sign| what.contains(sign)))?;
            Some((seed, shown))
        });
        match found {
            Some((seed, shown)) => println!("{}: caught with seed {seed}: {shown}", bug.name),
            None => missed.push(bug.name),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "not caught for what they are, in {FLEETS} fleets: {missed:#?}");
}
