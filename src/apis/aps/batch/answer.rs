//! What the provider's answers to the three batch requests mean (docs/src/reference/aps.md, sections 2.3 and 2.4).
//!
//! Owns: telling JSON from result text, the meaning of a code by its last three digits. Must never know: which step
//! a batch is at.

use serde_json::Value;

use super::results::{self, Results};
use crate::apis::aps::code::{Blame, Code};
use crate::apis::aps::config::{Settings, Unsigned};
use crate::apis::aps::wire::{code, open, text_of};

/// The most bytes of an answer: the results of the longest file.
pub const LONGEST_BODY_BYTES: usize = 128 * 1024 * 1024;

/// What an answer says, whatever the request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// `50000`: the file is stored, validation starts.
    Stored,
    /// `70000`: the request was answered. The code does not say whether it is about validation or processing.
    Answered,
    /// `76…`: validation succeeded.
    Valid,
    /// `…138`: validation is still running.
    Validating,
    /// `…136`, `77…`: rows did not pass validation.
    InvalidRows,
    /// `…142`, `…144`: the file itself did not pass.
    InvalidFile,
    /// `…137`: an execution date is not valid.
    Rejected,
    /// `…147`, `…148`, `72000`: it will be processed.
    Accepted,
    /// `…140`: processing is still running.
    Processing,
    /// `…141`: there is no such batch.
    Unknown,
    /// `…146`: such a batch already exists.
    Duplicate,
    /// The request was refused and had no effect.
    Refused,
    /// The account or its credentials were refused. The request had no effect, and any other would be refused too.
    AccountRefused,
    /// A problem at the provider, or a code that no table lists: nothing is known.
    Unclear,
    /// Result text: processing has started.
    Rows,
}

impl Said {
    /// Whether the provider gives this answer only when it accepts the account's credentials.
    pub fn is_acceptance(self) -> bool {
        !matches!(self, Said::Refused | Said::AccountRefused | Said::Unclear)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub said: Said,
    /// Its code; result text has none.
    pub code: Option<Code>,
    /// The provider's id of the batch.
    pub batch_id: Option<String>,
    /// How many rows the provider counted.
    pub row_count: Option<u64>,
    /// The received rows.
    pub results: Results,
}

/// What a code means (section 2.4): the last three digits decide. The status decides only with `000` and with
/// messages that the table does not list.
pub fn said(code: &Code) -> Said {
    match code.message() {
        "138" => Said::Validating,
        "136" => Said::InvalidRows,
        "142" | "144" => Said::InvalidFile,
        "137" => Said::Rejected,
        "147" | "148" => Said::Accepted,
        "140" => Said::Processing,
        "141" => Said::Unknown,
        "146" => Said::Duplicate,
        "000" => match code.status() {
            "50" => Said::Stored,
            "70" => Said::Answered,
            "72" => Said::Accepted,
            "76" => Said::Valid,
            "77" => Said::InvalidRows,
            _ => Said::Unclear,
        },
        // Signature, merchant identifier, access code, inactive merchant.
        "008" | "009" | "010" | "015" => Said::AccountRefused,
        _ => match (code.blame(), code.status()) {
            (Blame::Account | Blame::Caller, _) => Said::Refused,
            (Blame::Provider, _) => Said::Unclear,
            (Blame::Nobody, "77") => Said::InvalidRows,
            (Blame::Nobody, _) => Said::Unclear,
        },
    }
}

/// Reads an answer with status 2xx: JSON or result text, distinguished by how it starts (section 3.4). Result text
/// inside a JSON member is found too. Signatures are verified if present.
///
/// # Errors
/// What is wrong with it, without its text. An answer about another batch is an error too.
pub fn read(settings: &Settings, reference: &str, body: &[u8]) -> Result<Answer, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    if results::is_result_text(text) {
        return Ok(of_rows(results::read(text)?, None, None, None));
    }
    let opened = open(body, &settings.response_signer, settings)?;
    if settings.unsigned == Unsigned::Refuse && !opened.is_signed {
        return Err("it has no signature, but this account's answers are signed".to_owned());
    }
    let fields = opened.fields;
    if text_of(&fields, "batch_reference").is_some_and(|theirs| theirs != reference) {
        return Err("it is about another batch than the requested one".to_owned());
    }
    let code = code(&fields, "response_code")?;
    let batch_id = text_of(&fields, "batch_id")
        .filter(|id| id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit()));
    let row_count = text_of(&fields, "transactions_count").and_then(|count| count.parse().ok());
    let inner = fields.values().filter_map(Value::as_str).find(|text| results::is_result_text(text));
    if let Some(text) = inner {
        return Ok(of_rows(results::read(text)?, Some(code), batch_id, row_count));
    }
    Ok(Answer { said: said(&code), code: Some(code), batch_id, row_count, results: Results::default() })
}

fn of_rows(results: Results, code: Option<Code>, batch_id: Option<String>, row_count: Option<u64>) -> Answer {
    Answer { said: Said::Rows, code, batch_id, row_count, results }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apis::aps::sign::Parameters;
    use crate::apis::aps::tests::settings;
    use crate::apis::aps::wire::json_body;
    use proptest::prelude::*;

    fn fields(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn codes_speak_by_their_last_digits() {
        let check = |codes: &[&str], expected: Said| {
            for code in codes {
                assert_eq!(said(&Code::new(code).unwrap()), expected, "{code}");
            }
        };
        check(&["50000"], Said::Stored);
        check(&["70000"], Said::Answered);
        check(&["76000"], Said::Valid);
        check(&["71138", "73138", "70138"], Said::Validating);
        check(&["77136", "71136", "51136", "77000", "77999"], Said::InvalidRows);
        check(&["77142", "51142", "71144"], Said::InvalidFile);
        check(&["71137"], Said::Rejected);
        check(&["72147", "72148", "72000", "73147"], Said::Accepted);
        check(&["71140", "70140", "73140"], Said::Processing);
        check(&["71141", "73141"], Said::Unknown);
        check(&["51146"], Said::Duplicate);
        check(&["00001", "00002", "00032", "00073", "51110"], Said::Refused);
        check(&["51008", "71010", "00015"], Said::AccountRefused);
        check(&["51006", "71051", "73054", "51000", "99999", "76999", "50999"], Said::Unclear);
    }

    #[test]
    fn answers_come_signed_or_unsigned() {
        let settings = settings();
        let plain =
            fields(&[("batch_reference", "batch180"), ("response_code", "50000"), ("batch_id", "15")]);
        let signed = settings.response_signer.signed(plain.clone());
        for parameters in [&plain, &signed] {
            let answer = read(&settings, "batch180", &json_body(parameters)).unwrap();
            assert_eq!((answer.said, answer.batch_id.as_deref()), (Said::Stored, Some("15")));
        }
        let mut forged = signed;
        forged.insert("response_code".to_owned(), "72147".to_owned());
        assert!(read(&settings, "batch180", &json_body(&forged)).unwrap_err().contains("signature"));
        assert!(read(&settings, "batch181", &json_body(&plain)).unwrap_err().contains("another batch"));
    }

    #[test]
    fn rows_are_found_in_the_body_or_in_a_member_of_it() {
        let text = "Line_Number,response_code\n\"2\",\"14000\"\n";
        let plain = read(&settings(), "batch180", format!("\n{text}").as_bytes()).unwrap();
        let member = fields(&[("response_code", "70000"), ("transactions_count", "1"), ("results", text)]);
        let inside = read(&settings(), "batch180", &json_body(&member)).unwrap();
        assert_eq!((plain.said, inside.said), (Said::Rows, Said::Rows));
        assert_eq!(plain.results, inside.results);
        assert_eq!(inside.row_count, Some(1));
        for bad in ["", "<html>", "{}", "{\"response_code\":\"x\"}", "a,b\n1,2\n"] {
            assert!(read(&settings(), "batch180", bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&settings(), "batch180", &bytes);
        }
    }
}
