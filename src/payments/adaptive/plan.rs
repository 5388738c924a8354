//! The cheapest plan of polls for one kind, if a request costs as much as a given time of not knowing.
//!
//! Owns: the dynamic programme over ages. Must never know: how the hazard was learnt, how the price is found.
//!
//! Keller's inspection problem: an object ends at an unknown age. Between two polls at ages a and b the expected time of
//! not knowing is ∫ (F(t) − F(a)) dt, and a request is paid by those that are still open at a. With V(a) for an object
//! that was open at age a,
//!
//! V(a) = min over b of { price + ∫ₐᵇ (1 − S(t)/S(a)) dt + S(b)/S(a) · V(b) },
//!
//! where S is the share that reaches an age. All is relative to S(a), so that old ages, which few objects reach, lose no
//! precision.

use std::time::Duration;

use super::hazard::Piece;

/// In young ages the steps are this share of the age,
const STEP_SHARE: f64 = 1.0 / 64.0;
/// at least this long, in seconds,
const STEP_LEAST_S: f64 = 15.0;
/// and never longer than this share of the longest wait,
const STEP_MOST_SHARE: f64 = 1.0 / 16.0;
/// nor than this, in seconds.
const STEP_MOST_S: f64 = 240.0;
/// Where the hazard is constant for more than this many of the longest waits,
const LONG_PIECE: f64 = 8.0;
/// steps of this share of the longest wait do.
const STEP_LONG_SHARE: f64 = 1.0 / 4.0;
/// Ages between which waits differ by less are not kept, in milliseconds.
const SAME_WAIT_MS: u32 = 1000;
/// Ages that a smaller share of objects reaches are not planned.
const RARE: f64 = 1e-5;
/// Beyond what is planned, at least one object in this time ends, in seconds: otherwise a plan would never end.
const SLOWEST_END_S: f64 = 30.0 * 86_400.0;

/// Ages in small steps, with how many objects survive each.
#[derive(Debug, Clone)]
pub struct Terrain {
    ages_s: Vec<f64>,
    /// Of those that reach a step, how many survive it.
    survive: Vec<f64>,
    /// Of those that reach a step, how long they live within it, in seconds.
    lived_s: Vec<f64>,
    /// The hazard beyond the last age.
    beyond_per_s: f64,
}

/// What a plan costs for one object from its making on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Requests until its end is seen.
    pub polls: f64,
    /// Seconds from its end until it is seen.
    pub delay_s: f64,
}

/// When to poll next at each age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Ages and the age of the next poll after each, in milliseconds.
    next_ms: Vec<(u32, u32)>,
    shortest: Duration,
    longest: Duration,
    /// All waits are this many thousandths of what they were planned.
    stretch_permille: u32,
}

/// The plans of one kind, by moving state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plans(pub Vec<(String, Plan)>);

impl Plans {
    /// The plan for objects in this state.
    pub fn of(&self, state: &str) -> Option<&Plan> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(state)).map(|(_, plan)| plan)
    }
}

impl Terrain {
    /// The steps for a hazard and the longest wait that is allowed.
    pub fn new(curve: &[Piece], longest: Duration) -> Terrain {
        let longest_s = longest.as_secs_f64();
        let most_s = (longest_s * STEP_MOST_SHARE).clamp(STEP_LEAST_S, STEP_MOST_S);
        let mut terrain =
            Terrain { ages_s: vec![0.0], survive: Vec::new(), lived_s: Vec::new(), beyond_per_s: 0.0 };
        let mut open = 1.0;
        for piece in curve {
            terrain.beyond_per_s = piece.per_s;
            let width_s = piece.to_s - piece.from_s;
            let step_s = match width_s > LONG_PIECE * longest_s {
                true => longest_s * STEP_LONG_SHARE,
                false => (piece.from_s * STEP_SHARE).clamp(STEP_LEAST_S, most_s),
            };
            let steps = (width_s / step_s).ceil().max(1.0);
            let step_s = width_s / steps;
            let survives = (-piece.per_s * step_s).exp();
            let lived_s = lived_s(piece.per_s, step_s);
            let mut step = 1.0;
            while step <= steps {
                terrain.ages_s.push(piece.from_s + step_s * step);
                terrain.survive.push(survives);
                terrain.lived_s.push(lived_s);
                open *= survives;
                step += 1.0;
            }
            if open < RARE && piece.to_s > longest_s {
                break;
            }
        }
        terrain.beyond_per_s = terrain.beyond_per_s.max(1.0 / SLOWEST_END_S);
        terrain
    }

    /// The cheapest plan if a request costs `price_s` seconds of not knowing, and what it costs.
    pub fn plan(&self, price_s: f64, shortest: Duration, longest: Duration) -> (Plan, Cost) {
        let (shortest_s, longest_s) = (shortest.as_secs_f64(), longest.as_secs_f64());
        let last = self.ages_s.len() - 1;
        // Beyond the last age all waits are the longest.
        let ends = 1.0 - (-self.beyond_per_s * longest_s).exp();
        let beyond =
            Cost { polls: 1.0 / ends, delay_s: (longest_s - lived_s(self.beyond_per_s, longest_s)) / ends };
        let mut value_s = vec![0.0; self.ages_s.len()];
        let mut costs = vec![beyond; self.ages_s.len()];
        let mut next = vec![last; self.ages_s.len()];
        value_s[last] = price_s * beyond.polls + beyond.delay_s;
        for from in (0..last).rev() {
            let (mut open, mut lived_s) = (1.0, 0.0);
            let mut best = (f64::INFINITY, last, Cost { polls: 0.0, delay_s: 0.0 });
            for to in from + 1..=last {
                lived_s += open * self.lived_s[to - 1];
                open *= self.survive[to - 1];
                let wait_s = self.ages_s[to] - self.ages_s[from];
                if wait_s > longest_s + 0.5 && to > from + 1 {
                    break;
                }
                if wait_s < shortest_s - 0.5 && to < last {
                    continue;
                }
                let delay_s = wait_s - lived_s;
                let value_s = price_s + delay_s + open * value_s[to];
                if value_s < best.0 {
                    let then = costs[to];
                    let cost =
                        Cost { polls: 1.0 + open * then.polls, delay_s: delay_s + open * then.delay_s };
                    best = (value_s, to, cost);
                }
            }
            (value_s[from], next[from], costs[from]) = best;
        }
        let next_ms = (0..last).map(|place| (ms(self.ages_s[place]), ms(self.ages_s[next[place]]))).collect();
        let next_ms = without_equal_waits(next_ms);
        (Plan { next_ms, shortest, longest, stretch_permille: 1000 }, costs[0])
    }

    /// How many polls a fixed interval would need for one object, its first at its making included.
    pub fn polls_every(&self, interval: Duration) -> f64 {
        let interval_s = interval.as_secs_f64();
        // One at the making, and one after each interval that it survives, and the one that sees the end.
        let (mut polls, mut open, mut at_s, mut poll_s) = (2.0, 1.0, 0.0, interval_s);
        for (survive, to_s) in self.survive.iter().zip(&self.ages_s[1..]) {
            let per_s = -survive.max(f64::MIN_POSITIVE).ln() / (to_s - at_s);
            let begun_s = at_s;
            let begun = open;
            while poll_s <= *to_s {
                polls += begun * (-per_s * (poll_s - begun_s)).exp();
                poll_s += interval_s;
            }
            open *= survive;
            at_s = *to_s;
        }
        let ends = 1.0 - (-self.beyond_per_s * interval_s).exp();
        polls + open * (1.0 - ends) / ends
    }
}

/// How long an object lives within a time, if it ends at this rate.
fn lived_s(per_s: f64, time_s: f64) -> f64 {
    let ends = per_s * time_s;
    if ends < 1e-6 { time_s * (1.0 - ends / 2.0) } else { -(-ends).exp_m1() / per_s }
}

/// Leaves out ages with the same wait as the ages before and after: the plan is interpolated between the others.
fn without_equal_waits(next_ms: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    let wait = |place: usize| next_ms[place].1 - next_ms[place].0;
    let is_same = |one: usize, other: usize| wait(one).abs_diff(wait(other)) < SAME_WAIT_MS;
    let Some(last) = next_ms.len().checked_sub(1) else { return next_ms };
    let is_kept = |place: usize| {
        place == 0 || place == last || !(is_same(place - 1, place) && is_same(place, place + 1))
    };
    (0..=last).filter(|place| is_kept(*place)).map(|place| next_ms[place]).collect()
}

fn ms(seconds: f64) -> u32 {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

impl Plan {
    /// The same plan, with waits that are longer by a factor.
    #[must_use]
    pub fn stretched(self, factor: f64) -> Plan {
        let permille = Duration::try_from_secs_f64(factor).unwrap_or_default().as_millis();
        Plan { stretch_permille: u32::try_from(permille).unwrap_or(u32::MAX).max(1000), ..self }
    }

    /// How long to wait after a poll at this age.
    pub fn wait(&self, age: Duration) -> Duration {
        self.unstretched(age).saturating_mul(self.stretch_permille) / 1000
    }

    /// The wait as it was planned.
    pub(super) fn unstretched(&self, age: Duration) -> Duration {
        let age_ms = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
        let after = self.next_ms.partition_point(|(from, _)| *from <= age_ms);
        let (Some((from, next)), Some((to, then))) =
            (after.checked_sub(1).and_then(|place| self.next_ms.get(place)), self.next_ms.get(after))
        else {
            return self.longest;
        };
        // Between two planned ages the next poll is between theirs.
        let share = f64::from(age_ms - from) / f64::from(to - from);
        let next_ms = f64::from(*next) + share * (f64::from(*then) - f64::from(*next));
        let wait = Duration::try_from_secs_f64((next_ms - f64::from(age_ms)) / 1000.0).unwrap_or_default();
        wait.clamp(self.shortest, self.longest)
    }

    /// The longest that it waits.
    pub fn longest(&self) -> Duration {
        self.longest.saturating_mul(self.stretch_permille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SHORTEST: Duration = Duration::from_secs(30);

    fn piece(from_s: f64, to_s: f64, per_s: f64) -> Piece {
        Piece { from_s, to_s, per_s }
    }

    #[test]
    fn with_a_constant_hazard_all_waits_are_the_same_and_follow_the_square_root() {
        // 1/h is two hours and the price 60 s: the rule says sqrt(2 c / h), the exact wait is a little longer.
        let terrain = Terrain::new(&[piece(0.0, 1_000_000.0, 1.0 / 7200.0)], HOUR);
        let (plan, cost) = terrain.plan(60.0, SHORTEST, HOUR);
        let rule_s = (2.0 * 60.0 * 7200.0_f64).sqrt();
        for age_s in [0, 5000, 30_000] {
            let wait_s = plan.wait(Duration::from_secs(age_s)).as_secs_f64();
            assert!((wait_s / rule_s - 1.0).abs() < 0.15, "{wait_s} {rule_s}");
        }
        assert!((cost.delay_s / (rule_s / 2.0) - 1.0).abs() < 0.15, "{cost:?}");
    }

    #[test]
    fn polls_gather_where_ends_do() {
        // Nothing for 20 hours, then all within ten minutes.
        let curve =
            [piece(0.0, 72_000.0, 1e-9), piece(72_000.0, 72_600.0, 0.01), piece(72_600.0, 90_000.0, 0.01)];
        let (plan, cost) = Terrain::new(&curve, HOUR).plan(60.0, SHORTEST, HOUR);
        assert_eq!(plan.wait(Duration::from_secs(3600)), HOUR);
        assert!(plan.wait(Duration::from_secs(72_060)) < Duration::from_secs(240));
        // The wait before never jumps over the ten minutes.
        let wait = plan.wait(Duration::from_secs(70_500));
        assert!(wait < Duration::from_secs(1900), "{wait:?}");
        assert!(cost.delay_s < 140.0 && cost.polls < 25.0, "{cost:?}");
    }

    #[test]
    fn an_hourly_poll_needs_one_and_one_for_each_hour_begun() {
        // All end at 100 minutes: polls at 0, 1 and 2 hours.
        let curve = [piece(0.0, 5990.0, 1e-12), piece(5990.0, 6010.0, 1.0), piece(6010.0, 9000.0, 1.0)];
        let polls = Terrain::new(&curve, HOUR).polls_every(HOUR);
        assert!((polls - 3.0).abs() < 0.01, "{polls}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_wait_is_within_its_limits_and_a_higher_price_never_asks_more(
            rates in proptest::collection::vec(-14.0f64..-2.0, 1..30), price_s in 1.0f64..5000.0, age_s in 0u64..2_000_000,
        ) {
            let mut from_s = 0.0;
            let curve: Vec<Piece> = rates.iter().map(|rate| {
                let to_s = f64::max(30.0, from_s * 1.5);
                let piece = piece(from_s, to_s, rate.exp());
                from_s = to_s;
                piece
            }).collect();
            let terrain = Terrain::new(&curve, HOUR);
            let (plan, cost) = terrain.plan(price_s, SHORTEST, HOUR);
            let wait = plan.wait(Duration::from_secs(age_s));
            prop_assert!(wait >= SHORTEST && wait <= HOUR, "{wait:?}");
            let dearer = terrain.plan(price_s * 2.0, SHORTEST, HOUR).1;
            prop_assert!(dearer.polls <= cost.polls + 1e-6 && dearer.delay_s >= cost.delay_s - 1e-6);
            prop_assert!(terrain.polls_every(HOUR) >= 2.0);
        }
    }
}
