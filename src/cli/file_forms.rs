//! How the command line names the forms of files.
//!
//! Owns: these words and their help. Must never know: how a file is read.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::intake::{Decimal, Format};

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Format] {
        &[Format::Csv, Format::Jsonl]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Format::Csv => PossibleValue::new("csv")
                .help("With a header line; the delimiter is a comma, semicolon or tab"),
            Format::Jsonl => PossibleValue::new("jsonl").help("One JSON object per line"),
        })
    }
}

impl ValueEnum for Decimal {
    fn value_variants<'a>() -> &'a [Decimal] {
        &[Decimal::Point, Decimal::Comma]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Decimal::Point => PossibleValue::new(".").help("1,234.56"),
            Decimal::Comma => PossibleValue::new(",").help("1.234,56"),
        })
    }
}
