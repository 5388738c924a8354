//! The request budget of an account and operation.
//!
//! Owns: how many requests may be on their way to a provider, and when the next may leave.
//! Must never know: what a payment is, how a request travels, what an answer means.
//!
//! A provider counts a request when it arrives, somewhere between our sending it and its answer.
//! A limiter that counts when it sends is therefore now and then one too many: two requests sent a
//! second apart can arrive together. So a request in flight counts as arriving as late as it still can:
//! before a check the bucket is brought to what it would be had all requests in flight arrived just
//! now, and the same once more when an answer comes. While the quota is used fully this costs nothing.
//!
//! A provider's wish to wait holds an operation back as far as it is believed. When it is over, one request
//! leaves; its answer lets the others follow or renews the hold.
//!
//! Nothing here waits. [`Pace::take`] gives a [`Permit`] or says how long to leave it.

mod bucket;
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

pub use hint::QuotaHint;

/// The longest that a provider may make us wait at one time; a longer wish is cut to this.
pub const LONGEST_HOLD: Duration = waits::LONGEST;
/// A hold of at least this length is worth a person's notice.
pub const LONG_HOLD: Duration = Duration::from_secs(300);

/// A token bucket: how many requests at once, and how long until one token grows back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// Most requests at once.
    pub burst: u32,
    /// How long one token takes to grow back.
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

    /// 10 at once, then one a second: the default for production.
    pub const LIVE: Quota = Quota { burst: 10, per: Duration::from_secs(1) };
    /// 2 at once, then one every two seconds: the default for a sandbox.
    pub const SANDBOX: Quota = Quota { burst: 2, per: Duration::from_secs(2) };

    /// The nearest quota that makes sense: at least one at once, one token in 1 ms to 1 day.
    fn sane(self) -> Quota {
        Quota {
            burst: self.burst.clamp(1, 100_000),
            per: self.per.clamp(Duration::from_millis(1), Duration::from_secs(86_400)),
        }
    }
}

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Requests that could leave at once, if there were no hold.
    pub available: u32,
    /// The most that could ever leave at once.
    pub burst: u32,
    /// Requests sent and not answered yet.
    pub in_flight: u32,
    /// How long nothing may leave because the provider asked for it.
    pub held_for: Duration,
    /// How long ago that began; none when nothing is held. Renewed holds are one hold, until a request after
    /// it is answered without another.
    pub held_already: Option<Duration>,
    /// A request was put off because of the hold.
    pub is_wanted: bool,
}

impl Level {
    /// It is, or will have been, held for [`LONG_HOLD`].
    pub fn is_held_long(&self) -> bool {
        self.held_already.is_some_and(|already| already + self.held_for >= LONG_HOLD)
    }
}

/// What a bucket has seen since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Permits given out.
    pub sent: u64,
    /// Answers that said "too many".
    pub throttled: u64,
}

/// A bucket as it is kept over a clean stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLevel {
    /// Whose.
    pub account: AccountName,
    /// The provider's name of the operation.
    pub operation: String,
    /// The quota that it was counted by.
    pub quota: Quota,
    /// How long after saving it would be full again.
    pub full_in: Duration,
    /// How long after saving the provider wants no request.
    pub held_for: Duration,
    /// How long before saving that began; none when nothing is held.
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

    /// A panic elsewhere leaves every bucket whole (each change is one assignment), so go on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn place(&self, account: &AccountName, operation: &str) -> Option<usize> {
        let operations = self.places.get(account)?;
        operations.iter().find(|(name, _)| &**name == operation).map(|(_, place)| *place)
    }

    /// The bucket; a new one starts empty, because whoever ran before may have spent it.
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
    /// No bucket yet.
    pub fn new(clock: SharedClock) -> Pace {
        Pace { shared: Arc::new(Shared { clock, state: Mutex::new(State::default()) }) }
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

    /// Leave to send one request now, or how long to wait before trying again. While the permit
    /// lives the request counts as on its way; drop it when the answer has come.
    /// An operation whose quota was never set has [`Quota::SANDBOX`], the slowest.
    pub fn take(&self, account: &AccountName, operation: &str) -> Result<Permit, Duration> {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        let is_probe = state.buckets[place].take(&state.limiters, now_ns)?;
        Ok(Permit { shared: Arc::clone(&self.shared), place, is_throttled: false, is_probe })
    }

    /// Nothing leaves for this operation before `wait` has passed, as far as it is believed ([`waits`]).
    pub fn hold(&self, account: &AccountName, operation: &str, wait: Duration) {
        let now_ns = self.shared.now_ns();
        let mut state = self.shared.state();
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        state.buckets[place].hold(now_ns, wait);
    }

    /// How a bucket stands; none when there is no such bucket.
    pub fn level(&self, account: &AccountName, operation: &str) -> Option<Level> {
        let now_ns = self.shared.now_ns();
        let state = self.shared.state();
        let bucket = &state.buckets[state.place(account, operation)?];
        Some(bucket.level(state.limiters.limits(bucket.class), now_ns))
    }

    /// The operations that are held, with how they stand, by account and operation.
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

    /// What a bucket has seen since the start.
    pub fn used(&self, account: &AccountName, operation: &str) -> Used {
        let state = self.shared.state();
        state.place(account, operation).map_or(Used::default(), |place| state.buckets[place].used)
    }

    /// A bucket of an account that nobody can have used before: it starts full.
    pub fn assume_full(&self, account: &AccountName, operation: &str) {
        let now_ns = self.shared.now_ns();
        let mut state = self.shared.state();
        let place = state.place_or_new(account, operation, Quota::SANDBOX, now_ns);
        state.buckets[place].fill();
    }

    /// As [`Pace::assume_full`] for every operation of an account whose quota was set.
    pub fn assume_account_full(&self, account: &AccountName) {
        let mut guard = self.shared.state();
        let State { buckets, places, .. } = &mut *guard;
        for (_, place) in places.get(account).into_iter().flatten() {
            buckets[*place].fill();
        }
    }

    /// Every bucket as if all of it had been spent just now. That is how each starts anyway; call it
    /// after a time in which somebody else may have used the account.
    pub fn assume_spent(&self) {
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        for bucket in buckets {
            bucket.spend_all(limiters.limits(bucket.class), now_ns);
        }
    }

    /// All buckets, for a clean stop. Call it when the last permit has been dropped: a request still
    /// on its way then would arrive unseen.
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

    /// Brings buckets back after a clean stop; set all quotas first. What cannot be believed stays empty:
    /// another quota, more spent than the bucket holds, a hold longer than [`LONGEST_HOLD`]. Buckets that
    /// nobody set a quota for are left out.
    ///
    /// A bucket is as full as it was at the stop, however long that is ago: only the wall clock tells how
    /// long, and it may have jumped. Too little is made up for in seconds, too much is over the quota. A hold
    /// does end by the wall clock, because after it only one request leaves.
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

/// Leave to send one request. Keep it until the answer has been read, or has failed to come.
#[must_use = "a permit dropped at once counts as a request sent and answered"]
pub struct Permit {
    shared: Arc<Shared>,
    place: usize,
    is_throttled: bool,
    is_probe: bool,
}

impl Permit {
    /// The answer said "too many": the provider's bucket is empty. Nothing leaves before `retry_after` and
    /// a wait of our own that doubles with every such answer in a row, up to a minute.
    pub fn throttled(&mut self, retry_after: Option<Duration>) {
        self.is_throttled = true;
        let now_ns = self.shared.now_ns();
        let mut guard = self.shared.state();
        let State { limiters, buckets, .. } = &mut *guard;
        let bucket = &mut buckets[self.place];
        bucket.throttled(limiters.limits(bucket.class), now_ns, retry_after);
    }

    /// The provider asks for a pause without blaming this request (`Retry-After` beside a 503).
    pub fn hold(&self, wait: Duration) {
        let now_ns = self.shared.now_ns();
        self.shared.state().buckets[self.place].hold(now_ns, wait);
    }

    /// What the provider says about a longer quota than the bucket's.
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
