//! How many requests an account may send, for each that its interval would send.
//!
//! Owns: that number. Must never know: prices, plans, quotas.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::between;

/// The least and the most requests for each that the interval would send.
pub const FACTORS: (f64, f64) = (0.5, 10.0);
/// What the interval would have sent counts half after this time, in seconds.
const HALF_LIFE_S: f64 = 86_400.0;
/// A shorter time says nothing about the requests a second.
const LEAST_S: f64 = 3_600.0;

/// What an account may send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Requests for each that the interval would send.
    Factor(f64),
    /// Requests a second, but never less than half nor more than ten times what the interval would send.
    PerSecond(f64),
}

/// What an account may send now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spend {
    factor: f64,
    /// Requests that the interval would have sent, recent ones more than others.
    fixed: f64,
    /// Since when they are counted, and when they were last brought up to date.
    counted: Option<(Timestamp, Timestamp)>,
}

impl Default for Spend {
    fn default() -> Spend {
        Spend { factor: 1.0, fixed: 0.0, counted: None }
    }
}

impl Spend {
    /// The requests that may be sent where the interval would have sent `fixed`.
    pub(super) fn earned(&mut self, fixed: f64) -> f64 {
        self.fixed += fixed;
        fixed * self.factor
    }

    /// Requests for each that the interval would send, from now on.
    pub(super) fn factor(&mut self, budget: Budget, now: Timestamp) -> f64 {
        self.factor = match budget {
            Budget::Factor(factor) => {
                self.counted = None;
                factor
            }
            Budget::PerSecond(per_s) => self.share(per_s, now),
        };
        self.factor
    }

    fn share(&mut self, per_s: f64, now: Timestamp) -> f64 {
        let Some((since, at)) = self.counted else {
            (self.fixed, self.counted) = (0.0, Some((now, now)));
            return 1.0;
        };
        let kept = |from: Timestamp| (-between(from, now).as_secs_f64() / HALF_LIFE_S).exp2();
        self.fixed *= kept(at);
        self.counted = Some((since, now));
        let counted_s = HALF_LIFE_S / std::f64::consts::LN_2 * (1.0 - kept(since));
        if counted_s < LEAST_S {
            return 1.0;
        }
        (per_s * counted_s / self.fixed.max(1.0)).clamp(FACTORS.0, FACTORS.1)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.factor.is_finite() && self.factor > 0.0 && self.fixed.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_share_of_the_quota_becomes_a_factor_of_what_the_interval_sends() {
        let mut spend = Spend::default();
        let mut factor = |requests_a_minute: f64, minutes: std::ops::Range<i64>| {
            let each = minutes.map(|minute| {
                spend.earned(requests_a_minute);
                spend.factor(Budget::PerSecond(0.2), at(minute * 60))
            });
            each.last().unwrap()
        };
        assert!((factor(6.0, 0..30) - 1.0).abs() < 1e-9, "nothing is known in the first hour");
        // 0.1 a second at the interval, 0.2 allowed.
        assert!((factor(6.0, 30..1440) - 2.0).abs() < 0.1);
        // Twenty times as many: at least half of what the interval sends.
        assert!((factor(120.0, 1440..6000) - FACTORS.0).abs() < 1e-9);
        assert!((factor(0.0, 6000..60_000) - FACTORS.1).abs() < 1e-9);
        assert!(spend.is_sound());
        assert!((spend.factor(Budget::Factor(1.25), at(0)) - 1.25).abs() < 1e-9);
    }
}
