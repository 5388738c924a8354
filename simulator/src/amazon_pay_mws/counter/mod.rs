//! The two other counters of MWS, "Feeds" and "Reports", version 2009-01-01: what stands at them
//! (docs/src/reference/amazon-pay-batch.md).
//!
//! Owns: the order in which a request is let in, counted and answered, error envelopes, files with their sums.
//! Must never know: what an operation of the payment section does.
//!
//! A feed's requests are carried out by the payment section itself, when their time has come: `executing`.

mod door;
mod executing;
mod feed_document;
mod feeds;
mod report_faults;
mod report_files;
mod reports;
mod table;

#[cfg(test)]
mod stories;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};

use crate::exchange::{Incoming, Outgoing};
use crate::provider::{Operation, Quota, Random};

use super::books::Books;
use super::details::time;
use super::form::Parameters;
use super::merchant::{MwsHabits, MwsMerchant};
use super::refusal::Refusal;
use super::xml::Element;

pub(super) use executing::carry_out;
pub(super) use feeds::Feeds;
pub(super) use reports::Reports;

/// The namespace on the wire; printed samples have another (section 0, fact 8).
const NAMESPACE: &str = "http://mws.amazonaws.com/doc/2009-01-01/";

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Feeds,
    Reports,
}

/// Which counter a request is for: its path names it, with or without a slash at its end. At the bare host, where
/// some clients go, the operation does (section 1).
pub(super) fn section(incoming: &Incoming) -> Option<Section> {
    match incoming.path.strip_suffix('/').unwrap_or(&incoming.path) {
        "/Feeds/2009-01-01" => Some(Section::Feeds),
        "/Reports/2009-01-01" => Some(Section::Reports),
        "" => table::section_of(&door::action(incoming)?),
        _ => None,
    }
}

/// Why a request was not carried out (section 12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) code: String,
    status: u16,
    message: String,
}

impl Denied {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Denied {
        Denied { code: code.to_owned(), status, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Denied {
        Denied::new(400, "InvalidParameterValue", message)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Denied {
        Denied { code: refusal.code.word(), status: refusal.code.status(), message: refusal.message }
    }
}

/// What is answered.
enum Answer {
    /// A result in the action's envelope.
    Result(Vec<Element>),
    /// A file as it is.
    File(&'static str, Vec<u8>),
    /// A file that changed on its way: its sum is that of what was sent.
    Spoilt(&'static str, Vec<u8>),
}

/// Who asks, and for what; let in and checked.
struct Visit<'a> {
    seller_id: String,
    merchant: &'a MwsMerchant,
    action: &'static str,
    parameters: Parameters,
    at: Timestamp,
}

/// Both counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) feeds: Feeds,
    pub(super) reports: Reports,
    hourly: super::hourly::HourlyCounts,
    pub(super) clock_ahead: SignedDuration,
}

impl Counters {
    /// Whose bucket a request draws from, read without verifying anything.
    pub(super) fn operation(&self, incoming: &Incoming, merchants: &[MwsMerchant]) -> Option<Operation> {
        let section = section(incoming)?;
        let parameters = door::parameters(incoming, section).ok()?;
        let action = table::find(section, parameters.get("Action")?)?;
        let seller = door::seller_of(&parameters)?;
        let known = merchants.iter().find(|known| known.seller_id == seller)?;
        Some(Operation {
            merchant: seller.to_owned(),
            name: action.name.to_owned(),
            is_sandbox: known.is_sandbox,
        })
    }

    /// The documented quota of an operation of these counters.
    pub(super) fn quota(name: &str) -> Option<Quota> {
        table::any(name).map(|action| action.quota)
    }

    /// The answer when the bucket is empty.
    pub(super) fn throttled(
        &self,
        incoming: &Incoming,
        operation: Option<&Operation>,
        request_id: &str,
    ) -> Outgoing {
        let denied = Denied::new(503, "RequestThrottled", "Request is throttled");
        self.finish(Err(denied), "", incoming, operation, request_id)
    }

    /// Lets in, counts, answers.
    pub(super) fn answer(
        &mut self,
        incoming: &Incoming,
        (merchants, delegations): (&[MwsMerchant], &[(String, String)]),
        (books, habits): (&Books, &MwsHabits),
        request_id: &str,
        random: &mut Random,
    ) -> Outgoing {
        let operation = self.operation(incoming, merchants);
        let dated = incoming.dated_by_clock(self.clock_ahead);
        let visit = door::let_in(&dated, merchants, delegations);
        let visit = visit.map(|visit| Visit { at: incoming.at, ..visit });
        let action = visit.as_ref().map_or("", |visit| visit.action);
        let answer = match &visit {
            Ok(visit) => self.serve(visit, incoming, books, habits, random),
            Err(denied) => Err(denied.clone()),
        };
        self.finish(answer, action, incoming, operation.as_ref(), request_id)
    }

    fn serve(
        &mut self,
        visit: &Visit<'_>,
        incoming: &Incoming,
        books: &Books,
        habits: &MwsHabits,
        random: &mut Random,
    ) -> Result<Answer, Denied> {
        let operation = Operation {
            merchant: visit.seller_id.clone(),
            name: visit.action.to_owned(),
            is_sandbox: visit.merchant.is_sandbox,
        };
        let hourly = table::any(visit.action).map(|action| action.hourly);
        if !self.hourly.admits(visit.at, &operation, hourly) {
            return Err(Denied::new(503, "QuotaExceeded", "You exceeded your quota of requests per hour"));
        }
        match visit.action {
            "SubmitFeed" => self.feeds.submit(visit, incoming, &habits.batch, random),
            "GetFeedSubmissionList" => self.feeds.list(visit, random),
            "GetFeedSubmissionListByNextToken" => self.feeds.next_page(visit, random),
            "GetFeedSubmissionCount" => self.feeds.count(visit),
            "CancelFeedSubmissions" => self.feeds.cancel(visit),
            "GetFeedSubmissionResult" => self.feeds.result(visit),
            "RequestReport" => self.reports.request(visit, &habits.batch, random),
            "GetReportRequestList" => self.reports.requests(visit, books, random),
            "GetReportRequestListByNextToken" => self.reports.next_requests(visit, books, random),
            "GetReportList" => self.reports.list(visit, books, random),
            "GetReportListByNextToken" => self.reports.next_list(visit, books, random),
            "GetReport" => match self.feeds.report(visit) {
                Some(result) => Ok(result),
                None => self.reports.fetch(visit, books, &habits.batch.report),
            },
            _ => Err(Denied::new(404, "InvalidAddress", "The operation does not exist")),
        }
    }

    fn finish(
        &self,
        answer: Result<Answer, Denied>,
        action: &str,
        incoming: &Incoming,
        operation: Option<&Operation>,
        request_id: &str,
    ) -> Outgoing {
        let outgoing = match answer {
            Ok(Answer::Result(result)) => {
                Outgoing::new(200, "text/xml", envelope(action, result, request_id).into_bytes())
            }
            Ok(Answer::File(content_type, bytes)) => {
                let sum = STANDARD.encode(Md5::digest(&bytes));
                Outgoing::new(200, content_type, bytes).with_header("content-md5", sum)
            }
            Ok(Answer::Spoilt(content_type, mut bytes)) => {
                let sum = STANDARD.encode(Md5::digest(&bytes));
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                Outgoing::new(200, content_type, bytes).with_header("content-md5", sum)
            }
            Err(denied) => Outgoing::new(denied.status, "text/xml", failure(&denied, request_id)),
        };
        let context = STANDARD.encode(format!("simulated {request_id}"));
        let mut outgoing = outgoing
            .with_header("x-mws-request-id", request_id)
            .with_header("x-mws-timestamp", time(incoming.dated_by_clock(self.clock_ahead).at))
            .with_header("x-mws-response-context", context);
        let hourly = operation.and_then(|operation| Some((operation, table::any(&operation.name)?.hourly)));
        if let Some((operation, quota)) = hourly {
            for (name, value) in self.hourly.headers(incoming.at, operation, quota) {
                outgoing = outgoing.with_header(name, value);
            }
        }
        outgoing
    }
}

/// One line, as recorded (section 3.2).
fn envelope(action: &str, result: Vec<Element>, request_id: &str) -> String {
    let result = Element::of(&format!("{action}Result"), result);
    let metadata = Element::of("ResponseMetadata", vec![Element::text("RequestId", request_id)]);
    format!(
        "<?xml version=\"1.0\"?>\n<{action}Response xmlns=\"{NAMESPACE}\">{}{}</{action}Response>",
        result.line(),
        metadata.line()
    )
}

fn failure(denied: &Denied, request_id: &str) -> String {
    let kind = match denied.code.as_str() {
        "RequestThrottled" => "",
        _ if denied.status >= 500 => "Receiver",
        _ => "Sender",
    };
    let id = if denied.code == "RequestThrottled" { "RequestID" } else { "RequestId" };
    let error = vec![
        Element::text("Type", kind),
        Element::text("Code", &denied.code),
        Element::text("Message", &denied.message),
        Element::text("Detail", ""),
    ];
    format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{NAMESPACE}\">{}{}</ErrorResponse>",
        Element::of("Error", error).line(),
        Element::text(id, request_id).line()
    )
}

/// The values of a numbered list such as `FeedTypeList.Type.1`, in the order of their numbers.
fn listed<'a>(parameters: &'a Parameters, prefix: &str) -> Vec<&'a str> {
    let mut numbered: Vec<(u32, &str)> = parameters
        .iter()
        .filter_map(|(name, value)| {
            let number = name.strip_prefix(prefix)?.strip_prefix('.')?.parse().ok()?;
            Some((number, value.as_str()))
        })
        .collect();
    numbered.sort_unstable();
    numbered.into_iter().map(|(_, value)| value).collect()
}

/// A time parameter, if it was given.
fn moment(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, Denied> {
    parameters
        .get(name)
        .map(|text| {
            text.parse()
                .map_err(|_| Denied::invalid(format!("{name} is not a time like 2019-07-01T12:00:00Z")))
        })
        .transpose()
}

/// How many rows a page may have (section 4.1): 10 when nothing was said, 100 at most.
fn page_size(parameters: &Parameters) -> Result<usize, Denied> {
    match parameters.get("MaxCount").map(|text| text.parse::<usize>()) {
        None => Ok(10),
        Some(Ok(count @ 1..=100)) => Ok(count),
        Some(_) => Err(Denied::invalid("MaxCount must be 1 to 100")),
    }
}

/// A time as these sections write it: seconds, `+00:00`.
fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A decimal id of about the recorded length, never twice.
fn new_id(serial: u64, random: &mut Random) -> String {
    format!("{}{:06}", 10_000 + random.below(90_000), serial)
}

/// A token with the signs that must be escaped.
fn new_token(serial: usize, random: &mut Random) -> String {
    format!("{}+/{serial}==", STANDARD.encode(random.next_u64().to_be_bytes()).trim_end_matches('='))
}
