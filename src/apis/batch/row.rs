//! One operation of a batch and its outcome, in a form that is the same for every provider.
//!
//! Owns: the shape. Must never know: what a provider's code means.

use serde::{Deserialize, Serialize};

use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::Observation;
use crate::payments::record::Details;

/// One operation. It contains nothing about the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its line in the file, or its number at the provider.
    pub line: u64,
    /// Its line in the submitted input.
    pub input_line: u64,
    /// The operation, in the provider's word.
    pub command: String,
    /// The object that it is about, if the provider has an id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The merchant's own reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// As the provider writes it: in the smallest unit or decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The provider's id of the object that it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The state of that object at the time of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its outcome.
    pub fate: Fate,
    /// The code that states the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code of a refusal that a poll has not confirmed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What is odd about its result, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It has no result yet.
    Waiting,
    /// Done as requested.
    Done,
    /// Refused, or not carried out: no money moved. The code says why.
    Declined,
    /// Undecided; its object is watched.
    Open,
    /// It is unknown whether it was carried out.
    Unknown,
}

impl Fate {
    /// The outcome in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Waiting => "waiting",
            Fate::Done => "done",
            Fate::Declined => "declined",
            Fate::Open => "open",
            Fate::Unknown => "unknown",
        }
    }
}

/// How many operations of a batch have each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Without a result yet.
    pub waiting: u64,
    /// Done as requested.
    pub done: u64,
    /// Refused, or not carried out: no money moved.
    pub declined: u64,
    /// Undecided; their objects are watched.
    pub open: u64,
    /// Unknown whether they were carried out.
    pub unknown: u64,
}

impl Tally {
    /// Counts these outcomes.
    pub fn of(fates: impl IntoIterator<Item = Fate>) -> Tally {
        let mut tally = Tally::default();
        for fate in fates {
            let place = match fate {
                Fate::Waiting => &mut tally.waiting,
                Fate::Done => &mut tally.done,
                Fate::Declined => &mut tally.declined,
                Fate::Open => &mut tally.open,
                Fate::Unknown => &mut tally.unknown,
            };
            *place += 1;
        }
        tally
    }
}

/// An object that a batch's result showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its kind.
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
    /// What was requested.
    pub details: Details,
    /// What the result showed.
    pub observation: Observation,
}
