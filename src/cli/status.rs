//! `reconciled status`

use std::collections::BTreeMap;
use std::io;

use jiff::SignedDuration;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::StatusArguments;
use super::screen::{Screen, Table, Tone};
use crate::control::explain::{moment, span};
use crate::control::messages::{AccountHealth, AccountState, ClockHealth, ClockTrust, Status, StatusRequest};
use crate::payments::lifecycle::Phase;

/// An overview of everything. Code 69 when something needs a person: not ready, refused, without success, or broken.
pub(super) async fn status(
    options: &StatusArguments,
    connection: &Connection,
    screen: &mut Screen<'_>,
) -> Ended {
    let status = connection.ask(StatusRequest {}).await?;
    connection.say(Action::Read, screen)?;
    if options.json {
        screen.json(&status)?;
    } else {
        write_process(&status, screen)?;
        write_accounts(&status, screen)?;
        write_states(&status, screen)?;
        write_batches(&status, screen)?;
        write_duties(&status, screen)?;
    }
    let is_ill =
        |state: &AccountState| matches!(state, AccountState::Refused { .. } | AccountState::NoSuccess { .. });
    let is_well = !status.health.accounts.iter().any(|account| is_ill(&account.state))
        && status.store.broken.is_none()
        && (status.health.is_ready || !status.health.is_daemon);
    Ok(if is_well { Exit::Ok } else { Exit::Unavailable })
}

fn write_process(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    let (health, now) = (&status.health, status.now);
    let what = if health.is_daemon {
        format!("{}, running as pid {} since {}", health.version, health.pid, moment(health.since, now))
    } else {
        format!("{}, the daemon is not running", health.version)
    };
    screen.pair("reconciled", &what)?;
    if health.is_daemon && !health.is_ready {
        screen.toned("not ready", Tone::Bad)?;
    }
    for complaint in &health.complaints {
        screen.toned(&format!("! {complaint}"), Tone::Bad)?;
    }
    if let Some(clock) = &health.clock {
        screen.pair("clock", &clock_words(clock, now))?;
    }
    screen.pair("objects", &format!("{} open of {}", status.open, status.objects))?;
    if let Some(oldest) = &status.oldest_moving {
        let age = span(SignedDuration::from_secs(oldest.age_s));
        screen.pair("oldest moving", &format!("{age} ({})", oldest.object))?;
    }
    if let Some(at) = health.last_round_at {
        screen.pair("last round", &moment(at, now))?;
    }
    if let Some(reload) = &health.last_reload {
        let how = if reload.is_applied { "in force" } else { "rejected, the old one stays" };
        screen.pair("configuration", &format!("reloaded {}, {how}", moment(reload.at, now)))?;
        for problem in &reload.problems {
            screen.toned(&format!("! {problem}"), Tone::Warning)?;
        }
    }
    let store = &status.store;
    let mib = |bytes: u64| format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) & 1023) * 10 / 1024);
    screen
        .pair("store", &format!("journal {}, index {}", mib(store.journal_bytes), mib(store.index_bytes)))?;
    match &store.broken {
        Some(reason) => screen.toned(&format!("! the store has stopped: {reason}"), Tone::Bad),
        None => Ok(()),
    }
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
    let mut table = Table::new(&[
        "account",
        "api",
        "where",
        "moving>",
        "resting>",
        "final>",
        "quarantined>",
        "quota",
        "state",
    ]);
    for account in &status.health.accounts {
        let sum = |is_meant: &dyn Fn(Phase, bool) -> bool| -> String {
            let counts = status.counts.iter().filter(|count| count.account == account.name);
            let meant = counts.filter(|count| is_meant(count.phase, count.quarantined));
            meant.map(|count| count.number).sum::<u64>().to_string()
        };
        let (state, tone) = account_state(account, status);
        let cells = vec![
            account.name.to_string(),
            account.api.clone(),
            format!("{} {}", account.region, account.environment),
            sum(&|phase, _| phase == Phase::Moving),
            sum(&|phase, _| phase == Phase::Resting),
            sum(&|phase, _| phase == Phase::Final),
            sum(&|_, quarantined| quarantined),
            quota(account),
            state,
        ];
        table.row(cells, tone);
    }
    table.write(screen, true)?;
    status.health.accounts.iter().try_for_each(|account| write_service(account, status, screen))
}

/// The health that a provider reports, if it reports anything other than that all is well.
fn write_service(account: &AccountHealth, status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    let Some(service) = &account.service else { return Ok(()) };
    let (now, says) = (status.now, service.message.as_deref().unwrap_or_default());
    let heard = format!(
        "the provider of {} reports {} since {}, last polled {}",
        account.name,
        service.word,
        moment(service.since, now),
        moment(service.heard_at, now)
    );
    match (service.steers, says) {
        (true, _) => {
            let what = "objects are polled less often, and none is reported as overdue";
            screen.toned(&format!("! {heard}: {what}. {says}"), Tone::Warning)
        }
        (false, "") => screen.line(&heard),
        (false, says) => screen.line(&format!("{heard}: {says}")),
    }
}

fn quota(account: &AccountHealth) -> String {
    let parts = account.quotas.iter().map(|quota| match quota.available {
        Some(available) => format!("{} {available}/{}", quota.operation, quota.burst),
        None => format!("{} {}", quota.operation, quota.burst),
    });
    parts.collect::<Vec<String>>().join(", ")
}

fn account_state(account: &AccountHealth, status: &Status) -> (String, Tone) {
    let now = status.now;
    match &account.state {
        AccountState::Ok => ("ok".to_owned(), Tone::Plain),
        AccountState::Unknown => ("-".to_owned(), Tone::Plain),
        AccountState::Held { until } => (format!("held until {}", moment(*until, now)), Tone::Warning),
        AccountState::Refused { since, next_try_at, detail } => {
            let again =
                next_try_at.map(|at| format!(", next attempt {}", moment(at, now))).unwrap_or_default();
            (format!("refused since {}: {detail}{again}", moment(*since, now)), Tone::Bad)
        }
        AccountState::NoSuccess { since, detail } => {
            (format!("no success since {}: {detail}", moment(*since, now)), Tone::Bad)
        }
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
    table.write(screen, true)
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
        table.write(screen, true)?;
    }
    for row in &status.tails {
        screen.pair(&format!("{}/{} by batch", row.account, row.kind), &row.tail.words())?;
    }
    Ok(())
}

fn write_duties(status: &Status, screen: &mut Screen<'_>) -> io::Result<()> {
    let now = status.now;
    if !status.outbox.is_empty() {
        screen.line("")?;
        let mut table = Table::new(&["alert target", "pending>", "next attempt"]);
        for row in &status.outbox {
            let next = row.next_at.map_or_else(|| "-".to_owned(), |at| moment(at, now));
            let tone = if row.pending > 0 { Tone::Warning } else { Tone::Plain };
            table.row(vec![row.target.clone(), row.pending.to_string(), next], tone);
        }
        table.write(screen, true)?;
        if status.store.outbox_dead > 0 {
            let dead = status.store.outbox_dead;
            screen
                .toned(&format!("! {dead} given up: see `reconciled alerts list --state dead`"), Tone::Bad)?;
        }
    }
    if !status.health.schedules.is_empty() {
        screen.line("")?;
        let mut table = Table::new(&["schedule", "when", "zone", "last", "next", "result"]);
        for row in &status.health.schedules {
            let when = |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| moment(at, now));
            let cells = vec![
                row.name.clone(),
                row.cron.clone(),
                row.zone.clone(),
                when(row.last_at),
                when(row.next_at),
                row.last_result.clone().unwrap_or_default(),
            ];
            table.row(cells, Tone::Plain);
        }
        table.write(screen, true)?;
    }
    Ok(())
}
