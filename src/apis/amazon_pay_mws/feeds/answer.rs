//! What the feed operations answer (docs/src/reference/amazon-pay-batch.md, sections 3.2, 4, 5.1, 7 and 12).
//!
//! Owns: interpreting an answer, or its absence. Must never know: what is done about it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FEED_TYPE;
use crate::apis::amazon_pay_mws::asked_wait;
use crate::apis::amazon_pay_mws::md5::is_whole;
use crate::apis::amazon_pay_mws::wire::{
    self, Element, Unreadable, Wanted, envelope, garbled, read_root, read_time, word,
};
use crate::apis::transport::{Response, TransportError};
use crate::payments::observation::Failure;

/// An answer, or why there is none.
pub type Reply = Result<Response, TransportError>;

/// `FeedProcessingStatus` (section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedStatus {
    /// `_SUBMITTED_`: received; it can still be cancelled.
    Submitted,
    /// `_UNCONFIRMED_`: pending.
    Unconfirmed,
    /// `_IN_PROGRESS_`: being processed.
    InProgress,
    /// `_AWAITING_ASYNCHRONOUS_REPLY_`: waiting for other systems.
    AwaitingReply,
    /// `_IN_SAFETY_NET_`: held because it looks dangerous; the provider's support will call.
    InSafetyNet,
    /// `_DONE_`: accepted and waiting to be carried out. Nothing has been carried out yet.
    Done,
    /// `_CANCELLED_`: refused by the provider, or cancelled.
    Cancelled,
    /// A word that is not documented, letter for letter.
    Unknown(String),
}

impl FeedStatus {
    fn of(word: &str) -> FeedStatus {
        match word {
            "_SUBMITTED_" => FeedStatus::Submitted,
            "_UNCONFIRMED_" => FeedStatus::Unconfirmed,
            "_IN_PROGRESS_" => FeedStatus::InProgress,
            "_AWAITING_ASYNCHRONOUS_REPLY_" => FeedStatus::AwaitingReply,
            "_IN_SAFETY_NET_" => FeedStatus::InSafetyNet,
            "_DONE_" => FeedStatus::Done,
            "_CANCELLED_" => FeedStatus::Cancelled,
            other => FeedStatus::Unknown(other.to_owned()),
        }
    }
}

/// One feed as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRow {
    /// Decimal digits, kept as text.
    pub id: String,
    /// Such as `_POST_TRANSACTION_PAYMENTS_BATCH_DATA_`.
    pub feed_type: Option<String>,
    /// Its status.
    pub status: FeedStatus,
    /// When the provider received it, by its clock.
    pub submitted_at: Option<Timestamp>,
}

impl FeedRow {
    /// Whether it can be a payment batch: a row without a type may be one.
    pub fn is_batch(&self) -> bool {
        self.feed_type.as_deref().is_none_or(|kind| kind == FEED_TYPE)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedList {
    /// In the provider's order.
    pub rows: Vec<FeedRow>,
    /// The token of the next page; none on the last.
    pub next_token: Option<String>,
}

/// The outcome of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// It was accepted under this id.
    Accepted {
        /// Such as `1234567890`.
        feed_id: String,
    },
    /// It was certainly not accepted and may be sent again later.
    NotNow {
        /// How long the provider asks to wait, if it does.
        retry_after: Option<Duration>,
        /// Status and code.
        detail: String,
    },
    /// It was certainly not accepted: the provider refuses the account or its credentials. It would be accepted once
    /// that is fixed.
    AccountRefused {
        /// Status and code.
        detail: String,
    },
    /// It was certainly not accepted and would not be if it were sent again.
    Refused {
        /// Status and code.
        detail: String,
    },
    /// Not known: only the list of feeds can tell.
    Lost {
        /// What happened.
        detail: String,
    },
}

/// Reads the answer to `SubmitFeed`. The feed counts as not accepted if it was never sent, or if the provider throttled
/// it or refused it with a code of its own. Everything doubtful is lost.
pub fn submission(reply: &Reply, now: Timestamp) -> Submission {
    let response = match reply {
        Err(error @ (TransportError::Connect(_) | TransportError::Tls(_))) => {
            // Nothing is sent before there is a connection.
            return Submission::NotNow { retry_after: None, detail: error.to_string() };
        }
        Err(error @ TransportError::Unsendable(_)) => {
            return Submission::Refused { detail: error.to_string() };
        }
        Err(error) => return Submission::Lost { detail: error.to_string() },
        Ok(response) => response,
    };
    if response.status == 200 {
        return match accepted_id(&response.body) {
            Ok(feed_id) => Submission::Accepted { feed_id },
            Err(failure) => Submission::Lost { detail: failure.to_string() },
        };
    }
    // A checksum that does not match means that the bytes were corrupted in transit: they were not accepted.
    let code = envelope(&response.body).code;
    let was_spoilt = code.as_deref() == Some("ContentMD5DoesNotMatch");
    match failure(response, now) {
        Failure::Throttled { retry_after, detail } => Submission::NotNow { retry_after, detail },
        // A page from a proxy or gateway says nothing about what reached the provider.
        Failure::Refused { detail, .. } | Failure::Gone { detail } if code.is_none() => {
            Submission::Lost { detail }
        }
        Failure::Refused { detail, .. } | Failure::Gone { detail } if was_spoilt => {
            Submission::NotNow { retry_after: None, detail }
        }
        Failure::Refused { is_whole_account: true, detail } => Submission::AccountRefused { detail },
        Failure::Refused { detail, .. } | Failure::Gone { detail } => Submission::Refused { detail },
        Failure::Transient { detail } | Failure::Garbled { detail } => Submission::Lost { detail },
    }
}

/// What an answer with a status other than 200 means, with the wait that its headers ask for.
pub(in crate::apis::amazon_pay_mws) fn failure(response: &Response, now: Timestamp) -> Failure {
    let wait = asked_wait(response, now);
    wire::failure(response.status, &response.body, response.header("x-mws-request-id"), wait)
}

/// The elements of Feeds and Reports are matched by local names: two namespaces are in use (section 0, fact 8).
const ANY: Wanted = Wanted { is_read: |_| true, is_home: |_| true };

/// The root of an answer of these sections with status 200.
pub(in crate::apis::amazon_pay_mws) fn root_of<'a>(
    body: &'a [u8],
    action: &str,
) -> Result<Element<'a>, Failure> {
    let root = read_root(body, ANY)?;
    if root.name().strip_suffix("Response") == Some(action) {
        Ok(root)
    } else {
        Err(garbled(&format!("the root element is not {action}Response")))
    }
}

pub(in crate::apis::amazon_pay_mws) fn unreadable(problem: &Unreadable) -> Failure {
    garbled(&problem.to_string())
}

fn accepted_id(body: &[u8]) -> Result<String, Failure> {
    let root = root_of(body, "SubmitFeed")?;
    let info =
        root.at(&["SubmitFeedResult", "FeedSubmissionInfo"]).map_err(|problem| unreadable(&problem))?;
    let info = info.ok_or_else(|| unreadable(&Unreadable::Missing("FeedSubmissionInfo")))?;
    row(info).map(|row| row.id).map_err(|problem| unreadable(&problem))
}

/// A provider's id: decimal digits today; any short plain text is accepted.
pub(in crate::apis::amazon_pay_mws) fn plain_id(
    place: &Element<'_>,
    name: &'static str,
) -> Result<Option<String>, Unreadable> {
    let Some(text) = word(place, &[name])? else { return Ok(None) };
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(Some(text.to_owned()))
    } else {
        Err(Unreadable::Unfit(name))
    }
}

fn row(info: &Element<'_>) -> Result<FeedRow, Unreadable> {
    Ok(FeedRow {
        id: plain_id(info, "FeedSubmissionId")?.ok_or(Unreadable::Missing("FeedSubmissionId"))?,
        feed_type: word(info, &["FeedType"])?.map(str::to_owned),
        status: FeedStatus::of(
            word(info, &["FeedProcessingStatus"])?.ok_or(Unreadable::Missing("FeedProcessingStatus"))?,
        ),
        submitted_at: info.text_of("SubmittedDate")?.and_then(read_time),
    })
}

/// Reads the answer to `GetFeedSubmissionList`, its `ByNextToken` or `CancelFeedSubmissions`.
///
/// # Errors
/// The failure that the reply represents.
pub fn list(action: &str, reply: &Reply, now: Timestamp) -> Result<FeedList, Failure> {
    let response = reply.as_ref().map_err(|error| Failure::from(error.clone()))?;
    if response.status != 200 {
        return Err(failure(response, now));
    }
    let root = root_of(&response.body, action)?;
    (|| {
        let result = root.result(&format!("{action}Result"))?.ok_or(Unreadable::Missing("Result"))?;
        let rows = result.all("FeedSubmissionInfo")?.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(FeedList { rows, next_token: next_token(result)? })
    })()
    .map_err(|problem| unreadable(&problem))
}

/// The token of the next page, wherever it appears among the rows; none if `HasNext` says that there are no more.
pub(in crate::apis::amazon_pay_mws) fn next_token(
    result: &Element<'_>,
) -> Result<Option<String>, Unreadable> {
    let has_next = result.text_of("HasNext")?.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let token = result.text_of("NextToken")?.map(str::to_owned);
    if has_next && token.is_none() {
        // Without it, rows would be missed silently.
        return Err(Unreadable::Missing("NextToken"));
    }
    Ok(token.filter(|_| has_next))
}

/// The outcome of fetching a whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// Its bytes are those that the provider sent; `content_type` decides how they are decoded.
    Whole {
        /// As received.
        bytes: Vec<u8>,
        /// The header, if there was one.
        content_type: Option<String>,
    },
    /// Not ready yet, which is normal for hours.
    NotReady,
    /// The bytes do not match the promised MD5: fetch again, at most three times at once.
    Spoilt,
    /// It will not come: the feed was cancelled, or the file is gone or withheld.
    Never {
        /// The provider's code.
        code: String,
    },
    /// No file this time.
    Failed(Failure),
}

/// Codes that say that a file will never be available (section 12).
const NEVER: [&str; 6] = [
    "FeedCanceled",
    "FeedProcessingResultNoLongerAvailable",
    "AccessToFeedProcessingResultDenied",
    "ReportNoLongerAvailable",
    "AccessToReportDenied",
    "InvalidReportId",
];

/// Reads the answer to `GetFeedSubmissionResult` or `GetReport`.
pub fn file(reply: Reply, now: Timestamp) -> File {
    let response = match reply {
        Err(error) => return File::Failed(error.into()),
        Ok(response) => response,
    };
    if response.status != 200 {
        return match envelope(&response.body).code {
            Some(code) if code == "FeedProcessingResultNotReady" || code == "ReportNotReady" => {
                File::NotReady
            }
            Some(code) if NEVER.contains(&code.as_str()) => File::Never { code },
            _ => File::Failed(failure(&response, now)),
        };
    }
    if !is_whole(&response.body, response.header("content-md5")) {
        return File::Spoilt;
    }
    let content_type = response.header("content-type").map(str::to_owned);
    File::Whole { bytes: response.body, content_type }
}
