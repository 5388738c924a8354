//! Batches at any provider: one shape over the step machines of the APIs that have them.
//!
//! Owns: which APIs have batches, and what whoever drives them needs to know: the next step, what must be
//! stored before and after it, what follows from the end. Must never know: the store, files, schedules.
//!
//! For each batch: [`Client::next`] says what to do. A step is stored as [`Client::about_to`] makes it, then
//! [`Client::carry_out`] sends it once and says what must be stored afterwards. A batch that has ended is
//! [settled](Client::settle): its objects are handed on, and what its result does not tell is asked about singly.

mod client;
mod row;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::amazon_pay_mws::feeds::batch::FeedBatch;
use super::amazon_pay_mws::feeds::request::BatchRequest;
use super::amazon_pay_mws::feeds::steps as feed_steps;
use super::aps::batch::file::BatchFile;
use super::aps::batch::machine;
use super::pace::Permit;
use crate::payments::object::{Kind, ObjectId};
use crate::payments::record::Details;

pub use client::{Client, Known};
pub use row::{Fate, Row, Shown, Tally};

/// A batch as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Batch {
    /// A file at Amazon Payment Services; its rows are in it while it is worked on.
    File(machine::Batch),
    /// A feed of Amazon Pay MWS; its rows lie in files.
    Feed(FeedBatch),
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
#[derive(Debug, Clone)]
pub struct Plan {
    /// The same content has the same reference.
    pub reference: String,
    /// How many operations it has.
    pub count: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    File(BatchFile),
    Feed(Box<FeedContent>),
}

/// What a feed is made of.
#[derive(Debug, Clone)]
pub struct FeedContent {
    /// What all its requests are.
    pub operation: super::amazon_pay_mws::feeds::request::BatchOperation,
    /// In the order of the input.
    pub requests: Vec<BatchRequest>,
    /// The line of each in the input.
    pub lines: Vec<u64>,
    /// Made by polling, not by a person.
    pub is_poll: bool,
}

/// A batch with what must lie beside it before it is recorded.
#[derive(Debug)]
pub struct Made {
    /// Nothing of it was sent.
    pub batch: Batch,
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
    Become(Box<Batch>),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whose quota it uses.
    pub operation: &'static str,
    /// Whether the document is sent with it.
    pub needs_document: bool,
    pub(in crate::apis) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::apis) enum What {
    File(machine::Step),
    Feed(feed_steps::Step),
}

/// Why a batch cannot take its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The occasion in a word.
    pub word: &'static str,
    /// For a person.
    pub why: String,
}

/// What a step came to.
#[derive(Debug)]
pub struct Carried {
    /// To be stored.
    pub batch: Batch,
    /// A result to be stored before that, byte for byte.
    pub result: Option<Vec<u8>>,
}

/// Leave for further requests of a step, or how long to wait.
pub type More<'a> = &'a (dyn Fn(&'static str) -> Result<Permit, Duration> + Send + Sync);

/// What follows from a batch that has ended.
#[derive(Debug)]
pub struct Settlement {
    /// To be stored when all else is done.
    pub batch: Batch,
    /// What became of each operation, where that does not stand in the batch.
    pub rows: Option<Vec<Row>>,
    /// Objects as the result showed them.
    pub shown: Vec<Shown>,
    /// Whether these are to be watched from now on; else only those that are watched already count.
    pub is_shown_watched: bool,
    /// Only looks from then on are newer than what the result shows.
    pub asked_at: Option<Timestamp>,
    /// Objects to be watched from now on.
    pub watch: Vec<(Kind, ObjectId, Details)>,
    /// Objects to be looked at now, if they are watched.
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

impl Batch {
    /// The reference.
    pub fn reference(&self) -> &str {
        match self {
            Batch::File(batch) => &batch.reference,
            Batch::Feed(batch) => &batch.reference,
        }
    }

    /// Where it stands, in a word of its own: `new`, `upload-sent`, `following`, ..., or how it ended.
    pub fn stage(&self) -> &'static str {
        match self {
            Batch::File(batch) => batch.stage.word(),
            Batch::Feed(batch) => batch.stage(),
        }
    }

    /// When something is done next.
    pub fn next_at(&self) -> Option<Timestamp> {
        match self {
            Batch::File(batch) => Some(batch.next_at),
            Batch::Feed(batch) => batch.next_at(),
        }
    }

    /// The last code that the provider answered.
    pub fn last_code(&self) -> Option<&str> {
        use super::amazon_pay_mws::feeds::steps::Ending as FeedEnding;
        match self {
            Batch::File(batch) => batch.last_code.as_ref().map(|code| code.as_str()),
            Batch::Feed(batch) => match batch.ending() {
                Some(FeedEnding::NotTaken { detail }) => Some(detail),
                _ => None,
            },
        }
    }

    /// The provider's own id.
    pub fn provider_id(&self) -> Option<&str> {
        match self {
            Batch::File(batch) => batch.batch_id.as_deref(),
            Batch::Feed(batch) => batch.feed_id.as_deref(),
        }
    }

    /// What binds the document to this record: the algorithm and its sum.
    pub fn document_sum(&self) -> (&'static str, &str) {
        match self {
            Batch::File(batch) => ("sha256", &batch.file_sha256),
            Batch::Feed(batch) => ("md5", &batch.document_md5),
        }
    }

    /// The name under which its document is kept.
    pub fn document_name(&self) -> String {
        match self {
            Batch::File(batch) => batch.file_name.clone(),
            Batch::Feed(batch) => format!("{}.xml", batch.reference),
        }
    }

    /// Results that contradict the document.
    pub fn contradictions(&self) -> u32 {
        match self {
            Batch::File(batch) => batch.contradictions,
            Batch::Feed(_) => 0,
        }
    }

    /// Rows whose result is odd though it can be believed.
    pub fn marks(&self) -> usize {
        match self {
            Batch::File(batch) => batch.marks(),
            Batch::Feed(_) => 0,
        }
    }

    /// How often it was sent, and how often it was processed, or may have been.
    pub fn sendings(&self) -> (u32, u32) {
        match self {
            Batch::File(batch) => (batch.uploads, batch.processes),
            Batch::Feed(batch) => (batch.state.sendings, batch.state.sendings),
        }
    }

    /// Made by polling, not by a person.
    pub fn is_poll(&self) -> bool {
        matches!(self, Batch::Feed(batch) if batch.is_poll)
    }

    /// The rows that stand in it.
    pub fn rows(&self) -> Option<Vec<Row>> {
        match self {
            Batch::File(batch) => Some(batch.rows.iter().map(machine::BatchRow::shown).collect()),
            Batch::Feed(_) => None,
        }
    }

    /// Its turn has come: its deadlines run from now.
    pub fn begin(&mut self, now: Timestamp) {
        if let Batch::File(batch) = self {
            (batch.awaited_since, batch.next_at) = (now, now);
        }
    }

    /// What somebody should know about it now.
    pub fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        let (word, what, advice, is_critical) = match self {
            Batch::File(batch) => batch.trouble()?,
            Batch::Feed(batch) => batch.trouble(now)?,
        };
        Some(Trouble { word, what, advice: advice.replace("REFERENCE", self.reference()), is_critical })
    }

    /// How it ended, once it is settled.
    pub fn ending(&self) -> Option<Ending> {
        match self {
            Batch::File(batch) => batch.ending(),
            Batch::Feed(batch) => batch.settled(),
        }
    }
}

impl Plan {
    /// A file.
    pub fn of_file(file: BatchFile) -> Plan {
        let count = u64::try_from(file.rows.len()).unwrap_or(u64::MAX);
        Plan { reference: file.reference.clone(), count, content: Content::File(file) }
    }

    /// A feed.
    pub fn of_feed(reference: String, content: FeedContent) -> Plan {
        let count = u64::try_from(content.requests.len()).unwrap_or(u64::MAX);
        Plan { reference, count, content: Content::Feed(Box::new(content)) }
    }
}

impl Blocked {
    fn other_api(reference: &str) -> Blocked {
        let why = format!("batch {reference} was made for an account of another API");
        Blocked { word: "other-api", why }
    }
}
