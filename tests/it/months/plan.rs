//! What a seed decides: merchants, objects and their fates, faults, crashes, clocks.

use std::time::Duration;

use amazon_pay_simulator::fault::{Fault, FaultKind};
use amazon_pay_simulator::provider::Random;
use jiff::Timestamp;

use super::alerting::AlertPlan;
use super::disk;

/// Everything that will happen in one world.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub start: Timestamp,
    pub zone: &'static str,
    pub is_sandbox: bool,
    pub resting_h: u64,
    pub quarantine_h: u64,
    pub has_early_looks: bool,
    /// The account that is polled by learnt ages, if any.
    pub adaptive: Option<&'static str>,
    pub batches: Vec<Batch>,
    pub faults: Vec<Fault>,
    pub chat_failure_share: f64,
    pub chat_throttled_share: f64,
    /// Rules, silences and escalation; without it everybody gets everything.
    pub alerting: Option<AlertPlan>,
    pub lives: Vec<LifePlan>,
    pub jumps: Vec<(Duration, i64)>,
    /// From then on nothing goes wrong any more.
    pub calm_at: Duration,
    /// For a long world: the number of days with trouble.
    pub days: Option<u64>,
}

/// Objects that a shop enrols together.
#[derive(Debug, Clone)]
pub struct Batch {
    pub at: Duration,
    pub objects: Vec<Sprout>,
}

/// One object to create.
#[derive(Debug, Clone)]
pub struct Sprout {
    pub account: &'static str,
    /// Its kind in the simulator's words.
    pub kind: &'static str,
    pub steps: Vec<(Duration, &'static str, Option<&'static str>)>,
    pub amount: String,
    pub currency: &'static str,
    /// The amount that its capture moves, if that is not the requested one.
    pub captured: Option<String>,
    pub invisible_for: Duration,
    /// Enrolled by its parent only.
    pub is_child: bool,
    /// The provider refuses every request about it, as if it were another merchant's.
    pub is_refused: bool,
}

/// One run of the daemon during the trouble.
#[derive(Debug, Clone)]
pub struct LifePlan {
    pub lasts: Duration,
    /// It ends at this external effect, if that comes first.
    pub effects: Option<u64>,
    pub disk: Option<(disk::Fault, u64)>,
    /// Steps of the report writer that succeed, and then those that fail.
    pub report_disk: Option<(u64, u64)>,
    pub end: End,
    pub down_for: Duration,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is asked to stop.
    Stop,
    /// It is killed. `has_old_index`: of the index, only what was there at its start has reached the disk.
    Kill { has_old_index: bool },
    /// The power is cut: the synced part of the journal remains, and a share of the rest.
    PowerCut { kept_permille: u64 },
}

impl End {
    pub fn is_crash(self) -> bool {
        self != End::Stop
    }
}

pub const V2: &str = "shop";
pub const MWS: &str = "old-shop";

/// Days on which the calendar is special, and ordinary ones.
const STARTS: &[(&str, &str)] = &[
    ("Europe/Berlin", "2027-03-27T20:00:00Z"),
    ("Europe/Berlin", "2027-10-30T19:00:00Z"),
    ("America/New_York", "2027-03-13T23:00:00Z"),
    ("America/New_York", "2027-11-06T23:30:00Z"),
    ("America/Los_Angeles", "2028-02-28T20:00:00Z"),
    ("Europe/London", "2028-02-28T18:00:00Z"),
    ("Asia/Tokyo", "2027-12-31T10:00:00Z"),
    ("Australia/Lord_Howe", "2027-04-03T06:00:00Z"),
    ("America/Havana", "2027-03-13T22:00:00Z"),
    ("Asia/Kolkata", "2027-06-15T06:00:00Z"),
    ("Etc/UTC", "2027-01-15T06:00:00Z"),
    ("Pacific/Chatham", "2027-09-25T06:00:00Z"),
];

type Steps = &'static [(u64, u64, &'static str, Option<&'static str>)];

/// Fates: kind in the simulator, frequency (a weight), steps with the shortest and longest delay in minutes.
const V2_FATES: &[(&str, u64, Steps)] = &[
    ("authorization", 4, &[(1, 900, "Authorized", None), (5, 500, "Captured", None)]),
    ("authorization", 3, &[(1, 1000, "Declined", Some("HardDeclined"))]),
    ("authorization", 1, &[(1, 1000, "Declined", Some("TransactionTimedOut"))]),
    ("authorization", 1, &[(10, 600, "Canceled", Some("MerchantCanceled"))]),
    ("authorization", 1, &[(10, 600, "Authorized", None), (10, 500, "Canceled", Some("BuyerCanceled"))]),
    (
        "authorization",
        2,
        &[
            (1, 300, "Authorized", None),
            (1, 600, "CaptureInitiated", None),
            (1, 900, "Declined", Some("AmazonRejected")),
        ],
    ),
    ("authorization", 1, &[]),
    // An end without a reason.
    ("authorization", 1, &[(10, 600, "Canceled", None)]),
    // A step back, which is not in the provider's manual.
    (
        "authorization",
        2,
        &[
            (1, 300, "Authorized", None),
            (60, 600, "AuthorizationInitiated", None),
            (60, 500, "Captured", None),
        ],
    ),
    ("capture", 3, &[(1, 1000, "Captured", None)]),
    ("capture", 2, &[(1, 1000, "Declined", Some("ProcessingFailure"))]),
    // An end that cannot follow.
    ("capture", 2, &[(80, 500, "Canceled", Some("MerchantCanceled"))]),
    ("refund", 3, &[(1, 1100, "Refunded", None)]),
    ("refund", 3, &[(1, 1100, "Declined", Some("AmazonRejected"))]),
];

const MWS_FATES: &[(&str, u64, Steps)] = &[
    ("authorization", 3, &[(1, 1000, "Open", None), (5, 500, "Closed", Some("MaxCapturesProcessed"))]),
    ("authorization", 2, &[(1, 1000, "Declined", Some("InvalidPaymentMethod"))]),
    ("authorization", 1, &[(1, 400, "Closed", Some("OrderReferenceCanceled"))]),
    ("authorization", 1, &[(1, 400, "Closed", None)]),
    // An end that cannot follow, although it is a decline.
    ("authorization", 2, &[(1, 200, "Open", None), (80, 500, "Declined", Some("AmazonRejected"))]),
    ("capture", 3, &[(1, 1000, "Completed", None)]),
    ("capture", 3, &[(1, 1000, "Declined", Some("AmazonRejected"))]),
    ("refund", 2, &[(1, 1100, "Completed", None)]),
    ("refund", 2, &[(1, 1100, "Declined", Some("ProcessingFailure"))]),
];

const FAULTS: &[FaultKind] = &[
    FaultKind::ServerError500,
    FaultKind::ServerError502,
    FaultKind::ServerError503,
    FaultKind::ServerError504,
    FaultKind::HtmlErrorPage,
    FaultKind::Throttle,
    FaultKind::Hang,
    FaultKind::HangAfterHead,
    FaultKind::HangMidBody,
    FaultKind::Reset,
    FaultKind::TruncatedBody,
    FaultKind::OversizedBody,
    FaultKind::EndlessBody,
    FaultKind::SlowBody,
    FaultKind::EmptyBody,
    FaultKind::WrongId,
    FaultKind::UnknownState,
    FaultKind::UnknownReason,
    FaultKind::EntityBomb,
    FaultKind::GzipBomb,
    FaultKind::Redirect,
    FaultKind::RefusedCredentials,
    FaultKind::ClockSkew,
    FaultKind::WrongContentType,
    FaultKind::ManyHeaders,
];

/// How wrong a wall clock may be, in seconds: hours, days, years.
const FAR_S: &[i64] = &[
    9 * 3_600,
    -9 * 3_600,
    3 * 86_400,
    -3 * 86_400,
    400 * 86_400,
    -400 * 86_400,
    730 * 86_400,
    -730 * 86_400,
];

const MINUTE: Duration = Duration::from_secs(60);

fn minutes(random: &mut Random, shortest: u64, longest: u64) -> Duration {
    Duration::from_millis(random.between(shortest * 60_000, longest * 60_000))
}

fn one_of<'a, T>(random: &mut Random, among: &'a [T]) -> &'a T {
    let position = usize::try_from(random.below(among.len() as u64)).expect("small");
    &among[position]
}

impl Plan {
    /// The world of a seed: a few days.
    pub fn of(seed: u64) -> Plan {
        Plan::drawn(seed, None)
    }

    /// A long world of a seed: this many days of trouble, in which more happens and takes longer.
    pub fn lasting(seed: u64, days: u64) -> Plan {
        Plan::drawn(seed, Some(days.max(1)))
    }

    fn drawn(seed: u64, days: Option<u64>) -> Plan {
        let mut random = Random::for_matter(seed, "plan", 0);
        let (zone, start) = *one_of(&mut random, STARTS);
        let (shortest, longest) = days.map_or((4, 26), |days| (days * 24 - 12, days * 24 + 12));
        let calm_at = minutes(&mut random, shortest * 60, longest * 60);
        let mut plan = Plan {
            seed,
            start: start.parse().expect("the table holds times"),
            zone,
            is_sandbox: random.below(4) == 0,
            resting_h: random.between(2, 4),
            quarantine_h: random.between(2, 4),
            has_early_looks: random.below(2) == 0,
            // Drawn separately, so that the rest of the world does not depend on it.
            adaptive: *one_of(
                &mut Random::for_matter(seed, "adaptive", 0),
                &[None, None, None, None, Some(V2), Some(MWS)],
            ),
            batches: Vec::new(),
            faults: Vec::new(),
            chat_failure_share: *one_of(&mut random, &[0.0, 0.1, 0.5]),
            chat_throttled_share: *one_of(&mut random, &[0.0, 0.1]),
            alerting: AlertPlan::drawn(seed, calm_at, days),
            lives: Vec::new(),
            jumps: Vec::new(),
            calm_at,
            days,
        };
        plan.draw_objects(&mut random);
        plan.draw_faults(&mut random);
        plan.draw_lives(&mut random);
        if random.below(3) == 0 {
            plan.draw_jumps(&mut random);
        }
        // Drawn separately, so that the rest of the world does not depend on it.
        let mut apart = Random::for_matter(seed, "far jumps", 0);
        if apart.below(3) == 0 {
            plan.draw_far_jumps(&mut apart);
        }
        plan
    }

    fn draw_objects(&mut self, random: &mut Random) {
        // A sandbox closes what rests for two days.
        let is_stretched = self.days.is_some() && !self.is_sandbox;
        let batches =
            self.days.map_or(random.between(1, 3), |days| random.between(days / 4 + 1, days / 2 + 2));
        for ordinal in 0..batches {
            let latest = u64::try_from(self.calm_at.as_millis()).expect("short");
            let at =
                if ordinal == 0 { MINUTE } else { Duration::from_millis(random.between(60_000, latest)) };
            let count = *one_of(random, &[1, 2, 4, 8, 12]);
            let mut objects: Vec<Sprout> = (0..count).map(|_| sprout(random, is_stretched)).collect();
            // Drawn separately, so that the rest of the world does not depend on it.
            let mut apart = Random::for_matter(self.seed, "captured", ordinal);
            for sprout in &mut objects {
                sprout.captured = captured(&mut apart, sprout);
            }
            self.batches.push(Batch { at, objects });
        }
        if self.alerting.is_some() {
            let (at, objects) = AlertPlan::storm(self.seed, self.calm_at);
            self.batches.push(Batch { at, objects });
        }
        self.batches.sort_by_key(|batch| batch.at);
        let mut apart = Random::for_matter(self.seed, "refused", 0);
        if apart.below(3) == 0
            && let Some(sprout) =
                self.batches.iter_mut().flat_map(|batch| &mut batch.objects).find(|one| !one.is_child)
        {
            (sprout.is_refused, sprout.captured) = (true, None);
        }
    }

    fn draw_faults(&mut self, random: &mut Random) {
        for _ in 0..random.below(6 + self.days.unwrap_or(0)) {
            let mut fault = Fault::always(*one_of(random, FAULTS));
            fault.share = *one_of(random, &[0.02, 0.1, 0.3, 1.0]);
            fault.from = minutes(random, 0, self.days.map_or(20, |days| days * 24) * 60);
            let longest = if fault.share > 0.5 { 240 } else { 2000 };
            fault.until = Some(fault.from + minutes(random, 1, longest));
            fault.account = one_of(random, &[None, Some(V2), Some(MWS)]).map(str::to_owned);
            fault.retry_after_s = *one_of(random, &[None, None, Some(3), Some(90), Some(600)]);
            fault.skew_s = *one_of(random, &[3600, -3600, 1200]);
            fault.status = *one_of(random, &[401, 403]);
            self.faults.push(fault);
        }
    }

    fn draw_lives(&mut self, random: &mut Random) {
        for ordinal in 0..random.below(6 + self.days.unwrap_or(0)) {
            let is_soon = random.below(3) == 0;
            let longest_min = if self.days.is_some() { 4 * 1440 } else { 900 };
            let lasts = if is_soon { minutes(random, 1, 20) } else { minutes(random, 20, longest_min) };
            let longest = *one_of(random, &[30, 200, 600]);
            let effects = (random.below(4) > 0).then(|| random.between(1, longest));
            let end = match random.below(6) {
                0 => End::Stop,
                1 => End::Kill { has_old_index: true },
                2 | 3 => End::PowerCut { kept_permille: *one_of(random, &[0, 0, 400, 1000]) },
                _ => End::Kill { has_old_index: false },
            };
            let disk = (random.below(5) == 0).then(|| {
                let kept_permille = *one_of(random, &[0, 300, 1000]);
                let fault = *one_of(random, &[disk::Fault::Sync, disk::Fault::Write { kept_permille }]);
                (fault, random.below(60))
            });
            let down_for = match random.below(3) {
                0 => Duration::from_millis(random.between(10, 5_000)),
                1 => minutes(random, 0, 5),
                _ => minutes(random, 1, 240),
            };
            // Drawn separately, so that the rest of the world does not depend on it.
            let mut apart = Random::for_matter(self.seed, "report disk", ordinal);
            let report_disk =
                (apart.below(3) == 0).then(|| (apart.below(90), *one_of(&mut apart, &[1, 2, 20, 10_000])));
            self.lives.push(LifePlan { lasts, effects, disk, report_disk, end, down_for });
        }
    }

    fn draw_jumps(&mut self, random: &mut Random) {
        for _ in 0..random.between(1, 3) {
            let latest = self.calm_at.as_secs() / 60;
            self.jumps.push((minutes(random, 1, latest), *one_of(random, &[3600, -3600, 600, -600, 0])));
        }
        self.jumps.sort_unstable();
    }

    /// A wall clock that is far off, from the start or later, until it is corrected or permanently.
    fn draw_far_jumps(&mut self, random: &mut Random) {
        let latest = self.calm_at.as_secs() / 60;
        for _ in 0..random.between(1, 2) {
            let at = match random.below(2) {
                0 => Duration::ZERO,
                _ => minutes(random, 1, latest),
            };
            self.jumps.push((at, *one_of(random, FAR_S)));
            if random.below(4) > 0 {
                let shortly = *one_of(random, &[1, 5, 60, 900]);
                self.jumps.push((at + minutes(random, 1, shortly), 0));
            }
        }
        self.jumps.sort_unstable();
    }

    /// Smaller worlds, the most different first, to show a failure with less around it.
    pub fn smaller(&self) -> Vec<Plan> {
        let mut found = Vec::new();
        let mut push = |change: &dyn Fn(&mut Plan)| {
            let mut plan = self.clone();
            change(&mut plan);
            found.push(plan);
        };
        push(&|plan| plan.faults.clear());
        push(&|plan| plan.lives.clear());
        push(&|plan| plan.jumps.clear());
        push(&|plan| plan.adaptive = None);
        for position in 0..self.batches.len() {
            push(&|plan| drop(plan.batches.remove(position)));
            let count = self.batches[position].objects.len();
            if count > 1 {
                push(&|plan| plan.batches[position].objects.truncate(count / 2));
                push(&|plan| drop(plan.batches[position].objects.drain(..count / 2)));
            }
        }
        for position in 0..self.faults.len() {
            push(&|plan| drop(plan.faults.remove(position)));
        }
        for position in 0..self.lives.len() {
            push(&|plan| {
                plan.lives.remove(position);
            });
            if self.lives[position].report_disk.is_some() {
                push(&|plan| plan.lives[position].report_disk = None);
            }
        }
        for position in 0..self.jumps.len() {
            push(&|plan| {
                plan.jumps.remove(position);
            });
        }
        if self.chat_failure_share + self.chat_throttled_share > 0.0 {
            push(&|plan| (plan.chat_failure_share, plan.chat_throttled_share) = (0.0, 0.0));
        }
        push(&|plan| plan.alerting = None);
        for position in 0..self.alerting.as_ref().map_or(0, |alerting| alerting.acts.len()) {
            push(&|plan| {
                if let Some(alerting) = &mut plan.alerting {
                    alerting.acts.remove(position);
                }
            });
        }
        found.retain(|plan| plan.weight() < self.weight());
        found
    }

    /// A measure of its size.
    pub fn weight(&self) -> usize {
        let objects: usize = self.batches.iter().map(|batch| batch.objects.len()).sum();
        let chat = usize::from(self.chat_failure_share + self.chat_throttled_share > 0.0);
        let report_disks = self.lives.iter().filter(|life| life.report_disk.is_some()).count();
        objects
            + self.batches.len()
            + self.faults.len()
            + self.lives.len()
            + report_disks
            + self.jumps.len()
            + usize::from(self.adaptive.is_some())
            + chat
            + self.alerting.as_ref().map_or(0, |alerting| 1 + alerting.acts.len())
    }
}

/// Sometimes a capture moves a part, more than requested, or nothing.
fn captured(random: &mut Random, sprout: &Sprout) -> Option<String> {
    let is_captured =
        sprout.account == V2 && sprout.steps.last().is_some_and(|(_, state, _)| *state == "Captured");
    let share = *one_of(random, &[None, None, None, None, Some(0), Some(1), Some(5)]);
    let (whole, fraction) = sprout.amount.split_once('.').unwrap_or((sprout.amount.as_str(), ""));
    let minor: u64 = format!("{whole}{fraction}").parse().expect("an amount is a number");
    let captured = minor * share.filter(|_| is_captured)? / 3;
    Some(if fraction.is_empty() {
        captured.to_string()
    } else {
        format!("{}.{:02}", captured / 100, captured % 100)
    })
}

fn sprout(random: &mut Random, is_stretched: bool) -> Sprout {
    let (account, fates) = *one_of(random, &[(V2, V2_FATES), (MWS, MWS_FATES)]);
    let mut left = random.below(fates.iter().map(|(_, weight, _)| weight).sum());
    let (kind, _, steps) = fates
        .iter()
        .find(|(_, weight, _)| {
            let is_this = left < *weight;
            left = left.saturating_sub(*weight);
            is_this
        })
        .expect("a weight was drawn");
    let (currency, decimals) = *one_of(random, &[("USD", 2), ("EUR", 2), ("JPY", 0)]);
    let minor = random.between(100, 99_999);
    let amount =
        if decimals == 0 { minor.to_string() } else { format!("{}.{:02}", minor / 100, minor % 100) };
    // In a long world, every other object takes its time: a week or two.
    let stretch = if is_stretched { *one_of(random, &[1, 1, 5, 14]) } else { 1 };
    let steps = steps.iter().map(|(shortest, longest, state, reason)| {
        // Whole seconds, as in the provider's own times.
        let after = Duration::from_secs(minutes(random, *shortest, *longest * stretch).as_secs());
        (after, *state, *reason)
    });
    let steps = steps.collect();
    let is_child = account == MWS && *kind == "capture" && random.below(2) == 0;
    let invisible_for = match random.below(8) {
        0 if !is_child => minutes(random, 0, 8),
        1 if !is_child => minutes(random, 8, 40),
        _ => Duration::ZERO,
    };
    Sprout {
        account,
        kind,
        steps,
        amount,
        currency,
        captured: None,
        invisible_for,
        is_child,
        is_refused: false,
    }
}
