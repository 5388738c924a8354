//! A storm of declines at a target that takes one message a second.
//!
//! `cargo bench -p reconciled-benches --bench alerts [-- --declines N] [--strict]`. All declines become pending at once
//! for a chat. Time is virtual, so the figures of time are those of the deliverer's rules, not of the machine. During the
//! storm, and before it as the baseline, single alerts go to a second target; how long each takes is compared. Memory is
//! the most that is resident during the storm, less what was resident before it. For that, the kernel's own highest mark
//! is reset first; otherwise the mark of what came before hides the storm.
//!
//! `-- targets` measures, in real time, composing and storing one decline for every kind of target against one target.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a program, not a library")]

#[path = "../measured/mod.rs"]
#[allow(dead_code, reason = "other benches use the rest")]
mod measured;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod targets;

use measured::{Broken, Goal, Row, Table, Words};
use reconciled::alerts::config::{AlertConfig, Channel};
use reconciled::alerts::target::Target;
use reconciled::alerts::targets::slack::Slack;
use reconciled::alerts::targets::webhook::Webhook;
use reconciled::alerts::{Alerting, Deliverer};
use reconciled::clock::{SharedClock, VirtualClock};
use reconciled::http::{BoxFuture, Request, Response, Transport, TransportError};
use reconciled::payments::alert::{Alert, AlertKind, Severity};
use reconciled::payments::money::Money;
use reconciled::secret::Secret;
use reconciled::store::{Options, OwedAlert, Store};

/// Each request takes this long; a chat takes one message a second besides.
const ANSWER: Duration = Duration::from_millis(100);

/// Takes everything, and notes when and for whom.
#[derive(Debug)]
struct Network {
    clock: SharedClock,
    sent: Mutex<Vec<(String, Duration)>>,
}

impl Transport for Network {
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>> {
        Box::pin(async move {
            self.clock.sleep(ANSWER).await;
            let target = request.url.rsplit('/').next().unwrap_or_default().to_owned();
            self.sent.lock().unwrap().push((target, self.clock.monotonic()));
            Ok(Response { status: 200, headers: Vec::new(), body: b"ok".to_vec() })
        })
    }
}

impl Network {
    fn times(&self, target: &str) -> Vec<Duration> {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|(to, _)| to == target).map(|(_, at)| *at).collect()
    }
}

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    measured::finish(&words, run(&words))
}

fn run(words: &Words) -> Result<Table, Broken> {
    let declines = words.number("--declines", 10_000)?;
    let parts = ["storm", "targets"];
    let mut table = Table::default();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if words.wants("storm", &parts) {
        builder.start_paused(true).build()?.block_on(storm(declines, &mut table))?;
    }
    if words.wants("targets", &parts) {
        builder.start_paused(false).build()?.block_on(targets::measure(&mut table))?;
    }
    Ok(table)
}

fn decline(number: usize, targets: &[&str], clock: &SharedClock) -> Result<OwedAlert, Broken> {
    let (account, now) = ("shop".parse()?, clock.now());
    let alert = Alert {
        object: Some(format!("shop/charge/S01-0000000-0000000-C{number:06}").parse()?),
        merchant_reference: Some(format!("ORDER-{number}")),
        amount: Some(Money::parse("14.00", "EUR")?),
        state: Some("Declined".to_owned()),
        reason: Some("HardDeclined".to_owned()),
        headline: format!("14.00 EUR for order ORDER-{number}: charge S01 was declined"),
        explanation: "The payment method was refused for good.".to_owned(),
        advice: "Cancel the order and ask the buyer to check out again.".to_owned(),
        ..Alert::new(
            AlertKind::Declined,
            &format!("{}/{number}", targets[0]),
            Severity::Critical,
            &account,
            now,
        )
    };
    Ok(OwedAlert { alert, targets: targets.iter().map(|target| (*target).into()).collect() })
}

/// Sends one alert to the second target at each of these seconds, while the deliverer works as in the daemon. Returns how
/// long each took.
async fn latencies(
    store: &Store,
    clock: &SharedClock,
    deliverer: &Deliverer,
    network: &Network,
    first: usize,
    seconds: u64,
) -> Result<Vec<Duration>, Broken> {
    let mut took = Vec::new();
    let probing = async {
        for second in 0..seconds {
            let before = network.times("office").len();
            let began = clock.monotonic();
            let number = first + usize::try_from(second)?;
            store.raise(vec![decline(number, &["office"], clock)?]).await?;
            while network.times("office").len() == before {
                clock.sleep(Duration::from_millis(10)).await;
            }
            took.push(clock.monotonic() - began);
            clock.sleep(Duration::from_secs(1)).await;
        }
        Ok::<_, Broken>(())
    };
    let signal = store.outbox_signal();
    let delivering = async {
        loop {
            let round = deliverer.round().await?;
            let wait = match (round.is_unfinished, round.next_at) {
                (true, _) => Duration::ZERO,
                (false, None) => Duration::from_secs(60),
                (false, Some(at)) => Duration::try_from(at.duration_since(clock.now())).unwrap_or_default(),
            };
            tokio::select! {
                () = signal.notified() => {}
                () = clock.sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
        #[allow(unreachable_code, reason = "it names the type of the error")]
        Ok::<(), Broken>(())
    };
    tokio::select! {
        result = probing => result?,
        result = delivering => result?,
    }
    Ok(took)
}

/// A figure of the process in KiB: `VmRSS` is resident now, `VmHWM` was at most since the last reset.
fn resident_kib(name: &str) -> Result<f64, Broken> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("the kernel shows no such figure")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
}

/// Lets `VmHWM` begin again at what is resident now (proc_pid_clear_refs(5)).
fn reset_highest() -> Result<(), Broken> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

async fn storm(declines: usize, table: &mut Table) -> Result<(), Broken> {
    let folder = tempfile::tempdir()?;
    let clock: SharedClock = VirtualClock::starting_at("2027-01-15T06:00:00Z".parse()?);
    let options = Options { folder: folder.path().to_owned(), ..Options::default() };
    let (store, _) = Store::open(options, clock.now()).await?;
    let network = Arc::new(Network { clock: clock.clone(), sent: Mutex::default() });
    let url = |name: &str| Secret::new(format!("https://alerts.example/{name}"));
    let channel = |name: &str, target: Box<dyn Target>| Channel {
        name: name.to_owned(),
        target,
        timeout: Duration::from_secs(10),
        give_up_after: Duration::from_secs(76 * 3600),
        fallback: None,
        transport: None,
    };
    let config = AlertConfig {
        channels: vec![
            channel("chat", Box::new(Slack::new(url("chat")))),
            channel("office", Box::new(Webhook::new(url("office"), Vec::new(), BTreeSet::new()))),
        ],
        accounts: ["shop".parse()?].into(),
        ..AlertConfig::default()
    };
    let deliverer = Deliverer::new(store.clone(), clock.clone(), network.clone(), config);
    let quiet = latencies(&store, &clock, &deliverer, &network, 1_000_000, 60).await?;
    // A few at a time: what they took and gave back would be free for the storm, and so not be seen.
    let numbers: Vec<usize> = (0..declines).collect();
    for part in numbers.chunks(100) {
        let owed = part.iter().map(|number| decline(*number, &["chat"], &clock)).collect::<Result<_, _>>()?;
        store.raise(owed).await?;
    }
    reset_highest()?;
    let before_kib = resident_kib("VmRSS")?;
    let began = clock.monotonic();
    let busy = latencies(&store, &clock, &deliverer, &network, 2_000_000, 150).await?;
    let (chat, limit) = (network.times("chat"), Alerting::default().group_over + 1);
    if store.outbox_pending() > 0 {
        return Err(format!("{} deliveries are still pending", store.outbox_pending()).into());
    }
    table.add(Row {
        what: format!("messages to the chat for {declines} declines at once"),
        measured: format!("{}", chat.len()),
        baseline: format!("{declines}"),
        judged: chat.len() as f64,
        goal: Goal::AtMost(limit as f64),
    });
    let last = chat.last().copied().unwrap_or_default().saturating_sub(began);
    table.note("the summary came after", format!("{:.1} s", last.as_secs_f64()));
    let most = |times: &[Duration]| times.iter().max().copied().unwrap_or_default().as_secs_f64();
    table.add(Row {
        what: "the other target's longest wait".to_owned(),
        measured: format!("{:.2} s", most(&busy)),
        baseline: format!("{:.2} s", most(&quiet)),
        judged: most(&busy) - most(&quiet),
        goal: Goal::AtMost(0.05),
    });
    let grown_mib = (resident_kib("VmHWM")? - before_kib) / 1024.0;
    table.add(Row {
        what: "memory that the storm takes at most".to_owned(),
        measured: format!("{grown_mib:.1} MiB"),
        baseline: String::new(),
        judged: grown_mib,
        goal: Goal::AtMost(32.0),
    });
    Ok(())
}
