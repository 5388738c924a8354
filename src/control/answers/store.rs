//! The answers about the store itself: check, backup, compaction, statistics.
//!
//! Owns: what each does. Must never know: how the store does it.

use crate::control::messages::*;
use crate::control::problem::{Cause, Problem};
use crate::control::service::{Answer, Service, storage};
use crate::store::StoreError;

impl Service {
    /// Whether the process and the store respond (docs/src/reference/operations.md section 6.3).
    pub(in crate::control) async fn healthy(&self) -> Answer<Greeting> {
        self.check_store().await?;
        Ok(self.greeting("ok"))
    }

    /// The short answer of the health endpoints.
    pub(in crate::control) fn greeting(&self, status: &str) -> Greeting {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Greeting { status: status.to_owned(), pid: std::process::id(), version }
    }

    /// Whether the store still accepts writes.
    pub async fn check_store(&self) -> Answer<()> {
        self.store.oldest_moving().await.map_err(storage)?;
        match self.store.stats().broken {
            None => Ok(()),
            Some(reason) => Err(storage(StoreError::Broken(reason))),
        }
    }

    /// Checks the store against itself and reads its whole journal, without stopping work.
    pub async fn self_check(&self, actor: &str) -> Answer<CheckReport> {
        tracing::info!(actor, "self-check of the store requested");
        let report = self.store.check().await.map_err(storage)?;
        for problem in &report.problems {
            tracing::error!(problem, "the store's self-check found a problem");
        }
        Ok(report)
    }

    /// Reads the whole journal and checks that each entry is linked to the one before, without stopping work.
    pub async fn verify_audit(&self, actor: &str) -> Answer<AuditVerified> {
        tracing::info!(actor, "verification of the audit trail requested");
        let report = self.store.check_journal().await.map_err(storage)?;
        for problem in &report.problems {
            tracing::error!(problem, "the audit trail is not intact");
        }
        Ok(report.into())
    }

    /// Copies the journal into an empty or missing folder, without stopping work.
    pub async fn backup(&self, request: &BackupRequest, actor: &str) -> Answer<BackupReport> {
        tracing::info!(actor, to = %request.to.display(), "backup requested");
        if !request.to.is_absolute() {
            let detail = format!("{} is not an absolute path", request.to.display());
            return Err(Problem::new(Cause::Unprocessable, detail, "start it with /"));
        }
        self.store.backup(request.to.clone()).await.map_err(storage)
    }

    /// Compacts the store's index now, without stopping work.
    pub async fn compact(&self, actor: &str) -> Answer<Compacted> {
        tracing::info!(actor, "compaction of the store's index requested");
        self.store.compact().await.map_err(storage)
    }

    /// The store's statistics. Does not wait for the store.
    pub fn store_stats(&self) -> Stats {
        self.store.stats()
    }
}
