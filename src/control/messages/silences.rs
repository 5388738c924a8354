//! Messages about silences, acknowledgements, and where an alert goes.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::alert::Severity;
use crate::payments::object::AccountName;

pub use crate::alerts::matchers::{Matchers, parse_money};
pub use crate::alerts::silences::Silence;

/// Holds alerts back for a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceAdd {
    /// Which alerts. At least one condition.
    pub matchers: Matchers,
    /// Why.
    pub reason: String,
    /// For this many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
    /// Or until this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Until a condition that it holds back is over; at most until the end that is given, or for 30 days.
    pub until_resolved: bool,
}

/// Which silences to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceList {
    /// Also silences that ended more than a week ago.
    pub all: bool,
}

/// Ends a silence now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceEnd {
    /// Its number.
    pub number: u64,
}

/// A silence as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SilenceRow {
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
    /// Whether it holds alerts back now.
    pub is_active: bool,
    /// How many alerts it has held back.
    pub held_back: u64,
}

/// Which alerts somebody takes care of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// These alerts.
    pub keys: Vec<String>,
    /// Or all that are or were to be escalated and that nobody has acknowledged.
    pub all: bool,
}

/// What was acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Acknowledged {
    /// The keys of the alerts.
    pub keys: Vec<String>,
    /// Keys that belong to no alert.
    pub unknown: Vec<String>,
}

/// An alert whose way to the targets is to be explained: an existing one by its key, or an example. Without any field,
/// the example is a decline of the first account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteRequest {
    /// The key of an existing alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The kind of the example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Its severity; critical unless given, or a warning in a sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The kind of its object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_kind: Option<String>,
    /// The provider's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its amount. Needs a currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The currency of its amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// Where an alert goes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RouteExplanation {
    /// The alert, in words.
    pub alert: String,
    /// What each rule says, in the order of the configuration.
    pub rules: Vec<RuleRow>,
    /// The targets that get it at once.
    pub targets: Vec<String>,
    /// The targets that get it if nobody acknowledges it.
    pub escalations: Vec<EscalationRow>,
    /// The targets whose own filters refuse it.
    pub refused: Vec<RefusedRow>,
    /// The number of the silence that holds it back now.
    pub silence: Option<u64>,
}

/// What a rule says about an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleRow {
    /// Its number, counted from 1.
    pub number: usize,
    /// Its conditions, in words.
    pub conditions: String,
    /// Its targets.
    pub targets: Vec<String>,
    /// Whether the alert meets them; none if an earlier rule has decided.
    pub matches: Option<bool>,
    /// Why the alert does not meet them.
    pub why_not: Option<String>,
}

/// A target that gets an alert later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EscalationRow {
    /// The target.
    pub target: String,
    /// When.
    pub at: Timestamp,
}

/// A target whose own filters refuse an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedRow {
    /// The target.
    pub target: String,
    /// Why.
    pub why: String,
}
