//! Answers of Amazon Payment Services, results and input of its batches.

use std::time::Duration;

use reconciled::apis::aps::batch::file::{AmountForm, plan};
use reconciled::apis::aps::batch::input::read as read_input;
use reconciled::apis::aps::batch::row::{Row, Usual};
use reconciled::apis::aps::batch::{Rules, answer as batch_answers, results};
use reconciled::apis::aps::config::{Addresses, DEFAULT_QUOTA, Settings};
use reconciled::apis::aps::sign::{Algorithm, Signer};
use reconciled::apis::aps::wire::read;
use reconciled::apis::config::Environment;
use reconciled::payments::object::ObjectId;
use reconciled::secret::Secret;

use super::promises::{amounts_stand_in, choice, is_failure, is_shown, is_sight, lines, numbers};

/// Words of the API and its files.
pub const WORDS: &[&str] = &[
    "\"response_code\":",
    "\"transaction_code\":",
    "\"currency\":",
    "\"AED\"",
    "\"authorized_amount\":",
    "\"signature\":",
    "12000",
    "13666",
    "14000",
    "036",
    "Line_Number",
    "command",
    "merchant_reference",
    "PURCHASE",
    "CAPTURE",
    "REFUND",
    "VOID_AUTHORIZATION",
    "maintenance_reference",
    "amount",
    "customer_email",
    "a@b.com",
    "token_name",
    ",",
    "\"",
    "\r\n",
    "\u{201c}",
    "\u{feff}",
    "null",
    "999999999999999999",
    "1e5",
    "\\u0031",
];

fn settings() -> Settings {
    let signer = |phrase: &str| Signer::new(Algorithm::Sha256, Secret::new(phrase.to_owned()));
    Settings {
        environment: Environment::Sandbox,
        access_code: "zx0IPmPy5jp1vAz8Kpg7".to_owned(),
        merchant_identifier: "CycHZxVj".to_owned(),
        request_signer: signer("PASS"),
        response_signer: signer("RESP"),
        unsigned: Default::default(),
        language: "en",
        currency: "AED".parse().ok(),
        addresses: Addresses::below("https://sbpaymentservices.payfort.com"),
        quota: DEFAULT_QUOTA,
        deadline: Duration::from_secs(7),
        is_writing_allowed: true,
        batch: Rules::default(),
    }
}

/// The answer about one order.
pub fn answer(data: &[u8]) {
    let asked = ObjectId::new("XYZ9239-yu898").expect("an id");
    match read(&settings(), &asked, data, false) {
        Ok(seen) => {
            assert_eq!(seen.id, asked.as_str(), "the answer is about another order");
            is_sight(&seen);
            if !data.contains(&b'\\') {
                amounts_stand_in(&seen, &numbers(data), true);
            }
            let is_claimed = data.windows(11).any(|part| part == b"\"signature\"");
            let seal = seen.evidence.get("signature").map(String::as_str);
            assert!(!is_claimed || data.contains(&b'\\') || seal == Some("verified") || nested(data));
        }
        Err(failure) => is_failure(&failure),
    }
}

/// Whether the word signature may be in a value or an inner object instead of being a field.
fn nested(data: &[u8]) -> bool {
    let fields: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_slice(data);
    !fields.is_ok_and(|fields| fields.contains_key("signature"))
}

/// An answer about a batch, as JSON or as result text.
pub fn batch_answer(data: &[u8]) {
    match batch_answers::read(&settings(), "rcd-0123456789abcdef", data) {
        Ok(answer) => {
            for row in &answer.results.rows {
                let code = row.code.as_str();
                assert!(code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_digit()), "code {code:?}");
            }
        }
        Err(problem) => is_shown(&problem),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(read) = results::read(text) {
        let read_lines = u64::try_from(read.rows.len() + read.unreadable.len()).expect("inputs are small");
        assert!(read_lines < lines(data), "more rows than lines after the header");
        assert!(read.unreadable.iter().all(|line| (1..=lines(data)).contains(line)), "{:?}", read.unreadable);
    }
}

/// An operator's rows: every problem has a line; accepted rows are in the files unchanged.
pub fn batch_input(data: &[u8]) {
    let Some((which, bytes)) = choice(data, 2) else { return };
    let minor = Usual { language: "en", amounts: AmountForm::Minor };
    let decimal = Usual { language: "en", amounts: AmountForm::Decimal };
    match read_input(bytes, if which == 0 { minor } else { decimal }) {
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            for problem in &problems {
                assert!((1..=lines(bytes)).contains(&problem.line), "{problem} of {} lines", lines(bytes));
                is_shown(&problem.what);
            }
        }
        Ok(rows) => {
            let count = rows.len();
            let files = plan(rows, &Rules::default(), "label");
            assert_eq!(files.iter().map(|file| file.rows.len()).sum::<usize>(), count, "rows were lost");
            for file in &files {
                let again = read_input(&file.bytes, minor).expect("a file that was written can be read");
                let same = |rows: &[_]| rows.iter().map(row_of).collect::<Vec<&Row>>() == written(file);
                assert!(same(&again), "a file differs from its rows");
            }
        }
    }
}

fn row_of(row: &reconciled::apis::aps::batch::input::InputRow) -> &Row {
    &row.row
}

fn written(file: &reconciled::apis::aps::batch::file::BatchFile) -> Vec<&Row> {
    file.rows.iter().map(row_of).collect()
}
