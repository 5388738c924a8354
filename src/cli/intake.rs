//! Reads files of objects to enrol, line by line, however large they are: CSV and JSON Lines.
//!
//! Owns: encodings, delimiters, headers, records over several lines, which line was bad and why.
//! Must never know: accounts, sockets, terminals. Memory stays within a few [`LINE_BYTES_MAX`].

use std::io::{self, BufRead};

use super::intake_csv::{Columns, Lines, Record, delimiter_of, next_record, split};
use crate::control::wanted::{self, LINE_BYTES_MAX, Wanted};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// With a header line; delimiter comma, semicolon or tabulator.
    Csv,
    /// One JSON object a line.
    Jsonl,
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
        /// Why.
        reason: String,
    },
}

/// One line that could not be taken, with its number and the reason in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1, the header included.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The line as it stood, shortened; for the file of rejects.
    pub text: String,
}

/// What one line brought.
pub type Item = Result<Wanted, BadLine>;

/// A file being read.
pub struct Intake<Source> {
    lines: Lines<Source>,
    shape: Shape,
    ignored: Vec<String>,
}

enum Shape {
    Jsonl,
    Csv { delimiter: u8, columns: Columns },
    Empty,
}

impl<Source: BufRead> Intake<Source> {
    /// Starts reading. Without a format, a first line that begins with `{` tells JSON Lines. Errors when
    /// the header names no id, names a field twice, or the text is UTF-16.
    pub fn start(source: Source, format: Option<Format>) -> Result<Intake<Source>, BadFile> {
        let mut lines = Lines::new(source);
        let first = loop {
            match lines.next()? {
                None => return Ok(Intake { lines, shape: Shape::Empty, ignored: Vec::new() }),
                Some(line) if line.is_blank() => {}
                Some(line) => break line,
            }
        };
        let senseless = |reason: String| BadFile::Senseless { line: first.number, reason };
        if first.bytes.starts_with(&[0xFF, 0xFE]) || first.bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(senseless("the file is UTF-16; save it as UTF-8".to_owned()));
        }
        let is_json = first.bytes.trim_ascii_start().starts_with(b"{");
        if format.map_or(is_json, |format| format == Format::Jsonl) {
            lines.put_back(vec![first]);
            return Ok(Intake { lines, shape: Shape::Jsonl, ignored: Vec::new() });
        }
        if first.is_cut {
            return Err(senseless(format!("the header is longer than {LINE_BYTES_MAX} bytes")));
        }
        let delimiter = delimiter_of(&first.bytes);
        let cells = split(&first.bytes, delimiter)
            .map_err(|unsplit| senseless(format!("the header: {}", unsplit.reason())))?;
        let (columns, ignored) = Columns::of(&cells).map_err(senseless)?;
        Ok(Intake { lines, shape: Shape::Csv { delimiter, columns }, ignored })
    }

    /// Columns of the header that mean nothing here.
    pub fn ignored_columns(&self) -> &[String] {
        &self.ignored
    }

    /// Bytes read so far, for a progress display.
    pub fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    /// The next object or bad line; none at the end. Blank lines are passed over.
    pub fn next_item(&mut self) -> io::Result<Option<Item>> {
        loop {
            let item = match &self.shape {
                Shape::Empty => return Ok(None),
                Shape::Jsonl => match self.lines.next()? {
                    None => return Ok(None),
                    Some(line) if line.is_blank() => continue,
                    Some(line) if line.is_cut => Err(bad(line.number, too_long(), &line.bytes)),
                    Some(line) => wanted::from_json(line.bytes.trim_ascii(), line.number)
                        .map(|wanted| Wanted { line: line.number, ..wanted })
                        .map_err(|reason| bad(line.number, reason, &line.bytes)),
                },
                Shape::Csv { delimiter, columns } => match next_record(&mut self.lines, *delimiter)? {
                    None => return Ok(None),
                    Some(record) if record.is_blank() => continue,
                    Some(record) => read_record(columns, record),
                },
            };
            return Ok(Some(item));
        }
    }
}

fn read_record(columns: &Columns, record: Record) -> Item {
    let Record { line, text, cells } = record;
    let read = cells.and_then(|cells| columns.texts(&cells)).and_then(|texts| texts.read(line));
    read.map_err(|reason| bad(line, reason, &text))
}

/// The reason for a line that is not even kept whole.
pub(super) fn too_long() -> String {
    format!("the line is longer than {LINE_BYTES_MAX} bytes")
}

pub(super) fn bad(line: u64, reason: String, text: &[u8]) -> BadLine {
    let kept = &text[..text.len().min(4_096)];
    let text = String::from_utf8_lossy(kept).trim_end_matches(['\r', '\n']).to_owned();
    BadLine { line, reason, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads all of it: good lines as their JSON, bad ones as `number: reason`.
    fn read(bytes: &[u8], format: Option<Format>) -> Result<Vec<String>, String> {
        let mut intake = Intake::start(bytes, format).map_err(|bad| bad.to_string())?;
        let mut shown = Vec::new();
        while let Some(item) = intake.next_item().map_err(|bad| bad.to_string())? {
            shown.push(match item {
                Ok(wanted) => wanted.to_json(),
                Err(bad) => format!("{}: {}", bad.line, bad.reason),
            });
        }
        Ok(shown)
    }

    fn check(text: &str, expected: &[&str]) {
        let shown = read(text.as_bytes(), None).unwrap();
        assert_eq!(shown.len(), expected.len(), "{text:?}: {shown:?}");
        for (shown, expected) in shown.iter().zip(expected) {
            assert!(shown.contains(expected), "{text:?}: {shown} lacks {expected}");
        }
    }

    fn refused(bytes: &[u8], part: &str) {
        let reason = read(bytes, None).unwrap_err();
        assert!(reason.contains(part), "{reason} lacks {part}");
    }

    #[test]
    fn csv_is_read_with_any_delimiter_line_end_quotes_and_byte_order_mark() {
        let plain = r#"{"line":2,"id":"S01","amount":"14.00","currency":"EUR"}"#;
        check("id,amount,currency\nS01,14.00,EUR\n", &[plain]);
        check("\u{feff}id,amount,currency\r\nS01,14.00,EUR\r\n", &[plain]);
        check("id;amount;currency\nS01;14;eur", &[plain]);
        check("ID\tAmount\tCurrency Code\nS01\t14.0\tEUR\n", &[plain]);
        check("\"id\",\"amount\",\"currency\"\n\"S01\",\"14.00\",\"EUR\"\n", &[plain]);
        check("id\nS01\n\n\nS02\n", &["\"line\":2", "\"line\":5,\"id\":\"S02\""]);
        check(
            "charge_id,order\nS01,\"a, \"\"b\"\"\"\n",
            &[r#""kind":"charge","id":"S01","reference":"a, \"b\"""#],
        );
        check("AmazonCaptureId,kind\nS01,\nS02,refund\n", &["\"kind\":\"capture\"", "\"kind\":\"refund\""]);
        check("", &[]);
        check("\n\n", &[]);
        check("id\n", &[]);
    }

    #[test]
    fn a_quoted_cell_may_hold_line_breaks_and_an_open_quote_spoils_one_line_only() {
        check(
            "id,note\nS01,\"two\nlines\"\nS02,x\n",
            &["\"line\":2,\"id\":\"S01\"", "\"line\":4,\"id\":\"S02\""],
        );
        check("id,note\nS01,\"open\nS02,x\nS03,y\n", &["2: a quote is opened", "S02", "S03"]);
        check("id,note\nS01,\"a\"b\nS02,x\n", &["2: text after a closing quote", "S02"]);
    }

    #[test]
    fn bad_lines_are_told_with_number_and_reason_and_good_ones_are_taken() {
        check(
            "id,amount,currency,created_at,x\nS01,1.234,EUR,,\nS 2,,,,\nS03,,EUR,,\nS04,1,,,\nS05,1,EUR,gestern,\nS06\nS07,,,,,,\n,1,EUR,,\n",
            &[
                "2: amount 1.234 has more decimals",
                "3: object id \"S 2\" has a character",
                "\"line\":4,\"id\":\"S03\"}",
                "5: amount without currency",
                "6: created_at \"gestern\" is not a moment",
                "7: 1 cells where the header has 5",
                "8: 7 cells where the header has 5",
                "9: no id",
            ],
        );
    }

    #[test]
    fn json_lines_are_recognised_and_counted_by_the_file() {
        check(
            "\u{feff}{\"id\":\"S01\",\"line\":99}\r\n\n[1]\n{\"chargeId\":\"S02\"}",
            &["\"line\":1,\"id\":\"S01\"", "3: not a JSON object", "\"line\":4,\"kind\":\"charge\""],
        );
        let shown = read(b"id\nS01\n", Some(Format::Jsonl)).unwrap();
        assert!(shown[0].starts_with("1: not JSON"), "{shown:?}");
    }

    #[test]
    fn files_that_make_no_sense_are_refused_with_the_reason() {
        refused(b"amount,currency\n1,EUR\n", "no column names the objects");
        refused(b"charge_id,refund_id\na,b\n", "charge_id and refund_id");
        refused(b"id,reference,order_id\n", "reference and order_id");
        refused(b"\xFF\xFEi\0d\0", "UTF-16");
        refused(b"\"id\n", "a quote is opened");
        refused(b"id,\xFF\n", "not UTF-8");
        check("id,charge_permission_id\nS01,P01\n", &["\"id\":\"S01\"}"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_in_bounded_memory() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        check(&format!("id,note\nS01,{long}\nS02,y\n"), &["2: the line is longer", "S02"]);
        check(&format!("{{\"id\":\"{long}\"}}\n{{\"id\":\"S02\"}}\n"), &["1: the line is longer", "S02"]);
        let many = "y\n".repeat(LINE_BYTES_MAX);
        let shown = read(format!("id,note\nS01,\"{many}").as_bytes(), None).unwrap();
        assert!(shown[0].starts_with("2: a quote is opened"), "{}", shown[0]);
        assert_eq!(shown.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn what_was_rejected_is_kept_as_it_stood() {
        let mut intake = Intake::start(&b"id\nS 1\r\n"[..], None).unwrap();
        let bad = intake.next_item().unwrap().unwrap().unwrap_err();
        assert_eq!((bad.line, bad.text.as_str()), (2, "S 1"));
        let intake = Intake::start(&b"id,Colour,amount\n"[..], None).unwrap();
        assert_eq!(intake.ignored_columns(), ["Colour"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes, None);
            let _ = read(&bytes, Some(Format::Jsonl));
            let _ = read(&[b"id,amount,currency\n".as_slice(), &bytes].concat(), Some(Format::Csv));
        }

        #[test]
        fn cells_written_by_another_program_are_read_back(
            notes in proptest::collection::vec("[ -~\n\"]{0,12}", 1..8), which in 0usize..3
        ) {
            let delimiter = b",;\t"[which];
            let mut writer = csv::WriterBuilder::new()
                .delimiter(delimiter)
                .terminator(csv::Terminator::CRLF)
                .from_writer(Vec::new());
            writer.write_record(["id", "note", "kind"]).unwrap();
            for (number, note) in notes.iter().enumerate() {
                writer.write_record([format!("S{number}").as_str(), note, "charge"]).unwrap();
            }
            let shown = read(&writer.into_inner().unwrap(), Some(Format::Csv)).unwrap();
            prop_assert_eq!(shown.len(), notes.len());
            for (number, shown) in shown.iter().enumerate() {
                let expected = format!("\"kind\":\"charge\",\"id\":\"S{number}\"}}");
                prop_assert!(shown.ends_with(&expected), "{}", shown);
            }
        }
    }
}
