//! Bench 3: durable enrolments a second, by one client, by 64 clients, and from one file.
//!
//! Just before, SQLite writes the same rows on the same volume, in transactions of the same sizes: one row
//! for one client; for 64 clients, as many rows as wait when the transaction before ends (a single writing
//! thread that takes the whole queue, as our writer does); a thousand rows for the file, which is what
//! `reconciled enrol FILE` sends at a time.

use std::path::Path;
use std::sync::mpsc;

use jiff::Timestamp;
use reconciled::payments::record::Enrolment;
use reconciled::store::{Enrolled, Options, Store};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::Failure;
use crate::machine::Stopwatch;
use crate::objects::{after, enrolment, origin};
use crate::settings::Settings;
use crate::sqlite::Sqlite;
use crate::table::{Goal, Table};

/// Lines that the command sends at a time.
const BATCH_LINES: usize = reconciled::control::messages::BATCH_LINES_MAX;
const CLIENTS: usize = 64;
const ROWS_OF_ONE_CLIENT: usize = 4_000;
const ROWS_OF_ALL_CLIENTS: usize = 64_000;
/// Number of runs of each pair; the median ratio counts.
const REPEATS: usize = 3;

pub(crate) async fn run(settings: &Settings, table: &mut Table) -> Result<(), Failure> {
    println!("bench 3: enrolments a second");
    let mut pairs = Vec::new();
    for _ in 0..REPEATS {
        let theirs = one_by_one_theirs(settings)?;
        pairs.push((one_by_one_ours(settings).await?, theirs));
    }
    tell(table, "enrolments/s, 1 client", pairs);
    let mut pairs = Vec::new();
    for _ in 0..REPEATS {
        let theirs = together_theirs(settings).await?;
        pairs.push((together_ours(settings).await?, theirs));
    }
    tell(table, format!("enrolments/s, {CLIENTS} clients").as_str(), pairs);
    let theirs = file_theirs(settings)?;
    let ours = file_ours(settings).await?;
    tell(table, format!("enrolments/s, file of {}", settings.objects).as_str(), vec![(ours, theirs)]);
    Ok(())
}

fn tell(table: &mut Table, figure: &str, mut pairs: Vec<(f64, f64)>) {
    pairs.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
    let (ours, theirs) = pairs[pairs.len() / 2];
    let baseline = format!("SQLite {theirs:.0}");
    table.add(figure, format!("{ours:.0}"), baseline, ours / theirs, "", Goal::AtLeast(1.0));
}

async fn open(folder: &Path) -> Result<Store, Failure> {
    let options = Options { folder: folder.join("store"), ..Options::default() };
    Ok(Store::open(options, origin()).await?.0)
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn rate(rows: usize, watch: &Stopwatch) -> f64 {
    rows as f64 / watch.seconds()
}

fn expect_new(answers: &[Enrolled]) -> Result<(), Failure> {
    match answers.iter().all(|answer| *answer == Enrolled::New) {
        true => Ok(()),
        false => Err("an object was known already".into()),
    }
}

fn one_by_one_theirs(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-sqlite")?;
    let mut sqlite = Sqlite::open(&place.path)?;
    let watch = Stopwatch::start();
    for number in 0..ROWS_OF_ONE_CLIENT {
        sqlite.enrol(&[enrolment(number, settings.accounts)], origin())?;
    }
    let rate = rate(ROWS_OF_ONE_CLIENT, &watch);
    expect_rows(&sqlite, ROWS_OF_ONE_CLIENT)?;
    Ok(rate)
}

fn expect_rows(sqlite: &Sqlite, rows: usize) -> Result<(), Failure> {
    match sqlite.rows()? {
        found if found == rows => Ok(()),
        found => Err(format!("the baseline has {found} rows, not {rows}").into()),
    }
}

async fn one_by_one_ours(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-store")?;
    let store = open(&place.path).await?;
    let watch = Stopwatch::start();
    for number in 0..ROWS_OF_ONE_CLIENT {
        expect_new(&store.enrol(vec![enrolment(number, settings.accounts)], origin()).await?)?;
    }
    store.counts().await?;
    let rate = rate(ROWS_OF_ONE_CLIENT, &watch);
    store.close().await?;
    Ok(rate)
}

async fn together_ours(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-store")?;
    let store = open(&place.path).await?;
    let accounts = settings.accounts;
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let store = store.clone();
        clients.spawn(async move {
            for number in (client..ROWS_OF_ALL_CLIENTS).step_by(CLIENTS) {
                expect_new(&store.enrol(vec![enrolment(number, accounts)], origin()).await?)?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    store.counts().await?;
    let rate = rate(ROWS_OF_ALL_CLIENTS, &watch);
    let groups = store.stats().synced_groups;
    println!("    ours: {ROWS_OF_ALL_CLIENTS} rows in {groups} groups");
    store.close().await?;
    Ok(rate)
}

async fn together_theirs(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-sqlite")?;
    let mut sqlite = Sqlite::open(&place.path)?;
    let accounts = settings.accounts;
    let (queue, waiting) = mpsc::channel::<(Enrolment, oneshot::Sender<()>)>();
    let writer = std::thread::spawn(move || {
        let mut groups = 0;
        while let Ok(first) = waiting.recv() {
            let (rows, answers): (Vec<_>, Vec<_>) = std::iter::once(first).chain(waiting.try_iter()).unzip();
            sqlite.enrol(&rows, origin())?;
            groups += 1;
            for answer in answers {
                let _ = answer.send(());
            }
        }
        println!("    SQLite: {ROWS_OF_ALL_CLIENTS} rows in {groups} transactions");
        expect_rows(&sqlite, ROWS_OF_ALL_CLIENTS)
    });
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let queue = queue.clone();
        clients.spawn(async move {
            for number in (client..ROWS_OF_ALL_CLIENTS).step_by(CLIENTS) {
                let (answer, done) = oneshot::channel();
                queue.send((enrolment(number, accounts), answer)).map_err(|_| "the writer has ended")?;
                done.await?;
            }
            Ok::<(), Failure>(())
        });
    }
    drop(queue);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let rate = rate(ROWS_OF_ALL_CLIENTS, &watch);
    writer.join().map_err(|_| "the baseline's writer panicked")??;
    Ok(rate)
}

/// When the lines from this one on are sent: later than those before them.
fn moment_of(start: usize) -> Timestamp {
    after(i64::try_from(start / BATCH_LINES).unwrap_or_default())
}

async fn file_ours(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-store")?;
    let store = open(&place.path).await?;
    let watch = Stopwatch::start();
    for start in (0..settings.objects).step_by(BATCH_LINES) {
        let end = settings.objects.min(start + BATCH_LINES);
        let batch = (start..end).map(|number| enrolment(number, settings.accounts)).collect();
        expect_new(&store.enrol(batch, moment_of(start)).await?)?;
    }
    store.counts().await?;
    let rate = rate(settings.objects, &watch);
    store.close().await?;
    Ok(rate)
}

fn file_theirs(settings: &Settings) -> Result<f64, Failure> {
    let place = settings.place("enrol-sqlite")?;
    let mut sqlite = Sqlite::open(&place.path)?;
    let watch = Stopwatch::start();
    for start in (0..settings.objects).step_by(BATCH_LINES) {
        let end = settings.objects.min(start + BATCH_LINES);
        let batch: Vec<Enrolment> = (start..end).map(|number| enrolment(number, settings.accounts)).collect();
        sqlite.enrol(&batch, moment_of(start))?;
    }
    let rate = rate(settings.objects, &watch);
    expect_rows(&sqlite, settings.objects)?;
    Ok(rate)
}
