//! What one poll brought: a sight of the object, or a failure to see it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::{Amounts, Money};
use super::object::{Kind, ObjectId};

/// An object as its provider showed it, without anything about the buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The id in the answer, which must be the one asked for.
    pub id: String,
    /// The provider's own state word, letter for letter.
    pub state: String,
    /// The provider's reason codes, letter for letter; usually none or one.
    pub reasons: Vec<String>,
    /// When the provider says the state last changed.
    pub updated_at: Option<Timestamp>,
    /// When the provider says the object was made.
    pub created_at: Option<Timestamp>,
    /// When the provider says the object ends unused.
    pub expires_at: Option<Timestamp>,
    /// The amount that the object is about: charged, authorized, captured or refunded.
    pub amount: Option<Money>,
    /// What the provider names as authorized, captured and refunded, whatever the state says of them.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// Other amounts under the provider's names (`captureAmount`, `RefundedAmount`, ...).
    pub other_amounts: BTreeMap<String, Money>,
    /// The merchant's own reference, as the provider kept it.
    pub merchant_reference: Option<String>,
    /// The id of the object that this one belongs to.
    pub parent: Option<String>,
    /// Objects that this one has led to (captures of an authorization, refunds of a capture).
    pub children: Vec<Child>,
    /// The provider said that trying again may work (`SoftDecline`).
    pub is_soft_decline: bool,
    /// `Live` or `Sandbox`, when the provider says so.
    pub environment: Option<String>,
    /// The fields of the answer that are on the allow-list, under the provider's names.
    pub evidence: BTreeMap<String, String>,
    /// The provider's id of this exchange, for its support desk.
    pub request_id: Option<String>,
    /// What is odd about the answer, although its state can be believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// Something odd about an answer whose state can be believed all the same: the object is set apart visibly until
/// an answer comes without it, or a person accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The sort in a word: `unreadable-field`, `unsigned`, `duplicate-field`, ...
    pub cause: String,
    /// What is odd, in one plain sentence, without text of the buyer.
    pub explanation: String,
}

impl Mark {
    /// A mark.
    pub fn new(cause: &str, explanation: impl Into<String>) -> Mark {
        Mark { cause: cause.to_owned(), explanation: explanation.into() }
    }
}

impl Observation {
    /// Whether another says the same in everything but the number of the exchange.
    pub fn says_the_same(&self, other: &Observation) -> bool {
        // Taken apart by name, so that a new field is not forgotten here.
        let Observation {
            id,
            state,
            reasons,
            updated_at,
            created_at,
            expires_at,
            amount,
            amounts,
            other_amounts,
            merchant_reference,
            parent,
            children,
            is_soft_decline,
            environment,
            evidence,
            request_id: _,
            marks,
        } = self;
        *id == other.id
            && *state == other.state
            && *reasons == other.reasons
            && *updated_at == other.updated_at
            && *created_at == other.created_at
            && *expires_at == other.expires_at
            && *amount == other.amount
            && *amounts == other.amounts
            && *other_amounts == other.other_amounts
            && *merchant_reference == other.merchant_reference
            && *parent == other.parent
            && *children == other.children
            && *is_soft_decline == other.is_soft_decline
            && *environment == other.environment
            && *evidence == other.evidence
            && *marks == other.marks
    }
}

/// An object found through another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Child {
    /// What it is.
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
}

/// Why a poll brought no sight. None of these says anything about money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The provider asks to slow down.
    #[error("throttled: {detail}")]
    Throttled {
        /// How long the provider asks to wait, if it does.
        retry_after: Option<Duration>,
        /// Status and code, never a body.
        detail: String,
    },
    /// The network, a time-out or the provider's own trouble: ask again later.
    #[error("did not answer: {detail}")]
    Transient {
        /// What happened, without addresses or bodies.
        detail: String,
    },
    /// The provider refuses the request; asking again the same way will not help.
    #[error("refused: {detail}")]
    Refused {
        /// True when the credentials or the account are refused, so that no other object would fare better.
        is_whole_account: bool,
        /// Status and code.
        detail: String,
    },
    /// The provider does not know the object.
    #[error("not found: {detail}")]
    Gone {
        /// Status and code.
        detail: String,
    },
    /// An answer that cannot be read, or is not about the object asked for.
    #[error("answer cannot be read: {detail}")]
    Garbled {
        /// What is wrong with it, with place, never its text.
        detail: String,
    },
}

impl Failure {
    /// The class in one word, for tables, metrics and logs.
    pub fn class(&self) -> &'static str {
        match self {
            Failure::Throttled { .. } => "throttled",
            Failure::Transient { .. } => "transient",
            Failure::Refused { .. } => "refused",
            Failure::Gone { .. } => "gone",
            Failure::Garbled { .. } => "garbled",
        }
    }
}
