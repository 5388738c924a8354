//! The Batch Service: one feed carries up to 60,000 operations of one kind (docs/src/reference/amazon-pay-batch.md,
//! sections 1 to 8).
//!
//! Owns: what may stand in a batch (`request`, `input`), the document (`document`), the calls and their
//! answers (`answer`), the steps from submission to result (`steps`), result documents (`result`) and how
//! their rows are matched with requests (`fold`); and behind the shape that all batches share: one stored feed
//! (`batch`), what may become one (`submission`), its steps carried out (`carry`), what follows from its end
//! (`settle`). Must never know: the network, storage, when it runs.

pub mod answer;
pub mod batch;
mod carry;
pub mod document;
pub mod fold;
pub mod input;
pub mod request;
pub mod result;
#[cfg(test)]
mod result_tests;
pub(in crate::apis) mod settle;
#[cfg(test)]
mod settle_tests;
pub mod steps;
pub(in crate::apis) mod submission;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ask::{Ask, Section};
use super::md5::content_md5;
use crate::apis::pace::Quota;

/// The only feed type of payment batches (section 3.1).
pub const FEED_TYPE: &str = "_POST_TRANSACTION_PAYMENTS_BATCH_DATA_";

/// The most ids that one look may name (section 4.1).
pub const MOST_IDS_OF_A_LOOK: usize = 100;

const fn quota(burst: u32, per_s: u64) -> Quota {
    Quota { burst, per: Duration::from_secs(per_s) }
}

/// The documented quotas (section 8). Each operation has an hourly one besides, which differs from seller to
/// seller and is read from the answers' headers.
pub const QUOTAS: &[(&str, Quota)] = &[
    ("SubmitFeed", quota(15, 120)),
    ("GetFeedSubmissionList", quota(10, 45)),
    ("GetFeedSubmissionListByNextToken", quota(30, 2)),
    ("CancelFeedSubmissions", quota(10, 45)),
    ("GetFeedSubmissionResult", quota(15, 60)),
];

/// A time as the section takes it: whole seconds, UTC.
pub(in crate::apis::amazon_pay_mws) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `SubmitFeed` with the whole document as its body (section 3.1). `PurgeAndReplace` is never true.
pub fn submit(document: Arc<[u8]>, marketplace_id: &str) -> Ask {
    let sum = content_md5(&document);
    let mut ask = Ask::new(Section::Feeds, "SubmitFeed")
        .with("FeedType", FEED_TYPE)
        .with("MarketplaceIdList.Id.1", marketplace_id)
        .with("ContentMD5Value", sum)
        .with("PurgeAndReplace", "false");
    ask.document = Some(document);
    ask
}

/// Looks at feeds by their ids, at most [`MOST_IDS_OF_A_LOOK`] of them; other filters would be ignored
/// (section 4.1). None without any id: the provider would then show whatever it likes.
pub fn look(feed_ids: &[&str]) -> Option<Ask> {
    if feed_ids.is_empty() {
        return None;
    }
    let mut ask = Ask::new(Section::Feeds, "GetFeedSubmissionList").with("MaxCount", "100");
    for (position, id) in feed_ids.iter().take(MOST_IDS_OF_A_LOOK).enumerate() {
        ask = ask.with(format!("FeedSubmissionIdList.Id.{}", position + 1), *id);
    }
    Some(ask)
}

/// Lists the batches submitted from a moment on: the only way to find out what became of a submission whose
/// answer was lost (section 3.2).
pub fn search(from: Timestamp) -> Ask {
    Ask::new(Section::Feeds, "GetFeedSubmissionList")
        .with("MaxCount", "100")
        .with("FeedTypeList.Type.1", FEED_TYPE)
        .with("SubmittedFromDate", time(from))
}

/// The next page of a list (section 4.1).
pub fn next_page(token: &str) -> Ask {
    Ask::new(Section::Feeds, "GetFeedSubmissionListByNextToken").with("NextToken", token)
}

/// Cancels exactly this feed (section 7). With the id left out or misnamed the provider would cancel
/// whatever the other filters match, so there is no way to ask for that.
pub fn cancel(feed_id: &str) -> Ask {
    Ask::new(Section::Feeds, "CancelFeedSubmissions")
        .with("FeedSubmissionIdList.Id.1", feed_id)
        .with("FeedTypeList.Type.1", FEED_TYPE)
}

/// `GetFeedSubmissionResult` (section 5.1).
pub fn result_of(feed_id: &str) -> Ask {
    Ask::new(Section::Feeds, "GetFeedSubmissionResult").with("FeedSubmissionId", feed_id).for_file()
}
