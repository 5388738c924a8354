//! The files that are sent (docs/src/reference/aps.md, sections 2.2 and 3.3).
//!
//! Owns: dividing rows among files, writing a file, its name and its batch reference. Must never know: how a
//! file is sent, what happens to it.

use std::collections::HashMap;

use super::Rules;
use super::column::{ALWAYS, Column, ColumnMap};
use super::input::InputRow;
use super::row::Row;
use crate::text::sha256;

pub use crate::apis::aps::rules::AmountForm;

/// The most bytes of a file: 50 MB, taken as 50 million (section 2.2 does not say which MB is meant).
pub const LONGEST_FILE_BYTES: usize = 50_000_000;
/// The most characters of a file's name (section 2.2).
pub const LONGEST_NAME: usize = 50;
/// The most characters of a batch reference (section 2.1).
pub const LONGEST_REFERENCE: usize = 20;

/// One file, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct BatchFile {
    /// The batch reference, derived from the content. The same file has the same reference, so the provider itself
    /// refuses it the second time (146).
    pub reference: String,
    /// The name that it is sent under.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The rows in order; the first is on line 2.
    pub rows: Vec<InputRow>,
}

impl std::fmt::Debug for BatchFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BatchFile")
            .field("reference", &self.reference)
            .field("bytes", &self.bytes.len())
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

/// Divides rows among files: an order appears only once in each file (section 3.1), and no file is too long. The
/// files are in the order in which they must be processed, one after the other.
///
/// `label` names the run, such as its day: the same rows on another day are another batch.
pub fn plan(rows: Vec<InputRow>, rules: &Rules, label: &str) -> Vec<BatchFile> {
    plan_within(rows, rules, label, LONGEST_FILE_BYTES)
}

fn plan_within(rows: Vec<InputRow>, rules: &Rules, label: &str, longest_bytes: usize) -> Vec<BatchFile> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut waves: Vec<Vec<InputRow>> = Vec::new();
    for row in rows {
        let seen = times.entry(row.row.merchant_reference().to_owned()).or_default();
        if *seen == waves.len() {
            waves.push(Vec::new());
        }
        waves[*seen].push(row);
        *seen += 1;
    }
    let most_rows = rules.longest_file_rows.unwrap_or(usize::MAX).max(1);
    let mut files = Vec::new();
    for wave in waves {
        let header_bytes = header_length(&rules.columns);
        let (mut part, mut bytes) = (Vec::new(), header_bytes);
        for row in wave {
            let more = longest_line(&row.row);
            if !part.is_empty() && (part.len() >= most_rows || bytes + more > longest_bytes) {
                files.push(finished(std::mem::take(&mut part), rules, label));
                bytes = header_bytes;
            }
            bytes += more;
            part.push(row);
        }
        files.push(finished(part, rules, label));
    }
    files
}

fn finished(rows: Vec<InputRow>, rules: &Rules, label: &str) -> BatchFile {
    let bytes = write(rows.iter().map(|row| &row.row), &rules.columns);
    let reference = reference_of(&bytes, label);
    BatchFile { name: format!("{reference}.csv"), reference, bytes, rows }
}

/// A batch reference of 20 characters that is unique to this content and label.
pub fn reference_of(bytes: &[u8], label: &str) -> String {
    let mut content = label.as_bytes().to_vec();
    content.push(0);
    content.extend_from_slice(bytes);
    format!("rcd-{}", &sha256(&content)[..LONGEST_REFERENCE - 4])
}

/// The length with every cell quoted and every column present, which no line exceeds.
fn longest_line(row: &Row) -> usize {
    Column::ALL.iter().map(|column| row.value(*column).map_or(0, |value| value.len() * 2) + 3).sum()
}

fn header_length(columns: &ColumnMap) -> usize {
    Column::ALL.iter().map(|column| columns.word(*column).len() + 3).sum()
}

/// The file's bytes: comma, LF, UTF-8, a header, cells quoted only where necessary (section 3.3).
pub fn write<'a>(rows: impl Iterator<Item = &'a Row> + Clone, columns: &ColumnMap) -> Vec<u8> {
    let used: Vec<Column> = Column::ALL
        .into_iter()
        .enumerate()
        .filter(|(place, column)| *place < ALWAYS || rows.clone().any(|row| row.value(*column).is_some()))
        .map(|(_, column)| column)
        .collect();
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .quote_style(csv::QuoteStyle::Necessary)
        .from_writer(Vec::new());
    let in_memory = "writing to memory does not fail";
    writer.write_record(used.iter().map(|column| columns.word(*column))).expect(in_memory);
    for row in rows {
        let cells = used.iter().map(|column| row.value(*column).unwrap_or_default());
        writer.write_record(cells).expect(in_memory);
    }
    writer.into_inner().expect(in_memory)
}

/// What is wrong with a file's name (section 2.2).
pub fn name_fault(name: &str) -> Option<&'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-!@#$%^&()_+, ".contains(&byte);
    if name.len() > LONGEST_NAME {
        Some("is longer than 50 characters")
    } else if !name.bytes().all(fits) {
        Some("has a character that is not allowed")
    } else if !name.ends_with(".csv") || name.len() == 4 {
        Some("does not end in .csv")
    } else {
        None
    }
}

#[cfg(test)]
#[path = "file/tests.rs"]
pub(super) mod tests;
