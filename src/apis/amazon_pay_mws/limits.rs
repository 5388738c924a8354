//! Size and rate limits: the size of a feed, and the quotas of feeds and reports
//! (docs/src/reference/amazon-pay-batch.md, sections 2.3 and 8).
//!
//! Owns: the figures. Must never know: what is sent.

use std::time::Duration;

use crate::apis::pace::Quota;

/// How much one feed may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Requests in one feed.
    pub requests: usize,
    /// Bytes in one document.
    pub bytes: usize,
}

impl Caps {
    /// What the provider advises: 30,000 records and less than 10 MB per feed.
    pub const ADVISED: Caps = Caps { requests: 30_000, bytes: 10_000_000 - 1 };
    /// The largest feed that the provider is known to accept: 60,000 requests and 2,147,483,647 bytes.
    pub const MOST: Caps = Caps { requests: 60_000, bytes: 2_147_483_647 };
}

const fn quota(burst: u32, per_s: u64) -> Quota {
    Quota { burst, per: Duration::from_secs(per_s) }
}

/// The documented quotas of feeds (section 8). Each operation also has an hourly quota, which differs from seller to
/// seller and is read from the response headers.
pub const FEED_QUOTAS: &[(&str, Quota)] = &[
    ("SubmitFeed", quota(15, 120)),
    ("GetFeedSubmissionList", quota(10, 45)),
    ("GetFeedSubmissionListByNextToken", quota(30, 2)),
    ("CancelFeedSubmissions", quota(10, 45)),
    ("GetFeedSubmissionResult", quota(15, 60)),
];

/// The documented quotas of reports (section 8). Each operation also has an hourly quota, read from the response
/// headers.
pub const REPORT_QUOTAS: &[(&str, Quota)] = &[
    ("RequestReport", quota(15, 60)),
    ("GetReportRequestList", quota(10, 45)),
    ("GetReportRequestListByNextToken", quota(30, 2)),
    ("GetReportList", quota(10, 60)),
    ("GetReportListByNextToken", quota(30, 2)),
    ("GetReport", quota(15, 60)),
];
