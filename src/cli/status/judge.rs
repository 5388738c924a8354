//! Whether all is well, as monitoring plugins say it, and if not, what a person can do.
//!
//! Owns: what is a warning and what is critical. Pure. Must never know: terminals, how the status was obtained.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;

use crate::cli::exit::Exit;
use crate::control::explain::{moment, span};
use crate::control::messages::{
    AccountHealth, AccountState, Backlog, ChannelView, EventsHealth, OutboxRow, Status, Verdict,
};
use crate::text::count;

/// How bad it is. The order is that of the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// All is well.
    Ok,
    /// A person should look at it.
    Warning,
    /// Objects are not watched, or alerts do not arrive.
    Critical,
    /// It cannot be found out.
    Unknown,
}

impl Level {
    pub(super) fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }

    pub(super) fn exit(self) -> Exit {
        match self {
            Level::Ok => Exit::Ok,
            Level::Warning => Exit::Warning,
            Level::Critical => Exit::Critical,
            Level::Unknown => Exit::Unknown,
        }
    }
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) what: String,
    /// What to do about it; may be empty.
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn new(level: Level, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level, what: what.into(), remedy: remedy.into() }
    }
}

/// The worst of all.
pub(super) fn level(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// What is not well, the worst first.
pub(super) fn judge(status: &Status) -> Vec<Finding> {
    let (critical, warning) = (Level::Critical, Level::Warning);
    let health = &status.health;
    let mut found = Vec::new();
    if let Some(reason) = &status.store.broken {
        let remedy =
            "see `journalctl -u reconciled`; free disk space or repair the disk, then restart the daemon";
        found.push(Finding::new(critical, format!("the store has stopped: {reason}"), remedy));
    }
    if !health.is_ready {
        found.push(Finding::new(critical, "the daemon is not ready", "see `journalctl -u reconciled`"));
    }
    found.extend(health.accounts.iter().filter_map(|account| of_account(account, status)));
    let dead = status.store.outbox_dead;
    if dead > 0 {
        let what = format!("{} of alerts given up", count(dead, "delivery"));
        let remedy = "`reconciled alerts list --state dead` shows them with the reason; when the target works again: \
                      `reconciled alerts redeliver --all-dead`";
        found.push(Finding::new(critical, what, remedy));
    }
    found.extend(status.outbox.iter().filter(|row| row.is_removed).map(of_removed));
    found.extend(status.events.iter().flat_map(|events| of_events(events, status)));
    found.extend(status.backlogs.iter().map(of_backlog));
    found.extend(health.complaints.iter().map(|complaint| Finding::new(warning, complaint, "")));
    found.extend(status.notifications.iter().filter_map(of_channel));
    for row in status.batches.iter().filter(|row| row.waiting_for_a_person > 0) {
        let waiting = count(row.waiting_for_a_person, "batch");
        let what = format!("{waiting} of {} cannot continue without a person", row.account);
        found.push(Finding::new(warning, what, "`reconciled batch list` says what each needs"));
    }
    if let Some(reload) = health.last_reload.as_ref().filter(|reload| !reload.is_applied) {
        let problems = reload.problems.join("; ");
        let when = moment(reload.at, status.now);
        let what =
            format!("the configuration of {when} was rejected, the old one stays in force: {problems}");
        found.push(Finding::new(warning, what, "correct it, then `reconciled reload`"));
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    found
}

/// A target that has left the configuration before it got everything.
fn of_removed(row: &OutboxRow) -> Finding {
    let (name, pending) = (&row.target, count(row.pending, "message"));
    let what = format!("{name} is no longer configured: {pending} pending for it");
    let remedy = "an [[alert]] section of this name gets them; without one they stay listed";
    Finding::new(Level::Warning, what, remedy)
}

/// A receiver of events that gets none any more, or to which some were given up.
fn of_events(events: &EventsHealth, status: &Status) -> Vec<Finding> {
    let (mut found, name) = (Vec::new(), &events.receiver);
    if events.is_removed {
        let (pending, dead) = (count(events.pending, "event"), events.dead);
        let what = format!("{name} is no longer configured: {pending} pending for it, {dead} given up");
        let remedy = "an [[events]] section with this name gets them; without one they stay listed";
        return vec![Finding::new(Level::Warning, what, remedy)];
    }
    if let Some(since) = events.disabled_since {
        let since = moment(since, status.now);
        let what = format!("{name} has received no events since {since}: it answered HTTP 410 (gone)");
        let remedy = format!("fix the receiver or its address, then `reconciled events enable {name}`");
        found.push(Finding::new(Level::Critical, what, remedy));
    }
    if events.dead > 0 {
        let what = format!("{} for {name} given up", count(events.dead, "event"));
        let remedy = "`reconciled events list --state dead` shows them with the reason; when the receiver works \
                      again: `reconciled events redeliver --all-dead`";
        found.push(Finding::new(Level::Critical, what, remedy));
    }
    found
}

/// A channel that fell silent, whose subscription somebody ended, or whose messages cannot be verified. Nothing is lost: polling goes on.
fn of_channel(channel: &ChannelView) -> Option<Finding> {
    let name = &channel.account;
    let remedy =
        format!("`reconciled notifications check {name}` tests the path from outside; polling continues");
    let what = match (channel.health, channel.unsubscribed_at) {
        (_, Some(_)) => format!("the subscription for notifications of {name} was ended"),
        (Verdict::Silent, None) => {
            let silent = channel.kinds.iter().filter(|(_, count)| count.health == Verdict::Silent);
            let silent: Vec<&str> = silent.map(|(kind, _)| kind.as_str()).collect();
            let silent = silent.join(", ");
            format!(
                "notifications of {name} do not announce the final states of type {silent} that polling finds"
            )
        }
        (Verdict::Healthy | Verdict::Unknown, None) => {
            let reasons = channel.unverifiable()?;
            format!("notifications of {name} arrive, but none could be verified: {reasons}")
        }
    };
    Some(Finding::new(Level::Warning, what, remedy))
}

fn of_account(account: &AccountHealth, status: &Status) -> Option<Finding> {
    let (name, now) = (&account.name, status.now);
    match &account.state {
        AccountState::Refused { since, next_try_at, detail } => {
            let again = next_try_at.map(|at| format!("; next attempt {}", moment(at, now)));
            let (since, again) = (moment(*since, now), again.unwrap_or_default());
            let what = format!("the provider refuses {name} since {since}: {detail}{again}");
            let remedy = format!(
                "compare the key of {name} in the configuration with the provider's page, and check whether it was revoked; \
                 restart the daemon after you replaced a key"
            );
            Some(Finding::new(Level::Critical, what, remedy))
        }
        AccountState::NoSuccess { since, detail } => {
            let what = format!("no request of {name} has succeeded since {}: {detail}", moment(*since, now));
            let remedy = "check the network, the proxy and the provider's status page; nothing is concluded about money";
            Some(Finding::new(Level::Critical, what, remedy))
        }
        AccountState::Elsewhere => None,
        AccountState::Ok | AccountState::Held { .. } | AccountState::Unknown => account
            .service
            .as_ref()
            .filter(|service| service.steers)
            .map(|service| {
                let since = moment(service.since, now);
                let what = format!(
                    "the provider of {name} reports {} since {since}, last polled {}: objects are polled less often, and \
                     none is reported as overdue. {}",
                    service.word,
                    moment(service.heard_at, now),
                    service.message.as_deref().unwrap_or_default()
                );
                Finding::new(Level::Warning, what, "")
            }),
    }
}

fn of_backlog(backlog: &Backlog) -> Finding {
    let time =
        |seconds: u64| span(SignedDuration::try_from(Duration::from_secs(seconds)).unwrap_or_default());
    let kinds: Vec<&str> = backlog.kinds.iter().map(|kind| kind.as_str()).collect();
    let (interval, round) = (time(backlog.interval_s), time(backlog.round_s));
    let what = format!(
        "{} of {} are moving ({}), more than the quota of {} can poll: one round takes {round}, not {interval}",
        count(backlog.moving, "object"),
        backlog.account,
        kinds.join(", "),
        backlog.operation
    );
    let batch = if backlog.batch_would_help { "poll them by batch (poll.batch = \"auto\"), " } else { "" };
    let hours = backlog.round_s.div_ceil(3_600);
    let remedy = format!(
        "{batch}set `quota` to what the provider grants, or accept the delay with poll.interval = \"{hours}h\""
    );
    Finding::new(Level::Warning, what, remedy)
}
