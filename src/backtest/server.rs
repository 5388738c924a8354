//! The server that policies poll: it counts each request on arrival, and shows what is true at that moment.
//!
//! Owns: one bucket per operation, and the answers "too many". Must never know: who sends a request, or why.
//! It shares no arithmetic with our own budgets, so neither can hide a mistake of the other.

use std::time::Duration;

use super::draws::Draws;
use crate::apis::pace::Quota;

/// The fate of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Answered.
    Let,
    /// One too many for the quota.
    OverQuota,
    /// Refused without reason.
    Moody,
}

/// A provider.
#[derive(Debug)]
pub(super) struct Server {
    buckets: Vec<Bucket>,
    throttled_permille: u64,
    draws: Draws,
}

impl Server {
    /// One full bucket per quota.
    pub(super) fn new(quotas: &[Quota], throttled_permille: u64, seed: u64) -> Server {
        let buckets = quotas.iter().map(|quota| Bucket::full(*quota)).collect();
        Server { buckets, throttled_permille, draws: Draws::of(seed ^ 0x7365_7276_6572) }
    }

    /// A request to an operation arrives. A refusal without reason costs no token, as with the simulator's
    /// faults; a request over the quota takes none either.
    pub(super) fn ask(&mut self, operation: usize, now: Duration) -> Verdict {
        if self.throttled_permille > 0 && self.draws.number(1000) < self.throttled_permille {
            return Verdict::Moody;
        }
        if self.buckets[operation].take(now) { Verdict::Let } else { Verdict::OverQuota }
    }
}

/// Tokens in billionths, brought up to date when a request arrives.
#[derive(Debug)]
struct Bucket {
    quota: Quota,
    level_ns: u128,
    filled_at: Duration,
}

impl Bucket {
    fn full(quota: Quota) -> Bucket {
        Bucket { quota, level_ns: quota.per.as_nanos() * u128::from(quota.burst), filled_at: Duration::ZERO }
    }

    /// One token takes `per` nanoseconds to grow.
    fn take(&mut self, now: Duration) -> bool {
        let token_ns = self.quota.per.as_nanos();
        let grown_ns = now.saturating_sub(self.filled_at).as_nanos();
        self.filled_at = self.filled_at.max(now);
        self.level_ns = (self.level_ns + grown_ns).min(token_ns * u128::from(self.quota.burst));
        let is_there = self.level_ns >= token_ns;
        if is_there {
            self.level_ns -= token_ns;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_one_a_second() {
        let mut server = Server::new(&[Quota { burst: 2, per: Duration::from_secs(1) }], 0, 1);
        let mut ask = |ms| server.ask(0, Duration::from_millis(ms));
        assert_eq!((ask(0), ask(0), ask(0)), (Verdict::Let, Verdict::Let, Verdict::OverQuota));
        assert_eq!((ask(999), ask(1000), ask(1000)), (Verdict::OverQuota, Verdict::Let, Verdict::OverQuota));
        assert_eq!((ask(9000), ask(9000), ask(9000)), (Verdict::Let, Verdict::Let, Verdict::OverQuota));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_refill(burst in 1u32..20, per_ms in 1u64..5000, gaps in prop::collection::vec(0u64..3000, 1..200)) {
            let mut server = Server::new(&[Quota { burst, per: Duration::from_millis(per_ms) }], 0, 1);
            let (mut now_ms, mut answered) = (0, 0);
            for gap in gaps {
                now_ms += gap;
                answered += u64::from(server.ask(0, Duration::from_millis(now_ms)) == Verdict::Let);
                prop_assert!(answered <= u64::from(burst) + now_ms / per_ms);
            }
        }
    }
}
