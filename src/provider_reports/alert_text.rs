//! The alerts about reports.
//!
//! Owns: the texts, and the keys under which each is reported once. Must never know: targets.

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::compare::Difference;
use super::download::Download;
use crate::apis::reporting::windows::{Phase, Window};
use crate::apis::reporting::{Claim, Says};
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::payments::record::Record;
use crate::text::{self, hex};

/// The origin of an alert.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) download: &'a Download,
    pub(super) window: &'a Window,
    pub(super) where_to_look: &'a str,
    pub(super) now: Timestamp,
}

impl Place<'_> {
    fn day(&self) -> String {
        self.window.from.strftime("%Y-%m-%d").to_string()
    }

    /// `capture report of 2026-03-01`.
    fn report(&self) -> String {
        format!("{} report of {}", self.download.word, self.day())
    }

    fn alert(&self, kind: AlertKind, severity: Severity, account: &AccountName, occasion: &str) -> Alert {
        Alert {
            where_to_look: self.where_to_look.to_owned(),
            ..Alert::new(kind, occasion, severity, account, self.now)
        }
    }

    /// The alert about a difference. It is reported once, however many reports repeat it.
    pub(super) fn difference(&self, record: &Record, claim: &Claim, found: &Difference) -> Alert {
        let object = &record.object;
        let difference = short(&format!("{} is not {}", found.ours, found.theirs));
        let occasion = format!("{object}/{}/{difference}", found.field);
        let mut alert =
            self.alert(AlertKind::ReportDifference, Severity::Critical, &object.account, &occasion);
        alert.object = Some(object.clone());
        alert.merchant_reference = record.merchant_reference().map(str::to_owned);
        alert.amount = record.amount();
        alert.state = record.state().map(str::to_owned);
        let order = record.merchant_reference().map(|order| format!(" for order {order}"));
        alert.headline = format!(
            "The provider's {} has a different {} for {} {}{}: {} instead of {}",
            self.report(),
            found.field,
            object.kind.as_str().replace('-', " "),
            object.id,
            order.unwrap_or_default(),
            found.theirs,
            found.ours
        );
        let says = match &claim.says {
            Says::State(state) => format!("{state} since {}", claim.at),
            Says::Settled => format!("settled at {}", claim.at),
        };
        let seen = record.observed.as_ref().map_or_else(
            || "it was never observed".to_owned(),
            |observed| {
                format!("it was last observed at {} as {}", observed.seen_at, observed.observation.state)
            },
        );
        alert.explanation = format!("Line {} of the report says {says}; {seen}.", claim.line);
        alert.advice = format!(
            "Nothing was concluded from it, and the object is polled again now. Check `reconciled show \
             {object}` in a few minutes: if it has not changed, send the provider's support the id, the report's \
             id and the line."
        );
        alert.occurred_at = claim.at;
        alert
    }

    /// The whole file, or some of its rows, cannot be used. `trouble` is everything that is wrong; `used` is the
    /// number of rows that could still be used.
    pub(super) fn unusable(&self, report_id: &str, trouble: &str, used: u64, kept_at: &str) -> Alert {
        let account = &self.download.account;
        let occasion =
            format!("{account}/{}/{}/{report_id}/{}", self.download.word, self.day(), short(trouble));
        let mut alert = self.alert(AlertKind::ProviderReport, Severity::Warning, account, &occasion);
        alert.explanation = format!("Report {report_id}: {trouble}.");
        if used == 0 {
            alert.headline = format!("The provider's {} cannot be read", self.report());
            alert.advice = format!(
                "Nothing in it was compared. The file is kept unchanged at {kept_at}.csv: check whether it is the \
                 report at all. `reconciled fetch-reports {account} --type {} --from {day} --to {day}` reads it again, \
                 and with --again fetches it again.",
                self.download.word,
                day = self.day()
            );
        } else {
            alert.headline = format!("The provider's {} can be used only in part", self.report());
            alert.advice = format!(
                "The other {used} rows were used. The file is kept unchanged at {kept_at}.csv, and the bad rows with \
                 their line numbers next to it; check these lines, and the provider's own page for their objects."
            );
        }
        alert
    }

    /// Days that could not be fetched.
    pub(super) fn failed(&self) -> Option<Alert> {
        let download = self.download;
        let failed: Vec<(String, &str)> = download
            .pull
            .windows
            .iter()
            .filter_map(|window| match &window.phase {
                Phase::Failed { why, .. } => {
                    Some((window.from.strftime("%Y-%m-%d").to_string(), why.as_str()))
                }
                _ => None,
            })
            .collect();
        let (first_day, first_why) = failed.first()?;
        let account = &download.account;
        let occasion = format!("{account}/{}/{first_day}/not-had/{}", download.word, download.asked_at);
        let mut alert = self.alert(AlertKind::ProviderReport, Severity::Warning, account, &occasion);
        alert.headline = format!(
            "The provider's {} reports of {} could not be fetched",
            download.word,
            text::count(failed.len(), "day")
        );
        let days: Vec<&str> = failed.iter().map(|(day, _)| day.as_str()).collect();
        alert.explanation = format!("{}. The first: {first_why}.", days.join(", "));
        let last_day = days.last().copied().unwrap_or(first_day);
        alert.advice = format!(
            "Request them again: reconciled fetch-reports {account} --type {} --from {first_day} --to {last_day}. \
             Polling continues meanwhile.",
            download.word
        );
        Some(alert)
    }
}

/// A few characters that stand for a text of the provider: keys are sent in headers, which allow no other characters.
fn short(text: &str) -> String {
    let sum = digest::digest(&digest::SHA256, text.as_bytes());
    hex(&sum.as_ref()[..8])
}
