//! What those who look and enrol wait for: lists and objects over the socket with fifty readers, enrolments through the
//! API, the pages of the dashboard on a store of a million objects, a scrape with ten thousand accounts.
//!
//! `cargo bench -p reconciled-benches --bench api -- lists | enrol | pages | scrape [--objects N] [--accounts N]
//! [--seconds N] [--folder DIR] [--adaptive]
//! [--strict]`; all of them when none is named. The daemon runs in this process, on a real
//! store and socket, and polls all the time at 100 requests a second; the provider answers from memory. Readers and
//! daemon share the processors. With `--folder`, the store of the first run is used again by the next.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program that waits and measures"
)]

#[path = "../measured/mod.rs"]
mod measured;
#[path = "../store/objects.rs"]
mod objects;
#[path = "../store/rounds.rs"]
mod rounds;

mod enrol;
mod host;
mod line;
mod lists;
mod pages;
mod scrape;

use std::process::ExitCode;

use host::{Host, Size};
use measured::{Broken, Table, Words};

pub(crate) type Failure = Broken;

const PARTS: [&str; 4] = ["lists", "enrol", "pages", "scrape"];

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(Broken::from).and_then(|runtime| runtime.block_on(run(&words)));
    measured::finish(&words, outcome)
}

async fn run(words: &Words) -> Result<Table, Broken> {
    let mut table = Table::default();
    let throw_away = tempfile::tempdir()?;
    let folder = words.after("--folder").map_or_else(|| throw_away.path().to_owned(), Into::into);
    let is_adaptive = words.has("--adaptive");
    let wants = |part| words.wants(part, &PARTS);
    if wants("lists") || wants("pages") || wants("enrol") {
        let objects = words.number("--objects", 1_000_000)?;
        let size = Size { objects, accounts: words.number("--accounts", 100)?, is_adaptive };
        let host = Host::start(&folder.join("objects"), size).await?;
        if wants("lists") {
            lists::run(&host, words.number("--seconds", 30)?, &mut table).await?;
        }
        if wants("pages") {
            pages::run(&host, &mut table).await?;
        }
        if wants("enrol") {
            enrol::run(&host, &mut table).await?;
        }
        host.stop().await?;
    }
    if wants("scrape") {
        let size = Size { objects: 50_000, accounts: 10_000, is_adaptive };
        let host = Host::start(&folder.join("accounts"), size).await?;
        scrape::run(&host, &mut table).await?;
        host.stop().await?;
    }
    Ok(table)
}
