//! The options of `silence`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::options::{read_span, read_time};
use crate::control::messages::{self, parse_money};
use crate::control::verbs::Verb;
use crate::payments::alert::Severity;
use crate::payments::money::Money;

/// `silence …`
#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// [`messages::SilenceAdd`]
    #[command(about = messages::SilenceAdd::SPEC.help, after_help = "\
An alert is held back if it meets all conditions that are given; of each
condition it may meet any of its values, but all labels must match. It is listed
with the state \"silenced\", and it is not delivered later. A silence ends at the
latest after 30 days. An hour before, or at a quarter of its length before, an
alert says so. --until-resolved also ends it when a condition that it holds back
is over.

Examples:
  reconciled silence add --account shop-de --kind overdue --for 2h --because maintenance
  reconciled silence add --kind declined --reason InvalidPaymentMethod --until 2026-01-15T18:00:00Z --because known
  reconciled silence add --kind no-success --account shop-de --until-resolved --because ticket-4711")]
    Add(SilenceAddArguments),
    /// [`messages::SilenceList`]
    #[command(about = messages::SilenceList::SPEC.help, after_help = "\
Examples:
  reconciled silence list
  reconciled silence list --all --json")]
    List(SilenceListArguments),
    /// [`messages::SilenceEnd`]
    #[command(about = messages::SilenceEnd::SPEC.help, after_help = "\
`reconciled alerts redeliver KEY` delivers an alert that was held back.

Examples:
  reconciled silence end 3")]
    End(SilenceEndArguments),
}

/// `silence add`
#[derive(Debug, Args)]
pub struct SilenceAddArguments {
    /// Alerts about this account. May be repeated, as may most conditions.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Vec<String>,
    /// Alerts about accounts of this environment: live, sandbox.
    #[arg(long)]
    pub environment: Vec<String>,
    /// Alerts of this kind: declined, overdue, quarantined, ...
    #[arg(long)]
    pub kind: Vec<String>,
    /// Alerts about objects of this kind: charge, refund, ...
    #[arg(long, value_name = "KIND")]
    pub object_kind: Vec<String>,
    /// Alerts with this reason of the provider.
    #[arg(long, value_name = "CODE")]
    pub reason: Vec<String>,
    /// Alerts of at least this severity: info, warning, critical.
    #[arg(long, value_name = "SEVERITY", value_parser = read_severity)]
    pub min_severity: Option<Severity>,
    /// Alerts about at least this amount, in this currency: "500.00 EUR".
    #[arg(long, value_name = "AMOUNT", value_parser = parse_money)]
    pub min_amount: Option<Money>,
    /// Alerts about accounts with this label. Repeat it with another name: all labels must match.
    #[arg(long, value_name = "NAME=VALUE", value_parser = read_label)]
    pub label: Vec<(String, String)>,
    /// The reason, for your colleagues.
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// For this long: 90m, 2h, 1d.
    #[arg(long = "for", value_name = "SPAN", value_parser = read_span, conflicts_with = "until")]
    pub span_s: Option<u64>,
    /// Until this moment, such as 2026-01-15T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    pub until: Option<Timestamp>,
    /// Until the silenced condition is over.
    #[arg(long, required_unless_present_any = ["span_s", "until"])]
    pub until_resolved: bool,
}

/// `silence list`
#[derive(Debug, Args)]
pub struct SilenceListArguments {
    /// Also silences that ended more than a week ago.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `silence end`
#[derive(Debug, Args)]
pub struct SilenceEndArguments {
    /// The silence's number, as `silence list` shows it.
    #[arg(value_name = "NUMBER")]
    pub number: u64,
}

pub(super) fn read_severity(text: &str) -> Result<Severity, String> {
    match text.to_ascii_lowercase().as_str() {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        _ => Err("one of info, warning, critical".to_owned()),
    }
}

fn read_label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE, such as team=de")?;
    Ok((name.to_owned(), value.to_owned()))
}
