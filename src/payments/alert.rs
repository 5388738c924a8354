//! An alert: what happened, to which order, how much money, why, what to do, and where to look it up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::{Amounts, Money};
use super::object::{AccountName, ObjectRef};

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should check it today.
    Warning,
    /// Money is at stake now.
    Critical,
}

/// One message for people. Its key stays the same when the same thing is found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique to the occasion and stable.
    pub key: String,
    /// The kind: `declined`, `overdue`, `quarantined`, `canceled`, `expiring`, `credentials-refused`, `clock-wrong`,
    /// ...
    pub kind: String,
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
    pub look: String,
    /// When it happened, as far as is known.
    pub occurred_at: Timestamp,
    /// When it was found.
    pub found_at: Timestamp,
}

impl Alert {
    /// An alert about a whole account, found now, with empty texts. Fill them in with
    /// `Alert { headline, .., ..Alert::new(..) }`.
    pub fn new(kind: &str, key: String, severity: Severity, account: AccountName, now: Timestamp) -> Alert {
        Alert {
            key,
            kind: kind.to_owned(),
            severity,
            account,
            object: None,
            merchant_reference: None,
            amount: None,
            amounts: Amounts::default(),
            state: None,
            reason: None,
            headline: String::new(),
            explanation: String::new(),
            advice: String::new(),
            look: String::new(),
            occurred_at: now,
            found_at: now,
        }
    }
}
