//! E-mail.
//!
//! Owns: headers, text and HTML of a message (docs/src/reference/operations.md, sections 1.1, 1.2 and 1.4). Must never
//! know: how a mail server is reached, the outbox.
//!
//! Headers are built from typed values, so no text can add a header. Alerts about one object refer to the same
//! message id, so that a mail program shows them as one conversation.

use std::sync::Arc;
use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Email, MultiPart, SinglePart};
use serde::Deserialize;

use crate::alerts::fit::{self, Unit};
use crate::alerts::mail::{Mail, Relay, Security};
use crate::alerts::message::{Message, Subject};
use crate::alerts::setting::Setting;
use crate::alerts::target::{Attempt, Composed, Registration, Target, TargetSection};
use crate::payments::alert::Severity;
use crate::secret::{Secret, SecretReference};
use crate::webhook::event_id;

/// The line in the list of targets.
pub(super) const REGISTRATION: Registration = Registration::new::<Section>("email");

const SUBJECT_LIMIT: usize = 200;
/// All texts of a body, in bytes.
const TEXTS_LIMIT: usize = 100_000;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// The mail server's name.
    server: String,
    /// Its port; 465, or 587 with STARTTLS, or 25 without TLS.
    #[serde(default)]
    port: Option<u16>,
    /// `implicit` (TLS from the first byte), `starttls`, or `none` for a server on this machine.
    #[serde(default = "implicit")]
    security: Security,
    /// The user to log in as; none for a server that needs no login.
    #[serde(default)]
    user: Option<String>,
    /// Where the password is.
    #[serde(default)]
    password: Option<SecretReference>,
    /// The sender: `alerts@shop.example` or `Shop alerts <alerts@shop.example>`.
    from: String,
    /// The receivers.
    to: Vec<String>,
}

fn implicit() -> Security {
    Security::Implicit
}

impl TargetSection for Section {
    fn build(&self, setting: &mut Setting<'_>) -> Option<Box<dyn Target>> {
        let from = mailbox(setting, "from", &self.from);
        let to: Vec<Option<Mailbox>> = self.to.iter().map(|text| mailbox(setting, "to", text)).collect();
        if to.is_empty() {
            setting.problem("to", "it is empty", "name at least one address");
        }
        let credentials = self.credentials(setting);
        if self.security == Security::None && !is_this_machine(&self.server) {
            let remedy = "use security = \"implicit\" or \"starttls\"";
            setting.problem("security", "only a server on this machine may be used without TLS", remedy);
        }
        let (from, to, credentials) = (from?, to.into_iter().collect::<Option<Vec<_>>>()?, credentials?);
        let port = self.port.unwrap_or(match self.security {
            Security::Implicit => 465,
            Security::StartTls => 587,
            Security::None => 25,
        });
        let domain = from.email.domain().to_owned();
        let relay = Relay::new(&self.server, port, self.security, &domain, credentials, setting.roots_pem());
        match relay {
            Ok(relay) if !to.is_empty() => {
                Some(Box::new(Mailing { relay: Arc::new(relay), from, to, domain }))
            }
            Ok(_) => None,
            Err(what) => {
                let remedy =
                    "write the name of the mail server: mail.example.com (and install ca-certificates)";
                setting.problem("server", what, remedy);
                None
            }
        }
    }
}

impl Section {
    fn credentials(&self, setting: &mut Setting<'_>) -> Option<Option<(String, Secret<String>)>> {
        match (&self.user, &self.password) {
            (None, None) => Some(None),
            (Some(user), Some(password)) => {
                let password = setting.secret("password", password)?;
                Some(Some((user.clone(), password)))
            }
            (Some(_), None) => {
                setting.problem("password", "is missing", "name the file with the password of the user");
                None
            }
            (None, Some(_)) => {
                setting.problem("user", "is missing", "name the user whose password it is");
                None
            }
        }
    }
}

fn mailbox(setting: &mut Setting<'_>, key: &str, text: &str) -> Option<Mailbox> {
    let parsed = text.parse().ok().filter(|_| !text.contains(char::is_control));
    if parsed.is_none() {
        let remedy = "write name@example.com or \"Name <name@example.com>\"";
        setting.problem(key, "it is not an e-mail address", remedy);
    }
    parsed
}

fn is_this_machine(server: &str) -> bool {
    server == "localhost" || server.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// One sender and its receivers.
#[derive(Debug)]
struct Mailing {
    relay: Arc<Relay>,
    from: Mailbox,
    to: Vec<Mailbox>,
    domain: String,
}

impl Target for Mailing {
    fn compose(&self, message: &Message, attempt: &Attempt) -> Composed {
        match self.email(message, attempt) {
            Ok(message) => Composed::Mail(Box::new(Mail { relay: Arc::clone(&self.relay), message })),
            Err(error) => Composed::Impossible(format!("the e-mail cannot be built: {error}")),
        }
    }
}

impl Mailing {
    fn email(&self, message: &Message, attempt: &Attempt) -> Result<Email, lettre::error::Error> {
        let id = event_id(&message.key);
        let mut builder = Email::builder().from(self.from.clone());
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder = builder
            .subject(fit::cut(&message.title, SUBJECT_LIMIT, Unit::Utf16, fit::verbatim))
            .date(SystemTime::from(attempt.at))
            .message_id(Some(format!("<{id}@{}>", self.domain)))
            .header(Generated)
            .header(match message.severity {
                Severity::Critical => Importance("high"),
                Severity::Warning | Severity::Info => Importance("normal"),
            });
        if let Subject::Single(alert) = &message.subject
            && let Some(object) = &alert.object
        {
            let thread = format!("<{}@{}>", event_id(&object.to_string()), self.domain);
            builder = builder.references(thread);
        }
        let (text, html) = bodies(message);
        // Both parts are encoded, so no line is too long and no boundary can occur in them.
        let part = |kind: ContentType, body: String| {
            SinglePart::builder().header(kind).header(ContentTransferEncoding::Base64).body(body)
        };
        let parts = MultiPart::alternative()
            .boundary(id)
            .singlepart(part(ContentType::TEXT_PLAIN, text))
            .singlepart(part(ContentType::TEXT_HTML, html));
        builder.multipart(parts)
    }
}

/// The message as text and as HTML.
fn bodies(message: &Message) -> (String, String) {
    let rows = message.rows();
    let mut texts = vec![message.title.as_str()];
    texts.extend(rows.iter().map(|(_, value)| *value));
    texts.extend(message.lines.iter().map(String::as_str));
    let texts = fit::cut_together(&texts, TEXTS_LIMIT, Unit::Bytes, fit::verbatim);
    let (title, rest) = texts.split_first().expect("the title is always there");
    let (values, lines) = rest.split_at(rows.len());
    let mut text = format!("{title}\n\n");
    let mut html = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head>\
         <body style=\"font-family:sans-serif;font-size:14px;color:#222\">\n<h2 style=\"font-size:17px\">{}</h2>\n\
         <table style=\"border-collapse:collapse\">\n",
        escaped(title)
    );
    for ((label, _), value) in rows.iter().zip(values) {
        text.push_str(&format!("{:<14} {value}\n", format!("{label}:")));
        html.push_str(&format!(
            "<tr><th style=\"text-align:left;vertical-align:top;padding:4px 14px 4px 0;color:#666\">{label}</th>\
             <td style=\"padding:4px 0\">{}</td></tr>\n",
            escaped(value)
        ));
    }
    html.push_str("</table>\n");
    if !lines.is_empty() {
        text.push('\n');
        html.push_str("<ul>\n");
        for entry in lines {
            text.push_str(&format!("- {entry}\n"));
            html.push_str(&format!("<li>{}</li>\n", escaped(entry)));
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</body></html>\n");
    (text, html)
}

fn escaped(text: &str) -> String {
    fit::cut(text, usize::MAX, Unit::Bytes, fit::angles)
}

/// `Auto-Submitted: auto-generated` (RFC 3834): vacation programs do not answer.
#[derive(Debug, Clone)]
struct Generated;

impl Header for Generated {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Generated, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Generated)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Generated::name(), "auto-generated".to_owned())
    }
}

/// `Importance`, as mail programs show it.
#[derive(Debug, Clone)]
struct Importance(&'static str);

impl Header for Importance {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Importance")
    }

    fn parse(_: &str) -> Result<Importance, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Importance("normal"))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Importance::name(), self.0.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::targets::tests::{attempt, built, decline, mail_parts, refused};

    const KEYS: &str = "kind = \"email\"\nserver = \"mail.shop.example\"\nuser = \"alerts\"\n\
                        password = \"credential:password\"\nfrom = \"Shop alerts <alerts@shop.example>\"\n\
                        to = [\"ops@shop.example\", \"Jane <jane@shop.example>\"]";

    fn sent(keys: &str, message: &Message) -> String {
        let target = built(keys, &[("password", "canary")]);
        let Composed::Mail(mail) = target.compose(message, &attempt("2026-01-15T09:30:05Z")) else {
            panic!("no mail")
        };
        assert!(!format!("{mail:?} {target:?}").contains("canary"));
        String::from_utf8(mail.message.formatted()).unwrap()
    }

    #[test]
    fn a_decline_has_text_and_html_and_a_stable_id() {
        let mail = sent(KEYS, &decline());
        for expected in [
            "From: \"Shop alerts\" <alerts@shop.example>\r\n",
            "To: ops@shop.example, Jane <jane@shop.example>\r\n",
            "Subject: [DECLINED] A charge was declined\r\n",
            "Date: Thu, 15 Jan 2026 09:30:05 +0000\r\n",
            &format!("Message-ID: <{}@shop.example>\r\n", event_id("a/1")),
            "References: <evt_",
            "Auto-Submitted: auto-generated\r\n",
            "Importance: high\r\n",
            "multipart/alternative",
        ] {
            assert!(mail.contains(expected), "{expected} is not in {mail}");
        }
        let parts = mail_parts(&mail);
        assert_eq!(parts.len(), 2);
        assert!(
            parts[0].starts_with("[DECLINED] A charge was declined\n\nAmount:        14.00 EUR\n"),
            "{}",
            parts[0]
        );
        assert!(parts[1].contains("<td style=\"padding:4px 0\">14.00 EUR</td>"), "{}", parts[1]);
        assert_eq!(mail, sent(KEYS, &decline()));
    }

    #[test]
    fn bad_keys_are_named() {
        let keys = |problems: Vec<crate::problem::Problem>| -> Vec<String> {
            problems.into_iter().map(|problem| problem.key).collect()
        };
        let bad = "kind = \"email\"\nserver = \"mail.shop.example\"\nsecurity = \"none\"\nuser = \"a\"\nfrom = \"nobody\"\nto = []";
        let expected = ["alert.0.from", "alert.0.to", "alert.0.password", "alert.0.security"];
        assert_eq!(keys(refused(bad, &[])), expected);
        let injected = KEYS.replace("ops@shop.example", "ops@shop.example\\r\\nBcc: x@evil.example");
        assert_eq!(keys(refused(&injected, &[("password", "x")])), ["alert.0.to"]);
    }
}
