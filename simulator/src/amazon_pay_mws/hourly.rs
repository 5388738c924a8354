//! A quota per clock hour, beside the bucket: docs/src/reference/amazon-pay-mws.md section 5.2.
//!
//! Owns: counts per operation in the current hour, the `x-mws-quota-*` headers. Must never know: payments.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::provider::Operation;

use super::details::time;

const HOUR_S: i64 = 3600;

/// Requests of the current hour.
#[derive(Debug, Default)]
pub(super) struct HourlyCounts {
    counts: BTreeMap<Operation, (i64, u32)>,
}

impl HourlyCounts {
    /// Counts a request; false when the hour's quota is used up.
    pub(super) fn admits(&mut self, at: Timestamp, operation: &Operation, quota: Option<u32>) -> bool {
        let hour = at.as_second().div_euclid(HOUR_S);
        let counted = self.counts.entry(operation.clone()).or_insert((hour, 0));
        if counted.0 != hour {
            *counted = (hour, 0);
        }
        let is_admitted = quota.is_none_or(|quota| counted.1 < quota);
        counted.1 += u32::from(is_admitted);
        is_admitted
    }

    /// The three headers, numbers and dates as on the wire.
    pub(super) fn headers(
        &self,
        at: Timestamp,
        operation: &Operation,
        quota: u32,
    ) -> [(&'static str, String); 3] {
        let hour = at.as_second().div_euclid(HOUR_S);
        let used =
            self.counts.get(operation).filter(|counted| counted.0 == hour).map_or(0, |counted| counted.1);
        let resets = Timestamp::from_second((hour + 1) * HOUR_S).unwrap_or(Timestamp::MAX);
        [
            ("x-mws-quota-max", format!("{quota}.0")),
            ("x-mws-quota-remaining", format!("{}.0", quota.saturating_sub(used))),
            ("x-mws-quota-resetson", time(resets)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_renews_the_quota() {
        let operation =
            Operation { merchant: "A1".into(), name: "GetCaptureDetails".into(), is_sandbox: false };
        let mut counts = HourlyCounts::default();
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (early, late, next) =
            (at("2026-01-01T10:00:00Z"), at("2026-01-01T10:59:59Z"), at("2026-01-01T11:00:00Z"));
        assert!(counts.admits(early, &operation, Some(2)) && counts.admits(late, &operation, Some(2)));
        assert!(!counts.admits(late, &operation, Some(2)));
        let headers = counts.headers(late, &operation, 2);
        assert_eq!(headers[1], ("x-mws-quota-remaining", "0.0".to_owned()));
        assert_eq!(headers[2].1, "2026-01-01T11:00:00.000Z");
        assert!(counts.admits(next, &operation, Some(2)));
    }
}
