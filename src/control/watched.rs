//! One watched object, as `list` and `show` give it and `enrol` and `backtest` read it back.
//!
//! Owns: the names of its fields, which are those of the CSV columns and of the webhook's `object`. Must never know:
//! how the store keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payments::lifecycle::{Outcome, Phase};
use crate::payments::money::{Amounts, Currency};
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Details, Quarantine, Record};

/// The version of this form. It grows when a field changes its meaning or goes; new fields do not change it.
pub const FORMAT: u32 = 1;

/// One watched object (docs/src/commands.md, "One object as JSON").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WatchedObject {
    /// [`FORMAT`].
    pub format: u32,
    /// Your name of the account.
    pub account: AccountName,
    /// `live` or `sandbox`; none if the account is no longer configured.
    pub environment: Option<String>,
    /// The kind: `charge`, `capture`, ...
    pub kind: Kind,
    /// The provider's id.
    pub id: ObjectId,
    /// The provider's state name; none before the first observation.
    pub state: Option<String>,
    /// The provider's reason codes.
    pub reason_codes: Vec<String>,
    /// Whether the state still moves, rests or is final.
    pub phase: Phase,
    /// What the state means; none while it is unobserved or unknown.
    pub outcome: Option<Outcome>,
    /// It is not polled again, and no person has to check it.
    pub finished: bool,
    /// Why it is quarantined, if it is.
    pub quarantine: Option<Quarantine>,
    /// The main amount, exact, in the currency's main unit.
    pub amount: Option<String>,
    /// ISO 4217.
    pub currency: Option<Currency>,
    /// What the provider reports as authorized, captured and refunded.
    pub amounts: Amounts,
    /// The shop's own reference.
    pub reference: Option<String>,
    /// The id of the parent object.
    pub parent: Option<String>,
    /// When it was created, as far as is known.
    pub made_at: Timestamp,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When this state was first observed.
    pub state_seen_at: Option<Timestamp>,
    /// When the provider says that the state last changed.
    pub state_changed_at: Option<Timestamp>,
    /// When it was last polled.
    pub polled_at: Option<Timestamp>,
    /// When it is polled next; none means never.
    pub due_at: Option<Timestamp>,
    /// The next moment that must not be missed.
    pub deadline: Option<Timestamp>,
    /// An operator asked for a poll.
    pub poll_requested: bool,
    /// Polls so far, failed ones included.
    pub polls: u64,
    /// Failed polls in a row.
    pub failures: u32,
    /// The class of the last failure.
    pub failure_class: Option<String>,
    /// The text of the last failure.
    pub last_failure: Option<String>,
    /// What it was enrolled with.
    pub enrolled_with: Details,
}

impl WatchedObject {
    /// A record in this form. `environment` and `outcome` come from the account that the object belongs to.
    pub fn of(record: Record, environment: Option<String>, outcome: Option<Outcome>) -> WatchedObject {
        let (amount, reference) = (record.amount(), record.merchant_reference().map(str::to_owned));
        let (phase, finished, made_at) = (record.phase(), record.is_finished(), record.made_at());
        let state_seen_at = record.observed.as_ref().map(|observed| observed.since);
        let observation = record.observed.map(|observed| observed.observation);
        let parent = observation.as_ref().and_then(|seen| seen.parent.clone());
        WatchedObject {
            format: FORMAT,
            account: record.object.account,
            environment,
            kind: record.object.kind,
            id: record.object.id,
            state: observation.as_ref().map(|seen| seen.state.clone()),
            reason_codes: observation.as_ref().map(|seen| seen.reasons.clone()).unwrap_or_default(),
            phase,
            outcome,
            finished,
            quarantine: record.quarantine,
            amount: amount.map(|money| money.amount_text()),
            currency: amount.map(|money| money.currency),
            amounts: observation.as_ref().map(|seen| seen.amounts).unwrap_or_default(),
            reference,
            parent: record.details.parent.clone().or(parent),
            made_at,
            enrolled_at: record.enrolled_at,
            state_seen_at,
            state_changed_at: observation.as_ref().and_then(|seen| seen.updated_at),
            polled_at: record.polled_at,
            due_at: record.due_at,
            deadline: record.deadline,
            poll_requested: record.is_asked,
            polls: record.polls,
            failures: record.trouble.failures + record.trouble.not_found,
            failure_class: record.trouble.last_class,
            last_failure: record.trouble.last_detail,
            enrolled_with: record.details,
        }
    }

    /// Reads a line of `list --json`.
    ///
    /// # Errors
    /// A sentence, if it is of another version or not such a line.
    pub fn read(value: Value) -> Result<WatchedObject, String> {
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            format => {
                let format = format.map_or_else(|| "no".to_owned(), |format| format.to_string());
                return Err(format!("this line has format {format}; this version reads format {FORMAT}"));
            }
        }
        serde_json::from_value(value).map_err(|bad| {
            let bad: String =
                bad.to_string().chars().filter(|letter| !letter.is_control()).take(200).collect();
            format!("not an object as \"reconciled list --json\" prints it: {bad}")
        })
    }

    /// Its full name.
    pub fn object(&self) -> ObjectRef {
        ObjectRef { account: self.account.clone(), kind: self.kind.clone(), id: self.id.clone() }
    }

    /// Amount and currency for people, such as `14.00 EUR`.
    pub fn money_text(&self) -> Option<String> {
        self.amount.as_ref().zip(self.currency).map(|(amount, currency)| format!("{amount} {currency}"))
    }
}
