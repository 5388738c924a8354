//! One account at one provider, as all rooms see it.
//!
//! Owns: what belongs together in an account: its client and the operator's wishes for it. Must never know: what any
//! room does with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Api;
use crate::payments::object::{AccountName, Kind};
use crate::payments::schedule::Policy;

/// Is told that the provider has answered a request of an account: its credentials are accepted.
pub type Accepted = Arc<dyn Fn(&AccountName) + Send + Sync>;

/// One account. Whether it has batches, single calls or reports, its API tells.
#[derive(Clone)]
pub struct Account {
    /// The operator's name for it.
    pub name: AccountName,
    /// How to ask its provider.
    pub api: Arc<dyn Api>,
    /// Play money.
    pub is_sandbox: bool,
    /// How each kind is watched; a kind that is not listed is watched by the default policy.
    pub policies: BTreeMap<Kind, Policy>,
    /// Polls of one kind under way at once, at most.
    pub most_in_flight: usize,
    /// The first wait between probes of refused credentials.
    pub probe_interval: Duration,
    /// Objects that a provider's report names and nobody watches are watched from then on.
    pub discover: bool,
    /// The folder of all report files; the provider's lie under `provider` in it.
    pub report_folder: PathBuf,
}

impl Account {
    /// An account with the defaults of the configuration.
    pub fn new(name: AccountName, api: Arc<dyn Api>) -> Account {
        Account {
            name,
            api,
            is_sandbox: false,
            policies: BTreeMap::new(),
            most_in_flight: 16,
            probe_interval: Duration::from_secs(300),
            discover: false,
            report_folder: PathBuf::new(),
        }
    }

    /// How a kind is watched.
    pub fn policy(&self, kind: &Kind) -> Policy {
        self.policies.get(kind).cloned().unwrap_or_default()
    }
}
