//! Provider reports: a finished day is owed its report. It is requested, waited for, fetched, kept byte for
//! byte, read, and what it says is held against the ledger of watched objects.
//!
//! Owns: the errands of every account (a type of report over a range of days), what is written down before and
//! after each step, the kept files, what a difference is. Must never know: signatures, columns, tables, chats;
//! the calls and files of a provider are the affair of `apis`.
//!
//! In reading order: `book` (what is stored), `shelf` (the files), `desk` (what is asked for), `follow` (the
//! steps), `fold` (a file against the ledger), `compare` (one claim against one record), `words` (what a person
//! is told).

mod book;
mod compare;
mod desk;
mod fold;
mod follow;
mod shelf;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::apis::Account;
use crate::apis::pace::Pace;
use crate::apis::reporting::Source;
use crate::apis::reporting::windows::BadRange;
use crate::clock::SharedClock;
use crate::payments::alert::Alert;
use crate::payments::object::AccountName;
use crate::store::{Store, StoreError};

pub use book::{Errand, Tally, Unread};
pub use desk::Wanted;
pub use follow::Round;

use book::Book;

/// Where an account's files lie, for people.
pub fn shown_folder(account: &Account) -> String {
    shelf::folder(account).display().to_string()
}

/// Which targets an alert goes to; the second argument says whether it is about play money.
pub type Routes = Arc<dyn Fn(&Alert, bool) -> Vec<String> + Send + Sync>;

/// Is told that the provider has answered a request of an account: its credentials are accepted.
pub type Accepted = Arc<dyn Fn(&AccountName) + Send + Sync>;

/// What reports hand things to.
#[derive(Clone)]
pub struct Hands {
    /// Alerts.
    pub routes: Routes,
    /// Answers that show that the credentials are accepted.
    pub accepted: Accepted,
}

/// The reports of an account's API.
fn source(account: &Account) -> Result<&dyn Source, SettlementError> {
    account.api.reports().ok_or_else(|| SettlementError::NoReports(account.name.clone()))
}

/// Why something about reports could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SettlementError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read.
    #[error("a provider's report cannot be kept at {path}: {what}", path = path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What happened.
        what: String,
    },
    /// Something stored cannot be read.
    #[error("what is stored under {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// The account's provider makes no reports.
    #[error("{0} is no account whose provider's reports can be fetched")]
    NoReports(AccountName),
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

/// The reports of all accounts. Outlives a reload.
pub struct Settlements {
    book: Book,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// An account's is held through every change of one of its errands, a step under way included.
    turns: Mutex<BTreeMap<AccountName, Arc<tokio::sync::Mutex<()>>>>,
    wake: Arc<Notify>,
}

impl Settlements {
    /// Nothing is done before something is asked for.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>) -> Settlements {
        Settlements { book: Book::new(store), clock, pace, turns: Mutex::default(), wake: Arc::default() }
    }

    /// Pulsed when something was asked for.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    fn turn_of(&self, account: &AccountName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(account.clone()).or_default())
    }
}
