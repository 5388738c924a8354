//! What happens to waits when more is due than the quota allows.
//!
//! Owns: how much longer everything waits then. Must never know: kinds, plans, what a quota is.
//!
//! With a constant hazard h, the loss of waiting x = h · (time since the last poll) is (e^x - 1 - x) / h. A plan waits
//! until that is worth a request. If all cannot be polled by then, the best order of service is by that loss, which for
//! small x grows with the square of the wait's share of the planned wait. So all planned waits are stretched by the same
//! factor, and within it the order by due time is the order by loss. The factor is measured, not sought: it is how much
//! longer objects really waited. It is kept a little below that, so that no token of the quota is left unused.

use std::time::Duration;

/// Polls this late on average are no sign of an exhausted quota, in seconds.
const LATE_S: f64 = 30.0;
/// The pressure is reconsidered after this many polls.
const POLLS: f64 = 20.0;
/// Planned waits are stretched by this share of what they really were.
const SHARE: f64 = 0.9;
/// A lower pressure is none.
pub(super) const PRESSURE_LEAST: f64 = 1.02;
/// Nothing is stretched more.
pub(super) const PRESSURE_MAX: f64 = 8.0;

/// The waits of answered polls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Waits {
    polls: f64,
    late_s: f64,
    waited_s: f64,
    planned_s: f64,
}

impl Waits {
    /// A poll came this long after the one before, was planned after another time, and was due for a third.
    pub(super) fn add(&mut self, waited: Duration, planned: Duration, late: Duration) {
        self.polls += 1.0;
        self.waited_s += waited.as_secs_f64();
        self.planned_s += planned.as_secs_f64();
        self.late_s += late.as_secs_f64();
    }

    pub(super) fn merge(&mut self, other: &Waits) {
        self.polls += other.polls;
        self.waited_s += other.waited_s;
        self.planned_s += other.planned_s;
        self.late_s += other.late_s;
    }

    /// Whether they say anything.
    pub(super) fn is_enough(&self) -> bool {
        self.polls >= POLLS && self.planned_s > 0.0
    }

    /// The pressure from now on.
    pub(super) fn pressure(&self, before: f64) -> f64 {
        let is_exhausted = self.late_s > LATE_S * self.polls;
        let pressure = if is_exhausted { SHARE * self.waited_s / self.planned_s } else { SHARE * before };
        pressure.clamp(1.0, PRESSURE_MAX)
    }
}
