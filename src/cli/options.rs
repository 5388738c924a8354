//! The options of every command, with their help.
//!
//! Owns: names, help and reading of options. Must never know: how any command is done.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::intake::Format;
use crate::control::messages::{DeliveryStatus, Selector};
use crate::control::wanted::read_kind;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};

/// `run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Write logs for a terminal, as JSON lines, or to the journal.
    #[arg(long, value_enum, default_value_t = LogForm::Auto)]
    pub log: LogForm,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Keep store, reports and alerts in this folder; else they go into a fresh temporary one.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Decides everything that looks like chance; the same seed gives the same run.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// How many objects to enrol.
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    pub objects: u32,
}

/// `simulate`
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// Where to listen for HTTP; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Where to listen for HTTPS, with a certificate from a throw-away authority.
    #[arg(long, value_name = "ADDRESS")]
    pub listen_tls: Option<std::net::SocketAddr>,
    /// Write the throw-away authority's certificate here, for clients that should trust it.
    #[arg(long, value_name = "FILE", requires = "listen_tls")]
    pub ca_file: Option<PathBuf>,
    /// What happens there: populations, outcomes, delays, faults (TOML).
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Decides everything that looks like chance, instead of the scenario's own seed.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Write generated keys into this folder; else into a temporary one, which is printed.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Print the annotated example scenario and end.
    #[arg(long)]
    pub example: bool,
}

/// `check-config`
#[derive(Debug, Args)]
pub struct CheckConfigArguments {
    /// Print the problems as JSON.
    #[arg(long)]
    pub json: bool,
    /// Check the references to secrets, but do not look for the secrets: for a machine that does not hold them.
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
    /// Whose it is; guessed from the id's form when only one account suits. For files: of lines that name none.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// What it is (charge, refund, charge-permission, authorization, capture, order-reference,
    /// billing-agreement); guessed from the id's form when that is clear. For files: of lines that name none.
    #[arg(long, value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// The amount that must be seen, such as 14.00.
    #[arg(long, requires = "currency", requires = "id")]
    pub amount: Option<String>,
    /// Its currency (ISO 4217), such as EUR.
    #[arg(long, requires = "id")]
    pub currency: Option<String>,
    /// The shop's own order number; it stands in alerts and reports.
    #[arg(long, requires = "id")]
    pub reference: Option<String>,
    /// When the shop made the object, such as 2026-01-15T09:30:00Z.
    #[arg(long, requires = "id", value_name = "TIME")]
    pub created_at: Option<String>,
    /// The id of the object that it belongs to.
    #[arg(long, requires = "id", value_name = "ID")]
    pub parent: Option<String>,
    /// How the files are written; told from the first line when not given.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write lines that were not taken to this file (CSV: file, line, reason, text).
    #[arg(long, value_name = "FILE", requires = "files")]
    pub rejects: Option<PathBuf>,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Shape {
    /// As JSON: one object a line.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// As CSV (RFC 4180, text safe for spreadsheets).
    #[arg(long)]
    pub csv: bool,
}

/// `list`
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only of this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Only of this kind.
    #[arg(long, value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// Only what behaves so: moving (it changes by itself), resting (somebody must act), final.
    #[arg(long, value_parser = read_phase)]
    pub phase: Option<Phase>,
    /// Only in this state, in the provider's spelling.
    #[arg(long)]
    pub state: Option<String>,
    /// Only what is set apart because something about it cannot be right.
    #[arg(long)]
    pub quarantined: bool,
    /// Only what is finished.
    #[arg(long, conflicts_with = "open")]
    pub finished: bool,
    /// Only what is not finished.
    #[arg(long)]
    pub open: bool,
    /// Only what was made at least so long ago, such as 90m, 36h or 2d.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    pub older_than: Option<u64>,
    /// At most so many rows; 0 is all.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub limit: usize,
    /// How to write it.
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

/// `poll`
#[derive(Debug, Args)]
pub struct PollArguments {
    /// Objects: id, kind/id or account/kind/id. Finished ones get one more look.
    #[arg(value_name = "OBJECT", required_unless_present = "all")]
    pub objects: Vec<Selector>,
    /// Everything that is not finished.
    #[arg(long, conflicts_with = "objects")]
    pub all: bool,
    /// With --all: only of this account.
    #[arg(long, requires = "all", conflicts_with = "objects")]
    pub account: Option<AccountName>,
    /// With --all: only of this kind.
    #[arg(long, requires = "all", conflicts_with = "objects", value_parser = read_kind)]
    pub kind: Option<Kind>,
    /// Change nothing: print the plan and what it costs of the quota.
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
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The business day in the configured zone; the last finished one when not given.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
}

/// `alerts list`
#[derive(Debug, Args)]
pub struct AlertsListArguments {
    /// Only with a delivery in this state: pending, delivered, dead.
    #[arg(long, value_parser = read_delivery)]
    pub state: Option<DeliveryStatus>,
    /// Only for this target of the configuration.
    #[arg(long)]
    pub target: Option<String>,
    /// Only about this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Only of this sort: declined, overdue, quarantined, ...
    #[arg(long)]
    pub kind: Option<String>,
    /// At most so many rows; 0 is all.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// `alerts redeliver`
#[derive(Debug, Args)]
pub struct RedeliverArguments {
    /// The keys of the alerts, as `alerts list` shows them.
    #[arg(value_name = "KEY", required_unless_present = "all_dead")]
    pub keys: Vec<String>,
    /// All deliveries that were given up.
    #[arg(long, conflicts_with = "keys")]
    pub all_dead: bool,
    /// Only to this target of the configuration.
    #[arg(long)]
    pub target: Option<String>,
}

/// `alerts test`
#[derive(Debug, Args)]
pub struct TestArguments {
    /// Only this target of the configuration; else all.
    #[arg(long)]
    pub target: Option<String>,
}

/// `store check`
#[derive(Debug, Args)]
pub struct StoreCheckArguments {
    /// Print what was found as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `store compact`
#[derive(Debug, Args)]
pub struct StoreCompactArguments {
    /// Print what it brought as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `store backup`
#[derive(Debug, Args)]
pub struct StoreBackupArguments {
    /// The folder to copy to: empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `store restore`
#[derive(Debug, Args)]
pub struct StoreRestoreArguments {
    /// The folder of a backup, or of a store that no process has open.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Take a damaged backup: entries that cannot be read are left out, and named.
    #[arg(long)]
    pub skip_damage: bool,
}

/// `store rebuild`
#[derive(Debug, Args)]
pub struct StoreRebuildArguments {
    /// Go on although entries that were acknowledged are gone: what is left is kept, what is missing is named.
    #[arg(long)]
    pub accept_loss: bool,
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
    /// The folder to write into; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

fn read_phase(text: &str) -> Result<Phase, String> {
    match text.to_ascii_lowercase().as_str() {
        "moving" => Ok(Phase::Moving),
        "resting" => Ok(Phase::Resting),
        "final" => Ok(Phase::Final),
        _ => Err("one of moving, resting, final".to_owned()),
    }
}

fn read_delivery(text: &str) -> Result<DeliveryStatus, String> {
    match text.to_ascii_lowercase().as_str() {
        "pending" => Ok(DeliveryStatus::Pending),
        "delivered" => Ok(DeliveryStatus::Delivered),
        "dead" => Ok(DeliveryStatus::Dead),
        _ => Err("one of pending, delivered, dead".to_owned()),
    }
}

/// Reads `90m`, `36h`, `2d`, `1d12h` into seconds.
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
