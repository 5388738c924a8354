//! Single operations that an operator sends: checked, journaled, sent once, and looked up when the answer is lost.
//!
//! Owns: the steps of one call; the attempts of every account. A call that changes something is journaled before it
//! is sent and again when it has ended. The objects that it created are watched before its end is reported. When an
//! answer is lost, the outcome is looked up; only a call that cannot take effect twice is sent again. Must never
//! know: signatures, a provider's terms, chats.
//!
//! In reading order: `attempt` (what is stored), `run` (a call from its check to its end), `change` (the tries of a
//! call that changes something), `lookup` (lookup after a lost answer), `settle` (what a crash left open),
//! `alert_text` (the alert).

mod alert_text;
mod attempt;
mod change;
mod lookup;
mod run;
mod settle;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::apis::Account;
use crate::apis::calls::Caller;
use crate::apis::pace::Pace;
use crate::clock::SharedClock;
use crate::documents::{DocumentError, Documents};
use crate::payments::alert::Routes;
use crate::payments::object::AccountName;
use crate::problem::Problem;
use crate::store::{Store, StoreError};

pub use attempt::{Attempt, Standing};
pub use run::{Ended, Outcome, Wanted};
pub use settle::Settled;

/// Why nothing was sent, or why an attempt cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored attempt cannot be read.
    #[error("the stored attempt {name} cannot be read: {what}")]
    Unreadable {
        /// The name that it is stored under.
        name: String,
        /// Why.
        what: String,
    },
    /// The call cannot be sent as given.
    #[error("{} cannot be called like this: {}", .operation, lines(.problems))]
    Bad {
        /// The requested operation.
        operation: String,
        /// Every problem.
        problems: Vec<Problem>,
    },
    /// The account takes operations only in batches.
    #[error("account {0} takes operations in batch files, not as single calls")]
    NoCalls(AccountName),
    /// The same call is being sent or looked up.
    #[error("{0} is in progress")]
    UnderWay(String),
    /// The reference or key belongs to another call.
    #[error("{0} was used for a call with other parameters")]
    OtherCall(String),
    /// An earlier call about the same object is in doubt.
    #[error("an earlier {0} with other parameters is in doubt")]
    EarlierInDoubt(String),
    /// There is no such attempt.
    #[error("there is no attempt {0}")]
    Unknown(String),
    /// The attempt is not open.
    #[error("{attempt} is not in doubt: it is {standing}")]
    NotOpen {
        /// Which.
        attempt: String,
        /// Its state.
        standing: &'static str,
    },
}

/// The single calls of an account's API.
fn caller(account: &Account) -> Result<&dyn Caller, CallError> {
    account.api.calls().ok_or_else(|| CallError::NoCalls(account.name.clone()))
}

impl From<DocumentError> for CallError {
    fn from(error: DocumentError) -> CallError {
        match error {
            DocumentError::Store(error) => CallError::Store(error),
            DocumentError::Unreadable { name, what } => CallError::Unreadable { name, what },
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

/// The single calls of all accounts. Survives a reload of the configuration.
pub struct Calls {
    attempts: Documents<Attempt>,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// The names of the attempts that are in progress.
    under_way: Mutex<BTreeSet<String>>,
    /// Accounts without calls in doubt, for which no lookup is needed.
    settled: Mutex<BTreeSet<AccountName>>,
}

/// Locks an attempt while this value lives.
struct Entered<'a> {
    calls: &'a Calls,
    name: String,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.calls.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Calls {
    /// The attempts are kept in `store`. Every request needs a permit of `pace`.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>) -> Calls {
        Calls {
            attempts: Documents::new(store),
            clock,
            pace,
            under_way: Mutex::default(),
            settled: Mutex::default(),
        }
    }

    /// Records whether an account has no calls in doubt. Set before the attempts are listed and cleared after one was
    /// written as open, so that none is overlooked.
    fn set_settled(&self, account: &AccountName, is_settled: bool) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_settled {
            settled.insert(account.clone());
        } else {
            settled.remove(account);
        }
    }

    /// Another host has worked on the account, so its calls in doubt must be looked up again.
    pub fn look_again(&self, account: &AccountName) {
        self.set_settled(account, false);
    }

    fn is_settled(&self, account: &AccountName) -> bool {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(account)
    }

    /// Locks the attempt; none when somebody else holds it.
    fn enter(&self, name: &str) -> Option<Entered<'_>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.insert(name.to_owned()).then(|| Entered { calls: self, name: name.to_owned() })
    }

    /// The attempts of an account, or of all, by name; only those in doubt unless `is_all`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, account: Option<&AccountName>, is_all: bool) -> Result<Vec<Attempt>, CallError> {
        let beginning = account.map_or_else(String::new, |account| format!("{account}/"));
        let mut attempts = self.attempts.list(&beginning).await?;
        attempts.retain(|attempt| is_all || attempt.standing == Standing::Open);
        Ok(attempts)
    }

    /// Records the outcome of an attempt in doubt, as a person saw it at the provider.
    ///
    /// # Errors
    /// When there is no attempt with this name, it is not in doubt, or the store fails.
    pub async fn end(
        &self,
        account: &AccountName,
        label: &str,
        was_done: bool,
    ) -> Result<Attempt, CallError> {
        let unknown = || CallError::Unknown(label.to_owned());
        let (operation, key) = label.split_once('/').ok_or_else(unknown)?;
        let name = attempt::name(account, operation, key);
        let _entered = self.enter(&name).ok_or_else(|| CallError::UnderWay(label.to_owned()))?;
        let mut attempt = self.attempts.find(&name).await?.ok_or_else(unknown)?;
        if attempt.standing != Standing::Open {
            let standing = attempt.standing.as_str();
            return Err(CallError::NotOpen { attempt: label.to_owned(), standing });
        }
        attempt.standing = if was_done { Standing::Done } else { Standing::NotDone };
        attempt.detail = Some("reported by an operator".to_owned());
        attempt.changed_at = self.clock.now();
        self.attempts.write(&attempt).await?;
        Ok(attempt)
    }
}
