//! Something a person should know, complete: what, which order, how much, why, what to do, where to look.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::{Amounts, Money};
use super::object::{AccountName, ObjectRef};

/// How urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look today.
    Warning,
    /// Money is at stake now.
    Critical,
}

/// One thing to tell. Its key is the same however often it is found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Stable and unique for the occasion.
    pub key: String,
    /// The sort: `declined`, `overdue`, `quarantined`, `canceled`, `expiring`, `credentials-refused`, `clock-wrong`, ...
    pub kind: String,
    /// How urgent.
    pub severity: Severity,
    /// Whose.
    pub account: AccountName,
    /// About which object, if about one.
    pub object: Option<ObjectRef>,
    /// The shop's own reference.
    pub merchant_reference: Option<String>,
    /// How much.
    pub amount: Option<Money>,
    /// What is authorized, captured and refunded in all, as far as the provider says.
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
    /// Where to look.
    pub look: String,
    /// When it happened, as well as is known.
    pub occurred_at: Timestamp,
    /// When we found out.
    pub found_at: Timestamp,
}

impl Alert {
    /// An alert about an account as a whole, found now, that still lacks its words: fill them in with
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
