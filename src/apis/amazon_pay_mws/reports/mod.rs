//! Transaction and settlement reports (docs/src/reference/amazon-pay-batch.md, sections 9 to 11 and 15).
//!
//! Owns: the report types, the calls and their answers (`answer`), the files (`file`, `rows`), what their rows
//! say of objects (`claims`), and how a step of a pull is asked (`source`). Which day is owed which step is the
//! affair of `apis::reporting`. Must never know: storage, what is known about an object.

pub mod answer;
pub mod claims;
pub mod file;
pub mod rows;
mod source;
#[cfg(test)]
mod tests;

pub use source::kinds_in;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Section};
use super::feeds::time;
use crate::apis::pace::Quota;

/// The advice for a pull over many days is one request a second (section 9), which the operation's own quota
/// allows for its first 15 only; the smaller of the two holds.
pub const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

const fn quota(burst: u32, per_s: u64) -> Quota {
    Quota { burst, per: Duration::from_secs(per_s) }
}

/// The documented quotas (section 8); each operation has an hourly one besides, read from the headers.
pub const QUOTAS: &[(&str, Quota)] = &[
    ("RequestReport", quota(15, 60)),
    ("GetReportRequestList", quota(10, 45)),
    ("GetReportRequestListByNextToken", quota(30, 2)),
    ("GetReportList", quota(10, 60)),
    ("GetReportListByNextToken", quota(30, 2)),
    ("GetReport", quota(15, 60)),
];

/// A type of report (section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReportType {
    /// Made with every settlement; it cannot be requested, only found.
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

    /// The type of that provider's name or short word.
    pub fn of(text: &str) -> Option<ReportType> {
        ReportType::ALL.into_iter().find(|known| known.name() == text || known.word() == text)
    }

    /// Whether it can be asked for; the others are only found in the list.
    pub fn can_be_requested(self) -> bool {
        self != ReportType::Settlement
    }

    /// Whether the environment has it.
    pub fn exists_in(self, is_sandbox: bool) -> bool {
        (self == ReportType::SandboxSettlement) == is_sandbox
    }

    /// Whether its rows are postings of a settlement, not states of objects.
    pub fn is_settlement(self) -> bool {
        matches!(self, ReportType::Settlement | ReportType::SandboxSettlement)
    }
}

/// Asks for a report over a half-open time; where the region takes it, for this marketplace.
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

/// Looks at requests for reports by their ids, at most 100. None without any id.
pub fn look(request_ids: &[&str]) -> Option<Ask> {
    let ask = Ask::new(Section::Reports, "GetReportRequestList").with("MaxCount", "100");
    let ids = request_ids.iter().take(100).enumerate();
    (!request_ids.is_empty()).then(|| {
        ids.fold(ask, |ask, (position, id)| ask.with(format!("ReportRequestIdList.Id.{}", position + 1), *id))
    })
}

/// Lists the requests for this type made since then: a request whose answer was lost is found by its days.
pub fn search(kind: ReportType, requested_from: Timestamp) -> Ask {
    Ask::new(Section::Reports, "GetReportRequestList")
        .with("MaxCount", "100")
        .with("ReportTypeList.Type.1", kind.name())
        .with("RequestedFromDate", time(requested_from))
}

/// Lists the reports of this type that became available in a time: how settlement reports are found.
pub fn list(kind: ReportType, from: Timestamp, until: Timestamp) -> Ask {
    Ask::new(Section::Reports, "GetReportList")
        .with("MaxCount", "100")
        .with("ReportTypeList.Type.1", kind.name())
        .with("AvailableFromDate", time(from))
        .with("AvailableToDate", time(until))
}

/// The report that a request led to, when the request's row did not name it.
pub fn list_of_request(request_id: &str) -> Ask {
    Ask::new(Section::Reports, "GetReportList").with("ReportRequestIdList.Id.1", request_id)
}

/// The next page of a list.
pub fn next_page(is_list_of_requests: bool, token: &str) -> Ask {
    let action =
        if is_list_of_requests { "GetReportRequestListByNextToken" } else { "GetReportListByNextToken" };
    Ask::new(Section::Reports, action).with("NextToken", token)
}

/// Fetches a report, byte for byte.
pub fn fetch(report_id: &str) -> Ask {
    Ask::new(Section::Reports, "GetReport").with("ReportId", report_id).for_file()
}
