//! How many requests one source may send.
//!
//! Owns: the budgets, and that they need bounded memory. Must never know: sockets, what is requested.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The most sources that are remembered. One more takes the place of the one that was idle longest.
const MOST_SOURCES: usize = 4096;

/// One budget for each source: a minute's requests may come at once.
pub(super) struct Rates {
    /// The time that one request costs.
    cost: Duration,
    /// When the budget of each source is full again, in monotonic time.
    full_at: Mutex<HashMap<IpAddr, Duration>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rates {
    pub(super) fn new(max_per_minute: u32) -> Rates {
        Rates { cost: MINUTE / max_per_minute.max(1), full_at: Mutex::default() }
    }

    /// Whether this source may send a request at `now`.
    pub(super) fn allows(&self, source: IpAddr, now: Duration) -> bool {
        let source = network(source);
        let mut sources = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = sources.get(&source).copied().unwrap_or(now).max(now) + self.cost;
        if full_at > now + MINUTE {
            return false;
        }
        if !sources.contains_key(&source) && sources.len() >= MOST_SOURCES {
            sources.retain(|_, full_at| *full_at > now);
            let idle = sources.iter().min_by_key(|(_, full_at)| **full_at).map(|(source, _)| *source);
            if let Some(idle) = idle.filter(|_| sources.len() >= MOST_SOURCES) {
                sources.remove(&idle);
            }
        }
        sources.insert(source, full_at);
        true
    }
}

/// One host often has a whole /64 of IPv6 addresses.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rates: &Rates, source: &str, requests: u32, at_s: u64) -> usize {
        let source = source.parse().unwrap();
        (0..requests).filter(|_| rates.allows(source, Duration::from_secs(at_s))).count()
    }

    #[test]
    fn a_source_has_a_minute_of_requests_and_others_have_their_own() {
        let rates = Rates::new(60);
        assert_eq!(allowed(&rates, "192.0.2.1", 100, 100), 60);
        assert_eq!(allowed(&rates, "192.0.2.1", 100, 110), 10);
        assert_eq!(allowed(&rates, "192.0.2.2", 100, 110), 60);
        assert_eq!(allowed(&rates, "2001:db8::1", 50, 110) + allowed(&rates, "2001:db8::ffff", 50, 110), 60);
        assert_eq!(allowed(&rates, "::ffff:192.0.2.2", 9, 110), 0, "the same address in another form");
    }

    #[test]
    fn memory_is_bounded() {
        let rates = Rates::new(60);
        for number in 0..10_000_u32 {
            assert!(rates.allows(std::net::Ipv4Addr::from_bits(number).into(), Duration::from_secs(1)));
        }
        assert!(rates.full_at.lock().unwrap().len() <= MOST_SOURCES);
    }
}
