//! Time: the only code that reads it or sleeps.
//!
//! Owns: the present time (wall and monotonic), how far it is believed (`judge`), waiting. Must never know: any room.
//! Everything else takes a [`Clock`], so that a test can run a month in a second.

#![expect(clippy::disallowed_methods, reason = "this module is where the banned methods live")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub mod judge;
mod judged;

pub use judged::{JudgedClock, Standing};

/// A future that does nothing but wait.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Where the present time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, UTC. It may jump; never measure a duration with it.
    fn now(&self) -> Timestamp;
    /// Whether [`Clock::now`] is believed so far that a day may be closed by it.
    fn is_sure(&self) -> bool {
        true
    }
    /// Somebody has just contradicted a time that nobody confirmed: who is right is known in a moment.
    fn is_doubted(&self) -> bool {
        false
    }
    /// Time since this clock was made. It never jumps.
    fn monotonic(&self) -> Duration;
    /// A future that ends after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// A clock that can be handed around.
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

/// A clock that follows tokio's own time: paused and advanced by a test, it makes hours pass in
/// milliseconds. Its wall time can be made to jump.
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

    /// Lets the wall clock jump by `by`; monotonic time goes on undisturbed.
    pub fn jump(&self, by: SignedDuration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(0);
        self.skew_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        let skew = SignedDuration::from_millis(self.skew_ms.load(Ordering::SeqCst));
        self.origin.checked_add(elapsed).and_then(|at| at.checked_add(skew)).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that stands still until it is set: for computing a past, where no task waits for anything.
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
        let elapsed = SignedDuration::try_from(self.monotonic()).unwrap_or(SignedDuration::MAX);
        self.origin.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.elapsed_ns.load(Ordering::SeqCst))
    }

    /// Whoever would wait moves the hand: the wait is over at once.
    fn sleep(&self, duration: Duration) -> Sleep {
        self.set(self.monotonic() + duration);
        Box::pin(std::future::ready(()))
    }
}
