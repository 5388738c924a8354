//! The options of `reconciled call`, with their help.
//!
//! Owns: names, help and parsing of options. Must never know: how a call is carried out.

use clap::{Args, Subcommand, ValueEnum};

use crate::control::messages::CallResolve;
use crate::control::verbs::Verb;
use crate::payments::object::AccountName;

/// `call`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct CallArguments {
    /// What to do other than carry out an operation.
    #[command(subcommand)]
    pub command: Option<CallCommand>,
    /// The account whose operation to call.
    #[arg(value_name = "ACCOUNT", required_unless_present = "list")]
    pub account: Option<AccountName>,
    /// The provider's name for it, such as Capture or CreateRefund. By default, all operations are listed.
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,
    /// Its parameters, such as CaptureAmount.Amount=14.00; see --help-parameters.
    #[arg(value_name = "KEY=VALUE", value_parser = read_pair)]
    pub parameters: Vec<(String, String)>,
    /// Send it even though it changes something. Without this, the command prints what it would send.
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Seconds to wait for a permit from the account's budget.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=420))]
    pub wait: u64,
    /// List the operations of the account's API.
    #[arg(long, conflicts_with_all = ["operation", "list", "end"])]
    pub list_operations: bool,
    /// Print the operation's parameters, with their lengths.
    #[arg(long, requires = "operation")]
    pub help_parameters: bool,
    /// List the calls that are in doubt.
    #[arg(long, conflicts_with_all = ["operation", "end"])]
    pub list: bool,
    /// Include calls that have ended.
    #[arg(long, requires = "list")]
    pub all: bool,
    /// The old spelling of `call resolve`.
    #[arg(long, value_name = "CALL", requires = "was", conflicts_with = "operation", hide = true)]
    pub end: Option<String>,
    /// The old spelling of `--outcome`.
    #[arg(long, value_enum, requires = "end", hide = true)]
    pub was: Option<Was>,
}

/// `call resolve`
#[derive(Debug, Subcommand)]
pub enum CallCommand {
    /// [`CallResolve`]
    #[command(about = CallResolve::SPEC.help, after_help = "\
A call in doubt was sent, but its answer was lost. Repeating exactly the same command determines the outcome
automatically where that is possible. Otherwise check at the provider, then record the outcome: a call that was
done is never sent again; a call that was not done is sent again by the same command.

Examples:
  reconciled call resolve old-shop-us Refund/my-reference-1 --outcome not-done
  reconciled call resolve shop-de CreateRefund/my-key-1 --outcome done")]
    Resolve(ResolveArguments),
}

/// `call resolve`
#[derive(Debug, Args)]
pub struct ResolveArguments {
    /// The account of the call.
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountName,
    /// The call, as `call --list` shows it: Capture/my-reference-1.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// The outcome that you determined at the provider.
    #[arg(long, value_enum)]
    pub outcome: Was,
}

/// The outcome of a call in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Was {
    /// It was carried out: it is never sent again.
    Done,
    /// It was not carried out: the same command sends it again.
    NotDone,
}

/// `key=value`. The value may contain more `=`, and may be empty; the later check then rejects it by name.
fn read_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE, such as AmazonCaptureId=S01-1234567-1234567-C123456".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_pairs() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(read_pair("a=b"), pair("a", "b"));
        assert_eq!(read_pair("a=b=c"), pair("a", "b=c"));
        assert_eq!(read_pair("a="), pair("a", ""));
        for bad in ["", "a", "=b"] {
            assert!(read_pair(bad).is_err(), "{bad:?}");
        }
    }
}
