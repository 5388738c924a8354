//! Messages that somebody else sends, or that were genuine and are no longer.
//!
//! Owns: the kinds of forgery and what each makes of a genuine message. Must never know: when one is sent.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::envelope::{Envelope, MessageKind, written};
use super::signer::Signer;
use super::signing::SignatureVersion;
use crate::provider::Random;

/// A kind of forgery; scenarios write it in lower case with underscores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// Signed with a key that has no certificate.
    WrongKey,
    /// The message was changed after it was signed.
    ChangedMessage,
    /// The certificate is at a host that only begins like that of SNS.
    LookAlikeHost,
    /// The certificate is in a storage bucket of the same cloud.
    BucketHost,
    /// The certificate would be fetched without TLS.
    PlainUrl,
    /// Signed by SNS, for the topic of somebody else.
    OtherTopic,
    /// Signed under a version that does not exist.
    UnknownVersion,
    /// Without a signature.
    Unsigned,
    /// Genuine and signed, cut into other fields: the subject has become a part of the message id.
    Recut,
    /// Genuine and signed, 30 days old.
    Old,
    /// A subscription confirmation that asks for a visit elsewhere.
    StrangeConfirmation,
    /// Feedback signed with another phrase.
    WrongPhrase,
    /// Feedback whose amount was changed after it was signed.
    ChangedAmount,
    /// Feedback without a signature.
    UnsignedFeedback,
    /// Feedback cut into other parameters: the language has become a part of the id.
    RecutFeedback,
}

/// Every kind, its word, and whether it is one of SNS.
const KINDS: [(Forgery, &str, bool); 15] = [
    (Forgery::WrongKey, "wrong_key", true),
    (Forgery::ChangedMessage, "changed_message", true),
    (Forgery::LookAlikeHost, "look_alike_host", true),
    (Forgery::BucketHost, "bucket_host", true),
    (Forgery::PlainUrl, "plain_url", true),
    (Forgery::OtherTopic, "other_topic", true),
    (Forgery::UnknownVersion, "unknown_version", true),
    (Forgery::Unsigned, "unsigned", true),
    (Forgery::Recut, "recut", true),
    (Forgery::Old, "old", true),
    (Forgery::StrangeConfirmation, "strange_confirmation", true),
    (Forgery::WrongPhrase, "wrong_phrase", false),
    (Forgery::ChangedAmount, "changed_amount", false),
    (Forgery::UnsignedFeedback, "unsigned_feedback", false),
    (Forgery::RecutFeedback, "recut_feedback", false),
];

/// How old a replayed message is.
const OLD: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Forgery {
    /// The kinds of SNS, or those of feedback.
    pub fn all(is_of_sns: bool) -> Vec<Forgery> {
        KINDS.iter().filter(|(_, _, is)| *is == is_of_sns).map(|(kind, _, _)| *kind).collect()
    }

    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Whether it is a kind of SNS message, not of feedback.
    pub fn is_of_sns(self) -> bool {
        KINDS.iter().any(|(kind, _, is)| *kind == self && *is)
    }

    pub(crate) fn names(is_of_sns: bool) -> String {
        let kinds = Forgery::all(is_of_sns);
        kinds.into_iter().map(Forgery::name).collect::<Vec<_>>().join(", ")
    }

    /// Whether it names an object that does not exist, so that a request about it betrays who believed it. The others
    /// name the object of the genuine message.
    pub fn invents(self) -> bool {
        !matches!(
            self,
            Forgery::Recut
                | Forgery::Old
                | Forgery::OtherTopic
                | Forgery::ChangedAmount
                | Forgery::RecutFeedback
        )
    }

    /// What becomes of an envelope that nobody has signed yet: the envelope as it is sent, and its body.
    pub fn forge(
        self,
        mut genuine: Envelope,
        signer: &Signer,
        version: SignatureVersion,
    ) -> (Envelope, String) {
        let signed = |envelope: Envelope| {
            let body = envelope.signed(signer.key(), version);
            (envelope, body)
        };
        match self {
            Forgery::ChangedMessage => {
                let mut other = genuine.clone();
                other.message = other.message.replacen("STATE_CHANGE", "ATTRIBUTE_CHANGE", 1) + " ";
                let body = genuine.body(&signer.key().sign(version, &other.string_to_sign()));
                (genuine, body)
            }
            Forgery::LookAlikeHost => {
                let url =
                    genuine.signing_cert_url.replacen(".amazonaws.com/", ".amazonaws.com.example.com/", 1);
                signed(Envelope { signing_cert_url: url, ..genuine })
            }
            Forgery::BucketHost => {
                let url = genuine.signing_cert_url.replacen("https://sns.", "https://s3.", 1);
                signed(Envelope { signing_cert_url: url, ..genuine })
            }
            Forgery::PlainUrl => {
                let url = genuine.signing_cert_url.replacen("https://", "http://", 1);
                signed(Envelope { signing_cert_url: url, ..genuine })
            }
            Forgery::OtherTopic => {
                let (head, _) = genuine.topic_arn.rsplit_once(':').unwrap_or((&genuine.topic_arn, ""));
                let (head, _) = head.rsplit_once(':').unwrap_or((head, ""));
                signed(Envelope { topic_arn: format!("{head}:666666666666:anybody"), ..genuine })
            }
            Forgery::UnknownVersion => signed(Envelope { signature_version: "3".to_owned(), ..genuine }),
            Forgery::Unsigned => {
                let body = genuine.body("");
                (genuine, body)
            }
            Forgery::Recut => {
                let subject = genuine.subject.take().unwrap_or_else(|| "Amazon Pay".to_owned());
                genuine.subject = Some(subject.clone());
                let signature = signer.key().sign(version, &genuine.string_to_sign());
                let message_id = format!("{}\nSubject\n{subject}", genuine.message_id);
                let recut = Envelope { subject: None, message_id, ..genuine };
                let body = recut.body(&signature);
                (recut, body)
            }
            Forgery::Old => {
                let sent: Option<Timestamp> = genuine.timestamp.parse().ok();
                let old = sent.and_then(|sent| sent.checked_sub(OLD).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
                signed(Envelope { timestamp: written(old), ..genuine })
            }
            Forgery::StrangeConfirmation => {
                let envelope = Envelope {
                    kind: MessageKind::SubscriptionConfirmation,
                    token: Some("0".repeat(64)),
                    subject: None,
                    subscribe_url: Some("https://sns.example.com/?Action=ConfirmSubscription".to_owned()),
                    unsubscribe_url: None,
                    ..genuine
                };
                let body = envelope.signed(signer.stranger(), version);
                (envelope, body)
            }
            // The rest are kinds of feedback: an envelope is signed wrongly as well.
            _ => {
                let body = genuine.signed(signer.stranger(), version);
                (genuine, body)
            }
        }
    }

    /// What becomes of signed parameters.
    pub fn forge_feedback(self, mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
        let value = |fields: &[(String, String)], name: &str| {
            fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        match self {
            Forgery::ChangedAmount => set(&mut fields, "amount", |amount| format!("{amount}0")),
            Forgery::UnsignedFeedback => fields.retain(|(name, _)| name != "signature"),
            Forgery::RecutFeedback => {
                let language = value(&fields, "language");
                fields.retain(|(name, _)| name != "language");
                set(&mut fields, "fort_id", |id| format!("{id}language={language}"));
            }
            // Whatever phrase it was: not the account's.
            _ => set(&mut fields, "signature", |signature| signature.chars().rev().collect()),
        }
        fields
    }
}

fn set(fields: &mut [(String, String)], name: &str, change: impl Fn(&str) -> String) {
    for (_, value) in fields.iter_mut().filter(|(known, _)| known == name) {
        *value = change(value);
    }
}

/// An id of the same form that names nothing: its digits are drawn, its letters stay.
pub(super) fn invented(id: &str, random: &mut Random) -> String {
    let (head, tail) = id.split_at_checked(4).unwrap_or(("", id));
    let mut drawn = |letter: char| match letter {
        '0'..='9' => random.digits(1),
        other => other.to_string(),
    };
    head.to_owned() + &tail.chars().map(&mut drawn).collect::<String>()
}
