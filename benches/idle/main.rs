//! What the daemon uses while it is idle: 1,000 open objects between rounds.
//!
//! `cargo bench -p reconciled-benches --bench idle [-- --minutes N] [--objects N] [--binary FILE] [--strict]`. The binary built for
//! the bench (or FILE) runs with a real configuration against `reconciled simulate` over HTTPS, with decline
//! alerts, nightly reports and the dashboard configured. The measurement begins after the first round. The goal is meant for
//! the release build: pass it as FILE, because the bench profile links less tightly and more of it is
//! resident.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program")]
#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program that waits and measures"
)]

#[path = "../measured/mod.rs"]
mod measured;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use amazon_pay_simulator::credentials::write_secret;

use measured::{Broken, Goal, Row, Table, Words, cpu_of};

fn main() -> ExitCode {
    let words = Words::of_process();
    println!("{}", measured::machine());
    let outcome = run(&words);
    measured::finish(&words, outcome)
}

/// A child process that is killed when this program ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(words: &Words) -> Result<Table, Broken> {
    let minutes = words.number("--minutes", 10)?;
    let objects = words.number("--objects", 1_000)?;
    let binary = PathBuf::from(words.after("--binary").unwrap_or("target/dist/reconciled"));
    let folder = tempfile::tempdir()?;
    let (_simulator, base) = simulate(&binary, folder.path(), objects)?;
    std::fs::write(folder.path().join("config.toml"), configuration(folder.path(), &base))?;
    write_secret(&folder.path().join("chat-url"), &format!("{base}/services/T0/B0/x"))?;
    let daemon = Command::new(&binary)
        .args(["run", "--config"])
        .arg(folder.path().join("config.toml"))
        .env("SSL_CERT_FILE", folder.path().join("authority.pem"))
        // As in the service file.
        .env("MALLOC_ARENA_MAX", "2")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.path().join("log"))?)
        .spawn()?;
    let daemon = Running(daemon);
    enrol(&binary, folder.path(), objects)?;
    let process = daemon.0.id().to_string();
    let polled = first_round(&binary, folder.path(), objects)?;
    // Wait until the memory that the round used (connections, caches) has settled.
    std::thread::sleep(Duration::from_secs(30));
    let before = Memory::of(&process)?;
    let (began, cpu) = (Instant::now(), cpu_of(&process));
    let mut most = before.resident_kb;
    while began.elapsed() < Duration::from_secs(60) * u32::try_from(minutes)? {
        std::thread::sleep(Duration::from_secs(5));
        most = most.max(Memory::of(&process)?.resident_kb);
    }
    let spent = cpu_of(&process).saturating_sub(cpu);
    let after = Memory::of(&process)?;
    let share = 100.0 * spent.as_secs_f64() / began.elapsed().as_secs_f64();
    let mut table = Table::default();
    table.add(Row {
        what: format!("resident memory, {objects} open objects, {minutes} min"),
        measured: format!(
            "{:.1} MB at the end ({:.1} MB of it not from files)",
            mb(after.resident_kb),
            mb(after.anonymous_kb)
        ),
        baseline: format!("{:.1} MB at the beginning", mb(before.resident_kb)),
        judged: mb(most),
        goal: Goal::AtMost(25.0),
    });
    table.add(Row {
        what: "CPU, percent of one core".to_owned(),
        measured: format!("{} ms", spent.as_millis()),
        baseline: format!("{:.0} s", began.elapsed().as_secs_f64()),
        judged: share,
        goal: Goal::AtMost(0.1),
    });
    table.note("threads", after.threads.to_string());
    table.note("first round", format!("{:.0} s for {objects} objects", polled.as_secs_f64()));
    table.note("size of the binary", format!("{:.1} MB", std::fs::metadata(&binary)?.len() as f64 / 1e6));
    Ok(table)
}

fn mb(kb: u64) -> f64 {
    kb as f64 * 1024.0 / 1e6
}

struct Memory {
    resident_kb: u64,
    anonymous_kb: u64,
    threads: u64,
}

impl Memory {
    fn of(process: &str) -> Result<Memory, Broken> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))
            .map_err(|error| format!("the daemon has ended: {error}"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
        };
        Ok(Memory {
            resident_kb: field("VmRSS:"),
            anonymous_kb: field("RssAnon:"),
            threads: field("Threads:"),
        })
    }
}

fn simulate(binary: &Path, folder: &Path, objects: usize) -> Result<(Running, String), Broken> {
    let half = objects / 2;
    let population = |account: &str, count: usize| {
        format!(
            "[[population]]\naccount = \"{account}\"\nkind = \"authorization\"\ncount = {count}\nage_s = 7200\n\
             currencies = [{{ code = \"EUR\", amount = [\"5.00\", \"250.00\"] }}]\noutcome = [{{ steps = [] }}]\n"
        )
    };
    let quota = "quota = [{ operation = \"*\", capacity = 1000, refill = 1000, per_s = 1 }]\n";
    let text = format!(
        "seed = 7\n[[account]]\nname = \"shop\"\napi = \"amazon-pay-v2\"\nmerchant_id = \"A1\"\nregion = \"eu\"\n\
         environment = \"live\"\npublic_key_id = \"LIVE-ASHOPKEY\"\n{quota}\
         [[account]]\nname = \"old-shop\"\napi = \"amazon-pay-mws\"\nmerchant_id = \"A2\"\nregion = \"eu\"\n\
         environment = \"live\"\naccess_key_id = \"AKIAOLDSHOP\"\n{quota}{}{}",
        population("shop", objects - half),
        population("old-shop", half)
    );
    std::fs::write(folder.join("scenario.toml"), &text)?;
    let mut child = Command::new(binary)
        .arg("simulate")
        .args(["--listen-tls", "127.0.0.1:0", "--scenario"])
        .arg(folder.join("scenario.toml"))
        .arg("--keys")
        .arg(folder)
        .arg("--ca-file")
        .arg(folder.join("authority.pem"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut said = BufReader::new(child.stdout.take().ok_or("the simulator has no output")?);
    let running = Running(child);
    let mut base = String::new();
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        if let Some(rest) = line.strip_prefix("https ") {
            base = rest.split_whitespace().next().unwrap_or_default().to_owned();
        }
        let is_last = line.starts_with("stop with");
        line.clear();
        if is_last {
            break;
        }
    }
    // Keep reading, so that the simulator never blocks on its output.
    std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
    write_objects(folder, &text)?;
    if base.is_empty() { Err("the simulator did not start".into()) } else { Ok((running, base)) }
}

/// The same scenario creates the same ids here as in the other process.
fn write_objects(folder: &Path, scenario: &str) -> Result<(), Broken> {
    use amazon_pay_simulator::Simulator;
    use amazon_pay_simulator::scenario::Scenario;
    use reconciled::clock::SystemClock;
    let throw_away = tempfile::tempdir()?;
    let mut scenario = Scenario::parse(scenario, folder)?;
    scenario.generate_credentials(throw_away.path())?;
    // The simulator's clock follows tokio's time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let planted = runtime.block_on(async { Simulator::new(scenario, SystemClock::shared()) })?.planted();
    let mut rows = "account,kind,id,amount,currency,reference,created_at\n".to_owned();
    for one in planted {
        let kind = if one.api == "amazon-pay-v2" { "charge" } else { "authorization" };
        let truth = one.truth;
        rows.push_str(&format!(
            "{},{kind},{},{},{},{},{}\n",
            one.account, truth.id, truth.amount, truth.currency, truth.merchant_reference, one.created_at
        ));
    }
    Ok(std::fs::write(folder.join("objects.csv"), rows)?)
}

fn configuration(folder: &Path, base: &str) -> String {
    let shown = folder.display();
    format!(
        "[store]\nfolder = \"{shown}/store\"\n[control]\nsocket = \"{shown}/control.sock\"\n\
         [control.tcp]\nlisten = \"127.0.0.1:0\"\n\
         [reports]\nfolder = \"{shown}/reports\"\ntime_zone = \"Europe/Berlin\"\n[poll]\ninterval = \"1h\"\n\
         [[account]]\nname = \"shop\"\napi = \"amazon-pay-v2\"\nregion = \"eu\"\nenvironment = \"live\"\n\
         public_key_id = \"LIVE-ASHOPKEY\"\nprivate_key = \"file:{shown}/shop.private-key.pem\"\n\
         endpoint = \"{base}\"\nquota = {{ burst = 100, per_second = 50.0 }}\n\
         [[account]]\nname = \"old-shop\"\napi = \"amazon-pay-mws\"\nregion = \"eu\"\nenvironment = \"live\"\n\
         seller_id = \"A2\"\naccess_key_id = \"AKIAOLDSHOP\"\nsecret_key = \"file:{shown}/old-shop.secret-key\"\n\
         endpoint = \"{base}\"\nquota = {{ burst = 100, per_second = 50.0 }}\n\
         [[alert]]\nname = \"chat\"\nkind = \"slack\"\nurl = \"file:{shown}/chat-url\"\n"
    )
}

fn command(binary: &Path, folder: &Path, words: &[&str]) -> Result<String, Broken> {
    let output = Command::new(binary).args(words).arg("--config").arg(folder.join("config.toml")).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        return Err(format!("{words:?}: {said}\n{log}").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn enrol(binary: &Path, folder: &Path, objects: usize) -> Result<(), Broken> {
    let began = Instant::now();
    while !folder.join("control.sock").exists() {
        if began.elapsed() > Duration::from_secs(60) {
            return Err(std::fs::read_to_string(folder.join("log"))?.into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let file = folder.join("objects.csv").display().to_string();
    let lines = std::fs::read_to_string(&file)?.lines().count();
    if lines != objects + 1 {
        return Err(format!("{lines} lines for {objects} objects").into());
    }
    command(binary, folder, &["enrol", &file]).map(drop)
}

/// Waits until every object was observed once.
fn first_round(binary: &Path, folder: &Path, objects: usize) -> Result<Duration, Broken> {
    let began = Instant::now();
    loop {
        let list = command(binary, folder, &["list", "--json", "--state", "AuthorizationInitiated"])?;
        let pending = command(binary, folder, &["list", "--json", "--state", "Pending"])?;
        let seen = list.lines().count() + pending.lines().count();
        if seen >= objects {
            return Ok(began.elapsed());
        }
        if began.elapsed() > Duration::from_secs(300) {
            return Err(format!("only {seen} of {objects} objects were observed").into());
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}
