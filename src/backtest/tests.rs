//! The policies on pasts small enough to be worked out by hand, and properties of any past.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Measured, Past, Quota, Rhythm, Workload, run};
use crate::payments::schedule::Policy;
use crate::time::later;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// A quota that nothing here exhausts.
const PLENTY: Quota = Quota { burst: 100_000, per: Duration::from_millis(1) };

fn beginning() -> Timestamp {
    "2026-03-02T00:00:00Z".parse().unwrap()
}

/// An object created this many seconds after midnight, that ended this many seconds later.
fn object(kind: &str, number: usize, made_s: u64, took_s: Option<u64>) -> Past {
    let created_at = later(beginning(), Duration::from_secs(made_s));
    Past {
        object: format!("de/{kind}/S{number:04}").parse().unwrap(),
        created_at,
        final_at: took_s.map(|took_s| later(created_at, Duration::from_secs(took_s))),
        final_state: took_s.map(|_| "Declined".to_owned()),
        is_declined: took_s.is_some(),
        reference: None,
    }
}

/// A workload whose requests travel for exactly 100 ms each way.
fn workload(pasts: Vec<Past>, quota: Quota) -> Workload {
    Workload { transit_ms: 100..100, ..Workload::of("tiny", "by hand", pasts, quota, 1) }
}

fn rhythm(name: &str) -> Rhythm {
    Rhythm::all().into_iter().find(|rhythm| rhythm.name == name).unwrap()
}

/// Ours without jitter, so that times can be worked out.
fn exactly(interval_s: u64, early_s: &[u64]) -> Rhythm {
    let policy = Policy {
        interval: Duration::from_secs(interval_s),
        first_polls: early_s.iter().copied().map(Duration::from_secs).collect(),
        jitter_permille: 0,
        ..Policy::default()
    };
    Rhythm::ours("exactly", "", policy, Default::default(), 16)
}

/// Seconds until each quantile, requests, missed, over the quota.
fn check(measured: &Measured, half_s: Option<u64>, polls: u64, missed: u64, over_quota: u64) {
    let got = (measured.detection.p50_s, measured.polls, measured.missed, measured.over_quota);
    assert_eq!(got, (half_s, polls, missed, over_quota), "{measured:?}");
}

#[test]
fn ours_polls_at_once_and_then_every_interval() {
    // Our bucket starts empty and the first token grows within a millisecond: polls at 0 h, 1 h, 2 h and a
    // bit.
    let past = || vec![object("charge", 1, 0, Some(100 * MINUTE))];
    check(&run(&workload(past(), PLENTY), &exactly(HOUR, &[])), Some(20 * MINUTE), 3, 0, 0);
    // First polls: at 0, 1, 6, 21 and 81 min after the first observation; the end at 100 min is noticed at
    // 141 min.
    check(&run(&workload(past(), PLENTY), &exactly(HOUR, &[60, 300, 900])), Some(41 * MINUTE), 6, 0, 0);
    let early = vec![object("charge", 1, 0, Some(150))];
    check(&run(&workload(early, PLENTY), &exactly(HOUR, &[60, 300, 900])), Some(210), 3, 0, 0);
}

#[test]
fn ours_waits_for_the_budget_and_is_never_over_it() {
    // 20 are created at once, and an empty bucket grows one token a second: number n is polled after n
    // seconds and answered 200 ms later. All end after one second.
    let pasts = (0..20).map(|number| object("charge", number, 0, Some(1))).collect();
    let measured = run(&workload(pasts, Quota::LIVE), &exactly(HOUR, &[]));
    check(&measured, Some(9), 20, 0, 0);
    assert_eq!((measured.detection.p95_s, measured.detection.longest_s), (Some(18), Some(19)));
}

#[test]
fn two_gets_stops_after_one_failure_and_never_polls_refunds() {
    let past = |kind| vec![object(kind, 1, 0, Some(25 * MINUTE))];
    // Polls at 10, 20 and 30 min, two requests each.
    check(&run(&workload(past("charge"), PLENTY), &rhythm("two-gets")), Some(5 * MINUTE + 1), 6, 0, 0);
    check(&run(&workload(past("refund"), PLENTY), &rhythm("two-gets")), None, 0, 1, 0);
    // Two charges at the same moment, a quota of one: one of them fails and is never polled again.
    let both = vec![object("charge", 1, 0, Some(MINUTE)), object("charge", 2, 0, Some(MINUTE))];
    let measured = run(&workload(both, Quota { burst: 1, per: Duration::from_secs(1) }), &rhythm("two-gets"));
    check(&measured, Some(9 * MINUTE), 3, 1, 1);
}

#[test]
fn oldest_100_closes_refunds_at_the_first_poll_and_starves_behind_objects_that_never_end() {
    let refund = |took_s| vec![object("refund", 1, 60, Some(took_s))];
    check(&run(&workload(refund(20 * MINUTE), PLENTY), &rhythm("oldest-100")), Some(9 * MINUTE), 1, 0, 0);
    check(&run(&workload(refund(40 * MINUTE), PLENTY), &rhythm("oldest-100")), None, 1, 1, 0);
    let mut queue: Vec<Past> = (0..100).map(|number| object("charge", number, number as u64, None)).collect();
    queue.push(object("charge", 900, HOUR, Some(MINUTE)));
    let measured = run(&workload(queue, PLENTY), &rhythm("oldest-100"));
    assert_eq!((measured.missed, measured.polls_by_object[100]), (1, 0));
}

#[test]
fn rounds_poll_one_after_another_and_the_quota_refuses_the_rest() {
    // 20 pending, a round at 1 h, a request every 200 ms.
    let pasts: Vec<Past> = (0..20).map(|number| object("charge", number, 1, Some(MINUTE))).collect();
    let measured = run(&workload(pasts.clone(), Quota::LIVE), &rhythm("all-at-once"));
    // There are 13 tokens for the 20 requests of 3.8 s, so 7 wait for the next round. The tenth is answered 2
    // s after the hour; all ended 61 s after midnight.
    check(&measured, Some(HOUR + 2 - 61), 27, 0, 7);
    // A pause of 300 ms sends two a second while one token grows: the twentieth finds half a token.
    check(&run(&workload(pasts, Quota::LIVE), &rhythm("36-a-run")), Some(5 * MINUTE + 4 - 61), 21, 0, 1);
    let one = || vec![object("charge", 1, 4 * HOUR, Some(HOUR))];
    check(&run(&workload(one(), PLENTY), &rhythm("daily")), Some(22 * HOUR), 1, 0, 0);
}

#[test]
fn a_limited_number_of_polls_misses_later_ends() {
    let past = |took_s| vec![object("charge", 1, 0, Some(took_s))];
    check(&run(&workload(past(100), PLENTY), &rhythm("six-looks")), Some(260), 2, 0, 0);
    // Waits count from the answers: the sixth poll leaves at 1561 s.
    check(&run(&workload(past(1562), PLENTY), &rhythm("six-looks")), None, 6, 1, 0);
    check(&run(&workload(past(2 * HOUR), PLENTY), &rhythm("two-looks")), Some(23 * HOUR), 2, 0, 0);
    check(&run(&workload(past(26 * HOUR), PLENTY), &rhythm("two-looks")), None, 2, 1, 0);
    check(&run(&workload(past(100 * MINUTE), PLENTY), &rhythm("half-hourly")), Some(20 * MINUTE), 4, 0, 0);
    check(&run(&workload(past(100 * MINUTE), PLENTY), &rhythm("naive-hourly")), Some(20 * MINUTE), 2, 0, 0);
}

#[test]
fn no_policy_notices_anything_before_the_outage_is_over() {
    let pasts = vec![object("charge", 1, 0, Some(2 * HOUR)), object("charge", 2, 2 * HOUR, Some(MINUTE))];
    let mut workload = workload(pasts, PLENTY);
    workload.outage = Some(
        later(beginning(), Duration::from_secs(HOUR))..later(beginning(), Duration::from_secs(7 * HOUR)),
    );
    let measured = run(&workload, &exactly(HOUR, &[]));
    // One poll before, and one for each at once when it is over.
    check(&measured, Some(0), 3, 0, 0);
}

#[test]
fn after_an_outage_the_backlog_is_polled_in_at_most_a_tenth_more_time_than_the_quota_needs() {
    for name in ["outage", "no-answers"] {
        // A quarter of the objects at a quarter of the quota.
        let quota = Quota { burst: 10, per: Duration::from_secs(4) };
        let mut workload = Workload::named(name, quota, 1).unwrap();
        workload.pasts.truncate(2_500);
        let measured = run(&workload, &rhythm("hourly"));
        let caught_up = measured.caught_up.unwrap();
        assert!(caught_up.objects > 1_000, "{caught_up:?}");
        let took_s = caught_up.took_s.unwrap();
        assert!(took_s * 10 <= caught_up.quota_needs_s * 11, "{name}: {caught_up:?}");
        assert!(measured.unanswered <= 900, "{name}: a trickle, not {} requests", measured.unanswered);
        assert_eq!((measured.missed, measured.over_quota), (0, 0), "{name}");
    }
}

#[test]
fn a_seed_gives_the_same_numbers_and_another_seed_others() {
    for name in ["throttles", "late-refunds"] {
        let measure = |seed| {
            let workload = Workload::named(name, Quota::LIVE, seed).unwrap();
            ["hourly", "all-at-once"].map(|policy| run(&workload, &rhythm(policy)))
        };
        assert_eq!(measure(3), measure(3), "{name}");
        assert_ne!(measure(3), measure(4), "{name}");
    }
}

#[test]
fn ours_misses_nothing_and_keeps_the_quota_in_every_synthetic_past() {
    for (name, _) in super::WORKLOADS.iter().filter(|(name, _)| !["outage", "no-answers"].contains(name)) {
        let workload = Workload::named(name, Quota::LIVE, 1).unwrap();
        for rhythm in Rhythm::own() {
            let measured = run(&workload, &rhythm);
            let flaws = (measured.missed, measured.over_quota, measured.polls_after_final);
            assert_eq!(flaws, (0, 0, 0), "{name} {}", rhythm.name);
            assert!(measured.detection.longest_s.unwrap() < 2 * HOUR, "{measured:?}");
        }
    }
}

fn any_past() -> impl Strategy<Value = Vec<Past>> {
    let kind = prop::sample::select(vec!["charge", "refund", "capture", "authorization", "parcel"]);
    prop::collection::vec((kind, 0..DAY, prop::option::weighted(0.9, 1..2 * DAY)), 1..30).prop_map(
        |objects| {
            objects
                .into_iter()
                .enumerate()
                .map(|(number, (kind, made_s, took_s))| object(kind, number, made_s, took_s))
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_counts_of_every_policy_add_up(pasts in any_past(), seed: u64, burst in 1u32..5, moody in 0u64..300) {
        let quota = Quota { burst, per: Duration::from_secs(1) };
        let workload = Workload { throttled_permille: moody, ..Workload::of("any", "", pasts, quota, seed) };
        for rhythm in Rhythm::all() {
            let measured = run(&workload, &rhythm);
            prop_assert_eq!(measured.polls, measured.polls_by_object.iter().sum::<u64>());
            prop_assert_eq!(measured.seen + measured.missed, measured.ended);
            prop_assert!(measured.over_quota + measured.throttled_without_cause <= measured.polls);
            prop_assert_eq!(measured.detection.longest_s.is_none(), measured.missed > 0 || measured.ended == 0);
            let rising = [measured.detection.p50_s, measured.detection.p95_s, measured.detection.longest_s];
            prop_assert!(rising.map(|at| at.unwrap_or(u64::MAX)).is_sorted());
        }
    }

    #[test]
    fn ours_is_never_over_the_quota(
        pasts in any_past(), seed: u64, burst in 1u32..12, per_ms in 200u64..5000, interval_s in 300u64..4000,
        early_s in prop::collection::vec(1u64..2000, 0..4), moody in 0u64..300,
    ) {
        let quota = Quota { burst, per: Duration::from_millis(per_ms) };
        let workload = Workload { throttled_permille: moody, ..Workload::of("any", "", pasts, quota, seed) };
        let early = early_s.into_iter().map(Duration::from_secs).collect();
        let rhythm = Rhythm::with_interval("any", "", Duration::from_secs(interval_s), early);
        let measured = run(&workload, &rhythm);
        prop_assert_eq!((measured.over_quota, measured.polls_after_final), (0, 0));
    }

    #[test]
    fn ours_notices_every_end_within_an_interval_when_the_quota_allows(pasts in any_past(), seed: u64, interval_s in 600u64..7200) {
        let workload = Workload::of("any", "", pasts, PLENTY, seed);
        let rhythm = Rhythm::with_interval("any", "", Duration::from_secs(interval_s), Vec::new());
        let measured = run(&workload, &rhythm);
        prop_assert_eq!(measured.missed, 0);
        // At most half of the jitter's 10 % is added, plus a request's way.
        let bound_s = interval_s + interval_s / 20 + 2;
        prop_assert!(measured.detection.longest_s.is_none_or(|longest_s| longest_s <= bound_s), "{:?}", measured);
    }
}
