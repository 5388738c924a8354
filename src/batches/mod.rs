//! Batches of operations: a batch is owed its next step. It is sent, followed, and its rows are handed to the
//! ledger of watched objects.
//!
//! Owns: the batches of every account, in their order; what is written down before each step, and what lies
//! beside a batch. Must never know: signatures, tables, chats, which provider a batch goes to, the words of its
//! answers (those are the affair of `apis`).
//!
//! In reading order: `entry` (what is stored), `archive` (the files' bytes), `kept_files` (which files), `requests` (what an
//! operator asks), `follow` (the steps), `settle` (what follows from the end), `batch_polling` (polling by
//! batch), `alert_text` (what a person is told).

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

use crate::apis::batch::{Client, Shown};
use crate::apis::pace::Pace;
use crate::apis::transport::BoxFuture;
use crate::clock::SharedClock;
use crate::documents::DocumentError;
use crate::files::FileError;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use crate::apis::batch::Wish;
pub use batch_polling::TailRule;
pub use entry::Entry;
pub use follow::Round;
pub use requests::{Filed, Submission, Submitted};

use archive::Archive;
use entry::StoredBatches;

/// An account that can send batches.
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How to speak with its provider.
    pub client: Client,
    /// Play money.
    pub is_sandbox: bool,
    /// Kinds that are visited by batch where single questions do not suffice.
    pub tails: Vec<TailRule>,
}

/// Takes sights of watched objects of an account as if each had been polled: decided about and written down. The
/// time is when the provider was asked: what was seen after it is newer.
pub type Ledger = Arc<
    dyn Fn(AccountName, Vec<Shown>, Option<Timestamp>) -> BoxFuture<'static, Result<(), StoreError>>
        + Send
        + Sync,
>;

/// What batches hand things to.
#[derive(Clone)]
pub struct Ports {
    /// Alerts.
    pub routes: Routes,
    /// What results show.
    pub ledger: Ledger,
}

/// Why something about a batch could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("the file of a batch cannot be kept at {0}")]
    File(#[from] FileError),
    /// A stored batch cannot be read.
    #[error("the stored batch {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// Work on it broke down.
    #[error("work on a batch broke down: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// There is no such batch.
    #[error("there is no batch {0}")]
    Unknown(String),
    /// The batch does not stand where this could be done.
    #[error("batch {reference} {why}")]
    NotNow {
        /// Which batch.
        reference: String,
        /// Why not.
        why: &'static str,
    },
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

/// The batches of all accounts. Outlives a reload.
pub struct Batches {
    stored: StoredBatches,
    archive: Archive,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// A queue's is held through every change of one of its batches, a step under way included.
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// One an account, pulsed when something of it was submitted, released or cancelled.
    wakes: Mutex<BTreeMap<AccountName, Arc<Notify>>>,
}

impl Batches {
    /// `folder` holds the files; it is made when the first is kept.
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

    /// Pulsed when something of the account was submitted, released or cancelled.
    pub fn wake(&self, account: &AccountName) -> Arc<Notify> {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wakes.entry(account.clone()).or_default())
    }

    fn turn_of(&self, queue: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(queue.to_owned()).or_default())
    }
}
