//! Single operations that an operator sends: the interface that the APIs share.
//!
//! Owns: what a checked call is, how its outcome can be determined when the answer is lost, what came back. Must never
//! know: one provider's parameters or terms, storage, schedules.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::config::Problem;
use super::pace::Permit;
use super::transport::TransportError;
use crate::payments::money::Money;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::{Child, Failure, Observation};

/// A future with the answer to one call.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Reply, CallFailure>> + Send + 'a>>;

/// One account at one provider, for single operations.
pub trait Caller: Send + Sync {
    /// All operations, in the order of a payment's life.
    fn operations(&self) -> Vec<OperationHelp>;
    /// Whether the account may change anything (`allow_writes`).
    fn may_write(&self) -> bool;
    /// Checks a call; nothing is sent.
    ///
    /// # Errors
    /// All problems at once, each naming its parameter. They never repeat a value.
    fn plan(&self, operation: &str, given: &BTreeMap<String, String>) -> Result<Planned, Vec<Problem>>;
    /// Sends a planned call once, with a permit for its operation. It does not retry.
    fn carry_out<'a>(&'a self, planned: &'a Planned, permit: Permit) -> Calling<'a>;
}

/// An operation, for help texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationHelp {
    /// The provider's name, in its exact case.
    pub name: &'static str,
    /// Whether it changes anything at the provider.
    pub is_write: bool,
    /// Its parameters.
    pub parameters: Vec<ParameterHelp>,
}

/// A parameter, for help texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterHelp {
    /// Its name; `N` in it is a placeholder for a number from 1.
    pub name: &'static str,
    /// Whether the call is refused without it.
    pub is_required: bool,
    /// What it takes, in words.
    pub takes: String,
}

/// A checked call. Its debug print shows no values.
#[derive(Clone, PartialEq, Eq)]
pub struct Planned {
    /// The provider's name of the operation, under which its quota is kept too.
    pub operation: &'static str,
    /// Whether it changes anything.
    pub is_write: bool,
    /// All parameters, including a derived idempotency key.
    pub parameters: BTreeMap<String, String>,
    /// What identifies the call; none for read-only calls.
    pub identity: Option<Identity>,
    /// The object that it is about.
    pub subject: Option<Child>,
    /// The amount that it moves or sets.
    pub amount: Option<Money>,
    /// How its outcome can be determined when the answer is lost.
    pub when_lost: WhenLost,
    /// What would be sent, without secrets.
    pub shown: Shown,
}

/// What identifies a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The seller's own reference, or an idempotency key: it belongs to one call permanently.
    Once(String),
    /// The object that it changes: the operation may be repeated later.
    About(ObjectId),
}

impl Identity {
    /// The key or the id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Identity::Once(key) => key,
            Identity::About(id) => id.as_str(),
        }
    }
}

/// What would be sent, without secrets and without the buyer's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Method and address.
    pub line: String,
    /// Parameters, headers or fields, in the order of the request.
    pub fields: Vec<(String, String)>,
}

/// How the outcome of a call can be determined when its answer is lost, and whether it may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhenLost {
    /// Where a lookup shows whether the call was carried out; none when nothing shows it.
    #[serde(alias = "look")]
    pub lookup: Option<Lookup>,
    /// What happens if exactly the same call is sent again.
    pub repeat: Repeat,
}

/// Where a lookup shows whether a call was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lookup {
    /// The object has a child with the call's reference.
    Child {
        /// The object that the call is about.
        parent: Child,
        /// The kind of object that the call creates.
        makes: Kind,
        /// The reference of the created object.
        reference: String,
    },
    /// The object is then in one of these states.
    State {
        /// The object that the call is about.
        object: Child,
        /// The provider's words, compared without case.
        states: Vec<String>,
    },
}

/// What happens if exactly the same call is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It would take effect twice.
    Never,
    /// It takes effect only once. If it is refused, that says nothing about the first try.
    Safe,
    /// The provider returns its first answer again.
    Kept,
}

/// The answer to a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The object that the answer shows, without anything about the buyer.
    pub seen: Option<(Kind, Observation)>,
    /// The objects that it created, to be watched from now on.
    pub created: Vec<Child>,
    /// What else the answer says, in the provider's terms.
    pub facts: BTreeMap<String, String>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
}

/// Why no answer confirms that a call was carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// It definitely never reached the provider.
    #[error("{detail}")]
    NotSent {
        /// What happened.
        detail: String,
    },
    /// The provider did not accept it now; it had no effect.
    #[error("throttled: {detail}")]
    Throttled {
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
        /// Status and code.
        detail: String,
    },
    /// The provider refused it.
    #[error("refused: {detail}")]
    Refused {
        /// The credentials or the account are refused. That says nothing about an earlier, lost try.
        is_whole_account: bool,
        /// The call's reference or key was used before, perhaps by an earlier try of this same call.
        is_duplicate: bool,
        /// Status and code.
        detail: String,
    },
    /// It may or may not have been carried out.
    #[error("the answer was lost: {detail}")]
    Lost {
        /// What happened, without addresses or bodies.
        detail: String,
    },
}

impl From<TransportError> for CallFailure {
    /// Without a connection, nothing was sent. After any other error, the request may have arrived.
    fn from(error: TransportError) -> CallFailure {
        let detail = error.to_string();
        match error {
            TransportError::Connect(_) | TransportError::Unsendable(_) => CallFailure::NotSent { detail },
            TransportError::Tls(_)
            | TransportError::Timeout
            | TransportError::TooLarge { .. }
            | TransportError::Broken(_) => CallFailure::Lost { detail },
        }
    }
}

impl CallFailure {
    /// The same failure, marked as a duplicate if the provider's code says that the reference or key was used before.
    #[must_use]
    pub fn with_code(self, code: Option<&str>) -> CallFailure {
        match self {
            CallFailure::Refused { is_whole_account, detail, .. } => {
                let is_duplicate = code.is_some_and(|code| code.starts_with("Duplicate"));
                CallFailure::Refused { is_whole_account, is_duplicate, detail }
            }
            other => other,
        }
    }
}

impl From<Failure> for CallFailure {
    /// What a complete but unsuccessful answer means for a call. "Not found" is a refusal: the object of the call does
    /// not exist.
    fn from(failure: Failure) -> CallFailure {
        match failure {
            Failure::Throttled { retry_after, detail } => CallFailure::Throttled { retry_after, detail },
            Failure::Refused { is_whole_account, detail } => {
                CallFailure::Refused { is_whole_account, is_duplicate: false, detail }
            }
            Failure::Gone { detail } => {
                CallFailure::Refused { is_whole_account: false, is_duplicate: false, detail }
            }
            Failure::Transient { detail } | Failure::Garbled { detail } => CallFailure::Lost { detail },
        }
    }
}

/// A fingerprint of exactly these parameters of this operation: 64 hexadecimal digits that reveal none of them.
pub fn fingerprint(operation: &str, parameters: &BTreeMap<String, String>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let texts = parameters.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for text in std::iter::once(operation).chain(texts) {
        // The length marks where one text ends and the next starts.
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    crate::text::hex(context.finish().as_ref())
}

impl fmt::Debug for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.parameters.keys().collect();
        formatter
            .debug_struct("Planned")
            .field("operation", &self.operation)
            .field("has", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_calls_apart_and_no_value() {
        let of = |operation: &str, pairs: &[(&str, &str)]| {
            let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            fingerprint(operation, &given.collect())
        };
        let one = of("Capture", &[("a", "b"), ("c", "d")]);
        assert_eq!(one, of("Capture", &[("c", "d"), ("a", "b")]));
        assert_eq!(one.len(), 64);
        for other in [
            of("Refund", &[("a", "b"), ("c", "d")]),
            of("Capture", &[("a", "bc"), ("", "d")]),
            of("Capture", &[("a", "b")]),
            of("Capture", &[("a", "d"), ("c", "b")]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn only_a_missing_connection_and_a_whole_no_say_that_nothing_was_done() {
        let lost = |error: TransportError| matches!(CallFailure::from(error), CallFailure::Lost { .. });
        assert!(lost(TransportError::Timeout) && lost(TransportError::TooLarge { longest_body: 1 }));
        assert!(lost(TransportError::Tls(String::new())) && lost(TransportError::Broken(String::new())));
        assert!(!lost(TransportError::Connect(String::new())) && !lost(TransportError::Unsendable("")));
        let detail = String::new;
        assert!(matches!(
            CallFailure::from(Failure::Gone { detail: detail() }),
            CallFailure::Refused { is_whole_account: false, .. }
        ));
        for unclear in [Failure::Transient { detail: detail() }, Failure::Garbled { detail: detail() }] {
            assert!(matches!(CallFailure::from(unclear), CallFailure::Lost { .. }));
        }
    }
}
