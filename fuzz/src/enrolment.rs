//! Files of objects to enrol.

use reconciled::control::enrolment_request::from_json;
use reconciled::intake::{Format, Intake, Reading};

use super::promises::{choice, is_shown, lines};

/// Words of files.
pub const WORDS: &[&str] = &[
    "id",
    "charge_id",
    "AmazonCaptureId",
    "account",
    "kind",
    "amount",
    "currency",
    "reference",
    "created_at",
    ",",
    ";",
    "\t",
    "\"",
    "\"\"",
    "\r\n",
    "\n",
    "\u{feff}",
    "{\"id\":\"",
    "\"}",
    "14.00",
    "EUR",
    "JPY",
    "-1",
    "1e3",
    "null",
    "2026-01-31T14:30:00Z",
    "\\u0007",
    "\\ud83d",
    "charge-permission",
    "\"line\":",
];

/// The first byte chooses the format, or none; every line is read as meant, or refused with its number.
pub fn file(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 6) else { return };
    let format = [None, Some(Format::Csv), Some(Format::Jsonl)][which % 3];
    let reading = Reading { ignore_columns: which >= 3, ..Reading::default() };
    let mut intake = match Intake::start(bytes, format, reading) {
        Ok(intake) => intake,
        Err(refused) => return is_shown(&refused.to_string()),
    };
    let mut last = 0;
    while let Some(item) = intake.next_item().expect("memory can be read") {
        let line = match &item {
            Ok(enrolment_request) => {
                let text = enrolment_request.to_json();
                assert_eq!(from_json(text.as_bytes(), 1).as_ref(), Ok(enrolment_request), "{text}");
                enrolment_request.line
            }
            Err(bad) => {
                is_shown(&bad.reason);
                assert!(bad.text.len() <= 3 * 4_096, "too much of a bad line is kept");
                bad.line
            }
        };
        assert!(line > last && line <= lines(bytes), "line {line} after {last} of {}", lines(bytes));
        last = line;
    }
    assert!(intake.bytes_read() <= u64::try_from(bytes.len()).expect("inputs are small"));
}
