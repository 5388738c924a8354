//! `reconciled batch submit|list|show|export|cancel|release`

use std::io::Read;
use std::path::Path;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::options_batch::{
    BatchCommand, BatchListArguments, BatchReferenceArguments, BatchReleaseArguments, BatchShowArguments,
    BatchSubmitArguments,
};
use super::screen::{Screen, Table, Tone};
use crate::control::messages::{
    BatchCancel, BatchLine, BatchList, BatchRelease, BatchRowShown, BatchShow, BatchSubmission,
};
use crate::text::{self, count};

/// The longest input, in bytes: it is sent to the daemon in one request.
const LONGEST_INPUT_BYTES: u64 = 12 * 1024 * 1024;
/// For inputs longer than this, in bytes, the command says that the check takes a moment.
const LARGE_INPUT_BYTES: usize = 1024 * 1024;
/// The number of rows that `batch show` prints. The export has all rows.
const MOST_ROWS_SHOWN: usize = 200;

/// Submits, lists, shows, exports, cancels or releases batches.
pub(super) async fn batch(command: BatchCommand, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    match command {
        BatchCommand::Submit(options) => submit(options, connection, screen).await,
        BatchCommand::List(options) => list(options, connection, screen).await,
        BatchCommand::Show(options) => show(options, connection, screen).await,
        BatchCommand::Export(options) => export(options, connection, screen).await,
        BatchCommand::Cancel(options) => cancel(options, connection, screen).await,
        BatchCommand::Release(options) => release(options, connection, screen).await,
    }
}

/// Code 65 when a line is bad. Then nothing was recorded.
async fn submit(options: BatchSubmitArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let content = content(&options.file)?;
    if content.len() > LARGE_INPUT_BYTES {
        let lines = content.lines().count();
        screen.note(&format!(
            "checking {}; for the result, see: reconciled batch list",
            text::count(lines, "line")
        ))?;
    }
    let submission = BatchSubmission {
        account: options.account,
        content,
        operation: options.operation,
        label: options.label,
        dry_run: options.dry_run,
    };
    let done = connection.ask(submission).await?;
    connection.say(if done.dry_run { Action::Read } else { Action::Wrote }, screen)?;
    if !done.problems.is_empty() {
        for problem in &done.problems {
            screen.toned(problem, Tone::Bad)?;
        }
        screen.note(&format!("{}; nothing was recorded", text::count(done.problems.len(), "problem")))?;
        return Ok(Exit::Data);
    }
    for file in &done.files {
        let what = match (file.was_known, done.dry_run) {
            (true, _) => "was already recorded",
            (false, true) => "would be recorded",
            (false, false) => "recorded",
        };
        screen.line(&format!("{}: {}, {what}", file.reference, text::count(file.rows, "row")))?;
    }
    if !done.may_send {
        screen.note("nothing is sent until the account has allow_writes = true")?;
    } else if !done.dry_run && !done.is_daemon {
        screen.note("the daemon will send it when it runs")?;
    }
    Ok(Exit::Ok)
}

fn content(file: &Path) -> Result<String, Failed> {
    let failed = |error: std::io::Error| {
        Failed::new(Exit::NoInput, format!("{}: {error}", file.display()), "name a file that can be read")
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST_INPUT_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(LONGEST_INPUT_BYTES + 1).read_to_end(&mut bytes))
    };
    if read.map_err(failed)? as u64 > LONGEST_INPUT_BYTES {
        let what = format!("{} is longer than 12 MiB", file.display());
        return Err(Failed::new(Exit::Data, what, "split it"));
    }
    crate::delimited::utf8(bytes).map_err(|reason| {
        Failed::new(Exit::Data, format!("{}: {reason}", file.display()), "nothing was recorded")
    })
}

async fn list(options: BatchListArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let lines = connection.ask(BatchList { account: options.account }).await?;
    if options.json {
        lines.iter().try_for_each(|line| screen.json_line(line))?;
    } else if !lines.is_empty() {
        let mut table = Table::new(&[
            "account",
            "batch",
            "stage",
            "rows>",
            "done>",
            "declined>",
            "open>",
            "unknown>",
            "next",
        ]);
        for line in &lines {
            let next = line.next_at.map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
            let cells = vec![
                line.account.to_string(),
                line.reference.clone(),
                line.stage.clone(),
                line.rows.to_string(),
                line.done.to_string(),
                line.declined.to_string(),
                line.open.to_string(),
                line.unknown.to_string(),
                next.unwrap_or_default(),
            ];
            table.row(cells, tone(line));
        }
        table.write(screen, true)?;
    }
    connection.say(Action::Read, screen)?;
    screen.note(&count(lines.len(), "batch"))?;
    Ok(Exit::Ok)
}

fn tone(line: &BatchLine) -> Tone {
    if line.is_ended && line.stage != "finished" || line.contradictions > 0 {
        Tone::Bad
    } else if line.declined + line.open + line.unknown > 0 {
        Tone::Warning
    } else {
        Tone::Plain
    }
}

async fn show(options: BatchShowArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let shown = connection.ask(BatchShow { reference: options.reference }).await?;
    connection.say(Action::Read, screen)?;
    if options.json {
        screen.json(&shown)?;
        return Ok(Exit::Ok);
    }
    let line = &shown.line;
    screen.toned(&format!("{} of {}: {}", line.reference, line.account, line.stage), tone(line))?;
    screen.pair("submitted", &line.submitted_at.to_string())?;
    screen.pair("next check", &line.next_at.map_or("none".to_owned(), |at| at.to_string()))?;
    screen.pair("provider's id", shown.batch_id.as_deref().unwrap_or("not known"))?;
    screen.pair("last code", line.last_code.as_deref().unwrap_or("none"))?;
    let sent = match &shown.file_md5 {
        Some(_) => format!("submitted {} times", shown.uploads),
        None => format!("uploaded {} times, processed {} times", shown.uploads, shown.processes),
    };
    screen.pair("sent", &sent)?;
    screen.pair(
        "rows",
        &format!(
            "{}: {} done, {} declined, {} open, {} unknown, {} waiting",
            line.rows, line.done, line.declined, line.open, line.unknown, line.waiting
        ),
    )?;
    if line.contradictions > 0 {
        screen.pair("contradictions", &line.contradictions.to_string())?;
    }
    if let Some(needs) = &line.needs {
        screen.toned(&format!("! {needs}; see: reconciled batch release --help"), Tone::Bad)?;
    }
    if line.stage == "process-sent" {
        screen.note(
            "processing is in doubt; if the back office shows that it did not begin, release the batch",
        )?;
    }
    let heads = &["line>", "command", "reference", "amount>", "currency", "fate", "code", "mark"];
    let has_marks = shown.row_list.iter().any(|row| row.mark.is_some());
    let columns = if has_marks { heads.len() } else { heads.len() - 1 };
    let mut table = Table::new(&heads[..columns]);
    let is_told = |row: &&BatchRowShown| {
        row.mark.is_some() || (row.fate != "done" && (line.is_ended || row.fate != "waiting"))
    };
    let told = shown.row_list.iter().filter(is_told);
    for row in told.clone().take(MOST_ROWS_SHOWN) {
        let mut cells = vec![
            row.input_line.to_string(),
            row.command.clone(),
            shown_reference(row),
            row.amount.clone().unwrap_or_default(),
            row.currency.clone().unwrap_or_default(),
            row.fate.clone(),
            row.code.clone().unwrap_or_default(),
            row.mark.clone().unwrap_or_default(),
        ];
        cells.truncate(columns);
        table.row(cells, if row.fate == "waiting" { Tone::Plain } else { Tone::Warning });
    }
    if !table.is_empty() {
        table.write(screen, true)?;
    }
    let left = told.count().saturating_sub(MOST_ROWS_SHOWN);
    if left > 0 {
        screen.note(&format!("{left} more: reconciled batch export {}", line.reference))?;
    }
    Ok(Exit::Ok)
}

/// The merchant's reference, or else the object that the row is about.
fn shown_reference(row: &BatchRowShown) -> String {
    match (row.merchant_reference.as_str(), &row.about) {
        ("", Some(about)) => about.clone(),
        (reference, _) => reference.to_owned(),
    }
}

async fn export(options: BatchReferenceArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let shown = connection.ask(BatchShow { reference: options.reference }).await?;
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let failed = |error: csv::Error| Failed::new(Exit::Software, error.to_string(), "");
    let is_feed = shown.file_md5.is_some();
    writer.write_record(if is_feed { FEED_COLUMNS } else { FILE_COLUMNS }).map_err(failed)?;
    for row in &shown.row_list {
        let text = |value: &Option<String>| text::cell(value.as_deref().unwrap_or_default()).into_owned();
        let (line, input_line) = (row.line.to_string(), row.input_line.to_string());
        let reference = text::cell(&row.merchant_reference).into_owned();
        let cells = if is_feed {
            vec![
                line,
                input_line,
                row.command.clone(),
                text(&row.about),
                reference,
                text(&row.amount),
                text(&row.currency),
                text(&row.fort_id),
                text(&row.state),
                row.fate.clone(),
                text(&row.code),
            ]
        } else {
            vec![
                line,
                input_line,
                row.command.clone(),
                reference,
                text(&row.amount),
                text(&row.currency),
                text(&row.fort_id),
                row.fate.clone(),
                text(&row.code),
                text(&row.mark),
            ]
        };
        writer.write_record(cells).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Failed::new(Exit::Software, error.to_string(), ""))?;
    screen.out.write_all(&bytes)?;
    connection.say(Action::Read, screen)?;
    Ok(Exit::Ok)
}

const FILE_COLUMNS: &[&str] = &[
    "line",
    "input_line",
    "command",
    "merchant_reference",
    "amount_minor",
    "currency",
    "fort_id",
    "fate",
    "code",
    "mark",
];

const FEED_COLUMNS: &[&str] = &[
    "seller_request_id",
    "input_line",
    "operation",
    "about",
    "reference_id",
    "amount",
    "currency",
    "object",
    "state",
    "fate",
    "code",
];

async fn cancel(options: BatchReferenceArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let line = connection.ask(BatchCancel { reference: options.reference }).await?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&format!(
        "{} is {}; `batch show` will show whether it could be cancelled",
        line.reference, line.stage
    ))?;
    Ok(Exit::Ok)
}

async fn release(options: BatchReleaseArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let reference = options.reference;
    let shown = connection.ask(BatchShow { reference: reference.clone() }).await?;
    let is_feed = shown.file_md5.is_some();
    if options.may_be_sent_again {
        screen.note("--may-be-sent-again is now --resend; release 1.0 removes the old name")?;
    }
    if is_feed && options.adopt.is_none() && !(options.resend || options.may_be_sent_again) {
        return Err(Failed::new(
            Exit::Usage,
            format!("{reference} is a feed: say which feed it is, or that it is none"),
            "--adopt FEED_ID or --resend",
        ));
    }
    let line = connection.ask(BatchRelease { reference, adopt: options.adopt.clone() }).await?;
    connection.say(Action::Wrote, screen)?;
    let then = match (is_feed, options.adopt) {
        (true, Some(_)) => "will be followed",
        (true, None) => "will be sent again",
        (false, _) => "will be processed",
    };
    screen.line(&format!("{} is {} again and {then}", line.reference, line.stage))?;
    Ok(Exit::Ok)
}
