//! The policies by name, and what each assumes.
//!
//! Owns: the numbers and texts of every policy. Must never know: how a policy is carried out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::payments::object::Kind;
use crate::payments::schedule::{Learning, Policy, Spend};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A policy to try.
#[derive(Debug, Clone)]
pub struct Rhythm {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    pub(super) how: How,
}

/// The ways in which policies poll.
#[derive(Debug, Clone)]
pub(super) enum How {
    /// As the daemon does.
    Ours(Watch),
    /// Each object has a timer.
    Timers(Timers),
    /// Rounds over all objects.
    Rounds(Rounds),
}

/// The daemon's polling.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) general: Policy,
    pub(super) kinds: BTreeMap<Kind, Policy>,
    /// The most requests of a kind in flight.
    pub(super) most_in_flight: usize,
    /// Moving objects are polled by learnt ages.
    pub(super) adaptive: Option<Spending>,
}

impl Watch {
    /// The policy of a kind.
    pub(super) fn of(&self, kind: &Kind) -> &Policy {
        self.kinds.get(kind).unwrap_or(&self.general)
    }
}

/// What adaptive polling may spend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spending {
    /// Requests for each that the interval would send,
    pub(super) spend: f64,
    /// unless they are configured otherwise.
    pub(super) share: Option<Spend>,
    /// No wait is longer; a twentieth more than the interval by default.
    pub(super) longest: Option<Duration>,
    /// No wait is shorter.
    pub(super) shortest: Duration,
    /// The first poll of an object is planned; otherwise it is sent at once.
    pub(super) plans_first: bool,
    /// The true hazards are known.
    pub(super) knows_all: bool,
    /// How long the provider needs at most, for each time that it documents: other than 1 to see what a wrong guess does.
    pub(super) prior: f64,
}

impl Default for Spending {
    fn default() -> Spending {
        Spending {
            spend: 1.0,
            share: None,
            longest: None,
            shortest: Duration::from_secs(30),
            plans_first: true,
            knows_all: false,
            prior: 1.0,
        }
    }
}

/// A timer for each object.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    /// Waits before the polls.
    pub(super) waits: Vec<Duration>,
    /// Whether the last wait repeats for good; otherwise polling stops after it.
    pub(super) is_endless: bool,
    /// It polls the charge's permission first, and the charge only when that succeeded.
    pub(super) asks_twice: bool,
    /// One failure stops it permanently.
    pub(super) stops_on_failure: bool,
    /// It never polls refunds.
    pub(super) skips_refunds: bool,
}

/// Rounds over what is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    pub(super) period: Duration,
    /// Time of day of the first round.
    pub(super) offset: Duration,
    /// At most this many objects a round.
    pub(super) most: Option<usize>,
    /// Wait after each answer.
    pub(super) pause: Duration,
    /// The least recently polled object first; otherwise the oldest.
    pub(super) by_last_look: bool,
    /// The first answer closes a refund, whatever it says.
    pub(super) closes_refunds: bool,
}

const ROUNDS: Rounds = Rounds {
    period: HOUR,
    offset: Duration::ZERO,
    most: None,
    pause: Duration::ZERO,
    by_last_look: false,
    closes_refunds: false,
};

impl Rhythm {
    /// The daemon with a policy for each kind, and one for all other kinds.
    pub fn ours(
        name: &str,
        about: &str,
        general: Policy,
        kinds: BTreeMap<Kind, Policy>,
        most_in_flight: usize,
    ) -> Rhythm {
        let most_in_flight = most_in_flight.max(1);
        let learning = kinds.values().chain([&general]).find_map(|policy| policy.learning);
        let adaptive = learning.map(|learning| Spending {
            share: Some(learning.spend),
            longest: learning.longest,
            shortest: learning.shortest,
            ..Spending::default()
        });
        let how = How::Ours(Watch { general, kinds, most_in_flight, adaptive });
        Rhythm { name: name.to_owned(), about: about.to_owned(), how }
    }

    /// The daemon with the given interval and first polls.
    pub fn with_interval(name: &str, about: &str, interval: Duration, first_polls: Vec<Duration>) -> Rhythm {
        let policy = Policy { interval, first_polls, ..Policy::default() };
        Rhythm::ours(name, about, policy, BTreeMap::new(), 16)
    }

    /// The daemon with `rhythm = "adaptive"` and the given spending.
    pub(super) fn adaptive(name: &str, about: &str, spending: Spending) -> Rhythm {
        let watch = Watch {
            general: Policy { learning: Some(Learning::default()), ..Policy::default() },
            kinds: BTreeMap::new(),
            most_in_flight: 16,
            adaptive: Some(spending),
        };
        Rhythm { name: name.to_owned(), about: about.to_owned(), how: How::Ours(watch) }
    }

    /// The daemon with its defaults, and with the first polls of config.toml's example.
    pub fn own() -> Vec<Rhythm> {
        vec![
            Rhythm::with_interval(
                "hourly",
                "reconciled with its defaults: every hour, spread by 10 %",
                HOUR,
                Vec::new(),
            ),
            Rhythm::with_interval(
                "early-ladder",
                "reconciled with first_polls = [\"1m\", \"5m\", \"15m\"], then every hour",
                HOUR,
                vec![MINUTE, MINUTE * 5, MINUTE * 15],
            ),
            Rhythm::adaptive(
                "adaptive",
                "reconciled with rhythm = \"adaptive\": polls at learnt ages, for the requests of hourly polls",
                Spending::default(),
            ),
        ]
    }

    /// Adaptive polling that knows the true ages from the beginning, as no program can: the best that can be learnt.
    pub fn all_knowing() -> Rhythm {
        Rhythm::adaptive(
            "adaptive-true",
            "adaptive if it knew the true ages from the beginning, as no program can",
            Spending { knows_all: true, ..Spending::default() },
        )
    }

    /// What shops run today.
    pub fn peers() -> Vec<Rhythm> {
        let timers = |waits: Vec<Duration>, is_endless| Timers {
            waits,
            is_endless,
            asks_twice: false,
            stops_on_failure: false,
            skips_refunds: false,
        };
        let peer =
            |name: &str, about: &str, how| Rhythm { name: name.to_owned(), about: about.to_owned(), how };
        vec![
            peer(
                "two-gets",
                "a 10-minute timer with two GETs a charge; one failure ends it; refunds are never polled",
                How::Timers(Timers {
                    asks_twice: true,
                    stops_on_failure: true,
                    skips_refunds: true,
                    ..timers(vec![MINUTE * 10], true)
                }),
            ),
            peer(
                "oldest-100",
                "the oldest 100 rows every 30 minutes, one after another; a refund is closed at its first answer",
                How::Rounds(Rounds { period: MINUTE * 30, most: Some(100), closes_refunds: true, ..ROUNDS }),
            ),
            peer(
                "all-at-once",
                "everything pending in each run, one after another without pause (assumes a run an hour)",
                How::Rounds(ROUNDS),
            ),
            peer(
                "36-a-run",
                "36 a run with 300 ms between them (assumes a run every 5 minutes, least recently polled first)",
                How::Rounds(Rounds {
                    period: MINUTE * 5,
                    most: Some(36),
                    pause: Duration::from_millis(300),
                    by_last_look: true,
                    ..ROUNDS
                }),
            ),
            peer(
                "daily",
                "everything pending once a day, one after another (assumes 03:00)",
                How::Rounds(Rounds { period: DAY, offset: HOUR * 3, ..ROUNDS }),
            ),
            peer(
                "six-looks",
                "after 60 s, then five times after 300 s, then never again",
                How::Timers(timers([vec![MINUTE], vec![MINUTE * 5; 5]].concat(), false)),
            ),
            peer(
                "two-looks",
                "after an hour, a day after that, then never again",
                How::Timers(timers(vec![HOUR, DAY], false)),
            ),
            peer(
                "half-hourly",
                "each object every 30 minutes until final",
                How::Timers(timers(vec![MINUTE * 30], true)),
            ),
            peer(
                "naive-hourly",
                "each object every hour by its own timer, with no budget",
                How::Timers(timers(vec![HOUR], true)),
            ),
        ]
    }

    /// All of them, ours first.
    pub fn all() -> Vec<Rhythm> {
        let mut all = Rhythm::own();
        all.extend(Rhythm::peers());
        all
    }
}
