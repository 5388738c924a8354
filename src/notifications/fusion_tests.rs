use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn charge() -> Kind {
    Kind::new("charge").unwrap()
}

fn found(fusion: &mut Fusion, is_announced: bool, second: i64) -> Option<Verdict> {
    fusion.found(&charge(), is_announced.then_some(Duration::from_secs(30)), at(second))
}

/// A generator of uniform numbers in [0, 1) that depends only on its seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / 4_294_967_296.0
    }
}

/// The outcomes of `tests` tests of a channel that announces this share: how many say silent, and the observations used.
fn outcomes(share: f64, tests: u32, seed: u64) -> (u32, u64) {
    let mut dice = Dice(seed);
    let (mut silent, mut observations) = (0, 0);
    for _ in 0..tests {
        let mut evidence = 0.0;
        let verdict = loop {
            evidence += step(dice.next() < share);
            observations += 1;
            if let Some(verdict) = decision(evidence) {
                break verdict;
            }
        };
        silent += u32::from(verdict == Verdict::Silent);
    }
    (silent, observations)
}

#[test]
fn twelve_finals_without_a_hint_are_silence_and_three_with_one_are_health() {
    let mut fusion = Fusion::default();
    for second in 0..11 {
        assert_eq!(found(&mut fusion, false, second), None, "{second}");
    }
    assert_eq!(found(&mut fusion, false, 11), Some(Verdict::Silent));
    assert_eq!(fusion.verdict(), (Verdict::Silent, Some(at(11))));
    assert_eq!((found(&mut fusion, true, 12), found(&mut fusion, true, 13)), (None, None));
    assert_eq!(found(&mut fusion, true, 14), Some(Verdict::Healthy));
    assert!((15..60).all(|second| found(&mut fusion, true, second).is_none()), "a verdict changes once");
}

/// The stated rate, measured: at the worst share that is still healthy, a test says silent in at most one of 10,000.
#[test]
fn the_false_alarm_rate_is_at_most_the_stated_one() {
    let tests = 400_000;
    let (silent, observations) = outcomes(HEALTHY, tests, 14);
    let rate = f64::from(silent) / f64::from(tests);
    // Three standard deviations of the count at the stated rate, which is 40.
    assert!(silent <= 40 + 19, "{silent} false alarms in {tests} tests: {rate}");
    assert!(silent > 0, "the test can say so at all");
    assert!(observations / u64::from(tests) < 12, "a test of a healthy channel is short");
    assert_eq!(outcomes(0.7, 200_000, 15).0, 0, "a channel that loses 30 % is far from the bound");
}

#[test]
fn a_broken_channel_is_found_almost_always_and_soon() {
    let tests = 20_000;
    let (silent, observations) = outcomes(BROKEN, tests, 16);
    assert!(f64::from(tests - silent) / f64::from(tests) <= 1.2 * MISSED, "{silent} of {tests}");
    assert!(observations / u64::from(tests) <= 20, "{observations} observations");
    assert_eq!(outcomes(0.0, 1_000, 17), (1_000, 12_000), "a dead channel is found after 12");
}

#[test]
fn each_kind_is_judged_and_the_account_is_silent_if_one_is() {
    let mut fusion = Fusion::default();
    let refund = Kind::new("refund").unwrap();
    for second in 0..12 {
        fusion.found(&charge(), Some(Duration::from_secs(5)), at(second));
        fusion.found(&refund, None, at(second));
    }
    assert_eq!(fusion.kinds_that_are(Verdict::Healthy), BTreeSet::from([charge()]));
    assert_eq!(fusion.kinds_that_are(Verdict::Silent), BTreeSet::from([refund.clone()]));
    assert_eq!(fusion.verdict(), (Verdict::Silent, Some(at(11))));
    assert_eq!(fusion.to_report(at(12)), [(refund, Verdict::Silent, at(11))]);
}

/// Between the two shares a verdict can alternate without end. Its silence is reported once a day at most.
#[test]
fn a_verdict_that_alternates_is_reported_once_a_day() {
    let mut fusion = Fusion::default();
    let mut reports = Vec::new();
    for minute in 0..3 * 1440 {
        let now = at(60 * minute);
        // 15 without a hint, then 5 with one.
        found(&mut fusion, minute % 20 >= 15, 60 * minute);
        for (kind, verdict, _) in fusion.to_report(now) {
            fusion.reported(&kind, verdict, now);
            reports.push((minute / 1440, verdict));
        }
        assert_eq!(fusion.to_report(now), []);
    }
    let expected = (0..3).flat_map(|day| [(day, Verdict::Silent), (day, Verdict::Healthy)]);
    assert_eq!(reports, expected.collect::<Vec<_>>());
}

#[test]
fn delays_are_bounds_of_what_was_seen() {
    let mut fusion = Fusion::default();
    assert_eq!(fusion.delay_below(50), None);
    for (number, delay) in [1, 2, 3, 40, 40, 40, 40, 200, 200, 90_000].into_iter().enumerate() {
        let second = i64::try_from(number).unwrap() * 100_000;
        fusion.found(&charge(), Some(Duration::from_secs(delay)), at(second));
    }
    assert_eq!(fusion.delay_below(50), Some(Duration::from_secs(60)));
    assert_eq!(fusion.delay_below(90), Some(Duration::from_secs(300)));
    assert_eq!(fusion.delay_below(95), Some(Duration::from_secs(7 * 86_400)));
    let counts = &fusion.kinds()[&charge()];
    assert_eq!((counts.finals, counts.announced, counts.last_hint_at), (10, 10, None));
    fusion.hinted(&charge(), at(7));
    assert_eq!(fusion.last_hint_at(), Some(at(7)));
}

proptest! {
    /// Whatever comes, evidence stays between the bounds, and what is stored is what is read.
    #[test]
    fn it_survives_a_restart_at_any_moment(announced: Vec<bool>) {
        let (mut fusion, mut restarted) = (Fusion::default(), Fusion::default());
        for (second, is_announced) in (0..).zip(announced) {
            let expected = found(&mut fusion, is_announced, second);
            prop_assert_eq!(found(&mut restarted, is_announced, second), expected);
            restarted = serde_json::from_str(&serde_json::to_string(&restarted).unwrap()).unwrap();
            prop_assert!(fusion.tests.values().all(|test| decision(test.evidence).is_none()));
        }
        let counts = fusion.kinds().values().cloned().collect::<Vec<_>>();
        prop_assert!(counts.iter().all(|count| count.announced <= count.finals));
    }

    /// More announcements never make a channel look worse.
    #[test]
    fn an_announcement_is_always_evidence_for_health(evidence in -4.0..9.0_f64) {
        prop_assert!(step(true) < 0.0 && step(false) > 0.0);
        let with = decision(evidence + step(true));
        prop_assert_ne!(with, Some(Verdict::Silent));
    }
}
