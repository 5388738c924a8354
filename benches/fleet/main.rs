//! Several hosts that share a store in PostgreSQL, beside a store of one host: enrolments, polls with and without news,
//! statements, how soon a host polls an account that it has taken, and the cost of a snapshot that is held for long.
//!
//! `cargo bench -p reconciled-benches --bench fleet -- hosts | takeover | snapshot`; all of them if none is named.
//! Options: `--seconds N`, `--objects N`, `--held N`, `--strict`. It starts its own server from Debian's package
//! postgresql, with the default settings. The hosts are stores in this process, each with its own folder and connection.
//! They share one machine with the server.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a program that waits and measures"
)]

#[path = "../measured/mod.rs"]
mod measured;
#[path = "../store/objects.rs"]
mod objects;
#[path = "../store/rounds.rs"]
mod rounds;
#[path = "../../src/store/tests/server.rs"]
mod server;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use measured::{Broken, Goal, Row, Table, Words};
use objects::{account, after, enrolment, kind, origin};
use reconciled::clock::SystemClock;
use reconciled::secret::Secret;
use reconciled::store::{DatabaseUrl, Enrolled, Options, Shared, Store};
use server::Server;
use tempfile::TempDir;
use tokio::task::JoinSet;

pub(crate) type Failure = Broken;

const PARTS: [&str; 3] = ["hosts", "takeover", "snapshot"];
const HOSTS: [usize; 4] = [1, 2, 4, 8];
/// Callers on each host that enrol one object after another.
const CALLERS: usize = 16;
const ACCOUNTS_OF_EACH: usize = 4;
/// Keeps the numbers of objects of different hosts apart.
const APART: usize = 1_000_000;

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(Broken::from).and_then(|runtime| runtime.block_on(run(&words)));
    measured::finish(&words, outcome)
}

async fn run(words: &Words) -> Result<Table, Broken> {
    let mut table = Table::default();
    let server = Server::new()?;
    let seconds = u64::try_from(words.number("--seconds", 5)?)?;
    if words.wants("hosts", &PARTS) {
        let alone = measure(&server, 0, seconds).await?;
        for hosts in HOSTS {
            let figures = measure(&server, hosts, seconds).await?;
            figures.show(hosts, &alone, &mut table);
        }
    }
    if words.wants("takeover", &PARTS) {
        takeover(&server, words.number("--objects", 100_000)?, &mut table).await?;
    }
    if words.wants("snapshot", &PARTS) {
        snapshot(Arc::new(server), u64::try_from(words.number("--held", 60)?)?, &mut table).await?;
    }
    Ok(table)
}

/// A store in a folder of its own: shared through this database, or of one host.
async fn open(server: &Server, database: Option<&str>) -> Result<(TempDir, Store), Broken> {
    let folder = tempfile::tempdir()?;
    let shared = database.map(|database| -> Result<Shared, Broken> {
        let url = DatabaseUrl::new(Secret::new(server.url(database)))?;
        let (clock, lease_term) = (SystemClock::shared(), Duration::from_secs(30));
        Ok(Shared { tables: url.tables(lease_term), lease_term, clock, while_waiting: None })
    });
    let options =
        Options { folder: folder.path().to_owned(), shared: shared.transpose()?, ..Options::default() };
    let (store, _) = Store::open(options, origin()).await?;
    Ok((folder, store))
}

/// How many operations were done, how long they took, and how many statements they needed.
struct Figure {
    number: usize,
    took: Duration,
    statements: u64,
}

impl Figure {
    fn rate(&self) -> f64 {
        self.number as f64 / self.took.as_secs_f64()
    }

    fn statements_each(&self) -> f64 {
        self.statements as f64 / self.number.max(1) as f64
    }
}

struct Figures {
    enrolled: Figure,
    news: Figure,
    quiet: Figure,
}

impl Figures {
    fn show(&self, hosts: usize, alone: &Figures, table: &mut Table) {
        let one = |what: &str, figure: &Figure, alone: &Figure, most: Option<f64>| Row {
            what: format!("{hosts} hosts: {what}, statements each"),
            measured: format!(
                "{:.0} a second, {:.3} statements each",
                figure.rate(),
                figure.statements_each()
            ),
            baseline: format!("one host, files: {:.0} a second", alone.rate()),
            judged: figure.statements_each(),
            goal: most.map_or(Goal::None, Goal::AtMost),
        };
        let callers = hosts * CALLERS;
        table.add(one(&format!("enrolments by {callers} callers"), &self.enrolled, &alone.enrolled, None));
        table.add(one("polls with news", &self.news, &alone.news, Some(2.0)));
        table.add(one("polls without news", &self.quiet, &alone.quiet, Some(0.05)));
    }
}

/// Statements so far: each is a transaction.
async fn statements(server: &Server, database: &str) -> u64 {
    // The server counts a transaction up to a second after it has ended.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let sql =
        format!("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{database}'");
    server.sql("postgres", &sql).parse().unwrap_or_default()
}

/// Measures some hosts on a new database. 0: one host with files.
async fn measure(server: &Server, hosts: usize, seconds: u64) -> Result<Figures, Broken> {
    let database = format!("hosts_{hosts}");
    server.create(&database);
    let is_shared = hosts > 0;
    let mut stores = Vec::new();
    for _ in 0..hosts.max(1) {
        stores.push(open(server, is_shared.then_some(database.as_str())).await?);
    }
    let hosts: Vec<Store> = stores.iter().map(|(_, store)| store.clone()).collect();
    let enrolled = figure(server, &database, enrol(&hosts, seconds)).await?;
    let news = figure(server, &database, poll(&hosts, 4_500)).await?;
    let quiet = figure(server, &database, poll(&hosts, 13_500)).await?;
    for store in hosts {
        store.close().await?;
    }
    Ok(Figures { enrolled, news, quiet })
}

async fn figure(
    server: &Server,
    database: &str,
    work: impl Future<Output = Result<usize, Broken>>,
) -> Result<Figure, Broken> {
    let before = statements(server, database).await;
    let began = Instant::now();
    let number = work.await?;
    let took = began.elapsed();
    let statements = statements(server, database).await.saturating_sub(before);
    Ok(Figure { number, took, statements })
}

/// Every caller enrols one object after another for some seconds. Returns how many were enrolled.
async fn enrol(hosts: &[Store], seconds: u64) -> Result<usize, Broken> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let until = Instant::now() + Duration::from_secs(seconds);
    let accounts = hosts.len() * ACCOUNTS_OF_EACH;
    let mut callers = JoinSet::new();
    for (host, store) in hosts.iter().enumerate() {
        let next = Arc::new(AtomicUsize::new(0));
        for _ in 0..CALLERS {
            let (store, next, hosts) = (store.clone(), Arc::clone(&next), hosts.len());
            callers.spawn(async move {
                let mut enrolled = 0;
                while Instant::now() < until {
                    // A host has the accounts whose number modulo the number of hosts is its own number.
                    let number = (run * hosts + host) * APART * accounts
                        + host
                        + hosts * next.fetch_add(1, Ordering::Relaxed);
                    if store.enrol(vec![enrolment(number, accounts)], origin()).await? != [Enrolled::New] {
                        return Err(format!("object {number} was known already").into());
                    }
                    enrolled += 1;
                }
                Ok::<usize, Broken>(enrolled)
            });
        }
    }
    sum(callers).await
}

/// Every host polls every object of its own accounts once.
async fn poll(hosts: &[Store], at_s: i64) -> Result<usize, Broken> {
    let accounts = hosts.len() * ACCOUNTS_OF_EACH;
    let mut all = JoinSet::new();
    for (host, store) in hosts.iter().enumerate() {
        for number in (host..accounts).step_by(hosts.len()) {
            let store = store.clone();
            all.spawn(async move { rounds::round_of(&store, number..number + 1, after(at_s)).await });
        }
    }
    sum(all).await
}

async fn sum(mut tasks: JoinSet<Result<usize, Broken>>) -> Result<usize, Broken> {
    let mut sum = 0;
    while let Some(ended) = tasks.join_next().await {
        sum += ended??;
    }
    Ok(sum)
}

/// From the moment at which a host stops until another one knows what to poll of its account.
async fn takeover(server: &Server, objects: usize, table: &mut Table) -> Result<(), Broken> {
    server.create("takeover");
    let (_one, first) = open(server, Some("takeover")).await?;
    let (_two, second) = open(server, Some("takeover")).await?;
    let name = account(0);
    let (of_first, of_second) = (first.fleet().ok_or("not shared")?, second.fleet().ok_or("not shared")?);
    of_first.declare(&[(name.as_str().to_owned(), name.as_str().to_owned())].into()).await?;
    of_first.take(of_first.see().await?.free).await?;
    rounds::fill(&first, objects, 1).await?;
    second.catch_up().await?;
    first.close().await?;
    let began = Instant::now();
    let taken = of_second.take(of_second.see().await?.free).await?;
    second.catch_up().await?;
    let due = second.due(&name, &kind(), after(60), 100).await?;
    let took = began.elapsed();
    if taken.is_empty() || due.len() != 100 {
        return Err("the account was not taken".into());
    }
    table.add(Row {
        what: format!("from lease to the first poll, {objects} objects, in ms"),
        measured: format!("{:.1} ms", took.as_secs_f64() * 1e3),
        baseline: String::new(),
        judged: took.as_secs_f64() * 1e3,
        goal: Goal::AtMost(2_000.0),
    });
    second.close().await?;
    Ok(())
}

/// Two hosts enrol while a statement of another client keeps the server from removing old versions of rows.
async fn snapshot(server: Arc<Server>, held: u64, table: &mut Table) -> Result<(), Broken> {
    server.create("snapshot");
    let mut hosts = Vec::new();
    for _ in 0..2 {
        hosts.push(open(&server, Some("snapshot")).await?);
    }
    let stores: Vec<Store> = hosts.iter().map(|(_, store)| store.clone()).collect();
    let part = |seconds| figure(&server, "snapshot", enrol(&stores, seconds));
    let before = part(10).await?;
    let sleeping = Arc::clone(&server);
    let sleeping = tokio::task::spawn_blocking(move || {
        sleeping.sql("snapshot", &format!("SELECT count(*), pg_sleep({held}) FROM reconciled_lease"));
    });
    enrol(&stores, held.saturating_sub(15)).await?;
    let during = part(10).await?;
    sleeping.await?;
    table.add(Row {
        what: format!("enrolments of 2 hosts after a snapshot was held for {} s", held.saturating_sub(15)),
        measured: format!("{:.0} a second", during.rate()),
        baseline: format!("before it: {:.0} a second", before.rate()),
        judged: during.rate() / before.rate(),
        goal: Goal::AtLeast(0.8),
    });
    for store in stores {
        store.close().await?;
    }
    Ok(())
}
