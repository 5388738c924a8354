//! What the frame asks of every simulated provider.
//!
//! Owns: the interface between the frame (faults, quotas, carriage) and one provider's behaviour; the
//! seeded randomness handed to it. Must never know: a provider by name, HTTP libraries, the present time.

use std::fmt::Debug;

use jiff::{SignedDuration, Timestamp};

use super::exchange::{Incoming, Outgoing};
use super::fate::Fates;
use super::plan::{Announcement, Plan, Truth, Window};

/// One payment API, pretended.
pub trait Provider: Send + Debug {
    /// The API's name as scenarios spell it, such as `amazon-pay-v2`.
    fn api(&self) -> &'static str;

    /// Whether this request is for this provider, judged by path and host alone.
    fn claims(&self, incoming: &Incoming) -> bool;

    /// Whose bucket a request would draw from, read without verifying anything. `None`: not recognisable,
    /// so no quota applies and [`Provider::answer`] says what is wrong with it.
    fn operation(&self, incoming: &Incoming) -> Option<Operation>;

    /// The quota that the provider's manual publishes for this operation.
    fn documented_quota(&self, operation: &Operation) -> Quota;

    /// The answer Amazon gives when the bucket is empty.
    fn throttled(&self, incoming: &Incoming) -> Outgoing;

    /// From now on, the clock by which it judges and dates requests is ahead by this much. Its objects do not live by
    /// that clock.
    fn set_clock_ahead(&mut self, ahead: SignedDuration) {
        let _ = ahead;
    }

    /// Verifies the signature and the parameters, then acts. `random` decides ids and fates.
    fn answer(&mut self, incoming: &Incoming, random: &mut Random) -> Outgoing;

    /// Brings an object to life with a decided fate and returns its id. Parents made on the way are the
    /// provider's affair. `merchant` is the key that [`Operation::merchant`] shows for its requests.
    ///
    /// # Errors
    /// A sentence saying what in the plan this provider cannot do.
    fn plant(
        &mut self,
        merchant: &str,
        plan: &Plan,
        at: Timestamp,
        random: &mut Random,
    ) -> Result<String, String>;

    /// Lets the capture of this charge bring another amount than the one asked for: a part, more, or nothing.
    ///
    /// # Errors
    /// A sentence saying why this provider cannot do so.
    fn capture_only(&mut self, id: &str, amount: &str) -> Result<(), String> {
        Err(format!("{} cannot capture {amount} of {id}", self.api()))
    }

    /// The truth about every object at this time, in the order of their ids.
    fn truths(&self, at: Timestamp) -> Vec<Truth>;

    /// Does what is due until this time and would otherwise wait for the next request.
    fn advance(&mut self, at: Timestamp) {
        let _ = at;
    }

    /// What changed in this window of this merchant's objects, as far as the provider announces it. What happens after
    /// the present is what will happen if nobody calls. The beginning of an object is announced only if it is not
    /// pending.
    fn announcements(&self, merchant: &str, window: Window) -> Vec<Announcement> {
        let _ = (merchant, window);
        Vec::new()
    }

    /// What becomes of this merchant's objects of this kind when API calls create them. A provider that
    /// is told nothing uses its manual's usual course.
    ///
    /// # Errors
    /// A sentence saying what in the fates this provider cannot do.
    fn set_fates(&mut self, merchant: &str, kind: &str, fates: Fates) -> Result<(), String> {
        let _ = (merchant, kind, fates);
        Ok(())
    }
}

/// Which bucket a request draws from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// The merchant's key: the seller id of a known account, else whatever identifies the caller.
    pub merchant: String,
    /// The provider's own name of the operation, such as `GetCharge`.
    pub name: String,
    /// Sandbox or live.
    pub is_sandbox: bool,
}

/// A token bucket's two numbers, the refill as an exact ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most tokens that the bucket holds; it starts full.
    pub capacity: u32,
    /// This many tokens come back ...
    pub refill: u32,
    /// ... every so many seconds, continuously.
    pub per_seconds: u32,
}

impl Quota {
    /// A bucket of `capacity` that regains `refill` tokens every `per_seconds` seconds.
    pub const fn new(capacity: u32, refill: u32, per_seconds: u32) -> Quota {
        Quota { capacity, refill, per_seconds }
    }
}

/// A small seeded generator (SplitMix64): the same seed, the same world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose whole future is decided by `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A generator of its own for one matter, so that what happens elsewhere does not disturb it.
    pub fn for_matter(seed: u64, matter: &str, ordinal: u64) -> Random {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in matter.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut random = Random::new(seed ^ hash.rotate_left(17));
        random.state = random.next_u64() ^ ordinal.wrapping_mul(0xd6e8_feb8_6659_fd93);
        random
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of a 128-bit product has 64 bits")
    }

    /// A number from `low` to `high`, both included; `low` when they are the wrong way round.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// True in this share of all cases: never at 0, always at 1.
    pub fn share(&mut self, share: f64) -> bool {
        /// The number of steps that a double tells apart between 0 and 1.
        const STEPS: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let drawn = (self.next_u64() >> 11) as f64 / STEPS;
        drawn < share
    }

    /// So many decimal digits.
    pub fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0))).collect()
    }

    /// An id in the form of a version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.next_u64(), self.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_follows_the_published_splitmix64_sequence() {
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_both_ends() {
        let mut random = Random::new(7);
        let drawn: Vec<u64> = (0..200).map(|_| random.between(3, 5)).collect();
        assert!(drawn.iter().all(|value| (3..=5).contains(value)));
        assert!(drawn.contains(&3) && drawn.contains(&5));
        assert_eq!(random.below(0), 0);
        assert!((0..100).all(|_| !random.share(0.0)));
        assert!((0..100).all(|_| random.share(1.0)));
        assert_eq!(random.digits(7).len(), 7);
    }

    #[test]
    fn matters_do_not_disturb_each_other() {
        let first = Random::for_matter(1, "shop GetCharge", 0).next_u64();
        assert_eq!(first, Random::for_matter(1, "shop GetCharge", 0).next_u64());
        assert_ne!(first, Random::for_matter(1, "shop GetCharge", 1).next_u64());
        assert_ne!(first, Random::for_matter(1, "shop GetRefund", 0).next_u64());
        assert_ne!(first, Random::for_matter(2, "shop GetCharge", 0).next_u64());
    }
}
