//! The envelope of Amazon SNS (docs/src/reference/amazon-pay-v2.md section 9, amazon-pay-mws.md section 8).
//!
//! Owns: its fields, what of them is signed, its JSON and its headers. Must never know: what the message says.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::signing::{SignatureVersion, SigningKey};

/// What a message is; the word is that of the field `Type` and of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// `Notification`.
    Notification,
    /// `SubscriptionConfirmation`.
    SubscriptionConfirmation,
    /// `UnsubscribeConfirmation`.
    UnsubscribeConfirmation,
}

impl MessageKind {
    /// As the wire writes it.
    pub fn word(self) -> &'static str {
        match self {
            MessageKind::Notification => "Notification",
            MessageKind::SubscriptionConfirmation => "SubscriptionConfirmation",
            MessageKind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// One message, its signature apart. Every field may be set as a test likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `Type`.
    pub kind: MessageKind,
    /// `MessageId`, a UUID.
    pub message_id: String,
    /// `Token`, of confirmations.
    pub token: Option<String>,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Subject`; left out when there is none.
    pub subject: Option<String>,
    /// `Message`.
    pub message: String,
    /// `SubscribeURL`, of confirmations.
    pub subscribe_url: Option<String>,
    /// `Timestamp`.
    pub timestamp: String,
    /// `SignatureVersion`: usually the word of the version that it is signed with.
    pub signature_version: String,
    /// `SigningCertURL`.
    pub signing_cert_url: String,
    /// `UnsubscribeURL`, of notifications; never signed.
    pub unsubscribe_url: Option<String>,
}

impl Envelope {
    /// What is signed: each field that is there, its name and its value each with a line feed after it.
    pub fn string_to_sign(&self) -> String {
        let fields: [(&str, Option<&str>); 8] = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_deref()),
            ("SubscribeURL", self.subscribe_url.as_deref()),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_deref()),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(self.kind.word())),
        ];
        let present = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
        present.map(|(name, value)| format!("{name}\n{value}\n")).collect()
    }

    /// The body with the right signature of this key.
    pub fn signed(&self, key: &SigningKey, version: SignatureVersion) -> String {
        self.body(&key.sign(version, &self.string_to_sign()))
    }

    /// The body with any signature: one JSON object, indented as SNS writes it.
    pub fn body(&self, signature: &str) -> String {
        let fields: [(&str, Option<&str>); 12] = [
            ("Type", Some(self.kind.word())),
            ("MessageId", Some(&self.message_id)),
            ("Token", self.token.as_deref()),
            ("TopicArn", Some(&self.topic_arn)),
            ("Subject", self.subject.as_deref()),
            ("Message", Some(&self.message)),
            ("SubscribeURL", self.subscribe_url.as_deref()),
            ("Timestamp", Some(&self.timestamp)),
            ("SignatureVersion", Some(&self.signature_version)),
            ("Signature", Some(signature)),
            ("SigningCertURL", Some(&self.signing_cert_url)),
            ("UnsubscribeURL", self.unsubscribe_url.as_deref()),
        ];
        let present = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.into())));
        let object: Map<String, Value> = present.collect();
        serde_json::to_string_pretty(&Value::Object(object)).expect("a map of texts has no key but texts")
    }

    /// The headers of the request, names in lower case. A subscription that is being confirmed has no ARN yet.
    pub fn headers(&self) -> Vec<(String, String)> {
        let subscription = format!("{}:{}", self.topic_arn, subscription_id(&self.topic_arn));
        let has_subscription = self.kind != MessageKind::SubscriptionConfirmation;
        [
            ("x-amz-sns-message-type", self.kind.word()),
            ("x-amz-sns-message-id", &self.message_id),
            ("x-amz-sns-topic-arn", &self.topic_arn),
            ("x-amz-sns-subscription-arn", &subscription),
            ("content-type", "text/plain; charset=UTF-8"),
            ("user-agent", "Amazon Simple Notification Service Agent"),
        ]
        .iter()
        .filter(|(name, _)| has_subscription || *name != "x-amz-sns-subscription-arn")
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
    }
}

/// The last part of a subscription's ARN: one for each topic.
pub(super) fn subscription_id(topic_arn: &str) -> String {
    crate::provider::Random::for_matter(0, topic_arn, 0).uuid()
}

/// A time as SNS writes it.
pub(super) fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}
