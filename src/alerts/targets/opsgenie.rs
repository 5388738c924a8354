//! Opsgenie alerts.
//!
//! Owns: the alert, its limits and answers (docs/src/reference/operations.md, sections 1.1, 1.2, 1.4 and 1.5). Must never
//! know: the outbox.
//!
//! A repetition has the same alias, so it joins the open alert. The end of a condition closes its alert.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pagerduty;
use super::webhook::event_class;
use crate::alerts::classify::{Verdict, by_status};
use crate::alerts::condition::{self, Condition};
use crate::alerts::fit::{self, Style, Unit};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post_json};
use crate::http::Response;
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("opsgenie");

const MESSAGE_LIMIT: usize = 130;
/// A description may contain some HTML, so that is escaped.
const DESCRIPTION: Style =
    Style { limit: 15_000, unit: Unit::Utf16, escape: fit::angles, bold: ("", ""), has_title: true };
const DETAILS_LIMIT: usize = 6_000;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Where the API key is.
    api_key: SecretReference,
    /// Another address, for the EU (`https://api.eu.opsgenie.com`) or a proxy.
    #[serde(default = "official")]
    base_url: String,
}

fn official() -> String {
    "https://api.opsgenie.com".to_owned()
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let base = setting.base("base_url", &self.base_url);
        let api_key = setting.token("api_key", &self.api_key);
        Some(Box::new(Opsgenie { url: format!("{}/v2/alerts", base?), api_key: api_key? }))
    }
}

/// One integration.
#[derive(Debug)]
struct Opsgenie {
    url: String,
    api_key: Secret<String>,
}

fn condition(message: &Message) -> Option<Condition> {
    match &message.subject {
        Subject::Single(alert) => condition::of(alert),
        Subject::Digest(_) | Subject::Trial => None,
    }
}

impl Target for Opsgenie {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let condition = condition(message);
        let alias =
            event_id(condition.as_ref().map_or(message.key.as_str(), |condition| condition.key.as_str()));
        let headers = vec![("authorization", format!("GenieKey {}", self.api_key.expose()))];
        if condition.is_some_and(|condition| condition.is_over) {
            let url = format!("{}/{alias}/close?identifierType=alias", self.url);
            let note = fit::cut(&message.title, MESSAGE_LIMIT, Unit::Utf16, fit::angles);
            return post_json(url, headers, &json!({"source": "reconciled", "note": note}), attempt);
        }
        let mut details = pagerduty::details(message, DETAILS_LIMIT);
        if let Some(lines) = details.as_object_mut() {
            // Values are texts; the lines of a digest are in the description.
            lines.remove("Alerts");
        }
        let body: Value = json!({
            "message": fit::cut(&message.title, MESSAGE_LIMIT, Unit::Utf16, fit::verbatim),
            "alias": alias,
            "description": DESCRIPTION.write(message),
            "details": details,
            "tags": [event_class(message), if message.is_sandbox { "sandbox" } else { "live" }],
            "priority": match message.severity {
                Severity::Critical => "P1",
                Severity::Warning => "P3",
                Severity::Info => "P5",
            },
            "source": "reconciled",
        });
        post_json(self.url.clone(), headers, &body, attempt)
    }

    /// Nothing to close (404) is as good as closed.
    fn judge(&self, answer: &Response, message: &Message, now: Timestamp) -> Verdict {
        let is_end = condition(message).is_some_and(|condition| condition.is_over);
        if is_end && answer.status == 404 {
            return Verdict::Delivered;
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_sure = answer.status == 202 && body["requestId"].is_string();
        by_status(answer, now).only_if(is_sure, &format!("HTTP {} without a request id", answer.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::single;
    use crate::alerts::targets::tests::{built, decline, judged, request, sent_json, words};
    use crate::payments::alert::{Alert, AlertKind};
    use jiff::tz::TimeZone;

    fn genie() -> Box<dyn Target> {
        let keys =
            "kind = \"opsgenie\"\napi_key = \"credential:key\"\nbase_url = \"https://api.eu.opsgenie.com\"";
        built(keys, &[("key", "k-1")])
    }

    #[test]
    fn a_decline_opens_an_alert_under_a_stable_alias() {
        let sent = request(&*genie(), &decline(), "2026-01-15T09:30:05Z");
        assert_eq!(sent.url, "https://api.eu.opsgenie.com/v2/alerts");
        assert!(sent.headers.contains(&("authorization", "GenieKey k-1".to_owned())));
        let body = sent_json(&*genie(), &decline());
        assert_eq!((&body["alias"], &body["priority"]), (&json!(event_id("a/1")), &json!("P1")));
        assert_eq!(body["message"], "[DECLINED] A charge was declined");
        assert_eq!(body["details"]["Order"], "ORDER-1001");
    }

    #[test]
    fn the_end_of_a_condition_closes_its_alert_even_when_nothing_is_open() {
        let account = "shop-de".parse().unwrap();
        let ended =
            Alert::new(AlertKind::ClockRight, "2026", Severity::Info, &account, Timestamp::UNIX_EPOCH);
        let ended = single(&ended, false, &TimeZone::UTC);
        let sent = request(&*genie(), &ended, "2026-01-15T09:30:05Z");
        let alias = event_id("clock-wrong/2026");
        assert_eq!(
            sent.url,
            format!("https://api.eu.opsgenie.com/v2/alerts/{alias}/close?identifierType=alias")
        );
        let gone = Response { status: 404, ..Response::default() };
        assert_eq!(words(genie().judge(&gone, &ended, Timestamp::UNIX_EPOCH)), "delivered");
    }

    #[test]
    fn answers_are_judged() {
        for (status, body, expected) in [
            (202, r#"{"requestId":"x"}"#, "delivered"),
            (200, "{}", "retry HTTP 200 without a request id"),
            (401, "", "denied HTTP 401"),
            (404, "", "denied HTTP 404"),
            (422, "", "refused HTTP 422"),
            (429, "", "retry HTTP 429"),
        ] {
            assert_eq!(judged(&*genie(), status, &[], body), expected, "{status}");
        }
    }
}
