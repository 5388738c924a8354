//! The SNS envelope, for all APIs whose provider notifies through Amazon SNS (docs/src/reference/amazon-pay-v2.md,
//! section 9; docs/src/reference/amazon-pay-mws.md, section 8).
//!
//! Owns: what of a request's headers must agree with the body, and which faults of a certificate are this machine's own.
//! Must never know: the network, storage, what the text inside means. The rules of the signature are in the crate
//! `sns-verifier`.

use std::time::Duration;

use jiff::Timestamp;
use sns_verifier::{AgeBound, IssuerUrl, Kind, Limits, Message, Refusal, Topic};

use super::Refused;

pub use sns_verifier::{Roots, SigningCertificate};

/// The longest envelope: the text inside has at most 256 KiB, and escapes make it longer.
pub const LONGEST_ENVELOPE: usize = 512 * 1024;
/// The longest certificate file. Those of SNS have 2 KB.
pub const LONGEST_CERTIFICATE: usize = 32 * 1024;
/// How far the time of a message may be ahead of this machine's clock.
const AHEAD: Duration = Duration::from_secs(15 * 60);

/// An envelope that was read and is not verified.
#[derive(Debug)]
pub struct Sealed {
    message: Message,
}

/// What an envelope is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A notification of the provider.
    Notification(String),
    /// The topic asks whether this address wants its messages. Visiting the URL says yes.
    Confirmation {
        /// On the host of the topic.
        url: String,
    },
    /// The subscription was ended.
    Unsubscribed,
}

impl Sealed {
    /// Reads the body of a request and compares it with the headers that SNS sends.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn read<'a>(body: &[u8], header: impl Fn(&str) -> Option<&'a str>) -> Result<Sealed, Refused> {
        let message = Message::read(body, &Limits::default()).map_err(|refusal| refused(&refusal))?;
        let agrees = |name: &str, value: &str| header(name).is_none_or(|written| written.trim() == value);
        if !agrees("x-amz-sns-message-type", message.kind.name())
            || !agrees("x-amz-sns-message-id", &message.message_id)
            || !agrees("x-amz-sns-topic-arn", &message.topic.arn)
        {
            return Err(Refused::because("header"));
        }
        Ok(Sealed { message })
    }

    /// Where its certificate is: always on the SNS host of the topic's region.
    pub fn certificate_url(&self) -> &str {
        self.message.certificate_url().as_str()
    }

    /// Its topic. Anybody can have one and send genuine messages through it.
    pub fn topic(&self) -> &str {
        &self.message.topic.arn
    }

    /// When it was first sent. Trust it only after [`Sealed::verify`].
    pub fn sent_at(&self) -> Timestamp {
        self.message.timestamp
    }

    /// Identifies the message across redeliveries. It is made of the text that is signed, so a message that was cut
    /// into other fields is the same message.
    pub fn key(&self) -> String {
        let text = self.message.signed_text();
        crate::text::sha256(text.as_bytes())
    }

    /// What is inside. Trust it only after [`Sealed::verify`].
    pub fn content(&self) -> Content {
        match (self.message.kind, &self.message.subscribe_url) {
            (Kind::SubscriptionConfirmation, Some(url)) => {
                Content::Confirmation { url: url.as_str().to_owned() }
            }
            (Kind::UnsubscribeConfirmation, _) => Content::Unsubscribed,
            _ => Content::Notification(self.message.body.clone()),
        }
    }

    /// Verifies signature and age. `redelivered_for`: how long after its first delivery a message may come again.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(
        &self,
        certificate: &SigningCertificate,
        redelivered_for: Duration,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let age = AgeBound::new(redelivered_for, AHEAD);
        self.message.verify(certificate, now, &age).map(drop).map_err(|refusal| refused(&refusal))
    }
}

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCertificate {
    /// Its issuer is not known here. The file came from the SNS host, so this machine may lack an issuer.
    UnknownIssuer,
    /// It must not sign messages.
    Refused(Refused),
}

/// Checks what was fetched from [`Sealed::certificate_url`].
///
/// # Errors
/// Why it cannot be used.
pub fn certificate(pem: &[u8], roots: &Roots, now: Timestamp) -> Result<SigningCertificate, BadCertificate> {
    SigningCertificate::check(pem, roots, now).map_err(|refusal| match refusal.reason() {
        "certificate_chain" => BadCertificate::UnknownIssuer,
        _ => BadCertificate::Refused(refused(&refusal)),
    })
}

/// Where the issuer of a certificate is; none unless that is in Amazon's own repository. SNS serves its certificate without
/// the issuer.
pub fn issuer_url(pem: &[u8]) -> Option<String> {
    IssuerUrl::of(pem).map(|url| url.as_str().to_owned())
}

/// A topic as written in full, if it is one.
pub fn topic(arn: &str) -> Option<String> {
    Topic::parse(arn.trim()).ok().map(|topic| topic.arn)
}

/// A message whose certificate is on a host that is not SNS, so it is refused before anything is fetched.
pub fn refused_example() -> (&'static str, Vec<u8>) {
    let body = r#"{"Type":"Notification","MessageId":"00000000-0000-4000-8000-000000000000","TopicArn":"arn:aws:sns:eu-west-1:000000000000:reconciled-check","Message":"{}","Timestamp":"2026-01-01T00:00:00.000Z","SignatureVersion":"1","Signature":"AAAA","SigningCertURL":"https://sns.eu-west-1.amazonaws.com.invalid/x.pem"}"#;
    ("text/plain; charset=UTF-8", body.as_bytes().to_vec())
}

fn refused(refusal: &Refusal) -> Refused {
    Refused::because(refusal.reason())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_refused_because_of_its_host_and_headers_must_agree() {
        let (_, body) = refused_example();
        let none = |_: &str| None::<&'static str>;
        assert_eq!(Sealed::read(&body, none).unwrap_err().reason, "certificate_host");
        let text = String::from_utf8(body).unwrap().replace(".invalid", "");
        let read = |name: &'static str, value: &'static str| {
            Sealed::read(text.as_bytes(), |asked| (asked == name).then_some(value)).map(|sealed| sealed.key())
        };
        assert_eq!(read("x-amz-sns-message-type", "Notification").unwrap().len(), 64);
        for (name, value) in [
            ("x-amz-sns-message-type", "SubscriptionConfirmation"),
            ("x-amz-sns-message-id", "1"),
            ("x-amz-sns-topic-arn", "arn:aws:sns:eu-west-1:000000000000:other"),
        ] {
            assert_eq!(read(name, value).unwrap_err().reason, "header", "{name}");
        }
    }

    #[test]
    fn a_topic_is_an_arn_in_full() {
        let arn = "arn:aws:sns:eu-west-1:291180941288:A3BXB0YN3XH17H";
        assert_eq!(topic(&format!(" {arn}\n")).as_deref(), Some(arn));
        assert_eq!(topic("A3BXB0YN3XH17H"), None);
    }
}
