//! Single operations of an operator's own: checked, journaled, sent once, and found out when the answer is lost.
//!
//! Owns: the steps of one call; the attempts of every account. What changes anything is written down before it
//! is sent, and its end after it; what it made is watched before anybody is told. A lost answer is looked up;
//! only what cannot be done twice is sent again. Must never know: signatures, a provider's words, chats.
//!
//! In reading order: `book` (what is stored), `run` (a call from its check to its end), `change` (the tries of
//! one that changes something), `look` (how a lost answer is found out), `settle` (what a crash left open),
//! `alert_text` (what a person is told).

mod alert_text;
mod attempt;
mod change;
mod look;
mod run;
mod settle;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::apis::Api;
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

/// An account whose operations can be called.
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How its operations are checked and sent.
    pub caller: Arc<dyn Caller>,
    /// How its objects are looked at.
    pub api: Arc<dyn Api>,
    /// Play money.
    pub is_sandbox: bool,
}

/// Why nothing was sent, or an attempt cannot be ended.
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
    /// The call is not one that could be sent.
    #[error("{} cannot be called so: {}", .operation, lines(.problems))]
    Bad {
        /// The operation that was asked for.
        operation: String,
        /// Every problem.
        problems: Vec<Problem>,
    },
    /// The same call is on its way just now.
    #[error("{0} is on its way just now")]
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
        /// How it stands.
        standing: &'static str,
    },
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

/// The single calls of all accounts. Outlives a reload.
pub struct Calls {
    attempts: Documents<Attempt>,
    clock: SharedClock,
    pace: Arc<Pace>,
    /// The names of the attempts that are on their way.
    under_way: Mutex<BTreeSet<String>>,
    /// Accounts of which nothing is in doubt, so that nobody need look.
    settled: Mutex<BTreeSet<AccountName>>,
}

/// Keeps others from the same attempt while it lives.
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
    /// The attempts are kept in `store`; every request is charged to `pace`.
    pub fn new(store: Store, clock: SharedClock, pace: Arc<Pace>) -> Calls {
        Calls {
            attempts: Documents::new(store),
            clock,
            pace,
            under_way: Mutex::default(),
            settled: Mutex::default(),
        }
    }

    /// Notes whether all of an account is known. Told before the attempts are listed, and taken back after one
    /// was written as open, so that none is overlooked.
    fn set_settled(&self, account: &AccountName, is_settled: bool) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if is_settled {
            settled.insert(account.clone());
        } else {
            settled.remove(account);
        }
    }

    fn is_settled(&self, account: &AccountName) -> bool {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).contains(account)
    }

    /// None when somebody else has it.
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

    /// A person has looked at the provider and says what became of an attempt in doubt.
    ///
    /// # Errors
    /// When there is none of this name, or it is not in doubt, or the store fails.
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
        attempt.detail = Some("an operator said so".to_owned());
        attempt.changed_at = self.clock.now();
        self.attempts.write(&attempt).await?;
        Ok(attempt)
    }
}
