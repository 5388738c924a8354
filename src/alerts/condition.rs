//! Which alerts report a condition that lasts, which end it, and which condition explains another.
//!
//! Owns: which kinds belong together. Pure. Must never know: any target, which conditions last now.
//!
//! A decline is an event: it has no end. Refused credentials are a condition: it is raised, repeated while it lasts, and
//! ended by a later alert.

use jiff::Timestamp;

use crate::payments::age;
use crate::payments::alert::{Alert, AlertKind, Severity};

/// A condition that begins, lasts or ends with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The word of its kind: that of the alert which begins it.
    pub name: &'static str,
    /// How urgent it is while it lasts.
    pub severity: Severity,
    /// The same in all alerts about the condition.
    pub key: String,
    /// Whether the alert ends it.
    pub is_over: bool,
    /// Whether the alert says again that it lasts.
    pub is_repetition: bool,
}

impl Condition {
    /// Whether its key ends with the time of its beginning. It is then also the key of the alert that began it.
    pub fn is_timed(&self) -> bool {
        !matches!(self.name, "service-status" | "notifications-silent")
    }

    /// Whether it is about the machine or a target, whichever account its alerts name.
    pub fn is_of_machine(&self) -> bool {
        matches!(self.name, "clock-wrong" | "disk-low" | "report-failed" | "target-silent")
    }

    /// Whether its alert ends the condition of this key: the same one, or by a new beginning an earlier one whose end
    /// was lost.
    pub fn ends(&self, key: &str) -> bool {
        let is_same = key == self.key;
        let is_earlier = || key.strip_prefix(self.stem()).is_some_and(|time| !time.contains('/'));
        if self.is_over { is_same } else { !is_same && self.is_timed() && is_earlier() }
    }

    /// What begins the keys of all conditions that its alert may end.
    pub fn stem(&self) -> &str {
        let end =
            if self.is_over { self.key.len() } else { self.key.rfind('/').map_or(0, |slash| slash + 1) };
        &self.key[..end]
    }
}

/// Stands at the end of the key of an alert which ends a condition that has only one kind of alerts.
const ENDED: &str = "/ended";
/// Stands before the number of a repetition.
const AGAIN: &str = "/again/";

/// The condition that an alert is about; none for an event. The key of such an alert is its kind and the occasion.
pub fn of(alert: &Alert) -> Option<Condition> {
    let occasion = alert.key.split_once('/').map_or("", |(_, occasion)| occasion);
    let (occasion, is_repetition) = match occasion.split_once(AGAIN) {
        Some((occasion, _)) => (occasion, true),
        None => (occasion, false),
    };
    let (stem, has_ended) = match occasion.strip_suffix(ENDED) {
        Some(stem) => (stem, true),
        None => (occasion, false),
    };
    let without_time = stem.rsplit_once('/').map_or(stem, |(subject, _)| subject);
    let (name, subject, is_over) = match alert.kind {
        AlertKind::CredentialsRefused => ("credentials-refused", stem, false),
        AlertKind::CredentialsAccepted => ("credentials-refused", stem, true),
        AlertKind::NoSuccess => ("no-success", stem, has_ended),
        AlertKind::ProviderHold => ("provider-hold", stem, false),
        AlertKind::ProviderHoldEnded => ("provider-hold", stem, true),
        AlertKind::ClockWrong => ("clock-wrong", stem, false),
        AlertKind::ClockRight => ("clock-wrong", stem, true),
        AlertKind::Backlog => ("backlog", stem, has_ended),
        AlertKind::QuotaTooSmall => ("quota-too-small", stem, has_ended),
        AlertKind::ReportFailed => ("report-failed", stem, has_ended),
        AlertKind::DiskLow => ("disk-low", stem, has_ended),
        AlertKind::TargetSilent => ("target-silent", stem, has_ended),
        // Begin and end carry different times, and there is one such condition for each account, or type of it.
        AlertKind::ServiceStatus => {
            ("service-status", stem.split('/').next().unwrap_or_default(), alert.severity == Severity::Info)
        }
        // That somebody ended the subscription is an event.
        AlertKind::NotificationsSilent if occasion.starts_with("unsubscribed/") => return None,
        AlertKind::NotificationsSilent => ("notifications-silent", without_time, false),
        AlertKind::NotificationsBack => ("notifications-silent", without_time, true),
        _ => return None,
    };
    let severity = match name {
        "credentials-refused" | "target-silent" | "disk-low" => Severity::Critical,
        _ => Severity::Warning,
    };
    Some(Condition { name, severity, key: format!("{name}/{subject}"), is_over, is_repetition })
}

/// An alert that ends a condition, with kind and severity of the one that began it: both are for the same people. None
/// for every other alert.
pub fn as_begun(alert: &Alert) -> Option<Alert> {
    let condition = of(alert).filter(|condition| condition.is_over)?;
    let kind = AlertKind::from(condition.name.to_owned());
    Some(Alert { kind, severity: condition.severity, ..alert.clone() })
}

/// Whether a condition named `cause` explains alerts of this kind about the same account, so that they need not be told
/// while it lasts.
///
/// Nothing explains what is about money, and no warning explains what is critical. A wrong clock explains nothing,
/// because the time that providers confirm is used in its place.
pub fn explains(cause: &str, consequence: &AlertKind) -> bool {
    match consequence {
        AlertKind::NoSuccess => ["credentials-refused", "provider-hold", "service-status"].contains(&cause),
        AlertKind::Backlog => {
            ["credentials-refused", "no-success", "provider-hold", "service-status", "quota-too-small"]
                .contains(&cause)
        }
        AlertKind::ReportFailed => cause == "disk-low",
        _ => false,
    }
}

/// The `number`th alert which says that the condition of `begin` has lasted since then.
pub fn repeated(begin: &Alert, since: Timestamp, number: i64, now: Timestamp) -> Alert {
    let lasts = age(since, now);
    Alert {
        key: format!("{}{AGAIN}{number}", begin.key),
        headline: format!("Ongoing for {lasts}: {}", begin.headline),
        explanation: format!("It began at {since} and has not ended. {}", begin.explanation),
        found_at: now,
        ..begin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(kind: AlertKind, occasion: &str) -> Alert {
        let account = "shop-de".parse().unwrap();
        Alert::new(kind, occasion, Severity::Warning, &account, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn begin_repetition_and_end_have_the_same_key_and_an_event_has_none() {
        let since = "shop-de/charge/2026-01-15T09:30:00Z";
        for (begin, end, ended_at) in [
            (AlertKind::CredentialsRefused, AlertKind::CredentialsAccepted, since),
            (AlertKind::NoSuccess, AlertKind::NoSuccess, "shop-de/charge/2026-01-15T09:30:00Z/ended"),
            (AlertKind::Backlog, AlertKind::Backlog, "shop-de/charge/2026-01-15T09:30:00Z/ended"),
            (AlertKind::ProviderHold, AlertKind::ProviderHoldEnded, since),
            (AlertKind::ClockWrong, AlertKind::ClockRight, since),
            (
                AlertKind::NotificationsSilent,
                AlertKind::NotificationsBack,
                "shop-de/charge/2026-01-16T01:02:03Z",
            ),
        ] {
            let began = of(&about(begin.clone(), since)).unwrap();
            let ended = of(&about(end, ended_at)).unwrap();
            assert_eq!(began.key, ended.key);
            assert!(!began.is_over && ended.is_over && !began.is_repetition);
            let again = repeated(&about(begin, since), Timestamp::UNIX_EPOCH, 3, Timestamp::UNIX_EPOCH);
            let again = of(&again).unwrap();
            assert_eq!((again.key, again.is_over, again.is_repetition), (began.key, false, true));
        }
        let mut status = about(AlertKind::ServiceStatus, "shop-de/Degraded/2026-01-15T09:30:00Z");
        let began = of(&status).unwrap();
        (status.key, status.severity) = ("service-status/shop-de/Normal/9999".to_owned(), Severity::Info);
        assert_eq!((of(&status).unwrap().key, of(&status).unwrap().is_over), (began.key, true));
        for event in [AlertKind::Declined, AlertKind::Recovered, AlertKind::Undelivered] {
            assert_eq!(of(&about(event, "shop-de/1")), None);
        }
        assert_eq!(of(&about(AlertKind::NotificationsSilent, "unsubscribed/shop-de/9")), None);
    }

    #[test]
    fn a_new_beginning_ends_earlier_ones_of_the_same_and_nothing_else() {
        let since = |subject: &str, day: u8| format!("{subject}2026-01-{day:02}T09:30:00Z");
        let begun = |kind, occasion: &str| of(&about(kind, occasion)).unwrap();
        let refused = begun(AlertKind::CredentialsRefused, &since("shop-de/", 15));
        for (ended, ends) in [
            (since("credentials-refused/shop-de/", 14), true),
            (since("credentials-refused/shop-de/", 15), false),
            (since("credentials-refused/shop-de/charge/", 14), false),
            (since("credentials-refused/shop-de-2/", 14), false),
            (since("no-success/shop-de/", 14), false),
        ] {
            assert_eq!(refused.ends(&ended), ends, "{ended}");
        }
        let disk = begun(AlertKind::DiskLow, &since("", 15));
        assert!(disk.ends(&since("disk-low/", 14)) && disk.is_of_machine() && !refused.is_of_machine());
        let silent = begun(AlertKind::NotificationsSilent, &since("shop-de/charge/", 15));
        assert!(!silent.ends("notifications-silent/shop-de/refund") && !silent.ends(&silent.key));
        let accepted = begun(AlertKind::CredentialsAccepted, &since("shop-de/", 15));
        assert!(accepted.ends(&refused.key) && !accepted.ends(&since("credentials-refused/shop-de/", 14)));
    }

    #[test]
    fn consequences_are_explained_by_the_table_and_money_never_is() {
        let causes = [
            "credentials-refused",
            "no-success",
            "provider-hold",
            "service-status",
            "quota-too-small",
            "clock-wrong",
            "disk-low",
            "target-silent",
            "notifications-silent",
        ];
        let explained_by = |kind: &AlertKind| -> Vec<&str> {
            causes.iter().copied().filter(|cause| explains(cause, kind)).collect()
        };
        for kind in AlertKind::ALL {
            let expected: &[&str] = match kind {
                AlertKind::NoSuccess => &["credentials-refused", "provider-hold", "service-status"],
                AlertKind::Backlog => &causes[..5],
                AlertKind::ReportFailed => &["disk-low"],
                _ => &[],
            };
            assert_eq!(explained_by(&kind), expected, "{kind}");
        }
    }
}
