//! What is reported about operations that a provider puts on hold while objects wait for them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::apis::pace::Level;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::AccountName;
use crate::time::{earlier, later};

/// The operations of one account whose long hold has been reported, each with the start of its hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holds {
    told: BTreeMap<String, Timestamp>,
    /// Those that this process has reported; not stored.
    raised: BTreeSet<String>,
}

/// A change to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HoldChange {
    /// An object is due, and its operation has a long hold. After a restart again with the same start: the process may
    /// have ended before the alert was raised.
    Held { since: Timestamp, until: Timestamp },
    /// The reported hold is over.
    Ended { since: Timestamp },
}

impl Holds {
    /// Parses the stored form.
    pub(super) fn read(text: &str) -> Holds {
        Holds { told: serde_json::from_str(text).unwrap_or_default(), raised: BTreeSet::new() }
    }

    /// The form to store.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(&self.told).unwrap_or_default()
    }

    /// The operations whose hold has been reported.
    pub(super) fn operations(&self) -> impl Iterator<Item = &str> {
        self.told.keys().map(String::as_str)
    }

    /// Records the state of an operation's quota. `is_due` says whether an object waits for it.
    pub(super) fn note(
        &mut self,
        operation: &str,
        level: Option<&Level>,
        is_due: bool,
        now: Timestamp,
    ) -> Option<HoldChange> {
        let known = self.told.get(operation).copied();
        let held = level.and_then(|level| Some((level, level.held_already?)));
        match (known, held) {
            (Some(since), None) => {
                self.told.remove(operation);
                self.raised.remove(operation);
                Some(HoldChange::Ended { since })
            }
            (known, Some((level, already)))
                if !self.raised.contains(operation)
                    && (known.is_some() || (is_due && level.is_held_long())) =>
            {
                let since = known.unwrap_or_else(|| earlier(now, already));
                self.told.insert(operation.to_owned(), since);
                self.raised.insert(operation.to_owned());
                Some(HoldChange::Held { since, until: later(now, level.held_for) })
            }
            _ => None,
        }
    }
}

/// The alert for a change. `waiting` says what waits and what follows from that.
pub(super) fn notice(
    account: &AccountName,
    operation: &str,
    turn: &HoldChange,
    waiting: &str,
    where_to_look: &str,
    now: Timestamp,
) -> Alert {
    let whole = |at: Timestamp| at.round(jiff::Unit::Second).unwrap_or(at);
    let (kind, severity, since, headline, explanation, advice) = match turn {
        HoldChange::Held { since, until } => (
            AlertKind::ProviderHold,
            Severity::Warning,
            since,
            format!("The provider is holding back {operation} requests of account {account}"),
            format!(
                "Since {}, it has allowed no such request. The hold lasts until {} (Retry-After, or an \
                 exhausted quota). {waiting}",
                whole(*since),
                whole(*until)
            ),
            "Nothing to do yet: when the hold ends, one request is sent. If it is answered, the overdue ones follow. \
             If the hold continues, ask the provider about the quota of these credentials, and check \
             who else uses them; `reconciled status` shows the hold.",
        ),
        HoldChange::Ended { since } => (
            AlertKind::ProviderHoldEnded,
            Severity::Info,
            since,
            format!("The provider answers {operation} requests of account {account} again"),
            format!("It had held these requests back since {}.", whole(*since)),
            "Nothing to do: the waiting requests continue now.",
        ),
    };
    Alert {
        headline,
        explanation,
        advice: advice.to_owned(),
        where_to_look: where_to_look.to_owned(),
        ..Alert::new(kind, &format!("{account}/{operation}/{since}"), severity, account, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn level(already_s: u64, for_s: u64) -> Level {
        Level {
            available: 10,
            burst: 10,
            in_flight: 0,
            held_for: Duration::from_secs(for_s),
            held_already: Some(Duration::from_secs(already_s)),
            is_wanted: true,
        }
    }

    #[test]
    fn a_long_hold_is_told_once_while_an_object_is_due_and_its_end_too() {
        let mut holds = Holds::default();
        let mut note =
            |level: Level, is_due: bool, now_s: i64| holds.note("Get", Some(&level), is_due, at(now_s));
        assert_eq!(note(level(0, 60), true, 0), None, "a short one");
        assert_eq!(note(level(60, 600), false, 60), None, "nothing is due");
        let told = note(level(100, 560), true, 100);
        assert_eq!(told, Some(HoldChange::Held { since: at(0), until: at(660) }));
        assert_eq!(note(level(660, 0), true, 660), None, "already reported; the one request is in flight");
        assert_eq!(note(level(661, 600), true, 661), None, "renewed");
        let free = Level { held_already: None, ..level(0, 0) };
        assert_eq!(note(free, false, 1_300), Some(HoldChange::Ended { since: at(0) }));
        assert_eq!(note(free, true, 1_301), None);
    }

    #[test]
    fn many_short_holds_in_a_row_are_a_long_one() {
        let mut holds = Holds::default();
        assert_eq!(holds.note("Get", Some(&level(180, 60)), true, at(180)), None);
        let told = holds.note("Get", Some(&level(240, 60)), true, at(240));
        assert_eq!(told, Some(HoldChange::Held { since: at(0), until: at(300) }));
    }

    #[test]
    fn a_restart_tells_again_under_the_same_key_as_the_alert_may_be_missing() {
        let mut holds = Holds::default();
        holds.note("Get", Some(&level(0, 3_600)), true, at(0));
        let mut holds = Holds::read(&holds.text());
        let told = holds.note("Get", Some(&level(11, 3_590)), false, at(10));
        assert_eq!(told, Some(HoldChange::Held { since: at(0), until: at(3_600) }));
        assert_eq!(holds.note("Get", Some(&level(12, 3_589)), true, at(11)), None);
        assert_eq!(holds.note("Get", None, false, at(20)), Some(HoldChange::Ended { since: at(0) }));
        assert_eq!(holds, Holds::default());
        assert_eq!(Holds::read("nonsense"), Holds::default());
    }

    #[test]
    fn each_hold_has_its_own_key_and_says_what_waits() {
        let account: AccountName = "shop".parse().unwrap();
        let waiting = "S01 would be noticed late.";
        let turn = HoldChange::Held { since: at(0), until: at(3_600) };
        let told = notice(&account, "GetCharge", &turn, waiting, "Seller Central", at(1));
        assert_eq!((told.kind.as_str(), told.severity), ("provider-hold", Severity::Warning));
        assert_eq!(told.key, format!("provider-hold/shop/GetCharge/{}", at(0)));
        assert!(told.explanation.contains("S01") && told.explanation.contains("would be noticed late"));
        let ended = notice(&account, "GetCharge", &HoldChange::Ended { since: at(0) }, "", "", at(3_601));
        assert_eq!((ended.kind.as_str(), ended.severity), ("provider-hold-ended", Severity::Info));
    }
}
