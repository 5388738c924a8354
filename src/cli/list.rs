//! `reconciled list`

use std::io;

use super::connection::Connection;
use super::exit::Ended;
use super::options::ListArguments;
use super::pages;
use super::poll::short_time;
use super::screen::{Screen, Table, Tone};
use crate::clock::SharedClock;
use crate::control::explain::{moment, span};
use crate::control::messages::{ListRequest, WatchedObject};
use crate::payments::lifecycle::{Outcome, Phase};
use crate::text;

/// The columns of the CSV output. New columns are only added at the end.
const COLUMNS: [&str; 21] = [
    "account",
    "kind",
    "id",
    "state",
    "phase",
    "finished",
    "quarantine",
    "amount",
    "currency",
    "reference",
    "made_at",
    "enrolled_at",
    "polled_at",
    "due_at",
    "deadline",
    "failures",
    "environment",
    "reason_codes",
    "outcome",
    "parent",
    "state_changed_at",
];

/// Lists what is watched, page by page, so that any number of rows needs little memory.
pub(super) async fn list(
    options: &ListArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    // Also where there is nothing to list.
    let mut has_header = false;
    let request = |cursor, limit| ListRequest {
        account: options.account.clone(),
        kind: options.kind.clone(),
        phase: options.phase,
        state: options.state.clone(),
        quarantined: options.quarantined.then_some(true),
        finished: if options.finished { Some(true) } else { options.open.then_some(false) },
        older_than_s: options.older_than,
        cursor,
        limit,
    };
    pages::list((options.limit, "object"), connection, screen, request, |objects, is_first, screen| {
        if options.shape.json {
            objects.iter().try_for_each(|object| screen.json_line(object))
        } else if options.shape.csv {
            write_csv(objects, !std::mem::replace(&mut has_header, true), screen)
        } else {
            write_table(objects, is_first, clock, screen)
        }
    })
    .await
}

fn write_table(
    objects: &[WatchedObject],
    with_headings: bool,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    let headings =
        ["account", "kind", "id", "state", "phase", "amount>", "reference", "age>", "next poll", "remark"];
    let mut table = Table::new(&headings);
    let now = clock.now();
    for object in objects {
        let remark = remark(object);
        let tone = match &object.quarantine {
            Some(_) => Tone::Bad,
            None if !remark.is_empty() => Tone::Warning,
            None => Tone::Plain,
        };
        let cells = vec![
            object.account.to_string(),
            object.kind.to_string(),
            object.id.to_string(),
            object.state.as_deref().unwrap_or("-").to_owned(),
            phase(object.phase).to_owned(),
            object.money_text().unwrap_or_default(),
            object.reference.clone().unwrap_or_default(),
            span(now.duration_since(object.made_at)),
            object.due_at.map_or_else(|| "never".to_owned(), |at| moment(at, now)),
            remark,
        ];
        table.row(cells, tone);
    }
    if table.is_empty() { Ok(()) } else { table.write(screen, with_headings) }
}

fn remark(object: &WatchedObject) -> String {
    if let Some(quarantine) = &object.quarantine {
        return format!("quarantined: {}", quarantine.cause);
    }
    match (object.failures, object.poll_requested) {
        (0, true) => "poll requested".to_owned(),
        (0, false) => String::new(),
        (failures, _) => {
            let failures = text::count(failures, "failure");
            format!("{failures} in a row ({})", object.failure_class.as_deref().unwrap_or("?"))
        }
    }
}

/// The phase as written in tables and CSV.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Moving => "moving",
        Phase::Resting => "resting",
        Phase::Final => "final",
    }
}

/// RFC 4180. Text cells are made safe for spreadsheets; amounts stay numbers (docs/src/reference/operations.md
/// section 7.3).
fn write_csv(objects: &[WatchedObject], with_header: bool, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        writer.write_record(COLUMNS)?;
    }
    for object in objects {
        let time = |at: Option<jiff::Timestamp>| at.map(short_time).unwrap_or_default();
        let text = |text: &str| text::cell(text).into_owned();
        writer.write_record([
            text(object.account.as_str()),
            text(object.kind.as_str()),
            text(object.id.as_str()),
            text(object.state.as_deref().unwrap_or_default()),
            phase(object.phase).to_owned(),
            object.finished.to_string(),
            text(object.quarantine.as_ref().map_or("", |quarantine| quarantine.cause.as_str())),
            object.amount.clone().unwrap_or_default(),
            object.currency.map(|currency| currency.to_string()).unwrap_or_default(),
            text(object.reference.as_deref().unwrap_or_default()),
            time(Some(object.made_at)),
            time(Some(object.enrolled_at)),
            time(object.polled_at),
            time(object.due_at),
            time(object.deadline),
            object.failures.to_string(),
            object.environment.clone().unwrap_or_default(),
            text(&object.reason_codes.join(" ")),
            object.outcome.map(Outcome::as_str).unwrap_or_default().to_owned(),
            text(object.parent.as_deref().unwrap_or_default()),
            time(object.state_changed_at),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    screen.out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::record::{Details, Enrolment, Record};

    #[test]
    fn the_columns_have_the_names_of_the_json() {
        let enrolment = Enrolment { object: "shop/charge/S1".parse().unwrap(), details: Details::default() };
        let record = Record::enrolled(enrolment, "2026-01-31T10:00:00Z".parse().unwrap());
        let json = serde_json::to_value(WatchedObject::of(record, None, None)).unwrap();
        for column in COLUMNS {
            assert!(json.get(column).is_some(), "{column}");
        }
        let all = [
            Outcome::Undecided,
            Outcome::Open,
            Outcome::Succeeded,
            Outcome::Closed,
            Outcome::Declined,
            Outcome::Canceled,
        ];
        for each in all {
            assert_eq!(serde_json::to_value(each).unwrap(), each.as_str());
        }
    }
}
