//! How much of a quota is used in an hour with more polls due than it allows.
//!
//! `cargo bench -p reconciled-benches --bench quota [-- --minutes N] [--strict]`. Virtual time: the real daemon, store and
//! signatures; the simulator behind a network in memory whose requests take up to 160 ms, and sometimes
//! seconds. The server's bucket is the judge: it counts the requests that it would have allowed, those sent,
//! and those over the quota.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program, with modules of the tests")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a program")]

#[path = "../measured/mod.rs"]
mod measured;

/// The clock and network of the simulated months.
#[path = "."]
mod months {
    #[path = "../../tests/it/months/clock.rs"]
    pub mod clock;
    #[path = "../../tests/it/months/fuse.rs"]
    pub mod fuse;
    #[path = "../../tests/it/months/log.rs"]
    pub mod log;
    #[path = "../../tests/it/months/wire.rs"]
    pub mod wire;
}

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use amazon_pay_simulator::Simulator;
use amazon_pay_simulator::scenario::Scenario;
use measured::{Broken, Goal, Row, Table, Words};
use months::clock::{HostClock, TrueClock, WorldTime};
use months::fuse::Fuse;
use months::log::Log;
use months::wire::Wire;
use reconciled::clock::SharedClock;
use reconciled::config::{self, Surroundings};
use reconciled::daemon::{Daemon, Outside};
use reconciled::payments::record::{Details, Enrolment};
use reconciled::reports::NoProbe;
use reconciled::store::disk::MachineDisk;
use reconciled::store::{Options, Store};

/// The accounts, each with the default quota: 10 at once, then one a second.
const ACCOUNTS: [&str; 2] = ["shop", "old-shop"];
/// How long the process is down at a restart.
const DOWN: Duration = Duration::from_secs(1);
/// Between restarts.
const LIFE: Duration = Duration::from_secs(300);

/// What disturbs the hour.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    name: &'static str,
    throttled_share: f64,
    restart: Option<Restart>,
    goal: Goal,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Restart {
    Clean,
    Kill,
}

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    let outcome = run(&words);
    measured::finish(&words, outcome)
}

fn run(words: &Words) -> Result<Table, Broken> {
    let length = Duration::from_secs(u64::try_from(words.number("--minutes", 60)?)? * 60);
    let goal = Goal::AtLeast(0.995);
    let calm = Trouble { name: "undisturbed", throttled_share: 0.0, restart: None, goal };
    let troubles = [
        calm,
        Trouble { name: "5 % injected throttles", throttled_share: 0.05, ..calm },
        Trouble { name: "a clean restart every 5 min", restart: Some(Restart::Clean), ..calm },
        Trouble {
            name: "5 % throttles, a clean restart every 5 min",
            throttled_share: 0.05,
            restart: Some(Restart::Clean),
            ..calm
        },
        Trouble { name: "a kill every 5 min", restart: Some(Restart::Kill), goal: Goal::None, ..calm },
    ];
    let mut table = Table::default();
    for trouble in troubles {
        hour(&mut table, trouble, length)?;
        eprintln!("done: {}", trouble.name);
    }
    Ok(table)
}

fn hour(table: &mut Table, trouble: Trouble, length: Duration) -> Result<(), Broken> {
    let folder = tempfile::tempdir()?;
    let time = WorldTime::starting_at("2026-01-15T01:00:00Z".parse()?);
    let clock: SharedClock = Arc::new(TrueClock(Arc::clone(&time)));
    let mut scenario = Scenario::parse(&scenario(trouble, length), folder.path())?;
    scenario.generate_credentials(folder.path())?;
    let simulator = Arc::new(Simulator::new(scenario, clock)?);
    std::fs::write(folder.path().join("config.toml"), configuration(folder.path()))?;
    live(&time, || enrol(folder.path(), &time, &simulator))?;
    let life = if trouble.restart.is_some() { LIFE } else { length };
    while time.elapsed() < length {
        let rest = length - time.elapsed();
        let is_last = rest <= life;
        let is_kill = trouble.restart == Some(Restart::Kill) || is_last;
        live(&time, || poll(folder.path(), &time, &simulator, life.min(rest), is_kill))?;
        if !is_last {
            time.pass(DOWN);
        }
    }
    let counts = simulator.counts();
    for account in ACCOUNTS {
        let counted = counts.of_account(account);
        let allowed = 10 + length.as_secs();
        let use_of = counted.requests as f64 / allowed as f64;
        table.add(Row {
            what: format!("quota used, {account}, {}", trouble.name),
            measured: format!("{} requests, {} throttled by a fault", counted.requests, counted.injected()),
            baseline: format!("{allowed} allowed"),
            judged: use_of,
            goal: trouble.goal,
        });
    }
    let over = counts.total().over_quota;
    table.add(Row {
        what: format!("over the quota, {}", trouble.name),
        measured: format!("{over} requests"),
        baseline: "by the server's bucket".to_owned(),
        judged: over as f64,
        goal: Goal::AtMost(0.0),
    });
    Ok(())
}

/// One run of the process in its own runtime: everything in flight ends with it.
fn live<F: Future<Output = Result<(), Broken>>>(
    time: &Arc<WorldTime>,
    work: impl FnOnce() -> F,
) -> Result<(), Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()?;
    let lived = runtime.block_on(async {
        time.begin();
        let lived = work().await;
        time.end();
        lived
    });
    drop(runtime);
    lived
}

async fn enrol(folder: &Path, time: &Arc<WorldTime>, simulator: &Simulator) -> Result<(), Broken> {
    let options = Options { folder: folder.join("store"), ..Options::default() };
    let (store, _) = Store::open(options, time.now()).await?;
    let mut enrolments = Vec::new();
    for planted in simulator.planted() {
        let kind = if planted.api == "amazon-pay-v2" { "charge" } else { "authorization" };
        let object = format!("{}/{kind}/{}", planted.account, planted.truth.id).parse()?;
        enrolments.push(Enrolment { object, details: Details::default() });
    }
    store.enrol(enrolments, time.now()).await?;
    Ok(store.close().await?)
}

async fn poll(
    folder: &Path,
    time: &Arc<WorldTime>,
    simulator: &Arc<Simulator>,
    length: Duration,
    is_kill: bool,
) -> Result<(), Broken> {
    let wire = Wire {
        simulator: Arc::clone(simulator),
        time: Arc::clone(time),
        fuse: Fuse::of(None),
        log: Log::default(),
        refused: Arc::default(),
        seed: 7,
        is_quick: false,
    };
    let clock: SharedClock = Arc::new(HostClock::new(time));
    let outside = Outside {
        clock: Arc::clone(&clock),
        transport: Arc::new(wire),
        surroundings: Surroundings::default(),
        database: None,
    };
    let config = config::load(&folder.join("config.toml"), &Surroundings::default())
        .map_err(|error| reconciled::daemon::problem_lines(error).join("\n"))?;
    let daemon = Daemon::start_rooms(config, outside, Arc::new(MachineDisk), Arc::new(NoProbe)).await?;
    clock.sleep(length).await;
    if !is_kill {
        daemon.stop().await?;
    }
    Ok(())
}

fn scenario(trouble: Trouble, length: Duration) -> String {
    let own = [
        "api = \"amazon-pay-v2\"\nmerchant_id = \"A1\"\npublic_key_id = \"LIVE-ASHOPKEY\"\n",
        "api = \"amazon-pay-mws\"\nmerchant_id = \"A2\"\naccess_key_id = \"AKIAOLDSHOP\"\n",
    ];
    let mut text = "seed = 7\n".to_owned();
    for (name, own) in ACCOUNTS.into_iter().zip(own) {
        text.push_str(&format!(
            "[[account]]\nname = \"{name}\"\n{own}region = \"eu\"\nenvironment = \"live\"\n\
             quota = [{{ operation = \"*\", capacity = 10, refill = 1, per_s = 1 }}]\n\
             [[population]]\naccount = \"{name}\"\nkind = \"authorization\"\ncount = {}\n\
             currencies = [{{ code = \"EUR\", amount = [\"5.00\", \"250.00\"] }}]\noutcome = [{{ steps = [] }}]\n",
            length.as_secs() + 1_000
        ));
    }
    if trouble.throttled_share > 0.0 {
        text.push_str(&format!("[[fault]]\nkind = \"throttle\"\nshare = {}\n", trouble.throttled_share));
    }
    text
}

fn configuration(folder: &Path) -> String {
    let shown = folder.display();
    let keys = [
        format!(
            "api = \"amazon-pay-v2\"\npublic_key_id = \"LIVE-ASHOPKEY\"\nprivate_key = \"file:{shown}/shop.private-key.pem\"\n"
        ),
        format!(
            "api = \"amazon-pay-mws\"\nseller_id = \"A2\"\naccess_key_id = \"AKIAOLDSHOP\"\nsecret_key = \"file:{shown}/old-shop.secret-key\"\n"
        ),
    ];
    let mut text = format!(
        "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
         [reports]\nfolder = \"{shown}/reports\"\n"
    );
    for (name, keys) in ACCOUNTS.into_iter().zip(keys) {
        text.push_str(&format!(
            "[[account]]\nname = \"{name}\"\n{keys}region = \"eu\"\nenvironment = \"live\"\n\
             endpoint = \"http://127.0.0.1:9\"\n"
        ));
    }
    text
}
