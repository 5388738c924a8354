//! How long the other side of an exchange asks us to wait, and how far that is trusted.
//!
//! Owns: the forms of `Retry-After`, dates in headers, what is plausible. Must never know: who asks, which requests
//! wait meanwhile.
//!
//! A requested wait is a hint. A wrong one must not stop us for long, and checking a right one costs little: when the
//! trusted wait is over, one request shows whether it still applies.

use std::time::Duration;

use crate::time::between;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The longest wait that is obeyed at one time.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// The longest wait that is obeyed when the requested one cannot be right.
pub const DOUBTED: Duration = Duration::from_secs(60);
/// No provider or chat closes for longer than this and says so in a header.
const LONGEST_PLAUSIBLE: Duration = Duration::from_secs(24 * 3600);
/// Clocks that differ by more than this are not just inaccurate: one of them is wrong.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(24);

/// How far a requested wait is trusted: up to [`LONGEST`], an absurd one up to [`DOUBTED`].
pub fn believed(wish: Duration) -> Duration {
    if wish > LONGEST_PLAUSIBLE { DOUBTED } else { wish.min(LONGEST) }
}

/// How long it is until `at`, a time by the other side's clock; zero when it has passed. `theirs` is the time that
/// this clock showed in the same answer, if any: the difference is right even if the two clocks disagree. If they
/// differ by more than a day, the result is at most [`DOUBTED`].
pub fn distance(at: Timestamp, theirs: Option<Timestamp>, now: Timestamp) -> Duration {
    let wish = between(theirs.unwrap_or(now), at);
    let is_doubted = theirs.is_some_and(|theirs| theirs.duration_since(now).abs() > CLOCKS_APART);
    if is_doubted { wish.min(DOUBTED) } else { wish }
}

/// Parses `Retry-After`, in whole seconds or as a date (RFC 9110, section 10.2.3), as far as it is trusted.
/// `theirs` is the answer's `Date`. None when the header is neither.
pub fn retry_after(header: &str, theirs: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|letter| letter.is_ascii_digit()) {
        return Some(header.parse().map_or(DOUBTED, |seconds| believed(Duration::from_secs(seconds))));
    }
    Some(believed(distance(http_date(header)?, theirs, now)))
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

    const NOW: &str = "2026-01-15T12:00:00Z";

    fn wait(header: &str, date: Option<&str>) -> Option<u64> {
        retry_after(header, date.and_then(http_date), NOW.parse().unwrap()).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_form_is_read() {
        for (header, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Thu, 15 Jan 2026 12:01:30 GMT", Some(90)),
            ("Thursday, 15-Jan-26 12:01:30 GMT", Some(90)),
            ("Thu Jan 15 12:01:30 2026", Some(90)),
            ("Thu, 15 Jan 2026 11:00:00 GMT", Some(0)),
            ("", None),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("1e3", None),
        ] {
            assert_eq!(wait(header, None), expected, "{header:?}");
        }
    }

    #[test]
    fn a_wish_is_believed_as_far_as_it_is_plausible() {
        assert_eq!(wait("3600", None), Some(3600));
        assert_eq!(wait("7200", None), Some(3600), "an hour at a time");
        assert_eq!(wait("Thu, 15 Jan 2026 20:00:00 GMT", None), Some(3600));
        assert_eq!(wait("99999", None), Some(60), "longer than a day");
        assert_eq!(wait("99999999999999999999999999", None), Some(60));
        assert_eq!(wait("Thu, 01 Jan 2099 00:00:00 GMT", None), Some(60));
    }

    #[test]
    fn a_date_counts_from_the_clock_that_named_it() {
        let nine_hours_ahead = Some("Thu, 15 Jan 2026 21:00:00 GMT");
        assert_eq!(wait("Thu, 15 Jan 2026 21:02:00 GMT", nine_hours_ahead), Some(120));
        let nine_hours_behind = Some("Thu, 15 Jan 2026 03:00:00 GMT");
        assert_eq!(wait("Thu, 15 Jan 2026 03:02:00 GMT", nine_hours_behind), Some(120));
        assert_eq!(wait("Thu, 15 Jan 2026 12:02:00 GMT", Some("unreadable")), Some(120));
    }

    #[test]
    fn a_clock_of_another_year_is_not_believed() {
        let epoch = Some("Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(wait("Thu, 01 Jan 1970 00:50:00 GMT", epoch), Some(60));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:10 GMT", epoch), Some(10));
        assert_eq!(wait("Thu, 15 Jan 2026 12:02:00 GMT", epoch), Some(60));
        let far = Some("Thu, 01 Jan 2099 00:00:00 GMT");
        assert_eq!(wait("Thu, 01 Jan 2099 00:50:00 GMT", far), Some(60));
    }

    proptest! {
        #[test]
        fn no_header_silences_for_longer_than_an_hour(header in "\\PC{0,40}", date in "\\PC{0,40}") {
            if let Some(wait) = retry_after(&header, http_date(&date), NOW.parse().unwrap()) {
                prop_assert!(wait <= LONGEST);
            }
        }
    }
}
