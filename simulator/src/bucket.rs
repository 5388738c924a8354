//! A token bucket with continuous refill in exact integers.
//!
//! Owns: how many calls a quota lets through. Must never know: whose calls they are, the clock.

use std::time::Duration;

use super::provider::Quota;

/// One bucket. It starts full and counts what it let through and what it refused.
#[derive(Debug, Clone)]
pub struct Bucket {
    quota: Quota,
    /// In units of which one token has `per_seconds` times a thousand million, so that one nanosecond
    /// brings exactly `refill` of them.
    level: u128,
    filled_at: Duration,
    accepted: u64,
    refused: u64,
}

impl Bucket {
    /// A full bucket at `now`, a monotonic time.
    pub fn new(quota: Quota, now: Duration) -> Bucket {
        let mut bucket = Bucket { quota, level: 0, filled_at: now, accepted: 0, refused: 0 };
        bucket.level = bucket.brim();
        bucket
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, now: Duration) -> bool {
        self.fill(now);
        let taken = self.level >= self.token();
        if taken {
            self.level -= self.token();
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
        taken
    }

    /// How long until one token is there; zero when one is there already, `None` when none will come.
    pub fn wait(&mut self, now: Duration) -> Option<Duration> {
        self.fill(now);
        let missing = self.token().saturating_sub(self.level);
        if missing == 0 {
            return Some(Duration::ZERO);
        }
        let refill = u128::from(self.quota.refill);
        if refill == 0 || self.quota.capacity == 0 {
            return None;
        }
        Some(Duration::from_nanos(u64::try_from(missing.div_ceil(refill)).unwrap_or(u64::MAX)))
    }

    /// Calls let through so far.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Calls refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn fill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.filled_at);
        let gained = elapsed.as_nanos().saturating_mul(u128::from(self.quota.refill));
        self.level = self.level.saturating_add(gained).min(self.brim());
        self.filled_at = self.filled_at.max(now);
    }

    fn token(&self) -> u128 {
        u128::from(self.quota.per_seconds.max(1)) * 1_000_000_000
    }

    fn brim(&self) -> u128 {
        self.token() * u128::from(self.quota.capacity)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_token_in_five_minutes_comes_at_the_nanosecond() {
        let mut bucket = Bucket::new(Quota::new(2, 1, 300), Duration::ZERO);
        assert!(bucket.take(Duration::ZERO) && bucket.take(Duration::ZERO));
        assert!(!bucket.take(Duration::from_nanos(299_999_999_999)));
        assert_eq!(bucket.wait(Duration::from_nanos(299_999_999_999)), Some(Duration::from_nanos(1)));
        assert!(bucket.take(Duration::from_secs(300)));
        assert_eq!((bucket.accepted(), bucket.refused()), (3, 1));
    }

    #[test]
    fn a_day_of_thirds_loses_nothing() {
        let mut bucket = Bucket::new(Quota::new(1, 1, 3), Duration::ZERO);
        let day_s = 86_400;
        for second in 0..day_s {
            bucket.take(Duration::from_secs(second));
        }
        assert_eq!(bucket.accepted(), day_s / 3);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let mut bucket = Bucket::new(Quota::new(1, 1, 1), Duration::from_secs(10));
        assert!(bucket.take(Duration::from_secs(10)));
        assert!(!bucket.take(Duration::from_secs(5)));
        assert!(!bucket.take(Duration::from_millis(10_999)));
        assert!(bucket.take(Duration::from_secs(11)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn never_more_than_capacity_plus_refill(
            capacity in 1_u32..20, refill in 1_u32..5, per_seconds in 1_u32..400,
            gaps_ms in prop::collection::vec(0_u64..3000, 1..200),
        ) {
            let mut bucket = Bucket::new(Quota::new(capacity, refill, per_seconds), Duration::ZERO);
            let mut now_ms = 0;
            for gap_ms in gaps_ms {
                now_ms += gap_ms;
                bucket.take(Duration::from_millis(now_ms));
            }
            let allowed = u64::from(capacity) + now_ms * u64::from(refill) / (1000 * u64::from(per_seconds));
            prop_assert!(bucket.accepted() <= allowed);
        }
    }
}
