//! One bucket, with the present time as an argument.
//!
//! Owns: the arithmetic of a bucket (by governor, with our clock and our place for its state) and what
//! requests in flight do to it. Must never know: accounts, operations, locks.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota as GovernorQuota, RateLimiter};

use super::{LONGEST_HOLD, Level, Quota, Used, ns};

/// The longest wait of our own after throttled answers that name no time.
const LONGEST_OWN_WAIT: Duration = Duration::from_secs(60);

/// When the bucket would be full again if nothing more were taken (the "theoretical arrival time"),
/// in ns of the clock's monotonic time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FullAt(Cell<u64>);

impl Hash for FullAt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

/// A state store whose keys are the states: each bucket carries its own eight bytes.
#[derive(Debug)]
struct InPlace;

impl StateStore for InPlace {
    type Key = FullAt;

    fn measure_and_replace<T, F, E>(&self, key: &FullAt, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, full_at) = decide(Some(Nanos::new(key.0.get())))?;
        key.0.set(full_at.as_u64());
        Ok(outcome)
    }
}

/// A clock that shows what it is set to. It starts at zero, so that states are absolute.
#[derive(Debug)]
struct Hand(Cell<u64>);

impl Clock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

/// What a quota means in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) quota: Quota,
    token_ns: u64,
    burst: u64,
}

impl Limits {
    fn new(quota: Quota) -> Limits {
        Limits { quota, token_ns: ns(quota.per), burst: u64::from(quota.burst) }
    }

    /// How long an empty bucket takes to be full.
    pub(super) fn whole_ns(&self) -> u64 {
        self.token_ns * self.burst
    }
}

struct Class {
    limits: Limits,
    limiter: RateLimiter<FullAt, InPlace, Hand, NoOpMiddleware<Nanos>>,
}

/// One limiter for each different quota; the buckets bring their state along.
#[derive(Default)]
pub(super) struct Limiters {
    classes: Vec<Class>,
}

impl Limiters {
    /// The class of a quota. A handful at most, so a search by eye is enough.
    pub(super) fn class_of(&mut self, quota: Quota) -> usize {
        if let Some(class) = self.classes.iter().position(|class| class.limits.quota == quota) {
            return class;
        }
        let burst = NonZeroU32::new(quota.burst).unwrap_or(NonZeroU32::MIN);
        let governor_quota = GovernorQuota::with_period(quota.per)
            .expect("a sane quota has a period of at least a millisecond")
            .allow_burst(burst);
        let limiter = RateLimiter::new(governor_quota, InPlace, Hand(Cell::new(0)));
        self.classes.push(Class { limits: Limits::new(quota), limiter });
        self.classes.len() - 1
    }

    pub(super) fn limits(&self, class: usize) -> Limits {
        self.classes[class].limits
    }
}

/// The state of one account and operation.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) class: usize,
    pub(super) used: Used,
    full_at: FullAt,
    held_until_ns: u64,
    in_flight: u32,
    throttles_in_a_row: u32,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(class: usize) -> Bucket {
        Bucket {
            class,
            used: Used::default(),
            full_at: FullAt(Cell::new(0)),
            held_until_ns: 0,
            in_flight: 0,
            throttles_in_a_row: 0,
        }
    }

    /// Leave for one request, or how long to wait.
    pub(super) fn take(&mut self, limiters: &Limiters, now_ns: u64) -> Result<(), Duration> {
        if now_ns < self.held_until_ns {
            return Err(Duration::from_nanos(self.held_until_ns - now_ns));
        }
        let class = &limiters.classes[self.class];
        self.assume_arrived(class.limits, now_ns);
        class.limiter.clock().0.set(now_ns);
        class
            .limiter
            .check_key(&self.full_at)
            .map_err(|not_until| not_until.wait_time_from(Nanos::new(now_ns)))?;
        self.in_flight += 1;
        self.used.sent += 1;
        Ok(())
    }

    /// The answer to a request has come, or nobody waits for it any more.
    pub(super) fn answered(&mut self, limits: Limits, now_ns: u64, is_throttled: bool) {
        self.assume_arrived(limits, now_ns);
        self.in_flight = self.in_flight.saturating_sub(1);
        if !is_throttled && now_ns >= self.held_until_ns {
            self.throttles_in_a_row = 0;
        }
    }

    /// Requests in flight count as arriving as late as they still can: now. (Each takes a token, so
    /// the bucket cannot be full sooner than that many tokens from now.)
    fn assume_arrived(&self, limits: Limits, now_ns: u64) {
        self.not_full_before(now_ns + u64::from(self.in_flight) * limits.token_ns);
    }

    fn not_full_before(&self, at_ns: u64) {
        self.full_at.0.set(self.full_at.0.get().max(at_ns));
    }

    /// The provider said "too many": it has no token left. Several such answers to requests that left
    /// together count as one.
    pub(super) fn throttled(&mut self, limits: Limits, now_ns: u64, retry_after: Option<Duration>) {
        self.used.throttled += 1;
        self.spend_all(limits, now_ns);
        if now_ns >= self.held_until_ns {
            self.throttles_in_a_row += 1;
        }
        let doublings = self.throttles_in_a_row.saturating_sub(1).min(20);
        let own_wait_ns = limits.token_ns.saturating_mul(1 << doublings).min(ns(LONGEST_OWN_WAIT));
        let own_wait = Duration::from_nanos(own_wait_ns.max(limits.token_ns));
        // A short wish that is repeated for hours is no leave to knock at full pace for hours.
        self.hold(now_ns, retry_after.unwrap_or_default().max(own_wait));
    }

    pub(super) fn hold(&mut self, now_ns: u64, wait: Duration) {
        self.held_until_ns = self.held_until_ns.max(now_ns + ns(wait.min(LONGEST_HOLD)));
    }

    pub(super) fn spend_all(&self, limits: Limits, now_ns: u64) {
        self.not_full_before(now_ns + limits.whole_ns());
    }

    pub(super) fn fill(&self) {
        self.full_at.0.set(0);
    }

    /// Full again after `full_in`, whatever was assumed before.
    pub(super) fn restore(&self, now_ns: u64, full_in: Duration) {
        self.full_at.0.set(now_ns + ns(full_in));
    }

    /// How long until it is full, all requests in flight counted; never more than a whole bucket.
    pub(super) fn full_in_ns(&self, limits: Limits, now_ns: u64) -> u64 {
        let in_flight_ns = u64::from(self.in_flight) * limits.token_ns;
        self.full_at.0.get().saturating_sub(now_ns).max(in_flight_ns).min(limits.whole_ns())
    }

    pub(super) fn held_for_ns(&self, now_ns: u64) -> u64 {
        self.held_until_ns.saturating_sub(now_ns)
    }

    pub(super) fn level(&self, limits: Limits, now_ns: u64) -> Level {
        let free = (limits.whole_ns() - self.full_in_ns(limits, now_ns)) / limits.token_ns;
        Level {
            available: u32::try_from(free).unwrap_or(u32::MAX),
            burst: limits.quota.burst,
            in_flight: self.in_flight,
            held_for: Duration::from_nanos(self.held_for_ns(now_ns)),
        }
    }
}
