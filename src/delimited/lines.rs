//! Physical lines in bounded memory.
//!
//! Owns: line ends, counting, the length limit. Must never know: cells.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The longest line that is read, in bytes; a longer one is refused unread.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The reason for refusing a line that is too long.
pub fn too_long() -> String {
    format!("the line is longer than {LINE_BYTES_MAX} bytes")
}

/// One physical line.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Without its line end; at most [`LINE_BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// The line was longer; the rest was skipped.
    pub is_cut: bool,
}

impl Line {
    /// Nothing but white space.
    pub fn is_blank(&self) -> bool {
        !self.is_cut && self.bytes.trim_ascii().is_empty()
    }
}

/// The byte that ends lines. The first line end of a file decides for all of it: a stray carriage return in a
/// file with line feeds must not split a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Unknown,
    LineFeed,
    CarriageReturn,
}

impl End {
    fn place(self, chunk: &[u8]) -> Option<usize> {
        chunk.iter().position(|byte| match self {
            End::Unknown => matches!(byte, b'\n' | b'\r'),
            End::LineFeed => *byte == b'\n',
            End::CarriageReturn => *byte == b'\r',
        })
    }
}

/// The lines of a source. Lines can be put back.
pub struct Lines<Source> {
    source: Source,
    put_back: VecDeque<Line>,
    number: u64,
    bytes_read: u64,
    end: End,
}

impl<Source: BufRead> Lines<Source> {
    pub(super) fn new(source: Source) -> Lines<Source> {
        Lines { source, put_back: VecDeque::new(), number: 0, bytes_read: 0, end: End::Unknown }
    }

    /// Bytes read so far, for a progress display.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line; `None` at the end. A byte order mark at the beginning is dropped.
    #[expect(clippy::should_implement_trait, reason = "an iterator would hide that reading can fail")]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.put_back.pop_front() {
            return Ok(Some(line));
        }
        let mut bytes = Vec::new();
        let mut is_cut = false;
        let mut is_any = false;
        loop {
            let chunk = filled(&mut self.source)?;
            if chunk.is_empty() {
                break;
            }
            is_any = true;
            let place = self.end.place(chunk);
            let part = &chunk[..place.unwrap_or(chunk.len())];
            let room = LINE_BYTES_MAX - bytes.len();
            is_cut |= part.len() > room;
            bytes.extend_from_slice(&part[..part.len().min(room)]);
            let ended_by = place.map(|place| chunk[place]);
            let used = place.map_or(chunk.len(), |place| place + 1);
            self.consume(used);
            if let Some(byte) = ended_by {
                self.learn(byte)?;
                break;
            }
        }
        if !is_any {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        Ok(Some(Line { number: self.number, bytes, is_cut }))
    }

    /// Puts lines back, to be read again in this order.
    pub(super) fn put_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.put_back.push_front(line);
        }
    }

    fn learn(&mut self, byte: u8) -> io::Result<()> {
        if self.end != End::Unknown {
            return Ok(());
        }
        self.end = End::LineFeed;
        if byte == b'\r' {
            if filled(&mut self.source)?.first() == Some(&b'\n') {
                self.consume(1);
            } else {
                self.end = End::CarriageReturn;
            }
        }
        Ok(())
    }

    fn consume(&mut self, used: usize) {
        self.source.consume(used);
        self.bytes_read += u64::try_from(used).unwrap_or(0);
    }
}

fn filled(source: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = source.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    source.fill_buf()
}
