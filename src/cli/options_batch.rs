//! The options of `reconciled batch`.
//!
//! Owns: names, kinds and help of arguments. Must never know: how they are used.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::control::messages;
use crate::control::verbs::Verb;
use crate::payments::object::AccountName;

/// `batch …`
#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// [`messages::BatchSubmission`]
    #[command(about = messages::BatchSubmission::SPEC.help, after_help = "\
The same rows are recorded only once, however often they are submitted; --label
makes them a separate batch. Two operations on one order go into two files,
which are sent one after the other. A feed for Amazon Pay MWS is split at the
provider's recommended limits (30,000 requests, 10 MB), and feeds are sent 20
minutes apart.

Examples:
  reconciled batch submit shop-us --operation Refund refunds.jsonl
  reconciled batch submit shop-ae captures.csv --dry-run
  reconciled batch submit shop-ae renewals.jsonl --label 2026-03")]
    Submit(BatchSubmitArguments),
    /// [`messages::BatchList`]
    #[command(about = messages::BatchList::SPEC.help, after_help = "\
Examples:
  reconciled batch list
  reconciled batch list --account shop-ae --json")]
    List(BatchListArguments),
    /// [`messages::BatchShow`]
    #[command(about = messages::BatchShow::SPEC.help, after_help = "\
Examples:
  reconciled batch show rcd-0123456789abcdef
  reconciled batch show rcd-0123456789abcdef --json")]
    Show(BatchShowArguments),
    /// Write the rows of a batch with their outcomes, as CSV.
    #[command(after_help = "\
Example:
  reconciled batch export rcd-0123456789abcdef > results.csv")]
    Export(BatchReferenceArguments),
    /// [`messages::BatchCancel`]
    #[command(about = messages::BatchCancel::SPEC.help, after_help = "\
A batch that has not been sent yet will never be sent. A batch that has been
sent is canceled by its id, if the provider has not accepted it for
processing; `batch show` shows the result.

Example:
  reconciled batch cancel rcd-0123456789abcdef")]
    Cancel(BatchReferenceArguments),
    /// [`messages::BatchRelease`]
    #[command(about = messages::BatchRelease::SPEC.help, after_help = "\
Amazon Payment Services: use this if a processing in doubt did not begin; it is
then sent again. Amazon Pay MWS: use this if the answer to a submission was
lost and several feeds could be that submission (stage \"held\"): --adopt names
the right one; --resend says that it is none of them.

Check at the provider first: a batch that was carried out and is sent again is
carried out twice.

Examples:
  reconciled batch release rcd-0123456789abcdef
  reconciled batch release rcd-0123456789abcdef --adopt 50012345678
  reconciled batch release rcd-0123456789abcdef --resend")]
    Release(BatchReleaseArguments),
}

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
