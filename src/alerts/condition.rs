//! Which alerts report a condition that lasts, and which end it.
//!
//! Owns: which kinds belong together. Must never know: any target.
//!
//! A decline is an event: it has no end. Refused credentials are a condition: pagers keep it open until a later alert
//! says that it is over.

use crate::payments::alert::{Alert, AlertKind, Severity};

/// A condition that begins or ends with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The word of its kind: that of the alert which begins it.
    pub name: &'static str,
    /// How urgent it is while it lasts.
    pub severity: Severity,
    /// The same in the alert that raises the condition and in the one that ends it.
    pub key: String,
    /// Whether the alert ends it.
    pub is_over: bool,
}

/// The condition that an alert is about; none for an event. The key of such an alert is its kind and the occasion, and
/// begin and end have the same occasion.
pub fn of(alert: &Alert) -> Option<Condition> {
    let occasion = alert.key.split_once('/').map_or("", |(_, occasion)| occasion);
    let (name, is_over) = match alert.kind {
        AlertKind::CredentialsRefused => ("credentials-refused", false),
        AlertKind::CredentialsAccepted => ("credentials-refused", true),
        AlertKind::NoSuccess => ("no-success", occasion.ends_with("/ended")),
        AlertKind::ProviderHold => ("provider-hold", false),
        AlertKind::ProviderHoldEnded => ("provider-hold", true),
        AlertKind::ClockWrong => ("clock-wrong", false),
        AlertKind::ClockRight => ("clock-wrong", true),
        _ => return None,
    };
    let occasion = occasion.strip_suffix("/ended").unwrap_or(occasion);
    let severity = if name == "credentials-refused" { Severity::Critical } else { Severity::Warning };
    Some(Condition { name, severity, key: format!("{name}/{occasion}"), is_over })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_and_end_have_the_same_key_and_an_event_has_none() {
        let account = "shop-de".parse().unwrap();
        let condition = |kind, occasion: &str| {
            of(&Alert::new(kind, occasion, Severity::Warning, &account, jiff::Timestamp::UNIX_EPOCH))
        };
        for (begin, end, ending) in [
            (AlertKind::CredentialsRefused, AlertKind::CredentialsAccepted, ""),
            (AlertKind::NoSuccess, AlertKind::NoSuccess, "/ended"),
            (AlertKind::ProviderHold, AlertKind::ProviderHoldEnded, ""),
            (AlertKind::ClockWrong, AlertKind::ClockRight, ""),
        ] {
            let began = condition(begin, "shop-de/charge/2026-01-15T09:30:00Z").unwrap();
            let ended = condition(end, &format!("shop-de/charge/2026-01-15T09:30:00Z{ending}")).unwrap();
            assert_eq!(began.key, ended.key);
            assert!(!began.is_over && ended.is_over);
        }
        assert_eq!(condition(AlertKind::Declined, "a/1"), None);
    }
}
