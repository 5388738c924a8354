//! A test of the judge: each known bug is planted, and the simulated months must catch it.
//!
//! `cargo test --features planted-bugs --test planted`

#![allow(unreachable_pub, reason = "the module is shared with the test suite")]

#[path = "../it/months/mod.rs"]
mod months;

use std::sync::{Mutex, PoisonError};

use months::plan::Plan;
use months::{Sweep, run, shrink, story};
use reconciled::payments::planted::{Bug, plant};

/// Worlds in which a bug must be caught.
const SEEDS: u64 = 400;

/// A bug is planted in the whole process, so only one test may run at a time.
static GROUND: Mutex<()> = Mutex::new(());

#[test]
fn a_failing_seed_is_shown_with_a_smaller_world_and_what_happens_there() {
    let _alone = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    plant(Some(Bug::FinalStillDue));
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
fn every_planted_bug_is_caught_and_nothing_else_is() {
    let _alone = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let healthy = Sweep::run(0..40, None, 2, 1);
    assert!(healthy.failed.is_empty(), "without a bug: {:?}", healthy.failed);
    println!("{} worlds, {:.0} days without a bug", healthy.worlds, healthy.simulated_days());
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        let sweep = Sweep::run(0..SEEDS, None, 2, 1);
        let caught = sweep.failed.first().and_then(|(seed, wrong)| {
            let shown = wrong.iter().find(|what| words(bug).iter().any(|word| what.contains(word)))?;
            Some((seed, shown))
        });
        match caught {
            Some((seed, shown)) => {
                println!("{bug:?}: caught in world {} (seed {seed}): {shown}", sweep.worlds)
            }
            None => missed.push((bug, sweep.failed)),
        }
    }
    plant(None);
    assert!(missed.is_empty(), "not caught for what they are, in {SEEDS} worlds: {missed:#?}");
}

/// The judge's words when it has found this bug, and not another problem.
fn words(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::AlertAfterCommit | Bug::SettledBeforeSending => &["its decline never reached"],
        Bug::DueIndexNotUpdated => &["lacks its row", "has ended and is stored as"],
        Bug::BudgetFullAfterCrash => &["requests above the quota"],
        Bug::UnreachableStateAccepted => &["the observations allow", "a row says that"],
        Bug::SyncSkipped => &["was acknowledged and is lost", "Lost { missing: "],
        Bug::HistoryRowForgotten => &["its rows end at"],
        Bug::KeyOfEachAttempt => &["reported under a second key"],
        Bug::ChildNotEnrolled => &["is lost"],
        Bug::ReportDayOffByAnHour => &["is missing", "the end of", "among the pending"],
        Bug::FinalStillDue => &["polled after its end was observed"],
        Bug::ThrottleCountedAsFailure => &["failures in a row are counted"],
        Bug::RetryAfterIgnored => &["although the provider asked for a pause"],
        Bug::ReportNotSynced => &["is not whole", "has no list of sums", "has an empty list of sums"],
        Bug::RequestedAmountBooked => &["is filed as"],
        Bug::SilentWithoutReason => &["end without a reason was never reported"],
        Bug::DoubtHealsByRepetition => &["an odd amount was taken as"],
        Bug::OneRefusalIsAboutAll => &["the credentials are reported as refused"],
        Bug::DueFarAheadObeyed => &["minutes late", "has ended and is stored as", "never reached"],
        Bug::DoubtedDayReported => &["the end of", "among the pending", "is missing"],
        Bug::GoneTakenForEnd => {
            &["has ended and is stored as", "not among the pending", "is not watched any more"]
        }
    }
}
