//! One bucket, with the current time as an argument.
//!
//! Owns: the arithmetic of a bucket (from governor, with our own clock and state store) and the effect of
//! requests in flight. Must never know: accounts, operations, locks.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota as GovernorQuota, RateLimiter};

use super::{Level, Quota, Used, ns};
use crate::http::waits::believed;

/// The longest wait of our own after throttled answers that name no time.
const LONGEST_OWN_WAIT: Duration = Duration::from_secs(60);
/// The longest wait until the next check of the bucket while the single request after a hold has no answer yet.
const LOOK_AGAIN_NS: u64 = 1_000_000_000;

/// When the bucket would be full again if nothing more were taken (the "theoretical arrival time"),
/// in ns of the clock's monotonic time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FullAt(Cell<u64>);

impl Hash for FullAt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

/// A state store whose keys are the states: each bucket holds its own eight bytes.
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

/// A clock that shows the time that it is set to. It starts at zero, so that states are absolute.
#[derive(Debug)]
struct Hand(Cell<u64>);

impl Clock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

/// A quota in nanoseconds.
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

    /// How long an empty bucket takes to fill.
    pub(super) fn whole_ns(&self) -> u64 {
        self.token_ns * self.burst
    }
}

struct Class {
    limits: Limits,
    limiter: RateLimiter<FullAt, InPlace, Hand, NoOpMiddleware<Nanos>>,
}

/// One limiter for each different quota; the buckets hold their own state.
#[derive(Default)]
pub(super) struct Limiters {
    classes: Vec<Class>,
}

impl Limiters {
    /// The class of a quota. There are only a handful, so a linear search is enough.
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
    /// Negative for a hold that began before a restart.
    held_since_ns: i64,
    held_until_ns: u64,
    in_flight: u32,
    throttles_in_a_row: u32,
    door: Door,
    /// Whether a request was delayed since the door was last open.
    is_wanted: bool,
}

/// What a hold means for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// There is no hold.
    Open,
    /// Nothing is sent before the hold ends; then one request is.
    Held,
    /// That request is in flight. Its answer opens the door or renews the hold.
    Probed,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(class: usize) -> Bucket {
        Bucket {
            class,
            used: Used::default(),
            full_at: FullAt(Cell::new(0)),
            held_since_ns: 0,
            held_until_ns: 0,
            in_flight: 0,
            throttles_in_a_row: 0,
            door: Door::Open,
            is_wanted: false,
        }
    }

    /// Takes a token for one request, or says how long to wait. True if it is the single request after a hold.
    pub(super) fn take(&mut self, limiters: &Limiters, now_ns: u64) -> Result<bool, Duration> {
        if now_ns < self.held_until_ns {
            self.is_wanted = true;
            return Err(Duration::from_nanos(self.held_until_ns - now_ns));
        }
        let class = &limiters.classes[self.class];
        if self.door == Door::Probed {
            return Err(Duration::from_nanos(class.limits.token_ns.min(LOOK_AGAIN_NS)));
        }
        self.assume_arrived(class.limits, now_ns);
        class.limiter.clock().0.set(now_ns);
        class
            .limiter
            .check_key(&self.full_at)
            .map_err(|not_until| not_until.wait_time_from(Nanos::new(now_ns)))?;
        self.in_flight += 1;
        self.used.sent += 1;
        let is_probe = self.door == Door::Held;
        if is_probe {
            self.door = Door::Probed;
        }
        Ok(is_probe)
    }

    /// The answer to a request has arrived, or nobody waits for it any more.
    pub(super) fn answered(&mut self, limits: Limits, now_ns: u64, is_throttled: bool, is_probe: bool) {
        self.assume_arrived(limits, now_ns);
        self.in_flight = self.in_flight.saturating_sub(1);
        if is_probe {
            self.door = if now_ns < self.held_until_ns { Door::Held } else { Door::Open };
            self.is_wanted &= self.door != Door::Open;
        }
        if !is_throttled && now_ns >= self.held_until_ns {
            self.throttles_in_a_row = 0;
        }
    }

    /// Requests in flight count as arriving as late as possible: now. (Each takes a token, so the bucket cannot be full
    /// before that many tokens are restored.)
    fn assume_arrived(&self, limits: Limits, now_ns: u64) {
        self.not_full_before(now_ns + u64::from(self.in_flight) * limits.token_ns);
    }

    fn not_full_before(&self, at_ns: u64) {
        self.full_at.0.set(self.full_at.0.get().max(at_ns));
    }

    /// The provider said "too many": it has no tokens left. Several such answers to requests that were sent together
    /// count as one.
    pub(super) fn throttled(&mut self, limits: Limits, now_ns: u64, retry_after: Option<Duration>) {
        self.used.throttled += 1;
        self.spend_all(limits, now_ns);
        if now_ns >= self.held_until_ns {
            self.throttles_in_a_row += 1;
        }
        let doublings = self.throttles_in_a_row.saturating_sub(1).min(20);
        let own_wait_ns = limits.token_ns.saturating_mul(1 << doublings).min(ns(LONGEST_OWN_WAIT));
        let own_wait = Duration::from_nanos(own_wait_ns.max(limits.token_ns));
        // A short wait that is requested for hours must not let us send at full rate for hours.
        self.hold(now_ns, retry_after.unwrap_or_default().max(own_wait));
    }

    /// Sends nothing before `wait` has passed, as far as it is trusted; then one request.
    pub(super) fn hold(&mut self, now_ns: u64, wait: Duration) {
        let wait = believed(wait);
        if wait.is_zero() {
            return;
        }
        if self.door == Door::Open {
            self.held_since_ns = signed(now_ns);
            self.door = Door::Held;
        }
        self.held_until_ns = self.held_until_ns.max(now_ns + ns(wait));
    }

    /// Restores a hold from before a stop. It began `already` ago and lasts `wait` longer, which may be zero.
    pub(super) fn restore_hold(&mut self, now_ns: u64, already: Duration, wait: Duration) {
        self.hold(now_ns, wait);
        self.door = Door::Held;
        self.held_since_ns = signed(now_ns).saturating_sub(signed(ns(already)));
    }

    pub(super) fn spend_all(&self, limits: Limits, now_ns: u64) {
        self.not_full_before(now_ns + limits.whole_ns());
    }

    pub(super) fn fill(&self) {
        self.full_at.0.set(0);
    }

    /// Full again after `full_in`, regardless of what was assumed before.
    pub(super) fn restore(&self, now_ns: u64, full_in: Duration) {
        self.full_at.0.set(now_ns + ns(full_in));
    }

    /// How long until it is full, counting all requests in flight. Never more than a whole bucket.
    pub(super) fn full_in_ns(&self, limits: Limits, now_ns: u64) -> u64 {
        let in_flight_ns = u64::from(self.in_flight) * limits.token_ns;
        self.full_at.0.get().saturating_sub(now_ns).max(in_flight_ns).min(limits.whole_ns())
    }

    pub(super) fn held_for_ns(&self, now_ns: u64) -> u64 {
        self.held_until_ns.saturating_sub(now_ns)
    }

    /// How long ago the current hold began; none when there is none.
    pub(super) fn held_since_ns(&self, now_ns: u64) -> Option<u64> {
        let age_ns = signed(now_ns).saturating_sub(self.held_since_ns);
        (self.door != Door::Open).then(|| u64::try_from(age_ns).unwrap_or(0))
    }

    pub(super) fn level(&self, limits: Limits, now_ns: u64) -> Level {
        let free = (limits.whole_ns() - self.full_in_ns(limits, now_ns)) / limits.token_ns;
        Level {
            available: u32::try_from(free).unwrap_or(u32::MAX),
            burst: limits.quota.burst,
            in_flight: self.in_flight,
            held_for: Duration::from_nanos(self.held_for_ns(now_ns)),
            held_already: self.held_since_ns(now_ns).map(Duration::from_nanos),
            is_wanted: self.is_wanted,
        }
    }
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}
