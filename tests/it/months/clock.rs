//! Time that outlives the daemon: each of its runs has its own runtime, but the world has one time.

#![expect(clippy::disallowed_methods, reason = "the simulated world keeps its own time")]

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reconciled::clock::{Clock, Sleep};

/// The world's time: what has passed in earlier runs and in this one.
pub struct WorldTime {
    origin: Timestamp,
    before_ns: AtomicU64,
    life: Mutex<Option<tokio::time::Instant>>,
    skew_s: AtomicI64,
    /// The time that the daemon uses while it runs.
    used: Mutex<Option<Used>>,
}

/// Gives the time that a daemon uses; `None` once it is gone.
type Used = Box<dyn Fn() -> Option<Timestamp> + Send>;

impl std::fmt::Debug for WorldTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WorldTime").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl WorldTime {
    pub fn starting_at(origin: Timestamp) -> Arc<WorldTime> {
        Arc::new(WorldTime {
            origin,
            before_ns: AtomicU64::new(0),
            life: Mutex::new(None),
            skew_s: AtomicI64::new(0),
            used: Mutex::new(None),
        })
    }

    /// Reads the daemon's time through `used` in this run.
    pub fn ask(&self, used: Used) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
    }

    /// The time by which the daemon dates things: the one it judged right, or its wall clock before it has
    /// judged.
    pub fn used(&self) -> Timestamp {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.as_ref().and_then(|used| used()).unwrap_or_else(|| self.wall())
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        let life = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Duration::from_nanos(self.before_ns.load(Ordering::SeqCst));
        before + life.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        self.at(self.elapsed())
    }

    pub fn at(&self, elapsed: Duration) -> Timestamp {
        self.origin + SignedDuration::try_from(elapsed).expect("a simulated time is short")
    }

    /// A run begins; call it inside its runtime.
    pub fn begin(&self) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::time::Instant::now());
    }

    /// A run ends: time stands still until the next, except for [`WorldTime::pass`].
    pub fn end(&self) {
        let elapsed = self.elapsed();
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.before_ns.store(u64::try_from(elapsed.as_nanos()).expect("short"), Ordering::SeqCst);
    }

    /// Time passes between two runs.
    pub fn pass(&self, time: Duration) {
        self.before_ns.fetch_add(u64::try_from(time.as_nanos()).expect("short"), Ordering::SeqCst);
    }

    /// From now on the daemon's wall clock is wrong by this much.
    pub fn set_skew(&self, skew_s: i64) {
        self.skew_s.store(skew_s, Ordering::SeqCst);
    }

    /// What the daemon's wall clock shows at the true time `at`.
    pub fn wall(&self) -> Timestamp {
        self.now() + SignedDuration::from_secs(self.skew_s.load(Ordering::SeqCst))
    }
}

fn sleep(duration: Duration) -> Sleep {
    Box::pin(tokio::time::sleep(duration))
}

/// The provider's clock: right, and never interrupted.
#[derive(Debug)]
pub struct TrueClock(pub Arc<WorldTime>);

impl Clock for TrueClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        sleep(duration)
    }
}

/// The clock of one run of the daemon: its wall time may jump, and its monotonic time starts from zero.
#[derive(Debug)]
pub struct HostClock {
    time: Arc<WorldTime>,
    began: Duration,
}

impl HostClock {
    pub fn new(time: &Arc<WorldTime>) -> HostClock {
        HostClock { began: time.elapsed(), time: Arc::clone(time) }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.time.wall()
    }
    fn monotonic(&self) -> Duration {
        self.time.elapsed().saturating_sub(self.began)
    }
    fn sleep(&self, duration: Duration) -> Sleep {
        sleep(duration)
    }
    /// The time passes at once: nothing else runs on this thread meanwhile.
    fn block(&self, duration: Duration) {
        let mut passing = Context::from_waker(Waker::noop());
        let _ = std::pin::pin!(tokio::time::advance(duration)).poll(&mut passing);
    }
}
