//! Transaction and settlement reports (docs/src/reference/amazon-pay-batch.md, sections 9 to 11 and 15).
//!
//! Owns: the report types, the calls and their answers (`answer`), the files (`file`, `rows`), what their rows say
//! about objects (`claims`), and the call for each step of a pull (`source`). `apis::reporting` decides which step is
//! due for which day. Must never know: storage, what is known about an object.

pub mod answer;
pub mod claims;
pub mod file;
pub mod rows;
mod source;
#[cfg(test)]
mod tests;

pub use super::ask::report as fetch;
pub use super::limits::REPORT_QUOTAS as QUOTAS;
pub use source::kinds_in;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Section};
use super::feeds::time;

/// For a pull over many days, one request a second is advised (section 9). The operation's own quota allows this for
/// its first 15 requests only; the lower limit applies.
pub const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

/// A type of report (section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportType {
    /// Created with every settlement; it cannot be requested, only found.
    Settlement,
    /// The sandbox's settlement, and its only type.
    SandboxSettlement,
    /// Order references that changed.
    OrderReference,
    /// Billing agreements that changed.
    BillingAgreement,
    /// Authorizations that changed.
    Authorization,
    /// Captures that changed.
    Capture,
    /// Refunds that changed.
    Refund,
}

impl ReportType {
    /// All of them.
    pub const ALL: [ReportType; 7] = [
        ReportType::Settlement,
        ReportType::SandboxSettlement,
        ReportType::OrderReference,
        ReportType::BillingAgreement,
        ReportType::Authorization,
        ReportType::Capture,
        ReportType::Refund,
    ];

    /// The provider's name.
    pub fn name(self) -> &'static str {
        match self {
            ReportType::Settlement => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SETTLEMENT_DATA_",
            ReportType::SandboxSettlement => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_SANDBOX_SETTLEMENT_DATA_",
            ReportType::OrderReference => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_ORDER_REFERENCE_DATA_",
            ReportType::BillingAgreement => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_BILLING_AGREEMENT_DATA_",
            ReportType::Authorization => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_AUTHORIZATION_DATA_",
            ReportType::Capture => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_CAPTURE_DATA_",
            ReportType::Refund => "_GET_FLAT_FILE_OFFAMAZONPAYMENTS_REFUND_DATA_",
        }
    }

    /// The short word for commands and folders.
    pub fn word(self) -> &'static str {
        match self {
            ReportType::Settlement => "settlement",
            ReportType::SandboxSettlement => "sandbox-settlement",
            ReportType::OrderReference => "order-reference",
            ReportType::BillingAgreement => "billing-agreement",
            ReportType::Authorization => "authorization",
            ReportType::Capture => "capture",
            ReportType::Refund => "refund",
        }
    }

    /// The type with this provider's name or short word.
    pub fn of(text: &str) -> Option<ReportType> {
        ReportType::ALL.into_iter().find(|known| known.name() == text || known.word() == text)
    }

    /// Whether it can be requested; the others are only found in the list.
    pub fn can_be_requested(self) -> bool {
        self != ReportType::Settlement
    }

    /// Whether the environment has it.
    pub fn exists_in(self, is_sandbox: bool) -> bool {
        (self == ReportType::SandboxSettlement) == is_sandbox
    }

    /// Whether its rows are postings of a settlement rather than states of objects.
    pub fn is_settlement(self) -> bool {
        matches!(self, ReportType::Settlement | ReportType::SandboxSettlement)
    }
}

/// Requests a report over a half-open time range, for this marketplace if the region accepts one.
pub fn request(kind: ReportType, from: Timestamp, until: Timestamp, marketplace_id: Option<&str>) -> Ask {
    let ask = Ask::new(Section::Reports, "RequestReport")
        .with("ReportType", kind.name())
        .with("StartDate", time(from))
        .with("EndDate", time(until));
    match marketplace_id {
        Some(id) => ask.with("MarketplaceIdList.Id.1", id),
        None => ask,
    }
}

/// Queries report requests by their ids, at most 100. None without any id.
pub fn list_by_ids(request_ids: &[&str]) -> Option<Ask> {
    let ask = Ask::new(Section::Reports, "GetReportRequestList").with("MaxCount", "100");
    let ids = request_ids.iter().take(100).enumerate();
    (!request_ids.is_empty()).then(|| {
        ids.fold(ask, |ask, (position, id)| ask.with(format!("ReportRequestIdList.Id.{}", position + 1), *id))
    })
}

/// Lists the requests for this type made since then. A request whose answer was lost is found by its dates.
pub fn search(kind: ReportType, requested_from: Timestamp) -> Ask {
    Ask::new(Section::Reports, "GetReportRequestList")
        .with("MaxCount", "100")
        .with("ReportTypeList.Type.1", kind.name())
        .with("RequestedFromDate", time(requested_from))
}

/// Lists the reports of this type that became available in a time range. This is how settlement reports are found.
pub fn list(kind: ReportType, from: Timestamp, until: Timestamp) -> Ask {
    Ask::new(Section::Reports, "GetReportList")
        .with("MaxCount", "100")
        .with("ReportTypeList.Type.1", kind.name())
        .with("AvailableFromDate", time(from))
        .with("AvailableToDate", time(until))
}

/// The report that a request produced, if the request's row did not name it.
pub fn list_of_request(request_id: &str) -> Ask {
    Ask::new(Section::Reports, "GetReportList").with("ReportRequestIdList.Id.1", request_id)
}

/// The next page of a list.
pub fn next_page(is_list_of_requests: bool, token: &str) -> Ask {
    let action =
        if is_list_of_requests { "GetReportRequestListByNextToken" } else { "GetReportListByNextToken" };
    Ask::new(Section::Reports, action).with("NextToken", token)
}
