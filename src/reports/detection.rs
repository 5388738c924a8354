//! How late the ends of a day were found: from the provider's timestamp until they were seen.
//!
//! Owns: which rows count. Must never know: why an end was found late.

use std::collections::BTreeMap;

use super::standing::Change;
use crate::payments::lifecycle::Phase;
use crate::payments::object::{AccountName, Kind};

/// The delays of a day, in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Detection(BTreeMap<(AccountName, Kind), Vec<u32>>);

/// The delays of one account and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delays<'a> {
    pub(super) account: &'a AccountName,
    pub(super) kind: &'a Kind,
    /// How many ends have a delay.
    pub(super) ends: usize,
    /// Half of them were found within this time, in seconds,
    pub(super) p50_s: u32,
    /// and 95 % within this.
    pub(super) p95_s: u32,
}

impl Detection {
    /// Counts a change that is an end. The delay is known only if the provider dates the end and the object was seen
    /// before it.
    pub(super) fn add(&mut self, change: &Change) {
        let row = &change.row;
        let is_end = row.phase == Phase::Final && !change.was_final && row.from.is_some();
        if is_end && row.happened_at < row.seen_at {
            let delay_s = row.seen_at.duration_since(row.happened_at).as_secs();
            let key = (row.object.account.clone(), row.object.kind.clone());
            self.0.entry(key).or_default().push(u32::try_from(delay_s).unwrap_or(u32::MAX));
        }
    }

    /// By account and kind.
    pub(super) fn delays(&mut self) -> Vec<Delays<'_>> {
        let rows = self.0.iter_mut().map(|((account, kind), delays_s)| {
            delays_s.sort_unstable();
            let within = |hundredths: usize| delays_s[(delays_s.len() * hundredths).div_ceil(100) - 1];
            Delays { account, kind, ends: delays_s.len(), p50_s: within(50), p95_s: within(95) }
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, row};
    use super::*;
    use crate::payments::lifecycle::Outcome;

    #[test]
    fn half_and_most_of_the_dated_ends_are_told() {
        let mut detection = Detection::default();
        let mut add = |seen_s: i64, delay_s: i64, from: Option<&str>| {
            let mut row = row("C1", from, "Captured", seen_s);
            (row.phase, row.outcome, row.happened_at) =
                (Phase::Final, Outcome::Succeeded, at(seen_s - delay_s));
            detection.add(&Change { row, first_seen: at(0), was_final: false, grown: Default::default() });
        };
        (1..=100).for_each(|second| add(5_000, second, Some("Authorized")));
        add(5_000, 0, Some("Authorized"));
        add(5_000, 4_000, None);
        let delays = detection.delays();
        assert_eq!(delays.len(), 1);
        assert_eq!((delays[0].ends, delays[0].p50_s, delays[0].p95_s), (100, 50, 95));
        assert!(Detection::default().delays().is_empty());
    }
}
