//! Batches of operations: a batch is owed its next step. It is uploaded, followed, processed, followed again,
//! and its rows are handed to the ledger of watched objects.
//!
//! Owns: the batches of every account, in their order, one file of an account at a time; what is written down
//! before each step. Must never know: signatures, tables, chats, the words of a provider's answers (those are
//! the affair of `apis`).
//!
//! In reading order: `book` (what is stored), `vault` (the files' bytes), `desk` (what an operator asks),
//! `follow` (the steps), `words` (what a person is told).

mod book;
mod desk;
mod follow;
mod vault;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::apis::aps::Aps;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::payments::alert::Alert;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use book::{Entry, Tally};
pub use desk::{Filed, Submission, Submitted};
pub use follow::Round;

use book::Book;
use vault::Vault;

/// An account that can send batches.
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How to speak with its provider.
    pub client: Arc<Aps>,
    /// Play money.
    pub is_sandbox: bool,
}

/// Which targets an alert goes to; the second argument says whether it is about play money.
pub type Routes = Arc<dyn Fn(&Alert, bool) -> Vec<String> + Send + Sync>;

/// Why something about a batch could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("the file of a batch cannot be kept at {path}: {what}", path = path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What happened.
        what: String,
    },
    /// A stored batch cannot be read.
    #[error("the stored batch {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
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

/// The batches of all accounts. Outlives a reload.
pub struct Batches {
    book: Book,
    vault: Vault,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// An account's is held through every change of one of its batches, a step under way included.
    turns: Mutex<BTreeMap<AccountName, Arc<tokio::sync::Mutex<()>>>>,
    wake: Arc<Notify>,
}

impl Batches {
    /// `folder` holds the files; it is made when the first is kept.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>, folder: PathBuf) -> Batches {
        Batches {
            book: Book::new(store),
            vault: Vault::new(folder),
            clock,
            pace,
            turns: Mutex::default(),
            wake: Arc::default(),
        }
    }

    /// Pulsed when something was submitted or released.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    fn turn_of(&self, account: &AccountName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(account.clone()).or_default())
    }
}
