//! The cost of the store: enrolments a second against SQLite, a million objects, and long operations on them.
//!
//! `cargo bench -p reconciled-benches --bench store -- enrol | million | upkeep | month | report [--objects N] [--accounts N] [--folder DIR]
//! [--strict]`; all of them when none is named. Every figure stands beside its baseline or its goal, measured
//! in the same run on the same volume. It exits non-zero on an error, and with `--strict` also when a goal is
//! missed.

#![allow(missing_docs, reason = "a program, not a library")]
#![expect(clippy::disallowed_methods, reason = "a rate needs the machine's own time")]

mod child;
mod enrol;
mod machine;
mod million;
mod month;
mod objects;
mod report;
mod rounds;
mod settings;
mod sqlite;
mod table;
mod upkeep;

use std::process::ExitCode;

use settings::Settings;
use table::Table;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == child::WORD) {
        return finish(child::answer(&words[1..]).map(|()| true));
    }
    match Settings::read(words) {
        Ok(settings) => finish(run(&settings)),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(64)
        }
    }
}

fn finish(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("the bench failed: {error}");
            ExitCode::from(70)
        }
    }
}

/// Whether no goal was missed, or `--strict` is not set.
fn run(settings: &Settings) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::default();
    println!("{}", machine::describe());
    if settings.wants("enrol") {
        runtime.block_on(enrol::run(settings, &mut table))?;
    }
    if settings.wants("million") {
        runtime.block_on(million::run(settings, &mut table))?;
    }
    if settings.wants("month") {
        runtime.block_on(month::run(settings, &mut table))?;
    }
    if settings.wants("upkeep") {
        runtime.block_on(upkeep::run(settings, &mut table))?;
    }
    if settings.wants("report") {
        runtime.block_on(report::run(settings, &mut table))?;
    }
    print!("{table}");
    Ok(!settings.is_strict || table.misses() == 0)
}
