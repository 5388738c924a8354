//! Rows of delimiter-separated text, each with the line where it begins: the provider's reports.
//!
//! Owns: line endings, blank lines, counting lines. Must never know: columns.
//!
//! The underlying reader counts from where it stopped. After a carriage return or before blank lines, that is not where
//! the next row begins. So rows end only at line feeds, and lines are counted backwards from there. A final line feed
//! is added, so that only a row whose quote is never closed can end with the input.

use std::io::{self, Chain, Read};

/// The line where a row begins, from 1, and its cells.
pub(in crate::apis::amazon_pay_mws) type Row<'a> = (u64, Vec<&'a [u8]>);

/// Reads row by row.
pub(in crate::apis::amazon_pay_mws) struct Rows<R: Read> {
    reader: csv::Reader<Ending<Chain<R, &'static [u8]>>>,
    record: csv::ByteRecord,
}

/// Notes that the input has ended.
struct Ending<R> {
    input: R,
    has_ended: bool,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.has_ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl<R: Read> Rows<R> {
    /// Reads from the beginning of a file whose cells are separated by this byte.
    pub(in crate::apis::amazon_pay_mws) fn separated(input: R, by: u8) -> Rows<R> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(by).terminator(csv::Terminator::Any(b'\n'));
        let reader = builder.from_reader(Ending { input: input.chain(&b"\n"[..]), has_ended: false });
        Rows { reader, record: csv::ByteRecord::new() }
    }

    /// The next row that is not blank, with its line number from 1; none at the end.
    ///
    /// # Errors
    /// The line from which the input cannot be read, or the line of a row whose quote is never closed.
    pub(in crate::apis::amazon_pay_mws) fn next(&mut self) -> Result<Option<Row<'_>>, u64> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(_) => return Err(self.reader.position().line()),
            }
            let is_blank = self.record.len() == 1 && matches!(&self.record[0], b"" | b"\r");
            if !is_blank {
                break;
            }
        }
        let inside: usize =
            self.record.iter().map(|cell| cell.iter().filter(|byte| **byte == b'\n').count()).sum();
        let inside = u64::try_from(inside).unwrap_or(u64::MAX);
        if self.reader.get_ref().has_ended {
            return Err(self.reader.position().line().saturating_sub(inside));
        }
        let line = self.reader.position().line().saturating_sub(1).saturating_sub(inside);
        let mut cells: Vec<&[u8]> = self.record.iter().collect();
        if let Some(last) = cells.last_mut() {
            *last = last.strip_suffix(b"\r").unwrap_or(last);
        }
        Ok(Some((line, cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut rows = Rows::separated(text.as_bytes(), b',');
        let mut found = Vec::new();
        while let Some((line, cells)) = rows.next().unwrap() {
            let cells = cells.into_iter().map(|cell| String::from_utf8(cell.to_vec()).unwrap());
            found.push((line, cells.collect()));
        }
        found
    }

    #[test]
    fn lines_are_counted_with_both_ends_blank_lines_and_texts_of_several_lines() {
        for (text, expected) in [
            ("a,b\nc\n\"d\n\ne\",f\ng", [1, 2, 3, 6]),
            ("a,b\r\nc\r\n\"d\r\n\r\ne\",\"f\"\r\ng\r\n", [1, 2, 3, 6]),
            ("\n\na\n\nb\r\n\r\nc\nd\n\n", [3, 5, 7, 8]),
        ] {
            let found: Vec<u64> = lines(text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(found, expected, "{text:?}");
        }
        assert_eq!(lines("a,\"b\"\r\n")[0].1, ["a", "b"]);
        assert_eq!(lines("\"\",x"), [(1, vec![String::new(), "x".to_owned()])]);
        assert!(lines("").is_empty());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_with_its_line_and_no_row_is_made_of_it() {
        for (text, good, bad) in
            [("\"a", 0, 1), ("a,b\n\n1,\"2\n3,4\n", 1, 3), ("a\r\nb\r\nc,\"", 2, 3), ("a\n\"b\n\n\n", 1, 2)]
        {
            let mut rows = Rows::separated(text.as_bytes(), b',');
            for _ in 0..good {
                assert!(rows.next().unwrap().is_some(), "{text:?}");
            }
            assert_eq!(rows.next().unwrap_err(), bad, "{text:?}");
        }
    }
}
