//! What is known and pending about one object.

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

/// What the shop, or the parent object, says about it. All optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Details {
    /// The expected amount.
    pub amount: Option<Money>,
    /// The shop's own order number.
    pub merchant_reference: Option<String>,
    /// When the shop created the object.
    pub created_at: Option<Timestamp>,
    /// The id of the parent object.
    pub parent: Option<String>,
}

/// New details that contradict the stored ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{object} is already enrolled with {field} {stored}, not {given}; forget it first if the new one is right"
)]
pub struct Conflict {
    /// Which object.
    pub object: ObjectRef,
    /// Which detail.
    pub field: &'static str,
    /// The stored value.
    pub stored: String,
    /// The new value.
    pub given: String,
}

/// Everything stored about an object. The store writes it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which object.
    pub object: ObjectRef,
    /// Grows by one with every change. A writer must have read the newest.
    pub revision: u64,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// What it was enrolled with, or learned later.
    pub details: Details,
    /// The last good observation; `None` before the first.
    #[serde(alias = "sight")]
    pub observed: Option<Observed>,
    /// Set while something about it cannot be right.
    pub quarantine: Option<Quarantine>,
    /// Failures since the last good observation.
    pub trouble: Trouble,
    /// Polls so far, failed ones included.
    pub polls: u64,
    /// When it was last polled.
    pub polled_at: Option<Timestamp>,
    /// When to poll next; `None` means never.
    pub due_at: Option<Timestamp>,
    /// An operator asked for a poll: it goes before all others.
    pub is_asked: bool,
    /// The provider announced news of it, which no poll has fetched yet: it goes before objects that are merely due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_announced: bool,
    /// The next moment that must not be missed: end of the authorization window, expiry.
    pub deadline: Option<Timestamp>,
    /// Warnings already sent (`overdue`, `guarantee-24h`, ...), so that each is sent once.
    pub warned: Vec<String>,
    /// An answer older than the known one. It is believed if it is repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Overtaken>,
    /// A doubt that a person has settled. The same doubt is not raised again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// An answer whose provider time is earlier than the known one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overtaken {
    /// The state it showed.
    pub state: String,
    /// The provider's time in that answer.
    pub updated_at: Timestamp,
}

/// A doubt that a person has settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The kind of doubt.
    pub cause: String,
    /// Its explanation at that time, which says what was odd.
    pub explanation: String,
    /// Who accepted it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The last good observation of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Observed {
    /// What was observed.
    pub observation: Observation,
    /// How the state behaves. An unknown state counts as resting.
    pub phase: Phase,
    /// When this state was first observed.
    pub since: Timestamp,
    /// When it was last observed.
    pub seen_at: Timestamp,
}

/// Why an object is quarantined. It is still polled, slowly, and a person must check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quarantine {
    /// The kind: `unknown-state`, `impossible-move`, `different-amount`, `not-found`, ...
    pub cause: String,
    /// In plain words.
    pub explanation: String,
    /// Since when.
    pub since: Timestamp,
    /// The observation word for word, when it is not the last good one.
    pub evidence: Option<Observation>,
    /// The amount expected before the doubt. Repeating another amount does not make it right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Money>,
}

/// Failures in a row. Stored with the object so that a restart keeps them; reset only by an observation.
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
            observed: None,
            quarantine: None,
            trouble: Trouble::default(),
            polls: 0,
            polled_at: None,
            due_at: Some(now),
            is_asked: false,
            is_announced: false,
            deadline: None,
            warned: Vec::new(),
            overtaken: None,
            accepted: None,
        }
    }

    /// Adds missing details. `None` when nothing is new; an error when one contradicts.
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

    /// The last observed state, if any.
    pub fn state(&self) -> Option<&str> {
        self.observed.as_ref().map(|observed| observed.observation.state.as_str())
    }

    /// How its state behaves. An object never observed counts as moving.
    pub fn phase(&self) -> Phase {
        self.observed.as_ref().map_or(Phase::Moving, |observed| observed.phase)
    }

    /// Nothing is left to do: it is not polled again, and no person has to check it.
    pub fn is_finished(&self) -> bool {
        self.due_at.is_none() && self.quarantine.is_none()
    }

    /// When the object was created, as far as is known.
    pub fn made_at(&self) -> Timestamp {
        self.observed
            .as_ref()
            .and_then(|observed| observed.observation.created_at)
            .or(self.details.created_at)
            .unwrap_or(self.enrolled_at)
    }

    /// The amount, as observed, otherwise as enrolled.
    pub fn amount(&self) -> Option<Money> {
        self.observed.as_ref().and_then(|observed| observed.observation.amount).or(self.details.amount)
    }

    /// The shop's reference, as enrolled, otherwise as observed.
    pub fn merchant_reference(&self) -> Option<&str> {
        self.details.merchant_reference.as_deref().or_else(|| {
            self.observed.as_ref().and_then(|observed| observed.observation.merchant_reference.as_deref())
        })
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

/// One state change in the history. Rows are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Transition {
    /// Which object.
    pub object: ObjectRef,
    /// The state before; `None` at the first observation.
    pub from: Option<String>,
    /// The observed state.
    pub to: String,
    /// Its reason codes.
    pub reasons: Vec<String>,
    /// How the new state behaves.
    pub phase: Phase,
    /// What the new state means for the money.
    pub outcome: super::lifecycle::Outcome,
    /// The amount this row is about: the money that moved with it, if any. `None` when the provider does not say.
    pub amount: Option<Money>,
    /// How `amount` moved. Rows of older versions say `nothing`.
    #[serde(default)]
    pub moves: Moves,
    /// Totals authorized, captured and refunded from then on, as far as the provider reports them.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub amounts: Amounts,
    /// The shop's reference.
    pub merchant_reference: Option<String>,
    /// When the provider says that it happened; otherwise when it was observed.
    pub happened_at: Timestamp,
    /// When it was observed.
    pub seen_at: Timestamp,
    /// Why the row was written, for people (`polled`, `quarantined: unknown-state`).
    pub note: String,
    /// The same for programs. Rows of older versions lack it: use [`Transition::cause`].
    #[serde(default, rename = "cause", skip_serializing_if = "Option::is_none")]
    pub stored_cause: Option<Cause>,
    /// The answer that shows it. None in rows that no answer caused, and in rows of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// Which answer of the provider shows what a row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Source {
    /// The provider's id of the request, for its support desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The SHA-256 of the answer as it came, in hexadecimal. The answer itself is not kept, because it may hold the
    /// buyer's data; the digest proves which answer it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Source {
    /// Of an observation, as far as it is known.
    pub fn of(seen: &Observation) -> Option<Source> {
        let source = Source { request_id: seen.request_id.clone(), sha256: seen.answer_sha256.clone() };
        (source.request_id.is_some() || source.sha256.is_some()).then_some(source)
    }
}

/// Why a row of the history was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A poll observed a new state.
    Polled,
    /// A poll observed the same state with other amounts or reasons.
    Changed,
    /// The observation is not believed, or there was none. The state before stays.
    SetApart(String),
    /// The state is believed, but something else in the answer cannot be right.
    Marked(String),
    /// Older than what is known. It is believed only if it is repeated.
    Overtaken,
    /// The quarantine ended: everything makes sense again.
    Released,
    /// A person accepted a quarantined object as it is.
    Accepted,
    /// A person stopped watching the object.
    Forgotten,
}

impl Transition {
    /// A row that no answer caused: the state stays as it was, and nothing follows for the money.
    pub fn unobserved(record: &Record, phase: Phase, note: impl Into<String>, now: Timestamp) -> Transition {
        Transition {
            object: record.object.clone(),
            from: record.state().map(str::to_owned),
            to: record.state().unwrap_or("unseen").to_owned(),
            reasons: Vec::new(),
            phase,
            outcome: super::lifecycle::Outcome::Undecided,
            amount: record.amount(),
            moves: Moves::default(),
            amounts: Amounts::default(),
            merchant_reference: record.merchant_reference().map(str::to_owned),
            happened_at: now,
            seen_at: now,
            note: note.into(),
            stored_cause: None,
            source: None,
        }
    }

    /// Why the row was written. Older versions stored no typed cause, so it is read from the note. Their `SetApart`
    /// rows are recognised by phase and outcome.
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
