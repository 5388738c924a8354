//! Owns: what a message says, the strict form of its fields, and the text that its signature is over.
//! Must never know: where a message came from, and where its certificate is kept.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::certificate::SigningCertificate;
use crate::envelope::{Envelope, Limits, one_line};
use crate::refusal::Refusal;
use crate::topic::Topic;
use crate::url::{CertificateUrl, ConfirmationUrl};

/// The most letters of a subject, as SNS has it.
const LONGEST_SUBJECT: usize = 100;
/// The longest token.
const LONGEST_TOKEN: usize = 1024;
/// The longest signature in base64: of a key with 8192 bits.
const LONGEST_SIGNATURE: usize = 1368;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// SNS asks whether this endpoint wants the topic's messages.
    SubscriptionConfirmation,
    /// The subscription was ended.
    UnsubscribeConfirmation,
}

impl Kind {
    /// The value of `Type`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }

    fn read(name: &str) -> Result<Kind, Refusal> {
        [Kind::Notification, Kind::SubscriptionConfirmation, Kind::UnsubscribeConfirmation]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(Refusal::Kind)
    }
}

/// How a message is signed: always RSA with PKCS #1 v1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureVersion {
    /// Version 1: SHA-1. It is what topics use unless their owner changes it.
    Sha1,
    /// Version 2: SHA-256.
    Sha256,
}

/// How old a message may be. A repeated delivery has the time of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgeBound {
    /// The greatest age. It must allow for the provider's repeated deliveries.
    pub oldest: Duration,
    /// How far ahead of our clock the time of a message may be.
    pub ahead: Duration,
}

impl AgeBound {
    /// The greatest age, and how far the clocks may differ.
    pub const fn new(oldest: Duration, ahead: Duration) -> AgeBound {
        AgeBound { oldest, ahead }
    }

    fn check(&self, timestamp: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let bound = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        if now.duration_since(timestamp) > bound(self.oldest) {
            return Err(Refusal::TooOld);
        }
        if timestamp.duration_since(now) > bound(self.ahead) {
            return Err(Refusal::FromTheFuture);
        }
        Ok(())
    }
}

/// Proof that a message was verified. Only [`Message::verify`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    signature_version: SignatureVersion,
}

impl Verified {
    /// How the message was signed.
    pub fn signature_version(&self) -> SignatureVersion {
        self.signature_version
    }
}

/// One SNS message, read strictly and not yet verified. All fields are decoded strings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What it is for.
    pub kind: Kind,
    /// A UUID. It is the same in repeated deliveries.
    pub message_id: String,
    /// The topic. Anybody can have a topic and send genuine messages by it: compare it with the expected one.
    pub topic: Topic,
    /// Only notifications may have one.
    pub subject: Option<String>,
    /// The field `Message`.
    pub body: String,
    /// When the message was published. It is the same in repeated deliveries.
    pub timestamp: Timestamp,
    /// Confirms the subscription. Notifications have none.
    pub subscribe_url: Option<ConfirmationUrl>,
    /// Belongs to `subscribe_url`.
    pub token: Option<String>,
    /// Ends the subscription. It is never signed, so anybody may have exchanged or removed it.
    pub unsubscribe_url: Option<ConfirmationUrl>,
    /// As the message gave it, for the signed text.
    written_timestamp: String,
    signature_version: SignatureVersion,
    signature: Vec<u8>,
    certificate_url: CertificateUrl,
}

impl Message {
    /// Reads the body of a request. Unknown fields are ignored.
    ///
    /// # Errors
    /// When it is not strictly of the form that SNS sends.
    pub fn read(body: &[u8], limits: &Limits) -> Result<Message, Refusal> {
        let mut fields = Envelope::read(body, limits)?;
        let kind = Kind::read(&fields.line("Type")?)?;
        let signature_version = match &*fields.required("SignatureVersion")? {
            "1" => SignatureVersion::Sha1,
            "2" => SignatureVersion::Sha256,
            _ => return Err(Refusal::Version),
        };
        let topic = Topic::parse(&fields.line("TopicArn")?)?;
        let certificate_url = CertificateUrl::check(&fields.required("SigningCertURL")?, &topic)?;
        let message_id = fields.line("MessageId")?;
        if !is_uuid(&message_id) {
            return Err(Refusal::MessageId);
        }
        let written_timestamp = fields.line("Timestamp")?;
        let timestamp = read_timestamp(&written_timestamp).ok_or(Refusal::Timestamp)?;
        let body = fields.required("Message")?;
        if body.len() > limits.message {
            return Err(Refusal::TooLarge("Message"));
        }
        let (mut subject, mut token, mut subscribe_url) = (None, None, None);
        if kind == Kind::Notification {
            fields.absent("Token")?;
            fields.absent("SubscribeURL")?;
            subject = read_subject(fields.take("Subject"))?;
        } else {
            fields.absent("Subject")?;
            let read_token = fields.line("Token")?;
            if !is_token(&read_token) {
                return Err(Refusal::Token);
            }
            let url = fields.line("SubscribeURL")?;
            subscribe_url = Some(ConfirmationUrl::check(&url, &topic, &read_token)?);
            token = Some(read_token.into_owned());
        }
        let unsubscribe_url = fields
            .take("UnsubscribeURL")
            .map(|url| ConfirmationUrl::check_unsubscribe(&url, &topic))
            .transpose()?;
        let signature = fields.required("Signature")?;
        if signature.len() > LONGEST_SIGNATURE {
            return Err(Refusal::TooLarge("Signature"));
        }
        let signature = STANDARD.decode(&*signature).map_err(|_| Refusal::SignatureForm)?;
        Ok(Message {
            kind,
            message_id: message_id.into_owned(),
            topic,
            subject,
            body: body.into_owned(),
            timestamp,
            subscribe_url,
            token,
            unsubscribe_url,
            written_timestamp: written_timestamp.into_owned(),
            signature_version,
            signature,
            certificate_url,
        })
    }

    /// Where the signing certificate is. The host is already checked.
    pub fn certificate_url(&self) -> &CertificateUrl {
        &self.certificate_url
    }

    /// How the message says that it is signed.
    pub fn signature_version(&self) -> SignatureVersion {
        self.signature_version
    }

    /// Verifies the signature and the age. Whether the topic is an expected one is the caller's question.
    ///
    /// # Errors
    /// When the certificate is not valid now or not for the topic's region, when the signature does not match, or
    /// when a genuine message is too old or from the future.
    pub fn verify(
        &self,
        certificate: &SigningCertificate,
        now: Timestamp,
        age: &AgeBound,
    ) -> Result<Verified, Refusal> {
        certificate.check_for(&self.topic, now)?;
        let is_sha256 = self.signature_version == SignatureVersion::Sha256;
        certificate.check_signature(is_sha256, &self.signed_text(), &self.signature)?;
        age.check(self.timestamp, now)?;
        Ok(Verified { signature_version: self.signature_version })
    }

    /// The text that the signature is over: each signed field as its name, a line feed, its value and a line feed,
    /// in the order of the names.
    pub fn signed_text(&self) -> String {
        let subscribe_url = self.subscribe_url.as_ref().map(ConfirmationUrl::as_str);
        let fields = [
            ("Message", Some(self.body.as_str())),
            ("MessageId", Some(self.message_id.as_str())),
            ("Subject", self.subject.as_deref()),
            ("SubscribeURL", subscribe_url),
            ("Timestamp", Some(self.written_timestamp.as_str())),
            ("Token", self.token.as_deref()),
            ("TopicArn", Some(self.topic.arn.as_str())),
            ("Type", Some(self.kind.name())),
        ];
        let mut text = String::with_capacity(self.body.len().saturating_add(512));
        for (field, value) in fields {
            let Some(value) = value else { continue };
            for part in [field, "\n", value, "\n"] {
                text.push_str(part);
            }
        }
        text
    }
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.iter().all(is_hex) && groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
}

/// `2012-04-26T20:45:04.751Z`, perhaps with other than three decimals.
fn read_timestamp(text: &str) -> Option<Timestamp> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.strip_suffix('Z')?.as_bytes();
    let (seconds, decimals) = bytes.split_at_checked(FORM.len())?;
    let fits = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    let is_form = seconds.iter().zip(FORM).all(fits);
    let has_decimals = match decimals.split_first() {
        None => true,
        Some((b'.', digits)) => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    if is_form && has_decimals { text.parse().ok() } else { None }
}

fn read_subject(subject: Option<Cow<'_, str>>) -> Result<Option<String>, Refusal> {
    let Some(subject) = subject else { return Ok(None) };
    let subject = one_line("Subject", subject)?;
    let count = subject.chars().take(LONGEST_SUBJECT + 1).count();
    if count == 0 || count > LONGEST_SUBJECT || subject.chars().any(char::is_control) {
        return Err(Refusal::Subject);
    }
    Ok(Some(subject.into_owned()))
}

fn is_token(text: &str) -> bool {
    (1..=LONGEST_TOKEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
