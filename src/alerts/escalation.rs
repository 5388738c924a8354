//! Alerts that must be acknowledged, and those that nobody has acknowledged in time.
//!
//! Owns: the words about it in a message. Must never know: any target, when an escalation is due.

use jiff::tz::TimeZone;

use super::link::Links;
use super::message::stamp;
use crate::payments::alert::Alert;
use crate::store::Owed;

/// The alert as a target gets it. An escalation keeps the key, and says since when nobody has acknowledged it. Both it
/// and an alert that will be escalated say how to acknowledge.
pub fn worded(owed: &Owed, zone: &TimeZone, links: Option<&Links>) -> Alert {
    let alert = &owed.alert;
    // Nothing follows the link directly that a chat might take for a part of it.
    let link = links.map(|links| format!("at {} or ", links.address(&alert.key))).unwrap_or_default();
    let how = format!("{link}with `reconciled alerts acknowledge '{}'`", alert.key);
    if owed.is_escalation {
        let since = stamp(alert.found_at, zone);
        return Alert {
            headline: format!("Escalation, not acknowledged since {since}: {}", alert.headline),
            advice: format!("{} Acknowledge it {how}.", alert.advice),
            ..alert.clone()
        };
    }
    let Some(at) = owed.escalates_at else { return alert.clone() };
    Alert {
        advice: format!(
            "{} Acknowledge it {how}, or others are alerted at {}.",
            alert.advice,
            stamp(at, zone)
        ),
        ..alert.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;

    #[test]
    fn an_alert_says_whether_it_must_be_acknowledged_and_how() {
        let plain = alert("a/1");
        let worded = |is_escalation, escalates_at| {
            let at = plain.found_at;
            let owed = Owed {
                alert: plain.clone(),
                attempts: 0,
                next_attempt_at: at,
                is_escalation,
                escalates_at,
                order: (1, 0),
                instead_of: None,
                is_waiting: false,
                message: None,
            };
            super::worded(&owed, &TimeZone::UTC, None)
        };
        assert_eq!(worded(false, None), plain);
        assert_eq!(
            worded(false, Some("2026-01-16T05:50:00Z".parse().unwrap())).advice,
            "Cancel the order. Acknowledge it with `reconciled alerts acknowledge 'a/1'`, or others are alerted at \
             2026-01-16 05:50:00 UTC."
        );
        let escalated = worded(true, None);
        assert_eq!(
            escalated.headline,
            "Escalation, not acknowledged since 2026-01-16 05:35:00 UTC: A charge was declined"
        );
        assert_eq!(
            escalated.advice,
            "Cancel the order. Acknowledge it with `reconciled alerts acknowledge 'a/1'`."
        );
        assert_eq!((&escalated.key, escalated.amount), (&plain.key, plain.amount));
    }
}
