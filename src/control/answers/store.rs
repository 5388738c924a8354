//! The answers about the store itself: check, backup, compaction, figures.
//!
//! Owns: what each does. Must never know: how the store does it.

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::store::StoreError;

impl Service {
    /// Whether process and store answer (docs/src/reference/operations.md section 6.3).
    pub(in crate::control) async fn healthy(&self) -> Answer<Greeting> {
        self.check_store().await?;
        Ok(self.greeting("ok"))
    }

    /// The short answer of the health addresses.
    pub(in crate::control) fn greeting(&self, status: &str) -> Greeting {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Greeting { status: status.to_owned(), pid: std::process::id(), version }
    }

    /// Whether the store still takes what it is given.
    pub async fn check_store(&self) -> Answer<()> {
        self.store.oldest_moving().await.map_err(storage)?;
        match self.store.stats().broken {
            None => Ok(()),
            Some(reason) => Err(storage(StoreError::Broken(reason))),
        }
    }

    /// Compares the store with itself and reads its whole journal, while work goes on.
    pub async fn self_check(&self, actor: &str) -> Answer<CheckReport> {
        tracing::info!(actor, "asked for a self-check of the store");
        let report = self.store.check().await.map_err(storage)?;
        for problem in &report.problems {
            tracing::error!(problem, "the store's self-check found a problem");
        }
        Ok(report)
    }

    /// Copies the journal into an empty or missing folder while work goes on.
    pub async fn backup(&self, request: &BackupRequest, actor: &str) -> Answer<BackupReport> {
        tracing::info!(actor, to = %request.to.display(), "asked for a backup");
        if !request.to.is_absolute() {
            let detail = format!("{} is not an absolute path", request.to.display());
            return Err(Problem::new(Cause::Unprocessable, detail, "begin it with /"));
        }
        self.store.backup(request.to.clone()).await.map_err(storage)
    }

    /// Makes the store's index small now, while work goes on.
    pub async fn compact(&self, actor: &str) -> Answer<Compacted> {
        tracing::info!(actor, "asked to make the store's index small");
        self.store.compact().await.map_err(storage)
    }

    /// How the store is doing. Does not wait for it.
    pub fn store_stats(&self) -> Stats {
        self.store.stats()
    }
}
