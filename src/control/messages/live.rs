//! The message of a live event.
//!
//! Owns: its shape. Must never know: how it is found or transported.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::{Amounts, Currency};
use crate::payments::object::ObjectRef;
use crate::store::{LiveChange, LiveSort};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LiveWhat {
    /// It is watched from now on, or details were added.
    Enrolled,
    /// A poll brought news of it.
    Changed,
    /// It is no longer watched.
    Forgotten,
}

/// A change of an object, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LiveEvent {
    /// What happened.
    pub what: LiveWhat,
    /// To which object.
    pub object: ObjectRef,
    /// When.
    pub at: Timestamp,
    /// Its state afterwards, in the provider's spelling; none before the first observation.
    pub state: Option<String>,
    /// Whether the state still moves, rests or is final.
    pub phase: Phase,
    /// What the state means, if it is new.
    pub outcome: Option<Outcome>,
    /// It is quarantined.
    pub quarantined: bool,
    /// Nothing is left to do for it.
    pub finished: bool,
    /// The main amount, exact, in the currency's main unit.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<Currency>,
    /// What the provider reports as authorized, captured and refunded.
    pub amounts: Amounts,
}

impl From<LiveChange> for LiveEvent {
    fn from(change: LiveChange) -> LiveEvent {
        LiveEvent {
            what: match change.sort {
                LiveSort::Enrolled => LiveWhat::Enrolled,
                LiveSort::Changed => LiveWhat::Changed,
                LiveSort::Forgotten => LiveWhat::Forgotten,
            },
            object: change.object,
            at: change.at,
            state: change.state,
            phase: change.phase,
            outcome: change.outcome,
            quarantined: change.is_quarantined,
            finished: change.is_finished,
            amount: change.amount.map(|money| money.amount_text()),
            currency: change.amount.map(|money| money.currency),
            amounts: change.amounts,
        }
    }
}

/// Follow the changes of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamRequest {}
