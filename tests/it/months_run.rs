//! Simulated months in the suite; `examples/simulate_months.rs` runs any number of them.

use crate::months::plan::Plan;
use crate::months::{Sweep, run, story};

/// The suite's worlds.
const SEEDS: u64 = 90;
/// The number and length of long ones.
const LONG_SEEDS: u64 = 2;
const LONG_DAYS: u64 = 32;

#[test]
fn nothing_goes_wrong_in_any_of_the_suites_worlds() {
    let sweep = Sweep::run(0..SEEDS, None, 2, 1);
    if let Some((seed, wrong)) = sweep.failed.first() {
        panic!("{}", story(*seed, None, wrong, 40));
    }
    assert_eq!(sweep.worlds, SEEDS);
    let days = sweep.simulated_days();
    assert!(days > 130.0, "only {days} days were simulated");
}

#[test]
fn a_month_with_its_nights_and_its_end_goes_well() {
    let sweep = Sweep::run(0..LONG_SEEDS, Some(LONG_DAYS), 2, 1);
    if let Some((seed, wrong)) = sweep.failed.first() {
        panic!("{}", story(*seed, Some(LONG_DAYS), wrong, 10));
    }
    let days = sweep.simulated_days();
    assert!(days > 60.0, "only {days} days were simulated");
}

#[test]
fn a_seed_gives_the_same_world_event_for_event() {
    for plan in [0, 1, 2, 3, 4].map(Plan::of).into_iter().chain([Plan::lasting(1, 5)]) {
        let (one, other) = (run(&plan), run(&plan));
        let parts = one.trace.iter().zip(&other.trace).position(|(one, other)| one != other);
        if let Some(place) = parts {
            panic!("seed {}: event {place}: {} / {}", plan.seed, one.trace[place], other.trace[place]);
        }
        assert_eq!(
            (one.trace.len(), one.simulated, one.wrong),
            (other.trace.len(), other.simulated, other.wrong)
        );
        assert!(one.trace.len() > 10, "seed {}: nothing happens", plan.seed);
    }
}
