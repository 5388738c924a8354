//! Which accounts this process may send requests for: all of them, unless several hosts share the work.
//!
//! Owns: this set, and whether work on an account still continues. Must never know: which other hosts there are, how
//! accounts are shared out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Pace, State};
use crate::payments::object::AccountName;

/// Keeps an account from being given up while work on it continues.
#[derive(Debug, Clone)]
pub struct AtWork {
    _of: Arc<()>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// None: all accounts.
    accounts: Option<HashMap<AccountName, Arc<()>>>,
    /// Accounts that are being given up.
    leaving: HashMap<AccountName, Arc<()>>,
    /// No work may begin any more.
    is_over: bool,
}

impl Held {
    pub(super) fn nothing() -> Held {
        Held { accounts: Some(HashMap::new()), ..Held::default() }
    }

    pub(super) fn has(&self, account: &AccountName) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains_key(account))
    }

    pub(super) fn work_on(&self, account: &AccountName) -> Option<AtWork> {
        match &self.accounts {
            None => Some(AtWork { _of: Arc::default() }),
            Some(accounts) => Some(AtWork { _of: Arc::clone(accounts.get(account)?) }),
        }
    }

    pub(super) fn begin(&mut self, account: &AccountName) {
        if let Some(accounts) = self.accounts.as_mut().filter(|_| !self.is_over) {
            accounts.entry(account.clone()).or_default();
        }
    }

    /// From now on, no work begins on this account.
    pub(super) fn leave(&mut self, account: &AccountName) {
        let held = self.accounts.as_mut().and_then(|accounts| accounts.remove(account));
        self.leaving.extend(held.map(|held| (account.clone(), held)));
    }

    /// From now on, no work begins on any account.
    pub(super) fn leave_all(&mut self) {
        self.leaving.extend(self.accounts.take().unwrap_or_default());
        self.accounts = Some(HashMap::new());
        self.is_over = true;
    }

    /// Whether all work on all accounts that are being given up has ended.
    pub(super) fn have_all_left(&self) -> bool {
        self.leaving.values().all(|held| Arc::strong_count(held) == 1)
    }

    /// Whether all work on an account that is being given up has ended.
    pub(super) fn has_left(&mut self, account: &AccountName) -> bool {
        let is_busy = self.leaving.get(account).is_some_and(|held| Arc::strong_count(held) > 1);
        if !is_busy {
            self.leaving.remove(account);
        }
        !is_busy
    }
}

impl Pace {
    /// From now on, issues permits only for accounts that were begun ([`Pace::begin`]). Other hosts may work on the
    /// others.
    pub fn hold_nothing(&self) {
        *self.shared.held() = Held::nothing();
    }

    /// Whether this process may send requests for an account.
    pub fn holds(&self, account: &AccountName) -> bool {
        self.shared.held().has(account)
    }

    /// Keeps an account from being given up until the returned value is dropped. None if this process may not send
    /// requests for the account.
    pub fn work_on(&self, account: &AccountName) -> Option<AtWork> {
        self.shared.held().work_on(account)
    }

    /// This process may send requests for an account from now on. Its buckets start empty: another host may have spent
    /// them a moment ago.
    pub fn begin(&self, account: &AccountName) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, places } = &mut *guard;
        for (_, place) in places.get(account).into_iter().flatten() {
            let bucket = &mut buckets[*place];
            bucket.spend_all(limiters.limits(bucket.class), now_ns);
        }
        self.shared.held().begin(account);
    }

    /// No permit is issued for an account from now on.
    pub fn leave(&self, account: &AccountName) {
        self.shared.held().leave(account);
    }

    /// No permit is issued for any account from now on.
    pub fn leave_all(&self) {
        self.shared.held().leave_all();
    }

    /// Whether all work has ended on all accounts that are being given up.
    pub fn have_all_left(&self) -> bool {
        self.shared.held().have_all_left()
    }

    /// Whether all work has ended on an account that is being given up.
    pub fn has_left(&self, account: &AccountName) -> bool {
        self.shared.held().has_left(account)
    }
}
