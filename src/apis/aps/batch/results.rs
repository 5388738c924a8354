//! The result rows (docs/src/reference/aps.md, section 3.4).
//!
//! Owns: reading the result text by its column names. Must never know: which file the rows belong to.
//! The card's number and expiry date are never read.

use super::lines::LineCounter;
use crate::apis::aps::code::Code;

/// One row of the provider's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRow {
    /// Its line in the uploaded file; the header is line 1.
    pub line: u64,
    /// Its outcome.
    pub code: Code,
    /// The order.
    pub merchant_reference: Option<String>,
    /// The provider's id of the order.
    pub fort_id: Option<String>,
    /// In the currency's smallest unit.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
}

/// The rows that could be read, and the lines that could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// In the order received, which is not the order of the file.
    pub rows: Vec<ResultRow>,
    /// Lines of the text that could not be read (the header is 1).
    pub unreadable: Vec<u64>,
}

/// Whether some text looks like results rather than anything else.
pub fn is_result_text(text: &str) -> bool {
    text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n', '"', '\u{201c}', '\u{201d}'])
        .starts_with("Line_Number")
}

/// Reads the text. Columns are found by name and unknown ones are ignored. Typographic quotes, which appear in the
/// documentation, count as plain ones.
///
/// # Errors
/// When the header lacks `Line_Number` or `response_code`.
pub fn read(text: &str) -> Result<Results, String> {
    let text = text.trim_start_matches('\u{feff}').replace(['\u{201c}', '\u{201d}'], "\"");
    let text = text.trim_start();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(true)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut counter = LineCounter::new(text);
    let header = reader.headers().map_err(|_| "the result text has no header".to_owned())?.clone();
    let place = |name: &str| header.iter().position(|word| word.eq_ignore_ascii_case(name));
    let line_place = place("Line_Number").ok_or("the result text has no column Line_Number")?;
    let code_place = place("response_code").ok_or("the result text has no column response_code")?;
    let others = ["merchant_reference", "fort_id", "amount", "currency"].map(place);
    let mut results = Results::default();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                results.unreadable.push(counter.line_of(error.position().map(csv::Position::byte)));
                continue;
            }
        };
        let cell = |place: Option<usize>| {
            place.and_then(|place| record.get(place)).filter(|cell| !cell.is_empty()).map(str::to_owned)
        };
        let line = record.get(line_place).and_then(|cell| cell.parse().ok());
        let code = record.get(code_place).and_then(|cell| Code::new(cell).ok());
        match (line, code) {
            (Some(line), Some(code)) => results.rows.push(ResultRow {
                line,
                code,
                merchant_reference: cell(others[0]),
                fort_id: cell(others[1]),
                amount: cell(others[2]),
                currency: cell(others[3]),
            }),
            _ => results.unreadable.push(counter.line_of(record.position().map(csv::Position::byte))),
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::sha256;
    use proptest::prelude::*;

    const SAMPLE: &str = "Line_Number,response_code,response_message,status,eci,fort_id,merchant_reference,amount,card_number,expiry_date,currency\n\
        \"5\",\"14000\",\"Success\",\"14\",\"RECURRING\",\"151792390600095202\",\"newww33\",\"10003\",\"400555******0001\",\"2105\",\"USD\"\n\
        \"2\",\"14000\",\"Success\",\"14\",\"RECURRING\",\"151792390600095206\",\"newww30\",\"10000\",\"400555******0001\",\"2105\",\"USD\"\n";

    #[test]
    fn the_golden_sample_is_read_without_the_card() {
        assert_eq!(
            sha256(SAMPLE.as_bytes()),
            "c199a2638340dae1e58c29187cd72b05b91f2509302c76e046c3669069fc67b0"
        );
        assert!(is_result_text(SAMPLE));
        let results = read(SAMPLE).unwrap();
        assert!(results.unreadable.is_empty());
        let lines: Vec<u64> = results.rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [5, 2]);
        assert_eq!(results.rows[0].fort_id.as_deref(), Some("151792390600095202"));
        assert!(!format!("{results:?}").contains("0001\""));
    }

    #[test]
    fn typographic_quotes_unknown_columns_and_bad_rows_do_no_harm() {
        let text = "\u{feff}Line_Number,new,response_code\r\n“2”,x,“14000”\r\nbad,x,14000\r\n3,x,140\r\n4,x,13666\r\n";
        assert!(is_result_text(text));
        let results = read(text).unwrap();
        assert_eq!(results.rows.len(), 2);
        assert_eq!(results.unreadable, [3, 4]);
        assert_eq!((results.rows[1].line, results.rows[1].code.as_str()), (4, "13666"));
        assert!(read("response_code\n14000\n").is_err() && read("").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", lines in "(Line_Number,response_code\n)?") {
            let _ = read(&format!("{lines}{text}"));
        }
    }
}
