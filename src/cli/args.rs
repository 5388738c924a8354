//! The command line: every command, option and example. `--help`, the man pages and the completions
//! all come from here.
//!
//! Owns: the commands' names, help and examples (their options stand in `options` and `options_batch`).
//! Must never know: how any command is done.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::backtest_options::BacktestArguments;
use super::call_options::CallArguments;
use super::fetch_reports::FetchReportsArguments;
use super::options::*;
use super::options_batch::*;
use crate::control::messages;
use crate::control::verbs::Verb;

/// Where the configuration stands unless said.
pub const CONFIG_PATH: &str = "/etc/reconciled/config.toml";

/// Sees every Amazon Pay transaction through to its final state.
#[derive(Debug, Parser)]
#[command(
    name = "reconciled",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  reconciled demo                                 watch it at work, without credentials
  reconciled check-config                         find every mistake in the configuration
  reconciled run                                  the daemon itself, usually under systemd
  reconciled enrol --id S01-1234567-1234567-C123456 --amount 14.00 --currency EUR
  reconciled enrol charges.csv                    a file, however large
  reconciled list --phase moving --older-than 2d  what has been pending for long
  reconciled explain S01-1234567-1234567-C123456  why it is pending, and until when
  reconciled batch submit shop-ae captures.csv    operations on many orders, followed to the end
  reconciled call shop-de                         the single operations of an account
  reconciled status                               everything at a glance

Exit codes are those of sysexits.h: 0 done, 64 usage, 65 bad data, 66 not there, 69 unavailable,
73 cannot create a file, 74 disk, 75 try later, 76 in doubt, 77 not allowed, 78 configuration."
)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, short, global = true, env = "RECONCILED_CONFIG", default_value = CONFIG_PATH, value_name = "FILE")]
    pub config: PathBuf,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: poll, alert, report, until told to stop.
    #[command(after_help = "\
SIGTERM and SIGINT end it after what is in flight; SIGHUP re-reads the configuration and keeps the old
one when the new is bad.

Examples:
  reconciled run
  reconciled run --config ./config.toml")]
    Run(RunArguments),
    /// Watch the whole work on a pretend Amazon Pay: no credentials, no other software.
    #[command(after_help = "\
Examples:
  reconciled demo
  reconciled demo --dir ./demo --seed 7")]
    Demo(DemoArguments),
    /// Run a pretend Amazon Pay (v2, MWS, Payment Services) to develop against, over HTTP and HTTPS.
    #[command(after_help = "\
Examples:
  reconciled simulate --listen 127.0.0.1:8080
  reconciled simulate --scenario declines.toml --seed 7")]
    Simulate(SimulateArguments),
    /// Check the configuration and report every problem at once, with key and remedy.
    #[command(after_help = "\
Examples:
  reconciled check-config
  reconciled check-config --config ./config.toml")]
    CheckConfig(CheckConfigArguments),
    /// [`messages::Enrol`]
    #[command(about = messages::Enrol::SPEC.help, after_help = "\
Twice is the same as once: a known object only gains the details that were missing. With the daemon
running the objects go over its socket, else straight into the store.

Files are CSV with a header line (comma, semicolon or tabulator; id or charge_id, refund_id,
AmazonCaptureId, ...; account, kind, amount, currency, reference, created_at, parent are optional) or
JSON Lines with the same keys; our own `list --csv`, `list --json` and nightly files can be enrolled
again. Any line ends, `sep=;`, padding rows and cells missing at the end are understood, and in CSV a
decimal comma (14,00 or 1.234,56, not 1,234). Text is UTF-8: a file in another encoding is refused with
the command that converts it, a misspelt column with the name that is meant.

Good lines are taken, bad ones told with number and reason; the exit code is 65 when there were any, or
when a file with a header has no object.

Examples:
  reconciled enrol --id S01-1234567-1234567-C123456
  reconciled enrol --account shop-de --kind charge --id S01-1234567-1234567-C123456 \\
      --amount 14.00 --currency EUR --reference 2026-0815
  reconciled enrol charges.csv --rejects bad.csv
  zcat orders.jsonl.gz | reconciled enrol -")]
    Enrol(EnrolArguments),
    /// [`messages::ListRequest`]
    #[command(about = messages::ListRequest::SPEC.help, after_help = "\
Examples:
  reconciled list --phase moving
  reconciled list --quarantined --json
  reconciled list --account shop-de --state Declined --csv > declined.csv
  reconciled list --older-than 36h --limit 20")]
    List(ListArguments),
    /// [`messages::Show`]
    #[command(about = messages::Show::SPEC.help, after_help = "\
Examples:
  reconciled show S01-1234567-1234567-C123456
  reconciled show shop-de/charge/S01-1234567-1234567-C123456 --json")]
    Show(ShowArguments),
    /// [`messages::Explain`]
    #[command(about = messages::Explain::SPEC.help, after_help = "\
Examples:
  reconciled explain S01-1234567-1234567-C123456
  reconciled explain shop-de/charge/S01-1234567-1234567-C123456 --json")]
    Explain(ExplainArguments),
    /// [`messages::PollRequest`]
    #[command(about = messages::PollRequest::SPEC.help, after_help = "\
They come before all others of their account, but never faster than the account's quota allows. A dry
run prints what it would cost.

Examples:
  reconciled poll S01-1234567-1234567-C123456
  reconciled poll --all --dry-run
  reconciled poll --all --account shop-de --kind refund")]
    Poll(PollArguments),
    /// [`messages::Forget`]
    #[command(about = messages::Forget::SPEC.help, after_help = "\
Examples:
  reconciled forget S01-1234567-1234567-C123456
  reconciled forget shop-de/charge/S01-1234567-1234567-C123456")]
    Forget(ObjectsArguments),
    /// [`messages::Accept`]
    #[command(about = messages::Accept::SPEC.help, after_help = "\
Look at the provider's own page first. What is accepted counts as true from then on: the state, and the amounts
in it. Only the doubt as it stands is settled; another amount or state is a new doubt. An answer that nobody
understands (an unknown state, nothing seen at all) cannot be accepted; `reconciled forget` ends the watching.

Examples:
  reconciled accept S01-1234567-1234567-C123456
  reconciled accept shop-de/charge/S01-1234567-1234567-C123456")]
    Accept(ObjectsArguments),
    /// [`messages::StatusRequest`]
    #[command(about = messages::StatusRequest::SPEC.help, after_help = "\
Examples:
  reconciled status
  reconciled status --json")]
    Status(StatusArguments),
    /// [`messages::ReportRequest`]
    #[command(about = messages::ReportRequest::SPEC.help, after_help = "\
Examples:
  reconciled report
  reconciled report --date 2026-01-15")]
    Report(ReportArguments),
    /// [`messages::FetchBegin`]
    #[command(about = messages::FetchBegin::SPEC.help, after_help = "\
At most 30 days at once, requested day by day within the provider's quota: 15 at once, then one a minute.
What is kept is not fetched again, so that a command that was interrupted goes on where it was; with the
daemon running the daemon does the work, and the command only watches. Settlement reports come by
themselves: their days are those on which they appeared.
Ends with 65 when a file was fetched and cannot be read (the column \"unread\"): nothing of it was compared. The
same command tries it again; --again fetches it again. Ends with 75 when a day could not be had.

Examples:
  reconciled fetch-reports old-shop-us --from 2026-01-01 --to 2026-01-30
  reconciled fetch-reports old-shop-us --from 2026-01-15 --to 2026-01-15 --type capture --type refund
  reconciled fetch-reports old-shop-us --from 2026-01-01 --to 2026-01-30 --type settlement --json")]
    FetchReports(FetchReportsArguments),
    /// List, send again or test alerts.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled alerts list --state dead
  reconciled alerts redeliver --all-dead
  reconciled alerts test"
    )]
    Alerts(AlertsCommand),
    /// Check, back up, compact, restore or rebuild what is stored.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled store check
  reconciled store backup --to /var/lib/reconciled/backup-2026-01-15
  reconciled store compact
  reconciled store restore --from /var/lib/reconciled/backup-2026-01-15
  reconciled store rebuild"
    )]
    Store(StoreCommand),
    /// Submit files of operations (Amazon Pay MWS, Amazon Payment Services), and see what became of each row.
    #[command(
        subcommand,
        after_help = "\
At Amazon Payment Services rows are PURCHASE (recurring), CAPTURE, REFUND or VOID_AUTHORIZATION, one a line,
under the provider's parameter names. At Amazon Pay MWS all rows of a batch do what --operation says, and the
columns are the operation's fields (AmazonAuthorizationId, CaptureReferenceId, Amount, CurrencyCode, ...).
The daemon sends each batch once, follows it until every row has its end, and watches what came of it.
Nothing is sent unless the account has allow_writes = true.

Examples:
  reconciled batch submit shop-us --operation Capture captures.csv --dry-run
  reconciled batch submit shop-ae captures.csv --dry-run
  reconciled batch submit shop-ae captures.csv
  reconciled batch list
  reconciled batch export rcd-0123456789abcdef > results.csv"
    )]
    Batch(BatchCommand),
    /// Choose a rhythm: live through a past again under one polling policy after another.
    #[command(after_help = "\
Nothing is asked of anybody: time, server and answers are computed, from the seed that is printed. Without
a file the past is made up (--workload). A file of your own is CSV with a header line

  id,kind,account,created_at,final_at,final_state,reference

or JSON Lines with these keys. Account, final_state and reference may be left out; final_at is empty for what
has not ended; times need a zone. Several files are taken together, and of several lines about one object
the first making and the last end count. The night's files (resolved, declined, pending) can be
given as they are, and what \"reconciled list --json\" prints. Bad lines are told with number and reason;
the exit code is 65 when there were any.

An end counts as missed when it is not seen within three days of the last one.

Examples:
  reconciled backtest                                    the policies, on a made-up day
  reconciled backtest --all                              every policy in every made-up past
  reconciled backtest history.csv --interval 30m --early 1m,5m
  reconciled backtest /var/log/reconciled/reports/2026/01/*/resolved_*.csv --account shop-de
  reconciled backtest --workload stuck --policy hourly --policy oldest-100 --json")]
    Backtest(BacktestArguments),
    /// [`messages::CallWanted`]
    #[command(about = messages::CallWanted::SPEC.help, after_help = "\
What changes anything needs allow_writes = true on the account, and --yes; without them, what would be sent
is printed and the code is 77. Each is written down before it is sent. The same reference (or, at v2, the
same idempotencyKey or the same words) is never carried out twice: after a lost answer the command looks
before anything is sent again. Code 65: the provider said no; 75: not carried out, try later; 76: nobody
knows, see --list. Objects that it makes are watched at once.

Examples:
  reconciled call shop-de
  reconciled call shop-de CaptureCharge --help-parameters
  reconciled call shop-de GetCharge chargeId=P02-1234567-1234567-C123456 --json
  reconciled call shop-de CaptureCharge chargeId=P02-1234567-1234567-C123456 captureAmount.amount=14.00 \\
                  captureAmount.currencyCode=EUR --yes
  reconciled call --list
  reconciled call resolve old-shop-us Refund/my-reference-1 --outcome not-done")]
    Call(CallArguments),
    /// [`messages::Reload`]
    #[command(about = messages::Reload::SPEC.help, after_help = "\
A bad configuration changes nothing; every problem is printed.

Example:
  reconciled reload")]
    Reload(ReloadArguments),
    /// Print a completion script for a shell.
    #[command(after_help = "\
Examples:
  reconciled completions bash > /usr/share/bash-completion/completions/reconciled
  reconciled completions zsh > /usr/share/zsh/vendor-completions/_reconciled
  reconciled completions fish > /usr/share/fish/vendor_completions.d/reconciled.fish")]
    Completions(CompletionsArguments),
    /// Write the man pages, one a command.
    #[command(after_help = "\
Example:
  reconciled man --dir ./man")]
    Man(ManArguments),
}

/// `batch …`
#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// [`messages::BatchSubmission`]
    #[command(about = messages::BatchSubmission::SPEC.help, after_help = "\
The same rows are recorded only once, however often they are submitted; --label makes them another batch.
Two operations on one order go into two files, which are sent one after the other. A feed of Amazon Pay MWS
is divided where the provider's advice ends (30,000 requests, 10 MB), and feeds leave 20 minutes apart.

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
    /// Write the rows of a batch with what became of each, as CSV.
    #[command(after_help = "\
Example:
  reconciled batch export rcd-0123456789abcdef > results.csv")]
    Export(BatchReferenceArguments),
    /// [`messages::BatchCancel`]
    #[command(about = messages::BatchCancel::SPEC.help, after_help = "\
A batch that was not sent yet never will be. One that was sent is cancelled by its own id, if the provider
has not taken it in; `batch show` says what came of it.

Example:
  reconciled batch cancel rcd-0123456789abcdef")]
    Cancel(BatchReferenceArguments),
    /// [`messages::BatchRelease`]
    #[command(about = messages::BatchRelease::SPEC.help, after_help = "\
Amazon Payment Services: a processing in doubt did not begin, so that it is sent again.
Amazon Pay MWS: the answer to a submission was lost and several feeds could be it (stage \"held\"): --adopt
names the right one; --resend says that it is none of them.

Only after you have looked at the provider: a batch that was carried out and is sent again is carried out
twice.

Examples:
  reconciled batch release rcd-0123456789abcdef
  reconciled batch release rcd-0123456789abcdef --adopt 50012345678
  reconciled batch release rcd-0123456789abcdef --resend")]
    Release(BatchReleaseArguments),
}

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
}

/// `store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// [`messages::StoreCheck`]
    #[command(about = messages::StoreCheck::SPEC.help, after_help = "\
With the daemon running it checks its own store while work goes on. With the daemon stopped the store is
opened, which mends what a crash may have left, and then checked. Code 74 when anything is wrong, 65 when
the journal is damaged or lacks entries, so that the store does not open; every problem is named.

Examples:
  reconciled store check
  reconciled store check --json")]
    Check(StoreCheckArguments),
    /// [`messages::BackupRequest`]
    #[command(about = messages::BackupRequest::SPEC.help, after_help = "\
With the daemon running it writes the copy itself, so name a folder that it may write to. The copy is
read to its end before the command says that it is done.

Example:
  reconciled store backup --to /var/lib/reconciled/backup-2026-01-15")]
    Backup(StoreBackupArguments),
    /// [`messages::StoreCompact`]
    #[command(about = messages::StoreCompact::SPEC.help, after_help = "\
The daemon does so by itself when the index has grown (store.compact_above_mib, store.compact_every). The
index is copied without what is old in it, compared, and exchanged: there must be room for the copy. It
pauses on the way, so that work goes on beside it: a million objects took 308 s. A command waits ten minutes
for the daemon, which goes on to the end all the same.

Example:
  reconciled store compact")]
    Compact(StoreCompactArguments),
    /// Put a backup in the place of the store. The daemon must be stopped.
    #[command(after_help = "\
The backup is read to its end first; one that is damaged is refused. The old store is kept beside the
new one, in a folder that is named at the end.

Examples:
  reconciled store restore --from /var/lib/reconciled/backup-2026-01-15
  reconciled store restore --from /mnt/old/store --skip-damage")]
    Restore(StoreRestoreArguments),
    /// Make the index anew from the journal. The daemon must be stopped.
    #[command(after_help = "\
Everything that the journal says is there afterwards. Journal entries that cannot be read are named, and
what the old index still has of them is kept; the code is 65 when there were any. Where entries that were
acknowledged are missing altogether (a file is gone, or the journal ends too early) nothing is done: put the
files back, restore a backup, or go on with what is left by --accept-loss.

Examples:
  reconciled store rebuild
  reconciled store rebuild --accept-loss")]
    Rebuild(StoreRebuildArguments),
}
