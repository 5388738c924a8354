//! How requests travel.
//!
//! Owns: the shape of one exchange, what can go wrong on the way, and which generic status means which
//! [`Failure`]. Must never know: what a payment is, any provider.
//!
//! No text that leaves this module carries a URL, a query or a body: a request may hold signatures and
//! an answer may hold the buyer's data.

mod dated;
mod http;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::http::waits;
use crate::payments::observation::Failure;

pub use crate::http::waits::http_date;
pub use dated::DatedTransport;
pub use http::{HttpTransport, SetupError};

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
#[derive(Clone, PartialEq, Eq)]
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

impl From<TransportError> for Failure {
    /// None of these says anything about an object; all but an oversized answer and an impossible
    /// request may pass by themselves.
    fn from(error: TransportError) -> Failure {
        let detail = error.to_string();
        match error {
            TransportError::Connect(_)
            | TransportError::Tls(_)
            | TransportError::Timeout
            | TransportError::Broken(_) => Failure::Transient { detail },
            TransportError::TooLarge { .. } => Failure::Garbled { detail },
            TransportError::Unsendable(_) => Failure::Refused { is_whole_account: true, detail },
        }
    }
}

/// What a status without 2xx means, when nothing more is known (docs/src/reference/amazon-pay-v2.md, 8.2).
/// `detail` must hold no body text.
pub fn failure_of_status(status: u16, retry_after: Option<Duration>, detail: String) -> Failure {
    match status {
        429 => Failure::Throttled { retry_after, detail },
        404 => Failure::Gone { detail },
        401 | 403 | 407 | 426 => Failure::Refused { is_whole_account: true, detail },
        408 | 425 | 500..=599 => Failure::Transient { detail },
        400..=499 => Failure::Refused { is_whole_account: false, detail },
        _ => Failure::Garbled { detail },
    }
}

/// How long the answer asks to wait by `Retry-After`, as far as that is believed ([`waits`]). None when it
/// asks for nothing that can be read.
pub fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let header =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    waits::retry_after(header("retry-after")?, header("date"), now)
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
        assert_eq!(retry_after(&[date.clone(), wish], now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(&[date], now), None);
    }

    #[test]
    fn statuses_fall_into_their_classes() {
        let class = |status| failure_of_status(status, None, String::new());
        let check = |statuses: &[u16], expected: &str| {
            for status in statuses {
                assert_eq!(class(*status).class(), expected, "{status}");
            }
        };
        check(&[429], "throttled");
        check(&[404], "gone");
        check(&[408, 425, 500, 502, 503, 504, 599], "transient");
        check(&[400, 401, 403, 405, 409, 410, 422, 426], "refused");
        check(&[100, 200, 204, 301, 302, 304, 307, 600, 0], "garbled");
        let is_whole = |status| matches!(class(status), Failure::Refused { is_whole_account: true, .. });
        assert!(is_whole(401) && is_whole(403) && is_whole(426));
        assert!(!is_whole(400) && !is_whole(405) && !is_whole(422));
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
