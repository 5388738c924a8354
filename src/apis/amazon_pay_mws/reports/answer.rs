//! What the report operations answer (sheet amazon-pay-batch.md, section 9). Files are taken by
//! `feeds::answer::file`: both sections send them alike.
//!
//! Owns: from an answer, or none, to what it lists. Must never know: what is done about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::amazon_pay_mws::feeds::answer::{Reply, failure, next_token, plain_id, root_of, unreadable};
use crate::apis::amazon_pay_mws::wire::{Element, Unreadable, read_time, word};
use crate::payments::observation::Failure;

/// `ReportProcessingStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestStatus {
    /// `_SUBMITTED_`: queued.
    Submitted,
    /// `_IN_PROGRESS_`: being made.
    InProgress,
    /// `_DONE_`: there.
    Done,
    /// `_DONE_NO_DATA_`: nothing happened in its time; there is no file.
    DoneWithoutData,
    /// `_CANCELLED_`: by request or by the provider.
    Cancelled,
    /// A word that the sheet does not know, letter for letter.
    Unknown(String),
}

impl RequestStatus {
    fn of(word: &str) -> RequestStatus {
        match word {
            "_SUBMITTED_" => RequestStatus::Submitted,
            "_IN_PROGRESS_" => RequestStatus::InProgress,
            "_DONE_" => RequestStatus::Done,
            "_DONE_NO_DATA_" => RequestStatus::DoneWithoutData,
            "_CANCELLED_" => RequestStatus::Cancelled,
            other => RequestStatus::Unknown(other.to_owned()),
        }
    }
}

/// A request for a report as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// `ReportRequestId`.
    pub id: String,
    /// `ReportType`.
    pub report_type: Option<String>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Where it stands.
    pub status: RequestStatus,
    /// The report that it led to; it may be missing although the report is there.
    pub report_id: Option<String>,
}

/// A report as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// `ReportId`.
    pub id: String,
    /// `ReportType`.
    pub report_type: Option<String>,
    /// The request that led to it.
    pub request_id: Option<String>,
    /// Since when it is there.
    pub available_at: Option<Timestamp>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<Row> {
    /// In the provider's order.
    pub rows: Vec<Row>,
    /// For the next page; none on the last.
    pub next_token: Option<String>,
}

/// Reads the answer to `RequestReport`.
///
/// # Errors
/// The failure that the reply is; the request may have been made all the same.
pub fn requested(reply: &Reply, now: Timestamp) -> Result<RequestRow, Failure> {
    let page = page("RequestReport", "ReportRequestInfo", reply, now, request_row)?;
    let missing = || unreadable(&Unreadable::Missing("ReportRequestInfo"));
    page.rows.into_iter().next().ok_or_else(missing)
}

/// Reads the answer to `GetReportRequestList` (`action`) or its `ByNextToken`.
///
/// # Errors
/// The failure that the reply is.
pub fn requests(action: &str, reply: &Reply, now: Timestamp) -> Result<Page<RequestRow>, Failure> {
    page(action, "ReportRequestInfo", reply, now, request_row)
}

/// Reads the answer to `GetReportList` (`action`) or its `ByNextToken`.
///
/// # Errors
/// The failure that the reply is.
pub fn reports(action: &str, reply: &Reply, now: Timestamp) -> Result<Page<ReportRow>, Failure> {
    page(action, "ReportInfo", reply, now, report_row)
}

fn page<Row>(
    action: &str,
    name: &'static str,
    reply: &Reply,
    now: Timestamp,
    read: fn(&Element) -> Result<Row, Unreadable>,
) -> Result<Page<Row>, Failure> {
    let response = reply.as_ref().map_err(|error| Failure::from(error.clone()))?;
    if response.status != 200 {
        return Err(failure(response, now));
    }
    let root = root_of(&response.body, action)?;
    (|| {
        let result = root.result(&format!("{action}Result"))?.ok_or(Unreadable::Missing("Result"))?;
        let rows = result.all(name)?.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { rows, next_token: next_token(result)? })
    })()
    .map_err(|problem| unreadable(&problem))
}

fn request_row(info: &Element) -> Result<RequestRow, Unreadable> {
    let status = word(info, &["ReportProcessingStatus"])?;
    Ok(RequestRow {
        id: plain_id(info, "ReportRequestId")?.ok_or(Unreadable::Missing("ReportRequestId"))?,
        report_type: word_of_any_length(info, "ReportType")?,
        from: info.text_of("StartDate")?.and_then(read_time),
        until: info.text_of("EndDate")?.and_then(read_time),
        status: RequestStatus::of(status.ok_or(Unreadable::Missing("ReportProcessingStatus"))?),
        report_id: plain_id(info, "GeneratedReportId")?,
    })
}

fn report_row(info: &Element) -> Result<ReportRow, Unreadable> {
    Ok(ReportRow {
        id: plain_id(info, "ReportId")?.ok_or(Unreadable::Missing("ReportId"))?,
        report_type: word_of_any_length(info, "ReportType")?,
        request_id: plain_id(info, "ReportRequestId")?,
        available_at: info.text_of("AvailableDate")?.and_then(read_time),
    })
}

/// The names of report types are longer than other words of the provider.
fn word_of_any_length(info: &Element, name: &'static str) -> Result<Option<String>, Unreadable> {
    Ok(info.text_of(name)?.map(str::to_owned))
}
