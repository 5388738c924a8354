//! The workloads: objects, the server's quota and refusals, an outage.
//!
//! Owns: the circumstances of each past. Must never know: policies.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;

use super::draws::{Draws, ended, past, usual_life};
use super::long::{self, LONG_PASTS};
use super::past::Past;
use crate::apis::pace::Quota;
use crate::time::{earlier, later};

/// The synthetic pasts by name, each with what happens in it.
pub const WORKLOADS: [(&str, &str); 6] = [
    ("steady", "1,000 objects created over a day"),
    ("outage", "10,000 objects created over a day; the polling machine is down for 6 hours at noon"),
    ("throttles", "as steady, and the server answers \"too many\" to 5 % of all requests for no reason"),
    ("stuck", "as steady, behind 100 older objects that never end"),
    ("no-answers", "as outage, but it is the provider that answers nothing for 6 hours at noon"),
    ("late-refunds", "1,000 refunds created over a day, each declined 20 hours later"),
];

/// When the first synthetic objects are created: a Monday.
const BEGINNING: &str = "2026-03-02T00:00:00Z";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// How long after the last end a policy may still notice it.
const GRACE: Duration = Duration::from_secs(3 * 86_400);
/// Travel time to the server, or back.
const TRANSIT_MS: Range<u64> = 30..150;

/// A time in which the polling machine, or the provider, does nothing.
pub type Outage = Range<Timestamp>;

/// A past and the circumstances of its replay.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What happens in it.
    pub about: String,
    /// The objects.
    pub pasts: Vec<Past>,
    /// The server's quota for each operation that is not listed.
    pub quota: Quota,
    /// The server's quota by operation.
    pub quotas: BTreeMap<String, Quota>,
    /// This many of a thousand requests are answered "too many" without reason.
    pub throttled_permille: u64,
    /// When the polling machine is down; objects created meanwhile become known at its end.
    pub outage: Option<Outage>,
    /// When the provider answers nothing.
    pub silence: Option<Outage>,
    /// Travel time of a request, each way, in milliseconds.
    pub transit_ms: Range<u64>,
    /// Decides everything that looks like chance.
    pub seed: u64,
}

impl Workload {
    /// A past with nothing but its objects: a server with the given quota, no refusals, no outage.
    pub fn of(
        name: impl Into<String>,
        about: impl Into<String>,
        pasts: Vec<Past>,
        quota: Quota,
        seed: u64,
    ) -> Workload {
        Workload {
            name: name.into(),
            about: about.into(),
            pasts,
            quota,
            quotas: BTreeMap::new(),
            throttled_permille: 0,
            outage: None,
            silence: None,
            transit_ms: TRANSIT_MS,
            seed,
        }
    }

    /// A synthetic past of [`WORKLOADS`]; `None` for an unknown name.
    pub fn named(name: &str, quota: Quota, seed: u64) -> Option<Workload> {
        let known = WORKLOADS.iter().chain(&LONG_PASTS).find(|(known, _)| *known == name);
        let (name, about) = known?;
        let beginning: Timestamp = BEGINNING.parse().expect("a moment written out");
        let mut draws = Draws::of(seed);
        if let Some(pasts) = long::pasts(name, beginning, &mut draws) {
            return Some(Workload::of(*name, *about, pasts, quota, seed));
        }
        let objects = if matches!(*name, "outage" | "no-answers") { 10_000 } else { 1_000 };
        let mut pasts: Vec<Past> = (0..objects)
            .map(|number| {
                let created_at = later(beginning, draws.below(DAY));
                match *name {
                    "late-refunds" => late_refund(number, created_at, &mut draws),
                    _ => usual(number, created_at, &mut draws),
                }
            })
            .collect();
        if *name == "stuck" {
            // Both kinds, so that each queue has some at its head.
            let stuck = (0..100).map(|number| {
                let kind = if number % 2 == 0 { "charge" } else { "refund" };
                let ago = DAY * 10 + draws.below(DAY);
                let created_at = earlier(beginning, ago);
                Past { final_at: None, final_state: None, ..past(kind, "STUCK", number, created_at) }
            });
            pasts.extend(stuck.collect::<Vec<_>>());
        }
        let mut workload = Workload::of(*name, *about, pasts, quota, seed);
        match *name {
            "throttles" => workload.throttled_permille = 50,
            "outage" => workload.outage = Some(later(beginning, HOUR * 12)..later(beginning, HOUR * 18)),
            "no-answers" => workload.silence = Some(later(beginning, HOUR * 12)..later(beginning, HOUR * 18)),
            _ => {}
        }
        Some(workload)
    }

    /// When the first object is created.
    pub(super) fn beginning(&self) -> Timestamp {
        self.pasts.iter().map(|past| past.created_at).min().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When the replay stops: some days after the last end.
    pub(super) fn end(&self) -> Timestamp {
        let lasts = self.pasts.iter().map(|past| past.final_at.unwrap_or(past.created_at));
        let outages = self.outage.iter().chain(&self.silence).map(|outage| outage.end);
        later(lasts.chain(outages).max().unwrap_or(Timestamp::UNIX_EPOCH), GRACE)
    }

    /// The server's quota of an operation.
    pub(super) fn quota_of(&self, operation: &str) -> Quota {
        self.quotas.get(operation).copied().unwrap_or(self.quota)
    }
}

fn usual(number: usize, created_at: Timestamp, draws: &mut Draws) -> Past {
    let (kind, took) = usual_life(draws);
    let is_charge = kind == "charge";
    let state = match (is_charge, draws.number(100)) {
        (_, 0..8) => "Declined",
        (true, 8..12) => "Canceled",
        (true, _) => "Captured",
        (false, _) => "Refunded",
    };
    ended(past(kind, "MADE", number, created_at), later(created_at, took), state)
}

fn late_refund(number: usize, created_at: Timestamp, draws: &mut Draws) -> Past {
    // Spread by ten minutes: nothing at a provider happens to the second.
    let took = HOUR * 20 + draws.below(MINUTE * 10);
    ended(past("refund", "MADE", number, created_at), later(created_at, took), "Declined")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_synthetic_past_is_as_described() {
        for (name, _) in WORKLOADS {
            let workload = Workload::named(name, Quota::LIVE, 7).unwrap();
            let again = Workload::named(name, Quota::LIVE, 7).unwrap();
            assert_eq!(workload.pasts, again.pasts, "{name}");
            assert_ne!(workload.pasts, Workload::named(name, Quota::LIVE, 8).unwrap().pasts, "{name}");
            for past in &workload.pasts {
                assert!(past.final_at.is_none_or(|at| at > past.created_at), "{past:?}");
                let took = past.final_at.map(|at| at.duration_since(past.created_at).as_hours());
                match name {
                    "late-refunds" => assert_eq!((took, past.is_declined), (Some(20), true)),
                    _ => assert!(took.is_none_or(|hours| hours < 48)),
                }
            }
            let open = workload.pasts.iter().filter(|past| past.final_at.is_none()).count();
            let expected = match name {
                "outage" | "no-answers" => (10_000, 0),
                "stuck" => (1_100, 100),
                _ => (1_000, 0),
            };
            assert_eq!((workload.pasts.len(), open), expected, "{name}");
        }
        assert!(Workload::named("quiet", Quota::LIVE, 7).is_none());
    }
}
