//! The objects that single requests cannot poll in time, and what polling them by batch saves. Pure arithmetic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text;

/// Fewer objects are not worth a batch, which takes several requests itself.
pub const LEAST: u64 = 20;
/// Requests per batch: submit it, poll until it is processed, fetch its result.
pub const REQUESTS_OF_A_BATCH: u64 = 10;

/// How the moving objects of a kind are polled within one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tail {
    /// Moving objects.
    pub moving: u64,
    /// The interval in which each must be polled, in seconds.
    pub interval_s: u64,
    /// How many single requests the quota allows in one interval.
    pub singly: u64,
    /// How many are polled by batch instead.
    pub by_batch: u64,
    /// How many batches they need.
    pub batches: u64,
    /// Requests saved in one interval.
    pub saved: u64,
}

impl Tail {
    /// `refill` is the time in which the quota recovers one request; `most` is how many objects one batch may
    /// name.
    pub fn plan(moving: u64, interval: Duration, refill: Duration, most: u64) -> Tail {
        let refill_ms = refill.as_millis().max(1);
        let singly = u64::try_from(interval.as_millis() / refill_ms).unwrap_or(u64::MAX);
        let over = moving.saturating_sub(singly);
        let by_batch = if over < LEAST { 0 } else { over };
        let batches = by_batch.div_ceil(most.max(1));
        Tail {
            moving,
            interval_s: interval.as_secs(),
            singly,
            by_batch,
            batches,
            saved: by_batch.saturating_sub(batches.saturating_mul(REQUESTS_OF_A_BATCH)),
        }
    }

    /// As one sentence.
    pub fn words(&self) -> String {
        format!(
            "moving: {}; single requests can poll {} in {} min; {} by {}, which saves {}",
            self.moving,
            self.singly,
            self.interval_s / 60,
            self.by_batch,
            text::count(self.batches, "batch"),
            text::count(self.saved, "request")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_beyond_the_quota_go_by_batch() {
        let plan = |moving| Tail::plan(moving, Duration::from_secs(3600), Duration::from_secs(1), 30_000);
        assert_eq!((plan(3_600).by_batch, plan(3_600).batches, plan(3_600).saved), (0, 0, 0));
        assert_eq!(plan(3_600 + LEAST - 1).by_batch, 0);
        let many = plan(50_000);
        assert_eq!((many.singly, many.by_batch, many.batches, many.saved), (3_600, 46_400, 2, 46_380));
        assert!(many.words().contains("46400 by 2 batches, which saves 46380 requests"), "{}", many.words());
        let few = Tail::plan(30, Duration::from_secs(4), Duration::from_secs(1), 1);
        assert_eq!((few.batches, few.saved), (26, 0), "where batches save nothing, the plan says so");
    }
}
