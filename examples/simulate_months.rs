//! Runs simulated months on all cores: `cargo run --release --example simulate-months -- --seeds 10000`.
//!
//! `--from N` begins at another seed; `--seed N` runs one and prints its story when it fails. `--days 32`
//! creates worlds with trouble for that many days, instead of about one. `--fleets N` runs fleets of three hosts that
//! share a store. The exit code is 1 when something is wrong in any world.

#![allow(unreachable_pub, missing_docs, reason = "the module is shared with the test suite")]
#![expect(clippy::disallowed_methods, reason = "a rate needs the machine's own time")]

#[path = "../tests/it/fleets/mod.rs"]
mod fleets;
#[path = "../tests/it/months/mod.rs"]
mod months;

use std::process::ExitCode;
use std::time::Instant;

/// Worlds to try while shrinking a failure.
const SHRINK_ATTEMPTS: usize = 300;

struct Wishes {
    from: u64,
    seeds: u64,
    threads: usize,
    days: Option<u64>,
    /// Fleets instead of months.
    are_fleets: bool,
}

fn wishes() -> Result<Wishes, String> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut wishes = Wishes { from: 0, seeds: 1000, threads: cores, days: None, are_fleets: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number =
            words.next().and_then(|text| text.parse().ok()).ok_or(format!("{word} needs a number"))?;
        match word.as_str() {
            "--from" => wishes.from = number,
            "--seeds" => wishes.seeds = number,
            "--seed" => (wishes.from, wishes.seeds) = (number, 1),
            "--days" => wishes.days = Some(number),
            "--fleets" => (wishes.seeds, wishes.are_fleets) = (number, true),
            "--threads" => wishes.threads = usize::try_from(number).map_err(|error| error.to_string())?,
            other => {
                return Err(format!(
                    "{other} is not known; there are --from, --seeds, --seed, --days, --fleets, --threads"
                ));
            }
        }
    }
    Ok(wishes)
}

fn main() -> ExitCode {
    let wishes = match wishes() {
        Ok(wishes) => wishes,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(64);
        }
    };
    let began = Instant::now();
    if wishes.are_fleets {
        let failed = fleets::sweep(wishes.from..wishes.from + wishes.seeds, wishes.threads);
        println!(
            "{} fleets in {:.1} s, {} failed",
            wishes.seeds,
            began.elapsed().as_secs_f64(),
            failed.len()
        );
        for (seed, verdict) in failed.iter().take(1) {
            println!("{}", verdict.story(*seed));
        }
        return if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let sweep = months::Sweep::run(wishes.from..wishes.from + wishes.seeds, wishes.days, wishes.threads, 5);
    let took_s = began.elapsed().as_secs_f64();
    println!(
        "{} worlds, {:.0} simulated days in {took_s:.1} s: {:.0} days a second on {} threads, {} failed",
        sweep.worlds,
        sweep.simulated_days(),
        sweep.simulated_days() / took_s,
        wishes.threads,
        sweep.failed.len()
    );
    let Some((seed, wrong)) = sweep.failed.first() else { return ExitCode::SUCCESS };
    for (seed, wrong) in &sweep.failed {
        println!("seed {seed}: {} things are wrong, first: {}", wrong.len(), wrong[0]);
    }
    println!("{}", months::story(*seed, wishes.days, wrong, SHRINK_ATTEMPTS));
    ExitCode::FAILURE
}
