//! What other modules may ask about the hosts that share a store and the accounts that each works on.
//!
//! Owns: these methods, and that they run off the runtime's own threads. Must never know: what a host does with an
//! account.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::balance::{self, Seen};
use super::connection::Trouble;
use super::database::Database;
use crate::blocking;

/// The hosts that share a store.
#[derive(Debug, Clone)]
pub struct Fleet(pub(in crate::store) Arc<Database>);

impl Fleet {
    /// The number of this host's session.
    pub fn session(&self) -> i64 {
        self.0.session()
    }

    /// This host's name.
    pub fn host(&self) -> &str {
        self.0.host()
    }

    /// Says which accounts this host is configured for, each with its unit: accounts of one unit are kept together.
    ///
    /// # Errors
    /// Why the database does not answer.
    pub async fn declare(&self, accounts: &BTreeMap<String, String>) -> Result<(), String> {
        let names: Vec<String> = accounts.keys().cloned().chain([balance::KEEPER.to_owned()]).collect();
        let digest = balance::digest(accounts);
        self.call(move |database| database.declare(&names, digest)).await
    }

    /// The hosts, and the accounts that none of them has.
    ///
    /// # Errors
    /// Why the database does not answer.
    pub async fn see(&self) -> Result<Seen, String> {
        self.call(Database::see).await
    }

    /// What [`Fleet::see`] returned last.
    pub fn seen(&self) -> Seen {
        self.0.seen()
    }

    /// Takes free accounts, each with the fence that was seen. Returns those that are now this host's, each with its new
    /// fence.
    ///
    /// # Errors
    /// Why the database does not answer. Accounts may have been taken all the same.
    pub async fn take(&self, free: Vec<(String, i64)>) -> Result<Vec<(String, i64)>, String> {
        self.call(move |database| database.take(&free)).await
    }

    /// Lets other hosts take accounts. This host must have stopped working on them.
    ///
    /// # Errors
    /// Why the database does not answer.
    pub async fn give_up(&self, accounts: Vec<(String, i64)>) -> Result<(), String> {
        self.call(move |database| database.give_up(&accounts)).await
    }

    /// The accounts that this host has, each with its fence.
    ///
    /// # Errors
    /// Why the database does not answer.
    pub async fn own(&self) -> Result<BTreeMap<String, i64>, String> {
        Ok(self.call(Database::own).await?.into_iter().collect())
    }

    /// The host that has an account.
    ///
    /// # Errors
    /// Why the database does not answer.
    pub async fn owner(&self, account: &str) -> Result<Option<String>, String> {
        let account = account.to_owned();
        self.call(move |database| database.owner(&account)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, String> {
        let database = Arc::clone(&self.0);
        let called = blocking::run(move || work(&database)).await;
        called.map_err(|error| error.to_string())?.map_err(|trouble| trouble.why)
    }
}
