//! The request budget of an account and operation.
//!
//! Owns: how many requests to a provider may be in flight, and when the next may be sent.
//! Must never know: what a payment is, how a request is transported, what an answer means.
//!
//! A provider counts a request when it arrives, some time between our sending it and its answer. A limiter that counts
//! requests when it sends them therefore sometimes sends one too many: two requests sent a second apart can arrive
//! together. So a request in flight counts as arriving as late as possible: before each check, the bucket is set to
//! the level that it would have if all requests in flight had arrived just now. The same happens again when an answer
//! arrives. While the quota is fully used, this costs nothing.
//!
//! When a provider asks us to wait, the operation is held back as far as the wait is trusted. After that, one request
//! is sent. Its answer either lets the others follow or renews the hold.
//!
//! Nothing here waits. [`Pace::take`] returns a [`Permit`] or says how long to wait.

mod bucket;
mod held;
mod hint;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::SharedClock;
use crate::http::waits;
use crate::payments::environment::Environment;
use crate::payments::object::AccountName;
use crate::time::between;

use bucket::{Bucket, Limiters};
use held::Held;

pub use held::AtWork;
pub use hint::QuotaHint;

/// The longest hold at one time; the provider's wait is cut to at most this.
pub const LONGEST_HOLD: Duration = waits::LONGEST;
/// How long to wait before trying again for an account that another host works on.
const ELSEWHERE: Duration = Duration::from_secs(10);
/// A hold of at least this length deserves a person's attention.
pub const LONG_HOLD: Duration = Duration::from_secs(300);

/// A token bucket: how many requests at once, and how long it takes to restore one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// The most requests at once.
    pub burst: u32,
    /// How long it takes to restore one token.
    pub per: Duration,
}

impl Quota {
    /// The budget of an account whose section names none.
    pub fn usual(environment: Environment) -> Quota {
        match environment {
            Environment::Live => Quota::LIVE,
            Environment::Sandbox => Quota::SANDBOX,
        }
    }

    /// 10 at once, then one per second: the default for production.
    pub const LIVE: Quota = Quota { burst: 10, per: Duration::from_secs(1) };
    /// 2 at once, then one every two seconds: the default for a sandbox.
    pub const SANDBOX: Quota = Quota { burst: 2, per: Duration::from_secs(2) };

    /// The nearest sensible quota: 1 to 100,000 at once, one token in 1 ms to 1 day.
    fn sane(self) -> Quota {
        Quota {
            burst: self.burst.clamp(1, 100_000),
            per: self.per.clamp(Duration::from_millis(1), Duration::from_secs(86_400)),
        }
    }
}

/// The state of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Requests that could be sent at once if there were no hold.
    pub available: u32,
    /// The most that could ever be sent at once.
    pub burst: u32,
    /// Requests sent but not answered yet.
    pub in_flight: u32,
    /// How much longer nothing may be sent because the provider asked for it.
    pub held_for: Duration,
    /// How long ago the hold began; none when there is no hold. Renewed holds count as one, until a request after the
    /// hold is answered without another.
    pub held_already: Option<Duration>,
    /// Whether a request was delayed because of the hold.
    pub is_wanted: bool,
}

impl Level {
    /// Whether it has been held for [`LONG_HOLD`], or will have been when the hold ends.
    pub fn is_held_long(&self) -> bool {
        self.held_already.is_some_and(|already| already + self.held_for >= LONG_HOLD)
    }
}

/// What a bucket has counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Permits issued.
    pub sent: u64,
    /// Answers that said "too many".
    pub throttled: u64,
}

/// A bucket as it is saved across a clean stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLevel {
    /// The account that it belongs to.
    pub account: AccountName,
    /// The provider's name of the operation.
    pub operation: String,
    /// The quota that it was counted with.
    pub quota: Quota,
    /// How long after saving it would be full again.
    pub full_in: Duration,
    /// How long after saving the provider wants no request.
    pub held_for: Duration,
    /// How long before saving the hold began; none when there was none.
    #[serde(default)]
    pub held_already: Option<Duration>,
    /// When it was saved, by the wall clock.
    pub saved_at: Timestamp,
}

/// The budgets of all accounts and operations.
#[derive(Clone)]
pub struct Pace {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    state: Mutex<State>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct State {
    limiters: Limiters,
    buckets: Vec<Bucket>,
    places: HashMap<AccountName, Vec<(Arc<str>, usize)>>,
}

impl Shared {
    fn now_ns(&self) -> u64 {
        ns(self.clock.monotonic())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic elsewhere leaves every bucket consistent (each change is one assignment), so a poisoned lock is ignored.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn place(&self, account: &AccountName, operation: &str) -> Option<usize> {
        let operations = self.places.get(account)?;
        operations.iter().find(|(name, _)| &**name == operation).map(|(_, place)| *place)
    }

    /// The bucket. A new one starts empty, because an earlier process may have spent it.
    fn place_or_new(&mut self, account: &AccountName, operation: &str, quota: Quota, now_ns: u64) -> usize {
        if let Some(place) = self.place(account, operation) {
            return place;
        }
        let class = self.limiters.class_of(quota);
        let bucket = Bucket::new(class);
        bucket.spend_all(self.limiters.limits(class), now_ns);
        self.buckets.push(bucket);
        let place = self.buckets.len() - 1;
        self.places.entry(account.clone()).or_default().push((operation.into(), place));
        place
    }
}

impl Pace {
    /// Without any buckets.
    pub fn new(clock: SharedClock) -> Pace {
        Pace { shared: Arc::new(Shared { clock, state: Mutex::default(), held: Mutex::default() }) }
    }

    /// Sets the quota of an operation. A new bucket, or one whose quota changes, starts empty.
    pub fn set_quota(&self, account: &AccountName, operation: &str, quota: Quota) {
        let now_ns = self.shared.now_ns();
        let quota = quota.sane();
        let mut state = self.shared.state();
        let place = state.place_or_new(account, operation, quota, now_ns);
        let class = state.limiters.class_of(quota);
        if state.buckets[place].class != class {
            let limits = state.limiters.limits(class);
            state.buckets[place].class = class;
            state.buckets[place].spend_all(limits, now_ns);
        }
    }

    /// Acquires a permit to send one request now, or says how long to wait before trying again. While the permit
    /// lives, the request counts as in flight; drop the permit when the answer has arrived.
    /// An operation whose quota was never set has [`Quota::SANDBOX`], the slowest.
    pub fn take(&self, account: &AccountName, operation: &str) -> Result<Permit, Duration> {
        if !self.holds(account) {
            return Err(ELSEWHERE);
        }
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        let is_probe = state.buckets[place].take(&state.limiters, now_ns)?;
        Ok(Permit { shared: Arc::clone(&self.shared), place, is_throttled: false, is_probe })
    }

    /// Holds back this operation until `wait` has passed, as far as it is trusted ([`waits`]).
    pub fn hold(&self, account: &AccountName, operation: &str, wait: Duration) {
        let now_ns = self.shared.now_ns();
        let mut state = self.shared.state();
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        state.buckets[place].hold(now_ns, wait);
    }

    /// The state of a bucket; none when there is no such bucket.
    pub fn level(&self, account: &AccountName, operation: &str) -> Option<Level> {
        let now_ns = self.shared.now_ns();
        let state = self.shared.state();
        let bucket = &state.buckets[state.place(account, operation)?];
        Some(bucket.level(state.limiters.limits(bucket.class), now_ns))
    }

    /// The operations that are held back and their state, sorted by account and operation.
    pub fn held(&self) -> Vec<(AccountName, Arc<str>, Level)> {
        let now_ns = self.shared.now_ns();
        let state = self.shared.state();
        let mut held: Vec<(AccountName, Arc<str>, Level)> = Vec::new();
        for (account, operations) in &state.places {
            for (operation, place) in operations {
                let bucket = &state.buckets[*place];
                let level = bucket.level(state.limiters.limits(bucket.class), now_ns);
                if level.held_already.is_some() {
                    held.push((account.clone(), Arc::clone(operation), level));
                }
            }
        }
        held.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        held
    }

    /// The quota of an operation, if one was set.
    pub fn quota(&self, account: &AccountName, operation: &str) -> Option<Quota> {
        let state = self.shared.state();
        let bucket = &state.buckets[state.place(account, operation)?];
        Some(state.limiters.limits(bucket.class).quota)
    }

    /// What a bucket has counted since the start.
    pub fn used(&self, account: &AccountName, operation: &str) -> Used {
        let state = self.shared.state();
        state.place(account, operation).map_or(Used::default(), |place| state.buckets[place].used)
    }

    /// Fills a bucket: for an account that nobody can have used before.
    pub fn assume_full(&self, account: &AccountName, operation: &str) {
        let now_ns = self.shared.now_ns();
        let mut state = self.shared.state();
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        state.buckets[place].fill();
    }

    /// Like [`Pace::assume_full`], for every operation of an account whose quota was set.
    pub fn assume_account_full(&self, account: &AccountName) {
        let mut guard = self.shared.state();
        let State { buckets, places, .. } = &mut *guard;
        for (_, place) in places.get(account).into_iter().flatten() {
            buckets[*place].fill();
        }
    }

    /// Empties every bucket, as if all of it had been spent just now. Every bucket starts like this anyway. Call it
    /// after a time in which somebody else may have used the account.
    pub fn assume_spent(&self) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        for bucket in buckets {
            bucket.spend_all(limiters.limits(bucket.class), now_ns);
        }
    }

    /// All buckets, for a clean stop. Call it after the last permit was dropped: a request still in flight at that
    /// time would not be counted.
    pub fn saved(&self, now_wall: Timestamp) -> Vec<SavedLevel> {
        let now_ns = self.shared.now_ns();
        let state = self.shared.state();
        let mut saved: Vec<SavedLevel> = state
            .places
            .iter()
            .flat_map(|(account, operations)| operations.iter().map(move |place| (account, place)))
            .map(|(account, (operation, place))| {
                let bucket = &state.buckets[*place];
                let limits = state.limiters.limits(bucket.class);
                SavedLevel {
                    account: account.clone(),
                    operation: operation.to_string(),
                    quota: limits.quota,
                    full_in: Duration::from_nanos(bucket.full_in_ns(limits, now_ns)),
                    held_for: Duration::from_nanos(bucket.held_for_ns(now_ns)),
                    held_already: bucket.held_since_ns(now_ns).map(Duration::from_nanos),
                    saved_at: now_wall,
                }
            })
            .collect();
        saved.sort_by(|one, other| (&one.account, &one.operation).cmp(&(&other.account, &other.operation)));
        saved
    }

    /// Restores buckets after a clean stop; set all quotas first. A bucket stays empty if its saved state is not
    /// plausible: another quota, more spent than the bucket holds, or a hold longer than [`LONGEST_HOLD`]. Buckets
    /// without a quota are skipped.
    ///
    /// A bucket is as full as it was at the stop, no matter how long ago that was: only the wall clock could say, and
    /// it may have jumped. Too low a level recovers within seconds, but too high a level exceeds the quota. A hold does
    /// end by the wall clock, because only one request is sent after it.
    pub fn restore(&self, saved: &[SavedLevel], now_wall: Timestamp) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let state = &mut *guard;
        for level in saved {
            let Some(place) = state.place(&level.account, &level.operation) else { continue };
            let bucket = &mut state.buckets[place];
            let limits = state.limiters.limits(bucket.class);
            let is_believable = level.quota == limits.quota
                && ns(level.full_in) <= limits.whole_ns()
                && level.held_for <= LONGEST_HOLD;
            if !is_believable {
                continue;
            }
            bucket.restore(now_ns, level.full_in);
            if level.held_already.is_some() || !level.held_for.is_zero() {
                let elapsed = between(level.saved_at, now_wall);
                let already = level.held_already.unwrap_or_default().saturating_add(elapsed);
                bucket.restore_hold(now_ns, already, level.held_for.saturating_sub(elapsed));
            }
        }
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pace").field("buckets", &self.shared.state().buckets.len()).finish()
    }
}

/// A permit to send one request. Keep it until the answer has been read or has failed to arrive.
#[must_use = "a permit dropped at once counts as a request sent and answered"]
pub struct Permit {
    shared: Arc<Shared>,
    place: usize,
    is_throttled: bool,
    is_probe: bool,
}

impl Permit {
    /// The answer said "too many": the provider's bucket is empty. Nothing is sent before `retry_after` has passed, nor
    /// before our own wait, which doubles with every such answer in a row, up to a minute.
    pub fn throttled(&mut self, retry_after: Option<Duration>) {
        self.is_throttled = true;
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        let bucket = &mut buckets[self.place];
        bucket.throttled(limiters.limits(bucket.class), now_ns, retry_after);
    }

    /// The provider asks for a pause without blaming this request (`Retry-After` with a 503).
    pub fn hold(&self, wait: Duration) {
        let now_ns = self.shared.now_ns();
        self.shared.state().buckets[self.place].hold(now_ns, wait);
    }

    /// Applies what the provider says about a quota over a longer period than the bucket's.
    pub fn quota_hint(&self, hint: QuotaHint) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        let bucket = &mut buckets[self.place];
        bucket.hold(now_ns, hint.pause(limiters.limits(bucket.class).quota, self.is_probe));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        let bucket = &mut buckets[self.place];
        bucket.answered(limiters.limits(bucket.class), now_ns, self.is_throttled, self.is_probe);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Permit").field("is_throttled", &self.is_throttled).finish_non_exhaustive()
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
