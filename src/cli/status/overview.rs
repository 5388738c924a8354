//! The status as a person reads it: what is not well first, no line longer than 80 columns.
//!
//! Owns: its order and its words. Must never know: what is well.

use std::collections::BTreeMap;
use std::io;

use jiff::SignedDuration;

use super::judge::{Finding, Level};
use crate::cli::screen::{Screen, Table, Tone};
use crate::control::explain::{moment, span};
use crate::control::messages::{AccountHealth, AccountState, ClockHealth, ClockTrust, DelayFigures, Status};
use crate::payments::adaptive::Ledger;
use crate::payments::lifecycle::Phase;
use crate::text::count;

/// Writes everything.
pub(super) fn write(
    level: Level,
    findings: &[Finding],
    status: Option<&Status>,
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    write_findings(level, findings, status, screen)?;
    let Some(status) = status else { return Ok(()) };
    write_process(status, screen)?;
    write_accounts(status, screen)?;
    write_states(status, screen)?;
    write_batches(status, screen)?;
    write_notifications(status, screen)?;
    write_targets(status, screen)?;
    write_receivers(status, screen)?;
    write_schedules(status, screen)
}

/// The first line is what a monitoring system shows.
fn write_findings(
    level: Level,
    findings: &[Finding],
    status: Option<&Status>,
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    let tone = match level {
        Level::Ok => Tone::Good,
        Level::Warning => Tone::Warning,
        Level::Critical | Level::Unknown => Tone::Bad,
    };
    match findings {
        [] => {
            let open = status.map_or(0, |status| status.open);
            screen.toned(&format!("{}: {}", level.word(), count(open, "open object")), tone)?;
        }
        [only] => screen.wrapped(&format!("{}: ", level.word()), &only.what, tone)?,
        many => {
            let what = format!("{} to look at", count(many.len(), "thing"));
            screen.toned(&format!("{}: {what}", level.word()), tone)?;
        }
    }
    for finding in findings {
        let tone = if finding.level == Level::Warning { Tone::Warning } else { Tone::Bad };
        if findings.len() > 1 {
            screen.wrapped("! ", &finding.what, tone)?;
        }
        if !finding.remedy.is_empty() {
            screen.wrapped("  -> ", &finding.remedy, Tone::Plain)?;
        }
    }
    Ok(())
}

fn write_process(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    let (health, now) = (&status.health, status.now);
    screen.line("")?;
    let what =
        format!("{}, running as pid {} since {}", health.version, health.pid, moment(health.since, now));
    screen.pair_wrapped("reconciled", &what)?;
    if let Some(clock) = &health.clock {
        screen.pair_wrapped("clock", &clock_words(clock, now))?;
    }
    screen.pair_wrapped("objects", &format!("{} open of {}", status.open, status.objects))?;
    if let Some(oldest) = &status.oldest_moving {
        let age = span(SignedDuration::from_secs(oldest.age_s));
        screen.pair_wrapped("oldest moving", &format!("{age} ({})", oldest.object))?;
    }
    if let Some(at) = health.last_round_at {
        screen.pair_wrapped("last round", &moment(at, now))?;
    }
    if let Some(reload) = &health.last_reload {
        let how = if reload.is_applied { "in force" } else { "rejected, the old one stays" };
        screen.pair_wrapped("configuration", &format!("reloaded {}, {how}", moment(reload.at, now)))?;
    }
    let store = &status.store;
    let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) & 1023) * 10 / 1024);
    let sizes = format!("journal {}, index {}", mib(store.journal_bytes), mib(store.index_bytes));
    screen.pair_wrapped("store", &sizes)?;
    for host in &status.hosts {
        let this = if host.is_this { " (this host)" } else { "" };
        let work = if host.is_keeper { ", alerts, events and reports" } else { "" };
        let other = if host.is_configured_otherwise { "; configured with different accounts" } else { "" };
        let accounts = count(host.accounts, "account");
        let since = moment(host.since, now);
        screen
            .pair_wrapped("host", &format!("{}{this}: {accounts}{work}, since {since}{other}", host.name))?;
    }
    Ok(())
}

fn clock_words(clock: &ClockHealth, now: jiff::Timestamp) -> String {
    match (clock.trust, clock.confirmed_at) {
        (ClockTrust::Confirmed, Some(at)) => format!("confirmed by another clock {}", moment(at, now)),
        (ClockTrust::Confirmed, None) => "confirmed by another clock".to_owned(),
        (ClockTrust::Settled, _) => "not confirmed by another clock, but steady for hours".to_owned(),
        (ClockTrust::Unconfirmed, _) => {
            "not confirmed yet: no day is closed before a provider answers, or before three hours without a jump"
                .to_owned()
        }
    }
}

fn write_accounts(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    if status.health.accounts.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&["account", "moving>", "resting>", "final>", "quarantined>", "state"]);
    for account in &status.health.accounts {
        let sum = |is_meant: &dyn Fn(Phase, bool) -> bool| -> String {
            let counts = status.counts.iter().filter(|count| count.account == account.name);
            let meant = counts.filter(|count| is_meant(count.phase, count.quarantined));
            meant.map(|count| count.number).sum::<u64>().to_string()
        };
        let (state, tone) = account_state(&account.state);
        let cells = vec![
            account.name.to_string(),
            sum(&|phase, _| phase == Phase::Moving),
            sum(&|phase, _| phase == Phase::Resting),
            sum(&|phase, _| phase == Phase::Final),
            sum(&|_, quarantined| quarantined),
            state.to_owned(),
        ];
        table.row(cells, tone);
        table.note(details(account, status));
    }
    table.write_fitting(screen)
}

fn write_notifications(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    if status.notifications.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    for channel in &status.notifications {
        let label = format!("notifications of {}", channel.account);
        screen.pair_wrapped(&label, &crate::cli::notifications::summary(channel))?;
    }
    Ok(())
}

/// What stands below the row of an account: its API, its quotas, a pause, and what its provider says of itself.
fn details(account: &AccountHealth, status: &Status) -> String {
    let now = status.now;
    let mut parts = vec![[&account.api, &account.region, &account.environment].map(String::as_str).join(" ")];
    if let AccountState::Held { until } = &account.state {
        parts.push(format!("held until {}", moment(*until, now)));
    }
    let quotas = account.quotas.iter().map(|quota| match quota.available {
        Some(available) => format!("{} {available}/{}", quota.operation, quota.burst),
        None => format!("{} {}", quota.operation, quota.burst),
    });
    let quotas: Vec<String> = quotas.collect();
    if !quotas.is_empty() {
        parts.push(format!("quota {}", quotas.join(", ")));
    }
    if let Some(service) = account.service.as_ref().filter(|service| !service.steers) {
        let says = service.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        parts.push(format!(
            "the provider reports {} since {}{says}",
            service.word,
            moment(service.since, now)
        ));
    }
    parts.extend(delay_words(&account.delay));
    parts.extend(account.ledger.as_ref().and_then(Ledger::words));
    parts.join("; ")
}

/// How late ends were found; none if none was found.
fn delay_words(delay: &DelayFigures) -> Option<String> {
    let within = |seconds: Option<u64>| {
        let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
        seconds.map_or("more than 3 d".to_owned(), |seconds| span(SignedDuration::from_secs(seconds)))
    };
    (delay.number > 0).then(|| {
        let (half, most) = (within(delay.half_within_s), within(delay.most_within_s));
        format!("half of {} found within {half}, 95 % within {most}", count(delay.number, "end"))
    })
}

fn account_state(state: &AccountState) -> (&'static str, Tone) {
    match state {
        AccountState::Ok => ("ok", Tone::Plain),
        AccountState::Unknown => ("-", Tone::Plain),
        AccountState::Elsewhere => ("other host", Tone::Plain),
        AccountState::Held { .. } => ("held", Tone::Warning),
        AccountState::Refused { .. } => ("refused", Tone::Bad),
        AccountState::NoSuccess { .. } => ("no success", Tone::Bad),
    }
}

fn write_states(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
    for count in &status.counts {
        let state = count.state.clone().unwrap_or_else(|| "not observed yet".to_owned());
        *sums.entry((count.kind.to_string(), state)).or_default() += count.number;
    }
    if sums.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&["kind", "state", "objects>"]);
    for ((kind, state), number) in sums {
        table.row(vec![kind, state, number.to_string()], Tone::Plain);
    }
    table.write_fitting(screen)
}

fn write_batches(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    if !status.batches.is_empty() {
        screen.line("")?;
        let mut table =
            Table::new(&["batches of", "in progress>", "waiting for a person>", "rows waiting>", "ended>"]);
        for row in &status.batches {
            let cells = vec![
                row.account.to_string(),
                row.under_way.to_string(),
                row.waiting_for_a_person.to_string(),
                row.rows_waiting.to_string(),
                row.ended.to_string(),
            ];
            table.row(cells, if row.waiting_for_a_person > 0 { Tone::Bad } else { Tone::Plain });
        }
        table.write_fitting(screen)?;
    }
    for row in &status.tails {
        screen.wrapped(
            &format!("{}/{} by batch: ", row.account, row.kind),
            &row.tail.words(),
            Tone::Plain,
        )?;
    }
    Ok(())
}

fn write_targets(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    if status.silences > 0 {
        screen.line("")?;
        let silences = count(status.silences, "silence");
        screen.line(&format!("{silences} in force; see: reconciled silence list"))?;
    }
    if status.outbox.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table = Table::new(&["alert target", "pending>", "next attempt"]);
    for row in &status.outbox {
        let next = row.next_at.map_or_else(|| "-".to_owned(), |at| moment(at, status.now));
        let tone = if row.pending > 0 { Tone::Warning } else { Tone::Plain };
        table.row(vec![row.target.clone(), row.pending.to_string(), next], tone);
    }
    table.write_fitting(screen)
}

fn write_receivers(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    if status.events.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let mut table =
        Table::new(&["receiver of events", "pending>", "given up>", "next attempt", "last error"]);
    for row in &status.events {
        let next = row.next_at.map_or_else(|| "-".to_owned(), |at| moment(at, status.now));
        let tone = match row {
            row if row.dead > 0 || row.disabled_since.is_some() => Tone::Bad,
            row if row.pending > 0 => Tone::Warning,
            _ => Tone::Plain,
        };
        let error = row.last_error.clone().unwrap_or_default();
        table.row(
            vec![row.receiver.clone(), row.pending.to_string(), row.dead.to_string(), next, error],
            tone,
        );
    }
    table.write_fitting(screen)
}

fn write_schedules(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    for row in &status.health.schedules {
        screen.line("")?;
        let when =
            |at: Option<jiff::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| moment(at, status.now));
        let result = row.last_result.as_ref().map(|result| format!(", {result}")).unwrap_or_default();
        screen.wrapped(
            "schedule: ",
            &format!("{}, \"{}\" in {}", row.name, row.cron, row.zone),
            Tone::Plain,
        )?;
        screen.wrapped("    next: ", &when(row.next_at), Tone::Plain)?;
        screen.wrapped("    last: ", &format!("{}{result}", when(row.last_at)), Tone::Plain)?;
    }
    Ok(())
}
