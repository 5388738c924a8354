//! Messages about single operations.
//!
//! Owns: their shape. Must never know: how a call is checked, sent or stored.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::money::Money;
use crate::payments::object::{AccountName, ObjectId};
use crate::payments::observation::Observation;

/// An operation to carry out. Its debug output shows no values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallWanted {
    /// The account.
    pub account: AccountName,
    /// The provider's name for it.
    pub operation: String,
    /// Its parameters, under the provider's names.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The operator confirmed it (`--yes`).
    #[serde(default)]
    pub confirmed: bool,
    /// How long it may wait for a permit, in seconds.
    pub wait_s: u64,
}

impl fmt::Debug for CallWanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.parameters.keys().collect();
        formatter
            .debug_struct("CallWanted")
            .field("account", &self.account)
            .field("operation", &self.operation)
            .field("has", &names)
            .finish_non_exhaustive()
    }
}

impl CallWanted {
    /// The objects that its parameters name: ids at the provider, except those of a buyer.
    pub fn named_objects(&self) -> Vec<String> {
        let is_id = |name: &str| name.ends_with("Id") && !name.to_ascii_lowercase().contains("buyer");
        let named = self
            .parameters
            .iter()
            .filter(|(name, value)| is_id(name) && ObjectId::new(value.as_str()).is_ok());
        named.map(|(_, value)| value.clone()).collect()
    }
}

/// List an account's operations, with the parameters of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallOperations {
    /// The account.
    pub account: AccountName,
}

/// Which calls to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallList {
    /// Only calls of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Include calls that have ended.
    #[serde(default)]
    pub all: bool,
}

/// A person determined the outcome of a call in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallResolve {
    /// The account.
    pub account: AccountName,
    /// The name of the attempt: `Capture/my-reference-1`.
    pub attempt: String,
    /// It was carried out.
    pub was_done: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// It was carried out.
    Done,
    /// It changes something and permission is missing: nothing was sent.
    NotAllowed,
    /// The provider said no.
    Refused,
    /// It was not carried out, but may succeed later.
    TryLater,
    /// It is unknown whether it was carried out.
    InDoubt,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallRan {
    /// The account.
    pub account: AccountName,
    /// The provider's name for the operation.
    pub operation: String,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Why, unless it was simply carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The missing permissions: `allow_writes`, `--yes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What would be sent, without secrets, if a permission is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_send: Option<CallShown>,
    /// The name of its attempt; none for a call that only reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// It had already been carried out, and was not sent again.
    pub was_done_before: bool,
    /// How many times it was, or may have been, sent in total.
    pub sent: u32,
    /// The kind of the object in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The object, without any buyer data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Observation>,
    /// Other facts from the answer, in the provider's words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The objects that are watched because of this call: `account/kind/id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<String>,
    /// The provider's request id, for its support desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What would be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallShown {
    /// Method and URL.
    pub line: String,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
}

/// An operation, as shown to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallOperation {
    /// The provider's name.
    pub name: String,
    /// Whether it changes anything.
    pub is_write: bool,
    /// Its parameters.
    pub parameters: Vec<CallParameter>,
    /// How many requests may go at once, and how long one takes to refill, in microseconds.
    // Described as a list: schemathesis misreads a tuple in an answer.
    #[schema(value_type = Option<Vec<u64>>)]
    pub quota: Option<(u32, u64)>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallParameter {
    /// Its name; `N` in a name stands for a number from 1.
    pub name: String,
    /// Whether the call is rejected without it.
    pub is_required: bool,
    /// What it accepts, in words.
    pub takes: String,
}

/// An attempt to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallAttempt {
    /// The account.
    pub account: AccountName,
    /// The name of the attempt: `Capture/my-reference-1`.
    pub attempt: String,
    /// `in doubt`, `done`, `refused` or `not done`.
    pub standing: String,
    /// The object that it acts on: `kind/id`.
    pub about: Option<String>,
    /// The amount that it moves or sets.
    pub amount: Option<Money>,
    /// When it was first requested.
    pub begun_at: Timestamp,
    /// When anything about it last changed.
    pub changed_at: Timestamp,
    /// How many times it was, or may have been, sent.
    pub sent: u32,
    /// Why it has this standing.
    pub detail: Option<String>,
    /// The objects that it created: `account/kind/id`.
    pub objects: Vec<String>,
}
