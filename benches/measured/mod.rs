//! The output that all these benches share: a table of figures, each beside its baseline and its goal, and
//! the machine on which it was measured.

use std::fmt::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Why a bench failed.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The goal of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// One figure.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    pub measured: String,
    pub baseline: String,
    /// The value that the goal applies to.
    pub judged: f64,
    pub goal: Goal,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Table(Vec<Row>);

impl Table {
    pub fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// A figure without a goal.
    pub fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        let (what, measured) = (what.into(), measured.into());
        self.add(Row { what, measured, baseline: String::new(), judged: 0.0, goal: Goal::None });
    }

    fn misses(&self) -> usize {
        self.0.iter().filter(|row| verdict(row) == "missed").count()
    }
}

fn verdict(row: &Row) -> &'static str {
    match row.goal {
        Goal::None => "",
        Goal::AtMost(most) if row.judged <= most => "met",
        Goal::AtLeast(least) if row.judged >= least => "met",
        Goal::AtMost(_) | Goal::AtLeast(_) => "missed",
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cells =
            vec![["What", "Measured", "Baseline", "Judged", "Goal", "Verdict"].map(str::to_owned)];
        for row in &self.0 {
            let (judged, goal) = match row.goal {
                Goal::None => (String::new(), String::new()),
                Goal::AtMost(most) => (format!("{:.3}", row.judged), format!("<= {most}")),
                Goal::AtLeast(least) => (format!("{:.4}", row.judged), format!(">= {least}")),
            };
            let verdict = verdict(row).to_owned();
            cells.push([row.what.clone(), row.measured.clone(), row.baseline.clone(), judged, goal, verdict]);
        }
        let widths: Vec<usize> = (0..6)
            .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        for row in cells {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}  ")?;
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The machine in one line, and its load from other processes.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory_kb: u64 =
        field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let release = read("/proc/sys/kernel/osrelease");
    format!(
        "machine: {cores} cores ({processor}), {:.0} GB, Linux {}, load before {} ({} profile)",
        memory_kb as f64 / 1_048_576.0,
        release.trim(),
        load.join(" "),
        if cfg!(debug_assertions) { "debug: figures mean nothing" } else { "bench" },
    )
}

/// User and system time of a process, including ended threads, in ticks of 10 ms.
pub fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may contain spaces.
    let behind = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 =
        behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Time per item, in microseconds.
pub fn each_us(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// The arguments of the command line: what to run, and `--name value` or `--name` settings.
pub struct Words(Vec<String>);

impl Words {
    pub fn of_process() -> Words {
        Words(std::env::args().skip(1).filter(|word| word != "--bench").collect())
    }

    /// Whether a part is requested; all are when none is named.
    pub fn wants(&self, part: &str, all: &[&str]) -> bool {
        let is_named = |word: &String| all.contains(&word.as_str());
        !self.0.iter().any(is_named) || self.0.iter().any(|word| word == part)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    pub fn after(&self, name: &str) -> Option<&str> {
        let place = self.0.iter().position(|word| word == name)?;
        self.0.get(place + 1).map(String::as_str)
    }

    pub fn number(&self, name: &str, usual: usize) -> Result<usize, Broken> {
        match self.after(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| format!("{name} {text} is not a whole number").into()),
        }
    }
}

/// Prints the table. Fails only for errors, or with `--strict` for missed goals.
pub fn finish(words: &Words, outcome: Result<Table, Broken>) -> ExitCode {
    match outcome {
        Err(broken) => {
            eprintln!("the bench failed: {broken}");
            ExitCode::from(70)
        }
        Ok(table) => {
            print!("{table}");
            if words.has("--strict") && table.misses() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}
