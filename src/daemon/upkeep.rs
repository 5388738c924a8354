//! Keeps the store sound and small.
//!
//! Owns: that loop. Must never know: how the store is checked and compacted.

use tokio::sync::mpsc;

use crate::clock::SharedClock;
use crate::store::{Store, StoreError};
use crate::task::{Done, Round, Work};

/// Checks the store after the host went down, and compacts its index.
pub(super) struct Upkeep {
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    /// Receives the error when the store has failed; the process then ends.
    pub(super) fatal: mpsc::UnboundedSender<StoreError>,
}

impl Upkeep {
    fn failed(&self, error: StoreError) -> String {
        let text = error.to_string();
        if error.is_fatal() {
            // Nobody listens any more when the process is about to stop.
            let _ = self.fatal.send(error);
        }
        text
    }
}

impl Work for Upkeep {
    fn progress(&self) -> u64 {
        self.store.upkeep_ticks()
    }

    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            let checked = match self.store.check_if_owed().await {
                Err(StoreError::Stopping) => {
                    return Ok(Done {
                        summary: "the check continues at the next start".to_owned(),
                        again_in: None,
                    });
                }
                checked => checked.map_err(|error| self.failed(error))?,
            };
            if let Some(report) = checked {
                match report.problems.first() {
                    None => tracing::info!(
                        records = report.records,
                        "the store was checked after the host went down: nothing is wrong"
                    ),
                    Some(problem) => {
                        let more = report.problem_count - 1;
                        return Err(format!(
                            "{problem} (and {more} more problems; see `reconciled store check`)"
                        ));
                    }
                }
            }
            let tidied = self.store.tidy(self.clock.now()).await.map_err(|error| self.failed(error))?;
            let summary = match tidied {
                None => "no compaction needed".to_owned(),
                Some(done) => {
                    let (before, after) = (done.bytes_before, done.bytes_after);
                    tracing::info!(rows = done.rows, before, after, "the store's index was compacted");
                    format!("index compacted from {before} to {after} bytes")
                }
            };
            Ok(Done { summary, again_in: None })
        })
    }
}
