//! The counter "Feeds": taking in, listing, cancelling, handing out results (docs/src/reference/amazon-pay-batch.md
//! sections 3 to 7).
//!
//! Owns: feeds and their statuses over time. Must never know: how a request is carried out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest as _, Md5};

use crate::exchange::Incoming;
use crate::plan::Window;
use crate::provider::Random;

use super::super::form::Parameters;
use super::super::merchant::MwsBatchHabits;
use super::super::timeline::later;
use super::super::xml::Element;
use super::feed_document::{Batch, read};
use super::{Answer, Denied, Visit, door, listed, moment, new_id, new_token, page_size, written};

/// The only type of payment batches.
const BATCHES: &str = "_POST_TRANSACTION_PAYMENTS_BATCH_DATA_";

const XML: &str = "text/xml;charset=UTF-8";

const STATUSES: [&str; 7] = [
    "_SUBMITTED_",
    "_UNCONFIRMED_",
    "_IN_PROGRESS_",
    "_AWAITING_ASYNCHRONOUS_REPLY_",
    "_IN_SAFETY_NET_",
    "_DONE_",
    "_CANCELLED_",
];

/// A feed.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) id: String,
    pub(super) seller_id: String,
    pub(super) is_sandbox: bool,
    pub(super) region_digits: &'static str,
    submitted: Timestamp,
    started: Timestamp,
    done: Timestamp,
    visible_from: Timestamp,
    /// When its requests are carried out.
    pub(super) due: Timestamp,
    cancelled: Option<Timestamp>,
    /// Or why it is refused.
    pub(super) batch: Result<Batch, String>,
    /// Once it was carried out.
    pub(super) result: Option<Vec<u8>>,
}

impl Feed {
    fn status(&self, at: Timestamp) -> &'static str {
        if self.cancelled.is_some_and(|cancelled| cancelled <= at) || (self.batch.is_err() && at >= self.done)
        {
            "_CANCELLED_"
        } else if at < self.started {
            "_SUBMITTED_"
        } else if at < self.done {
            "_IN_PROGRESS_"
        } else {
            "_DONE_"
        }
    }

    /// Whether its requests are to be carried out now.
    pub(super) fn is_due(&self, at: Timestamp) -> bool {
        self.cancelled.is_none() && self.batch.is_ok() && self.result.is_none() && self.due <= at
    }

    fn report_id(&self) -> String {
        format!("9{}", self.id)
    }

    /// Fields in the order of the recordings.
    fn element(&self, at: Timestamp) -> Element {
        let mut info = vec![
            Element::text("FeedProcessingStatus", self.status(at)),
            Element::text("FeedType", BATCHES),
            Element::text("FeedSubmissionId", &self.id),
        ];
        if at >= self.started {
            info.push(Element::text("StartedProcessingDate", written(self.started)));
        }
        info.push(Element::text("SubmittedDate", written(self.submitted)));
        if at >= self.done {
            info.push(Element::text("CompletedProcessingDate", written(self.done)));
        }
        Element::of("FeedSubmissionInfo", info)
    }
}

/// A batch whose requests were all carried out.
#[derive(Debug)]
pub(in super::super) struct Completed {
    pub(in super::super) at: Timestamp,
    pub(in super::super) feed_id: String,
    /// Under which `GetReport` hands out the result.
    pub(in super::super) report_id: String,
    pub(in super::super) is_sandbox: bool,
    pub(in super::super) request_count: usize,
}

/// All feeds, in the order of their submission.
#[derive(Debug, Default)]
pub(in super::super) struct Feeds {
    pub(super) all: Vec<Feed>,
    /// What is left of a list, by token.
    pages: BTreeMap<String, Vec<String>>,
}

impl Feeds {
    pub(super) fn submit(
        &mut self,
        visit: &Visit<'_>,
        incoming: &Incoming,
        habits: &MwsBatchHabits,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        check_sum(&visit.parameters, incoming)?;
        if visit.parameters.get("FeedType").map(String::as_str) != Some(BATCHES) {
            return Err(Denied::new(400, "InvalidFeedType", "The feed type is not supported"));
        }
        if visit.parameters.get("PurgeAndReplace").is_some_and(|flag| flag != "false") {
            return Err(Denied::invalid("PurgeAndReplace must be false for this feed type"));
        }
        let marketplaces = listed(&visit.parameters, "MarketplaceIdList.Id");
        let [marketplace] = marketplaces.as_slice() else {
            return Err(Denied::invalid("MarketplaceIdList.Id.1 is required, and no other"));
        };
        let is_sandbox = door::environment_of(visit.merchant, marketplace)
            .ok_or_else(|| Denied::invalid("The marketplace is not one of this region's Amazon Pay"))?;
        let at = visit.at;
        let started = later(at, habits.take_in);
        let done = later(started, habits.processing);
        let feed = Feed {
            id: new_id(self.all.len() as u64, random),
            seller_id: visit.seller_id.clone(),
            is_sandbox,
            region_digits: visit.merchant.region_digits(),
            submitted: at,
            started,
            done,
            visible_from: later(at, habits.list_lag),
            due: later(done, habits.execution),
            cancelled: None,
            batch: read(&incoming.body, &visit.seller_id),
            result: None,
        };
        let info = vec![
            Element::text("FeedSubmissionId", &feed.id),
            Element::text("FeedType", BATCHES),
            Element::text("SubmittedDate", written(at)),
            Element::text("FeedProcessingStatus", "_SUBMITTED_"),
        ];
        self.all.push(feed);
        Ok(Answer::Result(vec![Element::of("FeedSubmissionInfo", info)]))
    }

    /// The feeds that a filter matches, newest first. Ids, when given, are the only filter (section 4.1).
    fn matching(&self, visit: &Visit<'_>) -> Result<Vec<&Feed>, Denied> {
        let parameters = &visit.parameters;
        let ids = listed(parameters, "FeedSubmissionIdList.Id");
        let types = listed(parameters, "FeedTypeList.Type");
        let statuses = listed(parameters, "FeedProcessingStatusList.Status");
        if ids.len() > 100 {
            return Err(Denied::invalid("FeedSubmissionIdList may have 100 ids"));
        }
        if let Some(unknown) = statuses.iter().find(|status| !STATUSES.contains(status)) {
            let shown: String = unknown.chars().take(40).collect();
            return Err(Denied::invalid(format!("{shown} is not a processing status")));
        }
        let from = moment(parameters, "SubmittedFromDate")?;
        let until = moment(parameters, "SubmittedToDate")?;
        let is_wanted = |feed: &&Feed| {
            if feed.seller_id != visit.seller_id || feed.visible_from > visit.at {
                return false;
            }
            if !ids.is_empty() {
                return ids.contains(&feed.id.as_str());
            }
            (types.is_empty() || types.contains(&BATCHES))
                && (statuses.is_empty() || statuses.contains(&feed.status(visit.at)))
                && from.is_none_or(|from| feed.submitted >= from)
                && until.is_none_or(|until| feed.submitted <= until)
        };
        Ok(self.all.iter().rev().filter(is_wanted).collect())
    }

    pub(super) fn list(&mut self, visit: &Visit<'_>, random: &mut Random) -> Result<Answer, Denied> {
        let ids: Vec<String> = self.matching(visit)?.into_iter().map(|feed| feed.id.clone()).collect();
        let size = page_size(&visit.parameters)?;
        Ok(self.page(ids, size, visit.at, random))
    }

    pub(super) fn next_page(&mut self, visit: &Visit<'_>, random: &mut Random) -> Result<Answer, Denied> {
        let token = visit.parameters.get("NextToken").map_or("", String::as_str);
        let left = self.pages.get(token).cloned();
        let left =
            left.ok_or_else(|| Denied::new(400, "ValidationError", "NextToken is missing or unknown"))?;
        Ok(self.page(left, 100, visit.at, random))
    }

    /// One page; `NextToken` comes after the rows here (section 4.1).
    fn page(&mut self, mut ids: Vec<String>, size: usize, at: Timestamp, random: &mut Random) -> Answer {
        let left = ids.split_off(size.min(ids.len()));
        let mut result = vec![Element::text("HasNext", (!left.is_empty()).to_string())];
        for id in ids {
            result.extend(self.all.iter().find(|feed| feed.id == id).map(|feed| feed.element(at)));
        }
        if !left.is_empty() {
            let token = new_token(self.pages.len(), random);
            result.push(Element::text("NextToken", &token));
            self.pages.insert(token, left);
        }
        Answer::Result(result)
    }

    pub(super) fn count(&self, visit: &Visit<'_>) -> Result<Answer, Denied> {
        let count = self.matching(visit)?.len();
        Ok(Answer::Result(vec![Element::text("Count", count.to_string())]))
    }

    /// Cancels every matched feed that has not begun, and counts whatever was matched (section 7): without
    /// any id that it knows, that is every feed of the type.
    pub(super) fn cancel(&mut self, visit: &Visit<'_>) -> Result<Answer, Denied> {
        let ids: Vec<String> =
            self.matching(visit)?.into_iter().take(100).map(|feed| feed.id.clone()).collect();
        let mut result = vec![Element::text("Count", ids.len().to_string())];
        for feed in self.all.iter_mut().rev().filter(|feed| ids.contains(&feed.id)) {
            if feed.status(visit.at) == "_SUBMITTED_" {
                feed.cancelled = Some(visit.at);
            }
            result.push(feed.element(visit.at));
        }
        Ok(Answer::Result(result))
    }

    /// The batches of this seller that are completed in the window, as far as nobody cancels them.
    pub(in super::super) fn completed(&self, seller_id: &str, window: Window) -> Vec<Completed> {
        let is_wanted =
            |feed: &&Feed| feed.seller_id == seller_id && feed.cancelled.is_none() && window.has(feed.due);
        let completed = self.all.iter().filter(is_wanted).filter_map(|feed| {
            Some(Completed {
                at: feed.due,
                feed_id: feed.id.clone(),
                report_id: feed.report_id(),
                is_sandbox: feed.is_sandbox,
                request_count: feed.batch.as_ref().ok()?.requests.len(),
            })
        });
        completed.collect()
    }

    /// The result of a completed batch as a report; `None` when the id is that of no batch.
    pub(super) fn report(&self, visit: &Visit<'_>) -> Option<Answer> {
        let id = visit.parameters.get("ReportId")?;
        let feed =
            self.all.iter().find(|feed| feed.report_id() == *id && feed.seller_id == visit.seller_id)?;
        Some(Answer::File(XML, feed.result.clone()?))
    }

    pub(super) fn result(&self, visit: &Visit<'_>) -> Result<Answer, Denied> {
        let id = visit.parameters.get("FeedSubmissionId").map_or("", String::as_str);
        let feed = self.all.iter().find(|feed| feed.id == id && feed.seller_id == visit.seller_id);
        let feed = feed.ok_or_else(|| {
            Denied::new(400, "InvalidFeedSubmissionId", "The feed submission id does not exist")
        })?;
        if feed.cancelled.is_some() {
            return Err(Denied::new(400, "FeedCanceled", "The feed was cancelled"));
        }
        match (&feed.batch, &feed.result) {
            (Err(why), _) if visit.at >= feed.done => Ok(Answer::File(XML, rejection(feed, why))),
            (Ok(_), Some(result)) => Ok(Answer::File(XML, result.clone())),
            _ => Err(Denied::new(
                404,
                "FeedProcessingResultNotReady",
                format!("Feed Submission Result is not ready for Feed {}", feed.id),
            )),
        }
    }
}

/// The sum in the query counts, that in the header when there is none (section 3.1).
fn check_sum(parameters: &Parameters, incoming: &Incoming) -> Result<(), Denied> {
    let sent = parameters.get("ContentMD5Value").map(String::as_str).or(incoming.header("content-md5"));
    let Some(sent) = sent else {
        return Err(Denied::new(400, "ContentMD5Missing", "The Content-MD5 of the feed is missing"));
    };
    let ours = STANDARD.encode(Md5::digest(&incoming.body));
    if sent == ours {
        return Ok(());
    }
    let message = format!(
        "The Content-MD5 HTTP header you passed for your feed ({sent}) did not match the Content-MD5 we calculated \
         for your feed ({ours})"
    );
    Err(Denied::new(400, "ContentMD5DoesNotMatch", message))
}

/// The generic report of a refused feed (section 5.3).
fn rejection(feed: &Feed, why: &str) -> Vec<u8> {
    let text = |name: &str, value: &str| Element::text(name, value);
    let summary = vec![
        text("MessagesProcessed", "1"),
        text("MessagesSuccessful", "0"),
        text("MessagesWithError", "1"),
        text("MessagesWithWarning", "0"),
    ];
    let complaint = vec![
        text("MessageID", "0"),
        text("ResultCode", "Error"),
        text("ResultMessageCode", "5001"),
        text("ResultDescription", why),
    ];
    let report = vec![
        text("DocumentTransactionID", &feed.id),
        text("StatusCode", "Complete"),
        Element::of("ProcessingSummary", summary),
        Element::of("Result", complaint),
    ];
    let header = vec![text("DocumentVersion", "1.02"), text("MerchantIdentifier", &feed.seller_id)];
    let message = vec![text("MessageID", "1"), Element::of("ProcessingReport", report)];
    let envelope = vec![
        Element::of("Header", header),
        text("MessageType", "ProcessingReport"),
        Element::of("Message", message),
    ];
    let body = Element::of("AmazonEnvelope", envelope).line();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}").into_bytes()
}
