//! Which connections may stay connected to the socket when there are more of them than slots.
//!
//! Owns: the count of slots, which connection gives way. Must never know: sockets, requests.
//!
//! A connection without a request in progress keeps its slot only while nobody else needs one: the connection that
//! has been idle longest gives way. Some slots are reserved for root and the daemon's own user, so that they get in
//! even when every other slot is working on a request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All slots.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    reserved: usize,
    state: Mutex<State>,
    /// Notified when a slot becomes free, or when a connection becomes idle and could give way.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Connections that were asked to give way and have not closed yet. There are at most as many as slots.
    leaving: usize,
    /// Grows with every connection and every end of a request, so the smallest number has been idle longest.
    last: u64,
    /// Connections without a request in progress, each with the token that asks it to give way.
    idle: BTreeMap<u64, CancellationToken>,
}

/// The slot of one connection. Dropping this frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    leave: CancellationToken,
    phase: Mutex<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The data that it sent right after connecting has not been read yet: it does not give way.
    New,
    /// Without a request. This number is its key among the connections that can give way.
    Idle(u64),
    /// With a request in progress.
    Working,
    /// Its last request ended after the connection was asked to give way.
    Leaving,
}

/// A request in progress. While this lives, its connection does not give way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

impl Places {
    pub(super) fn new(most: usize, reserved: usize) -> Arc<Places> {
        Arc::new(Places { most: most.max(1), reserved, state: Mutex::default(), changed: Notify::new() })
    }

    /// Takes a free slot, or else the slot of the connection that has been idle longest, or else a reserved slot if
    /// the caller is privileged.
    pub(super) fn take(self: &Arc<Places>, is_privileged: bool) -> Option<Arc<Place>> {
        let mut state = self.state();
        let most = self.most + if is_privileged { self.reserved } else { 0 };
        if state.taken >= self.most {
            let may_give_way = state.leaving < self.most;
            match may_give_way.then(|| state.idle.pop_first()).flatten() {
                // Its slot counts as free at once. Nobody waits until that connection has closed.
                Some((_, leave)) => {
                    leave.cancel();
                    state.taken -= 1;
                    state.leaving += 1;
                }
                None if state.taken < most => {}
                None => return None,
            }
        }
        state.taken += 1;
        let (leave, phase) = (CancellationToken::new(), Mutex::new(Phase::New));
        Some(Arc::new(Place { places: Arc::clone(self), leave, phase }))
    }

    /// Waits until [`Places::take`] may succeed after it returned none.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_idle(&mut self, leave: &CancellationToken) -> u64 {
        self.last += 1;
        self.idle.insert(self.last, leave.clone());
        self.last
    }
}

impl Place {
    /// Completes when the connection is asked to give way.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.cancelled().await;
    }

    /// Records that the data which the connection sent right after connecting has been read.
    pub(super) fn settle(&self) {
        if *self.phase() == Phase::New {
            self.make_idle();
        }
    }

    /// Starts a request.
    pub(super) fn busy(self: &Arc<Place>) -> Busy {
        let before = std::mem::replace(&mut *self.phase(), Phase::Working);
        if let Phase::Idle(number) = before {
            self.places.state().idle.remove(&number);
        }
        Busy(Arc::clone(self))
    }

    /// Whether a request is in progress.
    pub(super) fn is_working(&self) -> bool {
        *self.phase() == Phase::Working
    }

    fn make_idle(&self) {
        let number = self.places.state().make_idle(&self.leave);
        *self.phase() = Phase::Idle(number);
        self.places.changed.notify_one();
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // A working connection is not asked to give way. But it may have been asked just before its request began.
        if self.0.leave.is_cancelled() {
            *self.0.phase() = Phase::Leaving;
        } else {
            self.0.make_idle();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let phase = *self.phase();
        let mut state = self.places.state();
        if let Phase::Idle(number) = phase {
            state.idle.remove(&number);
        }
        match self.leave.is_cancelled() {
            true => state.leaving -= 1,
            false => state.taken -= 1,
        }
        drop(state);
        self.places.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(places: &Arc<Places>) -> Arc<Place> {
        let place = places.take(false).unwrap();
        place.settle();
        place
    }

    fn taken_and_idle(places: &Places) -> (usize, usize) {
        let state = places.state();
        (state.taken, state.idle.len())
    }

    #[test]
    fn the_longest_idle_gives_way_and_who_works_does_not() {
        let places = Places::new(2, 0);
        let (first, second) = (settled(&places), settled(&places));
        let work = first.busy();
        let third = settled(&places);
        assert!(second.leave.is_cancelled() && !first.leave.is_cancelled());
        drop(second);
        assert_eq!(places.state().taken, 2, "its slot was free as soon as it was asked to give way");
        let more = third.busy();
        assert!(places.take(false).is_none(), "both work");
        drop(work);
        let fourth = settled(&places);
        assert!(first.leave.is_cancelled() && !third.leave.is_cancelled());
        drop((first, more, third, fourth));
        assert_eq!(taken_and_idle(&places), (0, 0));
    }

    #[test]
    fn one_whose_first_bytes_nobody_has_looked_at_does_not_give_way() {
        let places = Places::new(1, 0);
        let first = places.take(false).unwrap();
        assert!(places.take(false).is_none());
        first.settle();
        assert!(places.take(false).is_some() && first.leave.is_cancelled());
    }

    #[test]
    fn not_more_connections_give_way_than_there_are_slots_until_they_have_closed() {
        let places = Places::new(2, 1);
        let mut held: Vec<Arc<Place>> = (0..4).map(|_| settled(&places)).collect();
        assert_eq!((taken_and_idle(&places), places.state().leaving), ((2, 2), 2));
        assert!(places.take(false).is_none(), "two have not closed yet");
        held.push(places.take(true).unwrap());
        drop(held.remove(0));
        held.push(settled(&places));
        assert!(places.take(false).is_none());
        drop(held);
        assert_eq!((taken_and_idle(&places), places.state().leaving), ((0, 0), 0));
    }

    #[test]
    fn some_places_are_kept_for_root_and_the_daemons_own_user() {
        let places = Places::new(1, 1);
        let first = places.take(false).unwrap();
        let _work = first.busy();
        assert!(places.take(false).is_none());
        let own = places.take(true).unwrap();
        let _more = own.busy();
        assert!(places.take(true).is_none() && places.take(false).is_none());
    }

    #[test]
    fn one_asked_to_leave_while_its_request_begins_finishes_it() {
        let places = Places::new(1, 0);
        let first = settled(&places);
        let second = settled(&places);
        let work = first.busy();
        assert!(first.leave.is_cancelled() && first.is_working());
        drop(work);
        assert!(!first.is_working());
        drop(first);
        assert_eq!(places.state().taken, 1);
        drop(second);
        assert_eq!(taken_and_idle(&places), (0, 0));
    }
}
