//! The `[[mws]]` sections: how the simulated MWS behaves towards one account where its manual leaves a choice.
//!
//! Owns: their keys and checks. Must never know: what the provider makes of them.

use std::time::Duration;

use serde::Deserialize;

use super::super::amazon_pay_mws::{MwsBatchHabits, MwsHabits, MwsReportHabits, MwsServiceStatus};
use super::check::Findings;
use super::written::Seconds;
use super::{Account, Api};

/// How the simulated MWS behaves towards one account.
#[derive(Debug, Clone)]
pub struct MwsConduct {
    /// The account's name.
    pub account: String,
    /// Delays, shares and quotas.
    pub habits: MwsHabits,
    /// What `GetServiceStatus` says, from and until so long after the start.
    pub service_status: Vec<(Duration, Option<Duration>, MwsServiceStatus)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMws {
    account: String,
    #[serde(default)]
    service_status: Vec<WrittenStatus>,
    authorization_delay_s: Option<Seconds>,
    late_capture_delay_s: Option<Seconds>,
    refund_delay_s: Option<Seconds>,
    hourly_quota: Option<u32>,
    is_answer_varied: Option<bool>,
    is_repetition_refused: Option<bool>,
    agreement_monthly_limit: Option<u32>,
    feed_take_in_s: Option<Seconds>,
    feed_processing_s: Option<Seconds>,
    feed_execution_s: Option<Seconds>,
    feed_list_lag_s: Option<Seconds>,
    missing_row_share: Option<f64>,
    repeated_row_share: Option<f64>,
    row_without_id_share: Option<f64>,
    report_delay_s: Option<Seconds>,
    unnamed_report_share: Option<f64>,
    #[serde(default)]
    report: WrittenReports,
}

/// What is wrong with reports: `report = { cancelled = 2, bad_rows = 3 }`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenReports {
    cancelled: u32,
    spoilt: u32,
    bad_rows: u32,
    other_amounts: u32,
    other_states: u32,
    has_extra_column: bool,
    has_mark: bool,
    is_western: bool,
    is_web_page: bool,
}

impl WrittenReports {
    fn habits(&self) -> MwsReportHabits {
        MwsReportHabits {
            cancelled: self.cancelled,
            spoilt: self.spoilt,
            bad_rows: self.bad_rows,
            other_amounts: self.other_amounts,
            other_states: self.other_states,
            has_extra_column: self.has_extra_column,
            has_mark: self.has_mark,
            is_western: self.is_western,
            is_web_page: self.is_web_page,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStatus {
    status: String,
    from_s: Option<Seconds>,
    to_s: Option<Seconds>,
}

pub(super) fn conduct(written: WrittenMws, accounts: &[Account], findings: &mut Findings<'_>) -> MwsConduct {
    let known = accounts.iter().find(|account| account.name == written.account);
    if known.is_none_or(|account| account.api != Api::AmazonPayMws) {
        let problem = format!("`{}` is no declared account of amazon-pay-mws", written.account);
        findings.add("account", problem, "name one that is declared above");
    }
    for (key, share) in [
        ("missing_row_share", written.missing_row_share),
        ("repeated_row_share", written.repeated_row_share),
        ("row_without_id_share", written.row_without_id_share),
        ("unnamed_report_share", written.unnamed_report_share),
    ] {
        findings.share(key, share.unwrap_or_default());
    }
    let statuses: Vec<_> =
        written.service_status.iter().filter_map(|status| service_status(status, findings)).collect();
    MwsConduct { habits: habits(&written), account: written.account, service_status: statuses }
}

fn service_status(
    written: &WrittenStatus,
    findings: &mut Findings<'_>,
) -> Option<(Duration, Option<Duration>, MwsServiceStatus)> {
    let status = MwsServiceStatus::of(&written.status);
    if status.is_none() {
        let problem = format!("`{}` is no status", written.status);
        findings.add("service_status", problem, "write GREEN, GREEN_I, YELLOW or RED");
    }
    let from = written.from_s.map_or(Duration::ZERO, |seconds| seconds.0);
    let until = written.to_s.map(|seconds| seconds.0);
    if until.is_some_and(|until| until <= from) {
        findings.add("service_status", "the time ends before it begins", "write a to_s above from_s");
    }
    Some((from, until, status?))
}

fn habits(written: &WrittenMws) -> MwsHabits {
    let usual = MwsHabits::default();
    let time = |given: Option<Seconds>, usual: Duration| given.map_or(usual, |seconds| seconds.0);
    let batch = usual.batch.clone();
    MwsHabits {
        authorization_delay: time(written.authorization_delay_s, usual.authorization_delay),
        late_capture_delay: time(written.late_capture_delay_s, usual.late_capture_delay),
        refund_delay: time(written.refund_delay_s, usual.refund_delay),
        hourly_quota: written.hourly_quota.or(usual.hourly_quota),
        is_answer_varied: written.is_answer_varied.unwrap_or(usual.is_answer_varied),
        is_repetition_refused: written.is_repetition_refused.unwrap_or(usual.is_repetition_refused),
        agreement_monthly_limit: written.agreement_monthly_limit.unwrap_or(usual.agreement_monthly_limit),
        batch: MwsBatchHabits {
            take_in: time(written.feed_take_in_s, batch.take_in),
            processing: time(written.feed_processing_s, batch.processing),
            execution: time(written.feed_execution_s, batch.execution),
            list_lag: time(written.feed_list_lag_s, batch.list_lag),
            missing_row_share: written.missing_row_share.unwrap_or(batch.missing_row_share),
            repeated_row_share: written.repeated_row_share.unwrap_or(batch.repeated_row_share),
            row_without_id_share: written.row_without_id_share.unwrap_or(batch.row_without_id_share),
            report_delay: time(written.report_delay_s, batch.report_delay),
            unnamed_report_share: written.unnamed_report_share.unwrap_or(batch.unnamed_report_share),
            report: written.report.habits(),
        },
    }
}
