//! The loop that all background work shares. It sets the rhythm, and keeps the last result for the status
//! page.
//!
//! Owns: rhythm, wake-ups, what each loop did last, whether it still makes progress. Must never know: any
//! room. A failed round is retried in the next period, never within the round.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;

/// What one round did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// In a few words, for the status page.
    pub summary: String,
    /// When to run again, if sooner than the period.
    pub again_in: Option<Duration>,
}

/// A running round.
pub type Round<'a> = Pin<Box<dyn Future<Output = Result<Done, String>> + Send + 'a>>;

/// Recurring work: idempotent, without input, without retries inside.
pub trait Work: Send + Sync {
    /// One round.
    fn activate(&self) -> Round<'_>;

    /// A counter that grows while a long round progresses, so that the round does not look stuck.
    fn progress(&self) -> u64 {
        0
    }
}

/// Between two checks of a round's progress.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// When a loop runs.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// Its name on the status page and in logs.
    pub name: &'static str,
    /// The longest wait between two rounds.
    pub period: Duration,
    /// Notified to run at once.
    pub wake: Arc<Notify>,
}

/// What is known about one loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoopStatus {
    /// The longest wait between two rounds, seconds.
    pub period_s: u64,
    /// Rounds since start.
    pub rounds: u64,
    /// Rounds that failed since start.
    pub failed: u64,
    /// When the last round ended.
    pub last_at: Option<Timestamp>,
    /// Why it ran: `period`, `woken`, `start`.
    pub last_reason: &'static str,
    /// How long it took, milliseconds.
    pub last_took_ms: u64,
    /// What it did, or why it failed.
    pub last_outcome: String,
    /// Whether the last round succeeded.
    pub is_ok: bool,
    #[serde(skip)]
    beat: Duration,
}

/// All loops of the process.
#[derive(Debug)]
pub struct Board {
    clock: SharedClock,
    loops: Mutex<BTreeMap<String, LoopStatus>>,
}

impl Board {
    /// An empty board.
    pub fn new(clock: SharedClock) -> Arc<Board> {
        Arc::new(Board { clock, loops: Mutex::default() })
    }

    /// What each loop did last, by name.
    pub fn statuses(&self) -> BTreeMap<String, LoopStatus> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Registers a loop, or reports that one is alive although its round has not ended.
    pub fn beat(&self, name: &str, period: Duration) {
        let beat = self.clock.monotonic();
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let status = loops.entry(name.to_owned()).or_insert_with(|| LoopStatus {
            period_s: 0,
            rounds: 0,
            failed: 0,
            last_at: None,
            last_reason: "start",
            last_took_ms: 0,
            last_outcome: "not run yet".to_owned(),
            is_ok: true,
            beat,
        });
        // A reload may have changed the period.
        status.period_s = period.as_secs();
        status.beat = beat;
    }

    /// Removes a loop that has ended on purpose.
    pub fn remove(&self, name: &str) {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Records the end of a round.
    pub fn done(&self, name: &str, reason: &'static str, took: Duration, result: &Result<Done, String>) {
        let (now, beat) = (self.clock.now(), self.clock.monotonic());
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = loops.get_mut(name) else { return };
        status.rounds += 1;
        status.last_at = Some(now);
        status.last_reason = reason;
        status.last_took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        status.is_ok = result.is_ok();
        status.beat = beat;
        match result {
            Ok(done) => status.last_outcome.clone_from(&done.summary),
            Err(error) => {
                status.failed += 1;
                status.last_outcome.clone_from(error);
            }
        }
    }

    /// Loops without a sign of life for twice their period plus `slack`. The watchdog asks for them.
    pub fn stalled(&self, slack: Duration) -> Vec<String> {
        let now = self.clock.monotonic();
        let loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stalled = |status: &LoopStatus| {
            now.saturating_sub(status.beat) > Duration::from_secs(status.period_s.saturating_mul(2)) + slack
        };
        loops.iter().filter(|(_, status)| is_stalled(status)).map(|(name, _)| name.clone()).collect()
    }
}

/// Runs `work` in `rhythm` until `stop`; a round in progress is finished first.
pub async fn keep(
    rhythm: Rhythm,
    work: Arc<dyn Work>,
    clock: SharedClock,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    keep_as(rhythm.name.to_owned(), rhythm, work, clock, board, stop).await;
}

/// Like [`keep`], with its own name on the status page when several loops share one rhythm.
pub async fn keep_as(
    name: String,
    rhythm: Rhythm,
    work: Arc<dyn Work>,
    clock: SharedClock,
    board: Arc<Board>,
    stop: CancellationToken,
) {
    let mut reason = "start";
    let mut was_ok = true;
    while !stop.is_cancelled() {
        board.beat(&name, rhythm.period);
        let started = clock.monotonic();
        let result = watched(&name, &rhythm, &*work, &clock, &board).await;
        board.done(&name, reason, clock.monotonic().saturating_sub(started), &result);
        match &result {
            Err(error) if was_ok => {
                tracing::error!(task = name, %error, "a round failed; the next one tries again")
            }
            Ok(_) if !was_ok => tracing::info!(task = name, "rounds succeed again"),
            _ => {}
        }
        was_ok = result.is_ok();
        let wait = result.ok().and_then(|done| done.again_in).unwrap_or(rhythm.period).min(rhythm.period);
        reason = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = rhythm.wake.notified() => "woken",
            () = clock.sleep(wait) => "period",
        };
    }
}

/// Runs one round, and reports it as alive while it progresses.
async fn watched(
    name: &str,
    rhythm: &Rhythm,
    work: &dyn Work,
    clock: &SharedClock,
    board: &Board,
) -> Result<Done, String> {
    let mut round = work.activate();
    let mut seen = work.progress();
    loop {
        tokio::select! {
            biased;
            result = &mut round => return result,
            () = clock.sleep(LOOK_EVERY) => {
                let progress = work.progress();
                if progress != seen {
                    board.beat(name, rhythm.period);
                }
                seen = progress;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, VirtualClock};
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Count(AtomicU32);

    impl Work for Count {
        fn activate(&self) -> Round<'_> {
            Box::pin(async {
                let number = self.0.fetch_add(1, Ordering::SeqCst);
                if number == 1 {
                    Err("broken".to_owned())
                } else {
                    Ok(Done { summary: format!("round {number}"), again_in: None })
                }
            })
        }
    }

    /// A round of ten minutes that may progress.
    struct Long {
        clock: SharedClock,
        progresses: bool,
        done: AtomicU32,
    }

    impl Work for Long {
        fn activate(&self) -> Round<'_> {
            Box::pin(async {
                for _ in 0..60 {
                    self.clock.sleep(Duration::from_secs(10)).await;
                    self.done.fetch_add(u32::from(self.progresses), Ordering::SeqCst);
                }
                Ok(Done { summary: String::new(), again_in: None })
            })
        }

        fn progress(&self) -> u64 {
            self.done.load(Ordering::SeqCst).into()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_round_is_alive_as_long_as_it_progresses() {
        for progresses in [true, false] {
            let clock: SharedClock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH);
            let board = Board::new(clock.clone());
            let stop = CancellationToken::new();
            let work = Long { clock: clock.clone(), progresses, done: AtomicU32::new(0) };
            let rhythm = Rhythm { name: "long", period: Duration::from_secs(60), wake: Arc::default() };
            let running =
                tokio::spawn(keep(rhythm, Arc::new(work), clock.clone(), board.clone(), stop.clone()));
            clock.sleep(Duration::from_secs(590)).await;
            assert_eq!(board.stalled(Duration::from_secs(120)).is_empty(), progresses);
            stop.cancel();
            running.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_with_a_longer_period_after_a_reload_is_not_stalled() {
        let clock: SharedClock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH);
        let board = Board::new(clock.clone());
        let minute = Duration::from_secs(60);
        board.beat("heartbeat", minute);
        board.beat("heartbeat", minute * 60);
        clock.sleep(minute * 90).await;
        assert_eq!(board.stalled(minute), Vec::<String>::new());
        board.beat("heartbeat", minute);
        clock.sleep(minute * 4).await;
        assert_eq!(board.stalled(minute), ["heartbeat"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_keeps_its_rhythm_survives_failures_and_reports_what_it_did() {
        let clock = VirtualClock::starting_at(Timestamp::UNIX_EPOCH);
        let board = Board::new(clock.clone());
        let work = Arc::new(Count(AtomicU32::new(0)));
        let stop = CancellationToken::new();
        let wake = Arc::new(Notify::new());
        let rhythm = Rhythm { name: "count", period: Duration::from_secs(60), wake: wake.clone() };
        let running = tokio::spawn(keep(rhythm, work.clone(), clock.clone(), board.clone(), stop.clone()));
        clock.sleep(Duration::from_secs(61)).await;
        assert_eq!(work.0.load(Ordering::SeqCst), 2);
        let status = board.statuses()["count"].clone();
        assert_eq!((status.failed, status.last_outcome.as_str(), status.is_ok), (1, "broken", false));
        wake.notify_one();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(board.statuses()["count"].last_reason, "woken");
        assert_eq!(board.stalled(Duration::from_secs(1)), Vec::<String>::new());
        stop.cancel();
        running.await.unwrap();
        clock.sleep(Duration::from_secs(122)).await;
        assert_eq!(board.stalled(Duration::from_secs(1)), ["count"]);
    }
}
