//! `reconciled enrol`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use tokio::sync::mpsc;

use super::connection::{Action, Connection};
use super::exit::{Ended, Exit, Failed};
use super::options::EnrolArguments;
use super::progress::Progress;
use super::screen::Screen;
use crate::blocking;
use crate::clock::SharedClock;
use crate::control::enrolment_request::{EnrolmentRequest, Texts};
use crate::control::fields::Field;
use crate::control::messages::{BATCH_LINES_MAX, Enrol, EnrolOutcome, EnrolResult, EnrolTotals};
use crate::intake::{BadFile, BadLine, Format, Intake, Item, Reading, RejectsFile, Remedies};
use crate::payments::object::{AccountName, Kind};

/// What the reasons of bad lines recommend.
const REMEDIES: Remedies = Remedies { ignore_columns: "--ignore-columns", decimal: "--decimal" };

/// Enrols one object, or every object of files.
pub(super) async fn enrol(
    options: EnrolArguments,
    connection: &Connection,
    clock: &SharedClock,
    screen: &mut Screen<'_>,
) -> Ended {
    if options.files.is_empty() {
        return enrol_one(&options, connection, screen).await;
    }
    let mut job = Job {
        connection,
        clock,
        totals: EnrolTotals::default(),
        rejects: Rejects::open(&options)?,
        is_any_without_rows: false,
    };
    for file in &options.files {
        let ended = job.file(file, &options, screen).await;
        if let Err(failed) = ended {
            screen.note(&format!("before that: {}", job.totals))?;
            return Err(failed);
        }
    }
    job.rejects.close()?;
    connection.say(Action::Wrote, screen)?;
    screen.line(&job.totals.to_string())?;
    let has_bad = job.is_any_without_rows || job.totals.refused() > 0;
    Ok(if has_bad { Exit::Data } else { Exit::Ok })
}

async fn enrol_one(options: &EnrolArguments, connection: &Connection, screen: &mut Screen<'_>) -> Ended {
    let enrolment_request = by_flags(options)
        .map_err(|reason| Failed::new(Exit::Usage, reason, "see `reconciled enrol --help`"))?;
    let results = connection.ask(Enrol::from(vec![enrolment_request])).await?;
    let Some(result) = results.into_iter().next() else {
        return Err(Failed::new(Exit::Software, "the enrolment had no result", ""));
    };
    if let Some(reason) = result.reason {
        let remedy = match result.outcome {
            EnrolOutcome::Conflict => "nothing was changed",
            _ => "see `reconciled enrol --help`",
        };
        return Err(Failed::new(Exit::Data, reason, remedy));
    }
    connection.say(Action::Wrote, screen)?;
    let name = result.object.map(|object| object.to_string()).unwrap_or_default();
    screen.line(&match result.outcome {
        EnrolOutcome::New => format!("{name} is watched from now on"),
        EnrolOutcome::Enriched => format!("{name} was already watched; the new details were added"),
        _ => format!("{name} was already watched, nothing new"),
    })?;
    Ok(Exit::Ok)
}

fn by_flags(options: &EnrolArguments) -> Result<EnrolmentRequest, String> {
    let mut texts = Texts::default();
    let given = [
        (Field::Id, options.id.as_deref()),
        (Field::Account, options.account.as_ref().map(AccountName::as_str)),
        (Field::Kind, options.kind.as_ref().map(Kind::as_str)),
        (Field::Amount, options.amount.as_deref()),
        (Field::Currency, options.currency.as_deref()),
        (Field::Reference, options.reference.as_deref()),
        (Field::CreatedAt, options.created_at.as_deref()),
        (Field::Parent, options.parent.as_deref()),
    ];
    for (field, text) in given {
        texts.set(field, text.unwrap_or_default())?;
    }
    texts.read(0)
}

/// Lines that were read together, and how far the file had been read by then.
struct Chunk {
    items: Vec<Item>,
    bytes: u64,
}

/// A message from the reading thread.
enum News {
    Ignoring(Vec<String>),
    /// The file has a header but no rows.
    NoRows,
    Chunk(Chunk),
    Stopped(BadFile),
}

struct Job<'a> {
    connection: &'a Connection,
    clock: &'a SharedClock,
    totals: EnrolTotals,
    rejects: Rejects,
    is_any_without_rows: bool,
}

impl Job<'_> {
    async fn file(
        &mut self,
        path: &Path,
        options: &EnrolArguments,
        screen: &mut Screen<'_>,
    ) -> Result<(), Failed> {
        let name = path.display().to_string();
        let (source, bytes_total) = open(path)?;
        let (sender, mut receiver) = mpsc::channel(4);
        let format = options.format;
        let reading =
            Reading { decimal: options.decimal, ignore_columns: options.ignore_columns, remedies: REMEDIES };
        // Reading may block (a pipe), so it does not run on the thread that talks to the daemon.
        let thread = blocking::run(move || read_all(source, format, reading, &sender));
        let mut progress = Progress::start(screen.is_watched, bytes_total, self.clock);
        let mut ended = Ok(());
        while let Some(news) = receiver.recv().await {
            ended = match news {
                News::Ignoring(columns) => {
                    let text = format!("{name}: unknown columns ignored: {}", columns.join(", "));
                    progress.note(&text, screen).map_err(Failed::from)
                }
                News::NoRows => {
                    self.is_any_without_rows = true;
                    let text = format!(
                        "{name}: there is a header but no object after it; nothing was enrolled from it"
                    );
                    progress.note(&text, screen).map_err(Failed::from)
                }
                News::Chunk(chunk) => self.chunk(chunk, &name, options, &mut progress, screen).await,
                News::Stopped(bad) => Err(unreadable(&name, &bad)),
            };
            if ended.is_err() {
                break;
            }
        }
        drop(receiver);
        progress.end();
        thread.await.map_err(|error| Failed::new(Exit::Software, format!("{name}: {error}"), ""))?;
        ended
    }

    async fn chunk(
        &mut self,
        chunk: Chunk,
        name: &str,
        options: &EnrolArguments,
        progress: &mut Progress,
        screen: &mut Screen<'_>,
    ) -> Result<(), Failed> {
        let mut lines = Vec::with_capacity(chunk.items.len());
        for item in chunk.items {
            match item {
                Ok(mut enrolment_request) => {
                    enrolment_request.account = enrolment_request.account.or_else(|| options.account.clone());
                    enrolment_request.kind = enrolment_request.kind.or_else(|| options.kind.clone());
                    lines.push(enrolment_request);
                }
                Err(bad) => self.reject(name, &bad, EnrolOutcome::Bad, progress, screen)?,
            }
        }
        if !lines.is_empty() {
            let results = self.connection.ask(Enrol::from(lines.clone())).await.map_err(|problem| {
                let remedy = "enrol the same file again: objects that are already known do not change";
                Failed { remedy: remedy.to_owned(), ..Failed::from(problem) }
            })?;
            for (result, enrolment_request) in results.into_iter().zip(&lines) {
                self.result(name, result, enrolment_request, progress, screen)?;
            }
        }
        progress.tell(chunk.bytes, &format!("{name}: {}", self.totals), screen)?;
        Ok(())
    }

    fn result(
        &mut self,
        name: &str,
        result: EnrolResult,
        enrolment_request: &EnrolmentRequest,
        progress: &Progress,
        screen: &mut Screen<'_>,
    ) -> Result<(), Failed> {
        match result.reason {
            Some(reason) => {
                let bad = BadLine { line: result.line, reason, text: enrolment_request.to_json() };
                self.reject(name, &bad, result.outcome, progress, screen)
            }
            None => {
                self.totals.count(result.outcome);
                Ok(())
            }
        }
    }

    fn reject(
        &mut self,
        name: &str,
        bad: &BadLine,
        outcome: EnrolOutcome,
        progress: &Progress,
        screen: &mut Screen<'_>,
    ) -> Result<(), Failed> {
        self.totals.count(outcome);
        progress.note(&format!("{name}:{}: {}", bad.line, bad.reason), screen)?;
        self.rejects.add(name, bad)
    }
}

fn open(path: &Path) -> Result<(Box<dyn BufRead + Send>, Option<u64>), Failed> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let failed =
        |error: io::Error| Failed::new(Exit::NoInput, format!("cannot read {}: {error}", path.display()), "");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let bytes_total = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), bytes_total))
}

fn unreadable(name: &str, bad: &BadFile) -> Failed {
    match bad {
        BadFile::Unreadable(_) => Failed::new(Exit::Disk, format!("{name} {bad}"), ""),
        BadFile::Senseless { .. } => Failed::new(
            Exit::Data,
            format!("{name}: {bad}"),
            "see `reconciled enrol --help` for the file format",
        ),
    }
}

/// Reads a file to its end, or until the receiver is gone.
fn read_all(
    source: Box<dyn BufRead + Send>,
    format: Option<Format>,
    reading: Reading,
    sender: &mpsc::Sender<News>,
) {
    let mut intake = match Intake::start(source, format, reading) {
        Ok(intake) => intake,
        Err(bad) => {
            let _ = sender.blocking_send(News::Stopped(bad));
            return;
        }
    };
    let ignored = intake.ignored_columns().to_vec();
    if !ignored.is_empty() && sender.blocking_send(News::Ignoring(ignored)).is_err() {
        return;
    }
    let mut is_any = intake.is_empty();
    loop {
        let mut items = Vec::with_capacity(BATCH_LINES_MAX);
        let mut stopped = None;
        let mut is_at_end = false;
        while items.len() < BATCH_LINES_MAX && !is_at_end {
            match intake.next_item() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => is_at_end = true,
                Err(error) => {
                    stopped = Some(BadFile::from(error));
                    is_at_end = true;
                }
            }
        }
        is_any |= !items.is_empty() || stopped.is_some();
        let chunk = News::Chunk(Chunk { items, bytes: intake.bytes_read() });
        if sender.blocking_send(chunk).is_err() {
            return;
        }
        if let Some(bad) = stopped {
            let _ = sender.blocking_send(News::Stopped(bad));
        }
        if is_at_end {
            if !is_any {
                let _ = sender.blocking_send(News::NoRows);
            }
            return;
        }
    }
}

/// The file of rejected lines, if one is wanted, and its name.
struct Rejects(Option<(RejectsFile<File>, String)>);

impl Rejects {
    fn open(options: &EnrolArguments) -> Result<Rejects, Failed> {
        let Some(path) = &options.rejects else { return Ok(Rejects(None)) };
        let name = path.display().to_string();
        let file = File::create(path).and_then(RejectsFile::begin);
        let file = file.map_err(|error| unwritable(&name, &error))?;
        Ok(Rejects(Some((file, name))))
    }

    fn add(&mut self, file: &str, bad: &BadLine) -> Result<(), Failed> {
        let Some((rejects, name)) = &mut self.0 else { return Ok(()) };
        rejects.add(file, bad).map_err(|error| unwritable(name, &error))
    }

    fn close(self) -> Result<(), Failed> {
        let Some((rejects, name)) = self.0 else { return Ok(()) };
        rejects.end().map(drop).map_err(|error| unwritable(&name, &error))
    }
}

fn unwritable(name: &str, error: &io::Error) -> Failed {
    Failed::new(Exit::CannotCreate, format!("cannot write {name}: {error}"), "")
}
