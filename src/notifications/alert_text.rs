//! The alerts about channels of notifications.
//!
//! Owns: their words. Must never know: when one is due.

use jiff::Timestamp;

use super::fusion::{FALSE_ALARM, Verdict};
use crate::apis::Account;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::object::Kind;

/// The channel fell silent for one kind of objects, or announces it again.
pub(super) fn verdict(
    account: &Account,
    of: &Kind,
    verdict: Verdict,
    at: Timestamp,
    now: Timestamp,
) -> Alert {
    let name = &account.name;
    let (kind, severity, headline, explanation, advice) = match verdict {
        Verdict::Silent => (
            AlertKind::NotificationsSilent,
            Severity::Warning,
            format!("Notifications of type {of} of account {name} have stopped"),
            format!(
                "Polling finds final states of type {of} that no notification announced. Chance explains this in at \
                 most one of {:.0} tests. Nothing is lost: these objects are polled at the full rate again.",
                1.0 / FALSE_ALARM
            ),
            format!(
                "Likely causes: a firewall or web application firewall in front of the listener, another endpoint \
                 address in the provider's back office, an expired certificate of the endpoint, another topic, a removed \
                 subscription, or a provider that does not announce this type. `reconciled notifications check {name}` \
                 tests the path from outside; `reconciled notifications list` shows what is refused and why."
            ),
        ),
        Verdict::Healthy | Verdict::Unknown => (
            AlertKind::NotificationsBack,
            Severity::Info,
            format!("Notifications of type {of} of account {name} arrive again"),
            "They announce the final states that polling finds.".to_owned(),
            "Nothing to do.".to_owned(),
        ),
    };
    Alert {
        headline,
        explanation,
        advice,
        where_to_look: account.api.where_to_look().to_owned(),
        occurred_at: at,
        ..Alert::new(kind, &format!("{name}/{of}/{at}"), severity, name, now)
    }
}

/// The subscription was ended.
pub(super) fn unsubscribed(account: &Account, now: Timestamp) -> Alert {
    let name = &account.name;
    Alert {
        headline: format!("The subscription for notifications of account {name} was ended"),
        explanation: "The topic confirmed this. Polling continues as before.".to_owned(),
        advice: format!(
            "If this was not intended, enter the address again: `reconciled notifications url {name}` prints it and \
             where to enter it."
        ),
        where_to_look: account.api.where_to_look().to_owned(),
        ..Alert::new(
            AlertKind::NotificationsSilent,
            &format!("unsubscribed/{name}/{now}"),
            Severity::Warning,
            name,
            now,
        )
    }
}
