//! An alert: what happened, to which order, how much money, why, what to do, and where to look it up.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::money::{Amounts, Money};
use super::object::{AccountName, ObjectRef};

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should check it today.
    Warning,
    /// Money is at stake now.
    Critical,
}

/// The sort of an alert. Messages and the store hold its word; one that this version does not know stays readable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AlertKind {
    /// Money was refused.
    Declined,
    /// An object was cancelled by somebody else.
    Canceled,
    /// An end, or a state, that somebody should check.
    Notable,
    /// Something about an object cannot be right.
    Quarantined,
    /// An object moves for longer than usual.
    Overdue,
    /// What an object holds ends soon.
    Expiring,
    /// The provider refuses an account, or one kind of its objects.
    CredentialsRefused,
    /// It accepts them again.
    CredentialsAccepted,
    /// No request of an account succeeds, or they succeed again.
    NoSuccess,
    /// This program failed.
    Defect,
    /// The provider holds requests back for long while objects are due.
    ProviderHold,
    /// It answers them again.
    ProviderHoldEnded,
    /// What the provider says of its own health.
    ServiceStatus,
    /// A batch cannot go on, or has ended.
    Batch,
    /// Nobody knows whether a call was carried out.
    Call,
    /// A provider's report says something else than what is known.
    ReportDifference,
    /// A provider's report cannot be had or used.
    ProviderReport,
    /// This machine's clock is wrong.
    ClockWrong,
    /// It is right again.
    ClockRight,
    /// A provider's notifications do not arrive any more.
    NotificationsSilent,
    /// They arrive again.
    NotificationsBack,
    /// Alerts for a target were given up.
    Undelivered,
    /// A target has taken no alert for long, or takes them again.
    TargetSilent,
    /// A silence ends soon.
    SilenceEnding,
    /// An order whose payment was declined was paid after all.
    Recovered,
    /// Objects had ended long before they were enrolled.
    AlreadyEnded,
    /// Objects wait for their poll for too long, or do not any more.
    Backlog,
    /// The quota does not suffice for the objects that are watched, or suffices again.
    QuotaTooSmall,
    /// The nightly report cannot be made, or is made again.
    ReportFailed,
    /// The disk of the store is nearly full, or has room again.
    DiskLow,
    /// A word of another version, or of a configuration.
    Other(String),
}

impl AlertKind {
    /// Every sort that this version raises.
    pub const ALL: [AlertKind; 30] = [
        AlertKind::Declined,
        AlertKind::Canceled,
        AlertKind::Notable,
        AlertKind::Quarantined,
        AlertKind::Overdue,
        AlertKind::Expiring,
        AlertKind::CredentialsRefused,
        AlertKind::CredentialsAccepted,
        AlertKind::NoSuccess,
        AlertKind::Defect,
        AlertKind::ProviderHold,
        AlertKind::ProviderHoldEnded,
        AlertKind::ServiceStatus,
        AlertKind::Batch,
        AlertKind::Call,
        AlertKind::ReportDifference,
        AlertKind::ProviderReport,
        AlertKind::ClockWrong,
        AlertKind::ClockRight,
        AlertKind::NotificationsSilent,
        AlertKind::NotificationsBack,
        AlertKind::Undelivered,
        AlertKind::TargetSilent,
        AlertKind::SilenceEnding,
        AlertKind::Recovered,
        AlertKind::AlreadyEnded,
        AlertKind::Backlog,
        AlertKind::QuotaTooSmall,
        AlertKind::ReportFailed,
        AlertKind::DiskLow,
    ];

    /// Its word.
    pub fn as_str(&self) -> &str {
        match self {
            AlertKind::Declined => "declined",
            AlertKind::Canceled => "canceled",
            AlertKind::Notable => "notable",
            AlertKind::Quarantined => "quarantined",
            AlertKind::Overdue => "overdue",
            AlertKind::Expiring => "expiring",
            AlertKind::CredentialsRefused => "credentials-refused",
            AlertKind::CredentialsAccepted => "credentials-accepted",
            AlertKind::NoSuccess => "no-success",
            AlertKind::Defect => "defect",
            AlertKind::ProviderHold => "provider-hold",
            AlertKind::ProviderHoldEnded => "provider-hold-ended",
            AlertKind::ServiceStatus => "service-status",
            AlertKind::Batch => "batch",
            AlertKind::Call => "call",
            AlertKind::ReportDifference => "report-difference",
            AlertKind::ProviderReport => "provider-report",
            AlertKind::ClockWrong => "clock-wrong",
            AlertKind::ClockRight => "clock-right",
            AlertKind::NotificationsSilent => "notifications-silent",
            AlertKind::NotificationsBack => "notifications-back",
            AlertKind::Undelivered => "undelivered",
            AlertKind::TargetSilent => "target-silent",
            AlertKind::SilenceEnding => "silence-ending",
            AlertKind::Recovered => "recovered",
            AlertKind::AlreadyEnded => "already-ended",
            AlertKind::Backlog => "backlog",
            AlertKind::QuotaTooSmall => "quota-too-small",
            AlertKind::ReportFailed => "report-failed",
            AlertKind::DiskLow => "disk-low",
            AlertKind::Other(word) => word,
        }
    }
}

impl From<String> for AlertKind {
    fn from(word: String) -> AlertKind {
        AlertKind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(AlertKind::Other(word))
    }
}

impl From<AlertKind> for String {
    fn from(kind: AlertKind) -> String {
        kind.as_str().to_owned()
    }
}

impl PartialEq<String> for AlertKind {
    fn eq(&self, word: &String) -> bool {
        self.as_str() == word
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A target that an alert goes to. It is stored; a target that gets the alert at once is stored as its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipient {
    /// It gets the alert at once.
    Now(String),
    /// It gets the alert at a later time, unless a person has acknowledged the alert by then.
    Escalation {
        /// Its name.
        target: String,
        /// When.
        at: Timestamp,
    },
}

impl Recipient {
    /// Its name in the configuration.
    pub fn target(&self) -> &str {
        match self {
            Recipient::Now(target) | Recipient::Escalation { target, .. } => target,
        }
    }
}

impl From<&str> for Recipient {
    fn from(target: &str) -> Recipient {
        Recipient::Now(target.to_owned())
    }
}
/// Begins the key of an alert which says that an order was paid after all. The key of the alert about the decline follows.
pub const RECOVERED_OF: &str = "recovered/";

/// Which targets an alert goes to; the second argument says whether the account is a sandbox.
pub type Routes = Arc<dyn Fn(&Alert, bool) -> Vec<Recipient> + Send + Sync>;

/// One message for people. Its key stays the same when the same thing is found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Alert {
    /// Unique to the occasion and stable.
    pub key: String,
    /// The sort.
    #[schema(value_type = String)]
    pub kind: AlertKind,
    /// How urgent.
    pub severity: Severity,
    /// The account it concerns.
    pub account: AccountName,
    /// The object it concerns, if there is one.
    pub object: Option<ObjectRef>,
    /// The shop's own reference.
    pub merchant_reference: Option<String>,
    /// The amount concerned.
    pub amount: Option<Money>,
    /// Totals authorized, captured and refunded, as far as the provider reports them.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// The provider's state word.
    pub state: Option<String>,
    /// The provider's reason code.
    pub reason: Option<String>,
    /// One line: what happened.
    pub headline: String,
    /// Why, in plain words.
    pub explanation: String,
    /// What to do next.
    pub advice: String,
    /// A link to the provider's own page.
    #[serde(alias = "look")]
    pub where_to_look: String,
    /// When it happened, as far as is known.
    pub occurred_at: Timestamp,
    /// When it was found.
    pub found_at: Timestamp,
    /// Set if this is no message for people, but an event for a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<Event>>,
}

impl Alert {
    /// An alert about an account as a whole, found now, that still lacks its words: fill them in with
    /// `Alert { headline, .., ..Alert::new(..) }`. Its key is the sort and the occasion, so the same occasion
    /// is reported once.
    pub fn new(
        kind: AlertKind,
        occasion: &str,
        severity: Severity,
        account: &AccountName,
        now: Timestamp,
    ) -> Alert {
        Alert {
            key: format!("{kind}/{occasion}"),
            kind,
            severity,
            account: account.clone(),
            object: None,
            merchant_reference: None,
            amount: None,
            amounts: Amounts::default(),
            state: None,
            reason: None,
            headline: String::new(),
            explanation: String::new(),
            advice: String::new(),
            where_to_look: String::new(),
            occurred_at: now,
            found_at: now,
            event: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_is_stored_as_its_word_and_read_again() {
        for kind in AlertKind::ALL {
            let stored = serde_json::to_string(&kind).unwrap();
            assert_eq!(stored, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<AlertKind>(&stored).unwrap(), kind);
        }
        let newer: AlertKind = serde_json::from_str("\"of-a-newer-version\"").unwrap();
        assert_eq!(newer, AlertKind::Other("of-a-newer-version".to_owned()));
        assert_eq!(serde_json::to_string(&newer).unwrap(), "\"of-a-newer-version\"");
    }
}
