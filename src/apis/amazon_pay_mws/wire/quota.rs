//! The quota headers. Only operations with an hourly quota have them (docs/src/reference/amazon-pay-mws.md, section
//! 5.2), so they are read if present and never required.
//!
//! Owns: their formats. Must never know: who keeps the budget.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::apis::pace::QuotaHint;
use crate::http::waits;

/// What the headers say. Each is read on its own; an unreadable one is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaHeaders {
    /// `x-mws-quota-max`: requests an hour.
    pub most: Option<Decimal>,
    /// `x-mws-quota-remaining`: requests left.
    pub remaining: Option<Decimal>,
    /// `x-mws-quota-resetsOn`: when the full quota is available again.
    pub resets_at: Option<Timestamp>,
}

impl QuotaHeaders {
    /// Reads them. `header` finds a header's text by its lower-case name.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> QuotaHeaders {
        let number = |name| header(name).and_then(read_number);
        QuotaHeaders {
            most: number("x-mws-quota-max"),
            remaining: number("x-mws-quota-remaining"),
            resets_at: header("x-mws-quota-resetson").and_then(read_time),
        }
    }

    /// Whole requests left; `0.7` of one counts as none.
    pub fn whole_remaining(&self) -> Option<u64> {
        self.remaining.and_then(|remaining| remaining.trunc().to_u64())
    }

    /// How long until the full quota is available again; zero if that time has passed. The time is by the provider's
    /// clock, which showed `theirs` in the same answer.
    pub fn resets_in(&self, theirs: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
        self.resets_at.map(|at| waits::distance(at, theirs, now))
    }

    /// The hint for the budget.
    pub fn hint(&self, theirs: Option<Timestamp>, now: Timestamp) -> QuotaHint {
        QuotaHint {
            most: self.most.and_then(|most| most.trunc().to_u64()),
            remaining: self.whole_remaining(),
            resets_in: self.resets_in(theirs, now),
        }
    }

    /// How long a refused request should wait according to the headers: until the reset if nothing is left.
    pub fn wait(&self, theirs: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
        let resets_in = self.resets_in(theirs, now).filter(|_| self.whole_remaining() == Some(0));
        resets_in.map(waits::believed)
    }
}

/// A number such as `3600` or `78.0`; none if it is not one or is negative.
fn read_number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text.trim()).ok().filter(|number| !number.is_sign_negative())
}

/// A time in RFC 3339, else in RFC 1123 (`Wed, 06 Mar 2013 19:07:58 GMT`).
pub fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(max: &str, remaining: &str, resets: &str) -> QuotaHeaders {
        QuotaHeaders::read(|name| match name {
            "x-mws-quota-max" => Some(max),
            "x-mws-quota-remaining" => Some(remaining),
            "x-mws-quota-resetson" => Some(resets),
            _ => None,
        })
    }

    #[test]
    fn both_documented_and_recorded_forms_are_read() {
        let documented = read("3600", "10", "Wed, 06 Mar 2013 19:07:58 GMT");
        assert_eq!(documented.most, Some(Decimal::from(3600)));
        assert_eq!(documented.remaining, Some(Decimal::from(10)));
        assert_eq!(documented.resets_at, Some("2013-03-06T19:07:58Z".parse().unwrap()));
        let recorded = read("60.0", "78.0", "2018-04-27T15:47:00.000Z");
        assert_eq!(recorded.most, Some(Decimal::from(60)));
        assert_eq!(recorded.remaining, Some(Decimal::from(78)));
        assert_eq!(recorded.resets_at, Some("2018-04-27T15:47:00Z".parse().unwrap()));
    }

    #[test]
    fn rests_are_counted_in_whole_requests_and_whole_waits() {
        let now = "2018-04-27T15:46:00Z".parse().unwrap();
        let quota = read("60.0", "0.9", "2018-04-27T15:47:00.000Z");
        assert_eq!(quota.whole_remaining(), Some(0));
        assert_eq!(quota.resets_in(None, now), Some(Duration::from_secs(60)));
        let past = read("60.0", "78.0", "2018-04-27T15:45:00.000Z");
        assert_eq!((past.whole_remaining(), past.resets_in(None, now)), (Some(78), Some(Duration::ZERO)));
    }

    #[test]
    fn a_reset_counts_from_the_clock_that_named_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let quota = read("60.0", "0.0", "2018-04-27T15:47:00.000Z");
        let (theirs, ours) = (Some(at("2018-04-27T15:27:00Z")), at("2018-04-27T06:27:00Z"));
        assert_eq!(quota.wait(theirs, ours), Some(Duration::from_secs(1200)));
        assert_eq!(quota.wait(None, ours), Some(Duration::from_secs(3600)), "an hour at a time");
        assert_eq!(quota.wait(None, at("2017-04-27T15:27:00Z")), Some(Duration::from_secs(60)), "absurd");
        assert_eq!(quota.wait(theirs, at("2026-04-27T15:27:00Z")), Some(Duration::from_secs(60)));
        assert_eq!(read("60.0", "1.0", "2018-04-27T15:47:00.000Z").wait(theirs, ours), None);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(read("many", "-1", "soon"), QuotaHeaders::default());
        assert_eq!(read("", "1e400", ""), QuotaHeaders::default());
        assert_eq!(QuotaHeaders::read(|_| None), QuotaHeaders::default());
    }
}
