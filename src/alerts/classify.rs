//! What an answer to a delivery means: delivered, try again, or never.
//!
//! Owns: the rules that all targets share (operations.md, section 1.2). Must never know: a target, the
//! outbox, the clock (time is an argument).

use std::time::Duration;

use jiff::Timestamp;

/// The longest wait that a receiver can ask for. A hostile or broken one must not silence us for days.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header as sent.
    pub retry_after: Option<String>,
    /// The `Date` header as sent.
    pub date: Option<String>,
    /// The first part of the body.
    pub body: Vec<u8>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// It may arrive later.
    Retry {
        /// The receiver's own wish, at most six hours.
        after: Option<Duration>,
        /// Why, in words without addresses.
        why: String,
    },
    /// The receiver says that it never will.
    Refused {
        /// Why, in words without addresses.
        why: String,
    },
}

/// The rule of section 1.2: 2xx delivered; 408, 425, 429, 5xx again; other 4xx never. A redirect is never
/// followed (section 2.1) but may be a maintenance page, so it is tried again.
pub fn by_status(answer: &Answer, now: Timestamp) -> Verdict {
    let why = format!("HTTP {}", answer.status);
    match answer.status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 | 300..=399 => Verdict::Retry { after: wait(answer, now), why },
        400..=499 => Verdict::Refused { why },
        _ => Verdict::Retry { after: None, why },
    }
}

fn wait(answer: &Answer, now: Timestamp) -> Option<Duration> {
    answer.retry_after.as_deref().and_then(|header| retry_after(header, now))
}

/// Reads `Retry-After`: whole seconds, or an HTTP date (RFC 9110, section 10.2.3). Nothing when it is
/// neither; at most six hours; a date in the past is no wait.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = header.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    let wait = Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST_WAIT))
}

/// A body that is one short machine word (`invalid_payload`) may be quoted; anything else may not.
pub fn machine_word(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_word = !text.is_empty()
        && text.len() <= 60
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_word.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-01-15T09:30:00Z".parse().unwrap()
    }

    fn word(status: u16) -> &'static str {
        match by_status(&Answer { status, ..Answer::default() }, now()) {
            Verdict::Delivered => "delivered",
            Verdict::Retry { .. } => "retry",
            Verdict::Refused { .. } => "refused",
        }
    }

    #[test]
    fn statuses_are_judged_by_the_table() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "delivered"),
            (&[408, 425, 429, 500, 502, 503, 504, 599, 301, 302, 307, 100], "retry"),
            (&[400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451], "refused"),
        ] {
            for status in statuses {
                assert_eq!(word(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (header, expected_s) in [
            ("0", Some(0)),
            ("30", Some(30)),
            (" 30 ", Some(30)),
            ("99999999999999999999999", Some(6 * 3600)),
            ("Thu, 15 Jan 2026 09:31:30 GMT", Some(90)),
            ("Thu, 15 Jan 2026 09:00:00 GMT", Some(0)),
            ("Fri, 15 Jan 2027 09:00:00 GMT", Some(6 * 3600)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now()), expected_s.map(Duration::from_secs), "{header:?}");
        }
    }

    #[test]
    fn only_machine_words_are_quoted() {
        assert_eq!(machine_word(b"invalid_payload\n"), Some("invalid_payload"));
        for body in [&b"<html>"[..], b"", b"Order of Jane", b"\xff\xfe", &[b'a'; 61]] {
            assert_eq!(machine_word(body), None);
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_ignored(header in ".{0,60}", body in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(wait) = retry_after(&header, now()) {
                prop_assert!(wait <= LONGEST_WAIT);
            }
            let _ = machine_word(&body);
        }
    }
}
