//! What a seed decides about a fleet: the objects and their fates, and what happens to the hosts and the database.

use std::time::Duration;

use amazon_pay_simulator::fault::{Fault, FaultKind};
use amazon_pay_simulator::provider::Random;

use super::tables::Losses;

/// The hosts' names.
pub const HOSTS: [&str; 3] = ["a", "b", "c"];
/// The accounts. The last one is polled by MWS.
pub const ACCOUNTS: [&str; 4] = ["shop", "shop-2", "shop-3", "old-shop"];
pub const MWS: &str = "old-shop";

/// Everything that will happen to one fleet.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub batches: Vec<Batch>,
    pub faults: Vec<Fault>,
    pub troubles: Vec<Trouble>,
    pub losses: Losses,
    /// The quota of an account: one request in this many seconds.
    pub seconds_a_request: u64,
    /// From then on nothing goes wrong any more.
    pub calm_at: Duration,
}

/// Objects that a shop enrols together, through this host if it can.
#[derive(Debug, Clone)]
pub struct Batch {
    pub at: Duration,
    pub host: usize,
    pub objects: Vec<Sprout>,
}

/// One object to create.
#[derive(Debug, Clone)]
pub struct Sprout {
    pub account: &'static str,
    /// Its kind in the simulator's words.
    pub kind: &'static str,
    pub steps: Vec<(Duration, &'static str, Option<&'static str>)>,
}

/// Something that happens to a host, or to the database.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    pub at: Duration,
    pub host: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    /// The process stands still for this time. Time passes.
    Freeze(Duration),
    /// The host does not reach the database.
    Cut(Duration),
    /// Nobody reaches the database.
    Outage(Duration),
    /// The process dies at this external effect.
    Kill { effects: u64, down_for: Duration, kept_permille: Option<u64> },
    /// It is asked to stop.
    Stop { down_for: Duration },
    /// Its wall clock is wrong by this many seconds from now on.
    Clock(i64),
}

type Fates = &'static [(&'static str, u64, &'static [(u64, u64, &'static str, Option<&'static str>)])];

/// Kind, frequency, steps with the shortest and longest delay in seconds.
const V2_FATES: Fates = &[
    ("authorization", 3, &[(5, 1200, "Declined", Some("HardDeclined"))]),
    ("capture", 3, &[(5, 1200, "Captured", None)]),
    ("capture", 2, &[(5, 1200, "Declined", Some("ProcessingFailure"))]),
    ("refund", 2, &[(5, 1200, "Refunded", None)]),
    ("refund", 2, &[(5, 1200, "Declined", Some("AmazonRejected"))]),
];
const MWS_FATES: Fates = &[
    ("authorization", 3, &[(5, 1200, "Declined", Some("InvalidPaymentMethod"))]),
    ("capture", 3, &[(5, 1200, "Completed", None)]),
    ("capture", 2, &[(5, 1200, "Declined", Some("AmazonRejected"))]),
    ("refund", 2, &[(5, 1200, "Completed", None)]),
    ("refund", 2, &[(5, 1200, "Declined", Some("ProcessingFailure"))]),
];

const FAULTS: &[FaultKind] = &[
    FaultKind::ServerError500,
    FaultKind::ServerError503,
    FaultKind::Throttle,
    FaultKind::Hang,
    FaultKind::Reset,
    FaultKind::TruncatedBody,
    FaultKind::SlowBody,
];

const SECOND: Duration = Duration::from_secs(1);

fn one_of<'a, T>(random: &mut Random, among: &'a [T]) -> &'a T {
    &among[usize::try_from(random.below(among.len() as u64)).expect("small")]
}

fn seconds(random: &mut Random, shortest: u64, longest: u64) -> Duration {
    Duration::from_millis(random.between(shortest * 1000, longest * 1000))
}

impl Plan {
    /// The fleet of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::for_matter(seed, "fleet", 0);
        let calm_at = seconds(&mut random, 600, 3600);
        let losses = Losses {
            calls: *one_of(&mut random, &[0, 3, 20]),
            answers: *one_of(&mut random, &[0, 3, 20]),
            late: *one_of(&mut random, &[0, 2, 10]),
        };
        let mut plan = Plan {
            seed,
            batches: Vec::new(),
            faults: Vec::new(),
            troubles: Vec::new(),
            losses,
            seconds_a_request: *one_of(&mut random, &[1, 2, 4]),
            calm_at,
        };
        let latest = calm_at.as_secs();
        for _ in 0..random.between(4, 30) {
            let at = SECOND * 20 + seconds(&mut random, 0, latest - 20);
            let count = *one_of(&mut random, &[1, 2, 4, 8, 12]);
            let objects = (0..count).map(|_| sprout(&mut random)).collect();
            let host = usize::try_from(random.below(3)).expect("small");
            plan.batches.push(Batch { at, host, objects });
        }
        plan.batches.sort_by_key(|batch| batch.at);
        for _ in 0..random.below(4) {
            let mut fault = Fault::always(*one_of(&mut random, FAULTS));
            fault.share = *one_of(&mut random, &[0.05, 0.3, 1.0]);
            fault.from = seconds(&mut random, 0, latest);
            fault.until = Some(fault.from + seconds(&mut random, 10, 600));
            fault.account = one_of(&mut random, &[None, Some(ACCOUNTS[0]), Some(MWS)]).map(str::to_owned);
            fault.retry_after_s = *one_of(&mut random, &[None, None, Some(3), Some(60)]);
            plan.faults.push(fault);
        }
        for _ in 0..random.between(1, 20) {
            let at = seconds(&mut random, 0, latest);
            let host = usize::try_from(random.below(3)).expect("small");
            let down_for = seconds(&mut random, 1, 120);
            let freeze_s = *one_of(&mut random, &[10, 40, 300]);
            let most_effects = *one_of(&mut random, &[10, 100, 500]);
            let what = match random.below(9) {
                0..3 => What::Freeze(seconds(&mut random, 1, freeze_s)),
                3 => What::Cut(seconds(&mut random, 1, 120)),
                4 => What::Outage(seconds(&mut random, 1, 60)),
                5 => What::Stop { down_for },
                6 => What::Clock(*one_of(&mut random, &[3600, -3600, 0])),
                _ => What::Kill {
                    effects: random.between(1, most_effects),
                    down_for,
                    kept_permille: *one_of(&mut random, &[None, None, Some(0), Some(500)]),
                },
            };
            plan.troubles.push(Trouble { at, host, what });
        }
        plan.troubles.sort_by_key(|trouble| trouble.at);
        plan
    }
}

fn sprout(random: &mut Random) -> Sprout {
    let account = *one_of(random, &ACCOUNTS);
    let fates = if account == MWS { MWS_FATES } else { V2_FATES };
    let mut left = random.below(fates.iter().map(|fate| fate.1).sum());
    let (kind, _, steps) = fates
        .iter()
        .find(|fate| match left.checked_sub(fate.1) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
        .expect("the weights add up");
    let steps = steps
        .iter()
        .map(|(shortest, longest, state, reason)| (seconds(random, *shortest, *longest), *state, *reason));
    Sprout { account, kind, steps: steps.collect() }
}
