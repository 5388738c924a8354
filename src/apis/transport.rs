//! How requests travel.
//!
//! Owns: the shape of one exchange, what can go wrong on the way, `Retry-After`, dates in headers, and
//! which generic status means which [`Failure`]. Must never know: what a payment is, any provider.
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
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::pace::LONGEST_HOLD;
use crate::payments::observation::Failure;

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

/// What a status without 2xx means, when nothing more is known (amazon-pay-v2 sheet, 8.2).
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

/// How long the answer asks to wait: `Retry-After` in seconds or as a date, at most [`LONGEST_HOLD`].
/// None when there is none or it cannot be read.
pub fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|letter| letter.is_ascii_digit());
    let wait = if is_number {
        value.parse().map_or(LONGEST_HOLD, Duration::from_secs)
    } else {
        Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_HOLD))
}

/// A date as HTTP writes it, in any of the three forms of RFC 9110, 5.6.7.
pub fn http_date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    if let Ok(timestamp) = PARSER.parse_timestamp(text) {
        return Some(timestamp);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .into_iter()
        .find_map(|form| strtime::parse(form, text).ok()?.to_datetime().ok())
        .and_then(|datetime| datetime.to_zoned(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait(value: &str) -> Option<u64> {
        let now = "2026-01-15T12:00:00Z".parse().unwrap();
        retry_after(&[("retry-after".to_owned(), value.to_owned())], now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_read_in_every_form_and_cut_at_an_hour() {
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("99999"), Some(3600));
        assert_eq!(wait("99999999999999999999999999"), Some(3600));
        assert_eq!(wait("Thu, 15 Jan 2026 12:01:30 GMT"), Some(90));
        assert_eq!(wait("Thursday, 15-Jan-26 12:01:30 GMT"), Some(90));
        assert_eq!(wait("Thu Jan 15 12:01:30 2026"), Some(90));
        assert_eq!(wait("Thu, 15 Jan 2026 11:00:00 GMT"), Some(0), "a date in the past");
        assert_eq!(wait("Fri, 15 Jan 2027 12:00:00 GMT"), Some(3600));
        for unreadable in ["", "soon", "-5", "1.5", "1e3"] {
            assert_eq!(wait(unreadable), None, "{unreadable:?}");
        }
        assert_eq!(retry_after(&[], Timestamp::UNIX_EPOCH), None);
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

    proptest! {
        #[test]
        fn any_header_is_read_or_left(value in "\\PC{0,40}") {
            let _ = wait(&value);
        }
    }
}
