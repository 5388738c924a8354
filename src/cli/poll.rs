//! `reconciled poll OBJECT…|--all [--dry-run]`

use jiff::SignedDuration;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::PollArguments;
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::explain::{moment, span};
use crate::control::messages::{PlanRow, PollAnswer, PollRequest};
use crate::text::count;

/// Requests polls of objects now, or says what they would cost. Code 66 when an object is not watched.
pub(super) async fn poll(
    options: PollArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let request = PollRequest {
        objects: options.objects,
        all: options.all,
        account: options.account,
        kind: options.kind,
        dry_run: options.dry_run,
    };
    let answer = connection.ask(request).await?;
    connection.say(if answer.dry_run { Action::Read } else { Action::Wrote }, screen)?;
    if options.json {
        screen.json(&answer)?;
    } else {
        tell(&answer, connection.is_daemon(), clock, screen)?;
    }
    for unknown in &answer.unknown {
        screen.note(&format!("{unknown} is not watched"))?;
    }
    Ok(if answer.unknown.is_empty() { Exit::Ok } else { Exit::NoInput })
}

fn tell(
    answer: &PollAnswer,
    is_daemon: bool,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> std::io::Result<()> {
    if answer.objects == 0 {
        return screen.line("nothing to poll");
    }
    let headings =
        ["account", "operation", "objects", "requests>", "quota", "takes>", "last answer at", "remark"];
    let mut table = Table::new(&headings);
    for row in &answer.plan {
        table.row(plan_cells(row), if row.remark.is_some() { Tone::Warning } else { Tone::Plain });
    }
    table.write(screen, true)?;
    let now = clock.now();
    let last = answer
        .last_at
        .map(|at| format!("; the last answer is expected at {}", moment(at, now)))
        .unwrap_or_default();
    let requests: u64 = answer.plan.iter().map(|row| row.requests).sum();
    let objects = answer.objects;
    screen.line(&match (answer.dry_run, is_daemon) {
        (true, _) => format!(
            "dry run, nothing changed: {} would cost {} from full buckets{last}",
            count(objects, "object"),
            count(requests, "request")
        ),
        (false, true) => format!("{} will be polled next by the accounts{last}", count(objects, "object")),
        (false, false) => format!("{} will be polled first once the daemon runs", count(objects, "object")),
    })
}

fn plan_cells(row: &PlanRow) -> Vec<String> {
    let length = |ms: u64| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    let kinds: Vec<String> = row.kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let quota = match row.operation {
        None => String::new(),
        Some(_) if row.refill_ms >= 1_000 || row.refill_ms == 0 => {
            format!("{} at once, then 1 every {}", row.burst, span(length(row.refill_ms)))
        }
        Some(_) => format!("{} at once, then 1 every {} ms", row.burst, row.refill_ms),
    };
    vec![
        row.account.to_string(),
        row.operation.clone().unwrap_or_else(|| "-".to_owned()),
        kinds.join(", "),
        row.requests.to_string(),
        quota,
        span(length(row.lasts_ms)),
        row.last_at.map_or_else(|| "-".to_owned(), short_time),
        row.remark.clone().unwrap_or_default(),
    ]
}

/// A time, to the second.
pub(super) fn short_time(at: jiff::Timestamp) -> String {
    at.round(jiff::Unit::Second).unwrap_or(at).to_string()
}
