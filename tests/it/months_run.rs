//! Simulated months in the suite; `examples/simulate_months.rs` runs any number of them.

use crate::months::{Sweep, story};

/// Worlds of the suite.
const SEEDS: u64 = 200;

#[test]
fn nothing_goes_wrong_in_any_of_the_suites_worlds() {
    let sweep = Sweep::run(0..SEEDS, 2, 1);
    if let Some((seed, wrong)) = sweep.failed.first() {
        panic!("{}", story(*seed, wrong, 40));
    }
    assert_eq!(sweep.worlds, SEEDS);
    let days = sweep.simulated_days();
    assert!(days > 3.0 * 200.0, "{days} days are no months");
}

#[test]
fn tmp_first() {
    for seed in 0..40 {
        let verdict = crate::months::run(&crate::months::plan::Plan::of(seed));
        if !verdict.wrong.is_empty() {
            println!("{seed}: {:?} {:#?}", verdict.simulated, verdict.wrong);
        }
    }
}
