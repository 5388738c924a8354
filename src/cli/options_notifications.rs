//! The options of `notifications`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, Subcommand};

use crate::control::messages;
use crate::control::verbs::Verb;
use crate::payments::object::AccountName;

/// `notifications …`
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// [`messages::NotificationsRequest`]
    #[command(about = messages::NotificationsRequest::SPEC.help, after_help = "\
Examples:
  reconciled notifications list
  reconciled notifications list --json")]
    List(NotificationsListArguments),
    /// Print the address for notifications, and where to enter it.
    #[command(after_help = "\
Examples:
  reconciled notifications url shop-de")]
    Url(ChannelArguments),
    /// [`messages::TrustRequest`]
    #[command(about = messages::TrustRequest::SPEC.help, after_help = "\
`reconciled notifications list` shows the topics that sent genuine messages.

Examples:
  reconciled notifications trust shop-de arn:aws:sns:eu-west-1:291180941288:A3BXB0YN3XH17H
  reconciled notifications trust shop-de --none")]
    Trust(TrustArguments),
    /// [`messages::ConfirmRequest`]
    #[command(about = messages::ConfirmRequest::SPEC.help, after_help = "\
Examples:
  reconciled notifications confirm shop-de")]
    Confirm(ChannelArguments),
    /// [`messages::ChannelCheck`]
    #[command(about = messages::ChannelCheck::SPEC.help, after_help = "\
It ends with 69 if a step failed.

Examples:
  reconciled notifications check shop-de")]
    Check(ChannelArguments),
}

/// `notifications list`
#[derive(Debug, Args)]
pub struct NotificationsListArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A command about one account.
#[derive(Debug, Args)]
pub struct ChannelArguments {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountName,
}

/// `notifications trust`
#[derive(Debug, Args)]
pub struct TrustArguments {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountName,
    /// The topic's full name: arn:aws:sns:REGION:NUMBER:NAME.
    #[arg(value_name = "TOPIC", required_unless_present = "none")]
    pub topic: Option<String>,
    /// Trust no topic from now on.
    #[arg(long, conflicts_with = "topic")]
    pub none: bool,
}
