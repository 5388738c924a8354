//! The options of `audit`, with their help.
//!
//! Owns: names and help. Must never know: how any of it is carried out.

use clap::{Args, Subcommand};

use super::options::{Since, read_since};
use crate::control::messages;
use crate::control::verbs::Verb;

/// `audit`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArguments {
    /// Only entries since this time, with its zone (2026-01-15T09:30:00Z), this day (UTC), or a span such as 36h.
    #[arg(long, value_name = "TIME", value_parser = read_since)]
    pub since: Option<Since>,
    /// Only entries that name this object, batch, call or account.
    #[arg(long, value_name = "ID")]
    pub object: Option<String>,
    /// The maximum number of rows; 0 means all.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    /// `audit verify`
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
}

/// `audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// [`messages::AuditVerify`]
    #[command(about = messages::AuditVerify::SPEC.help, after_help = "\
Reads the whole journal. Each entry carries the hash of the one before, so an
entry that was changed, removed or added breaks the link. Broken links are named
in order, and the exit code is then 65. The number and the hash of the last
entry are printed: journals that end with the same two are identical. A journal
whose hashes were all computed again has no broken link, but another last hash.
If the daemon is stopped, the command opens the store, which repairs what a
crash may have left.

Examples:
  reconciled audit verify
  reconciled audit verify --json")]
    Verify(AuditVerifyArguments),
}

/// `audit verify`
#[derive(Debug, Args)]
pub struct AuditVerifyArguments {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}
