//! Who may call, and how the simulated provider behaves where the manual leaves a choice.
//!
//! Owns: merchants, regions, habits. Must never know: payments, XML.

use std::fmt;
use std::time::Duration;

/// A seller that the provider knows. Its keys open both environments, as Amazon's do.
#[derive(Clone)]
pub struct MwsMerchant {
    /// The seller id (`A…`), the key of its buckets.
    pub seller_id: String,
    /// The public half of the credentials.
    pub access_key_id: String,
    /// The secret half; hidden in debug prints.
    pub secret_key: String,
    /// Whether planted objects live in the sandbox.
    pub is_sandbox: bool,
    /// `na`, `eu` or `jp` (also `us`, `uk`, `de`): decides the digits of identifiers.
    pub region: String,
}

impl fmt::Debug for MwsMerchant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MwsMerchant")
            .field("seller_id", &self.seller_id)
            .field("is_sandbox", &self.is_sandbox)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl MwsMerchant {
    /// The two digits after the letter of an identifier (docs/src/reference/amazon-pay-mws.md section 3.3).
    pub(super) fn region_digits(&self) -> &'static str {
        match self.region.as_str() {
            "eu" | "uk" | "de" => "02",
            "jp" => "03",
            _ => "01",
        }
    }
}

/// How the simulated provider behaves where the manual names a range or nothing.
#[derive(Debug, Clone)]
pub struct MwsHabits {
    /// How long an asynchronous authorization stays Pending (docs/src/reference/amazon-pay-mws.md section 4.1:
    /// about 30 s, or a minute or more).
    pub authorization_delay: Duration,
    /// How long a capture stays Pending that comes more than 7 days after its authorization (section 4.2).
    pub late_capture_delay: Duration,
    /// How long a refund stays Pending (section 4.3: can last hours).
    pub refund_delay: Duration,
    /// A further request quota per hour and operation, told in the `x-mws-quota-*` headers (section 5.2);
    /// the manual documents none for this section, so `None` is the default.
    pub hourly_quota: Option<u32>,
    /// Whether the order of children, the declaration and empty elements vary from answer to answer
    /// (section 3.4).
    pub is_answer_varied: bool,
    /// Whether an equal call with a reference that was used is refused (`DuplicateReferenceId`) rather than answered
    /// with what the first one made. The manual does not say which.
    pub is_repetition_refused: bool,
    /// What a billing agreement allows in a calendar month, in whole units (yen: a hundred times that).
    pub agreement_monthly_limit: u32,
    /// How batches and reports go.
    pub batch: MwsBatchHabits,
}

/// How batches and reports go where the manual names a range or nothing (docs/src/reference/amazon-pay-batch.md).
#[derive(Debug, Clone, PartialEq)]
pub struct MwsBatchHabits {
    /// From the submission of a feed until its processing begins; until then it can be cancelled.
    pub take_in: Duration,
    /// From there until `_DONE_`.
    pub processing: Duration,
    /// From `_DONE_` until its requests are carried out and the result is there.
    pub execution: Duration,
    /// From the submission until lists show the feed.
    pub list_lag: Duration,
    /// The share of answers that are missing in results.
    pub missing_row_share: f64,
    /// The share of answers that stand twice in results.
    pub repeated_row_share: f64,
    /// The share of answers without their `SellerRequestId`.
    pub row_without_id_share: f64,
    /// From the request for a report until it is there.
    pub report_delay: Duration,
    /// The share of finished requests whose row does not name the report.
    pub unnamed_report_share: f64,
    /// What is wrong with reports and their files.
    pub report: MwsReportHabits,
}

/// What is wrong with reports and their files; nothing unless said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MwsReportHabits {
    /// So many of the first requests are cancelled by the provider.
    pub cancelled: u32,
    /// So many of the first files arrive with another byte than their MD5 promises.
    pub spoilt: u32,
    /// Transaction files have so many rows that make no sense.
    pub bad_rows: u32,
    /// The first so many good rows of a transaction file tell another amount.
    pub other_amounts: u32,
    /// The first so many good rows of a transaction file tell that it was declined.
    pub other_states: u32,
    /// Transaction files have a column that no manual knows, in front of the others' end.
    pub has_extra_column: bool,
    /// Transaction files begin with a byte order mark.
    pub has_mark: bool,
    /// Transaction files come in `windows-1252`.
    pub is_western: bool,
    /// Every file is a page for a person instead.
    pub is_web_page: bool,
}

impl Default for MwsBatchHabits {
    fn default() -> MwsBatchHabits {
        MwsBatchHabits {
            take_in: Duration::from_secs(60),
            processing: Duration::from_secs(120),
            execution: Duration::from_secs(600),
            list_lag: Duration::ZERO,
            missing_row_share: 0.0,
            repeated_row_share: 0.0,
            row_without_id_share: 0.0,
            report_delay: Duration::from_secs(120),
            unnamed_report_share: 0.0,
            report: MwsReportHabits::default(),
        }
    }
}

impl Default for MwsHabits {
    fn default() -> MwsHabits {
        MwsHabits {
            authorization_delay: Duration::from_secs(30),
            late_capture_delay: Duration::from_secs(3600),
            refund_delay: Duration::from_secs(3600),
            hourly_quota: None,
            is_answer_varied: true,
            is_repetition_refused: false,
            agreement_monthly_limit: 500,
            batch: MwsBatchHabits::default(),
        }
    }
}

/// What `GetServiceStatus` says (docs/src/reference/amazon-pay-mws.md section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MwsServiceStatus {
    /// Normal.
    Green,
    /// Normal, with a message.
    GreenWithInformation,
    /// Degraded.
    Yellow,
    /// Unavailable.
    Red,
}

impl MwsServiceStatus {
    /// The status of this word of the provider.
    pub fn of(word: &str) -> Option<MwsServiceStatus> {
        let all = [
            MwsServiceStatus::Green,
            MwsServiceStatus::GreenWithInformation,
            MwsServiceStatus::Yellow,
            MwsServiceStatus::Red,
        ];
        all.into_iter().find(|status| status.word() == word)
    }

    /// The provider's word.
    pub fn word(self) -> &'static str {
        match self {
            MwsServiceStatus::Green => "GREEN",
            MwsServiceStatus::GreenWithInformation => "GREEN_I",
            MwsServiceStatus::Yellow => "YELLOW",
            MwsServiceStatus::Red => "RED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_shows_no_secret() {
        let merchant = MwsMerchant {
            seller_id: "A1SELLER".into(),
            access_key_id: "AKIA-KEY".into(),
            secret_key: "very-secret".into(),
            is_sandbox: true,
            region: "eu".into(),
        };
        let printed = format!("{merchant:?}");
        assert!(printed.contains("A1SELLER"));
        assert!(!printed.contains("AKIA-KEY") && !printed.contains("very-secret"), "{printed}");
        assert_eq!(merchant.region_digits(), "02");
    }
}
