//! The result of one poll: an observation of the object, or a failure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::{Amounts, Money};
use super::object::{Kind, ObjectId, ObjectRef};

/// An object as its provider showed it, without the buyer's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Observation {
    /// The id in the answer. It must be the requested one.
    pub id: String,
    /// The provider's own state, letter for letter.
    pub state: String,
    /// The provider's reason codes, letter for letter; usually none or one.
    pub reasons: Vec<String>,
    /// When the provider says the state last changed.
    pub updated_at: Option<Timestamp>,
    /// When the provider says the object was created.
    pub created_at: Option<Timestamp>,
    /// When the provider says the object expires unused.
    pub expires_at: Option<Timestamp>,
    /// The object's main amount: charged, authorized, captured or refunded.
    pub amount: Option<Money>,
    /// The amounts that the provider reports as authorized, captured and refunded, whatever the state means.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// Other amounts under the provider's names (`captureAmount`, `RefundedAmount`, ...).
    pub other_amounts: BTreeMap<String, Money>,
    /// The merchant's own reference, as the provider stored it.
    pub merchant_reference: Option<String>,
    /// The id of the parent object.
    pub parent: Option<String>,
    /// Child objects (captures of an authorization, refunds of a capture).
    pub children: Vec<Child>,
    /// The provider said that trying again may work (`SoftDecline`).
    pub is_soft_decline: bool,
    /// `Live` or `Sandbox`, when the provider says so.
    pub environment: Option<String>,
    /// The allowed fields of the answer, under the provider's names.
    pub evidence: BTreeMap<String, String>,
    /// The provider's id of this request, for its support desk.
    pub request_id: Option<String>,
    /// The SHA-256 of the answer as it came, in hexadecimal. Only the history keeps it; it is none where one answer
    /// shows many objects.
    #[serde(skip)]
    pub answer_sha256: Option<String>,
    /// What is odd about the answer although its state is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// A poll that ended, as those are informed who watch how changes are found.
#[derive(Debug, Clone)]
pub struct EndedPoll<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// When the provider last showed the object before this poll.
    pub seen_before_at: Option<Timestamp>,
    /// When this poll was sent, by the clock that never jumps.
    pub sent: Duration,
    /// The provider showed the object.
    pub is_seen: bool,
    /// It is in another state than before.
    pub has_moved: bool,
    /// It was observed before, and is final since this poll.
    pub became_final: bool,
    /// The provider had announced news of it, to this host or to another one that shares the store.
    pub was_announced: bool,
}

/// Something odd about an answer whose state is believed all the same. The object is quarantined until an answer
/// comes without it, or a person accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Mark {
    /// The kind in a word: `unreadable-field`, `unsigned`, `duplicate-field`, ...
    pub cause: String,
    /// What is odd, in one plain sentence without the buyer's data.
    pub explanation: String,
}

impl Mark {
    /// A mark.
    pub fn new(cause: &str, explanation: impl Into<String>) -> Mark {
        Mark { cause: cause.to_owned(), explanation: explanation.into() }
    }
}

impl Observation {
    /// An answer that shows an id and a state, and nothing else.
    pub fn plain(id: impl Into<String>, state: impl Into<String>) -> Observation {
        Observation {
            id: id.into(),
            state: state.into(),
            reasons: Vec::new(),
            updated_at: None,
            created_at: None,
            expires_at: None,
            amount: None,
            amounts: Amounts::default(),
            other_amounts: BTreeMap::new(),
            merchant_reference: None,
            parent: None,
            children: Vec::new(),
            is_soft_decline: false,
            environment: None,
            evidence: BTreeMap::new(),
            request_id: None,
            answer_sha256: None,
            marks: Vec::new(),
        }
    }

    /// Whether another observation is the same in everything but the request id and the bytes of the answer.
    pub fn says_the_same(&self, other: &Observation) -> bool {
        // Destructured by name, so that a new field cannot be forgotten here.
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
            answer_sha256: _,
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Child {
    /// Its kind.
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
}

/// Why a poll brought no observation. None of these says anything about money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The provider asks to slow down.
    #[error("throttled: {detail}")]
    Throttled {
        /// How long the provider asks to wait, if it says so.
        retry_after: Option<Duration>,
        /// Status and code, never a body.
        detail: String,
    },
    /// The network, a timeout or trouble at the provider: try again later.
    #[error("did not answer: {detail}")]
    Transient {
        /// What happened, without addresses or bodies.
        detail: String,
    },
    /// The provider refuses the request. Repeating it will not help.
    #[error("refused: {detail}")]
    Refused {
        /// True when the credentials or the account are refused: every other object would fail too.
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
    /// An answer that cannot be read, or that is about another object.
    #[error("answer cannot be read: {detail}")]
    Garbled {
        /// What is wrong and where, never the text of the answer.
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
