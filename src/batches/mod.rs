//! Batches of operations: a batch is sent and followed step by step, then its rows are handed to the ledger of
//! watched objects.
//!
//! Owns: the batches of every account, in order; what is journaled before each step; the files beside a batch. Must
//! never know: signatures, tables, chats, which provider a batch goes to, the terms of its answers (`apis` knows them).
//!
//! In reading order: `entry` (what is stored), `archive` (the files' bytes), `kept_files` (which files), `requests`
//! (what an operator can do), `follow` (the steps), `settle` (what follows from the end), `batch_polling` (polling by
//! batch), `alert_text` (alerts).

mod alert_text;
mod archive;
mod batch_polling;
mod entry;
mod follow;
mod kept_files;
mod requests;
mod settle;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::apis::batch::{BatchApi, Shown};
use crate::apis::pace::Pace;
use crate::apis::transport::BoxFuture;
use crate::apis::{Accepted, Account};
use crate::clock::SharedClock;
use crate::documents::DocumentError;
use crate::files::FileError;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use crate::apis::batch::Wish;
pub use batch_polling::{BatchPollingRule, tails};
pub use entry::Entry;
pub use follow::Round;
pub use requests::{Filed, Submission, Submitted};

use archive::Archive;
use entry::StoredBatches;

/// Takes observations of an account's watched objects as if each had been polled: decides about them and stores the
/// decisions. The time is when the request was sent to the provider: observations made after it are newer.
pub type Ledger = Arc<
    dyn Fn(AccountName, Vec<Shown>, Option<Timestamp>) -> BoxFuture<'static, Result<(), StoreError>>
        + Send
        + Sync,
>;

/// Where batches send their output.
#[derive(Clone)]
pub struct Ports {
    /// The targets of alerts.
    pub routes: Routes,
    /// Takes the observations in results.
    pub ledger: Ledger,
    /// Called when an answer shows that the credentials are accepted.
    pub accepted: Accepted,
}

/// An account whose API has batches, and where its batches send their output.
#[derive(Clone, Copy)]
struct Sender<'a> {
    account: &'a Account,
    api: &'a dyn BatchApi,
    ports: &'a Ports,
}

/// Why something about a batch could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("cannot read or write a batch file at {0}")]
    File(#[from] FileError),
    /// A stored batch cannot be read.
    #[error("the stored batch {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// The account's API has no batches.
    #[error("account {0} cannot send batches")]
    NoBatches(AccountName),
    /// A background task panicked or was cancelled.
    #[error("a task on a batch failed: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// There is no such batch.
    #[error("there is no batch {0}")]
    Unknown(String),
    /// The batch is in a state in which this cannot be done.
    #[error("batch {reference} {why}")]
    NotNow {
        /// Which batch.
        reference: String,
        /// Why not.
        why: &'static str,
    },
}

/// The batches of an account's API.
fn batches_of(account: &Account) -> Result<&dyn BatchApi, BatchError> {
    account.api.batches().ok_or_else(|| BatchError::NoBatches(account.name.clone()))
}

impl From<DocumentError> for BatchError {
    fn from(error: DocumentError) -> BatchError {
        match error {
            DocumentError::Store(error) => BatchError::Store(error),
            DocumentError::Unreadable { name, what } => BatchError::Unreadable { name, what },
        }
    }
}

impl BatchError {
    fn unreadable(name: &str) -> impl Fn(String) -> BatchError + use<> {
        let name = name.to_owned();
        move |what| BatchError::Unreadable { name: name.clone(), what }
    }
}

/// The batches of all accounts. Survives a reload of the configuration.
pub struct Batches {
    stored: StoredBatches,
    archive: Archive,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// One lock per queue, held during every change of one of its batches, including a step in flight.
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// One per account, notified when one of its batches was submitted, released or cancelled.
    wakes: Mutex<BTreeMap<AccountName, Arc<Notify>>>,
}

impl Batches {
    /// `folder` holds the files; it is created with the first file.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>, folder: PathBuf) -> Batches {
        Batches {
            stored: StoredBatches::new(store),
            archive: Archive::new(folder),
            clock,
            pace,
            turns: Mutex::default(),
            wakes: Mutex::default(),
        }
    }

    /// Notified when a batch of the account was submitted, released or cancelled.
    pub fn wake(&self, account: &AccountName) -> Arc<Notify> {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wakes.entry(account.clone()).or_default())
    }

    fn turn_of(&self, queue: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(queue.to_owned()).or_default())
    }
}
