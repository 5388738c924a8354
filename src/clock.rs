//! Time: the only code that reads it or sleeps.
//!
//! Owns: the present time (wall and monotonic), how far it is trusted (`judge`), waiting. Must never know:
//! any room.
//! Everything else takes a [`Clock`], so that a test can run a month in a second.

#![expect(clippy::disallowed_methods, reason = "this module is where the banned methods live")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::later;
use jiff::{SignedDuration, Timestamp};

pub mod judge;
mod judged;

pub use judged::{JudgedClock, Standing};

/// A future that only waits.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// A source of the present time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, UTC. It may jump; never measure a duration with it.
    fn now(&self) -> Timestamp;
    /// Whether [`Clock::now`] is trusted enough to close a business day.
    fn is_sure(&self) -> bool {
        true
    }
    /// Somebody has just contradicted an unconfirmed time. Who is right will be known in a moment.
    fn is_doubted(&self) -> bool {
        false
    }
    /// Time since this clock was created. It never jumps.
    fn monotonic(&self) -> Duration;
    /// A future that completes after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
    /// Blocks this thread for `duration`: for code that blocks anyway.
    fn block(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that can be shared.
pub type SharedClock = Arc<dyn Clock>;

/// The simulator lives by the same clock as the daemon that asks it.
impl amazon_pay_simulator::clock::Clock for dyn Clock {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn monotonic(&self) -> Duration {
        Clock::monotonic(self)
    }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn shared() -> SharedClock {
        Arc::new(SystemClock { started: tokio::time::Instant::now() })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that follows tokio's own time. A test can pause and advance it, so that hours pass in
/// milliseconds, and can make its wall time jump.
#[derive(Debug)]
pub struct VirtualClock {
    origin: Timestamp,
    started: tokio::time::Instant,
    skew_ms: AtomicI64,
}

impl VirtualClock {
    /// A clock that shows `origin` now. Call it inside a tokio runtime.
    pub fn starting_at(origin: Timestamp) -> Arc<VirtualClock> {
        Arc::new(VirtualClock { origin, started: tokio::time::Instant::now(), skew_ms: AtomicI64::new(0) })
    }

    /// Makes the wall clock jump by `by`; monotonic time continues unchanged.
    pub fn jump(&self, by: SignedDuration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(0);
        self.skew_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_millis(self.skew_ms.load(Ordering::SeqCst));
        later(later(self.origin, self.started.elapsed()), skew)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until it is set: for replaying a past, where no task waits for anything.
#[derive(Debug)]
pub struct HandClock {
    origin: Timestamp,
    elapsed_ns: AtomicU64,
}

impl HandClock {
    /// A clock that shows `origin`.
    pub fn starting_at(origin: Timestamp) -> Arc<HandClock> {
        Arc::new(HandClock { origin, elapsed_ns: AtomicU64::new(0) })
    }

    /// Sets it to `elapsed` after its origin. It never goes back.
    pub fn set(&self, elapsed: Duration) {
        self.elapsed_ns.fetch_max(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        later(self.origin, self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst))
    }

    /// Waiting moves the clock forward, so it ends at once.
    fn sleep(&self, duration: Duration) -> Sleep {
        self.set(self.monotonic() + duration);
        Box::pin(std::future::ready(()))
    }
}
