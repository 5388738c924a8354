//! PagerDuty Events API v2.
//!
//! Owns: the event, its limits and answers (docs/src/reference/operations.md, sections 1.1, 1.2 and 1.5). Must never
//! know: the outbox.
//!
//! A repetition has the same `dedup_key`, so it joins the incident. The end of a condition resolves its incident.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::webhook::event_class;
use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::condition;
use crate::alerts::fit::{self, Unit};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post_json};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("pagerduty");

const SUMMARY_LIMIT: usize = 1024;
/// The whole event may have 512 KB. This is more than any person reads.
const DETAILS_LIMIT: usize = 20_000;
/// 429 comes without a hint. The limit counts events of 60 seconds.
const THROTTLED_FOR: Duration = Duration::from_secs(60);

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Where the integration key (routing key) is.
    routing_key: SecretReference,
    /// Another address, for the EU (`https://events.eu.pagerduty.com`) or a proxy.
    #[serde(default = "official")]
    base_url: String,
}

fn official() -> String {
    "https://events.pagerduty.com".to_owned()
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let base = setting.base("base_url", &self.base_url);
        let routing_key = setting.token("routing_key", &self.routing_key)?;
        if !setting.is_blind() && routing_key.expose().len() != 32 {
            let what =
                format!("an integration key has 32 characters; this one has {}", routing_key.expose().len());
            setting.problem("routing_key", what, "copy it from the service's integration \"Events API v2\"");
            return None;
        }
        Some(Box::new(PagerDuty { url: format!("{}/v2/enqueue", base?), routing_key }))
    }
}

/// One service.
#[derive(Debug)]
struct PagerDuty {
    url: String,
    routing_key: Secret<String>,
}

impl Target for PagerDuty {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let condition = match &message.subject {
            Subject::Single(alert) => condition::of(alert),
            Subject::Digest(_) | Subject::Trial => None,
        };
        let key = condition.as_ref().map_or(message.key.as_str(), |condition| condition.key.as_str());
        let mut body = json!({
            "routing_key": self.routing_key.expose(),
            "event_action": "trigger",
            "dedup_key": event_id(key),
        });
        if condition.is_some_and(|condition| condition.is_over) {
            body["event_action"] = json!("resolve");
        } else {
            body["payload"] = payload(message);
        }
        post_json(self.url.clone(), Vec::new(), &body, attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        by_status(answer, now)
            .only_if(answer.status == 202, &format!("HTTP {} is not PagerDuty's 202", answer.status))
            .waiting((answer.status == 429).then_some(THROTTLED_FOR))
    }
}

fn payload(message: &Message) -> Value {
    let account = match &message.subject {
        Subject::Single(alert) => Some(alert.account.to_string()),
        Subject::Digest(_) | Subject::Trial => None,
    };
    json!({
        "summary": fit::cut(&message.title, SUMMARY_LIMIT, Unit::Utf16, fit::verbatim),
        "source": account.as_deref().unwrap_or("reconciled"),
        "severity": match message.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        },
        "timestamp": message.occurred_at.to_string(),
        "component": "reconciled",
        "group": if message.is_sandbox { "sandbox" } else { "live" },
        "class": event_class(message),
        "custom_details": details(message, DETAILS_LIMIT),
    })
}

/// The rows of a message as an object, and the lines of a digest as a list.
pub(super) fn details(message: &Message, limit: usize) -> Value {
    let rows = message.rows();
    let mut texts: Vec<&str> = rows.iter().map(|(_, value)| *value).collect();
    texts.extend(message.lines.iter().map(String::as_str));
    let mut texts = fit::cut_together(&texts, limit, Unit::Json, fit::verbatim).into_iter();
    let mut details: Map<String, Value> = rows
        .iter()
        .zip(texts.by_ref())
        .map(|((label, _), value)| ((*label).to_owned(), json!(value)))
        .collect();
    if !message.lines.is_empty() {
        details.insert("Alerts".to_owned(), texts.collect());
    }
    Value::Object(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::single;
    use crate::alerts::targets::tests::{built, decline, judged, refused, sent_json};
    use crate::payments::alert::{Alert, AlertKind};
    use jiff::tz::TimeZone;

    const KEYS: &str = "kind = \"pagerduty\"\nrouting_key = \"credential:key\"";
    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn pager() -> Box<dyn Target> {
        built(KEYS, &[("key", KEY)])
    }

    #[test]
    fn a_decline_triggers_under_a_stable_key() {
        let body = sent_json(&*pager(), &decline());
        assert_eq!((&body["event_action"], &body["routing_key"]), (&json!("trigger"), &json!(KEY)));
        assert_eq!(body["dedup_key"], event_id("a/1"));
        let payload = &body["payload"];
        assert_eq!(
            (&payload["severity"], &payload["class"]),
            (&json!("critical"), &json!("charge.declined"))
        );
        assert_eq!(payload["summary"], "[DECLINED] A charge was declined");
        assert_eq!(payload["custom_details"]["Amount"], "14.00 EUR");
    }

    #[test]
    fn the_end_of_a_condition_resolves_its_incident() {
        let account = "shop-de".parse().unwrap();
        let sent = |kind| {
            let alert = Alert::new(kind, "shop-de/2026", Severity::Critical, &account, Timestamp::UNIX_EPOCH);
            sent_json(&*pager(), &single(&alert, false, &TimeZone::UTC))
        };
        let began = sent(AlertKind::CredentialsRefused);
        let ended = sent(AlertKind::CredentialsAccepted);
        assert_eq!(began["event_action"], "trigger");
        assert_eq!(ended["event_action"], "resolve");
        assert_eq!(began["dedup_key"], ended["dedup_key"]);
        assert!(ended["payload"].is_null());
    }

    #[test]
    fn answers_are_judged_and_a_wrong_key_is_refused() {
        for (status, expected) in [
            (202, "delivered"),
            (200, "retry HTTP 200 is not PagerDuty's 202"),
            (400, "refused HTTP 400"),
            (429, "retry in 60s HTTP 429"),
            (500, "retry HTTP 500"),
        ] {
            assert_eq!(judged(&*pager(), status, &[], "{}"), expected);
        }
        let problems = refused(KEYS, &[("key", "canary")]);
        assert!(problems[0].what.contains("32 characters") && !format!("{problems:?}").contains("canary"));
    }
}
