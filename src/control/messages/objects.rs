//! Messages about watched objects.
//!
//! Owns: their shape. Must never know: how they are answered or transported.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{AlertRow, WatchedObject};
use crate::control::enrolment_request::{EnrolmentRequest, read_kind};
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind, ObjectId, ObjectRef};
use crate::payments::record::{Observed, Transition};

/// An object as an operator names it: `account/kind/id`, `kind/id` or only the id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The account, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// The kind, if given.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "kind_in_any_spelling")]
    pub kind: Option<Kind>,
    /// The provider's id.
    pub id: ObjectId,
}

fn kind_in_any_spelling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Kind>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| read_kind(&text)).transpose().map_err(serde::de::Error::custom)
}

impl Selector {
    /// Whether this selector matches an object.
    pub fn matches(&self, object: &ObjectRef) -> bool {
        object.id == self.id
            && self.account.as_ref().is_none_or(|account| *account == object.account)
            && self.kind.as_ref().is_none_or(|kind| *kind == object.kind)
    }
}

impl From<ObjectRef> for Selector {
    fn from(object: ObjectRef) -> Selector {
        Selector { account: Some(object.account), kind: Some(object.kind), id: object.id }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(account) = &self.account {
            write!(formatter, "{account}/{}/", self.kind.as_ref().map_or("~", Kind::as_str))?;
        } else if let Some(kind) = &self.kind {
            write!(formatter, "{kind}/")?;
        }
        write!(formatter, "{}", self.id)
    }
}

impl std::str::FromStr for Selector {
    type Err = String;

    /// Reads `id`, `kind/id` or `account/kind/id`; `~` leaves a part open. The error is a sentence.
    fn from_str(text: &str) -> Result<Selector, String> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        let (account, kind, id) = match parts.as_slice() {
            [id] => ("~", "~", *id),
            [kind, id] => ("~", *kind, *id),
            [account, kind, id] => (*account, *kind, *id),
            _ => return Err(format!("{text:?} is neither an id nor account/kind/id")),
        };
        Ok(Selector {
            account: (account != "~")
                .then(|| AccountName::new(account))
                .transpose()
                .map_err(|bad| bad.to_string())?,
            kind: (kind != "~").then(|| read_kind(kind)).transpose()?,
            id: ObjectId::new(id).map_err(|bad| bad.to_string())?,
        })
    }
}

/// Everything about this object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Show(pub Selector);

/// Why this object is in its current state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Explain(pub Selector);

/// Stop watching this object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Forget(pub Selector);

/// Accept this object, which is in doubt, as the provider shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Accept(pub Selector);

/// Objects to watch from now on: any number over HTTP, otherwise at most [`super::BATCH_LINES_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Enrol {
    /// One object per line.
    pub lines: Vec<EnrolmentRequest>,
}

/// How a table (CSV) is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TableReading {
    /// Ignore unknown columns instead of refusing the table.
    pub ignore_columns: bool,
    /// The decimal separator of amounts, if it is not clear from the amounts themselves.
    pub decimal: Option<Decimal>,
}

/// The decimal separator of amounts. The other sign separates thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Decimal {
    /// 1,234.56
    #[serde(rename = ".")]
    Point,
    /// 1.234,56
    #[serde(rename = ",")]
    Comma,
}

impl From<Vec<EnrolmentRequest>> for Enrol {
    fn from(lines: Vec<EnrolmentRequest>) -> Enrol {
        Enrol { lines }
    }
}

/// One line of an enrolment, or the result of a line that cannot be read.
pub type EnrolLine = Result<EnrolmentRequest, EnrolResult>;

/// An object to watch from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct EnrolOne(pub EnrolmentRequest);

/// The outcome of one line of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolOutcome {
    /// Watched from now on.
    New,
    /// Already watched; missing details were filled in.
    Enriched,
    /// Already watched; nothing new.
    Same,
    /// Already watched with other details; nothing was changed.
    Conflict,
    /// Not accepted.
    Bad,
}

/// The result of one line of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EnrolResult {
    /// The number of the line, as given.
    pub line: u64,
    /// The outcome.
    pub outcome: EnrolOutcome,
    /// The object, once account and kind are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// Why it was not accepted, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl EnrolResult {
    /// The result of a line that cannot be read.
    pub fn unreadable(line: u64, reason: String) -> EnrolResult {
        EnrolResult { line, outcome: EnrolOutcome::Bad, object: None, reason: Some(reason) }
    }
}

/// How many lines of an enrolment had each outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnrolTotals {
    new: u64,
    enriched: u64,
    same: u64,
    conflict: u64,
    bad: u64,
}

impl EnrolTotals {
    /// Counts a line.
    pub fn count(&mut self, outcome: EnrolOutcome) {
        match outcome {
            EnrolOutcome::New => self.new += 1,
            EnrolOutcome::Enriched => self.enriched += 1,
            EnrolOutcome::Same => self.same += 1,
            EnrolOutcome::Conflict => self.conflict += 1,
            EnrolOutcome::Bad => self.bad += 1,
        }
    }

    /// All lines.
    pub fn lines(&self) -> u64 {
        self.new + self.enriched + self.same + self.refused()
    }

    /// The lines that were not accepted.
    pub fn refused(&self) -> u64 {
        self.conflict + self.bad
    }
}

impl std::fmt::Display for EnrolTotals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let EnrolTotals { new, enriched, same, conflict, bad } = self;
        write!(formatter, "{new} new, {enriched} enriched, {same} same, {conflict} conflict, {bad} bad")
    }
}

/// Which records to list. All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListRequest {
    /// Of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// In this phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// In this state, in the provider's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Quarantined, or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<bool>,
    /// Finished (not polled again and not quarantined), or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// Created at least this many seconds ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_s: Option<u64>,
    /// The `next_cursor` of the previous page: continue after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The maximum number of rows: 100 by default, at most 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<Item> {
    /// The rows.
    pub items: Vec<Item>,
    /// The cursor of the next page; none at the end.
    pub next_cursor: Option<String>,
}

impl<Item: ToSchema> PartialSchema for Listing<Item> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(Item::name()));
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("The cursor of the next page; null at the end."));
        let page = ObjectBuilder::new().property("items", items).property("next_cursor", cursor);
        page.required("items").required("next_cursor").into()
    }
}

/// Each kind of rows has a name of its own.
impl<Item: ToSchema> ToSchema for Listing<Item> {
    fn name() -> Cow<'static, str> {
        format!("ListingOf{}", Item::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Item::name().into_owned(), Item::schema()));
        Item::schemas(schemas);
    }
}

/// Everything about one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shown {
    /// Grows with every change of what is known.
    #[serde(default)]
    pub revision: u64,
    /// What is known and pending.
    pub object: WatchedObject,
    /// The provider's last good answer; none before the first.
    pub observed: Option<Observed>,
    /// Its changes of state, oldest first.
    pub history: Vec<Transition>,
    /// The alerts about it, with the outcome of their deliveries.
    pub alerts: Vec<AlertRow>,
}

/// Explains the current state of an object, in plain sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Explanation {
    /// Which object.
    pub object: ObjectRef,
    /// The provider's state name; none before the first observation.
    pub state: Option<String>,
    /// Its phase.
    pub phase: Phase,
    /// The object in one line: amount, the shop's reference, age.
    pub about: String,
    /// Its state, and why it is (or is no longer) pending.
    pub standing: String,
    /// The last observations and failures.
    pub evidence: String,
    /// When it is polled next, and why then.
    pub next_look: String,
    /// The next important time, if there is one.
    pub deadline: Option<String>,
    /// What would change it.
    pub would_change: Vec<String>,
    /// What a person should do, if anything.
    pub advice: Option<String>,
    /// Where a person can check it.
    pub where_to_look: Option<String>,
    /// When it is polled next.
    pub due_at: Option<Timestamp>,
    /// The fields of the last answer, under the provider's names.
    pub fields: BTreeMap<String, String>,
}

/// The result of a request to stop watching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Forgotten {
    /// Which object.
    pub object: String,
    /// False if it was not watched.
    pub was_watched: bool,
}

/// The result of accepting an object in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AcceptedObject {
    /// Which object.
    pub object: String,
    /// The state that was accepted as true.
    pub state: String,
    /// The doubt that was settled.
    pub doubt: String,
}
