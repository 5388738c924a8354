//! Reads files of past objects: `delimited` splits the rows, `backtest` interprets them.
//!
//! Owns: which line was bad and why. Must never know: policies.

use std::io::BufRead;

use crate::backtest::{Columns, Past, past_of_json};
use crate::delimited::{self, Form, Text, too_long};
use crate::intake::{BadFile, BadLine, Format, bad};

/// The content of a file: the objects of its good lines, and the bad lines.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) pasts: Vec<Past>,
    pub(super) bad: Vec<BadLine>,
}

/// Reads a whole file. Without a format, a first line that starts with `{` means JSON Lines.
///
/// # Errors
/// When the file cannot be read, or its header is invalid.
pub(super) fn read(source: impl BufRead, format: Option<Format>) -> Result<Told, BadFile> {
    let mut told = Told::default();
    match delimited::open(source, format.map(Form::from))? {
        Text::Empty => {}
        Text::JsonLines(mut lines) => {
            while let Some(line) = lines.next()? {
                if line.is_blank() {
                    continue;
                }
                let past = if line.is_cut { Err(too_long()) } else { past_of_json(line.bytes.trim_ascii()) };
                told.take(line.number, &line.bytes, past);
            }
        }
        Text::Csv(mut csv) => {
            let columns = Columns::of(csv.header())
                .map_err(|reason| BadFile::Senseless { line: csv.header_line(), reason })?;
            while let Some(record) = csv.next()? {
                let past = record.cells.and_then(|cells| columns.past(&cells));
                told.take(record.line, &record.text, past);
            }
        }
    }
    Ok(told)
}

impl Told {
    fn take(&mut self, line: u64, text: &[u8], past: Result<Past, String>) {
        match past {
            Ok(past) => self.pasts.push(past),
            Err(reason) => self.bad.push(bad(line, reason, text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "id,kind,account,created_at,final_at,final_state,reference";

    fn told(text: &str) -> (Vec<String>, Vec<String>) {
        let told = read(text.as_bytes(), None).unwrap();
        let pasts = told.pasts.iter().map(|past| past.object.to_string()).collect();
        (pasts, told.bad.iter().map(|bad| format!("{}: {}", bad.line, bad.reason)).collect())
    }

    #[test]
    fn good_lines_are_taken_and_bad_ones_named() {
        let at = "2026-01-31T10:00:00Z";
        let (pasts, bad) = told(&format!("{HEADER}\nS1,charge,de,{at},,,\n\nS2,charge,de,soon,,,\nS3\n"));
        assert_eq!(pasts, ["de/charge/S1"]);
        assert_eq!(bad.len(), 2);
        assert!(bad[0].starts_with("4: created_at \"soon\"") && bad[1].starts_with("5: no kind"), "{bad:?}");
        let json = format!("{{\"id\":\"S1\",\"kind\":\"refund\",\"created_at\":\"{at}\"}}\n[]\n");
        let (pasts, bad) = told(&json);
        assert_eq!((pasts.len(), bad.len()), (1, 1));
        assert!(bad[0].starts_with("2: not a JSON object"), "{bad:?}");
        assert_eq!(told("").0.len() + told("\n\n").0.len(), 0);
        for (senseless, part) in [("a,b\n", "no column id"), ("\"id\n", "the header")] {
            let reason = read(senseless.as_bytes(), None).unwrap_err().to_string();
            assert!(reason.starts_with("line 1: ") && reason.contains(part), "{reason}");
        }
        assert!(read(&b"\xFF\xFEi\0"[..], None).unwrap_err().to_string().contains("UTF-16"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(bytes.as_slice(), None);
            let _ = read(bytes.as_slice(), Some(Format::Jsonl));
            let _ = read([HEADER.as_bytes(), b"\n", &bytes].concat().as_slice(), Some(Format::Csv));
        }

        #[test]
        fn what_is_written_is_read_back(
            lines in prop::collection::vec(("[A-Z0-9-]{1,20}", 0i64..2_000_000_000, prop::option::of(0i64..1_000_000), "[ -~]{0,20}"), 1..20),
            which in 0usize..3,
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(b",;\t"[which]).from_writer(Vec::new());
            writer.write_record(HEADER.split(',')).unwrap();
            let at = |second| jiff::Timestamp::from_second(second).unwrap();
            for (id, made, took, reference) in &lines {
                let ended = took.map(|took| at(made + took).to_string()).unwrap_or_default();
                let state = if took.is_some() { "Declined" } else { "" };
                writer.write_record([id, "charge", "de", &at(*made).to_string(), &ended, state, reference]).unwrap();
            }
            let told = read(writer.into_inner().unwrap().as_slice(), Some(Format::Csv)).unwrap();
            prop_assert_eq!(told.bad, vec![]);
            prop_assert_eq!(told.pasts.len(), lines.len());
            for (past, (id, made, took, reference)) in told.pasts.iter().zip(&lines) {
                prop_assert_eq!(past.object.id.as_str(), id);
                prop_assert_eq!((past.created_at, past.final_at), (at(*made), took.map(|took| at(made + took))));
                prop_assert_eq!(past.is_declined, took.is_some());
                let reference = Some(reference.trim()).filter(|text| !text.is_empty());
                prop_assert_eq!(past.reference.as_deref(), reference);
            }
        }
    }
}
