//! What the tests of all targets share, and what every target must withstand.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::alerts::classify::Verdict;
use crate::alerts::config::{AlertConfig, AlertSection, resolve};
use crate::alerts::message::{Message, single, trial};
use crate::alerts::target::{Attempt, Composed, Target};
use crate::alerts::tests::alert;
use crate::http::connections::Connections;
use crate::http::{Request, Response};
use crate::problem::Problem;
use crate::secret::SecretLoader;

/// An attempt at this time.
pub(in crate::alerts) fn attempt(at: &str) -> Attempt {
    Attempt { at: at.parse().unwrap(), timeout: Duration::from_secs(10) }
}

/// The request that carries a message.
pub(in crate::alerts) fn request(target: &dyn Target, message: &Message, at: &str) -> Request {
    match target.compose(message, &attempt(at)) {
        Composed::Http(request) => request,
        other => panic!("no request: {other:?}"),
    }
}

/// Its body as JSON.
pub(in crate::alerts) fn sent_json(target: &dyn Target, message: &Message) -> Value {
    serde_json::from_slice(&request(target, message, "2026-01-15T09:30:05Z").body).unwrap()
}

/// A verdict in one line.
pub(in crate::alerts) fn words(verdict: Verdict) -> String {
    let wait = |after: Option<Duration>| after.map(|wait| format!(" in {wait:?}")).unwrap_or_default();
    match verdict {
        Verdict::Delivered => "delivered".to_owned(),
        Verdict::Retry { after, why } => format!("retry{} {why}", wait(after)),
        Verdict::Denied { after, why } => format!("denied{} {why}", wait(after)),
        Verdict::Refused { why } => format!("refused {why}"),
    }
}

/// What a target makes of an answer to a message about a decline.
pub(in crate::alerts) fn judged(
    target: &dyn Target,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = Response { status, headers, body: body.as_bytes().to_vec() };
    let message = trial("ops", Timestamp::UNIX_EPOCH, &TimeZone::UTC);
    words(target.judge(&answer, &message, Timestamp::UNIX_EPOCH))
}

/// The message about a decline.
pub(in crate::alerts) fn decline() -> Message {
    single(&alert("a/1"), false, &TimeZone::UTC)
}

fn resolved(keys: &str, secrets: &[(&str, &str)]) -> Result<AlertConfig, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in secrets {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let section = AlertSection::read(toml::from_str(&format!("name = \"ops\"\n{keys}")).unwrap()).unwrap();
    let loader = SecretLoader::new(Some(folder.path().to_owned()));
    resolve(&[section], &BTreeMap::new(), &loader, &Connections::default())
}

/// The target of a section with these keys and secrets.
pub(in crate::alerts) fn built(keys: &str, secrets: &[(&str, &str)]) -> Box<dyn Target> {
    resolved(keys, secrets).unwrap().channels.remove(0).target
}

/// What is wrong with a section.
pub(in crate::alerts) fn refused(keys: &str, secrets: &[(&str, &str)]) -> Vec<Problem> {
    resolved(keys, secrets).unwrap_err()
}

/// The decoded parts of an e-mail.
pub(in crate::alerts) fn mail_parts(mail: &str) -> Vec<String> {
    let parts = mail.split("Content-Transfer-Encoding: base64\r\n\r\n").skip(1);
    parts
        .map(|part| {
            let encoded: String = part.split("\r\n--").next().unwrap().split_whitespace().collect();
            String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap().replace("\r\n", "\n")
        })
        .collect()
}

/// The documentation shows what is sent: a decline, to each kind of target.
#[test]
fn the_documentation_shows_what_is_sent() {
    const DOCUMENTATION: &str = include_str!("../../../docs/src/alert-targets.md");
    let mut missing = Vec::new();
    for (kind, keys) in super::hostile::SECTIONS {
        assert!(DOCUMENTATION.contains(&format!("kind = \"{kind}\"")), "{kind} is not documented");
        let target = built(&format!("kind = \"{kind}\"\n{keys}"), super::hostile::SECRETS);
        let sent = match target.compose(&decline(), &attempt("2026-01-15T09:30:05Z")) {
            Composed::Http(request) => request.body,
            Composed::Command(invocation) => invocation.input,
            Composed::Mail(mail) => {
                let mail = String::from_utf8(mail.message.formatted()).unwrap();
                let text = mail_parts(&mail).remove(0);
                serde_json::to_vec(&text).unwrap()
            }
            Composed::Impossible(why) => panic!("{why}"),
        };
        let shown = match serde_json::from_slice(&sent).unwrap() {
            Value::String(text) => text,
            body => serde_json::to_string_pretty(&body).unwrap(),
        };
        // `template` shows its own example, `webhook` and `exec` are described field by field.
        let is_shown =
            ["template", "webhook", "exec"].contains(kind) || DOCUMENTATION.contains(shown.trim_end());
        if !is_shown {
            missing.push(format!("=== {kind}\n{}", shown.trim_end()));
        }
    }
    assert!(missing.is_empty(), "docs/src/alert-targets.md lacks:\n{}", missing.join("\n"));
}
