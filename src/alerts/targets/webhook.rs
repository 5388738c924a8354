//! A generic JSON webhook that follows Standard Webhooks 1.0.0 (docs/src/reference/operations.md, sections 2.1, 2.2
//! and 2.4).
//!
//! Owns: the payload. Must never know: the outbox, why an alert was raised.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alerts::classify::{Verdict, by_status, machine_word};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post};
use crate::http::Response;
use crate::payments::alert::Alert;
use crate::payments::money::Money;
use crate::payments::object::AccountName;
use crate::secret::{Secret, SecretReference};
use crate::text;
use crate::webhook::{SigningKey, event_id, headers_of};

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("webhook");

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Where the address is. The whole address is a secret.
    url: SecretReference,
    /// Where the signing secrets are (`whsec_...`, one per line).
    #[serde(default)]
    secret: Option<SecretReference>,
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let url = setting.address("url", &self.url);
        let keys = self.keys(setting);
        Some(Box::new(Webhook::new(url?, keys?, setting.sandbox_accounts().clone())))
    }
}

impl Section {
    fn keys(&self, setting: &mut Setting<'_>) -> Option<Vec<SigningKey>> {
        self.secret.as_ref().map_or(Some(Vec::new()), |reference| setting.signing_keys("secret", reference))
    }
}

/// The longest free text of an alert, in characters: it keeps a body below the 20 kB of section 2.1.
const TEXT_LIMIT: usize = 1_500;

/// One receiver.
#[derive(Debug)]
pub struct Webhook {
    url: Secret<String>,
    keys: Vec<SigningKey>,
    sandbox_accounts: BTreeSet<AccountName>,
}

impl Webhook {
    /// A receiver at `url`. Every message is signed with each of the keys, so that a key can be changed without a
    /// gap. `sandbox_accounts` holds the sandbox accounts.
    pub fn new(
        url: Secret<String>,
        keys: Vec<SigningKey>,
        sandbox_accounts: BTreeSet<AccountName>,
    ) -> Webhook {
        Webhook { url, keys, sandbox_accounts }
    }
}

/// What a program receives about a message.
pub(super) fn payload(message: &Message, sandbox_accounts: &BTreeSet<AccountName>) -> Value {
    let one = |alert: &Alert| describe(alert, sandbox_accounts.contains(&alert.account));
    let data = match &message.subject {
        Subject::Single(alert) => one(alert),
        Subject::Digest(alerts) => json!({"alerts": alerts.iter().map(one).collect::<Vec<_>>()}),
        Subject::Trial => json!({"text": message.plain_text()}),
    };
    json!({"type": event_class(message), "timestamp": message.occurred_at.to_string(), "data": data})
}

impl Target for Webhook {
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// A program reads it, so it gets every event separately.
    fn likes_digests(&self) -> bool {
        false
    }

    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let body =
            text::json(&payload(message, &self.sandbox_accounts).to_string()).into_owned().into_bytes();
        let id = event_id(&message.key);
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        headers.extend(headers_of(&self.keys, &id, attempt.at.as_second(), &body));
        post(self.url.expose().clone(), headers, body, attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        by_status(answer, now).quoting(machine_word(&answer.body))
    }
}

/// What happened, as one word for a program: `charge.declined`, `alerts.digest`.
pub(super) fn event_class(message: &Message) -> String {
    match &message.subject {
        Subject::Single(alert) => event_type(alert),
        Subject::Digest(_) => "alerts.digest".to_owned(),
        Subject::Trial => "alerts.test".to_owned(),
    }
}

/// `charge.declined`, `account.credentials_refused`: words of letters, digits and `_`, separated by dots.
fn event_type(alert: &Alert) -> String {
    let subject = alert.object.as_ref().map_or("account", |object| object.kind.as_str());
    let word = |text: &str| -> String {
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
    };
    format!("{}.{}", word(subject), word(alert.kind.as_str()))
}

fn describe(alert: &Alert, is_sandbox: bool) -> Value {
    json!({
        "key": alert.key,
        "kind": alert.kind,
        "severity": alert.severity,
        "account": alert.account,
        "environment": if is_sandbox { "sandbox" } else { "live" },
        "object": alert.object.as_ref().map(|object| json!({
            "kind": object.kind,
            "id": object.id,
            "state": alert.state.as_deref().map(cut),
            "reason_codes": alert.reason.iter().map(|reason| cut(reason)).collect::<Vec<_>>(),
            "amount": alert.amount.map(|amount| amount.amount_text()),
            "currency": alert.amount.map(|amount| amount.currency),
            "amounts": {
                "authorized": alert.amounts.authorized.map(priced),
                "captured": alert.amounts.captured.map(priced),
                "refunded": alert.amounts.refunded.map(priced),
            },
            "reference": alert.merchant_reference.as_deref().map(cut),
        })),
        "headline": shown(&alert.headline),
        "explanation": shown(&alert.explanation),
        "advice": shown(&alert.advice),
        "dashboard_url": shown(&alert.where_to_look),
        "occurred_at": alert.occurred_at.to_string(),
        "found_at": alert.found_at.to_string(),
    })
}

/// Text for people, made safe. What a program compares stays unchanged.
fn shown(text: &str) -> String {
    cut(&text::line(text))
}

fn priced(money: Money) -> Value {
    json!({"amount": money.amount_text(), "currency": money.currency})
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::message::{digest as digest_of, single, trial};
    use crate::alerts::targets::tests::request;
    use crate::alerts::tests::alert;
    use crate::http::Request;
    use crate::payments::alert::AlertKind;
    use jiff::tz::TimeZone;

    const A: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

    fn webhook(keys: &[&str]) -> Webhook {
        let keys = keys.iter().map(|key| SigningKey::parse(key).unwrap()).collect();
        let url = Secret::new("https://office.example/hook".to_owned());
        let sandbox = ["shop-test".parse().unwrap()].into();
        Webhook::new(url, keys, sandbox)
    }

    fn payload_of(webhook: &Webhook, message: &Message) -> Value {
        payload(message, &webhook.sandbox_accounts)
    }

    fn header<'a>(outgoing: &'a Request, name: &str) -> Option<&'a str> {
        outgoing.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_repetition_has_the_same_id_and_body_and_a_new_time() {
        let message = single(&alert("a/1"), false, &TimeZone::UTC);
        let target = webhook(&[A, B]);
        let first = request(&target, &message, "2026-01-15T09:30:05Z");
        let second = request(&target, &message, "2026-01-15T10:30:05Z");
        assert_eq!(first.body, second.body);
        assert_eq!(header(&first, "webhook-id"), header(&second, "webhook-id"));
        assert!(!header(&first, "webhook-id").unwrap().contains('.'));
        assert_eq!(header(&first, "webhook-timestamp"), Some("1768469405"));
        assert_eq!(header(&second, "webhook-timestamp"), Some("1768473005"));
        assert_eq!(header(&first, "webhook-signature").unwrap().split(' ').count(), 2);
        assert_eq!(
            header(&request(&webhook(&[]), &message, "2026-01-15T09:30:05Z"), "webhook-signature"),
            None
        );
    }

    #[test]
    fn the_payload_says_everything_in_exact_text() {
        let mut sandbox = alert("a/1");
        sandbox.account = "shop-test".parse().unwrap();
        let payload = payload_of(&webhook(&[]), &single(&sandbox, true, &TimeZone::UTC));
        assert_eq!(payload["type"], "charge.declined");
        assert_eq!(payload["timestamp"], "2026-01-15T09:30:00Z");
        assert_eq!(payload["data"]["object"]["amount"], "14.00");
        assert_eq!(payload["data"]["environment"], "sandbox");
        assert_eq!(payload["data"]["object"]["reference"], "ORDER-1001");
        assert_eq!(payload["data"]["severity"], "critical");

        let mut of_account = alert("a/2");
        of_account.object = None;
        of_account.kind = AlertKind::CredentialsRefused;
        assert_eq!(event_type(&of_account), "account.credentials_refused");
    }

    #[test]
    fn words_for_programs_stay_word_for_word_and_no_byte_of_the_body_is_harmful() {
        let mut hostile = alert("a/1");
        hostile.merchant_reference = Some("A\u{1b}\u{202e}B\n".to_owned());
        hostile.headline = "A charge for order A\u{1b}\u{202e}B\n".to_owned();
        let body =
            request(&webhook(&[]), &single(&hostile, false, &TimeZone::UTC), "2026-01-15T09:30:05Z").body;
        let body = String::from_utf8(body).unwrap();
        assert!(!body.chars().any(text::is_harmful), "{body:?}");
        let payload: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(payload["data"]["object"]["reference"], "A\u{1b}\u{202e}B\n");
        assert_eq!(payload["data"]["headline"], "A charge for order A\\u{1b}\\u{202e}B\\n");
    }

    #[test]
    fn digests_and_trials_have_their_own_types() {
        let both = [(alert("a/1"), false), (alert("a/2"), false)];
        let payload = payload_of(&webhook(&[]), &digest_of(&both, "d".to_owned()));
        assert_eq!(payload["type"], "alerts.digest");
        assert_eq!(payload["data"]["alerts"].as_array().unwrap().len(), 2);
        let payload = payload_of(&webhook(&[]), &trial("office", Timestamp::UNIX_EPOCH, &TimeZone::UTC));
        assert_eq!(payload["type"], "alerts.test");
    }

    #[test]
    fn a_body_stays_below_twenty_kilobytes() {
        let mut long = alert("a/1");
        long.explanation = "é".repeat(50_000);
        long.advice = "é".repeat(50_000);
        let body = request(&webhook(&[]), &single(&long, false, &TimeZone::UTC), "2026-01-15T09:30:05Z").body;
        assert!(body.len() < 20_000, "{}", body.len());
    }
}
