//! Notifications of Amazon SNS: the envelope, and the file with its signing certificate.

use jiff::Timestamp;
use sns_verifier::{IssuerUrl, Kind, Limits, Message, Roots, SigningCertificate};

use super::promises::is_shown;

/// Words of an envelope.
pub const WORDS: &[&str] = &[
    "\"Type\" : ",
    "\"Notification\"",
    "\"SubscriptionConfirmation\"",
    "\"MessageId\" : ",
    "\"TopicArn\" : ",
    "\"Subject\" : ",
    "\"Message\" : ",
    "\"Timestamp\" : ",
    "\"SignatureVersion\" : ",
    "\"SigningCertUrl\" : ",
    "\"Token\" : ",
    "arn:aws:sns:",
    "arn:aws-cn:sns:cn-north-1:",
    "https://sns.",
    ".amazonaws.com",
    ".pem",
    "eu-west-1",
    "null",
    "\\n",
    "\\u000a",
    "\\ud83c\\udf4c",
    ",",
];

/// Words of a file with certificates.
pub const PEM_WORDS: &[&str] =
    &["-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n", "MII", "=="];

/// An envelope: what is accepted has a signed text with one reading, and URLs on the topic's host.
pub fn message(data: &[u8]) {
    let message = match Message::read(data, &Limits::default()) {
        Ok(message) => message,
        Err(refusal) => {
            assert!(refusal.reason().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            return is_shown(&refusal.to_string());
        }
    };
    let text = message.signed_text();
    let mut lines: Vec<&str> = text.strip_suffix('\n').expect("a line feed at the end").split('\n').collect();
    let mut last = || (lines.pop(), lines.pop());
    assert_eq!(last(), (Some(message.kind.name()), Some("Type")));
    assert_eq!(last(), (Some(message.topic.arn.as_str()), Some("TopicArn")));
    if message.kind != Kind::Notification {
        assert_eq!(last(), (message.token.as_deref(), Some("Token")));
    }
    let (written, label) = last();
    assert_eq!(label, Some("Timestamp"));
    assert_eq!(written.and_then(|time| time.parse().ok()), Some(message.timestamp));
    if let Some(url) = &message.subscribe_url {
        assert_eq!(last(), (Some(url.as_str()), Some("SubscribeURL")));
    }
    if let Some(subject) = &message.subject {
        assert_eq!(last(), (Some(subject.as_str()), Some("Subject")));
    }
    assert_eq!(last(), (Some(message.message_id.as_str()), Some("MessageId")));
    assert_eq!(lines.remove(0), "Message");
    assert_eq!(lines.join("\n"), message.body);
    let start = format!("https://{}/", message.topic.host());
    let others = message.subscribe_url.iter().chain(&message.unsubscribe_url).map(|url| url.as_str());
    for url in others.chain([message.certificate_url().as_str()]) {
        assert!(url.starts_with(&start), "{url} is not on {start}");
    }
}

/// A file with certificates, which are their own roots: what is accepted is valid now.
pub fn certificate(data: &[u8]) {
    let now: Timestamp = "2026-01-15T12:00:00Z".parse().expect("a time");
    if let Some(url) = IssuerUrl::of(data) {
        assert!(url.as_str().starts_with("http://crt."));
    }
    let Ok(roots) = Roots::from_pem(data) else { return };
    match SigningCertificate::check(data, &roots, now) {
        Ok(certificate) => assert!(certificate.expires() >= now),
        Err(refusal) => is_shown(&refusal.to_string()),
    }
}
