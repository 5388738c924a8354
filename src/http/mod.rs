//! One HTTP exchange: what is sent, what comes back, what can go wrong on the way.
//!
//! Owns: the one client, how connections are made (proxy, trusted roots), which addresses are refused, how far a
//! wish to wait is believed. Must never know: a provider, an alert target, what a request says.
//!
//! No text that leaves this module carries a URL, a query or a body: a request may hold signatures and an answer
//! may hold the buyer's data.

pub mod address;
mod client;
pub mod connections;
mod dated;
pub mod waits;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

pub use client::{HttpClient, SetupError};
pub use dated::DatedTransport;

/// Something that will be there later.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What carries requests: the network, or a test's memory.
pub trait Transport: Send + Sync {
    /// Sends once, reads the whole answer. Never retries, never follows a redirect.
    fn send<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, TransportError>>;
}

/// The HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// In upper case.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// One request, complete and signed. Its debug print shows neither URL nor headers nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where: absolute, already encoded; sent exactly as it stands.
    pub url: String,
    /// Names in lower case, without `host` and `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// Bytes, empty for none.
    pub body: Vec<u8>,
    /// For everything together: connecting, sending, the whole answer.
    pub deadline: Duration,
    /// The most bytes of an answer that are read.
    pub longest_body: usize,
    /// Whether the status decides alone: a body that is longer or breaks off is then cut, and no error.
    pub is_beginning_enough: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Request")
            .field("method", &self.method.as_str())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One answer, whatever its status. Its debug print shows only status and size.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    /// Bytes as received.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What the other side's clock showed, by the header `Date`.
    pub fn date(&self) -> Option<Timestamp> {
        self.header("date").and_then(waits::http_date)
    }

    /// How long the other side asks to wait by `Retry-After`, as far as that is believed ([`waits`]). None when
    /// it asks for nothing that can be read.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        waits::retry_after(self.header("retry-after")?, self.date(), now)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: name not found, refused, unreachable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The other side's certificate or TLS is not acceptable.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The deadline passed.
    #[error("no whole answer within the deadline")]
    Timeout,
    /// The answer is longer than allowed.
    #[error("the answer is longer than {longest_body} bytes")]
    TooLarge {
        /// The limit, in bytes.
        longest_body: usize,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The request cannot be put on the wire; nothing was sent.
    #[error("the request cannot be sent: {0}")]
    Unsendable(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_is_read_beside_the_clock_that_named_it() {
        let now = "2026-01-15T12:00:00Z".parse().unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let date = header("date", "Thu, 15 Jan 2026 21:00:00 GMT");
        let wish = header("retry-after", "Thu, 15 Jan 2026 21:01:30 GMT");
        let with =
            |headers: &[(String, String)]| Response { headers: headers.to_vec(), ..Response::default() };
        assert_eq!(with(&[date.clone(), wish]).retry_after(now), Some(Duration::from_secs(90)));
        assert_eq!(with(&[date]).retry_after(now), None);
    }

    #[test]
    fn prints_show_no_address_header_or_body() {
        let request = Request {
            method: Method::Get,
            url: "https://host/secret?query".to_owned(),
            headers: vec![("authorization", "secret".to_owned())],
            body: b"secret".to_vec(),
            deadline: Duration::from_secs(1),
            longest_body: 1,
            is_beginning_enough: false,
        };
        let response = Response {
            status: 200,
            headers: vec![("set-cookie".to_owned(), "secret".to_owned())],
            body: b"secret".to_vec(),
        };
        let shown = format!("{request:?} {response:?}");
        assert!(!shown.contains("secret") && !shown.contains("host"), "{shown}");
    }
}
