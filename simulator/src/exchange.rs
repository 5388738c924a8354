//! One HTTP exchange as the simulator sees it, whatever carried it: a socket or a test in memory.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

/// A request that reached the simulator.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Upper case.
    pub method: String,
    /// The `Host` header as sent (with port, if one was sent).
    pub host: String,
    /// The path exactly as sent, undecoded, without the query.
    pub path: String,
    /// The query exactly as sent, without the question mark; empty when there is none.
    pub query: String,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// When it arrived, by the simulator's clock.
    pub at: Timestamp,
}

impl Incoming {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same request, dated by a clock that is ahead by this much.
    pub fn dated_by_clock(&self, ahead: SignedDuration) -> Cow<'_, Incoming> {
        if ahead.is_zero() {
            return Cow::Borrowed(self);
        }
        let at = self.at.saturating_add(ahead).unwrap_or(self.at);
        Cow::Owned(Incoming { at, ..self.clone() })
    }
}

/// What the simulator answers.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// How the carrier treats it.
    pub carriage: Carriage,
}

impl Outgoing {
    /// An answer that arrives whole.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Outgoing {
        Outgoing {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
            carriage: Carriage::Whole,
        }
    }

    /// The same answer with one header more; the name in lower case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Outgoing {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same answer, carried otherwise.
    #[must_use]
    pub fn carried(mut self, carriage: Carriage) -> Outgoing {
        self.carriage = carriage;
        self
    }

    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What happens to an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// It arrives.
    Whole,
    /// The connection is closed after this many bytes of the body, though its length promised more.
    CutAfter(usize),
    /// Nothing is ever answered; the connection stays open.
    Hang,
    /// The connection is reset before any byte.
    Reset,
    /// The head and this many bytes of the body arrive, then nothing; the connection stays open.
    HangAfter(usize),
    /// The body arrives at this many bytes a second.
    Drip(u32),
    /// The body is repeated until this many bytes have been sent; `None`: for ever.
    Repeat(Option<u64>),
}
