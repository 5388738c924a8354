//! A separate process that opens the large store and reports the time and memory this took.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use reconciled::store::{Options, Store};

use crate::Failure;
use crate::machine::{Stopwatch, memory};
use crate::objects::{account, kind};
use crate::report;
use crate::rounds::round;

/// The first argument of a child process.
pub(crate) const WORD: &str = "child";

/// After this time the allocator has returned what is free.
const FREED: Duration = Duration::from_secs(3);

/// The child's figures.
#[derive(Debug, Default, Clone)]
pub(crate) struct Opened {
    pub(crate) ready_seconds: f64,
    pub(crate) resident_after_open: f64,
    pub(crate) most_until_open: f64,
    pub(crate) resident_after_round: f64,
    pub(crate) most_until_end: f64,
    pub(crate) close_seconds: f64,
}

/// Opens the store in `folder` in a separate process; with `now`, it also polls everything due.
pub(crate) fn open(
    folder: &Path,
    accounts: usize,
    now: Option<Timestamp>,
    is_killed: bool,
) -> Result<Opened, Failure> {
    let now = now.map_or_else(String::new, |now| now.to_string());
    let ending = if is_killed { "kill" } else { "close" };
    let output = Command::new(std::env::current_exe()?)
        .arg(WORD)
        .arg(folder)
        .args([accounts.to_string(), now, ending.to_owned()])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() && !is_killed {
        return Err(format!("the child ended with {}: {text}", output.status).into());
    }
    let mut opened = Opened::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        let value: f64 = value.parse()?;
        match name {
            "ready" => opened.ready_seconds = value,
            "rss-open" => opened.resident_after_open = value,
            "hwm-open" => opened.most_until_open = value,
            "rss-round" => opened.resident_after_round = value,
            "hwm-end" => opened.most_until_end = value,
            "close" => opened.close_seconds = value,
            _ => {}
        }
    }
    Ok(opened)
}

/// The child's side.
pub(crate) fn answer(words: &[String]) -> Result<(), Failure> {
    let [folder, accounts, now, ending] = words else { return Err("four arguments are needed".into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if folder == report::REPORT {
        return runtime.block_on(report::answer(Path::new(accounts), Path::new(now), ending.parse()?));
    }
    runtime.block_on(look(PathBuf::from(folder), accounts.parse()?, now, ending == "kill"))
}

async fn look(folder: PathBuf, accounts: usize, now: &str, is_killed: bool) -> Result<(), Failure> {
    let opened_at = match now.parse() {
        Ok(now) => now,
        Err(_) => crate::objects::origin(),
    };
    let watch = Stopwatch::start();
    let options = Options { folder, ..Options::default() };
    let (store, opening) = Store::open(options, opened_at).await?;
    // Ready means: it can name the next due object.
    store.next_due(&account(0), &kind()).await?;
    store.counts().await?;
    println!("ready={}", watch.seconds());
    let (_, most) = memory();
    tokio::time::sleep(FREED).await;
    let (resident, _) = memory();
    println!("rss-open={resident}\nhwm-open={most}");
    eprintln!("    {opening:?}");
    if !now.is_empty() {
        round(&store, accounts, opened_at).await?;
    }
    tokio::time::sleep(FREED).await;
    let (resident, _) = memory();
    println!("rss-round={resident}");
    if is_killed {
        // Like `kill -9`: nothing is written and nothing is closed in order.
        std::process::abort();
    }
    let watch = Stopwatch::start();
    store.close().await?;
    println!("close={}", watch.seconds());
    println!("hwm-end={}", memory().1);
    Ok(())
}
