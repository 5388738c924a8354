//! The options of every command, with their help.
//!
//! Owns: names, help and parsing of options. Must never know: how any command is carried out.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::clock::SharedClock;
use crate::control::enrolment_request::read_kind;
use crate::control::messages::Selector;
use crate::intake::{Decimal, Format};
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};
use crate::time::earlier;

/// `run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The form of the log lines.
    #[arg(long, value_enum, default_value_t = LogForm::Auto)]
    pub log: LogForm,
}

/// The format of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// As set by log.format in the configuration.
    Auto,
    /// For people.
    Text,
    /// For the journal: each line begins with its priority.
    Journal,
    /// One JSON object per line.
    Json,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Keep store, reports and alerts in this folder; by default, in a new temporary folder.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The seed for everything that looks random; the same seed gives the same run.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// How many objects to enrol.
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    pub objects: u32,
}

/// `simulate`
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// Where to listen for HTTP; with port 0, a free port is chosen and printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Where to listen for HTTPS, with a certificate from a temporary authority.
    #[arg(long, value_name = "ADDRESS")]
    pub listen_tls: Option<std::net::SocketAddr>,
    /// Write the temporary authority's certificate here, for clients that should trust it.
    #[arg(long, value_name = "FILE", requires = "listen_tls")]
    pub ca_file: Option<PathBuf>,
    /// The scenario: populations, outcomes, delays, faults (TOML).
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// The seed for everything that looks random, instead of the scenario's own seed.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Send the notifications of each account to URL/ACCOUNT (http), unless the scenario sets its notifications.
    #[arg(long, value_name = "URL")]
    pub notify: Option<String>,
    /// Write generated keys into this folder; by default, into a temporary folder, whose path is printed.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Write a complete configuration for it into this folder, with keys, certificate and a file of all ids to enrol.
    #[arg(long, value_name = "DIR")]
    pub write_config: Option<PathBuf>,
    /// Print the annotated example scenario and exit.
    #[arg(long)]
    pub example: bool,
}

/// `check-config`
#[derive(Debug, Args)]
pub struct CheckConfigArguments {
    /// Print the problems as JSON.
    #[arg(long)]
    pub json: bool,
    /// The folder in which "credential:NAME" is found [default: $CREDENTIALS_DIRECTORY, else /etc/credstore].
    #[arg(long, value_name = "DIR", conflicts_with = "no_secrets")]
    pub credentials: Option<PathBuf>,
    /// Check the references to secrets, but do not read the secrets: for a machine that does not have them.
    #[arg(long)]
    pub no_secrets: bool,
}

/// `enrol`
#[derive(Debug, Args)]
pub struct EnrolArguments {
    /// Files with objects; `-` is standard input.
    #[arg(value_name = "FILE", conflicts_with = "id")]
    pub files: Vec<PathBuf>,
    /// The provider's id of one object.
    #[arg(long, required_unless_present = "files")]
    pub id: Option<String>,
    /// The account; guessed from the format of the id if only one account fits. For files: the account of lines that
    /// name none.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// The kind (charge, refund, charge-permission, authorization, capture, order-reference, billing-agreement);
    /// guessed from the format of the id if that is clear. For files: the kind of lines that name none.
    #[arg(long, value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// The expected amount, such as 14.00.
    #[arg(long, requires = "currency", requires = "id")]
    pub amount: Option<String>,
    /// Its currency (ISO 4217), such as EUR.
    #[arg(long, requires = "id")]
    pub currency: Option<String>,
    /// The shop's own order number; it appears in alerts and reports.
    #[arg(long, requires = "id")]
    pub reference: Option<String>,
    /// When the shop created the object, such as 2026-01-15T09:30:00Z.
    #[arg(long, requires = "id", value_name = "TIME")]
    pub created_at: Option<String>,
    /// The id of the parent object.
    #[arg(long, requires = "id", value_name = "ID")]
    pub parent: Option<String>,
    /// The format of the files; detected from the first line by default.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// The decimal separator of amounts in CSV files. By default 14.00 and 14,00 are read, and 1,234 is refused.
    #[arg(long, value_enum, value_name = "SIGN", requires = "files")]
    pub decimal: Option<Decimal>,
    /// Ignore unknown columns. By default, a CSV file with an unknown column is refused.
    #[arg(long, requires = "files")]
    pub ignore_columns: bool,
    /// Write rejected lines to this file (CSV: file, line, reason, text).
    #[arg(long, value_name = "FILE", requires = "files")]
    pub rejects: Option<PathBuf>,
}

/// The format of a list.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Shape {
    /// As JSON: one object per line.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// As CSV (RFC 4180, text safe for spreadsheets).
    #[arg(long)]
    pub csv: bool,
}

/// `list`
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only objects of this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Only objects of this kind.
    #[arg(long, value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// Only objects in this phase: moving (the provider changes it), resting (somebody must act), final.
    #[arg(long, value_parser = read_phase)]
    pub phase: Option<Phase>,
    /// Only objects in this state, in the provider's spelling.
    #[arg(long)]
    pub state: Option<String>,
    /// Only quarantined objects: something about them cannot be right.
    #[arg(long)]
    pub quarantined: bool,
    /// Only finished objects.
    #[arg(long, conflicts_with = "open")]
    pub finished: bool,
    /// Only objects that are not finished.
    #[arg(long)]
    pub open: bool,
    /// Only objects that were created at least this long ago, such as 90m, 36h or 2d.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    pub older_than: Option<u64>,
    /// The maximum number of rows; 0 means all.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub limit: usize,
    /// The output format.
    #[command(flatten)]
    pub shape: Shape,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The object: its id, kind/id or account/kind/id.
    #[arg(value_name = "OBJECT")]
    pub object: Selector,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The object: its id, kind/id or account/kind/id.
    #[arg(value_name = "OBJECT")]
    pub object: Selector,
    /// Print the explanation as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rhythm`
#[derive(Debug, Args)]
pub struct RhythmArguments {
    /// Only this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Print everything as JSON: one account per line.
    #[arg(long)]
    pub json: bool,
}

/// `poll`
#[derive(Debug, Args)]
pub struct PollArguments {
    /// Objects: id, kind/id or account/kind/id. Finished objects are polled once more.
    #[arg(value_name = "OBJECT", required_unless_present = "all")]
    pub objects: Vec<Selector>,
    /// All objects that are not finished.
    #[arg(long, conflicts_with = "objects")]
    pub all: bool,
    /// With --all: only objects of this account.
    #[arg(long, requires = "all", conflicts_with = "objects")]
    pub account: Option<AccountName>,
    /// With --all: only objects of this kind.
    #[arg(long, requires = "all", conflicts_with = "objects", value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// Change nothing: print the plan and how much of the quota it uses.
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `forget`, `accept`
#[derive(Debug, Args)]
pub struct ObjectsArguments {
    /// Objects: id, kind/id or account/kind/id.
    #[arg(value_name = "OBJECT", required = true)]
    pub objects: Vec<Selector>,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
    /// Refresh every 5 seconds, or every SECONDS, until Ctrl-C.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watch: Option<u64>,
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The business day in the configured time zone; by default, the last finished day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
}

/// The beginning of a period that goes on until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This moment.
    Time(Timestamp),
    /// This long ago.
    Ago(Duration),
}

impl Since {
    /// The beginning, now that the time is known.
    pub(super) fn moment(self, clock: &SharedClock) -> Timestamp {
        match self {
            Since::Time(time) => time,
            Since::Ago(span) => earlier(clock.now(), span),
        }
    }
}

/// `reload`
#[derive(Debug, Args)]
pub struct ReloadArguments {}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The folder to write to; it is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

pub(super) fn read_since(text: &str) -> Result<Since, String> {
    // A date parser also reads times without a zone, which say nothing here.
    let is_day = !text.contains(':');
    let day = || text.parse::<Date>().ok().filter(|_| is_day)?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time = text.parse().ok().or_else(|| day().map(|day| day.timestamp()));
    let span = || read_span(text).map(|seconds| Since::Ago(Duration::from_secs(seconds)));
    time.map(Since::Time).ok_or(()).or_else(|()| span()).map_err(|_| {
        format!("{text:?} is not a time such as 2026-01-15T09:30:00Z, a day such as 2026-01-15, or a span such as 36h")
    })
}

/// Reads a moment, such as `2026-01-15T09:30:00Z`.
pub(super) fn read_time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("{text:?} is not a time such as 2026-01-15T09:30:00Z"))
}

fn read_phase(text: &str) -> Result<Phase, String> {
    match text.to_ascii_lowercase().as_str() {
        "moving" => Ok(Phase::Moving),
        "resting" => Ok(Phase::Resting),
        "final" => Ok(Phase::Final),
        _ => Err("one of moving, resting, final".to_owned()),
    }
}

/// Parses `90m`, `36h`, `2d`, `1d12h` into seconds.
pub(super) fn read_span(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a span such as 90m, 36h or 2d");
    let mut total: u64 = 0;
    let mut digits = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        let unit: u64 = match letter.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(bad()),
        };
        let number: u64 = std::mem::take(&mut digits).parse().map_err(|_| bad())?;
        total = number.checked_mul(unit).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
    }
    if !digits.is_empty() || text.is_empty() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_time_a_day_or_a_span() {
        let time = |text: &str| Ok(Since::Time(text.parse().unwrap()));
        assert_eq!(read_since("2026-01-15T09:30:00+01:00"), time("2026-01-15T08:30:00Z"));
        assert_eq!(read_since("2026-01-15"), time("2026-01-15T00:00:00Z"));
        assert_eq!(read_since("36h"), Ok(Since::Ago(Duration::from_secs(129_600))));
        for bad in ["", "yesterday", "2026-01-15T09:30:00", "12"] {
            assert!(read_since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_are_read_or_refused() {
        let check = |text: &str, seconds: Option<u64>| assert_eq!(read_span(text).ok(), seconds, "{text}");
        check("90m", Some(5_400));
        check("36h", Some(129_600));
        check("2d", Some(172_800));
        check("1d12h", Some(129_600));
        check("1w", Some(604_800));
        check("0s", Some(0));
        for bad in ["", "12", "d", "1y", "-1d", "1 d", "99999999999999999999d"] {
            check(bad, None);
        }
    }
}
