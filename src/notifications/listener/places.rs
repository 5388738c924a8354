//! How many connections one source may have at once.
//!
//! Owns: the count. Must never know: sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rate::network;

/// The open connections of each source. The listener bounds their number.
#[derive(Default)]
pub(super) struct Places {
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection; free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    /// A place for one more connection of a source that may have `most`.
    pub(super) fn take(self: &Arc<Places>, source: IpAddr, most: usize) -> Option<Place> {
        let source = network(source);
        let mut taken = self.locked();
        let number = taken.entry(source).or_default();
        if *number >= most {
            return None;
        }
        *number += 1;
        Some(Place { places: Arc::clone(self), source })
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.locked();
        if let Some(number) = taken.get_mut(&self.source) {
            *number -= 1;
        }
        taken.retain(|_, number| *number > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_few_places_and_gets_them_back() {
        let places = Arc::new(Places::default());
        let take = |source: &str| places.take(source.parse().unwrap(), 2);
        let held = [take("192.0.2.1"), take("192.0.2.1"), take("2001:db8::1"), take("2001:db8::2")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("192.0.2.1").is_none() && take("2001:db8::3").is_none(), "a /64 is one source");
        assert!(take("192.0.2.2").is_some());
        drop(held);
        assert!(take("192.0.2.1").is_some());
        assert!(places.locked().is_empty());
    }
}
