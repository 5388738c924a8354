//! Batches at any provider: what an API that has them offers, and the values that pass to and fro.
//!
//! Owns: the trait of an API with batches ([`BatchApi`]); a batch as it is stored is in `stored`, one of its rows in
//! `row`. Must never know: any provider, the store, files, schedules.
//!
//! For each batch [`BatchApi::next`] says what to do. A step is stored as [`BatchApi::about_to`] makes it, then
//! [`BatchApi::carry_out`] sends it once and says what must be stored afterwards. A batch that has ended is
//! [settled](Batch::settle): its objects are watched, and rows that its result does not tell about are polled one
//! by one.

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
    /// Whose batches must go one after the other, whatever the account is called.
    fn queue(&self) -> String;
    /// What its requests' numbers are unique for, where we number them.
    fn counter(&self) -> Option<String> {
        None
    }
    /// Checks an input and divides it into batches.
    ///
    /// # Errors
    /// Every problem of it, with its line.
    fn plan(&self, submission: &Submission<'_>) -> Result<Vec<Plan>, Vec<String>>;
    /// What can be polled by batch; none where the API or the account has no such batches.
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
    /// What to do at this time. `others` are all other batches of all accounts; `has_earlier` says that an
    /// earlier one of this account is not finished.
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
    /// Whether a step may be sent at all; asked before the step is stored.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, batch: &dyn Batch, step: &Step, document: &[u8]) -> Result<(), Blocked>;
    /// What must be stored before the step is carried out.
    ///
    /// # Errors
    /// When batch or step belong to another API.
    fn about_to(&self, batch: &dyn Batch, step: &Step, now: Timestamp) -> Result<Box<dyn Batch>, Blocked>;
    /// Sends the step once.
    ///
    /// # Errors
    /// When nothing was sent and nothing ever would be.
    fn carry_out<'a>(&'a self, sending: Sending<'a>) -> Carrying<'a>;
}

/// What an API polls by batch: how many objects one batch may name, and of which kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollLimits {
    /// Objects of one batch, at most.
    pub most: usize,
    /// The kinds that such a batch can name.
    pub kinds: &'static [&'static str],
}

/// What an operator hands in.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// CSV or JSON Lines.
    pub bytes: &'a [u8],
    /// What all its rows do, where the API has one operation a batch.
    pub operation: Option<&'a str>,
    /// A word that makes the same rows another batch.
    pub label: &'a str,
}

/// One batch to be recorded, unless its reference is known.
pub struct Plan {
    /// The same content has the same reference.
    pub reference: String,
    /// How many operations it has.
    pub count: u64,
    content: Box<dyn Any + Send>,
}

/// A batch with what must lie beside it before it is recorded.
#[derive(Debug)]
pub struct Made {
    /// Nothing of it was sent.
    pub batch: Box<dyn Batch>,
    /// The very bytes that are sent.
    pub document: Arc<[u8]>,
    /// The lines of the input, in the order of the requests, where they are not in the batch.
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
    /// Look at what single polls have brought.
    Check,
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing before other batches have gone on.
    Behind,
    /// Nothing before a person has decided.
    Person,
    /// Nothing ever.
    Ended,
}

/// One request of a batch.
pub struct Step {
    /// Whose quota it uses.
    pub operation: &'static str,
    /// Whether the document is sent with it.
    pub needs_document: bool,
    own: Box<dyn Any + Send + Sync>,
}

/// Why a batch cannot take its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The occasion in a word.
    pub word: &'static str,
    /// For a person.
    pub why: String,
}

/// A step that is about to be sent.
pub struct Sending<'a> {
    /// As it was stored before the step.
    pub batch: &'a dyn Batch,
    /// Which step.
    pub step: &'a Step,
    /// The bytes to be sent; empty where the step does not need them.
    pub document: Vec<u8>,
    /// All other batches of all accounts.
    pub others: &'a [&'a dyn Batch],
    /// For the step's first request.
    pub permit: Permit,
    /// Permits for further requests, such as the next page of a list.
    pub more: More<'a>,
}

/// What a step came to.
#[derive(Debug)]
pub struct Carried {
    /// To be stored.
    pub batch: Box<dyn Batch>,
    /// A result to be stored before that, byte for byte.
    pub result: Option<Vec<u8>>,
    /// The provider answered as it does when it accepts the account's credentials.
    pub is_accepted: bool,
}

/// A step under way.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Result<Carried, Blocked>> + Send + 'a>>;

/// A permit for a further request of a step, or how long to wait.
pub type More<'a> = &'a (dyn Fn(&'static str) -> Result<Permit, Duration> + Send + Sync);

/// What follows from a batch that has ended.
#[derive(Debug)]
pub struct Settlement {
    /// To be stored when all else is done.
    pub batch: Box<dyn Batch>,
    /// What became of each operation, where that does not stand in the batch.
    pub rows: Option<Vec<Row>>,
    /// Objects as the result showed them.
    pub shown: Vec<Shown>,
    /// Whether these are to be watched from now on; else only those that are watched already count.
    pub is_shown_watched: bool,
    /// Only polls after this time are newer than what the result shows.
    pub asked_at: Option<Timestamp>,
    /// Objects to be watched from now on.
    pub watch: Vec<(Kind, ObjectId, Details)>,
    /// Objects to be polled now, if they are watched.
    pub ask: Vec<(Kind, ObjectId)>,
}

/// What somebody should know about a batch that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The occasion in a word.
    pub word: &'static str,
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// It waits for a person.
    pub is_critical: bool,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its results came.
    Finished,
    /// It was sent, and results are missing.
    Unanswered,
    /// It may have been carried out although it came to nothing at last, and why.
    InDoubt(String),
    /// Nothing of it was carried out, and why.
    NotProcessed(String),
    /// It was cancelled as wanted.
    Cancelled,
}

/// What an operator wants of a batch.
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
    /// `content` is what the API makes the batch of.
    pub fn new(reference: String, count: usize, content: impl Any + Send) -> Plan {
        Plan { reference, count: u64::try_from(count).unwrap_or(u64::MAX), content: Box::new(content) }
    }

    /// What the batch is made of, for the API that planned it.
    ///
    /// # Errors
    /// When that was another API.
    pub fn content<T: 'static>(self) -> Result<T, Blocked> {
        let reference = self.reference;
        self.content.downcast().map(|content| *content).map_err(|_| Blocked::other_api(&reference))
    }
}

impl Step {
    /// `own` is the step as the API itself writes it.
    pub fn new(operation: &'static str, needs_document: bool, own: impl Any + Send + Sync) -> Step {
        Step { operation, needs_document, own: Box::new(own) }
    }

    /// The step as the API that made it writes it.
    ///
    /// # Errors
    /// When that was another API.
    pub fn own<T: 'static>(&self) -> Result<&T, Blocked> {
        self.own.downcast_ref().ok_or_else(|| Blocked::other_api(self.operation))
    }
}

impl Blocked {
    /// What belongs to an account of another API is left alone.
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
