//! The cost of one poll, and the highest rate of polls.
//!
//! `cargo bench -p reconciled-benches --bench polling -- cpu | ceiling [--objects N] [--accounts N] [--rounds N] [--api NAME]
//! [--strict]`; both when neither is named. The built-in simulator answers over TLS from another process, so
//! that its time does not count. `cpu`: processor time of the whole path (due, sign, request, read, decide,
//! commit) against a bare loop that only signs and sends with the same client. `ceiling`: polls a second
//! without a quota, and each part alone.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a program, not a library")]
#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "rates need the machine's time")]

#[path = "../measured/mod.rs"]
mod measured;

mod bare;
mod host;
mod parts;
mod scene;
mod server;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use amazon_pay_simulator::scenario::Api;
use measured::{Broken, Goal, Row, Table, Words, cpu_of, each_us};
use scene::{Scene, Size};

const PARTS: [&str; 2] = ["cpu", "ceiling"];

fn main() -> ExitCode {
    let words = Words::of_process();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Some(folder) = words.after(server::WORD) {
        runtime.block_on(server::serve(folder.as_ref()));
        return ExitCode::SUCCESS;
    }
    println!("{}", measured::machine());
    let outcome = runtime.block_on(run(&words));
    measured::finish(&words, outcome)
}

async fn run(words: &Words) -> Result<Table, Broken> {
    let mut table = Table::default();
    if words.wants("cpu", &PARTS) {
        let rounds = words.number("--rounds", 4)?.min(5);
        for (api, usual, most) in [(Api::AmazonPayV2, 1_500, 1.15), (Api::AmazonPayMws, 4_000, 2.5)] {
            if words.after("--api").is_some_and(|only| only != api.name()) {
                continue;
            }
            let size = Size { accounts: 1, objects: words.number("--objects", usual)? };
            cpu(&mut table, api, size, (rounds, most)).await?;
        }
    }
    if words.wants("ceiling", &PARTS) {
        let size = Size { accounts: words.number("--accounts", 10_000)?, objects: 1 };
        let rounds = words.number("--rounds", 3)?.min(5);
        ceiling(&mut table, Api::AmazonPayV2, size, rounds).await?;
    }
    Ok(table)
}

/// Elapsed time and processor time.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

async fn spent<T>(work: impl Future<Output = Result<T, Broken>>) -> Result<(T, Spent), Broken> {
    let (began, cpu) = (Instant::now(), cpu_of("self"));
    let done = work.await?;
    Ok((done, Spent { wall: began.elapsed(), cpu: cpu_of("self").saturating_sub(cpu) }))
}

impl Spent {
    fn and(self, other: Spent) -> Spent {
        Spent { wall: self.wall + other.wall, cpu: self.cpu + other.cpu }
    }
}

/// Alternates rounds of the bare loop and of ours, so that other processes disturb both alike.
async fn cpu(table: &mut Table, api: Api, size: Size, (rounds, most): (usize, f64)) -> Result<(), Broken> {
    let scene = Scene::new(api, size).await?;
    let bare = bare::Bare::new(&scene)?;
    bare.round(&scene, 16).await?;
    let mut host = host::Host::start(&scene).await?;
    let (first, first_spent) = spent(host.first_round()).await?;
    let (mut ours, mut theirs, mut polls, mut asked) = (Spent::default(), Spent::default(), 0, 0);
    for _ in 0..rounds {
        let (count, time) = spent(bare.round(&scene, 16)).await?;
        (theirs, asked) = (theirs.and(time), asked + count);
        host.settle().await;
        let (count, time) = spent(host.next_round()).await?;
        (ours, polls) = (ours.and(time), polls + count);
    }
    host.stop().await?;
    let (ours_us, bare_us) = (each_us(ours.cpu, polls), each_us(theirs.cpu, asked));
    let name = api.name();
    table.add(Row {
        what: format!("CPU per poll, {name}, nothing new"),
        measured: format!("{ours_us:.0} us ({polls} polls)"),
        baseline: format!("{bare_us:.0} us (sign and send)"),
        judged: ours_us / bare_us,
        goal: Goal::AtMost(most),
    });
    let first_us = each_us(first_spent.cpu, first);
    table.add(Row {
        what: format!("CPU per poll, {name}, a new state each (synced journal)"),
        measured: format!("{first_us:.0} us ({first} polls)"),
        baseline: format!("{bare_us:.0} us (sign and ask)"),
        judged: first_us / bare_us,
        goal: Goal::None,
    });
    Ok(())
}

/// The rate of polls without limits, and where the time goes.
async fn ceiling(table: &mut Table, api: Api, size: Size, rounds: usize) -> Result<(), Broken> {
    let scene = Scene::new(api, size).await?;
    let mut host = host::Host::start(&scene).await?;
    let (first, first_spent) = spent(host.first_round()).await?;
    let mut steady = (0, Spent::default());
    for _ in 0..rounds {
        host.settle().await;
        let (count, time) = spent(host.next_round()).await?;
        steady = (steady.0 + count, steady.1.and(time));
    }
    host.stop().await?;
    for (what, count, time) in
        [("a new state each (durable commit)", first, first_spent), ("nothing new", steady.0, steady.1)]
    {
        table.note(
            format!("polls/s end to end, {} accounts, {what}", size.accounts),
            format!(
                "{:.0}/s, {:.0} us CPU each, {:.2} cores busy",
                count as f64 / time.wall.as_secs_f64(),
                each_us(time.cpu, count),
                time.cpu.as_secs_f64() / time.wall.as_secs_f64()
            ),
        );
    }
    let parts = parts::measure(&scene).await?;
    let costliest = parts.iter().max_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
    let signing = parts.iter().find(|part| part.name == parts::SIGN).map_or(0.0, |part| part.cpu_us);
    for part in &parts {
        table.note(
            format!("  {} alone", part.name),
            format!("{:.1} us CPU, {:.0}/s", part.cpu_us, part.per_second),
        );
    }
    let costliest = costliest.map_or_else(String::new, |part| part.name.to_owned());
    let others = parts.iter().filter(|part| part.name != parts::SIGN).map(|part| part.cpu_us);
    let next = others.fold(0.0, f64::max);
    table.add(Row {
        what: "the ceiling: signing against the next costliest part".to_owned(),
        measured: format!("{costliest} costs most"),
        baseline: format!("{next:.1} us"),
        judged: signing / next,
        goal: Goal::AtLeast(1.0),
    });
    Ok(())
}
