//! A message that is complete but for its signature.
//!
//! Owns: when it is signed: outside the world's lock, for a signature takes about a millisecond. Must never know: why it
//! is sent.

use super::Notification;
use super::envelope::Envelope;
use super::signer::Signer;
use super::signing::SignatureVersion;

/// A message on its way to its signature.
#[derive(Debug)]
pub(crate) enum Draft {
    /// It has all it needs.
    Ready(Notification),
    /// It lacks headers and body.
    Unsigned {
        /// All else.
        blank: Notification,
        /// What is to be signed, or forged.
        envelope: Envelope,
        /// How.
        version: SignatureVersion,
    },
}

impl Draft {
    /// When the message arrives.
    pub(super) fn at(&self) -> jiff::Timestamp {
        match self {
            Draft::Ready(notification) | Draft::Unsigned { blank: notification, .. } => notification.at,
        }
    }

    /// The whole message.
    pub(crate) fn sealed(self, signer: &Signer) -> Notification {
        match self {
            Draft::Ready(notification) => notification,
            Draft::Unsigned { blank, envelope, version } => {
                let (envelope, body) = match blank.forgery {
                    None => {
                        let body = envelope.signed(signer.key(), version);
                        (envelope, body)
                    }
                    Some(forgery) => forgery.forge(envelope, signer, version),
                };
                Notification { headers: envelope.headers(), body: body.into(), ..blank }
            }
        }
    }
}
