//! What is reported to systemd: ready, status, reloading, stopping, and the keep-alive, which is sent only while the
//! loops make progress (docs/src/reference/operations.md section 4.1).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::store::{Meter, Progress, WhileWaiting};
use crate::task::Board;
use crate::text;

/// How much longer than twice its period a loop may take before it counts as stalled.
pub(super) const SLACK: Duration = Duration::from_secs(120);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be notified");
    }
}

/// How long the service manager waits for the next message while opening the store makes progress, and how often such
/// a message is sent.
const EXTENSION: Duration = Duration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(10);
/// How long a step may take without progress, such as the engine reading its own files after a crash.
const LONGEST_STEP: Duration = Duration::from_secs(10 * 60);

/// Makes the service manager wait while opening the store makes progress, however large the store is. Ends when
/// dropped.
pub(super) struct Opening(Option<tokio::task::JoinHandle<()>>);

impl Opening {
    /// Starts to notify, if there is a service manager.
    pub(super) fn begin(meter: Meter, clock: SharedClock) -> Opening {
        let has_manager = std::env::var_os("NOTIFY_SOCKET").is_some();
        Opening(has_manager.then(|| {
            ask_for_time(&meter);
            tokio::spawn(extend(meter, clock))
        }))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(telling) = &self.0 {
            telling.abort();
        }
    }
}

async fn extend(meter: Meter, clock: SharedClock) {
    let mut patience = Patience::default();
    while patience.lasts(meter.ticks(), clock.monotonic()) {
        clock.sleep(EXTEND_EVERY).await;
        ask_for_time(&meter);
    }
}

fn ask_for_time(meter: &Meter) {
    let words =
        meter.progress().map_or_else(|| "opening the store".to_owned(), |progress| in_words(&progress));
    let micros = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros), NotifyState::Status(&words)]);
}

fn in_words(progress: &Progress) -> String {
    match progress.done.saturating_mul(100).checked_div(progress.total) {
        Some(percent) => format!("opening the store: {}, {} %", progress.step, percent.min(100)),
        None => format!("opening the store: {}, {}", progress.step, progress.done),
    }
}

/// Distinguishes slow work from stuck work.
#[derive(Debug, Default)]
struct Patience {
    /// The last progress, and when it was first seen.
    seen: Option<(u64, Duration)>,
}

impl Patience {
    /// Whether work with this number of ticks is still worth waiting for.
    fn lasts(&mut self, ticks: u64, now: Duration) -> bool {
        match self.seen {
            Some((known, since)) if known == ticks => now.saturating_sub(since) < LONGEST_STEP,
            _ => {
                self.seen = Some((ticks, now));
                true
            }
        }
    }
}

/// All loops have started.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&text::line(status))]);
}

/// What a host does about once a second while it waits for the database of its store: it reports that it is ready and
/// alive, and shows what it knows. `opening` ends with the first call.
pub(super) fn while_waiting(opening: Arc<Mutex<Option<Opening>>>) -> WhileWaiting {
    let logged = Mutex::new(None);
    Arc::new(move |waiting| {
        drop(opening.lock().unwrap_or_else(PoisonError::into_inner).take());
        tell(&[
            NotifyState::Ready,
            NotifyState::Watchdog,
            NotifyState::Status(&text::line(&waiting.to_string())),
        ]);
        let news = waiting.trouble.clone();
        let mut logged = logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.as_ref() != Some(&news) {
            tracing::info!("{waiting}");
            *logged = Some(news);
        }
    })
}

/// One line for `systemctl status`.
pub(super) fn status(line: &str) {
    tell(&[NotifyState::Status(&text::line(line))]);
}

/// A reload has started. [`ready`] ends it, whether it succeeded or not.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic time for the service manager"),
    }
}

/// Shutdown has started.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&text::line(status))]);
}

/// Sends the keep-alive, if the service manager wants one, until a loop stalls.
pub(super) async fn keep_alive(board: Arc<Board>, clock: SharedClock, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut was_stalled = false;
    while !stop.is_cancelled() {
        let stalled = board.stalled(SLACK);
        if stalled.is_empty() {
            tell(&[NotifyState::Watchdog]);
        } else if !was_stalled {
            tracing::error!(
                loops = stalled.join(", "),
                "loops make no progress; the service manager will restart this process"
            );
        }
        was_stalled = !stalled.is_empty();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = clock.sleep(limit / 3) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_is_waited_for_as_long_as_it_progresses() {
        let mut patience = Patience::default();
        let minutes = |number: u64| Duration::from_secs(60 * number);
        // A whole night, with one tick every nine minutes.
        assert!((0..60).all(|tick| patience.lasts(tick, minutes(9 * tick))));
        assert!(patience.lasts(59, minutes(9 * 59 + 9)));
        assert!(!patience.lasts(59, minutes(9 * 59 + 10)), "it is stuck");
        assert!(patience.lasts(60, minutes(9 * 59 + 11)), "it makes progress after all");
    }

    #[test]
    fn the_status_line_says_how_far_opening_is() {
        let progress = |done, total| Progress { step: "applying the journal".to_owned(), done, total };
        assert_eq!(in_words(&progress(45, 100)), "opening the store: applying the journal, 45 %");
        assert_eq!(in_words(&progress(200, 100)), "opening the store: applying the journal, 100 %");
        assert_eq!(in_words(&progress(7, 0)), "opening the store: applying the journal, 7");
    }
}
