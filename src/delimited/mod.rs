//! Delimited text as people's programs write it: every kind of CSV, and JSON Lines, in bounded memory.
//!
//! Owns: encodings, line ends, delimiters, quotes (RFC 4180), rows that spreadsheets pad or cut.
//! Must never know: what a column means, what happens to a row.
//!
//! A file that cannot be split is refused with the reason and the remedy. It never looks like an empty one.

mod encoding;
mod lines;
mod names;
mod records;

use std::io::{self, BufRead};

pub use encoding::utf8;
pub use lines::{LINE_BYTES_MAX, Line, Lines, too_long};
pub use names::{is_invisible, nearest, plain, trimmed};
pub use records::{Csv, Record};

use encoding::foreign;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// A file that cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// The disk or pipe failed.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The header or the encoding makes no sense.
    #[error("line {line}: {reason}")]
    Senseless {
        /// Where.
        line: u64,
        /// Why, with the remedy.
        reason: String,
    },
}

/// A recognised file.
pub enum Text<Source> {
    /// Nothing but white space.
    Empty,
    /// One JSON object a line.
    JsonLines(Lines<Source>),
    /// A header, then rows.
    Csv(Csv<Source>),
}

/// Recognises a file. Without a form, a first line that begins with `{` means JSON Lines.
///
/// # Errors
/// When it cannot be read, is not UTF-8 text, or its header cannot be split.
pub fn open<Source: BufRead>(source: Source, form: Option<Form>) -> Result<Text<Source>, BadFile> {
    let mut lines = Lines::new(source);
    let Some(mut first) = first_line(&mut lines)? else { return Ok(Text::Empty) };
    let senseless = |line: &Line, reason: String| BadFile::Senseless { line: line.number, reason };
    if let Some(reason) = foreign(&first.bytes) {
        return Err(senseless(&first, reason.to_owned()));
    }
    let is_json = first.bytes.trim_ascii_start().starts_with(b"{");
    if form.map_or(is_json, |form| form == Form::JsonLines) {
        lines.put_back(vec![first]);
        return Ok(Text::JsonLines(lines));
    }
    let declared = records::declared_delimiter(&first.bytes);
    if declared.is_some() {
        first = match first_line(&mut lines)? {
            Some(header) => header,
            None => return Err(senseless(&first, "there is a sep= line but no header after it".to_owned())),
        };
    }
    if first.is_cut {
        return Err(senseless(&first, format!("the header: {}", too_long())));
    }
    let delimiter = declared.unwrap_or_else(|| records::delimiter_of(&first.bytes));
    let cells = records::split(&first.bytes, delimiter)
        .map_err(|unsplit| senseless(&first, format!("the header: {}", unsplit.reason(&first.bytes))))?;
    let header = records::header(cells).map_err(|reason| senseless(&first, reason))?;
    Ok(Text::Csv(Csv::new(lines, delimiter, header, first.number)))
}

fn first_line<Source: BufRead>(lines: &mut Lines<Source>) -> io::Result<Option<Line>> {
    while let Some(line) = lines.next()? {
        if !line.is_blank() {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
