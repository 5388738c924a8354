use super::*;
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const TERMS: Terms = Terms {
    interval: HOUR,
    longest: Duration::from_secs(3780),
    shortest: Duration::from_secs(30),
    operation: "GetCharge",
};

fn charge() -> Kind {
    Kind::new("charge").unwrap()
}

fn new() -> Adaptive {
    Adaptive::new([(charge(), "Pending".to_owned(), DAY)])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// Lets objects of these ages live and end, one after another. Returns requests for each and the mean delay.
fn live(adaptive: &mut Adaptive, ages_s: impl Iterator<Item = u64>, spend: f64) -> (f64, f64) {
    let (mut polls, mut delay_s, mut objects) = (0.0, 0.0, 0.0);
    let mut now = 0;
    for life_s in ages_s {
        now += 60;
        if adaptive.is_stale(at(now)) {
            adaptive.replan(|_| TERMS, Budget::Factor(spend), true, at(now));
        }
        let life = Duration::from_secs(life_s);
        let (mut age, mut from) = (Duration::ZERO, None);
        loop {
            age += adaptive.plans(&charge()).unwrap().of("Pending").unwrap().wait(age);
            polls += 1.0;
            let ended = (age >= life).then_some(End::At(life));
            let poll = AnsweredPoll { known: Duration::ZERO, from, to: age, ended, late: Duration::ZERO };
            adaptive.polled(&charge(), "Pending", &poll, &TERMS);
            if ended.is_some() {
                break;
            }
            from = Some(age);
        }
        delay_s += (age - life).as_secs_f64();
        objects += 1.0;
    }
    (polls / objects, delay_s / objects)
}

#[test]
fn the_ledger_counts_what_an_hourly_poll_would_have_asked() {
    for (hours, expected) in [(0.5, 0.0), (1.5, 1.0), (10.5, 10.0)] {
        let polls = polls_until(HOUR.mul_f64(hours), HOUR);
        assert!((polls - expected).abs() < 1e-9, "{hours} {polls}");
    }
    // At a whole hour, jitter decides.
    assert!((polls_until(HOUR * 20, HOUR) - 19.5).abs() < 0.01);
    let mut adaptive = new();
    let polls = [(None, 600, None), (Some(600), 4000, None), (Some(4000), 6000, Some(5400))];
    for (from, to, ended) in polls {
        let seconds = Duration::from_secs;
        let poll = AnsweredPoll {
            known: Duration::ZERO,
            from: from.map(seconds),
            to: seconds(to),
            ended: ended.map(|at| End::At(seconds(at))),
            late: Duration::ZERO,
        };
        adaptive.polled(&charge(), "pending", &poll, &TERMS);
    }
    // Polls at 0, 1 and 2 hours; three were sent.
    assert!((adaptive.fixed - 3.0).abs() < 0.01 && adaptive.balance.abs() < 1e-9, "{adaptive:?}");
}

#[test]
fn short_lives_are_seen_sooner_for_the_same_requests() {
    // Half end within ten minutes, half after ten hours.
    let lives = |count: u64| {
        (0..count).map(|number| if number % 2 == 0 { 60 + number % 540 } else { 36_000 + number % 1800 })
    };
    let mut adaptive = new();
    live(&mut adaptive, lives(600), 1.0);
    let (polls, delay_s) = live(&mut adaptive, lives(600), 1.0);
    // Hourly: 2 and 12 polls, 30 minutes.
    assert!((6.8..7.2).contains(&polls), "{polls}");
    assert!(delay_s < 600.0, "{delay_s}");
    let (polls, dear_s) = live(&mut adaptive, lives(600), 0.9);
    assert!(polls < 6.8 && dear_s > delay_s, "{polls} {dear_s}");
}

#[test]
fn an_exhausted_quota_stretches_the_waits_of_all_that_share_it_until_it_suffices_again() {
    let (charge, refund, capture) = (charge(), Kind::new("refund").unwrap(), Kind::new("capture").unwrap());
    let states = [&charge, &refund, &capture].map(|kind| (kind.clone(), "Pending".to_owned(), DAY));
    let mut adaptive = Adaptive::new(states);
    let terms =
        |kind: &Kind| Terms { operation: if *kind == capture { "GetCapture" } else { "Get" }, ..TERMS };
    adaptive.replan(terms, Budget::Factor(1.0), true, at(0));
    // Charges are polled after this many times the wait that was planned.
    let mut poll = |factor: f64| {
        for _ in 0..40 {
            let from = Duration::from_secs(40_000);
            let wait = adaptive.plans(&charge).unwrap().of("Pending").unwrap().unstretched(from);
            let to = from + wait.mul_f64(factor);
            let late = to.saturating_sub(from + wait);
            let poll = AnsweredPoll { known: Duration::ZERO, from: Some(from), to, ended: None, late };
            adaptive.polled(&charge, "Pending", &poll, &TERMS);
        }
        adaptive.replan(terms, Budget::Factor(1.0), true, at(0));
        [&charge, &refund, &capture]
            .map(|kind| adaptive.plans(kind).unwrap().of("Pending").unwrap().longest())
    };
    assert_eq!(poll(1.0), [TERMS.longest; 3]);
    let [strained, other, alone] = poll(2.0);
    assert_eq!((strained, alone), (TERMS.longest * 3 * 1800 / 1000, TERMS.longest));
    assert_eq!(strained, other, "one quota, one pressure");
    assert_eq!(poll(1.0)[0], TERMS.longest * 3 * 1620 / 1000, "it yields slowly");
    let relieved = (0..20).map(|_| poll(1.0)[0]).last().unwrap();
    assert_eq!(relieved, TERMS.longest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_is_learnt_stays_sound_and_is_read_back(
        polls in proptest::collection::vec((0u64..200_000, 0u64..200_000, 0u64..200_000, 0u8..3), 0..120), spend in 0.3f64..4.0,
    ) {
        let mut adaptive = new();
        for (number, (known, one, other, how)) in polls.into_iter().enumerate() {
            let seconds = Duration::from_secs;
            let (from, to) = (one.min(other), one.max(other));
            let ended = match how { 0 => None, 1 => Some(End::At(seconds(known))), _ => Some(End::Undated) };
            let poll = AnsweredPoll { known: seconds(known), from: (from % 2 == 0).then_some(seconds(from)), to: seconds(to), ended, late: seconds(other) };
            adaptive.polled(&charge(), "Pending", &poll, &TERMS);
            let now = at(i64::try_from(number).unwrap() * 600);
            if adaptive.is_stale(now) {
                adaptive.replan(|_| TERMS, Budget::Factor(spend), true, now);
            }
        }
        prop_assert!(adaptive.is_sound());
        let back: Adaptive = serde_json::from_str(&serde_json::to_string(&adaptive).unwrap()).unwrap();
        prop_assert!(back.is_sound() && back.is_stale(at(0)));
    }
}
