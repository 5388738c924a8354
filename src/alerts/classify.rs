//! What an answer to a delivery means: delivered, retry, or never.
//!
//! Owns: the rules that all targets share (docs/src/reference/operations.md, section 1.2). Must never know: a target,
//! the outbox, the clock (time is an argument).

use std::time::Duration;

use jiff::Timestamp;

use crate::http::{Response, waits};

/// The meaning of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The message was delivered.
    Delivered,
    /// It may be delivered later.
    Retry {
        /// The wait that the receiver asked for, as far as it is trusted.
        after: Option<Duration>,
        /// Why, in words without addresses.
        why: String,
    },
    /// The receiver denies access or does not know the address. That may be a short-lived mistake (a deployment, a
    /// key being changed), so it is final only if it lasts.
    Denied {
        /// The wait that the receiver asked for, as far as it is trusted.
        after: Option<Duration>,
        /// Why, in words without addresses.
        why: String,
    },
    /// The receiver will never accept the message.
    Refused {
        /// Why, in words without addresses.
        why: String,
    },
}

impl Verdict {
    /// The verdict in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Delivered => "delivered",
            Verdict::Retry { .. } => "retry",
            Verdict::Denied { .. } => "denied",
            Verdict::Refused { .. } => "refused",
        }
    }

    /// The same verdict with a word of the receiver's.
    #[must_use]
    pub fn quoting(self, word: Option<&str>) -> Verdict {
        let Some(word) = word else { return self };
        let longer = |why: String| format!("{why} {word}");
        match self {
            Verdict::Delivered => Verdict::Delivered,
            Verdict::Retry { after, why } => Verdict::Retry { after, why: longer(why) },
            Verdict::Denied { after, why } => Verdict::Denied { after, why: longer(why) },
            Verdict::Refused { why } => Verdict::Refused { why: longer(why) },
        }
    }

    /// The same verdict with a wait that the receiver asks for in its own way, as far as it is trusted. The longer
    /// wait counts.
    #[must_use]
    pub fn waiting(self, own: Option<Duration>) -> Verdict {
        let own = own.map(waits::believed);
        match self {
            Verdict::Retry { after, why } => Verdict::Retry { after: after.max(own), why },
            Verdict::Denied { after, why } => Verdict::Denied { after: after.max(own), why },
            decided => decided,
        }
    }

    /// The same verdict, or "retry" when a success code comes without the receiver's own sign of success.
    #[must_use]
    pub fn only_if(self, is_sure: bool, otherwise: &str) -> Verdict {
        match self {
            Verdict::Delivered if !is_sure => Verdict::Retry { after: None, why: otherwise.to_owned() },
            verdict => verdict,
        }
    }
}

/// The rule of section 1.2: 2xx is delivered; 408, 425, 429 and 5xx are retried. 400, 410, 413, 414, 415 and 422 say
/// that this message can never be taken, so they are not retried. All other 4xx are retried for a while. A redirect is never followed (section 2.1), but it may be a maintenance
/// page, so it is retried.
pub fn by_status(answer: &Response, now: Timestamp) -> Verdict {
    let why = format!("HTTP {}", answer.status);
    match answer.status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 | 300..=399 => Verdict::Retry { after: answer.retry_after(now), why },
        400 | 410 | 413 | 414 | 415 | 422 => Verdict::Refused { why },
        400..=499 => Verdict::Denied { after: answer.retry_after(now), why },
        _ => Verdict::Retry { after: None, why },
    }
}

/// Returns a body that is one short machine word (`invalid_payload`). Only such a body may be quoted.
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
        match by_status(&Response { status, ..Response::default() }, now()) {
            Verdict::Delivered => "delivered",
            Verdict::Retry { .. } => "retry",
            Verdict::Denied { .. } => "denied",
            Verdict::Refused { .. } => "refused",
        }
    }

    #[test]
    fn statuses_are_judged_by_the_table() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "delivered"),
            (&[408, 425, 429, 500, 502, 503, 504, 599, 301, 302, 307, 100], "retry"),
            (&[401, 402, 403, 404, 405, 407, 409, 451], "denied"),
            (&[400, 410, 413, 414, 415, 422], "refused"),
        ] {
            for status in statuses {
                assert_eq!(word(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn the_receiver_s_wish_is_believed_as_far_as_it_is_plausible() {
        for (header, date, expected_s) in [
            ("30", None, Some(30)),
            ("21600", None, Some(3_600)),
            ("99999999999999999999999", None, Some(60)),
            ("Thu, 15 Jan 2026 09:31:30 GMT", None, Some(90)),
            ("Thu, 15 Jan 2026 12:01:30 GMT", Some("Thu, 15 Jan 2026 12:00:00 GMT"), Some(90)),
            ("Thu, 01 Jan 2099 00:00:00 GMT", None, Some(60)),
            ("soon", None, None),
        ] {
            let named = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let headers = [Some(("retry-after", header)), date.map(|date| ("date", date))];
            let headers = headers.into_iter().flatten().map(named).collect();
            let answer = Response { status: 429, headers, body: Vec::new() };
            let Verdict::Retry { after, .. } = by_status(&answer, now()) else { panic!("{header}") };
            assert_eq!(after, expected_s.map(Duration::from_secs), "{header:?}");
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
        fn any_body_is_read_or_ignored(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = machine_word(&body);
        }
    }
}
