//! The options of `reconciled batch`.
//!
//! Owns: names, kinds and help of arguments. Must never know: how they are used.

use std::path::PathBuf;

use clap::Args;

use crate::payments::object::AccountName;

/// `batch submit`
#[derive(Debug, Args)]
pub struct BatchSubmitArguments {
    /// The account: one with api = "aps" or "amazon-pay-mws".
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountName,
    /// The operation of all rows (Amazon Pay MWS): Capture, Refund, CancelOrderReference, CloseOrderReference,
    /// CloseAuthorization, GetCaptureDetails or GetRefundDetails.
    #[arg(long, value_name = "OPERATION")]
    pub operation: Option<String>,
    /// CSV with a header line of parameter names, or JSON Lines; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A label of your own, such as a month, that distinguishes this batch from one with the same rows.
    #[arg(long, value_name = "WORD")]
    pub label: Option<String>,
    /// Only check: print every problem, or the files that would be sent.
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// `batch list`
#[derive(Debug, Args)]
pub struct BatchListArguments {
    /// Only batches of this account.
    #[arg(long)]
    pub account: Option<AccountName>,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `batch show`
#[derive(Debug, Args)]
pub struct BatchShowArguments {
    /// The batch's reference, as `batch list` shows it.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `batch export`, `batch cancel`
#[derive(Debug, Args)]
pub struct BatchReferenceArguments {
    /// The batch's reference, as `batch list` shows it.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
}

/// `batch release`
#[derive(Debug, Args)]
pub struct BatchReleaseArguments {
    /// The batch's reference, as `batch list` shows it.
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// The feed of the submission whose answer was lost (Amazon Pay MWS).
    #[arg(long, value_name = "FEED_ID", conflicts_with_all = ["resend", "may_be_sent_again"])]
    pub adopt: Option<String>,
    /// None of the feeds at the provider is this submission: send it again (Amazon Pay MWS).
    #[arg(long)]
    pub resend: bool,
    /// The old spelling of --resend.
    #[arg(long, hide = true)]
    pub may_be_sent_again: bool,
}
