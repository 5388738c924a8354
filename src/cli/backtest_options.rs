//! The options of `backtest`.
//!
//! Owns: names, help and parsing of its options. Must never know: how it is carried out.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::options::read_span;
use crate::backtest::{LONG_PASTS, Quota, WORKLOADS};
use crate::intake::Format;
use crate::payments::object::AccountName;

/// The names that `--workload` accepts.
pub(super) const WORKLOAD_NAMES: [&str; WORKLOADS.len()] = names_of(WORKLOADS);
/// The names of the long histories, which `--workload` also accepts.
pub(super) const LONG_NAMES: [&str; LONG_PASTS.len()] = names_of(LONG_PASTS);
/// The names that `--policy` accepts. A test compares them with the existing policies.
pub(super) const POLICY_NAMES: [&str; 13] = [
    "hourly",
    "early-ladder",
    "adaptive",
    "two-gets",
    "oldest-100",
    "all-at-once",
    "36-a-run",
    "daily",
    "six-looks",
    "two-looks",
    "half-hourly",
    "naive-hourly",
    "adaptive-true",
];
const fn names_of<const COUNT: usize>(pairs: [(&'static str, &'static str); COUNT]) -> [&'static str; COUNT] {
    let mut names = [""; COUNT];
    let mut place = 0;
    while place < COUNT {
        names[place] = pairs[place].0;
        place += 1;
    }
    names
}

/// `backtest`
#[derive(Debug, Args)]
pub struct BacktestArguments {
    /// Files that describe past objects; `-` is standard input. Without any, the history is made up.
    #[arg(value_name = "HISTORY", conflicts_with_all = ["workload", "all"])]
    pub files: Vec<PathBuf>,
    /// The format of the files; detected from the first line by default.
    #[arg(long, value_enum, requires = "files")]
    pub format: Option<Format>,
    /// A made-up history: steady, outage, throttles, stuck, no-answers, late-refunds; or a long one, on which adaptive
    /// polling can learn: steady-10-days, heavy-tailed-15, heavy-tailed-60, three-kinds, late-10-days, slower,
    /// batch-days, week-ends, saturation.
    #[arg(long, value_name = "NAME", value_parser = workload_name)]
    pub workload: Vec<String>,
    /// Every made-up history but the long ones.
    #[arg(long, conflicts_with = "workload")]
    pub all: bool,
    /// Measure adaptive polling against its goals on the long histories: some minutes. The exit code is 65 when one is
    /// missed.
    #[arg(long, conflicts_with_all = ["files", "workload", "all", "policy", "interval", "early", "account", "quota"])]
    pub strict: bool,
    /// Only this policy; may be given several times. By default, all policies are tried.
    #[arg(long, value_name = "NAME", value_parser = POLICY_NAMES)]
    pub policy: Vec<String>,
    /// Your own policy ("yours"): the time between polls, such as 30m.
    #[arg(long, value_name = "SPAN", value_parser = read_length)]
    pub interval: Option<Duration>,
    /// For your own policy: the waits before the first polls, such as 1m,5m,15m.
    #[arg(long, value_name = "SPANS", value_delimiter = ',', value_parser = read_length)]
    pub early: Vec<Duration>,
    /// Also try the policy and the quota of this configured account ("configured").
    #[arg(long)]
    pub account: Option<AccountName>,
    /// The server's quota for each operation: requests at once, and requests per second, such as 10,1 or 2,0.5.
    #[arg(long, value_name = "BURST,PER_SECOND", value_parser = read_quota)]
    pub quota: Option<Quota>,
    /// The seed for everything that looks random.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object for each policy and history.
    #[arg(long)]
    pub json: bool,
}

/// The name of a made-up history.
fn workload_name(text: &str) -> Result<String, String> {
    let mut names = WORKLOAD_NAMES.iter().chain(&LONG_NAMES);
    match names.any(|name| *name == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("one of {}, {}", WORKLOAD_NAMES.join(", "), LONG_NAMES.join(", "))),
    }
}

/// A duration that a policy can wait: one second to thirty days, as in the configuration.
fn read_length(text: &str) -> Result<Duration, String> {
    match read_span(text)? {
        seconds @ 1..=2_592_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?} is outside 1s to 30d")),
    }
}

/// Reads `10,1` or `2,0.5`: requests at once, and requests per second.
pub(super) fn read_quota(text: &str) -> Result<Quota, String> {
    let bad =
        || format!("{text:?} is not a quota such as 10,1 or 2,0.5 (requests at once, requests per second)");
    let (burst, per_second) = text.split_once(',').ok_or_else(bad)?;
    let burst: u32 = burst.trim().parse().map_err(|_| bad())?;
    let per_second: f64 = per_second.trim().parse().map_err(|_| bad())?;
    let is_sane = (1..=100_000).contains(&burst) && (1.0 / 86_400.0..=1000.0).contains(&per_second);
    if !is_sane {
        return Err(format!("{text:?} is outside 1 to 100000 at once and one per day to 1000 per second"));
    }
    Ok(Quota { burst, per: Duration::from_secs_f64(1.0 / per_second) })
}
