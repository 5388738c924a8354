//! One CSV file: RFC 4180, safe to open in a spreadsheet.
//!
//! Owns: quoting, line ends, and that each cell is one safe line and never a formula
//! (docs/src/reference/operations.md, section 7.3). Must never know: what a column means.

use std::borrow::Cow;
use std::io::{self, Write};

use aws_lc_rs::digest;

use super::columns::{Cell, Row};
use super::totals::{TooMuch, Totals};
use crate::text;
use crate::text::hex;

/// How CSV files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Whether to begin with a byte order mark.
    pub(super) has_bom: bool,
    /// What separates cells.
    pub(super) delimiter: u8,
    /// The decimal sign of amounts.
    pub(super) decimal: u8,
}

/// A writer that counts and hashes what is written.
#[derive(Debug)]
pub(super) struct Measured<W> {
    inner: W,
    hash: Hash,
    /// Bytes so far.
    pub(super) bytes: u64,
}

struct Hash(digest::Context);

impl std::fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hash")
    }
}

impl<W: Write> Measured<W> {
    pub(super) fn new(inner: W) -> Measured<W> {
        Measured { inner, hash: Hash(digest::Context::new(&digest::SHA256)), bytes: 0 }
    }

    /// The inner writer, the number of bytes written and their SHA-256 in hex.
    pub(super) fn finish(self) -> (W, u64, String) {
        (self.inner, self.bytes, hex(self.hash.0.finish().as_ref()))
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.0.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A file being written.
pub(super) struct Sheet<W: Write> {
    writer: csv::Writer<Measured<W>>,
    decimal: u8,
    /// Rows without the header.
    pub(super) rows: u64,
    /// Their control totals.
    pub(super) totals: Totals,
}

impl<W: Write> Sheet<W> {
    /// Starts a file with its header.
    pub(super) fn begin(inner: W, columns: &[&str], dialect: Dialect) -> io::Result<Sheet<W>> {
        let mut measured = Measured::new(inner);
        if dialect.has_bom {
            measured.write_all("\u{feff}".as_bytes())?;
        }
        let mut writer = csv::WriterBuilder::new()
            .delimiter(dialect.delimiter)
            .terminator(csv::Terminator::CRLF)
            .from_writer(measured);
        writer.write_record(columns).map_err(io_error)?;
        Ok(Sheet { writer, decimal: dialect.decimal, rows: 0, totals: Totals::default() })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), AddError> {
        self.totals.add(row)?;
        let cells = row.cells.iter().map(|cell| match cell {
            Cell::Text(text) => text::cell(text),
            Cell::Plain(text) => text::line(text),
            Cell::Amount(text) if self.decimal == b'.' => Cow::Borrowed(text.as_str()),
            Cell::Amount(text) => {
                Cow::Owned(text.replace('.', char::from(self.decimal).encode_utf8(&mut [0; 4])))
            }
        });
        self.writer.write_record(cells.map(Cow::into_owned)).map_err(io_error)?;
        self.rows += 1;
        Ok(())
    }

    /// Ends the file. Returns the inner writer, bytes, SHA-256 and totals.
    pub(super) fn finish(mut self) -> io::Result<(W, u64, String, Totals)> {
        self.writer.flush()?;
        let measured = self.writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        let (inner, bytes, sha256) = measured.finish();
        Ok((inner, bytes, sha256, self.totals))
    }
}

/// Why a row cannot be added.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddError {
    /// The file cannot be written.
    #[error("the file cannot be written")]
    Io(#[from] io::Error),
    /// A sum is out of range.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
}

fn io_error(error: csv::Error) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::lifecycle::Outcome;
    use proptest::prelude::*;

    const PLAIN: Dialect = Dialect { has_bom: false, delimiter: b',', decimal: b'.' };

    fn row(cells: Vec<Cell>) -> Row {
        Row {
            cells,
            object: "a/charge/C1".parse().unwrap(),
            state: "Captured".to_owned(),
            outcome: Outcome::Succeeded,
            amount: None,
        }
    }

    fn written(rows: &[Row], columns: &[&str], dialect: Dialect) -> Vec<u8> {
        let mut sheet = Sheet::begin(Vec::new(), columns, dialect).unwrap();
        for row in rows {
            sheet.add(row).unwrap();
        }
        let (bytes, length, sha256, _) = sheet.finish().unwrap();
        assert_eq!(length, bytes.len() as u64);
        assert_eq!(sha256, hex(digest::digest(&digest::SHA256, &bytes).as_ref()));
        bytes
    }

    #[test]
    fn files_follow_rfc_4180() {
        let rows = [row(vec![Cell::Text("a,b".to_owned()), Cell::Text("say \"x\" now".to_owned())])];
        let bytes = written(&rows, &["one", "two"], PLAIN);
        assert_eq!(String::from_utf8(bytes).unwrap(), "one,two\r\n\"a,b\",\"say \"\"x\"\" now\"\r\n");
        let excel = Dialect { has_bom: true, delimiter: b';', decimal: b',' };
        let bytes = written(&rows, &["one", "two"], excel);
        assert!(bytes.starts_with(b"\xef\xbb\xbfone;two\r\na,b;"));
        let amounts = [row(vec![Cell::Amount("-1234.50".to_owned()), Cell::Text("1.5".to_owned())])];
        let bytes = written(&amounts, &["amount", "reference"], excel);
        assert!(bytes.ends_with(b"\r\n-1234,50;1.5\r\n"), "only an amount has a decimal sign");
    }

    #[test]
    fn formulas_are_escaped_and_numbers_stay_numbers() {
        let rows = [row(vec![Cell::Plain("-2.50".to_owned()), Cell::Text("-2.50".to_owned())])];
        let bytes = written(&rows, &["amount", "reference"], PLAIN);
        assert_eq!(String::from_utf8(bytes).unwrap(), "amount,reference\r\n-2.50,'-2.50\r\n");
    }

    #[test]
    fn a_cell_is_one_safe_line() {
        let hostile = "A\u{1b}]0;x\u{7}\r\nB\u{202e}\u{2028}\u{200b}";
        let rows = [row(vec![Cell::Plain(hostile.to_owned()), Cell::Text(hostile.to_owned())])];
        let bytes = written(&rows, &["one", "two"], PLAIN);
        let safe = r"A\u{1b}]0;x\u{7}\r\nB\u{202e}\u{2028}\u{200b}";
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("one,two\r\n{safe},{safe}\r\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_text_is_read_back(
            cells in proptest::collection::vec(("(.|\r|\n|\"|,|;|=|\t){0,12}", any::<bool>()), 1..6),
            has_bom in any::<bool>(), delimiter in proptest::sample::select(vec![b',', b';', b'\t']),
        ) {
            let one = row(cells.iter().map(|(text, is_text)| {
                if *is_text { Cell::Text(text.clone()) } else { Cell::Plain(text.clone()) }
            }).collect());
            let columns: Vec<String> = (0..cells.len()).map(|number| format!("c{number}")).collect();
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let bytes = written(&[one.clone(), one], &names, Dialect { has_bom, delimiter, decimal: b'.' });
            let text = if has_bom { &bytes[3..] } else { &bytes[..] };
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
            let heading = reader.headers().unwrap().clone();
            prop_assert_eq!(heading.iter().collect::<Vec<_>>(), names);
            let expected: Vec<String> = cells.iter()
                .map(|(text, is_text)| if *is_text { text::cell(text) } else { text::line(text) }.into_owned()).collect();
            let mut count = 0;
            for record in reader.records() {
                let record = record.unwrap();
                prop_assert_eq!(record.iter().collect::<Vec<_>>(), expected.clone());
                count += 1;
            }
            prop_assert_eq!(count, 2);
        }
    }
}
