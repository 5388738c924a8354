//! The draws of a seed, and the objects of synthetic pasts.
//!
//! Owns: how numbers, lives and objects are drawn. Must never know: any one past, policies.

use std::time::Duration;

use jiff::Timestamp;

use super::past::Past;
use crate::payments::object::ObjectRef;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Seven charges to three refunds. Half of the charges are decided within half an hour, most of the others
/// within six, the last within the 24 hours that the provider documents; refunds take 1 to 48 hours.
pub(super) fn usual_life(draws: &mut Draws) -> (&'static str, Duration) {
    let is_charge = draws.number(10) < 7;
    let took = match (is_charge, draws.number(100)) {
        (true, 0..50) => MINUTE + draws.below(MINUTE * 29),
        (true, 50..85) => MINUTE * 30 + draws.below(MINUTE * 330),
        (true, _) => HOUR * 6 + draws.below(HOUR * 18),
        (false, _) => HOUR + draws.below(HOUR * 47),
    };
    (if is_charge { "charge" } else { "refund" }, took)
}

pub(super) fn past(kind: &str, mark: &str, number: usize, created_at: Timestamp) -> Past {
    let object: ObjectRef =
        format!("made-up/{kind}/{mark}-{number:05}").parse().expect("letters, digits and dashes");
    Past { object, created_at, final_at: None, final_state: None, is_declined: false, reference: None }
}

pub(super) fn ended(past: Past, final_at: Timestamp, state: &str) -> Past {
    Past {
        final_at: Some(final_at),
        final_state: Some(state.to_owned()),
        is_declined: state == "Declined",
        ..past
    }
}

/// A sequence of numbers (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn of(seed: u64) -> Draws {
        Draws(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is at least one.
    pub(super) fn number(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A number from zero to one.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time below `limit`, to the millisecond.
    pub(super) fn below(&mut self, limit: Duration) -> Duration {
        Duration::from_millis(self.number(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)))
    }
}
