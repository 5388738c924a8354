//! What the report operations answer (docs/src/reference/amazon-pay-batch.md, section 9). Files are read by
//! `feeds::answer::file`: both sections send them in the same way.
//!
//! Owns: what an answer lists, or why there is none. Must never know: what is done about it.

use jiff::Timestamp;

use crate::apis::amazon_pay_mws::feeds::answer::{Reply, failure, next_token, plain_id, root_of, unreadable};
use crate::apis::amazon_pay_mws::wire::{Element, Unreadable, read_time, word};
use crate::apis::reporting::{ReportRow, RequestRow, RequestStatus};
use crate::payments::observation::Failure;

/// What a word of `ReportProcessingStatus` means.
fn status_of(word: &str) -> RequestStatus {
    match word {
        "_SUBMITTED_" => RequestStatus::Submitted,
        "_IN_PROGRESS_" => RequestStatus::InProgress,
        "_DONE_" => RequestStatus::Done,
        "_DONE_NO_DATA_" => RequestStatus::DoneWithoutData,
        "_CANCELLED_" => RequestStatus::Cancelled,
        other => RequestStatus::Unknown(other.to_owned()),
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<Row> {
    /// In the provider's order.
    pub rows: Vec<Row>,
    /// The token of the next page; none on the last.
    pub next_token: Option<String>,
}

/// Reads the answer to `RequestReport`.
///
/// # Errors
/// The failure that the reply represents. The request may have been made anyway.
pub fn requested(reply: &Reply, now: Timestamp) -> Result<RequestRow, Failure> {
    let page = page("RequestReport", "ReportRequestInfo", reply, now, request_row)?;
    let missing = || unreadable(&Unreadable::Missing("ReportRequestInfo"));
    page.rows.into_iter().next().ok_or_else(missing)
}

/// Reads the answer to `GetReportRequestList` (`action`) or its `ByNextToken`.
///
/// # Errors
/// The failure that the reply represents.
pub fn requests(action: &str, reply: &Reply, now: Timestamp) -> Result<Page<RequestRow>, Failure> {
    page(action, "ReportRequestInfo", reply, now, request_row)
}

/// Reads the answer to `GetReportList` (`action`) or its `ByNextToken`.
///
/// # Errors
/// The failure that the reply represents.
pub fn reports(action: &str, reply: &Reply, now: Timestamp) -> Result<Page<ReportRow>, Failure> {
    page(action, "ReportInfo", reply, now, report_row)
}

fn page<Row>(
    action: &str,
    name: &'static str,
    reply: &Reply,
    now: Timestamp,
    read: fn(&Element<'_>) -> Result<Row, Unreadable>,
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

fn request_row(info: &Element<'_>) -> Result<RequestRow, Unreadable> {
    let status = word(info, &["ReportProcessingStatus"])?;
    Ok(RequestRow {
        id: plain_id(info, "ReportRequestId")?.ok_or(Unreadable::Missing("ReportRequestId"))?,
        report_type: word_of_any_length(info, "ReportType")?,
        from: info.text_of("StartDate")?.and_then(read_time),
        until: info.text_of("EndDate")?.and_then(read_time),
        status: status_of(status.ok_or(Unreadable::Missing("ReportProcessingStatus"))?),
        report_id: plain_id(info, "GeneratedReportId")?,
    })
}

fn report_row(info: &Element<'_>) -> Result<ReportRow, Unreadable> {
    Ok(ReportRow {
        id: plain_id(info, "ReportId")?.ok_or(Unreadable::Missing("ReportId"))?,
        report_type: word_of_any_length(info, "ReportType")?,
        request_id: plain_id(info, "ReportRequestId")?,
        available_at: info.text_of("AvailableDate")?.and_then(read_time),
    })
}

/// The names of report types are longer than the provider's other words.
fn word_of_any_length(info: &Element<'_>, name: &'static str) -> Result<Option<String>, Unreadable> {
    Ok(info.text_of(name)?.map(str::to_owned))
}
