//! Line numbers as a person counts them in an editor.
//!
//! Owns: counting. Must never know: what the lines mean. The CSV reader's own count falls behind at line ends
//! of two characters and at empty lines.

/// Counts the lines of a text up to positions that only move forward.
pub(super) struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    pub(super) fn new(text: &'a str) -> LineCounter<'a> {
        LineCounter { bytes: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of the record that starts at this byte according to the CSV reader. Line ends at this position are
    /// skipped.
    pub(super) fn line_of(&mut self, byte: Option<u64>) -> u64 {
        let start = byte.and_then(|byte| usize::try_from(byte).ok()).unwrap_or(self.at);
        while let Some(letter) = self.bytes.get(self.at) {
            let is_line_end = matches!(letter, b'\n' | b'\r');
            if self.at >= start && !is_line_end {
                break;
            }
            self.at += 1;
            let is_first_of_two = *letter == b'\r' && self.bytes.get(self.at) == Some(&b'\n');
            self.line += u64::from(is_line_end && !is_first_of_two);
        }
        self.line
    }
}
