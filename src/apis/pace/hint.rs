//! What a provider says about a second quota over a longer period, and how far that is trusted. Pure.

use std::time::Duration;

use super::Quota;
use crate::http::waits::DOUBTED;

/// The window of such a quota (`x-mws-quota-max` and the related headers); resets are given to the minute.
const WINDOW: Duration = Duration::from_secs(3600 + 60);

/// What the headers of one answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaHint {
    /// The quota in requests per hour, rounded down.
    pub most: Option<u64>,
    /// The remaining requests, rounded down.
    pub remaining: Option<u64>,
    /// How long until the full quota is available again.
    pub resets_in: Option<Duration>,
}

impl QuotaHint {
    /// How long nothing should be sent. The hint is doubted when it cannot be right: a maximum below what the
    /// operation's own `quota` restores in an hour, a reset more than an hour away, or nothing left for the first
    /// request after a hold (`is_probe`), when the full quota should be available again. A wrong doubt costs one
    /// request, which the provider then refuses and says why.
    pub(super) fn pause(self, quota: Quota, is_probe: bool) -> Duration {
        let (Some(0), Some(resets_in)) = (self.remaining, self.resets_in) else { return Duration::ZERO };
        let restored_an_hour = 3_600_000 / quota.per.as_millis().max(1);
        let is_contradictory = self.most.is_some_and(|most| u128::from(most) < restored_an_hour.max(1));
        let is_plausible = !is_contradictory && !is_probe && resets_in <= WINDOW;
        if is_plausible { resets_in } else { resets_in.min(DOUBTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause in seconds after an answer with this hint, for an operation that restores one request per minute.
    fn pause(most: Option<u64>, remaining: Option<u64>, resets_in_s: Option<u64>, is_probe: bool) -> u64 {
        let hint = QuotaHint { most, remaining, resets_in: resets_in_s.map(Duration::from_secs) };
        hint.pause(Quota { burst: 15, per: Duration::from_secs(60) }, is_probe).as_secs()
    }

    #[test]
    fn a_plausible_hint_is_believed_until_the_reset() {
        assert_eq!(pause(Some(60), Some(0), Some(1500), false), 1500);
        assert_eq!(pause(None, Some(0), Some(1500), false), 1500);
        assert_eq!(pause(Some(60), Some(1), Some(1500), false), 0, "something is left");
        assert_eq!(pause(Some(60), None, Some(1500), false), 0);
        assert_eq!(pause(Some(60), Some(0), None, false), 0);
        assert_eq!(pause(Some(60), Some(0), Some(0), false), 0, "the reset has passed");
    }

    #[test]
    fn a_contradictory_hint_holds_for_a_minute() {
        assert_eq!(pause(Some(0), Some(0), Some(1500), false), 60);
        assert_eq!(pause(Some(59), Some(0), Some(1500), false), 60, "less than the bucket restores");
        assert_eq!(pause(Some(60), Some(0), Some(4000), false), 60, "farther away than an hour");
        assert_eq!(pause(Some(60), Some(0), Some(1500), true), 60, "the quota should be full again");
        assert_eq!(pause(Some(0), Some(0), Some(20), false), 20);
    }
}
