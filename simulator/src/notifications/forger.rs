//! Single messages for tests: genuine ones, and any that a test thinks of.
//!
//! Owns: nothing but the assembly. Must never know: scenarios.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::envelope::{Envelope, MessageKind};
use super::forgery::Forgery;
use super::signer::Signer;
use super::signing::SignatureVersion;
use super::topic::Topic;
use crate::provider::Random;
use crate::scenario::Subscription;

/// Makes messages of one account's topic.
///
/// ```
/// use amazon_pay_simulator::notifications::{Envelope, Forger, SignatureVersion};
///
/// let forger = Forger::new("shop", "A1EXAMPLEUS", "eu")?;
/// let genuine = forger.envelope("{\"ObjectType\":\"CHARGE\"}", "2026-01-15T12:00:00Z".parse()?);
/// let body = forger.sign(&genuine, SignatureVersion::Two);
/// // The same signature under another message:
/// let signature = forger.sign_text(&genuine.string_to_sign(), SignatureVersion::Two);
/// let forged = Envelope { message: "{}".to_owned(), ..genuine }.body(&signature);
/// assert_ne!(body, forged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Forger {
    signer: Arc<Signer>,
    topic: Topic,
}

impl Forger {
    /// A forger of the topic that the simulator gives to this account: the same authority, keys and addresses as every
    /// simulator of this process has.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn new(account: &str, merchant_id: &str, region: &str) -> io::Result<Forger> {
        let topic = Topic::new(account, merchant_id, region, Subscription::Confirmed);
        Ok(Forger { signer: Signer::shared()?, topic })
    }

    /// The keys and certificates.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The topic's ARN.
    pub fn topic_arn(&self) -> &str {
        &self.topic.arn
    }

    /// Where the simulator serves the signing certificate.
    pub fn certificate_url(&self) -> String {
        self.topic.certificate_url()
    }

    /// A notification of this text without a subject, its version 1; the id follows from text and time.
    pub fn envelope(&self, message: &str, at: Timestamp) -> Envelope {
        let id = Random::for_matter(0, &format!("forger {at} {message}"), 0).uuid();
        self.topic.envelope((id, message.to_owned()), None, at, SignatureVersion::One)
    }

    /// A confirmation, its version 1.
    pub fn confirmation(&self, kind: MessageKind, at: Timestamp) -> Envelope {
        let id = Random::for_matter(0, &format!("forger {at} {}", kind.word()), 0).uuid();
        self.topic.confirmation(kind, id, at)
    }

    /// The body of an envelope, signed rightly; the envelope's version is set to that of the signature.
    pub fn sign(&self, envelope: &Envelope, version: SignatureVersion) -> String {
        let envelope = Envelope { signature_version: version.word().to_owned(), ..envelope.clone() };
        envelope.signed(self.signer.key(), version)
    }

    /// The right signature of any text, base64.
    pub fn sign_text(&self, text: &str, version: SignatureVersion) -> String {
        self.signer.key().sign(version, text)
    }

    /// A forged message of a kind; its envelope and its body.
    pub fn forge(
        &self,
        forgery: Forgery,
        genuine: &Envelope,
        version: SignatureVersion,
    ) -> (Envelope, String) {
        let genuine = Envelope { signature_version: version.word().to_owned(), ..genuine.clone() };
        forgery.forge(genuine, &self.signer, version)
    }
}
