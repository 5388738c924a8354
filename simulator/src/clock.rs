//! Time, as the pretended providers see it.
//!
//! Owns: the present time and how a test replaces it. Must never know: what happens at which time.

#![expect(clippy::disallowed_methods, reason = "the machine's time is read here and nowhere else")]

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where the present time comes from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, UTC.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment. It never jumps: quotas are counted by it.
    fn monotonic(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[expect(clippy::new_without_default, reason = "two of them differ by when they were made")]
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that follows tokio's own time. A test that pauses and advances it makes days pass in milliseconds.
#[derive(Debug)]
pub struct VirtualClock {
    origin: Timestamp,
    started: Instant,
}

impl VirtualClock {
    /// A clock that shows `origin` now. Call it inside a tokio runtime.
    pub fn starting_at(origin: Timestamp) -> VirtualClock {
        VirtualClock { origin, started: Instant::now() }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.monotonic()).unwrap_or(SignedDuration::MAX);
        self.origin.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
