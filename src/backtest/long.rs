//! Made-up pasts of many days, on which policies that learn are measured.
//!
//! Owns: how long the objects of each last. Must never know: policies.

use std::time::Duration;

use jiff::Timestamp;

use super::draws::{Draws, ended, past, usual_life};
use super::past::Past;
use crate::time::later;

/// The long pasts by name, each with what happens in it.
pub const LONG_PASTS: [(&str, &str); 9] = [
    ("steady-10-days", "10,000 objects created over ten days, as steady"),
    (
        "heavy-tailed-15",
        "10,000 charges over ten days: half end within 15 minutes, one in twenty after 20 hours",
    ),
    ("heavy-tailed-60", "the same, but half end within an hour"),
    ("three-kinds", "10,000 objects over ten days whose median lives are 5 minutes, 3 hours and 30 hours"),
    ("late-10-days", "10,000 refunds over ten days, each declined 20 hours later"),
    ("slower", "20,000 objects over two weeks; all made after three and a half days last ten times as long"),
    ("batch-days", "10,000 refunds over ten days, which all end at the next 06:00 or a few minutes later"),
    ("week-ends", "20,000 objects over four weeks; nothing ends on a Saturday or Sunday"),
    (
        "saturation",
        "20,000 objects a day for five days, as steady, with one quota for both kinds: hourly polls would need 2.6 times it",
    ),
];

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The objects of a long past; `None` for an unknown name.
pub(super) fn pasts(name: &str, beginning: Timestamp, draws: &mut Draws) -> Option<Vec<Past>> {
    let (objects, days) = match name {
        "slower" => (20_000, 14),
        "week-ends" => (20_000, 28),
        "saturation" => (100_000, 5),
        _ if LONG_PASTS.iter().any(|(known, _)| *known == name) => (10_000, 10),
        _ => return None,
    };
    let one = |number| {
        let made = draws.below(DAY * days);
        let (kind, life, state) = match name {
            "heavy-tailed-15" => ("charge", heavy(MINUTE * 15, draws), "Captured"),
            "heavy-tailed-60" => ("charge", heavy(HOUR, draws), "Captured"),
            "three-kinds" => match draws.number(10) {
                0..5 => ("charge", log_normal(MINUTE * 5, 1.0, draws), "Captured"),
                5..8 => ("refund", log_normal(HOUR * 3, 1.0, draws), "Refunded"),
                _ => ("capture", log_normal(HOUR * 30, 1.0, draws), "Completed"),
            },
            "late-10-days" => ("refund", HOUR * 20 + draws.below(MINUTE * 10), "Declined"),
            "batch-days" => ("refund", until_six(made) + draws.below(MINUTE * 10), "Refunded"),
            _ => {
                let (kind, life) = usual_life(draws);
                let life = match name {
                    "slower" if made > DAY * 7 / 2 => life * 10,
                    "week-ends" => not_at_the_week_end(made, life),
                    _ => life,
                };
                match (name, kind) {
                    // Kinds of no API share one operation, and so one quota.
                    ("saturation", "charge") => ("quick", life, "Ended"),
                    ("saturation", _) => ("slow", life, "Ended"),
                    _ => (kind, life, "Declined"),
                }
            }
        };
        let created_at = later(beginning, made);
        ended(past(kind, "MADE", number, created_at), later(created_at, life), state)
    };
    Some((0..objects).map(one).collect())
}

/// Log-normal with a sigma of 1.5, and one in twenty after 20 hours, give or take half an hour.
fn heavy(median: Duration, draws: &mut Draws) -> Duration {
    match draws.number(20) {
        0 => HOUR * 39 / 2 + draws.below(HOUR),
        _ => log_normal(median, 1.5, draws),
    }
}

/// A life of one second to thirteen days.
fn log_normal(median: Duration, sigma: f64, draws: &mut Draws) -> Duration {
    // The method of Box and Muller.
    let (one, other) = (draws.unit().max(f64::MIN_POSITIVE), draws.unit());
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    let life_s = median.as_secs_f64() * (sigma * normal).exp();
    Duration::from_secs_f64(life_s.clamp(1.0, 13.0 * 86_400.0))
}

/// From a time since midnight of the first day until the next 06:00.
fn until_six(made: Duration) -> Duration {
    let since_six = (made.as_secs() + 18 * 3600) % 86_400;
    Duration::from_secs(86_400 - since_six)
}

/// An end on a Saturday or Sunday is put off until Monday. The first day is a Monday.
fn not_at_the_week_end(made: Duration, life: Duration) -> Duration {
    let end = made + life;
    let in_week_s = end.as_secs() % (7 * 86_400);
    match in_week_s.checked_sub(5 * 86_400) {
        Some(late_s) => life + Duration::from_secs(2 * 86_400 - late_s),
        None => life,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workload;
    use super::*;
    use crate::apis::pace::Quota;
    use crate::time::between;

    fn lives(name: &str) -> Vec<(Timestamp, Duration)> {
        let workload = Workload::named(name, Quota::LIVE, 3).unwrap();
        let life = |past: &Past| (past.final_at.unwrap(), between(past.created_at, past.final_at.unwrap()));
        workload.pasts.iter().map(life).collect()
    }

    fn median(name: &str) -> Duration {
        let mut lives: Vec<Duration> = lives(name).into_iter().map(|(_, life)| life).collect();
        lives.sort_unstable();
        lives[lives.len() / 2]
    }

    #[test]
    fn half_of_the_heavy_tailed_end_by_their_median_or_a_little_later() {
        for (name, minutes) in [("heavy-tailed-15", 15.0), ("heavy-tailed-60", 60.0)] {
            let median = median(name).as_secs_f64() / 60.0;
            assert!((median / minutes - 1.1).abs() < 0.1, "{name} {median}");
        }
    }

    #[test]
    fn batches_end_at_six_and_nothing_at_the_week_end() {
        for (end, life) in lives("batch-days") {
            let second = end.as_second().rem_euclid(86_400);
            assert!((6 * 3600..6 * 3600 + 601).contains(&second) && life <= DAY + MINUTE * 10, "{end}");
        }
        for (end, _) in lives("week-ends") {
            let weekday = end.to_zoned(jiff::tz::TimeZone::UTC).weekday();
            assert!(
                !matches!(weekday, jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday),
                "{end}"
            );
        }
    }
}
