//! `[alerting]`: when alerts are combined, marked as late, and repeated.
//!
//! Owns: its keys, defaults and checks. Must never know: any target, how anything is combined.

use std::time::Duration;

use serde::Deserialize;

use crate::problem::{Check, Problem};

/// `[alerting]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerting {
    /// This many alerts of one kind, account and environment within the window are messages of their own. The others
    /// become one message at its end.
    pub group_over: usize,
    /// The length of the window, in seconds.
    pub group_window_s: u64,
    /// This many messages go to one target within the window. Beyond it, one summary takes the place of all others.
    pub storm_over: usize,
    /// An end that is found later than this after it happened is late, in hours.
    pub late_after_h: u64,
    /// A condition that lasts is reported again after this many hours.
    pub repeat_after_h: u64,
    /// Whether objects that had ended long before they were enrolled are reported one by one on an account's first
    /// day.
    pub report_history: bool,
}

impl Default for Alerting {
    fn default() -> Alerting {
        Alerting {
            group_over: 5,
            group_window_s: 60,
            storm_over: 30,
            late_after_h: 24,
            repeat_after_h: 24,
            report_history: false,
        }
    }
}

impl Alerting {
    /// The length of the window.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.group_window_s)
    }

    /// From when on an end is late.
    pub fn late_after(&self) -> Duration {
        Duration::from_secs(self.late_after_h.saturating_mul(3600))
    }

    /// After which time a condition is reported again.
    pub fn repeat_after(&self) -> Duration {
        Duration::from_secs(self.repeat_after_h.saturating_mul(3600))
    }

    /// All that is wrong with the section.
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Check::new("alerting".to_owned());
        let mut range = |key: &str, value: u64, allowed: std::ops::RangeInclusive<u64>, default: &str| {
            if !allowed.contains(&value) {
                let what = format!("{value} is outside {} to {}", allowed.start(), allowed.end());
                check.problem(key, what, format!("{default} is the default"));
            }
        };
        let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        range("group_over", number(self.group_over), 1..=1_000, "5");
        range("group_window_s", self.group_window_s, 1..=3_600, "60");
        range("storm_over", number(self.storm_over), 1..=1_000, "30");
        range("late_after_h", self.late_after_h, 1..=720, "24");
        range("repeat_after_h", self.repeat_after_h, 1..=720, "24");
        check.finish(Some(())).err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_out_of_range_is_told_at_once_with_the_default() {
        assert_eq!(Alerting::default().problems(), []);
        let wrong = Alerting {
            group_over: 0,
            group_window_s: 0,
            storm_over: 9_999,
            late_after_h: 0,
            repeat_after_h: 721,
            report_history: true,
        };
        let problems = wrong.problems();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        let expected = ["group_over", "group_window_s", "storm_over", "late_after_h", "repeat_after_h"];
        assert_eq!(keys, expected.map(|key| format!("alerting.{key}")));
        assert_eq!(
            problems[4].to_string(),
            "alerting.repeat_after_h: 721 is outside 1 to 720 → 24 is the default"
        );
    }
}
