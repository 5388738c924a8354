//! The file of rejected lines: the file and line of each, why, and the line itself.
//!
//! Owns: its columns, and that no spreadsheet runs a cell as a formula. Must never know: where the file is.

use std::io::{self, Write};

use super::BadLine;
use crate::text;

/// A file of rejected lines that is being written.
pub struct RejectsFile<Sink: Write> {
    writer: csv::Writer<Sink>,
}

impl<Sink: Write> RejectsFile<Sink> {
    /// Begins it with the header line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(sink: Sink) -> io::Result<RejectsFile<Sink>> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(sink);
        writer.write_record(["file", "line", "reason", "text"])?;
        Ok(RejectsFile { writer })
    }

    /// Adds a line of a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, file: &str, bad: &BadLine) -> io::Result<()> {
        self.row(file, &bad.line.to_string(), &bad.reason, &bad.text)
    }

    /// Adds a remark about a file as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remark(&mut self, file: &str, remark: &str) -> io::Result<()> {
        self.row(file, "", remark, "")
    }

    /// Ends it. Returns what it was written to.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn end(self) -> io::Result<Sink> {
        self.writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }

    fn row(&mut self, file: &str, line: &str, reason: &str, line_text: &str) -> io::Result<()> {
        let cells = [file, line, reason, line_text].map(text::cell);
        self.writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let mut file = RejectsFile::begin(Vec::new()).unwrap();
        let bad = BadLine { line: 2, reason: "no id".to_owned(), text: "=HYPERLINK(\"x\"),1".to_owned() };
        file.add("-a.csv", &bad).unwrap();
        file.remark("b.csv", "3 more").unwrap();
        let written = String::from_utf8(file.end().unwrap()).unwrap();
        let expected =
            "file,line,reason,text\r\n'-a.csv,2,no id,\"'=HYPERLINK(\"\"x\"\"),1\"\r\nb.csv,,3 more,\r\n";
        assert_eq!(written, expected);
    }
}
