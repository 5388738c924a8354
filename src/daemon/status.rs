//! The status line, and whether the process is still able to work.
//!
//! Owns: what the line says, when polling counts as stalled. Must never know: how the service manager is reached.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::clock::SharedClock;
use crate::payments::age;
use crate::reconcile::Reconcile;
use crate::store::{Store, StoreError};
use crate::task::{Board, Done, Round, Work};

use super::manager;

/// Updates the service manager's status line, and the polling loops' heartbeat on the board. Ends the process if the store
/// has failed, even if only a request on the socket noticed.
pub(super) struct Pulse {
    pub(super) store: Store,
    /// Receives the error when the store has failed; the process then ends.
    pub(super) fatal: mpsc::UnboundedSender<StoreError>,
    pub(super) clock: SharedClock,
    pub(super) reconcile: Arc<Reconcile>,
    pub(super) board: Arc<Board>,
}

/// The longest time without progress in a polling loop. Each loop is active at least once a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(240);

impl Work for Pulse {
    fn activate(&self) -> Round<'_> {
        Box::pin(async {
            if let Some(error) = self.store.failure() {
                let text = error.to_string();
                // Nobody listens any more when the process is about to stop.
                let _ = self.fatal.send(error);
                return Err(text);
            }
            let stalled = self.reconcile.stalled(LONGEST_SILENCE);
            if stalled.is_empty() {
                self.board.beat("polling", Duration::from_secs(60));
            } else {
                tracing::error!(accounts = stalled.join(", "), "polling loops make no progress");
            }
            let line = line(&self.store, &self.reconcile, self.clock.now()).await?;
            manager::status(&line);
            Ok(Done { summary: line, again_in: None })
        })
    }
}

/// `42 open, oldest 3h 5m (charge S01-…), last round 09:30:05Z, 0 messages pending`.
pub(super) async fn line(store: &Store, reconcile: &Reconcile, now: Timestamp) -> Result<String, String> {
    let counts = store.counts().await.map_err(|error| error.to_string())?;
    let open: u64 = counts.iter().filter(|count| !count.finished).map(|count| count.number).sum();
    let set_apart: u64 = counts.iter().filter(|count| count.quarantined).map(|count| count.number).sum();
    let oldest = match store.oldest_moving().await.map_err(|error| error.to_string())? {
        Some((object, made_at)) => format!("oldest {} ({} {})", age(made_at, now), object.kind, object.id),
        None => "none moving".to_owned(),
    };
    let last_round = reconcile.tallies().values().filter_map(|tally| tally.last_round_at).max();
    let round =
        last_round.map_or("no round yet".to_owned(), |at| format!("last round {}", at.strftime("%H:%M:%SZ")));
    Ok(format!(
        "{open} open, {oldest}, {set_apart} quarantined, {round}, {} messages pending",
        store.stats().outbox_pending
    ))
}
