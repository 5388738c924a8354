//! Reads files of objects to enrol, line by line, however large they are: CSV and JSON Lines.
//!
//! Owns: which line was bad and why. Must never know: accounts, sockets, terminals, how text is split.

mod columns;
mod rejects;

use std::io::{self, BufRead};

use crate::control::enrolment_request::{self, EnrolmentRequest};
use crate::control::messages::{EnrolLine, EnrolResult, TableReading};
use crate::delimited::{self, Csv, Form, Lines, Record, Text, too_long};

use columns::Columns;

pub use crate::control::messages::Decimal;
pub use crate::delimited::BadFile;
pub use columns::{Reading, Remedies};
pub use rejects::RejectsFile;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a header line; the delimiter is a comma, semicolon or tab.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl From<Format> for Form {
    fn from(format: Format) -> Form {
        match format {
            Format::Csv => Form::Csv,
            Format::Jsonl => Form::JsonLines,
        }
    }
}

/// A line that was not accepted, with its number and the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1, including the header.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The original line, shortened; for the file of rejects.
    pub text: String,
}

/// The result of one line.
pub type Item = Result<EnrolmentRequest, BadLine>;

/// A file being read.
pub struct Intake<Source> {
    shape: Shape<Source>,
    ignored: Vec<String>,
}

enum Shape<Source> {
    Jsonl(Lines<Source>),
    Csv(Csv<Source>, Columns),
    Empty,
}

impl<Source: BufRead> Intake<Source> {
    /// Starts reading. Without a format, a first line that starts with `{` means JSON Lines. Fails when the header
    /// names no id, has a field twice or misspelled, or when the file is not UTF-8 text.
    pub fn start(
        source: Source,
        format: Option<Format>,
        reading: Reading,
    ) -> Result<Intake<Source>, BadFile> {
        Ok(match delimited::open(source, format.map(Form::from))? {
            Text::Empty => Intake { shape: Shape::Empty, ignored: Vec::new() },
            Text::JsonLines(lines) => Intake { shape: Shape::Jsonl(lines), ignored: Vec::new() },
            Text::Csv(csv) => {
                let (columns, ignored) = Columns::of(csv.header(), reading)
                    .map_err(|reason| BadFile::Senseless { line: csv.header_line(), reason })?;
                Intake { shape: Shape::Csv(csv, columns), ignored }
            }
        })
    }

    /// Unknown columns of the header, which are left out.
    pub fn ignored_columns(&self) -> &[String] {
        &self.ignored
    }

    /// Whether the file contains nothing but white space.
    pub fn is_empty(&self) -> bool {
        matches!(self.shape, Shape::Empty)
    }

    /// Bytes read so far, for a progress display.
    pub fn bytes_read(&self) -> u64 {
        match &self.shape {
            Shape::Empty => 0,
            Shape::Jsonl(lines) => lines.bytes_read(),
            Shape::Csv(csv, _) => csv.bytes_read(),
        }
    }

    /// The next object or bad line; none at the end. Lines and rows without any text are skipped.
    pub fn next_item(&mut self) -> io::Result<Option<Item>> {
        match &mut self.shape {
            Shape::Empty => Ok(None),
            Shape::Csv(csv, columns) => Ok(csv.next()?.map(|record| read_record(columns, record))),
            Shape::Jsonl(lines) => loop {
                match lines.next()? {
                    None => return Ok(None),
                    Some(line) if line.is_blank() => {}
                    Some(line) if line.is_cut => {
                        return Ok(Some(Err(bad(line.number, too_long(), &line.bytes))));
                    }
                    Some(line) => {
                        let read = enrolment_request::from_json(line.bytes.trim_ascii(), line.number).map(
                            |enrolment_request| EnrolmentRequest { line: line.number, ..enrolment_request },
                        );
                        return Ok(Some(read.map_err(|reason| bad(line.number, reason, &line.bytes))));
                    }
                }
            },
        }
    }
}

/// Reads a table (CSV) and passes on each row, to the end or until `take` returns false.
///
/// # Errors
/// Why it is not such a table.
pub fn table(
    source: &mut dyn BufRead,
    reading: TableReading,
    take: &mut dyn FnMut(EnrolLine) -> bool,
) -> Result<(), String> {
    let TableReading { ignore_columns, decimal } = reading;
    let reading = Reading { ignore_columns, decimal, remedies: Remedies::default() };
    let read = Intake::start(source, Some(Format::Csv), reading);
    let mut intake = read.map_err(|bad| bad.to_string())?;
    while let Some(item) = intake.next_item().map_err(|error| error.to_string())? {
        if !take(item.map_err(|bad| EnrolResult::unreadable(bad.line, bad.reason))) {
            break;
        }
    }
    Ok(())
}

fn read_record(columns: &Columns, record: Record) -> Item {
    let Record { line, text, cells } = record;
    let read = cells.and_then(|cells| columns.texts(&cells)).and_then(|texts| texts.read(line));
    read.map_err(|reason| bad(line, reason, &text))
}

/// A bad line whose text is kept as far as it is worth it.
pub fn bad(line: u64, reason: String, text: &[u8]) -> BadLine {
    let kept = &text[..text.len().min(4_096)];
    let text = String::from_utf8_lossy(kept).trim_end_matches(['\r', '\n']).to_owned();
    BadLine { line, reason, text }
}

#[cfg(test)]
mod tests;
