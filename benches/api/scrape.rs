//! A scrape by Prometheus with many accounts.

use std::time::Instant;

use crate::host::Host;
use crate::line::Line;
use crate::measured::{Broken, Goal, Row, Table, cpu_of};

const TIMES: usize = 20;
const GOAL_MS: f64 = 50.0;
const GOAL_MB: f64 = 1.0;

pub async fn run(host: &Host, table: &mut Table) -> Result<(), Broken> {
    let mut line = Line::open(&host.socket).await?;
    let mut times = Vec::new();
    let mut bytes = 0;
    let cpu = cpu_of("self");
    for _ in 0..TIMES {
        let began = Instant::now();
        bytes = line.get("/metrics").await?.len();
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_ms = (cpu_of("self") - cpu).as_secs_f64() * 1e3 / TIMES as f64;
    times.sort_by(f64::total_cmp);
    let accounts = host.size.accounts;
    table.add(Row {
        what: format!("scrape with {accounts} accounts, the slowest of {TIMES}, in ms"),
        measured: format!("p50 {:.1} ms, {cpu_ms:.0} ms of processor time, polls included", times[TIMES / 2]),
        baseline: String::new(),
        judged: times[TIMES - 1],
        goal: Goal::AtMost(GOAL_MS),
    });
    let rhythm = if host.size.is_adaptive { "adaptive" } else { "fixed" };
    let resident = std::fs::read_to_string("/proc/self/status")?;
    let resident = resident.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    table.note(format!("resident memory, {accounts} accounts, {rhythm} rhythm"), resident.trim());
    table.add(Row {
        what: format!("scrape with {accounts} accounts, size in MB"),
        measured: format!("{bytes} bytes"),
        baseline: String::new(),
        judged: bytes as f64 / 1e6,
        goal: Goal::AtMost(GOAL_MB),
    });
    Ok(())
}
