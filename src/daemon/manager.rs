//! What systemd is told: ready, status, reloading, stopping, and the keep-alive, which is sent only
//! while the loops make progress (operations.md section 4.1).

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::task::Board;
use crate::text;

/// How much longer than twice its period a loop may take before the keep-alive stops.
const SLACK: Duration = Duration::from_secs(120);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// All loops have started.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&text::line(status))]);
}

/// One line for `systemctl status`.
pub(super) fn status(line: &str) {
    tell(&[NotifyState::Status(&text::line(line))]);
}

/// A reload has begun; [`ready`] ends it, whether it succeeded or not.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic time for the service manager"),
    }
}

/// Shutdown has begun.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&text::line(status))]);
}

/// Sends the keep-alive, if the service manager wants one, as long as no loop has stalled.
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
