//! Messages about single operations.
//!
//! Owns: their shape. Must never know: how a call is checked, sent or stored.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::money::Money;
use crate::payments::object::AccountName;
use crate::payments::observation::Observation;

/// One operation to be carried out. Its debug print shows no values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallWanted {
    /// Whose.
    pub account: AccountName,
    /// The provider's name of it.
    pub operation: String,
    /// Its parameters under the provider's names.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The operator said that it may be sent (`--yes`).
    #[serde(default)]
    pub confirmed: bool,
    /// How long it may wait for its turn, seconds.
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

/// Whose operations to list, with what each takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallOperations {
    /// Whose.
    pub account: AccountName,
}

/// Which calls to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallList {
    /// Only of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Those that have ended too.
    #[serde(default)]
    pub all: bool,
}

/// A person saw what became of a call in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallResolve {
    /// Whose.
    pub account: AccountName,
    /// By what it is named: `Capture/my-reference-1`.
    pub attempt: String,
    /// It was carried out.
    pub was_done: bool,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// It was carried out.
    Done,
    /// It changes something, and leave is missing: nothing was sent.
    NotAllowed,
    /// The provider said no.
    Refused,
    /// It was not carried out; later it might be.
    TryLater,
    /// Nobody knows whether it was carried out.
    InDoubt,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRan {
    /// Whose.
    pub account: AccountName,
    /// The provider's name of it.
    pub operation: String,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Why, where it was not simply carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What leave is missing: `allow_writes`, `--yes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What would be sent, without secrets, where leave is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_send: Option<CallShown>,
    /// By what its attempt is named; none for a call that only looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// It had been carried out before, and was not sent again.
    pub was_done_before: bool,
    /// How often it was sent, or may have been, in all.
    pub sent: u32,
    /// What the object that the answer shows is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The object, without anything about the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Observation>,
    /// What else the provider says, in its words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The objects that are watched because of it: `account/kind/id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<String>,
    /// The provider's id of the exchange, for its support desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What would be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallShown {
    /// Method and address.
    pub line: String,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
}

/// An operation, for people who look for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOperation {
    /// The provider's name.
    pub name: String,
    /// Whether it changes anything.
    pub is_write: bool,
    /// What it takes.
    pub parameters: Vec<CallParameter>,
    /// How many requests may go at once, and how long one takes to come back, microseconds.
    pub quota: Option<(u32, u64)>,
}

/// A parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallParameter {
    /// Its name; a part `N` stands for a number from 1.
    pub name: String,
    /// Whether the call is refused without it.
    pub is_required: bool,
    /// What it takes, in words.
    pub takes: String,
}

/// An attempt to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAttempt {
    /// Whose.
    pub account: AccountName,
    /// By what it is named: `Capture/my-reference-1`.
    pub attempt: String,
    /// `in doubt`, `done`, `refused` or `not done`.
    pub standing: String,
    /// What it is about: `kind/id`.
    pub about: Option<String>,
    /// What it moves or sets.
    pub amount: Option<Money>,
    /// When it was first asked for.
    pub begun_at: Timestamp,
    /// When anything about it last changed.
    pub changed_at: Timestamp,
    /// How often it was sent, or may have been.
    pub sent: u32,
    /// Why it stands so.
    pub detail: Option<String>,
    /// The objects that it brought to life: `account/kind/id`.
    pub objects: Vec<String>,
}
