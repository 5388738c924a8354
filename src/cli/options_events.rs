//! The options of `events`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, Subcommand};

use super::options::{Since, read_since};
use crate::control::messages::{self, DeliveryStatus};
use crate::control::verbs::Verb;
use crate::payments::object::AccountName;

/// `events …`
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// [`messages::EventsRequest`]
    #[command(about = messages::EventsRequest::SPEC.help, after_help = "\
Examples:
  reconciled events list
  reconciled events list --state dead --receiver shop --json
  reconciled events list --object P02-1234567-1234567-C123456")]
    List(EventsListArguments),
    /// [`messages::EventsRedeliver`]
    #[command(about = messages::EventsRedeliver::SPEC.help, after_help = "\
The receiver gets each event under the same id as before, so it can tell what it
has already.

Examples:
  reconciled events redeliver --all-dead
  reconciled events redeliver evt_t7nlaow4hdwf2miplgzgbzjqsu
  reconciled events redeliver --object shop-de/charge/P02-1234567-1234567-C123456
  reconciled events redeliver --since 2026-01-15T09:30:00Z --receiver shop")]
    Redeliver(EventsRedeliverArguments),
    /// Print the JSON Schema of one type of event, or of all.
    #[command(after_help = "\
Examples:
  reconciled events schema charge.captured
  reconciled events schema")]
    Schema(EventsSchemaArguments),
    /// [`messages::EventsTest`]
    #[command(about = messages::EventsTest::SPEC.help, after_help = "\
It ends with 69 if a receiver did not accept the message.

Examples:
  reconciled events test
  reconciled events test shop")]
    Test(EventsTestArguments),
    /// [`messages::EventsEnable`]
    #[command(about = messages::EventsEnable::SPEC.help, after_help = "\
Examples:
  reconciled events enable shop")]
    Enable(EventsEnableArguments),
}

/// `events list`
#[derive(Debug, Args)]
pub struct EventsListArguments {
    /// Only events whose delivery is in this state: pending, delivered, dead.
    #[arg(long, value_parser = read_state)]
    pub state: Option<DeliveryStatus>,
    /// Only events for this receiver of the configuration.
    #[arg(long)]
    pub receiver: Option<String>,
    /// Only events of this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Only events of this type: charge.captured, refund.declined, ...
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only events of this object: its id, or account/kind/id.
    #[arg(long)]
    pub object: Option<String>,
    /// Only events found since this time: 36h, 2d, 2026-01-15 or 2026-01-15T09:30:00Z.
    #[arg(long, value_parser = read_since)]
    pub since: Option<Since>,
    /// The maximum number of rows; 0 means all.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Print one JSON object per line, with the body that is sent.
    #[arg(long)]
    pub json: bool,
}

/// `events redeliver`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("choice").required(true))]
pub struct EventsRedeliverArguments {
    /// The ids of the events, as `events list` shows them and as the receiver got them.
    #[arg(value_name = "ID", group = "choice")]
    pub ids: Vec<String>,
    /// All events of this object: its id, or account/kind/id.
    #[arg(long, group = "choice")]
    pub object: Option<String>,
    /// All events found since this time: 36h, 2d, 2026-01-15 or 2026-01-15T09:30:00Z.
    #[arg(long, value_parser = read_since, group = "choice")]
    pub since: Option<Since>,
    /// All deliveries that were given up.
    #[arg(long, group = "choice")]
    pub all_dead: bool,
    /// Only to this receiver of the configuration.
    #[arg(long)]
    pub receiver: Option<String>,
}

/// `events schema`
#[derive(Debug, Args)]
pub struct EventsSchemaArguments {
    /// The type: charge.captured, refund.declined, ... Without it, all types.
    #[arg(value_name = "TYPE")]
    pub event_type: Option<String>,
}

/// `events test`
#[derive(Debug, Args)]
pub struct EventsTestArguments {
    /// Only this receiver; otherwise all.
    #[arg(value_name = "RECEIVER")]
    pub receiver: Option<String>,
}

/// `events enable`
#[derive(Debug, Args)]
pub struct EventsEnableArguments {
    /// Its name in the configuration.
    #[arg(value_name = "RECEIVER")]
    pub receiver: String,
}

/// The states that the delivery of an event can have. Silences and acknowledgements are for alerts.
fn read_state(text: &str) -> Result<DeliveryStatus, String> {
    match text.to_ascii_lowercase().as_str() {
        "pending" => Ok(DeliveryStatus::Pending),
        "delivered" => Ok(DeliveryStatus::Delivered),
        "dead" => Ok(DeliveryStatus::Dead),
        _ => Err("one of pending, delivered, dead".to_owned()),
    }
}
