//! Alertmanager: alerts as Prometheus sends them.
//!
//! Owns: labels, annotations and times of an alert (docs/src/reference/operations.md, section 1.1). Must never know:
//! the outbox.
//!
//! Meant for health alerts: a condition fires until its end is reported, or for a week. An event such as a decline has
//! no end; it fires for an hour.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::webhook::event_class;
use crate::alerts::condition;
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post_json};
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};
use crate::time::later;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("alertmanager");

/// Annotations have no limit of their own. This is more than any person reads.
const DESCRIPTION: Style =
    Style { limit: 20_000, unit: Unit::Json, escape: fit::verbatim, bold: ("", ""), has_title: false };
const SUMMARY_LIMIT: usize = 1_000;
const CONDITION_FIRES_FOR: Duration = Duration::from_secs(7 * 86_400);
const EVENT_FIRES_FOR: Duration = Duration::from_secs(3_600);

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// The address of Alertmanager, without `/api/v2/alerts`.
    base_url: String,
    /// Where a bearer token is, if a proxy in front asks for one.
    #[serde(default)]
    token: Option<SecretReference>,
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let base = setting.base("base_url", &self.base_url);
        let token = match &self.token {
            Some(reference) => Some(setting.token("token", reference)?),
            None => None,
        };
        Some(Box::new(Alertmanager { url: format!("{}/api/v2/alerts", base?), token }))
    }
}

/// One Alertmanager.
#[derive(Debug)]
struct Alertmanager {
    url: String,
    token: Option<Secret<String>>,
}

impl Target for Alertmanager {
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// Alertmanager groups.
    fn likes_digests(&self) -> bool {
        false
    }

    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let token = self.token.as_ref().map(|token| ("authorization", format!("Bearer {}", token.expose())));
        let body = json!([alert(message, attempt.at)]);
        post_json(self.url.clone(), token.into_iter().collect(), &body, attempt)
    }
}

fn alert(message: &Message, now: Timestamp) -> Value {
    let mut labels = Map::new();
    let mut label = |name: &str, value: String| labels.insert(name.to_owned(), json!(value));
    let mut severity = message.severity;
    let mut ends_at = later(now, EVENT_FIRES_FOR);
    label("service", "reconciled".to_owned());
    match &message.subject {
        Subject::Single(alert) => {
            label("account", alert.account.to_string());
            label("environment", if message.is_sandbox { "sandbox" } else { "live" }.to_owned());
            match condition::of(alert) {
                Some(condition) => {
                    // The end must have the labels of the beginning.
                    severity = condition.severity;
                    ends_at = if condition.is_over { now } else { later(now, CONDITION_FIRES_FOR) };
                    label("alertname", condition.name.to_owned());
                    label("key", condition.key);
                }
                None => {
                    label("alertname", alert.kind.to_string());
                    label("key", fit::cut(&alert.key, 500, Unit::Json, fit::verbatim));
                }
            }
        }
        Subject::Digest(_) | Subject::Trial => {
            label("alertname", event_class(message));
            label("key", fit::cut(&message.key, 500, Unit::Json, fit::verbatim));
        }
    }
    let word = match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    label("severity", word.to_owned());
    json!({
        "labels": labels,
        "annotations": {
            "summary": fit::cut(&message.title, SUMMARY_LIMIT, Unit::Json, fit::verbatim),
            "description": DESCRIPTION.write(message),
        },
        "startsAt": message.occurred_at.min(now).to_string(),
        "endsAt": ends_at.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::single;
    use crate::alerts::targets::tests::{built, decline, judged, request, sent_json};
    use crate::payments::alert::{Alert, AlertKind};
    use jiff::tz::TimeZone;

    fn manager() -> Box<dyn Target> {
        built("kind = \"alertmanager\"\nbase_url = \"http://127.0.0.1:9093/\"", &[])
    }

    #[test]
    fn an_event_fires_for_an_hour() {
        assert_eq!(
            request(&*manager(), &decline(), "2026-01-15T09:30:05Z").url,
            "http://127.0.0.1:9093/api/v2/alerts"
        );
        let body = sent_json(&*manager(), &decline());
        assert_eq!(body[0]["labels"]["alertname"], "declined");
        assert_eq!(body[0]["labels"]["severity"], "critical");
        assert_eq!(body[0]["startsAt"], "2026-01-15T09:30:00Z");
        assert_eq!(body[0]["endsAt"], "2026-01-15T10:30:05Z");
        assert_eq!(judged(&*manager(), 200, &[], ""), "delivered");
        assert_eq!(judged(&*manager(), 429, &[], ""), "retry HTTP 429");
    }

    #[test]
    fn the_end_of_a_condition_has_the_labels_of_its_beginning() {
        let account = "shop-de".parse().unwrap();
        let sent = |kind, severity| {
            let alert = Alert::new(kind, "shop-de/2026", severity, &account, Timestamp::UNIX_EPOCH);
            sent_json(&*manager(), &single(&alert, false, &TimeZone::UTC))
        };
        let began = sent(AlertKind::CredentialsRefused, Severity::Critical);
        let ended = sent(AlertKind::CredentialsAccepted, Severity::Info);
        assert_eq!(began[0]["labels"], ended[0]["labels"]);
        assert_eq!(began[0]["endsAt"], "2026-01-22T09:30:05Z");
        assert_eq!(ended[0]["endsAt"], "2026-01-15T09:30:05Z");
    }
}
