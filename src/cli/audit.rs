//! `reconciled audit`

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit};
use super::options::{AuditArguments, Since};
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::messages::{AuditEntry, AuditOutcome, AuditRequest, BATCH_LINES_MAX};
use crate::time::earlier;

/// Lists who did what, newest first.
pub(super) async fn audit(
    options: &AuditArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    let since = options.since.map(|since| match since {
        Since::Time(time) => time,
        Since::Ago(span) => earlier(clock.now(), span),
    });
    let mut request = AuditRequest { since, object: options.object.clone(), cursor: None, limit: None };
    let mut rows = 0;
    loop {
        let left = if options.limit == 0 { usize::MAX } else { options.limit - rows };
        request.limit = Some(left.min(BATCH_LINES_MAX));
        let page = connection.ask(request.clone()).await?;
        if options.json {
            page.items.iter().try_for_each(|entry| screen.json_line(entry))?;
        } else if !page.items.is_empty() {
            table(&page.items).write(screen, rows == 0)?;
        }
        rows += page.items.len();
        request.cursor = page.next_cursor;
        if request.cursor.is_none() || (options.limit > 0 && rows >= options.limit) {
            break;
        }
    }
    connection.say(Action::Read, screen)?;
    let more = if request.cursor.is_some() { ", and there may be more" } else { "" };
    screen.note(&format!("{rows} entries{more}"))?;
    Ok(Exit::Ok)
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
