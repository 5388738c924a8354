//! The options of `alerts`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, Subcommand};

use super::options_silence::read_severity;
use crate::control::messages::{self, DeliveryStatus};
use crate::control::verbs::Verb;
use crate::payments::alert::Severity;
use crate::payments::object::AccountName;

/// `alerts …`
#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    /// [`messages::AlertsRequest`]
    #[command(about = messages::AlertsRequest::SPEC.help, after_help = "\
Examples:
  reconciled alerts list
  reconciled alerts list --state dead --target chat --json")]
    List(AlertsListArguments),
    /// [`messages::RedeliverRequest`]
    #[command(about = messages::RedeliverRequest::SPEC.help, after_help = "\
Examples:
  reconciled alerts redeliver --all-dead
  reconciled alerts redeliver --all-dead --target chat
  reconciled alerts redeliver 'declined/shop-de/charge/S01-1234567-1234567-C123456/Declined@2026-01-15T09:30:00Z'")]
    Redeliver(RedeliverArguments),
    /// [`messages::TestRequest`]
    #[command(about = messages::TestRequest::SPEC.help, after_help = "\
Examples:
  reconciled alerts test
  reconciled alerts test --target chat")]
    Test(TestArguments),
    /// [`messages::AcknowledgeRequest`]
    #[command(about = messages::AcknowledgeRequest::SPEC.help, after_help = "\
A critical alert of a rule with escalate_after_min goes to further targets if
nobody acknowledges it in time.

Examples:
  reconciled alerts acknowledge --all
  reconciled alerts acknowledge 'declined/shop-de/charge/S01-1234567-1234567-C123456/Declined@2026-01-15T09:30:00Z'")]
    Acknowledge(AcknowledgeArguments),
    /// [`messages::RouteRequest`]
    #[command(about = messages::RouteRequest::SPEC.help, after_help = "\
Describe an alert by its flags, or name an existing one by its key. What is not
given is that of a plain decline of the first account. The exit code is 69 if
nobody would get the alert now.

Examples:
  reconciled alerts route --example
  reconciled alerts route --kind declined --account shop-de --amount 14.00 --currency EUR --reason HardDeclined
  reconciled alerts route 'declined/shop-de/charge/S01-1234567-1234567-C123456/Declined@2026-01-15T09:30:00Z'")]
    Route(RouteArguments),
}

/// `alerts list`
#[derive(Debug, Args)]
pub struct AlertsListArguments {
    /// Only alerts with a delivery in this state: pending, delivered, dead, silenced, acknowledged, withheld.
    #[arg(long, value_parser = read_delivery)]
    pub state: Option<DeliveryStatus>,
    /// Only alerts for this target of the configuration.
    #[arg(long)]
    pub target: Option<String>,
    /// Only alerts about this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Only alerts of this kind: declined, overdue, quarantined, ...
    #[arg(long)]
    pub kind: Option<String>,
    /// The maximum number of rows; 0 means all.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Print one JSON object per line.
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
    /// Only this target of the configuration; by default, all targets.
    #[arg(long)]
    pub target: Option<String>,
}

/// `alerts acknowledge`
#[derive(Debug, Args)]
pub struct AcknowledgeArguments {
    /// The keys of the alerts, as `alerts list` shows them.
    #[arg(value_name = "KEY", required_unless_present = "all")]
    pub keys: Vec<String>,
    /// All alerts with an escalation that nobody has acknowledged.
    #[arg(long, conflicts_with = "keys")]
    pub all: bool,
}

/// `alerts route`
#[derive(Debug, Args)]
pub struct RouteArguments {
    /// The key of an existing alert, as `alerts list` shows it.
    #[arg(value_name = "KEY", required_unless_present_any = ["example", "kind", "account", "severity", "object_kind", "reason", "amount"])]
    pub key: Option<String>,
    /// A sample decline of the first account.
    #[arg(long, conflicts_with = "key")]
    pub example: bool,
    /// An alert of this kind: declined, overdue, quarantined, ...
    #[arg(long, conflicts_with = "key")]
    pub kind: Option<String>,
    /// An alert about this account.
    #[arg(long, conflicts_with = "key")]
    pub account: Option<AccountName>,
    /// An alert of this severity: info, warning, critical.
    #[arg(long, value_parser = read_severity, conflicts_with = "key")]
    pub severity: Option<Severity>,
    /// An alert about an object of this kind: charge, refund, ...
    #[arg(long, value_name = "KIND", conflicts_with = "key")]
    pub object_kind: Option<String>,
    /// An alert with this reason of the provider.
    #[arg(long, value_name = "CODE", conflicts_with = "key")]
    pub reason: Option<String>,
    /// An alert about this amount, such as 14.00.
    #[arg(long, conflicts_with = "key", requires = "currency")]
    pub amount: Option<String>,
    /// The currency of the amount, such as EUR.
    #[arg(long, requires = "amount")]
    pub currency: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn read_delivery(text: &str) -> Result<DeliveryStatus, String> {
    match text.to_ascii_lowercase().as_str() {
        "pending" => Ok(DeliveryStatus::Pending),
        "delivered" => Ok(DeliveryStatus::Delivered),
        "dead" => Ok(DeliveryStatus::Dead),
        "silenced" => Ok(DeliveryStatus::Silenced),
        "acknowledged" => Ok(DeliveryStatus::Acknowledged),
        "withheld" => Ok(DeliveryStatus::Withheld),
        _ => Err("one of pending, delivered, dead, silenced, acknowledged, withheld".to_owned()),
    }
}
