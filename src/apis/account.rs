//! One account at one provider, as all modules see it.
//!
//! Owns: what belongs to an account: its client and the operator's settings for it. Must never know: what any
//! module does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Api;
use crate::payments::object::{AccountName, Kind};
use crate::payments::schedule::Policy;

/// Called when the provider has answered a request of an account, which shows that its credentials are accepted.
pub type Accepted = Arc<dyn Fn(&AccountName) + Send + Sync>;

/// The kinds of an account whose final states notifications announce; none until somebody says so.
#[derive(Debug, Clone, Default)]
pub struct Relaxed(Arc<Mutex<Option<BTreeSet<Kind>>>>);

impl Relaxed {
    /// Replaces them. Returns what was said before.
    pub fn set(&self, kinds: Option<BTreeSet<Kind>>) -> Option<BTreeSet<Kind>> {
        std::mem::replace(&mut *self.locked(), kinds)
    }

    fn contains(&self, kind: &Kind) -> bool {
        self.locked().as_ref().is_some_and(|kinds| kinds.contains(kind))
    }

    fn locked(&self) -> MutexGuard<'_, Option<BTreeSet<Kind>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One account. Its API says whether it has batches, single calls or reports.
#[derive(Clone)]
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// The client of its provider.
    pub api: Arc<dyn Api>,
    /// Whether it is a sandbox account, without real money.
    pub is_sandbox: bool,
    /// How each kind is watched; a kind that is not listed is watched by the default policy.
    pub policies: BTreeMap<Kind, Policy>,
    /// Which kinds are polled at their relaxed interval now.
    pub relaxed: Relaxed,
    /// The most polls of one kind in flight at once.
    pub most_in_flight: usize,
    /// The first wait between probes of refused credentials.
    pub probe_interval: Duration,
    /// Whether to start watching unwatched objects that a provider's report names.
    pub discover: bool,
    /// Whether to start watching unwatched objects that a verified notification names.
    pub discovers_by_notifications: bool,
    /// An end is late if it is found this long after it happened.
    pub late_after: Duration,
    /// Whether objects that had ended long before they were enrolled are reported one by one on the first day.
    pub reports_history: bool,
    /// The folder of all report files; the provider's own are in its subfolder `provider`.
    pub report_folder: PathBuf,
}

impl Account {
    /// An account with the configuration's defaults.
    pub fn new(name: AccountName, api: Arc<dyn Api>) -> Account {
        Account {
            name,
            api,
            is_sandbox: false,
            policies: BTreeMap::new(),
            relaxed: Relaxed::default(),
            most_in_flight: 16,
            probe_interval: Duration::from_secs(300),
            discover: false,
            discovers_by_notifications: false,
            late_after: Duration::from_secs(24 * 3600),
            reports_history: false,
            report_folder: PathBuf::new(),
        }
    }

    /// `live` or `sandbox`.
    pub fn environment(&self) -> &'static str {
        if self.is_sandbox { "sandbox" } else { "live" }
    }

    /// How a kind is watched now: with a longer interval while it is relaxed.
    pub fn policy(&self, kind: &Kind) -> Policy {
        let policy = self.policies.get(kind).cloned().unwrap_or_default();
        match policy.relaxed_interval.filter(|_| self.relaxed.contains(kind)) {
            Some(relaxed) => Policy { interval: policy.interval.max(relaxed), ..policy },
            None => policy,
        }
    }
}
