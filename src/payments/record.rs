//! What is known and owed about one object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lifecycle::{Moves, Phase};
use super::money::{Amounts, Money};
use super::object::ObjectRef;
use super::observation::Observation;

/// A request to watch an object, with what the shop knows about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// What to watch.
    pub object: ObjectRef,
    /// What the shop expects of it.
    #[serde(default)]
    pub details: Details,
}

/// What the shop, or the object through which this one was found, says about it. All optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Details {
    /// The amount that must be seen.
    pub amount: Option<Money>,
    /// The shop's own order number.
    pub merchant_reference: Option<String>,
    /// When the shop made the object.
    pub created_at: Option<Timestamp>,
    /// The id of the object it belongs to.
    pub parent: Option<String>,
}

/// Details that contradict those already stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{object} is already enrolled with {field} {stored}, not {given}; forget it first if the new one is right"
)]
pub struct Conflict {
    /// Which object.
    pub object: ObjectRef,
    /// Which detail.
    pub field: &'static str,
    /// As stored.
    pub stored: String,
    /// As given now.
    pub given: String,
}

/// Everything that is kept about an object. The store writes it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which object.
    pub object: ObjectRef,
    /// Grows by one with every change; a writer must have read the newest.
    pub revision: u64,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// What it was enrolled with, or learnt later.
    pub details: Details,
    /// The last good sight, none before the first.
    pub sight: Option<Sight>,
    /// Set while something about it cannot be right.
    pub quarantine: Option<Quarantine>,
    /// Failures since the last good sight.
    pub trouble: Trouble,
    /// Polls so far, failed ones included.
    pub polls: u64,
    /// When it was last asked about.
    pub polled_at: Option<Timestamp>,
    /// When to ask next; none: never again.
    pub due_at: Option<Timestamp>,
    /// An operator asked for it: before all others.
    pub is_asked: bool,
    /// The next moment at which it would be bad not to know: end of the authorization window, expiry.
    pub deadline: Option<Timestamp>,
    /// Warnings already given (`overdue`, `guarantee-24h`, ...), so that each is given once.
    pub warned: Vec<String>,
    /// An answer older than what was known, which is believed if it comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Overtaken>,
    /// A doubt that a person has settled: the same doubt is not raised again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// An answer whose provider's time is before that of what was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overtaken {
    /// The state it showed.
    pub state: String,
    /// The provider's time in it.
    pub updated_at: Timestamp,
}

/// A doubt that a person has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The sort of doubt.
    pub cause: String,
    /// Its explanation at that time, which names what was odd.
    pub explanation: String,
    /// Who accepted it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The last good sight of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// What was seen.
    pub observation: Observation,
    /// How the state behaves; an unknown state counts as resting.
    pub phase: Phase,
    /// When this state was first seen.
    pub since: Timestamp,
    /// When it was last seen.
    pub seen_at: Timestamp,
}

/// Why an object is set apart: it is still watched, slowly, and a person must look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The sort: `unknown-state`, `impossible-move`, `different-amount`, `not-found`, ...
    pub cause: String,
    /// In plain words.
    pub explanation: String,
    /// Since when.
    pub since: Timestamp,
    /// What was seen, word for word, when it is not the last good sight.
    pub evidence: Option<Observation>,
    /// The amount that was expected before the doubt: repeating another one does not make it right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Money>,
}

/// Failures in a row. Stored with the object, so that no restart forgets them; reset only by a sight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trouble {
    /// Transient, refused and garbled answers in a row.
    pub failures: u32,
    /// "Not found" answers in a row.
    pub not_found: u32,
    /// The class of the last failure.
    pub last_class: Option<String>,
    /// Its text.
    pub last_detail: Option<String>,
    /// When it happened.
    pub last_at: Option<Timestamp>,
}

impl Record {
    /// A newly enrolled object, due at once.
    pub fn enrolled(enrolment: Enrolment, now: Timestamp) -> Record {
        Record {
            object: enrolment.object,
            revision: 1,
            enrolled_at: now,
            details: enrolment.details,
            sight: None,
            quarantine: None,
            trouble: Trouble::default(),
            polls: 0,
            polled_at: None,
            due_at: Some(now),
            is_asked: false,
            deadline: None,
            warned: Vec::new(),
            overtaken: None,
            accepted: None,
        }
    }

    /// Adds details that were missing. `None` when nothing is new; an error when one contradicts.
    pub fn enrich(&self, details: &Details) -> Result<Option<Record>, Box<Conflict>> {
        let mut merged = self.details.clone();
        fill(&self.object, "amount", &mut merged.amount, &details.amount)?;
        fill(
            &self.object,
            "merchant reference",
            &mut merged.merchant_reference,
            &details.merchant_reference,
        )?;
        fill(&self.object, "parent", &mut merged.parent, &details.parent)?;
        if merged.created_at.is_none() {
            merged.created_at = details.created_at;
        }
        if merged == self.details {
            return Ok(None);
        }
        Ok(Some(Record { details: merged, revision: self.revision + 1, ..self.clone() }))
    }

    /// The state word last seen, or none.
    pub fn state(&self) -> Option<&str> {
        self.sight.as_ref().map(|sight| sight.observation.state.as_str())
    }

    /// How it behaves; an object never seen is moving.
    pub fn phase(&self) -> Phase {
        self.sight.as_ref().map_or(Phase::Moving, |sight| sight.phase)
    }

    /// Nothing is pending any more: it is not polled again, and no person has to look at it.
    pub fn is_finished(&self) -> bool {
        self.due_at.is_none() && self.quarantine.is_none()
    }

    /// When the object was made, as well as is known.
    pub fn made_at(&self) -> Timestamp {
        self.sight
            .as_ref()
            .and_then(|sight| sight.observation.created_at)
            .or(self.details.created_at)
            .unwrap_or(self.enrolled_at)
    }

    /// The amount, as seen or else as enrolled.
    pub fn amount(&self) -> Option<Money> {
        self.sight.as_ref().and_then(|sight| sight.observation.amount).or(self.details.amount)
    }

    /// The shop's reference, as enrolled or else as seen.
    pub fn merchant_reference(&self) -> Option<&str> {
        self.details
            .merchant_reference
            .as_deref()
            .or_else(|| self.sight.as_ref().and_then(|sight| sight.observation.merchant_reference.as_deref()))
    }
}

fn fill<T: Clone + PartialEq + std::fmt::Debug + std::fmt::Display>(
    object: &ObjectRef,
    field: &'static str,
    stored: &mut Option<T>,
    given: &Option<T>,
) -> Result<(), Box<Conflict>> {
    match (stored.as_ref(), given) {
        (Some(old), Some(new)) if old != new => Err(Box::new(Conflict {
            object: object.clone(),
            field,
            stored: old.to_string(),
            given: new.to_string(),
        })),
        (None, Some(new)) => {
            *stored = Some(new.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// One change of state, for the history: rows are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Which object.
    pub object: ObjectRef,
    /// The state before; none at the first sight.
    pub from: Option<String>,
    /// The state seen.
    pub to: String,
    /// Its reason codes.
    pub reasons: Vec<String>,
    /// How the new state behaves.
    pub phase: Phase,
    /// What the new state means for the money.
    pub outcome: super::lifecycle::Outcome,
    /// How much this row is about: what moved with it, where money moved; none where the provider does not say.
    pub amount: Option<Money>,
    /// What kind of movement `amount` is. Rows of older versions say `nothing`.
    #[serde(default)]
    pub moves: Moves,
    /// What is authorized, captured and refunded in all since then, as far as the provider says.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// The shop's reference.
    pub merchant_reference: Option<String>,
    /// When the provider says that it happened; else when it was seen.
    pub happened_at: Timestamp,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Why the row was written, for people (`polled`, `quarantined: unknown-state`).
    pub note: String,
    /// The same for programs. Rows of older versions lack it: ask [`Transition::cause`].
    #[serde(default, rename = "cause", skip_serializing_if = "Option::is_none")]
    pub stored_cause: Option<Cause>,
}

/// Why a row of the history was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A poll saw a new state.
    Polled,
    /// A poll saw the same state with other amounts or reasons.
    Changed,
    /// What was seen is not believed, or nothing was seen: the state before goes on.
    SetApart(String),
    /// The state is believed; something beside it cannot be right.
    Marked(String),
    /// Older news than what is known; it is believed only when it comes again.
    Overtaken,
    /// All makes sense again.
    Released,
    /// A person took a doubted object as it is.
    Accepted,
    /// A person ended the watching.
    Forgotten,
}

impl Transition {
    /// Why the row was written. For rows of versions that wrote no typed cause it is read from the note, where a
    /// row that was set apart is known by the phase and outcome that were then written with it.
    pub fn cause(&self) -> Cause {
        if let Some(cause) = &self.stored_cause {
            return cause.clone();
        }
        if let Some(rest) = self.note.strip_prefix("quarantined") {
            let sort = rest.trim_start_matches([':', ' ']).to_owned();
            let is_set_apart =
                self.phase == Phase::Resting && self.outcome == super::lifecycle::Outcome::Undecided;
            return if is_set_apart { Cause::SetApart(sort) } else { Cause::Marked(sort) };
        }
        if self.note.starts_with("forgotten") {
            Cause::Forgotten
        } else if self.note.starts_with("released") {
            Cause::Released
        } else if self.note == "polled" {
            Cause::Polled
        } else {
            Cause::Changed
        }
    }
}
