//! Bench 4: a million open objects over ten thousand accounts: start, memory, a due-scan, the disk.

use std::path::Path;

use reconciled::payments::object::ObjectRef;
use reconciled::store::{Options, Store};

use crate::Failure;
use crate::child;
use crate::machine::{Scales, Stopwatch, disk_bytes, mebibytes, memory};
use crate::objects::{account, after, enrolment, kind, origin};
use crate::rounds::{fill, round};
use crate::settings::Settings;
use crate::table::{Goal, Table};

const READY_SECONDS: f64 = 2.0;
const RESIDENT_MEBIBYTES: f64 = 300.0;
const SCAN_RATIO: f64 = 1.5;
const DISK_RATIO: f64 = 3.0;
/// An hour and a quarter: after it, everything polled is due again.
const ROUND_SECONDS: i64 = 4500;

pub(crate) async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    println!("bench 4: {} open objects over {} accounts", settings.objects, settings.accounts);
    let place = settings.place("million")?;
    let folder = place.path.join("store");
    let rounds_before = prepare(settings, &folder).await?;
    start_and_memory(settings, table, &folder, rounds_before)?;
    due_scan(settings, table, &folder).await?;
    disk(settings, table, &folder, rounds_before + 3).await
}

/// A store in which all objects were enrolled and observed once. Returns the number of rounds so far.
pub(crate) async fn prepare(settings: &Settings, folder: &Path) -> Result<i64, Failure> {
    if folder.join("format").exists() {
        let rounds = std::fs::read_to_string(folder.with_extension("rounds"))?;
        return Ok(rounds.trim().parse()?);
    }
    let (store, _) = Store::open(options(folder), origin()).await?;
    let watch = Stopwatch::start();
    fill(&store, settings.objects, settings.accounts).await?;
    println!("    enrolled in {:.1} s", watch.seconds());
    let watch = Stopwatch::start();
    let polls = round(&store, settings.accounts, after(ROUND_SECONDS)).await?;
    println!("    {polls} first observations in {:.1} s", watch.seconds());
    println!("    index {:.0} MiB", mebibytes(disk_bytes(&folder.join("index"))?));
    tidy(&store, after(ROUND_SECONDS)).await?;
    let watch = Stopwatch::start();
    store.close().await?;
    println!("    closed in {:.1} s", watch.seconds());
    remember_rounds(folder, 1)?;
    Ok(1)
}

pub(crate) fn remember_rounds(folder: &Path, rounds: i64) -> Result<(), Failure> {
    Ok(std::fs::write(folder.with_extension("rounds"), rounds.to_string())?)
}

pub(crate) fn options(folder: &Path) -> Options {
    Options { folder: folder.to_owned(), ..Options::default() }
}

/// The moment of a round.
pub(crate) fn moment(round: i64) -> jiff::Timestamp {
    after((round + 1) * ROUND_SECONDS)
}

fn start_and_memory(
    settings: &Settings,
    table: &mut Table,
    folder: &Path,
    rounds: i64,
) -> Result<(), Failure> {
    let accounts = settings.accounts;
    let clean = child::open(folder, accounts, None, false)?;
    let again = child::open(folder, accounts, Some(moment(rounds)), false)?;
    remember_rounds(folder, rounds + 1)?;
    let killed = child::open(folder, accounts, Some(moment(rounds + 1)), true)?;
    let after_kill = child::open(folder, accounts, Some(moment(rounds + 2)), false)?;
    remember_rounds(folder, rounds + 3)?;
    let seconds = |value: f64| format!("{value:.2} s");
    let worst = clean.ready_seconds.max(again.ready_seconds).max(killed.ready_seconds);
    table.add(
        "ready after a clean stop",
        format!("{:.2} / {:.2} / {:.2} s", clean.ready_seconds, again.ready_seconds, killed.ready_seconds),
        "",
        worst,
        " s",
        Goal::AtMost(READY_SECONDS),
    );
    table.tell("ready after kill -9 after a round", seconds(after_kill.ready_seconds));
    table.tell("clean stop after a round", seconds(again.close_seconds));
    let resident = again.resident_after_open.max(clean.resident_after_open);
    table.add(
        "resident after open",
        format!("{resident:.0} MiB, at most {:.0} MiB", clean.most_until_open),
        "",
        resident,
        " MiB",
        Goal::AtMost(RESIDENT_MEBIBYTES),
    );
    table.add(
        "resident after a due round of everything",
        format!("{:.0} MiB, at most {:.0} MiB", again.resident_after_round, again.most_until_end),
        format!("after kill -9: {:.0} MiB", after_kill.resident_after_round),
        again.resident_after_round,
        " MiB",
        Goal::AtMost(RESIDENT_MEBIBYTES),
    );
    Ok(())
}

/// Ten are due of a thousand, and of all: both stores get the same query in turn.
async fn due_scan(settings: &Settings, table: &mut Table, folder: &Path) -> Result<(), Failure> {
    let small_place = settings.place("thousand")?;
    let small_folder = small_place.path.join("store");
    std::fs::remove_dir_all(&small_folder).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let (small, _) = Store::open(options(&small_folder), origin()).await?;
    fill(&small, 1_000, 10).await?;
    let rounds: i64 = std::fs::read_to_string(folder.with_extension("rounds"))?.trim().parse()?;
    // The same moments for both, so that only the size differs.
    round(&small, 10, moment(rounds - 1)).await?;
    let (large, _) = Store::open(options(folder), origin()).await?;
    let now = moment(rounds - 1) + jiff::SignedDuration::from_secs(60);
    for (store, objects, accounts) in [(&small, 1_000, 10), (&large, settings.objects, settings.accounts)] {
        ask_ten(store, objects, accounts, now).await?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..2_000 {
        for (store, times) in [&small, &large].into_iter().zip(&mut times) {
            let watch = Stopwatch::start();
            let due = store.due(&account(0), &kind(), now, 10).await?;
            times.push(watch.seconds());
            if due.len() != 10 {
                return Err(format!("{} are due, not 10", due.len()).into());
            }
        }
    }
    let middle = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] * 1e6
    };
    let [small_times, large_times] = &mut times;
    let (of_few, of_all) = (middle(small_times), middle(large_times));
    table.add(
        format!("due-scan, 10 due of {}", settings.objects),
        format!("{of_all:.0} us"),
        format!("of 1000: {of_few:.0} us"),
        of_all / of_few,
        "",
        Goal::AtMost(SCAN_RATIO),
    );
    small.close().await?;
    Ok(large.close().await?)
}

/// Makes ten objects of the first account due now.
async fn ask_ten(
    store: &Store,
    objects: usize,
    accounts: usize,
    now: jiff::Timestamp,
) -> Result<(), Failure> {
    let ten: Vec<ObjectRef> =
        (0..objects).step_by(accounts).take(10).map(|number| enrolment(number, accounts).object).collect();
    for object in ten {
        if !store.hint(&object, now).await? {
            return Err(format!("{object} is not open").into());
        }
    }
    Ok(())
}

/// Polls everything this many times, and measures the folder.
async fn disk(
    settings: &Settings,
    table: &mut Table,
    folder: &Path,
    rounds_before: i64,
) -> Result<(), Failure> {
    let (store, _) = Store::open(options(folder), moment(rounds_before)).await?;
    let journal_before = store.stats().journal_bytes;
    let scales = Scales::under(folder);
    // Until here nothing checked the size; the daemon does so every few minutes.
    if tidy(&store, moment(rounds_before)).await? > 0 {
        let most = mebibytes(scales.most());
        table.tell("most disk at the first check, after bulk and three rounds", format!("{most:.0} MiB"));
    }
    let scales = Scales::under(folder);
    let mut compactions = 0;
    let last = rounds_before + i64::try_from(settings.rounds)?;
    for number in rounds_before..last {
        let watch = Stopwatch::start();
        let polls = round(&store, settings.accounts, moment(number)).await?;
        compactions += tidy(&store, moment(number)).await?;
        let bytes = disk_bytes(folder)?;
        println!(
            "    round {number}: {polls} polls in {:.1} s, index {:.0} MiB, all {:.0} MiB",
            watch.seconds(),
            mebibytes(disk_bytes(&folder.join("index"))?),
            mebibytes(bytes)
        );
        remember_rounds(folder, number + 1)?;
    }
    let grown = store.stats().journal_bytes - journal_before;
    let report = store.check().await?;
    if !report.is_clean() {
        return Err(format!("the store is not well: {:?}", report.problems).into());
    }
    weigh(
        table,
        folder,
        report.live_bytes,
        scales.most(),
        &format!("{} rounds of {}", settings.rounds, settings.objects),
    )?;
    table.tell("index compacted", format!("{compactions} times in {} rounds", settings.rounds));
    table.tell("journal written by polls without news", format!("{grown} bytes"));
    Ok(store.close().await?)
}

/// What the daemon does every few minutes. Returns how often the index was compacted.
pub(crate) async fn tidy(store: &Store, now: jiff::Timestamp) -> Result<u64, Failure> {
    let watch = Stopwatch::start();
    if let Some(done) = store.tidy(now).await? {
        println!(
            "    compacted: {} rows, {:.0} MiB live, {:.0} -> {:.0} MiB in {:.1} s, resident {:.0} MiB",
            done.rows,
            mebibytes(done.live_bytes),
            mebibytes(done.bytes_before),
            mebibytes(done.bytes_after),
            watch.seconds(),
            memory().0
        );
        return Ok(1);
    }
    Ok(0)
}

/// Compares the folder's size with that of its rows.
pub(crate) fn weigh(
    table: &mut Table,
    folder: &Path,
    live_bytes: u64,
    most: u64,
    what: &str,
) -> Result<(), Failure> {
    let index = disk_bytes(&folder.join("index"))?;
    // The journal promises to keep facts permanently: they are live as long as the store is.
    let facts = mebibytes(disk_bytes(&folder.join("journal"))?);
    let (all, rows) = (mebibytes(most), mebibytes(live_bytes));
    let live = rows + facts;
    table.tell(
        format!("index alone after {what}"),
        format!(
            "{:.0} MiB, {:.2} times its live rows",
            mebibytes(index),
            mebibytes(index) / mebibytes(live_bytes)
        ),
    );
    table.add(
        format!("most disk in {what}"),
        format!("{all:.0} MiB, the journal included"),
        format!("live: rows {rows:.0} MiB, facts {facts:.0} MiB"),
        all / live,
        "",
        Goal::AtMost(DISK_RATIO),
    );
    Ok(())
}
