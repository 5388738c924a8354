//! When to retry, and when to give up.
//!
//! Owns: pure decisions about pending alerts. Must never know: targets, the network, the clock.

use std::time::Duration;

use jiff::Timestamp;

use super::classify::Verdict;
use crate::store::Delivery;
use crate::time::{between, later};

/// The waits after the first, second, ... failure, in seconds. The last one repeats.
const WAITS_S: &[u64] = &[5, 30, 120, 600, 1_800, 3_600];
/// Nothing is given up before this many failures, however old it is. This matters after a long downtime of this host,
/// or when an operator sends an old message again.
const LEAST_ATTEMPTS: u32 = 6;
/// How long a target that denies access is retried before that is final.
const DENIED_FOR: Duration = Duration::from_secs(3600);
/// Our longest wait between two attempts at such a target: it may be repaired at any time.
const LONGEST_DENIED_WAIT: Duration = Duration::from_secs(600);

/// What a decision about one message needs besides the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    /// Failed attempts before this one.
    pub attempts: u32,
    /// When the alert was found.
    pub first_owed_at: Timestamp,
    /// How long the target has denied access, in monotonic time.
    pub denied_for: Duration,
    /// Spreads the waits (each gets up to a tenth longer), so that many messages are not retried at the same time.
    pub seed: u64,
}

/// The delivery state that follows from a verdict.
pub fn decide(verdict: &Verdict, past: Past, now: Timestamp, give_up_after: Duration) -> Delivery {
    let why = match verdict {
        Verdict::Delivered => return Delivery::Delivered,
        Verdict::Refused { why } => return dead(why.clone()),
        Verdict::Denied { why, .. } if past.denied_for >= DENIED_FOR => {
            return dead(format!("{why} for an hour"));
        }
        Verdict::Denied { why, .. } | Verdict::Retry { why, .. } => why,
    };
    let failures = past.attempts.saturating_add(1);
    let owed_for = between(past.first_owed_at, now);
    if failures >= LEAST_ATTEMPTS && owed_for >= give_up_after {
        return dead(format!("{why}; given up after {failures} tries"));
    }
    let wait = wait_after(verdict, failures, past.seed).unwrap_or_default();
    Delivery::Retry { at: later(now, wait), error: why.clone(), message: None }
}

fn dead(error: String) -> Delivery {
    Delivery::Dead { error, fallback: None }
}

/// Spreads waits by key. The same key always gives the same seed.
pub fn seed(key: &str) -> u64 {
    key.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// How long to wait after the `failures`th verdict in a row that may change; none after any other verdict. The wait
/// that the receiver asked for is obeyed when it is longer than ours.
pub fn wait_after(verdict: &Verdict, failures: u32, seed: u64) -> Option<Duration> {
    match verdict {
        Verdict::Retry { after, .. } => Some(own_wait(failures, seed).max(after.unwrap_or_default())),
        Verdict::Denied { after, .. } => {
            let own = own_wait(failures, seed).min(LONGEST_DENIED_WAIT);
            Some(own.max(after.unwrap_or_default()))
        }
        Verdict::Delivered | Verdict::Refused { .. } => None,
    }
}

/// The wait after this many failures, with its jitter.
fn own_wait(failures: u32, seed: u64) -> Duration {
    let rung = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS_S.len() - 1);
    let wait = Duration::from_secs(WAITS_S[rung]);
    let mixed = (seed ^ u64::from(failures)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    wait + wait / 10_000 * u32::try_from(mixed % 1_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset_s: i64) -> Timestamp {
        Timestamp::from_second(1_768_469_400 + offset_s).unwrap()
    }

    fn retry(after_s: Option<u64>) -> Verdict {
        Verdict::Retry { after: after_s.map(Duration::from_secs), why: "HTTP 503".to_owned() }
    }

    fn word(verdict: &Verdict, attempts: u32, owed_for_h: i64) -> String {
        let now = at(owed_for_h * 3600);
        let past = Past { attempts, first_owed_at: at(0), denied_for: Duration::ZERO, seed: 0 };
        match decide(verdict, past, now, Duration::from_secs(76 * 3600)) {
            Delivery::Delivered => "delivered".to_owned(),
            Delivery::Retry { at, error, .. } => {
                format!("{error} again in {}", at.duration_since(now).as_secs())
            }
            Delivery::Dead { error, .. } => format!("dead {error}"),
            other => panic!("{other:?} is no answer to an attempt"),
        }
    }

    #[test]
    fn deliveries_are_decided_by_the_table() {
        let refused = Verdict::Refused { why: "HTTP 410".to_owned() };
        for (verdict, attempts, owed_for_h, expected) in [
            (Verdict::Delivered, 0, 0, "delivered"),
            (Verdict::Delivered, 99, 999, "delivered"),
            (refused.clone(), 0, 0, "dead HTTP 410"),
            (retry(None), 0, 0, "HTTP 503 again in 5"),
            (retry(None), 1, 0, "HTTP 503 again in 30"),
            (retry(None), 2, 0, "HTTP 503 again in 120"),
            (retry(None), 3, 1, "HTTP 503 again in 600"),
            (retry(None), 4, 1, "HTTP 503 again in 1800"),
            (retry(None), 5, 2, "HTTP 503 again in 3600"),
            (retry(None), 50, 75, "HTTP 503 again in 3600"),
            (retry(None), 80, 76, "dead HTTP 503; given up after 81 tries"),
            (retry(None), 0, 100, "HTTP 503 again in 5"),
            (retry(None), 5, 100, "dead HTTP 503; given up after 6 tries"),
            (retry(Some(60)), 0, 0, "HTTP 503 again in 60"),
            (retry(Some(1)), 1, 0, "HTTP 503 again in 30"),
        ] {
            let decided = word(&verdict, attempts, owed_for_h);
            let close = |text: &str| text.rsplit(' ').next().and_then(|last| last.parse::<f64>().ok());
            match (close(&decided), close(expected)) {
                (Some(found), Some(wanted)) => assert!((wanted..=wanted * 1.1).contains(&found), "{decided}"),
                _ => assert_eq!(decided, expected),
            }
        }
    }

    #[test]
    fn a_target_that_does_not_let_us_in_has_an_hour() {
        let denied = Verdict::Denied { after: None, why: "HTTP 404".to_owned() };
        let after = |attempts, denied_for_s| {
            let denied_for = Duration::from_secs(denied_for_s);
            let past = Past { attempts, first_owed_at: at(0), denied_for, seed: 0 };
            decide(&denied, past, at(86_400), Duration::from_secs(76 * 3600))
        };
        assert!(matches!(after(0, 0), Delivery::Retry { at: again, .. } if again < at(86_400 + 6)));
        let Delivery::Retry { at: again, error, .. } = after(9, 3_599) else { panic!("an hour is not over") };
        assert_eq!((again.duration_since(at(86_400)).as_secs(), error.as_str()), (600, "HTTP 404"));
        assert_eq!(after(9, 3_600), dead("HTTP 404 for an hour".to_owned()));
        let past = Past { attempts: 5, first_owed_at: at(0), denied_for: Duration::ZERO, seed: 0 };
        let given_up = decide(&denied, past, at(77 * 3600), Duration::from_secs(76 * 3600));
        assert!(matches!(given_up, Delivery::Dead { .. }), "{given_up:?}");
    }

    proptest! {
        #[test]
        fn waits_grow_and_stay_within_their_tenth(failures in 1u32..200, seed in any::<u64>()) {
            let rung = usize::try_from(failures - 1).unwrap().min(WAITS_S.len() - 1);
            let least = Duration::from_secs(WAITS_S[rung]);
            let wait = own_wait(failures, seed);
            prop_assert!(wait >= least && wait <= least + least / 10);
        }
    }
}
