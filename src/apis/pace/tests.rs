use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::clock::{Clock, Sleep};
use proptest::prelude::*;

/// A clock that a test sets.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _duration: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

fn pace() -> (Arc<HandClock>, Pace) {
    let clock = Arc::new(HandClock::default());
    (Arc::clone(&clock), Pace::new(clock))
}

impl HandClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(ns(by), Ordering::SeqCst);
    }
}

fn shop() -> AccountName {
    AccountName::new("shop").unwrap()
}

const ASK: &str = "GetCharge";

/// The provider's side, as its manual describes it: a bucket of tokens that fills steadily.
struct ServerBucket {
    level_ns: u64,
    whole_ns: u64,
    token_ns: u64,
    seen_ns: u64,
}

impl ServerBucket {
    fn accepts(&mut self, at_ns: u64) -> bool {
        self.level_ns = (self.level_ns + (at_ns - self.seen_ns)).min(self.whole_ns);
        self.seen_ns = at_ns;
        let has_token = self.level_ns >= self.token_ns;
        if has_token {
            self.level_ns -= self.token_ns;
        }
        has_token
    }
}

struct Outcome {
    accepted: u64,
    refused: u64,
}

/// Sends as often as the pace allows for `length`. Each request arrives and is answered after times drawn from
/// `travel`. Counts what the provider's bucket accepts and refuses.
fn saturate(
    quota: Quota,
    length: Duration,
    starts_full: bool,
    travel: &mut dyn FnMut() -> (u64, u64),
) -> Outcome {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Event {
        Arrival,
        Answer(usize),
        Try,
    }
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, quota);
    if starts_full {
        pace.assume_full(&shop(), ASK);
    }
    let whole_ns = ns(quota.per) * u64::from(quota.burst);
    let level_ns = if starts_full { whole_ns } else { 0 };
    let mut server = ServerBucket { level_ns, whole_ns, token_ns: ns(quota.per), seen_ns: 0 };
    let mut permits: Vec<Option<Permit>> = Vec::new();
    let mut outcome = Outcome { accepted: 0, refused: 0 };
    let mut events = BinaryHeap::from([std::cmp::Reverse((0, Event::Try))]);
    while let Some(std::cmp::Reverse((at_ns, event))) = events.pop() {
        if at_ns > ns(length) {
            break;
        }
        clock.0.store(at_ns, Ordering::SeqCst);
        match event {
            Event::Arrival if server.accepts(at_ns) => outcome.accepted += 1,
            Event::Arrival => outcome.refused += 1,
            Event::Answer(number) => permits[number] = None,
            Event::Try => match pace.take(&shop(), ASK) {
                Ok(permit) => {
                    let (there_ns, back_ns) = travel();
                    permits.push(Some(permit));
                    let number = permits.len() - 1;
                    events.push(std::cmp::Reverse((at_ns + there_ns, Event::Arrival)));
                    events.push(std::cmp::Reverse((at_ns + there_ns + back_ns, Event::Answer(number))));
                    events.push(std::cmp::Reverse((at_ns, Event::Try)));
                }
                Err(wait) => {
                    assert!(!wait.is_zero(), "a wait of nothing would spin");
                    events.push(std::cmp::Reverse((at_ns + ns(wait), Event::Try)));
                }
            },
        }
    }
    outcome
}

/// A pseudorandom number below `below`, for travel times.
fn draw(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 24) % below.max(1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_provider_never_sees_one_too_many(
        burst in 1u32..25, per_ms in 20u64..3_000, longest_ms in 0u64..60_000, starts_full: bool, seed: u64,
    ) {
        let mut seed = seed;
        let quota = Quota { burst, per: Duration::from_millis(per_ms) };
        let mut travel = || {
            // Sometimes one is very slow, so that later requests overtake it.
            let longest_ns = if draw(&mut seed, 4) == 0 { longest_ms * 1_000_000 } else { 200_000_000 };
            (draw(&mut seed, longest_ns), draw(&mut seed, longest_ns))
        };
        let length = quota.per * 400;
        let outcome = saturate(quota, length, starts_full, &mut travel);
        prop_assert_eq!(outcome.refused, 0);
    }

    #[test]
    fn a_busy_hour_uses_the_quota(burst in 5u32..25, per_ms in 200u64..2_500, starts_full: bool, seed: u64) {
        let mut seed = seed;
        let quota = Quota { burst, per: Duration::from_millis(per_ms) };
        // The longest travel time, in both directions together, that the bucket can bridge.
        let longest_ns = ns(quota.per) * u64::from(burst - 3) / 2;
        let mut travel = || (draw(&mut seed, longest_ns), draw(&mut seed, longest_ns));
        let hour = Duration::from_secs(3600);
        let outcome = saturate(quota, hour, starts_full, &mut travel);
        prop_assert_eq!(outcome.refused, 0);
        let tokens = ns(hour) / ns(quota.per);
        prop_assert!(outcome.accepted * 100 >= tokens * 99, "{} of {tokens}", outcome.accepted);
    }
}

#[test]
fn a_new_bucket_is_empty_and_fills_with_time() {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    assert_eq!(pace.take(&shop(), ASK).unwrap_err(), Duration::from_secs(1));
    clock.advance(Duration::from_secs(3));
    assert_eq!(pace.level(&shop(), ASK).unwrap().available, 3);
    let permits: Vec<Permit> = (0..3).map(|_| pace.take(&shop(), ASK).unwrap()).collect();
    assert_eq!(pace.level(&shop(), ASK).unwrap().in_flight, 3);
    assert!(pace.take(&shop(), ASK).is_err());
    drop(permits);
    let level = pace.level(&shop(), ASK).unwrap();
    assert_eq!((level.in_flight, level.available, level.burst), (0, 0, 10));
    assert_eq!(pace.used(&shop(), ASK), Used { sent: 3, throttled: 0 });
}

#[test]
fn accounts_and_operations_do_not_share() {
    let (_clock, pace) = pace();
    let other = AccountName::new("other").unwrap();
    for (account, operation) in [(&shop(), ASK), (&shop(), "GetRefund"), (&other, ASK)] {
        pace.set_quota(account, operation, Quota::SANDBOX);
        pace.assume_full(account, operation);
    }
    for (account, operation) in [(&shop(), ASK), (&shop(), "GetRefund"), (&other, ASK)] {
        let _both = (pace.take(account, operation).unwrap(), pace.take(account, operation).unwrap());
        assert!(pace.take(account, operation).is_err());
    }
}

#[test]
fn an_operation_without_quota_is_slow_not_free() {
    let (clock, pace) = pace();
    assert!(pace.take(&shop(), ASK).is_err());
    clock.advance(Duration::from_secs(60));
    assert_eq!(pace.level(&shop(), ASK).unwrap().available, 2);
}

#[test]
fn a_throttled_answer_empties_the_bucket_and_repeats_double_the_wait() {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    pace.assume_full(&shop(), ASK);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let mut permit = pace.take(&shop(), ASK).unwrap();
        permit.throttled(None);
        drop(permit);
        let wait = pace.take(&shop(), ASK).unwrap_err();
        waits.push(wait.as_secs());
        clock.advance(wait);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    drop(pace.take(&shop(), ASK).unwrap());
    clock.advance(Duration::from_secs(1));
    let mut permit = pace.take(&shop(), ASK).unwrap();
    permit.throttled(None);
    drop(permit);
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 1, "a good answer ends the row");
    assert_eq!(pace.used(&shop(), ASK).throttled, 9);
}

#[test]
fn requests_that_left_together_and_are_all_throttled_count_as_one() {
    let (_clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    pace.assume_full(&shop(), ASK);
    let permits: Vec<Permit> = (0..8).map(|_| pace.take(&shop(), ASK).unwrap()).collect();
    for mut permit in permits {
        permit.throttled(None);
    }
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 1);
}

#[test]
fn the_provider_s_own_wait_is_obeyed_within_an_hour() {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    pace.assume_full(&shop(), ASK);
    pace.take(&shop(), ASK).unwrap().throttled(Some(Duration::from_secs(120)));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 120);
    pace.hold(&shop(), ASK, Duration::from_secs(30));
    assert_eq!(pace.level(&shop(), ASK).unwrap().held_for.as_secs(), 120, "a shorter wait changes nothing");
    pace.hold(&shop(), ASK, Duration::from_secs(7_200));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err(), LONGEST_HOLD);
    clock.advance(LONGEST_HOLD);
    drop(pace.take(&shop(), ASK).unwrap());
}

fn full() -> (Arc<HandClock>, Pace) {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    pace.assume_full(&shop(), ASK);
    (clock, pace)
}

fn hint(most: u64, resets_in_s: u64) -> QuotaHint {
    QuotaHint { most: Some(most), remaining: Some(0), resets_in: Some(Duration::from_secs(resets_in_s)) }
}

#[test]
fn an_absurd_wish_holds_for_a_minute() {
    let (_clock, pace) = full();
    let mut permit = pace.take(&shop(), ASK).unwrap();
    permit.throttled(Some(Duration::from_secs(73 * 365 * 86_400)));
    drop(permit);
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 60);
    let (_clock, pace) = full();
    pace.take(&shop(), ASK).unwrap().quota_hint(hint(0, 3_540));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 60);
}

#[test]
fn after_a_hold_one_request_leaves_and_a_good_answer_lets_the_others_follow() {
    let (clock, pace) = full();
    let mut permits: Vec<Permit> = (0..3).map(|_| pace.take(&shop(), ASK).unwrap()).collect();
    permits[0].hold(Duration::from_secs(600));
    assert_eq!(pace.level(&shop(), ASK).unwrap().held_already, Some(Duration::ZERO));
    clock.advance(Duration::from_secs(600));
    let probe = pace.take(&shop(), ASK).unwrap();
    assert!(pace.take(&shop(), ASK).unwrap_err() <= Duration::from_secs(1), "checked again soon");
    permits.clear();
    assert!(pace.take(&shop(), ASK).is_err(), "answers to requests from before the hold open nothing");
    drop(probe);
    let level = pace.level(&shop(), ASK).unwrap();
    assert_eq!((level.held_already, level.available), (None, 6), "four arrived as late as they could");
    let others: Vec<Permit> = (0..6).map(|_| pace.take(&shop(), ASK).unwrap()).collect();
    assert_eq!(pace.level(&shop(), ASK).unwrap().in_flight as usize, others.len());
}

#[test]
fn a_hold_that_the_one_request_renews_is_one_long_hold() {
    let (clock, pace) = full();
    pace.take(&shop(), ASK).unwrap().hold(Duration::from_secs(60));
    for minute in 1..=4 {
        let level = pace.level(&shop(), ASK).unwrap();
        assert!(!level.is_held_long(), "minute {minute}");
        clock.advance(Duration::from_secs(60));
        let probe = pace.take(&shop(), ASK).unwrap();
        assert!(pace.take(&shop(), ASK).is_err());
        probe.hold(Duration::from_secs(60));
    }
    let level = pace.level(&shop(), ASK).unwrap();
    assert_eq!((level.held_already.unwrap().as_secs(), level.held_for.as_secs()), (240, 60));
    assert!(level.is_held_long());
    let held = pace.held();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].0.as_str(), &*held[0].1, held[0].2), ("shop", ASK, level));
    clock.advance(Duration::from_secs(60));
    drop(pace.take(&shop(), ASK).unwrap());
    assert_eq!(pace.held(), []);
}

#[test]
fn a_spent_quota_is_believed_once_and_not_for_the_first_request_after_it() {
    let (clock, pace) = full();
    pace.take(&shop(), ASK).unwrap().quota_hint(hint(3_600, 1_500));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 1_500);
    clock.advance(Duration::from_secs(1_500));
    pace.take(&shop(), ASK).unwrap().quota_hint(hint(3_600, 3_600));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 60, "the quota should be full again");
}

#[test]
fn a_request_that_may_leave_after_a_hold_still_needs_its_token() {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota { burst: 1, per: Duration::from_secs(120) });
    pace.hold(&shop(), ASK, Duration::from_secs(30));
    clock.advance(Duration::from_secs(30));
    assert_eq!(pace.take(&shop(), ASK).unwrap_err().as_secs(), 90);
    clock.advance(Duration::from_secs(90));
    drop(pace.take(&shop(), ASK).unwrap());
}

#[test]
fn levels_survive_a_clean_stop_and_nothing_unbelievable_does() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let stopped_at = at("2026-01-15T12:00:00Z");
    let (clock, before) = pace();
    before.set_quota(&shop(), ASK, Quota::LIVE);
    clock.advance(Duration::from_secs(4));
    before.hold(&shop(), ASK, Duration::from_secs(3));
    let saved = before.saved(stopped_at);
    assert_eq!(saved.len(), 1);
    assert_eq!((saved[0].full_in.as_secs(), saved[0].held_for.as_secs()), (6, 3));

    let available_after = |saved: &[SavedLevel], now: &str| {
        let (_clock, after) = pace();
        after.set_quota(&shop(), ASK, Quota::LIVE);
        after.restore(saved, at(now));
        after.level(&shop(), ASK).unwrap().available
    };
    for now in [
        "2026-01-15T12:00:00Z",
        "2026-01-15T12:00:02Z",
        "2026-01-16T12:00:00Z",
        "2028-01-15T12:00:00Z",
        "2026-01-15T11:59:59Z",
        "2024-01-15T12:00:00Z",
    ] {
        assert_eq!(available_after(&saved, now), 4, "{now}: the wall clock may have jumped while stopped");
    }
    let changed = |change: fn(&mut SavedLevel)| {
        let mut level = saved[0].clone();
        change(&mut level);
        [level]
    };
    let later = "2026-01-15T13:00:00Z";
    assert_eq!(available_after(&changed(|level| level.full_in = Duration::MAX), later), 0);
    assert_eq!(available_after(&changed(|level| level.held_for = Duration::MAX), later), 0);
    assert_eq!(available_after(&changed(|level| level.quota.burst = 20), later), 0);
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Vec<SavedLevel>>(&text).unwrap(), saved);
}

#[test]
fn a_hold_survives_a_stop_ends_by_the_wall_clock_and_lets_one_request_leave() {
    let stopped_at: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
    let (clock, before) = full();
    clock.advance(Duration::from_secs(4_000));
    before.hold(&shop(), ASK, Duration::from_secs(3_000));
    clock.advance(Duration::from_secs(200));
    let saved = before.saved(stopped_at);
    let after_s = |seconds: i64| {
        let (_clock, after) = pace();
        after.set_quota(&shop(), ASK, Quota::LIVE);
        after.restore(&saved, stopped_at + jiff::SignedDuration::from_secs(seconds));
        after
    };
    let level = after_s(100).level(&shop(), ASK).unwrap();
    assert_eq!((level.held_for.as_secs(), level.held_already.unwrap().as_secs()), (2_700, 300));
    let level = after_s(-86_400).level(&shop(), ASK).unwrap();
    assert_eq!((level.held_for.as_secs(), level.held_already.unwrap().as_secs()), (2_800, 200));
    let after = after_s(86_400);
    let probe = after.take(&shop(), ASK).unwrap();
    assert!(after.take(&shop(), ASK).is_err(), "its end may be a jump of the clock");
    drop(probe);
    drop(after.take(&shop(), ASK).unwrap());
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Vec<SavedLevel>>(&text).unwrap(), saved);
    let old = text.replace(r#""held_already":{"secs":200,"nanos":0},"#, "");
    assert_ne!(old, text);
    assert_eq!(serde_json::from_str::<Vec<SavedLevel>>(&old).unwrap()[0].held_already, None);
}

#[test]
fn a_changed_quota_starts_empty_and_the_same_one_changes_nothing() {
    let (_clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    pace.assume_full(&shop(), ASK);
    pace.set_quota(&shop(), ASK, Quota::LIVE);
    assert_eq!(pace.level(&shop(), ASK).unwrap().available, 10);
    pace.set_quota(&shop(), ASK, Quota { burst: 20, per: Duration::from_millis(500) });
    assert_eq!(pace.level(&shop(), ASK).unwrap().available, 0);
    pace.assume_full(&shop(), ASK);
    pace.assume_spent();
    assert_eq!(pace.level(&shop(), ASK).unwrap().available, 0);
}

#[test]
fn absurd_quotas_become_the_nearest_sane_ones() {
    let (clock, pace) = pace();
    pace.set_quota(&shop(), ASK, Quota { burst: 0, per: Duration::ZERO });
    clock.advance(Duration::from_secs(1));
    assert_eq!(pace.level(&shop(), ASK).unwrap().burst, 1);
    pace.set_quota(&shop(), ASK, Quota { burst: u32::MAX, per: Duration::MAX });
    assert!(pace.take(&shop(), ASK).is_err());
}

#[test]
fn fifty_thousand_buckets_stay_small() {
    assert!(size_of::<Bucket>() <= 72, "{}", size_of::<Bucket>());
    let (_clock, pace) = pace();
    for number in 0..10_000 {
        let account = AccountName::new(format!("shop-{number}")).unwrap();
        for operation in ["GetCharge", "GetRefund", "GetChargePermission", "GetReport", "GetReports"] {
            pace.set_quota(&account, operation, Quota::LIVE);
        }
    }
    assert_eq!(pace.shared.state().limiters.class_of(Quota::LIVE), 0, "one limiter for all");
    assert_eq!(pace.shared.state().buckets.len(), 50_000);
}
