//! The judge judged: each known bug is planted, and the simulated months must catch it.
//!
//! `cargo test --features planted-bugs --test planted`

#![allow(unreachable_pub, reason = "the module is shared with the test suite")]

#[path = "../it/months/mod.rs"]
mod months;

use months::Sweep;
use reconciled::payments::planted::{Bug, plant};

/// Worlds in which a bug must show itself.
const SEEDS: u64 = 400;

#[test]
fn every_planted_bug_is_caught_and_nothing_else_is() {
    let healthy = Sweep::run(0..40, 2, 1);
    assert!(healthy.failed.is_empty(), "without a bug: {:?}", healthy.failed);
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        let sweep = Sweep::run(0..SEEDS, 2, 1);
        match sweep.failed.first() {
            Some((seed, wrong)) => {
                println!("{bug:?}: caught in world {} (seed {seed}): {}", sweep.worlds, wrong[0])
            }
            None => missed.push(bug),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "not caught in {SEEDS} worlds: {missed:?}");
}
