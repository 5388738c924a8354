//! The order of service: which of the due objects is polled first.
//!
//! Owns: the rule. Must never know: what a state means, where the due queues are.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// How long before its deadline a record becomes urgent.
const URGENT_WINDOW: SignedDuration = SignedDuration::from_hours(4);

/// One object in this many comes from the ordinary queue.
const SHARE: usize = 4;

/// When a record with a deadline becomes urgent: never before it is due.
pub fn urgent_at(due_at: Timestamp, deadline: Timestamp) -> Timestamp {
    due_at.max(deadline.checked_sub(URGENT_WINDOW).unwrap_or(Timestamp::MIN))
}

/// Up to `limit` of the due objects, in the order of service. An id may be in several queues. Everything that an
/// operator asked for comes first. After that, at least one object in four is the longest overdue of all, so that
/// urgent objects never starve the others. Pure, so that a backtest of a policy uses the same order as the daemon.
pub fn order_of_service<Id: Clone + Eq + Hash>(
    mut asked: impl Iterator<Item = Id>,
    mut urgent: impl Iterator<Item = Id>,
    mut ordinary: impl Iterator<Item = Id>,
    limit: usize,
) -> Vec<Id> {
    let mut taken = HashSet::new();
    let mut order = Vec::new();
    let mut turn = 1;
    while order.len() < limit {
        let mut is_new = |id: &Id| !taken.contains(id);
        let mut next = asked.find(&mut is_new);
        if next.is_none() {
            let is_ordinary_turn = turn % SHARE == 0;
            turn += 1;
            next = match is_ordinary_turn {
                true => ordinary.find(&mut is_new).or_else(|| urgent.find(&mut is_new)),
                false => urgent.find(&mut is_new).or_else(|| ordinary.find(&mut is_new)),
            };
        }
        let Some(id) = next else { break };
        taken.insert(id.clone());
        order.push(id);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(asked: &[u8], urgent: &[u8], ordinary: &[u8], limit: usize) -> Vec<u8> {
        order_of_service(asked.iter().copied(), urgent.iter().copied(), ordinary.iter().copied(), limit)
    }

    #[test]
    fn asked_first_then_one_ordinary_of_each_four() {
        assert_eq!(order(&[9], &[1, 2, 3, 4, 5], &[6, 7, 8, 1, 2], 99), [9, 1, 2, 3, 6, 4, 5, 7, 8]);
        assert_eq!(order(&[], &[], &[6, 7], 1), [6]);
        assert_eq!(order(&[3, 3], &[3, 1], &[1, 3], 9), [3, 1]);
        assert_eq!(order(&[], &[], &[], 9), [0; 0]);
    }
}
