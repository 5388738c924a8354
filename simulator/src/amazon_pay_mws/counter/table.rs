//! The operations of both counters: docs/src/reference/amazon-pay-batch.md sections 3.1, 4.1, 8 and 9.
//!
//! Owns: names, quotas, which parameters each knows. Must never know: what an operation does.

use crate::provider::Quota;

use super::Section;

/// One operation.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) name: &'static str,
    section: Section,
    pub(super) quota: Quota,
    /// Requests an hour, told in the headers.
    pub(super) hourly: u32,
    /// Besides the common ones; one that ends in `.` is a numbered list.
    parameters: &'static [&'static str],
    /// Whether a name that it does not know is ignored in silence (section 7).
    ignores_strangers: bool,
}

impl Action {
    /// The first name that it does not know.
    pub(super) fn stranger<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> Option<&'a str> {
        if self.ignores_strangers {
            return None;
        }
        let is_number =
            |text: &str| !text.starts_with('0') && text.parse::<u16>().is_ok_and(|number| number <= 1000);
        let is_known = |name: &str| {
            self.parameters.iter().any(|known| match known.ends_with('.') {
                true => name.strip_prefix(known).is_some_and(is_number),
                false => *known == name,
            })
        };
        names.find(|name| !is_known(name)).map(String::as_str)
    }
}

/// The operation of this exact name at this counter.
pub(super) fn find(section: Section, name: &str) -> Option<&'static Action> {
    any(name).filter(|action| action.section == section)
}

/// At which counter the operation of this exact name is.
pub(super) fn section_of(name: &str) -> Option<Section> {
    any(name).map(|action| action.section)
}

/// The operation of this exact name at either.
pub(super) fn any(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

const fn action(
    name: &'static str,
    section: Section,
    (capacity, per_seconds, hourly): (u32, u32, u32),
    parameters: &'static [&'static str],
) -> Action {
    let quota = Quota::new(capacity, 1, per_seconds);
    Action { name, section, quota, hourly, parameters, ignores_strangers: false }
}

use Section::{Feeds, Reports};

const ACTIONS: &[Action] = &[
    action(
        "SubmitFeed",
        Feeds,
        (15, 120, 30),
        &["FeedType", "MarketplaceIdList.Id.", "ContentMD5Value", "PurgeAndReplace"],
    ),
    action("GetFeedSubmissionList", Feeds, (10, 45, 80), FEED_FILTER),
    action("GetFeedSubmissionListByNextToken", Feeds, (30, 2, 1800), &["NextToken"]),
    action("GetFeedSubmissionCount", Feeds, (10, 45, 80), FEED_FILTER),
    Action {
        name: "CancelFeedSubmissions",
        section: Feeds,
        quota: Quota::new(10, 1, 45),
        hourly: 80,
        parameters: FEED_FILTER,
        ignores_strangers: true,
    },
    action("GetFeedSubmissionResult", Feeds, (15, 60, 60), &["FeedSubmissionId"]),
    action(
        "RequestReport",
        Reports,
        (15, 60, 60),
        &["ReportType", "StartDate", "EndDate", "ReportOptions", "MarketplaceIdList.Id."],
    ),
    action(
        "GetReportRequestList",
        Reports,
        (10, 45, 80),
        &[
            "ReportRequestIdList.Id.",
            "ReportTypeList.Type.",
            "ReportProcessingStatusList.Status.",
            "MaxCount",
            "RequestedFromDate",
            "RequestedToDate",
        ],
    ),
    action("GetReportRequestListByNextToken", Reports, (30, 2, 1800), &["NextToken"]),
    action(
        "GetReportList",
        Reports,
        (10, 60, 60),
        &[
            "MaxCount",
            "ReportTypeList.Type.",
            "Acknowledged",
            "AvailableFromDate",
            "AvailableToDate",
            "ReportRequestIdList.Id.",
        ],
    ),
    action("GetReportListByNextToken", Reports, (30, 2, 1800), &["NextToken"]),
    action("GetReport", Reports, (15, 60, 60), &["ReportId"]),
];

const FEED_FILTER: &[&str] = &[
    "FeedSubmissionIdList.Id.",
    "MaxCount",
    "FeedTypeList.Type.",
    "FeedProcessingStatusList.Status.",
    "SubmittedFromDate",
    "SubmittedToDate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_named_except_where_they_are_ignored() {
        let name = |action: &str, name: &str| {
            any(action).expect("in the table").stranger([name.to_owned()].iter()).map(str::to_owned)
        };
        assert_eq!(name("GetFeedSubmissionList", "FeedSubmissionIdList.Id.12"), None);
        for stranger in ["FeedSubmissionId", "FeedSubmissionIdList.Id.0", "FeedSubmissionIdList.Id."] {
            assert_eq!(name("GetFeedSubmissionList", stranger).as_deref(), Some(stranger));
        }
        assert_eq!(name("CancelFeedSubmissions", "FeedSubmissionId"), None);
        assert!(find(Section::Reports, "SubmitFeed").is_none());
    }
}
