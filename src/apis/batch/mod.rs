//! Batches at any provider: the interface of an API with batches, and the values that it exchanges.
//!
//! Owns: the trait of an API with batches ([`BatchApi`]); a stored batch is in `stored`, one of its rows in `row`.
//! Must never know: any provider, the store, files, schedules.
//!
//! For each batch, [`BatchApi::next`] says what to do. [`BatchApi::about_to`] gives the batch to store before a step,
//! then [`BatchApi::carry_out`] sends the step once and says what must be stored afterwards. A batch that has ended is
//! [settled](Batch::settle): its objects are watched, and rows without a result are polled one by one.

mod row;
mod stored;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::pace::Permit;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Details;

pub use row::{Fate, Row, Shown, Tally};
pub use stored::{Batch, Known, Papers, own};

/// An account's API, for batches.
pub trait BatchApi: Send + Sync {
    /// Whether batches that change anything may be sent.
    fn may_write(&self) -> bool;
    /// The name of the queue. Batches in one queue are sent one after the other, even if they belong to accounts with
    /// different names.
    fn queue(&self) -> String;
    /// The name of the counter that makes request numbers unique, where we number requests.
    fn counter(&self) -> Option<String> {
        None
    }
    /// Checks an input and divides it into batches.
    ///
    /// # Errors
    /// All its problems, with their lines.
    fn plan(&self, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>>;
    /// What can be polled by batch. None where the API or the account has no such batches.
    fn poll_limits(&self) -> Option<PollLimits> {
        None
    }
    /// Batches that poll objects of a kind, within [`BatchApi::poll_limits`].
    fn plan_polls(&self, kind: &Kind, ids: Vec<ObjectId>, label: &str) -> Vec<Plan> {
        let _ = (kind, ids, label);
        Vec::new()
    }
    /// Makes a batch as planned. `first_request_id` is the first number of its requests.
    ///
    /// # Errors
    /// When another API made the plan.
    fn make(&self, plan: Plan, first_request_id: u64, now: Timestamp) -> Result<Made, Blocked>;
    /// What to do now. `others` are all other batches of all accounts; `has_earlier` says that an earlier batch of
    /// this account is not finished.
    ///
    /// # Errors
    /// When the batch belongs to another API.
    fn next(
        &self,
        batch: &dyn Batch,
        others: &[&dyn Batch],
        has_earlier: bool,
        now: Timestamp,
    ) -> Result<Next, Blocked>;
    /// Whether a step may be sent at all. Called before the step is stored.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, batch: &dyn Batch, step: &Step, document: &[u8]) -> Result<(), Blocked>;
    /// What must be stored before the step is carried out.
    ///
    /// # Errors
    /// When the batch or the step belongs to another API.
    fn about_to(&self, batch: &dyn Batch, step: &Step, now: Timestamp) -> Result<Box<dyn Batch>, Blocked>;
    /// A notification says that a batch of the account is complete. This batch, asking the provider about itself now, if
    /// it waits for a result.
    fn one_is_complete(&self, batch: &dyn Batch, now: Timestamp) -> Option<Box<dyn Batch>> {
        let _ = (batch, now);
        None
    }
    /// Sends the step once.
    ///
    /// # Errors
    /// When nothing was sent and nothing ever would be.
    fn carry_out<'a>(&'a self, sending: Sending<'a>) -> Carrying<'a>;
}

/// What an API can poll by batch: how many objects one batch may name, and which kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollLimits {
    /// The most objects in one batch.
    pub most: usize,
    /// The kinds that such a batch can name.
    pub kinds: &'static [&'static str],
}

/// An operator's submission.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// CSV or JSON Lines.
    pub bytes: &'a [u8],
    /// The operation of all rows, where the API has one operation per batch.
    pub operation: Option<&'a str>,
    /// A word that turns the same rows into another batch.
    pub label: &'a str,
}

/// One batch to be recorded, unless its reference is already known.
pub struct Plan {
    /// The same content has the same reference.
    pub reference: String,
    /// How many operations it has.
    pub count: u64,
    content: Box<dyn Any + Send>,
}

/// A batch, and the files that must be stored before it is recorded.
#[derive(Debug)]
pub struct Made {
    /// The batch, before anything was sent.
    pub batch: Box<dyn Batch>,
    /// The exact bytes that are sent.
    pub document: Arc<[u8]>,
    /// The input line of each request, in order, where the batch itself does not hold them.
    pub lines: Option<Vec<u64>>,
}

/// What to do with a batch now.
#[derive(Debug)]
pub enum Next {
    /// Take this step.
    Act(Step),
    /// Store this; nothing is sent.
    Become(Box<dyn Batch>),
    /// Nothing more is sent: settle it.
    Settle,
    /// Check what single polls have found.
    Check,
    /// Do nothing before this time.
    Wait(Timestamp),
    /// Do nothing before other batches have made progress.
    Behind,
    /// Do nothing before a person has decided.
    Person,
    /// Do nothing more.
    Ended,
}

/// One request of a batch.
pub struct Step {
    /// The operation whose quota it uses.
    pub operation: &'static str,
    /// Whether the document is sent with it.
    pub needs_document: bool,
    own: Box<dyn Any + Send + Sync>,
}

/// Why a batch cannot take its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The reason in one word.
    pub word: &'static str,
    /// The reason, for a person.
    pub why: String,
}

/// A step that is about to be sent.
pub struct Sending<'a> {
    /// The batch as it was stored before the step.
    pub batch: &'a dyn Batch,
    /// The step.
    pub step: &'a Step,
    /// The bytes to send; empty where the step does not need them.
    pub document: Vec<u8>,
    /// All other batches of all accounts.
    pub others: &'a [&'a dyn Batch],
    /// For the step's first request.
    pub permit: Permit,
    /// Permits for further requests, such as the next page of a list.
    pub more: More<'a>,
}

/// The result of a step.
#[derive(Debug)]
pub struct Carried {
    /// The batch to store.
    pub batch: Box<dyn Batch>,
    /// A result to store before the batch, byte for byte.
    pub result: Option<Vec<u8>>,
    /// The answer shows that the provider accepts the account's credentials.
    pub is_accepted: bool,
}

/// A step in flight.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Result<Carried, Blocked>> + Send + 'a>>;

/// Gives a permit for a further request of a step, or says how long to wait.
pub type More<'a> = &'a (dyn Fn(&'static str) -> Result<Permit, Duration> + Send + Sync);

/// What follows from a batch that has ended.
#[derive(Debug)]
pub struct Settlement {
    /// The batch to store when everything else is done.
    pub batch: Box<dyn Batch>,
    /// The outcome of each operation, where the batch itself does not hold it.
    pub rows: Option<Vec<Row>>,
    /// Objects as the result showed them.
    pub shown: Vec<Shown>,
    /// Whether to watch these from now on; otherwise only those that are already watched count.
    pub is_shown_watched: bool,
    /// Only polls after this time are newer than what the result shows.
    pub asked_at: Option<Timestamp>,
    /// Objects to watch from now on.
    pub watch: Vec<(Kind, ObjectId, Details)>,
    /// Objects to poll now, if they are watched.
    pub ask: Vec<(Kind, ObjectId)>,
}

/// What somebody should know about a batch that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The reason in one word.
    pub word: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// It waits for a person.
    pub is_critical: bool,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its results arrived.
    Finished,
    /// It was sent, but results are missing.
    Unanswered,
    /// It ended without a result, but may have been carried out. The text says why.
    InDoubt(String),
    /// None of it was carried out. The text says why.
    NotProcessed(String),
    /// It was cancelled as requested.
    Cancelled,
}

/// What an operator wants to do with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Do not carry it out, if that is still possible.
    Cancel,
    /// What was in doubt did not happen: it may be sent again.
    SendAgain,
    /// What was in doubt happened: this is its id at the provider.
    Adopt(String),
}

impl Plan {
    /// `content` is what the API makes the batch from.
    pub fn new(reference: String, count: usize, content: impl Any + Send) -> Plan {
        Plan { reference, count: u64::try_from(count).unwrap_or(u64::MAX), content: Box::new(content) }
    }

    /// The content of the batch, for the API that planned it.
    ///
    /// # Errors
    /// When that was another API.
    pub fn content<T: 'static>(self) -> Result<T, Blocked> {
        let reference = self.reference;
        self.content.downcast().map(|content| *content).map_err(|_| Blocked::other_api(&reference))
    }
}

impl Step {
    /// `own` is the step in the API's own type.
    pub fn new(operation: &'static str, needs_document: bool, own: impl Any + Send + Sync) -> Step {
        Step { operation, needs_document, own: Box::new(own) }
    }

    /// The step in the type of the API that made it.
    ///
    /// # Errors
    /// When that was another API.
    pub fn own<T: 'static>(&self) -> Result<&T, Blocked> {
        self.own.downcast_ref().ok_or_else(|| Blocked::other_api(self.operation))
    }
}

impl Blocked {
    /// For something that belongs to an account of another API, which is left alone.
    pub fn other_api(what: &str) -> Blocked {
        Blocked { word: "other-api", why: format!("{what} was made for an account of another API") }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = (&self.reference, self.count);
        formatter.debug_tuple("Plan").field(&shown).finish()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Step").field(&self.operation).finish()
    }
}
