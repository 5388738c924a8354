//! How late outcomes are found: a distribution that only grows.
//!
//! Owns: the bounds, and how it is counted. Must never know: whose outcomes they are.

use std::time::Duration;

use serde::Serialize;

/// The bounds, in seconds: from the few seconds of a notification to the days of an outage.
pub const BOUNDS_S: [u32; 14] =
    [1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 259_200];

/// How many outcomes were found how late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delays {
    /// The sum of all delays.
    pub sum: Duration,
    /// How many were found at most as late as the bound with the same place and later than the one before it.
    pub within: [u64; BOUNDS_S.len()],
    /// How many were found later than that.
    pub beyond: u64,
}

impl Delays {
    /// Counts one.
    pub fn add(&mut self, delay: Duration) {
        self.sum = self.sum.saturating_add(delay);
        match BOUNDS_S.iter().position(|bound| delay <= Duration::from_secs(u64::from(*bound))) {
            Some(place) => self.within[place] += 1,
            None => self.beyond += 1,
        }
    }

    /// Counts all that another one has counted.
    pub fn merge(&mut self, other: &Delays) {
        self.sum = self.sum.saturating_add(other.sum);
        self.within.iter_mut().zip(other.within).for_each(|(sum, more)| *sum += more);
        self.beyond += other.beyond;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delay_is_counted_at_the_first_bound_that_it_does_not_exceed() {
        let mut delays = Delays::default();
        [0, 1, 2, 300, 259_200, 259_201]
            .into_iter()
            .for_each(|seconds| delays.add(Duration::from_secs(seconds)));
        assert_eq!((delays.within[0], delays.within[1], delays.within[4]), (2, 1, 1));
        assert_eq!((delays.within[13], delays.beyond), (1, 1));
        assert_eq!(delays.sum, Duration::from_secs(518_704));
    }

    proptest! {
        #[test]
        fn merging_counts_each_once(one in proptest::collection::vec(0u64..400_000, 0..20), other in proptest::collection::vec(0u64..400_000, 0..20)) {
            let of = |seconds: &[u64]| {
                let mut delays = Delays::default();
                seconds.iter().for_each(|seconds| delays.add(Duration::from_secs(*seconds)));
                delays
            };
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(merged, of(&[one, other].concat()));
        }
    }
}
