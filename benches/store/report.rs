//! The nightly report on the large store: the day in which every object was enrolled and first observed, which is the
//! most that a day can hold, and the quiet day after it, at whose end all are still open.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use reconciled::clock::HandClock;
use reconciled::reports::{Reports, ReportsSection};
use reconciled::store::Store;

use crate::Failure;
use crate::child::WORD;
use crate::machine::{Stopwatch, disk_bytes, mebibytes, memory};
use crate::million::{moment, options, prepare};
use crate::objects::{after, origin};
use crate::settings::Settings;
use crate::table::{Goal, Table};

/// What a report may add to the memory of the open store.
const ADDED_MEBIBYTES: f64 = 150.0;
const DAY_SECONDS: i64 = 24 * 60 * 60;

pub(crate) async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    println!("nightly report of {} objects", settings.objects);
    let place = settings.place("million")?;
    let folder = place.path.join("store");
    prepare(settings, &folder).await?;
    for (what, day) in [("all are new", 0), ("nothing happened", 1)] {
        let files = place.path.join("reports");
        let figures = in_a_child(&folder, &files, day)?;
        let [seconds, resident, before, most] = figures[..] else {
            return Err(format!("the child told {} figures, not 4", figures.len()).into());
        };
        let size = mebibytes(disk_bytes(&files)?);
        table.add(
            format!("nightly report, {what}"),
            format!("{seconds:.1} s, {size:.0} MiB of files, at most {most:.0} MiB of memory"),
            format!("the open store: {resident:.0} MiB, at most {before:.0} MiB"),
            most - before,
            " MiB",
            Goal::AtMost(ADDED_MEBIBYTES),
        );
        std::fs::remove_dir_all(&files)?;
    }
    Ok(())
}

/// Seconds, and memory in MiB: resident once the store is open, its peak until then, the peak until the end.
fn in_a_child(folder: &Path, files: &Path, day: i64) -> Result<Vec<f64>, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args([WORD, REPORT])
        .args([folder, files])
        .arg(day.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("the child ended with {}: {text}", output.status).into());
    }
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// The second argument of a child that makes a report.
pub(crate) const REPORT: &str = "report";

/// The child's side.
pub(crate) async fn answer(folder: &Path, files: &Path, day: i64) -> Result<(), Failure> {
    let (store, _) = Store::open(options(folder), moment(0)).await?;
    let (resident, before) = memory();
    let section = ReportsSection { folder: Some(files.to_owned()), ..ReportsSection::default() };
    let config = section.resolve(None).map_err(|problems| format!("{problems:?}"))?;
    let clock = HandClock::starting_at(after((day + 1) * DAY_SECONDS));
    let date =
        (origin() + jiff::SignedDuration::from_secs(day * DAY_SECONDS)).to_zoned(jiff::tz::TimeZone::UTC);
    let reports = Reports::new(store.clone(), clock, config, BTreeSet::new());
    let watch = Stopwatch::start();
    let made = reports.make(date.date()).await?;
    let seconds = watch.seconds();
    let (_, most) = memory();
    eprintln!("    {:?}", made.rows);
    if !made.failed_checks.is_empty() {
        return Err(format!("the report does not add up: {:?}", made.failed_checks).into());
    }
    println!("{seconds} {resident} {before} {most}");
    drop(reports);
    Ok(store.close().await?)
}
