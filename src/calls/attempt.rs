//! What the store holds of each call that changes something: written before it is sent and when it has ended.
//!
//! Owns: names and shapes of the stored documents. Must never know: the network, which step is next. Of the
//! call's own parameters only those needed to find it again are stored; the rest are reduced to a fingerprint.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apis::calls::{Identity, Planned, WhenLost, fingerprint};
use crate::documents::Document;
use crate::payments::money::Money;
use crate::payments::object::{AccountName, ObjectRef};
use crate::payments::observation::Child;

/// The state of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It may have been sent, and its outcome is unknown.
    Open,
    /// It was carried out.
    Done,
    /// The provider refused it.
    Refused,
    /// It was definitely not carried out.
    NotDone,
}

impl Standing {
    /// The state in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Open => "in doubt",
            Standing::Done => "done",
            Standing::Refused => "refused",
            Standing::NotDone => "not done",
        }
    }
}

/// One call that changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The account that it belongs to.
    pub account: AccountName,
    /// The provider's name of the operation.
    pub operation: String,
    /// Its own reference or idempotency key, or the id of the object that it changes.
    pub key: String,
    /// Whether the key belongs to this call permanently.
    pub is_once: bool,
    /// Shows whether another call has the same parameters, without revealing them.
    pub fingerprint: String,
    /// The object that it is about.
    pub subject: Option<Child>,
    /// The amount that it moves or sets.
    pub amount: Option<Money>,
    /// How its outcome can be determined when the answer is lost.
    pub when_lost: WhenLost,
    /// When it was first requested.
    pub begun_at: Timestamp,
    /// When anything about it last changed.
    pub changed_at: Timestamp,
    /// How often it was sent, or may have been.
    pub sent: u32,
    /// Its state.
    pub standing: Standing,
    /// The reason for its state, in words.
    pub detail: Option<String>,
    /// The objects that it created, as far as known.
    pub objects: Vec<ObjectRef>,
    /// The provider says that its reference or key was used before, and it may have been sent before. In that case it
    /// may have been carried out even if no lookup shows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reference_taken: bool,
}

impl Attempt {
    /// A call that is about to be sent for the first time.
    pub(super) fn new(
        account: &AccountName,
        planned: &Planned,
        identity: &Identity,
        now: Timestamp,
    ) -> Attempt {
        Attempt {
            account: account.clone(),
            operation: planned.operation.to_owned(),
            key: identity.as_str().to_owned(),
            is_once: matches!(identity, Identity::Once(_)),
            fingerprint: fingerprint(planned.operation, &planned.parameters),
            subject: planned.subject.clone(),
            amount: planned.amount,
            when_lost: planned.when_lost.clone(),
            begun_at: now,
            changed_at: now,
            sent: 0,
            standing: Standing::NotDone,
            detail: None,
            objects: Vec::new(),
            is_reference_taken: false,
        }
    }

    /// The name that an operator uses for it: `Capture/my-reference-1`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.operation, self.key)
    }
}

impl Document for Attempt {
    const TYPE: &'static str = "call";

    fn name(&self) -> String {
        name(&self.account, &self.operation, &self.key)
    }
}

/// The name that an attempt is stored under.
pub(super) fn name(account: &AccountName, operation: &str, key: &str) -> String {
    format!("{account}/{operation}/{key}")
}
