//! Feeds behind the interface that all batches share: from an operator's file to a stored feed, and what an operator
//! may ask of it.
//!
//! Owns: references, splitting, the conditions for sending a feed. Must never know: the network, the store.

use std::io::BufReader;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::batch::{FeedBatch, Settling, is_held};
use super::document::{self, Caps};
use super::input::{self, Format, MOST_PROBLEMS};
use super::request::{BatchOperation, BatchRequest};
use super::steps::{Ending, Outcome, Phase, State, Step};
use crate::apis::amazon_pay_mws::config::Settings;
use crate::apis::amazon_pay_mws::md5::content_md5;
use crate::apis::batch::{self, Blocked, Made, Plan, Submission, Wish};
use crate::apis::config::Environment;
use crate::payments::object::{Kind, ObjectId};

/// The longest feed id that an operator may give; the provider's have 17 digits.
const LONGEST_FEED_ID: usize = 40;

/// The content of a feed.
struct FeedContent {
    /// The operation of all its requests.
    operation: BatchOperation,
    /// In the order of the input.
    requests: Vec<BatchRequest>,
    /// The input line of each request.
    lines: Vec<u64>,
    /// Created by polling, not by a person.
    is_poll: bool,
}

/// Checks an input and splits it into feeds.
pub(super) fn plan(settings: &Settings, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>> {
    let names = || BatchOperation::ALL.map(BatchOperation::name).join(", ");
    let Some(word) = submission.operation else {
        return Err(vec![format!("--operation is missing: one of {}", names())]);
    };
    let Some(operation) = BatchOperation::of(word) else {
        return Err(vec![format!("--operation must be one of {}", names())]);
    };
    if settings.marketplace_id.is_none() {
        return Err(vec![NO_MARKETPLACE.to_owned()]);
    }
    let is_sandbox = settings.environment == Environment::Sandbox;
    let text = submission.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(submission.bytes);
    let format = match text.trim_ascii_start().first() {
        Some(b'{') => Format::JsonLines,
        _ => Format::Csv,
    };
    let rows = input::read(operation, format, BufReader::new(submission.bytes), is_sandbox);
    let rows = rows.map_err(|problems| {
        let mut told: Vec<String> = problems.told.iter().map(ToString::to_string).collect();
        if problems.count > u64::try_from(MOST_PROBLEMS).unwrap_or(u64::MAX) {
            told.push(format!("{} problems in total; the first {MOST_PROBLEMS} are listed", problems.count));
        }
        told
    })?;
    let (mut requests, mut lines) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in rows {
        requests.push(row.request);
        lines.push(row.line);
    }
    Ok(divide(settings, operation, requests, lines, submission.label, false))
}

/// Feeds that poll. They are identified by `label` and their number, not by their content.
pub(super) fn plan_polls(settings: &Settings, kind: &Kind, ids: Vec<ObjectId>, label: &str) -> Vec<Plan> {
    let operation = match kind.as_str() {
        "capture" => BatchOperation::GetCaptureDetails,
        "refund" => BatchOperation::GetRefundDetails,
        _ => return Vec::new(),
    };
    if settings.marketplace_id.is_none() || ids.is_empty() {
        return Vec::new();
    }
    let lines = (1u64..).take(ids.len()).collect();
    let ask = |id| BatchRequest { id, reference_id: None, amount: None, text: None, soft_descriptor: None };
    let requests = ids.into_iter().map(ask).collect();
    let mut plans = divide(settings, operation, requests, lines, label, true);
    for (number, plan) in plans.iter_mut().enumerate() {
        plan.reference = format!("{label}-{number}");
    }
    plans
}

const NO_MARKETPLACE: &str =
    "nothing can be sent: the marketplace of this region and environment is not known; set marketplace_id";

/// One plan for each feed. Its reference is derived from its content, seller, environment and label.
fn divide(
    settings: &Settings,
    operation: BatchOperation,
    mut requests: Vec<BatchRequest>,
    mut lines: Vec<u64>,
    label: &str,
    is_poll: bool,
) -> Vec<Plan> {
    let marketplace = settings.marketplace_id.as_deref().unwrap_or_default();
    let feeds = document::build(operation, &settings.seller_id, &requests, 1, settings.batch_caps);
    let mut plans = Vec::with_capacity(feeds.len());
    for feed in feeds {
        let rest = (requests.split_off(feed.count), lines.split_off(feed.count));
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [label.as_bytes(), b"\0", marketplace.as_bytes(), b"\0", &feed.bytes] {
            hash.update(part);
        }
        let reference: String = hash.finish().as_ref()[..8]
            .iter()
            .fold("rcd-".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let content = FeedContent { operation, requests, lines, is_poll };
        plans.push(Plan::new(reference, content.requests.len(), content));
        (requests, lines) = rest;
    }
    plans
}

/// Builds a planned feed and its document.
pub(super) fn make(
    settings: &Settings,
    plan: Plan,
    first_request_id: u64,
    now: Timestamp,
) -> Result<Made, Blocked> {
    let reference = plan.reference.clone();
    let FeedContent { operation, requests, lines, is_poll } = plan.content()?;
    let whole = Caps { requests: usize::MAX, bytes: usize::MAX };
    let mut feeds =
        document::build(operation, &settings.seller_id, &requests, first_request_id, whole).into_iter();
    let feed = feeds.next().expect("a planned feed has requests");
    let batch = FeedBatch {
        reference,
        operation,
        seller_id: settings.seller_id.clone(),
        is_poll,
        document_md5: feed.md5,
        first_request_id,
        count: u64::try_from(feed.count).unwrap_or(u64::MAX),
        state: State::new(now),
        feed_id: None,
        result_md5: None,
        failures: 0,
        settling: Settling::Open,
    };
    Ok(Made { batch: Box::new(batch), document: feed.bytes, lines: Some(lines) })
}

/// A step as the caller sees it.
pub(super) fn step(step: Step) -> batch::Step {
    let operation = match &step {
        Step::Submit => "SubmitFeed",
        Step::Cancel { .. } => "CancelFeedSubmissions",
        Step::FetchResult { .. } => "GetFeedSubmissionResult",
        Step::Search { .. } | Step::Look { .. } | Step::WaitUntil(_) | Step::AskAPerson | Step::Nothing => {
            "GetFeedSubmissionList"
        }
    };
    batch::Step::new(operation, step == Step::Submit, step)
}

/// Whether a step may be sent. Only a submission can be blocked; one that only reads needs no permission to write.
pub(super) fn check(
    settings: &Settings,
    batch: &FeedBatch,
    step: &Step,
    document: &[u8],
) -> Result<(), Blocked> {
    let blocked = |word, why: &str| Err(Blocked { word, why: why.to_owned() });
    if *step != Step::Submit {
        return Ok(());
    }
    if batch.operation.is_write() && !settings.is_writing_allowed {
        return blocked("writes-forbidden", "nothing is sent: the account has no allow_writes = true");
    }
    if settings.seller_id != batch.seller_id {
        return blocked("other-seller", "nothing is sent: the account's seller_id is not the batch's");
    }
    if settings.marketplace_id.is_none() {
        return blocked("no-marketplace", NO_MARKETPLACE);
    }
    if content_md5(document) != batch.document_md5 {
        let why = "nothing is sent: the stored document is not the one that this batch was made for";
        return blocked("other-file", why);
    }
    Ok(())
}

/// Applies an operator's request to a feed. `is_known` says whether an id belongs to another batch.
pub(super) fn grant(
    batch: &FeedBatch,
    wish: &Wish,
    mut is_known: impl FnMut(&str) -> bool,
    now: Timestamp,
) -> Result<FeedBatch, &'static str> {
    match wish {
        Wish::Cancel => match (&batch.state.phase, batch.settling) {
            (Phase::Finished { ending: Ending::NeverSent | Ending::Cancelled, .. }, _) => Ok(batch.clone()),
            (Phase::Finished { .. } | Phase::Collecting { .. }, _) => {
                Err("cannot be cancelled any more: the provider has accepted it and carries it out")
            }
            (Phase::Held { .. }, _) => {
                Err("is held: first say which feed it is (release --adopt FEED_ID), then cancel it")
            }
            _ => Ok(batch.took(Outcome::CancelWanted, now)),
        },
        Wish::SendAgain | Wish::Adopt(_) if !is_held(&batch.state) => {
            Err("is not held: only a batch whose lost submission matches several feeds can be released")
        }
        Wish::SendAgain => Ok(batch.took(Outcome::MayBeSentAgain, now)),
        Wish::Adopt(id) => {
            let is_plain = !id.is_empty()
                && id.len() <= LONGEST_FEED_ID
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_plain {
                return Err("cannot adopt that: a feed id consists of digits");
            }
            if is_known(id) {
                return Err("cannot adopt that feed: it belongs to another batch");
            }
            Ok(batch.took(Outcome::Adopted { feed_id: id.clone() }, now))
        }
    }
}
