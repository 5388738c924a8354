//! Provider reports: a report is due for every finished day. It is requested, waited for, fetched, kept byte for byte
//! and read, and its claims are compared with the watched objects.
//!
//! Owns: the downloads of every account (a type of report over a range of days), what is recorded before and after
//! each step, the kept files, what a difference is. Must never know: signatures, columns, tables, chats (the calls
//! and files of a provider belong to `apis`).
//!
//! In reading order: `download` (what is stored), `archive` (the files), `requests` (what is requested), `follow`
//! (the steps), `fold` (a file against the records), `compare` (one claim against one record), `alert_text` (the
//! alerts).

mod alert_text;
mod archive;
mod compare;
mod download;
mod fold;
mod follow;
mod requests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::apis::pace::Pace;
use crate::apis::reporting::Source;
use crate::apis::reporting::windows::BadRange;
use crate::apis::{Accepted, Account};
use crate::clock::SharedClock;
use crate::documents::{DocumentError, Documents};
use crate::files::FileError;
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use download::{Download, Tally, Unread};
pub use follow::Round;
pub use requests::Wanted;

/// The folder of an account's files, for people.
pub fn shown_folder(account: &Account) -> String {
    archive::folder(account).display().to_string()
}

/// Where reports send their results.
#[derive(Clone)]
pub struct Ports {
    /// Alerts.
    pub routes: Routes,
    /// Called when an answer shows that the credentials are accepted.
    pub accepted: Accepted,
}

/// The reports of an account's API.
fn source(account: &Account) -> Result<&dyn Source, DownloadError> {
    account.api.reports().ok_or_else(|| DownloadError::NoReports(account.name.clone()))
}

/// Why an operation on reports failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("a provider's report cannot be stored at {0}")]
    File(#[from] FileError),
    /// A stored value cannot be read.
    #[error("what is stored under {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// The account's provider makes no reports.
    #[error("the provider's reports of account {0} cannot be fetched")]
    NoReports(AccountName),
    /// The account has no such type.
    #[error("account {account} has no report type {word:?}; its types: {known}")]
    UnknownType {
        /// The account.
        account: AccountName,
        /// The requested type.
        word: String,
        /// The existing types.
        known: String,
    },
    /// The days cannot be fetched.
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

/// The reports of all accounts. Survives a reload.
pub struct Downloads {
    stored: Documents<Download>,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// One lock per account. It is held during every change of one of the account's downloads, including a step in
    /// flight.
    turns: Mutex<BTreeMap<AccountName, Arc<tokio::sync::Mutex<()>>>>,
    wake: Arc<Notify>,
}

impl Downloads {
    /// Nothing is done before something is requested.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>) -> Downloads {
        Downloads {
            stored: Documents::new(store),
            clock,
            pace,
            turns: Mutex::default(),
            wake: Arc::default(),
        }
    }

    /// Notified when something is requested.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// The downloads of an account, oldest first.
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
