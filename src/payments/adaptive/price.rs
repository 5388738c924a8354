//! The search for a price, and the requests of a fixed interval. Pure.
//!
//! Owns: both formulas. Must never know: kinds, states, what is learnt.

use std::time::Duration;

/// Prices are found to this share.
const PRICE_PRECISION: f64 = 1.03;
/// The lowest and the highest price, in seconds of delay for a request.
const PRICES_S: (f64, f64) = (1.0, 1e6);

/// The price at which `polls` is nearest to a budget, beginning at the last one.
pub(super) fn price_of(budget: f64, last_s: f64, polls: impl Fn(f64) -> f64) -> f64 {
    let (least_s, most_s) = PRICES_S;
    let last_s = last_s.clamp(least_s, most_s);
    let (mut low_s, mut high_s) = ((last_s / 1.3).max(least_s), (last_s * 1.3).min(most_s));
    while low_s > least_s && polls(low_s) <= budget {
        (high_s, low_s) = (low_s, (low_s / 2.0).max(least_s));
    }
    while high_s < most_s && polls(high_s) > budget {
        (low_s, high_s) = (high_s, (high_s * 2.0).min(most_s));
    }
    while high_s / low_s > PRICE_PRECISION {
        let middle_s = (low_s * high_s).sqrt();
        if polls(middle_s) > budget { low_s = middle_s } else { high_s = middle_s }
    }
    high_s
}

/// How many polls a fixed interval sends in this time after the first one, on average over its jitter (5 % of each wait
/// to either side, so a twentieth of the square root of their number in all).
pub(super) fn polls_until(time: Duration, interval: Duration) -> f64 {
    let waits = time.as_secs_f64() / interval.as_secs_f64().max(1.0);
    let spread = (0.05 * waits.sqrt()).min(0.5).min(waits);
    if spread < 1e-6 {
        return waits.floor();
    }
    // The integral of the whole part.
    let whole = |waits: f64| waits.floor() * (waits.floor() - 1.0) / 2.0 + waits.floor() * waits.fract();
    (whole(waits + spread) - whole(waits - spread)) / (2.0 * spread)
}
