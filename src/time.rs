//! Arithmetic on moments that cannot fail: what would leave the years that can be represented stays at their end.
//!
//! Owns: saturation. Must never know: what time it is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::TimestampArithmetic;

/// `at` plus `by`.
pub fn later(at: Timestamp, by: impl Into<TimestampArithmetic>) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` minus `by`.
pub fn earlier(at: Timestamp, by: impl Into<TimestampArithmetic>) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// How long it is from one moment to another; zero when the other has passed.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn no_length_leaves_what_can_be_represented() {
        let at: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
        assert_eq!(later(at, Duration::from_secs(90)).to_string(), "2027-01-15T06:01:30Z");
        assert_eq!(earlier(at, SignedDuration::from_mins(1)).to_string(), "2027-01-15T05:59:00Z");
        assert_eq!(later(at, SignedDuration::from_mins(-1)), earlier(at, Duration::from_secs(60)));
        assert_eq!((later(at, Duration::MAX), earlier(at, Duration::MAX)), (Timestamp::MAX, Timestamp::MIN));
        assert_eq!(later(at, SignedDuration::MIN), Timestamp::MIN);
        assert_eq!(earlier(at, SignedDuration::MIN), Timestamp::MAX);
    }

    #[test]
    fn what_has_passed_is_no_time_away() {
        let at: Timestamp = "2027-01-15T06:00:00Z".parse().unwrap();
        assert_eq!(between(at, later(at, Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(between(at, earlier(at, Duration::from_secs(5))), Duration::ZERO);
    }
}
