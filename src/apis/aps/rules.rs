//! An account's settings for writing and following its batches.
//!
//! Owns: the settings, and the default waits and deadlines. Must never know: how they are applied.

use std::time::Duration;

use super::column::ColumnMap;

/// An account's settings for writing and following its batches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The column names in the header.
    pub columns: ColumnMap,
    /// How amounts are written in the input.
    pub amounts: AmountForm,
    /// The most rows of one file, if there is a limit (the provider names none; section 2.2).
    pub longest_file_rows: Option<usize>,
    /// Whether the signature covers the file's bytes (section 4.1: not known, provisionally no).
    pub is_file_signed: bool,
    /// Waits and deadlines.
    pub patience: Patience,
}

/// How amounts are written in the input. In the file, they are always whole numbers of the smallest unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AmountForm {
    /// `10050` is 100.50 USD, as in the file.
    #[default]
    Minor,
    /// `100.50` is 100.50 USD.
    Decimal,
}

/// Waits and deadlines. The provider names none (section 2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// The wait until the first poll; each further wait is twice as long.
    pub first_poll: Duration,
    /// The longest wait between polls.
    pub longest_look: Duration,
    /// The deadline for validation, and then again for the results.
    pub deadline: Duration,
    /// Whether a file is processed although rows did not pass validation.
    pub is_processed_with_row_errors: bool,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first_poll: Duration::from_secs(15),
            longest_look: Duration::from_secs(300),
            deadline: Duration::from_secs(24 * 3600),
            is_processed_with_row_errors: false,
        }
    }
}
