//! The Batch Service: one feed carries up to 60,000 operations of one kind (docs/src/reference/amazon-pay-batch.md,
//! sections 1 to 8).
//!
//! Owns: what a batch may contain (`request`, `input`), the document (`document`), the calls and their answers
//! (`answer`), the steps from submission to result (`steps`), result documents (`result`), and how their rows are
//! matched with requests (`fold`). Behind the interface that all batches share (`serving`): one stored feed (`batch`),
//! what may become one (`submission`), carrying out its steps (`carry`), what follows from its end (`settle`). Must
//! never know: the network, storage, when it runs.

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
pub(in crate::apis) mod serving;
mod settle;
#[cfg(test)]
mod settle_tests;
pub mod steps;
mod submission;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use super::ask::{Ask, Section};
use super::md5::content_md5;

/// The only feed type of payment batches (section 3.1).
pub const FEED_TYPE: &str = "_POST_TRANSACTION_PAYMENTS_BATCH_DATA_";

/// The most ids in one status query (section 4.1).
pub const MOST_IDS_OF_A_LOOK: usize = 100;

/// A time in the section's format: whole seconds, UTC.
pub(in crate::apis::amazon_pay_mws) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `SubmitFeed` with the whole document as its body (section 3.1). `PurgeAndReplace` is always false.
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

/// Queries the status of feeds by their ids, at most [`MOST_IDS_OF_A_LOOK`] of them. The provider would ignore other
/// filters (section 4.1). None without any id: the provider would then list whatever it likes.
pub fn list_by_ids(feed_ids: &[&str]) -> Option<Ask> {
    if feed_ids.is_empty() {
        return None;
    }
    let mut ask = Ask::new(Section::Feeds, "GetFeedSubmissionList").with("MaxCount", "100");
    for (position, id) in feed_ids.iter().take(MOST_IDS_OF_A_LOOK).enumerate() {
        ask = ask.with(format!("FeedSubmissionIdList.Id.{}", position + 1), *id);
    }
    Some(ask)
}

/// Lists the batches submitted from a time on. This is the only way to find a submission whose answer was lost (section
/// 3.2).
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

/// Cancels exactly this feed (section 7). With the id left out or misspelled, the provider would cancel everything that
/// the other filters match, so such a request cannot be built.
pub fn cancel(feed_id: &str) -> Ask {
    Ask::new(Section::Feeds, "CancelFeedSubmissions")
        .with("FeedSubmissionIdList.Id.1", feed_id)
        .with("FeedTypeList.Type.1", FEED_TYPE)
}

/// `GetFeedSubmissionResult` (section 5.1).
pub fn result_of(feed_id: &str) -> Ask {
    Ask::new(Section::Feeds, "GetFeedSubmissionResult").with("FeedSubmissionId", feed_id).for_file()
}
