//! `reconciled audit`

use super::connection::Connection;
use super::exit::Ended;
use super::options_audit::AuditArguments;
use super::pages;
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::messages::{AuditEntry, AuditOutcome, AuditRequest};

/// Lists who did what, newest first.
pub(super) async fn audit(
    options: &AuditArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let since = options.since.map(|since| since.moment(clock));
    let request = |cursor, limit| AuditRequest { since, object: options.object.clone(), cursor, limit };
    pages::list((options.limit, "entry"), connection, screen, request, |entries, is_first, screen| {
        match options.json {
            true => entries.iter().try_for_each(|entry| screen.json_line(entry)),
            false if entries.is_empty() => Ok(()),
            false => table(entries).write(screen, is_first),
        }
    })
    .await
}

fn table(entries: &[AuditEntry]) -> Table {
    let mut table = Table::new(&["time", "who", "pid>", "verb", "how", "outcome", "number>", "objects"]);
    for entry in entries {
        let (outcome, tone) = match entry.outcome {
            AuditOutcome::Begun => ("begun, outcome unknown", Tone::Warning),
            AuditOutcome::Done => ("done", Tone::Plain),
            AuditOutcome::Refused => ("refused", Tone::Bad),
            AuditOutcome::Failed => ("failed", Tone::Warning),
        };
        let mut outcome = outcome.to_owned();
        if let Some(cause) = &entry.cause {
            outcome = format!("{outcome}: {cause}");
        }
        if entry.times > 1 {
            outcome = format!("{outcome}, {} times", entry.times);
        }
        let row = vec![
            entry.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            entry.who(),
            entry.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            entry.verb.clone(),
            entry.how.clone(),
            outcome,
            if entry.number > 1 { entry.number.to_string() } else { String::new() },
            entry.objects.join(" "),
        ];
        table.row(row, tone);
    }
    table
}
