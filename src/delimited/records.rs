//! Rows and cells (RFC 4180; docs/src/reference/operations.md section 7.3).
//!
//! Owns: quotes, delimiters, rows that spreadsheets pad with empty cells or cut. Must never know: what a
//! column means.

use std::io::{self, BufRead};

use super::encoding::{is_blank, not_utf8};
use super::lines::{LINE_BYTES_MAX, Line, Lines, too_long};
use super::names::trimmed;

/// One row: its cells, or why they cannot be read.
pub struct Record {
    /// The number of its first line.
    pub line: u64,
    /// Its first line as read.
    pub text: Vec<u8>,
    /// Its cells as text, as many as the header has.
    pub cells: Result<Vec<String>, String>,
}

/// A header and the rows after it.
pub struct Csv<Source> {
    lines: Lines<Source>,
    delimiter: u8,
    header: Vec<String>,
    header_line: u64,
}

impl<Source: BufRead> Csv<Source> {
    pub(super) fn new(
        lines: Lines<Source>,
        delimiter: u8,
        header: Vec<String>,
        header_line: u64,
    ) -> Csv<Source> {
        Csv { lines, delimiter, header, header_line }
    }

    /// The names of the columns, without white space around them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The line of the header, from 1.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// Bytes read so far, for a progress display.
    pub fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    /// The next row; `None` at the end. Rows without any text are skipped. Cells missing at the end count as
    /// empty, because spreadsheets leave them out. A row with text beyond the header is bad.
    #[expect(clippy::should_implement_trait, reason = "an iterator would hide that reading can fail")]
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        while let Some(mut record) = next_record(&mut self.lines, self.delimiter)? {
            if let Ok(cells) = &mut record.cells {
                let filled = cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
                if filled == 0 {
                    continue;
                }
                if filled > self.header.len() {
                    let comma = if self.delimiter == b',' {
                        "; a comma in a cell needs quotes around it"
                    } else {
                        ""
                    };
                    let reason = format!("{filled} cells where the header has {}{comma}", self.header.len());
                    record.cells = Err(reason);
                } else {
                    cells.resize(self.header.len(), String::new());
                }
            }
            return Ok(Some(record));
        }
        Ok(None)
    }
}

/// Checks the cells of a header and drops empty ones at the end.
pub(super) fn header(cells: Vec<String>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = cells.iter().map(|cell| trimmed(cell).to_owned()).collect();
    names.truncate(names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1));
    match names.iter().position(|name| name.contains(char::is_control)) {
        None => Ok(names),
        Some(place) => Err(format!(
            "the header: its cell {} has a control character; is this text in UTF-8, a row on each line?",
            place + 1
        )),
    }
}

/// The delimiter of a line such as `sep=;`, which Excel reads before the header.
pub(super) fn declared_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter @ (b',' | b';' | b'\t' | b'|')]
            if [*s, *e, *p].eq_ignore_ascii_case(b"sep") =>
        {
            Some(*delimiter)
        }
        _ => None,
    }
}

/// Why a record cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsplit {
    /// A quote is still open: the record may continue in the next line.
    Open,
    /// Something stands between a closing quote and the next delimiter.
    Stray,
    /// Not UTF-8.
    Encoding,
}

impl Unsplit {
    /// The reason in words.
    pub(super) fn reason(self, bytes: &[u8]) -> &'static str {
        match self {
            Unsplit::Open => "a quote is opened and never closed",
            Unsplit::Stray => "text after a closing quote; double a quote that belongs to the text",
            Unsplit::Encoding => not_utf8(bytes),
        }
    }
}

/// Which of comma, semicolon and tabulator a header uses most, outside quotes.
pub(super) fn delimiter_of(header: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut numbers = [0usize; 3];
    for byte in header {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => numbers[0] += 1,
            b';' if !is_quoted => numbers[1] += 1,
            b'\t' if !is_quoted => numbers[2] += 1,
            _ => {}
        }
    }
    let [comma, semicolon, tabulator] = numbers;
    if tabulator > comma.max(semicolon) {
        b'\t'
    } else if semicolon > comma {
        b';'
    } else {
        b','
    }
}

/// Splits a record into cells. A quote opens only at the beginning of a cell.
pub(super) fn split(record: &[u8], delimiter: u8) -> Result<Vec<String>, Unsplit> {
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let mut cells = Vec::new();
    let mut rest = record;
    loop {
        let (cell, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let end = rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        cells.push(String::from_utf8(cell).map_err(|_| Unsplit::Encoding)?);
        match after.split_first() {
            None => return Ok(cells),
            Some((byte, later)) if *byte == delimiter => rest = later,
            Some(_) => return Err(Unsplit::Stray),
        }
    }
}

fn quoted_cell(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Unsplit> {
    let mut cell = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.iter().position(|byte| *byte == b'"').ok_or(Unsplit::Open)?;
        cell.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(b"\"") {
            Some(after) => {
                cell.push(b'"');
                rest = after;
            }
            None => return Ok((cell, rest)),
        }
    }
}

/// The next record; `None` at the end. If a quote is not closed within [`LINE_BYTES_MAX`], only the record's
/// first line is bad: the lines after it are read again.
fn next_record<Source: BufRead>(lines: &mut Lines<Source>, delimiter: u8) -> io::Result<Option<Record>> {
    let Some(first) = lines.next()? else { return Ok(None) };
    let refuse =
        |reason: String, text: Vec<u8>| Ok(Some(Record { line: first.number, text, cells: Err(reason) }));
    if first.is_cut {
        return refuse(too_long(), first.bytes);
    }
    let mut joined = first.bytes.clone();
    let mut taken = Vec::new();
    let reason = loop {
        match split(&joined, delimiter) {
            Ok(cells) => return Ok(Some(Record { line: first.number, text: first.bytes, cells: Ok(cells) })),
            Err(Unsplit::Open) if join_to_next_quote(lines, &mut joined, &mut taken)? => {}
            Err(unsplit) => break unsplit.reason(&joined),
        }
    };
    lines.put_back(taken);
    refuse(reason.to_owned(), first.bytes)
}

/// Adds lines up to and including the next one with a quote: only such a line can close it. False when there
/// is none within the limit.
fn join_to_next_quote<Source: BufRead>(
    lines: &mut Lines<Source>,
    joined: &mut Vec<u8>,
    taken: &mut Vec<Line>,
) -> io::Result<bool> {
    loop {
        let Some(line) = lines.next()? else { return Ok(false) };
        let is_over = line.is_cut || joined.len() + line.bytes.len() + 1 > LINE_BYTES_MAX;
        if is_over {
            taken.push(line);
            return Ok(false);
        }
        joined.push(b'\n');
        joined.extend_from_slice(&line.bytes);
        let has_quote = line.bytes.contains(&b'"');
        taken.push(line);
        if has_quote {
            return Ok(true);
        }
    }
}
