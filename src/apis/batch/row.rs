//! One operation of a batch and what became of it, the same for every provider.
//!
//! Owns: the shape. Must never know: what a provider's code means.

use serde::{Deserialize, Serialize};

use crate::payments::object::{Kind, ObjectId};
use crate::payments::observation::Observation;
use crate::payments::record::Details;

/// One operation. Nothing of the customer is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its line in the file, or its number at the provider.
    pub line: u64,
    /// Its line in what was submitted.
    pub input_line: u64,
    /// What it does: the provider's word.
    pub command: String,
    /// The object that it is about, where that has an id of the provider's.
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
    /// The provider's id of what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The state of that, when the answer was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// The code that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The code by which the provider said no, while a look must tell whether to believe it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What is odd about its result, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It has not come back.
    Waiting,
    /// Done as asked.
    Done,
    /// Refused, or not carried out: no money moved. The code says why.
    Declined,
    /// Not decided; its object is watched.
    Open,
    /// Nothing tells whether it was carried out.
    Unknown,
}

impl Fate {
    /// The word.
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

/// How the operations of a batch stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Not come back.
    pub waiting: u64,
    /// Done as asked.
    pub done: u64,
    /// Refused: no money moved.
    pub declined: u64,
    /// Not decided; their objects are watched.
    pub open: u64,
    /// Nothing tells whether they were carried out.
    pub unknown: u64,
}

impl Tally {
    /// Counts.
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
    /// What it is.
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
    /// What it was asked to be.
    pub details: Details,
    /// How it was.
    pub observation: Observation,
}
