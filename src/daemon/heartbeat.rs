//! Once a minute, a poke: tokio-cron-scheduler is the heart, our own planner decides what is due.
//!
//! The scheduler keeps a fixed offset instead of a zone, forgets what it missed and lets runs overlap,
//! so it is given nothing to decide: one job, UTC, that pokes. Should it fall silent, a plain interval
//! takes over and says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;

/// Silence after which the scheduler is no longer relied on.
const LONGEST_SILENCE: Duration = Duration::from_secs(180);

/// Room for messages in each of the scheduler's channels; one job needs next to none, and each place costs memory.
const CHANNEL_PLACES: usize = 16;

/// Pokes `beat` once a minute until `stop`.
pub(super) async fn keep(beat: Arc<Notify>, clock: SharedClock, stop: CancellationToken) {
    let poke = Arc::new(Notify::new());
    let mut scheduler = match start(Arc::clone(&poke)).await {
        Ok(scheduler) => Some(scheduler),
        Err(error) => {
            tracing::error!(error, "the scheduler did not start; a plain interval takes its place");
            None
        }
    };
    let mut was_silent = false;
    loop {
        let patience =
            if scheduler.is_some() && !was_silent { LONGEST_SILENCE } else { Duration::from_secs(60) };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = poke.notified() => was_silent = false,
            () = clock.sleep(patience) => {
                if scheduler.is_some() && !was_silent {
                    tracing::warn!("the scheduler has fallen silent; a plain interval takes its place until it beats again");
                }
                was_silent = true;
            }
        }
        beat.notify_one();
    }
    if let Some(scheduler) = scheduler.as_mut()
        && let Err(error) = scheduler.shutdown().await
    {
        tracing::debug!(%error, "the scheduler did not shut down cleanly");
    }
}

async fn start(poke: Arc<Notify>) -> Result<JobScheduler, String> {
    let words = |error: tokio_cron_scheduler::JobSchedulerError| error.to_string();
    let scheduler = JobScheduler::new_with_channel_size(CHANNEL_PLACES).await.map_err(words)?;
    let job = Job::new("0 * * * * *", move |_, _| poke.notify_one()).map_err(words)?;
    scheduler.add(job).await.map_err(words)?;
    scheduler.start().await.map_err(words)?;
    Ok(scheduler)
}
