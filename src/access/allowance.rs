//! How many requests one token or one session may send.
//!
//! Owns: the numbers. Must never know: who sends a request, and how it is refused.

use std::time::Duration;

/// Requests at once, and how long each takes to be allowed again.
pub const BURST: u32 = 100;
const REFILL: Duration = Duration::from_millis(20);

/// What is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// What is left of the burst is spent until then, in monotonic time.
    spent_until: Duration,
}

impl Allowance {
    /// Counts a request.
    ///
    /// # Errors
    /// How long the next one must wait, when too many were sent.
    pub fn spend(&mut self, now: Duration) -> Result<(), Duration> {
        let next = self.spent_until.max(now) + REFILL;
        match next.checked_sub(now + REFILL * BURST) {
            Some(over) if over > Duration::ZERO => Err(over),
            _ => {
                self.spent_until = next;
                Ok(())
            }
        }
    }
}
