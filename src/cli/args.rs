//! The command line: every command, option and example. `--help`, the man pages and the completions are all generated
//! from here.
//!
//! Owns: the commands' names, help and examples (their options and subcommands are in `options` and `options_…`). Must never know:
//! how any command is carried out.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::backtest_options::BacktestArguments;
use super::call_options::CallArguments;
use super::fetch_reports::FetchReportsArguments;
use super::init_options::InitArguments;
use super::options::*;
use super::options_alerts::AlertsCommand;
use super::options_audit::AuditArguments;
use super::options_batch::BatchCommand;
use super::options_dashboard::DashboardArguments;
use super::options_events::EventsCommand;
use super::options_metrics::MetricsArguments;
use super::options_notifications::NotificationsCommand;
use super::options_silence::SilenceCommand;
use super::options_store::StoreCommand;
use crate::control::messages;
use crate::control::verbs::Verb;

/// The default path of the configuration.
pub const CONFIG_PATH: &str = "/etc/reconciled/config.toml";

/// Sees every Amazon Pay transaction through to its final state.
#[derive(Debug, Parser)]
#[command(
    name = "reconciled",
    version = env!("RECONCILED_VERSION"),
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  reconciled demo                        see it at work, without credentials
  reconciled init                        write a first configuration
  reconciled check-config                find every mistake in the configuration
  reconciled run                         the daemon, usually under systemd
  reconciled enrol --id S01-1234567-1234567-C123456
  reconciled enrol charges.csv           a file of any size
  reconciled list --phase moving         what is pending
  reconciled explain S01-1234567-1234567-C123456
  reconciled batch submit shop-ae a.csv  many operations, followed to the end
  reconciled call shop-de                the single operations of an account
  reconciled status                      problems first, then an overview

Exit codes are those of sysexits.h: 0 done, 64 usage, 65 bad data, 66 not
found, 69 unavailable, 73 cannot create a file, 74 disk, 75 try again later, 76
in doubt, 77 not allowed, 78 configuration. `status` alone ends like a
monitoring plugin: 0 well, 1 warning, 2 critical, 3 unknown."
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
    /// Run the daemon: poll, alert and report until it is stopped.
    #[command(after_help = "\
On SIGTERM or SIGINT it finishes what is in flight and exits. On SIGHUP it
reloads the configuration; if the new one is invalid, the old one stays in
force.

Examples:
  reconciled run
  reconciled run --config ./config.toml")]
    Run(RunArguments),
    /// Watch it work against a simulated Amazon Pay: no credentials, no other software.
    #[command(after_help = "\
Examples:
  reconciled demo
  reconciled demo --dir ./demo --seed 7")]
    Demo(DemoArguments),
    /// Run a simulated Amazon Pay (v2, MWS, Payment Services) to develop against, over HTTP and HTTPS.
    #[command(after_help = "\
Examples:
  reconciled simulate --listen 127.0.0.1:8080
  reconciled simulate --write-config ./pretend
  reconciled simulate --listen-tls 127.0.0.1:8443 --keys ./keys
  reconciled simulate --scenario declines.toml --seed 7")]
    Simulate(SimulateArguments),
    /// Check the configuration and report every problem at once, with key and remedy.
    #[command(after_help = "\
It sees secrets as the service does: \"credential:NAME\" is NAME in
$CREDENTIALS_DIRECTORY, else in /etc/credstore, which only root can read.

Examples:
  sudo reconciled check-config
  reconciled check-config --config ./config.toml --credentials ./credstore
  reconciled check-config --no-secrets")]
    CheckConfig(CheckConfigArguments),
    /// Write a first configuration for one account and one chat, and say what comes next.
    #[command(after_help = "\
It asks five questions; a script gives the answers as flags. The file goes to
--config FILE. It is never overwritten without --force. It asks for no secret:
the commands that it prints store them.

Examples:
  sudo reconciled init
  reconciled init --account shop-de --region eu --environment live \\
      --key-id LIVE-AEXAMPLEKEYID00000000000 --time-zone Europe/Berlin
  reconciled init --config ./config.toml --credentials ./credstore")]
    Init(InitArguments),
    /// [`messages::Enrol`]
    #[command(about = messages::Enrol::SPEC.help, after_help = "\
Enrolling an object again is safe: a known object only gains details that were
missing. With the daemon running, the objects are sent over its socket;
otherwise they are written directly to the store.

Files are CSV or JSON Lines. CSV needs a header line (comma, semicolon or tab;
id or charge_id, refund_id, AmazonCaptureId, ...; account, kind, amount,
currency, reference, created_at, parent are optional). JSON Lines use the same
keys. The output of `list --csv` and `list --json` and the nightly files can be
enrolled again. Any line ending, `sep=;`, padding rows and missing cells at the
end of a row are accepted, and in CSV also a decimal comma (14,00 or 1.234,56;
1,234 only with --decimal). Text must be UTF-8. A file in another encoding is
refused, with the command that converts it; an unknown column is refused, with
the name that was probably meant, unless --ignore-columns leaves it out.

Good lines are enrolled; bad lines are reported with number and reason. The
exit code is 65 if there are bad lines, or if a file with a header has no
object.

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
    /// [`messages::RhythmRequest`]
    #[command(about = messages::RhythmRequest::SPEC.help, after_help = "\
For every kind that is polled by learnt ages (poll.rhythm = \"adaptive\"): how
many of a hundred objects end at which age, the ends an hour for each object
that is open at that age (the hazard), and the polls that are planned.

Examples:
  reconciled rhythm
  reconciled rhythm --account shop-de --json")]
    Rhythm(RhythmArguments),
    /// [`messages::PollRequest`]
    #[command(about = messages::PollRequest::SPEC.help, after_help = "\
These objects are polled before all others of their account, but never faster
than the account's quota allows. A dry run prints what it would cost.

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
Check the provider's own page first. What you accept counts as true from then
on: the state, and the amounts in it. Only the present doubt is settled;
another amount or state is a new doubt. An answer that cannot be interpreted
(an unknown state, or nothing observed at all) cannot be accepted; use
`reconciled forget` to stop watching the object.

Examples:
  reconciled accept S01-1234567-1234567-C123456
  reconciled accept shop-de/charge/S01-1234567-1234567-C123456")]
    Accept(ObjectsArguments),
    /// [`messages::StatusRequest`]
    #[command(about = messages::StatusRequest::SPEC.help, after_help = "\
Problems come first, each with what to do. The command asks the running daemon
and never opens the store. The exit codes are those of monitoring plugins: 0 all
is well, 1 warning, 2 critical (also when the daemon is stopped), 3 unknown.

Examples:
  reconciled status
  reconciled status --watch
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
At most 30 days at once, requested day by day within the provider's quota: 15
at once, then one a minute. Reports that are already kept are not fetched
again, so an interrupted command continues where it stopped. If the daemon is
running, it does the work and the command only watches. Amazon makes settlement
reports on its own schedule: their days are the days on which they appeared.
The exit code is 65 if a file was fetched but cannot be read (the column
\"unread\"): nothing in it was compared. The same command tries to read it
again; --again fetches it again. The exit code is 75 if a day could not be
fetched.

Examples:
  reconciled fetch-reports old-shop-us --from 2026-01-01 --to 2026-01-30
  reconciled fetch-reports old-shop-us --from 2026-01-15 --to 2026-01-15 --type capture --type refund
  reconciled fetch-reports old-shop-us --from 2026-01-01 --to 2026-01-30 --type settlement --json")]
    FetchReports(FetchReportsArguments),
    /// [`messages::AuditRequest`]
    #[command(about = messages::AuditRequest::SPEC.help, after_help = "\
Newest first: when, who (user id and name, as the kernel reports them), which command, on what, and how it ended.
\"begun, outcome unknown\" means still running, or cut off by a crash. Refused attempts and enrolments of one user
within an hour share one entry, with their number. An enrolment names its first objects only.

Examples:
  reconciled audit --since 36h
  reconciled audit --object P02-1234567-1234567-C123456
  reconciled audit --since 2026-01-15 --limit 0 --json
  reconciled audit verify")]
    Audit(AuditArguments),
    /// List, acknowledge, redeliver or test alerts, and explain who gets them.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled alerts list --state dead
  reconciled alerts acknowledge --all
  reconciled alerts redeliver --all-dead
  reconciled alerts route --kind declined --account shop-de
  reconciled alerts test"
    )]
    Alerts(AlertsCommand),
    /// Hold alerts back for a limited time.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled silence add --account shop-de --kind overdue --for 2h --because maintenance
  reconciled silence list
  reconciled silence end 3"
    )]
    Silence(SilenceCommand),
    /// Send signed events to the shop's back office: see their deliveries, send them again, test a receiver.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled events list --state dead
  reconciled events redeliver --all-dead
  reconciled events schema charge.captured
  reconciled events test"
    )]
    Events(EventsCommand),
    /// Receive notifications of the provider: see their health, trust a topic, check the path.
    #[command(
        subcommand,
        after_help = "\
Examples:
  reconciled notifications list
  reconciled notifications url shop-de
  reconciled notifications check shop-de"
    )]
    Notifications(NotificationsCommand),
    /// Check, back up, compact, restore or rebuild the store.
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
    /// Submit files of operations (Amazon Pay MWS, Amazon Payment Services), and see the outcome of each row.
    #[command(
        subcommand,
        after_help = "\
For Amazon Payment Services, each line is one row: PURCHASE (recurring),
CAPTURE, REFUND or VOID_AUTHORIZATION, under the provider's parameter names.
For Amazon Pay MWS, all rows of a batch carry out the operation that
--operation names, and the columns are its fields (AmazonAuthorizationId,
CaptureReferenceId, Amount, CurrencyCode, ...). The daemon sends each batch
once, follows it until every row has an outcome, and watches the objects that
it created. Nothing is sent unless the account has allow_writes = true.

Examples:
  reconciled batch submit shop-us --operation Capture captures.csv --dry-run
  reconciled batch submit shop-ae captures.csv --dry-run
  reconciled batch submit shop-ae captures.csv
  reconciled batch list
  reconciled batch export rcd-0123456789abcdef > results.csv"
    )]
    Batch(BatchCommand),
    /// Compare polling policies: replay a history under one policy after another.
    #[command(after_help = "\
No provider is contacted: time, server and answers are computed from the seed
that is printed. Without a file, the history is made up (--workload). Your own
file is CSV with a header line

  id,kind,account,created_at,final_at,final_state,reference

or JSON Lines with these keys. Account, final_state and reference may be
omitted; final_at is empty if the object has not ended; times need a zone.
Several files are combined. If several lines are about one object, its first
creation time and its last end count. You can pass the nightly files (resolved,
declined, pending) and the output of \"reconciled list --json\" unchanged. Bad
lines are reported with number and reason; the exit code is 65 if there are
any.

An end counts as missed if it is not observed within three days of the last
end.

Examples:
  reconciled backtest                       the policies, on a made-up day
  reconciled backtest --all                 every policy, every made-up history
  reconciled backtest history.csv --interval 30m --early 1m,5m
  reconciled backtest /var/log/reconciled/reports/2026/01/*/resolved_*.csv --account shop-de
  reconciled backtest --workload stuck --policy hourly --policy oldest-100 --json")]
    Backtest(BacktestArguments),
    /// [`messages::CallWanted`]
    #[command(about = messages::CallWanted::SPEC.help, after_help = "\
An operation that changes something needs allow_writes = true on the account,
and --yes. Without them, the command prints what it would send, and the exit
code is 77. Each such call is journaled before it is sent. The same reference
(or, for v2, the same idempotencyKey or identical parameters) is never carried
out twice: after a lost answer, the command checks with the provider before it
sends anything again. Exit codes: 65, the provider refused; 75, not carried
out, try again later; 76, in doubt, see --list. Objects that the call creates
are watched from then on.

Examples:
  reconciled call shop-de
  reconciled call shop-de CaptureCharge --help-parameters
  reconciled call shop-de GetCharge chargeId=P02-1234567-1234567-C123456 --json
  reconciled call shop-de CaptureCharge chargeId=P02-1234567-1234567-C123456 captureAmount.amount=14.00 \\
                  captureAmount.currencyCode=EUR --yes
  reconciled call --list
  reconciled call resolve old-shop-us Refund/my-reference-1 --outcome not-done")]
    Call(CallArguments),
    /// [`messages::DashboardLink`]
    #[command(about = messages::DashboardLink::SPEC.help, after_help = "\
The dashboard is served where [control.tcp] listens. The session has your role,
at most operate, for twelve hours; with --role read it can change nothing.
From another machine, forward the port first:

  ssh -L 8490:127.0.0.1:8490 the-host reconciled dashboard

Examples:
  reconciled dashboard
  reconciled dashboard --role read")]
    Dashboard(DashboardArguments),
    /// [`messages::MetricsRequest`]
    #[command(about = messages::MetricsRequest::SPEC.help, after_help = "\
The daemon gives the same figures at GET /metrics on its socket.

Examples:
  reconciled metrics
  reconciled metrics --rules > /etc/prometheus/rules/reconciled.yml
  reconciled metrics --dashboard > reconciled-dashboard.json")]
    Metrics(MetricsArguments),
    /// [`messages::Reload`]
    #[command(about = messages::Reload::SPEC.help, after_help = "\
An invalid configuration changes nothing; every problem is printed.

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
    /// Write the man pages, one per command.
    #[command(after_help = "\
Example:
  reconciled man --dir ./man")]
    Man(ManArguments),
}
