//! A report file: bytes to a table whose columns are found by their names (docs/src/reference/amazon-pay-batch.md,
//! section 11).
//!
//! Owns: encodings, the preamble, quoting, ragged rows. Must never know: what a column means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::apis::amazon_pay_mws::csv_rows::Rows;
use crate::apis::decoding;

/// The most rows in one file.
pub const MOST_ROWS: usize = 5_000_000;
/// The most cells in one row.
const MOST_CELLS: usize = 256;
/// The header must be within the first lines.
const LATEST_HEADER: usize = 50;

/// A file that is not a report of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// The bytes are not text in their encoding, and no table was found in them.
    #[error("the file is not text in {0}")]
    Encoding(&'static str),
    /// A page for a person: a proxy or a sign-in page answered instead.
    #[error("the file is a web page, not a report")]
    WebPage,
    /// Another report of the same provider.
    #[error(
        "the file is a settlement of marketplace orders (it has the column settlement-id), not of payments"
    )]
    Marketplace,
    /// The line with the names of the columns was not found.
    #[error("the file has no line that begins with the column {0}")]
    NoHeader(&'static str),
    /// A required column is missing.
    #[error("the file has no column {0}")]
    NoColumn(&'static str),
    /// The quoting is wrong or never ends, or the file or a row is too long.
    #[error("the file is broken near line {line}")]
    Broken {
        /// From 1.
        line: u64,
    },
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The line where it begins, from 1.
    pub line: u64,
    /// Its cells; there may be fewer or more than columns.
    pub cells: Vec<String>,
}

/// A report as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What comes before the header, such as `SettlementStartDate`.
    pub preamble: BTreeMap<String, String>,
    /// The names of the columns in their order; a trailing comma adds no column.
    pub columns: Vec<String>,
    /// The rows after the header.
    pub records: Vec<Record>,
}

impl Table {
    /// The cell of a row in the column of this name; none if there is no such column or the cell is empty.
    pub fn cell<'a>(&self, record: &'a Record, column: &str) -> Option<&'a str> {
        let place = self.place(column)?;
        record.cells.get(place).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }

    /// Whether there is a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.place(column).is_some()
    }

    /// Names are compared without case, because a tool on the way may have changed it.
    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.eq_ignore_ascii_case(column))
    }

    /// The value of a line before the header.
    pub fn preamble(&self, name: &str) -> Option<&str> {
        let found = self.preamble.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads the table whose header begins with one of `first_columns`. Settlement files have a preamble before it, others
/// do not. The bytes are decoded by their byte order mark, else the `charset` of `content_type`, else UTF-8. A cell
/// with bytes that are no character has [`decoding::NO_LETTER`] in their place.
///
/// # Errors
/// If there is no such header, or the quoting never ends.
pub fn table(
    bytes: &[u8],
    content_type: Option<&str>,
    first_columns: &[&'static str],
) -> Result<Table, BadFile> {
    let decoding::Decoded { text, encoding, is_whole } =
        decoding::decode(bytes, content_type.and_then(charset));
    // Lines may end in carriage returns only.
    let text = if text.contains('\n') { text } else { Cow::Owned(text.replace('\r', "\n")) };
    let start = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Err(BadFile::WebPage);
    }
    let mut failure = None;
    for separator in [b',', b'\t', b';'] {
        match separated(&text, separator, first_columns) {
            Err(problem) => failure = failure.or(Some(problem)),
            found => return found,
        }
    }
    match failure {
        Some(BadFile::NoHeader(_)) if text.trim_start().starts_with("settlement-id\t") => {
            Err(BadFile::Marketplace)
        }
        Some(BadFile::NoHeader(_)) if !is_whole => Err(BadFile::Encoding(encoding)),
        failure => {
            Err(failure.unwrap_or(BadFile::NoHeader(first_columns.first().copied().unwrap_or_default())))
        }
    }
}

fn charset(content_type: &str) -> Option<&str> {
    let parameter = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Some(parameter.trim().trim_matches('"'))
}

fn separated(text: &str, separator: u8, first_columns: &[&'static str]) -> Result<Table, BadFile> {
    let mut rows = Rows::separated(text.as_bytes(), separator);
    let mut preamble = BTreeMap::new();
    let mut columns: Option<Vec<String>> = None;
    let mut records = Vec::new();
    for number in 0_usize.. {
        let Some((line, cells)) = rows.next().map_err(|line| BadFile::Broken { line })? else { break };
        let cells: Result<Vec<&str>, _> = cells.into_iter().map(std::str::from_utf8).collect();
        let record = cells.map_err(|_| BadFile::Encoding("UTF-8"))?;
        if record.len() > MOST_CELLS || records.len() >= MOST_ROWS {
            return Err(BadFile::Broken { line });
        }
        let first = record.first().copied().unwrap_or_default().trim();
        if columns.is_some() {
            records.push(Record { line, cells: record.into_iter().map(str::to_owned).collect() });
        } else if is_header(first, first_columns) {
            let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
            let count = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
            columns = Some(names.into_iter().take(count).collect());
        } else if number >= LATEST_HEADER {
            break;
        } else if let Some(value) = record.get(1).map(|value| value.trim()).filter(|value| !value.is_empty())
        {
            // The first of two equal keys counts: the documentation prints SellerId twice.
            preamble.entry(first.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let wanted = first_columns.first().copied().unwrap_or_default();
    Ok(Table { preamble, columns: columns.ok_or(BadFile::NoHeader(wanted))?, records })
}

/// Whether a row is the header. Without any known name, it is the line whose first cell is named like a provider id.
fn is_header(first: &str, first_columns: &[&'static str]) -> bool {
    match first_columns {
        [] => is_id_column(first),
        names => names.iter().any(|name| name.eq_ignore_ascii_case(first)),
    }
}

/// Whether a column holds provider ids, judging by its name.
pub fn is_id_column(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("amazon")
        && name.ends_with("id")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
