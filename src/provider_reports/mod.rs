//! Provider reports: a finished day is owed its report. It is requested, waited for, fetched, kept byte for
//! byte, read, and what it says is held against the ledger of watched objects.
//!
//! Owns: the downloads of every account (a type of report over a range of days), what is written down before and
//! after each step, the kept files, what a difference is. Must never know: signatures, columns, tables, chats;
//! the calls and files of a provider are the affair of `apis`.
//!
//! In reading order: `download` (what is stored), `archive` (the files), `requests` (what is asked for), `follow` (the
//! steps), `fold` (a file against the ledger), `compare` (one claim against one record), `alert_text` (what a person
//! is told).

mod alert_text;
mod archive;
mod compare;
mod download;
mod fold;
mod follow;
mod requests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::apis::Api;
use crate::apis::pace::Pace;
use crate::apis::reporting::Source;
use crate::apis::reporting::windows::BadRange;
use crate::clock::SharedClock;
use crate::documents::{DocumentError, Documents};
use crate::files::FileError;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use download::{Download, Tally, Unread};
pub use follow::Round;
pub use requests::Wanted;

/// An account whose provider makes reports.
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How to ask for reports.
    pub source: Arc<dyn Source>,
    /// What its states mean and which ids it can have.
    pub api: Arc<dyn Api>,
    /// Play money.
    pub is_sandbox: bool,
    /// Objects that a report names and nobody watches are watched from then on.
    pub discover: bool,
    /// The folder of all reports; the provider's lie under `provider` in it.
    pub folder: PathBuf,
}

impl Account {
    /// Where its files lie, for people.
    pub fn shown_folder(&self) -> String {
        archive::folder(self).display().to_string()
    }
}

/// Why something about reports could not be done.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("a provider's report cannot be kept at {0}")]
    File(#[from] FileError),
    /// Something stored cannot be read.
    #[error("what is stored under {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// The account has no such type.
    #[error("{word:?} is no type of report of account {account}; it has: {known}")]
    UnknownType {
        /// Whose.
        account: AccountName,
        /// As asked for.
        word: String,
        /// Those that there are.
        known: String,
    },
    /// The days cannot be pulled.
    #[error("{0}")]
    Range(#[from] BadRange),
}

impl From<DocumentError> for DownloadError {
    fn from(error: DocumentError) -> DownloadError {
        match error {
            DocumentError::Store(error) => DownloadError::Store(error),
            DocumentError::Unreadable { name, what } => DownloadError::Unreadable { name, what },
        }
    }
}

/// The reports of all accounts. Outlives a reload.
pub struct Downloads {
    stored: Documents<Download>,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// An account's is held through every change of one of its downloads, a step under way included.
    turns: Mutex<BTreeMap<AccountName, Arc<tokio::sync::Mutex<()>>>>,
    wake: Arc<Notify>,
}

impl Downloads {
    /// Nothing is done before something is asked for.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>) -> Downloads {
        Downloads {
            stored: Documents::new(store),
            clock,
            pace,
            turns: Mutex::default(),
            wake: Arc::default(),
        }
    }

    /// Pulsed when something was asked for.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// The downloads of an account, the oldest first.
    async fn downloads_of(&self, account: &AccountName) -> Result<Vec<Download>, DownloadError> {
        let mut downloads = self.stored.list(&format!("{account}/")).await?;
        downloads.sort_by(|one, other| (one.asked_at, &one.word).cmp(&(other.asked_at, &other.word)));
        Ok(downloads)
    }

    fn turn_of(&self, account: &AccountName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(account.clone()).or_default())
    }
}
