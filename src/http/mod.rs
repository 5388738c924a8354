//! One HTTP exchange: what is sent, what comes back, what can go wrong on the way.
//!
//! Owns: the one client, how connections are made (proxy, trusted root certificates), which addresses are refused, how
//! far a `Retry-After` is trusted. Must never know: a provider, an alert target, what a request says.
//!
//! No text that leaves this module contains a URL, a query or a body: a request may contain signatures, and an answer
//! may contain the buyer's data.

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

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What carries requests: the network, or memory in a test.
pub trait Transport: Send + Sync {
    /// Sends once and reads the whole answer. Never retries, never follows a redirect.
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
    /// The HTTP method.
    pub method: Method,
    /// The absolute URL, already encoded; sent exactly as given.
    pub url: String,
    /// Names in lower case, without `host` and `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The time limit for everything together: connecting, sending, reading the whole answer.
    pub deadline: Duration,
    /// The most bytes of an answer that are read.
    pub longest_body: usize,
    /// Whether only the status matters: a body that is too long or breaks off is then truncated instead of an error.
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
    /// The body as received.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header with this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The time of the other side's clock, from the header `Date`.
    pub fn date(&self) -> Option<Timestamp> {
        self.header("date").and_then(waits::http_date)
    }

    /// How long the other side asks us to wait by `Retry-After`, as far as that is trusted ([`waits`]). None when
    /// there is no readable header.
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
    /// The other side's certificate or TLS handshake is not acceptable.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The deadline passed.
    #[error("no complete answer within the deadline")]
    Timeout,
    /// The answer is longer than allowed.
    #[error("the answer is longer than {longest_body} bytes")]
    TooLarge {
        /// The limit, in bytes.
        longest_body: usize,
    },
    /// The connection broke before the answer was complete.
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
