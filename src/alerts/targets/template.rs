//! A JSON webhook whose body the operator writes.
//!
//! Owns: what a template can use, its limits, and finding its mistakes before it is needed. Must never know: the
//! outbox.
//!
//! Every value is written as JSON, with its quotes, so no text can end a string or add a key. A template is tried with
//! samples when the configuration is read; the samples have quotes, angle brackets and line ends in their texts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Deserialize;
use serde_json::{Value, json};

use super::webhook::{event_class, payload};
use crate::alerts::classify::{Verdict, by_status, machine_word};
use crate::alerts::fit::{self, Unit};
use crate::alerts::message::{self, Message};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection, post};
use crate::http::Response;
use crate::payments::alert::{Alert, AlertKind, Severity};
use crate::payments::money::{Amounts, Money};
use crate::payments::object::AccountName;
use crate::secret::{Secret, SecretReference};
use crate::text;
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("template");

/// How many steps a template may take; writing a long text takes steps as well. The longest sample takes a tenth.
const FUEL: u64 = 5_000_000;
/// The longest of each: the whole text, all rows together, all lines together, in bytes of JSON.
const TEXTS_LIMIT: usize = 20_000;
/// The longest body, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// Where the address is. The whole address is a secret.
    url: SecretReference,
    /// The body, as a template of minijinja. It must make JSON.
    template: String,
    /// Where the value of the header `Authorization` is (`Bearer ...`).
    #[serde(default)]
    authorization: Option<SecretReference>,
    /// Whether many alerts at once may be combined into one message.
    #[serde(default)]
    digests: bool,
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let url = setting.address("url", &self.url);
        let authorization = match &self.authorization {
            Some(reference) => Some(setting.token("authorization", reference)?),
            None => None,
        };
        let template = Template::new(self.template.clone(), setting.sandbox_accounts().clone());
        for (name, sample) in samples(self.digests) {
            if let Err(what) = template.render(&sample) {
                let what = format!("with {name}, {what}");
                let remedy = "write {{ title }} without quotes around it: values bring their own; \
                              join texts with ~, as in {{ \"Order \" ~ title }}";
                setting.problem("template", what, remedy);
                return None;
            }
        }
        Some(Box::new(TemplateHook { url: url?, authorization, template, digests: self.digests }))
    }
}

/// A template, ready to use.
#[derive(Debug)]
struct Template {
    source: String,
    environment: Environment<'static>,
    sandbox_accounts: BTreeSet<AccountName>,
}

impl Template {
    fn new(source: String, sandbox_accounts: BTreeSet<AccountName>) -> Template {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Json);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        Template { source, environment, sandbox_accounts }
    }

    /// The body. An error says what is wrong with the template, without any value.
    fn render(&self, message: &Message) -> Result<Vec<u8>, String> {
        let context = minijinja::value::Serde(context(message, &self.sandbox_accounts));
        let body = self.environment.render_named_str("template", &self.source, context).map_err(|error| {
            let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("{line}{}{detail}", error.kind())
        })?;
        if body.len() > LONGEST_BODY {
            return Err("the body is longer than 1 MiB".to_owned());
        }
        match serde_json::from_str::<Value>(&body) {
            Ok(_) => Ok(text::json(body.trim()).into_owned().into_bytes()),
            Err(error) => {
                Err(format!("the result is not JSON: line {}, column {}", error.line(), error.column()))
            }
        }
    }
}

/// What a template can use.
fn context(message: &Message, sandbox_accounts: &BTreeSet<AccountName>) -> Value {
    let labelled = message.rows();
    let values: Vec<&str> = labelled.iter().map(|(_, value)| *value).collect();
    let lines: Vec<&str> = message.lines.iter().map(String::as_str).collect();
    let together = |texts: &[&str]| fit::cut_together(texts, TEXTS_LIMIT, Unit::Json, fit::verbatim);
    let rows = labelled.iter().zip(together(&values));
    let rows: Vec<Value> = rows.map(|((label, _), value)| json!({"label": label, "value": value})).collect();
    json!({
        "id": event_id(&message.key),
        "type": event_class(message),
        "timestamp": message.occurred_at.to_string(),
        "severity": message.severity,
        "is_sandbox": message.is_sandbox,
        "title": fit::cut(&message.title, TEXTS_LIMIT, Unit::Json, fit::verbatim),
        "text": fit::cut(&message.plain_text(), TEXTS_LIMIT, Unit::Json, fit::verbatim),
        "rows": rows,
        "lines": together(&lines),
        "data": payload(message, sandbox_accounts)["data"],
    })
}

/// Messages of every shape that the target can receive.
fn samples(has_digests: bool) -> Vec<(&'static str, Message)> {
    let hostile = &"sample \"quoted\" <b> \\ & 'x' {{ 1 }}\n]]>".repeat(30);
    let account: AccountName = "sample".parse().expect("it is a valid name");
    let about_account =
        Alert::new(AlertKind::NoSuccess, "sample", Severity::Warning, &account, Timestamp::UNIX_EPOCH);
    let about_account = Alert { headline: hostile.to_owned(), ..about_account };
    let about_charge = Alert {
        kind: AlertKind::Declined,
        object: "sample/charge/S01-0000000-0000000-C000000".parse().ok(),
        merchant_reference: Some(hostile.to_owned()),
        amount: Money::parse("14.00", "EUR").ok(),
        amounts: Amounts::default(),
        state: Some("Declined".to_owned()),
        reason: Some(hostile.to_owned()),
        explanation: hostile.to_owned(),
        advice: hostile.to_owned(),
        ..about_account.clone()
    };
    let zone = TimeZone::UTC;
    let mut samples = vec![
        ("a decline", message::single(&about_charge, false, &zone)),
        ("an alert about an account", message::single(&about_account, true, &zone)),
        ("the message of `alerts test`", message::trial("sample", Timestamp::UNIX_EPOCH, &zone)),
    ];
    if has_digests {
        let mut alerts = vec![(about_charge, false); message::LONGEST_DIGEST - 1];
        alerts.push((about_account, true));
        samples.push(("a digest", message::digest(&alerts, "sample".to_owned())));
    }
    samples
}

/// One receiver.
#[derive(Debug)]
struct TemplateHook {
    url: Secret<String>,
    authorization: Option<Secret<String>>,
    template: Template,
    digests: bool,
}

impl Target for TemplateHook {
    fn likes_digests(&self) -> bool {
        self.digests
    }

    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        let body = match self.template.render(message) {
            Ok(body) => body,
            Err(why) => return Composed::Impossible(format!("the template failed: {why}")),
        };
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("idempotency-key", format!("\"{}\"", event_id(&message.key))),
        ];
        headers.extend(self.authorization.as_ref().map(|value| ("authorization", value.expose().clone())));
        post(self.url.expose().clone(), headers, body, attempt)
    }

    fn judge(&self, answer: &Response, _message: &Message, now: Timestamp) -> Verdict {
        by_status(answer, now).quoting(machine_word(&answer.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{built, decline, judged, refused, request, sent_json};

    fn keys(template: &str) -> String {
        format!("kind = \"template\"\nurl = \"credential:hook\"\ndigests = true\ntemplate = '''{template}'''")
    }

    const HOOK: &[(&str, &str)] = &[("hook", "https://office.example/hook")];

    #[test]
    fn the_operator_s_body_is_sent() {
        let template = r#"{"to": "+49", "text": {{ "Shop: " ~ title }}, "all": [{% for row in rows %}{{ row.value }},{% endfor %} 0]
            {% if data.object is defined and data.object %}, "amount": {{ data.object.amount }}{% endif %}}"#;
        let target = built(&keys(template), HOOK);
        let body = sent_json(&*target, &decline());
        assert_eq!(body["text"], "Shop: [DECLINED] A charge was declined");
        assert_eq!((&body["all"][0], &body["amount"]), (&json!("14.00 EUR"), &json!("14.00")));
        let sent = request(&*target, &decline(), "2026-01-15T09:30:05Z");
        assert!(
            sent.headers
                .iter()
                .any(|(name, value)| *name == "idempotency-key" && value.starts_with("\"evt_"))
        );
        assert_eq!(judged(&*target, 204, &[], ""), "delivered");
        assert_eq!(judged(&*target, 422, &[], "bad_field"), "refused HTTP 422 bad_field");
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        for (template, expected) in [
            ("{\"text\": \"{{ title }}\"}", "not JSON"),
            ("{\"text\": \"{{ title | safe }}\"}", "not JSON"),
            ("{\"text\": {{ titel }}}", "undefined value"),
            ("{\"text\": {{ data.object.amount }}}", "with an alert about an account"),
            ("{\"text\": {{ title }", "line 1"),
            ("[{% for a in range(9999) %}{% for b in range(9999) %}1,{% endfor %}{% endfor %} 1]", "fuel"),
        ] {
            let problems = refused(&keys(template), HOOK);
            assert_eq!(problems[0].key, "alert.0.template");
            assert!(problems[0].what.contains(expected), "{template}: {}", problems[0].what);
        }
    }
}
