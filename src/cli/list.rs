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
use crate::control::messages::ListRequest;
use crate::payments::lifecycle::Phase;
use crate::payments::record::Record;
use crate::text;

/// The columns of the CSV output. New columns are only added at the end.
const COLUMNS: [&str; 16] = [
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
    pages::list((options.limit, "object"), connection, screen, request, |records, is_first, screen| {
        if options.shape.json {
            records.iter().try_for_each(|record| screen.json_line(record))
        } else if options.shape.csv {
            write_csv(records, !std::mem::replace(&mut has_header, true), screen)
        } else {
            write_table(records, is_first, clock, screen)
        }
    })
    .await
}

fn write_table(
    records: &[Record],
    with_headings: bool,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    let headings =
        ["account", "kind", "id", "state", "phase", "amount>", "reference", "age>", "next poll", "remark"];
    let mut table = Table::new(&headings);
    let now = clock.now();
    for record in records {
        let remark = remark(record);
        let tone = match &record.quarantine {
            Some(_) => Tone::Bad,
            None if !remark.is_empty() => Tone::Warning,
            None => Tone::Plain,
        };
        let cells = vec![
            record.object.account.to_string(),
            record.object.kind.to_string(),
            record.object.id.to_string(),
            record.state().unwrap_or("-").to_owned(),
            phase(record.phase()).to_owned(),
            record.amount().map(|money| money.to_string()).unwrap_or_default(),
            record.merchant_reference().unwrap_or_default().to_owned(),
            span(now.duration_since(record.made_at())),
            record.due_at.map_or_else(|| "never".to_owned(), |at| moment(at, now)),
            remark,
        ];
        table.row(cells, tone);
    }
    if table.is_empty() { Ok(()) } else { table.write(screen, with_headings) }
}

fn remark(record: &Record) -> String {
    if let Some(quarantine) = &record.quarantine {
        return format!("quarantined: {}", quarantine.cause);
    }
    let failures = record.trouble.failures + record.trouble.not_found;
    match (failures, record.is_asked) {
        (0, true) => "poll requested".to_owned(),
        (0, false) => String::new(),
        _ => {
            format!("{failures} failures in a row ({})", record.trouble.last_class.as_deref().unwrap_or("?"))
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
fn write_csv(records: &[Record], with_header: bool, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        writer.write_record(COLUMNS)?;
    }
    for record in records {
        let time = |at: Option<jiff::Timestamp>| at.map(short_time).unwrap_or_default();
        let text = |text: &str| text::cell(text).into_owned();
        let amount = record.amount();
        writer.write_record([
            text(record.object.account.as_str()),
            text(record.object.kind.as_str()),
            text(record.object.id.as_str()),
            text(record.state().unwrap_or_default()),
            phase(record.phase()).to_owned(),
            record.is_finished().to_string(),
            text(record.quarantine.as_ref().map_or("", |quarantine| quarantine.cause.as_str())),
            amount.map(|money| money.amount_text()).unwrap_or_default(),
            amount.map(|money| money.currency.to_string()).unwrap_or_default(),
            text(record.merchant_reference().unwrap_or_default()),
            time(Some(record.made_at())),
            time(Some(record.enrolled_at)),
            time(record.polled_at),
            time(record.due_at),
            time(record.deadline),
            (record.trouble.failures + record.trouble.not_found).to_string(),
        ])?;
    }
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    screen.out.write_all(&bytes)
}
