//! Physical lines and CSV records (RFC 4180; operations.md section 7.3) in bounded memory.
//!
//! Owns: quotes, delimiters, which column means what. Must never know: what becomes of a record.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::intake::too_long;
use crate::control::wanted::{self, Field, LINE_BYTES_MAX, Texts};
use crate::text;

/// One physical line.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    /// Without its line feed; at most [`LINE_BYTES_MAX`].
    pub(super) bytes: Vec<u8>,
    /// It was longer: the rest was passed over.
    pub(super) is_cut: bool,
}

impl Line {
    /// Nothing but white space.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_cut && self.bytes.trim_ascii().is_empty()
    }
}

/// The lines of a source. Lines can be put back.
pub(super) struct Lines<Source> {
    source: Source,
    put_back: VecDeque<Line>,
    number: u64,
    bytes_read: u64,
}

impl<Source: BufRead> Lines<Source> {
    pub(super) fn new(source: Source) -> Lines<Source> {
        Lines { source, put_back: VecDeque::new(), number: 0, bytes_read: 0 }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line; none at the end. A byte order mark at the beginning is dropped.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.put_back.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let mut is_cut = false;
        let mut is_any = false;
        loop {
            let chunk = match self.source.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            is_any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = LINE_BYTES_MAX - bytes.len();
            is_cut |= part.len() > room;
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.source.consume(used);
            self.bytes_read += u64::try_from(used).unwrap_or(0);
            if end.is_some() {
                break;
            }
        }
        if !is_any {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        Ok(Some(Line { number: self.number, bytes, is_cut }))
    }

    /// Lines that are to come again, in this order.
    pub(super) fn put_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.put_back.push_front(line);
        }
    }
}

/// One record: its cells, or why they cannot be read.
pub(super) struct Record {
    /// The number of its first line.
    pub(super) line: u64,
    /// Its first line as it stood.
    pub(super) text: Vec<u8>,
    /// Its cells as text.
    pub(super) cells: Result<Vec<String>, String>,
}

impl Record {
    /// Nothing but white space.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim_ascii().is_empty() && self.cells.as_ref().is_ok_and(|cells| cells.len() <= 1)
    }
}

/// Why a record cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsplit {
    /// A quote is open at the end: the record may go on in the next line.
    Open,
    /// Something stands between a closing quote and the next delimiter.
    Stray,
    /// Not UTF-8.
    Encoding,
}

impl Unsplit {
    /// In words.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Unsplit::Open => "a quote is opened and never closed",
            Unsplit::Stray => "text after a closing quote; double a quote that belongs to the text",
            Unsplit::Encoding => "not UTF-8",
        }
    }
}

/// Which of comma, semicolon and tabulator the header uses most, outside quotes.
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

/// The next record; none at the end. A record whose quote is not closed within [`LINE_BYTES_MAX`] is
/// bad in its first line only: the lines after it are read anew.
pub(super) fn next_record<Source: BufRead>(
    lines: &mut Lines<Source>,
    delimiter: u8,
) -> io::Result<Option<Record>> {
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
            Err(unsplit) => break unsplit.reason(),
        }
    };
    lines.put_back(taken);
    refuse(reason.to_owned(), first.bytes)
}

/// Adds lines up to and including the next one that has a quote: no other line can close one. False
/// when there is none within the limit.
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

/// What the columns of a file mean.
#[derive(Debug)]
pub(super) struct Columns {
    fields: Vec<Option<Field>>,
    implied_kind: Option<&'static str>,
}

impl Columns {
    /// Reads a header. Gives the columns that mean nothing here as well. Errors with the reason in words.
    pub(super) fn of(header: &[String]) -> Result<(Columns, Vec<String>), String> {
        let meanings: Vec<_> = header.iter().map(|cell| wanted::meaning(cell)).collect();
        let is_plain_id = |meaning: &wanted::Meaning| meaning.field == Field::Id && meaning.kind.is_none();
        let has_plain_id = meanings.iter().flatten().any(is_plain_id);
        let mut owners: Vec<(Field, &str)> = Vec::new();
        let mut columns = Columns { fields: Vec::new(), implied_kind: None };
        let mut ignored = Vec::new();
        for (cell, meaning) in header.iter().zip(meanings) {
            let used = meaning
                .filter(|meaning| !(has_plain_id && meaning.field == Field::Id && meaning.kind.is_some()));
            columns.fields.push(used.map(|meaning| meaning.field));
            let Some(meaning) = used else {
                ignored.push(cell.trim().to_owned());
                continue;
            };
            if let Some((_, other)) = owners.iter().find(|(field, _)| *field == meaning.field) {
                return Err(format!(
                    "columns {other} and {} both mean {}; rename one (to parent, if it is the object above)",
                    cell.trim(),
                    meaning.field.name()
                ));
            }
            owners.push((meaning.field, cell.trim()));
            columns.implied_kind = columns.implied_kind.or(meaning.kind);
        }
        if !columns.fields.contains(&Some(Field::Id)) {
            let header: Vec<&str> = header.iter().map(|cell| cell.trim()).collect();
            return Err(format!(
                "no column names the objects (id, charge_id, AmazonCaptureId, ...); the header has {}",
                text::short(&header.join(", "), 200)
            ));
        }
        Ok((columns, ignored))
    }

    /// The fields of a record. Errors when it has another number of cells than the header.
    pub(super) fn texts(&self, cells: &[String]) -> Result<Texts, String> {
        if cells.len() != self.fields.len() {
            return Err(format!("{} cells where the header has {}", cells.len(), self.fields.len()));
        }
        let mut texts = Texts::default();
        for (field, cell) in self.fields.iter().zip(cells) {
            if let Some(field) = field {
                texts.set(*field, cell)?;
            }
        }
        if let Some(kind) = self.implied_kind {
            texts.set_default(Field::Kind, kind);
        }
        Ok(texts)
    }
}
