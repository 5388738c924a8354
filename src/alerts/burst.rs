//! Which alerts of a burst are messages of their own, and which wait to be combined. Pure.
//!
//! Owns: the windows of one target. Must never know: the target, the store, any text. Time is an argument: the clock's
//! monotonic time.
//!
//! A window begins with an alert. The first alerts in it are sent alone; those beyond its limit wait for its end and
//! are then sent together. While a burst lasts, window follows window: there is then one message in each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alerting::Alerting;
use crate::payments::alert::{Alert, AlertKind};
use crate::payments::object::AccountName;
use crate::time::later;

/// A window that somebody waited for is forgotten after this many times its length.
const FORGOTTEN_AFTER: u32 = 60;

/// Alerts that one message may be about: one kind of one account, which is live or a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Whether the account is a sandbox.
    pub is_sandbox: bool,
    /// The account.
    pub account: AccountName,
    /// The kind.
    pub kind: AlertKind,
    /// Whether they are ends that were found late.
    pub is_late: bool,
}

impl Group {
    /// The group of an alert.
    pub fn of(alert: &Alert, is_sandbox: bool, rules: &Alerting) -> Group {
        let is_late = is_late(alert, rules);
        Group { is_sandbox, account: alert.account.clone(), kind: alert.kind.clone(), is_late }
    }
}

/// Whether an alert reports an end that was found long after it happened.
pub fn is_late(alert: &Alert, rules: &Alerting) -> bool {
    let is_end = matches!(alert.kind, AlertKind::Declined | AlertKind::Canceled | AlertKind::Notable);
    is_end && later(alert.occurred_at, rules.late_after()) < alert.found_at
}

/// What to do with an alert that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send it alone, now.
    Alone,
    /// Wait until this time.
    Wait(Duration),
    /// Send it now, together with the others that waited.
    Together,
}

/// The windows of one target.
#[derive(Debug, Default)]
pub struct Bursts {
    all: Window,
    groups: BTreeMap<Group, Window>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    began: Option<Duration>,
    sent: usize,
    is_waited_for: bool,
}

impl Window {
    /// What the window allows. One that has ended begins again, unless somebody waited for its end.
    fn step(&mut self, limit: usize, length: Duration, now: Duration) -> Step {
        let end = self.began.map(|began| began + length);
        match end {
            Some(end) if now < end && self.sent >= limit => Step::Wait(end),
            Some(end) if now < end => Step::Alone,
            Some(_) if self.is_waited_for => Step::Together,
            _ => {
                *self = Window { began: Some(now), ..Window::default() };
                if limit == 0 { Step::Wait(now + length) } else { Step::Alone }
            }
        }
    }
}

impl Bursts {
    /// What to do with the next alert of a group. [`Step::Alone`] counts as sent.
    pub fn step(&mut self, group: &Group, rules: &Alerting, now: Duration) -> Step {
        let length = rules.window();
        let all = self.all.step(rules.storm_over, length, now);
        let window = self.groups.entry(group.clone()).or_default();
        // A late end is nothing to be woken by: it always waits for the others.
        let own = window.step(if group.is_late { 0 } else { rules.group_over }, length, now);
        match (own, all) {
            (Step::Wait(until), _) => {
                window.is_waited_for = true;
                Step::Wait(until)
            }
            (_, Step::Wait(until)) => {
                self.all.is_waited_for = true;
                Step::Wait(until)
            }
            (Step::Alone, Step::Alone) => {
                window.sent += 1;
                self.all.sent += 1;
                Step::Alone
            }
            _ => Step::Together,
        }
    }

    /// Alerts of these groups that waited are sent together now: the next windows begin, in which nothing more of them
    /// is sent alone.
    pub fn flushed(&mut self, groups: impl IntoIterator<Item = Group>, rules: &Alerting, now: Duration) {
        for group in groups {
            let next = Window { began: Some(now), sent: rules.group_over, is_waited_for: false };
            self.groups.insert(group, next);
        }
        if self.all.step(rules.storm_over, rules.window(), now) == Step::Together {
            self.all = Window { began: Some(now), sent: rules.storm_over, is_waited_for: false };
        }
    }

    /// Counts a message that no window delays.
    pub fn counted(&mut self) {
        self.all.sent = self.all.sent.saturating_add(1);
    }

    /// Forgets windows that are over.
    pub fn tidy(&mut self, rules: &Alerting, now: Duration) {
        self.groups.retain(|_, window| {
            let lasts = if window.is_waited_for { FORGOTTEN_AFTER } else { 1 };
            window.began.is_some_and(|began| now < began + rules.window() * lasts)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;
    use proptest::prelude::*;

    fn group(account: &str) -> Group {
        let account = account.parse().unwrap();
        Group { is_sandbox: false, account, kind: AlertKind::Declined, is_late: false }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_go_alone_the_rest_waits_and_a_lasting_burst_brings_one_message_a_window() {
        let (rules, shop) = (Alerting::default(), group("shop"));
        let mut bursts = Bursts::default();
        for second in 0..5 {
            assert_eq!(bursts.step(&shop, &rules, at(second)), Step::Alone);
        }
        assert_eq!(bursts.step(&shop, &rules, at(5)), Step::Wait(at(60)));
        assert_eq!(bursts.step(&group("other"), &rules, at(6)), Step::Alone, "another account is no burst");
        assert_eq!(bursts.step(&shop, &rules, at(60)), Step::Together);
        bursts.flushed([shop.clone()], &rules, at(60));
        assert_eq!(bursts.step(&shop, &rules, at(61)), Step::Wait(at(120)));
        assert_eq!(bursts.step(&shop, &rules, at(120)), Step::Together);
        bursts.flushed([shop.clone()], &rules, at(120));
        assert_eq!(bursts.step(&shop, &rules, at(180)), Step::Alone, "the burst is over");
    }

    #[test]
    fn a_quiet_window_leaves_nothing_behind() {
        let (rules, shop) = (Alerting::default(), group("shop"));
        let mut bursts = Bursts::default();
        for minute in 0..20 {
            assert_eq!(bursts.step(&shop, &rules, at(61 * minute)), Step::Alone);
            bursts.tidy(&rules, at(61 * minute));
            assert_eq!(bursts.groups.len(), 1);
        }
        bursts.tidy(&rules, at(9_999));
        assert!(bursts.groups.is_empty());
    }

    #[test]
    fn beyond_the_storm_cap_everything_waits_whatever_its_account() {
        let rules = Alerting { storm_over: 3, ..Alerting::default() };
        let mut bursts = Bursts::default();
        let names = ["a", "b", "c", "d", "e"];
        let steps = names.map(|name| bursts.step(&group(name), &rules, at(1)));
        let (alone, wait) = (Step::Alone, Step::Wait(at(61)));
        assert_eq!(steps, [alone, alone, alone, wait, wait]);
        assert_eq!(bursts.step(&group("d"), &rules, at(61)), Step::Together);
        bursts.flushed([group("d"), group("e")], &rules, at(61));
        assert_eq!(bursts.step(&group("f"), &rules, at(62)), Step::Wait(at(121)), "the storm may go on");
        assert_eq!(bursts.step(&group("f"), &rules, at(121)), Step::Together);
    }

    #[test]
    fn what_is_late_always_waits() {
        let rules = Alerting::default();
        let late = Group { is_late: true, ..group("shop") };
        let mut bursts = Bursts::default();
        assert_eq!(bursts.step(&late, &rules, at(0)), Step::Wait(at(60)));
        assert_eq!(bursts.step(&group("shop"), &rules, at(1)), Step::Alone);
        assert_eq!(bursts.step(&late, &rules, at(60)), Step::Together);
        bursts.flushed([late.clone()], &rules, at(60));
        assert_eq!(bursts.step(&late, &rules, at(200)), Step::Wait(at(260)), "later ones never come alone");
    }

    #[test]
    fn an_end_is_late_by_its_age_and_a_countdown_never_is() {
        let rules = Alerting { late_after_h: 20, ..Alerting::default() };
        let mut declined = alert("a/1");
        assert!(is_late(&declined, &rules) && !is_late(&declined, &Alerting::default()));
        declined.kind = AlertKind::Overdue;
        assert!(!is_late(&declined, &rules));
    }

    proptest! {
        /// However alerts come: in any window, no group and no target gets more messages of their own than allowed,
        /// and nothing waits for longer than a window.
        #[test]
        fn no_window_holds_more_than_its_limit(
            arrivals in proptest::collection::vec((0u64..40, 0usize..4), 1..200),
            group_over in 1usize..4, storm_over in 1usize..9,
        ) {
            let rules = Alerting { group_over, storm_over, ..Alerting::default() };
            let groups = ["a", "b", "c", "d"].map(group);
            let mut bursts = Bursts::default();
            let (mut now, mut alone): (u64, Vec<(u64, usize)>) = (0, Vec::new());
            for (pause, which) in arrivals {
                now += pause;
                match bursts.step(&groups[which], &rules, at(now)) {
                    Step::Alone => alone.push((now, which)),
                    Step::Wait(until) => prop_assert!(until > at(now) && until <= at(now + 60)),
                    Step::Together => bursts.flushed([groups[which].clone()], &rules, at(now)),
                }
            }
            for (began, _) in &alone {
                let within = alone.iter().filter(|(sent, _)| sent >= began && *sent < began + 60);
                // Two windows may touch.
                prop_assert!(within.count() <= 2 * storm_over);
            }
        }
    }
}
